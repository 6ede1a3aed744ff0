/**
 * Half and bfloat16 to float32 and back, one value at a time: exact for all 65,536 codes, NaN payloads aside.
 * f32 → f16 rounds to nearest, ties to even; overflow gives infinity.
 */

/** IEEE half → f32. */
export function halfToFloat(h: u32): f32 {
  const sign = (h & 0x8000) << 16;
  const magnitude = h & 0x7fff;
  if (magnitude >= 0x7c00) return reinterpret<f32>(sign | 0x7f80_0000 | ((magnitude & 0x3ff) << 13));
  // The half's exponent and mantissa, read as a float's, are too small by 2^112: exact, subnormals included.
  const scaled = reinterpret<f32>(magnitude << 13) * reinterpret<f32>(0x7780_0000);
  return reinterpret<f32>(sign | reinterpret<u32>(scaled));
}

/** The IEEE half at `p`. */
@inline
export function loadHalf(p: usize): f32 {
  return halfToFloat(<u32>load<u16>(p));
}

/** f32 → IEEE half, to nearest even. */
export function floatToHalf(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  const sign = (bits >> 16) & 0x8000;
  const magnitude = bits & 0x7fff_ffff;
  if (magnitude > 0x7f80_0000) return sign | 0x7e00;
  if (magnitude >= 0x477f_f000) return sign | 0x7c00;
  if (magnitude < 0x3880_0000) {
    // Subnormal: adding 0.5 leaves the rounded mantissa in the low bits.
    return sign | (reinterpret<u32>(reinterpret<f32>(magnitude) + 0.5) - 0x3f00_0000);
  }
  return sign | ((magnitude - 0x3800_0000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
}

/** Stores a half and returns what a reader gets; too large a value is the largest half. */
export function storeHalf(target: usize, x: f32): f32 {
  const limited: f32 = x > 65504 ? 65504 : x < -65504 ? -65504 : x;
  store<u16>(target, <u16>floatToHalf(limited));
  return loadHalf(target);
}

/** bfloat16 → f32. */
@inline
export function bfloatToFloat(h: u32): f32 {
  return reinterpret<f32>(h << 16);
}

/** f32 → bfloat16, to nearest even; NaN stays NaN. */
export function floatToBfloat(x: f32): u32 {
  const bits = reinterpret<u32>(x);
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return (bits >> 16) | 0x40;
  return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
