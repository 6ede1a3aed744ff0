/**
 * Q8_0: 32 columns, a half scale and 32 signed bytes.
 *
 *     file     ┌ d h │ 32 B, column j in byte j ┐                                     34 bytes; w = d · q
 *     packed   ┌ 8 × d h │ 4 steps of bytes (kernels/quant/layout.ts) ┐               272 bytes = 8 × 34
 *
 * Cost of 8 rows × 32 columns: that of the driver; a plane is one widening load.
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { loadFiniteHalf, loadHalves4 } from "../layout";

const BLOCK: usize = 34;
const PACKED: usize = 272;

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeQ8_0(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = loadHalf(source);
    for (let j: usize = 0; j < 32; j++) store<f32>(target + (j << 2), d * <f32>load<i8>(source + j, 2));
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: the value of largest magnitude becomes ±127. */
export function quantizeQ8_0(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    let largest: f32 = 0;
    for (let j: usize = 0; j < 32; j++) {
      const magnitude = abs(load<f32>(source + (j << 2)));
      if (magnitude > largest) largest = magnitude;
    }
    const d = largest / 127;
    const inverse: f32 = d != 0 ? 1 / d : 0;
    store<u16>(target, <u16>floatToHalf(d));
    for (let j: usize = 0; j < 32; j++) {
      store<i8>(target + j, <i8>roundedByte(load<f32>(source + (j << 2)) * inverse), 2);
    }
    source += 128;
    target += BLOCK;
  }
}

/** To nearest, halves away from zero, within ±127; NaN gives 0. */
@inline
function roundedByte(x: f32): i32 {
  const magnitude = abs(x);
  const whole = floor(magnitude);
  const rounded = whole + floor<f32>(2 * (magnitude - whole));
  let q = 0;
  if (rounded >= 127) q = 127;
  else if (rounded > 0) q = <i32>rounded;
  return x < 0 ? -q : q;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packQ8_0(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * PACKED);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source + <usize>row * rowBytes;
    let to = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u16>(to + (row << 1), load<u16>(from));
      const lane = to + 16 + (row << 1);
      for (let pair: usize = 0; pair < 16; pair++) store<u16>(lane + (pair << 4), load<u16>(from + (pair << 1), 2));
      from += BLOCK;
      to += PACKED;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackQ8_0(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    const from = group + (lane << 1);
    store<u16>(target, load<u16>(from));
    for (let pair: usize = 0; pair < 16; pair++) {
      store<u16>(target + (pair << 1), load<u16>(from + (pair << 4), 16), 2);
    }
    group += PACKED;
    target += BLOCK;
  }
}

/** Σ q·a over 32 columns of a row: `p` its pair in the first step, pairs 16 bytes apart. */
function byteDot(p: usize, a: usize): i32 {
  let dot = 0;
  for (let pair = 0; pair < 16; pair++) {
    dot += load<i8>(p) * load<i16>(a) + load<i8>(p, 1) * load<i16>(a, 2);
    p += 16;
    a += 4;
  }
  return dot;
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulQ8_0(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<Bytes>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeQ8_0(group: usize, columns: u32, target: usize): void {
  decodeBlocks<Bytes>(group, columns, target);
}

@unmanaged
class Bytes {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 8; }
  @inline get stepBytes(): usize { return 64; }
  @inline get offset(): i32 { return 0; }
  @inline get minimum(): bool { return false; }
  @inline payload(block: usize): usize { return block + 16; }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
  @inline minimum4(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline minimum1(block: usize, row: u32): f32 { return 0; }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return i32x4.splat(0); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 16); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 32); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return v128.load_ext<i8>(p, 48); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return byteDot(block + 16 + (row << 1), a);
  }
}
