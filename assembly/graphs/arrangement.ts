/**
 * Operators that only move values: PAD, MIRROR_PAD, TRANSPOSE, STRIDED_SLICE, SLICE, TILE, BROADCAST_TO,
 * DEPTH_TO_SPACE, SPACE_TO_DEPTH. Each is one walk over the output, whose value at (i0 … i5) is that of the input at
 *
 *     Σ place(d, i_d),   place(d, i) = where index i of dimension d lies in the input, or OUTSIDE
 *
 * so an operator is six short lists of places. They are made at load, one list a dimension of the output.
 */
import { TensorType, elementBytes } from "../files/tflite";
import { broken, hasOperands, isKnown, knownInteger, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, MOST_DIMENSIONS, Place, make } from "./records";

/** The value at such a place is the filling. */
const OUTSIDE: i32 = i32.MIN_VALUE;

@unmanaged
class Arrangement {
  /** i32[sum of the output's dimensions] */
  places: usize;
  /** Where each dimension's list begins: u32[6]. */
  lists: usize;
  /** What fills up: one element of up to 8 bytes. */
  filling: u64;
  /** Whether rows of the last dimension lie in the input as they do in the output. */
  dense: u32;
}

export function prepareArrangement(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants an input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.type != y.type) return broken(g, step, "its output has another type than its input");
  const p = changetype<Arrangement>(make(g, offsetof<Arrangement>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  let all: u64 = 0;
  for (let d: u32 = 0; d < MOST_DIMENSIONS; d++) all += y.dim(d);
  p.places = make(g, all * 4);
  p.lists = make(g, MOST_DIMENSIONS * 4);
  if (p.places == 0 || p.lists == 0) return g.core.errorCode;
  let at: u32 = 0;
  for (let d: u32 = 0; d < MOST_DIMENSIONS; d++) {
    store<u32>(p.lists + (d << 2), at);
    at += y.dim(d);
  }
  const status = arrange(g, step, p, x, y);
  if (status < 0) return status;
  p.dense = u32(isDense(p, y));
  return 0;
}

function arrange(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  switch (step.op) {
    case Operator.PAD:
    case Operator.PADV2:
    case Operator.MIRROR_PAD: return arrangePad(g, step, p, x, y);
    case Operator.TRANSPOSE: return arrangeTranspose(g, step, p, x, y);
    case Operator.STRIDED_SLICE: return arrangeStridedSlice(g, step, p, x, y);
    case Operator.SLICE: return arrangeSlice(g, step, p, x, y);
    case Operator.TILE: return arrangeTile(g, step, p, x, y);
    case Operator.BROADCAST_TO: return arrangeBroadcast(g, step, p, x, y);
    default: return arrangeBlocks(g, step, p, x, y);
  }
}

@inline
function setPlace(p: Arrangement, d: u32, i: u32, place: i32): void {
  store<i32>(p.places + ((<usize>load<u32>(p.lists + (d << 2)) + i) << 2), place);
}

@inline
function placeOf(p: Arrangement, d: u32, i: u32): i32 {
  return load<i32>(p.places + ((<usize>load<u32>(p.lists + (d << 2)) + i) << 2));
}

/** Elements from one index of dimension `d` to the next. */
function stride(t: GraphTensor, d: u32): i32 {
  let size: u32 = 1;
  for (let i = d + 1; i < t.rank; i++) size *= t.dim(i);
  return <i32>size;
}

/** Constants of a whole number for each of `count` dimensions. */
function known(g: Graph, step: GraphStep, i: u32, count: u32): bool {
  return g.has(step, i) && isKnown(g.input(step, i)) && g.input(step, i).count == count;
}

function arrangePad(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (!known(g, step, 1, 2 * x.rank)) return refuse(g, step, "its paddings are not known at load, two a dimension");
  const paddings = g.input(step, 1);
  if (x.rank != y.rank) return broken(g, step, "its output has another number of dimensions");
  const isMirror = step.op == Operator.MIRROR_PAD;
  // REFLECT leaves the edge itself out, SYMMETRIC takes it twice.
  const skip = isMirror && option<u8>(g, step, 0, 0) == 0 ? 1 : 0;
  p.filling = fillingOf(g, step, y);
  for (let d: u32 = 0; d < x.rank; d++) {
    const before = knownInteger(paddings, 2 * d), after = knownInteger(paddings, 2 * d + 1);
    const size = <i32>x.dim(d);
    if (before < 0 || after < 0 || <i64>before + size + after != <i64>y.dim(d)) {
      return broken(g, step, "its output has another size than its paddings give");
    }
    if (isMirror && (before > size - skip || after > size - skip))
      return broken(g, step, "it mirrors more than there is");
    const unit = stride(x, d);
    for (let i = 0; i < <i32>y.dim(d); i++) {
      let from = i - before;
      if (isMirror && from < 0) from = -from - 1 + skip;
      if (isMirror && from >= size) from = 2 * size - from - 1 - skip;
      setPlace(p, d, i, from >= 0 && from < size ? from * unit : OUTSIDE);
    }
  }
  return 0;
}

/** What PAD fills up with: its third operand, else zero, which is the zero point of i8. */
function fillingOf(g: Graph, step: GraphStep, y: GraphTensor): u64 {
  if (step.op == Operator.PADV2 && g.has(step, 2)) {
    const value = g.input(step, 2);
    const bytes = elementBytes(value.type);
    if (value.place == Place.CONSTANT && value.count == 1 && value.type == y.type) {
      if (bytes == 1) return <u64>load<u8>(value.data);
      if (bytes == 2) return <u64>load<u16>(value.data);
      return bytes == 4 ? <u64>load<u32>(value.data) : load<u64>(value.data);
    }
  }
  return y.type == TensorType.I8 || y.type == TensorType.U8 ? <u64>(<u8>y.zero) : 0;
}

function arrangeTranspose(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (!known(g, step, 1, x.rank) || x.rank != y.rank) return refuse(g, step, "its order is not known at load");
  const order = g.input(step, 1);
  let seen: u32 = 0;
  for (let d: u32 = 0; d < x.rank; d++) {
    const named = knownInteger(order, d);
    const from = named < 0 ? named + <i32>x.rank : named;
    if (from < 0 || from >= <i32>x.rank || seen & (1 << from) || x.dim(from) != y.dim(d)) {
      return broken(g, step, "its order is no permutation that gives its output");
    }
    seen |= 1 << from;
    const unit = stride(x, from);
    for (let i: u32 = 0; i < y.dim(d); i++) setPlace(p, d, i, <i32>i * unit);
  }
  return 0;
}

function arrangeStridedSlice(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (!g.has(step, 1) || !isKnown(g.input(step, 1))) return refuse(g, step, "its begin is not known at load");
  const given = g.input(step, 1).count;
  if (given > x.rank || !known(g, step, 2, given) || !known(g, step, 3, given)) {
    return refuse(g, step, "its begin, end and strides are not known at load, one a dimension");
  }
  const beginMask = option<i32>(g, step, 0, 0), endMask = option<i32>(g, step, 1, 0);
  if (option<i32>(g, step, 2, 0) | option<i32>(g, step, 3, 0))
    return refuse(g, step, "it has an ellipsis or a new axis");
  const shrink = option<i32>(g, step, 4, 0);
  let out: u32 = 0;
  let base: i32 = 0;
  for (let d: u32 = 0; d < x.rank; d++) {
    const size = <i32>x.dim(d);
    const unit = stride(x, d);
    const isGiven = d < given;
    const by = isGiven ? knownInteger(g.input(step, 3), d) : 1;
    if (by == 0 || by < -size || by == i32.MIN_VALUE)
      return broken(g, step, "a stride is 0 or longer than its dimension");
    const isAll = !isGiven;
    let begin =
      isAll || beginMask & (1 << d) ? (by > 0 ? 0 : size - 1) : within(knownInteger(g.input(step, 1), d), size, by);
    const isOne = isGiven && (shrink & (1 << d)) != 0;
    const end = isOne
      ? begin + 1
      : isAll || endMask & (1 << d)
        ? by > 0
          ? size
          : -1
        : within(knownInteger(g.input(step, 2), d), size, by);
    if (isOne) {
      if (begin < 0 || begin >= size) return broken(g, step, "it takes an element that is not there");
      base += begin * unit;
      continue;
    }
    const count = by > 0 ? (<i64>end - begin + by - 1) / by : (<i64>begin - end - by - 1) / -by;
    if (out >= y.rank || <i64>y.dim(out) != max(count, 0)) {
      return broken(g, step, "its output has another size than its begin and end give");
    }
    for (let i: u32 = 0; i < y.dim(out); i++, begin += by) setPlace(p, out, i, begin * unit);
    out += 1;
  }
  if (out != y.rank) return broken(g, step, "its output has another number of dimensions");
  // What a dimension of one element adds goes into the first list.
  for (let i: u32 = 0; i < y.dim(0); i++) setPlace(p, 0, i, placeOf(p, 0, i) + base);
  return 0;
}

/** A position of a slice, from the end where it is negative, kept within the dimension. */
function within(position: i32, size: i32, by: i32): i32 {
  const at = position < 0 ? position + size : position;
  return by > 0 ? min(max(at, 0), size) : min(max(at, -1), size - 1);
}

function arrangeSlice(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (!known(g, step, 1, x.rank) || !known(g, step, 2, x.rank) || x.rank != y.rank) {
    return refuse(g, step, "its begin and size are not known at load");
  }
  for (let d: u32 = 0; d < x.rank; d++) {
    const begin = knownInteger(g.input(step, 1), d), asked = knownInteger(g.input(step, 2), d);
    const size = asked == -1 ? <i32>x.dim(d) - begin : asked;
    if (begin < 0 || size < 0 || <u64>begin + size > x.dim(d) || <u32>size != y.dim(d)) {
      return broken(g, step, "it slices what is not there, or its output has another size");
    }
    const unit = stride(x, d);
    for (let i: u32 = 0; i < y.dim(d); i++) setPlace(p, d, i, (begin + <i32>i) * unit);
  }
  return 0;
}

function arrangeTile(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (x.rank != y.rank || x.count == 0) return broken(g, step, "its output has another number of dimensions");
  for (let d: u32 = 0; d < x.rank; d++) {
    if (y.dim(d) % x.dim(d) != 0) return broken(g, step, "its output is no whole number of its inputs");
    const unit = stride(x, d);
    for (let i: u32 = 0; i < y.dim(d); i++) setPlace(p, d, i, <i32>(i % x.dim(d)) * unit);
  }
  return 0;
}

function arrangeBroadcast(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  if (x.rank > y.rank) return broken(g, step, "its output has fewer dimensions");
  for (let d: u32 = 0; d < y.rank; d++) {
    const from = <i32>d - <i32>(y.rank - x.rank);
    const size: u32 = from < 0 ? 1 : x.dim(from);
    if (size != 1 && size != y.dim(d)) return broken(g, step, "its input does not broadcast to its output");
    const unit = from < 0 || size == 1 ? 0 : stride(x, from);
    for (let i: u32 = 0; i < y.dim(d); i++) setPlace(p, d, i, <i32>i * unit);
  }
  return 0;
}

/** DEPTH_TO_SPACE and back: blocks of pixels are side by side in the depth. */
function arrangeBlocks(g: Graph, step: GraphStep, p: Arrangement, x: GraphTensor, y: GraphTensor): i32 {
  const block = option<i32>(g, step, 0, 0);
  const isUp = step.op == Operator.DEPTH_TO_SPACE;
  if (block < 1 || block > 1 << 12 || x.rank != 4 || y.rank != 4)
    return broken(g, step, "its block or its shape is out of range");
  const big = isUp ? y : x, small = isUp ? x : y;
  const side = <u32>block;
  if (
    big.dim(0) != small.dim(0) ||
    big.dim(1) != small.dim(1) * side ||
    big.dim(2) != small.dim(2) * side ||
    <u64>small.dim(3) != <u64>big.dim(3) * side * side
  )
    return broken(g, step, "its output has another size than its block gives");
  const depth = big.dim(3);
  for (let i: u32 = 0; i < y.dim(0); i++) setPlace(p, 0, i, <i32>i * stride(x, 0));
  if (isUp) {
    for (let i: u32 = 0; i < y.dim(1); i++)
      setPlace(p, 1, i, <i32>(i / side) * stride(x, 1) + <i32>((i % side) * side * depth));
    for (let i: u32 = 0; i < y.dim(2); i++)
      setPlace(p, 2, i, <i32>(i / side) * stride(x, 2) + <i32>((i % side) * depth));
    for (let i: u32 = 0; i < y.dim(3); i++) setPlace(p, 3, i, <i32>i);
  } else {
    for (let i: u32 = 0; i < y.dim(1); i++) setPlace(p, 1, i, <i32>(i * side) * stride(x, 1));
    for (let i: u32 = 0; i < y.dim(2); i++) setPlace(p, 2, i, <i32>(i * side) * stride(x, 2));
    for (let i: u32 = 0; i < y.dim(3); i++) {
      const row = i / (side * depth), column = (i / depth) % side;
      setPlace(p, 3, i, <i32>row * stride(x, 1) + <i32>column * stride(x, 2) + <i32>(i % depth));
    }
  }
  return 0;
}

function isDense(p: Arrangement, y: GraphTensor): bool {
  const d = y.rank == 0 ? 0 : y.rank - 1;
  for (let i: u32 = 0; i < y.dim(d); i++)
    if (placeOf(p, d, i) != placeOf(p, d, 0) + <i32>i || placeOf(p, d, i) < 0) return false;
  return true;
}

export function runArrangement(g: Graph, step: GraphStep): void {
  const p = changetype<Arrangement>(step.parameters);
  const x = g.input(step, 0), y = g.output(step);
  if (y.count == 0) return;
  const last = y.rank == 0 ? 0 : y.rank - 1;
  const width = y.dim(last);
  const size = elementBytes(y.type);
  const rows = y.count / width;
  let target = y.data;
  for (let row: u32 = 0; row < rows; row++, target += <usize>width * size) {
    let rest = row;
    let base: i32 = 0;
    let isOutside = false;
    for (let d = <i32>last - 1; d >= 0; d--) {
      const n = y.dim(d);
      const place = placeOf(p, d, rest % n);
      rest /= n;
      if (place == OUTSIDE) isOutside = true;
      else base += place;
    }
    arrangeRow(p, last, width, size, x.data + <usize>base * size, isOutside, target);
  }
}

/** A row of the last dimension, `width` values of `size` bytes, of what lies at `source`. */
function arrangeRow(
  p: Arrangement, last: u32, width: u32, size: u32, source: usize, isOutside: bool, target: usize,
): void {
  const list = p.places + ((<usize>load<u32>(p.lists + ((<usize>last) << 2))) << 2);
  if (!isOutside && p.dense) {
    memory.copy(target, source + <usize>load<i32>(list) * size, <usize>width * size);
  } else if (isOutside && size == 1) {
    memory.fill(target, <u8>p.filling, width);
  } else {
    for (let i: usize = 0; i < <usize>width; i++) {
      const place = isOutside ? OUTSIDE : load<i32>(list + (i << 2));
      const from =
        place == OUTSIDE ? changetype<usize>(p) + offsetof<Arrangement>("filling") : source + <usize>place * size;
      if (size == 1) store<u8>(target + i, load<u8>(from));
      else if (size == 4) store<u32>(target + (i << 2), load<u32>(from));
      else memory.copy(target + i * size, from, size);
    }
  }
}

/**
 * Row `y` of an image, `pixels` of it from column `left` on. Of the input of PAD there may be a part in memory: then
 * pixel (top, from) lies at its beginning, and the next row `columns` pixels behind; else columns is 0.
 */
export function runArrangementLine(
  g: Graph, step: GraphStep, y: u32, left: u32, pixels: u32, target: usize, top: u32, from: u32, columns: u32,
): void {
  const p = changetype<Arrangement>(step.parameters);
  const x = g.input(step, 0), out = g.output(step);
  const depth = out.dim(3), size = elementBytes(out.type);
  const row = placeOf(p, 1, y);
  const image = placeOf(p, 0, 0);
  for (let i: u32 = 0; i < pixels; i++, target += <usize>depth * size) {
    const column = placeOf(p, 2, left + i);
    const isOutside = image == OUTSIDE || row == OUTSIDE || column == OUTSIDE;
    let base = isOutside ? 0 : image + row + column;
    if (!isOutside && columns > 0) {
      const unit = <i32>x.dim(3);
      const isRow = row / (unit * <i32>x.dim(2)) - <i32>top, isColumn = column / unit - <i32>from;
      base = (isRow * <i32>columns + isColumn) * unit;
    }
    arrangeRow(p, 3, depth, size, x.data + <usize>base * size, isOutside, target);
  }
}
