/**
 * IQ1_M: 256 columns in parts of 16, words of eight columns out of IQ1_S's, each an eighth larger or smaller.
 *
 *     file     ┌ 32 × word, 8 bits │ 32 × 4 bits: the upper 3 of a word, 1: smaller │ 4 × u16: 4 × s, 4 bits of d ┐
 *              56 bytes; w = d / 8 · (2 s + 1) · (8 · word ± 1)
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { IQ1_S_GRID, MORE_OR_LESS, THREE_SIGNED, expandWords } from "../codebooks/expand";
import { SCALE_AT, SIGN_AT } from "../codebooks/format";
import { IQ1_S_WORDS } from "../codebooks/grids";

/** What moves four of a byte's bits to bits 8 to 11, and three of a scale's to bits 10 to 12. */
const MOVES = memory.data<u16>([
  256, 16, 256, 16, 256, 16, 256, 16, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700,
  0x800, 0x800, 0x800, 0x800, 0x800, 0x800, 0x800, 0x800,
], 16);
const THREES = memory.data<u32>([1 << 10, 1 << 7, 1 << 4, 1 << 1, 14, 14, 14, 14, 1, 1, 1, 1], 16);

@unmanaged
export class IQ1_MWords {
  @inline get fileBytes(): usize { return 56; }
  @inline get factor(): f32 { return 0.125; }
  @inline get parts(): u32 { return 2; }
  @inline get isShort(): bool { return false; }
  @inline get adds(): bool { return true; }
  @inline get grid(): usize { return IQ1_S_GRID; }
  @inline get signs(): usize { return MORE_OR_LESS; }
  @inline half(file: usize): u32 { return halfOfIQ1_M(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, MORE_OR_LESS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    return i16x8.add(v128.load_ext<i8>(word, IQ1_S_GRID), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 3);
      const p = file + (i << 2);
      const scales = <u32>load<u16>(file + i, 48);
      if (ASC_FEATURE_SIMD) {
        const fields = i32x4.shr_u(i32x4.mul(i32x4.splat(scales), v128.load(THREES)), 9);
        v128.store(to, v128.or(v128.and(fields, v128.load(THREES, 16)), v128.load(THREES, 32)), SCALE_AT);
        const four = v128.load_zero<u32>(file + (i << 1), 32);
        const bytes = i8x16.shuffle(four, four, 0, 15, 0, 15, 1, 15, 1, 15, 2, 15, 2, 15, 3, 15, 3, 15);
        const moved = i16x8.mul(bytes, v128.load(MOVES));
        v128.store(to, i16x8.shl(v128.or(v128.load_ext<u8>(p), v128.and(moved, v128.load(MOVES, 16))), 3));
        v128.store(to, i16x8.shr_u(v128.and(moved, v128.load(MOVES, 32)), 8), SIGN_AT);
      } else {
        for (let j: usize = 0; j < 4; j++) {
          store<u32>(to + (j << 2), (((scales >> (3 * <u32>j)) & 7) << 1) + 1, SCALE_AT);
        }
        for (let j: usize = 0; j < 8; j++) {
          const moved = (<u32>load<u8>(file + (i << 1) + (j >> 1), 32)) << (8 - 4 * (<u32>j & 1));
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j) | (moved & 0x700)) << 3));
          store<u16>(to + (j << 1), <u16>((moved & 0x800) >> 8), SIGN_AT);
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ1_S_WORDS, 1, 2048, THREE_SIGNED, 3, 8, IQ1_S_GRID);
  }
}

/** The half scale, whose four parts lie above the sub-scales. */
export function halfOfIQ1_M(file: usize): u32 {
  const q = load<u64>(file, 48);
  return <u32>((q >> 12) & 15) | <u32>((q >> 24) & 0xf0) | <u32>((q >> 36) & 0xf00) | <u32>((q >> 48) & 0xf000);
}
