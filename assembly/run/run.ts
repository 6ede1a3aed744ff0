/**
 * The machine: it steps a pass through the records of its program. A slice does a bounded amount of work and returns,
 * so that a host can abort, show progress, or fetch what a step lacks.
 *
 *     INPUT ─► LAYERS: the steps of each layer's kind, layer by layer ─► OUTPUT: logits asked for, or vectors ─► IDLE
 */
import { Status } from "../memory/core";
import { runStep } from "../ops/ops";
import { Context, Running } from "../pass/context";
import { narrow } from "../pass/narrow";
import { isMean, poolMeans } from "../pass/texts";
import { isIdle, threadSlots, threadsOf } from "../pass/threads";
import { HAS_SAMPLERS, HAS_VECTORS } from "../parts";
import { Flag, NOTHING, Step } from "../program/program";

/** Does the next slice of the pass: DONE, MORE, NEED_DATA, or an error. After DONE the logits are there. */
export function stepPass(c: Context): i32 {
  // A thread is still at a job that was given up: the host has a turn meanwhile.
  if (!isIdle(c.threads)) return Status.MORE;
  c.work = c.stepWork * threadsOf(c.threads);
  const p = c.program;
  while (c.running != Running.IDLE) {
    const s = p.step(c.step);
    if (isRun(c, s)) {
      const status = runStep(c, s);
      if (status != Status.DONE) return status;
    }
    if (isNarrowing(c)) narrow(c, c.wanted);
    c.step += 1 + s.members;
    c.cursor = 0;
    c.part = 0;
    c.operandReady = 0;
    if (c.running == Running.OUTPUT) nextOfOutput(c);
    else if (c.step == c.endStep || (c.active == 0 && c.running == Running.LAYERS)) {
      const wasLayer = c.running == Running.LAYERS;
      nextSegment(c);
      // A chunk returns at least once a layer, whatever the size of the model. Where there are threads a token does,
      // too: the host takes the time of layers to see whether they pay.
      if (wasLayer && c.running == Running.LAYERS && (c.tokens > 1 || threadSlots(c.core) > 1)) return Status.MORE;
    }
    if ((c.traced || c.work <= 0) && c.running != Running.IDLE) return Status.MORE;
  }
  return Status.DONE;
}

/**
 * Whether a step is one of this pass: one that enters at a later layer has its stream from the host, unless a decoder
 * begins there; of the decoder's layers a source has what is its own, and nobody else has that.
 */
@inline
function isRun(c: Context, s: Step): bool {
  if (s.has(Flag.INPUT) && c.firstLayer != 0 && c.firstLayer != c.program.decoderLayer) return false;
  if (!HAS_VECTORS) return true;
  if (s.has(Flag.SOURCE)) return c.isSource != 0;
  return c.isSource == 0 || c.running != Running.LAYERS || c.layer < c.program.decoderLayer;
}

/**
 * Behind the last state that is written nobody reads the tokens whose logits are not asked for, unless it is asked what
 * they attend to.
 */
@inline
function isNarrowing(c: Context): bool {
  const p = c.program;
  if (HAS_SAMPLERS && c.mass) return false;
  if (c.running != Running.LAYERS || c.layer != p.narrowLayer || c.endLayer != p.layerCount || c.isSource) return false;
  return c.step - p.kind(p.layer(c.layer).kind).firstStep == p.narrowStep;
}

/** From the input to the first layer, from layer to layer, and to the output where the pass goes so far. */
function nextSegment(c: Context): void {
  const p = c.program;
  if (c.running == Running.INPUT) c.running = Running.LAYERS;
  else c.layer += 1;
  for (; c.layer < c.endLayer; c.layer++) {
    const kind = p.kind(p.layer(c.layer).kind);
    // A layer may have nothing to do (deci).
    if (kind.steps == 0) continue;
    c.step = kind.firstStep;
    c.endStep = kind.firstStep + kind.steps;
    return;
  }
  // Where no layer of the pass writes state, tokens whose logits are not asked for leave here.
  const isAsked = HAS_SAMPLERS && c.mass != 0 && !c.isSource;
  if ((isAsked || p.narrowLayer == NOTHING || c.firstLayer > p.narrowLayer) && c.layer == p.layerCount) {
    c.step = p.outputStep - 1;
    narrow(c, c.wanted);
  }
  // Of a source the rows of the layers stay, and nothing is made of its tokens: there is room for one row of logits.
  const isRead = c.isSource != 0 && !c.isForTexts;
  c.running = c.layer == p.layerCount && c.active > 0 && !isRead ? Running.OUTPUT : Running.IDLE;
  c.step = p.outputStep;
  c.endStep = c.isForTexts ? p.vectorStep : p.stepCount;
  if (c.running == Running.OUTPUT) nextOfOutput(c);
}

/** In the output: rows of tokens become those of texts where that is asked for; behind the last step the pass ends. */
function nextOfOutput(c: Context): void {
  const p = c.program;
  if (HAS_VECTORS && c.isForTexts && c.step == p.pooledStep && isMean(c)) poolMeans(c, p.pooled);
  if (c.step == c.endStep) c.running = Running.IDLE;
}
