/**
 * The matrix that lies neuron by neuron (columns/layout.ts draws it): packing, and its products by type.
 *
 *     multiplyColumns        reads active neurons alone; activations in 16 bits, or f32 for float weights
 *     multiplyColumnRows     many tokens, few zeros: a strip of outputs goes back to groups of rows, for their tiles
 *
 * Both give the bits of the matrix packed by rows (quant/matmul.ts).
 */
import { matmulRows, matmulScratchBytes } from "../matmul";
import { HAS_BF16, HAS_KERNELS, HAS_Q4_0, HAS_Q4_K, HAS_Q6_K, HAS_SQUARED_RELU } from "../../../parts";
import { BF16Packing } from "../formats/bf16";
import { F16Packing } from "../formats/f16";
import { F32Packing } from "../formats/f32";
import { Q4_KPacking } from "../formats/q4_k";
import { Q6_KPacking } from "../formats/q6_k";
import { multipliesFloats, packGroup, packedGroupBytes } from "../index";
import { PLANES_BYTES, fromRows, moveFloats, toRows } from "./convert";
import { multiplyColumns as multiply, columnScratchBytes as integerScratchBytes } from "./multiply";
import { floatColumnScratchBytes, multiplyFloatColumns } from "./floats";
import { Q4_0Columns, Q8_0Columns } from "./formats";
import { STEP } from "./layout";
import { Type, blockBytes, blockElements } from "../types";

/** Outputs of a range are multiples of this many. */
export const COLUMN_STEP: u32 = STEP;

/** Outputs that pass through groups of rows at once, at most. */
const STRIP: u32 = 64;

/** Whether this build packs by columns at all: the scratch for it is more than a microcontroller's memory has. */
export const HAS_COLUMNS: bool = (HAS_SQUARED_RELU || HAS_KERNELS) && !ASC_LOW_MEMORY_LIMIT;
/** The fast build's rows have another order of six bits, for its products with bytes. */
const HAS_Q6_K_COLUMNS: bool = HAS_Q6_K && !ASC_FEATURE_RELAXED_SIMD;

/** Whether a matrix may lie neuron by neuron. */
export function mayPackByColumns(type: u32, rows: u32): bool {
  if (!HAS_COLUMNS) return false;
  if (rows % STEP != 0) return false;
  switch (type) {
    case Type.F32:
    case Type.F16:
    case Type.BF16:
    case Type.Q4_0:
    case Type.Q8_0:
    case Type.Q4_K: return true;
    case Type.Q6_K: return HAS_Q6_K_COLUMNS;
    default: return false;
  }
}

/**
 * Whether a model may gain by it. Neurons of less than a kilobyte are runs so short, so many of them in a page, that
 * memory gives them at half its speed.
 */
export function suitsColumnPacking(type: u32, rows: u32): bool {
  return mayPackByColumns(type, rows) && (<u64>rows * blockBytes(type)) / blockElements(type) >= 1024;
}

/**
 * From how many sixteenths of zeros on a token gains by it on every processor that was measured (docs/benchmarks.md).
 * The fast build's rows of Q8_0 have a dot product of bytes where there is one, its columns have not.
 */
export function columnsPayFrom(type: u32): u32 {
  switch (type) {
    case Type.Q4_0: return 11;
    case Type.Q8_0: return ASC_FEATURE_RELAXED_SIMD ? 13 : 12;
    case Type.Q4_K:
    case Type.Q6_K: return 13;
    default: return 12;
  }
}

/**
 * From how many sixteenths of zeros on many tokens read neurons one by one faster than by way of groups of rows, whose
 * tiles share among tokens what weights and scales cost. Halves become floats anew for each token.
 */
export function minZeroSixteenths(type: u32): u32 {
  switch (type) {
    case Type.Q4_0:
    case Type.Q4_K: return 4;
    case Type.Q8_0:
    case Type.F32: return 7;
    case Type.Q6_K: return 10;
    default: return 13;
  }
}

/** Rows that are packed or unpacked at once: a multiple of COLUMN_STEP, or what is left. */
@inline
export function stripRows(rows: u32): u32 {
  return min(rows, STRIP);
}

/** Bytes of scratch for every function here. */
export function columnScratchBytes(type: u32, rows: u32, columns: u32, tokens: u32): usize {
  const strip =
    <usize>(stripRows(rows) >> 3) * packedGroupBytes(type, columns) + PLANES_BYTES + matmulScratchBytes(type, tokens);
  const sums = multipliesFloats(type) ? floatColumnScratchBytes(rows) : integerScratchBytes(rows);
  return max(strip, sums);
}

