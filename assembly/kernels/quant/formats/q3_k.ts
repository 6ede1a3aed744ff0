/**
 * Q3_K: 256 columns in sub-blocks of 16, codes of 3 bits less four, signed sub-scales of 6 bits.
 *
 *     file     ┌ 32 B third bits │ 64 B low pairs │ 12 B sub-scales │ d h ┐               110 bytes
 *       pairs  byte 32 t + i, bits 2 g: column 128 t + 32 g + i; its third bit: byte i, bit 4 t + g
 *       scales low nibbles of 0…7 and (high half) 8…15 in bytes 0…7; upper pairs, 4 a byte, in bytes 8…11
 *       w = d · (scale − 32) · (code − 4)
 *     packed   ┌ 8 × d h ┬ 8 units: 12 B sub-scales │ 96 B codes ┐                        880 bytes = 8 × 110
 *       scales 8 B: row r, columns 0…15 low nibble, 16…31 high nibble │ upper pairs of 8 rows u16 │ … of 16…31 u16
 *       codes  three vectors of 8 × u32, one a row, one for each half of 16 columns and one for both. A u32 has even
 *              columns in its low i16 and odd ones in its high; code k (0…7) of an i16 is column 2 k, or 2 k + 1:
 *              vector h        from the lowest bit: codes 0 1 2 3 4, bit 2 of code 7
 *              vector 2, byte h of the i16          codes 5 6, bits 0 and 1 of code 7
 *         fast build: byte b of a u32 of vector h has the low pairs of columns (0 4 1 5)[b] + 0, 2, 8, 10, from its
 *              lowest bit on; byte b of vector 2 has their third bits in bits 4 h … 4 h + 3
 */
import { BITS1, BITS2, loadCodes, orCodes } from "../blocks256/convert";
import { Blocks256 } from "../blocks256/format";
import { encodeScales } from "../quantise/encode256";

/** Moves the upper pair of row 0…7 to the top of its i16 lane. */
const TO_TOP = memory.data<u16>([1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1, 0, 0, 0, 0], 16);
const NIBBLE = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15], 16);
const BIAS = memory.data<u16>([32, 32, 32, 32, 32, 32, 32, 32], 16);

@unmanaged
export class Q3_KPacking extends Blocks256<Q3_KPacking> {
  @inline get bits(): i32 { return 3; }
  @inline get offset(): i32 { return 4; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 2; }
  @inline get unitScales(): usize { return 12; }
  @inline get fileBytes(): usize { return 110; }
  @inline get fileScale(): usize { return 108; }
  @inline get fileQuants(): usize { return 32; }
  @inline get scaleLimit(): f32 { return 32; }
  @inline encode(values: usize, file: usize): void { encodeScales<Q3_KPacking>(values, file); }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    const bytes = v128.load_ext<u8>(unit + (quad << 2));
    const low = v128.and(i16x8.shr_u(bytes, (<i32>part) << 2), v128.load(NIBBLE));
    const top = i16x8.mul(v128.load16_splat(unit + (part << 1), 8), v128.load(TO_TOP + (quad << 3)));
    const scales = v128.or(low, i16x8.shl(i16x8.shr_u(top, 14), 4));
    return i16x8.sub(scales, v128.load(BIAS));
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    const low = (<u32>load<u8>(unit + row) >> ((<u32>part) << 2)) & 15;
    const upper = (<u32>load<u16>(unit + (part << 1), 8) >> (row << 1)) & 3;
    return <i32>(low | (upper << 4)) - 32;
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    const scale = value + 32;
    const upper = unit + (part << 1);
    store<u8>(unit + row, <u8>(load<u8>(unit + row) | ((scale & 15) << ((<u32>part) << 2))));
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
}
