/**
 * The operations that a forward pass is written in: each works on the tokens still in the pass, [active, width] f32,
 * and is short or can be entered again. An architecture (models/) is a list of stages, and a stage is one or two of
 * these.
 *
 * An operation that may be long takes rows (of a matrix) or tokens from `cursor` on while `work` lasts, and answers
 * MORE until it is through. Splitting changes no bits: every output is summed on its own, in one order. So threads may
 * share what is long: such a part is a class with a `run` on a range of rows or tokens (pool.ts). While a thread is
 * late, the answer is MORE too, and the operation is entered again where it was.
 */
import { Status } from "../memory/core";
import { Context, Visibility } from "../pass/context";
import { List, prefixUpTo } from "../state/rows";
import { Global, Slot } from "../engine/model";
import { Job, grainOf, share, threadsOf } from "../pass/threads";
import { embedStreamed } from "../weights/table_rows";
import { multiplyStreamed } from "../weights/tiles";
import { GROUP_ROWS, Weight, WeightState } from "../weights/weight";
import { lookupRow, matmulRows } from "../kernels/quant/matmul";
import { formBytes, quantizeAs } from "../kernels/quant/activations/precision";
import { reluSquared, siluMultiply } from "../kernels/float/ffn";
import { layerNorm, rmsNorm, rmsNormOutside } from "../kernels/float/norm";
import { ropeAngles, rotateHalves, rotateInterleaved } from "../kernels/float/rope";
import { add } from "../kernels/float/vector";
import {
  NEURON_STEP, multiplyNeuronRows, multiplyNeurons, payingZeros, stripRows,
} from "../kernels/quant/columns/columns";
import { Type } from "../kernels/quant/types";

/** Rows of [active, width]: the address of row `i`. */
@inline
export function rowOf(buffer: usize, i: u32, width: u32): usize {
  return buffer + (((<usize>i) * width) << 2);
}

/** hidden ← the embeddings of the batch's tokens. */
export function embed(c: Context): i32 {
  const embedding = c.model.weight(Global.EMBEDDING);
  if (embedding.state == WeightState.STREAMED) return embedStreamed(c, embedding);
  for (let i: u32 = 0; i < c.active; i++) {
    const id = load<u32>(c.ids + ((<usize>c.token(i)) << 2));
    lookupRow(embedding.type, embedding.data, id, embedding.columns, rowOf(c.hidden, i, c.model.hidden), c.scratch);
  }
  return Status.DONE;
}

/** The angles of RoPE at each token's position. */
export function prepareAngles(c: Context): void {
  const model = c.model;
  const factors = model.weight(Global.ROPE_FACTORS);
  const pairs = model.ropeSize >> 1;
  for (let i: u32 = 0; i < c.active; i++) {
    const position = c.position(c.token(i));
    ropeAngles(position, pairs, model.ropeBase, factors.present ? factors.data : 0, rowOf(c.angles, i, model.ropeSize));
  }
}

/** target ← RMSNorm(source) · weight, rows of `weight.columns`. */
export function normalize(c: Context, source: usize, weight: Weight, target: usize): i32 {
  c.jobWeight = weight;
  c.jobOperand = source;
  c.jobTarget = target;
  c.quantizedOf = 0;
  // A value takes about as long as four multiply-adds.
  const grain = grainOf(c.pool, c.active, <u64>weight.columns << 2);
  return share<RowsNormalized>(c.pool, changetype<usize>(c), c.active, grain) ? Status.DONE : Status.MORE;
}

/** Rows, normalised. */
@unmanaged
export class RowsNormalized {
  @inline
  get kind(): u32 {
    return Job.NORMALIZE;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const weight = c.jobWeight;
    const width = weight.columns;
    for (let i = begin; i < end; i++) {
      const x = rowOf(c.jobOperand, i, width);
      if (m.epsilonOutside) rmsNormOutside(x, weight.data, width, m.epsilon, rowOf(c.jobTarget, i, width));
      else rmsNorm(x, weight.data, width, m.epsilon, rowOf(c.jobTarget, i, width));
    }
  }
}

/** buffer ← LayerNorm(buffer) · weight + bias, rows of `weight.columns`, in place. */
export function normalizeLayer(c: Context, buffer: usize, weight: Weight, bias: Weight): i32 {
  const width = weight.columns;
  for (let i: u32 = 0; i < c.active; i++) {
    const x = rowOf(buffer, i, width);
    layerNorm(x, weight.data, bias.data, width, c.model.layerEpsilon, x);
  }
  c.quantizedOf = 0;
  return Status.DONE;
}

