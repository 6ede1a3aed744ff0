/**
 * IQ4_NL: 32 columns, a half scale and 32 nibbles that choose one of 16 unevenly spaced levels T.
 *
 *     file     ┌ d h │ 16 B: column j low, column j + 16 high ┐                       18 bytes; w = d · T[nibble]
 *     packed   ┌ 8 × d h │ 4 steps of nibbles (kernels/quant/layout.ts) ┐             144 bytes = 8 × 18
 *
 * The table of the kernel is T + 127: level 0 is then zero, and one byte swizzle turns an i16 lane with a nibble below
 * and zero above into the lane's level; the driver takes 127·Σa off again.
 *
 * Cost of 8 rows × 32 columns: that of the driver, planes 10 operations a step and quad.
 */
import { loadHalf, storeHalf } from "../../float/half";
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { searchTable } from "../quantise/search";
import { loadFiniteHalf, loadHalves4, packNibbles, unpackNibbles } from "../layout";
import {
  laneOffset, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3, tableDot, tablePlane,
} from "../blocks32/nibbles";

const BLOCK: usize = 18;
const PACKED: usize = 144;

/** T + 127. */
const LEVELS = memory.data<u8>([0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240], 16);

/** T[nibble]: also the levels of IQ4_XS. */
@inline
export function level(nibble: u32): i32 {
  return <i32>load<u8>(LEVELS + <usize>nibble) - 127;
}

/** Where the table T + 127 lies: for `tableDot`, and as v128 for the swizzle. */
@inline
export function levelPointer(): usize {
  return LEVELS;
}

/** The nibble of the level nearest to x, the lower one of two equally near; NaN gives 0. */
export function nearestLevel(x: f32): u32 {
  let nibble: u32 = 0;
  while (nibble < 15 && x > <f32>(level(nibble) + level(nibble + 1)) * 0.5) nibble++;
  return nibble;
}

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeIQ4_NL(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = loadHalf(source);
    for (let j: usize = 0; j < 16; j++) {
      const byte = <u32>load<u8>(source + j, 2);
      store<f32>(target + (j << 2), d * <f32>level(byte & 15));
      store<f32>(target + (j << 2), d * <f32>level(byte >> 4), 64);
    }
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: the scale that least squares like best, then the nearest levels (kernels/quant/k_search.ts). */
export function quantizeIQ4_NL(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = storeHalf(target, searchTable(source, 32, LEVELS));
    const inverse: f32 = d != 0 ? 1 / d : 0;
    for (let j: usize = 0; j < 16; j++) {
      const low = nearestLevel(load<f32>(source + (j << 2)) * inverse);
      const high = nearestLevel(load<f32>(source + (j << 2), 64) * inverse);
      store<u8>(target + j, <u8>(low | (high << 4)), 2);
    }
    source += 128;
    target += BLOCK;
  }
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows have scale zero. */
export function packIQ4_NL(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * PACKED);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source + <usize>row * rowBytes;
    let to = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u16>(to + (row << 1), load<u16>(from));
      packNibbles(from + 2, to + 16 + laneOffset(row), 32);
      from += BLOCK;
      to += PACKED;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackIQ4_NL(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    store<u16>(target, load<u16>(group + (lane << 1)));
    unpackNibbles(group + 16 + laneOffset(lane), 32, target + 2);
    group += PACKED;
    target += BLOCK;
  }
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulIQ4_NL(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<Levels>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeIQ4_NL(group: usize, columns: u32, target: usize): void {
  decodeBlocks<Levels>(group, columns, target);
}

@unmanaged
class Levels {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline get offset(): i32 { return 127; }
  @inline get minimum(): bool { return false; }
  @inline payload(block: usize): usize { return block + 16; }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
  @inline minimum4(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline minimum1(block: usize, row: u32): f32 { return 0; }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane0(word)); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane1(word)); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane2(word)); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane3(word)); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return tableDot(LEVELS, block + 16 + laneOffset(row), a);
  }
}
