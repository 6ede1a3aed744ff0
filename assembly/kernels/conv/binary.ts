/**
 * Two values into one, element by element along a row: i8 as TensorFlow Lite Micro does it, f32 and i32 as the words
 * say. A stride of 0 gives one value to all. What an input of i8 is before the two meet is one of 256 numbers, so ADD,
 * SUB and SQUARED_DIFFERENCE look it up:
 *
 *     left i32[256] │ right i32[256] │ sums i32[8]      of byte b as it lies:  mbqm((b − zero) << L, factor)
 *
 * and what is subtracted is negative there. Sums of a row of eight then meet the output's factor together.
 */
import { oneOver1Plus } from "./fixed_point";
import { mbqm, quantiseFactor, rdp, roundedProduct, srdhm } from "./requantise";

/** What the operators do with two values. */
export namespace Binary {
  export const ADD: u32 = 0;
  export const SUB: u32 = 1;
  export const MUL: u32 = 2;
  export const DIV: u32 = 3;
  export const MAXIMUM: u32 = 4;
  export const MINIMUM: u32 = 5;
  export const SQUARED_DIFFERENCE: u32 = 6;
  export const POW: u32 = 7;
  export const PRELU: u32 = 8;
  export const EQUAL: u32 = 9;
  export const LESS: u32 = 10;
  export const GREATER: u32 = 11;
}

/** How values of i8 meet. */
@unmanaged
export class Meeting {
  leftZero: i32;
  rightZero: i32;
  outZero: i32;
  low: i32;
  high: i32;
  multiplier: i32;
  shift: i32;
  /** Of PRELU, for values that are not below zero. */
  multiplier2: i32;
  shift2: i32;
  left: usize;
  right: usize;
}

const SUMS: usize = 2048;
export const TABLES_BYTES: u64 = 2048 + 32;

/** The table of one input: `left` bits to the left, then a factor, and its sign. */
export function fillTable(table: usize, zero: i32, left: i32, factor: f64, sign: i32, scratch: usize): void {
  quantiseFactor(factor, scratch);
  const m = load<i32>(scratch), s = load<i32>(scratch, 4);
  for (let b = 0; b < 256; b++) {
    store<i32>(table + (b << 2), sign * mbqm((<i32>(<i8>b) - zero) << left, m, s));
  }
}

/** A row of i8. */
export function meetI8(
  what: u32, m: Meeting, a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: usize,
): void {
  const end = target + count;
  if (ASC_FEATURE_SIMD && what <= Binary.SUB && aStep == 1 && bStep == 1 && m.shift < 0) {
    for (const last = end - (count & 7); target < last; target += 8, a += 8, b += 8) addEight(m, a, b, target);
  }
  for (; target < end; target++, a += aStep, b += bStep) {
    let y: i32;
    switch (what) {
      case Binary.ADD:
      case Binary.SUB: y = mbqm(sumOf(m, a, b), m.multiplier, m.shift) + m.outZero; break;
      case Binary.SQUARED_DIFFERENCE: {
        const d = sumOf(m, a, b);
        y = mbqm(d * d, m.multiplier, m.shift) + m.outZero;
        break;
      }
      case Binary.MUL:
        y = mbqm((<i32>load<i8>(a) - m.leftZero) * (<i32>load<i8>(b) - m.rightZero), m.multiplier, m.shift) + m.outZero;
        break;
      case Binary.DIV: y = divide(m, <i32>load<i8>(a) - m.leftZero, <i32>load<i8>(b) - m.rightZero); break;
      case Binary.PRELU: {
        const v = <i32>load<i8>(a) - m.leftZero;
        y =
          v >= 0 ? mbqm(v, m.multiplier2, m.shift2) : mbqm(v * (<i32>load<i8>(b) - m.rightZero), m.multiplier, m.shift);
        y += m.outZero;
        break;
      }
      case Binary.MAXIMUM: y = max(<i32>load<i8>(a), <i32>load<i8>(b)); break;
      default: y = min(<i32>load<i8>(a), <i32>load<i8>(b));
    }
    store<i8>(target, <i8>min(max(y, m.low), m.high));
  }
}