/**
 * As `normalize`, in place, for `parts` vectors of `weight.columns` side by side in a row: q and k norms of each head.
 */
export function normalizeHeads(c: Context, buffer: usize, weight: Weight, parts: u32): i32 {
  const size = weight.columns;
  for (let i: u32 = 0, n = c.active * parts; i < n; i++) {
    const x = rowOf(buffer, i, size);
    rmsNorm(x, weight.data, size, c.model.epsilon, x);
  }
  return Status.DONE;
}

/** target ← source · weightᵀ: [active, columns] → [active, rows]. */
export function multiply(c: Context, weight: Weight, source: usize, target: usize): i32 {
  const x = operand(c, weight, source, c.active);
  if (x == 0) return Status.MORE;
  if (weight.state == WeightState.STREAMED) return multiplyStreamed(c, weight, x, operandStride(weight), target);
  const cost = <u64>weight.columns * c.active;
  const rows = unitsWithinWork(c, weight.rows, cost, weight.byNeurons ? NEURON_STEP : GROUP_ROWS);
  const grain = weight.byNeurons ? neuronGrain(c, weight, rows, cost) : rowGrain(c, rows, cost);
  c.jobWeight = weight;
  c.jobOperand = x;
  c.jobTarget = target;
  c.jobFrom = c.cursor;
  if (!share<RowsOfProduct>(c.pool, changetype<usize>(c), rows, grain)) return Status.MORE;
  c.cursor += rows;
  return c.cursor < weight.rows ? Status.MORE : Status.DONE;
}

/** Rows of `multiply`, all tokens. */
@unmanaged
export class RowsOfProduct {
  @inline
  get kind(): u32 {
    return Job.MULTIPLY;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const weight = c.jobWeight;
    const first = c.jobFrom + begin;
    if (weight.byNeurons) return multiplyByNeurons(c, weight, first, c.jobFrom + end, c.ofSlot(c.scratch, slot));
    matmulRows(
      weight.product, weight.data, weight.rows, weight.columns, first, c.jobFrom + end,
      c.jobOperand, operandStride(weight), c.active,
      c.jobTarget + ((<usize>first) << 2), (<usize>weight.rows) << 2, c.ofSlot(c.scratch, slot),
    );
  }
}

/**
 * The products of `count` matrices of the layer with one source, each into its slot's own buffer: queries, keys and
 * values, gate and up. Together they are one job, so that threads meet once, and small ones are shared too.
 */
export function multiplyBeside(c: Context, first: u32, count: u32, source: usize): i32 {
  const weight = c.model.at(c.layer, first);
  if (!alike(weight, count)) {
    for (; c.part < count; c.part++, c.cursor = 0) {
      const status = multiply(c, weight.next(c.part), source, targetOf(c, first + c.part));
      if (status != Status.DONE) return status;
    }
    return Status.DONE;
  }
  const x = operand(c, weight, source, c.active);
  if (x == 0) return Status.MORE;
  let total: u32 = 0;
  for (let part: u32 = 0; part < count; part++) total += unitsOf(weight.next(part));
  const cost = <u64>weight.columns * c.active * UNIT_ROWS;
  const units = unitsWithinWork(c, total, cost, 1);
  c.jobWeight = weight;
  c.jobSlot = first;
  c.jobParts = count;
  c.jobOperand = x;
  c.jobFrom = c.cursor;
  if (!share<RowsBeside>(c.pool, changetype<usize>(c), units, grainOf(c.pool, units, cost))) return Status.MORE;
  c.cursor += units;
  return c.cursor < total ? Status.MORE : Status.DONE;
}

/** Whether matrices whose records follow each other may be multiplied as if they were one. */
function alike(weight: Weight, count: u32): bool {
  for (let part: u32 = 0; part < count; part++) {
    const other = weight.next(part);
    if (other.state != WeightState.RESIDENT || other.byNeurons) return false;
    if (other.operandForm != weight.operandForm || isFloat(other.type) != isFloat(weight.type)) return false;
  }
  return true;
}

/** Rows of a unit: groups by two, so that threads do not share a line of the cache. */
const UNIT_ROWS: u32 = 2 * GROUP_ROWS;

