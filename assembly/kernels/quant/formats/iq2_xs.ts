/**
 * IQ2_XS: 256 columns in parts of 16, words of eight columns out of 512, seven bits of signs a word.
 *
 *     file     ┌ d h │ 32 × u16: word 9 bits, signs 7 │ 8 × u8: s of two parts, the first low ┐        74 bytes
 *              w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { EVEN_SIGNS, IQ2_XS_GRID, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { putWords } from "../codebooks/format";
import { IQ2_XS_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ2_XSWords {
  @inline get factor(): f32 { return 0.125; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    const both = <u32>load<u8>(file + unit, 66);
    return (both & 15) | ((both & 0xf0) << 4);
  }

  @inline
  prepare(): void {
    expandWords(IQ2_XS_WORDS, 3, 512, THREE, 3, 8, IQ2_XS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 3);
    put(load<u16>(p, 2), load<u16>(p, 4), target);
    put(load<u16>(p, 6), load<u16>(p, 8), target + 16);
  }
}

@inline
function put(first: u32, second: u32, target: usize): void {
  putWords(wordOf(first), wordOf(second), signsOf(first), signsOf(second), target);
}

@inline
function wordOf(bits: u32): usize {
  return IQ2_XS_GRID + <usize>((bits & 511) << 3);
}

@inline
function signsOf(bits: u32): usize {
  return EVEN_SIGNS + <usize>((bits >> 9) << 3);
}
