/**
 * Q5_1: 32 columns, a half scale, a half minimum, 32 nibbles and 32 fifth bits.
 *
 *     file     ┌ d h │ m h │ u32: bit j of column j │ 16 B: column j low, j + 16 high ┐   24 bytes; w = d · q + m
 *     packed   ┌ 8 × d h │ 8 × m h │ 2 × 16 B high bits │ 4 steps of nibbles ┐ (layout.ts)  192 bytes = 8 × 24
 *
 * Cost of 8 rows × 32 columns: that of the driver, planes 19 operations a step and quad, minima 3 a block and quad.
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { joinBits, loadFiniteHalf, loadHalves4, packNibbles, splitBits, unpackNibbles } from "../layout";
import {
  fifthBitDot, fifthBits0, fifthBits1, fifthBits2, fifthBits3, highFifthBytes, laneOffset, lowFifthBytes,
} from "../blocks32/nibbles";

const BLOCK: usize = 24;
const PACKED: usize = 192;

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeQ5_1(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = loadHalf(source);
    const m = loadHalf(source + 2);
    const bits = load<u32>(source, 4);
    for (let j: usize = 0; j < 16; j++) {
      const byte = <u32>load<u8>(source + j, 8);
      const low = <i32>((byte & 15) | (((bits >> <u32>j) & 1) << 4));
      const high = <i32>((byte >> 4) | (((bits >> (<u32>j + 16)) & 1) << 4));
      store<f32>(target + (j << 2), d * <f32>(low) + m);
      store<f32>(target + (j << 2), d * <f32>(high) + m, 64);
    }
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: the least value becomes 0, the greatest 31. */
export function quantizeQ5_1(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    let least = load<f32>(source);
    let greatest = least;
    for (let j: usize = 1; j < 32; j++) {
      const x = load<f32>(source + (j << 2));
      if (x < least) least = x;
      if (x > greatest) greatest = x;
    }
    const d = (greatest - least) / 31;
    const inverse: f32 = d != 0 ? 1 / d : 0;
    store<u16>(target, <u16>floatToHalf(d));
    store<u16>(target, <u16>floatToHalf(least), 2);
    let bits: u32 = 0;
    for (let j: usize = 0; j < 16; j++) {
      const low = fiveBits((load<f32>(source + (j << 2)) - least) * inverse);
      const high = fiveBits((load<f32>(source + (j << 2), 64) - least) * inverse);
      store<u8>(target + j, <u8>((low & 15) | (high << 4)), 8);
      bits |= ((low >> 4) << <u32>j) | ((high >> 4) << (<u32>j + 16));
    }
    store<u32>(target, bits, 4);
    source += 128;
    target += BLOCK;
  }
}

/** floor(x + 0.5) within 0…31; NaN gives 0. */
@inline
function fiveBits(x: f32): u32 {
  const shifted = x + 0.5;
  if (shifted >= 31) return 31;
  return shifted > 0 ? <u32>shifted : 0;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ5_1(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * PACKED);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source + <usize>row * rowBytes;
    let to = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u16>(to + (row << 1), load<u16>(from));
      store<u16>(to + (row << 1), load<u16>(from, 2), 16);
      store<u32>(to + laneOffset(row), joinBits(load<u32>(from, 4)), 32);
      packNibbles(from + 8, to + 64 + laneOffset(row), 32);
      from += BLOCK;
      to += PACKED;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ5_1(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    store<u16>(target, load<u16>(group + (lane << 1)));
    store<u16>(target, load<u16>(group + (lane << 1), 16), 2);
    store<u32>(target, splitBits(load<u32>(group + laneOffset(lane), 32)), 4);
    unpackNibbles(group + 64 + laneOffset(lane), 32, target + 8);
    group += PACKED;
    target += BLOCK;
  }
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulQ5_1(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<FiveBitsAndMinimum>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeQ5_1(group: usize, columns: u32, target: usize): void {
  decodeBlocks<FiveBitsAndMinimum>(group, columns, target);
}

@unmanaged
export class FiveBitsAndMinimum {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return true; }
  @inline payload(block: usize): usize { return block + 64; }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
  @inline minimum4(block: usize, quad: u32): v128 { return loadHalves4(block + 16 + (quad << 3)); }
  @inline minimum1(block: usize, row: u32): f32 { return loadFiniteHalf(block + 16 + (row << 1)); }
  @inline high(block: usize, quad: u32): v128 { return v128.load(block + (quad << 4), 32); }
  @inline nextHigh(high: v128): v128 { return i16x8.shr_u(high, 4); }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return fifthBits0(word, high); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return fifthBits1(word, high); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return fifthBits2(word, high); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return fifthBits3(word, high); }
  @inline get start(): i32 { return 16; }
  @inline lowBytes(word: v128, high: v128): v128 { return lowFifthBytes(word, high); }
  @inline highBytes(word: v128, high: v128): v128 { return highFifthBytes(word, high); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return fifthBitDot(block + 64 + laneOffset(row), load<u32>(block + laneOffset(row), 32), a);
  }
}
