/**
 * The codebooks of IQ1_S to IQ3_S as products read them: a word of eight columns, or of four, is so many bytes, and so
 * are eight signs. They are static memory that the wasm does not hold, filled when a format's first row is packed or
 * dequantised.
 *
 *     grids.ts   per word, from the lowest bit on: a number of ones, a zero, `lowerBits` bits: together, and one more,
 *                how far the word is from the last; a word is a number whose digits, the first lowest, are the columns
 *     here       per word its columns as i8
 */

/** What the digits of a word stand for. */
@lazy
export const THREE_SIGNED = memory.data<i8>([-8, 0, 8]);
@lazy
export const THREE = memory.data<u8>([8, 25, 43]);
@lazy
export const EIGHT_ODD = memory.data<u8>([1, 3, 5, 7, 9, 11, 13, 15]);
@lazy
export const EIGHT = memory.data<u8>([4, 12, 20, 28, 36, 44, 52, 62]);

@lazy
export const IQ1_S_GRID: usize = memory.data(2048 * 8, 16);
@lazy
export const IQ2_XXS_GRID: usize = memory.data(256 * 8, 16);
@lazy
export const IQ2_XS_GRID: usize = memory.data(512 * 8, 16);
@lazy
export const IQ2_S_GRID: usize = memory.data(1024 * 8, 16);
@lazy
export const IQ3_XXS_GRID: usize = memory.data(256 * 4, 16);
@lazy
export const IQ3_S_GRID: usize = memory.data(512 * 4, 16);
/** Eight factors by the bits of a byte: −1 where a bit is 1, else 1. */
@lazy
export const SIGNS: usize = memory.data(256 * 8, 16);
/** The same by seven bits; the eighth makes their number even. */
@lazy
export const EVEN_SIGNS: usize = memory.data(128 * 8, 16);
/** Eight ones, and eight times −1. */
@lazy
export const MORE_OR_LESS: usize = memory.data<i8>([1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1], 16);

/** Fills a codebook of `count` words of `columns` digits in `base`, once: its last byte is not zero. */
export function expandWords(
  words: usize, lowerBits: u32, count: u32, values: usize, base: u32, columns: usize, target: usize,
): void {
  const end = target + <usize>count * columns;
  if (load<u8>(end - 1) != 0) return;
  let word: u32 = -1;
  let bit: usize = 0;
  while (target != end) {
    const bits = load<u64>(words + (bit >> 3)) >> <u64>(bit & 7);
    const ones = <u32>ctz(~bits);
    word += 1 + ((ones << lowerBits) | (<u32>(bits >> <u64>(ones + 1)) & ((1 << lowerBits) - 1)));
    bit += ones + 1 + lowerBits;
    let left = word;
    for (const next = target + columns; target != next; target++) {
      store<u8>(target, load<u8>(values + (left % base)));
      left /= base;
    }
  }
}

/** Fills `SIGNS` (256) or `EVEN_SIGNS` (128), once: no factor is zero. */
export function expandSigns(target: usize, count: u32): void {
  if (load<u8>(target + ((<usize>count) << 3) - 1) != 0) return;
  for (let bits: u32 = 0; bits < count; bits++) {
    const all = count == 128 ? bits | ((popcnt(bits) & 1) << 7) : bits;
    for (let i: u32 = 0; i < 8; i++) {
      store<i8>(target, <i8>(1 - (((all >> i) & 1) << 1)));
      target++;
    }
  }
}
