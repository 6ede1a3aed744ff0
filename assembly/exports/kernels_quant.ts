/**
 * The block formats and their products as exports of the library: thin functions that check types and shapes and pass
 * on. A call that cannot be done returns a status below zero (the numbers of memory/core.ts) and writes nothing.
 *
 *     0    done
 *     −3   the type is not one of kernels/quant/types.ts
 *     −4   the shape does not fit: a count or a row that is not whole blocks, rows that are not there
 */
import {
  accumulateRows, accumulateScratchBytes, lookupRow, matmulFormScratchBytes, matmulRows, packedBytes,
} from "../kernels/quant/matmul";
import { ACTIVATION_BLOCK_BYTES, activationBytes, quantizeActivations } from "../kernels/quant/activations/sixteen";
import { PRECISION_SHIFT, operandRowBytes, precisionFor, quantizeAs } from "../kernels/quant/activations/precision";
import { dequantizeRow, packedGroupBytes, packGroup, quantizeRow, unpackRow } from "../kernels/quant/index";
import { blockElements, hasCodebook, rowBytes } from "../kernels/quant/types";

const UNSUPPORTED: i32 = -3;
const BAD_ARGUMENT: i32 = -4;

/** 0 where `count` values are whole blocks of the type. */
function checkBlocks(type: u32, count: u32): i32 {
  const elements = blockElements(type);
  if (elements == 0) return UNSUPPORTED;
  return count % elements == 0 ? 0 : BAD_ARGUMENT;
}

/** `count` values of a file's blocks → f32. */
export function kernel_dequantize(type: u32, source: usize, target: usize, count: u32): i32 {
  const status = checkBlocks(type, count);
  if (status == 0) dequantizeRow(type, source, target, count);
  return status;
}

/** f32 → `count` values in a file's blocks; a type with a codebook is for reading, and so none that can be written. */
export function kernel_quantize(type: u32, source: usize, target: usize, count: u32): i32 {
  const status = checkBlocks(type, count);
  if (status == 0 && hasCodebook(type)) return UNSUPPORTED;
  if (status == 0) quantizeRow(type, source, target, count);
  return status;
}

/** Bytes of `count` values in a file's blocks, 0 for an unknown type or a part of a block. */
export function kernel_row_bytes(type: u32, count: u32): usize {
  return checkBlocks(type, count) == 0 ? <usize>rowBytes(type, count) : 0;
}

/** Bytes of a packed matrix; 0 for an unknown type, a part of a block, or more than the memory could hold. */
export function kernel_packed_bytes(type: u32, rows: u32, columns: u32): usize {
  if (checkBlocks(type, columns) != 0) return 0;
  if (<u64>columns * 32 > 0xffff_ffff) return 0; // a single group may be too much
  const bytes = packedBytes(type, rows, columns);
  return bytes <= 0xffff_ffff ? <usize>bytes : 0;
}

/** A matrix as in a file, row after row → packed. */
export function kernel_pack(type: u32, source: usize, rows: u32, columns: u32, target: usize): i32 {
  const status = checkBlocks(type, columns);
  if (status != 0) return status;
  const stride = <usize>rowBytes(type, columns);
  while (rows > 0) {
    const count = min<u32>(rows, 8);
    packGroup(type, source, stride, count, columns, target);
    rows -= count;
    source += stride << 3;
    target += packedGroupBytes(type, columns);
  }
  return 0;
}

/** One row of a packed matrix → its bytes as in the file. */
export function kernel_unpack_row(type: u32, packed: usize, row: u32, columns: u32, target: usize): i32 {
  const status = checkBlocks(type, columns);
  if (status == 0) {
    unpackRow(type, packed + <usize>(row >> 3) * packedGroupBytes(type, columns), row & 7, columns, target);
  }
  return status;
}

/** One row of a packed matrix → f32; `scratch`: kernel_row_bytes(type, columns). */
export function kernel_lookup_row(
  type: u32, packed: usize, row: u32, columns: u32, target: usize, scratch: usize,
): i32 {
  const status = checkBlocks(type, columns);
  if (status == 0) lookupRow(type, packed, row, columns, target, scratch);
  return status;
}

