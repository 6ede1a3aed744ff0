/**
 * IQ4_NL: 32 columns, a half scale and 32 nibbles that choose one of 16 unevenly spaced levels T (levels.ts).
 *
 *     file     ┌ d h │ 16 B: column j low, column j + 16 high ┐            18 bytes; w = d · T[nibble]
 *     packed   ┌ 8 × d h │ 4 steps ┐                                       144 bytes = 8 × 18
 *       step   8 columns: 8 × u32, one a row; from its lowest bit on the nibbles of columns 0 2 4 6 1 3 5 7
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts, planes 10 operations a step and quad.
 */
import { storeHalf } from "../../float/half";
import { HalfScales32 } from "../blocks32/format";
import {
  laneOffset, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3, tableDot, tablePlane,
} from "../blocks32/nibbles";
import { packNibbles, unpackNibbles } from "../layout";
import { LEVELS, level, nearestLevel } from "../levels";
import { searchTable } from "../quantise/search";

@unmanaged
export class IQ4_NLPacking extends HalfScales32<IQ4_NLPacking> {
  @inline get fileBytes(): usize { return 18; }
  @inline get offset(): i32 { return 127; }
  @inline get minimum(): bool { return false; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline filePair(file: usize, j: usize): u32 { return load<u8>(file + j, 2); }
  @inline lowInteger(pair: u32, fifth: u32): i32 { return level(pair & 15); }
  @inline highInteger(pair: u32, fifth: u32): i32 { return level(pair >> 4); }

  /** The scale that least squares like best, then the nearest levels. */
  @inline
  encode(values: usize, file: usize): void {
    const d = storeHalf(file, searchTable(values, 32, LEVELS));
    const inverse: f32 = d != 0 ? 1 / d : 0;
    for (let j: usize = 0; j < 16; j++) {
      const low = nearestLevel(load<f32>(values + (j << 2)) * inverse);
      const high = nearestLevel(load<f32>(values + (j << 2), 64) * inverse);
      store<u8>(file + j, <u8>(low | (high << 4)), 2);
    }
  }

  @inline
  pack(file: usize, block: usize, row: u32): void {
    store<u16>(block + (row << 1), load<u16>(file));
    packNibbles(file + 2, block + 16 + laneOffset(row), 32);
  }

  @inline
  unpack(block: usize, row: u32, file: usize): void {
    store<u16>(file, load<u16>(block + (row << 1)));
    unpackNibbles(block + 16 + laneOffset(row), 32, file + 2);
  }

  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane0(word)); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane1(word)); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane2(word)); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane3(word)); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 { return tableDot(LEVELS, block + 16 + laneOffset(row), a); }
}
