/**
 * Norms of a row:
 *
 *     RMSNorm         target = weight · x / √(mean(x²) + ε)
 *     … ε outside     target = weight · x / (√mean(x²) + ε)
 *     L2              target = x / √(Σ x² + ε)
 *     LayerNorm       target = weight · (x − mean) / √(mean((x − mean)²) + ε) + bias
 *
 * The squares are summed in f64 (a product of two f32 is exact there), in eight chains: element i goes to chain i mod
 * 8, the chains are added as ((0,1) + (2,3)) + ((4,5) + (6,7)), then the pair, then the last n mod 8 elements one by
 * one. So the result is the rounded true one, and no value of f32 overflows the sum. Cost: about 0.4 ns an element.
 */
import { add } from "./vector";

/** `weight` may be 0: all ones. `target` may be `x`. */
export function rmsNorm(x: usize, weight: usize, n: u32, epsilon: f32, target: usize): void {
  if (n == 0) return;
  divide(x, weight, n, sqrt<f64>(sumOfSquares(x, n) / <f64>n + <f64>epsilon), target);
}

/** As `rmsNorm`, with ε outside the root. */
export function rmsNormOutside(x: usize, weight: usize, n: u32, epsilon: f32, target: usize): void {
  if (n == 0) return;
  divide(x, weight, n, sqrt<f64>(sumOfSquares(x, n) / <f64>n) + <f64>epsilon, target);
}

/** target = x / √(Σ x² + ε): of length 1. `target` may be `x`. */
export function l2Norm(x: usize, n: u32, epsilon: f32, target: usize): void {
  divide(x, 0, n, sqrt<f64>(sumOfSquares(x, n) + <f64>epsilon), target);
}

/** target = weight · x / root; 0 for a root of 0. */
function divide(x: usize, weight: usize, n: u32, root: f64, target: usize): void {
  const factor: f32 = root > 0 ? <f32>(1.0 / root) : 0;
  const end = x + ((<usize>n) << 2);
  if (weight == 0) {
    for (; x < end; x += 4, target += 4) store<f32>(target, load<f32>(x) * factor);
    return;
  }
  if (ASC_FEATURE_SIMD) {
    const factors = f32x4.splat(factor);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, weight += 16, target += 16) {
      v128.store(target, f32x4.mul(f32x4.mul(v128.load(x), factors), v128.load(weight)));
    }
  }
  for (; x < end; x += 4, weight += 4, target += 4) {
    store<f32>(target, load<f32>(x) * factor * load<f32>(weight));
  }
}

/** LayerNorm: the RMSNorm of what is left when the mean is taken off. `bias` may be 0, `target` may be `x`. */
export function layerNorm(x: usize, weight: usize, bias: usize, n: u32, epsilon: f32, target: usize): void {
  if (n == 0) return;
  // As exact as the values themselves are: half a unit in the last place of the mean.
  const mean = <f32>(sumOf(x, n) / <f64>n);
  const end = x + ((<usize>n) << 2);
  let centred = target;
  if (ASC_FEATURE_SIMD) {
    const means = f32x4.splat(mean);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, centred += 16) {
      v128.store(centred, f32x4.sub(v128.load(x), means));
    }
  }
  for (; x < end; x += 4, centred += 4) store<f32>(centred, load<f32>(x) - mean);
  rmsNorm(target, weight, n, epsilon, target);
  if (bias != 0) add(target, bias, n);
}

/** Σ x in f64: the order of `sumOfSquares`. */
export function sumOf(x: usize, n: u32): f64 {
  const last = x + ((<usize>(n & ~7)) << 2);
  const end = x + ((<usize>n) << 2);
  let sum: f64;
  if (ASC_FEATURE_SIMD) {
    let s0 = f64x2.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (; x < last; x += 32) {
      const a = v128.load(x);
      const b = v128.load(x, 16);
      s0 = f64x2.add(s0, f64x2.promote_low_f32x4(a));
      s1 = f64x2.add(s1, f64x2.promote_low_f32x4(i64x2.shuffle(a, a, 1, 0)));
      s2 = f64x2.add(s2, f64x2.promote_low_f32x4(b));
      s3 = f64x2.add(s3, f64x2.promote_low_f32x4(i64x2.shuffle(b, b, 1, 0)));
    }
    const pair = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
    sum = f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
  } else {
    let s0: f64 = 0, s1: f64 = 0, s2: f64 = 0, s3: f64 = 0;
    let s4: f64 = 0, s5: f64 = 0, s6: f64 = 0, s7: f64 = 0;
    for (; x < last; x += 32) {
      s0 += <f64>load<f32>(x);
      s1 += <f64>load<f32>(x, 4);
      s2 += <f64>load<f32>(x, 8);
      s3 += <f64>load<f32>(x, 12);
      s4 += <f64>load<f32>(x, 16);
      s5 += <f64>load<f32>(x, 20);
      s6 += <f64>load<f32>(x, 24);
      s7 += <f64>load<f32>(x, 28);
    }
    sum = s0 + s2 + (s4 + s6) + (s1 + s3 + (s5 + s7));
  }
  for (; x < end; x += 4) sum += <f64>load<f32>(x);
  return sum;
}

/** Σ x² in f64. */
export function sumOfSquares(x: usize, n: u32): f64 {
  const last = x + ((<usize>(n & ~7)) << 2);
  const end = x + ((<usize>n) << 2);
  let sum: f64;
  if (ASC_FEATURE_SIMD) {
    let s0 = f64x2.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    for (; x < last; x += 32) {
      const a = v128.load(x);
      const b = v128.load(x, 16);
      const a0 = f64x2.promote_low_f32x4(a);
      const a1 = f64x2.promote_low_f32x4(i64x2.shuffle(a, a, 1, 0));
      const b0 = f64x2.promote_low_f32x4(b);
      const b1 = f64x2.promote_low_f32x4(i64x2.shuffle(b, b, 1, 0));
      s0 = f64x2.add(s0, f64x2.mul(a0, a0));
      s1 = f64x2.add(s1, f64x2.mul(a1, a1));
      s2 = f64x2.add(s2, f64x2.mul(b0, b0));
      s3 = f64x2.add(s3, f64x2.mul(b1, b1));
    }
    const pair = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
    sum = f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
  } else {
    let s0: f64 = 0, s1: f64 = 0, s2: f64 = 0, s3: f64 = 0;
    let s4: f64 = 0, s5: f64 = 0, s6: f64 = 0, s7: f64 = 0;
    for (; x < last; x += 32) {
      s0 += square(load<f32>(x));
      s1 += square(load<f32>(x, 4));
      s2 += square(load<f32>(x, 8));
      s3 += square(load<f32>(x, 12));
      s4 += square(load<f32>(x, 16));
      s5 += square(load<f32>(x, 20));
      s6 += square(load<f32>(x, 24));
      s7 += square(load<f32>(x, 28));
    }
    sum = s0 + s2 + (s4 + s6) + (s1 + s3 + (s5 + s7));
  }
  for (; x < end; x += 4) sum += square(load<f32>(x));
  return sum;
}

@inline
function square(x: f32): f64 {
  return <f64>x * <f64>x;
}
