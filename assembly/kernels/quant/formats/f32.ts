/**
 * F32: IEEE single precision as it is.
 *
 *     file     column after column, 4 bytes
 *     packed   8 rows a column, 32 bytes (kernels/quant/floats.ts)
 *
 * Cost: that of floats.ts.
 */
import { decodeFloats, matmulFloats, packFloats, unpackFloats } from "../floats";

/** `count` values of a file → f32. */
export function dequantizeF32(source: usize, target: usize, count: usize): void {
  memory.copy(target, source, count << 2);
}

/** f32 → `count` values as in a file. */
export function quantizeF32(source: usize, target: usize, count: usize): void {
  memory.copy(target, source, count << 2);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packF32(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packFloats<Singles>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's bytes in the file. */
export function unpackF32(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackFloats<Singles>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/floats.ts). */
export function matmulF32(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulFloats<Singles>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/floats.ts); whole fours of columns, portable build only. */
export function decodeF32(group: usize, columns: u32, target: usize): void {
  decodeFloats<Singles>(group, columns, target);
}

@unmanaged
export class Singles {
  @inline get bytes(): usize { return 4; }
  @inline load4(p: usize): v128 { return v128.load(p); }
  @inline load1(p: usize): f32 { return load<f32>(p); }
}
