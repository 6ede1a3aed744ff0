/**
 * Q3_K: 256 columns in sub-blocks of 16, codes of 3 bits less four, signed sub-scales of 6 bits.
 *
 *     file     ┌ 32 B third bits │ 64 B low pairs │ 12 B sub-scales │ d h ┐               110 bytes
 *       pairs  byte 32 t + i, bits 2 g: column 128 t + 32 g + i; its third bit: byte i, bit 4 t + g
 *       scales low nibbles of 0…7 and (high half) 8…15 in bytes 0…7; upper pairs, 4 a byte, in bytes 8…11
 *       w = d · (scale − 32) · (code − 4)
 *     packed   ┌ 8 × d h ┬ 8 units: 12 B sub-scales │ 96 B codes ┐
 *       scales 8 B: row r, columns 0…15 low nibble, 16…31 high nibble │ upper pairs of 8 rows u16 │ … of 16…31 u16
 *       880 bytes = 8 × 110 (kernels/quant/k_fields.ts draws the codes)
 */
import { decodeSuper } from "../blocks256/decode";
import { matmulSuper } from "../blocks256/multiply";
import { BITS1, BITS2, loadCodes, orCodes, dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeScales } from "../quantise/encode";

/** Moves the upper pair of row 0…7 to the top of its i16 lane. */
const TO_TOP = memory.data<u16>([1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1, 0, 0, 0, 0], 16);
const NIBBLE = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15], 16);
const BIAS = memory.data<u16>([32, 32, 32, 32, 32, 32, 32, 32], 16);

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeQ3_K(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Triples>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeQ3_K(source: usize, target: usize, count: usize): void {
  quantizeScales<Triples>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ3_K(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Triples>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ3_K(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Triples>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/driver_k.ts). */
export function matmulQ3_K(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulSuper<Triples>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/decode_k.ts); portable build only. */
export function decodeQ3_K(group: usize, columns: u32, target: usize): void {
  decodeSuper<Triples>(group, columns, target);
}

@unmanaged
export class Triples {
  @inline get bits(): i32 { return 3; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 12; }
  @inline get offset(): i32 { return 4; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return true; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 110; }
  @inline get fileScale(): usize { return 108; }
  @inline get fileMinimum(): usize { return 0; }
  @inline get fileQuants(): usize { return 32; }
  @inline get scaleLimit(): f32 { return 32; }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    const bytes = v128.load_ext<u8>(unit + (quad << 2));
    const low = v128.and(i16x8.shr_u(bytes, <i32>part << 2), v128.load(NIBBLE));
    const top = i16x8.mul(v128.load16_splat(unit + (part << 1), 8), v128.load(TO_TOP + (quad << 3)));
    const scales = v128.or(low, i16x8.shl(i16x8.shr_u(top, 14), 4));
    return i16x8.sub(scales, v128.load(BIAS));
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    const low = (<u32>load<u8>(unit + row) >> (<u32>part << 2)) & 15;
    const upper = (<u32>load<u16>(unit + (part << 1), 8) >> (row << 1)) & 3;
    return <i32>(low | (upper << 4)) - 32;
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    const scale = value + 32;
    const upper = unit + (part << 1);
    store<u8>(unit + row, <u8>(load<u8>(unit + row) | ((scale & 15) << (<u32>part << 2))));
    store<u16>(upper, <u16>(load<u16>(upper, 8) | ((scale >> 4) << (row << 1))), 8);
  }

  @inline
  fileScales(file: usize, j: u32): i32 {
    const low = (<u32>load<u8>(file + (j & 7), 96) >> ((j >> 3) << 2)) & 15;
    const upper = (<u32>load<u8>(file + (j & 3), 104) >> ((j >> 2) << 1)) & 3;
    return <i32>(low | (upper << 4)) - 32;
  }

  @inline
  setFileScales(file: usize, j: u32, value: i32): void {
    const scale = value + 32;
    const low = file + (j & 7);
    const upper = file + (j & 3);
    store<u8>(low, <u8>(load<u8>(low, 96) | ((scale & 15) << ((j >> 3) << 2))), 96);
    store<u8>(upper, <u8>(load<u8>(upper, 104) | ((scale >> 4) << ((j >> 2) << 1))), 104);
  }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const pairs = loadCodes(file + 32 + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, BITS2);
    return pairs | (loadCodes(file + (step << 3), unit, BITS1) << 2);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 32 + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, codes & BITS2);
    orCodes(file + (step << 3), unit, (codes >> 2) & BITS1);
  }

  @inline finish(file: usize): void {}
}
