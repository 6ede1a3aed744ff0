/**
 * IQ1_M: 256 columns in parts of 16, words of eight columns out of IQ1_S's, each an eighth larger or smaller.
 *
 *     file     ┌ 32 × word, 8 bits │ 32 × 4 bits: the upper 3 of a word, 1: smaller │ 4 × u16: 4 × s, 4 bits of d ┐
 *              56 bytes; w = d / 8 · (2 s + 1) · (8 · word ± 1)
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply.ts.
 */
import { IQ1_S_GRID, THREE_SIGNED, expandWords } from "../codebooks/expand";
import { putShifted } from "../codebooks/format";
import { IQ1_S_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ1_MWords {
  @inline get factor(): f32 { return 0.125; }
  @inline half(file: usize): u32 { return halfOfIQ1_M(file); }

  @inline
  scales(file: usize, unit: usize): u32 {
    const both = <u32>load<u16>(file + ((unit >> 1) << 1), 48) >> <u32>((unit & 1) * 6);
    return (both & 7) | ((both & 0x38) << 5);
  }

  @inline
  prepare(): void {
    expandWords(IQ1_S_WORDS, 1, 2048, THREE_SIGNED, 3, 8, IQ1_S_GRID);
  }

  @inline
  expand(file: usize, unit: usize, target: usize): void {
    const p = file + (unit << 2);
    const bits = <u32>load<u16>(file + (unit << 1), 32);
    putShifted(wordAt(p, bits << 8), wordAt(p + 1, bits << 4), <usize>(bits >> 3) & 1, <usize>(bits >> 7) & 1, target);
    putShifted(wordAt(p + 2, bits), wordAt(p + 3, bits >> 4), <usize>(bits >> 11) & 1, <usize>(bits >> 15), target + 16);
  }
}

/** A word: its lower bits, and the upper ones where they belong, among others. */
@inline
function wordAt(p: usize, upper: u32): usize {
  return <usize>(<u32>load<u8>(p) | (upper & 0x700));
}

/** The half scale, whose four parts lie above the sub-scales. */
export function halfOfIQ1_M(file: usize): u32 {
  const q = load<u64>(file, 48);
  return <u32>((q >> 12) & 15) | <u32>((q >> 24) & 0xf0) | <u32>((q >> 36) & 0xf00) | <u32>((q >> 48) & 0xf000);
}
