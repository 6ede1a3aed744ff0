/**
 * Activations in bytes, which the fast build multiplies codes of up to seven bits with (blocks32/multiply_bytes.ts). A
 * row of K values (K a multiple of 32) has K / 32 blocks of 64 bytes for the first digits and as many for the second:
 *
 *     ┌ first digits of columns 0…31 ┬ … of 32…63 ┬ … ┐┌ second digits of columns 0…31 ┬ … ┐
 *       block   ┌ d f32 │ s f32 │ pair 2 × i16 │ pair0 2 × i16 │ minus 4 × i32 │ 32 × i8 q ┐
 *         s = d · Σ q; pair = sums of q over even and over odd columns, pair0 = those of columns 0…15;
 *         minus = −Σ q times 1, 8, 12 and 16: what sums of codes with such an offset begin with
 *
 *     x[i] ≈ d₁ · q₁[i]  [ + d₂ · q₂[i] ]      d₁ = max|x| / 127,  d₂ = d₁ / 254 for what rounding left;  |q| ≤ 127
 *
 * One digit has 8 bits, two have 15. A block whose largest magnitude stands out of its row (outliers live in few
 * channels and make the steps of their neighbours coarse) gets a second digit, and the last bit of its d₁ says so; the
 * others' second blocks are zeros, which products skip.
 *
 * Of each eight columns the bytes lie in the order 0 4 1 5 2 6 3 7, in which low and high nibbles of a packed row lie
 * (quant/layout.ts): four bytes meet the four bytes of an i32 lane. A block whose largest magnitude is tiny is
 * a block of zeros, NaN counts as zero and an infinity as the largest finite number (activations/sixteen.ts).
 */
import { largestFinite32 } from "../dots";

/** Bytes of one digit of 32 activations. */
export const DIGIT_BYTES: usize = 64;

/** 127 · 254 times the smallest normal number, and a little. */
const SMALLEST: f32 = 3.86e-34;

/** From the first to the second digit of a block. */
@inline
export function secondDigit(columns: u32): usize {
  return <usize>(columns >> 5) * DIGIT_BYTES;
}

/** Bytes of a row: an odd number of cache lines, else rows of a batch would meet in a few sets of the first cache. */
@inline
export function digitRowBytes(columns: u32): usize {
  return 2 * secondDigit(columns) + 64;
}

/** Whether a block has a second digit. */
@inline
export function hasSecond(block: usize): bool {
  return (load<u32>(block) & 1) != 0;
}

/** Where in a block −offset · Σ q lies: for an offset of 1, 8, 12 or 16. */
@inline
export function minusSums(offset: i32): usize {
  return offset == 1 ? 16 : offset == 8 ? 20 : offset == 12 ? 24 : 28;
}

/** One row of f32 → digits; blocks above `limit` times the mean of all largest magnitudes get two. */
export function quantizeBytes(x: usize, columns: u32, target: usize, limit: f32): void {
  let total: f32 = 0;
  for (let at: usize = 0, end = (<usize>columns) << 2; at < end; at += 128) total += largestFinite32(x + at);
  const bound = limit * (total / <f32>(columns >> 5));
  let second = target + secondDigit(columns);
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    const largest = largestFinite32(x);
    const two = largest > bound;
    if (largest < SMALLEST) {
      memory.fill(target, 0, DIGIT_BYTES);
    } else {
      const d = reinterpret<f32>((reinterpret<u32>(largest / 127) & ~1) | u32(two));
      putDigit(x, d, 1 / d, 0, target);
      if (two) putDigit(x, d / 254, 1 / d, 254, second);
    }
    if (!two || largest < SMALLEST) memory.fill(second, 0, DIGIT_BYTES);
    x += 128;
    target += DIGIT_BYTES;
    second += DIGIT_BYTES;
  }
}

/** Writes a block: the first digits, or with `finer` what they leave, in steps that many times finer. */
function putDigit(x: usize, d: f32, inverse: f32, finer: f32, target: usize): void {
  const first = put16(x, inverse, finer, target + 32);
  const pair0 = pairOf(first);
  const pair = i16x8.add(pair0, pairOf(put16(x + 64, inverse, finer, target + 48)));
  const sum = i32x4.extract_lane(i32x4.dot_i16x8_s(pair, i16x8.splat(1)), 0);
  store<f32>(target, d);
  store<f32>(target, d * <f32>sum, 4);
  store<i32>(target, i32x4.extract_lane(pair, 0), 8);
  store<i32>(target, i32x4.extract_lane(pair0, 0), 12);
  v128.store(target, i32x4.mul(i32x4.splat(-sum), i32x4(1, 8, 12, 16)), 16);
}

@inline
function put16(x: usize, inverse: f32, finer: f32, target: usize): v128 {
  const i = f32x4.splat(inverse);
  const f = f32x4.splat(finer);
  const low = i16x8.narrow_i32x4_s(digit4(x, i, f), digit4(x + 16, i, f));
  const high = i16x8.narrow_i32x4_s(digit4(x + 32, i, f), digit4(x + 48, i, f));
  const bytes = i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(-127));
  const ordered = i8x16.shuffle(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  v128.store(target, ordered);
  return ordered;
}

/** Four values as integers. */
@inline
function digit4(x: usize, inverse: v128, finer: v128): v128 {
  const scaled = f32x4.mul(v128.load(x), inverse);
  const first = f32x4.nearest(scaled);
  const second = f32x4.nearest(f32x4.mul(f32x4.sub(scaled, first), finer));
  return i32x4.trunc_sat_f32x4_s(v128.bitselect(first, second, f32x4.eq(finer, f32x4.splat(0))));
}

/** Sums of the even and of the odd columns of 16 ordered bytes, as i16 lanes 0 and 1. */
@inline
function pairOf(ordered: v128): v128 {
  let sums = i16x8.extadd_pairwise_i8x16_s(ordered);
  sums = i16x8.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i16x8.add(sums, v128.shuffle<i32>(sums, sums, 1, 0, 3, 2));
}
