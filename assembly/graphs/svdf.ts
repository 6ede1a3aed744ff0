/**
 * SVDF, a layer whose weights are of rank one or two over depth and time: each filter sums the input's depth, remembers
 * the last sums, and weighs those; `rank` filters make a unit. Its memory is a tensor that the file calls a variable.
 * Integers are those of TensorFlow Lite Micro's reference. Source: Nakkiran et al., "Compressing Deep Neural Networks
 * using a Rank-Constrained Topology", 2015.
 */
import { mbqm, quantiseFactor } from "../kernels/conv/requantise";
import { TensorType } from "../files/tflite";
import { broken, hasOperands, isQuantised, least, most, option, refuse } from "./check";
import { Act } from "./operators";
import { Graph, GraphStep, GraphTensor, Place, make } from "./records";

/** Its operands. */
namespace Operand {
  export const INPUT: u32 = 0;
  export const FEATURES: u32 = 1;
  export const TIMES: u32 = 2;
  export const BIAS: u32 = 3;
  export const STATE: u32 = 4;
}

@unmanaged
class Svdf {
  batch: u32;
  depth: u32;
  filters: u32;
  times: u32;
  rank: u32;
  act: u32;
  /** Into the memory, and out of it. */
  multiplier: i32;
  shift: i32;
  outMultiplier: i32;
  outShift: i32;
}

