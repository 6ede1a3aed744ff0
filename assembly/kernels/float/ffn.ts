/**
 * The functions between the two halves of a feed-forward network, and gates.
 *
 *     SwiGLU:  gate = silu(gate) · up,  silu(x) = x / (1 + e^−x)         ReLU²:  x = max(x, 0)²
 *     sigmoid(x) = 1 / (1 + e^−x)
 *     softcap(x) = c · tanh(x / c),  tanh(x) = (1 − e^−2|x|) / (1 + e^−2|x|) · sign x
 *     xIELU:   x > 0: p·x² + b·x,   else (e^min(x, ε) − 1 − x)·n + b·x
 *     GELU, by tanh:  x/2 · (1 + tanh z) = x / (1 + e^−2z),  z = √(2/π) · (x + 0.044715 x³)
 *     GELU, by erf:   x/2 · (1 + erf(x/√2)) = max(x, 0) − a · Q(a),  a = |x|,  Q(a) = erfc(a/√2)/2 = e^(−a²/2) · R(a)
 */
import { expLanes, expf } from "./math";
import { sumOf, sumOfSquares } from "./norm";

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

/** Bounds and slope of gpt-oss's gate. */
const CLAMP: f32 = 7;
const SLOPE: f32 = 1.702;

/** target = g · sigmoid(1.702 g) · (u + 1), g = min(gate, 7), u = up within ±7; the target may be the gate. */
export function clampedSiluMultiply(gate: usize, up: usize, n: u32, target: usize): void {
  const end = gate + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    const most = f32x4.splat(CLAMP);
    const least = f32x4.splat(-CLAMP);
    const slope = f32x4.splat(-SLOPE);
    for (const last = gate + ((<usize>(n & ~3)) << 2); gate < last; gate += 16, up += 16, target += 16) {
      const g = f32x4.min(v128.load(gate), most);
      const u = f32x4.max(f32x4.min(v128.load(up), most), least);
      const open = f32x4.div(g, f32x4.add(one, expLanes(f32x4.mul(g, slope))));
      v128.store(target, f32x4.mul(open, f32x4.add(u, one)));
    }
  }
  for (; gate < end; gate += 4, up += 4, target += 4) {
    const g = min<f32>(load<f32>(gate), CLAMP);
    const u = max<f32>(min<f32>(load<f32>(up), CLAMP), -CLAMP);
    store<f32>(target, (g / (<f32>1.0 + expf(g * -SLOPE))) * (u + <f32>1.0));
  }
}

/** target = silu(x); the target may be x. */
export function silu(x: usize, n: u32, target: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, target += 16) {
      const v = v128.load(x);
      v128.store(target, f32x4.div(v, f32x4.add(one, expLanes(f32x4.neg(v)))));
    }
  }
  for (; x < end; x += 4, target += 4) {
    const v = load<f32>(x);
    store<f32>(target, v / (<f32>1.0 + expf(-v)));
  }
}

@inline
export function sigmoid(x: f32): f32 {
  return <f32>1.0 / (<f32>1.0 + expf(-x));
}

/** target = sigmoid(x); the target may be x. */
export function sigmoidOf(x: usize, n: u32, target: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, target += 16) {
      v128.store(target, f32x4.div(one, f32x4.add(one, expLanes(f32x4.neg(v128.load(x))))));
    }
  }
  for (; x < end; x += 4, target += 4) store<f32>(target, sigmoid(load<f32>(x)));
}

/** x *= sigmoid(gate), value by value. */
export function sigmoidMultiply(x: usize, gate: usize, n: u32): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, gate += 16) {
      const open = f32x4.div(one, f32x4.add(one, expLanes(f32x4.neg(v128.load(gate)))));
      v128.store(x, f32x4.mul(v128.load(x), open));
    }
  }
  for (; x < end; x += 4, gate += 4) store<f32>(x, load<f32>(x) * sigmoid(load<f32>(gate)));
}

