/**
 * IQ3_XXS: 256 columns in units of 32, words of four columns out of 256, seven bits of signs for two words.
 *
 *     file     ┌ d h │ 64 × word u8 │ 8 × u32: 4 × 7 bits of signs, s in the upper 4 ┐        98 bytes
 *              w = d / 4 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { EIGHT, EVEN_SIGNS, IQ3_XXS_GRID, expandSigns, expandWords } from "../codebooks/expand";
import { putShortWords } from "../codebooks/format";
import { IQ3_XXS_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ3_XXSWords {
  @inline get factor(): f32 { return 0.25; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    return 0x101 * (load<u32>(file + (unit << 2), 66) >> 28);
  }

  @inline
  prepare(): void {
    expandWords(IQ3_XXS_WORDS, 3, 256, EIGHT, 8, 4, IQ3_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 3);
    const signs = load<u32>(file + (unit << 2), 66);
    put(p, signsOf(signs << 3), signsOf(signs >> 4), target);
    put(p + 4, signsOf(signs >> 11), signsOf(signs >> 18), target + 16);
  }
}

@inline
function put(p: usize, firstSigns: usize, secondSigns: usize, target: usize): void {
  putShortWords(wordAt(p), wordAt(p + 1), wordAt(p + 2), wordAt(p + 3), firstSigns, secondSigns, target);
}

@inline
function wordAt(p: usize): usize {
  return IQ3_XXS_GRID + ((<usize>load<u8>(p, 2)) << 2);
}

/** Those of seven bits, three up. */
@inline
function signsOf(bits: u32): usize {
  return EVEN_SIGNS + <usize>(bits & 0x3f8);
}