@inline
function unitsOf(weight: Weight): u32 {
  return (weight.rows + (UNIT_ROWS - 1)) / UNIT_ROWS;
}

/** Units of `multiplyBeside`, one matrix's behind the other's, all tokens. */
@unmanaged
export class RowsBeside {
  @inline
  get kind(): u32 {
    return Job.MULTIPLY_BESIDE;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    let from = c.jobFrom + begin;
    let to = c.jobFrom + end;
    for (let part: u32 = 0; part < c.jobParts && to > 0; part++) {
      const weight = c.jobWeight.next(part);
      const units = unitsOf(weight);
      if (from < units) {
        const first = from * UNIT_ROWS;
        matmulRows(
          weight.product, weight.data, weight.rows, weight.columns, first, min(to * UNIT_ROWS, weight.rows),
          c.jobOperand, operandStride(weight), c.active,
          targetOf(c, c.jobSlot + part) + ((<usize>first) << 2), (<usize>weight.rows) << 2, c.ofSlot(c.scratch, slot),
        );
      }
      from = from > units ? from - units : 0;
      to = to > units ? to - units : 0;
    }
  }
}

/** The buffer that the product with a slot's weight belongs into. */
export function targetOf(c: Context, slot: u32): usize {
  switch (slot) {
    case Slot.QUERY: return c.query;
    case Slot.KEY: return c.key;
    case Slot.VALUE: return c.value;
    case Slot.FFN_GATE: return c.gate;
    case Slot.FFN_UP: return c.up;
    default: return c.projected;
  }
}

/** Where several tokens meet a matrix that lies neuron by neuron, from so many on tiles of rows pay. */
const TILE_TOKENS: u32 = 16;

/** Outputs `begin` … `end` − 1 of a matrix that lies neuron by neuron, all tokens. */
function multiplyByNeurons(c: Context, weight: Weight, begin: u32, end: u32, scratch: usize): void {
  const target = c.jobTarget + ((<usize>begin) << 2);
  const stride = operandStride(weight);
  const targetStride = (<usize>weight.rows) << 2;
  if (readsNeurons(c, weight)) {
    multiplyNeurons(
      weight.type, weight.data, weight.rows, weight.columns, begin, end, c.jobOperand, stride, c.active,
      target, targetStride, scratch,
    );
  } else {
    multiplyNeuronRows(
      weight.product, weight.data, weight.rows, weight.columns, begin, end, c.jobOperand, stride, c.active,
      target, targetStride, scratch,
    );
  }
}

/**
 * Whether a pass reads neurons one by one: a few tokens always do, many where so many activations of the layer are zero
 * that leaving them out saves more than tiles do, which share among tokens what weights and scales cost. Both ways give
 * the same bits.
 */
function readsNeurons(c: Context, weight: Weight): bool {
  if (c.active < TILE_TOKENS) return true;
  const at = (<usize>c.layer) << 3;
  return load<u64>(c.zeros + at) * 16 >= load<u64>(c.activations + at) * payingZeros(weight.type);
}

/**
 * Outputs a grain: one a thread where neurons are read one by one, because long runs are what memory gives fast and
 * each grain lists the neurons anew, else a strip.
 */
function neuronGrain(c: Context, weight: Weight, rows: u32, cost: u64): u32 {
  const threads = threadsOf(c.pool);
  const least = readsNeurons(c, weight) ? (rows + threads - 1) / threads : stripRows(rows);
  const grain = max(grainOf(c.pool, rows, cost), least);
  return (grain + (2 * NEURON_STEP - 1)) & ~(2 * NEURON_STEP - 1);
}

/** Rows a grain, at `cost` multiply-adds each: whole units. */
export function rowGrain(c: Context, rows: u32, cost: u64): u32 {
  return (grainOf(c.pool, rows, cost) + (UNIT_ROWS - 1)) & ~(UNIT_ROWS - 1);
}

/** Adds a bias to each row when the file has one. */
export function addBias(c: Context, buffer: usize, bias: Weight): void {
  if (!bias.present) return;
  for (let i: u32 = 0; i < c.active; i++) add(rowOf(buffer, i, bias.columns), bias.data, bias.columns);
}

/** hidden ← hidden + source · weightᵀ: the end of a residual branch. */
export function multiplyAdd(c: Context, weight: Weight, source: usize): i32 {
  const status = multiply(c, weight, source, c.projected);
  if (status == Status.DONE) add(c.hidden, c.projected, c.active * c.model.hidden);
  return status;
}

