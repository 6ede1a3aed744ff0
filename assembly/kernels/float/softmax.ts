/**
 * Softmax in place, and the logarithm of the sum of exponentials for log-probabilities.
 *
 * Three passes: the largest, e^(x − largest) with its sum, the division (as a product with 1 / sum). The sum has four
 * chains, element i in chain i mod 4, added as (0 + 2) + (1 + 3), then the last n mod 4 one by one. Cost: about 1.6
 * ns an element.
 */
import { expLanes, expf, log } from "./math";
import { scale, sumLanes } from "./vector";

/** The largest element; −Infinity for none. NaNs are passed over. */
export function largest(x: usize, n: u32): f32 {
  const end = x + ((<usize>n) << 2);
  let top: f32 = -Infinity;
  if (ASC_FEATURE_SIMD) {
    let a = f32x4.splat(-Infinity);
    let b = a;
    for (const last = x + ((<usize>(n & ~7)) << 2); x < last; x += 32) {
      a = f32x4.pmax(a, v128.load(x));
      b = f32x4.pmax(b, v128.load(x, 16));
    }
    a = f32x4.pmax(a, b);
    a = f32x4.pmax(a, i32x4.shuffle(a, a, 2, 3, 0, 1));
    a = f32x4.pmax(a, i32x4.shuffle(a, a, 1, 0, 3, 2));
    top = f32x4.extract_lane(a, 0);
  }
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    top = top < value ? value : top;
  }
  return top;
}

/**
 * x = e^x / Σ e^x; returns Σ e^(x − largest). Nothing happens to an empty row (0 is returned); a row of −Infinity only
 * becomes zeros.
 */
export function softmax(x: usize, n: u32): f32 {
  const top = largest(x, n);
  return divideBySum(x, n, top == -Infinity ? 0 : top, 0);
}

/**
 * As `softmax`, with one more score that takes its share and is not written (an attention sink, Xiao et al. 2023,
 * arXiv:2309.17453).
 */
export function softmaxWithSink(x: usize, n: u32, sink: f32): f32 {
  const top = max<f32>(largest(x, n), sink);
  return divideBySum(x, n, top, expf(sink - top));
}

/** x = e^(x − top) / (more + Σ e^(x − top)); returns that sum. */
function divideBySum(x: usize, n: u32, top: f32, more: f32): f32 {
  const last = x + ((<usize>(n & ~3)) << 2);
  const end = x + ((<usize>n) << 2);
  let at = x;
  let sum: f32;
  if (ASC_FEATURE_SIMD) {
    const tops = f32x4.splat(top);
    let sums = f32x4.splat(0);
    for (; at < last; at += 16) {
      const e = expLanes(f32x4.sub(v128.load(at), tops));
      v128.store(at, e);
      sums = f32x4.add(sums, e);
    }
    sum = sumLanes(sums);
  } else {
    let s0: f32 = 0, s1: f32 = 0, s2: f32 = 0, s3: f32 = 0;
    for (; at < last; at += 16) {
      const e0 = expf(load<f32>(at) - top);
      const e1 = expf(load<f32>(at, 4) - top);
      const e2 = expf(load<f32>(at, 8) - top);
      const e3 = expf(load<f32>(at, 12) - top);
      store<f32>(at, e0);
      store<f32>(at, e1, 4);
      store<f32>(at, e2, 8);
      store<f32>(at, e3, 12);
      s0 += e0;
      s1 += e1;
      s2 += e2;
      s3 += e3;
    }
    sum = s0 + s2 + (s1 + s3);
  }
  for (; at < end; at += 4) {
    const e = expf(load<f32>(at) - top);
    store<f32>(at, e);
    sum += e;
  }
  sum += more;
  if (sum > 0) scale(x, <f32>1.0 / sum, n);
  return sum;
}

/**
 * ln Σ e^x: the log-probability of element i is x[i] − logSumExp. The exponentials are f32's, the sum is f64 in the
 * order of `softmax`; absolute error below 1e-6. −Infinity for an empty row.
 */
export function logSumExp(x: usize, n: u32): f64 {
  const top = largest(x, n);
  if (top == -Infinity) return -Infinity;
  const last = x + ((<usize>(n & ~3)) << 2);
  const end = x + ((<usize>n) << 2);
  let sum: f64;
  if (ASC_FEATURE_SIMD) {
    const tops = f32x4.splat(top);
    let low = f64x2.splat(0);
    let high = low;
    for (; x < last; x += 16) {
      const e = expLanes(f32x4.sub(v128.load(x), tops));
      low = f64x2.add(low, f64x2.promote_low_f32x4(e));
      high = f64x2.add(high, f64x2.promote_low_f32x4(i64x2.shuffle(e, e, 1, 0)));
    }
    const pair = f64x2.add(low, high);
    sum = f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
  } else {
    let s0: f64 = 0, s1: f64 = 0, s2: f64 = 0, s3: f64 = 0;
    for (; x < last; x += 16) {
      s0 += <f64>expf(load<f32>(x) - top);
      s1 += <f64>expf(load<f32>(x, 4) - top);
      s2 += <f64>expf(load<f32>(x, 8) - top);
      s3 += <f64>expf(load<f32>(x, 12) - top);
    }
    sum = s0 + s2 + (s1 + s3);
  }
  for (; x < end; x += 4) sum += <f64>expf(load<f32>(x) - top);
  return <f64>top + log(sum);
}
