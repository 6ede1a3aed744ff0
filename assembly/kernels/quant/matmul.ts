/**
 * Products with a packed matrix W (rows × columns): any range of its rows by a batch of activations, one row by itself,
 * and the transposed product.
 *
 *     matmulRows       y[t][r − rowBegin] = Σ_k W[r][k] · x[t][k]        r in rowBegin … rowEnd − 1
 *     lookupRow        y[k] = W[row][k]
 *     accumulateRows   y[t][k] = Σ_r factors[t][r − rowBegin] · W[r][k]
 *
 * Groups of eight rows are the unit of work: a range that begins or ends inside one is computed in `scratch` and
 * copied, so that the bits of an output do not depend on how the rows are split.
 */
import { HAS_Q4_0 } from "../../parts";
import { multiplyAdd } from "../float/fused";
import { activationBytes } from "./activations/sixteen";
import { F16Packing } from "./formats/f16";
import { F32Packing } from "./formats/f32";
import { WIDENED_TOKENS, matmulWidened } from "./floats";
import { PRECISION_SHIFT, ActivationPrecision, precisionFor } from "./activations/precision";
import { decodeGroup, dequantizeRow, matmulGroups, packedGroupBytes, takesSums, unpackRow, workBytes } from "./index";
import { accumulateQ4_0 } from "./transposed";
import { Type, rowBytes } from "./types";

/** Bytes of a whole packed matrix. */
export function packedBytes(type: u32, rows: u32, columns: u32): u64 {
  return <u64>packedGroupBytes(type, columns) * ((<u64>rows + 7) >> 3);
}

/** Bytes of scratch that `matmulRows` wants in any form: the outputs of two groups, and what it works in. */
@inline
export function matmulScratchBytes(type: u32, tokens: u32): usize {
  return (
    ((<usize>tokens) << 6) +
    workBytes(type, ASC_FEATURE_RELAXED_SIMD ? precisionFor(type, ActivationPrecision.BYTE) : 0)
  );
}

/** The same for the form that stands above `type`: only the form of two halves keeps two groups' outputs. */
export function matmulFormScratchBytes(type: u32, tokens: u32): usize {
  return (
    ((<usize>tokens) << (multipliesTwice(type) ? 6 : 5)) + workBytes(type & 0xff, (type >> PRECISION_SHIFT) & 0xff)
  );
}

/** Whether the form that stands above `type` takes two products. */
@inline
function multipliesTwice(type: u32): bool {
  return type >> PRECISION_SHIFT == ActivationPrecision.TWO_SIXTEENS && !takesSums(type & 0xff);
}

/**
 * Rows `rowBegin` … `rowEnd` − 1 by `tokens` rows of activations (f32 for float weights, else Q16), strides in bytes.
 * The form of the activations stands above `type` (activations/precision.ts). `target` gets row `rowBegin` at its index
 * 0 and is written nowhere else. `scratch`: matmulFormScratchBytes(type, tokens).
 */
export function matmulRows(
  type: u32, packed: usize, rows: u32, columns: u32, rowBegin: u32, rowEnd: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): void {
  if (rowEnd > rows) rowEnd = rows;
  if (multipliesTwice(type)) {
    return matmulTwice(
      type & 0xff, packed, columns, rowBegin, rowEnd, x, xStride, tokens, target, targetStride, scratch,
    );
  }
  const groupBytes = packedGroupBytes(type & 0xff, columns);
  const work = scratch + ((<usize>tokens) << 5);
  let row = rowBegin;
  while (row < rowEnd) {
    const group = packed + <usize>(row >> 3) * groupBytes;
    const y = target + ((<usize>(row - rowBegin)) << 2);
    const whole = (rowEnd - row) >> 3;
    if ((row & 7) == 0 && whole > 0) {
      if (ASC_FEATURE_SIMD && type == Type.F16 && tokens >= WIDENED_TOKENS && columns != 0 && (columns & 3) == 0) {
        matmulWidened<F16Packing, F32Packing>(group, whole, columns, x, xStride, tokens, y, targetStride, scratch);
      } else {
        matmulGroups(type, group, whole, columns, x, xStride, tokens, y, targetStride, work);
      }
      row += whole << 3;
    } else {
      matmulGroups(type, group, 1, columns, x, xStride, tokens, scratch, 32, work);
      const first = row & 7;
      const count = min(8 - first, rowEnd - row);
      for (let t: u32 = 0; t < tokens; t++) {
        const from = scratch + ((<usize>t) << 5) + ((<usize>first) << 2);
        memory.copy(y + <usize>t * targetStride, from, (<usize>count) << 2);
      }
      row += count;
    }
  }
}

