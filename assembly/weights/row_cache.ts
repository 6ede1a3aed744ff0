/**
 * The row cache: rows of tables that stay in their file, kept for when they are hit again. A token hits one row of each
 * chunk of a table, so each chunk has sets of its own: no two rows of one token ever want the same place, and what a
 * token brings in throws out at most one row a chunk, the one that was hit longest ago.
 *
 *     a table's share (weight.data)   ┌ row u32[sets · ways] │ last hit u32[sets · ways] ┐┌ rows [sets · ways][row] ┐
 *     set of a row                    chunk · setsPerChunk + row mod setsPerChunk,   chunk = row / span
 *
 * Nothing is allocated after loading, and a cache of no bytes is right too: every row is read each time. Rows are
 * copied in and found by address; an address is good until the next row is kept.
 */
import { blockBytes } from "../memory/arena";
import { Weight, WeightState, Weights } from "./weight";

/** An entry that holds no row says this. */
const NONE: u32 = 0xffff_ffff;
/** Places of a set where there are no tables but embeddings. */
const EMBEDDING_WAYS: u32 = 8;
/** Bytes of an entry beside its row. */
const TAG_BYTES: u32 = 8;

/** Shares `bytes` out among the tables that stay in the file: as many places a chunk in each as they hold. */
export function planRowCache(weights: Weights, bytes: u64): void {
  let oneWay: u64 = 0;
  let chunks: u32 = 0;
  let embeddings: u32 = 0;
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (isTable(weight) && weight.isEmbedding) embeddings += 1;
    if (!isTable(weight) || weight.isEmbedding) continue;
    chunks = max(chunks, weight.chunks);
    oneWay += <u64>weight.chunks * entryBytes(weight);
    weight.setsPerChunk = 1;
  }
  for (let i: u32 = 0; i < weights.count; i++) {
    const embedding = weights.at(i);
    if (!isTable(embedding) || !embedding.isEmbedding) continue;
    // A token hits the embedding once: beside tables it gets as much as the largest of them.
    const sets: u64 = chunks != 0 ? chunks : bytes / (embeddings * EMBEDDING_WAYS * entryBytes(embedding));
    embedding.setsPerChunk = <u32>min<u64>(sets, embedding.rows / EMBEDDING_WAYS + 1);
    oneWay += <u64>embedding.setsPerChunk * entryBytes(embedding);
  }
  if (oneWay == 0) return;
  const ways: u64 = chunks != 0 ? bytes / oneWay : EMBEDDING_WAYS;
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (!isTable(weight)) continue;
    const rows = (weight.rowsPerChunk + weight.setsPerChunk - 1) / weight.setsPerChunk;
    weight.ways = <u32>min<u64>(ways, rows);
    if (weight.ways != 0) weights.bytes += blockBytes(cacheBytes(weight));
  }
}

/** Bytes of a table's share of the cache. */
export function cacheBytes(weight: Weight): u64 {
  return entries(weight) * entryBytes(weight);
}

/** Makes a table's share, at `weight.data`, empty. */
export function clearRows(weight: Weight): void {
  memory.fill(weight.data, 0xff, (<usize>entries(weight)) << 2);
  memory.fill(weight.data + ((<usize>entries(weight)) << 2), 0, (<usize>entries(weight)) << 2);
}

/** Where a row lies in the cache; 0: it does not. `now` tells later hits from earlier ones. */
export function findRow(weight: Weight, row: u32, now: u32): usize {
  const ways = weight.ways;
  if (ways == 0) return 0;
  const first = setOf(weight, row) * ways;
  const tags = weight.data + ((<usize>first) << 2);
  for (let way: u32 = 0; way < ways; way++) {
    if (load<u32>(tags + ((<usize>way) << 2)) != row) continue;
    store<u32>(tags + ((<usize>(entries(weight) + way)) << 2), now);
    return rowAt(weight, first + way);
  }
  return 0;
}

/** Keeps a copy of a row, in the place of the one of its set that was hit longest ago. */
export function keepRow(weight: Weight, row: u32, now: u32, source: usize): void {
  const ways = weight.ways;
  if (ways == 0) return;
  const first = setOf(weight, row) * ways;
  const tags = weight.data + ((<usize>first) << 2);
  const hits = tags + ((<usize>entries(weight)) << 2);
  let oldest: u32 = 0;
  for (let way: u32 = 0; way < ways; way++) {
    const at = (<usize>way) << 2;
    // Two contexts may have asked for the same row.
    if (load<u32>(tags + at) == row) return;
    // Ages are differences, so that the clock may run over.
    if (now - load<u32>(hits + at) > now - load<u32>(hits + ((<usize>oldest) << 2))) oldest = way;
    if (load<u32>(tags + at) == NONE) {
      oldest = way;
      break;
    }
  }
  store<u32>(tags + ((<usize>oldest) << 2), row);
  store<u32>(hits + ((<usize>oldest) << 2), now);
  memory.copy(rowAt(weight, first + oldest), source, <usize>weight.fileRowBytes);
}

@inline
function isTable(weight: Weight): bool {
  return weight.state == WeightState.STREAMED && weight.rowsPerChunk != 0;
}

@inline
function entries(weight: Weight): u64 {
  return <u64>weight.chunks * weight.setsPerChunk * weight.ways;
}

@inline
function entryBytes(weight: Weight): u32 {
  return weight.rowStride + TAG_BYTES;
}

@inline
function setOf(weight: Weight, row: u32): u32 {
  const sets = weight.setsPerChunk;
  return (row / weight.rowsPerChunk) * sets + (sets > 1 ? row % sets : 0);
}

@inline
function rowAt(weight: Weight, entry: u32): usize {
  return weight.data + <usize>(entries(weight) * TAG_BYTES) + <usize>entry * weight.rowStride;
}
