/**
 * From an accumulator to a quantised value: the integer arithmetic of TensorFlow Lite Micro with two roundings, bit for
 * bit. Names are those of gemmlowp, abbreviated: srdhm SaturatingRoundingDoublingHighMul, rdp RoundingDivideByPOT, mbqm
 * MultiplyByQuantizedMultiplier.
 *
 * A real factor d is kept as a multiplier m of 31 bits and a shift s: d ≈ m · 2^(s − 31). What a group of eight
 * channels needs lies together:
 *
 *     ┌ bias' i32[8] │ 2 m u32[8] │ s i32[8] │ 2^(15 − e + e₀) i16[8] │ e₀ i32 │ – ┐   128 bytes
 *
 * bias' = bias − zero point of the input · sum of the channel's weights; kernels begin their sums with it.
 *
 * Eight lanes at once, where all channels shift to the right, by e = −s ≥ 1:
 *
 *     srdhm   of 64-bit products the upper halves alone are wanted: with 2 m as a signed number, 2 m − 2³², they are
 *             those of x · (2 m − 2³²) + 2³¹, plus x
 *     rdp     shifts that differ by lane: all by e₀, one less than the least e; then, in 16 bits, the rest by a
 *             rounding product with 2^(15 − rest). What 16 bits cut off lies beyond i8 as long as the rest is 7 at
 *             most. Where it is more, a shift by e is a product with 2^(31 − e), and then a shift by 31.
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

/** Writes what the channel `c` needs into its group's record; `closeGroups` follows once all are there. */
export function setChannel(channels: usize, c: u32, bias: i32, factor: f64): void {
  const at = channels + <usize>(c >> 3) * CHANNEL_BYTES + ((<usize>c & 7) << 2);
  store<i32>(at, bias);
  quantiseFactor(factor, at + 32, 32);
  store<u32>(at, load<u32>(at, 32) << 1, 32);
}

/** Adds to bias' of the channel `c`. */
export function addBias(channels: usize, c: u32, sum: i32): void {
  const at = channels + <usize>(c >> 3) * CHANNEL_BYTES + ((<usize>c & 7) << 2);
  store<i32>(at, load<i32>(at) + sum);
}

const SHIFTS: usize = 64;
const FRACTIONS: usize = 96;
const FIRST_SHIFT: usize = 112;
/** Instead of e₀: shifts that lie too far apart, and a channel that shifts to the left. */
const FAR_APART: i32 = -1;
const TO_THE_LEFT: i32 = -2;

/** What lanes shift by, into the records of `count` channels from `channels` on. */
export function closeGroups(channels: usize, count: u32): void {
  for (let c: u32 = 0; c < count; c += 8, channels += CHANNEL_BYTES) {
    let least: i32 = 32, most: i32 = 0;
    for (let i: usize = 0; i < <usize>min(count - c, 8); i++) {
      const e = -load<i32>(channels + (i << 2), SHIFTS);
      least = min(least, e);
      most = max(most, e);
    }
    const first = least - 1;
    store<i32>(channels, least < 1 ? TO_THE_LEFT : most - first > 7 ? FAR_APART : first, FIRST_SHIFT);
    for (let i: usize = 0; i < <usize>min(count - c, 8); i++) {
      const rest = -load<i32>(channels + (i << 2), SHIFTS) - first;
      const fraction: i32 = rest >= 1 && rest <= 15 ? 1 << (15 - rest) : 0;
      store<i16>(channels + (i << 1), <i16>fraction, FRACTIONS);
    }
  }
}

const HALF = memory.data<i64>([0x8000_0000, 0x8000_0000], 16);
const QUARTER = memory.data<i64>([0x4000_0000, 0x4000_0000], 16);

