/**
 * Q6_K: 256 columns in sub-blocks of 16, codes of 6 bits less 32, signed sub-scales of 8 bits.
 *
 *     file     ┌ 128 B low nibbles │ 64 B high pairs │ 16 × i8 sub-scales │ d h ┐           210 bytes
 *       column 128 t + 32 g + i: nibble g div 2 of byte 64 t + 32 (g mod 2) + i; pair g of byte 32 t + i
 *       w = d · scale · (code − 32)
 *     packed   ┌ 8 × d h ┬ 8 units: 16 B sub-scales │ 192 B codes ┐                          1680 bytes = 8 × 210
 *       scales i8 r: row r, columns 0…15; i8 8 + r: columns 16…31
 *       codes  six vectors of 8 × u32, one a row, three for each half of 16 columns. A u32 has even columns in its low
 *              i16 and odd ones in its high; code k (0…7) of an i16 is column 2 k, or 2 k + 1:
 *              vector 3 h       from the lowest bit: codes 0 1, bits 0…3 of code 6
 *              vector 3 h + 1                        codes 2 3, bits 4 and 5 of code 6, bits 0 and 1 of code 7
 *              vector 3 h + 2                        codes 4 5, bits 2…5 of code 7
 *         fast build: byte b of a u32 of vector 3 h has the low nibbles of columns (0 4 1 5)[b] + 0 and 2, of vector
 *              3 h + 1 those of + 8 and + 10; of vector 3 h + 2 the high pairs of + 0, 2, 8, 10
 */
import { BITS2, BITS4, loadCodes, orCodes } from "../blocks256/convert";
import { Blocks256 } from "../blocks256/format";
import { encodeScales } from "../quantise/encode256";

/** Where the low nibbles of a step lie in a file's block. */
@inline
function nibblesAt(file: usize, unit: u32, step: u32): usize {
  return file + ((unit >> 2) << 6) + ((unit & 1) << 5) + (step << 3);
}

/** Where the high pairs lie. */
@inline
function pairsAt(file: usize, unit: u32, step: u32): usize {
  return file + 128 + ((unit >> 2) << 5) + (step << 3);
}

@unmanaged
export class Q6_KPacking extends Blocks256<Q6_KPacking> {
  @inline get bits(): i32 { return 6; }
  @inline get offset(): i32 { return 32; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 16; }
  @inline get fileBytes(): usize { return 210; }
  @inline get fileScale(): usize { return 208; }
  @inline get fileQuants(): usize { return 0; }
  @inline get scaleLimit(): f32 { return 128; }
  @inline encode(values: usize, file: usize): void { encodeScales<Q6_KPacking>(values, file); }

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
}
