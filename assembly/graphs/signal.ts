/**
 * The signal operators of TensorFlow Lite Micro, custom ones: the steps of an audio front end as a graph has them, with
 * tables of the graph's own. Their options are FlexBuffers. Bins whose energy nobody asks for are 0 here, and what
 * memory had there before in the source.
 */
import { letterAt } from "../memory/bytes";
import { flexNumber } from "../files/flexbuffers";
import { TensorType } from "../files/tflite";
import { factorBytes, makeFactors, realTransform } from "../kernels/audio/fft";
import {
  NoiseRule, energies, filterBank, gained, lessNoise, logarithms, roots, scaleUp, windowed,
} from "../kernels/audio/filter_bank";
import { broken, hasOperands, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, Place, Variable, make } from "./records";
import { ownVariable } from "./state";

/** Numbers of a gain's table (kernels/audio/tables.ts). */
const GAINS: u32 = 125;

@unmanaged
class Signal {
  /** What its options say: a shift, a length, the ends of a range, a scale. */
  first: u32;
  second: u32;
  /** The transform's factors. */
  factors: usize;
  rule: NoiseRule;
  noise: Variable;
}

export function prepareSignal(g: Graph, step: GraphStep): i32 {
  const inputs: u32 =
    step.op == Operator.SIGNAL_FILTER_BANK
      ? 6
      : step.op == Operator.SIGNAL_PCAN
        ? 3
        : step.op == Operator.SIGNAL_WINDOW || step.op == Operator.SIGNAL_FILTER_BANK_SQUARE_ROOT
          ? 2
          : 1;
  const outputs: u32 =
    step.op == Operator.SIGNAL_FFT_AUTO_SCALE || step.op == Operator.SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION ? 2 : 1;
  if (!hasOperands(g, step, inputs, outputs)) return broken(g, step, "it has another number of inputs or outputs");
  const p = changetype<Signal>(make(g, offsetof<Signal>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  const x = g.input(step, 0), y = g.output(step);
  switch (step.op) {
    case Operator.SIGNAL_WINDOW: {
      const window = g.input(step, 1);
      if (!is(x, TensorType.I16) || !is(window, TensorType.I16) || !is(y, TensorType.I16)) return types(g, step);
      if (!take(step, p, "shift", 31, "")) return options(g, step);
      return window.count > 0 && x.count % window.count == 0 && y.count == x.count ? 0 : sizes(g, step);
    }
    case Operator.SIGNAL_FFT_AUTO_SCALE: {
      const bits = g.output(step, 1);
      if (!is(x, TensorType.I16) || !is(y, TensorType.I16) || !is(bits, TensorType.I32)) return types(g, step);
      return y.count == x.count && bits.count == 1 ? 0 : sizes(g, step);
    }
    case Operator.SIGNAL_RFFT: return prepareTransform(g, step, p, x, y);
    case Operator.SIGNAL_ENERGY: {
      if (!is(x, TensorType.I16) || !is(y, TensorType.U32)) return types(g, step);
      if (!take(step, p, "start_index", y.count, "end_index")) return options(g, step);
      if (p.second > y.count || p.first > p.second) return options(g, step);
      return <u64>x.count == 2 * <u64>y.count ? 0 : sizes(g, step);
    }
    case Operator.SIGNAL_FILTER_BANK: return prepareFilterBank(g, step, x, y);
    case Operator.SIGNAL_FILTER_BANK_SQUARE_ROOT: {
      const bits = g.input(step, 1);
      if (!is(x, TensorType.U64) || !is(y, TensorType.U32) || !is(bits, TensorType.I32)) return types(g, step);
      return y.count == x.count && bits.count == 1 ? 0 : sizes(g, step);
    }
    case Operator.SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION: return prepareNoise(g, step, p, x, y);
    case Operator.SIGNAL_PCAN: {
      const noise = g.input(step, 1), gains = g.input(step, 2);
      if (!is(x, TensorType.U32) || !is(noise, TensorType.U32) || !is(gains, TensorType.I16) || !is(y, TensorType.U32))
        return types(g, step);
      if (!take(step, p, "snr_shift", 63, "")) return options(g, step);
      return y.count == x.count && noise.count == x.count && gains.count >= GAINS ? 0 : sizes(g, step);
    }
    default: {
      if (!is(x, TensorType.U32) || !is(y, TensorType.I16)) return types(g, step);
      if (!take(step, p, "input_correction_bits", 31, "output_scale")) return options(g, step);
      return y.count == x.count ? 0 : sizes(g, step);
    }
  }
}

@inline
function is(t: GraphTensor, type: u32): bool {
  return t.type == type;
}

function types(g: Graph, step: GraphStep): i32 {
  return refuse(g, step, "limpet runs it on integers of other widths");
}

function sizes(g: Graph, step: GraphStep): i32 {
  return broken(g, step, "its tensors have sizes that do not fit each other");
}

function options(g: Graph, step: GraphStep): i32 {
  return broken(g, step, "its options lack a number, or one is out of range");
}

/** Option `first`, from 0 to `most`, and another one where it has a name: whether they are there. */
function take(step: GraphStep, p: Signal, first: string, most: u32, second: string): bool {
  const one = flexNumber(step.custom, step.customLength, first);
  if (one < 0 || one > <i64>most) return false;
  p.first = <u32>one;
  if (letterAt(second, 0) == 0) return true;
  const other = flexNumber(step.custom, step.customLength, second);
  p.second = <u32>other;
  return other >= 0 && other <= 0x7fff_ffff;
}

function prepareTransform(g: Graph, step: GraphStep, p: Signal, x: GraphTensor, y: GraphTensor): i32 {
  if (!is(x, TensorType.I16) || !is(y, TensorType.I16)) return types(g, step);
  if (!take(step, p, "fft_length", 0x8000, "")) return options(g, step);
  const length = p.first;
  if (length < 4 || (length & (length - 1)) != 0) return refuse(g, step, "its length is no power of two from 4 on");
  if (x.rank == 0 || y.rank == 0) return sizes(g, step);
  const width = x.dim(x.rank - 1), out = y.dim(y.rank - 1);
  if (width == 0 || width > length || out != length + 2 || x.count / width != y.count / out) return sizes(g, step);
  p.factors = make(g, factorBytes(length));
  if (p.factors == 0) return g.core.errorCode;
  makeFactors(length, p.factors);
  step.scratch = <u64>length * 4;
  return 0;
}

function prepareFilterBank(g: Graph, step: GraphStep, x: GraphTensor, y: GraphTensor): i32 {
  if (!is(x, TensorType.U32) || !is(y, TensorType.U64)) return types(g, step);
  for (let i: u32 = 1; i < 6; i++) {
    if (!is(g.input(step, i), TensorType.I16)) return types(g, step);
    if (g.input(step, i).place != Place.CONSTANT) return refuse(g, step, "its filters are no constants");
  }
  const weights = g.input(step, 1), others = g.input(step, 2), bins = g.input(step, 3), places = g.input(step, 4);
  const widths = g.input(step, 5);
  const channels = flexNumber(step.custom, step.customLength, "num_channels");
  if (channels != <i64>y.count) return options(g, step);
  const triangles = <u64>y.count + 1;
  if (<u64>bins.count != triangles || <u64>places.count != triangles || <u64>widths.count != triangles)
    return sizes(g, step);
  for (let i: usize = 0; i < <usize>triangles; i++) {
    const width = max(<i32>load<i16>(widths.data + (i << 1)), 0);
    const bin = <i32>load<i16>(bins.data + (i << 1)), place = <i32>load<i16>(places.data + (i << 1));
    if (bin < 0 || place < 0 || <u32>(bin + width) > x.count) return sizes(g, step);
    if (<u32>(place + width) > weights.count || <u32>(place + width) > others.count) return sizes(g, step);
  }
  return 0;
}

function prepareNoise(g: Graph, step: GraphStep, p: Signal, x: GraphTensor, y: GraphTensor): i32 {
  const noise = g.output(step, 1);
  if (!is(x, TensorType.U32) || !is(y, TensorType.U32) || !is(noise, TensorType.U32)) return types(g, step);
  if (y.count != x.count || noise.count != x.count) return sizes(g, step);
  p.rule = changetype<NoiseRule>(make(g, offsetof<NoiseRule>()));
  if (p.rule == null) return g.core.errorCode;
  if (!take(step, p, "num_channels", x.count, "clamping") || p.first != x.count) return options(g, step);
  p.rule.clamping = p.second;
  if (!take(step, p, "smoothing_bits", 31, "spectral_subtraction_bits") || p.second > 63) return options(g, step);
  p.rule.smoothingBits = p.first;
  p.rule.bits = p.second;
  if (!take(step, p, "smoothing", 0x7fff_ffff, "one_minus_smoothing")) return options(g, step);
  p.rule.smoothing = p.first;
  p.rule.oneMinusSmoothing = p.second;
  if (!take(step, p, "alternate_smoothing", 0x7fff_ffff, "alternate_one_minus_smoothing")) return options(g, step);
  p.rule.alternateSmoothing = p.first;
  p.rule.alternateOneMinusSmoothing = p.second;
  if (!take(step, p, "min_signal_remaining", 0x7fff_ffff, "")) return options(g, step);
  p.rule.minSignalRemaining = p.first;
  p.noise = ownVariable(g, x.bytes);
  return 0;
}

export function runSignal(g: Graph, step: GraphStep): void {
  const p = changetype<Signal>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  switch (step.op) {
    case Operator.SIGNAL_WINDOW: {
      const window = g.input(step, 1);
      for (let at: usize = 0; at < <usize>x.bytes; at += window.bytes) {
        windowed(x.data + at, window.data, window.count, p.first, y.data + at);
      }
      return;
    }
    case Operator.SIGNAL_FFT_AUTO_SCALE:
      store<u32>(g.output(step, 1).data, scaleUp(x.data, x.count, true, y.data));
      return;
    case Operator.SIGNAL_RFFT: {
      const width = (<usize>x.dim(x.rank - 1)) << 1;
      const padded = g.scratch, work = padded + ((<usize>p.first) << 1);
      memory.fill(padded + width, 0, ((<usize>p.first) << 1) - width);
      for (let row: usize = 0, rows = <usize>x.bytes / width; row < rows; row++) {
        memory.copy(padded, x.data + row * width, width);
        realTransform(padded, y.data + row * ((<usize>p.first + 2) << 1), p.first, p.factors, work);
      }
      return;
    }
    case Operator.SIGNAL_ENERGY:
      memory.fill(y.data, 0, y.bytes);
      energies(x.data, p.first, p.second, y.data);
      return;
    case Operator.SIGNAL_FILTER_BANK:
      filterBank(
        x.data, y.count, g.input(step, 5).data, g.input(step, 3).data, g.input(step, 4).data, g.input(step, 1).data,
        g.input(step, 2).data, y.data,
      );
      return;
    case Operator.SIGNAL_FILTER_BANK_SQUARE_ROOT:
      roots(x.data, x.count, load<u32>(g.input(step, 1).data), y.data);
      return;
    case Operator.SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION:
      lessNoise(p.rule, x.data, x.count, p.noise.data, y.data);
      memory.copy(g.output(step, 1).data, p.noise.data, x.bytes);
      return;
    case Operator.SIGNAL_PCAN:
      gained(x.data, g.input(step, 1).data, g.input(step, 2).data, p.first, x.count, y.data);
      return;
    default: logarithms(x.data, x.count, p.second, p.first, y.data);
  }
}
