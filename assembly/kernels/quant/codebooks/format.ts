/**
 * The formats whose weights are words of a codebook: 256 columns a block, a word for eight of them (or for four), signs
 * for eight, a scale for 16 or 32. They are for reading: which word is near is a search with weights of importance. A
 * packed group is eight rows as they lie in the file, one behind the other: who takes so few bits wants no larger form in
 * memory. Products look words up (codebooks/multiply.ts).
 *
 *     w = d · factor · (2 · s + 1) · integer        every product of these is exact in f32
 *
 * A format is a tag: an `@unmanaged` class without fields. `file` is a block, `unit` 0…7 is 32 columns. A tag says:
 *
 *     fileBytes              bytes of a block
 *     factor                 1, or what makes whole numbers of the columns
 *     parts                  scales of a unit: 1, or 2 of 16 columns each
 *     half(file)             the bits of d
 *     find(file, units)      fills the records of the eight units
 *     isShort                words have four columns
 *     grid, signs            the tables that records point into; `signs` may hold what is added instead (`adds`)
 *     eight(word, second, sign)   SIMD: eight integers as i16x8; `second` is of words that are short
 *     fillTables()           fills these tables, once
 */
import { halfToFloat } from "../../float/half";
import { finiteHalf } from "../layout";

/** Where the words and signs of 32 columns lie, as offsets in their tables, and 2 · s + 1 of both parts. */
@unmanaged
export class Unit {
  word0: u16;
  word1: u16;
  word2: u16;
  word3: u16;
  word4: u16;
  word5: u16;
  word6: u16;
  word7: u16;
  sign0: u16;
  sign1: u16;
  sign2: u16;
  sign3: u16;
  scale0: i32;
  scale1: i32;
}

/** Bytes of a record, and where in it the signs' offsets are. */
export const UNIT_BYTES: usize = 32;
export const SIGNS_OF_UNIT: usize = 16;

/** What a block becomes: eight records, 2 · s + 1 of its 16 parts as bytes, and its integers as bytes. */
export const SCALES: usize = 8 * UNIT_BYTES;
export const INTEGERS: usize = SCALES + 16;
export const EXPANDED_BYTES: usize = INTEGERS + 256;

/** d · factor of a block. */
@inline
export function blockScale<F>(file: usize, isFinite: bool): f32 {
  const f = changetype<F>(0);
  const half = f.half(file);
  return f.factor * (isFinite ? finiteHalf(<i32>(<i16>half)) : halfToFloat(half));
}

/** Columns 0…7 of a unit as i16x8. */
@inline
export function firstEight<F>(u: Unit): v128 {
  const f = changetype<F>(0);
  return f.isShort ? f.eight(u.word0, u.word1, u.sign0) : f.eight(u.word0, 0, u.sign0);
}

/** Columns 8…15. */
@inline
export function secondEight<F>(u: Unit): v128 {
  const f = changetype<F>(0);
  return f.isShort ? f.eight(u.word2, u.word3, u.sign1) : f.eight(u.word1, 0, u.sign1);
}

/** Columns 16…23. */
@inline
export function thirdEight<F>(u: Unit): v128 {
  const f = changetype<F>(0);
  return f.isShort ? f.eight(u.word4, u.word5, u.sign2) : f.eight(u.word2, 0, u.sign2);
}

/** Columns 24…31. */
@inline
export function fourthEight<F>(u: Unit): v128 {
  const f = changetype<F>(0);
  return f.isShort ? f.eight(u.word6, u.word7, u.sign3) : f.eight(u.word3, 0, u.sign3);
}

/** The scalar twin: 32 columns of a unit → i8. */
@inline
function putUnit<F>(unit: usize, target: usize): void {
  const f = changetype<F>(0);
  for (let i: usize = 0; i < 32; i++) {
    const word = f.isShort ? (i >> 2) << 1 : (i >> 3) << 1;
    const column = <i32>load<i8>(f.grid + <usize>load<u16>(unit + word) + (i & (f.isShort ? 3 : 7)));
    const other = <i32>load<i8>(f.signs + <usize>load<u16>(unit + ((i >> 3) << 1), SIGNS_OF_UNIT) + (i & 7));
    store<i8>(target + i, <i8>(f.adds ? column + other : column * other));
  }
}

/** A block → records, scales and integers; returns d · factor. */
export function expandAs<F>(file: usize, target: usize, isFinite: bool): f32 {
  const f = changetype<F>(0);
  f.find(file, target);
  let scales = target + SCALES;
  let integers = target + INTEGERS;
  for (const end = scales; target != end; target += UNIT_BYTES) {
    const unit = changetype<Unit>(target);
    if (ASC_FEATURE_SIMD) {
      v128.store(integers, i8x16.narrow_i16x8_s(firstEight<F>(unit), secondEight<F>(unit)));
      v128.store(integers, i8x16.narrow_i16x8_s(thirdEight<F>(unit), fourthEight<F>(unit)), 16);
    } else {
      putUnit<F>(target, integers);
    }
    store<u8>(scales, <u8>unit.scale0);
    store<u8>(scales, <u8>(f.parts == 2 ? unit.scale1 : unit.scale0), 1);
    scales += 2;
    integers += 32;
  }
  return blockScale<F>(file, isFinite);
}

/** The four offsets of the words, and of the signs, of each of two units. */
@inline
export function putTwo(words: v128, signs: v128, unit: usize): void {
  v128.store64_lane(unit, words, 0);
  v128.store64_lane(unit, words, 1, UNIT_BYTES);
  putTwoSigns(signs, unit);
}

/** The signs alone. */
@inline
export function putTwoSigns(signs: v128, unit: usize): void {
  v128.store64_lane(unit, signs, 0, SIGNS_OF_UNIT);
  v128.store64_lane(unit, signs, 1, UNIT_BYTES + SIGNS_OF_UNIT);
}

// V8 rebuilds a constant at each use, so they are loaded: what moves each of four fields of seven bits to the top.
const SEVENS = memory.data<u32>([1 << 25, 1 << 18, 1 << 11, 1 << 4], 16);

/** The offsets of the signs of two units, each of which has four times seven bits. */
@inline
export function evenSigns(first: u32, second: u32): v128 {
  const sevens = v128.load(SEVENS);
  const low = i32x4.shr_u(i32x4.mul(i32x4.splat(first), sevens), 25);
  const high = i32x4.shr_u(i32x4.mul(i32x4.splat(second), sevens), 25);
  return i16x8.shl(i16x8.narrow_i32x4_u(low, high), 3);
}

/** The scalar twin, of one unit. */
@inline
export function putEvenSigns(signs: u32, unit: usize): void {
  for (let i: usize = 0; i < 8; i += 2) {
    store<u16>(unit + i, <u16>((signs & 127) << 3), SIGNS_OF_UNIT);
    signs >>= 7;
  }
}

/** Bytes at `p` as u16x8, each `shift` up. */
@inline
export function bytesUp(p: usize, shift: u32): v128 {
  return i16x8.shl(v128.load_ext<u8>(p), shift);
}
