/**
 * Fuse: rules that turn what papers say into what kernels do. Each works on the steps of all layers, one after the
 * other, as the Builder holds them. Same kernels, same order of sums: the same bits.
 *
 *     order         what belongs to the input stands before the layers                                  inputFirst
 *     one input     LINEAR a, … LINEAR a                   →  LINEAR a with members: one operand        shareInputs
 *     activation    ACTIVATION → LINEAR                    →  the first makes the operand, quantised    makeOperands
 *     residual      LINEAR → ADD x                         →  LINEAR into the stream                    addIntoStream
 *     zeros         SQUARED_RELU → LINEAR                  →  the matrix may lie column by column       turnToColumns
 *     in place      a step that is the last to read its input may write over it                         writeInPlace
 *     stream        what the stream begins with is marked: a host may have it                           markInput
 *
 * A product, its bias and the stream are summed in this order, fused or not: (x + (W·a + bias)), and an adapter's
 * B·(A·a) is added to that last.
 */
import { Builder } from "./builder";
import { Element, Flag, INPUT_SEGMENT, NOTHING, Op, Step } from "./program";
import { suitsColumnPacking } from "../kernels/quant/columns/columns";
import { isWide } from "../weights/turn";
import { TABLES_OF_HASH } from "../weights/weight";

export function fuse(b: Builder): void {
  inputFirst(b);
  shareInputs(b);
  countReaders(b);
  makeOperands(b);
  turnToColumns(b);
  addIntoStream(b);
  countReaders(b);
  writeInPlace(b);
  markInput(b);
}

/** Steps of the input that were written within a layer come before the layers. */
function inputFirst(b: Builder): void {
  let first: u32 = 0;
  for (let i: u32 = 0; i < b.stepCount; i++) {
    if (b.step(i).segment != INPUT_SEGMENT) continue;
    moveStep(b, i, first++);
  }
}

/** Products with one input, and look-ups by one hash, run together: the input is quantised once, threads meet once. */
function shareInputs(b: Builder): void {
  for (let i: u32 = 0; i < b.stepCount; i += 1 + b.step(i).members) {
    const leader = b.step(i);
    const isLinear = leader.op == Op.LINEAR;
    if (!isLinear && leader.op != Op.LOOK_UP) continue;
    for (let j = i + 1; j < b.stepCount && b.step(j).segment == leader.segment; j++) {
      const other = b.step(j);
      if (other.op != leader.op || other.in0 != leader.in0) continue;
      if (!isLinear && leader.n0 + 1 >= TABLES_OF_HASH) break;
      leader.n0 += 1;
      moveStep(b, j, i + leader.n0);
    }
  }
}

/** What an activation makes is made as the operand that the linear behind it wants. */
function makeOperands(b: Builder): void {
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    if (step.op != Op.ACTIVATION) continue;
    const linear = onlyReader(b, step.out);
    if (linear == NOTHING || b.step(linear).op != Op.LINEAR || b.step(linear).n0 != 0) continue;
    step.flags |= Flag.OPERAND;
    step.weight = b.step(linear).weight;
    b.step(linear).flags |= Flag.OPERAND;
    b.value(step.out).element = Element.OPERAND;
  }
}

/** What is zero behind ReLU² costs nothing where the matrix lies column by column, which it may when it pays. */
function turnToColumns(b: Builder): void {
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    if (step.op != Op.SQUARED_RELU) continue;
    const reader = onlyReader(b, step.out);
    if (reader == NOTHING || b.step(reader).op != Op.LINEAR || b.step(reader).weight == NOTHING) continue;
    const weight = b.weightAt(b.step(reader).weight);
    weight.mayTurn = isWide(weight) && suitsColumnPacking(weight.type, weight.rows) ? 1 : 0;
  }
}

/** A linear whose product is added to the stream at once adds it itself. */
function addIntoStream(b: Builder): void {
  for (let i: u32 = 0; i + 1 < b.stepCount; i += 1 + b.step(i).members) {
    const linear = b.step(i);
    const sum = b.step(i + 1);
    if (linear.op != Op.LINEAR || linear.n0 != 0 || sum.op != Op.ADD || sum.segment != linear.segment) continue;
    if (onlyReader(b, linear.out) == NOTHING) continue;
    const isSecond = sum.in1 == linear.out;
    if (!isSecond && sum.in0 != linear.out) continue;
    linear.in1 = isSecond ? sum.in0 : sum.in1;
    linear.out = sum.out;
    linear.flags |= Flag.RESIDUAL;
    sum.op = Op.NONE;
  }
  leaveOutEmpty(b);
}

