/**
 * The functions between the two halves of a feed-forward network.
 *
 *     SwiGLU:  gate = silu(gate) · up,  silu(x) = x / (1 + e^−x)         ReLU²:  x = max(x, 0)²
 *     GELU, by tanh:  x/2 · (1 + tanh z) = x / (1 + e^−2z),  z = √(2/π) · (x + 0.044715 x³)
 */
import { expLanes, expf } from "./math";

/** target = silu(gate) · up; the target may be the gate. */
export function siluMultiply(gate: usize, up: usize, n: u32, target: usize): void {
  const end = gate + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    for (const last = gate + ((<usize>(n & ~3)) << 2); gate < last; gate += 16, up += 16, target += 16) {
      const x = v128.load(gate);
      const silu = f32x4.div(x, f32x4.add(one, expLanes(f32x4.neg(x))));
      v128.store(target, f32x4.mul(silu, v128.load(up)));
    }
  }
  for (; gate < end; gate += 4, up += 4, target += 4) {
    const x = load<f32>(gate);
    store<f32>(target, (x / (<f32>1.0 + expf(-x))) * load<f32>(up));
  }
}

/** −2z = x · (GELU_LINEAR + GELU_CUBIC · x²) */
const GELU_LINEAR: f32 = -1.5957691216057308;
const GELU_CUBIC: f32 = -0.07135481627260025;

/** target = gelu(x); the target may be x. A NaN stays one. */
export function gelu(x: usize, n: u32, target: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    const linear = f32x4.splat(GELU_LINEAR);
    const cubic = f32x4.splat(GELU_CUBIC);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, target += 16) {
      const v = v128.load(x);
      const exponent = f32x4.mul(v, f32x4.add(linear, f32x4.mul(cubic, f32x4.mul(v, v))));
      v128.store(target, f32x4.div(v, f32x4.add(one, expLanes(exponent))));
    }
  }
  for (; x < end; x += 4, target += 4) {
    const v = load<f32>(x);
    store<f32>(target, v / (<f32>1.0 + expf(v * (GELU_LINEAR + GELU_CUBIC * (v * v)))));
  }
}

/** x = max(x, 0)²; returns how many are exactly zero. A NaN stays one. */
export function reluSquared(x: usize, n: u32): u32 {
  const end = x + ((<usize>n) << 2);
  let zeros: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0);
    let counts = i32x4.splat(0);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) {
      const positive = f32x4.pmax(v128.load(x), zero);
      const squared = f32x4.mul(positive, positive);
      v128.store(x, squared);
      // A true comparison is −1.
      counts = i32x4.sub(counts, f32x4.eq(squared, zero));
    }
    zeros =
      i32x4.extract_lane(counts, 0) +
      i32x4.extract_lane(counts, 1) +
      i32x4.extract_lane(counts, 2) +
      i32x4.extract_lane(counts, 3);
  }
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    const positive: f32 = value < 0 ? 0 : value;
    const squared = positive * positive;
    store<f32>(x, squared);
    if (squared == 0) zeros += 1;
  }
  return zeros;
}
