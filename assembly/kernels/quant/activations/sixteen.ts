/**
 * Activations in 16 bits ("Q16"), which every quantised matmul can multiply with. A row of K values (K a multiple of
 * 32) is K / 32 blocks of 80 bytes, one stream:
 *
 *     ┌ d f32 │ sum i32 │ sum0 i32 │ sum1 i32 │ 32 × i16 q ┐      x[i] ≈ d · q[i]
 *       d = max|x| / 32767; q = nearest(x · (1 / d)), within ±32767; sum = Σ q, sum0 = Σ q[0…15], sum1 = Σ q[16…31]
 *
 * A block whose largest magnitude is below 3.86e-34 (where 1/d would overflow) is a block of zeros with d = 0. NaN
 * counts as zero and an infinity as the largest finite number, so that every block is finite.
 *
 * 16 bits because the integer dot of SIMD128 multiplies 16 × 16 bits anyway. Cost: two passes over 32 values.
 */
import { largestFinite32 } from "../dots";

/** Bytes of a block of 32 activations. */
export const ACTIVATION_BLOCK_BYTES: usize = 80;

/** 32767 times the smallest normal number. */
const SMALLEST: f32 = 3.86e-34;

/** What is left of a value is at most half a step: in the second sixteen bits a step is that much finer. */
const REST: f32 = 32768;
const REST_SCALE: f32 = 1.0 / 32768.0;

/** Bytes of a row of `columns` activations; `columns` is a multiple of 32. */
@inline
export function activationBytes(columns: u32): usize {
  return <usize>(columns >> 5) * ACTIVATION_BLOCK_BYTES;
}

/** One row of f32 → Q16. */
export function quantizeActivations(x: usize, columns: u32, target: usize): void {
  quantizeSteps(x, columns, target, 32767);
}

/** The same with so many steps up to the largest magnitude of a block: at most 32767. */
@inline
export function quantizeSteps(x: usize, columns: u32, target: usize, steps: f32): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    const largest = largestFinite32(x);
    if (largest < SMALLEST) {
      memory.fill(target, 0, ACTIVATION_BLOCK_BYTES);
    } else {
      const d = largest / steps;
      let s0 = 0;
      let s1 = 0;
      if (ASC_FEATURE_SIMD) {
        const inverse = f32x4.splat(1 / d);
        const ones = i16x8.splat(1);
        const sum0 = i32x4.add(
          i32x4.dot_i16x8_s(quantize8(x, inverse, target + 16, steps), ones),
          i32x4.dot_i16x8_s(quantize8(x + 32, inverse, target + 32, steps), ones),
        );
        const sum1 = i32x4.add(
          i32x4.dot_i16x8_s(quantize8(x + 64, inverse, target + 48, steps), ones),
          i32x4.dot_i16x8_s(quantize8(x + 96, inverse, target + 64, steps), ones),
        );
        s0 = horizontalSum(sum0);
        s1 = horizontalSum(sum1);
      } else {
        const inverse: f32 = 1 / d;
        s0 = quantize16(x, inverse, target + 16);
        s1 = quantize16(x + 64, inverse, target + 48);
      }
      store<f32>(target, d);
      store<i32>(target, s0 + s1, 4);
      store<i32>(target, s0, 8);
      store<i32>(target, s1, 12);
    }
    x += 128;
    target += ACTIVATION_BLOCK_BYTES;
  }
}

/**
 * What `quantizeActivations` left of a row, in the same form: x[i] − d · q[i] ≈ (d / 32768) · q'[i]. With both, a
 * product has the accuracy of f32. `first` is the row that it made.
 */
