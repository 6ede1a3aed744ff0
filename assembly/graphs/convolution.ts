/**
 * CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED and the pools: shapes, packed filters, channels'
 * records.
 */
import { addBias, closeGroups, setChannel } from "../kernels/conv/requantise";
import { convolutionScratch, convolve, multiply, rowScratch, rowsOf } from "../kernels/conv/convolution";
import { depthwiseF32, depthwiseI8, depthwiseScratch } from "../kernels/conv/depthwise";
import { packFilter, packedBytes, widen } from "../kernels/conv/matmul";
import { pool } from "../kernels/conv/pool";
import { Sliding } from "../kernels/conv/sliding";
import { convolveTransposed } from "../kernels/conv/transposed";
import { sameText } from "../memory/bytes";
import { TensorType } from "../files/tflite";
import { broken, hasOperands, highest, isQuantised, least, lowest, most, option, refuse, scaleOf } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, Place, make } from "./records";

/** What a convolution, a pool or a fully connected layer keeps. */
@unmanaged
export class Filters {
  sliding: Sliding;
  /** Packed filters, or those of the file: without SIMD, and for a depthwise convolution of f32. */
  weights: usize;
  /** Records of channels (kernels/conv/requantise.ts), or biases. */
  channels: usize;
  groups: u32;
  /** Of a depthwise convolution: outputs of a channel. */
  multiplier: u32;
  columns: u32;
  /** Zero point of the filters of a fully connected layer. */
  weightZero: i32;
  batches: u32;
}

const F32 = TensorType.F32;
const I8 = TensorType.I8;

export function prepareConvolution(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants an input and filters, and one output");
  const x = g.input(step, 0), w = g.input(step, 1), y = g.output(step);
  const isDepthwise = step.op == Operator.DEPTHWISE_CONV_2D;
  const opened = openFilters(g, step, x, w, y);
  if (opened < 0) return opened;
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  s.strideX = option<i32>(g, step, 1, 0);
  s.strideY = option<i32>(g, step, 2, 0);
  const act = <u32>option<u8>(g, step, isDepthwise ? 4 : 3, 0);
  s.dilationX = option<i32>(g, step, isDepthwise ? 5 : 4, 1);
  s.dilationY = option<i32>(g, step, isDepthwise ? 6 : 5, 1);
  const status = place(g, step, s, <u32>option<u8>(g, step, 0, 0));
  if (status < 0) return status;
  setRange(s, act, y);
  const filters = isDepthwise ? w.dim(3) : w.dim(0);
  if (filters != <u32>s.outDepth || filters == 0)
    return broken(g, step, "its output has another depth than its filters");
  if (isDepthwise) {
    f.multiplier = x.dim(3) > 0 ? filters / x.dim(3) : 0;
    if (w.dim(0) != 1 || f.multiplier == 0 || f.multiplier * x.dim(3) != filters) {
      return broken(g, step, "its filters are no whole number for each channel");
    }
    f.columns = <u32>(s.filterHeight * s.filterWidth);
  } else {
    f.groups = w.dim(3) > 0 ? x.dim(3) / w.dim(3) : 0;
    if (f.groups == 0 || f.groups * w.dim(3) != x.dim(3) || filters % f.groups != 0) {
      return broken(g, step, "its input has another depth than its filters see");
    }
    f.columns = <u32>(s.filterHeight * s.filterWidth) * w.dim(3);
  }
  step.macs = <u64>y.count * f.columns;
  step.rows = y.dim(1);
  const channels = setChannels(g, step, f, x, w, y, filters, isDepthwise);
  if (channels < 0) return channels;
  if (!isDepthwise) {
    step.scratch = x.type == F32 ? convolutionScratch<f32>(f.columns) : convolutionScratch<i8>(f.columns);
    return pack(g, f, w, filters);
  }
  if (x.type == F32 && (x.dim(3) > 1 || f.multiplier == 1)) {
    f.weights = w.data;
    step.scratch = 64;
    return 0;
  }
  return packDepthwise(g, step, f, w);
}

