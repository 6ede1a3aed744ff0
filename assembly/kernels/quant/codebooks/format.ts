/**
 * The formats whose weights are words of a codebook: 256 columns a block, a word for eight of them (or for four), signs
 * for eight, a scale for 16 or 32. They are for reading: which word is near is a search with weights of importance. A
 * packed group is eight rows as they lie in the file, one behind the other: who takes so few bits wants no larger form
 * in memory. Products look words up (codebooks/multiply.ts).
 *
 *     w = d · factor · (2 · s + 1) · integer        every product of these is exact in f32
 *
 * A format is a tag: an `@unmanaged` class without fields. `file` is a block, `unit` 0…7 is 32 columns. A tag says:
 *
 *     fileBytes              bytes of a block
 *     factor                 1, or what makes whole numbers of the columns
 *     parts                  scales of a unit: 1, or 2 of 16 columns each
 *     half(file)             the bits of d
 *     find(file, places)     says where the words and signs of the block lie, and 2 · s + 1 (below)
 *     isShort                words have four columns
 *     grid, signs            the tables; `signs` may hold what is added instead (`adds`), the same for all of a unit
 *     signs8(sign)           SIMD: eight signs as i16x8
 *     eight(word, second, signs)   SIMD: eight integers as i16x8; `second` is of words that are short
 *     fillTables()           fills these tables, once
 *
 * Places are three lists, which go from unit to unit in steps of 8 bytes, with short words of 16:
 *
 *     ┌ 4 or 8 × u16: offsets of words in `grid` │ … ┐     4 × u16: offsets of signs      2 × i32: 2 · s + 1
 *       0                                                   SIGN_AT                        SCALE_AT
 */
import { halfToFloat } from "../../float/half";
import { finiteHalf } from "../layout";

export const SIGN_AT: usize = 128;
export const SCALE_AT: usize = 256;
const PLACES_BYTES: usize = 384;

/** What a block becomes: its places, 2 · s + 1 of its 16 parts as bytes, and its integers as bytes. */
export const SCALES: usize = PLACES_BYTES;
export const INTEGERS: usize = SCALES + 16;
export const EXPANDED_BYTES: usize = INTEGERS + 256;

/** Bytes from the places of a unit to those of the next. */
@inline
export function unitStep<F>(): usize {
  return changetype<F>(0).isShort ? 16 : 8;
}

/** d · factor of a block. */
@inline
export function blockScale<F>(file: usize, isFinite: bool): f32 {
  const f = changetype<F>(0);
  const half = f.half(file);
  return f.factor * (isFinite ? finiteHalf(<i32>(<i16>half)) : halfToFloat(half));
}

/** The signs of columns 0…7 of the unit whose places are at `p`. */
@inline
export function firstSigns<F>(p: usize): v128 {
  return changetype<F>(0).signs8(load<u16>(p, SIGN_AT));
}

/** Columns 0…7 of the unit whose places are at `p`, as i16x8; `first`: their signs. */
@inline
export function firstEight<F>(p: usize, first: v128): v128 {
  const f = changetype<F>(0);
  return f.isShort ? f.eight(load<u16>(p), load<u16>(p, 2), first) : f.eight(load<u16>(p), 0, first);
}

/** Columns 8…15. */
@inline
export function secondEight<F>(p: usize, first: v128): v128 {
  const f = changetype<F>(0);
  const signs = f.adds && f.parts == 1 ? first : f.signs8(load<u16>(p, SIGN_AT + 2));
  return f.isShort ? f.eight(load<u16>(p, 4), load<u16>(p, 6), signs) : f.eight(load<u16>(p, 2), 0, signs);
}

/** Columns 16…23. */
@inline
export function thirdEight<F>(p: usize, first: v128): v128 {
  const f = changetype<F>(0);
  const signs = f.adds && f.parts == 1 ? first : f.signs8(load<u16>(p, SIGN_AT + 4));
  return f.isShort ? f.eight(load<u16>(p, 8), load<u16>(p, 10), signs) : f.eight(load<u16>(p, 4), 0, signs);
}

/** Columns 24…31. */
@inline
export function fourthEight<F>(p: usize, first: v128): v128 {
  const f = changetype<F>(0);
  const signs = f.adds && f.parts == 1 ? first : f.signs8(load<u16>(p, SIGN_AT + 6));
  return f.isShort ? f.eight(load<u16>(p, 12), load<u16>(p, 14), signs) : f.eight(load<u16>(p, 6), 0, signs);
}

