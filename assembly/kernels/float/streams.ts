/**
 * Parts of a row, side by side, that are streams of one model (AltUp, Baykal et al. 2023, arXiv:2301.13310): they are
 * mixed, brought to one length, and changed together.
 */
import { sumOfSquares } from "./norm";
import { copy, scale } from "./vector";

/** Streams of a row. */
export const STREAMS: u32 = 4;

/** x_j += Σ over k of c[j · 4 + k] · x_k, for the four parts x_j of `width` values each. */
export function mixStreams(x: usize, coefficients: usize, width: u32): void {
  const step = (<usize>width) << 2;
  for (let i: usize = 0; i < step; i += 4) {
    const x0 = load<f32>(x + i);
    const x1 = load<f32>(x + step + i);
    const x2 = load<f32>(x + 2 * step + i);
    const x3 = load<f32>(x + 3 * step + i);
    let at = x + i;
    let c = coefficients;
    for (let j: u32 = 0; j < STREAMS; j++, at += step, c += 16) {
      const mixed = load<f32>(c) * x0 + load<f32>(c, 4) * x1 + load<f32>(c, 8) * x2 + load<f32>(c, 12) * x3;
      store<f32>(at, load<f32>(at) + mixed);
    }
  }
}

/** target = x, made as long as `model`; the mean of the squares of x counts as `least` at least. All have n values. */
export function level(x: usize, model: usize, n: u32, least: f32, target: usize): void {
  const own = max<f64>(sumOfSquares(x, n) / <f64>n, <f64>least);
  copy(target, x, n);
  scale(target, <f32>sqrt<f64>(sumOfSquares(model, n) / <f64>n / own), n);
}
