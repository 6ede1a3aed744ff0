/**
 * UTF-8 and the classes of code points. `look` decodes one character and says its class:
 *
 *     ┌ code point 21 bits ┬ class 3 bits ┬ bytes 3 bits ┐        0 at the end of the text
 *
 * A byte that begins no valid UTF-8 sequence counts as one character of its own, U+FFFD, one byte long: nothing is read
 * outside the text, and its bytes stay as they are.
 */
import { ASCII_CLASSES, CASE_RUNS, CASE_RUN_COUNT, CLASS_RUNS, CLASS_RUN_COUNT } from "./unicode_tables";

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

const REPLACEMENT: u32 = 0xfffd;

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

/** Code point × 8 + bytes. `at` must be below `end`. */
export function decode(at: usize, end: usize): u32 {
  const first = <u32>load<u8>(at);
  if (first < 0x80) return (first << 3) | 1;
  const expected = sequenceLength(first);
  const left = end - at;
  if (expected == 0 || <usize>expected > left) return (REPLACEMENT << 3) | 1;
  let codePoint = first & (0x7f >> expected);
  for (let i: u32 = 1; i < expected; i++) {
    const byte = <u32>load<u8>(at + i);
    if (!continues(first, i, byte)) return (REPLACEMENT << 3) | 1;
    codePoint = (codePoint << 6) | (byte & 0x3f);
  }
  return (codePoint << 3) | expected;
}

/** The bytes of the sequence that a lead byte begins; 0 when it begins none. */
export function sequenceLength(first: u32): u32 {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

/** Whether `byte` may stand at `index` of a sequence that `first` begins: no overlong form, no surrogate. */
export function continues(first: u32, index: u32, byte: u32): bool {
  if (index == 1) {
    if (first == 0xe0) return byte >= 0xa0 && byte < 0xc0;
    if (first == 0xed) return byte >= 0x80 && byte < 0xa0;
    if (first == 0xf0) return byte >= 0x90 && byte < 0xc0;
    if (first == 0xf4) return byte >= 0x80 && byte < 0x90;
  }
  return (byte & 0xc0) == 0x80;
}

/** Writes a code point below 0x110000 as UTF-8; returns its bytes (1 to 4). */
export function encode(codePoint: u32, target: usize): u32 {
  if (codePoint < 0x800) return encodeShort(codePoint, target);
  const bytes: u32 = codePoint < 0x10000 ? 3 : 4;
  for (let i = bytes; i-- > 1; codePoint >>= 6) store<u8>(target + i, <u8>(0x80 | (codePoint & 0x3f)));
  store<u8>(target, <u8>((bytes == 3 ? 0xe0 : 0xf0) | codePoint));
  return bytes;
}

/** Writes a code point below 0x800 as UTF-8; returns its bytes (1 or 2). */
export function encodeShort(codePoint: u32, target: usize): u32 {
  if (codePoint < 0x80) {
    store<u8>(target, <u8>codePoint);
    return 1;
  }
  store<u8>(target, <u8>(0xc0 | (codePoint >> 6)));
  store<u8>(target, <u8>(0x80 | (codePoint & 0x3f)), 1);
  return 2;
}
