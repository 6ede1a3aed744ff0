/**
 * Depthwise convolutions of i8 and f32: a filter for each channel. The channel c · multiplier + m of the output sees
 * channel c of the input.
 *
 * Of i8, filters lie packed as those of a convolution whose columns are their taps (matmul.ts), or without SIMD as in
 * the file, and four pixels are computed at once: where their taps lie is written down first. What lies outside the
 * image is a pixel of zero points.
 *
 *     scratch:   ┌ taps: usize[taps][4] │ from a window's corner: i32[taps] │ sums: i32[8] │ zero points: i8[depth] ┐
 *
 * Of f32, filters lie as in the file, [height, width, channels], and what lies outside the image is left out.
 */
import { evenColumns, finishLanes, fourValues, packedBytes } from "./matmul";
import { CHANNEL_BYTES, requantise } from "./requantise";
import { Sliding, clampF32, firstWithin, endWithin } from "./sliding";

export function depthwiseScratch(taps: u32, depth: u32): u64 {
  return <u64>evenColumns(taps) * 20 + 64 + depth;
}

/** Rows begin … end − 1 of the output of i8. `channels`: records (requantise.ts). */
export function depthwiseI8(
  s: Sliding, packed: usize, multiplier: u32, channels: usize, begin: i32, end: i32, scratch: usize,
): void {
  const taps = <u32>(s.filterHeight * s.filterWidth), even = <usize>evenColumns(taps);
  const groupBytes: usize = ASC_FEATURE_SIMD ? <usize>packedBytes<i8>(8, taps) : 8;
  const corners = scratch + (even << 4), sums = corners + (even << 2), nothing = sums + 32;
  memory.fill(nothing, <u8>s.zero, s.depth);
  // The tap that makes their number even meets zeros. Where it is even already, corners are written over this.
  for (let p: usize = 0; p < 16; p += 4) store<usize>(scratch + ((<usize>taps) << 4) + p, nothing);
  let corner = corners;
  for (let i = 0; i < s.filterHeight; i++) {
    for (let j = 0; j < s.filterWidth; j++, corner += 4) {
      store<i32>(corner, (i * s.dilationY * s.columns + j * s.dilationX) * s.depth);
    }
  }
  for (let y = begin; y < end; y++) {
    for (let x = s.outLeft, last = x + s.outColumns; x < last; x += 4) {
      const pixels = <u32>min(last - x, 4);
      findTaps(s, y, x, pixels, scratch, corners, nothing);
      let target = s.target + s.outputAt(y, x);
      let group = packed, record = channels;
      for (let c: u32 = 0; c < <u32>s.outDepth; c += 8, target += 8, group += groupBytes, record += CHANNEL_BYTES) {
        const count = min(<u32>s.outDepth - c, 8);
        if (ASC_FEATURE_SIMD && multiplier == 1 && count == 8) {
          fourPixels(scratch, even, c, group, pixels, record, target, s, sums);
        } else {
          eachPixel(scratch, taps, c, multiplier, group, pixels, record, target, count, s, sums);
        }
      }
    }
  }
}

