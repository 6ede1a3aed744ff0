/**
 * Eviction: a layer keeps the rows of a sequence that matter, and the others are merged into those most like them or
 * dropped (D2O, arXiv:2406.13035). Without merging it is H2O (arXiv:2306.14048), without important rows it is sinks and
 * a window (arXiv:2309.17453).
 *
 *     list    │ sinks │ … the `important` of highest score stay … │ the last `recent` │     by score, then by position
 *     evicted i → the kept j of largest u = cos(key i, key j); merged into it when u ≥ τ, else dropped
 *
 * Keys are compared and merged at one position (RoPE is a rotation), all heads of a token together; of latent rows the
 * latent is compared. Neither sinks nor rows that other sequences see are merged into.
 */
import { markHighest } from "./highest";
import { angles, checkSequence } from "./sequence";
import { allocateRaw, release } from "../memory/arena";
import { ErrorCode, fail } from "../memory/core";
import { Context } from "../pass/context";
import { HAS_SAMPLERS } from "../parts";
import { exp } from "../kernels/float/math";
import { axpy, dot, normalize, scale } from "../kernels/float/vector";
import { readRow, turnRead, writeRow } from "../state/kinds";
import { List, Rows, dropUnmarked, isShared } from "../state/rows";
import { StateKind } from "../state/shape";

/** What becomes of rows that are evicted. */
export namespace Merge {
  /** They are dropped. */
  export const NONE: u32 = 0;
  /** (k + Σ u·k_i) / (1 + m), and a threshold from means: the authors' code. */
  export const MEAN: u32 = 1;
  /** Weights e^u / (e + Σ e^u), which sum to 1, and a threshold from maxima: the paper. */
  export const SOFTMAX: u32 = 2;
}

/** The weight of the kept row itself: e to its likeness to itself. */
const E: f64 = 2.718281828459045;
const NOBODY: u32 = u32.MAX_VALUE;

/** What one call works with; `memory` holds all of it. */
@unmanaged
class Eviction {
  c: Context;
  rows: Rows;
  list: List;
  layer: u32;
  sinks: u32;
  merge: u32;
  /** Values of what is compared, and of a row. */
  keySize: u32;
  kept: usize;
  /** Of each entry: its nearest kept one u32, and the cosine f32. */
  nearest: usize;
  likeness: usize;
  /** f32[kept][keySize]: normed keys of the kept that may be merged into. */
  keys: usize;
  values: usize;
  other: usize;
}

/**
 * Keeps the last `recent` rows of a sequence in a layer and, of the others, the `important` of highest score, the first
 * `sinks` before all. `scores`: 0, or f32[rows] of the layer as `context_set_mass` adds them up; those of rows that go
 * become 0. `threshold`: f32[1], NaN at first, and `beta` how fast it follows. Returns how many rows went.
 */
export function evictInLayer(
  c: Context, sequence: u32, layer: u32, scores: usize, important: u32, recent: u32, sinks: u32, merge: u32,
  threshold: usize, beta: f32,
): i32 {
  const status = checkSequence(c, sequence);
  if (status != 0) return status;
  if (!HAS_SAMPLERS) return fail(c.core, ErrorCode.UNSUPPORTED, "this build evicts no rows; take limpet.wasm");
  const p = c.program;
  if (layer >= p.layerCount || !p.layer(layer).keeps) {
    return fail(c.core, ErrorCode.BAD_ARGUMENT, "there is no layer {} that keeps rows of its own", layer);
  }
  if (recent == 0 || merge > Merge.SOFTMAX || !(beta >= 0 && beta <= 1) || (merge != Merge.NONE && threshold == 0)) {
    return fail(
      c.core, ErrorCode.BAD_ARGUMENT,
      "eviction keeps at least the last row, merges by rule 0, 1 or 2; 1 and 2 need a threshold; beta is from 0 to 1",
    );
  }
  const rows = c.rows(p.layer(layer).state);
  const inState = p.layer(layer).stateLayer;
  const list = rows.list(sequence, inState);
  const shape = rows.shape;
  const isWhole = shape.window == 0 && (shape.kind == StateKind.KEY_VALUE || shape.kind == StateKind.LATENT);
  const chosen = max(important, sinks);
  // A window forgets by itself.
  if (!isWhole || <u64>chosen + recent >= list.count) return 0;
  const count = list.count;
  const left = merge == Merge.NONE ? 0 : chosen + recent;
  const keySize = shape.kind == StateKind.LATENT ? shape.first : shape.heads * shape.first;
  const bytes = <u64>offsetof<Eviction>() + 15 + <u64>count * 9 + (<u64>left * keySize + 2 * <u64>shape.values) * 4;
  const memory = allocateRaw(c.core, bytes, "the eviction of rows");
  if (memory == 0) return c.core.errorCode;
  const e = changetype<Eviction>(memory);
  e.c = c;
  e.rows = rows;
  e.list = list;
  e.layer = inState;
  e.sinks = sinks;
  e.merge = merge;
  e.keySize = keySize;
  e.nearest = (memory + offsetof<Eviction>() + 15) & ~(<usize>15);
  e.likeness = wordAt(e.nearest, count);
  e.keys = wordAt(e.likeness, count);
  e.values = wordAt(e.keys, left * keySize);
  e.other = wordAt(e.values, shape.values);
  e.kept = wordAt(e.other, shape.values);
  choose(e, scores, chosen, recent);
  if (merge != Merge.NONE) {
    findNearest(e);
    moveThreshold(e, threshold, beta);
    mergeAll(e, load<f32>(threshold));
  }
  for (let i: u32 = 0; i < count && scores != 0; i++) {
    if (!load<u8>(e.kept + i)) store<f32>(wordAt(scores, rows.placeInLayer(list.row(i))), 0);
  }
  dropUnmarked(rows, sequence, inState, e.kept);
  release(c.core, memory);
  return <i32>(count - list.count);
}

