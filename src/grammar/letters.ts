/** How code points are written as bytes: as UTF-8, and as letters of a string of JSON. */

/** Each a sequence of ranges of bytes. */
export type Written = (readonly [number, number])[][];

const ESCAPES: Readonly<Record<number, string>> = { 8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 34: '"', 92: "\\" };

/** A range of code points as UTF-8; what is half of a pair is no letter. */
export function utf8(first: number, last: number): Written {
  const out: Written = [];
  if (first < 0xd800 && last >= 0xd800) out.push(...utf8(first, 0xd7ff));
  if (first <= 0xdfff && last >= 0xd800) {
    if (last > 0xdfff) out.push(...utf8(0xe000, last));
    return out;
  }
  for (const limit of [0x7f, 0x7ff, 0xffff]) {
    if (first <= limit && last > limit) return [...utf8(first, limit), ...utf8(limit + 1, last)];
  }
  if (last < 0x80) return [[[first, last]]];
  const length = last < 0x800 ? 2 : last < 0x10000 ? 3 : 4;
  for (let i = 1; i < length; i++) {
    const mask = 2 ** (6 * i) - 1;
    if (Math.floor(first / (mask + 1)) === Math.floor(last / (mask + 1))) continue;
    if ((first & mask) !== 0) {
      const middle = (first | mask) >>> 0;
      return [...utf8(first, middle), ...utf8(middle + 1, last)];
    }
    if ((last & mask) !== mask) {
      const middle = ((last & ~mask) >>> 0) - 1;
      return [...utf8(first, middle), ...utf8(middle + 1, last)];
    }
  }
  const bytes = (code: number): number[] => {
    const lead = length === 2 ? 0xc0 : length === 3 ? 0xe0 : 0xf0;
    const rest = Array.from({ length: length - 1 }, (_, i) => 0x80 | ((code >>> (6 * (length - 2 - i))) & 0x3f));
    return [lead | (code >>> (6 * (length - 1))), ...rest];
  };
  const [from, to] = [bytes(first), bytes(last)];
  return [from.map((byte, i) => [byte, to[i]] as const)];
}

/** A range of code points within a string of JSON, each as `JSON.stringify` writes it (hex digits in either case). */
export function jsonLetters(first: number, last: number): Written {
  const key = first * 0x200000 + last;
  let written = known.get(key);
  if (!written) {
    written = writeLetters(first, last);
    if (known.size < 1000) known.set(key, written);
  }
  return written;
}

const known = new Map<number, Written>();

function writeLetters(first: number, last: number): Written {
  const out: Written = [];
  const escaped = (code: number): void => {
    const letter = ESCAPES[code];
    if (letter !== undefined) out.push([[0x5c, 0x5c], same(letter.charCodeAt(0))]);
    else {
      const hex = code.toString(16).padStart(4, "0");
      for (const last of new Set([hex[3], hex[3].toUpperCase()])) {
        out.push([[0x5c, 0x5c], same(0x75), ...Array.from(hex.slice(0, 3) + last, (c) => same(c.charCodeAt(0)))]);
      }
    }
  };
  let from = first;
  for (let code = first; code <= Math.min(last, 0x5c); code++) {
    if (code >= 0x20 && code !== 0x22 && code !== 0x5c) continue;
    if (from < code) out.push(...utf8(from, code - 1));
    escaped(code);
    from = code + 1;
  }
  if (from <= last) out.push(...utf8(from, last));
  return out;
}

function same(byte: number): readonly [number, number] {
  return [byte, byte];
}
