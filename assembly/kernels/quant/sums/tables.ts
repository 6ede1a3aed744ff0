/**
 * Tables of sums. Codes of one or two bits need no multiplications: of four activations there are sixteen sums, one for
 * each nibble of bits, and one byte swizzle looks up those of sixteen rows. A record has what 32 columns need:
 *
 *     ┌ d f32 │ less i32 │ more u32 │ 4 B ┐┌ table of columns 0…3 ┬ … ┬ of 28…31 ┐
 *       table   sum[n] = Σ over the bits of n of a  −  Σ of the negative a: never below zero, at index 0 … 15
 *         of 16 bits   three vectors of bytes: bits 0…5, bits 6…11, bits 12…16 of the sums      a record has 400 bytes
 *         of a byte    two: bits 0…4, bits 5…8                                                  272 bytes
 *       less    what the sums of all planes have too much, and Σ a: the codes less one stand for the weights
 *       more    whether the next record is of the same columns: what rounding left (activations/sixteen.ts, eight.ts)
 *
 * so that a byte holds what eight tables (of bits 0…5: four) add up to. Where d is zero there are no tables.
 *
 * Cost of a table: some 35 operations; all rows of a product share it.
 */
import { DIGIT_BYTES, hasSecond, secondDigit } from "../activations/eight";
import { ActivationPrecision } from "../activations/precision";
import { ACTIVATION_BLOCK_BYTES, activationBytes } from "../activations/sixteen";

/** Bytes of a record: sums of activations in 16 bits. */
const WIDE_BYTES: usize = 400;
/** Bytes of a record: sums of bytes. */
const BYTE_BYTES: usize = 272;

/** Records that stay in the first cache with what else is read. */
const RECORDS: u32 = 64;

/** Bytes of all tables at a time; in bytes there may be twice as many records. */
export const TABLES_BYTES: usize = <usize>RECORDS * (ASC_FEATURE_RELAXED_SIMD ? 2 * BYTE_BYTES : WIDE_BYTES);

/** Whether a form is bytes. */
@inline
export function inBytes(form: u32): bool {
  return ASC_FEATURE_RELAXED_SIMD && form != ActivationPrecision.SIXTEEN && form != ActivationPrecision.TWO_SIXTEENS;
}

/** Bytes of a record of a form. */
@inline
export function recordBytes(form: u32): usize {
  return inBytes(form) ? BYTE_BYTES : WIDE_BYTES;
}

/** Bytes of the tables of one of `tokens` tokens. */
@inline
export function tablesOfToken(tokens: u32): usize {
  return (TABLES_BYTES / tokens) & ~63;
}

/** How many times 32 columns have room in it: a multiple of four. */
@inline
export function unitsAtOnce(form: u32, tokens: u32): u32 {
  const records = form == ActivationPrecision.SIXTEEN ? 1 : 2;
  return (<u32>(tablesOfToken(tokens) / recordBytes(form)) / records) & ~3;
}

/** Records of `count` times 32 columns of a row of activations, from the `first` on; `planes` of the weights. */
export function makeTables(
  form: u32, planes: i32, x: usize, columns: u32, first: u32, count: u32, target: usize,
): void {
  if (inBytes(form)) {
    x += <usize>first * DIGIT_BYTES;
    const second = secondDigit(columns);
    for (; count > 0; count--) {
      const two = hasSecond(x);
      putBytes(x, planes, u32(two), target);
      target += BYTE_BYTES;
      if (two) {
        putBytes(x + second, planes, 0, target);
        target += BYTE_BYTES;
      }
      x += DIGIT_BYTES;
    }
  } else {
    const two = form == ActivationPrecision.TWO_SIXTEENS;
    const rest = activationBytes(columns);
    x += <usize>first * ACTIVATION_BLOCK_BYTES;
    for (; count > 0; count--) {
      putWide(x, planes, u32(two), target);
      target += WIDE_BYTES;
      if (two) {
        putWide(x + rest, planes, 0, target);
        target += WIDE_BYTES;
      }
      x += ACTIVATION_BLOCK_BYTES;
    }
  }
}

// Which of four entries have their first bit, their second; the lowest 12 bits of i32 lanes, 6 and 5 bits of i16 lanes.
const WIDE_MASKS = memory.data<u32>([
  0, 0xffff_ffff, 0, 0xffff_ffff, 0, 0, 0xffff_ffff, 0xffff_ffff, 0xfff, 0xfff, 0xfff, 0xfff,
  0x3f_003f, 0x3f_003f, 0x3f_003f, 0x3f_003f, 0x1f_001f, 0x1f_001f, 0x1f_001f, 0x1f_001f,
], 16);
// Which of eight entries have their first bit, their second, their third.
const BYTE_MASKS = memory.data<u16>([
  0, 0xffff, 0, 0xffff, 0, 0xffff, 0, 0xffff, 0, 0, 0xffff, 0xffff, 0, 0, 0xffff, 0xffff,
  0, 0, 0, 0, 0xffff, 0xffff, 0xffff, 0xffff,
], 16);

