/**
 * Q4_0: 32 columns, a half scale and 32 nibbles less eight.
 *
 *     file     ┌ d h │ 16 B: column j low, column j + 16 high ┐                       18 bytes; w = d · (nibble − 8)
 *     packed   ┌ 8 × d h │ 4 steps of nibbles (kernels/quant/layout.ts) ┐             144 bytes = 8 × 18
 *
 * Cost of 8 rows × 32 columns: that of the driver, planes 6 operations a step and quad.
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { loadFiniteHalf, loadHalves4, packNibbles, unpackNibbles } from "../layout";
import {
  highNibbleBytes, laneOffset, lowNibbleBytes, nibbleDot, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3,
} from "../blocks32/nibbles";

const BLOCK: usize = 18;
const PACKED: usize = 144;

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeQ4_0(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = loadHalf(source);
    for (let j: usize = 0; j < 16; j++) {
      const byte = <i32>load<u8>(source + j, 2);
      store<f32>(target + (j << 2), d * <f32>((byte & 15) - 8));
      store<f32>(target + (j << 2), d * <f32>((byte >> 4) - 8), 64);
    }
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: the value of largest magnitude becomes −8. */
export function quantizeQ4_0(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    let largest: f32 = 0;
    let extreme: f32 = 0;
    for (let j: usize = 0; j < 32; j++) {
      const x = load<f32>(source + (j << 2));
      if (abs(x) > largest) {
        largest = abs(x);
        extreme = x;
      }
    }
    const d = extreme / -8;
    const inverse: f32 = d != 0 ? 1 / d : 0;
    store<u16>(target, <u16>floatToHalf(d));
    for (let j: usize = 0; j < 16; j++) {
      const low = nibble(load<f32>(source + (j << 2)), inverse);
      const high = nibble(load<f32>(source + (j << 2), 64), inverse);
      store<u8>(target + j, <u8>(low | (high << 4)), 2);
    }
    source += 128;
    target += BLOCK;
  }
}

/** floor(x / d + 8.5) within 0…15, in double as the reference does; NaN gives 0. */
@inline
function nibble(x: f32, inverse: f32): u32 {
  const shifted = <f64>x * <f64>inverse + 8.5;
  if (shifted >= 15) return 15;
  return shifted > 0 ? <u32>shifted : 0;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ4_0(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
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
export function unpackQ4_0(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    store<u16>(target, load<u16>(group + (lane << 1)));
    unpackNibbles(group + 16 + laneOffset(lane), 32, target + 2);
    group += PACKED;
    target += BLOCK;
  }
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulQ4_0(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<Nibbles>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeQ4_0(group: usize, columns: u32, target: usize): void {
  decodeBlocks<Nibbles>(group, columns, target);
}

@unmanaged
export class Nibbles {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline get offset(): i32 { return 8; }
  @inline get minimum(): bool { return false; }
  @inline payload(block: usize): usize { return block + 16; }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
  @inline minimum4(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline minimum1(block: usize, row: u32): f32 { return 0; }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return nibblePlane0(word); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return nibblePlane1(word); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return nibblePlane2(word); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return nibblePlane3(word); }
  @inline get start(): i32 { return 8; }
  @inline lowBytes(word: v128, high: v128): v128 { return lowNibbleBytes(word); }
  @inline highBytes(word: v128, high: v128): v128 { return highNibbleBytes(word); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return nibbleDot(block + 16 + laneOffset(row), a);
  }
}
