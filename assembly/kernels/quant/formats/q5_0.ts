/**
 * Q5_0: 32 columns, a half scale, 32 nibbles and 32 fifth bits, less sixteen.
 *
 *     file     ┌ d h │ u32: bit j of column j │ 16 B: column j low, j + 16 high ┐     22 bytes; w = d · (q − 16)
 *     packed   ┌ 8 × d h │ 8 × u32 fifth bits │ 4 steps of nibbles ┐                  176 bytes = 8 × 22
 *       fifth bits   one u32 a row: bit i of column 2 i, bit 16 + i of column 2 i + 1
 *       step         8 columns: 8 × u32, one a row; from its lowest bit on the nibbles of columns 0 2 4 6 1 3 5 7
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts, planes 19 operations a step and quad.
 */
import { HalfScales32 } from "../blocks32/format";
import {
  fifthBitDot, fifthBits0, fifthBits1, fifthBits2, fifthBits3, highFifthBytes, laneOffset, lowFifthBytes,
} from "../blocks32/nibbles";
import { joinBits, packNibbles, splitBits, unpackNibbles } from "../layout";
import { encodeExtreme } from "../quantise/encode32";

@unmanaged
export class Q5_0Packing extends HalfScales32<Q5_0Packing> {
  @inline get fileBytes(): usize { return 22; }
  @inline get offset(): i32 { return 16; }
  @inline get start(): i32 { return 16; }
  @inline get minimum(): bool { return false; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline encode(values: usize, file: usize): void { encodeExtreme<Q5_0Packing>(values, file); }

  @inline fileFifthBits(file: usize): u32 { return load<u32>(file, 2); }
  @inline filePair(file: usize, j: usize): u32 { return load<u8>(file + j, 6); }
  @inline lowInteger(pair: u32, fifth: u32): i32 { return <i32>((pair & 15) | ((fifth & 1) << 4)) - 16; }
  @inline highInteger(pair: u32, fifth: u32): i32 { return <i32>((pair >> 4) | ((fifth & 1) << 4)) - 16; }

  @inline
  setFileCodes(file: usize, j: usize, low: u32, high: u32): void {
    store<u8>(file + j, <u8>((low & 15) | (high << 4)), 6);
  }

  @inline setFifthBits(file: usize, bits: u32): void { store<u32>(file, bits, 2); }

  @inline
  pack(file: usize, block: usize, row: u32): void {
    store<u16>(block + (row << 1), load<u16>(file));
    store<u32>(block + laneOffset(row), joinBits(load<u32>(file, 2)), 16);
    packNibbles(file + 6, block + 48 + laneOffset(row), 32);
  }

  @inline
  unpack(block: usize, row: u32, file: usize): void {
    store<u16>(file, load<u16>(block + (row << 1)));
    store<u32>(file, splitBits(load<u32>(block + laneOffset(row), 16)), 2);
    unpackNibbles(block + 48 + laneOffset(row), 32, file + 6);
  }

  @inline high(block: usize, quad: u32): v128 { return v128.load(block + (quad << 4), 16); }
  @inline nextHigh(high: v128): v128 { return i16x8.shr_u(high, 4); }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return fifthBits0(word, high); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return fifthBits1(word, high); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return fifthBits2(word, high); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return fifthBits3(word, high); }
  @inline lowBytes(word: v128, high: v128): v128 { return lowFifthBytes(word, high); }
  @inline highBytes(word: v128, high: v128): v128 { return highFifthBytes(word, high); }

  @inline
  rowDot(block: usize, row: u32, a: usize): i32 {
    return fifthBitDot(block + 48 + laneOffset(row), load<u32>(block + laneOffset(row), 16), a);
  }
}
