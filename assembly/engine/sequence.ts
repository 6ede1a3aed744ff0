/**
 * Sequences of a context between passes: their rows of state, of all layers, dropped, shared, moved and merged. An
 * error changes nothing.
 */
import { ErrorCode, fail } from "../memory/core";
import { Context, POSITION_LIMIT, ropeFactors } from "../pass/context";
import { NOTHING } from "../program/program";
import { canRewind, mergeRow, turnRow } from "../state/kinds";
import { List, Rows, canShare, canUnshare, checkOrder, dropRows, shareRows, unshare } from "../state/rows";
import { turnOf } from "../state/rope";

/** Status 0, or an error: the context is in a pass, or has no such sequence. */
export function checkSequence(c: Context, sequence: u32): i32 {
  if (c.running) {
    return fail(
      c.core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it",
    );
  }
  if (sequence < c.sequences) return 0;
  return fail(c.core, ErrorCode.BAD_ARGUMENT, "the context has no such sequence");
}

/**
 * Whether a sequence can forget its tokens from position `count` on and go on as if they had never been: where a layer
 * has a window, all rows of the last one must still be there.
 */
export function canRewindTo(c: Context, sequence: u32, count: u32): bool {
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const shape = p.state(i);
    if (!canRewind(shape.kind)) return false;
    if (shape.window == 0 || count == 0) continue;
    const first = max<i32>(0, <i32>count - <i32>shape.window + 1);
    for (let layer: u32 = 0; layer < shape.layers; layer++) {
      const list = c.rows(i).list(sequence, layer);
      if (list.count == 0 || list.position(0) > first) return false;
    }
  }
  return true;
}

/** Drops the rows of a sequence at positions [from, to), in all layers. */
export function dropAll(c: Context, sequence: u32, from: i32, to: i32): void {
  dropInLayers(c, sequence, from, to, 0, c.program.layerCount);
}

/** … in layers [first, end). */
export function dropInLayers(c: Context, sequence: u32, from: i32, to: i32, first: u32, end: u32): void {
  const p = c.program;
  for (let layer = first, last = min(end, p.layerCount); layer < last; layer++) {
    const l = p.layer(layer);
    if (l.keeps) dropRows(c.rows(l.state), sequence, l.stateLayer, from, to);
  }
}

/** Lets sequence `to` see the rows of `from` at positions [begin, end): shared, not copied. */
export function shareAll(c: Context, from: u32, to: u32, begin: i32, end: i32): i32 {
  let status = checkSequence(c, from);
  if (status == 0) status = checkSequence(c, to);
  if (status != 0 || from == to) return status;
  const p = c.program;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (!l.keeps || canShare(c.rows(l.state), l.stateLayer, from, to, begin, end)) continue;
    return fail(c.core, ErrorCode.CONTEXT_FULL, "the sequence that should see these rows has no room for them");
  }
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (l.keeps) shareRows(c.rows(l.state), l.stateLayer, from, to, begin, end);
  }
  return 0;
}

/** Moves a sequence's rows at positions [from, to) by `delta` positions: their keys are turned. */
export function shiftAll(c: Context, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  let status = checkSequence(c, sequence);
  const p = c.program;
  for (let layer: u32 = 0; layer < p.layerCount && status == 0; layer++) {
    const l = p.layer(layer);
    if (l.keeps) status = checkShift(c, c.rows(l.state), l.stateLayer, sequence, from, to, delta);
  }
  if (status != 0) return status;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (l.keeps) shiftRows(c, c.rows(l.state), l.stateLayer, sequence, from, to, delta);
  }
  return 0;
}

function checkShift(c: Context, rows: Rows, layer: u32, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  if (rows.shape.isFixed) {
    return fail(
      c.core, ErrorCode.UNSUPPORTED,
      "rows of this model cannot be moved, their positions are not to be taken out of them; give the text again there",
    );
  }
  const list = rows.list(sequence, layer);
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to) continue;
    const moved = <i64>position + delta;
    if (moved < 0 || moved >= <i64>POSITION_LIMIT) {
      return fail(c.core, ErrorCode.BAD_ARGUMENT, "rows cannot be moved to positions outside 0 to 999999");
    }
  }
  if (canUnshare(rows, layer, list, from, to)) return 0;
  return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be moved, and no row is free");
}

function shiftRows(c: Context, rows: Rows, layer: u32, sequence: u32, from: i32, to: i32, delta: i32): void {
  const work = angles(c, rows, delta);
  const list = rows.list(sequence, layer);
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to) continue;
    unshare(rows, layer, list, i);
    turnRow(rows.shape, c.kvType, rows.row(list.row(i)), c.row, work);
    list.set(i, list.row(i), position + delta);
  }
  checkOrder(list);
}

/**
 * The angles of a way of `delta` positions, in the context's room for a row; returns what is left of the room. A
 * rotation by −δ is the inverse of one by δ: the sines change sign.
 */
function angles(c: Context, rows: Rows, delta: i32): usize {
  const s = rows.shape;
  const pairs = s.ropePairs;
  if (s.rope == 0) return c.row;
  const rope = c.program.rope(s.rope - 1);
  turnOf(rope, delta < 0 ? -delta : delta, ropeFactors(c, rope), 1, c.row);
  const sines = c.row + ((<usize>pairs) << 2);
  for (let i: u32 = 0; i < pairs && delta < 0; i++) {
    const sine = sines + ((<usize>i) << 2);
    store<f32>(sine, -load<f32>(sine));
  }
  return sines + ((<usize>pairs) << 2);
}

/**
 * Merges entry `source` of a sequence's list in a layer into entry `target`: (1 − weight) · target + weight · source.
 */
export function mergeInLayer(c: Context, sequence: u32, layer: u32, target: u32, source: u32, weight: f32): i32 {
  const status = checkSequence(c, sequence);
  if (status != 0) return status;
  const p = c.program;
  const state = layer < p.layerCount && p.layer(layer).keeps ? p.layer(layer).state : NOTHING;
  const list = state == NOTHING ? changetype<List>(0) : c.rows(state).list(sequence, p.layer(layer).stateLayer);
  if (state == NOTHING || target >= list.count || source >= list.count) {
    return fail(c.core, ErrorCode.BAD_ARGUMENT, "there is no such row in that layer");
  }
  const rows = c.rows(state);
  if (!unshare(rows, p.layer(layer).stateLayer, list, target)) {
    return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be changed, and no row is free");
  }
  mergeRow(rows.shape, c.kvType, rows.row(list.row(target)), rows.row(list.row(source)), weight, c.row);
  return 0;
}
