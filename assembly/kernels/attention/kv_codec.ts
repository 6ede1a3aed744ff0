/**
 * The values of a cache row, vector by vector (a head's key, a latent): f32, IEEE halves, or bytes in blocks of 32 with
 * a half scale. The numbers are GGUF's type ids.
 *
 *     f32 → f16    to nearest even; what overflows (from 65,520) gives the code of infinity
 *     f16 → f32    exact for all finite codes; the code of infinity reads as ±65,536, so that one value that is too
 *                  large does not make the whole attention NaN. Cost: 0.14 ns an element
 *     q8_0         ┌ d h │ 32 bytes q ┐ … ┌ d h │ n mod 32 bytes, filled up to an even number ┐
 *                  x ≈ d · q, d = max|x| / 127 as a half, q = nearest(x / d) within a byte; NaN is 0. No block holds
 *                  values of two vectors, so that heads can be read one by one
 */
import { floatToHalf } from "../float/half";

export namespace KvType {
  export const F32: u32 = 0;
  export const F16: u32 = 1;
  export const Q8_0: u32 = 8;
}

/** Values and bytes of a whole block of Q8_0. */
export const BLOCK_VALUES: u32 = 32;
export const BLOCK_BYTES: u32 = 34;

/** Whether a cache can hold values of this type. */
export function isKvType(kvType: u32): bool {
  return kvType == KvType.F32 || kvType == KvType.F16 || kvType == KvType.Q8_0;
}

/** Bytes of a vector of `n` values. */
export function vectorBytes(kvType: u32, n: u32): u32 {
  if (kvType != KvType.Q8_0) return kvType == KvType.F32 ? n << 2 : n << 1;
  const rest = n & (BLOCK_VALUES - 1);
  return (n / BLOCK_VALUES) * BLOCK_BYTES + (rest == 0 ? 0 : (rest + 3) & ~1);
}

/**
 * The type of a latent row's rope key: never bytes, for turning it to another position would round it again and again.
 */
@inline
export function ropeKeyType(kvType: u32): u32 {
  return kvType == KvType.Q8_0 ? KvType.F16 : kvType;
}

/** target = `count` vectors of `n` values of source, as values of `kvType`. */
export function encodeVectors(kvType: u32, source: usize, count: u32, n: u32, target: usize): void {
  const bytes = <usize>vectorBytes(kvType, n);
  for (; count > 0; count--, source += (<usize>n) << 2, target += bytes) encodeRow(kvType, source, n, target);
}

/** target = `count` vectors of `n` values of `kvType`, as f32. */
export function decodeVectors(kvType: u32, source: usize, count: u32, n: u32, target: usize): void {
  if (kvType != KvType.Q8_0 || (n & (BLOCK_VALUES - 1)) == 0) {
    decodeRow(kvType, source, count * n, target);
    return;
  }
  const bytes = <usize>vectorBytes(kvType, n);
  for (; count > 0; count--, source += bytes, target += (<usize>n) << 2) decodeRow(kvType, source, n, target);
}

/** target = the vector source[0..n) as values of `kvType`. */
export function encodeRow(kvType: u32, source: usize, n: u32, target: usize): void {
  if (kvType == KvType.F32) memory.copy(target, source, (<usize>n) << 2);
  else if (kvType == KvType.F16) encodeHalves(source, n, target);
  else encodeBlocks(source, n, target);
}

/** target[0..n) = the vector source as f32. */
export function decodeRow(kvType: u32, source: usize, n: u32, target: usize): void {
  if (kvType == KvType.F32) memory.copy(target, source, (<usize>n) << 2);
  else if (kvType == KvType.F16) decodeHalves(source, n, target);
  else decodeBlocks(source, n, target);
}

function encodeHalves(source: usize, n: u32, target: usize): void {
  const end = source + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    for (const last = source + ((<usize>(n & ~7)) << 2); source < last; source += 32, target += 16) {
      v128.store(target, i16x8.narrow_i32x4_u(halfLanes(v128.load(source)), halfLanes(v128.load(source, 16))));
    }
  }
  for (; source < end; source += 4, target += 2) store<u16>(target, <u16>floatToHalf(load<f32>(source)));
}

function decodeHalves(source: usize, n: u32, target: usize): void {
  const end = target + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const last = target + ((<usize>(n & ~15)) << 2);
    if (target < last) {
      const mask = v128.load(DECODE);
      const factor = v128.load(DECODE, 16);
      for (; target < last; target += 64, source += 32) {
        v128.store(target, floatLanes(v128.load16x4_s(source), mask, factor));
        v128.store(target, floatLanes(v128.load16x4_s(source, 8), mask, factor), 16);
        v128.store(target, floatLanes(v128.load16x4_s(source, 16), mask, factor), 32);
        v128.store(target, floatLanes(v128.load16x4_s(source, 24), mask, factor), 48);
      }
    }
  }
  for (; target < end; target += 4, source += 2) store<f32>(target, finiteHalf(source));
}

