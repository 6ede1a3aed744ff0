/**
 * Rows of tables that stay in their file: a stage says which rows it wants, and has their addresses once all of them
 * are in memory. What the row cache lacks is asked for in one list, of several tokens, and of several tables that are
 * hit by one hash.
 *
 *     wanted ──► all in the cache? ──yes──► addresses in the cache ──────────────► DONE
 *                       │ no                                                        ▲
 *                       ▼                                                           │
 *     tile: rows that are there are copied, the others asked for ──► NEED_DATA ──► kept in the cache too
 *
 * The tile is the context's own, so other contexts may fill the cache as they like while a host reads. An address is
 * good until the step ends.
 */
import { Status } from "../memory/core";
import { Context } from "../pass/context";
import { ask, requestAt } from "./requests";
import { findRow, keepRow } from "./row_cache";
import { notFinite } from "../engine/model";
import { Weight } from "./weight";
import { dequantizeRow } from "../kernels/quant/index";
import { rowsAreFinite } from "../kernels/lookup/table_rows";

/**
 * c.rowsFound[tokens][tables][chunks] ← the addresses of the rows that `codes` u32[tokens][chunks] name in each of
 * `tables` tables, whose records follow each other and whose chunks are the same. Entered again after NEED_DATA with
 * the same operands. At most `weight.tokensOfTile(tables, batch)` tokens.
 */
export function fetchRows(c: Context, first: Weight, tables: u32, codes: usize, tokens: u32): i32 {
  const chunks = first.chunks;
  const model = c.model;
  if (c.tileRows) {
    c.tileRows = 0;
    return keepAsked(c, first, tables, codes, tokens);
  }
  model.rowClock += 1;
  model.rowsWanted += <u64>tokens * tables * chunks;
  let missing = false;
  for (let t: u32 = 0; t < tokens; t++) {
    for (let j: u32 = 0; j < tables; j++) {
      for (let k: u32 = 0; k < chunks; k++) {
        const found = findRow(first.next(j), rowOf(first, codes, t, k), model.rowClock);
        setFound(c, (t * tables + j) * chunks + k, found);
        missing = missing || found == 0;
      }
    }
  }
  if (!missing) return Status.DONE;
  c.requestCount = 0;
  let place = c.tile;
  for (let j: u32 = 0; j < tables; j++) {
    const table = first.next(j);
    const bytes = <usize>table.fileRowBytes;
    for (let k: u32 = 0; k < chunks; k++) {
      for (let t: u32 = 0; t < tokens; t++) {
        const at = (t * tables + j) * chunks + k;
        const twin = sameBefore(codes, chunks, k, t);
        if (twin < t) {
          setFound(c, at, foundAt(c, (twin * tables + j) * chunks + k));
          continue;
        }
        const found = foundAt(c, at);
        if (found != 0) memory.copy(place, found, bytes);
        else ask(c, table, rowOf(first, codes, t, k), 1, place);
        setFound(c, at, place);
        place += table.rowSlot;
        c.tileRows += 1;
      }
    }
  }
  model.rowsRead += c.requestCount;
  for (let i: u32 = 0; i < c.requestCount; i++) model.rowBytesRead += requestAt(c, i).length;
  return Status.NEED_DATA;
}

/** The rows that were asked for are there: the cache gets a copy of each. */
function keepAsked(c: Context, first: Weight, tables: u32, codes: usize, tokens: u32): i32 {
  const chunks = first.chunks;
  let request: u32 = 0;
  for (let j: u32 = 0; j < tables; j++) {
    for (let k: u32 = 0; k < chunks; k++) {
      for (let t: u32 = 0; t < tokens && request < c.requestCount; t++) {
        const place = foundAt(c, (t * tables + j) * chunks + k);
        if (requestAt(c, request).destination != place) continue;
        const table = first.next(j);
        if (table.isTable && !rowsAreFinite(table.type, place, table.columns)) return notFinite(c.model, table);
        keepRow(table, rowOf(first, codes, t, k), c.model.rowClock, place);
        request += 1;
      }
    }
  }
  return Status.DONE;
}

/** hidden ← the embeddings of the batch's tokens. */
export function embedStreamed(c: Context, weight: Weight): i32 {
  while (c.cursor < c.active) {
    const tokens = min(c.active - c.cursor, weight.tokensOfTile(1, c.batchCapacity));
    // Before the first layer all tokens are in the pass, in their own order.
    const status = fetchRows(c, weight, 1, c.ids + ((<usize>c.cursor) << 2), tokens);
    if (status != Status.DONE) return status;
    for (let t: u32 = 0; t < tokens; t++) {
      const target = c.hidden + ((<usize>(c.cursor + t) * weight.columns) << 2);
      dequantizeRow(weight.type, foundAt(c, t), target, weight.columns);
    }
    c.cursor += tokens;
  }
  c.cursor = 0;
  return Status.DONE;
}

/** The first token of a part that wants the same row of a chunk: itself, if none did before. */
function sameBefore(codes: usize, chunks: u32, chunk: u32, token: u32): u32 {
  const code = codeAt(codes, token * chunks + chunk);
  let t: u32 = 0;
  while (t < token && codeAt(codes, t * chunks + chunk) != code) t += 1;
  return t;
}

/** The row that a token takes of a chunk. */
@inline
function rowOf(first: Weight, codes: usize, token: u32, chunk: u32): u32 {
  return chunk * first.span + codeAt(codes, token * first.chunks + chunk);
}

@inline
function codeAt(codes: usize, index: u32): u32 {
  return load<u32>(codes + ((<usize>index) << 2));
}

@inline
function foundAt(c: Context, index: u32): usize {
  return load<usize>(c.rowsFound + <usize>index * sizeof<usize>());
}

@inline
function setFound(c: Context, index: u32, address: usize): void {
  store<usize>(c.rowsFound + <usize>index * sizeof<usize>(), address);
}
