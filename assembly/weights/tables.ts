/**
 * Look-up tables: where the rows are that codes name. This is the one place that knows whether a table lies in memory.
 *
 *     table  ┌ chunk 0: rowsPerChunk rows ┬ chunk 1 ┬ … ┐        the row of chunk k is  k · rowsPerChunk + codes[k]
 */
import { Status } from "../memory/core";
import { Requests } from "./requests";
import { fetchRows } from "./table_rows";
import { Weight, WeightState, Weights } from "./weight";
import { findResidentRows } from "../kernels/lookup/codes";

/** Tokens that find their rows at once in memory: enough to share among threads. */
const RESIDENT_TOKENS: u32 = 32;

/** Tokens that find their rows at once: of a table in the file, what a tile holds. */
export function tokensAtOnce(first: Weight, tables: u32, batch: u32): u32 {
  return first.state == WeightState.STREAMED ? first.tokensOfTile(tables, batch) : min(batch, RESIDENT_TOKENS);
}

/**
 * r.rowsFound[tokens][tables][chunks] ← where the rows lie that codes u32[tokens][chunks] name in each of the first
 * `tables` tables of `r`. NEED_DATA: they are on their way, ask again with the same operands when the step is entered
 * anew. The addresses are good until the step ends.
 */
export function findRows(weights: Weights, r: Requests, tables: u32, codes: usize, tokens: u32): i32 {
  const first = r.table(0);
  if (first.state == WeightState.STREAMED) return fetchRows(weights, r, tables, codes, tokens);
  const chunks = first.chunks;
  let rows = r.rowsFound;
  for (let t: u32 = 0; t < tokens; t++) {
    for (let j: u32 = 0; j < tables; j++) {
      const table = r.table(j);
      findResidentRows(table.data, table.step, ctz(table.rowsPerChunk), codes, chunks, rows);
      rows += <usize>chunks * sizeof<usize>();
    }
    codes += (<usize>chunks) << 2;
  }
  return Status.DONE;
}
