/** TOPK_V2: the k largest of each row, the largest first, and where they stood; of equal ones the first comes first. */
import { TensorType } from "../files/tflite";
import { broken, hasOperands, isKnown, knownInteger, refuse } from "./check";
import { Graph, GraphStep } from "./records";

export function prepareTop(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 2)) return broken(g, step, "it wants values and a number, and gives values and places");
  const x = g.input(step, 0), number = g.input(step, 1), y = g.output(step), places = g.output(step, 1);
  if (!isKnown(number) || number.count != 1) return refuse(g, step, "its number is not known at load");
  if (x.type != TensorType.F32 && x.type != TensorType.I8 && x.type != TensorType.I32)
    return refuse(g, step, "its values are not of i8, i32 or f32");
  if (y.type != x.type || places.type != TensorType.I32) return refuse(g, step, "its outputs have other types");
  const k = knownInteger(number, 0);
  if (x.rank == 0 || k < 0 || <u32>k > x.dim(x.rank - 1))
    return broken(g, step, "its rows are shorter than its number");
  const width = x.dim(x.rank - 1);
  const rows = width == 0 ? 0 : x.count / width;
  if (<u64>y.count != <u64>rows * k || places.count != y.count) return broken(g, step, "its outputs have another size");
  return 0;
}

export function runTop(g: Graph, step: GraphStep): void {
  const x = g.input(step, 0), y = g.output(step), places = g.output(step, 1);
  if (y.count == 0) return;
  const width = <usize>x.dim(x.rank - 1);
  const rows = <usize>x.count / width, k = <usize>y.count / rows;
  const size = <usize>(x.bytes / x.count);
  for (let row: usize = 0; row < rows; row++) {
    const from = x.data + row * width * size;
    const heap = places.data + ((row * k) << 2);
    // The best k so far as a heap whose first one is the worst; then the worst goes to the end, again and again.
    for (let i: usize = 0; i < k; i++) store<u32>(heap + (i << 2), <u32>i);
    for (let i = k >> 1; i > 0; i--) sift(x.type, from, heap, i - 1, k);
    for (let i = k; i < width; i++) {
      if (!isBetter(x.type, from, <u32>i, load<u32>(heap))) continue;
      store<u32>(heap, <u32>i);
      sift(x.type, from, heap, 0, k);
    }
    for (let last = k - 1; last > 0; last--) {
      const worst = load<u32>(heap);
      store<u32>(heap, load<u32>(heap + (last << 2)));
      store<u32>(heap + (last << 2), worst);
      sift(x.type, from, heap, 0, last);
    }
    for (let i: usize = 0; i < k; i++) {
      memory.copy(y.data + (row * k + i) * size, from + <usize>load<u32>(heap + (i << 2)) * size, size);
    }
  }
}

/** Whether value `a` comes before value `b`. */
function isBetter(type: u32, x: usize, a: u32, b: u32): bool {
  if (type == TensorType.F32) {
    const p = load<f32>(x + ((<usize>a) << 2)), q = load<f32>(x + ((<usize>b) << 2));
    return p > q || (!(q > p) && a < b);
  }
  const isByte = type == TensorType.I8;
  const p = isByte ? <i32>load<i8>(x + a) : load<i32>(x + ((<usize>a) << 2));
  const q = isByte ? <i32>load<i8>(x + b) : load<i32>(x + ((<usize>b) << 2));
  return p > q || (p == q && a < b);
}

/** Lets place `i` of a heap sink below those that are worse. */
function sift(type: u32, x: usize, heap: usize, i: usize, count: usize): void {
  for (;;) {
    let worst = i;
    const first = (i << 1) + 1;
    for (let child = first; child <= first + 1 && child < count; child++) {
      if (isBetter(type, x, load<u32>(heap + (worst << 2)), load<u32>(heap + (child << 2)))) worst = child;
    }
    if (worst == i) return;
    const moved = load<u32>(heap + (i << 2));
    store<u32>(heap + (i << 2), load<u32>(heap + (worst << 2)));
    store<u32>(heap + (worst << 2), moved);
    i = worst;
  }
}
