/**
 * The sub-scales and sub-minima of 6 bits that Q4_K and Q5_K share: eight pairs in 12 bytes, in a file the pairs of a
 * block's eight sub-blocks, packed those of a unit's eight rows. A pair travels as scale | minimum << 6.
 *
 *     file     byte j: scale j │ upper pair of scale j + 4       (j = 0…3)
 *              byte 4 + j: minimum j │ upper pair of minimum j + 4
 *              byte 8 + j: low nibbles of scale j + 4, minimum j + 4
 *     packed   byte r: scale │ low pair of the minimum            (r = 0…7)
 *              u32 at 8: upper nibbles of the minima of rows 0 2 4 6 1 3 5 7
 */

/** Moves the nibble of row 0…7 to the top of its lane: even rows from the word's low half, odd rows from its high. */
const TO_TOP = memory.data<u16>([1 << 12, 1 << 12, 1 << 8, 1 << 8, 1 << 4, 1 << 4, 1, 1, 0, 0, 0, 0], 16);

/** The pairs of a unit as i16x8, the first four lanes those of the quad. */
@inline
export function packedPairs8(unit: usize, quad: usize): v128 {
  const tops = i16x8.mul(v128.load32_splat(unit, 8), v128.load(TO_TOP + (quad << 3)));
  return v128.or(v128.load_ext<u8>(unit + (quad << 2)), i16x8.shl(i16x8.shr_u(tops, 12), 8));
}

/** Where the nibble of a row lies in the word. */
@inline
function nibbleShift(row: u32): u32 {
  return ((row & 1) << 4) | ((row >> 1) << 2);
}

/** The pair of a row of a unit. */
@inline
export function packedPair(unit: usize, row: u32): i32 {
  const upper = (load<u32>(unit, 8) >> nibbleShift(row)) & 15;
  return <i32>(<u32>load<u8>(unit + row) | (upper << 8));
}

/** Writes the pair of a row of a unit into zeroed bytes. */
@inline
export function setPackedPair(unit: usize, row: u32, pair: i32): void {
  store<u8>(unit + row, <u8>pair);
  store<u32>(unit, load<u32>(unit, 8) | ((pair >> 8) << nibbleShift(row)), 8);
}

/** Pair j of the 12 bytes of a file's block. */
export function filePair(scales: usize, j: u32): i32 {
  if (j < 4) return (<i32>load<u8>(scales + j) & 63) | ((<i32>load<u8>(scales + j, 4) & 63) << 6);
  const low = <i32>load<u8>(scales + j, 4);
  const scale = (low & 15) | ((<i32>load<u8>(scales + j - 4) >> 6) << 4);
  const minimum = (low >> 4) | ((<i32>load<u8>(scales + j) >> 6) << 4);
  return scale | (minimum << 6);
}

/** Writes pair j into the 12 zeroed bytes of a file's block. */
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
