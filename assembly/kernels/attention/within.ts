/**
 * Attention of neighbouring tokens to the tokens of their own text, whose keys and values lie side by side in f32 where
 * a pass has made them: an encoder's. Queries that lie side by side share each tile of rows, which is read where it
 * lies.
 *
 *     queries   row of query 0: heads of keySize │ row of query 1 …       `queryStride` floats apart
 *     rows      row 0: kvHeads of keySize, then kvHeads of valueSize │ …  `stride` floats apart
 *     target    as queries, heads of valueSize                            `targetStride` floats apart
 *
 * A score is factor · q · k, and + bias[head][row − query + reach − 1] where there is a bias. Sums go as in grouped.ts
 * and depend on nothing but the rows. Cost: queries · heads · count · (keySize + valueSize) multiply-adds.
 */
import { copyTile, mixTile, scoreTile, tiled, TILE_ROWS } from "./grouped_tile";
import { softmax } from "../float/softmax";
import { add, scale } from "../float/vector";

/** Most queries at once. */
export const WITHIN_QUERIES: u32 = 8;

/** Bytes of scratch: scores f32[queries][count, in whole tiles], and the last tile. */
export function withinScratchBytes(count: u32, keySize: u32): u64 {
  return 4 * (<u64>WITHIN_QUERIES * tiled(count) + <u64>TILE_ROWS * keySize);
}

/**
 * Attends with `queries` queries to `count` rows. Query 0 is row `first` (below 0 where the rows begin behind it) of
 * them; a query sees rows at most `window` away, 0: all. `mask`: 0, or bits: bit `maskFrom` + r of line q, lines of
 * `maskBytes`, says whether query q sees row r. A query that sees none gives zeros. `bias`: 0, or where that of row 0
 * for query 0 of head 0 is, the heads `biasStride` floats apart.
 */
export function attendWithinText(
  query: usize, queryStride: u32, queries: u32, first: i32, rows: usize, stride: u32, count: u32, heads: u32,
  kvHeads: u32, keySize: u32, valueSize: u32, factor: f32, window: u32, mask: usize, maskFrom: u32, maskBytes: u32,
  bias: usize, biasStride: u32, scratch: usize, target: usize, targetStride: u32,
): void {
  const group = heads / kvHeads;
  const scoreStride = tiled(count);
  const tail = scratch + ((<usize>(WITHIN_QUERIES * scoreStride)) << 2);
  const rowBytes = (<usize>stride) << 2;
  for (let head: u32 = 0; head < heads; head++) {
    const kv = head / group;
    const keys = rows + ((<usize>(kv * keySize)) << 2);
    const q = query + ((<usize>(head * keySize)) << 2);
    for (let r: u32 = 0; r < count; r += TILE_ROWS) {
      const present = min<u32>(count - r, TILE_ROWS);
      const tile = keys + <usize>r * rowBytes;
      const scores = scratch + ((<usize>r) << 2);
      if (present == TILE_ROWS) {
        scoreTile(q, queryStride, queries, tile, stride, keySize, scores, scoreStride, false);
      } else {
        copyTile(tile, stride, present, keySize, tail);
        scoreTile(q, queryStride, queries, tail, keySize, keySize, scores, scoreStride, false);
      }
    }
    const out = target + ((<usize>(head * valueSize)) << 2);
    for (let i: u32 = 0; i < queries; i++) {
      const scores = scratch + ((<usize>(i * scoreStride)) << 2);
      scale(scores, factor, count);
      if (bias) add(scores, bias + ((<usize>(head * biasStride) - <usize>i) << 2), count);
      if (window) hideFar(scores, count, first + <i32>i, <i32>window);
      if (mask) hideMasked(scores, count, mask + <usize>(i * maskBytes), maskFrom);
      softmax(scores, count);
      memory.fill(out + ((<usize>(i * targetStride)) << 2), 0, (<usize>valueSize) << 2);
    }
    const values = rows + ((<usize>(kvHeads * keySize + kv * valueSize)) << 2);
    for (let r: u32 = 0; r < count; r += TILE_ROWS) {
      const present = min<u32>(count - r, TILE_ROWS);
      mixTile(
        scratch + ((<usize>r) << 2), scoreStride, queries, values + <usize>r * rowBytes, stride, present, valueSize,
        out, targetStride,
      );
    }
  }
}

/** Rows more than `window` from row `at` are not seen. */
function hideFar(scores: usize, count: u32, at: i32, window: i32): void {
  const from = max(at - window, 0);
  const end = min(at + window + 1, <i32>count);
  for (let r: i32 = 0; r < from; r++) store<f32>(scores + ((<usize>r) << 2), -Infinity);
  for (let r = end; r < <i32>count; r++) store<f32>(scores + ((<usize>r) << 2), -Infinity);
}

/** Rows whose bit, from bit `from` on, is 0 are not seen. */
function hideMasked(scores: usize, count: u32, mask: usize, from: u32): void {
  for (let r: u32 = 0; r < count; r++) {
    const bit = from + r;
    if (!((load<u8>(mask + (bit >> 3)) >> (bit & 7)) & 1)) store<f32>(scores + ((<usize>r) << 2), -Infinity);
  }
}
