/**
 * The Memory Layer's kernels as exports of the library: scalars and offsets only, for `limpet/kernels`, the benches and
 * the tests. They check types and sizes of codes; the caller gives buffers of the stated sizes. Statuses are those of
 * exports/kernels_quant.ts.
 */
import {
  MAX_CODE_BITS, WeightRule, chunkWeights, findResidentRows, hashRow, scaleWeights,
} from "../kernels/lookup/codes";
import { gatherRows, readAhead, tableRowBytes } from "../kernels/lookup/table_rows";

const UNSUPPORTED: i32 = -3;
const BAD_ARGUMENT: i32 = -4;

@inline
function checkBits(bits: u32): i32 {
  return bits > 0 && bits <= MAX_CODE_BITS ? 0 : BAD_ARGUMENT;
}

/** x f32[chunks · bits] → codes u32[chunks], first element most significant; zeros give the bit `zeroIsOne`. */
export function kernel_hash_row(x: usize, chunks: u32, bits: u32, zeroIsOne: bool, codes: usize): i32 {
  const status = checkBits(bits);
  if (status == 0) hashRow(x, chunks, bits, zeroIsOne, codes);
  return status;
}

/** x f32[chunks · bits] → weights f32[chunks]; rule 0 score, 1 prob with a temperature above 0. */
export function kernel_chunk_weights(
  x: usize, chunks: u32, bits: u32, rule: u32, temperature: f32, weights: usize,
): i32 {
  if (rule > WeightRule.PROB) return UNSUPPORTED;
  const status = rule == WeightRule.SCORE || temperature > 0 ? checkBits(bits) : BAD_ARGUMENT;
  if (status == 0) chunkWeights(x, chunks, bits, rule, temperature, weights);
  return status;
}

/** Bytes of a table's row: type 0 F32, 1 F16, 24 Q8, 280 Q4; 0 for others, and for Q4 with an odd number of columns. */
export function kernel_table_row_bytes(type: u32, columns: u32): usize {
  return tableRowBytes(type, columns);
}

/** rows[k] = table + (k · 2^bits + codes[k]) · step. */
export function kernel_find_rows(table: usize, step: usize, bits: u32, codes: usize, chunks: u32, rows: usize): i32 {
  const status = checkBits(bits);
  if (status == 0) findResidentRows(table, step, bits, codes, chunks, rows);
  return status;
}

/** Brings rows (and their scales, or 0) of a table near before they are used; only time depends on it. */
export function kernel_read_ahead(
  type: u32, rows: usize, columns: u32, scales: usize, bits: u32, codes: usize, chunks: u32,
): i32 {
  const status = checkBits(bits);
  if (status == 0) readAhead(type, rows, columns, scales, bits, codes, chunks);
  return status;
}

/** target[k] = weights[k] · scales[k · 2^bits + codes[k]]; `target` may be `weights`. */
export function kernel_scale_weights(
  scales: usize, bits: u32, codes: usize, chunks: u32, weights: usize, target: usize,
): i32 {
  const status = checkBits(bits);
  if (status == 0) scaleWeights(scales, bits, codes, chunks, weights, target);
  return status;
}

/** target f32[columns] = Σ weights[k] · row rows[k] of `type` + bias (f32[columns], or 0). */
export function kernel_gather_rows(
  type: u32, rows: usize, weights: usize, count: u32, columns: u32, bias: usize, target: usize,
): i32 {
  if (columns > 0 && tableRowBytes(type, columns) == 0) return UNSUPPORTED;
  gatherRows(type, rows, weights, count, columns, bias, target);
  return 0;
}
