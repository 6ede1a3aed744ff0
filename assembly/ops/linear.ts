/**
 * Linear: out ← in0 · weightᵀ · weight2 + bias, and with it the linears behind that have the same input. The one place
 * where a product with a weight is made: what is added to a product (adapters) is added here.
 *
 *     scratch of the step   ┌ operand: the input's rows, quantised [active] ┐┌ product [active, rows], of a residual ┐
 *
 * Matrices of one input run as one job where they are alike, so that threads meet once, and small ones are shared too.
 */
import { addLowRank } from "./adapters";
import { packNeurons } from "./core_neurons";
import { UNIT_ROWS, rowGrain, shared, unitsWithinWork } from "./share";
import { HAS_ADAPTERS, HAS_CORE_NEURONS, HAS_NVFP4 } from "../parts";
import { Status } from "../memory/core";
import { Context, Running, rowAt } from "../pass/context";
import { grainOf, isIdle, threadsOf } from "../pass/threads";
import { lines, operandBytes } from "../program/plan";
import { Flag, NOTHING, Program, Step } from "../program/program";
import { askTile, multiplyTile, tileIsFinite } from "../weights/tiles";
import { countInputs, turn, wantsTurn } from "../weights/turn";
import { GROUP_ROWS, Weight, WeightState, notFinite } from "../weights/weight";
import { add, scale } from "../kernels/float/vector";
import { quantizeAs } from "../kernels/quant/activations/precision";
import {
  COLUMN_STEP, HAS_COLUMNS, multiplyColumnRows, multiplyColumns, minZeroSixteenths, stripRows,
} from "../kernels/quant/columns/columns";
import { matmulRows } from "../kernels/quant/matmul";

export function linear(c: Context, s: Step): i32 {
  if (HAS_CORE_NEURONS && c.isSparse && c.running == Running.LAYERS) packNeurons(c);
  const status = s.n0 != 0 && areAlike(c, s) ? multiplyTogether(c, s) : multiplyInTurn(c, s);
  if (status != Status.DONE) return status;
  for (let m: u32 = 0; m <= s.n0; m++) scaleAndBias(c, s.behind(m));
  if (s.has(Flag.RESIDUAL)) addToStream(c, s);
  if (HAS_ADAPTERS && c.adapterSets != 0) for (let m: u32 = 0; m <= s.n0; m++) addLowRank(c, s.behind(m));
  return Status.DONE;
}

/** Bytes that the step needs for itself: operands of `batch` tokens, and the product that goes into the stream. */
export function linearScratch(p: Program, layer: u32, s: Step, batch: u32): u64 {
  let operand: u64 = 0;
  for (let m: u32 = 0; m <= s.n0; m++) {
    const weight = p.weight(layer, s.behind(m).weight);
    if (!weight.isFloat) operand = max(operand, operandBytes(weight));
  }
  if (s.has(Flag.OPERAND)) operand = 0;
  const product: u64 = s.has(Flag.RESIDUAL) ? <u64>batch * p.weight(layer, s.weight).rows * 4 : 0;
  return lines(batch * operand) + product;
}

/** One matrix after the other; the next one may want another form of the operand. */
function multiplyInTurn(c: Context, s: Step): i32 {
  while (c.part <= s.n0) {
    const status = multiply(c, s.behind(c.part));
    if (status != Status.DONE) return status;
    const form = c.weight(s.behind(c.part).weight).precision;
    c.part += 1;
    c.cursor = 0;
    if (c.part <= s.n0 && c.weight(s.behind(c.part).weight).precision != form) c.operandReady = 0;
  }
  return Status.DONE;
}

/** The product with one matrix, whole or as much of it as the slice of work allows. */
function multiply(c: Context, s: Step): i32 {
  const weight = c.weight(s.weight);
  if (!makeOperand(c, s, weight)) return Status.MORE;
  if (weight.state == WeightState.STREAMED) return multiplyStreamed(c, s, weight);
  const cost = <u64>weight.columns * c.active;
  const mayBeColumns = weight.mayTurn || (HAS_CORE_NEURONS && weight.byColumns);
  const rows = unitsWithinWork(c, weight.rows, cost, mayBeColumns ? COLUMN_STEP : GROUP_ROWS);
  const grain = weight.byColumns ? columnGrain(c, weight, rows, cost) : rowGrain(c, rows, cost);
  if (!shared(c, s, multiplyRows.index, rows, grain)) return Status.MORE;
  c.cursor += rows;
  if (c.cursor < weight.rows) return Status.MORE;
  if (HAS_COLUMNS && weight.mayTurn) turnWhereZerosPay(c, weight);
  return Status.DONE;
}

/** Rows of a matrix from the cursor on, all tokens. */
function multiplyRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const weight = c.weight(s.weight);
  const first = c.cursor + begin;
  const last = c.cursor + end;
  const scratch = scratchOf(c, weight, thread);
  if (HAS_COLUMNS && weight.byColumns) multiplyByColumns(c, s, weight, first, last, scratch);
  else matmulWith(c, s, weight, first, last, scratch);
}

