/**
 * Sequences of a context between passes: their rows of state, of all layers, dropped, shared, moved and merged. An
 * error changes nothing.
 */
import { ErrorCode, fail } from "../memory/core";
import { Context, POSITION_LIMIT, ropeFactors } from "../pass/context";
import { HAS_RECURRENT, HAS_SAMPLERS } from "../parts";
import { NOTHING, Program } from "../program/program";
import { mergeRow, turnRow } from "../state/kinds";
import { markBefore } from "../state/recurrent";
import { StateKind } from "../state/shape";
import {
  List, Rows, canShare, canUnshare, checkOrder, dropRows, shareRows, truncateList, unshare,
} from "../state/rows";
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
 * How many of its first `count` tokens a sequence can go back to, to go on as if the others had never been: all of
 * them, or with recurrent states those up to a mark. Where a layer has a window, and not all rows of the last one are
 * still there, none.
 */
export function rewindable(c: Context, sequence: u32, count: u32): u32 {
  const p = c.program;
  // Layers may have marks at different places: a pass can be of some of them alone.
  for (let found = !HAS_RECURRENT; !found; ) {
    found = true;
    for (let i: u32 = 0; i < p.stateCount; i++) {
      if (p.state(i).kind != StateKind.RECURRENT) continue;
      for (let layer: u32 = 0; layer < p.state(i).layers; layer++) {
        const taken = markBefore(c.rows(i), sequence, layer, count);
        if (taken == count) continue;
        count = taken;
        found = false;
      }
    }
  }
  return hasWindows(c, sequence, count) ? count : 0;
}

/** Whether all rows are there that a token behind the first `count` sees. */
function hasWindows(c: Context, sequence: u32, count: u32): bool {
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const shape = p.state(i);
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
  for (let i: u32 = 0; i < c.program.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers; layer++) dropRows(rows, sequence, layer, from, to);
  }
}

/**
 * Drops them in layers [first, end). A recurrent state loses its last tokens where it has a mark before them, and keeps
 * what it has taken in of others.
 */
export function dropInLayers(c: Context, sequence: u32, from: i32, to: i32, first: u32, end: u32): i32 {
  const p = c.program;
  const status = checkSequence(c, sequence);
  if (status != 0) return status;
  const last = min(end, p.layerCount);
  for (let layer = first; HAS_RECURRENT && layer < last; layer++) {
    const l = p.layer(layer);
    if (l.recurrent == 0 || canDrop(c.rows(l.recurrent - 1), sequence, l.recurrentLayer, from, to)) continue;
    return fail(
      c.core, ErrorCode.UNSUPPORTED,
      "layer {} has a recurrent state, and no mark of it behind position {}: drop the sequence whole and give its \
tokens again", layer, <i64>from - 1,
    );
  }
  for (let layer = first; layer < last; layer++) {
    const l = p.layer(layer);
    if (l.keeps) dropRows(c.rows(l.state), sequence, l.stateLayer, from, to);
    if (HAS_RECURRENT && l.recurrent) dropRows(c.rows(l.recurrent - 1), sequence, l.recurrentLayer, from, to);
  }
  return 0;
}

/**
 * Takes the last `count` tokens of a sequence's last pass back, behind which it has `left`: gives how many of these it
 * can go on from, fewer where a recurrent state goes back to a mark. They are the last entries of each list.
 */
export function takeBack(c: Context, sequence: u32, left: u32, count: u32): u32 {
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    if (!HAS_RECURRENT || p.state(i).kind != StateKind.RECURRENT) continue;
    const mark = rewindable(c, sequence, left);
    dropAll(c, sequence, <i32>mark, POSITION_LIMIT);
    return mark;
  }
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    if (rows.shape.kind == StateKind.CROSS) continue;
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      truncateList(rows, sequence, layer, rows.list(sequence, layer).count - count);
    }
  }
  return left;
}

/** Whether a recurrent state can do without tokens [from, to): they are all, or not the last, or behind a mark. */
function canDrop(rows: Rows, sequence: u32, layer: u32, from: i32, to: i32): bool {
  const list = rows.list(sequence, layer);
  if (from <= 0 || list.count == 0) return true;
  const last = list.position(list.count - 1);
  if (last >= to || last < from) return true;
  return markBefore(rows, sequence, layer, <u32>from) == <u32>from;
}

