/**
 * Convolutions of i8 and f32. The pixels of a block become rows of a matrix (im2col), wide enough for all filters, and
 * the matrix meets the packed filters (matmul.ts). Pixels outside the image count as the zero point: their part of
 * bias' goes away again. A 1 × 1 convolution is the same with rows that lie as they are, only widened.
 *
 *     scratch:   ┌ sums: 32-bit[8] ┐┌ rows of a block: T[pixels][columns] ┐┌ what is widened too far ┐
 */
import { CHANNEL_BYTES } from "./requantise";
import { evenColumns, multiplyGroup, multiplyTwoGroups, packedBytes, widen } from "./matmul";
import { Sliding, firstWithin, endWithin } from "./sliding";

/** Bytes of a block: as many as leave room for the filters in the first cache, or for values on a microcontroller. */
const BLOCK_BYTES: u32 = ASC_LOW_MEMORY_LIMIT ? 2048 : 16384;
/** Where rows begin, and what is free behind them. */
const MARGIN: usize = 64;

function blockPixels<T>(columns: u32): u32 {
  const pixels = BLOCK_BYTES / max(<u32>rowBytes<T>(columns), 1);
  return max(4, min(64, pixels)) & ~3;
}

/** Bytes of a row of the matrix. */
@inline
function rowBytes<T>(columns: u32): usize {
  return isFloat<T>() ? (<usize>columns) << 2 : (<usize>evenColumns(columns)) << 1;
}

export function convolutionScratch<T>(columns: u32): u64 {
  return <u64>blockPixels<T>(columns) * rowBytes<T>(columns) + 2 * MARGIN;
}

/** … of a fully connected layer, which has one row at a time. */
export function rowScratch<T>(columns: u32): u64 {
  return rowBytes<T>(columns) + 2 * MARGIN;
}

/** Where the rows of a scratch begin. */
@inline
export function rowsOf(scratch: usize): usize {
  return scratch + MARGIN;
}

/**
 * Rows begin … end − 1 of the output. `groups` of filters each see as many of the input's channels; `packed` has them
 * group after group, `channels` the records of i8 (requantise.ts), or f32[outDepth] of biases; each group's begin at a
 * multiple of eight.
 */
export function convolve<T>(
  s: Sliding, packed: usize, channels: usize, groups: u32, begin: i32, end: i32, scratch: usize,
): void {
  const filters = <u32>s.outDepth / groups;
  const depth = <u32>s.depth / groups;
  const columns = <u32>(s.filterHeight * s.filterWidth) * depth;
  const groupBytes = <usize>packedBytes<T>(filters, columns);
  const channelBytes = <usize>((filters + 7) >> 3) * (isFloat<T>() ? 32 : CHANNEL_BYTES);
  const stride = (<usize>s.outDepth) << alignof<T>();
  const rows = rowsOf(scratch);
  // Pixels of the output lie one behind the other, so a block may go on in the next row.
  const most = blockPixels<T>(columns);
  let target = s.target + (s.outputAt(begin, s.outLeft) << alignof<T>());
  let left = <u32>(end - begin) * s.outColumns;
  for (let y = begin, x: i32 = 0; left > 0; ) {
    const pixels = min(left, most);
    for (let g: u32 = 0; g < groups; g++) {
      gather<T>(s, y, x, pixels, depth, g * depth, rows);
      multiply<T>(
        packed + <usize>g * groupBytes, filters, columns, channels + <usize>g * channelBytes, rows, pixels,
        target + ((<usize>g * filters) << alignof<T>()), stride, s,
      );
    }
    target += <usize>pixels * stride;
    left -= pixels;
    x += pixels;
    y += x / s.outColumns;
    x %= s.outColumns;
  }
}

/**
 * Rows of the matrix, at `rowsOf` a scratch, × all filters of a group → pixels of the output, `stride` bytes apart.
 */
export function multiply<T>(
  packed: usize, filters: u32, columns: u32, channels: usize, rows: usize, pixels: u32, target: usize, stride: usize,
  s: Sliding, addend: i32 = 0,
): void {
  const row = rowBytes<T>(columns);
  const sums = rows - MARGIN;
  const groupBytes = <usize>packedBytes<T>(8, columns);
  const recordBytes: usize = isFloat<T>() ? 32 : CHANNEL_BYTES;
  let f: u32 = 0;
  if (ASC_FEATURE_SIMD && !isFloat<T>() && pixels > 1) {
    for (; f + 8 < filters; f += 16, packed += 2 * groupBytes, channels += 2 * recordBytes) {
      multiplyTwoGroups(
        packed, groupBytes, columns, rows, row, pixels, channels, addend, target + f, stride, min(filters - f - 8, 8),
        s, sums,
      );
    }
  }
  for (; f < filters; f += 8, packed += groupBytes, channels += recordBytes) {
    const count = min(filters - f, 8);
    const out = target + ((<usize>f) << alignof<T>());
    for (let p: u32 = 0; p < pixels; p += 4) {
      multiplyGroup<T>(
        packed, columns, rows + <usize>p * row, row, min(pixels - p, 4), channels, addend, out + <usize>p * stride,
        stride, count, s, sums,
      );
    }
  }
}

/** The pixels from column x of the part's row y on, as rows of the matrix. */
function gather<T>(s: Sliding, y: i32, x: i32, pixels: u32, depth: u32, channel: u32, rows: usize): void {
  const isInside = y + <i32>(x + pixels - 1) / s.outColumns < s.height;
  if (isPointwise(s) && isInside && depth == <u32>s.depth && (isFloat<T>() || !(depth & 1))) {
    take<T>(rows, s.source + (s.inputAt(y, x + s.outLeft) << alignof<T>()), <usize>pixels * depth);
    return;
  }
  for (; pixels > 0; y++, x = 0) {
    const inRow = min(pixels, <u32>(s.outColumns - x));
    rows = gatherRow<T>(s, y, x + s.outLeft, inRow, depth, channel, rows);
    pixels -= inRow;
  }
}

/** Whether pixels of the output are those of the input, one behind the other. */
function isPointwise(s: Sliding): bool {
  const one = s.filterHeight == 1 && s.filterWidth == 1 && s.strideY == 1 && s.strideX == 1;
  return one && s.padTop == 0 && s.padLeft == 0 && s.left == s.outLeft && s.columns == s.outColumns;
}

/** Pixels of one row of the output, from x on, as rows of the matrix; where the next one begins. */
function gatherRow<T>(s: Sliding, y: i32, x: i32, pixels: u32, depth: u32, channel: u32, rows: usize): usize {
  const top = y * s.strideY - s.padTop;
  const firstY = min(firstWithin(top, s.dilationY), s.filterHeight);
  const endY = max(firstY, endWithin(top, s.dilationY, s.filterHeight, s.height));
  const lineCount = s.filterWidth * <i32>depth;
  const row = rowBytes<T>(<u32>(s.filterHeight * lineCount));
  const isDense = s.dilationX == 1 && depth == <u32>s.depth;
  const isTall = isDense && endY - firstY == s.filterHeight;
  const lineBytes = (<usize>s.dilationY * s.columns * s.depth) << alignof<T>();
  for (let p: u32 = 0; p < pixels; p++, x++) {
    let at = rows + <usize>p * row;
    const left = x * s.strideX - s.padLeft;
    if (isTall && left >= 0 && left + s.filterWidth <= s.width) {
      let from = s.source + (s.inputAt(top, left) << alignof<T>());
      for (let i = 0; i < s.filterHeight; i++, from += lineBytes) at = take<T>(at, from, lineCount);
      continue;
    }
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
  }
  return rows + <usize>pixels * row;
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
