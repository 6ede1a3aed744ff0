/**
 * Pixels × filters: what convolutions and fully connected layers come to. Filters lie in groups of eight, so that a
 * lane of SIMD is a filter and no sum crosses lanes; columns of bytes lie in pairs, as `i32x4.dot_i16x8_s` takes them.
 *
 *     bytes, group of 8 filters:   ┌ columns 0, 1 of filter 0 │ 0, 1 of filter 1 │ … of filter 7 ┐┌ columns 2, 3 …
 *                                  └───────────────────── 16 bytes ──────────────────────────────┘
 *     floats:                      ┌ column 0 of filters 0 … 7 ┐┌ column 1 …             32 bytes a column
 *
 * Without SIMD filters lie as in a file, one behind the other: nothing is gained by groups, and a second copy of all
 * weights is saved.
 *
 * Pixels lie in rows of i16 (bytes widened once for all filters) or f32. Filters beyond the last one are zeros, and so
 * is the column that makes an odd number even. Integers add up in any order to the same sum; floats are added column
 * after column, each product rounded, so that both builds give the same bits.
 */
import { CHANNEL_BYTES, requantise, requantiseLanes } from "./requantise";
import { Sliding, clampF32 } from "./sliding";

/** Columns of bytes as they lie. */
@inline
export function evenColumns(columns: u32): u32 {
  return (columns + 1) & ~1;
}

/** Bytes of the packed filters. */
export function packedBytes<T>(filters: u32, columns: u32): u64 {
  if (!ASC_FEATURE_SIMD) return (<u64>filters * columns) << alignof<T>();
  const groups = <u64>((filters + 7) >> 3);
  return isFloat<T>() ? groups * columns * 32 : groups * evenColumns(columns) * 8;
}

/** Packs one filter, whose columns lie `stride` elements apart; the memory is zeros before. */
export function packFilter<T>(packed: usize, filter: u32, columns: u32, source: usize, stride: u32): void {
  if (!ASC_FEATURE_SIMD) {
    const target = packed + ((<usize>filter * columns) << alignof<T>());
    for (let k: usize = 0; k < <usize>columns; k++) {
      store<T>(target + (k << alignof<T>()), load<T>(source + ((k * stride) << alignof<T>())));
    }
    return;
  }
  const lane = <usize>filter & 7;
  if (isFloat<T>()) {
    const group = packed + <usize>(filter >> 3) * ((<usize>columns) << 5) + (lane << 2);
    for (let k: usize = 0; k < <usize>columns; k++) {
      store<f32>(group + (k << 5), load<f32>(source + ((k * stride) << 2)));
    }
  } else {
    const group = packed + <usize>(filter >> 3) * ((<usize>evenColumns(columns)) << 3) + (lane << 1);
    for (let k: usize = 0; k < <usize>columns; k++) {
      store<i8>(group + ((k >> 1) << 4) + (k & 1), load<i8>(source + k * stride));
    }
  }
}

/** i8 → i16. With SIMD eight at a time: up to seven more are read and written behind the last one. */
@inline
export function widen(source: usize, target: usize, count: usize): void {
  if (ASC_FEATURE_SIMD) {
    for (let i: usize = 0; i < count; i += 8) v128.store(target + (i << 1), v128.load8x8_s(source + i));
  } else {
    for (let i: usize = 0; i < count; i++) store<i16>(target + (i << 1), <i16>load<i8>(source + i));
  }
}

/**
 * A group of eight filters × `pixels` ≤ 4 rows, `stride` bytes apart → `count` ≤ 8 values of each pixel, at `target`
 * and `apart` bytes on. `channels`: the group's record of i8 (requantise.ts), or its biases; `addend` joins every sum
 * of i8. `sums` has room for eight.
 */
@inline
export function multiplyGroup<T>(
  group: usize, columns: u32, x: usize, stride: usize, pixels: u32, channels: usize, addend: i32, target: usize,
  apart: usize, count: u32, s: Sliding, sums: usize,
): void {
  if (ASC_FEATURE_SIMD && pixels > 1) {
    // Rows that are not there are the last one again.
    const x1 = x + stride, x2 = pixels > 2 ? x1 + stride : x1, x3 = pixels > 3 ? x2 + stride : x2;
    if (isFloat<T>()) {
      fourPixelsF32(group, columns, x, x1, x2, x3, pixels, channels, target, apart, count, s, sums);
    } else {
      fourPixelsI8(group, columns, x, x1, x2, x3, pixels, channels, addend, target, apart, count, s, sums);
    }
    return;
  }
  for (let p: u32 = 0; p < pixels; p++, x += stride, target += apart) {
    if (isFloat<T>()) onePixelF32(group, columns, x, channels, target, count, s, sums);
    else onePixelI8(group, columns, x, channels, addend, target, count, s, sums);
  }
}

