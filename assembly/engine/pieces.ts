/**
 * Pieces: rows of saved sessions behind each other in one (compose.ts).
 */
import { isPolicy } from "./cache_policy";
import { createComposition } from "./composition";
import { hasNeurons } from "./neurons";
import { angles, canCut, checkSequence } from "./sequence";
import { KIND_NAME, LAYER, checkSaved, hasSameRopes } from "./session_file";
import { findSection } from "./session_sections";
import { Session, WHOLE, dropDrafts } from "./session";
import { ErrorCode, fail } from "../memory/core";
import { u32At } from "../memory/bytes";
import { HAS_SAMPLERS } from "../parts";
import { Program } from "../program/program";
import { turnRow } from "../state/kinds";
import { Rows, appendRow } from "../state/rows";

/**
 * Appends the tokens [from, most) of a saved session, as many as it has, with their rows, whose keys are turned to
 * where they stand now. Its first `lead` tokens are those that the session begins with. Where the session's tokens and
 * rows are all those before `from`, these are exact too, and that is all.
 */
export function appendPiece(s: Session, source: usize, length: u32, lead: u32, from: u32, most: u32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build composes nothing; take limpet.wasm");
  if (s.generating) {
    return fail(s.core, ErrorCode.WRONG_STATE, "pieces are joined between generations: stop this one first");
  }
  if (isPolicy(s.policy) || s.context.isShared) {
    return fail(
      s.core, ErrorCode.UNSUPPORTED, "rows of pieces have no scores: compose without a policy of the cache (kv)",
    );
  }
  if (hasNeurons(s.context)) {
    return fail(s.core, ErrorCode.UNSUPPORTED, "no neurons were counted of pieces: compose without core neurons");
  }
  let status = checkSequence(s.context, s.sequence);
  if (status == 0) status = checkModel(s);
  if (status == 0) status = checkSaved(s, source, length);
  if (status != 0) return status;
  const tokens = findSection(source, length, "tokens");
  const to = min(most, load<u32>(tokens));
  const ids = tokens + 8;
  if (lead > to || !beginsWith(s, ids, lead)) {
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT,
      "a piece was read behind other tokens than those that this session begins with: read all pieces behind one lead",
    );
  }
  status = checkPiece(s, source, length, from, to);
  if (status != 0) return status;
  dropDrafts(s);
  const isJoined = changetype<usize>(s.composition) != 0;
  const isExact = !isJoined && s.count == from && s.evaluated == from && s.exact == WHOLE && beginsWith(s, ids, from);
  if (!isExact && !isJoined) {
    s.composition = createComposition(s.core, s.capacity, s.evaluated);
    if (changetype<usize>(s.composition) == 0) return s.core.errorCode;
  }
  const count = s.count + to - from;
  if (!isExact) {
    const k = s.composition;
    memory.fill(k.marks + k.joined, 1, s.count - k.joined);
    memory.fill(k.marks + s.count, 0, to - from);
    k.joined = count;
  }
  takeRows(s, findSection(source, length, "state"), from, to);
  memory.copy(s.tokens + ((<usize>s.count) << 2), ids + ((<usize>from) << 2), (<usize>(to - from)) << 2);
  s.count = count;
  if (isExact) s.evaluated = count;
  return 0;
}

/** Whether the first `count` tokens of the session are u32[count]. */
function beginsWith(s: Session, ids: usize, count: u32): bool {
  return count <= s.count && memory.compare(s.tokens, ids, (<usize>count) << 2) == 0;
}

/** Whether rows of the model can be put together: each token has its own in all layers, and it can be moved. */
export function canCompose(p: Program): bool {
  if (!canCut(p)) return false;
  for (let i: u32 = 0; i < p.stateCount; i++) if (p.state(i).window != 0) return false;
  return p.stateCount != 0;
}

