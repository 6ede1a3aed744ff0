/**
 * The layout neuron by neuron and its products as exports of the library (columns/layout.ts): thin
 * functions that check types and shapes and pass on. Statuses are those of exports/kernels_quant.ts.
 */
import {
  COLUMN_STEP, mayPackByColumns, multiplyColumnRows, multiplyColumns, columnScratchBytes, columnsToGroups, packColumns,
  stripRows,
} from "../kernels/quant/columns/columns";
import { PLANES_BYTES } from "../kernels/quant/columns/convert";
import { packedGroupBytes, unpackRow } from "../kernels/quant/index";
import { blockElements, rowBytes } from "../kernels/quant/types";

const UNSUPPORTED: i32 = -3;
const BAD_ARGUMENT: i32 = -4;

/** 0 where a matrix of this type and shape may lie neuron by neuron. */
function check(type: u32, rows: u32, columns: u32): i32 {
  const elements = blockElements(type);
  if (elements == 0 || !mayPackByColumns(type, rows)) return UNSUPPORTED;
  return columns % elements == 0 ? 0 : BAD_ARGUMENT;
}

/** Bytes of scratch for the calls below; 0 where the type or the shape may not lie neuron by neuron. */
export function kernel_neuron_scratch_bytes(type: u32, rows: u32, columns: u32, tokens: u32): usize {
  return check(type, rows, columns) == 0 ? columnScratchBytes(type, rows, columns, tokens) : 0;
}

/** A matrix as in a file, row after row → neuron by neuron, as many bytes. */
export function kernel_pack_neurons(
  type: u32, source: usize, rows: u32, columns: u32, target: usize, scratch: usize,
): i32 {
  const status = check(type, rows, columns);
  if (status != 0) return status;
  const stride = <usize>rowBytes(type, columns);
  const most = stripRows(rows);
  for (let row: u32 = 0; row < rows; row += most) {
    const count = min(most, rows - row);
    packColumns(type, source + <usize>row * stride, stride, count, row, rows, columns, target, scratch);
  }
  return 0;
}

/** … and back to the bytes of the file. */
export function kernel_unpack_neurons(
  type: u32, packed: usize, rows: u32, columns: u32, target: usize, scratch: usize,
): i32 {
  const status = check(type, rows, columns);
  if (status != 0) return status;
  const stride = <usize>rowBytes(type, columns);
  const group = scratch + PLANES_BYTES;
  for (let row: u32 = 0; row < rows; row += 16) {
    columnsToGroups(type, packed, rows, columns, row, 16, group, scratch);
    for (let i: u32 = 0; i < 16; i++) {
      const from = group + <usize>(i >> 3) * packedGroupBytes(type, columns);
      unpackRow(type, from, i & 7, columns, target + <usize>(row + i) * stride);
    }
  }
  return 0;
}

/**
 * Outputs `begin` … `end` − 1 (multiples of 32) by `tokens` rows of activations (f32 for float weights, else 16 bits);
 * `byRows`: by way of groups of rows, as many tokens with few zeros want it.
 */
export function kernel_multiply_neurons(
  type: u32, packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize, byRows: bool,
): i32 {
  const status = check(type, rows, columns);
  if (status != 0) return status;
  if (end > rows || begin > end || (begin | end) % COLUMN_STEP != 0) return BAD_ARGUMENT;
  if (byRows) {
    multiplyColumnRows(type, packed, rows, columns, begin, end, x, xStride, tokens, target, targetStride, scratch);
  } else {
    multiplyColumns(type, packed, rows, columns, begin, end, x, xStride, tokens, target, targetStride, scratch);
  }
  return 0;
}
