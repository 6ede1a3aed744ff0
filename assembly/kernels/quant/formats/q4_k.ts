/**
 * Q4_K: 256 columns in sub-blocks of 32, codes of 4 bits, sub-scales and sub-minima of 6 bits.
 *
 *     file     ┌ d h │ dmin h │ 12 B sub-scales (kernels/quant/k_sixbit.ts) │ 128 B codes ┐       144 bytes
 *       codes  byte 32 p + i: column 64 p + i low, column 64 p + 32 + i high;   w = d · scale · code − dmin · minimum
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 12 B sub-scales │ 128 B codes ┐       1152 bytes = 8 × 144
 *       (kernels/quant/k_fields.ts draws the codes)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS4, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeRanges } from "../quantise/encode";
import { filePair, packedPair, packedPairs8, setFilePair, setPackedPair } from "../blocks256/sixbit";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeQ4_K(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Nibbles>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeQ4_K(source: usize, target: usize, count: usize): void {
  quantizeRanges<Nibbles>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ4_K(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Nibbles>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ4_K(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Nibbles>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulQ4_K(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Nibbles>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeQ4_K(group: usize, columns: u32, target: usize): void {
  decodeSuper<Nibbles>(group, columns, target);
}

@unmanaged
export class Nibbles {
  @inline get bits(): i32 { return 4; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 12; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return true; }
  @inline get scaled(): bool { return true; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 144; }
  @inline get fileScale(): usize { return 0; }
  @inline get fileMinimum(): usize { return 2; }
  @inline get fileQuants(): usize { return 16; }

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
    return loadCodes(file + 16 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, BITS4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 16 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, codes);
  }

  @inline finish(file: usize): void {}
}
