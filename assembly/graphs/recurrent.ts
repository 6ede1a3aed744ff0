/**
 * UNIDIRECTIONAL_SEQUENCE_LSTM of i8, as TensorFlow Lite Micro's reference computes it: sums of a gate in 2^−12 of i16,
 * activations in 2^−15, the cell's state in i16, what it gives in i8. What it keeps from time to time, and from run to
 * run, lies in two tensors that the file calls variables.
 *
 *     forget, input, output = sigmoid(W x + b + U h)      gate = tanh(…)
 *     c ← forget · c + input · gate                       h ← output · tanh(c)
 */
import { sigmoid16, tanh16 } from "../kernels/conv/sigmoid16";
import { mbqm, quantiseFactor } from "../kernels/conv/requantise";
import { TensorType } from "../files/tflite";
import { broken, isQuantised, option, refuse, whole } from "./check";
import { Graph, GraphStep, GraphTensor, Place, make } from "./records";

/** Its operands. */
namespace Operand {
  export const INPUT: u32 = 0;
  /** Four, in the order of the gates below; those of the state follow, and biases. */
  export const WEIGHTS: u32 = 1;
  export const RECURRENT: u32 = 5;
  export const PEEPHOLES: u32 = 9;
  export const BIASES: u32 = 12;
  export const PROJECTION: u32 = 16;
  export const HIDDEN: u32 = 18;
  export const CELL: u32 = 19;
  export const NORMS: u32 = 20;
}

/** The gates, as the operator has them. */
namespace Gate {
  export const INPUT: u32 = 0;
  export const FORGET: u32 = 1;
  export const CELL: u32 = 2;
  export const OUTPUT: u32 = 3;
}

const TANH: u32 = 4;

@unmanaged
class Lstm {
  inputs: u32;
  units: u32;
  batch: u32;
  times: u32;
  timeMajor: u32;
  /** The cell's state is in 2^power. */
  power: i32;
  /** It is kept within ±clip; 0: it is not. */
  clip: i32;
  /** Multiplier, shift: of four gates by input, by state; then of forget · c, input · gate, output · tanh(c). */
  factors: usize;
}

const FORGET_CELL: u32 = 8;
const INPUT_GATE: u32 = 9;
const OUTPUT_TANH: u32 = 10;