/** x = cap · tanh(x / cap). A NaN stays one. */
export function softcap(x: usize, cap: f32, n: u32): void {
  const end = x + ((<usize>n) << 2);
  const factor: f32 = <f32>-2.0 / cap;
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    const factors = f32x4.splat(factor);
    const caps = f32x4.splat(cap);
    const sign = i32x4.splat(i32.MIN_VALUE);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) {
      const v = v128.load(x);
      const small = expLanes(f32x4.mul(f32x4.abs(v), factors));
      const tanh = f32x4.div(f32x4.sub(one, small), f32x4.add(one, small));
      v128.store(x, v128.or(f32x4.mul(caps, tanh), v128.and(v, sign)));
    }
  }
  for (; x < end; x += 4) {
    const v = load<f32>(x);
    const small = expf(abs<f32>(v) * factor);
    store<f32>(x, copysign<f32>(cap * ((<f32>1.0 - small) / (<f32>1.0 + small)), v));
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

/** e^x − 1 − x between it and 0 is x² · (1/2! + x/3! + … + x⁷/9!): the difference would lose its digits. */
const SERIES_FROM: f32 = -0.5;

/** target = xIELU(x) with the factors p, n, b and ε; the target may be x. A NaN stays one. */
export function xielu(x: usize, n: u32, positive: f32, negative: f32, beta: f32, epsilon: f32, target: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, target += 16) {
      const v = v128.load(x);
      const m = f32x4.min(v, f32x4.splat(epsilon));
      let sum = f32x4.splat(1.0 / 362880);
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 40320));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 5040));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 720));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 120));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 24));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(1.0 / 6));
      sum = f32x4.add(f32x4.mul(sum, m), f32x4.splat(0.5));
      const series = f32x4.mul(f32x4.mul(m, m), sum);
      const whole = f32x4.sub(f32x4.sub(expLanes(m), one), m);
      const rest = v128.bitselect(series, whole, f32x4.gt(m, f32x4.splat(SERIES_FROM)));
      const below = f32x4.mul(f32x4.add(rest, f32x4.sub(m, v)), f32x4.splat(negative));
      const above = f32x4.mul(f32x4.mul(f32x4.splat(positive), v), v);
      const bent = v128.bitselect(above, below, f32x4.gt(v, f32x4.splat(0)));
      v128.store(target, f32x4.add(bent, f32x4.mul(f32x4.splat(beta), v)));
    }
  }
  for (; x < end; x += 4, target += 4) {
    const v = load<f32>(x);
    let bent: f32 = positive * v * v;
    if (!(v > 0)) {
      const m: f32 = min<f32>(v, epsilon);
      let sum: f32 = 1.0 / 362880;
      sum = sum * m + <f32>(1.0 / 40320);
      sum = sum * m + <f32>(1.0 / 5040);
      sum = sum * m + <f32>(1.0 / 720);
      sum = sum * m + <f32>(1.0 / 120);
      sum = sum * m + <f32>(1.0 / 24);
      sum = sum * m + <f32>(1.0 / 6);
      sum = sum * m + <f32>0.5;
      const rest: f32 = m > SERIES_FROM ? m * m * sum : expf(m) - <f32>1.0 - m;
      bent = (rest + (m - v)) * negative;
    }
    store<f32>(target, bent + beta * v);
  }
}

/**
 * R as a polynomial of 1 / (1 + 0.4 a), by a fit of least largest error: 7e-8 relative up to a = 13, behind which Q is
 * 0 in f32.
 */
const ERF_SLOPE: f32 = 0.4;
const ERF_END: f32 = 13;
const R0: f32 = -1.2905819858e-5;
const R1: f32 = 1.5992347896e-1;
const R2: f32 = 1.5561917424e-1;
const R3: f32 = 1.5920208395e-1;
const R4: f32 = -1.4568185434e-2;
const R5: f32 = 2.5466156006e-1;
const R6: f32 = -3.7739869952e-1;
const R7: f32 = 2.026488781e-1;
const R8: f32 = -4.0075406432e-2;

/** target = gelu(x) by erf; the target may be x. A NaN stays one. */
export function geluErf(x: usize, n: u32, target: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const one = f32x4.splat(1);
    const zero = f32x4.splat(0);
    const most = f32x4.splat(ERF_END);
    const slope = f32x4.splat(ERF_SLOPE);
    const half = f32x4.splat(-0.5);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, target += 16) {
      const v = v128.load(x);
      const a = f32x4.pmin(f32x4.abs(v), most);
      const t = f32x4.div(one, f32x4.add(one, f32x4.mul(slope, a)));
      let r = f32x4.add(f32x4.mul(f32x4.splat(R8), t), f32x4.splat(R7));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R6));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R5));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R4));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R3));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R2));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R1));
      r = f32x4.add(f32x4.mul(r, t), f32x4.splat(R0));
      const tail = f32x4.mul(f32x4.mul(a, r), expLanes(f32x4.mul(f32x4.mul(a, a), half)));
      v128.store(target, f32x4.sub(f32x4.pmax(v, zero), tail));
    }
  }
  for (; x < end; x += 4, target += 4) {
    const v = load<f32>(x);
    const size = abs<f32>(v);
    const a = ERF_END < size ? ERF_END : size;
    const t: f32 = <f32>1.0 / (<f32>1.0 + ERF_SLOPE * a);
    let r = R8 * t + R7;
    r = r * t + R6;
    r = r * t + R5;
    r = r * t + R4;
    r = r * t + R3;
    r = r * t + R2;
    r = r * t + R1;
    r = r * t + R0;
    store<f32>(target, (v < 0 ? 0 : v) - a * r * expf(a * a * <f32>-0.5));
  }
}

/** x = max(x − (mean + multiple · deviation), 0): mean and deviation are those of the n values. */
export function sparsify(x: usize, n: u32, multiple: f32): void {
  if (n == 0) return;
  const end = x + ((<usize>n) << 2);
  const mean = <f32>(sumOf(x, n) / <f64>n);
  for (let at = x; at < end; at += 4) store<f32>(at, load<f32>(at) - mean);
  const cut = <f32>(<f64>multiple * sqrt<f64>(sumOfSquares(x, n) / <f64>n));
  for (; x < end; x += 4) store<f32>(x, max<f32>(load<f32>(x) - cut, 0));
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

/** target[i] = max(x[i], 0). */
export function relu(x: usize, n: u32, target: usize): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4) store<f32>(target + i, max<f32>(load<f32>(x + i), 0));
}

/** target[i] = min(max(x[i], −limit), limit). */
export function clamp(x: usize, limit: f32, n: u32, target: usize): void {
  for (let i: usize = 0; i < (<usize>n) << 2; i += 4) {
    store<f32>(target + i, min<f32>(max<f32>(load<f32>(x + i), -limit), limit));
  }
}
