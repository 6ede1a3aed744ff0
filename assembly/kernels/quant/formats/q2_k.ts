/**
 * Q2_K: 256 columns in sub-blocks of 16, codes of 2 bits, sub-scales and sub-minima of 4 bits.
 *
 *     file     ┌ 16 B: sub-scale low, sub-minimum high │ 64 B codes │ d h │ dmin h ┐    84 bytes
 *       codes  byte 32 t + i, bits 2 g: column 128 t + 32 g + i;   w = d · scale · code − dmin · minimum
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 16 B sub-scales of columns 0…15 (8 rows), of 16…31 │ 64 B codes ┐
 *       672 bytes = 8 × 84 (kernels/quant/k_fields.ts draws the codes)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS2, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeRanges } from "../quantise/encode";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeQ2_K(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Pairs>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeQ2_K(source: usize, target: usize, count: usize): void {
  quantizeRanges<Pairs>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ2_K(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Pairs>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ2_K(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Pairs>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulQ2_K(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Pairs>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeQ2_K(group: usize, columns: u32, target: usize): void {
  decodeSuper<Pairs>(group, columns, target);
}

@unmanaged
export class Pairs {
  @inline get bits(): i32 { return 2; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 16; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return true; }
  @inline get scaled(): bool { return true; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 84; }
  @inline get fileScale(): usize { return 80; }
  @inline get fileMinimum(): usize { return 82; }
  @inline get fileQuants(): usize { return 16; }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    return v128.load_ext<u8>(unit + (part << 3) + (quad << 2));
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    return load<u8>(unit + (part << 3) + row);
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    store<u8>(unit + (part << 3) + row, <u8>value);
  }

  @inline
  fileScales(file: usize, j: u32): i32 {
    return load<u8>(file + j);
  }

  @inline
  setFileScales(file: usize, j: u32, value: i32): void {
    store<u8>(file + j, <u8>value);
  }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    return loadCodes(file + 16 + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, BITS2);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 16 + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, codes);
  }

  @inline finish(file: usize): void {}
}
