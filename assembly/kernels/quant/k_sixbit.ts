/**
 * The sub-scales and sub-minima of 6 bits that Q4_K and Q5_K share: eight pairs in 12 bytes, in a file the pairs of a
 * block's eight sub-blocks, packed those of a unit's eight rows. A pair travels as scale | minimum << 6.
 *
 *     file     byte j: scale j │ upper pair of scale j + 4       (j = 0…3)
 *              byte 4 + j: minimum j │ upper pair of minimum j + 4
 *              byte 8 + j: low nibbles of scale j + 4, minimum j + 4
 *     packed   byte r: scale │ low pair of the minimum            (r = 0…7)
 *              byte 8 + r: upper nibbles of the minima of rows r, r + 4   (r = 0…3)
 *
 * May call: nothing.
 */
const BITS4 = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15], 16);

/** Four pairs of a unit as i32x4. */
@inline
export function packedPairs4(unit: usize, quad: usize): v128 {
  const low = i16x8.extend_low_i8x16_u(v128.load32_zero(unit + (quad << 2)));
  const nibbles = i16x8.extend_low_i8x16_u(v128.load32_zero(unit, 8));
  const upper = v128.and(i16x8.shr_u(nibbles, <i32>quad << 2), v128.load(BITS4));
  return i32x4.extend_low_i16x8_u(v128.or(low, i16x8.shl(upper, 8)));
}

/** The pair of a row of a unit. */
@inline
export function packedPair(unit: usize, row: u32): i32 {
  const upper = (<u32>load<u8>(unit + (row & 3), 8) >> (row & 4)) & 15;
  return <i32>(<u32>load<u8>(unit + row) | (upper << 8));
}

/** … into zeroed bytes. */
@inline
export function setPackedPair(unit: usize, row: u32, pair: i32): void {
  const upper = unit + (row & 3);
  store<u8>(unit + row, <u8>pair);
  store<u8>(upper, <u8>(load<u8>(upper, 8) | ((pair >> 8) << (row & 4))), 8);
}

/** Pair j of the 12 bytes of a file's block. */
export function filePair(scales: usize, j: u32): i32 {
  if (j < 4) return (<i32>load<u8>(scales + j) & 63) | ((<i32>load<u8>(scales + j, 4) & 63) << 6);
  const low = <i32>load<u8>(scales + j, 4);
  const scale = (low & 15) | ((<i32>load<u8>(scales + j - 4) >> 6) << 4);
  const minimum = (low >> 4) | ((<i32>load<u8>(scales + j) >> 6) << 4);
  return scale | (minimum << 6);
}

/** … into zeroed bytes. */
export function setFilePair(scales: usize, j: u32, pair: i32): void {
  const scale = pair & 63;
  const minimum = pair >> 6;
  if (j < 4) {
    store<u8>(scales + j, <u8>(load<u8>(scales + j) | scale));
    store<u8>(scales + j, <u8>(load<u8>(scales + j, 4) | minimum), 4);
  } else {
    const upper = scales + j - 4;
    store<u8>(scales + j, <u8>((scale & 15) | ((minimum & 15) << 4)), 4);
    store<u8>(upper, <u8>(load<u8>(upper) | ((scale >> 4) << 6)));
    store<u8>(upper, <u8>(load<u8>(upper, 4) | ((minimum >> 4) << 6)), 4);
  }
}
