/**
 * From an accumulator to a quantised value: the integer arithmetic of TensorFlow Lite Micro with two roundings, bit for
 * bit. Names are those of gemmlowp, abbreviated: srdhm SaturatingRoundingDoublingHighMul, rdp RoundingDivideByPOT, mbqm
 * MultiplyByQuantizedMultiplier.
 *
 * A real factor d is kept as a multiplier m of 31 bits and a shift s: d ≈ m · 2^(s − 31). What a group of eight
 * channels needs lies together:
 *
 *     ┌ bias' i32[8] │ multiplier i32[8] │ shift i32[8] │ 2^(31 + shift) i32[8] ┐   128 bytes
 *
 * bias' = bias − zero point of the input · sum of the channel's weights. Lanes whose shifts differ need no shift by
 * lane: a right shift by e is a product with 2^(31 − e), then the same 31 as before.
 */

export const CHANNEL_BYTES: usize = 128;

/** round(a · b · 2^−31), half up; only −2³¹ · −2³¹ saturates. */
@inline
export function srdhm(a: i32, b: i32): i32 {
  if (a == i32.MIN_VALUE && b == i32.MIN_VALUE) return i32.MAX_VALUE;
  return <i32>((<i64>a * <i64>b + (1 << 30)) >> 31);
}

/** round(x · 2^−e), half away from zero, for 0 ≤ e ≤ 31. */
@inline
export function rdp(x: i32, e: i32): i32 {
  return e == 0 ? x : <i32>((<i64>x + ((<i64>1) << (e - 1)) - i64(x < 0)) >> e);
}

/** x · m · 2^(s − 31): a shift to the left wraps. */
@inline
export function mbqm(x: i32, m: i32, s: i32): i32 {
  return rdp(srdhm(x << max(s, 0), m), max(-s, 0));
}

/** Half away from zero. */
@inline
export function roundAway(x: f64): f64 {
  return x < 0 ? ceil(x - 0.5) : floor(x + 0.5);
}

/** A real factor ≥ 0 as multiplier i32 at `target` and shift i32 `apart` bytes on; what is too small is 0. */
export function quantiseFactor(d: f64, target: usize, apart: usize = 4): void {
  let m: i64 = 0;
  let s: i32 = 0;
  if (d > 0 && d < Infinity) {
    const bits = reinterpret<u64>(d);
    s = <i32>(bits >> 52) - 1022;
    // d = q · 2^s with ½ ≤ q < 1.
    const q = reinterpret<f64>((bits & 0x000f_ffff_ffff_ffff) | 0x3fe0_0000_0000_0000);
    m = <i64>floor(q * 2147483648.0 + 0.5);
    if (m == 0x8000_0000) {
      m >>= 1;
      s += 1;
    }
    if (s < -31) {
      m = 0;
      s = 0;
    } else if (s > 30) {
      m = 0x7fff_ffff;
      s = 30;
    }
  }
  store<i32>(target, <i32>m);
  store<i32>(target + apart, s);
}

/** Writes what the channel `c` needs into its group's record. */
export function setChannel(channels: usize, c: u32, bias: i32, factor: f64): void {
  const at = channels + <usize>(c >> 3) * CHANNEL_BYTES + ((<usize>c & 7) << 2);
  store<i32>(at, bias);
  quantiseFactor(factor, at + 32, 32);
  const shift = load<i32>(at, 64);
  store<i32>(at, shift < 0 ? 1 << (31 + shift) : 0, 96);
}

/** Whether all channels shift to the right, so that lanes may do it: `groups` of `count`, each in `padded` records. */
export function shiftRight(channels: usize, count: u32, padded: u32, groups: u32): bool {
  for (let i: u32 = 0; i < groups * count; i++) {
    const c = (i / count) * padded + (i % count);
    const at = channels + <usize>(c >> 3) * CHANNEL_BYTES + ((<usize>c & 7) << 2);
    if (load<i32>(at, 64) >= 0) return false;
  }
  return true;
}

const HALF = memory.data<i64>([0x4000_0000, 0x4000_0000], 16);

/** Four accumulators, with their multipliers and 2^(31 − e): all e ≥ 1. */
@inline
export function mbqmLanes(x: v128, multiplier: v128, power: v128): v128 {
  const half = v128.load(HALF);
  const low = i64x2.shr_s(i64x2.add(i64x2.extmul_low_i32x4_s(x, multiplier), half), 31);
  const high = i64x2.shr_s(i64x2.add(i64x2.extmul_high_i32x4_s(x, multiplier), half), 31);
  const y = v128.shuffle<i32>(low, high, 0, 2, 4, 6);
  // rdp takes one off what is below zero; no sum leaves 32 bits, for |y| < 2³¹.
  const z = i32x4.add(y, i32x4.shr_s(y, 31));
  const first = i64x2.shr_s(i64x2.add(i64x2.extmul_low_i32x4_s(z, power), half), 31);
  const second = i64x2.shr_s(i64x2.add(i64x2.extmul_high_i32x4_s(z, power), half), 31);
  return v128.shuffle<i32>(first, second, 0, 2, 4, 6);
}

/**
 * Eight accumulators of one pixel at `sums` → `count` ≤ 8 values of i8 at `target`: bias', factor, zero point, range.
 * `right`: all channels shift to the right.
 */
@inline
export function requantise(
  sums: usize, group: usize, target: usize, count: u32, zero: i32, low: i32, high: i32, right: bool,
): void {
  if (ASC_FEATURE_SIMD && right) {
    const first = mbqmLanes(i32x4.add(v128.load(sums), v128.load(group)), v128.load(group, 32), v128.load(group, 96));
    const second = mbqmLanes(
      i32x4.add(v128.load(sums, 16), v128.load(group, 16)), v128.load(group, 48), v128.load(group, 112),
    );
    let y = i16x8.add_sat_s(i16x8.narrow_i32x4_s(first, second), i16x8.splat(<i16>zero));
    y = i16x8.min_s(i16x8.max_s(y, i16x8.splat(<i16>low)), i16x8.splat(<i16>high));
    const bytes = i8x16.narrow_i16x8_s(y, y);
    if (count == 8) {
      v128.store64_lane(target, bytes, 0);
    } else {
      v128.store64_lane(sums, bytes, 0);
      memory.copy(target, sums, count);
    }
    return;
  }
  for (let c: usize = 0; c < <usize>count; c++) {
    const at = group + (c << 2);
    const sum = load<i32>(sums + (c << 2)) + load<i32>(at);
    const y = <i64>mbqm(sum, load<i32>(at, 32), load<i32>(at, 64)) + zero;
    store<i8>(target + c, <i8>min(max(y, <i64>low), <i64>high));
  }
}
