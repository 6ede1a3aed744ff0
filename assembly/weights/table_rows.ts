/**
 * Rows of tables that stay in their file: a step says which rows it wants, and has their addresses once all of them
 * are in memory. What the row cache lacks is asked for in one list, of several tokens, and of several tables that are
 * hit by one hash.
 *
 *     wanted ──► all in the cache? ──yes──► addresses in the cache ──────────────► DONE
 *                       │ no                                                        ▲
 *                       ▼                                                           │
 *     tile: rows that are there are copied, the others asked for ──► NEED_DATA ──► kept in the cache too
 *
 * The tile is the requests' own, so other contexts may fill the cache as they like while a host reads. An address is
 * good until the step ends.
 */
import { Status } from "../memory/core";
import { Requests } from "./requests";
import { findRow, keepRow } from "./row_cache";
import { Weight, Weights, notFinite } from "./weight";
import { rowsAreFinite } from "../kernels/lookup/table_rows";
import { blocksAreFinite } from "../kernels/quant/finite";
import { blockElements } from "../kernels/quant/types";

/**
 * r.rowsFound[tokens][tables][chunks] ← the addresses of the rows that `codes` u32[tokens][chunks] name in each of the
 * first `tables` tables of `r`, whose chunks are the same. Entered again after NEED_DATA with the same operands. At
 * most `weight.tokensOfTile(tables, batch)` tokens.
 */
export function fetchRows(weights: Weights, r: Requests, tables: u32, codes: usize, tokens: u32): i32 {
  const first = r.table(0);
  const chunks = first.chunks;
  if (r.tileRows) {
    r.tileRows = 0;
    return keepAsked(weights, r, tables, codes, tokens);
  }
  weights.rowClock += 1;
  weights.rowsWanted += <u64>tokens * tables * chunks;
  let missing = false;
  for (let t: u32 = 0; t < tokens; t++) {
    for (let j: u32 = 0; j < tables; j++) {
      for (let k: u32 = 0; k < chunks; k++) {
        const found = findRow(r.table(j), rowOf(first, codes, t, k), weights.rowClock);
        setFound(r, (t * tables + j) * chunks + k, found);
        missing = missing || found == 0;
      }
    }
  }
  if (!missing) return Status.DONE;
  r.count = 0;
  let place = r.tile;
  for (let j: u32 = 0; j < tables; j++) {
    const table = r.table(j);
    const bytes = <usize>table.fileRowBytes;
    for (let k: u32 = 0; k < chunks; k++) {
      for (let t: u32 = 0; t < tokens; t++) {
        const at = (t * tables + j) * chunks + k;
        const twin = sameBefore(codes, chunks, k, t);
        if (twin < t) {
          setFound(r, at, foundAt(r, (twin * tables + j) * chunks + k));
          continue;
        }
        const found = foundAt(r, at);
        if (found != 0) memory.copy(place, found, bytes);
        else r.ask(table, rowOf(first, codes, t, k), 1, place);
        setFound(r, at, place);
        place += table.rowStride;
        r.tileRows += 1;
      }
    }
  }
  weights.rowsRead += r.count;
  for (let i: u32 = 0; i < r.count; i++) weights.rowBytesRead += r.at(i).length;
  return Status.NEED_DATA;
}

/** Whether a row of a table, or of an embedding, holds numbers alone. */
function rowIsFinite(table: Weight, row: usize): bool {
  if (table.isTable) return rowsAreFinite(table.type, row, table.columns);
  return blocksAreFinite(table.type, row, table.columns / blockElements(table.type));
}

/** The rows that were asked for are there: the cache gets a copy of each. */
function keepAsked(weights: Weights, r: Requests, tables: u32, codes: usize, tokens: u32): i32 {
  const first = r.table(0);
  const chunks = first.chunks;
  let request: u32 = 0;
  for (let j: u32 = 0; j < tables; j++) {
    for (let k: u32 = 0; k < chunks; k++) {
      for (let t: u32 = 0; t < tokens && request < r.count; t++) {
        const place = foundAt(r, (t * tables + j) * chunks + k);
        if (r.at(request).destination != place) continue;
        const table = r.table(j);
        if (!rowIsFinite(table, place)) return notFinite(weights, table);
        keepRow(table, rowOf(first, codes, t, k), weights.rowClock, place);
        request += 1;
      }
    }
  }
  return Status.DONE;
}

/**
 * The first of these tokens that wants the same row of a chunk as `token` does: `token` itself if none before it
 * does.
 */
function sameBefore(codes: usize, chunks: u32, chunk: u32, token: u32): u32 {
  const code = codeAt(codes, token * chunks + chunk);
  let t: u32 = 0;
  while (t < token && codeAt(codes, t * chunks + chunk) != code) t += 1;
  return t;
}

/** The row that a token takes of a chunk. */
@inline
function rowOf(first: Weight, codes: usize, token: u32, chunk: u32): u32 {
  return chunk * first.rowsPerChunk + codeAt(codes, token * first.chunks + chunk);
}

@inline
function codeAt(codes: usize, index: u32): u32 {
  return load<u32>(codes + ((<usize>index) << 2));
}

@inline
export function foundAt(r: Requests, index: u32): usize {
  return load<usize>(r.rowsFound + <usize>index * sizeof<usize>());
}

@inline
function setFound(r: Requests, index: u32, address: usize): void {
  store<usize>(r.rowsFound + <usize>index * sizeof<usize>(), address);
}