function fourPixelsI8(
  group: usize, columns: u32, x: usize, x1: usize, x2: usize, x3: usize, pixels: u32, channels: usize, addend: i32,
  target: usize, apart: usize, count: u32, s: Sliding, sums: usize,
): void {
  let a0 = i32x4.add(v128.load(channels), i32x4.splat(addend));
  let a1 = i32x4.add(v128.load(channels, 16), i32x4.splat(addend));
  let b0 = a0, b1 = a1, c0 = a0, c1 = a1, d0 = a0, d1 = a1;
  const end = (<usize>evenColumns(columns)) << 1;
  for (let k: usize = 0; k < end; k += 4, group += 16) {
    const low = v128.load8x8_s(group), high = v128.load8x8_s(group, 8);
    let p = v128.load32_splat(x + k);
    a0 = i32x4.add(a0, i32x4.dot_i16x8_s(low, p));
    a1 = i32x4.add(a1, i32x4.dot_i16x8_s(high, p));
    p = v128.load32_splat(x1 + k);
    b0 = i32x4.add(b0, i32x4.dot_i16x8_s(low, p));
    b1 = i32x4.add(b1, i32x4.dot_i16x8_s(high, p));
    p = v128.load32_splat(x2 + k);
    c0 = i32x4.add(c0, i32x4.dot_i16x8_s(low, p));
    c1 = i32x4.add(c1, i32x4.dot_i16x8_s(high, p));
    p = v128.load32_splat(x3 + k);
    d0 = i32x4.add(d0, i32x4.dot_i16x8_s(low, p));
    d1 = i32x4.add(d1, i32x4.dot_i16x8_s(high, p));
  }
  fourValues(a0, a1, b0, b1, c0, c1, d0, d1, pixels, channels, target, apart, count, s, sums);
}

/**
 * Two groups of filters, `groupBytes` apart, × all `pixels` rows: as multiplyGroup, of i8 with SIMD, two rows at once.
 * `count` ≤ 8: filters of the second group. Of tiles with eight sums this is the quickest: fewer rows are addressed.
 */
export function multiplyTwoGroups(
  group: usize, groupBytes: usize, columns: u32, x: usize, stride: usize, pixels: u32, channels: usize, addend: i32,
  target: usize, apart: usize, count: u32, s: Sliding, sums: usize,
): void {
  const zero = s.outZero, low = s.low, high = s.high, second = channels + CHANNEL_BYTES;
  const end = (<usize>evenColumns(columns)) << 1;
  const more = i32x4.splat(addend);
  for (let p: u32 = 0; p < pixels; p += 2, x += 2 * stride, target += apart) {
    let a0 = i32x4.add(v128.load(channels), more), a1 = i32x4.add(v128.load(channels, 16), more);
    let a2 = i32x4.add(v128.load(second), more), a3 = i32x4.add(v128.load(second, 16), more);
    let b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    const isLast = p + 1 == pixels;
    const x1 = isLast ? x : x + stride;
    let w = group, next = group + groupBytes;
    for (let k: usize = 0; k < end; k += 4, w += 16, next += 16) {
      const w0 = v128.load8x8_s(w), w1 = v128.load8x8_s(w, 8);
      const w2 = v128.load8x8_s(next), w3 = v128.load8x8_s(next, 8);
      let pair = v128.load32_splat(x + k);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(w0, pair));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(w1, pair));
      a2 = i32x4.add(a2, i32x4.dot_i16x8_s(w2, pair));
      a3 = i32x4.add(a3, i32x4.dot_i16x8_s(w3, pair));
      pair = v128.load32_splat(x1 + k);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(w0, pair));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(w1, pair));
      b2 = i32x4.add(b2, i32x4.dot_i16x8_s(w2, pair));
      b3 = i32x4.add(b3, i32x4.dot_i16x8_s(w3, pair));
    }
    requantiseLanes(a0, a1, channels, target, 8, zero, low, high, sums);
    requantiseLanes(a2, a3, second, target + 8, count, zero, low, high, sums);
    if (isLast) return;
    target += apart;
    requantiseLanes(b0, b1, channels, target, 8, zero, low, high, sums);
    requantiseLanes(b2, b3, second, target + 8, count, zero, low, high, sums);
  }
}

/** The sums of `pixels` ≤ 4 pixels with eight channels → their values of i8. */
@inline
export function fourValues(
  a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128, pixels: u32, channels: usize,
  target: usize, apart: usize, count: u32, s: Sliding, sums: usize,
): void {
  const zero = s.outZero, low = s.low, high = s.high;
  requantiseLanes(a0, a1, channels, target, count, zero, low, high, sums);
  if (pixels == 1) return;
  target += apart;
  requantiseLanes(b0, b1, channels, target, count, zero, low, high, sums);
  if (pixels == 2) return;
  target += apart;
  requantiseLanes(c0, c1, channels, target, count, zero, low, high, sums);
  if (pixels == 3) return;
  target += apart;
  requantiseLanes(d0, d1, channels, target, count, zero, low, high, sums);
}

