/**
 * Codes of 2, 3, 5 and 6 bits in the packed super-blocks of the fast build, which multiplies bytes. They take as many
 * bytes as in blocks256/fields.ts, but four bits of a code (two of 2 and 3) are one field and the rest is another, each
 * where a shift and a mask move it into the code's own byte. Codes of 4 bits lie so in every build.
 *
 *     a row's byte b (0…3) of byte plane k (0…3) of a half is column 8 · (k div 2) + 2 · (k mod 2) + 0 4 1 5 [b]
 *     low      4 bits: vector k div 2 of the half, nibble k mod 2 of byte b       2 bits: bits 2k, 2k + 1 of byte b
 *     high     2 bits: the third vector of the half, bits 2k, 2k + 1 of byte b    (6)
 *              1 bit: one vector for both halves, bit 4 · half + k of byte b      (3, 5)
 *
 * A byte plane costs one to five operations. `p`, `bits`, `half`, `step` and `pair` are those of blocks256/fields.ts.
 */

const MASKS = memory.data<u8>([
  // low fields of 2 and 4 bits
  3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
  // high fields in their place: of 3, 5 and 6 bits
  4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16,
  48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48, 48,
], 16);
/** The low byte of each i16 lane. */
const EVEN_BYTES = memory.data<u16>([255, 255, 255, 255, 255, 255, 255, 255], 16);

/** Bits in the low field. */
@inline
function lowBits(bits: i32): i32 {
  return bits >= 4 ? 4 : 2;
}

/** Where the vector with the low fields of a pair's step begins. */
@inline
function lowOf(p: usize, bits: i32, half: usize, step: i32): usize {
  const q = p + 32 * <usize>(bits >> 1) * half;
  return bits >= 4 ? q + 32 * step : q;
}

/** Where the vector with the high fields of a half begins. */
@inline
function highOf(p: usize, bits: i32, half: usize): usize {
  return bits == 6 ? p + 96 * half + 64 : p + 32 * (bits - 1);
}

/** The low fields of a step. */
@inline
export function lowVector(p: usize, bits: i32, half: usize, step: i32): v128 {
  return v128.load(lowOf(p, bits, half, step));
}

/** The high fields of a half, which lie at the same place for both halves. */
@inline
export function highVector(p: usize, bits: i32, half: usize, low: v128): v128 {
  if (bits == 2 || bits == 4) return low;
  const high = v128.load(highOf(p, bits, half));
  return bits == 6 ? high : i16x8.shr_u(high, (<i32>half) << 2);
}

/** `highVector` of the second half, from that of the first. */
@inline
export function nextHighVector(p: usize, bits: i32, high: v128): v128 {
  if (bits == 6) return v128.load(highOf(p, 6, 1));
  return bits == 3 || bits == 5 ? i16x8.shr_u(high, 4) : high;
}

/** The mask of low fields in their place, for `bytePlane`: what loops over units load once. */
@inline
export function lowFieldMask(bits: i32): v128 {
  return v128.load(MASKS + (bits >= 4 ? 16 : 0));
}

/** The mask of high fields in their place; where there are none, any mask. */
@inline
export function highFieldMask(bits: i32): v128 {
  return v128.load(MASKS + (bits == 3 ? 32 : bits == 5 ? 48 : 64));
}

/** Byte plane 2 · step + upper of four rows as i8x16. */
@inline
export function bytePlane(bits: i32, low: v128, high: v128, step: i32, upper: i32, lows: v128, highs: v128): v128 {
  const k = 2 * step + upper;
  const shift = bits >= 4 ? 4 * upper : 2 * k;
  const codes = v128.and(shift == 0 ? low : i16x8.shr_u(low, shift), lows);
  if (bits == 2 || bits == 4) return codes;
  const up = lowBits(bits) - (bits == 6 ? 2 * k : k);
  const moved = up == 0 ? high : up > 0 ? i16x8.shl(high, up) : i16x8.shr_u(high, -up);
  return v128.or(codes, v128.and(moved, highs));
}

/** Pair `pair` of four rows as i16x8. */
@inline
export function widePlane(bits: i32, low: v128, high: v128, pair: i32): v128 {
  const bytes = bytePlane(bits, low, high, pair >> 2, pair & 1, lowFieldMask(bits), highFieldMask(bits));
  return (pair & 2) == 0 ? v128.and(bytes, v128.load(EVEN_BYTES)) : i16x8.shr_u(bytes, 8);
}

/** Where the low field of a pair lies in its vector's i16 lanes. */
@inline
function lowShift(bits: i32, pair: i32): u32 {
  return ((pair & 2) << 2) + (bits >= 4 ? 4 * (pair & 1) : 2 * (2 * (pair >> 2) + (pair & 1)));
}

@inline
function highShift(bits: i32, half: usize, pair: i32): u32 {
  const k = 2 * (pair >> 2) + (pair & 1);
  return ((pair & 2) << 2) + (bits == 6 ? 2 * k : k + 4 * <i32>half);
}

/** A field of one row as it is in both lanes. */
@inline
function lanes(bits: i32): u32 {
  return ((1 << bits) - 1) * 0x1_0001;
}

/** One row: the even column's code in the low half, the odd one's in the high half. */
@inline
export function loadBytePair(p: usize, bits: i32, half: usize, pair: i32): u32 {
  const codes = (load<u32>(lowOf(p, bits, half, pair >> 2)) >> lowShift(bits, pair)) & lanes(lowBits(bits));
  if (bits == 2 || bits == 4) return codes;
  const high = (load<u32>(highOf(p, bits, half)) >> highShift(bits, half, pair)) & lanes(bits - lowBits(bits));
  return codes | (high << lowBits(bits));
}

/** The inverse of `loadBytePair`, into zeroed bits. */
@inline
export function storeBytePair(p: usize, bits: i32, half: usize, pair: i32, code: u32): void {
  const low = lowOf(p, bits, half, pair >> 2);
  store<u32>(low, load<u32>(low) | ((code & lanes(lowBits(bits))) << lowShift(bits, pair)));
  if (bits == 2 || bits == 4) return;
  const high = highOf(p, bits, half);
  const rest = (code >> lowBits(bits)) & lanes(bits - lowBits(bits));
  store<u32>(high, load<u32>(high) | (rest << highShift(bits, half, pair)));
}