/** As `multiplyAdd`, with a bias when the file has one. */
export function multiplyBiasAdd(c: Context, weight: Weight, bias: Weight, source: usize): i32 {
  const status = multiply(c, weight, source, c.projected);
  if (status != Status.DONE) return status;
  addBias(c, c.projected, bias);
  add(c.hidden, c.projected, c.active * c.model.hidden);
  return Status.DONE;
}

/** hidden ← hidden + source, [active, hidden]: the end of a residual branch that nothing projects. */
export function addBranch(c: Context, source: usize): i32 {
  add(c.hidden, source, c.active * c.model.hidden);
  return Status.DONE;
}

/** RoPE on the first heads · size values of each row: `size` a head, of which the dims from `skip` on turn. */
export function rotate(
  c: Context, buffer: usize, width: u32, heads: u32, size: u32, skip: u32, interleaved: bool,
): void {
  const ropeSize = c.model.ropeSize;
  for (let i: u32 = 0; i < c.active; i++) {
    const angles = rowOf(c.angles, i, ropeSize);
    for (let head: u32 = 0; head < heads; head++) {
      const x = rowOf(buffer, i, width) + ((<usize>(head * size + skip)) << 2);
      if (interleaved) rotateInterleaved(x, angles, ropeSize >> 1);
      else rotateHalves(x, angles, ropeSize >> 1);
    }
  }
}

/** A value of SwiGLU takes about as long as so many multiply-adds, and so do its rounding and that of others. */
const SILU_COST: u64 = 16;

/**
 * silu(gate) · up, as the operand of `weight`: in the place of `gate` for float weights, else quantised at once, and
 * `gate` stays as it was, so that the job can be done again.
 */
export function gateSilu(c: Context, weight: Weight): i32 {
  const width = weight.columns;
  if (isFloat(weight.type)) {
    siluMultiply(c.gate, c.up, c.active * width, c.gate);
    return Status.DONE;
  }
  c.jobWeight = weight;
  const grain = grainOf(c.pool, c.active, <u64>width * SILU_COST);
  if (!share<RowsGated>(c.pool, changetype<usize>(c), c.active, grain)) return Status.MORE;
  c.quantizedOf = c.gate;
  c.quantizedForm = weight.operandForm;
  return Status.DONE;
}

/** Rows of SwiGLU, quantised. */
@unmanaged
export class RowsGated {
  @inline
  get kind(): u32 {
    return Job.GATE;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const width = c.jobWeight.columns;
    const form = c.jobWeight.operandForm;
    const bytes = formBytes(form, width);
    const gated = c.ofSlot(c.scratch, slot);
    for (let i = begin; i < end; i++) {
      siluMultiply(rowOf(c.gate, i, width), rowOf(c.up, i, width), width, gated);
      quantizeAs(form, gated, width, c.quantized + <usize>i * bytes);
    }
  }
}

/** up ← relu(up)²; counts the exact zeros, which `down` skips block by block. */
export function squareRelu(c: Context): i32 {
  const n = c.active * c.model.ffn;
  const at = (<usize>c.layer) << 3;
  store<u64>(c.zeros + at, load<u64>(c.zeros + at) + reluSquared(c.up, n));
  store<u64>(c.activations + at, load<u64>(c.activations + at) + n);
  c.quantizedOf = 0;
  return Status.DONE;
}

/**
 * The rows that an active token sees in the current layer: sets `seenRows` (u32 indices into the pool) and returns how
 * many. Rows are always taken in the order of the list, so that a sum over them does not depend on the batch. `slot`:
 * the thread that asks.
 */
export function seenCount(c: Context, activeIndex: u32, slot: u32): u32 {
  const token = c.token(activeIndex);
  const list = c.cache.list(c.sequence(token), c.layer);
  if (c.visibility == Visibility.ALL) return list.count;
  if (c.visibility == Visibility.CAUSAL && list.sorted) return prefixUpTo(list, c.position(token));
  return gather(c, list, token, c.ofSlot(c.visible, slot));
}

/** The row indices that go with `seenCount`. */
export function seenRows(c: Context, activeIndex: u32, slot: u32): usize {
  const list = c.cache.list(c.sequence(c.token(activeIndex)), c.layer);
  const prefix = c.visibility == Visibility.ALL || (c.visibility == Visibility.CAUSAL && list.sorted);
  return prefix ? list.rows : c.ofSlot(c.visible, slot);
}