/** The scalar twin: 32 columns of a unit → i8. */
@inline
function putUnit<F>(p: usize, target: usize): void {
  const f = changetype<F>(0);
  for (let i: usize = 0; i < 32; i++) {
    const word = f.isShort ? (i >> 2) << 1 : (i >> 3) << 1;
    const sign = f.adds && f.parts == 1 ? 0 : (i >> 3) << 1;
    const column = <i32>load<i8>(f.grid + <usize>load<u16>(p + word) + (i & (f.isShort ? 3 : 7)));
    const other = <i32>load<i8>(f.signs + <usize>load<u16>(p + sign, SIGN_AT) + (i & 7));
    store<i8>(target + i, <i8>(f.adds ? column + other : column * other));
  }
}

/** A block → places, scales and integers; returns d · factor. */
export function expandAs<F>(file: usize, target: usize, isFinite: bool): f32 {
  const f = changetype<F>(0);
  f.find(file, target);
  let scales = target + SCALES;
  let integers = target + INTEGERS;
  for (const end = target + 8 * unitStep<F>(); target != end; target += unitStep<F>()) {
    if (ASC_FEATURE_SIMD) {
      const first = firstSigns<F>(target);
      const low = i8x16.narrow_i16x8_s(firstEight<F>(target, first), secondEight<F>(target, first));
      v128.store(integers, low);
      v128.store(integers, i8x16.narrow_i16x8_s(thirdEight<F>(target, first), fourthEight<F>(target, first)), 16);
    } else {
      putUnit<F>(target, integers);
    }
    store<u8>(scales, load<u8>(target, SCALE_AT));
    store<u8>(scales, f.parts == 2 ? load<u8>(target, SCALE_AT + 4) : load<u8>(target, SCALE_AT), 1);
    scales += 2;
    integers += 32;
  }
  return blockScale<F>(file, isFinite);
}

// V8 rebuilds a constant at each use, so they are loaded: what moves each of four fields of seven bits to the top.
const SEVENS = memory.data<u32>([1 << 25, 1 << 18, 1 << 11, 1 << 4], 16);

/** The offsets of the signs of two units, each of which has four times seven bits, in all lanes. */
@inline
export function evenSigns(first: v128, second: v128): v128 {
  const sevens = v128.load(SEVENS);
  const low = i32x4.shr_u(i32x4.mul(first, sevens), 25);
  return i16x8.shl(i16x8.narrow_i32x4_u(low, i32x4.shr_u(i32x4.mul(second, sevens), 25)), 3);
}

/** The scalar twin, of one unit. */
@inline
export function putEvenSigns(signs: u32, p: usize): void {
  for (let i: usize = 0; i < 8; i += 2) {
    store<u16>(p + i, <u16>((signs & 127) << 3), SIGN_AT);
    signs >>= 7;
  }
}

/** Bytes at `p` as u16x8, each `shift` up. */
@inline
export function bytesUp(p: usize, shift: u32): v128 {
  return i16x8.shl(v128.load_ext<u8>(p), shift);
}

const NIBBLES = memory.data<u64>([0x0f0f_0f0f_0f0f_0f0f, 0x0f0f_0f0f_0f0f_0f0f], 16);

/** 2 · s + 1 of eight units whose two s are the nibbles of a byte at `nibbles`. */
export function putScales(nibbles: usize, places: usize): void {
  if (ASC_FEATURE_SIMD) {
    const bytes = v128.load_zero<u64>(nibbles);
    const first = v128.and(bytes, v128.load(NIBBLES));
    const second = v128.and(i16x8.shr_u(bytes, 4), v128.load(NIBBLES));
    const both = i8x16.shuffle(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const scales = v128.or(i8x16.add(both, both), i8x16.splat(1));
    const low = i16x8.extend_low_i8x16_u(scales);
    const high = i16x8.extend_high_i8x16_u(scales);
    v128.store(places, i32x4.extend_low_i16x8_u(low), SCALE_AT);
    v128.store(places, i32x4.extend_high_i16x8_u(low), SCALE_AT + 16);
    v128.store(places, i32x4.extend_low_i16x8_u(high), SCALE_AT + 32);
    v128.store(places, i32x4.extend_high_i16x8_u(high), SCALE_AT + 48);
  } else {
    for (let i: usize = 0; i < 8; i++) {
      const both = <u32>load<u8>(nibbles + i);
      store<u32>(places + (i << 3), 2 * (both & 15) + 1, SCALE_AT);
      store<u32>(places + (i << 3), 2 * (both >> 4) + 1, SCALE_AT + 4);
    }
  }
}
