/**
 * The kernels of recurrent states as exports, for the tests: scalars and offsets only, on plain f32 arrays.
 */
import { l2Norm } from "../kernels/float/norm";
import { sigmoidOf } from "../kernels/float/ffn";
import { causalConvolution } from "../kernels/scan/convolution";
import { writeBehindBonus, writeDelta, writeState } from "../kernels/scan/matrix_state";
import { selectiveScan, softplus } from "../kernels/scan/selective";

/** target = sigmoid(x). */
export function kernel_sigmoid(x: usize, n: u32, target: usize): void {
  sigmoidOf(x, n, target);
}

/** x = ln(1 + e^x). */
export function kernel_softplus(x: usize, n: u32): void {
  for (const end = x + ((<usize>n) << 2); x < end; x += 4) store<f32>(x, softplus(load<f32>(x)));
}

/** target = x / √(Σ x² + ε). */
export function kernel_l2_norm(x: usize, n: u32, epsilon: f32, target: usize): void {
  l2Norm(x, n, epsilon, target);
}

/**
 * target[c] = Σ_j weight[c][j] · x_j[c] + bias[c]: `inputs` u32[taps], where the rows f32[channels] lie, the oldest
 * first; `bias` may be 0.
 */
export function kernel_convolution(
  inputs: usize, taps: u32, weight: usize, bias: usize, channels: u32, target: usize,
): void {
  causalConvolution(inputs, taps, weight, bias, channels, target);
}

/** A token of a channel of Mamba: state, a, b, c f32[n]; gives y. */
export function kernel_selective_scan(state: usize, a: usize, b: usize, c: usize, n: u32, delta: f32, x: f32): f32 {
  return selectiveScan(state, a, b, c, n, delta, x);
}

/** state f32[keys][values] ← w_j·S_j + k_j·v; target ← Σ r_j·S_j. */
export function kernel_write_state(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, r: usize, target: usize,
): void {
  writeState(state, keys, values, w, k, v, r, target);
}

/** state ← w_j·S_j + k_j·v + b_j·Σ a_i·S_i; target ← Σ r_j·S_j. */
export function kernel_write_delta(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, a: usize, b: usize, r: usize, target: usize,
): void {
  writeDelta(state, keys, values, w, k, v, a, b, r, target);
}

/** target ← Σ r_j·(S_j + u_j·k_j·v); then state ← w_j·S_j + k_j·v. */
export function kernel_write_behind_bonus(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, u: usize, r: usize, target: usize,
): void {
  writeBehindBonus(state, keys, values, w, k, v, u, r, target);
}