/** The half at `p`, the codes of infinity and NaN as finite numbers too. */
@inline
export function finiteHalf(p: usize): f32 {
  return reinterpret<f32>(((<i32>load<i16>(p)) << 13) & 0x8fff_e000) * reinterpret<f32>(0x7780_0000);
}

function encodeBlocks(source: usize, n: u32, target: usize): void {
  while (n > 0) {
    const many = min<u32>(n, BLOCK_VALUES);
    const d = encodeScale(largestOf(source, many), target);
    const inverse: f32 = d > 0 ? <f32>1 / d : 0;
    target += 2;
    let i: u32 = 0;
    if (ASC_FEATURE_SIMD) {
      const inverses = f32x4.splat(inverse);
      for (; i + 8 <= many; i += 8, source += 32, target += 8) {
        const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(source), inverses)));
        const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(source, 16), inverses)));
        const words = i16x8.narrow_i32x4_s(low, high);
        v128.store64_lane(target, i8x16.narrow_i16x8_s(words, words), 0);
      }
    }
    for (; i < many; i++, source += 4, target++) store<i8>(target, byteOf(load<f32>(source) * inverse));
    if (many & 1) store<u8>(target++, 0);
    n -= many;
  }
}

/** Writes max|x| / 127 as a finite half, and gives what will be read. */
@inline
function encodeScale(largest: f32, target: usize): f32 {
  store<u16>(target, <u16>min<u32>(floatToHalf(largest / 127), 0x7bff));
  return finiteHalf(target);
}

/** The largest magnitude; NaNs are passed over. */
export function largestOf(x: usize, n: u32): f32 {
  let largest: f32 = 0;
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    let top = f32x4.splat(0);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) top = f32x4.pmax(top, f32x4.abs(v128.load(x)));
    top = f32x4.pmax(top, i32x4.shuffle(top, top, 2, 3, 0, 1));
    top = f32x4.pmax(top, i32x4.shuffle(top, top, 1, 0, 3, 2));
    largest = f32x4.extract_lane(top, 0);
  }
  for (; x < end; x += 4) {
    const magnitude = abs(load<f32>(x));
    if (largest < magnitude) largest = magnitude;
  }
  return largest;
}

/** To nearest, ties to even, within a byte; NaN gives 0. */
@inline
function byteOf(x: f32): i8 {
  if ((reinterpret<u32>(x) & 0x7fff_ffff) > 0x7f80_0000) return 0;
  return <i8>(<i32>nearest<f32>(max<f32>(min<f32>(x, 127), -128)));
}

function decodeBlocks(source: usize, n: u32, target: usize): void {
  for (; n > 0; source += <usize>BLOCK_BYTES) {
    const many = min<u32>(n, BLOCK_VALUES);
    const d = finiteHalf(source);
    let at = source + 2;
    let i: u32 = 0;
    if (ASC_FEATURE_SIMD) {
      const scales = f32x4.splat(d);
      for (; i + 8 <= many; i += 8, at += 8, target += 32) {
        const words = v128.load8x8_s(at);
        v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words)), scales));
        v128.store(target, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(words)), scales), 16);
      }
    }
    for (; i < many; i++, at++, target += 4) store<f32>(target, <f32>load<i8>(at) * d);
    n -= many;
  }
}

// Sign, exponent and mantissa of a half that was widened with its sign and shifted by 13; 2^112, the difference of
// biases.
export const DECODE = memory.data<u32>([
  0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000,
  0x77800000, 0x77800000, 0x77800000, 0x77800000,
], 16);

/** Four halves that were widened with their signs, `mask` and `factor` being those of `DECODE`. */
@inline
export function floatLanes(halves: v128, mask: v128, factor: v128): v128 {
  return f32x4.mul(v128.and(i32x4.shl(halves, 13), mask), factor);
}

/** `floatToHalf` of four lanes, as u32. */
@inline
function halfLanes(x: v128): v128 {
  const sign = v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000));
  const magnitude = v128.and(x, i32x4.splat(0x7fff_ffff));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xfff - 0x3800_0000)), odd), 13);
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), i32x4.splat(0x3f00_0000));
  let half = v128.bitselect(subnormal, normal, i32x4.lt_s(magnitude, i32x4.splat(0x3880_0000)));
  half = v128.bitselect(i32x4.splat(0x7c00), half, i32x4.ge_s(magnitude, i32x4.splat(0x477f_f000)));
  half = v128.bitselect(i32x4.splat(0x7e00), half, i32x4.gt_s(magnitude, i32x4.splat(0x7f80_0000)));
  return v128.or(half, sign);
}