export function quantizeRest(x: usize, columns: u32, first: usize, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    const d = load<f32>(first);
    let sum0 = 0;
    let sum1 = 0;
    if (d == 0) memory.fill(target, 0, ACTIVATION_BLOCK_BYTES);
    else {
      const inverse: f32 = 1 / d;
      if (ASC_FEATURE_SIMD) {
        const splat = f32x4.splat(inverse);
        const ones = i16x8.splat(1);
        const low = i32x4.add(
          i32x4.dot_i16x8_s(rest8(x, splat, first + 16, target + 16), ones),
          i32x4.dot_i16x8_s(rest8(x + 32, splat, first + 32, target + 32), ones),
        );
        const high = i32x4.add(
          i32x4.dot_i16x8_s(rest8(x + 64, splat, first + 48, target + 48), ones),
          i32x4.dot_i16x8_s(rest8(x + 96, splat, first + 64, target + 64), ones),
        );
        sum0 = horizontalSum(low);
        sum1 = horizontalSum(high);
      } else {
        sum0 = rest16(x, inverse, first + 16, target + 16);
        sum1 = rest16(x + 64, inverse, first + 48, target + 48);
      }
      store<f32>(target, d * REST_SCALE);
      store<i32>(target, sum0 + sum1, 4);
      store<i32>(target, sum0, 8);
      store<i32>(target, sum1, 12);
    }
    x += 128;
    first += ACTIVATION_BLOCK_BYTES;
    target += ACTIVATION_BLOCK_BYTES;
  }
}

/** What is left of eight values, at 32768 times its size. */
@inline
function rest8(x: usize, inverse: v128, first: usize, target: usize): v128 {
  const low = rest4(v128.load(x), inverse, v128.load16x4_s(first));
  const high = rest4(v128.load(x, 16), inverse, v128.load16x4_s(first, 8));
  const q = i16x8.max_s(i16x8.narrow_i32x4_s(low, high), i16x8.splat(-32767));
  v128.store(target, q);
  return q;
}

@inline
function rest4(x: v128, inverse: v128, q: v128): v128 {
  const left = f32x4.sub(f32x4.mul(x, inverse), f32x4.convert_i32x4_s(q));
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(left, f32x4.splat(REST))));
}

/** The scalar twin, sixteen values; returns their sum. */
function rest16(x: usize, inverse: f32, first: usize, target: usize): i32 {
  let sum = 0;
  for (let i: usize = 0; i < 16; i++) {
    const left = load<f32>(x + (i << 2)) * inverse - <f32>load<i16>(first + (i << 1));
    const q = toSixteen(nearest(left * REST));
    store<i16>(target + (i << 1), <i16>q);
    sum += q;
  }
  return sum;
}

/** Eight values to i16; returns them too. Out of ±steps saturates (narrow gives −32768, which max lifts). */
@inline
function quantize8(x: usize, inverse: v128, target: usize, steps: f32): v128 {
  const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
  const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), inverse)));
  let q = i16x8.max_s(i16x8.narrow_i32x4_s(low, high), i16x8.splat(-(<i16>steps)));
  if (steps < 32767) q = i16x8.min_s(q, i16x8.splat(<i16>steps));
  v128.store(target, q);
  return q;
}

@inline
function horizontalSum(v: v128): i32 {
  v = i32x4.add(v, v128.shuffle<i32>(v, v, 2, 3, 0, 1));
  return i32x4.extract_lane(v, 0) + i32x4.extract_lane(v, 1);
}

/** Within ±32767; NaN compares as neither and becomes 0. */
@inline
function toSixteen(scaled: f32): i32 {
  if (scaled >= 32767) return 32767;
  if (scaled <= -32767) return -32767;
  return scaled == scaled ? <i32>scaled : 0;
}

/** The scalar twin of `quantize8`, sixteen values; returns their sum. */
function quantize16(x: usize, inverse: f32, target: usize): i32 {
  let sum = 0;
  for (let i: usize = 0; i < 16; i++) {
    const q = toSixteen(nearest(load<f32>(x + (i << 2)) * inverse));
    store<i16>(target + (i << 1), <i16>q);
    sum += q;
  }
  return sum;
}