/**
 * A step that works element by element, and is the last to read its input, writes over it. So the residual stream stays
 * in one place through all layers. Norms of whole rows do not: threads share them, and a job may be done twice.
 */
function writeInPlace(b: Builder): void {
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    const over = overwritten(b, step);
    if (over == NOTHING || !isLastUse(b, over, step.out, i)) continue;
    layOver(b, step.out, over);
    step.flags |= Flag.IN_PLACE;
  }
}

/** Steps of the input that write where the stream lies. */
function markInput(b: Builder): void {
  if (b.stream == NOTHING) return;
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    if (step.segment != INPUT_SEGMENT || step.out == NOTHING) continue;
    if (b.value(step.out).base == b.value(b.stream).base) step.flags |= Flag.INPUT;
  }
}

/** The input that a step may write over. */
function overwritten(b: Builder, step: Step): u32 {
  switch (step.op) {
    case Op.ROPE:
    case Op.ADD:
    case Op.LAYER_NORM:
    case Op.SCALE:
    case Op.SOFTCAP:
    case Op.SPARSIFY:
    case Op.MIX_STREAMS:
    case Op.GATE:
    case Op.SQUARED_RELU: return step.in0;
    case Op.RMS_NORM: return step.n0 > 1 || isPart(b, step.in0) ? step.in0 : NOTHING;
    case Op.LINEAR: return step.has(Flag.RESIDUAL) ? step.in1 : NOTHING;
    default: return NOTHING;
  }
}

function isPart(b: Builder, id: u32): bool {
  const value = b.value(id);
  return value.width != b.value(value.base).width;
}

/** Whether nobody behind step `index` reads `id`, nor anything that shares its columns. */
function isLastUse(b: Builder, id: u32, out: u32, index: u32): bool {
  const value = b.value(id);
  if (value.width != b.value(out).width || id == b.logits || id == b.vectors) return false;
  // Behind the layers the residual stream is the host's to read.
  if (b.value(out).segment > b.layers && value.base == b.value(b.stream).base) return false;
  for (let other: u32 = 0; other < b.valueCount; other++) {
    const v = b.value(other);
    if (v.base != value.base || v.from + v.width <= value.from || value.from + value.width <= v.from) continue;
    if (v.first != 0 && v.last > index) return false;
  }
  return true;
}

/** `id`, and the parts of it, have the memory of `over` from now on. */
function layOver(b: Builder, id: u32, over: u32): void {
  const target = b.value(over);
  // Parts are made of what is there: they come later.
  for (let other = id; other < b.valueCount; other++) {
    const value = b.value(other);
    if (value.base != id) continue;
    value.base = target.base;
    value.from += target.from;
  }
}

/** Of each value: `first` how many steps read it or a part of it, `last` the last that reads it itself. */
function countReaders(b: Builder): void {
  for (let id: u32 = 0; id < b.valueCount; id++) {
    b.value(id).first = 0;
    b.value(id).last = 0;
  }
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    countReader(b, step.in0, i);
    if (step.in1 != step.in0) countReader(b, step.in1, i);
    countReader(b, step.in2, i);
  }
}

function countReader(b: Builder, id: u32, index: u32): void {
  if (id == NOTHING) return;
  const value = b.value(id);
  value.first += 1;
  value.last = index;
  if (value.base != id) b.value(value.base).first += 1;
}

/** The one step that reads a value; NOTHING where there are more or none. */
function onlyReader(b: Builder, id: u32): u32 {
  const value = b.value(id);
  const reader = b.step(value.last);
  return value.first == 1 && (reader.in0 == id || reader.in1 == id) ? value.last : NOTHING;
}

/** Moves step `from` forward to `to`, in front of those that stood there. */
function moveStep(b: Builder, from: u32, to: u32): void {
  if (from == to) return;
  const spare = changetype<usize>(b.step(b.stepCount));
  const target = changetype<usize>(b.step(to));
  memory.copy(spare, changetype<usize>(b.step(from)), offsetof<Step>());
  memory.copy(changetype<usize>(b.step(to + 1)), target, <usize>(from - to) * offsetof<Step>());
  memory.copy(target, spare, offsetof<Step>());
}

/** Steps that a rule has emptied are left out. */
function leaveOutEmpty(b: Builder): void {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < b.stepCount; i++) {
    if (b.step(i).op == Op.NONE) continue;
    if (kept != i) memory.copy(changetype<usize>(b.step(kept)), changetype<usize>(b.step(i)), offsetof<Step>());
    kept += 1;
  }
  b.stepCount = kept;
}
