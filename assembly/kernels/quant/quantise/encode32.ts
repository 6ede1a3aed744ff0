/**
 * f32 → a block of 32 columns, as the reference of the formats does it: the scale comes from the extreme value or from
 * the range, and each value takes the nearest code. NaN takes the lowest code.
 *
 * A format gives `setFileCodes(file, j, low, high)`, which writes the codes of columns j and j + 16; and, where codes
 * have five bits, `setFifthBits(file, bits)`, which writes the fifth bits of all columns, bit j that of column j.
 */
import { floatToHalf } from "../../float/half";

/** The largest magnitude of 32 values; NaN has none. */
@inline
export function largestOf32(values: usize): f32 {
  let largest: f32 = 0;
  for (let j: usize = 0; j < 32; j++) {
    const magnitude = abs(load<f32>(values + (j << 2)));
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

/** x ≈ d · (code − offset): the value of largest magnitude becomes −offset. */
@inline
export function encodeExtreme<F>(values: usize, file: usize): void {
  const f = changetype<F>(0);
  let largest: f32 = 0;
  let extreme: f32 = 0;
  for (let j: usize = 0; j < 32; j++) {
    const x = load<f32>(values + (j << 2));
    if (abs(x) > largest) {
      largest = abs(x);
      extreme = x;
    }
  }
  const d = extreme / <f32>-f.offset;
  const inverse: f32 = d != 0 ? 1 / d : 0;
  store<u16>(file, <u16>floatToHalf(d));
  let fifths: u32 = 0;
  for (let j: usize = 0; j < 16; j++) {
    const low = codeAround<F>(load<f32>(values + (j << 2)), inverse);
    const high = codeAround<F>(load<f32>(values + (j << 2), 64), inverse);
    f.setFileCodes(file, j, low, high);
    if (isDefined(f.setFifthBits)) fifths |= fifthBits(j, low, high);
  }
  if (isDefined(f.setFifthBits)) f.setFifthBits(file, fifths);
}

/** floor(x / d + offset + 0.5) within the codes, in double as the reference does; NaN gives 0. */
@inline
function codeAround<F>(x: f32, inverse: f32): u32 {
  const offset = changetype<F>(0).offset;
  const shifted = <f64>x * <f64>inverse + (<f64>offset + 0.5);
  if (shifted >= <f64>(2 * offset - 1)) return 2 * offset - 1;
  return shifted > 0 ? <u32>shifted : 0;
}

/** The fifth bits of columns j and j + 16 in their place. */
@inline
function fifthBits(j: usize, low: u32, high: u32): u32 {
  return ((low >> 4) << (<u32>j)) | ((high >> 4) << (<u32>j + 16));
}

/** x ≈ d · code + m: the least value becomes 0, the greatest `largest`. */
@inline
export function encodeRange<F>(values: usize, file: usize, largest: u32): void {
  const f = changetype<F>(0);
  let least = load<f32>(values);
  let greatest = least;
  for (let j: usize = 1; j < 32; j++) {
    const x = load<f32>(values + (j << 2));
    if (x < least) least = x;
    if (x > greatest) greatest = x;
  }
  const d = (greatest - least) / <f32>largest;
  const inverse: f32 = d != 0 ? 1 / d : 0;
  store<u16>(file, <u16>floatToHalf(d));
  store<u16>(file, <u16>floatToHalf(least), 2);
  let fifths: u32 = 0;
  for (let j: usize = 0; j < 16; j++) {
    const low = codeAbove((load<f32>(values + (j << 2)) - least) * inverse, largest);
    const high = codeAbove((load<f32>(values + (j << 2), 64) - least) * inverse, largest);
    f.setFileCodes(file, j, low, high);
    if (isDefined(f.setFifthBits)) fifths |= fifthBits(j, low, high);
  }
  if (isDefined(f.setFifthBits)) f.setFifthBits(file, fifths);
}

/** floor(x + 0.5) within 0…largest; NaN gives 0. */
@inline
function codeAbove(x: f32, largest: u32): u32 {
  const shifted = x + 0.5;
  if (shifted >= <f32>largest) return largest;
  return shifted > 0 ? <u32>shifted : 0;
}
