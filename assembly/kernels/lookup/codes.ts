/**
 * The Memory Layer's hash (MemoryFormer, arXiv 2411.12992): a row of x is split into K chunks of τ elements; the signs
 * of a chunk are the index of a row in the chunk's table, and how far its elements lie from zero is that row's weight.
 *
 *     code_k = Σ_j bit_j · 2^(τ−1−j)          the first element is the most significant bit
 *     bit_j  = z_j ≥ 0, or z_j > 0            they differ at zero alone, and −0 is a zero; NaN gives 0
 *
 *     score    w_k = Σ|z| / Π(1 + e^(−2|z|))           as published code computes
 *     prob     w_k = 1 / Π(1 + e^(−2|z|/t))            the paper's softmax over all sign patterns, temperature t
 *
 *     tables   ┌ chunk 0: 2^τ rows ┬ chunk 1: 2^τ rows ┬ … ┐      the row of chunk k is  k·2^τ + code_k
 *
 * Products are in f64, the rest in f32: a weight is within 4 units in the last place. A sum or product of a chunk has
 * the tree of vector.ts: element j of the first whole fours goes to chain j mod 4, then (c0 + c2) + (c1 + c3), then
 * what is left one by one. Where Σ|z| is more than the largest f32 (an infinite element makes it so), the weight is the
 * largest f32; NaN in a chunk gives NaN.
 *
 * Cost: about 0.3 ns an element for codes, 2 ns for weights.
 */
import { expBelowZeroLanes, expf } from "../float/math";
import { sumLanes } from "../float/vector";

/** How chunks are weighted. */
export namespace WeightRule {
  export const SCORE: u32 = 0;
  export const PROB: u32 = 1;
}

/** Bits of an index at most: `codes` are u32, and a table has 2^bits rows. */
export const MAX_CODE_BITS: u32 = 24;

/** x f32[chunks · bits] → codes u32[chunks]. */
export function hashRow(x: usize, chunks: u32, bits: u32, zeroIsOne: bool, codes: usize): void {
  const fours = (<usize>(bits & ~3)) << 2;
  const bytes = (<usize>bits) << 2;
  for (const end = codes + ((<usize>chunks) << 2); codes < end; codes += 4) {
    const last4 = x + fours;
    const last = x + bytes;
    let code: u32 = 0;
    if (ASC_FEATURE_SIMD) {
      const zero = f32x4.splat(0);
      for (; x < last4; x += 16) {
        // Lanes turned round: bitmask's bit 0 is lane 0.
        const v = v128.load(x);
        const z = i32x4.shuffle(v, v, 3, 2, 1, 0);
        code = (code << 4) | <u32>i32x4.bitmask(zeroIsOne ? f32x4.ge(z, zero) : f32x4.gt(z, zero));
      }
    }
    for (; x < last; x += 4) {
      const z = load<f32>(x);
      code = (code << 1) | u32(zeroIsOne ? z >= 0 : z > 0);
    }
    store<u32>(codes, code);
  }
}

