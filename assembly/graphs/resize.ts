/** RESIZE_NEAREST_NEIGHBOR and RESIZE_BILINEAR of images [batch, height, width, depth]. */
import { TensorType, elementBytes } from "../files/tflite";
import { broken, hasOperands, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, make } from "./records";

const F32 = TensorType.F32;

@unmanaged
class Resize {
  align: u32;
  half: u32;
}

export function prepareResize(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants an image and one output");
  const x = g.input(step, 0), y = g.output(step);
  const isBilinear = step.op == Operator.RESIZE_BILINEAR;
  if (x.type != y.type || (isBilinear && x.type != F32 && x.type != TensorType.I8)) {
    return refuse(g, step, "it is neither of i8 nor of f32");
  }
  if (x.rank != 4 || y.rank != 4 || x.dim(0) != y.dim(0) || x.dim(3) != y.dim(3) || x.count == 0 || y.count == 0) {
    return broken(g, step, "its images have another depth or are empty");
  }
  if (max(max(x.dim(1), x.dim(2)), max(y.dim(1), y.dim(2))) > 1 << 16)
    return broken(g, step, "its images are too large");
  const p = changetype<Resize>(make(g, offsetof<Resize>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.align = u32(option<u8>(g, step, isBilinear ? 2 : 0, 0) != 0);
  p.half = u32(option<u8>(g, step, isBilinear ? 3 : 1, 0) != 0);
  step.rows = y.dim(1);
  return 0;
}

export function runResize(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const p = changetype<Resize>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  for (let batch: u32 = 0; batch < x.dim(0); batch++) {
    const source = x.data + <usize>batch * (x.bytes / x.dim(0));
    const target = y.data + <usize>batch * (y.bytes / y.dim(0));
    for (let row = begin; row < end; row++) {
      if (step.op == Operator.RESIZE_NEAREST_NEIGHBOR) nearestRow(p, x, y, source, target, row);
      else if (x.type == F32) bilinearRowF32(p, x, y, source, target, row);
      else bilinearRowI8(p, x, y, source, target, row);
    }
  }
}

/** Which pixel of `size` a pixel of `outSize` is nearest to. */
function nearestOf(p: Resize, i: u32, size: u32, outSize: u32): u32 {
  const scale: f32 = p.align && outSize > 1 ? <f32>(size - 1) / <f32>(outSize - 1) : <f32>size / <f32>outSize;
  const at = <f32>((<f32>i + (p.half ? <f32>0.5 : <f32>0)) * scale);
  // Half away from zero where corners are aligned.
  const whole = p.align ? floor(<f64>at + 0.5) : floor(<f64>at);
  return min(<u32>max(whole, 0), size - 1);
}

function nearestRow(p: Resize, x: GraphTensor, y: GraphTensor, source: usize, target: usize, row: u32): void {
  const pixel = <usize>x.dim(3) * elementBytes(x.type);
  const line = source + <usize>nearestOf(p, row, x.dim(1), y.dim(1)) * x.dim(2) * pixel;
  let out = target + <usize>row * y.dim(2) * pixel;
  for (let i: u32 = 0; i < y.dim(2); i++, out += pixel) {
    memory.copy(out, line + <usize>nearestOf(p, i, x.dim(2), y.dim(2)) * pixel, pixel);
  }
}

/** 1024ths of a pixel of the input for a pixel of the output. */
function unitOf(p: Resize, size: i32, outSize: i32): i32 {
  return p.align && outSize > 1
    ? (1024 * (size - 1) + (outSize - 1) / 2) / (outSize - 1)
    : (1024 * size + outSize / 2) / outSize;
}

@inline
function position(p: Resize, unit: i32, i: i32): i32 {
  return i * unit + (p.half ? unit / 2 - 512 : 0);
}

function bilinearRowI8(p: Resize, x: GraphTensor, y: GraphTensor, source: usize, target: usize, row: u32): void {
  const height = <i32>x.dim(1), width = <i32>x.dim(2), depth = <usize>x.dim(3);
  const py = position(p, unitOf(p, height, y.dim(1)), row);
  const y0 = min(max(py / 1024, 0), height - 1), y1 = min((py + 1023) / 1024, height - 1);
  const unit = unitOf(p, width, y.dim(2));
  const top = source + <usize>y0 * width * depth, bottom = source + <usize>max(y1, 0) * width * depth;
  const fy = <i64>(py - 1024 * y0), gy = 1024 - fy;
  let out = target + <usize>row * y.dim(2) * depth;
  for (let i = 0; i < <i32>y.dim(2); i++) {
    const px = position(p, unit, i);
    const x0 = min(max(px / 1024, 0), width - 1), x1 = max(min((px + 1023) / 1024, width - 1), 0);
    const fx = <i64>(px - 1024 * x0), gx = 1024 - fx;
    for (let c: usize = 0; c < depth; c++, out++) {
      const sum =
        <i64>load<i8>(top + <usize>x0 * depth + c) * gx * gy +
        <i64>load<i8>(top + <usize>x1 * depth + c) * fx * gy +
        <i64>load<i8>(bottom + <usize>x0 * depth + c) * gx * fy +
        <i64>load<i8>(bottom + <usize>x1 * depth + c) * fx * fy;
      store<i8>(out, <i8>((sum > 0 ? sum + (1 << 19) : sum - (1 << 19)) / (1 << 20)));
    }
  }
}

function bilinearRowF32(p: Resize, x: GraphTensor, y: GraphTensor, source: usize, target: usize, row: u32): void {
  const height = x.dim(1), width = x.dim(2), depth = <usize>x.dim(3);
  const py = realPosition(p, row, height, y.dim(1));
  const y0 = lower(py), y1 = upper(py, height);
  const fy = py - <f32>y0;
  const top = source + ((<usize>min(y0, height - 1) * width * depth) << 2);
  const bottom = source + ((<usize>y1 * width * depth) << 2);
  let out = target + ((<usize>row * y.dim(2) * depth) << 2);
  for (let i: u32 = 0; i < y.dim(2); i++) {
    const px = realPosition(p, i, width, y.dim(2));
    const x0 = lower(px), x1 = upper(px, width);
    const fx = px - <f32>x0;
    const left = (<usize>min(x0, width - 1) * depth) << 2, right = (<usize>x1 * depth) << 2;
    for (let c: usize = 0; c < depth; c++, out += 4) {
      const at = c << 2;
      const value =
        load<f32>(top + left + at) * (1 - fy) * (1 - fx) +
        load<f32>(bottom + left + at) * fy * (1 - fx) +
        load<f32>(top + right + at) * (1 - fy) * fx +
        load<f32>(bottom + right + at) * fy * fx;
      store<f32>(out, value);
    }
  }
}

function realPosition(p: Resize, i: u32, size: u32, outSize: u32): f32 {
  const scale: f32 = p.align && outSize > 1 ? <f32>(size - 1) / <f32>(outSize - 1) : <f32>size / <f32>outSize;
  return p.half ? <f32>((<f32>i + <f32>0.5) * scale) - <f32>0.5 : <f32>(<f32>i * scale);
}

@inline
function lower(at: f32): u32 {
  return <u32>max(floor(at), 0);
}

@inline
function upper(at: f32, size: u32): u32 {
  return min(<u32>max(ceil(at), 0), size - 1);
}
