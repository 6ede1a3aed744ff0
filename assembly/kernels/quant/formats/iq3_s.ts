/**
 * IQ3_S: 256 columns in units of 32, words of four columns out of 512, eight signs for two words.
 *
 *     file     ┌ d h │ 64 × word, 8 bits │ 8 × u8: the upper bits of 8 words │ 32 × signs u8 │ 4 × u8: s of two units ┐
 *              110 bytes; w = d · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { EIGHT_ODD, IQ3_S_GRID, SIGNS, expandSigns, expandWords } from "../codebooks/expand";
import { putShortWords } from "../codebooks/format";
import { IQ3_S_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ3_SWords {
  @inline get factor(): f32 { return 1; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    return 0x101 * ((load<u8>(file + (unit >> 1), 106) >> <u32>((unit & 1) << 2)) & 15);
  }

  @inline
  prepare(): void {
    expandWords(IQ3_S_WORDS, 2, 512, EIGHT_ODD, 8, 4, IQ3_S_GRID);
    expandSigns(SIGNS, 256);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 3);
    const signs = file + (unit << 2);
    const upper = <u32>load<u8>(file + unit, 66);
    put(p, upper << 8, signs, target);
    put(p + 4, upper << 4, signs + 2, target + 16);
  }
}

/** `upper`: from bit 8 on the upper bits of the four words. */
@inline
function put(p: usize, upper: u32, signs: usize, target: usize): void {
  putShortWords(
    wordAt(p, upper), wordAt(p + 1, upper >> 1), wordAt(p + 2, upper >> 2), wordAt(p + 3, upper >> 3), signsAt(signs),
    signsAt(signs + 1), target,
  );
}

@inline
function wordAt(p: usize, upper: u32): usize {
  return IQ3_S_GRID + <usize>((<u32>load<u8>(p, 2) | (upper & 0x100)) << 2);
}

@inline
function signsAt(p: usize): usize {
  return SIGNS + ((<usize>load<u8>(p, 74)) << 3);
}
