/**
 * Weights that stay in their file, so that a model may be larger than the memory (flash of a microcontroller, a file on
 * disk): matrices are read tile by tile when their product is made, each time anew; tables row by row (table_rows.ts);
 * experts slab by slab (slab_cache.ts).
 * A step that lacks data asks for it and answers NEED_DATA before it has changed anything; entered again, it goes on.
 *
 *     file ──NEED_DATA──► tile (rows as in the file) ──pack──► packed tile ──multiply──► outputs cursor … cursor + rows
 *
 * A tile is whole groups of rows, so its outputs have the bits of the resident matrix. MLA's up-projection is always
 * resident: it is used in two orders.
 */
import { planRowCache } from "./row_cache";
import { planSlabCache } from "./slab_cache";
import { Requests } from "./requests";
import { GROUP_ROWS, TABLES_OF_HASH, Weight, WeightState, Weights } from "./weight";
import { blockBytes } from "../memory/arena";
import { HAS_EXPERTS } from "../parts";
import { matmulRows } from "../kernels/quant/matmul";
import { packGroup, packedGroupBytes } from "../kernels/quant/index";
import { blocksAreFinite } from "../kernels/quant/finite";
import { blockElements, rowBytes } from "../kernels/quant/types";

/** What stays in the file. */
export namespace Streamed {
  export const NOTHING: u32 = 0;
  /** Every matrix and every table, but experts. */
  export const ALL: u32 = 1;
  /** Tables: those of memory layers, and an embedding that is not the head too. */
  export const TABLES: u32 = 2;
}

/** Leaves declared weights in the file, as `streamed` and `streamsExperts` say, and plans the caches. */
export function leaveInFile(weights: Weights): void {
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (weight.isVector || weight.mustReside) continue;
    if (HAS_EXPERTS && weight.chosen != 0) {
      if (!weights.streamsExperts) continue;
      weights.expertBytes += weight.fileRowBytes * weight.rows;
    } else {
      if (weights.streamed == Streamed.NOTHING) continue;
      if (weight.isEmbedding && !weight.isHead) weight.rowsPerChunk = weight.rows;
      if (weights.streamed == Streamed.TABLES && weight.rowsPerChunk == 0) continue;
    }
    weight.state = WeightState.STREAMED;
    weight.mayTurn = 0;
    weights.bytes -= blockBytes(weight.bytes);
    const bytes = weight.fileRowBytes * weight.rows;
    weights.fileBytes -= bytes;
    weights.streamedBytes += bytes;
  }
  planRowCache(weights, weights.rowCacheBytes);
  if (HAS_EXPERTS) planSlabCache(weights);
}

/** Whether the rows of a matrix that lie in the tile hold numbers alone. */
export function tileIsFinite(r: Requests, weight: Weight): bool {
  return blocksAreFinite(weight.type, r.tile, r.tileRows * (weight.columns / blockElements(weight.type)));
}

/**
 * Packs the rows of a matrix that lie in the tile, and multiplies them: outputs `first` … `first + tileRows − 1` of
 * `target`, whose rows are `targetStride` bytes apart.
 */
export function multiplyTile(
  r: Requests, weight: Weight, first: u32, x: usize, stride: usize, tokens: u32, target: usize, targetStride: usize,
  scratch: usize,
): void {
  const row = <usize>rowBytes(weight.type, weight.columns);
  const group = packedGroupBytes(weight.type, weight.columns);
  for (let i: u32 = 0; i < r.tileRows; i += GROUP_ROWS) {
    const count = min<u32>(GROUP_ROWS, r.tileRows - i);
    const packed = r.packedTile + <usize>(i / GROUP_ROWS) * group;
    packGroup(weight.type, r.tile + <usize>i * row, row, count, weight.columns, packed);
  }
  matmulRows(
    weight.kernelKey, r.packedTile, r.tileRows, weight.columns, 0, r.tileRows, x, stride, tokens,
    target + ((<usize>first) << 2), targetStride, scratch,
  );
}

/** Asks for the tile of a matrix that begins at row `first`. */
export function askTile(r: Requests, weight: Weight, first: u32): void {
  r.tileRows = min(weight.rows - first, weight.tileRows);
  r.count = 0;
  r.ask(weight, first, r.tileRows, r.tile);
}

/**
 * The largest tile of any weight that stays in the file, as it lies there: rows that follow each other, or single, or
 * slabs.
 */
export function tileBytes(weights: Weights, batch: u32): u64 {
  let most: u64 = weights.slabTileBytes;
  for (let i: u32 = 0; i < weights.count && weights.streamed; i++) {
    const weight = weights.at(i);
    if (weight.state != WeightState.STREAMED || weight.chosen != 0) continue;
    if (weight.rowsPerChunk == 0) most = max(most, <u64>weight.tileRows * rowBytes(weight.type, weight.columns));
    if (isLookedUp(weight)) most = max(most, <u64>rowsOfTile(weight, batch) * weight.rowStride);
  }
  return most;
}

/** The largest tile of a matrix that stays in the file, packed. */
export function packedTileBytes(weights: Weights): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < weights.count && weights.streamed; i++) {
    const weight = weights.at(i);
    if (weight.state != WeightState.STREAMED || weight.chosen != 0 || weight.rowsPerChunk != 0) continue;
    most = max(most, <u64>weight.tileRows * (packedGroupBytes(weight.type, weight.columns) / GROUP_ROWS));
  }
  return most;
}

/** Most single rows that a step takes at once of what stays in the file: so long are the lists of them. */
export function mostRequests(weights: Weights, batch: u32): u32 {
  let most = weights.slabRequests;
  for (let i: u32 = 0; i < weights.count && weights.streamed; i++) {
    const weight = weights.at(i);
    if (weight.state == WeightState.STREAMED) most = max(most, isLookedUp(weight) ? rowsOfTile(weight, batch) : 1);
  }
  return most;
}

/** Whether single rows of a weight are looked up: the embedding's, which may be a matrix too, and those of tables. */
@inline
function isLookedUp(weight: Weight): bool {
  return weight.isEmbedding || weight.rowsPerChunk != 0;
}

/** Rows of a tile, whether a table is looked up alone or beside others. */
function rowsOfTile(weight: Weight, batch: u32): u32 {
  const alone = weight.tokensOfTile(1, batch);
  const together = weight.isEmbedding ? 0 : weight.tokensOfTile(TABLES_OF_HASH, batch) * TABLES_OF_HASH;
  return max(alone, together) * weight.chunks;
}