/** Packs filters that lie interleaved. A depthwise convolution of one channel is a convolution. */
function packDepthwise(g: Graph, step: GraphStep, f: Filters, w: GraphTensor): i32 {
  const filters = w.dim(3);
  const isFloat = w.type == F32, isConvolution = f.sliding.depth == 1 && f.multiplier > 1;
  const isPacked = ASC_FEATURE_SIMD || isConvolution;
  f.weights = w.data;
  if (isPacked) {
    f.weights = make(g, isFloat ? packedBytes<f32>(filters, f.columns) : packedBytes<i8>(filters, f.columns));
    if (f.weights == 0) return g.core.errorCode;
  }
  for (let c: u32 = 0; c < filters; c++) {
    if (isFloat) {
      packFilter<f32>(f.weights, c, f.columns, w.data + ((<usize>c) << 2), filters);
    } else {
      if (isPacked) packFilter<i8>(f.weights, c, f.columns, w.data + c, filters);
      addZero(f, c, f.sliding.zero, w.data + c, filters);
    }
  }
  if (isConvolution) {
    f.multiplier = 0;
    step.scratch = isFloat ? convolutionScratch<f32>(f.columns) : convolutionScratch<i8>(f.columns);
  } else {
    step.scratch = depthwiseScratch(f.columns, f.sliding.depth);
  }
  return 0;
}

/** Takes the zero point's part, − zero · Σ w, into bias' of channel `c`. */
function addZero(f: Filters, c: u32, zero: i32, weights: usize, stride: u32): void {
  let sum: i32 = 0;
  for (let k: usize = 0; k < <usize>f.columns; k++) sum += <i32>load<i8>(weights + k * stride);
  addBias(f.channels, c, -zero * sum);
}

function checkTypes(g: Graph, step: GraphStep, x: GraphTensor, w: GraphTensor, y: GraphTensor): i32 {
  if (x.type == F32 && w.type == F32 && y.type == F32) return 0;
  if (x.type != I8 || w.type != I8 || y.type != I8) {
    return refuse(g, step, "input, filters and output are not all of i8 or all of f32");
  }
  if (!isQuantised(x) || !isQuantised(y) || w.scaleCount == 0) {
    return broken(g, step, "a tensor of i8 has no scale and zero point");
  }
  return 0;
}

/** The record of a convolution of either direction, once its tensors may be those of one. */
function openFilters(g: Graph, step: GraphStep, x: GraphTensor, w: GraphTensor, y: GraphTensor): i32 {
  if (w.place != Place.CONSTANT) return refuse(g, step, "its filters are no constants");
  const types = checkTypes(g, step, x, w, y);
  if (types < 0) return types;
  if (x.rank != 4 || w.rank != 4 || y.rank != 4) return broken(g, step, "its tensors have four dimensions");
  const f = createFilters(g, x, y);
  if (f == null) return g.core.errorCode;
  step.parameters = changetype<usize>(f);
  f.sliding.filterHeight = w.dim(1);
  f.sliding.filterWidth = w.dim(2);
  return 0;
}

function createFilters(g: Graph, x: GraphTensor, y: GraphTensor): Filters {
  const f = changetype<Filters>(make(g, offsetof<Filters>()));
  if (f == null) return f;
  f.sliding = changetype<Sliding>(make(g, offsetof<Sliding>()));
  if (f.sliding == null) return changetype<Filters>(0);
  const s = f.sliding;
  s.height = x.dim(1);
  s.width = x.dim(2);
  s.depth = x.dim(3);
  s.columns = s.width;
  s.outColumns = y.dim(2);
  s.outDepth = y.dim(3);
  s.dilationY = 1;
  s.dilationX = 1;
  s.zero = x.zero;
  f.batches = x.dim(0);
  f.groups = 1;
  return f;
}

function setRange(s: Sliding, act: u32, y: GraphTensor): void {
  s.outZero = y.zero;
  s.low = lowest(act, y);
  s.high = highest(act, y);
  s.least = least(act);
  s.most = most(act);
}

/** Padding, and whether the output is as large as it comes out. */
function place(g: Graph, step: GraphStep, s: Sliding, padding: u32): i32 {
  return placeBetween(g, step, s, padding, g.input(step, 0), g.output(step));
}

