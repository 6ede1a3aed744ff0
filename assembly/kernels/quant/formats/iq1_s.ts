/**
 * IQ1_S: 256 columns in units of 32, words of eight columns out of 2048, of −1, 0 and 1, all of a unit an eighth larger
 * or smaller.
 *
 *     file     ┌ d h │ 32 × word, 8 bits │ 8 × u16: the upper 3 bits of 4 words, s 3 bits, 1: smaller ┐        50 bytes
 *              w = d / 8 · (2 s + 1) · (8 · word ± 1)
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { IQ1_S_GRID, THREE_SIGNED, expandWords } from "../codebooks/expand";
import { putShifted } from "../codebooks/format";
import { IQ1_S_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ1_SWords {
  @inline get factor(): f32 { return 0.125; }
  @inline half(file: usize): u32 { return load<u16>(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    return 0x101 * ((load<u16>(file + (unit << 1), 34) >> 12) & 7);
  }

  @inline
  prepare(): void {
    expandWords(IQ1_S_WORDS, 1, 2048, THREE_SIGNED, 3, 8, IQ1_S_GRID);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 2);
    const bits = <u32>load<u16>(file + (unit << 1), 34);
    const less = <usize>(bits >> 15);
    putShifted(wordAt(p, bits << 8), wordAt(p + 1, bits << 5), less, less, target);
    putShifted(wordAt(p + 2, bits << 2), wordAt(p + 3, bits >> 1), less, less, target + 16);
  }
}

/** A word: its lower bits, and the upper ones where they belong, among others. */
@inline
function wordAt(p: usize, upper: u32): usize {
  return <usize>(<u32>load<u8>(p, 2) | (upper & 0x700));
}
