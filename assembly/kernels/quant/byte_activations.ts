/**
 * Activations in bytes: what the fast build multiplies codes of up to seven bits with (kernels/quant/byte_driver.ts). A
 * row of K values (K a multiple of 32) is K / 32 blocks of one or two parts of 48 bytes:
 *
 *     ┌ d f32 │ s f32 │ pair 2 × i16 │ pair0 2 × i16 │ 32 × i8 q ┐
 *       pair = sums of q over even and over odd columns; pair0 = those of columns 0…15
 *
 *     EIGHT    one part             x[i] ≈ d · q[i]                       d = max|x| / 127, s = d · Σ q
 *     HALVES   an upper and a lower part   x[i] ≈ d · (255 · u[i] + l[i])   d = max|x| / 32385, s = d · Σ (255 u + l)
 *              (d and s in the upper part)
 *
 * All bytes lie within ±127; base 255 makes the two halves symmetric. Of each eight columns the bytes lie in the order
 * 0 4 1 5 2 6 3 7, in which low and high nibbles of a packed row lie (kernels/quant/layout.ts): four bytes meet the
 * four bytes of an i32 lane.
 *
 * A block whose largest magnitude is tiny is a block of zeros, NaN counts as zero and an infinity as the largest finite
 * number, as in kernels/quant/activations.ts.
 *
 * May call: nothing.
 */

/** Bytes of a part of 32 activations. */
export const PART_BYTES: usize = 48;

const LARGEST: f32 = 3.4028234663852886e38;
/** 32385 times the smallest normal number, and a little. */
const SMALLEST: f32 = 3.86e-34;

/** One row of f32 → blocks of EIGHT, or of HALVES. */
export function quantizeBytes(x: usize, columns: u32, target: usize, halves: bool): void {
  const bytes: usize = halves ? 2 * PART_BYTES : PART_BYTES;
  const steps: f32 = halves ? 32385 : 127;
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    const largest = largestOf32(x);
    if (largest < SMALLEST) {
      memory.fill(target, 0, bytes);
    } else {
      const d = (largest > LARGEST ? LARGEST : largest) / steps;
      const inverse: f32 = 1 / d;
      let sum = putPart(x, inverse, halves ? UPPER : WHOLE, target);
      if (halves) sum = 255 * sum + putPart(x, inverse, LOWER, target + PART_BYTES);
      store<f32>(target, d);
      store<f32>(target, d * <f32>sum, 4);
    }
    x += 128;
    target += bytes;
  }
}

// pmax(a, b) is a < b ? b : a: a NaN in b never wins.
@inline
function largestOf32(x: usize): f32 {
  let m0 = f32x4.splat(0);
  let m1 = f32x4.splat(0);
  for (let i: usize = 0; i < 128; i += 32) {
    m0 = f32x4.pmax(m0, f32x4.abs(v128.load(x + i)));
    m1 = f32x4.pmax(m1, f32x4.abs(v128.load(x + i, 16)));
  }
  m0 = f32x4.pmax(m0, m1);
  m0 = f32x4.pmax(m0, v128.shuffle<i32>(m0, m0, 2, 3, 0, 1));
  m0 = f32x4.pmax(m0, v128.shuffle<i32>(m0, m0, 1, 0, 3, 2));
  return f32x4.extract_lane(m0, 0);
}

/** Which digit of a value a part holds. */
const WHOLE: i32 = 0;
const UPPER: i32 = 1;
const LOWER: i32 = 2;

/** Writes 32 bytes and their pairs of sums; returns the sum of all. */
function putPart(x: usize, inverse: f32, digit: i32, target: usize): i32 {
  const first = put16(x, inverse, digit, target + 16);
  const pair0 = pairOf(first);
  const pair = i16x8.add(pair0, pairOf(put16(x + 64, inverse, digit, target + 32)));
  store<i32>(target, i32x4.extract_lane(pair, 0), 8);
  store<i32>(target, i32x4.extract_lane(pair0, 0), 12);
  return i32x4.extract_lane(i32x4.dot_i16x8_s(pair, i16x8.splat(1)), 0);
}

@inline
function put16(x: usize, inverse: f32, digit: i32, target: usize): v128 {
  const i = f32x4.splat(inverse);
  const low = i16x8.narrow_i32x4_s(digit4(x, i, digit), digit4(x + 16, i, digit));
  const high = i16x8.narrow_i32x4_s(digit4(x + 32, i, digit), digit4(x + 48, i, digit));
  const bytes = i8x16.max_s(i8x16.narrow_i16x8_s(low, high), i8x16.splat(-127));
  const ordered = i8x16.shuffle(bytes, bytes, 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  v128.store(target, ordered);
  return ordered;
}

/** Four values as integers. */
@inline
function digit4(x: usize, inverse: v128, digit: i32): v128 {
  let q = f32x4.nearest(f32x4.mul(v128.load(x), inverse));
  if (digit != WHOLE) {
    const limit = f32x4.splat(32385);
    q = f32x4.pmax(f32x4.pmin(q, limit), f32x4.neg(limit));
    const upper = f32x4.nearest(f32x4.mul(q, f32x4.splat(1 / <f32>255)));
    q = digit == UPPER ? upper : f32x4.sub(q, f32x4.mul(upper, f32x4.splat(255)));
  }
  return i32x4.trunc_sat_f32x4_s(q);
}

/** Sums of the even and of the odd columns of 16 ordered bytes, as i16 lanes 0 and 1. */
@inline
function pairOf(ordered: v128): v128 {
  let sums = i16x8.extadd_pairwise_i8x16_s(ordered);
  sums = i16x8.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
  return i16x8.add(sums, v128.shuffle<i32>(sums, sums, 1, 0, 3, 2));
}