/** srdhm of four accumulators and their 2 m, less one where it is below zero: what rdp begins with. */
@inline
export function roundedProduct(x: v128, doubled: v128): v128 {
  const half = v128.load(HALF);
  const low = i64x2.add(i64x2.extmul_low_i32x4_s(x, doubled), half);
  const high = i64x2.add(i64x2.extmul_high_i32x4_s(x, doubled), half);
  const y = i32x4.add(v128.shuffle<i32>(low, high, 1, 3, 5, 7), x);
  return i32x4.add(y, i32x4.shr_s(y, 31));
}

/** rdp of what roundedProduct gives, by −s of each lane. */
@inline
function shiftApart(y: v128, s: v128): v128 {
  const quarter = v128.load(QUARTER);
  // 2^(31 + s), as the exponent of a float first.
  const power = i32x4.trunc_sat_f32x4_s(i32x4.shl(i32x4.add(s, i32x4.splat(158)), 23));
  const low = i64x2.shr_u(i64x2.add(i64x2.extmul_low_i32x4_s(y, power), quarter), 31);
  const high = i64x2.shr_u(i64x2.add(i64x2.extmul_high_i32x4_s(y, power), quarter), 31);
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

/** Eight accumulators times their factors, whose shifts lie far apart, in 16 bits. */
function scaleApart(a: v128, b: v128, group: usize): v128 {
  const first = shiftApart(roundedProduct(a, v128.load(group, 32)), v128.load(group, SHIFTS));
  const second = shiftApart(roundedProduct(b, v128.load(group, 48)), v128.load(group, SHIFTS + 16));
  return i16x8.narrow_i32x4_s(first, second);
}

/**
 * Eight accumulators of one pixel, bias' in them → `count` ≤ 8 values of i8 at `target`: factor, zero point, range.
 * `sums` has room for the eight.
 */
@inline
export function requantiseLanes(
  a: v128, b: v128, group: usize, target: usize, count: u32, zero: i32, low: i32, high: i32, sums: usize,
): void {
  const shift = load<i32>(group, FIRST_SHIFT);
  if (shift == TO_THE_LEFT) {
    v128.store(sums, a);
    v128.store(sums, b, 16);
    oneByOne(sums, group, target, count, zero, low, high);
    return;
  }
  let y: v128;
  if (shift == FAR_APART) {
    y = scaleApart(a, b, group);
  } else {
    const first = i32x4.shr_s(roundedProduct(a, v128.load(group, 32)), shift);
    const second = i32x4.shr_s(roundedProduct(b, v128.load(group, 48)), shift);
    y = i16x8.q15mulr_sat_s(i16x8.narrow_i32x4_s(first, second), v128.load(group, FRACTIONS));
  }
  y = i16x8.add_sat_s(y, i16x8.splat(<i16>zero));
  y = i16x8.min_s(i16x8.max_s(y, i16x8.splat(<i16>low)), i16x8.splat(<i16>high));
  const bytes = i8x16.narrow_i16x8_s(y, y);
  if (count == 8) {
    v128.store64_lane(target, bytes, 0);
  } else {
    v128.store64_lane(sums, bytes, 0);
    memory.copy(target, sums, count);
  }
}

/** The same of accumulators at `sums`. */
export function requantise(sums: usize, group: usize, target: usize, count: u32, zero: i32, low: i32, high: i32): void {
  if (ASC_FEATURE_SIMD) {
    requantiseLanes(v128.load(sums), v128.load(sums, 16), group, target, count, zero, low, high, sums);
  } else {
    oneByOne(sums, group, target, count, zero, low, high);
  }
}

function oneByOne(sums: usize, group: usize, target: usize, count: u32, zero: i32, low: i32, high: i32): void {
  for (let c: usize = 0; c < <usize>count; c++) {
    const at = group + (c << 2);
    const y = <i64>mbqm(load<i32>(sums + (c << 2)), <i32>(load<u32>(at, 32) >> 1), load<i32>(at, 64)) + zero;
    store<i8>(target + c, <i8>min(max(y, <i64>low), <i64>high));
  }
}