/** Bytes of a row of activations in 16 bits; 0 where `columns` is not a multiple of 32. */
export function kernel_activation_bytes(columns: u32): usize {
  if ((columns & 31) != 0 || <u64>(columns >> 5) * ACTIVATION_BLOCK_BYTES > 0xffff_ffff) return 0;
  return activationBytes(columns);
}

/** One row of f32 → activations in 16 bits. */
export function kernel_quantize_activations(x: usize, columns: u32, target: usize): i32 {
  if ((columns & 31) != 0) return BAD_ARGUMENT;
  quantizeActivations(x, columns, target);
  return 0;
}

/** The form (activations/precision.ts) in which activations meet weights of a type: `wanted` where the build has it. */
export function kernel_operand_form(type: u32, wanted: u32): u32 {
  return precisionFor(type, wanted);
}

/** Bytes of a row of activations in a form; 0 where `columns` is not a multiple of 32. */
export function kernel_operand_bytes(form: u32, columns: u32): usize {
  return (columns & 31) == 0 ? operandRowBytes(form, columns) : 0;
}

/** One row of f32 → activations in a form. */
export function kernel_quantize_operand(form: u32, x: usize, columns: u32, target: usize): i32 {
  if ((columns & 31) != 0) return BAD_ARGUMENT;
  quantizeAs(form, x, columns, target);
  return 0;
}

/**
 * Bytes of scratch for `kernel_matmul`, the form above the byte of `type` as there: 32 a token, in form 4 64; a panel
 * besides where activations are bytes; Q1_0 and Q2_0 take 32 in every form, and tables besides; 0 for a type or a form
 * that this build does not have, and for more than the memory could hold.
 */
export function kernel_matmul_scratch_bytes(type: u32, tokens: u32): usize {
  const plain = type & ((1 << PRECISION_SHIFT) - 1);
  const form = (type >> PRECISION_SHIFT) & 0xff;
  if (blockElements(plain) == 0 || precisionFor(plain, form) != form || tokens > 0xffff_ffff >> 6) return 0;
  return matmulFormScratchBytes(type, tokens);
}

/**
 * Rows `rowBegin` … `rowEnd` − 1 of a packed matrix × `tokens` rows of activations, whose form stands above the byte of
 * `type`; `scratch`: kernel_matmul_scratch_bytes(type, tokens).
 */
export function kernel_matmul(
  type: u32, packed: usize, rows: u32, columns: u32, rowBegin: u32, rowEnd: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): i32 {
  const plain = type & ((1 << PRECISION_SHIFT) - 1);
  const form = (type >> PRECISION_SHIFT) & 0xff;
  const status = checkBlocks(plain, columns);
  if (status != 0) return status;
  if (precisionFor(plain, form) != form) return BAD_ARGUMENT;
  if (rowEnd > rows || rowBegin > rowEnd) return BAD_ARGUMENT;
  matmulRows(type, packed, rows, columns, rowBegin, rowEnd, x, xStride, tokens, target, targetStride, scratch);
  return 0;
}

/** Bytes of scratch for `kernel_accumulate_rows`; 0 for an unknown type or a part of a block. */
export function kernel_accumulate_scratch_bytes(type: u32, columns: u32): usize {
  return checkBlocks(type, columns) == 0 ? accumulateScratchBytes(type, columns) : 0;
}

/** target[k] = Σ factors[r − rowBegin] · W[r][k] over rows `rowBegin` … `rowEnd` − 1. */
export function kernel_accumulate_rows(
  type: u32, packed: usize, columns: u32, rowBegin: u32, rowEnd: u32, factors: usize, target: usize, scratch: usize,
): i32 {
  const status = checkBlocks(type, columns);
  if (status != 0) return status;
  if (rowBegin > rowEnd) return BAD_ARGUMENT;
  accumulateRows(type, packed, columns, rowBegin, rowEnd, factors, 0, 1, target, 0, scratch);
  return 0;
}