/** Collects what a token sees where that is not a prefix of the list. */
function gather(c: Context, list: List, token: u32, visible: usize): u32 {
  const sequence = c.sequence(token);
  const before = load<u32>(c.marks + ((<usize>sequence * c.model.layers + c.layer) << 2));
  const position = c.position(token);
  const masked = c.visibility == Visibility.MASK;
  let count: u32 = 0;
  for (let i: u32 = 0; i < list.count; i++) {
    if (masked && i >= before) break;
    if (list.position(i) > position) continue;
    store<u32>(visible + (<usize>(count++) << 2), list.row(i));
  }
  if (!masked) return count;
  const allowed = c.mask + <usize>token * ((c.batchCapacity + 7) >> 3);
  for (let j: u32 = 0; j < c.tokens; j++) {
    if (c.sequence(j) != sequence || !((load<u8>(allowed + (j >> 3)) >> (j & 7)) & 1)) continue;
    const index = load<u32>(c.listIndex + ((<usize>j) << 2));
    store<u32>(visible + (<usize>(count++) << 2), list.row(index));
  }
  return count;
}

/**
 * Only tokens whose logits are asked for go on: after the last layer has written its rows, nobody reads the others.
 * The rows of `hidden` (and of `other`, [active, width], if not 0) close ranks.
 */
export function keepWanted(c: Context, other: usize, width: u32): void {
  let kept: u32 = 0;
  const hidden = c.model.hidden;
  for (let i: u32 = 0; i < c.active; i++) {
    const token = c.token(i);
    if (!load<u8>(c.wanted + token)) continue;
    if (kept != i) {
      memory.copy(rowOf(c.hidden, kept, hidden), rowOf(c.hidden, i, hidden), (<usize>hidden) << 2);
      if (other) memory.copy(rowOf(other, kept, width), rowOf(other, i, width), (<usize>width) << 2);
      store<u32>(c.activeToken + ((<usize>kept) << 2), token);
    }
    kept += 1;
  }
  c.active = kept;
  c.quantizedOf = 0;
}

/**
 * What the kernel of `weight` multiplies with: the f32 rows themselves, or their quantised blocks, made once a buffer.
 * 0: a thread is late.
 */
export function operand(c: Context, weight: Weight, source: usize, rows: u32): usize {
  if (isFloat(weight.type)) return source;
  if (c.quantizedOf != source || c.quantizedForm != weight.operandForm) {
    c.jobWeight = weight;
    c.jobOperand = source;
    // A value takes about as long as four multiply-adds.
    if (!share<RowsQuantized>(c.pool, changetype<usize>(c), rows, grainOf(c.pool, rows, <u64>weight.columns << 2))) {
      return 0;
    }
    c.quantizedOf = source;
    c.quantizedForm = weight.operandForm;
  }
  return c.quantized;
}

/** Rows of an operand, quantised. */
@unmanaged
export class RowsQuantized {
  @inline
  get kind(): u32 {
    return Job.QUANTIZE;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const columns = c.jobWeight.columns;
    const form = c.jobWeight.operandForm;
    const bytes = formBytes(form, columns);
    for (let i = begin; i < end; i++) {
      quantizeAs(form, rowOf(c.jobOperand, i, columns), columns, c.quantized + <usize>i * bytes);
    }
  }
}

/** Bytes from one row of the operand to the next. */
export function operandStride(weight: Weight): usize {
  return isFloat(weight.type) ? (<usize>weight.columns) << 2 : formBytes(weight.operandForm, weight.columns);
}

@inline
function isFloat(type: u32): bool {
  return type == Type.F32 || type == Type.F16 || type == Type.BF16;
}

/**
 * How many of the rows or units left may be done now, at `cost` multiply-adds each: whole groups of `group`, at least
 * one, charged to `work`.
 */
function unitsWithinWork(c: Context, total: u32, cost: u64, group: u32): u32 {
  const left = total - c.cursor;
  const affordable = c.work > 0 ? <u64>c.work / (cost ? cost : 1) : 0;
  let units = affordable >= <u64>left ? left : <u32>affordable & ~(group - 1);
  if (units == 0) units = min(left, group);
  c.work -= <i64>(cost * units);
  return units;
}
