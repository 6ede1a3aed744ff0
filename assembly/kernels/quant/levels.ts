/**
 * The sixteen unevenly spaced levels T that the nibbles of IQ4_NL and IQ4_XS choose from:
 *
 *     −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113
 *
 * The table holds T + 127. Level 0 is then zero, and one byte swizzle turns an i16 lane with a nibble below and zero
 * above into the lane's level, with no sign to extend. The 127 leave with the sum of the activations.
 */
export const LEVELS = memory.data<u8>([0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240], 16);

/** T[nibble]. */
@inline
export function level(nibble: u32): i32 {
  return <i32>load<u8>(LEVELS + <usize>nibble) - 127;
}

/** The nibble of the level nearest to x, the lower one of two equally near; NaN gives 0. */
export function nearestLevel(x: f32): u32 {
  let nibble: u32 = 0;
  while (nibble < 15 && x > <f32>(level(nibble) + level(nibble + 1)) * 0.5) nibble++;
  return nibble;
}