/** A thread's scratch; what lies by columns and never turns has its own (program/core_neurons.ts). */
@inline
function scratchOf(c: Context, weight: Weight, thread: u32): usize {
  const isStandIn = HAS_CORE_NEURONS && weight.byColumns && !weight.mayTurn;
  return isStandIn ? c.neurons.scratch + <usize>thread * c.neurons.scratchBytes : c.ofThread(c.scratch, thread);
}

function matmulWith(c: Context, s: Step, weight: Weight, first: u32, last: u32, scratch: usize): void {
  matmulRows(
    weight.kernelKey, weight.data, weight.rows, weight.columns, first, last, operandOf(c, s, weight),
    operandStride(c, s, weight), c.active, productOf(c, s, weight) + ((<usize>first) << 2), productStride(c, s, weight),
    scratch,
  );
}

/** A matrix in the file, tile by tile. */
function multiplyStreamed(c: Context, s: Step, weight: Weight): i32 {
  const r = c.requests;
  if (r.tileRows) {
    if (!tileIsFinite(r, weight)) return notFinite(c.program.weights, weight);
    multiplyTile(
      r, weight, c.cursor, operandOf(c, s, weight), operandStride(c, s, weight), c.active, productOf(c, s, weight),
      productStride(c, s, weight), c.scratch,
    );
    c.cursor += r.tileRows;
    r.tileRows = 0;
  }
  if (c.cursor == weight.rows) return Status.DONE;
  askTile(r, weight, c.cursor);
  return Status.NEED_DATA;
}

/** Whether the matrices of one input may be multiplied as if they were one. */
function areAlike(c: Context, s: Step): bool {
  const first = c.weight(s.weight);
  for (let m: u32 = 0; m <= s.n0; m++) {
    const weight = c.weight(s.behind(m).weight);
    if (weight.state != WeightState.RESIDENT || weight.byColumns) return false;
    if (weight.precision != first.precision || weight.isFloat != first.isFloat) return false;
  }
  return true;
}

/** The matrices of one input as one job: units of one matrix behind those of the other. */
function multiplyTogether(c: Context, s: Step): i32 {
  const weight = c.weight(s.weight);
  if (!makeOperand(c, s, weight)) return Status.MORE;
  let total: u32 = 0;
  for (let m: u32 = 0; m <= s.n0; m++) total += unitsOf(c.weight(s.behind(m).weight));
  const cost = <u64>weight.columns * c.active * UNIT_ROWS;
  const units = unitsWithinWork(c, total, cost, 1);
  if (!shared(c, s, multiplyUnits.index, units, grainOf(c.threads, units, cost))) return Status.MORE;
  c.cursor += units;
  return c.cursor < total ? Status.MORE : Status.DONE;
}

function unitsOf(weight: Weight): u32 {
  return (weight.rows + (UNIT_ROWS - 1)) / UNIT_ROWS;
}

/** Units from the cursor on, all tokens. */
function multiplyUnits(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  let from = c.cursor + begin;
  let to = c.cursor + end;
  const scratch = c.ofThread(c.scratch, thread);
  for (let m: u32 = 0; m <= s.n0 && to > 0; m++) {
    const member = s.behind(m);
    const weight = c.weight(member.weight);
    const units = unitsOf(weight);
    if (from < units) matmulWith(c, member, weight, from * UNIT_ROWS, min(to * UNIT_ROWS, weight.rows), scratch);
    from = from > units ? from - units : 0;
    to = to > units ? to - units : 0;
  }
}

// The operand: f32 rows, the quantised rows that another step has made, or those in the scratch of this one.

/** Quantises the input's rows for a weight, once a step. False: a thread is late. */
function makeOperand(c: Context, s: Step, weight: Weight): bool {
  if (c.operandReady || weight.isFloat || s.has(Flag.OPERAND)) return true;
  // A value takes about as long as four multiply-adds.
  const grain = grainOf(c.threads, c.active, (<u64>weight.columns) << 2);
  if (!shared(c, s, quantizeRows.index, c.active, grain)) return false;
  c.operandReady = 1;
  return true;
}

function quantizeRows(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const weight = c.weight(s.weight);
  const x = c.at(s.in0);
  const stride = c.stride(s.in0);
  const bytes = <usize>operandBytes(weight);
  const target = c.stepScratch;
  for (let i = begin; i < end; i++) {
    quantizeAs(weight.precision, rowAt(x, i, stride), weight.columns, target + <usize>i * bytes);
  }
}

function operandOf(c: Context, s: Step, weight: Weight): usize {
  return weight.isFloat || s.has(Flag.OPERAND) ? c.at(s.in0) : c.stepScratch;
}

