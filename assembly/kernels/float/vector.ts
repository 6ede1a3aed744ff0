/**
 * Vectors of f32: add, scale, copy, dot, axpy, and whether they are finite. No alignment is asked.
 *
 * A sum has one tree in both builds, whatever its length:
 *
 *     chain  0 1 2 3 │ 4 5 6 7 │ 8 … 11 │ 12 … 15     element i goes to chain i mod 16; what is left after the last 16
 *              A     +    B    +   C    +    D        goes to chains 0..3 four by four
 *     lanes  l = (A + B) + (C + D),  sum = (l0 + l2) + (l1 + l3), then the last n mod 4 elements one by one
 */
import { multiplyAdd } from "./fused";

/** (l0 + l2) + (l1 + l3): the order in which lanes are summed everywhere. */
@inline
export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, i32x4.shuffle(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** target += source. */
export function add(target: usize, source: usize, n: u32): void {
  const end = target + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    for (const last = target + ((<usize>(n & ~3)) << 2); target < last; target += 16, source += 16) {
      v128.store(target, f32x4.add(v128.load(target), v128.load(source)));
    }
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) + load<f32>(source));
  }
}

/** Whether all values are finite: x · 0 is 0 then, and NaN otherwise, which stays in any sum. */
export function allFinite(x: usize, n: u32): bool {
  let sum: f32 = 0;
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0);
    let sums = zero;
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) {
      sums = f32x4.add(sums, f32x4.mul(v128.load(x), zero));
    }
    sum = sumLanes(sums);
  }
  for (; x < end; x += 4) sum += load<f32>(x) * 0;
  return sum == 0;
}

/** x *= factor. */
export function scale(x: usize, factor: f32, n: u32): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const factors = f32x4.splat(factor);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) {
      v128.store(x, f32x4.mul(v128.load(x), factors));
    }
  }
  for (; x < end; x += 4) store<f32>(x, load<f32>(x) * factor);
}

/** target *= source. */
export function multiply(target: usize, source: usize, n: u32): void {
  const end = target + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    for (const last = target + ((<usize>(n & ~3)) << 2); target < last; target += 16, source += 16) {
      v128.store(target, f32x4.mul(v128.load(target), v128.load(source)));
    }
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) * load<f32>(source));
  }
}

/** target = source; they may overlap. */
@inline
export function copy(target: usize, source: usize, n: u32): void {
  memory.copy(target, source, (<usize>n) << 2);
}

/** x divided by its length (L2), the sum of squares being f64 in order; zeros stay. */
export function normalize(x: usize, n: u32): void {
  let sum: f64 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const value = <f64>load<f32>(x + ((<usize>i) << 2));
    sum += value * value;
  }
  if (sum > 0) scale(x, <f32>(1.0 / sqrt<f64>(sum)), n);
}

/** target += factor·source. */
export function axpy(target: usize, factor: f32, source: usize, n: u32): void {
  const end = target + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const factors = f32x4.splat(factor);
    for (const last = target + ((<usize>(n & ~7)) << 2); target < last; target += 32, source += 32) {
      v128.store(target, multiplyAdd(factors, v128.load(source), v128.load(target)));
      v128.store(target, multiplyAdd(factors, v128.load(source, 16), v128.load(target, 16)), 16);
    }
  }
  for (; target < end; target += 4, source += 4) {
    store<f32>(target, load<f32>(target) + factor * load<f32>(source));
  }
}

/** Σ a·b. */
export function dot(a: usize, b: usize, n: u32): f32 {
  const start = a;
  const last16 = start + ((<usize>(n & ~15)) << 2);
  const last4 = start + ((<usize>(n & ~3)) << 2);
  const end = start + ((<usize>n) << 2);
  let sum: f32;
  if (ASC_FEATURE_SIMD) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (; a < last16; a += 64, b += 64) {
      s0 = multiplyAdd(v128.load(a), v128.load(b), s0);
      s1 = multiplyAdd(v128.load(a, 16), v128.load(b, 16), s1);
      s2 = multiplyAdd(v128.load(a, 32), v128.load(b, 32), s2);
      s3 = multiplyAdd(v128.load(a, 48), v128.load(b, 48), s3);
    }
    for (; a < last4; a += 16, b += 16) s0 = multiplyAdd(v128.load(a), v128.load(b), s0);
    sum = sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  } else {
    let s0: f32 = 0, s1: f32 = 0, s2: f32 = 0, s3: f32 = 0;
    let s4: f32 = 0, s5: f32 = 0, s6: f32 = 0, s7: f32 = 0;
    let s8: f32 = 0, s9: f32 = 0, s10: f32 = 0, s11: f32 = 0;
    let s12: f32 = 0, s13: f32 = 0, s14: f32 = 0, s15: f32 = 0;
    for (; a < last16; a += 64, b += 64) {
      s0 += load<f32>(a) * load<f32>(b);
      s1 += load<f32>(a, 4) * load<f32>(b, 4);
      s2 += load<f32>(a, 8) * load<f32>(b, 8);
      s3 += load<f32>(a, 12) * load<f32>(b, 12);
      s4 += load<f32>(a, 16) * load<f32>(b, 16);
      s5 += load<f32>(a, 20) * load<f32>(b, 20);
      s6 += load<f32>(a, 24) * load<f32>(b, 24);
      s7 += load<f32>(a, 28) * load<f32>(b, 28);
      s8 += load<f32>(a, 32) * load<f32>(b, 32);
      s9 += load<f32>(a, 36) * load<f32>(b, 36);
      s10 += load<f32>(a, 40) * load<f32>(b, 40);
      s11 += load<f32>(a, 44) * load<f32>(b, 44);
      s12 += load<f32>(a, 48) * load<f32>(b, 48);
      s13 += load<f32>(a, 52) * load<f32>(b, 52);
      s14 += load<f32>(a, 56) * load<f32>(b, 56);
      s15 += load<f32>(a, 60) * load<f32>(b, 60);
    }
    for (; a < last4; a += 16, b += 16) {
      s0 += load<f32>(a) * load<f32>(b);
      s1 += load<f32>(a, 4) * load<f32>(b, 4);
      s2 += load<f32>(a, 8) * load<f32>(b, 8);
      s3 += load<f32>(a, 12) * load<f32>(b, 12);
    }
    const l0 = s0 + s4 + (s8 + s12);
    const l1 = s1 + s5 + (s9 + s13);
    const l2 = s2 + s6 + (s10 + s14);
    const l3 = s3 + s7 + (s11 + s15);
    sum = l0 + l2 + (l1 + l3);
  }
  for (; a < end; a += 4, b += 4) sum += load<f32>(a) * load<f32>(b);
  return sum;
}
