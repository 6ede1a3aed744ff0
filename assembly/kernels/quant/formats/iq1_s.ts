/**
 * IQ1_S: 256 columns in units of 32, words of eight columns out of 2048, of −1, 0 and 1, all of a unit an eighth larger
 * or smaller.
 *
 *     file     ┌ d h │ 32 × word, 8 bits │ 8 × u16: the upper 3 bits of 4 words, s 3 bits, 1: smaller ┐        50 bytes
 *              w = d / 8 · (2 s + 1) · (8 · word ± 1)
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { IQ1_S_GRID, MORE_OR_LESS, THREE_SIGNED, expandWords } from "../codebooks/expand";
import { SCALE_AT, SIGN_AT } from "../codebooks/format";
import { IQ1_S_WORDS } from "../codebooks/grids";

/** What moves three of a unit's bits to bits 8 to 10, but for the last word, whose bits lie one too high. */
const MOVES = memory.data<u16>([
  256, 32, 4, 0, 256, 32, 4, 0, 0, 0, 0, 0x700, 0, 0, 0, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700, 0x700,
], 16);

@unmanaged
export class IQ1_SWords {
  @inline get fileBytes(): usize { return 50; }
  @inline get factor(): f32 { return 0.125; }
  @inline get parts(): u32 { return 1; }
  @inline get isShort(): bool { return false; }
  @inline get adds(): bool { return true; }
  @inline get grid(): usize { return IQ1_S_GRID; }
  @inline get signs(): usize { return MORE_OR_LESS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
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
      const bits = <u32>load<u16>(file + (i << 1), 34);
      const others = <u32>load<u16>(file + (i << 1), 36);
      store<u32>(to, ((bits >> 11) & 14) + 1, SCALE_AT);
      store<u32>(to, ((others >> 11) & 14) + 1, SCALE_AT + 8);
      store<u16>(to, <u16>((bits >> 12) & 8), SIGN_AT);
      store<u16>(to, <u16>((others >> 12) & 8), SIGN_AT + 8);
      if (ASC_FEATURE_SIMD) {
        const pair = v128.load_splat<u32>(file + (i << 1), 34);
        const fields = i8x16.shuffle(pair, pair, 0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3);
        const upper = v128.and(i16x8.mul(fields, v128.load(MOVES)), v128.load(MOVES, 32));
        const last = v128.and(i16x8.shr_u(fields, 1), v128.load(MOVES, 16));
        v128.store(to, i16x8.shl(v128.or(v128.or(v128.load_ext<u8>(p, 2), upper), last), 3));
      } else {
        for (let j: usize = 0; j < 8; j++) {
          const upper = (((j < 4 ? bits : others) << 8) >> (3 * (<u32>j & 3))) & 0x700;
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 2) | upper) << 3));
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ1_S_WORDS, 1, 2048, THREE_SIGNED, 3, 8, IQ1_S_GRID);
  }
}