function onePixelI8(
  group: usize, columns: u32, x: usize, channels: usize, addend: i32, target: usize, count: u32, s: Sliding,
  sums: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    const end = (<usize>evenColumns(columns)) << 1;
    let a0 = i32x4.add(v128.load(channels), i32x4.splat(addend));
    let a1 = i32x4.add(v128.load(channels, 16), i32x4.splat(addend));
    for (let k: usize = 0; k < end; k += 4, group += 16) {
      const p = v128.load32_splat(x + k);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(v128.load8x8_s(group), p));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(v128.load8x8_s(group, 8), p));
    }
    requantiseLanes(a0, a1, channels, target, count, s.outZero, s.low, s.high, sums);
  } else {
    for (let lane: usize = 0; lane < <usize>count; lane++) {
      let sum = load<i32>(channels + (lane << 2)) + addend;
      let p = x;
      for (const pairs = group + (<usize>columns & ~1); group < pairs; group += 2, p += 4) {
        sum += <i32>load<i8>(group) * <i32>load<i16>(p) + <i32>load<i8>(group, 1) * <i32>load<i16>(p, 2);
      }
      if (columns & 1) sum += <i32>load<i8>(group++) * <i32>load<i16>(p);
      store<i32>(sums + (lane << 2), sum);
    }
    requantise(sums, channels, target, count, s.outZero, s.low, s.high);
  }
}

function fourPixelsF32(
  group: usize, columns: u32, x: usize, x1: usize, x2: usize, x3: usize, pixels: u32, biases: usize, target: usize,
  apart: usize, count: u32, s: Sliding, sums: usize,
): void {
  let a0 = f32x4.splat(0), a1 = f32x4.splat(0), b0 = f32x4.splat(0), b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0), c1 = f32x4.splat(0), d0 = f32x4.splat(0), d1 = f32x4.splat(0);
  const end = (<usize>columns) << 2;
  for (let k: usize = 0; k < end; k += 4, group += 32) {
    const low = v128.load(group);
    const high = v128.load(group, 16);
    let p = v128.load32_splat(x + k);
    a0 = f32x4.add(a0, f32x4.mul(low, p));
    a1 = f32x4.add(a1, f32x4.mul(high, p));
    p = v128.load32_splat(x1 + k);
    b0 = f32x4.add(b0, f32x4.mul(low, p));
    b1 = f32x4.add(b1, f32x4.mul(high, p));
    p = v128.load32_splat(x2 + k);
    c0 = f32x4.add(c0, f32x4.mul(low, p));
    c1 = f32x4.add(c1, f32x4.mul(high, p));
    p = v128.load32_splat(x3 + k);
    d0 = f32x4.add(d0, f32x4.mul(low, p));
    d1 = f32x4.add(d1, f32x4.mul(high, p));
  }
  finishLanes(a0, a1, biases, target, count, s, sums);
  target += apart;
  finishLanes(b0, b1, biases, target, count, s, sums);
  if (pixels == 2) return;
  target += apart;
  finishLanes(c0, c1, biases, target, count, s, sums);
  if (pixels == 3) return;
  target += apart;
  finishLanes(d0, d1, biases, target, count, s, sums);
}

function onePixelF32(
  group: usize, columns: u32, x: usize, biases: usize, target: usize, count: u32, s: Sliding, sums: usize,
): void {
  const end = (<usize>columns) << 2;
  if (ASC_FEATURE_SIMD) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0);
    for (let k: usize = 0; k < end; k += 4, group += 32) {
      const p = v128.load32_splat(x + k);
      a0 = f32x4.add(a0, f32x4.mul(v128.load(group), p));
      a1 = f32x4.add(a1, f32x4.mul(v128.load(group, 16), p));
    }
    finishLanes(a0, a1, biases, target, count, s, sums);
  } else {
    for (let lane: usize = 0; lane < <usize>count; lane++) {
      let sum: f32 = 0;
      for (let k: usize = 0; k < end; k += 4, group += 4) sum += load<f32>(group) * load<f32>(x + k);
      const y = sum + load<f32>(biases + (lane << 2));
      store<f32>(target + (lane << 2), clampF32(y, s.least, s.most));
    }
  }
}

/** Eight sums of f32 of one pixel → `count` ≤ 8 values: bias, range. */
@inline
export function finishLanes(a: v128, b: v128, biases: usize, target: usize, count: u32, s: Sliding, sums: usize): void {
  const least = f32x4.splat(s.least), most = f32x4.splat(s.most);
  // As clampF32: NaN stays one.
  a = f32x4.pmin(f32x4.pmax(f32x4.add(a, v128.load(biases)), least), most);
  b = f32x4.pmin(f32x4.pmax(f32x4.add(b, v128.load(biases, 16)), least), most);
  const out = count == 8 ? target : sums;
  v128.store(out, a);
  v128.store(out, b, 16);
  if (count != 8) memory.copy(target, sums, (<usize>count) << 2);
}
