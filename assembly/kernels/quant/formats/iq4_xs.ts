/**
 * IQ4_XS: 256 columns in sub-blocks of 32, nibbles that choose one of 16 levels T (levels.ts), signed sub-scales of 6
 * bits.
 *
 *     file     ┌ d h │ upper pairs of 8 scales u16 │ 4 B low nibbles of scales 2 i, 2 i + 1 │ 128 B codes ┐   136 bytes
 *       codes  byte 16 s + i: column 32 s + i low, column 32 s + 16 + i high;   w = d · (scale − 32) · T[code]
 *     packed   ┌ 8 × d h ┬ 8 units: 6 B sub-scales │ 128 B codes ┐                      1088 bytes = 8 × 136
 *       scales u32: low nibbles of rows 0 2 4 6 1 3 5 7 │ u16: upper pairs of rows 0…7
 *       codes  4 steps of 8 columns: 8 × u32, one a row; from its lowest bit on the codes of columns 0 2 4 6 1 3 5 7
 */
import { BITS4, loadCodes, orCodes } from "../blocks256/convert";
import { Blocks256 } from "../blocks256/format";
import { LEVELS } from "../levels";
import { encodeScales } from "../quantise/encode256";

/** Moves the upper pair of row 0…7 to the top of its i16 lane. */
const PAIR_TO_TOP = memory.data<u16>([1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1, 0, 0, 0, 0], 16);
/** Moves the low nibble of row 0…7 there: even rows from the word's low half, odd rows from its high half. */
const NIBBLE_TO_TOP = memory.data<u16>([1 << 12, 1 << 12, 1 << 8, 1 << 8, 1 << 4, 1 << 4, 1, 1, 0, 0, 0, 0], 16);
const BIAS = memory.data<u16>([32, 32, 32, 32, 32, 32, 32, 32], 16);

/** Where the low nibble of a row lies in the first four bytes of a unit. */
@inline
function nibbleShift(row: u32): u32 {
  return ((row & 1) << 4) | ((row >> 1) << 2);
}

@unmanaged
export class IQ4_XSPacking extends Blocks256<IQ4_XSPacking> {
  @inline get bits(): i32 { return 4; }
  @inline get offset(): i32 { return 127; }
  @inline get table(): usize { return LEVELS; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 6; }
  @inline get fileBytes(): usize { return 136; }
  @inline get fileScale(): usize { return 0; }
  @inline get fileQuants(): usize { return 8; }
  @inline get scaleLimit(): f32 { return 32; }
  @inline encode(values: usize, file: usize): void { encodeScales<IQ4_XSPacking>(values, file); }

  @inline
  scales8(unit: usize, quad: usize, part: usize): v128 {
    const low = i16x8.shr_u(i16x8.mul(v128.load32_splat(unit), v128.load(NIBBLE_TO_TOP + (quad << 3))), 12);
    const top = i16x8.mul(v128.load16_splat(unit, 4), v128.load(PAIR_TO_TOP + (quad << 3)));
    const scales = v128.or(low, i16x8.shl(i16x8.shr_u(top, 14), 4));
    return i16x8.sub(scales, v128.load(BIAS));
  }

  @inline
  scales1(unit: usize, row: u32, part: usize): i32 {
    const low = (load<u32>(unit) >> nibbleShift(row)) & 15;
    const upper = (<u32>load<u16>(unit, 4) >> (row << 1)) & 3;
    return <i32>(low | (upper << 4)) - 32;
  }

  @inline
  setScales1(unit: usize, row: u32, part: usize, value: i32): void {
    const scale = value + 32;
    store<u32>(unit, load<u32>(unit) | ((scale & 15) << nibbleShift(row)));
    store<u16>(unit, <u16>(load<u16>(unit, 4) | ((scale >> 4) << (row << 1))), 4);
  }

  @inline
  fileScales(file: usize, j: u32): i32 {
    const low = (<u32>load<u8>(file + (j >> 1), 4) >> ((j & 1) << 2)) & 15;
    const upper = (<u32>load<u16>(file, 2) >> (j << 1)) & 3;
    return <i32>(low | (upper << 4)) - 32;
  }

  @inline
  setFileScales(file: usize, j: u32, value: i32): void {
    const scale = value + 32;
    const low = file + (j >> 1);
    store<u8>(low, <u8>(load<u8>(low, 4) | ((scale & 15) << ((j & 1) << 2))), 4);
    store<u16>(file, <u16>(load<u16>(file, 2) | ((scale >> 4) << (j << 1))), 2);
  }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    return loadCodes(file + 8 + (unit << 4) + ((step & 1) << 3), (step & 2) << 1, BITS4);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + 8 + (unit << 4) + ((step & 1) << 3), (step & 2) << 1, codes);
  }
}
