/**
 * MXFP4 (OCP microscaling): 32 columns, an exponent byte and 32 four-bit floats (E2M1).
 *
 *     file     ┌ e u8 │ 16 B: column j low, column j + 16 high ┐                  17 bytes; w = 2^(e − 128) · V[code]
 *     packed   ┌ 8 × e u8 │ 4 steps of codes ^ 15 (kernels/quant/layout.ts) ┐     136 bytes = 8 × 17
 *       V = 0, 1, 2, 3, 4, 6, 8, 12, 0, −1, −2, −3, −4, −6, −8, −12 (the floats doubled)
 *
 * The table of the kernel is V + 12, and codes are stored inverted: code 15 (−12) is then nibble 0 and level 0, and one
 * byte swizzle turns an i16 lane with a nibble below and zero above into the lane's level; the driver takes 12·Σa off.
 *
 * Cost of 8 rows × 32 columns: that of the driver, planes 10 operations a step and quad.
 */
import { decodeBlocks, matmulBlocks } from "../blocks32/multiply";
import { packNibbles, unpackNibbles } from "../layout";
import {
  highNibbleBytes, laneOffset, lowNibbleBytes, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3, tableBytes,
  tableDot, tablePlane,
} from "../blocks32/nibbles";

const BLOCK: usize = 17;
const PACKED: usize = 136;

/** V + 12 in the order of inverted codes. */
const LEVELS = memory.data<u8>([0, 4, 6, 8, 9, 10, 11, 12, 24, 20, 18, 16, 15, 14, 13, 12], 16);

@inline
function value(code: u32): i32 {
  return <i32>load<u8>(LEVELS + <usize>(code ^ 15)) - 12;
}

/** 2^(e − 128), subnormal for e = 0 and 1. */
@inline
function scale(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? 0x0020_0000 << e : (e - 1) << 23);
}

/** `scale` of the four bytes at `p`. */
@inline
function scales4(p: usize): v128 {
  const e = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load_zero<u32>(p)));
  const subnormal = i32x4.add(i32x4.shl(e, 21), i32x4.splat(0x0020_0000));
  const normal = i32x4.shl(i32x4.sub(e, i32x4.splat(1)), 23);
  return v128.bitselect(subnormal, normal, i32x4.lt_s(e, i32x4.splat(2)));
}

/** GGUF blocks → f32; `count` a multiple of 32. */
export function dequantizeMXFP4(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    const d = scale(load<u8>(source));
    for (let j: usize = 0; j < 16; j++) {
      const byte = <u32>load<u8>(source + j, 1);
      store<f32>(target + (j << 2), d * <f32>value(byte & 15));
      store<f32>(target + (j << 2), d * <f32>value(byte >> 4), 64);
    }
    source += BLOCK;
    target += 128;
  }
}

/** f32 → GGUF blocks: e = floor(log2(max|x|)) − 2, biased; then the nearest of the sixteen values. */
export function quantizeMXFP4(source: usize, target: usize, count: usize): void {
  for (; count >= 32; count -= 32) {
    let largest: f32 = 0;
    for (let j: usize = 0; j < 32; j++) {
      const magnitude = abs(load<f32>(source + (j << 2)));
      if (magnitude > largest) largest = magnitude;
    }
    const exponent = reinterpret<u32>(largest) >> 23;
    const e: u32 = exponent > 2 ? exponent - 2 : 0;
    const d = scale(e);
    store<u8>(target, <u8>e);
    for (let j: usize = 0; j < 16; j++) {
      const low = nearestCode(load<f32>(source + (j << 2)), d);
      const high = nearestCode(load<f32>(source + (j << 2), 64), d);
      store<u8>(target + j, <u8>(low | (high << 4)), 1);
    }
    source += 128;
    target += BLOCK;
  }
}

/** The first of the codes nearest to x; NaN gives 0. */
function nearestCode(x: f32, d: f32): u32 {
  let best: u32 = 0;
  let distance = abs(x);
  for (let code: u32 = 1; code < 16; code++) {
    const other = abs(d * <f32>value(code) - x);
    if (other < distance) {
      best = code;
      distance = other;
    }
  }
  return best;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are of no account (12 · 2^−128 in size). */
export function packMXFP4(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const blocks = columns >> 5;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * PACKED);
  for (let row: u32 = 0; row < rows; row++) {
    let from = source + <usize>row * rowBytes;
    let to = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u8>(to + row, load<u8>(from));
      packNibbles(from + 1, to + 8 + laneOffset(row), 32);
      invert(to + 8 + laneOffset(row));
      from += BLOCK;
      to += PACKED;
    }
  }
}

/** All codes of a row's four steps ^ 15. */
@inline
function invert(p: usize): void {
  store<u32>(p, ~load<u32>(p));
  store<u32>(p, ~load<u32>(p, 32), 32);
  store<u32>(p, ~load<u32>(p, 64), 64);
  store<u32>(p, ~load<u32>(p, 96), 96);
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackMXFP4(group: usize, lane: u32, columns: u32, target: usize): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    store<u8>(target, load<u8>(group + lane));
    unpackNibbles(group + 8 + laneOffset(lane), 32, target + 1);
    store<u64>(target, ~load<u64>(target, 1), 1);
    store<u64>(target, ~load<u64>(target, 9), 9);
    group += PACKED;
    target += BLOCK;
  }
}

/** Whole groups × tokens (kernels/quant/driver.ts). */
export function matmulMXFP4(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  matmulBlocks<Fours>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

/** One group as f32, rows interleaved (kernels/quant/driver.ts); portable build only. */
export function decodeMXFP4(group: usize, columns: u32, target: usize): void {
  decodeBlocks<Fours>(group, columns, target);
}

@unmanaged
export class Fours {
  @inline get blockBytes(): usize { return PACKED; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline get offset(): i32 { return 12; }
  @inline get minimum(): bool { return false; }
  @inline payload(block: usize): usize { return block + 8; }
  @inline scale4(block: usize, quad: u32): v128 { return scales4(block + (quad << 2)); }
  @inline scale1(block: usize, row: u32): f32 { return scale(load<u8>(block + row)); }
  @inline minimum4(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline minimum1(block: usize, row: u32): f32 { return 0; }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane0(word)); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane1(word)); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane2(word)); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return tablePlane(LEVELS, nibblePlane3(word)); }
  @inline get start(): i32 { return 12; }
  @inline lowBytes(word: v128, high: v128): v128 { return tableBytes(LEVELS, lowNibbleBytes(word)); }
  @inline highBytes(word: v128, high: v128): v128 { return tableBytes(LEVELS, highNibbleBytes(word)); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 {
    return tableDot(LEVELS, block + 8 + laneOffset(row), a);
  }
}
