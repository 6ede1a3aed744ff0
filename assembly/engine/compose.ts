/**
 * Composition: rows of pieces that were read each by itself become the rows of one text (CacheBlend, arXiv:2405.16444).
 * Their keys are turned to where they stand now; then some of the tokens are computed anew.
 *
 *     tokens   │ exact │ piece │ text, without rows │ piece │ … joined │ text, read as any other │ … count
 *     TEXTS    all layers, of the text between: there is no row of it yet
 *     LOOK     all layers, of the last of what stands behind: what they attend to is chosen, and their rows go again
 *     REPAIR   all layers, of the chosen and of the text between, in the order of positions: each sees the rows at its
 *              own position and before it, which are as good by then as they will be
 *
 * The order makes causality whole without a mask: nothing behind a token moves a bit of its row.
 *
 * CacheBlend chooses what is furthest off in the second layer. In a small model that says little: of SmolLM2's tokens
 * the half that is furthest off there leaves more of the error than the sixth that is attended to (docs/benchmarks.md).
 */
import { Composition, Phase, releaseComposition } from "./composition";
import { markHighest } from "./highest";
import { checkSequence, dropAll } from "./sequence";
import { Session, dropComposition, owns, tokenAt } from "./session";
import { allocate } from "../memory/arena";
import { ErrorCode, Status, fail } from "../memory/core";
import { beginPass, putToken } from "../pass/batch";
import { HAS_SAMPLERS } from "../parts";
import { Context, POSITION_LIMIT } from "../pass/context";
import { massBytes } from "../pass/taps";
import { stepPass } from "../run/run";

/** The number of a token that is computed whatever attends to it, and of one whose attention is no number. */
const ALWAYS: u32 = u32.MAX_VALUE;
const NO_NUMBER: u32 = u32.MAX_VALUE - 1;
/** Tokens that look at most: the last of a question say what it is about. */
const LOOK_LIMIT: u32 = 64;

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
  const tokens = k.joined - s.evaluated;
  let between: u32 = 0;
  for (let i = s.evaluated; i < k.joined; i++) between += load<u8>(k.marks + i) ? 1 : 0;
  const chosen = <u32>(<f64>recompute * <f64>(tokens - between));
  s.recomputed = between + chosen;
  k.phase = Phase.TEXTS;
  k.done = s.evaluated;
  if (chosen == 0) return 0;
  if (s.recomputed < tokens) return beginLook(s, k, chosen);
  memory.fill(k.marks + s.evaluated, 1, tokens);
  return 0;
}

/** Memory for what is attended to, and who looks: what stands behind, or the last of the pieces, which are chosen. */
function beginLook(s: Session, k: Composition, chosen: u32): i32 {
  const c = s.context;
  k.mass = allocate(s.core, massBytes(c), "what the tokens of pieces are attended by");
  if (k.mass == 0) return s.core.errorCode;
  const isBehind = s.count > k.joined;
  k.lookEnd = isBehind ? s.count : k.joined;
  k.lookFrom = k.lookEnd - min(isBehind ? s.count - k.joined : chosen, LOOK_LIMIT);
  return 0;
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
  if (status >= 0) {
    // Other sessions' passes between two slices add nothing.
    if (k.phase == Phase.LOOK) s.context.mass = k.mass;
    status = stepPass(s.context);
    if (k.phase == Phase.LOOK) s.context.mass = 0;
  }
  if (status < 0) {
    dropComposition(s);
    return status;
  }
  if (status == Status.DONE) s.inFlight = 0;
  return status == Status.DONE ? Status.MORE : status;
}

/** Begins the next pass: MORE, an error, or DONE where there is none left. */
function beginNext(s: Session, k: Composition): i32 {
  const c = s.context;
  let tokens = takeTokens(s, k);
  while (tokens == 0) {
    if (k.phase == Phase.REPAIR || k.mass == 0) return Status.DONE;
    if (k.phase == Phase.LOOK) choose(s, k);
    k.phase += 1;
    k.done = k.phase == Phase.LOOK ? k.lookFrom : s.evaluated;
    tokens = takeTokens(s, k);
  }
  const replaces: u32 = k.phase == Phase.LOOK && k.lookEnd > k.joined ? 0 : 1;
  const status = beginPass(c, tokens, 0, c.program.layerCount, 0, replaces);
  if (status != 0) return status;
  s.inFlight = tokens;
  s.pass = c.passes;
  return Status.MORE;
}

/** Puts the phase's next tokens into the batch; gives how many these are. */
function takeTokens(s: Session, k: Composition): u32 {
  const c = s.context;
  const isLook = k.phase == Phase.LOOK;
  const end = isLook ? k.lookEnd : k.joined;
  let tokens: u32 = 0;
  for (; k.done < end && tokens < c.batchCapacity; k.done++) {
    if (isLook || load<u8>(k.marks + k.done)) {
      putToken(c, tokens++, tokenAt(s, k.done), s.sequence, <i32>k.done, false);
    }
  }
  return tokens;
}

/** Marks the tokens of pieces that were attended to most, of equal ones the first, beside those of text between. */
function choose(s: Session, k: Composition): void {
  const first = s.evaluated;
  sumAttention(s.context, s.sequence, k);
  // What looks from within the pieces has been computed behind rows that are not yet good.
  for (let i = k.lookFrom; i < k.joined; i++) store<u8>(k.marks + i, 1);
  for (let i = first; i < k.joined; i++) {
    const at = k.attended + ((<usize>i) << 2);
    const attended = load<f32>(at);
    // What is not below zero sorts as its bits do.
    store<u32>(at, load<u8>(k.marks + i) ? ALWAYS : attended == attended ? reinterpret<u32>(attended) : NO_NUMBER);
  }
  markHighest(k.attended + ((<usize>first) << 2), k.joined - first, s.recomputed, k.marks + first);
  dropAll(s.context, s.sequence, <i32>k.joined, POSITION_LIMIT);
}

/** What was attended to of each token, in all layers but the first, whose rows are functions of a token alone. */
function sumAttention(c: Context, sequence: u32, k: Composition): void {
  const p = c.program;
  memory.fill(k.attended, 0, (<usize>k.joined) << 2);
  let isFirst = true;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (!l.keeps) continue;
    const rows = c.rows(l.state);
    const list = rows.list(sequence, l.stateLayer);
    const mass = k.mass + ((<usize>layer * c.rowCapacity) << 2);
    for (let i: u32 = 0; i < list.count && !isFirst; i++) {
      const token = <u32>list.position(i);
      if (token >= k.joined) break;
      const at = k.attended + ((<usize>token) << 2);
      store<f32>(at, load<f32>(at) + load<f32>(mass + ((<usize>rows.placeInLayer(list.row(i))) << 2)));
    }
    isFirst = false;
  }
}

/** The rows are those of the tokens from now on. */
function finish(s: Session, k: Composition): void {
  if (s.recomputed < k.joined - s.evaluated) s.exact = min(s.exact, s.evaluated);
  s.evaluated = k.joined;
  s.composition = changetype<Composition>(0);
  releaseComposition(k);
}