/** Lets sequence `to` see the rows of `from` at positions [begin, end): shared, not copied. */
export function shareAll(c: Context, from: u32, to: u32, begin: i32, end: i32): i32 {
  let status = checkSequence(c, from);
  if (status == 0) status = checkSequence(c, to);
  if (status != 0 || from == to) return status;
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      if (HAS_RECURRENT && rows.shape.kind == StateKind.RECURRENT && !canFork(rows, layer, from, to, begin, end)) {
        return fail(
          c.core, ErrorCode.UNSUPPORTED,
          "a recurrent state stands for all tokens from the first on: an empty sequence can share it, whole or up to a \
mark",
        );
      }
      if (canShare(rows, layer, from, to, begin, end)) continue;
      return fail(c.core, ErrorCode.CONTEXT_FULL, "the sequence that should see these rows has no room for them");
    }
  }
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers; layer++) shareRows(rows, layer, from, to, begin, end);
  }
  return 0;
}

/** Whether an empty sequence can go on from what another has taken in up to position `end`. */
function canFork(rows: Rows, layer: u32, from: u32, to: u32, begin: i32, end: i32): bool {
  const list = rows.list(from, layer);
  if (list.count == 0) return true;
  if (begin > 0 || rows.list(to, layer).count != 0) return false;
  return end > list.position(list.count - 1) || markBefore(rows, from, layer, <u32>max(end, 0)) == <u32>max(end, 0);
}

/** Moves a sequence's rows at positions [from, to) by `delta` positions: their keys are turned. */
export function shiftAll(c: Context, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  let status = checkSequence(c, sequence);
  const p = c.program;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers && status == 0; layer++) {
      status = checkShift(c, rows, layer, sequence, from, to, delta);
    }
  }
  if (status != 0) return status;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers; layer++) shiftRows(c, rows, layer, sequence, from, to, delta);
  }
  return 0;
}

/**
 * Whether tokens can be taken out of the middle of a sequence: no state stands for all of them, no row has its position
 * in it, and none is of a source.
 */
export function canCut(p: Program): bool {
  if (!HAS_SAMPLERS || p.decoderLayer != 0) return false;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    if (p.state(i).isFixed || p.state(i).kind == StateKind.RECURRENT) return false;
  }
  return true;
}

/** Takes positions [from, to) out of a sequence: what stands behind them moves up. An error changes nothing. */
export function cutOut(c: Context, sequence: u32, from: i32, to: i32): i32 {
  let status = checkSequence(c, sequence);
  if (status != 0) return status;
  const p = c.program;
  if (!canCut(p)) {
    return fail(
      c.core, ErrorCode.UNSUPPORTED,
      "this model's state cannot do without tokens from its middle; begin anew, or make the context longer",
    );
  }
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers && status == 0; layer++) {
      status = checkShift(c, rows, layer, sequence, to, POSITION_LIMIT, from - to);
    }
  }
  if (status != 0) return status;
  dropAll(c, sequence, from, to);
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const rows = c.rows(i);
    for (let layer: u32 = 0; layer < rows.layers; layer++) {
      shiftRows(c, rows, layer, sequence, to, POSITION_LIMIT, from - to);
    }
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
  // What is not turned need not be changed: rows without RoPE may stay shared.
  if (rows.shape.ropePairs == 0 || canUnshare(rows, layer, list, from, to)) return 0;
  return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be moved, and no row is free");
}

function shiftRows(c: Context, rows: Rows, layer: u32, sequence: u32, from: i32, to: i32, delta: i32): void {
  const work = angles(c, rows, delta);
  const list = rows.list(sequence, layer);
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to) continue;
    if (rows.shape.ropePairs != 0) {
      unshare(rows, layer, list, i);
      turnRow(rows.shape, c.kvType, rows.row(list.row(i)), c.row, work);
    }
    list.set(i, list.row(i), position + delta);
  }
  checkOrder(list);
}

/**
 * The angles of a way of `delta` positions, in the context's room for a row; returns what is left of the room. A
 * rotation by −δ is the inverse of one by δ: the sines change sign.
 */
export function angles(c: Context, rows: Rows, delta: i32): usize {
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
