/**
 * TQ1_0: 256 columns of ternary weights, one scale, five to a byte.
 *
 *     file     ┌ 48 B of five │ 4 B of four │ d h ┐                                       54 bytes
 *       byte b holds the digits of a fraction: digit n = ((b · 3ⁿ mod 256) · 3) >> 8;   w = d · (digit − 1)
 *       columns 0…159: digit n of bytes 0…31 is column 32 n + byte; 160…239: of bytes 32…47, 16 a digit;
 *       240…255: of the last four bytes, four a digit
 *     packed   as TQ2_0 (kernels/quant/tq2_0.ts): 528 bytes for 8 × 54. A byte that no encoder writes (256 stand
 *       for 243 sets of digits) comes back as the one that encoders write.
 */
import { dequantizeSuper, packSuper, unpackSuper } from "../blocks256/convert";
import { quantizeTernary } from "../quantise/encode";
import { matmulTQ2_0 } from "./tq2_0";

/** GGUF blocks → f32; `count` a multiple of 256. */
export function dequantizeTQ1_0(source: usize, target: usize, count: usize): void {
  dequantizeSuper<Fractions>(source, target, count);
}

/** f32 → GGUF blocks (kernels/quant/k_encode.ts). */
export function quantizeTQ1_0(source: usize, target: usize, count: usize): void {
  quantizeTernary<Fractions>(source, target, count);
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packTQ1_0(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  packSuper<Fractions>(source, rowBytes, rows, columns, target);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackTQ1_0(group: usize, lane: u32, columns: u32, target: usize): void {
  unpackSuper<Fractions>(group, lane, columns, target);
}

/** Whole groups × tokens: TQ2_0's, which has the same packed form. */
export function matmulTQ1_0(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulTQ2_0(group, groups, columns, x, xStride, tokens, target, targetStride);
}

const POWERS = memory.data<u8>([1, 3, 9, 27, 81]);

/** The byte that holds a column, and (in the upper half) which digit of it. */
@inline
function placeOf(column: u32): u32 {
  if (column < 160) return (column & 31) | ((column >> 5) << 16);
  if (column < 240) return (32 + (column & 15)) | (((column - 160) >> 4) << 16);
  return (48 + (column & 3)) | (((column - 240) >> 2) << 16);
}

const LOW_BYTES: u64 = 0x00ff_00ff_00ff_00ff;

/** A digit of each of eight bytes. */
@inline
function digitsOf(bytes: u64, digit: u32): u64 {
  const power = <u64>load<u8>(POWERS + digit);
  const even = ((((bytes & LOW_BYTES) * power) & LOW_BYTES) * 3) >> 8;
  const odd = (((((bytes >> 8) & LOW_BYTES) * power) & LOW_BYTES) * 3) >> 8;
  return (even & LOW_BYTES) | ((odd & LOW_BYTES) << 8);
}

@unmanaged
class Fractions {
  @inline get bits(): i32 { return 2; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 0; }
  @inline get offset(): i32 { return 1; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return false; }
  @inline get table(): usize { return 0; }
  @inline get fileBytes(): usize { return 54; }
  @inline get fileScale(): usize { return 52; }
  @inline get fileMinimum(): usize { return 0; }
  @inline get fileQuants(): usize { return 0; }

  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return i16x8.splat(1); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return 1; }
  @inline setScales1(unit: usize, row: u32, part: usize, value: i32): void {}
  @inline fileScales(file: usize, j: u32): i32 { return 1; }
  @inline setFileScales(file: usize, j: u32, value: i32): void {}

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const place = placeOf((unit << 5) + (step << 3));
    const digit = place >> 16;
    if ((place & 0xffff) < 48) return digitsOf(load<u64>(file + (place & 0xffff)), digit);
    const fours = <u64>load<u32>(file, 48);
    return digitsOf(fours, digit) | (digitsOf(fours, digit + 1) << 32);
  }

  /** The bytes are whole numbers until `finish`, the first digit the highest. */
  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    for (let i: u32 = 0; i < 8; i++) {
      const place = placeOf((unit << 5) + (step << 3) + i);
      const at = file + (place & 0xffff);
      store<u8>(at, <u8>(<u32>load<u8>(at) + (<u32>codes & 255) * <u32>load<u8>(POWERS + 4 - (place >> 16))));
      codes >>= 8;
    }
  }

  /** Whole numbers below 243 → fractions of 256, rounded up. */
  @inline
  finish(file: usize): void {
    for (const end = file + 52; file != end; file++) {
      store<u8>(file, <u8>((<u32>load<u8>(file) * 256 + 242) / 243));
    }
  }
}
