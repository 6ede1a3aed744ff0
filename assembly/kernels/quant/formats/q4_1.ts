/**
 * Q4_1: 32 columns, a half scale, a half minimum and 32 nibbles.
 *
 *     file     ┌ d h │ m h │ 16 B: column j low, column j + 16 high ┐                 20 bytes; w = d · nibble + m
 *     packed   ┌ 8 × d h │ 8 × m h │ 4 steps of nibbles (kernels/quant/layout.ts) ┐   160 bytes = 8 × 20
 *
 * Cost of 8 rows × 32 columns: that of the driver, planes 6 operations a step and quad, the minimum 3 a block and quad.
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { loadFiniteHalf, loadHalves4, packNibbles, unpackNibbles } from "../layout";
import {
  highNibbleBytes, laneOffset, lowNibbleBytes, nibbleDot, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3,
} from "../blocks32/nibbles";

const BLOCK: usize = 20;
const PACKED: usize = 160;

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeQ4_1(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = loadHalf(source);
    const m = loadHalf(source + 2);
    for (let j: usize = 0; j < 16; j++) {
      const byte = <i32>load<u8>(source + j, 4);
      store<f32>(target + (j << 2), d * <f32>(byte & 15) + m);
      store<f32>(target + (j << 2), d * <f32>(byte >> 4) + m, 64);
    }
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: the least value becomes 0, the greatest 15. */
export function quantizeQ4_1(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    let least = load<f32>(source);
    let greatest = least;
    for (let j: usize = 1; j < 32; j++) {
      const x = load<f32>(source + (j << 2));
      if (x < least) least = x;
      if (x > greatest) greatest = x;
    }
    const d = (greatest - least) / 15;
    const inverse: f32 = d != 0 ? 1 / d : 0;
    store<u16>(target, <u16>floatToHalf(d));
    store<u16>(target, <u16>floatToHalf(least), 2);
    for (let j: usize = 0; j < 16; j++) {
      const low = nibble((load<f32>(source + (j << 2)) - least) * inverse);
      const high = nibble((load<f32>(source + (j << 2), 64) - least) * inverse);
      store<u8>(target + j, <u8>(low | (high << 4)), 4);
    }
    source += 128;
    target += BLOCK;
  }
}

/** floor(x + 0.5) within 0…15; NaN gives 0. */
@inline
function nibble(x: f32): u32 {
  const shifted = x + 0.5;
  if (shifted >= 15) return 15;
  return shifted > 0 ? <u32>shifted : 0;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ4_1(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * PACKED);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source + <usize>row * rowBytes;
    let to = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u16>(to + (row << 1), load<u16>(from));
      store<u16>(to + (row << 1), load<u16>(from, 2), 16);
      packNibbles(from + 4, to + 32 + laneOffset(row), 32);
      from += BLOCK;
      to += PACKED;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ4_1(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    store<u16>(target, load<u16>(group + (lane << 1)));
    store<u16>(target, load<u16>(group + (lane << 1), 16), 2);
    unpackNibbles(group + 32 + laneOffset(lane), 32, target + 4);
    group += PACKED;
    target += BLOCK;
  }
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulQ4_1(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<NibblesAndMinimum>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeQ4_1(group: usize, columns: u32, target: usize): void {
  decodeBlocks<NibblesAndMinimum>(group, columns, target);
}

@unmanaged
export class NibblesAndMinimum {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return true; }
  @inline payload(block: usize): usize { return block + 32; }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
  @inline minimum4(block: usize, quad: u32): v128 { return loadHalves4(block + 16 + (quad << 3)); }
  @inline minimum1(block: usize, row: u32): f32 { return loadFiniteHalf(block + 16 + (row << 1)); }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return nibblePlane0(word); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return nibblePlane1(word); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return nibblePlane2(word); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return nibblePlane3(word); }
  @inline get start(): i32 { return 0; }
  @inline lowBytes(word: v128, high: v128): v128 { return lowNibbleBytes(word); }
  @inline highBytes(word: v128, high: v128): v128 { return highNibbleBytes(word); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return nibbleDot(block + 32 + laneOffset(row), a);
  }
}