/** Writes down where the taps of `pixels` ≤ 4 pixels lie; pixels that are not there are the last one again. */
@inline
function findTaps(s: Sliding, y: i32, x: i32, pixels: u32, taps: usize, corners: usize, nothing: usize): void {
  const top = y * s.strideY - s.padTop, left = x * s.strideX - s.padLeft;
  const reachY = (s.filterHeight - 1) * s.dilationY, reachX = (s.filterWidth - 1) * s.dilationX;
  const isRowInside = top >= 0 && top + reachY < s.height;
  if (ASC_FEATURE_SIMD && isRowInside && pixels == 4 && left >= 0 && left + 3 * s.strideX + reachX < s.width) {
    const step = s.strideX * s.depth;
    let at = i32x4.splat(<i32>(s.source + s.inputAt(top, left)));
    at = i32x4.replace_lane(at, 1, i32x4.extract_lane(at, 1) + step);
    at = i32x4.replace_lane(at, 2, i32x4.extract_lane(at, 2) + 2 * step);
    at = i32x4.replace_lane(at, 3, i32x4.extract_lane(at, 3) + 3 * step);
    for (const end = corners + ((<usize>(s.filterHeight * s.filterWidth)) << 2); corners < end; corners += 4) {
      v128.store(taps, i32x4.add(at, v128.load32_splat(corners)));
      taps += 16;
    }
    return;
  }
  for (let p: u32 = 0; p < 4; p++, taps += 4) {
    const shift = left + <i32>min(p, pixels - 1) * s.strideX;
    let at = taps;
    for (let i = 0, row = top; i < s.filterHeight; i++, row += s.dilationY) {
      const isInside = <u32>row < <u32>s.height;
      let from = isInside ? s.source + s.inputAt(row, shift) : 0;
      for (let j = 0, column = shift; j < s.filterWidth; j++, column += s.dilationX, at += 16) {
        store<usize>(at, isInside && <u32>column < <u32>s.width ? from : nothing);
        from += <usize>s.dilationX * s.depth;
      }
    }
  }
}

/** Eight channels from c on of `pixels` ≤ 4 pixels. */
function fourPixels(
  taps: usize, even: usize, c: usize, group: usize, pixels: u32, record: usize, target: usize, s: Sliding, sums: usize,
): void {
  let a0 = v128.load(record), a1 = v128.load(record, 16);
  let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
  for (const end = taps + (even << 4); taps < end; taps += 32, group += 16) {
    const low = v128.load8x8_s(group), high = v128.load8x8_s(group, 8);
    let x = v128.load8x8_s(load<usize>(taps) + c), z = v128.load8x8_s(load<usize>(taps, 16) + c);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(low, v128.shuffle<i16>(x, z, 0, 8, 1, 9, 2, 10, 3, 11)));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(high, v128.shuffle<i16>(x, z, 4, 12, 5, 13, 6, 14, 7, 15)));
    x = v128.load8x8_s(load<usize>(taps, 4) + c);
    z = v128.load8x8_s(load<usize>(taps, 20) + c);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(low, v128.shuffle<i16>(x, z, 0, 8, 1, 9, 2, 10, 3, 11)));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(high, v128.shuffle<i16>(x, z, 4, 12, 5, 13, 6, 14, 7, 15)));
    x = v128.load8x8_s(load<usize>(taps, 8) + c);
    z = v128.load8x8_s(load<usize>(taps, 24) + c);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(low, v128.shuffle<i16>(x, z, 0, 8, 1, 9, 2, 10, 3, 11)));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(high, v128.shuffle<i16>(x, z, 4, 12, 5, 13, 6, 14, 7, 15)));
    x = v128.load8x8_s(load<usize>(taps, 12) + c);
    z = v128.load8x8_s(load<usize>(taps, 28) + c);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(low, v128.shuffle<i16>(x, z, 0, 8, 1, 9, 2, 10, 3, 11)));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(high, v128.shuffle<i16>(x, z, 4, 12, 5, 13, 6, 14, 7, 15)));
  }
  fourValues(a0, a1, b0, b1, c0, c1, d0, d1, pixels, record, target, s.outDepth, 8, s, sums);
}

/** `count` ≤ 8 channels from c on, one by one, for any multiplier. */
function eachPixel(
  taps: usize, tapCount: u32, c: u32, multiplier: u32, group: usize, pixels: u32, record: usize, target: usize,
  count: u32, s: Sliding, sums: usize,
): void {
  const depth = <usize>s.outDepth;
  for (let p: u32 = 0; p < pixels; p++, taps += 4, target += depth) {
    for (let i: u32 = 0; i < count; i++) {
      const channel = <usize>((c + i) / multiplier);
      let sum = load<i32>(record + ((<usize>i) << 2));
      for (let k: usize = 0; k < <usize>tapCount; k++) {
        const w = ASC_FEATURE_SIMD ? ((k >> 1) << 4) + ((<usize>i) << 1) + (k & 1) : k * depth + i;
        sum += <i32>load<i8>(load<usize>(taps + (k << 4)) + channel) * <i32>load<i8>(group + w);
      }
      store<i32>(sums + ((<usize>i) << 2), sum);
    }
    requantise(sums, record, target, count, s.outZero, s.low, s.high);
  }
}

