/**
 * Sequences of a context between passes: their rows of state, of all layers, dropped, shared, moved and merged. An
 * error changes nothing.
 */
import { ErrorCode, fail } from "../memory/core";
import { Context, POSITION_LIMIT } from "../pass/context";
import { NOTHING } from "../program/program";
import { canRewind, mergeRow, turnRow } from "../state/kinds";
import { List, Rows, canShare, canUnshare, checkOrder, dropRows, shareRows, unshare } from "../state/rows";
import { ropeAngles } from "../kernels/float/rope";

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

/** Whether a sequence can forget its last tokens in all layers (state/kinds.ts). */
export function canRewindAll(c: Context): bool {
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) if (!canRewind(p.state(i).kind)) return false;
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
    if (l.state != NOTHING) dropRows(c.rows(l.state), sequence, l.stateLayer, from, to);
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
    if (l.state == NOTHING || canShare(c.rows(l.state), l.stateLayer, from, to, begin, end)) continue;
    return fail(c.core, ErrorCode.CONTEXT_FULL, "the sequence that should see these rows has no room for them");
  }
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (l.state != NOTHING) shareRows(c.rows(l.state), l.stateLayer, from, to, begin, end);
  }
  return 0;
}

/** Moves a sequence's rows at positions [from, to) by `delta` positions: their keys are turned. */
export function shiftAll(c: Context, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  let status = checkSequence(c, sequence);
  const p = c.program;
  for (let layer: u32 = 0; layer < p.layerCount && status == 0; layer++) {
    const l = p.layer(layer);
    if (l.state != NOTHING) status = checkShift(c, c.rows(l.state), l.stateLayer, sequence, from, to, delta);
  }
  if (status != 0) return status;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const l = p.layer(layer);
    if (l.state != NOTHING) shiftRows(c, c.rows(l.state), l.stateLayer, sequence, from, to, delta);
  }
  return 0;
}

function checkShift(c: Context, rows: Rows, layer: u32, sequence: u32, from: i32, to: i32, delta: i32): i32 {
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
  const factors: usize = s.ropeFactors ? c.program.weights.at(s.ropeFactors - 1).data : 0;
  ropeAngles(delta < 0 ? -delta : delta, pairs, s.ropeBase, factors, c.row);
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
  const state = layer < p.layerCount ? p.layer(layer).state : NOTHING;
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
