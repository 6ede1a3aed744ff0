/**
 * Products of activations in bytes with codes of up to seven bits, and how they are summed. Relaxed SIMD has two
 * instructions for them, and processors differ by which of them is quick:
 *
 *     Pairs   i16 lanes  i16x8.relaxed_dot_i8x16_i7x16_s, i16x8.add: two instructions, folded to i32 at a block's end
 *     Quads   i32 lanes  i32x4.relaxed_dot_i8x16_i7x16_add_s: one instruction where the processor has a dot product of
 *                        bytes (AVX-VNNI, Arm's sdot), three or more elsewhere
 *
 * The integers are exact in both, so they give the same bits.
 */

/** How products with bytes are summed. */
export namespace ByteDots {
  export const PAIRS: u32 = 0;
  export const QUADS: u32 = 1;
}

/** The largest code of seven bits, sixteen times. */
export const SEVENS = memory.data<u8>([
  127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127,
], 16);
const MINUS = memory.data<i8>([
  -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127,
], 16);
// Codes of eight bits, of which the instruction promises nothing.
const EIGHTS = memory.data<u8>([255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], 16);
const UNSIGNED_SUM: i32 = 4 * 127 * 255;
const SIGNED_SUM: i32 = -4 * 127;

/**
 * What suits this processor, by what its host makes of a dot that has no agreed result: without a sign and whole it
 * comes from vpdpbusd, with a sign from Arm's sdot (or from what stands for it on Arm before 2017, which loses little);
 * x86 without AVX-VNNI sums pairs in i16 first, which saturate. A host whose agreed results are wrong, as V8's before
 * 2024 where this is still behind a flag, has pairs, too.
 */
export function suitableByteDots(): u32 {
  if (!hasQuads()) return ByteDots.PAIRS;
  const sum = sumOfDot(v128.load(SEVENS), v128.load(EIGHTS), 0);
  return sum == UNSIGNED_SUM || sum == SIGNED_SUM ? ByteDots.QUADS : ByteDots.PAIRS;
}

/** Whether sums in quads are right here. */
export function hasQuads(): bool {
  if (!ASC_FEATURE_RELAXED_SIMD) return false;
  return sumOfDot(v128.load(MINUS), v128.load(SEVENS), 5) == 5 - 4 * 127 * 127;
}

@inline
function sumOfDot(a: v128, codes: v128, start: i32): i32 {
  return i32x4.extract_lane(i32x4.relaxed_dot_i8x16_i7x16_add_s(a, codes, i32x4.splat(start)), 0);
}

/** Products are summed two by two, in i16 lanes. */
@unmanaged
export class Pairs {
  @inline get whole(): bool { return false; }
}

/** Products are summed four by four: a lane is the whole sum of a row. */
@unmanaged
export class Quads {
  @inline get whole(): bool { return true; }
}

/** sum + the products of four bytes of each row: the second operand has no sign. */
@inline
export function addDot<D>(sum: v128, a: v128, codes: v128): v128 {
  if (changetype<D>(0).whole) return i32x4.relaxed_dot_i8x16_i7x16_add_s(a, codes, sum);
  return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(a, codes));
}
