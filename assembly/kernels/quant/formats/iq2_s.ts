/**
 * IQ2_S: 256 columns in parts of 16, words of eight columns out of 1024, eight signs a word.
 *
 *     file     ┌ d h │ 32 × word, 8 bits │ 32 × signs u8 │ 8 × u8: upper 2 bits of 4 words │ 8 × u8: s of two parts ┐
 *              82 bytes; w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { IQ2_S_GRID, SIGNS, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { SIGN_AT, bytesUp, putScales } from "../codebooks/format";
import { IQ2_S_WORDS } from "../codebooks/grids";

/** What moves two of a byte's bits to bits 8 and 9, and these. */
const MOVES = memory.data<u16>([
  256, 64, 16, 4, 256, 64, 16, 4, 0x300, 0x300, 0x300, 0x300, 0x300, 0x300, 0x300, 0x300,
], 16);

@unmanaged
export class IQ2_SWords {
  @inline get fileBytes(): usize { return 82; }
  @inline get factor(): f32 { return 0.125; }
  @inline get parts(): u32 { return 2; }
  @inline get isShort(): bool { return false; }
  @inline get adds(): bool { return false; }
  @inline get grid(): usize { return IQ2_S_GRID; }
  @inline get signs(): usize { return SIGNS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, SIGNS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_S_GRID), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 3);
      const p = file + (i << 2);
      if (ASC_FEATURE_SIMD) {
        const pair = v128.load_splat<u16>(file + i, 66);
        const bytes = i8x16.shuffle(pair, i8x16.splat(0), 0, 16, 0, 16, 0, 16, 0, 16, 1, 16, 1, 16, 1, 16, 1, 16);
        const upper = v128.and(i16x8.mul(bytes, v128.load(MOVES)), v128.load(MOVES, 16));
        v128.store(to, i16x8.shl(v128.or(v128.load_ext<u8>(p, 2), upper), 3));
        v128.store(to, bytesUp(p + 34, 3), SIGN_AT);
      } else {
        for (let j: usize = 0; j < 8; j++) {
          const upper = ((<u32>load<u8>(file + i + (j >> 2), 66)) << (8 - 2 * (<u32>j & 3))) & 0x300;
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 2) | upper) << 3));
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 34)) << 3), SIGN_AT);
        }
      }
    }
    putScales(file + 74, places);
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_S_WORDS, 2, 1024, THREE, 3, 8, IQ2_S_GRID);
    expandSigns(SIGNS, 256);
  }
}
