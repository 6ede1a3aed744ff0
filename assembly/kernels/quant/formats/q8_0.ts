/**
 * Q8_0: 32 columns, a half scale and 32 signed bytes.
 *
 *     file     ┌ d h │ 32 B, column j in byte j ┐            34 bytes; w = d · q
 *     packed   ┌ 8 × d h │ 16 pairs of columns ┐             272 bytes = 8 × 34; four pairs are a step
 *       pair   16 B, two a row: column 2 p, column 2 p + 1
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts; a plane is one widening load.
 */
import { floatToHalf } from "../../float/half";
import { HalfScales32 } from "../blocks32/format";
import { byteDot, roundedByte } from "../blocks32/bytes";
import { largestOf32 } from "../quantise/encode32";

@unmanaged
export class Q8_0Packing extends HalfScales32<Q8_0Packing> {
  @inline get fileBytes(): usize { return 34; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return false; }
  @inline get quadBytes(): usize { return 8; }
  @inline get stepBytes(): usize { return 64; }
  @inline filePair(file: usize, j: usize): u32 {
    return <u32>load<u8>(file + j, 2) | ((<u32>load<u8>(file + j, 18)) << 8);
  }
  @inline lowInteger(pair: u32, fifth: u32): i32 { return <i32>(<i8>pair); }
  @inline highInteger(pair: u32, fifth: u32): i32 { return <i32>(<i8>(pair >> 8)); }

  /** The value of largest magnitude becomes ±127. */
  @inline
  encode(values: usize, file: usize): void {
    const d = largestOf32(values) / 127;
    const inverse: f32 = d != 0 ? 1 / d : 0;
    store<u16>(file, <u16>floatToHalf(d));
    for (let j: usize = 0; j < 32; j++) {
      store<i8>(file + j, <i8>roundedByte(load<f32>(values + (j << 2)) * inverse), 2);
    }
  }

  @inline
  pack(file: usize, block: usize, row: u32): void {
    store<u16>(block + (row << 1), load<u16>(file));
    const lane = block + 16 + (row << 1);
    for (let pair: usize = 0; pair < 16; pair++) store<u16>(lane + (pair << 4), load<u16>(file + (pair << 1), 2));
  }

  @inline
  unpack(block: usize, row: u32, file: usize): void {
    const from = block + (row << 1);
    store<u16>(file, load<u16>(from));
    for (let pair: usize = 0; pair < 16; pair++) store<u16>(file + (pair << 1), load<u16>(from + (pair << 4), 16), 2);
  }

  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return i32x4.splat(0); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 16); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 32); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 48); }

  @inline
  quadBytes4(first: v128, second: v128, quad: u32): v128 {
    return quad
      ? v128.shuffle<i16>(first, second, 4, 12, 5, 13, 6, 14, 7, 15)
      : v128.shuffle<i16>(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
  }

  @inline rowDot(block: usize, row: u32, a: usize): i32 { return byteDot(block + 16 + (row << 1), a); }
}
