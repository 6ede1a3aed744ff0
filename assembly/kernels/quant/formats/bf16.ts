/**
 * BF16: the upper half of an IEEE single.
 *
 *     file     column after column, 2 bytes
 *     packed   8 rows a column, 16 bytes (kernels/quant/floats.ts)
 *
 * Cost: that of floats.ts, and 2 operations for each four weights.
 */
import { bfloatToFloat, floatToBfloat } from "../../float/half";
import { decodeFloats, matmulFloats, packFloats, unpackFloats } from "../floats";

/** `count` values of a file → f32. */
export function dequantizeBF16(source: usize, target: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    store<f32>(target + (i << 2), bfloatToFloat(load<u16>(source + (i << 1))));
  }
}

/** f32 → `count` values as in a file. */
export function quantizeBF16(source: usize, target: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    store<u16>(target + (i << 1), <u16>floatToBfloat(load<f32>(source + (i << 2))));
  }
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packBF16(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packFloats<Bfloats>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's bytes in the file. */
export function unpackBF16(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackFloats<Bfloats>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/floats.ts). */
export function matmulBF16(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulFloats<Bfloats>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/floats.ts); whole fours of columns, portable build only. */
export function decodeBF16(group: usize, columns: u32, target: usize): void {
  decodeFloats<Bfloats>(group, columns, target);
}

@unmanaged
export class Bfloats {
  @inline get bytes(): usize { return 2; }
  @inline load4(p: usize): v128 { return i32x4.shl(v128.load_ext<u16>(p), 16); }
  @inline load1(p: usize): f32 { return bfloatToFloat(load<u16>(p)); }
}