/** The product by both halves of the activations: W · first + W · rest, group by group. */
function matmulTwice(
  type: u32, packed: usize, columns: u32, rowBegin: u32, rowEnd: u32, x: usize, xStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): void {
  const groupBytes = packedGroupBytes(type, columns);
  const rest = x + activationBytes(columns);
  const second = scratch + ((<usize>tokens) << 5);
  const work = second + ((<usize>tokens) << 5);
  for (let row = rowBegin; row < rowEnd; ) {
    const group = packed + <usize>(row >> 3) * groupBytes;
    matmulGroups(type, group, 1, columns, x, xStride, tokens, scratch, 32, work);
    matmulGroups(type, group, 1, columns, rest, xStride, tokens, second, 32, work);
    const first = row & 7;
    const count = min(8 - first, rowEnd - row);
    for (let t: u32 = 0; t < tokens; t++) {
      const from = ((<usize>t) << 5) + ((<usize>first) << 2);
      const y = target + <usize>t * targetStride + ((<usize>(row - rowBegin)) << 2);
      for (let i: usize = 0; i < (<usize>count) << 2; i += 4) {
        store<f32>(y + i, load<f32>(scratch + from + i) + load<f32>(second + from + i));
      }
    }
    row += count;
  }
}

/** One row as f32: what an embedding is looked up with. `scratch`: rowBytes(type, columns). */
export function lookupRow(type: u32, packed: usize, row: u32, columns: u32, target: usize, scratch: usize): void {
  unpackRow(type, packed + <usize>(row >> 3) * packedGroupBytes(type, columns), row & 7, columns, scratch);
  dequantizeRow(type, scratch, target, columns);
}

/** Bytes of scratch that `accumulateRows` wants: a group as f32, and what decoding it wants. */
export function accumulateScratchBytes(type: u32, columns: u32): usize {
  const padded = (<usize>columns + 3) & ~3;
  return padded * 36 + <usize>((rowBytes(type, columns) + 15) & ~15);
}

/**
 * The transposed product of `tokens` rows of factors: target[t][k] = Σ_r factors[t][r − rowBegin] · W[r][k], row after
 * row in ascending order from zero, f32, strides in bytes. A group of rows is decoded once for all tokens.
 * One token has a kernel of its own for Q4_0, with the same bits. `scratch`: accumulateScratchBytes(type, columns).
 */
export function accumulateRows(
  type: u32, packed: usize, columns: u32, rowBegin: u32, rowEnd: u32, factors: usize, factorStride: usize, tokens: u32,
  target: usize, targetStride: usize, scratch: usize,
): void {
  const groupBytes = packedGroupBytes(type, columns);
  const decoded = scratch + ((((<usize>columns + 3) & ~3) << 2) + <usize>((rowBytes(type, columns) + 15) & ~15));
  for (let t: u32 = 0; t < tokens; t++) memory.fill(target + <usize>t * targetStride, 0, (<usize>columns) << 2);
  let row = rowBegin;
  if (HAS_Q4_0 && ASC_FEATURE_SIMD && type == Type.Q4_0 && tokens == 1 && ((rowBegin | rowEnd) & 7) == 0) {
    const group = packed + <usize>(rowBegin >> 3) * groupBytes;
    return accumulateQ4_0(group, (rowEnd - rowBegin) >> 3, columns, factors, target, scratch);
  }
  while (row < rowEnd) {
    const first = row & 7;
    const count = min(8 - first, rowEnd - row);
    decodeGroup(type, packed + <usize>(row >> 3) * groupBytes, columns, decoded, scratch);
    for (let t: u32 = 0; t < tokens; t++) {
      addRows(decoded, first, count, factors + <usize>t * factorStride, columns, target + <usize>t * targetStride);
    }
    factors += (<usize>count) << 2;
    row += count;
  }
}

/** target[k] += factors[i] · (row first + i of a decoded group)[k] for i = 0 … count − 1, in this order. */
function addRows(decoded: usize, first: u32, count: u32, factors: usize, columns: u32, target: usize): void {
  if (ASC_FEATURE_SIMD) {
    if (count == 8) {
      const f0 = v128.load_splat<f32>(factors);
      const f1 = v128.load_splat<f32>(factors, 4);
      const f2 = v128.load_splat<f32>(factors, 8);
      const f3 = v128.load_splat<f32>(factors, 12);
      const f4 = v128.load_splat<f32>(factors, 16);
      const f5 = v128.load_splat<f32>(factors, 20);
      const f6 = v128.load_splat<f32>(factors, 24);
      const f7 = v128.load_splat<f32>(factors, 28);
      for (; columns >= 4; columns -= 4) {
        let y = v128.load(target);
        y = multiplyAdd(v128.load(decoded), f0, y);
        y = multiplyAdd(v128.load(decoded, 16), f1, y);
        y = multiplyAdd(v128.load(decoded, 32), f2, y);
        y = multiplyAdd(v128.load(decoded, 48), f3, y);
        y = multiplyAdd(v128.load(decoded, 64), f4, y);
        y = multiplyAdd(v128.load(decoded, 80), f5, y);
        y = multiplyAdd(v128.load(decoded, 96), f6, y);
        y = multiplyAdd(v128.load(decoded, 112), f7, y);
        v128.store(target, y);
        decoded += 128;
        target += 16;
      }
    }
  }
  for (let k: u32 = 0; k < columns; k++) {
    let from = decoded + ((<usize>(k >> 2)) << 7) + ((<usize>first) << 4) + ((<usize>(k & 3)) << 2);
    let y = load<f32>(target);
    for (let i: u32 = 0; i < count; i++) {
      y += load<f32>(from) * load<f32>(factors + ((<usize>i) << 2));
      from += 16;
    }
    store<f32>(target, y);
    target += 4;
  }
}
