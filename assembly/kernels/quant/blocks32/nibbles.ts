/**
 * The planes of a packed step of nibbles, and the scalar dot of a row: the formats with 32 nibbles a block share them.
 */

const LOW_NIBBLES = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15], 16);
const LOW_NIBBLE_BYTES = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);
const FIFTH_BITS = memory.data<u16>([16, 16, 16, 16, 16, 16, 16, 16], 16);

/** Column pair 0, 1, 2 or 3 of a step, unsigned nibbles as i16x8 (quant/layout.ts draws it). */
@inline
export function nibblePlane0(word: v128): v128 {
  return v128.and(word, v128.load(LOW_NIBBLES));
}

@inline
export function nibblePlane1(word: v128): v128 {
  return v128.and(i16x8.shr_u(word, 4), v128.load(LOW_NIBBLES));
}

@inline
export function nibblePlane2(word: v128): v128 {
  return v128.and(i16x8.shr_u(word, 8), v128.load(LOW_NIBBLES));
}

@inline
export function nibblePlane3(word: v128): v128 {
  return i16x8.shr_u(word, 12);
}

/** Σ nibble · a over 32 columns of a row: `p` its lanes in the first step, steps 32 bytes apart. */
export function nibbleDot(p: usize, a: usize): i32 {
  let dot = 0;
  for (let step = 0; step < 4; step++) {
    const lanes = load<u32>(p);
    dot += (lanes & 15) * load<i16>(a);
    dot += ((lanes >> 16) & 15) * load<i16>(a, 2);
    dot += ((lanes >> 4) & 15) * load<i16>(a, 4);
    dot += ((lanes >> 20) & 15) * load<i16>(a, 6);
    dot += ((lanes >> 8) & 15) * load<i16>(a, 8);
    dot += ((lanes >> 24) & 15) * load<i16>(a, 10);
    dot += ((lanes >> 12) & 15) * load<i16>(a, 12);
    dot += (lanes >> 28) * load<i16>(a, 14);
    p += 32;
    a += 16;
  }
  return dot;
}

/** Pair 0…3 of a step with a fifth bit: bits 0…3 of the i16 lanes of `high`. */
@inline
export function fifthBits0(word: v128, high: v128): v128 {
  return v128.or(nibblePlane0(word), v128.and(i16x8.shl(high, 4), v128.load(FIFTH_BITS)));
}

@inline
export function fifthBits1(word: v128, high: v128): v128 {
  return v128.or(nibblePlane1(word), v128.and(i16x8.shl(high, 3), v128.load(FIFTH_BITS)));
}

@inline
export function fifthBits2(word: v128, high: v128): v128 {
  return v128.or(nibblePlane2(word), v128.and(i16x8.shl(high, 2), v128.load(FIFTH_BITS)));
}

@inline
export function fifthBits3(word: v128, high: v128): v128 {
  return v128.or(nibblePlane3(word), v128.and(i16x8.shl(high, 1), v128.load(FIFTH_BITS)));
}

/** `nibbleDot` with fifth bits: `bits` has those of even columns in its low half, of odd ones in its high half. */
export function fifthBitDot(p: usize, bits: u32, a: usize): i32 {
  let dot = nibbleDot(p, a);
  for (let pair = 0; pair < 16; pair++) {
    dot += ((bits & 1) << 4) * load<i16>(a) + ((bits >> 12) & 16) * load<i16>(a, 2);
    bits >>= 1;
    a += 4;
  }
  return dot;
}

/** What a table of 16 bytes, its first one zero, has for the nibbles of a plane. */
@inline
export function tablePlane(table: usize, nibbles: v128): v128 {
  return i8x16.swizzle(v128.load(table), nibbles);
}

/** `nibbleDot` of what a table of 16 bytes has for each nibble. */
export function tableDot(table: usize, p: usize, a: usize): i32 {
  let dot = 0;
  for (let step = 0; step < 4; step++) {
    let lanes = load<u32>(p);
    for (let pair = 0; pair < 4; pair++) {
      dot += <i32>load<u8>(table + (lanes & 15)) * load<i16>(a);
      dot += <i32>load<u8>(table + ((lanes >> 16) & 15)) * load<i16>(a, 2);
      lanes >>= 4;
      a += 4;
    }
    p += 32;
  }
  return dot;
}

/** Where the lanes of a row begin in a step of nibbles: 16 bytes a quad, 4 bytes a row. */
@inline
export function laneOffset(row: u32): usize {
  return (<usize>row) << 2;
}

/** Columns 0 4 1 5 of each row of a step as i8x16, for products with bytes (blocks32/multiply_bytes.ts). */
@inline
export function lowNibbleBytes(word: v128): v128 {
  return v128.and(word, v128.load(LOW_NIBBLE_BYTES));
}

/** Columns 2 6 3 7 of each row of a step as i8x16, for products with bytes. */
@inline
export function highNibbleBytes(word: v128): v128 {
  return v128.and(i16x8.shr_u(word, 4), v128.load(LOW_NIBBLE_BYTES));
}

/** 2^4 + 2^10: bits 0 and 1 to bits 4 and 5, bits 2 and 3 to bits 12 and 13. */
const TO_BYTES = memory.data<u16>([0x410, 0x410, 0x410, 0x410, 0x410, 0x410, 0x410, 0x410], 16);
const FIFTH_BYTES = memory.data<u16>([0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010, 0x1010], 16);

/** `lowNibbleBytes` with fifth bits, bits 0…3 of the i16 lanes of `high`. */
@inline
export function lowFifthBytes(word: v128, high: v128): v128 {
  const spread = i16x8.mul(v128.and(high, v128.load(LOW_NIBBLES)), v128.load(TO_BYTES));
  return v128.or(lowNibbleBytes(word), v128.and(spread, v128.load(FIFTH_BYTES)));
}

/** `highNibbleBytes` with fifth bits. */
@inline
export function highFifthBytes(word: v128, high: v128): v128 {
  const spread = i16x8.mul(v128.and(high, v128.load(LOW_NIBBLES)), v128.load(TO_BYTES));
  return v128.or(highNibbleBytes(word), v128.and(i16x8.shr_u(spread, 1), v128.load(FIFTH_BYTES)));
}

/** What a table of 16 bytes has for nibbles, a byte each. */
@inline
export function tableBytes(table: usize, nibbles: v128): v128 {
  return i8x16.relaxed_swizzle(v128.load(table), nibbles);
}