/** Rows begin … end − 1 of the output of f32. `sums` has room for eight. */
export function depthwiseF32(
  s: Sliding, weights: usize, multiplier: u32, biases: usize, begin: i32, end: i32, sums: usize,
): void {
  for (let y = begin; y < end; y++) {
    const top = y * s.strideY - s.padTop;
    const firstY = firstWithin(top, s.dilationY);
    const endY = endWithin(top, s.dilationY, s.filterHeight, s.height);
    for (let x = s.outLeft, last = x + s.outColumns; x < last; x++) {
      const left = x * s.strideX - s.padLeft;
      const firstX = firstWithin(left, s.dilationX);
      const endX = endWithin(left, s.dilationX, s.filterWidth, s.width);
      const target = s.target + (s.outputAt(y, x) << 2);
      const none = firstY >= endY || firstX >= endX;
      const from = none
        ? s.source
        : s.source + (s.inputAt(top + firstY * s.dilationY, left + firstX * s.dilationX) << 2);
      const w = weights + ((<usize>(firstY * s.filterWidth + firstX) * s.outDepth) << 2);
      const rows = none ? 0 : endY - firstY, columns = none ? 0 : endX - firstX;
      for (let c: u32 = 0; c < <u32>s.outDepth; c += 8) {
        const count = min(<u32>s.outDepth - c, 8);
        const out = target + ((<usize>c) << 2), bias = biases + ((<usize>c) << 2);
        if (ASC_FEATURE_SIMD && count == 8 && multiplier == 1) {
          eightChannels(s, from + ((<usize>c) << 2), w + ((<usize>c) << 2), rows, columns, bias, out, sums);
          continue;
        }
        for (let i: u32 = 0; i < count; i++) {
          const value = sumOf(s, from, w, rows, columns, c + i, multiplier) + load<f32>(bias + ((<usize>i) << 2));
          store<f32>(out + ((<usize>i) << 2), clampF32(value, s.least, s.most));
        }
      }
    }
  }
}

@inline
function eightChannels(
  s: Sliding, from: usize, weights: usize, rows: i32, columns: i32, bias: usize, target: usize, sums: usize,
): void {
  const lineBytes = (<usize>s.dilationY * s.columns * s.depth) << 2;
  const stepBytes = (<usize>s.dilationX * s.depth) << 2;
  const filterBytes = (<usize>s.filterWidth * s.outDepth) << 2;
  const tapBytes = (<usize>s.outDepth) << 2;
  let a = f32x4.splat(0), b = f32x4.splat(0);
  for (let i = 0; i < rows; i++, from += lineBytes, weights += filterBytes) {
    let x = from, w = weights;
    for (let j = 0; j < columns; j++, x += stepBytes, w += tapBytes) {
      a = f32x4.add(a, f32x4.mul(v128.load(x), v128.load(w)));
      b = f32x4.add(b, f32x4.mul(v128.load(x, 16), v128.load(w, 16)));
    }
  }
  finishLanes(a, b, bias, target, 8, s, sums);
}

function sumOf(s: Sliding, from: usize, weights: usize, rows: i32, columns: i32, c: u32, multiplier: u32): f32 {
  const channel = c / multiplier;
  let sum: f32 = 0;
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const at = <usize>y * s.dilationY * s.columns * s.depth + <usize>x * s.dilationX * s.depth + channel;
      const w = (<usize>y * s.filterWidth + x) * s.outDepth + c;
      sum += load<f32>(from + (at << 2)) * load<f32>(weights + (w << 2));
    }
  }
  return sum;
}
