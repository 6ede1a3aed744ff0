/**
 * The classes of code points. `look` decodes one character and says its class:
 *
 *     ┌ code point 21 bits ┬ class 3 bits ┬ bytes 3 bits ┐        0 at the end of the text
 */
import { ASCII_CLASSES, CASE_RUNS, CASE_RUN_COUNT, CLASS_RUNS, CLASS_RUN_COUNT } from "./unicode_tables";
import { decode } from "./utf8";

/** General categories L, N, P, S, M; White_Space; everything else. The same numbers as in the tables. */
export namespace Class {
  export const OTHER: u32 = 0;
  export const LETTER: u32 = 1;
  export const NUMBER: u32 = 2;
  export const PUNCTUATION: u32 = 3;
  export const SYMBOL: u32 = 4;
  export const MARK: u32 = 5;
  export const SPACE: u32 = 6;
}

/** Letters by case: general categories Lu and Lt, Ll; all others. */
export namespace Case {
  export const NONE: u32 = 0;
  export const UPPER: u32 = 1;
  export const LOWER: u32 = 2;
  /** Of runs alone: upper and lower take turns, even code points or odd ones the upper. */
  export const EVEN_UPPER: u32 = 3;
  export const ODD_UPPER: u32 = 4;
}

/** The class of a code point below 0x110000. */
export function classOf(codePoint: u32): u32 {
  return codePoint < 128 ? load<u8>(ASCII_CLASSES + codePoint) : kindOf(codePoint, CLASS_RUNS, CLASS_RUN_COUNT);
}

/** The case of a letter that is not of ASCII. */
export function caseOf(codePoint: u32): u32 {
  const kind = kindOf(codePoint, CASE_RUNS, CASE_RUN_COUNT);
  if (kind < Case.EVEN_UPPER) return kind;
  return (codePoint & 1) == kind - Case.EVEN_UPPER ? Case.UPPER : Case.LOWER;
}

/** The kind of the run that a code point lies in. */
export function kindOf(codePoint: u32, runs: usize, count: u32): u32 {
  let low: u32 = 0;
  let high = count;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (runAt(runs, middle) >> 3 <= codePoint) low = middle;
    else high = middle;
  }
  return runAt(runs, low) & 7;
}

function runAt(runs: usize, i: u32): u32 {
  return load<u32>(runs + <usize>(3 * i)) & 0xff_ffff;
}

/** The character at `at`, packed as above. */
export function look(at: usize, end: usize): u32 {
  if (at >= end) return 0;
  const first = <u32>load<u8>(at);
  if (first < 128) return (first << 6) | ((<u32>load<u8>(ASCII_CLASSES + first)) << 3) | 1;
  const decoded = decode(at, end);
  return ((decoded >> 3) << 6) | (classOf(decoded >> 3) << 3) | (decoded & 7);
}

@inline
export function lengthOf(character: u32): usize {
  return character & 7;
}

@inline
export function classIn(character: u32): u32 {
  return (character >> 3) & 7;
}

@inline
export function codePointOf(character: u32): u32 {
  return character >> 6;
}
