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
 * Weights are computed in f64 and rounded once. A sum or product of a chunk has the tree of vector.ts: element j of the
 * first whole fours goes to chain j mod 4, then (c0 + c2) + (c1 + c3), then what is left one by one. A weight above the
 * largest f32 (Σ|z| overflows, or an element is infinite) is the largest f32; NaN in a chunk gives NaN.
 *
 * Cost: about 0.1 ns an element for codes, 2 ns for weights.
 *
 * May call: math.
 */
import { decay, decayLanes } from "./math";

/** How chunks are weighted. */
export namespace WeightRule {
  export const SCORE: u32 = 0;
  export const PROB: u32 = 1;
}

/** Bits of an index at most: `codes` are u32, and a table has 2^bits rows. */
export const MAX_CODE_BITS: u32 = 30;

/** x f32[chunks · bits] → codes u32[chunks]. */
export function hashRow(x: usize, chunks: u32, bits: u32, zeroIsOne: bool, codes: usize): void {
  const fours = <usize>(bits & ~3) << 2;
  const bytes = <usize>bits << 2;
  for (const end = codes + (<usize>chunks << 2); codes < end; codes += 4) {
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
export function chunkWeights(
  x: usize,
  chunks: u32,
  bits: u32,
  rule: u32,
  temperature: f32,
  weights: usize,
): void {
  const score = rule == WeightRule.SCORE;
  const factor: f64 = score ? -2.0 : -2.0 / <f64>temperature;
  const fours = <usize>(bits & ~3) << 2;
  const bytes = <usize>bits << 2;
  for (const end = weights + (<usize>chunks << 2); weights < end; weights += 4) {
    const last4 = x + fours;
    const last = x + bytes;
    let sum: f64 = 0;
    let product: f64 = 1;
    if (ASC_FEATURE_SIMD) {
      const one = f64x2.splat(1);
      const factors = f64x2.splat(factor);
      let s0 = f64x2.splat(0);
      let s1 = s0;
      let p0 = one;
      let p1 = one;
      for (; x < last4; x += 16) {
        const z = f32x4.abs(v128.load(x));
        const a0 = f64x2.promote_low_f32x4(z);
        const a1 = f64x2.promote_low_f32x4(i64x2.shuffle(z, z, 1, 0));
        s0 = f64x2.add(s0, a0);
        s1 = f64x2.add(s1, a1);
        p0 = f64x2.mul(p0, f64x2.add(one, decayLanes(f64x2.mul(a0, factors))));
        p1 = f64x2.mul(p1, f64x2.add(one, decayLanes(f64x2.mul(a1, factors))));
      }
      const s = f64x2.add(s0, s1);
      const p = f64x2.mul(p0, p1);
      sum = f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
      product = f64x2.extract_lane(p, 0) * f64x2.extract_lane(p, 1);
    } else {
      let s0: f64 = 0, s1: f64 = 0, s2: f64 = 0, s3: f64 = 0;
      let p0: f64 = 1, p1: f64 = 1, p2: f64 = 1, p3: f64 = 1;
      for (; x < last4; x += 16) {
        const a0: f64 = abs(load<f32>(x));
        const a1: f64 = abs(load<f32>(x, 4));
        const a2: f64 = abs(load<f32>(x, 8));
        const a3: f64 = abs(load<f32>(x, 12));
        s0 += a0;
        s1 += a1;
        s2 += a2;
        s3 += a3;
        p0 *= 1.0 + decay(a0 * factor);
        p1 *= 1.0 + decay(a1 * factor);
        p2 *= 1.0 + decay(a2 * factor);
        p3 *= 1.0 + decay(a3 * factor);
      }
      sum = s0 + s2 + (s1 + s3);
      product = p0 * p2 * (p1 * p3);
    }
    for (; x < last; x += 4) {
      const a: f64 = abs(load<f32>(x));
      sum += a;
      product *= 1.0 + decay(a * factor);
    }
    const w: f64 = (score ? sum : 1.0) / product;
    store<f32>(weights, w > <f64>f32.MAX_VALUE ? f32.MAX_VALUE : <f32>w);
  }
}

/** rows[k] = where the row of chunk k lies in tables that lie in memory. */
export function findResidentRows(
  table: usize,
  rowBytes: usize,
  bits: u32,
  codes: usize,
  chunks: u32,
  rows: usize,
): void {
  const tableBytes = rowBytes << bits;
  for (const end = rows + (<usize>chunks << 2); rows < end; rows += 4, codes += 4, table += tableBytes) {
    store<usize>(rows, table + <usize>load<u32>(codes) * rowBytes);
  }
}

/**
 * target[k] = weights[k] · the scale of chunk k's row, of scales f32[chunks · 2^bits]: a product that overflows is the
 * largest f32 with its sign. `target` may be `weights`.
 */
export function scaleWeights(
  scales: usize,
  bits: u32,
  codes: usize,
  chunks: u32,
  weights: usize,
  target: usize,
): void {
  const tableBytes = <usize>4 << bits;
  for (const end = target + (<usize>chunks << 2); target < end; target += 4, weights += 4, codes += 4) {
    const w = load<f32>(weights) * load<f32>(scales + (<usize>load<u32>(codes) << 2));
    store<f32>(target, w > f32.MAX_VALUE ? f32.MAX_VALUE : w < -f32.MAX_VALUE ? -f32.MAX_VALUE : w);
    scales += tableBytes;
  }
}
