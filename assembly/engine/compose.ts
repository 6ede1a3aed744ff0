/**
 * Composition: rows of pieces that were read each by itself become the rows of one text (CacheBlend, arXiv:2405.16444).
 * Their keys are turned to where they stand now; then the tokens whose rows are furthest off are computed anew.
 *
 *     tokens   │ exact │ piece │ text, without rows │ piece │ … joined │ text, read as any other │ … count
 *     PROBE    layers up to the second with rows, of all tokens: their rows there are replaced, and say how far they
 *              were off; they choose
 *     REPAIR   all layers, of the chosen and of the text between, in the order of positions: each sees the rows at its
 *              own position and before it, which are as good by then as they will be
 *
 * The order makes causality whole without a mask: nothing behind a token moves a bit of its row. The probe leaves the
 * rows of the first layers as evaluating would; what its tokens were there is computed once more of the chosen, which
 * costs less than a layer and spares keeping it.
 */
import { Composition, Phase, releaseComposition } from "./composition";
import { markHighest } from "./highest";
import { checkSequence } from "./sequence";
import { Session, dropComposition, owns, tokenAt } from "./session";
import { ErrorCode, Status, fail } from "../memory/core";
import { beginPass, putToken } from "../pass/batch";
import { HAS_SAMPLERS } from "../parts";
import { Program } from "../program/program";
import { stepPass } from "../run/run";

/** The number of a token that is computed whatever its row is, and of one whose distance is no number. */
const ALWAYS: u32 = u32.MAX_VALUE;
const NO_NUMBER: u32 = u32.MAX_VALUE - 1;

/** Begins to make good what the session's pieces lack: the share `recompute` of their tokens is computed anew. */
export function beginComposition(s: Session, recompute: f32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build composes nothing; take limpet.wasm");
  if (!(recompute >= 0 && recompute <= 1)) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "the share of tokens that is computed anew is from 0 to 1");
  }
  const status = checkSequence(s.context, s.sequence);
  if (status != 0) return status;
  s.recomputed = 0;
  const k = s.composition;
  if (changetype<usize>(k) == 0) return 0;
  k.share = recompute;
  k.layers = probedLayers(s.context.program);
  // A model of one or two layers is read as fast as it is probed.
  if (k.layers >= s.context.program.layerCount) {
    s.recomputed = k.joined - s.evaluated;
    dropComposition(s);
    return 0;
  }
  k.phase = Phase.PROBE;
  k.done = s.evaluated;
  return 0;
}

/** Layers up to the second one that has rows of its own: those of the first are functions of a token alone. */
function probedLayers(p: Program): u32 {
  let found: u32 = 0;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    found += p.layer(layer).keeps ? 1 : 0;
    if (found == 2) return layer + 1;
  }
  return p.layerCount;
}

/** The next slice: MORE, NEED_DATA, DONE, or an error, behind which the tokens are there and only exact rows. */
export function stepComposition(s: Session): i32 {
  const k = s.composition;
  if (!HAS_SAMPLERS || changetype<usize>(k) == 0) return Status.DONE;
  if (k.phase == Phase.JOINING) {
    return fail(s.core, ErrorCode.WRONG_STATE, "the session's pieces are joined, and no composition has begun");
  }
  let status: i32 = 0;
  if (!owns(s)) {
    s.inFlight = 0;
    status = beginNext(s, k);
    if (status == Status.DONE) {
      finish(s, k);
      return Status.DONE;
    }
  }
  if (status >= 0) status = stepPass(s.context);
  if (status < 0) {
    dropComposition(s);
    return status;
  }
  if (status == Status.DONE) s.inFlight = 0;
  return status == Status.DONE ? Status.MORE : status;
}

/** Begins the next pass: MORE, an error, or DONE where there is none left. */
function beginNext(s: Session, k: Composition): i32 {
  if (k.phase == Phase.PROBE && k.done == k.joined) {
    choose(s, k);
    k.phase = Phase.REPAIR;
    k.done = s.evaluated;
  }
  const c = s.context;
  const first = k.done;
  const isProbe = k.phase == Phase.PROBE;
  let tokens: u32 = 0;
  for (; k.done < k.joined && tokens < c.batchCapacity; k.done++) {
    if (isProbe || load<u8>(k.marks + k.done)) {
      putToken(c, tokens++, tokenAt(s, k.done), s.sequence, <i32>k.done, false);
    }
  }
  if (tokens == 0) return Status.DONE;
  const status = beginPass(c, tokens, 0, isProbe ? k.layers : c.program.layerCount, 0, 1);
  if (status != 0) return status;
  if (isProbe) c.deviations = k.deviations + ((<usize>first) << 2);
  s.inFlight = tokens;
  s.pass = c.passes;
  return Status.MORE;
}

/** Marks the tokens of pieces whose rows were furthest off, of equal ones the first, beside those of text between. */
function choose(s: Session, k: Composition): void {
  const first = s.evaluated;
  let between: u32 = 0;
  for (let i = first; i < k.joined; i++) {
    const at = k.deviations + ((<usize>i) << 2);
    const deviation = load<f32>(at);
    const isText = load<u8>(k.marks + i) != 0;
    between += isText ? 1 : 0;
    // What is not below zero sorts as its bits do.
    store<u32>(at, isText ? ALWAYS : deviation == deviation ? reinterpret<u32>(deviation) : NO_NUMBER);
  }
  const pieces = k.joined - first - between;
  s.recomputed = between + <u32>(<f64>k.share * <f64>pieces);
  markHighest(k.deviations + ((<usize>first) << 2), k.joined - first, s.recomputed, k.marks + first);
}

/** The rows are those of the tokens from now on. */
function finish(s: Session, k: Composition): void {
  if (s.recomputed < k.joined - s.evaluated) s.exact = min(s.exact, s.evaluated);
  s.evaluated = k.joined;
  s.composition = changetype<Composition>(0);
  releaseComposition(k);
}
