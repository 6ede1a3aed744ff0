/**
 * Operators on two tensors, element by element, with broadcasting: dimensions are compared from the last one on, and
 * one of size 1 serves all. SELECT_V2 has three.
 */
import { Binary, Meeting, TABLES_BYTES, compare, fillTable, meet, meetI8 } from "../kernels/conv/binary";
import { quantiseFactor } from "../kernels/conv/requantise";
import { pow } from "../kernels/float/math";
import { TensorType, elementBytes } from "../files/tflite";
import { broken, hasOperands, highest, isQuantised, least, lowest, most, option, refuse } from "./check";
import { Act, Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, MOST_DIMENSIONS, Place, make, sameShape } from "./records";

const F32 = TensorType.F32;
const I8 = TensorType.I8;
const I32 = TensorType.I32;

/** What it keeps: dimensions of the output from the last one on, and the steps of each input [bytes]. */
@unmanaged
class Broadcast {
  what: u32;
  act: u32;
  meeting: Meeting;
  dims: usize;
  /** i32[3][6] */
  steps: usize;
  rows: u32;
}

export function prepareElementwise(g: Graph, step: GraphStep): i32 {
  const isSelect = step.op == Operator.SELECT_V2;
  if (!hasOperands(g, step, isSelect ? 3 : 2, 1)) return broken(g, step, "it wants other operands");
  const p = changetype<Broadcast>(make(g, offsetof<Broadcast>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.dims = make(g, MOST_DIMENSIONS * 4);
  p.steps = make(g, MOST_DIMENSIONS * 12);
  p.meeting = changetype<Meeting>(make(g, offsetof<Meeting>()));
  if (p.dims == 0 || p.steps == 0 || p.meeting == null) return g.core.errorCode;
  const y = g.output(step);
  if (!broadcast(g, step, p, isSelect ? 3 : 2)) return broken(g, step, "its operands do not broadcast to its output");
  const a = g.input(step, isSelect ? 1 : 0), b = g.input(step, isSelect ? 2 : 1);
  if (isSelect) {
    if (g.input(step, 0).type != TensorType.BOOL) return broken(g, step, "its condition is not of bool");
    if (a.type != y.type || b.type != y.type) return broken(g, step, "its operands have different types");
    return 0;
  }
  p.what = binaryOf(step.op);
  if (a.type != b.type) return refuse(g, step, "its operands have different types");
  if (p.what >= Binary.EQUAL) {
    if (y.type != TensorType.BOOL || (a.type != F32 && a.type != I32))
      return refuse(g, step, "it compares f32 or i32 here");
    return 0;
  }
  p.act =
    p.what == Binary.MUL || p.what == Binary.DIV || p.what == Binary.ADD || p.what == Binary.SUB
      ? <u32>option<u8>(g, step, 0, 0)
      : Act.NONE;
  if (a.type == F32 && y.type == F32) return 0;
  if (a.type == I32 && y.type == I32) {
    if (p.what == Binary.POW || p.what == Binary.PRELU || p.act != Act.NONE) return refuse(g, step, "it is of i32");
    return 0;
  }
  if (a.type != I8 || y.type != I8 || p.what == Binary.POW) {
    return refuse(g, step, "its operands are not of i8, f32 or i32");
  }
  return prepareI8(g, step, p, a, b, y);
}

function binaryOf(op: u32): u32 {
  switch (op) {
    case Operator.ADD: return Binary.ADD;
    case Operator.SUB: return Binary.SUB;
    case Operator.MUL: return Binary.MUL;
    case Operator.DIV: return Binary.DIV;
    case Operator.MAXIMUM: return Binary.MAXIMUM;
    case Operator.MINIMUM: return Binary.MINIMUM;
    case Operator.SQUARED_DIFFERENCE: return Binary.SQUARED_DIFFERENCE;
    case Operator.POW: return Binary.POW;
    case Operator.PRELU: return Binary.PRELU;
    case Operator.EQUAL: return Binary.EQUAL;
    case Operator.LESS: return Binary.LESS;
    default: return Binary.GREATER;
  }
}

function prepareI8(g: Graph, step: GraphStep, p: Broadcast, a: GraphTensor, b: GraphTensor, y: GraphTensor): i32 {
  if (!isQuantised(a) || !isQuantised(b) || !isQuantised(y)) {
    return broken(g, step, "a tensor of i8 has no scale and zero point");
  }
  const m = p.meeting;
  m.leftZero = a.zero;
  m.rightZero = b.zero;
  m.outZero = y.zero;
  m.low = lowest(p.act, y);
  m.high = highest(p.act, y);
  const out = changetype<usize>(m) + offsetof<Meeting>("multiplier");
  const s1 = <f64>a.scale, s2 = <f64>b.scale, so = <f64>y.scale;
  switch (p.what) {
    case Binary.MUL:
      quantiseFactor((s1 * s2) / so, out);
      return 0;
    case Binary.DIV:
      quantiseFactor(s1 / (s2 * so), out);
      return 0;
    case Binary.PRELU:
      quantiseFactor((s1 * s2) / so, out);
      quantiseFactor(s1 / so, changetype<usize>(m) + offsetof<Meeting>("multiplier2"));
      return 0;
    case Binary.MAXIMUM:
    case Binary.MINIMUM:
      if (a.scale != y.scale || b.scale != y.scale || a.zero != y.zero || b.zero != y.zero) {
        return refuse(g, step, "its tensors have different scales");
      }
      return 0;
  }
  m.left = make(g, TABLES_BYTES);
  if (m.left == 0) return g.core.errorCode;
  m.right = m.left + 1024;
  const left = p.what == Binary.SQUARED_DIFFERENCE ? 7 : 20;
  const twice = 2 * max(s1, s2);
  fillTable(m.left, a.zero, left, s1 / twice, 1, out);
  fillTable(m.right, b.zero, left, s2 / twice, p.what == Binary.ADD ? 1 : -1, out);
  const unit = <f64>(1 << left);
  if (p.what == Binary.SQUARED_DIFFERENCE) quantiseFactor((twice * twice) / (unit * unit * so), out);
  else quantiseFactor(twice / (unit * so), out);
  return 0;
}

/** Dimensions that meet, joined where no operand changes between broadcasting and not. */
function broadcast(g: Graph, step: GraphStep, p: Broadcast, operands: u32): bool {
  const y = g.output(step);
  let used: u32 = 0;
  let rows: u64 = 1;
  const kinds = p.steps + MOST_DIMENSIONS * 8;
  let before: u32 = NO_KIND;
  for (let d: u32 = 0; d < y.rank; d++) {
    const size = y.dim(y.rank - 1 - d);
    // Which of the operands have this dimension, bit by bit.
    let kind: u32 = 0;
    for (let i: u32 = 0; i < operands; i++) {
      const t = g.input(step, i);
      const own = d < t.rank ? t.dim(t.rank - 1 - d) : 1;
      if (own != size && own != 1) return false;
      if (own == size && size != 1) kind |= 1 << i;
    }
    if (size == 1) continue;
    if (kind == before) {
      store<u32>(p.dims + ((used - 1) << 2), load<u32>(p.dims + ((used - 1) << 2)) * size);
    } else {
      store<u32>(p.dims + (used << 2), size);
      store<u32>(kinds + (used << 2), kind);
      before = kind;
      used += 1;
    }
  }
  for (let i: u32 = 0; i < operands; i++) {
    const t = g.input(step, i);
    if (t.rank > y.rank) {
      for (let d: u32 = 0; d < t.rank - y.rank; d++) if (t.dim(d) != 1) return false;
    }
  }
  for (let d = used; d < MOST_DIMENSIONS; d++) store<u32>(p.dims + (d << 2), 1);
  for (let d: u32 = 1; d < MOST_DIMENSIONS; d++) rows *= load<u32>(p.dims + (d << 2));
  p.rows = <u32>rows;
  // Kinds lie where the steps of the third operand go: what is written is not read again.
  const third = operands == 3;
  let size0: u32 = 1, size1: u32 = 1, size2: u32 = 1;
  for (let d: u32 = 0; d < MOST_DIMENSIONS; d++) {
    const kind = d < used ? load<u32>(kinds + (d << 2)) : 0;
    const size = load<u32>(p.dims + (d << 2));
    setStep(p, 0, d, kind & 1 ? size0 : 0);
    setStep(p, 1, d, kind & 2 ? size1 : 0);
    if (kind & 1) size0 *= size;
    if (kind & 2) size1 *= size;
    if (third) setStep(p, 2, d, kind & 4 ? size2 : 0);
    if (kind & 4) size2 *= size;
  }
  return true;
}

const NO_KIND: u32 = 0xff;

@inline
function setStep(p: Broadcast, operand: u32, d: u32, elements: u32): void {
  store<u32>(p.steps + ((operand * MOST_DIMENSIONS + d) << 2), elements);
}

@inline
function stepOf(p: Broadcast, operand: u32, d: u32): u32 {
  return load<u32>(p.steps + ((operand * MOST_DIMENSIONS + d) << 2));
}

/** The element of an operand at which row `row` begins. */
function rowStart(p: Broadcast, operand: u32, row: u32): usize {
  let at: usize = 0;
  for (let d: u32 = 1; d < MOST_DIMENSIONS; d++) {
    const size = load<u32>(p.dims + (d << 2));
    at += <usize>(row % size) * stepOf(p, operand, d);
    row /= size;
  }
  return at;
}

/**
 * Whether a step can be run pixel by pixel of an image [1, height, width, depth]: each operand is one as large, or a
 * constant that is the same for all pixels.
 */
export function isByLines(g: Graph, step: GraphStep): bool {
  if (step.op == Operator.SELECT_V2) return false;
  const y = g.output(step);
  for (let i: u32 = 0; i < 2; i++) {
    const t = g.input(step, i);
    if (t.place == Place.KEPT) return false;
    if (sameShape(t, y)) continue;
    const isPixel = t.rank == 0 || t.count == t.dim(t.rank - 1);
    if (t.place != Place.CONSTANT || !isPixel || (t.count != 1 && t.count != y.dim(3))) return false;
  }
  const p = changetype<Broadcast>(step.parameters);
  const first = load<u32>(p.dims);
  return first == y.count || (first == y.dim(3) && p.rows == y.count / first);
}

/** Runs such a step on the pixels of a line, at which its tensors' data stand. */
export function runElementwiseLine(g: Graph, step: GraphStep, pixels: u32): void {
  const p = changetype<Broadcast>(step.parameters);
  const y = g.output(step);
  if (load<u32>(p.dims) == y.count) runRows(g, step, p, pixels * y.dim(3), 1);
  else runRows(g, step, p, y.dim(3), pixels);
}

export function runElementwise(g: Graph, step: GraphStep): void {
  const p = changetype<Broadcast>(step.parameters);
  if (step.op == Operator.SELECT_V2) select(g, step, p);
  else runRows(g, step, p, load<u32>(p.dims), p.rows);
}

/** The first rows of so many values. */
function runRows(g: Graph, step: GraphStep, p: Broadcast, count: usize, rows: u32): void {
  const a = g.input(step, 0), b = g.input(step, 1), y = g.output(step);
  const size = <usize>elementBytes(a.type), outSize = <usize>elementBytes(y.type);
  const aStep = <usize>stepOf(p, 0, 0) * size, bStep = <usize>stepOf(p, 1, 0) * size;
  for (let row: u32 = 0; row < rows; row++) {
    const left = a.data + rowStart(p, 0, row) * size;
    const right = b.data + rowStart(p, 1, row) * size;
    const target = y.data + <usize>row * count * outSize;
    if (p.what >= Binary.EQUAL) {
      if (a.type == F32) compare<f32>(p.what, left, aStep, right, bStep, target, count);
      else compare<i32>(p.what, left, aStep, right, bStep, target, count);
    } else if (a.type == I8) {
      meetI8(p.what, p.meeting, left, aStep, right, bStep, target, count);
    } else if (a.type == I32) {
      meet<i32>(p.what, i32.MIN_VALUE, i32.MAX_VALUE, left, aStep, right, bStep, target, count);
    } else if (p.what == Binary.POW) {
      power(left, aStep, right, bStep, target, count);
    } else {
      meet<f32>(p.what, least(p.act), most(p.act), left, aStep, right, bStep, target, count);
    }
  }
}

/** x^y; of x < 0 for whole y. */
function power(a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++, a += aStep, b += bStep) {
    const x = <f64>load<f32>(a), y = <f64>load<f32>(b);
    let value = x < 0 && nearest(y) == y ? pow(-x, y) : pow(x, y);
    if (x < 0 && nearest(y) == y && nearest(y * 0.5) * 2 != y) value = -value;
    store<f32>(target + (i << 2), <f32>value);
  }
}

function select(g: Graph, step: GraphStep, p: Broadcast): void {
  const y = g.output(step);
  const size = <usize>elementBytes(y.type);
  const count = <usize>load<u32>(p.dims);
  const condition = g.input(step, 0).data, a = g.input(step, 1).data, b = g.input(step, 2).data;
  for (let row: u32 = 0; row < p.rows; row++) {
    let c = condition + rowStart(p, 0, row);
    let left = a + rowStart(p, 1, row) * size, right = b + rowStart(p, 2, row) * size;
    let target = y.data + <usize>row * count * size;
    for (let i: usize = 0; i < count; i++) {
      memory.copy(target, load<u8>(c) ? left : right, size);
      c += stepOf(p, 0, 0);
      left += <usize>stepOf(p, 1, 0) * size;
      right += <usize>stepOf(p, 2, 0) * size;
      target += size;
    }
  }
}
