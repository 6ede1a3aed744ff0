/**
 * Q5_K: Q4_K with a fifth bit.
 *
 *     file     ┌ d h │ dmin h │ 12 B sub-scales │ 32 B fifth bits │ 128 B nibbles ┐      176 bytes
 *       scales byte j: scale j, and above it the upper pair of scale j + 4 (j = 0…3); byte 4 + j: the same of minima;
 *              byte 8 + j: low nibble of scale j + 4, of minimum j + 4
 *       codes  nibbles: byte 32 p + i: column 64 p + i low, column 64 p + 32 + i high;
 *              the fifth bit of column 32 s + i: byte i, bit s
 *       w = d · scale · code − dmin · minimum
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 12 B sub-scales │ 160 B codes ┐           1408 bytes = 8 × 176
 *       scales byte r: scale of row r, and above it the low pair of its minimum;
 *              u32 at 8: upper nibbles of the minima of rows 0 2 4 6 1 3 5 7
 *       codes  five vectors of 8 × u32, one a row, two for each half of 16 columns and one for both. A u32 has even
 *              columns in its low i16 and odd ones in its high; code k (0…7) of an i16 is column 2 k, or 2 k + 1:
 *              vector 2 h      from the lowest bit: codes 0 1 2, bit 3 of code 7
 *              vector 2 h + 1                       codes 3 4 5, bit 4 of code 7
 *              vector 4, byte h of the i16          code 6, bits 0…2 of code 7
 *         fast build: vectors as in Q4_K have the low nibbles; byte b of a u32 of vector 4 has the fifth bit of column
 *              16 h + 8 (k div 2) + 2 (k mod 2) + (0 4 1 5)[b] in bit 4 h + k (k = 0…3), and a nibble of vector
 *              2 h + s, low for even k and high for odd k, is that of k = 2 s, 2 s + 1
 */
import { BITS1, BITS4, loadCodes, orCodes } from "../blocks256/convert";
import { SixBit256 } from "../blocks256/format";
import { encodeRanges } from "../quantise/encode256";

@unmanaged
export class Q5_KPacking extends SixBit256<Q5_KPacking> {
  @inline get bits(): i32 { return 5; }
  @inline get fileBytes(): usize { return 176; }
  @inline get fileQuants(): usize { return 48; }
  @inline encode(values: usize, file: usize): void { encodeRanges<Q5_KPacking>(values, file); }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const nibbles = loadCodes(file + 48 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, BITS4);
    return nibbles | (loadCodes(file + 16 + (step << 3), unit, BITS1) << 4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 48 + ((unit >> 1) << 5) + (step << 3), (unit & 1) << 2, codes & BITS4);
    orCodes(file + 16 + (step << 3), unit, (codes >> 4) & BITS1);
  }
}