/** What two bytes are by their tables, together. */
@inline
function sumOf(m: Meeting, a: usize, b: usize): i32 {
  return load<i32>(m.left + ((<usize>load<u8>(a)) << 2)) + load<i32>(m.right + ((<usize>load<u8>(b)) << 2));
}

@inline
function addEight(m: Meeting, a: usize, b: usize, target: usize): void {
  const sums = m.left + SUMS;
  store<i32>(sums, sumOf(m, a, b));
  store<i32>(sums, sumOf(m, a + 1, b + 1), 4);
  store<i32>(sums, sumOf(m, a + 2, b + 2), 8);
  store<i32>(sums, sumOf(m, a + 3, b + 3), 12);
  store<i32>(sums, sumOf(m, a + 4, b + 4), 16);
  store<i32>(sums, sumOf(m, a + 5, b + 5), 20);
  store<i32>(sums, sumOf(m, a + 6, b + 6), 24);
  store<i32>(sums, sumOf(m, a + 7, b + 7), 28);
  const doubled = i32x4.splat(m.multiplier << 1), e = -m.shift;
  const half = i32x4.splat(1 << (e - 1));
  const first = i32x4.shr_s(i32x4.add(roundedProduct(v128.load(sums), doubled), half), e);
  const second = i32x4.shr_s(i32x4.add(roundedProduct(v128.load(sums, 16), doubled), half), e);
  let y = i16x8.add_sat_s(i16x8.narrow_i32x4_s(first, second), i16x8.splat(<i16>m.outZero));
  y = i16x8.min_s(i16x8.max_s(y, i16x8.splat(<i16>m.low)), i16x8.splat(<i16>m.high));
  v128.store64_lane(target, i8x16.narrow_i16x8_s(y, y), 0);
}

/** a / b by 1/b as a fixed point number; what TFLM would shift by more than 31 is 0. */
function divide(m: Meeting, a: i32, b: i32): i32 {
  if (b < 0) {
    a = -a;
    b = -b;
  }
  if (b == 0) return m.outZero;
  const h = <i32>clz(b);
  const v = oneOver1Plus(<i32>(((<i64>b) << h) - 0x8000_0000));
  const g = a == 0 ? 31 : <i32>clz(a ^ (a >> 31)) - 1;
  const quotient = srdhm(a << g, v);
  const e = 31 - h + g - m.shift;
  if (e > 31) return m.outZero;
  const y = srdhm(quotient, m.multiplier);
  return (e >= 0 ? rdp(y, e) : y << -e) + m.outZero;
}

/** A row of f32 or i32. */
export function meet<T>(
  what: u32, least: T, most: T, a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: usize,
): void {
  for (const end = target + (count << 2); target < end; target += 4, a += aStep, b += bStep) {
    const x = load<T>(a), z = load<T>(b);
    let y: T;
    switch (what) {
      case Binary.ADD: y = <T>(x + z); break;
      case Binary.SUB: y = <T>(x - z); break;
      case Binary.MUL: y = <T>(x * z); break;
      case Binary.DIV:
        if (isFloat<T>()) y = <T>(x / z);
        else y = z == 0 ? 0 : z == -1 ? <T>(0 - x) : <T>(x / z);
        break;
      case Binary.MAXIMUM: y = x > z ? x : z; break;
      case Binary.MINIMUM: y = x < z ? x : z; break;
      case Binary.SQUARED_DIFFERENCE: y = <T>((x - z) * (x - z)); break;
      default:
        y = x >= 0 ? x : <T>(x * z); // PRELU
    }
    store<T>(target, y < least ? least : y > most ? most : y);
  }
}

/** A row of truths, u8. */
export function compare<T>(
  what: u32, a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: usize,
): void {
  for (const end = target + count; target < end; target++, a += aStep, b += bStep) {
    const x = load<T>(a), z = load<T>(b);
    store<u8>(target, u8(what == Binary.EQUAL ? x == z : what == Binary.LESS ? x < z : x > z));
  }
}
