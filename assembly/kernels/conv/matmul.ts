/**
 * Pixels × filters: what convolutions and fully connected layers come to. Filters lie in groups of eight, so that a
 * lane of SIMD is a filter and no sum crosses lanes; columns of bytes lie in pairs, as `i32x4.dot_i16x8_s` takes them.
 *
 *     bytes, group of 8 filters:   ┌ columns 0, 1 of filter 0 │ 0, 1 of filter 1 │ … of filter 7 ┐┌ columns 2, 3 …
 *                                  └───────────────────── 16 bytes ──────────────────────────────┘
 *     floats:                      ┌ column 0 of filters 0 … 7 ┐┌ column 1 …             32 bytes a column
 *
 * Pixels lie in rows of i16 (bytes widened once for all filters) or f32. Filters beyond the last one are zeros, and so
 * is the column that makes an odd number even. Integers add up in any order to the same sum; floats are added column
 * after column, each product rounded, so that both builds give the same bits.
 */

/** Columns of bytes as they lie. */
@inline
export function evenColumns(columns: u32): u32 {
  return (columns + 1) & ~1;
}

/** Bytes of the packed filters. */
export function packedBytes<T>(filters: u32, columns: u32): u64 {
  const groups = <u64>((filters + 7) >> 3);
  return isFloat<T>() ? groups * columns * 32 : groups * evenColumns(columns) * 8;
}

/** Packs one filter, whose columns lie `stride` elements apart; the memory is zeros before. */
export function packFilter<T>(packed: usize, filter: u32, columns: u32, source: usize, stride: u32): void {
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

/** i8 → i16. */
@inline
export function widen(source: usize, target: usize, count: usize): void {
  let i: usize = 0;
  if (ASC_FEATURE_SIMD) {
    for (; i + 8 <= count; i += 8) v128.store(target + (i << 1), v128.load8x8_s(source + i));
  }
  for (; i < count; i++) store<i16>(target + (i << 1), <i16>load<i8>(source + i));
}

/** Sums of four pixels with a group of eight filters: i32[4][8] at `sums`. */
@inline
export function fourPixels<T>(group: usize, columns: u32, x: usize, stride: usize, sums: usize): void {
  if (isFloat<T>()) fourPixelsF32(group, columns, x, stride, sums);
  else fourPixelsI8(group, columns, x, stride, sums);
}

/** … and of one. */
@inline
export function onePixel<T>(group: usize, columns: u32, x: usize, sums: usize): void {
  if (isFloat<T>()) onePixelF32(group, columns, x, sums);
  else onePixelI8(group, columns, x, sums);
}

function fourPixelsI8(group: usize, columns: u32, x: usize, stride: usize, sums: usize): void {
  if (ASC_FEATURE_SIMD) {
    let a0 = i32x4.splat(0), a1 = i32x4.splat(0), b0 = i32x4.splat(0), b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0), c1 = i32x4.splat(0), d0 = i32x4.splat(0), d1 = i32x4.splat(0);
    const x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
    const end = (<usize>evenColumns(columns)) << 1;
    for (let k: usize = 0; k < end; k += 4, group += 16) {
      const w = v128.load(group);
      const low = i16x8.extend_low_i8x16_s(w);
      const high = i16x8.extend_high_i8x16_s(w);
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
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
    v128.store(sums, b0, 32);
    v128.store(sums, b1, 48);
    v128.store(sums, c0, 64);
    v128.store(sums, c1, 80);
    v128.store(sums, d0, 96);
    v128.store(sums, d1, 112);
  } else {
    for (let p: usize = 0; p < 4; p++) onePixelI8(group, columns, x + p * stride, sums + (p << 5));
  }
}

function onePixelI8(group: usize, columns: u32, x: usize, sums: usize): void {
  const end = (<usize>evenColumns(columns)) << 1;
  if (ASC_FEATURE_SIMD) {
    let a0 = i32x4.splat(0), a1 = i32x4.splat(0);
    for (let k: usize = 0; k < end; k += 4, group += 16) {
      const w = v128.load(group);
      const p = v128.load32_splat(x + k);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_s(w), p));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_s(w), p));
    }
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
  } else {
    for (let lane: usize = 0; lane < 8; lane++) {
      let sum: i32 = 0;
      let w = group + (lane << 1);
      for (let k: usize = 0; k < end; k += 4, w += 16) {
        sum += <i32>load<i8>(w) * <i32>load<i16>(x + k) + <i32>load<i8>(w, 1) * <i32>load<i16>(x + k, 2);
      }
      store<i32>(sums + (lane << 2), sum);
    }
  }
}

function fourPixelsF32(group: usize, columns: u32, x: usize, stride: usize, sums: usize): void {
  if (ASC_FEATURE_SIMD) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0), b0 = f32x4.splat(0), b1 = f32x4.splat(0);
    let c0 = f32x4.splat(0), c1 = f32x4.splat(0), d0 = f32x4.splat(0), d1 = f32x4.splat(0);
    const x1 = x + stride, x2 = x1 + stride, x3 = x2 + stride;
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
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
    v128.store(sums, b0, 32);
    v128.store(sums, b1, 48);
    v128.store(sums, c0, 64);
    v128.store(sums, c1, 80);
    v128.store(sums, d0, 96);
    v128.store(sums, d1, 112);
  } else {
    for (let p: usize = 0; p < 4; p++) onePixelF32(group, columns, x + p * stride, sums + (p << 5));
  }
}

function onePixelF32(group: usize, columns: u32, x: usize, sums: usize): void {
  const end = (<usize>columns) << 2;
  if (ASC_FEATURE_SIMD) {
    let a0 = f32x4.splat(0), a1 = f32x4.splat(0);
    for (let k: usize = 0; k < end; k += 4, group += 32) {
      const p = v128.load32_splat(x + k);
      a0 = f32x4.add(a0, f32x4.mul(v128.load(group), p));
      a1 = f32x4.add(a1, f32x4.mul(v128.load(group, 16), p));
    }
    v128.store(sums, a0);
    v128.store(sums, a1, 16);
  } else {
    for (let lane: usize = 0; lane < 8; lane++) {
      let sum: f32 = 0;
      let w = group + (lane << 2);
      for (let k: usize = 0; k < end; k += 4, w += 32) sum += load<f32>(w) * load<f32>(x + k);
      store<f32>(sums + (lane << 2), sum);
    }
  }
}