/** Bytes from one row of the operand to the next. */
function operandStride(c: Context, s: Step, weight: Weight): usize {
  return weight.isFloat && !s.has(Flag.OPERAND) ? c.stride(s.in0) : <usize>operandBytes(weight);
}

/** Where the product goes: a residual's lies in the scratch, behind the operand, until it is whole. */
function productOf(c: Context, s: Step, weight: Weight): usize {
  return s.has(Flag.RESIDUAL) ? residualOf(c, s, weight) : c.at(s.out);
}

function productStride(c: Context, s: Step, weight: Weight): usize {
  return s.has(Flag.RESIDUAL) ? (<usize>weight.rows) << 2 : c.stride(s.out);
}

function residualOf(c: Context, s: Step, weight: Weight): usize {
  const own = !weight.isFloat && !s.has(Flag.OPERAND);
  return own ? c.stepScratch + <usize>lines(<u64>c.batchCapacity * operandBytes(weight)) : c.stepScratch;
}

function scaleAndBias(c: Context, s: Step): void {
  if (s.bias == NOTHING && (!HAS_NVFP4 || s.weight2 == NOTHING)) return;
  const weight = c.weight(s.weight);
  const product = productOf(c, s, weight);
  const stride = productStride(c, s, weight);
  for (let i: u32 = 0; i < c.active; i++) {
    const row = rowAt(product, i, stride);
    if (HAS_NVFP4 && s.weight2 != NOTHING) scale(row, load<f32>(c.weight(s.weight2).data), weight.rows);
    if (s.bias != NOTHING) add(row, c.weight(s.bias).data, weight.rows);
  }
}

/** out ← in1 + the product. */
function addToStream(c: Context, s: Step): void {
  const weight = c.weight(s.weight);
  const product = residualOf(c, s, weight);
  const bytes = (<usize>weight.rows) << 2;
  for (let i: u32 = 0; i < c.active; i++) {
    const out = rowAt(c.at(s.out), i, c.stride(s.out));
    if (!s.has(Flag.IN_PLACE)) memory.copy(out, rowAt(c.at(s.in1), i, c.stride(s.in1)), bytes);
    add(out, rowAt(product, i, bytes), weight.rows);
  }
}

// Matrices that may lie column by column.

/**
 * Counts the zeros of the pass, and has the matrix lie as suits them. A few tokens take so little time that one layer a
 * pass turns. Another context may be amid the matrix: whole steps of columns are whole groups of rows.
 */
function turnWhereZerosPay(c: Context, weight: Weight): void {
  const at = (<usize>c.layer) << 3;
  countInputs(weight, load<u64>(c.zeros + at), load<u64>(c.activations + at));
  if (!wantsTurn(weight, c.active < TILE_TOKENS ? c.layer : 0) || !isIdle(c.threads)) return;
  turn(c.core, weight, c.scratch);
}

/** Where several tokens meet such a matrix, from so many on tiles of rows pay. */
const TILE_TOKENS: u32 = 16;

/** Outputs `begin` … `end` − 1, all tokens. */
function multiplyByColumns(c: Context, s: Step, weight: Weight, begin: u32, end: u32, scratch: usize): void {
  const x = operandOf(c, s, weight);
  const stride = operandStride(c, s, weight);
  const target = productOf(c, s, weight) + ((<usize>begin) << 2);
  const targetStride = productStride(c, s, weight);
  if (readsColumns(c, weight)) {
    multiplyColumns(
      weight.type, weight.data, weight.rows, weight.columns, begin, end, x, stride, c.active, target, targetStride,
      scratch,
    );
  } else {
    multiplyColumnRows(
      weight.kernelKey, weight.data, weight.rows, weight.columns, begin, end, x, stride, c.active, target, targetStride,
      scratch,
    );
  }
}

/**
 * Whether a pass reads columns one by one: a few tokens always do, many where so many activations of the layer are zero
 * that leaving them out saves more than tiles do, which share among tokens what weights and scales cost. Both ways give
 * the same bits.
 */
function readsColumns(c: Context, weight: Weight): bool {
  if (c.active < TILE_TOKENS) return true;
  const at = (<usize>c.layer) << 3;
  return load<u64>(c.zeros + at) * 16 >= load<u64>(c.activations + at) * minZeroSixteenths(weight.type);
}

/**
 * Outputs a grain: one a thread where columns are read one by one, because long runs are what memory gives fast and
 * each grain lists the columns anew, else a strip.
 */
function columnGrain(c: Context, weight: Weight, rows: u32, cost: u64): u32 {
  const threads = threadsOf(c.threads);
  const least = readsColumns(c, weight) ? (rows + threads - 1) / threads : stripRows(rows);
  const grain = max(grainOf(c.threads, rows, cost), least);
  return (grain + (2 * COLUMN_STEP - 1)) & ~(2 * COLUMN_STEP - 1);
}