function placeBetween(g: Graph, step: GraphStep, s: Sliding, padding: u32, x: GraphTensor, y: GraphTensor): i32 {
  const limit = 1 << 20;
  if (
    s.strideX < 1 ||
    s.strideY < 1 ||
    s.dilationX < 1 ||
    s.dilationY < 1 ||
    s.filterHeight < 1 ||
    s.filterWidth < 1 ||
    s.strideX > limit ||
    s.strideY > limit ||
    s.dilationX > limit ||
    s.dilationY > limit ||
    s.filterHeight > limit ||
    s.filterWidth > limit ||
    s.height > limit ||
    s.width > limit ||
    <u64>s.filterHeight * s.filterWidth * s.depth > 1 << 28
  )
    return broken(g, step, "a stride, a dilation or a size is out of range");
  const tall = outputSize(padding, s.height, s.filterHeight, s.strideY, s.dilationY);
  const wide = outputSize(padding, s.width, s.filterWidth, s.strideX, s.dilationX);
  if (y.dim(0) != x.dim(0) || y.dim(1) != <u32>tall || y.dim(2) != <u32>wide || y.count == 0) {
    return broken(g, step, "its output has another size than input, filter, stride and padding give");
  }
  if (padding == 0) {
    s.padTop = padBefore(tall, s.height, s.filterHeight, s.strideY, s.dilationY);
    s.padLeft = padBefore(wide, s.width, s.filterWidth, s.strideX, s.dilationX);
  }
  return 0;
}

/** Pixels of the output along one side: SAME (0) or VALID. */
function outputSize(padding: u32, size: i32, filter: i32, stride: i32, dilation: i32): i64 {
  const reach = <i64>(filter - 1) * dilation + 1;
  if (padding == 0) return (<i64>size + stride - 1) / stride;
  return size < reach ? 0 : (<i64>size + stride - reach) / stride;
}

/** What SAME adds before the image. */
function padBefore(out: i64, size: i32, filter: i32, stride: i32, dilation: i32): i32 {
  const total = (out - 1) * stride + <i64>(filter - 1) * dilation + 1 - size;
  return <i32>(max(total, 0) / 2);
}

/** Biases and, of i8, factors of all channels: each group of filters begins at a multiple of eight. */
function setChannels(
  g: Graph, step: GraphStep, f: Filters, x: GraphTensor, w: GraphTensor, y: GraphTensor, filters: u32,
  isDepthwise: bool, biasInput: u32 = 2,
): i32 {
  const isReal = x.type == F32;
  const groups = f.groups, each = filters / groups, padded = (each + 7) & ~7;
  const hasBias = g.has(step, biasInput);
  let bias: usize = 0;
  if (hasBias) {
    const b = g.input(step, biasInput);
    if (b.place != Place.CONSTANT || b.type != (isReal ? F32 : TensorType.I32) || b.count != filters) {
      return refuse(g, step, "its bias is not one constant for each filter, i32 for i8 and f32 for f32");
    }
    bias = b.data;
  }
  if (!isReal && w.scaleCount > 1 && w.scaleCount != filters) {
    return broken(g, step, "its filters have another number of scales");
  }
  f.channels = make(g, <u64>groups * padded * (isReal ? 4 : 16));
  if (f.channels == 0) return g.core.errorCode;
  for (let c: u32 = 0; c < filters; c++) {
    const at = (c / each) * padded + (c % each);
    if (isReal) {
      store<f32>(f.channels + ((<usize>at) << 2), hasBias ? load<f32>(bias + ((<usize>c) << 2)) : 0);
      continue;
    }
    let sum: i32 = hasBias ? load<i32>(bias + ((<usize>c) << 2)) : 0;
    if (!isDepthwise) {
      const weights = w.data + <usize>c * f.columns;
      let total: i32 = 0;
      for (let k: usize = 0; k < <usize>f.columns; k++) total += <i32>load<i8>(weights + k) - f.weightZero;
      sum -= x.zero * total;
    }
    // One scale for a whole fully connected layer: TFLM multiplies in f32 there.
    const scales =
      step.op == Operator.FULLY_CONNECTED && w.scaleCount == 1
        ? <f64>(x.scale * w.scale)
        : <f64>x.scale * <f64>scaleOf(w, c);
    setChannel(f.channels, at, sum, scales / <f64>y.scale);
  }
  if (!isReal) for (let i: u32 = 0; i < groups; i++) closeGroups(f.channels + <usize>(i * padded) * 16, each);
  return 0;
}