/** `count` rows of a file (at most stripRows, a multiple of 16) → outputs from `first` on. */
export function packColumns(
  type: u32, source: usize, sourceStride: usize, count: u32, first: u32, rows: u32, columns: u32, packed: usize,
  scratch: usize,
): void {
  if (!HAS_COLUMNS) return;
  const groupBytes = packedGroupBytes(type, columns);
  for (let row: u32 = 0; row < count; row += 8) {
    const to = scratch + <usize>(row >> 3) * groupBytes;
    packGroup(type, source + <usize>row * sourceStride, sourceStride, 8, columns, to);
  }
  groupsToColumns(type, scratch, count, first, rows, columns, packed);
}

/** `count` rows (a multiple of 16) in groups → outputs from `first` on. */
export function groupsToColumns(
  type: u32, group: usize, count: u32, first: u32, rows: u32, columns: u32, packed: usize,
): void {
  if (!HAS_COLUMNS) return;
  const groupBytes = packedGroupBytes(type, columns);
  switch (type) {
    case Type.F32: return moveFloats(4, group, count, rows, columns, first, packed, false);
    case Type.F16:
    case Type.BF16: return moveFloats(2, group, count, rows, columns, first, packed, false);
    case Type.Q4_0:
      if (HAS_Q4_0) fromRows<Q4_0Columns>(group, groupBytes, count, rows, columns, first, packed);
      return;
    case Type.Q8_0: return fromRows<Q8_0Columns>(group, groupBytes, count, rows, columns, first, packed);
    case Type.Q4_K:
      if (HAS_Q4_K) fromRows<Q4_KPacking>(group, groupBytes, count, rows, columns, first, packed);
      return;
    case Type.Q6_K:
      if (HAS_Q6_K_COLUMNS) fromRows<Q6_KPacking>(group, groupBytes, count, rows, columns, first, packed);
      return;
  }
}

/** `count` outputs from `first` on (multiples of 16) → groups of rows, as packGroup makes them. */
export function columnsToGroups(
  type: u32, packed: usize, rows: u32, columns: u32, first: u32, count: u32, group: usize, planes: usize,
): void {
  if (!HAS_COLUMNS) return;
  const groupBytes = packedGroupBytes(type, columns);
  switch (type) {
    case Type.F32: return moveFloats(4, group, count, rows, columns, first, packed, true);
    case Type.F16:
    case Type.BF16: return moveFloats(2, group, count, rows, columns, first, packed, true);
    case Type.Q4_0:
      if (HAS_Q4_0) toRows<Q4_0Columns>(packed, rows, columns, first, count, group, groupBytes, planes);
      return;
    case Type.Q8_0: return toRows<Q8_0Columns>(packed, rows, columns, first, count, group, groupBytes, planes);
    case Type.Q4_K:
      if (HAS_Q4_K) toRows<Q4_KPacking>(packed, rows, columns, first, count, group, groupBytes, planes);
      return;
    case Type.Q6_K:
      if (HAS_Q6_K_COLUMNS) toRows<Q6_KPacking>(packed, rows, columns, first, count, group, groupBytes, planes);
      return;
  }
}

/**
 * Outputs `begin` … `end` − 1 (multiples of COLUMN_STEP) by `tokens` rows of activations, strides in bytes; `target`
 * gets output `begin` at its index 0. `scratch`: columnScratchBytes(type, rows, columns, tokens).
 */
export function multiplyColumns(
  type: u32, packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): void {
  if (!HAS_COLUMNS) return;
  const y = target - ((<usize>begin) << 2);
  const s = targetStride;
  // biome-ignore format: one line a type.
  switch (type) {
    case Type.F32:
      return multiplyFloatColumns<F32Packing>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
    case Type.F16:
      return multiplyFloatColumns<F16Packing>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
    case Type.BF16:
      if (HAS_BF16) {
        multiplyFloatColumns<BF16Packing>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
      }
      return;
    case Type.Q4_0:
      if (HAS_Q4_0) multiply<Q4_0Columns>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
      return;
    case Type.Q8_0: return multiply<Q8_0Columns>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
    case Type.Q4_K:
      if (HAS_Q4_K) multiply<Q4_KPacking>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
      return;
    case Type.Q6_K:
      if (HAS_Q6_K_COLUMNS) multiply<Q6_KPacking>(packed, rows, columns, begin, end, x, xStride, tokens, y, s, scratch);
      return;
  }
}

/**
 * The same by way of groups of rows. The form of the activations stands above the type, as in `matmulRows`.
 * `scratch`: columnScratchBytes(type, rows, columns, tokens).
 */
export function multiplyColumnRows(
  product: u32, packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): void {
  if (!HAS_COLUMNS) return;
  const type = product & 0xff;
  const strip = stripRows(rows);
  const planes = scratch + <usize>(strip >> 3) * packedGroupBytes(type, columns);
  for (let row = begin; row < end; row += strip) {
    const count = min(strip, end - row);
    columnsToGroups(type, packed, rows, columns, row, count, scratch, planes);
    matmulRows(
      product, scratch, count, columns, 0, count, x, xStride, tokens, target + ((<usize>(row - begin)) << 2),
      targetStride, planes + PLANES_BYTES,
    );
  }
}