/** x f32[chunks · bits] → weights f32[chunks]; `temperature` (above 0) counts for PROB alone. */
export function chunkWeights(x: usize, chunks: u32, bits: u32, rule: u32, temperature: f32, weights: usize): void {
  const score = rule == WeightRule.SCORE;
  const factor: f32 = score ? -2.0 : <f32>max<f64>(-2.0 / <f64>temperature, -f32.MAX_VALUE);
  const fours = (<usize>(bits & ~3)) << 2;
  const rest = bits & 3;
  for (const end = weights + ((<usize>chunks) << 2); weights < end; weights += 4) {
    const last4 = x + fours;
    let sum: f32 = 0;
    let product: f64 = 1;
    if (ASC_FEATURE_SIMD) {
      const one = f64x2.splat(1);
      const factors = f32x4.splat(factor);
      let s = f32x4.splat(0);
      let p0 = one;
      let p1 = one;
      // Two fours at once, so that one exponential need not wait for the other.
      for (const last8 = x + (fours & ~31); x < last8; x += 32) {
        const a = f32x4.abs(v128.load(x));
        const b = f32x4.abs(v128.load(x, 16));
        const e = expBelowZeroLanes(f32x4.mul(a, factors));
        const f = expBelowZeroLanes(f32x4.mul(b, factors));
        s = f32x4.add(f32x4.add(s, a), b);
        p0 = f64x2.mul(f64x2.mul(p0, onePlusLow(e)), onePlusLow(f));
        p1 = f64x2.mul(f64x2.mul(p1, onePlusHigh(e)), onePlusHigh(f));
      }
      if (x < last4) {
        const a = f32x4.abs(v128.load(x));
        s = f32x4.add(s, a);
        const e = expBelowZeroLanes(f32x4.mul(a, factors));
        p0 = f64x2.mul(p0, onePlusLow(e));
        p1 = f64x2.mul(p1, onePlusHigh(e));
        x = last4;
      }
      const p = f64x2.mul(p0, p1);
      sum = sumLanes(s);
      product = f64x2.extract_lane(p, 0) * f64x2.extract_lane(p, 1);
      if (rest > 0) {
        const a = f32x4.abs(loadRest(x, rest));
        const e = expBelowZeroLanes(f32x4.mul(a, factors));
        sum += f32x4.extract_lane(a, 0);
        product *= 1.0 + <f64>f32x4.extract_lane(e, 0);
        if (rest > 1) {
          sum += f32x4.extract_lane(a, 1);
          product *= 1.0 + <f64>f32x4.extract_lane(e, 1);
        }
        if (rest > 2) {
          sum += f32x4.extract_lane(a, 2);
          product *= 1.0 + <f64>f32x4.extract_lane(e, 2);
        }
        x += (<usize>rest) << 2;
      }
    } else {
      let s0: f32 = 0, s1: f32 = 0, s2: f32 = 0, s3: f32 = 0;
      let p0: f64 = 1, p1: f64 = 1, p2: f64 = 1, p3: f64 = 1;
      for (; x < last4; x += 16) {
        const a0 = abs(load<f32>(x));
        const a1 = abs(load<f32>(x, 4));
        const a2 = abs(load<f32>(x, 8));
        const a3 = abs(load<f32>(x, 12));
        s0 += a0;
        s1 += a1;
        s2 += a2;
        s3 += a3;
        p0 *= 1.0 + <f64>expf(a0 * factor);
        p1 *= 1.0 + <f64>expf(a1 * factor);
        p2 *= 1.0 + <f64>expf(a2 * factor);
        p3 *= 1.0 + <f64>expf(a3 * factor);
      }
      sum = s0 + s2 + (s1 + s3);
      product = p0 * p2 * (p1 * p3);
      for (const last = x + ((<usize>rest) << 2); x < last; x += 4) {
        const a = abs(load<f32>(x));
        sum += a;
        product *= 1.0 + <f64>expf(a * factor);
      }
    }
    const w = score ? <f32>(<f64>sum / product) : <f32>(1.0 / product);
    store<f32>(weights, w > f32.MAX_VALUE ? f32.MAX_VALUE : w);
  }
}

/** 1 + e of the first two lanes. */
@inline
function onePlusLow(e: v128): v128 {
  return f64x2.add(f64x2.splat(1), f64x2.promote_low_f32x4(e));
}

/** 1 + e of the last two. */
@inline
function onePlusHigh(e: v128): v128 {
  return onePlusLow(i64x2.shuffle(e, e, 1, 0));
}

/** One to three values in the first lanes, nothing read behind them. */
@inline
function loadRest(x: usize, count: u32): v128 {
  if (count == 1) return v128.load32_zero(x);
  const v = v128.load64_zero(x);
  return count == 2 ? v : v128.load32_lane(x, v, 2, 8);
}

/** rows[k] = where the row of chunk k lies in tables that lie in memory, their rows `step` bytes apart. */
export function findResidentRows(table: usize, step: usize, bits: u32, codes: usize, chunks: u32, rows: usize): void {
  const tableBytes = step << bits;
  for (const end = rows + ((<usize>chunks) << 2); rows < end; rows += 4, codes += 4, table += tableBytes) {
    store<usize>(rows, table + <usize>load<u32>(codes) * step);
  }
}

/**
 * target[k] = weights[k] · the scale of chunk k's row, of scales f32[chunks · 2^bits]: a product that overflows is the
 * largest f32 with its sign. `target` may be `weights`.
 */
export function scaleWeights(scales: usize, bits: u32, codes: usize, chunks: u32, weights: usize, target: usize): void {
  const tableBytes = (<usize>4) << bits;
  for (const end = target + ((<usize>chunks) << 2); target < end; target += 4, weights += 4, codes += 4) {
    const w = load<f32>(weights) * load<f32>(scales + ((<usize>load<u32>(codes)) << 2));
    store<f32>(target, w > f32.MAX_VALUE ? f32.MAX_VALUE : w < -f32.MAX_VALUE ? -f32.MAX_VALUE : w);
    scales += tableBytes;
  }
}
