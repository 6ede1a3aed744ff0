/**
 * UTF-8. A byte that begins no valid sequence counts as one character of its own, U+FFFD, one byte long: nothing is
 * read outside the text, and its bytes stay as they are.
 */

const REPLACEMENT: u32 = 0xfffd;

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