/** Packs filters that lie [filter, columns], group after group. */
function pack(g: Graph, f: Filters, w: GraphTensor, filters: u32): i32 {
  if (!ASC_FEATURE_SIMD) {
    f.weights = w.data;
    return 0;
  }
  const isFloat = w.type == F32;
  const each = filters / f.groups;
  const bytes = isFloat ? packedBytes<f32>(each, f.columns) : packedBytes<i8>(each, f.columns);
  f.weights = make(g, bytes * f.groups);
  if (f.weights == 0) return g.core.errorCode;
  for (let c: u32 = 0; c < filters; c++) {
    const packed = f.weights + <usize>(c / each) * <usize>bytes;
    if (isFloat) packFilter<f32>(packed, c % each, f.columns, w.data + ((<usize>c * f.columns) << 2), 1);
    else packFilter<i8>(packed, c % each, f.columns, w.data + <usize>c * f.columns, 1);
  }
  return 0;
}

/** The custom operator of MediaPipe: input, filters and bias, and three numbers of its own. */
export function isTransposeBias(step: GraphStep): bool {
  return step.op == Operator.CUSTOM && sameText(step.name, step.nameLength, "Convolution2DTransposeBias");
}

export function prepareTransposed(g: Graph, step: GraphStep): i32 {
  const isCustom = step.op == Operator.CUSTOM;
  if (!hasOperands(g, step, isCustom ? 2 : 3, 1))
    return broken(g, step, "it wants an input and filters, and one output");
  const x = g.input(step, isCustom ? 0 : 2), w = g.input(step, 1), y = g.output(step);
  const opened = openFilters(g, step, x, w, y);
  if (opened < 0) return opened;
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  let padding = <u32>option<u8>(g, step, 0, 0);
  s.strideX = option<i32>(g, step, 1, 0);
  s.strideY = option<i32>(g, step, 2, 0);
  let act = <u32>option<u8>(g, step, 3, 0);
  if (isCustom) {
    if (step.customLength < 12) return broken(g, step, "it lacks its padding and strides");
    // Numbered from 1: SAME, VALID.
    padding = load<i32>(step.custom) == 1 ? 0 : 1;
    s.strideX = load<i32>(step.custom, 4);
    s.strideY = load<i32>(step.custom, 8);
    act = 0;
  }
  // Padding is that of the convolution that leads back.
  const height = s.height, width = s.width;
  s.height = y.dim(1);
  s.width = y.dim(2);
  const status = placeBetween(g, step, s, padding, y, x);
  if (status < 0) return status;
  s.height = height;
  s.width = width;
  setRange(s, act, y);
  const filters = w.dim(0);
  if (filters != y.dim(3) || w.dim(3) != x.dim(3) || x.dim(3) == 0 || filters == 0) {
    return broken(g, step, "its filters fit neither its input nor its output");
  }
  f.columns = <u32>(s.filterHeight * s.filterWidth) * w.dim(3);
  f.weights = w.data;
  step.macs = <u64>x.count * <u64>(s.filterHeight * s.filterWidth) * filters;
  step.rows = y.dim(1);
  step.scratch = 64;
  return setChannels(g, step, f, x, w, y, filters, true, isCustom ? 2 : 3);
}

export function runTransposed(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  const x = g.input(step, step.op == Operator.CUSTOM ? 0 : 2), y = g.output(step);
  for (let batch: u32 = 0; batch < f.batches; batch++) {
    s.source = x.data + <usize>batch * (x.bytes / f.batches);
    s.target = y.data + <usize>batch * (y.bytes / f.batches);
    if (x.type == F32) convolveTransposed<f32>(s, f.weights, f.channels, begin, end, g.scratch);
    else convolveTransposed<i8>(s, f.weights, f.channels, begin, end, g.scratch);
  }
}

export function prepareFullyConnected(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants an input and weights, and one output");
  const x = g.input(step, 0), w = g.input(step, 1), y = g.output(step);
  if (w.place != Place.CONSTANT) return refuse(g, step, "its weights are no constants");
  const types = checkTypes(g, step, x, w, y);
  if (types < 0) return types;
  if (option<u8>(g, step, 1, 0) != 0) return refuse(g, step, "its weights are shuffled");
  const filters = w.rank == 2 ? w.dim(0) : 0, columns = w.rank == 2 ? w.dim(1) : 0;
  if (
    filters == 0 ||
    columns == 0 ||
    columns > 1 << 28 ||
    x.count % columns != 0 ||
    y.count / filters != x.count / columns ||
    y.count % filters != 0
  ) {
    return broken(g, step, "weights [outputs, inputs] do not fit its input and its output");
  }
  const f = createFilters(g, x, y);
  if (f == null) return g.core.errorCode;
  step.parameters = changetype<usize>(f);
  f.columns = columns;
  f.batches = x.count / columns;
  step.rows = max(f.batches, 1);
  f.weightZero = w.type == I8 && w.scaleCount == 1 ? w.zero : 0;
  f.sliding.outDepth = filters;
  setRange(f.sliding, <u32>option<u8>(g, step, 0, 0), y);
  step.macs = <u64>y.count * columns;
  const status = setChannels(g, step, f, x, w, y, filters, false);
  if (status < 0) return status;
  step.scratch = x.type == F32 ? rowScratch<f32>(columns) : rowScratch<i8>(columns);
  return pack(g, f, w, filters);
}

