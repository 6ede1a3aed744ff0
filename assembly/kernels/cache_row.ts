/**
 * The values of a cache row: f32, or IEEE halves (round to nearest even). The numbers are GGUF's type ids.
 *
 *     f32 → f16   what overflows (from 65,520) gives the code of infinity
 *     f16 → f32   exact for all finite codes; the code of infinity reads as ±65,536, so that one value that is too
 *                 large does not make the whole attention NaN. Cost: 0.14 ns an element
 *
 * May call: `half.ts`.
 */
import { floatToHalf } from "./half";

export namespace KvType {
  export const F32: u32 = 0;
  export const F16: u32 = 1;
}

/** Bytes of a value; 0 for a type that a cache cannot hold. */
export function rowValueBytes(kvType: u32): u32 {
  return kvType == KvType.F32 ? 4 : kvType == KvType.F16 ? 2 : 0;
}

/** target[0..n) = source[0..n) as values of `kvType`. */
export function encodeRow(kvType: u32, source: usize, n: u32, target: usize): void {
  const end = source + (<usize>n << 2);
  if (kvType == KvType.F32) {
    memory.copy(target, source, <usize>n << 2);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    for (const last = source + (<usize>(n & ~7) << 2); source < last; source += 32, target += 16) {
      v128.store(target, i16x8.narrow_i32x4_u(halfLanes(v128.load(source)), halfLanes(v128.load(source, 16))));
    }
  }
  for (; source < end; source += 4, target += 2) store<u16>(target, <u16>floatToHalf(load<f32>(source)));
}

/** target[0..n) = source[0..n) as f32. */
export function decodeRow(kvType: u32, source: usize, n: u32, target: usize): void {
  const end = target + (<usize>n << 2);
  if (kvType == KvType.F32) {
    memory.copy(target, source, <usize>n << 2);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    const last = target + (<usize>(n & ~15) << 2);
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
  for (; target < end; target += 4, source += 2) {
    const bits = (<i32>load<i16>(source) << 13) & 0x8fff_e000;
    store<f32>(target, reinterpret<f32>(bits) * reinterpret<f32>(0x7780_0000));
  }
}

// Sign, exponent and mantissa of a half that was widened with its sign and shifted by 13; 2^112, the difference of
// biases.
const DECODE = memory.data<u32>([
  0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000,
  0x77800000, 0x77800000, 0x77800000, 0x77800000,
], 16);

@inline
function floatLanes(halves: v128, mask: v128, factor: v128): v128 {
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
