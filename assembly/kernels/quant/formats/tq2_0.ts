/**
 * TQ2_0: 256 columns of ternary weights, one scale, codes of 2 bits less one.
 *
 *     file     ┌ 64 B codes │ d h ┐                                                       66 bytes
 *       codes  byte 32 t + i, bits 2 g: column 128 t + 32 g + i;   w = d · (code − 1)
 *     packed   ┌ 8 × d h ┬ 8 units of 64 B codes ┐                                        528 bytes = 8 × 66
 *       (kernels/quant/k_fields.ts draws the codes; TQ1_0 is packed like this too)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS2, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeTernary } from "../quantise/encode";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeTQ2_0(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Ternary>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeTQ2_0(source: usize, target: usize, count: usize): void {
  quantizeTernary<Ternary>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packTQ2_0(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Ternary>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackTQ2_0(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Ternary>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulTQ2_0(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Ternary>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeTQ2_0(group: usize, columns: u32, target: usize): void {
  decodeSuper<Ternary>(group, columns, target);
}

@unmanaged
export class Ternary {
  @inline get bits(): i32 { return 2; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 0; }
  @inline get offset(): i32 { return 1; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return false; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 66; }
  @inline get fileScale(): usize { return 64; }
  @inline get fileMinimum(): usize { return 0; }
  @inline get fileQuants(): usize { return 0; }

  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return i16x8.splat(1); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return 1; }
  @inline setScales1(unit: usize, row: u32, part: usize, value: i32): void {}
  @inline fileScales(file: usize, j: u32): i32 { return 1; }
  @inline setFileScales(file: usize, j: u32, value: i32): void {}

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    return loadCodes(file + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, BITS2);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, codes);
  }

  @inline finish(file: usize): void {}
}