export function prepareSvdf(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 3, 1) || step.inputCount != 5 || !g.has(step, Operand.STATE))
    return broken(g, step, "it wants an input, two weights, a bias and a state, and one output");
  const x = g.input(step, Operand.INPUT), w = g.input(step, Operand.FEATURES), t = g.input(step, Operand.TIMES);
  const state = g.input(step, Operand.STATE), y = g.output(step);
  const p = changetype<Svdf>(make(g, offsetof<Svdf>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.rank = option<u32>(g, step, 0, 0);
  p.act = option<u8>(g, step, 1, 0);
  p.batch = x.dim(0);
  p.depth = x.dim(1);
  p.filters = w.dim(0);
  p.times = t.dim(1);
  if (x.rank != 2 || w.rank != 2 || t.rank != 2 || w.dim(1) != p.depth || t.dim(0) != p.filters)
    return broken(g, step, "its weights have other sizes than its input");
  if (p.rank == 0 || p.filters % p.rank != 0 || p.times == 0 || p.depth == 0)
    return broken(g, step, "its rank does not divide its filters, or a size is 0");
  const units = p.filters / p.rank;
  if (y.rank != 2 || y.dim(0) != p.batch || y.dim(1) != units) return broken(g, step, "its output has another size");
  if (<u64>state.count != <u64>p.batch * p.filters * p.times) return broken(g, step, "its state has another size");
  if (state.place != Place.KEPT) return broken(g, step, "its state is no variable");
  const isReal = x.type == TensorType.F32;
  if (g.has(step, Operand.BIAS)) {
    const bias = g.input(step, Operand.BIAS);
    if (bias.count != units || bias.type != (isReal ? TensorType.F32 : TensorType.I32))
      return broken(g, step, "its bias has another size or type");
  }
  step.scratch = <u64>p.filters * 4;
  step.macs = <u64>p.batch * p.filters * (p.depth + p.times);
  if (isReal) {
    if (w.type != x.type || t.type != x.type || state.type != x.type || y.type != x.type)
      return refuse(g, step, "its tensors have different types");
    return p.act > Act.RELU6 ? refuse(g, step, "its activation is not one of RELU") : 0;
  }
  if (x.type != TensorType.I8 || w.type != TensorType.I8 || y.type != TensorType.I8 || t.type != state.type)
    return refuse(g, step, "it is neither of i8 nor of f32");
  if (t.type != TensorType.I8 && t.type != TensorType.I16) return refuse(g, step, "its state is not of i8 or i16");
  // As the source: its kernel of integers cuts off at nothing but the type's range.
  if (p.act != Act.NONE && p.act != Act.RELU) return refuse(g, step, "its activation is not RELU");
  if (!isQuantised(x) || !isQuantised(y) || !(state.scale > 0) || !(w.scale > 0) || !(t.scale > 0))
    return broken(g, step, "a tensor of i8 has no scale and zero point");
  quantiseFactor(<f64>((x.scale * w.scale) / state.scale), changetype<usize>(p) + offsetof<Svdf>("multiplier"));
  quantiseFactor(<f64>((state.scale * t.scale) / y.scale), changetype<usize>(p) + offsetof<Svdf>("outMultiplier"));
  return 0;
}

export function runSvdf(g: Graph, step: GraphStep): void {
  const p = changetype<Svdf>(step.parameters);
  const state = g.input(step, Operand.STATE);
  const size = state.bytes / max(state.count, 1);
  memory.copy(state.data, state.data + size, state.bytes - size);
  const isReal = g.input(step, Operand.INPUT).type == TensorType.F32;
  for (let b: u32 = 0; b < p.batch; b++) {
    if (isReal) real(g, step, p, b);
    else integers(g, step, p, b, state);
  }
}

@inline
function integerAt(isWide: bool, at: usize, i: usize): i32 {
  return isWide ? <i32>load<i16>(at + (i << 1)) : <i32>load<i8>(at + i);
}

function integers(g: Graph, step: GraphStep, p: Svdf, b: u32, state: GraphTensor): void {
  const x = g.input(step, Operand.INPUT), y = g.output(step);
  const isWide = state.type == TensorType.I16;
  const most: i32 = isWide ? 32767 : 127;
  const held = state.data + ((<usize>b * p.filters * p.times) << usize(isWide));
  const input = x.data + <usize>b * p.depth;
  let w = g.input(step, Operand.FEATURES).data;
  for (let f: usize = 0; f < <usize>p.filters; f++, w += p.depth) {
    let sum: i32 = 0;
    for (let k: usize = 0; k < <usize>p.depth; k++) sum += <i32>load<i8>(w + k) * (<i32>load<i8>(input + k) - x.zero);
    const value = state.zero + max(min(mbqm(sum, p.multiplier, p.shift), most), -most - 1);
    const last = (f + 1) * p.times - 1;
    if (isWide) store<i16>(held + (last << 1), <i16>value);
    else store<i8>(held + last, <i8>value);
  }
  const times = g.input(step, Operand.TIMES).data;
  const units = <usize>(p.filters / p.rank);
  let at: usize = 0;
  for (let u: usize = 0; u < units; u++) {
    let sum = g.has(step, Operand.BIAS) ? load<i32>(g.input(step, Operand.BIAS).data + (u << 2)) : 0;
    for (let i: usize = 0; i < <usize>p.rank * p.times; i++, at++) {
      sum += integerAt(isWide, times, at) * (integerAt(isWide, held, at) - state.zero);
    }
    const value = mbqm(sum, p.outMultiplier, p.outShift) + y.zero;
    store<i8>(y.data + <usize>b * units + u, <i8>min(max(value, -128), 127));
  }
}

function real(g: Graph, step: GraphStep, p: Svdf, b: u32): void {
  const held = g.input(step, Operand.STATE).data + ((<usize>b * p.filters * p.times) << 2);
  const input = g.input(step, Operand.INPUT).data + ((<usize>b * p.depth) << 2);
  let w = g.input(step, Operand.FEATURES).data;
  for (let f: usize = 0; f < <usize>p.filters; f++) {
    let sum: f32 = 0;
    for (let k: usize = 0; k < <usize>p.depth; k++, w += 4) sum += load<f32>(w) * load<f32>(input + (k << 2));
    store<f32>(held + (((f + 1) * p.times - 1) << 2), sum);
  }
  const times = g.input(step, Operand.TIMES).data;
  const units = <usize>(p.filters / p.rank);
  const low = least(p.act), high = most(p.act);
  let at: usize = 0;
  for (let u: usize = 0; u < units; u++) {
    let sum: f32 = g.has(step, Operand.BIAS) ? load<f32>(g.input(step, Operand.BIAS).data + (u << 2)) : 0;
    for (let r: usize = 0; r < <usize>p.rank; r++) {
      let filter: f32 = 0;
      for (let i: usize = 0; i < <usize>p.times; i++, at += 4) filter += load<f32>(times + at) * load<f32>(held + at);
      sum += filter;
    }
    store<f32>(g.output(step).data + ((<usize>b * units + u) << 2), max(min(sum, high), low));
  }
}
