/**
 * Key/value rows: the keys of all heads, after RoPE, then their values.
 *
 *     row   ┌ key of head 0, 1, … heads − 1 │ value of head 0, 1, … heads − 1 ┐     each a vector of the cache's type
 */
import { StateShape } from "./shape";
import { mergeVectors, turnVectors } from "./vectors";
import { decodeVectors, encodeVectors, vectorBytes } from "../kernels/attention/kv_codec";

export function rowBytes(s: StateShape, kvType: u32): u32 {
  return s.heads * (vectorBytes(kvType, s.first) + vectorBytes(kvType, s.second));
}

export function writeRow(s: StateShape, kvType: u32, keys: usize, values: usize, row: usize): void {
  encodeVectors(kvType, keys, s.heads, s.first, row);
  encodeVectors(kvType, values, s.heads, s.second, row + <usize>(s.heads * vectorBytes(kvType, s.first)));
}

/** keys f32[heads · first], values f32[heads · second] ← a row. */
export function readRow(s: StateShape, kvType: u32, row: usize, keys: usize, values: usize): void {
  decodeVectors(kvType, row, s.heads, s.first, keys);
  decodeVectors(kvType, row + <usize>(s.heads * vectorBytes(kvType, s.first)), s.heads, s.second, values);
}

export function turnRow(s: StateShape, kvType: u32, row: usize, angles: usize, work: usize): void {
  turnVectors(s, kvType, row, s.heads, s.first, s.ropeFrom, angles, work);
}

export function mergeRow(s: StateShape, kvType: u32, target: usize, source: usize, weight: f32, work: usize): void {
  const keys = mergeVectors(kvType, s.heads, s.first, target, source, weight, work);
  mergeVectors(kvType, s.heads, s.second, target + keys, source + keys, weight, work);
}
