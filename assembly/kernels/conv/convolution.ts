/**
 * Convolutions of i8 and f32. The pixels of a block become rows of a matrix (im2col), wide enough for all filters, and
 * the matrix meets the packed filters (matmul.ts). Pixels outside the image count as the zero point: their part of
 * bias' goes away again. A 1 × 1 convolution is the same with rows that lie as they are, only widened.
 *
 *     scratch:   ┌ rows of a block: T[pixels][columns] ┐┌ sums: 32-bit[4][8] ┐
 */
import { CHANNEL_BYTES, requantise } from "./requantise";
import { evenColumns, fourPixels, onePixel, packedBytes, widen } from "./matmul";
import { Sliding, clampF32, firstWithin, endWithin } from "./sliding";

/** Pixels of a block: as many as leave room for the filters in the first cache. */
export function blockPixels<T>(columns: u32): u32 {
  const pixels = 16384 / max(<u32>rowBytes<T>(columns), 1);
  return max(4, min(64, pixels)) & ~3;
}

/** Bytes of a row of the matrix. */
@inline
function rowBytes<T>(columns: u32): usize {
  return isFloat<T>() ? (<usize>columns) << 2 : (<usize>evenColumns(columns)) << 1;
}

export function convolutionScratch<T>(columns: u32): u64 {
  return <u64>blockPixels<T>(columns) * rowBytes<T>(columns) + 128;
}

/**
 * Rows begin … end − 1 of the output. `groups` of filters each see as many of the input's channels; `packed` has them
 * group after group, `channels` the records of i8 (requantise.ts), or f32[outDepth] of biases; each group's begin at a
 * multiple of eight.
 */
export function convolve<T>(
  s: Sliding, packed: usize, channels: usize, right: bool, groups: u32, begin: i32, end: i32, scratch: usize,
): void {
  const filters = <u32>s.outDepth / groups;
  const depth = <u32>s.depth / groups;
  const columns = <u32>(s.filterHeight * s.filterWidth) * depth;
  const groupBytes = <usize>packedBytes<T>(filters, columns);
  const channelBytes = <usize>((filters + 7) >> 3) * (isFloat<T>() ? 32 : CHANNEL_BYTES);
  const most = blockPixels<T>(columns);
  for (let y = begin; y < end; y++) {
    for (let x = s.outLeft, last = x + s.outColumns; x < last; x += <i32>most) {
      const pixels = min(<u32>(last - x), most);
      for (let g: u32 = 0; g < groups; g++) {
        gather<T>(s, y, x, pixels, depth, g * depth, scratch);
        const target = s.target + ((s.outputAt(y, x) + g * filters) << alignof<T>());
        multiply<T>(
          packed + <usize>g * groupBytes, filters, columns, channels + <usize>g * channelBytes, right, scratch, pixels,
          target, (<usize>s.outDepth) << alignof<T>(), s,
        );
      }
    }
  }
}

/**
 * Rows of the matrix × all filters of a group → pixels of the output, `stride` bytes apart.
 */
export function multiply<T>(
  packed: usize, filters: u32, columns: u32, channels: usize, right: bool, rows: usize, pixels: u32, target: usize,
  stride: usize, s: Sliding, addend: i32 = 0,
): void {
  const row = rowBytes<T>(columns);
  const sums = rows + <usize>blockPixels<T>(columns) * row;
  const groupBytes = <usize>packedBytes<T>(8, columns);
  const recordBytes: usize = isFloat<T>() ? 32 : CHANNEL_BYTES;
  for (let f: u32 = 0; f < filters; f += 8, packed += groupBytes, channels += recordBytes) {
    const count = min(filters - f, 8);
    const out = target + ((<usize>f) << alignof<T>());
    let p: u32 = 0;
    for (; p + 4 <= pixels; p += 4) {
      fourPixels<T>(packed, columns, rows + <usize>p * row, row, sums);
      for (let i: usize = 0; i < 4; i++) {
        finish<T>(sums + (i << 5), channels, out + (<usize>p + i) * stride, count, s, right, addend);
      }
    }
    for (; p < pixels; p++) {
      onePixel<T>(packed, columns, rows + <usize>p * row, sums);
      finish<T>(sums, channels, out + <usize>p * stride, count, s, right, addend);
    }
  }
}

/** Eight sums of a pixel → its values. */
@inline
function finish<T>(
  sums: usize, channels: usize, target: usize, count: u32, s: Sliding, right: bool, addend: i32,
): void {
  if (isFloat<T>()) {
    for (let c: usize = 0; c < <usize>count; c++) {
      const y = load<f32>(sums + (c << 2)) + load<f32>(channels + (c << 2));
      store<f32>(target + (c << 2), clampF32(y, s.least, s.most));
    }
  } else {
    if (addend != 0) {
      for (let c: usize = 0; c < 8; c++) store<i32>(sums + (c << 2), load<i32>(sums + (c << 2)) + addend);
    }
    requantise(sums, channels, target, count, s.outZero, s.low, s.high, right);
  }
}

/** The pixels from (y, x) on as rows of the matrix. */
function gather<T>(s: Sliding, y: i32, x: i32, pixels: u32, depth: u32, channel: u32, rows: usize): void {
  const top = y * s.strideY - s.padTop;
  const firstY = min(firstWithin(top, s.dilationY), s.filterHeight);
  const endY = max(firstY, endWithin(top, s.dilationY, s.filterHeight, s.height));
  const lineCount = s.filterWidth * <i32>depth;
  const row = rowBytes<T>(<u32>(s.filterHeight * lineCount));
  const isDense = s.dilationX == 1 && depth == <u32>s.depth;
  for (let p: u32 = 0; p < pixels; p++, x++) {
    let at = rows + <usize>p * row;
    const left = x * s.strideX - s.padLeft;
    const firstX = min(firstWithin(left, s.dilationX), s.filterWidth);
    const endX = max(firstX, endWithin(left, s.dilationX, s.filterWidth, s.width));
    at = fill<T>(at, firstY * lineCount, s.zero);
    for (let i = firstY; i < endY; i++) {
      at = fill<T>(at, firstX * <i32>depth, s.zero);
      const from =
        s.source + ((s.inputAt(top + i * s.dilationY, left + firstX * s.dilationX) + channel) << alignof<T>());
      if (isDense) {
        at = take<T>(at, from, <usize>(endX - firstX) * depth);
      } else {
        const step = (<usize>s.dilationX * s.depth) << alignof<T>();
        for (let j = firstX; j < endX; j++) at = take<T>(at, from + <usize>(j - firstX) * step, depth);
      }
      at = fill<T>(at, (s.filterWidth - endX) * <i32>depth, s.zero);
    }
    at = fill<T>(at, (s.filterHeight - endY) * lineCount, s.zero);
    // The column that makes their number even meets zeros; what it holds must only be a number.
    if (!isFloat<T>() && at < rows + <usize>p * row + row) store<i16>(at, 0);
  }
}

@inline
function fill<T>(at: usize, count: i32, zero: i32): usize {
  if (count <= 0) return at;
  if (isFloat<T>()) {
    memory.fill(at, 0, (<usize>count) << 2);
    return at + ((<usize>count) << 2);
  }
  for (const end = at + ((<usize>count) << 1); at < end; at += 2) store<i16>(at, <i16>zero);
  return at;
}

@inline
function take<T>(at: usize, from: usize, count: usize): usize {
  if (isFloat<T>()) {
    memory.copy(at, from, count << 2);
    return at + (count << 2);
  }
  widen(from, at, count);
  return at + (count << 1);
}
