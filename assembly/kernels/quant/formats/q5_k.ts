/**
 * Q5_K: Q4_K with a fifth bit.
 *
 *     file     ┌ d h │ dmin h │ 12 B sub-scales (k_sixbit.ts) │ 32 B fifth bits │ 128 B nibbles ┐       176 bytes
 *       codes  nibbles as in Q4_K; the fifth bit of column 32 s + i: byte i, bit s
 *       w = d · scale · code − dmin · minimum
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 12 B sub-scales │ 160 B codes ┐
 *       1408 bytes = 8 × 176 (kernels/quant/k_fields.ts draws the codes)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS1, BITS4, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeRanges } from "../quantise/encode";
import { filePair, packedPair, packedPairs8, setFilePair, setPackedPair } from "../blocks256/sixbit";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeQ5_K(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Quintuples>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeQ5_K(source: usize, target: usize, count: usize): void {
  quantizeRanges<Quintuples>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ5_K(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Quintuples>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ5_K(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Quintuples>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulQ5_K(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Quintuples>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeQ5_K(group: usize, columns: u32, target: usize): void {
  decodeSuper<Quintuples>(group, columns, target);
}

@unmanaged
export class Quintuples {
  @inline get bits(): i32 { return 5; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 12; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return true; }
  @inline get scaled(): bool { return true; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 176; }
  @inline get fileScale(): usize { return 0; }
  @inline get fileMinimum(): usize { return 2; }
  @inline get fileQuants(): usize { return 48; }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    return packedPairs8(unit, quad);
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    return packedPair(unit, row);
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    setPackedPair(unit, row, value);
  }

  @inline
  fileScales(file: usize, j: u32): i32 {
    return filePair(file + 4, j);
  }

  @inline
  setFileScales(file: usize, j: u32, value: i32): void {
    setFilePair(file + 4, j, value);
  }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const nibbles = loadCodes(file + 48 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, BITS4);
    return nibbles | (loadCodes(file + 16 + (step << 3), unit, BITS1) << 4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 48 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, codes & BITS4);
    orCodes(file + 16 + (step << 3), unit, (codes >> 4) & BITS1);
  }

  @inline finish(file: usize): void {}
}
