/**
 * MXFP4 (OCP microscaling): 32 columns, an exponent byte and 32 four-bit floats (E2M1).
 *
 *     file     ┌ e u8 │ 16 B: column j low, column j + 16 high ┐           17 bytes; w = 2^(e − 128) · V[code]
 *     packed   ┌ 8 × e u8 │ 4 steps ┐                                      136 bytes = 8 × 17
 *       step   8 columns: 8 × u32, one a row; from its lowest bit on the codes ^ 15 of columns 0 2 4 6 1 3 5 7
 *       V = 0, 1, 2, 3, 4, 6, 8, 12, 0, −1, −2, −3, −4, −6, −8, −12 (the floats doubled)
 *
 * The table of the kernel is V + 12, and codes are stored inverted: code 15 (−12) is then nibble 0 and level 0, and one
 * byte swizzle turns an i16 lane with a nibble below and zero above into the lane's level. The 12 leave with the sum of
 * the activations. Rows that a group lacks are 12 · 2^−128 in size, which is of no account.
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts, planes 10 operations a step and quad.
 */
import { Blocks32 } from "../blocks32/format";
import {
  highNibbleBytes, laneOffset, lowNibbleBytes, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3, tableBytes,
  tableDot, tablePlane,
} from "../blocks32/nibbles";
import { packNibbles, unpackNibbles } from "../layout";
import { largestOf32 } from "../quantise/encode32";

/** V + 12 in the order of inverted codes. */
export const E2M1 = memory.data<u8>([0, 4, 6, 8, 9, 10, 11, 12, 24, 20, 18, 16, 15, 14, 13, 12], 16);

/** V[code]. */
@inline
export function value(code: u32): i32 {
  return <i32>load<u8>(E2M1 + <usize>(code ^ 15)) - 12;
}

/** 2^(e − 128), subnormal for e = 0 and 1. */
@inline
function powerOf(e: u32): f32 {
  return reinterpret<f32>(e < 2 ? 0x0020_0000 << e : (e - 1) << 23);
}

/** The first of the codes nearest to x; NaN gives 0. */
export function nearestCode(x: f32, d: f32): u32 {
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

@unmanaged
export class MXFP4Packing extends Blocks32<MXFP4Packing> {
  @inline get fileBytes(): usize { return 17; }
  @inline get offset(): i32 { return 12; }
  @inline get start(): i32 { return 12; }
  @inline get minimum(): bool { return false; }
  @inline get quadBytes(): usize { return 16; }
  @inline get stepBytes(): usize { return 32; }
  @inline fileScale(file: usize, isFinite: bool): f32 { return powerOf(load<u8>(file)); }
  @inline filePair(file: usize, j: usize): u32 { return load<u8>(file + j, 1); }
  @inline lowInteger(pair: u32, fifth: u32): i32 { return value(pair & 15); }
  @inline highInteger(pair: u32, fifth: u32): i32 { return value(pair >> 4); }

  /** e = floor(log2(max|x|)) − 2, biased; then the nearest of the sixteen values. */
  @inline
  encode(values: usize, file: usize): void {
    const exponent = reinterpret<u32>(largestOf32(values)) >> 23;
    const e: u32 = exponent > 2 ? exponent - 2 : 0;
    const d = powerOf(e);
    store<u8>(file, <u8>e);
    for (let j: usize = 0; j < 16; j++) {
      const low = nearestCode(load<f32>(values + (j << 2)), d);
      const high = nearestCode(load<f32>(values + (j << 2), 64), d);
      store<u8>(file + j, <u8>(low | (high << 4)), 1);
    }
  }

  @inline
  pack(file: usize, block: usize, row: u32): void {
    store<u8>(block + row, load<u8>(file));
    const p = block + 8 + laneOffset(row);
    packNibbles(file + 1, p, 32);
    store<u32>(p, ~load<u32>(p));
    store<u32>(p, ~load<u32>(p, 32), 32);
    store<u32>(p, ~load<u32>(p, 64), 64);
    store<u32>(p, ~load<u32>(p, 96), 96);
  }

  @inline
  unpack(block: usize, row: u32, file: usize): void {
    store<u8>(file, load<u8>(block + row));
    unpackNibbles(block + 8 + laneOffset(row), 32, file + 1);
    store<u64>(file, ~load<u64>(file, 1), 1);
    store<u64>(file, ~load<u64>(file, 9), 9);
  }

  @inline
  scale4(block: usize, quad: u32): v128 {
    const p = block + (quad << 2);
    const e = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load_zero<u32>(p)));
    const subnormal = i32x4.add(i32x4.shl(e, 21), i32x4.splat(0x0020_0000));
    const normal = i32x4.shl(i32x4.sub(e, i32x4.splat(1)), 23);
    return v128.bitselect(subnormal, normal, i32x4.lt_s(e, i32x4.splat(2)));
  }

  @inline scale1(block: usize, row: u32): f32 { return powerOf(load<u8>(block + row)); }
  @inline high(block: usize, quad: u32): v128 { return i32x4.splat(0); }
  @inline nextHigh(high: v128): v128 { return high; }
  @inline word(p: usize): v128 { return v128.load(p); }
  @inline plane0(p: usize, word: v128, high: v128): v128 { return tablePlane(E2M1, nibblePlane0(word)); }
  @inline plane1(p: usize, word: v128, high: v128): v128 { return tablePlane(E2M1, nibblePlane1(word)); }
  @inline plane2(p: usize, word: v128, high: v128): v128 { return tablePlane(E2M1, nibblePlane2(word)); }
  @inline plane3(p: usize, word: v128, high: v128): v128 { return tablePlane(E2M1, nibblePlane3(word)); }
  @inline lowBytes(word: v128, high: v128): v128 { return tableBytes(E2M1, lowNibbleBytes(word)); }
  @inline highBytes(word: v128, high: v128): v128 { return tableBytes(E2M1, highNibbleBytes(word)); }
  @inline rowDot(block: usize, row: u32, a: usize): i32 { return tableDot(E2M1, block + 8 + laneOffset(row), a); }
}