export function prepareLstm(g: Graph, step: GraphStep): i32 {
  if (step.inputCount < 20 || step.outputCount != 1) return broken(g, step, "it wants 20 or 24 inputs and one output");
  for (let i: u32 = 0; i < step.inputCount; i++) {
    const isLeftOut =
      (i >= Operand.PEEPHOLES && i < Operand.BIASES) ||
      (i >= Operand.PROJECTION && i < Operand.HIDDEN) ||
      i >= Operand.NORMS;
    if (isLeftOut == g.has(step, i)) {
      return refuse(g, step, "it has peepholes, a projection or norms, or it lacks a gate");
    }
  }
  const x = g.input(step, Operand.INPUT), y = g.output(step);
  const hidden = g.input(step, Operand.HIDDEN), cell = g.input(step, Operand.CELL);
  if (x.type != TensorType.I8 || y.type != TensorType.I8 || hidden.type != TensorType.I8 || cell.type != TensorType.I16)
    return refuse(g, step, "it is not of i8 with a state of i16");
  if (hidden.place != Place.KEPT || cell.place != Place.KEPT) return broken(g, step, "its state is no variable");
  if (!isQuantised(x) || !isQuantised(y) || !isQuantised(hidden) || y.scale != hidden.scale || y.zero != hidden.zero) {
    return broken(g, step, "a tensor of i8 has no scale and zero point, or its output another one than its state");
  }
  if (option<u8>(g, step, 0, 0) != TANH) return refuse(g, step, "its activation is not tanh");
  const p = changetype<Lstm>(make(g, offsetof<Lstm>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.factors = make(g, 11 * 8);
  if (p.factors == 0) return g.core.errorCode;
  p.timeMajor = option<u8>(g, step, 3, 0);
  if (x.rank != 3 || y.rank != 3) return broken(g, step, "its input or its output is not [batch, times, depth]");
  p.batch = x.dim(p.timeMajor ? 1 : 0);
  p.times = x.dim(p.timeMajor ? 0 : 1);
  p.inputs = x.dim(2);
  p.units = y.dim(2);
  if (y.dim(0) != x.dim(0) || y.dim(1) != x.dim(1) || x.count == 0 || y.count == 0)
    return broken(g, step, "its output has another size than its input");
  const state = <u64>p.batch * p.units;
  if (<u64>hidden.count != state || <u64>cell.count != state) return broken(g, step, "its state has another size");
  p.power = powerOf(cell.scale);
  if (p.power == 0) return refuse(g, step, "its cell's scale is no power of two from 2^-24 to 1/2");
  const clip = option<f32>(g, step, 1, 0);
  p.clip = clip > 0 ? min(whole(<f64>clip / <f64>cell.scale), 32767) : 0;
  for (let gate: u32 = 0; gate < 4; gate++) {
    const bias = g.input(step, Operand.BIASES + gate);
    if (bias.type != TensorType.I32 || bias.count != p.units) return broken(g, step, "a bias is not i32 of its units");
    if (!setGate(g, step, p, x, Operand.WEIGHTS + gate, p.inputs, gate)) return broken(g, step, WEIGHTS);
    if (!setGate(g, step, p, hidden, Operand.RECURRENT + gate, p.units, 4 + gate)) return broken(g, step, WEIGHTS);
  }
  const unit: f64 = 1.0 / 32768;
  quantiseFactor((unit * <f64>cell.scale) / <f64>cell.scale, factor(p, FORGET_CELL));
  quantiseFactor((unit * unit) / <f64>cell.scale, factor(p, INPUT_GATE));
  quantiseFactor((unit * unit) / <f64>hidden.scale, factor(p, OUTPUT_TANH));
  step.scratch = <u64>p.units * 8;
  step.rows = p.timeMajor ? p.times : p.batch * p.times;
  step.macs = <u64>p.batch * p.times * p.units * 4 * (p.inputs + p.units);
  return 0;
}

const WEIGHTS = "its weights are not i8 [units, depth] with a scale";

/** k of a scale that is 2^k, −24 … −1; 0: it is not. */
function powerOf(scale: f32): i32 {
  const bits = reinterpret<u32>(scale);
  const k = <i32>(bits >> 23) - 127;
  return (bits & 0x7f_ffff) == 0 && k >= -24 && k < 0 ? k : 0;
}

@inline
function factor(p: Lstm, i: u32): usize {
  return p.factors + ((<usize>i) << 3);
}

/** Whether weights suit; the factor of what they give in 2^−12. */
function setGate(g: Graph, step: GraphStep, p: Lstm, x: GraphTensor, operand: u32, depth: u32, which: u32): bool {
  const w = g.input(step, operand);
  if (w.type != TensorType.I8 || w.rank != 2 || w.dim(0) != p.units || w.dim(1) != depth || !isQuantised(w))
    return false;
  quantiseFactor(<f64>(x.scale * w.scale) / 0.000244140625, factor(p, which));
  return true;
}

/** Times begin … end − 1 of all batches, or of each batch in its turn. */
export function runLstm(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const p = changetype<Lstm>(step.parameters);
  for (let row = begin; row < end; row++) {
    if (p.timeMajor) {
      for (let b: u32 = 0; b < p.batch; b++) time(g, step, p, row * p.batch + b, b);
    } else {
      time(g, step, p, row, row / p.times);
    }
  }
}

/** One time of a batch: `at` is its place in the input and in the output. */
function time(g: Graph, step: GraphStep, p: Lstm, at: u32, batch: u32): void {
  const units = <usize>p.units;
  const x = g.input(step, Operand.INPUT).data + <usize>at * p.inputs;
  const h = g.input(step, Operand.HIDDEN).data + <usize>batch * units;
  const c = g.input(step, Operand.CELL).data + ((<usize>batch * units) << 1);
  const first = g.scratch, second = first + (units << 1), third = second + (units << 1), sums = third + (units << 1);
  gateOf(g, step, p, Gate.FORGET, x, h, sums, first);
  sigmoid16(first, p.units);
  gateOf(g, step, p, Gate.INPUT, x, h, sums, second);
  sigmoid16(second, p.units);
  gateOf(g, step, p, Gate.CELL, x, h, sums, third);
  tanh16(third, p.units, -12, third);
  for (let i: usize = 0; i < units << 1; i += 2) {
    const kept = product(p, FORGET_CELL, load<i16>(first + i), load<i16>(c + i));
    const added = product(p, INPUT_GATE, load<i16>(second + i), load<i16>(third + i));
    let value = sixteen(sixteen(kept) + sixteen(added));
    if (p.clip > 0) value = max(min(value, p.clip), -p.clip);
    store<i16>(c + i, <i16>value);
  }
  gateOf(g, step, p, Gate.OUTPUT, x, h, sums, second);
  sigmoid16(second, p.units);
  tanh16(c, p.units, p.power, first);
  const zero = g.input(step, Operand.HIDDEN).zero;
  for (let i: usize = 0; i < units; i++) {
    const value = product(p, OUTPUT_TANH, load<i16>(first + (i << 1)), load<i16>(second + (i << 1)));
    store<i8>(h + i, <i8>min(max(value + zero, -128), 127));
  }
  memory.copy(g.output(step).data + <usize>at * units, h, units);
}

@inline
function sixteen(x: i32): i32 {
  return min(max(x, -32768), 32767);
}

@inline
function product(p: Lstm, which: u32, a: i32, b: i32): i32 {
  return mbqm(a * b, load<i32>(factor(p, which)), load<i32>(factor(p, which), 4));
}

/** W x + b, and U h, each kept in 16 bits, and their sum. */
function gateOf(g: Graph, step: GraphStep, p: Lstm, gate: u32, x: usize, h: usize, sums: usize, target: usize): void {
  const bias = g.input(step, Operand.BIASES + gate).data;
  layer(p, gate, g.input(step, Operand.WEIGHTS + gate), x, g.input(step, Operand.INPUT).zero, p.inputs, bias, target);
  layer(p, 4 + gate, g.input(step, Operand.RECURRENT + gate), h, g.input(step, Operand.HIDDEN).zero, p.units, 0, sums);
  for (let i: usize = 0, end = (<usize>p.units) << 1; i < end; i += 2) {
    store<i16>(target + i, <i16>sixteen(<i32>load<i16>(target + i) + load<i16>(sums + i)));
  }
}

function layer(p: Lstm, which: u32, w: GraphTensor, x: usize, zero: i32, depth: u32, bias: usize, target: usize): void {
  const m = load<i32>(factor(p, which)), s = load<i32>(factor(p, which), 4);
  let row = w.data;
  for (let i: usize = 0; i < <usize>p.units; i++, row += depth) {
    let sum = bias == 0 ? 0 : load<i32>(bias + (i << 2));
    for (let k: usize = 0; k < <usize>depth; k++) {
      sum += (<i32>load<i8>(row + k) - w.zero) * (<i32>load<i8>(x + k) - zero);
    }
    store<i16>(target + (i << 1), <i16>sixteen(mbqm(sum, m, s)));
  }
}