export function preparePool(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.type != y.type || (x.type != F32 && x.type != I8)) return refuse(g, step, "it is neither of i8 nor of f32");
  if (x.rank != 4 || y.rank != 4 || x.dim(3) != y.dim(3)) return broken(g, step, "its tensors have not one depth");
  if (y.type == I8 && !isQuantised(y)) return broken(g, step, "its output has no scale and zero point");
  const f = createFilters(g, x, y);
  if (f == null) return g.core.errorCode;
  const s = f.sliding;
  step.parameters = changetype<usize>(f);
  s.strideX = option<i32>(g, step, 1, 0);
  s.strideY = option<i32>(g, step, 2, 0);
  s.filterWidth = option<i32>(g, step, 3, 0);
  s.filterHeight = option<i32>(g, step, 4, 0);
  setRange(s, <u32>option<u8>(g, step, 5, 0), y);
  step.rows = y.dim(1);
  return place(g, step, s, <u32>option<u8>(g, step, 0, 0));
}

/** Rows begin … end − 1 of every image of the batch. */
export function runConvolution(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  const x = g.input(step, 0), y = g.output(step);
  for (let batch: u32 = 0; batch < f.batches; batch++) {
    s.source = x.data + <usize>batch * (x.bytes / f.batches);
    s.target = y.data + <usize>batch * (y.bytes / f.batches);
    slideOver(g, step, begin, end);
  }
}

/** Rows begin … end − 1 of one image, of which as much is in memory as the step's Sliding says. */
export function slideOver(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  const isFloat = g.input(step, 0).type == F32;
  if (step.op == Operator.AVERAGE_POOL_2D || step.op == Operator.MAX_POOL_2D) {
    const isMaximum = step.op == Operator.MAX_POOL_2D;
    if (isFloat) pool<f32>(s, isMaximum, begin, end);
    else pool<i8>(s, isMaximum, begin, end);
  } else if (f.multiplier > 0) {
    if (isFloat) depthwiseF32(s, f.weights, f.multiplier, f.channels, begin, end, g.scratch);
    else depthwiseI8(s, f.weights, f.multiplier, f.channels, begin, end, g.scratch);
  } else {
    if (isFloat) convolve<f32>(s, f.weights, f.channels, f.groups, begin, end, g.scratch);
    else convolve<i8>(s, f.weights, f.channels, f.groups, begin, end, g.scratch);
  }
}

export function runFullyConnected(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const f = changetype<Filters>(step.parameters);
  const s = f.sliding;
  const x = g.input(step, 0), y = g.output(step);
  const filters = <u32>s.outDepth, columns = f.columns;
  const values = rowsOf(g.scratch);
  const last = min(end, f.batches);
  if (x.type == F32) {
    for (let row = begin; row < last; row++) {
      memory.copy(values, x.data + ((<usize>row * columns) << 2), (<usize>columns) << 2);
      const target = y.data + ((<usize>row * filters) << 2);
      multiply<f32>(f.weights, filters, columns, f.channels, values, 1, target, 0, s);
    }
    return;
  }
  for (let row = begin; row < last; row++) {
    const source = x.data + <usize>row * columns;
    widen(source, values, columns);
    let addend: i32 = 0;
    if (f.weightZero != 0) {
      // (w − zero of w) · (x − zero of x): what bias' has not.
      for (let k: usize = 0; k < <usize>columns; k++) addend -= f.weightZero * <i32>load<i8>(source + k);
    }
    multiply<i8>(f.weights, filters, columns, f.channels, values, 1, y.data + <usize>row * filters, 0, s, addend);
  }
}
