/**
 * What the kinds of rows share: keys turned, vectors merged.
 */
import { StateShape } from "./shape";
import { decodeVectors, encodeVectors, vectorBytes } from "../kernels/attention/kv_codec";
import { rotateHalves, rotateInterleaved } from "../kernels/float/rope";

/** Turns `heads` vectors of `size` values of `type` by the angles f32[2 · ropePairs], from dimension `ropeFrom` on. */
export function turnVectors(
  s: StateShape, type: u32, vectors: usize, heads: u32, size: u32, from: u32, angles: usize, work: usize,
): void {
  decodeVectors(type, vectors, heads, size, work);
  turnValues(s, work, heads, size, from, angles);
  encodeVectors(type, work, heads, size, vectors);
}

/** As `turnVectors`, of decoded vectors f32[heads · size]. */
export function turnValues(s: StateShape, values: usize, heads: u32, size: u32, from: u32, angles: usize): void {
  for (let head: u32 = 0; head < heads; head++) {
    const key = values + ((<usize>(head * size + from)) << 2);
    if (s.ropeNeighbours) rotateInterleaved(key, angles, s.ropePairs);
    else rotateHalves(key, angles, s.ropePairs);
  }
}

/** Merges `count` vectors of `n` values of `type`; `work` has room for two of them in f32. Returns their bytes. */
export function mergeVectors(
  type: u32, count: u32, n: u32, target: usize, source: usize, weight: f32, work: usize,
): usize {
  const bytes = <usize>vectorBytes(type, n);
  const other = work + ((<usize>n) << 2);
  for (let i: u32 = 0; i < count; i++, target += bytes, source += bytes) {
    decodeVectors(type, target, 1, n, work);
    decodeVectors(type, source, 1, n, other);
    for (let at: usize = 0; at < (<usize>n) << 2; at += 4) {
      store<f32>(work + at, (<f32>1 - weight) * load<f32>(work + at) + weight * load<f32>(other + at));
    }
    encodeVectors(type, work, 1, n, target);
  }
  return <usize>count * bytes;
}
