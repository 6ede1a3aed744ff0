/**
 * Operators on one tensor, element by element: of i8 a table of 256 bytes that is made at load, of f32 the function;
 * and SOFTMAX, QUANTIZE, DEQUANTIZE, CAST.
 */
import { expFixed, logisticFixed, oneOver1Plus, tanhFixed } from "../kernels/conv/fixed_point";
import { mbqm, quantiseFactor, rdp, roundAway, srdhm } from "../kernels/conv/requantise";
import { gelu, geluErf } from "../kernels/float/ffn";
import { exp, expf, log } from "../kernels/float/math";
import { halfToFloat } from "../kernels/float/half";
import { TensorType, elementBytes } from "../files/tflite";
import { broken, hasOperands, isQuantised, option, refuse, whole } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, make } from "./records";

const F32 = TensorType.F32;
const I8 = TensorType.I8;

@unmanaged
class Unary {
  /** i8[256], by the byte as it lies; 0: it is of f32. */
  table: usize;
  number: f32;
  multiplier: i32;
  shift: i32;
  /** Differences below it add nothing to a softmax. */
  least: i32;
  flag: u32;
}

export function prepareUnary(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.count != y.count) return broken(g, step, "its output has another size than its input");
  const p = changetype<Unary>(make(g, offsetof<Unary>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  switch (step.op) {
    case Operator.QUANTIZE:
    case Operator.DEQUANTIZE: return prepareQuantise(g, step, p, x, y);
    case Operator.CAST: return canCast(x.type) && canCast(y.type) ? 0 : refuse(g, step, "it casts between such types");
    case Operator.LEAKY_RELU: p.number = option<f32>(g, step, 0, 0); break;
    case Operator.GELU: p.flag = u32(option<u8>(g, step, 0, 0)); break;
    case Operator.SOFTMAX: p.number = option<f32>(g, step, 0, 0); break;
  }
  if (x.type == F32 && y.type == F32) return 0;
  if (x.type != I8 || y.type != I8) return refuse(g, step, "it is neither of i8 nor of f32");
  if (!isQuantised(x) || !isQuantised(y)) return broken(g, step, "a tensor of i8 has no scale and zero point");
  const factor = changetype<usize>(p) + offsetof<Unary>("multiplier");
  if (step.op == Operator.SOFTMAX) {
    if (y.scale != 1.0 / 256 || y.zero != -128)
      return refuse(g, step, "its output is not of scale 1/256, zero point -128");
    quantiseFactor(min(<f64>p.number * <f64>x.scale * 67108864.0, 2147483647.0), factor);
    p.least = -whole(floor((31.0 * 67108864.0) / powerOfTwo(p.shift)));
    return 0;
  }
  p.table = make(g, 256);
  if (p.table == 0) return g.core.errorCode;
  switch (step.op) {
    case Operator.LOGISTIC:
    case Operator.TANH: return tableOfSigmoid(g, step, p, x, y);
    case Operator.HARD_SWISH: return tableOfHardSwish(p, x, y);
    case Operator.RELU:
    case Operator.LEAKY_RELU: return tableOfRelu(step, p, x, y);
    case Operator.RELU6: return tableOfClamp(p, x, y);
    default: return refuse(g, step, "limpet runs it in f32 only");
  }
}

function powerOfTwo(k: i32): f64 {
  return reinterpret<f64>((<i64>k + 1023) << 52);
}

@inline
function byte(x: i32): i8 {
  return <i8>min(max(x, -128), 127);
}

function tableOfSigmoid(g: Graph, step: GraphStep, p: Unary, x: GraphTensor, y: GraphTensor): i32 {
  const isTanh = step.op == Operator.TANH;
  if (isTanh ? y.scale != 1.0 / 128 || y.zero != 0 : y.scale != 1.0 / 256 || y.zero != -128) {
    return refuse(g, step, "its output has another scale than the function's range");
  }
  quantiseFactor(<f64>x.scale * 134217728.0, changetype<usize>(p) + offsetof<Unary>("multiplier"));
  const radius = whole(floor((15.0 * 134217728.0) / powerOfTwo(p.shift)));
  for (let b = 0; b < 256; b++) {
    const v = <i32>(<i8>b) - x.zero;
    let value: i32;
    if (v <= -radius) value = -128;
    else if (v >= radius) value = 127;
    else {
      const a = mbqm(v, p.multiplier, p.shift);
      value = isTanh ? rdp(tanhFixed(a, 4), 24) : rdp(logisticFixed(a, 4), 23) - 128;
    }
    store<i8>(p.table + b, byte(value));
  }
  return 0;
}

/** A multiplier of 16 bits. */
@inline
function half(m: i32): i32 {
  return <i32>min((<i64>m + 0x8000) >> 16, 32767);
}

/** i16x8.q15mulr_sat_s of one lane. */
@inline
function q15(a: i32, b: i32): i32 {
  return sixteen((a * b + 0x4000) >> 15);
}

@inline
function sixteen(x: i32): i32 {
  return min(max(x, -32768), 32767);
}

function tableOfHardSwish(p: Unary, x: GraphTensor, y: GraphTensor): i32 {
  const at = changetype<usize>(p) + offsetof<Unary>("multiplier");
  const t = <f32>(x.scale * (1.0 / 128));
  quantiseFactor(<f64>(t / y.scale), at);
  const mo = half(p.multiplier), xo = p.shift;
  quantiseFactor(<f64>(t / (<f32>3.0 / <f32>32768.0)), at);
  const mr = half(p.multiplier), xr = p.shift;
  for (let b = 0; b < 256; b++) {
    const v = 128 * (<i32>(<i8>b) - x.zero);
    const q = q15(v, mo);
    let w = v;
    if (xr > 0) w = sixteen(w << min(xr - 1, 15));
    w = q15(w, mr);
    if (xr > 0) w = sixteen(w << 1);
    if (xr < 0) w = rdp(w, -xr);
    w = (w + 32768) >> 1;
    const product = (w * q) / 32768;
    store<i8>(p.table + b, byte((xo <= 0 ? rdp(product, -xo) : product << xo) + y.zero));
  }
  return 0;
}

function tableOfRelu(step: GraphStep, p: Unary, x: GraphTensor, y: GraphTensor): i32 {
  const at = changetype<usize>(p) + offsetof<Unary>("multiplier");
  const isRelu = step.op == Operator.RELU;
  quantiseFactor(isRelu ? 0 : <f64>(<f32>(x.scale * p.number) / y.scale), at);
  const below = p.multiplier, belowShift = p.shift;
  quantiseFactor(<f64>(x.scale / y.scale), at);
  for (let b = 0; b < 256; b++) {
    const v = <i32>(<i8>b) - x.zero;
    const value = v >= 0 ? mbqm(v, p.multiplier, p.shift) : mbqm(v, below, belowShift);
    store<i8>(p.table + b, byte(value + y.zero));
  }
  return 0;
}

/** RELU6 of one scale only cuts off. */
function tableOfClamp(p: Unary, x: GraphTensor, y: GraphTensor): i32 {
  const top = min(127, y.zero + whole(roundAway(<f64>(<f32>6.0 / y.scale))));
  const bottom = max(-128, y.zero);
  for (let b = 0; b < 256; b++) store<i8>(p.table + b, <i8>min(max(<i32>(<i8>b), bottom), top));
  return 0;
}

function prepareQuantise(g: Graph, step: GraphStep, p: Unary, x: GraphTensor, y: GraphTensor): i32 {
  const at = changetype<usize>(p) + offsetof<Unary>("multiplier");
  if (step.op == Operator.DEQUANTIZE) {
    if (y.type != F32) return refuse(g, step, "its output is not of f32");
    if (x.type == TensorType.F16) return 0;
    return isWhole(x.type) && x.scaleCount == 1 ? 0 : refuse(g, step, "its input has no single scale");
  }
  if (!isWhole(y.type) || y.scaleCount != 1 || !(y.scale > 0)) return refuse(g, step, "its output has no single scale");
  if (x.type == F32) return 0;
  if (!isWhole(x.type) || x.scaleCount != 1 || !(x.scale > 0)) return refuse(g, step, "its input has no single scale");
  quantiseFactor(<f64>x.scale / <f64>y.scale, at);
  return 0;
}

function isWhole(type: u32): bool {
  return type == I8 || type == TensorType.U8 || type == TensorType.I16;
}

function canCast(type: u32): bool {
  return (
    type == F32 ||
    type == I8 ||
    type == TensorType.U8 ||
    type == TensorType.I16 ||
    type == TensorType.I32 ||
    type == TensorType.BOOL ||
    type == TensorType.U32 ||
    type == TensorType.U16 ||
    type == TensorType.I64
  );
}

/** Element `i` of whole numbers. */
function wholeAt(type: u32, at: usize, i: usize): i32 {
  if (type == I8) return <i32>load<i8>(at + i);
  if (type == TensorType.U8) return <i32>load<u8>(at + i);
  return <i32>load<i16>(at + (i << 1));
}

/** … kept within the type's range. */
function putWhole(type: u32, at: usize, i: usize, value: i32): void {
  if (type == I8) store<i8>(at + i, <i8>min(max(value, -128), 127));
  else if (type == TensorType.U8) store<u8>(at + i, <u8>min(max(value, 0), 255));
  else store<i16>(at + (i << 1), <i16>min(max(value, -32768), 32767));
}

export function runUnary(g: Graph, step: GraphStep): void {
  const p = changetype<Unary>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  const count = <usize>x.count;
  if (p.table != 0) {
    for (let i: usize = 0; i < count; i++) store<i8>(y.data + i, load<i8>(p.table + load<u8>(x.data + i)));
    return;
  }
  switch (step.op) {
    case Operator.QUANTIZE: return quantise(p, x, y);
    case Operator.DEQUANTIZE: return dequantise(x, y);
    case Operator.CAST: return cast(x, y);
    case Operator.SOFTMAX: return softmax(p, x, y);
    case Operator.GELU: return p.flag ? gelu(x.data, x.count, y.data) : geluErf(x.data, x.count, y.data);
  }
  for (let i: usize = 0; i < count; i++) {
    store<f32>(y.data + (i << 2), functionOf(step.op, p, load<f32>(x.data + (i << 2))));
  }
}

function functionOf(op: u32, p: Unary, x: f32): f32 {
  switch (op) {
    case Operator.RELU: return x < 0 ? 0 : x;
    case Operator.RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case Operator.LEAKY_RELU: return x >= 0 ? x : x * p.number;
    case Operator.LOGISTIC: return 1 / (1 + <f32>exp(-(<f64>x)));
    case Operator.TANH: return <f32>(1.0 - 2.0 / (exp(2.0 * <f64>x) + 1.0));
    case Operator.HARD_SWISH: {
      const t = x + 3;
      return (x * (t < 0 ? 0 : t > 6 ? 6 : t)) / 6;
    }
    case Operator.EXP: return expf(x);
    case Operator.LOG: return <f32>log(<f64>x);
    case Operator.SQRT: return sqrt(x);
    case Operator.RSQRT: return 1 / sqrt(x);
    case Operator.SQUARE: return x * x;
    case Operator.ABS: return abs(x);
    default:
      return -x; // NEG
  }
}

function quantise(p: Unary, x: GraphTensor, y: GraphTensor): void {
  const count = <usize>x.count;
  if (x.type == F32) {
    for (let i: usize = 0; i < count; i++) {
      const value = roundAway(<f64>(load<f32>(x.data + (i << 2)) / y.scale));
      putWhole(y.type, y.data, i, whole(value) + y.zero);
    }
    return;
  }
  for (let i: usize = 0; i < count; i++) {
    putWhole(y.type, y.data, i, mbqm(wholeAt(x.type, x.data, i) - x.zero, p.multiplier, p.shift) + y.zero);
  }
}

function dequantise(x: GraphTensor, y: GraphTensor): void {
  const count = <usize>x.count;
  for (let i: usize = 0; i < count; i++) {
    const value: f32 =
      x.type == TensorType.F16
        ? halfToFloat(load<u16>(x.data + (i << 1)))
        : <f32>(<f64>x.scale * <f64>(wholeAt(x.type, x.data, i) - x.zero));
    store<f32>(y.data + (i << 2), value);
  }
}

function cast(x: GraphTensor, y: GraphTensor): void {
  const from = <usize>elementBytes(x.type), to = <usize>elementBytes(y.type);
  for (let i: usize = 0; i < <usize>x.count; i++) {
    const source = x.data + i * from, target = y.data + i * to;
    const value = numberAt(x.type, source);
    if (y.type == F32) store<f32>(target, <f32>value);
    else if (y.type == TensorType.BOOL) store<u8>(target, u8(value != 0));
    else {
      const limited: f64 = value != value ? 0 : max(min(value, 9.2e18), -9.2e18);
      const integer = <i64>limited;
      if (to == 1) store<u8>(target, <u8>integer);
      else if (to == 2) store<u16>(target, <u16>integer);
      else if (to == 4) store<u32>(target, <u32>integer);
      else store<i64>(target, integer);
    }
  }
}

function numberAt(type: u32, at: usize): f64 {
  switch (type) {
    case TensorType.F32: return <f64>load<f32>(at);
    case TensorType.I8: return <f64>load<i8>(at);
    case TensorType.I16: return <f64>load<i16>(at);
    case TensorType.U16: return <f64>load<u16>(at);
    case TensorType.I32: return <f64>load<i32>(at);
    case TensorType.U32: return <f64>load<u32>(at);
    case TensorType.I64: return <f64>load<i64>(at);
    default: return <f64>load<u8>(at);
  }
}

/** Along the last dimension. */
function softmax(p: Unary, x: GraphTensor, y: GraphTensor): void {
  const width = <usize>max(x.dim(max(x.rank, 1) - 1), 1);
  const rows = <usize>x.count / width;
  for (let row: usize = 0; row < rows; row++) {
    if (x.type == F32) softmaxF32(p.number, x.data + ((row * width) << 2), y.data + ((row * width) << 2), width);
    else softmaxI8(p, x.data + row * width, y.data + row * width, width);
  }
}

function softmaxF32(beta: f32, x: usize, y: usize, width: usize): void {
  let most: f32 = -Infinity;
  for (let i: usize = 0; i < width; i++) most = max(most, load<f32>(x + (i << 2)));
  let sum: f32 = 0;
  for (let i: usize = 0; i < width; i++) {
    const e = expf((load<f32>(x + (i << 2)) - most) * beta);
    store<f32>(y + (i << 2), e);
    sum += e;
  }
  for (let i: usize = 0; i < width; i++) store<f32>(y + (i << 2), load<f32>(y + (i << 2)) / sum);
}

function softmaxI8(p: Unary, x: usize, y: usize, width: usize): void {
  let most: i32 = -128;
  for (let i: usize = 0; i < width; i++) most = max(most, <i32>load<i8>(x + i));
  let sum: i32 = 0;
  for (let i: usize = 0; i < width; i++) {
    const d = <i32>load<i8>(x + i) - most;
    if (d >= p.least) sum += rdp(expFixed(mbqm(d, p.multiplier, p.shift), 5), 12);
  }
  const h = <i32>clz(sum);
  const r = oneOver1Plus(<i32>(((<i64>sum) << h) - 0x8000_0000));
  for (let i: usize = 0; i < width; i++) {
    const d = <i32>load<i8>(x + i) - most;
    let value = -128;
    if (d >= p.least) {
      const e = expFixed(mbqm(d, p.multiplier, p.shift), 5);
      value = rdp(srdhm(r, e), min(35 - h, 31)) - 128;
    }
    store<i8>(y + i, byte(value));
  }
}
