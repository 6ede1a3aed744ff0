/**
 * The formats whose weights are words of a codebook: 256 columns a block, a word for eight of them (or for four), signs
 * for eight, a scale for 16 or 32. They are for reading: which word is near is a search with weights of importance. A
 * packed group is eight rows as they lie in the file, one behind the other: who takes so few bits wants no larger form in
 * memory. Products look a block up and go on with its integers (codebooks/multiply.ts).
 *
 *     w = d · factor · (2 · s + 1) · integer        every product of these is exact in f32
 *
 * A format is a tag: an `@unmanaged` class without fields. It says:
 *
 *     factor                       1, or what makes whole numbers of the columns
 *     fileBytes                    bytes of a block
 *     half(file)                   the bits of d
 *     scales(file, unit)           s of both parts of 16 columns of a unit 0…7, the second eight bits up
 *     expand(file, unit, target)   the 32 integers of a unit → i8
 *     prepare()                    fills the tables (codebooks/expand.ts)
 */
import { halfToFloat } from "../../float/half";
import { finiteHalf } from "../layout";
import { IQ1_S_GRID, MORE_OR_LESS } from "./expand";

/** 2 · s + 1 of the 16 parts of a block, and behind them its integers: bytes all. */
export const SCALES: usize = 16;
export const EXPANDED_BYTES: usize = SCALES + 256;

/** A block → its integers and scales; returns d · factor. */
export function expandAs<F>(file: usize, target: usize, isFinite: bool): f32 {
  const f = changetype<F>(0);
  f.prepare();
  let integers = target + SCALES;
  for (let unit: usize = 0; unit < 8; unit++) {
    store<u16>(target, <u16>((f.scales(file, unit) << 1) | 0x101));
    f.expand(file, unit, integers);
    target += 2;
    integers += 32;
  }
  const half = f.half(file);
  return f.factor * (isFinite ? finiteHalf(<i32>(<i16>half)) : halfToFloat(half));
}

/** Two words of eight columns, and where the signs of each lie → 16 integers. */
@inline
export function putWords(first: usize, second: usize, firstSigns: usize, secondSigns: usize, target: usize): void {
  if (ASC_FEATURE_SIMD) {
    const words = v128.load_lane<u64>(second, v128.load_zero<u64>(first), 1);
    const signs = v128.load_lane<u64>(secondSigns, v128.load_zero<u64>(firstSigns), 1);
    v128.store(target, i8x16.sub(v128.xor(words, signs), signs));
  } else {
    putSigned(load<u64>(first), load<u64>(firstSigns), target);
    putSigned(load<u64>(second), load<u64>(secondSigns), target + 8);
  }
}

/** Four words of four columns, of which two have signs together → 16 integers. */
@inline
export function putShortWords(
  a: usize, b: usize, c: usize, d: usize, firstSigns: usize, secondSigns: usize, target: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    let words = v128.load_lane<u32>(b, v128.load_zero<u32>(a), 1);
    words = v128.load_lane<u32>(d, v128.load_lane<u32>(c, words, 2), 3);
    const signs = v128.load_lane<u64>(secondSigns, v128.load_zero<u64>(firstSigns), 1);
    v128.store(target, i8x16.sub(v128.xor(words, signs), signs));
  } else {
    putSigned(load<u32>(a) | (<u64>load<u32>(b) << 32), load<u64>(firstSigns), target);
    putSigned(load<u32>(c) | (<u64>load<u32>(d) << 32), load<u64>(secondSigns), target + 8);
  }
}

/** Eight columns, of which those are negated whose byte of `signs` is all ones: none is zero, so no byte carries. */
@inline
function putSigned(columns: u64, signs: u64, target: usize): void {
  store<u64>(target, (columns ^ signs) + (signs & 0x0101_0101_0101_0101));
}

/** Two words of IQ1_S's codebook, eight times their columns, each with one more, or with 1 one less → 16 integers. */
@inline
export function putShifted(first: usize, second: usize, firstLess: usize, secondLess: usize, target: usize): void {
  first = IQ1_S_GRID + (first << 3);
  second = IQ1_S_GRID + (second << 3);
  firstLess = MORE_OR_LESS + (firstLess << 3);
  secondLess = MORE_OR_LESS + (secondLess << 3);
  if (ASC_FEATURE_SIMD) {
    const words = v128.load_lane<u64>(second, v128.load_zero<u64>(first), 1);
    v128.store(target, i8x16.add(words, v128.load_lane<u64>(secondLess, v128.load_zero<u64>(firstLess), 1)));
  } else {
    for (let i: usize = 0; i < 8; i++) {
      store<u8>(target + i, load<u8>(first + i) + load<u8>(firstLess + i));
      store<u8>(target + i, load<u8>(second + i) + load<u8>(secondLess + i), 8);
    }
  }
}
