/**
 * Latent rows (DeepSeek-V2, arXiv:2405.04434, 2.1): one latent for all heads, after its norm, and one rope key.
 *
 *     row   ┌ latent [first] │ rope key [second] ┐     of the cache's type; beside a latent in Q8_0 the key is F16
 */
import { StateShape } from "./shape";
import { mergeVectors, turnVectors } from "./vectors";
import { decodeVectors, encodeVectors, ropeKeyType, vectorBytes } from "../kernels/attention/kv_codec";

export function rowBytes(s: StateShape, kvType: u32): u32 {
  return vectorBytes(kvType, s.first) + vectorBytes(ropeKeyType(kvType), s.second);
}

export function writeRow(s: StateShape, kvType: u32, latent: usize, ropeKey: usize, row: usize): void {
  encodeVectors(kvType, latent, 1, s.first, row);
  encodeVectors(ropeKeyType(kvType), ropeKey, 1, s.second, row + <usize>vectorBytes(kvType, s.first));
}

/** latent f32[first], ropeKey f32[second] ← a row's values. */
export function decodeLatent(s: StateShape, kvType: u32, row: usize, latent: usize, ropeKey: usize): void {
  decodeVectors(kvType, row, 1, s.first, latent);
  decodeVectors(ropeKeyType(kvType), row + <usize>vectorBytes(kvType, s.first), 1, s.second, ropeKey);
}

export function turnRow(s: StateShape, kvType: u32, row: usize, angles: usize, work: usize): void {
  turnVectors(s, ropeKeyType(kvType), row + <usize>vectorBytes(kvType, s.first), 1, s.second, 0, angles, work);
}

export function mergeRow(s: StateShape, kvType: u32, target: usize, source: usize, weight: f32, work: usize): void {
  const latent = mergeVectors(kvType, 1, s.first, target, source, weight, work);
  mergeVectors(ropeKeyType(kvType), 1, s.second, target + latent, source + latent, weight, work);
}
