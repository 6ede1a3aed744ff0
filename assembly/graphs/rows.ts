/** Operators of f32 along the last dimension: BATCH_MATMUL, L2_NORMALIZATION, LOG_SOFTMAX. */
import { expf, log } from "../kernels/float/math";
import { TensorType } from "../files/tflite";
import { broken, hasOperands, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, make } from "./records";

const F32 = TensorType.F32;

/** a [batch, m, k] × b [batch, k, n]: elements from one index to the next. */
@unmanaged
class Product {
  batches: u32;
  m: u32;
  k: u32;
  n: u32;
  aBatch: u32;
  aRow: u32;
  aColumn: u32;
  bBatch: u32;
  bRow: u32;
  bColumn: u32;
}

export function prepareMatmul(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants two matrices and one output");
  const a = g.input(step, 0), b = g.input(step, 1), y = g.output(step);
  if (a.type != F32 || b.type != F32 || y.type != F32) return refuse(g, step, "it is not of f32");
  if (a.rank < 2 || b.rank < 2) return broken(g, step, "a matrix has fewer than two dimensions");
  const p = changetype<Product>(make(g, offsetof<Product>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  const turnsA = option<u8>(g, step, 0, 0) != 0, turnsB = option<u8>(g, step, 1, 0) != 0;
  const aRows = a.dim(a.rank - 2),
    aColumns = a.dim(a.rank - 1),
    bRows = b.dim(b.rank - 2),
    bColumns = b.dim(b.rank - 1);
  p.m = turnsA ? aColumns : aRows;
  p.k = turnsA ? aRows : aColumns;
  p.n = turnsB ? bRows : bColumns;
  p.aRow = turnsA ? 1 : aColumns;
  p.aColumn = turnsA ? aColumns : 1;
  p.bRow = turnsB ? 1 : bColumns;
  p.bColumn = turnsB ? bColumns : 1;
  const aSize = aRows * aColumns, bSize = bRows * bColumns;
  if (aSize == 0 || bSize == 0 || p.k != (turnsB ? bColumns : bRows)) return broken(g, step, "its matrices do not fit");
  const aCount = a.count / aSize, bCount = b.count / bSize;
  p.batches = max(aCount, bCount);
  if (aCount != 1 && bCount != 1 && (aCount != bCount || !sameBatches(a, b))) {
    return refuse(g, step, "its batches broadcast in another way than one to all");
  }
  p.aBatch = aCount == 1 ? 0 : aSize;
  p.bBatch = bCount == 1 ? 0 : bSize;
  if (<u64>p.batches * p.m * p.n != <u64>y.count) return broken(g, step, "its output has another size");
  step.macs = <u64>y.count * p.k;
  step.rows = max(p.batches * p.m, 1);
  return 0;
}

function sameBatches(a: GraphTensor, b: GraphTensor): bool {
  if (a.rank != b.rank) return false;
  for (let d: u32 = 0; d + 2 < a.rank; d++) if (a.dim(d) != b.dim(d)) return false;
  return true;
}

/** Rows begin … end − 1 of all matrices: each sum over k ascending, each product rounded. */
export function runMatmul(g: Graph, step: GraphStep, begin: u32, end: u32): void {
  const p = changetype<Product>(step.parameters);
  let target = g.output(step).data + ((<usize>begin * p.n) << 2);
  for (let r = begin, last = min(end, p.batches * p.m); r < last; r++) {
    const batch = r / p.m;
    const row = g.input(step, 0).data + ((<usize>batch * p.aBatch + <usize>(r % p.m) * p.aRow) << 2);
    const b = g.input(step, 1).data + ((<usize>batch * p.bBatch) << 2);
    for (let j: u32 = 0; j < p.n; j++, target += 4) {
      const column = b + ((<usize>j * p.bColumn) << 2);
      let sum: f32 = 0;
      for (let k: usize = 0; k < <usize>p.k; k++) {
        sum += load<f32>(row + ((k * p.aColumn) << 2)) * load<f32>(column + ((k * p.bRow) << 2));
      }
      store<f32>(target, sum);
    }
  }
}

export function prepareRows(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.type != F32 || y.type != F32) return refuse(g, step, "it is not of f32");
  return x.count == y.count && x.rank > 0 ? 0 : broken(g, step, "its output has another size than its input");
}

export function runRows(g: Graph, step: GraphStep): void {
  const x = g.input(step, 0), y = g.output(step);
  const width = <usize>max(x.dim(x.rank - 1), 1);
  for (let at: usize = 0; at < <usize>x.count; at += width) {
    const source = x.data + (at << 2), target = y.data + (at << 2);
    if (step.op == Operator.LOG_SOFTMAX) logSoftmax(source, target, width);
    else unitLength(source, target, width);
  }
}

function logSoftmax(x: usize, y: usize, width: usize): void {
  let most: f32 = -Infinity;
  for (let i: usize = 0; i < width; i++) most = max(most, load<f32>(x + (i << 2)));
  let sum: f32 = 0;
  for (let i: usize = 0; i < width; i++) sum += expf(load<f32>(x + (i << 2)) - most);
  const shift = most + <f32>log(<f64>sum);
  for (let i: usize = 0; i < width; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) - shift);
}

/** x / |x|, the square of the length being 10⁻⁶ at least. */
function unitLength(x: usize, y: usize, width: usize): void {
  let sum: f32 = 0;
  for (let i: usize = 0; i < width; i++) sum += load<f32>(x + (i << 2)) * load<f32>(x + (i << 2));
  const length = sqrt(max(sum, <f32>1e-6));
  for (let i: usize = 0; i < width; i++) store<f32>(y + (i << 2), load<f32>(x + (i << 2)) / length);
}
