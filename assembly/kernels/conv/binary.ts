/**
 * Two values into one, element by element along a row: i8 as TensorFlow Lite Micro does it, f32 and i32 as the words
 * say. A stride of 0 gives one value to all. What an input of i8 is before the two meet is one of 256 numbers, so ADD,
 * SUB and SQUARED_DIFFERENCE look it up:
 *
 *     left i32[256] │ right i32[256]      of byte b as it lies:  mbqm((b − zero) << L, factor)
 */
import { oneOver1Plus } from "./fixed_point";
import { mbqm, quantiseFactor, rdp, srdhm } from "./requantise";

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

export const TABLES_BYTES: u64 = 2048;

/** The table of one input: `left` bits to the left, then a factor. */
export function fillTable(table: usize, zero: i32, left: i32, factor: f64, scratch: usize): void {
  quantiseFactor(factor, scratch);
  const m = load<i32>(scratch), s = load<i32>(scratch, 4);
  for (let b = 0; b < 256; b++) {
    store<i32>(table + (b << 2), mbqm((<i32>(<i8>b) - zero) << left, m, s));
  }
}

/** A row of i8. */
export function meetI8(
  what: u32, m: Meeting, a: usize, aStep: usize, b: usize, bStep: usize, target: usize, count: usize,
): void {
  for (const end = target + count; target < end; target++, a += aStep, b += bStep) {
    let y: i32;
    switch (what) {
      case Binary.ADD:
      case Binary.SUB: {
        const x = load<i32>(m.left + ((<usize>load<u8>(a)) << 2)), z = load<i32>(m.right + ((<usize>load<u8>(b)) << 2));
        y = mbqm(what == Binary.ADD ? x + z : x - z, m.multiplier, m.shift) + m.outZero;
        break;
      }
      case Binary.SQUARED_DIFFERENCE: {
        const d = load<i32>(m.left + ((<usize>load<u8>(a)) << 2)) - load<i32>(m.right + ((<usize>load<u8>(b)) << 2));
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