function checkModel(s: Session): i32 {
  const c = s.context;
  const p = c.program;
  if (!canCompose(p)) {
    const isWindow = canCut(p) && p.stateCount != 0;
    if (isWindow) {
      return fail(
        s.core, ErrorCode.UNSUPPORTED,
        "layers of this model see a window of tokens, and keep no row of those before it: its pieces cannot be \
composed, give them as text",
      );
    }
    return fail(
      s.core, ErrorCode.UNSUPPORTED,
      "this model's rows cannot be moved (it is recurrent, reads a source, has learnt positions, or a norm behind its \
RoPE): its pieces cannot be composed, give them as text",
    );
  }
  const hasSet = c.adapterSets != 0 && (c.adapterSet(s.sequence).count != 0 || c.adapterSet(s.sequence).isMixed != 0);
  if (!hasSet) return 0;
  return fail(s.core, ErrorCode.UNSUPPORTED, "pieces are composed without adapters: take them from the session first");
}

/** Whether a piece has the rows that it is asked for, as evaluating made them, and the session room for them. */
function checkPiece(s: Session, source: usize, length: u32, from: u32, to: u32): i32 {
  const core = s.core;
  const c = s.context;
  const evaluated = load<u32>(findSection(source, length, "tokens"));
  if (from > to) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "of a piece of {} tokens none are behind number {}", evaluated, from);
  }
  if (findSection(source, length, "exact")) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "a piece's rows are those of its text alone, and these were composed: read it anew",
    );
  }
  if (!hasSameRopes(c, source)) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "this piece was read in a context of another length, for which the model turns keys by other factors: read it in \
one as long as the composition's",
    );
  }
  if (to - from > s.capacity - s.count) {
    return fail(
      core, ErrorCode.CONTEXT_FULL,
      "the context holds {} tokens: {} are there, and {} more do not fit; make it longer (--ctx N, { context: N })",
      s.capacity, s.count, to - from,
    );
  }
  const p = c.program;
  const expected = changetype<usize>(s.composition) == 0 ? s.evaluated : s.composition.joined;
  let at = findSection(source, length, "state") + 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const count = load<u32>(at, KIND_NAME + 4);
    const positions = at + LAYER;
    at = positions + <usize>count * (4 + <usize>load<u32>(at, KIND_NAME));
    if (!p.layer(layer).keeps) continue;
    const rows = c.rows(p.layer(layer).state);
    const there = rows.list(s.sequence, p.layer(layer).stateLayer).count;
    if (there != expected) {
      return fail(core, ErrorCode.WRONG_STATE, "the session has not the rows of all its tokens: compose in a new one");
    }
    let isWhole = count == evaluated;
    for (let i: u32 = 0; i < count && isWhole; i++) isWhole = u32At(positions, i) == i;
    if (!isWhole) {
      return fail(core, ErrorCode.BAD_FILE, "a piece has a row of each of its tokens, and this one has not");
    }
    if (s.count - there + to - from <= rows.room(p.layer(layer).stateLayer)) continue;
    return fail(core, ErrorCode.CONTEXT_FULL, "other sequences leave no room for this piece's rows");
  }
  return 0;
}

/** Appends rows [from, to) of the section "state", behind blank ones of the tokens that have none. */
function takeRows(s: Session, at: usize, from: u32, to: u32): void {
  const c = s.context;
  const p = c.program;
  const delta = <i32>s.count - <i32>from;
  at += 8;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const count = load<u32>(at, KIND_NAME + 4);
    const first = at + LAYER + ((<usize>count) << 2);
    const bytes = <usize>load<u32>(at, KIND_NAME);
    at = first + <usize>count * bytes;
    if (!p.layer(layer).keeps) continue;
    const rows = c.rows(p.layer(layer).state);
    takeLayer(s, rows, p.layer(layer).stateLayer, first, from, to, delta);
  }
}

function takeLayer(s: Session, rows: Rows, layer: u32, first: usize, from: u32, to: u32, delta: i32): void {
  const c = s.context;
  const list = rows.list(s.sequence, layer);
  while (list.count < s.count) appendRow(rows, layer, s.sequence, <i32>list.count);
  const work = angles(c, rows, delta);
  for (let i = from; i < to; i++) {
    const row = rows.row(list.row(appendRow(rows, layer, s.sequence, <i32>i + delta)));
    memory.copy(row, first + <usize>i * rows.rowBytes, rows.rowBytes);
    if (delta != 0) turnRow(rows.shape, c.kvType, row, c.row, work);
  }
}
