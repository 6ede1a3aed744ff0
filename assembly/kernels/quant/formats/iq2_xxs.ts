/**
 * IQ2_XXS: 256 columns in units of 32, words of eight columns out of 256, seven bits of signs a word.
 *
 *     file     ┌ d h │ 8 × ┌ 4 × word u8 │ u32: 4 × 7 bits of signs, s in the upper 4 ┐ ┐        66 bytes
 *              w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { EVEN_SIGNS, IQ2_XXS_GRID, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { putWords } from "../codebooks/format";
import { IQ2_XXS_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ2_XXSWords {
  @inline get factor(): f32 { return 0.125; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    return 0x101 * (load<u32>(file + (unit << 3), 6) >> 28);
  }

  @inline
  prepare(): void {
    expandWords(IQ2_XXS_WORDS, 4, 256, THREE, 3, 8, IQ2_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 3);
    const signs = load<u32>(p, 6);
    putWords(wordAt(p), wordAt(p + 1), signsOf(signs << 3), signsOf(signs >> 4), target);
    putWords(wordAt(p + 2), wordAt(p + 3), signsOf(signs >> 11), signsOf(signs >> 18), target + 16);
  }
}

@inline
function wordAt(p: usize): usize {
  return IQ2_XXS_GRID + ((<usize>load<u8>(p, 2)) << 3);
}

/** Those of seven bits, three up. */
@inline
function signsOf(bits: u32): usize {
  return EVEN_SIGNS + <usize>(bits & 0x3f8);
}
