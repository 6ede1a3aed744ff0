/**
 * Q4_0: 32 columns, a half scale and 32 nibbles less eight.
 *
 *     file     ┌ d h │ 16 B: column j low, column j + 16 high ┐            18 bytes; w = d · (nibble − 8)
 *     packed   ┌ 8 × d h │ 4 steps ┐                                       144 bytes = 8 × 18
 *       step   8 columns: 8 × u32, one a row; from its lowest bit on the nibbles of columns 0 2 4 6 1 3 5 7
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts, planes 6 operations a step and quad.
 */
import { HalfScales32 } from "../blocks32/format";
import {
  highNibbleBytes, laneOffset, lowNibbleBytes, nibbleDot, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3,
} from "../blocks32/nibbles";
import { packNibbles, unpackNibbles } from "../layout";
import { encodeExtreme } from "../quantise/encode32";

@unmanaged
export class Q4_0Packing extends HalfScales32<Q4_0Packing> {
  @inline get fileBytes(): usize { return 18; }
  @inline get offset(): i32 { return 8; }
  @inline get start(): i32 { return 8; }
  @inline get minimum(): bool { return false; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline filePair(file: usize, j: usize): u32 { return load<u8>(file + j, 2); }
  @inline lowInteger(pair: u32, fifth: u32): i32 { return <i32>(pair & 15) - 8; }
  @inline highInteger(pair: u32, fifth: u32): i32 { return <i32>(pair >> 4) - 8; }
  @inline encode(values: usize, file: usize): void { encodeExtreme<Q4_0Packing>(values, file); }

  @inline
  setFileCodes(file: usize, j: usize, low: u32, high: u32): void {
    store<u8>(file + j, <u8>(low | (high << 4)), 2);
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
  @inline plane0(p: usize, word: v128, high: v128): v128 { return nibblePlane0(word); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return nibblePlane1(word); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return nibblePlane2(word); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return nibblePlane3(word); }
  @inline lowBytes(word: v128, high: v128): v128 { return lowNibbleBytes(word); }
  @inline highBytes(word: v128, high: v128): v128 { return highNibbleBytes(word); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 { return nibbleDot(block + 16 + laneOffset(row), a); }
}
