/**
 * IQ2_S: 256 columns in parts of 16, words of eight columns out of 1024, eight signs a word.
 *
 *     file     ┌ d h │ 32 × word, 8 bits │ 32 × signs u8 │ 8 × u8: the upper 2 bits of 4 words │ 8 × u8: s of two parts ┐
 *              82 bytes; w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { IQ2_S_GRID, SIGNS, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { putWords } from "../codebooks/format";
import { IQ2_S_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ2_SWords {
  @inline get factor(): f32 { return 0.125; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    const both = <u32>load<u8>(file + unit, 74);
    return (both & 15) | ((both & 0xf0) << 4);
  }

  @inline
  prepare(): void {
    expandWords(IQ2_S_WORDS, 2, 1024, THREE, 3, 8, IQ2_S_GRID);
    expandSigns(SIGNS, 256);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 2);
    const upper = <u32>load<u8>(file + unit, 66);
    putWords(wordAt(p, upper << 8), wordAt(p + 1, upper << 6), signsAt(p), signsAt(p + 1), target);
    putWords(wordAt(p + 2, upper << 4), wordAt(p + 3, upper << 2), signsAt(p + 2), signsAt(p + 3), target + 16);
  }
}

/** `upper`: the upper bits where they belong, among others. */
@inline
function wordAt(p: usize, upper: u32): usize {
  return IQ2_S_GRID + <usize>((<u32>load<u8>(p, 2) | (upper & 0x300)) << 3);
}

@inline
function signsAt(p: usize): usize {
  return SIGNS + ((<usize>load<u8>(p, 34)) << 3);
}
