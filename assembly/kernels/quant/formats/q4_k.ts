/**
 * Q4_K: 256 columns in sub-blocks of 32, codes of 4 bits, sub-scales and sub-minima of 6 bits.
 *
 *     file     ┌ d h │ dmin h │ 12 B sub-scales │ 128 B codes ┐      144 bytes; w = d · scale · code − dmin · minimum
 *       scales byte j: scale j, and above it the upper pair of scale j + 4 (j = 0…3); byte 4 + j: the same of minima;
 *              byte 8 + j: low nibble of scale j + 4, of minimum j + 4
 *       codes  byte 32 p + i: column 64 p + i low, column 64 p + 32 + i high
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 12 B sub-scales │ 128 B codes ┐      1152 bytes = 8 × 144
 *       scales byte r: scale of row r, and above it the low pair of its minimum;
 *              u32 at 8: upper nibbles of the minima of rows 0 2 4 6 1 3 5 7
 *       codes  4 steps of 8 columns: 8 × u32, one a row; from its lowest bit on the codes of columns 0 2 4 6 1 3 5 7
 */
import { BITS4, loadCodes, orCodes } from "../blocks256/convert";
import { SixBit256 } from "../blocks256/format";
import { encodeRanges } from "../quantise/encode256";

@unmanaged
export class Q4_KPacking extends SixBit256<Q4_KPacking> {
  @inline get bits(): i32 { return 4; }
  @inline get fileBytes(): usize { return 144; }
  @inline get fileQuants(): usize { return 16; }
  @inline encode(values: usize, file: usize): void { encodeRanges<Q4_KPacking>(values, file); }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    return loadCodes(file + 16 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, BITS4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 16 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, codes);
  }
}
