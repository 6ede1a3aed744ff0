/**
 * Q2_K: 256 columns in sub-blocks of 16, codes of 2 bits, sub-scales and sub-minima of 4 bits.
 *
 *     file     ┌ 16 B: sub-scale low, sub-minimum high │ 64 B codes │ d h │ dmin h ┐    84 bytes
 *       codes  byte 32 t + i, bits 2 g: column 128 t + 32 g + i;   w = d · scale · code − dmin · minimum
 *     packed   ┌ 8 × d h │ 8 × dmin h ┬ 8 units: 16 B sub-scales │ 64 B codes ┐          672 bytes = 8 × 84
 *       scales byte r: sub-scale low, sub-minimum high, of row r and columns 0…15; byte 8 + r: of columns 16…31
 *       codes  a vector of 8 × u32, one a row, for each half of 16 columns; from the lowest bit of a u32 on: columns
 *              0 2 4 … 14 │ 1 3 5 … 15
 *         fast build: byte b of a u32 has columns (0 4 1 5)[b] + 0, 2, 8, 10, from its lowest bit on
 */
import { BITS2, loadCodes, orCodes } from "../blocks256/convert";
import { Blocks256 } from "../blocks256/format";
import { encodeRanges } from "../quantise/encode256";

@unmanaged
export class Q2_KPacking extends Blocks256<Q2_KPacking> {
  @inline get bits(): i32 { return 2; }
  @inline get offset(): i32 { return 0; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 16; }
  @inline get fileBytes(): usize { return 84; }
  @inline get fileScale(): usize { return 80; }
  @inline get fileMinimum(): usize { return 82; }
  @inline get fileQuants(): usize { return 16; }
  @inline encode(values: usize, file: usize): void { encodeRanges<Q2_KPacking>(values, file); }

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
}