/** A record of 32 activations in 16 bits. */
function putWide(block: usize, planes: i32, more: u32, target: usize): void {
  store<u32>(target, load<u32>(block));
  store<u32>(target, more, 8);
  if (load<u32>(block) == 0) return;
  const first = v128.load(WIDE_MASKS);
  const second = v128.load(WIDE_MASKS, 16);
  const twelve = v128.load(WIDE_MASKS, 32);
  const six = v128.load(WIDE_MASKS, 48);
  let negatives = i32x4.splat(0);
  let table = target + 16;
  for (let at = block + 16, end = block + ACTIVATION_BLOCK_BYTES; at != end; at += 8) {
    const a = v128.load_ext<i16>(at);
    let below = i32x4.min_s(a, i32x4.splat(0));
    below = i32x4.add(below, v128.shuffle<i32>(below, below, 2, 3, 0, 1));
    below = i32x4.add(below, v128.shuffle<i32>(below, below, 1, 0, 3, 2));
    negatives = i32x4.sub(negatives, below);
    const pair = i32x4.add(
      v128.and(v128.shuffle<i32>(a, a, 0, 0, 0, 0), first), v128.and(v128.shuffle<i32>(a, a, 1, 1, 1, 1), second),
    );
    const fourth = v128.shuffle<i32>(a, a, 3, 3, 3, 3);
    const s0 = i32x4.sub(pair, below);
    const s1 = i32x4.add(s0, v128.shuffle<i32>(a, a, 2, 2, 2, 2));
    const s2 = i32x4.add(s0, fourth);
    const s3 = i32x4.add(s1, fourth);
    const low0 = i16x8.narrow_i32x4_s(v128.and(s0, twelve), v128.and(s1, twelve));
    const low1 = i16x8.narrow_i32x4_s(v128.and(s2, twelve), v128.and(s3, twelve));
    const high0 = i16x8.narrow_i32x4_s(i32x4.shr_u(s0, 12), i32x4.shr_u(s1, 12));
    const high1 = i16x8.narrow_i32x4_s(i32x4.shr_u(s2, 12), i32x4.shr_u(s3, 12));
    v128.store(table, i8x16.narrow_i16x8_u(v128.and(low0, six), v128.and(low1, six)));
    v128.store(table, i8x16.narrow_i16x8_u(i16x8.shr_u(low0, 6), i16x8.shr_u(low1, 6)), 16);
    v128.store(table, i8x16.narrow_i16x8_u(high0, high1), 32);
    table += 48;
  }
  store<i32>(target, load<i32>(block, 4) + (planes + 1) * i32x4.extract_lane(negatives, 0), 4);
}

/** A record of 32 activations of a byte, which lie in the order 0 4 1 5 2 6 3 7. */
function putBytes(block: usize, planes: i32, more: u32, target: usize): void {
  store<u32>(target, load<u32>(block));
  store<u32>(target, more, 8);
  if (load<u32>(block) == 0) return;
  let negatives = 0;
  let table = target + 16;
  for (let at = block + 32, end = block + DIGIT_BYTES; at != end; at += 8) {
    negatives += putByteTable(at, table);
    negatives += putByteTable(at + 1, table + 32);
    table += 64;
  }
  store<i32>(target, <i32>load<i16>(block, 8) + <i32>load<i16>(block, 10) + (planes + 1) * negatives, 4);
}

/** The table of four activations, two bytes apart; returns what its sums have too much. */
@inline
function putByteTable(at: usize, table: usize): i32 {
  const a0 = <i32>load<i8>(at);
  const a1 = <i32>load<i8>(at, 2);
  const a2 = <i32>load<i8>(at, 4);
  const a3 = <i32>load<i8>(at, 6);
  const negatives = -((a0 & (a0 >> 31)) + (a1 & (a1 >> 31)) + (a2 & (a2 >> 31)) + (a3 & (a3 >> 31)));
  const five = v128.load(WIDE_MASKS, 64);
  let s0 = i16x8.add(i16x8.splat(<i16>negatives), v128.and(i16x8.splat(<i16>a0), v128.load(BYTE_MASKS)));
  s0 = i16x8.add(s0, v128.and(i16x8.splat(<i16>a1), v128.load(BYTE_MASKS, 16)));
  s0 = i16x8.add(s0, v128.and(i16x8.splat(<i16>a2), v128.load(BYTE_MASKS, 32)));
  const s1 = i16x8.add(s0, i16x8.splat(<i16>a3));
  v128.store(table, i8x16.narrow_i16x8_u(v128.and(s0, five), v128.and(s1, five)));
  v128.store(table, i8x16.narrow_i16x8_u(i16x8.shr_u(s0, 5), i16x8.shr_u(s1, 5)), 16);
  return negatives;
}
