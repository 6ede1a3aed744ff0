/**
 * Q6_K: 256 columns in sub-blocks of 16, codes of 6 bits less 32, signed sub-scales of 8 bits.
 *
 *     file     ┌ 128 B low nibbles │ 64 B high pairs │ 16 × i8 sub-scales │ d h ┐           210 bytes
 *       column 128 t + 32 g + i: nibble g div 2 of byte 64 t + 32 (g mod 2) + i; pair g of byte 32 t + i
 *       w = d · scale · (code − 32)
 *     packed   ┌ 8 × d h ┬ 8 units: 16 B sub-scales of columns 0…15 (8 rows), of 16…31 │ 192 B codes ┐
 *       1680 bytes = 8 × 210 (kernels/quant/k_fields.ts draws the codes)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS2, BITS4, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeScales } from "../quantise/encode";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeQ6_K(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Sextuples>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeQ6_K(source: usize, target: usize, count: usize): void {
  quantizeScales<Sextuples>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ6_K(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Sextuples>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ6_K(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Sextuples>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulQ6_K(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Sextuples>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** Where the low nibbles of a step lie in a file's block. */
@inline
function nibblesAt(file: usize, unit: u32, step: u32): usize {
  return file + ((unit >> 2) << 6) + ((unit & 1) << 5) + (step << 3);
}

/** … and the high pairs. */
@inline
function pairsAt(file: usize, unit: u32, step: u32): usize {
  return file + 128 + ((unit >> 2) << 5) + (step << 3);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeQ6_K(group: usize, columns: u32, target: usize): void {
  decodeSuper<Sextuples>(group, columns, target);
}

@unmanaged
export class Sextuples {
  @inline get bits(): i32 { return 6; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 16; }
  @inline get offset(): i32 { return 32; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return true; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 210; }
  @inline get fileScale(): usize { return 208; }
  @inline get fileMinimum(): usize { return 0; }
  @inline get fileQuants(): usize { return 0; }
  @inline get scaleLimit(): f32 { return 128; }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    return v128.load_ext<i8>(unit + (part << 3) + (quad << 2));
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    return load<i8>(unit + (part << 3) + row);
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    store<i8>(unit + (part << 3) + row, <i8>value);
  }

  @inline
  fileScales(file: usize, j: u32): i32 {
    return load<i8>(file + j, 192);
  }

  @inline
  setFileScales(file: usize, j: u32, value: i32): void {
    store<i8>(file + j, <i8>value, 192);
  }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const nibbles = loadCodes(nibblesAt(file, unit, step), (unit & 2) << 1, BITS4);
    return nibbles | (loadCodes(pairsAt(file, unit, step), (unit & 3) << 1, BITS2) << 4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(nibblesAt(file, unit, step), (unit & 2) << 1, codes & BITS4);
    orCodes(pairsAt(file, unit, step), (unit & 3) << 1, (codes >> 4) & BITS2);
  }

  @inline finish(file: usize): void {}
}
