/**
 * MEAN, SUM, REDUCE_MAX, REDUCE_MIN over dimensions, and ARG_MAX. One walk over the input in its order: each value
 * meets the sum of the output that it belongs to.
 */
import { mbqm, quantiseFactor } from "../kernels/conv/requantise";
import { TensorType } from "../files/tflite";
import { broken, hasOperands, isKnown, isQuantised, knownInteger, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, MOST_DIMENSIONS, make } from "./records";

const F32 = TensorType.F32;
const I8 = TensorType.I8;
const I32 = TensorType.I32;

@unmanaged
class Reduction {
  /** u32[6]: by how many outputs a step along a dimension goes on. */
  steps: usize;
  /** Values that come to one output. */
  each: u32;
  multiplier: i32;
  shift: i32;
}

export function prepareReduction(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants an input and dimensions, and one output");
  const x = g.input(step, 0), axes = g.input(step, 1), y = g.output(step);
  if (!isKnown(axes)) return refuse(g, step, "its dimensions are not known at load");
  if (x.type != y.type || (x.type != F32 && x.type != I8 && x.type != I32)) {
    return refuse(g, step, "it is not of i8, f32 or i32");
  }
  const p = changetype<Reduction>(make(g, offsetof<Reduction>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.steps = make(g, MOST_DIMENSIONS * 4);
  if (p.steps == 0) return g.core.errorCode;
  let reduced: u32 = 0;
  for (let i: u32 = 0; i < axes.count; i++) {
    const axis = knownInteger(axes, i);
    const at = axis < 0 ? axis + <i32>x.rank : axis;
    if (at < 0 || at >= <i32>x.rank) return broken(g, step, "it names a dimension that its input lacks");
    reduced |= 1 << at;
  }
  let outputs: u32 = 1;
  p.each = 1;
  for (let d = <i32>x.rank - 1; d >= 0; d--) {
    const size = x.dim(d);
    if (reduced & (1 << d)) {
      p.each *= size;
    } else {
      store<u32>(p.steps + (d << 2), outputs);
      outputs *= size;
    }
  }
  if (outputs != y.count || x.count == 0) return broken(g, step, "its output has another size than what is left");
  step.scratch = <u64>outputs * 4;
  if (x.type != I8) return 0;
  if (!isQuantised(x) || !isQuantised(y)) return broken(g, step, "a tensor of i8 has no scale and zero point");
  const factor = changetype<usize>(p) + offsetof<Reduction>("multiplier");
  quantiseFactor(<f64>x.scale / <f64>y.scale, factor);
  if (step.op == Operator.MEAN) {
    const bits = 32 - <i32>clz(p.each);
    const h = min(min(bits - 1, 32), 31 + p.shift);
    if (h < 0) return refuse(g, step, "its scales lie too far apart");
    p.multiplier = <i32>(((<i64>p.multiplier) << h) / p.each);
    p.shift -= h;
  } else if (step.op != Operator.SUM && (x.scale != y.scale || x.zero != y.zero)) {
    return refuse(g, step, "its input and its output have different scales");
  }
  return 0;
}

export function runReduction(g: Graph, step: GraphStep): void {
  const x = g.input(step, 0);
  if (x.type == F32) reduce<f32>(g, step);
  else if (x.type == I8) reduce<i8>(g, step);
  else reduce<i32>(g, step);
}

function reduce<T>(g: Graph, step: GraphStep): void {
  const p = changetype<Reduction>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  const sums = g.scratch;
  const op = step.op;
  const isSum = op == Operator.MEAN || op == Operator.SUM;
  for (let i: usize = 0; i < <usize>y.count; i++) {
    if (isFloat<T>()) store<f32>(sums + (i << 2), isSum ? 0 : op == Operator.REDUCE_MAX ? -Infinity : Infinity);
    else store<i32>(sums + (i << 2), isSum ? 0 : op == Operator.REDUCE_MAX ? i32.MIN_VALUE : i32.MAX_VALUE);
  }
  const width: u32 = x.rank == 0 ? 1 : x.dim(x.rank - 1);
  const along = x.rank == 0 ? 0 : load<u32>(p.steps + ((<usize>x.rank - 1) << 2));
  const rows = x.count / width;
  let source = x.data;
  for (let row: u32 = 0; row < rows; row++) {
    let rest = row;
    let out: usize = 0;
    for (let d = <i32>x.rank - 2; d >= 0; d--) {
      const size = x.dim(d);
      out += <usize>(rest % size) * load<u32>(p.steps + (d << 2));
      rest /= size;
    }
    let at = sums + (out << 2);
    for (let i: u32 = 0; i < width; i++, source += sizeof<T>(), at += (<usize>along) << 2) {
      if (isFloat<T>()) {
        const value = load<f32>(source), sum = load<f32>(at);
        store<f32>(at, isSum ? sum + value : op == Operator.REDUCE_MAX ? max(sum, value) : min(sum, value));
      } else {
        const value = <i32>load<T>(source), sum = load<i32>(at);
        store<i32>(at, isSum ? sum + value : op == Operator.REDUCE_MAX ? max(sum, value) : min(sum, value));
      }
    }
  }
  for (let i: usize = 0; i < <usize>y.count; i++) {
    if (isFloat<T>()) {
      const sum = load<f32>(sums + (i << 2));
      store<f32>(y.data + (i << 2), op == Operator.MEAN ? sum / <f32>p.each : sum);
      continue;
    }
    let sum = load<i32>(sums + (i << 2));
    if (sizeof<T>() == 1) {
      if (isSum) sum = mbqm(sum - x.zero * <i32>p.each, p.multiplier, p.shift) + y.zero;
      store<i8>(y.data + i, <i8>min(max(sum, -128), 127));
    } else {
      store<i32>(y.data + (i << 2), op == Operator.MEAN ? sum / <i32>p.each : sum);
    }
  }
}

export function prepareArgMax(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants an input and a dimension, and one output");
  const x = g.input(step, 0), axes = g.input(step, 1), y = g.output(step);
  if (!isKnown(axes) || axes.count != 1) return refuse(g, step, "its dimension is not known at load");
  const axis = knownInteger(axes, 0);
  if (axis != -1 && axis != <i32>x.rank - 1) return refuse(g, step, "it looks along another dimension than the last");
  if (x.type != F32 && x.type != I8) return refuse(g, step, "it is neither of i8 nor of f32");
  if (y.type != I32 && y.type != TensorType.I64) return refuse(g, step, "its output is neither of i32 nor of i64");
  const width = x.rank == 0 ? 0 : x.dim(x.rank - 1);
  return width > 0 && y.count == x.count / width ? 0 : broken(g, step, "its output has another size");
}

/** The first of the largest. */
export function runArgMax(g: Graph, step: GraphStep): void {
  const x = g.input(step, 0), y = g.output(step);
  const width = <usize>x.dim(x.rank - 1);
  for (let row: usize = 0; row < <usize>y.count; row++) {
    let best: usize = 0;
    let most: f32 = -Infinity;
    for (let i: usize = 0; i < width; i++) {
      const at = row * width + i;
      const value = x.type == F32 ? load<f32>(x.data + (at << 2)) : <f32>load<i8>(x.data + at);
      if (value > most) {
        most = value;
        best = i;
      }
    }
    if (y.type == I32) store<u32>(y.data + (row << 2), <u32>best);
    else store<u64>(y.data + (row << 3), <u64>best);
  }
}
