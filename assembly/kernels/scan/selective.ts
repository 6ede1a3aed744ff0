/**
 * The selective scan of Mamba (Gu and Dao 2023, arXiv:2312.00752, 3.2), a token of a channel:
 *
 *     S_j ← S_j·exp(Δ·A_j) + B_j·(Δ·x)      y = Σ_j C_j·S_j
 *
 * A sum has four chains, element j in chain j mod 4, added as (0 + 2) + (1 + 3), in both builds.
 */
import { expLanes, expf, log } from "../float/math";
import { multiplyAdd } from "../float/fused";
import { sumLanes } from "../float/vector";

/** ln(1 + e^x) */
export function softplus(x: f32): f32 {
  return x > 20 ? x : <f32>log(1.0 + <f64>expf(x));
}

/** state, a, b, c f32[n]; y. */
export function selectiveScan(state: usize, a: usize, b: usize, c: usize, n: u32, delta: f32, x: f32): f32 {
  const added = delta * x;
  const end = state + ((<usize>n) << 2);
  let y0: f32 = 0;
  let y1: f32 = 0;
  let y2: f32 = 0;
  let y3: f32 = 0;
  if (ASC_FEATURE_SIMD) {
    const deltas = f32x4.splat(delta);
    const inputs = f32x4.splat(added);
    let sum = f32x4.splat(0);
    for (const last = state + ((<usize>(n & ~3)) << 2); state < last; state += 16, a += 16, b += 16, c += 16) {
      const decay = expLanes(f32x4.mul(deltas, v128.load(a)));
      const s = multiplyAdd(v128.load(b), inputs, f32x4.mul(v128.load(state), decay));
      v128.store(state, s);
      sum = multiplyAdd(v128.load(c), s, sum);
    }
    if (state == end) return sumLanes(sum);
    y0 = f32x4.extract_lane(sum, 0);
    y1 = f32x4.extract_lane(sum, 1);
    y2 = f32x4.extract_lane(sum, 2);
    y3 = f32x4.extract_lane(sum, 3);
  }
  for (let j: u32 = 0; state < end; j++, state += 4, a += 4, b += 4, c += 4) {
    const s = load<f32>(state) * expf(delta * load<f32>(a)) + load<f32>(b) * added;
    store<f32>(state, s);
    const y = load<f32>(c) * s;
    switch (j & 3) {
      case 0: {
        y0 += y;
        break;
      }
      case 1: {
        y1 += y;
        break;
      }
      case 2: {
        y2 += y;
        break;
      }
      default: {
        y3 += y;
      }
    }
  }
  return y0 + y2 + (y1 + y3);
}
