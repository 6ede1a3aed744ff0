/**
 * F16: IEEE half precision. Converted exactly, infinities and NaN included; in the matmul a weight that is not finite
 * counts as a finite one (layout.ts says why).
 *
 *     file     column after column, 2 bytes
 *     packed   8 rows a column, 16 bytes (kernels/quant/floats.ts)
 *
 * Cost: that of floats.ts, and 4 operations for each four weights, which many tokens share (`matmulWidened`).
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { Singles } from "./f32";
import { decodeFloats, matmulFloats, matmulWidened, packFloats, unpackFloats } from "../floats";
import { loadFiniteHalf, loadHalves4 } from "../layout";

/** `count` values of a file → f32. */
export function dequantizeF16(source: usize, target: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) store<f32>(target + (i << 2), loadHalf(source + (i << 1)));
}

/** f32 → `count` values as in a file. */
export function quantizeF16(source: usize, target: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) store<u16>(target + (i << 1), <u16>floatToHalf(load<f32>(source + (i << 2))));
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packF16(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packFloats<Halves>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's bytes in the file. */
export function unpackF16(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackFloats<Halves>(group, lane, columns, target);
}

/** Whole groups × tokens (kernels/quant/floats.ts). */
export function matmulF16(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulFloats<Halves>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** … × at least WIDENED_TOKENS, portable build only. */
export function matmulWidenedF16(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
  scratch: usize,
): void {
  matmulWidened<Halves, Singles>(group, groups, columns, x, xStride, tokens, target, targetStride, scratch);
}

/** One group as f32, rows interleaved (kernels/quant/floats.ts); whole fours of columns, portable build only. */
export function decodeF16(group: usize, columns: u32, target: usize): void {
  decodeFloats<Halves>(group, columns, target);
}

@unmanaged
export class Halves {
  @inline get bytes(): usize { return 2; }
  @inline load4(p: usize): v128 { return loadHalves4(p); }
  @inline load1(p: usize): f32 { return loadFiniteHalf(p); }
}
