/**
 * Rotary position embedding: pair i of a head turns by angle(i) = position · base^(−i/pairs) / factor(i).
 *
 *     (x, y) → (x·cos − y·sin, x·sin + y·cos)
 *
 *     interleaved ("NORM"):  x0 y0 x1 y1 x2 y2 …            llama, plm
 *     halves ("NEOX"):       x0 x1 x2 … │ y0 y1 y2 …        qwen2, qwen3
 *     angles:                cos0 cos1 … │ sin0 sin1 …      f32[2·pairs]
 *     scaled (YaRN, Peng et al. 2023, arXiv:2309.00071):
 *                            angle(i) · (scale · (1 − m) + m),  m = yarn · (1 − clamp((i − low) / (high − low), 0, 1))
 *
 * The angles are computed in f64 once a position and serve all heads and layers. A row that lies at position p is
 * moved to position q by rotating it with the angles of q − p.
 */
import { cos, exp, log, sin } from "./math";

/**
 * The cosines and sines of a position. `freqs`: 0, or f32[pairs], factors that divide the angles
 * (`rope_freqs.weight`).
 */
export function ropeAngles(position: i32, pairs: u32, base: f32, freqs: usize, target: usize): void {
  const step = -log(<f64>base) / <f64>pairs;
  const sines = target + ((<usize>pairs) << 2);
  for (let i: u32 = 0; i < pairs; i++) {
    const at = (<usize>i) << 2;
    let angle = <f64>position * exp(<f64>i * step);
    if (freqs != 0) angle /= <f64>load<f32>(freqs + at);
    store<f32>(target + at, <f32>cos(angle));
    store<f32>(sines + at, <f32>sin(angle));
  }
}

/**
 * As `ropeAngles`, scaled: pairs below `low` keep their angles, those above `high` are multiplied by `scale`, and
 * between them lies a ramp; with `yarn` 0 all are scaled alike. Cosines and sines are multiplied by `magnitude`.
 */
export function scaledAngles(
  position: i32, pairs: u32, base: f32, freqs: usize, scale: f32, yarn: f32, low: f32, high: f32, magnitude: f32,
  target: usize,
): void {
  const step = -log(<f64>base) / <f64>pairs;
  const sines = target + ((<usize>pairs) << 2);
  const width = max<f64>(0.001, <f64>high - <f64>low);
  for (let i: u32 = 0; i < pairs; i++) {
    const at = (<usize>i) << 2;
    let angle = <f64>position * exp(<f64>i * step);
    if (freqs != 0) angle /= <f64>load<f32>(freqs + at);
    const ramp = min<f64>(1, max<f64>(0, (<f64>i - <f64>low) / width));
    const kept = <f64>yarn * (1.0 - ramp);
    angle *= <f64>scale * (1.0 - kept) + kept;
    store<f32>(target + at, <f32>(cos(angle) * <f64>magnitude));
    store<f32>(sines + at, <f32>(sin(angle) * <f64>magnitude));
  }
}

/** Rotates the pairs (2i, 2i + 1) of `x` in place. */
export function rotateInterleaved(x: usize, angles: usize, pairs: u32): void {
  let cosines = angles;
  let sines = angles + ((<usize>pairs) << 2);
  const end = sines;
  if (ASC_FEATURE_SIMD) {
    for (const last = angles + ((<usize>(pairs & ~3)) << 2); cosines < last; x += 32, cosines += 16, sines += 16) {
      const low = v128.load(x);
      const high = v128.load(x, 16);
      const a = i32x4.shuffle(low, high, 0, 2, 4, 6);
      const b = i32x4.shuffle(low, high, 1, 3, 5, 7);
      const c = v128.load(cosines);
      const s = v128.load(sines);
      const turnedA = f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s));
      const turnedB = f32x4.add(f32x4.mul(a, s), f32x4.mul(b, c));
      v128.store(x, i32x4.shuffle(turnedA, turnedB, 0, 4, 1, 5));
      v128.store(x, i32x4.shuffle(turnedA, turnedB, 2, 6, 3, 7), 16);
    }
  }
  for (; cosines < end; x += 8, cosines += 4, sines += 4) {
    const a = load<f32>(x);
    const b = load<f32>(x, 4);
    const c = load<f32>(cosines);
    const s = load<f32>(sines);
    store<f32>(x, a * c - b * s);
    store<f32>(x, a * s + b * c, 4);
  }
}

/** Rotates the pairs (i, i + pairs) of `x` in place. */
export function rotateHalves(x: usize, angles: usize, pairs: u32): void {
  let y = x + ((<usize>pairs) << 2);
  let cosines = angles;
  let sines = angles + ((<usize>pairs) << 2);
  const end = sines;
  if (ASC_FEATURE_SIMD) {
    const last = angles + ((<usize>(pairs & ~3)) << 2);
    for (; cosines < last; x += 16, y += 16, cosines += 16, sines += 16) {
      const a = v128.load(x);
      const b = v128.load(y);
      const c = v128.load(cosines);
      const s = v128.load(sines);
      v128.store(x, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
      v128.store(y, f32x4.add(f32x4.mul(a, s), f32x4.mul(b, c)));
    }
  }
  for (; cosines < end; x += 4, y += 4, cosines += 4, sines += 4) {
    const a = load<f32>(x);
    const b = load<f32>(y);
    const c = load<f32>(cosines);
    const s = load<f32>(sines);
    store<f32>(x, a * c - b * s);
    store<f32>(y, a * s + b * c);
  }
}