@inline
function wordAt(base: usize, index: u32): usize {
  return base + ((<usize>index) << 2);
}

/** A score as a number that sorts like it: sinks before all, NaN like 0. */
function orderOf(e: Eviction, scores: usize, index: u32): u32 {
  if (index < e.sinks) return u32.MAX_VALUE;
  const score = scores ? load<f32>(wordAt(scores, e.rows.placeInLayer(e.list.row(index)))) : 0;
  return score > 0 ? reinterpret<u32>(score) : 0;
}

/** Marks what stays. */
function choose(e: Eviction, scores: usize, chosen: u32, recent: u32): void {
  const older = e.list.count - recent;
  for (let i: u32 = 0; i < older; i++) store<u32>(wordAt(e.nearest, i), orderOf(e, scores, i));
  markHighest(e.nearest, older, chosen, e.kept);
  memory.fill(e.kept + older, 1, recent);
}

/** The values of entry `index`, its keys turned from its position to another. */
function readAt(e: Eviction, index: u32, position: i32, values: usize): void {
  const s = e.rows.shape;
  readRow(s, e.c.kvType, e.rows.row(e.list.row(index)), values);
  if (s.ropePairs == 0 || s.isFixed || position == e.list.position(index)) return;
  angles(e.c, e.rows, position - e.list.position(index));
  turnRead(s, values, e.c.row);
}

/** Of each evicted entry the kept one of largest cosine; of equal ones the first. */
function findNearest(e: Eviction): void {
  const count = e.list.count;
  const bytes = (<usize>e.keySize) << 2;
  let at = e.keys;
  for (let i: u32 = 0; i < count; i++) {
    if (!isTarget(e, i)) continue;
    readAt(e, i, 0, e.values);
    normalize(e.values, e.keySize);
    memory.copy(at, e.values, bytes);
    at += bytes;
  }
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(wordAt(e.nearest, i), NOBODY);
    if (load<u8>(e.kept + i)) continue;
    readAt(e, i, 0, e.values);
    normalize(e.values, e.keySize);
    let most = -f32.MAX_VALUE;
    at = e.keys;
    for (let j: u32 = 0; j < count; j++) {
      if (!isTarget(e, j)) continue;
      const likeness = dot(e.values, at, e.keySize);
      at += bytes;
      if (!(likeness > most)) continue;
      most = likeness;
      store<u32>(wordAt(e.nearest, i), j);
    }
    store<f32>(wordAt(e.likeness, i), most);
  }
}

@inline
function isTarget(e: Eviction, index: u32): bool {
  return load<u8>(e.kept + index) != 0 && index >= e.sinks && !isShared(e.rows, e.list.row(index));
}

/** τ ← the mean of u at first; then a share `beta` of it comes from the mean, or from the maximum, of what goes now. */
function moveThreshold(e: Eviction, threshold: usize, beta: f32): void {
  let sum: f64 = 0;
  let most = -f32.MAX_VALUE;
  let found: u32 = 0;
  for (let i: u32 = 0; i < e.list.count; i++) {
    if (load<u32>(wordAt(e.nearest, i)) == NOBODY) continue;
    const likeness = load<f32>(wordAt(e.likeness, i));
    sum += likeness;
    most = max(most, likeness);
    found += 1;
  }
  if (found == 0) return;
  const old = load<f32>(threshold);
  const mean = <f32>(sum / found);
  const now = e.merge == Merge.SOFTMAX ? most : mean;
  store<f32>(threshold, old == old ? (<f32>1 - beta) * old + beta * now : mean);
}

/** Each kept row takes in what is near enough: decoded once, encoded once. */
function mergeAll(e: Eviction, threshold: f32): void {
  const count = e.list.count;
  const shape = e.rows.shape;
  for (let j: u32 = 0; j < count; j++) {
    if (!isTarget(e, j)) continue;
    let whole: f64 = e.merge == Merge.SOFTMAX ? E : 1;
    let taken: u32 = 0;
    for (let i: u32 = 0; i < count; i++) {
      if (!isTaken(e, i, j, threshold)) continue;
      if (taken++ == 0) readAt(e, j, e.list.position(j), e.values);
      if (taken == 1 && e.merge == Merge.SOFTMAX) scale(e.values, <f32>E, shape.values);
      const likeness = load<f32>(wordAt(e.likeness, i));
      const weight = e.merge == Merge.SOFTMAX ? exp(likeness) : <f64>likeness;
      whole += e.merge == Merge.SOFTMAX ? weight : 1;
      readAt(e, i, e.list.position(j), e.other);
      axpy(e.values, <f32>weight, e.other, shape.values);
    }
    if (taken == 0) continue;
    scale(e.values, <f32>(1 / whole), shape.values);
    const second = wordAt(e.values, shape.heads * shape.first);
    writeRow(shape, e.c.kvType, e.values, second, e.rows.row(e.list.row(j)));
  }
}

@inline
function isTaken(e: Eviction, index: u32, target: u32, threshold: f32): bool {
  if (load<u32>(wordAt(e.nearest, index)) != target) return false;
  return load<f32>(wordAt(e.likeness, index)) >= threshold;
}
