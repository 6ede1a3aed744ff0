/**
 * The machine that steps a pass through its stages: embedding, the layers' stages, the head. One step does a bounded
 * slice of work and returns, so that a host can abort, show progress, or fetch what a stage lacks.
 *
 *     EMBEDDING ─► LAYERS: (layer, stage) … ─► HEAD: last norm, logits of the rows asked ─► IDLE
 */
import { Status } from "../memory/core";
import { Context, Running } from "../pass/context";
import { Global } from "../engine/model";
import { embed, multiply, normalize, prepareAngles } from "../ops/pass";
import { settled, slotsOf, threadsOf } from "../pass/threads";
import { runStage, stageCount } from "../models/registry";

/** Does the next slice of the pass: DONE, MORE, NEED_DATA, or an error. After DONE the logits are there. */
export function stepPass(c: Context): i32 {
  // A thread is still at a job that was given up: the host has a turn meanwhile.
  if (!settled(c.pool)) return Status.MORE;
  c.work = c.stepWork * threadsOf(c.pool);
  if (c.running == Running.EMBEDDING) {
    const status = embed(c);
    if (status != Status.DONE) return status;
    c.running = Running.LAYERS;
  }
  // The angles stay while the tokens do: they are made once a pass.
  if (c.running == Running.LAYERS && c.stage == 0 && c.cursor == 0 && c.anglesReady == 0) {
    prepareAngles(c);
    c.anglesReady = 1;
  }
  const stages = stageCount(c.model);
  while (c.running == Running.LAYERS) {
    const status = runStage(c);
    if (status != Status.DONE) return status;
    c.cursor = 0;
    c.part = 0;
    c.stage += 1;
    if (c.stage == stages || c.active == 0) {
      c.stage = 0;
      c.layer += 1;
      if (c.layer >= c.endLayer) c.running = c.layer == c.model.layers && c.active > 0 ? Running.HEAD : Running.IDLE;
      // A chunk returns at least once a layer, whatever the size of the model. Where there are threads a token does,
      // too: the host takes the time of layers to see whether they pay.
      else if (c.tokens > 1 || slotsOf(c.core) > 1) return Status.MORE;
    }
    if (c.work <= 0 && c.running != Running.IDLE) return Status.MORE;
  }
  return c.running == Running.HEAD ? stepHead(c) : Status.DONE;
}

/** logits ← head · RMSNorm(hidden), for the tokens that are left: those whose logits were asked for. */
function stepHead(c: Context): i32 {
  const model = c.model;
  if (c.cursor == 0 && normalize(c, c.hidden, model.weight(Global.OUTPUT_NORM), c.normed) != Status.DONE) {
    return Status.MORE;
  }
  const status = multiply(c, model.head, c.normed, c.logits);
  if (status == Status.DONE) c.running = Running.IDLE;
  return status;
}
