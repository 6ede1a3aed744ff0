/**
 * IQ2_XXS: 256 columns in units of 32, words of eight columns out of 256, seven bits of signs a word.
 *
 *     file     ┌ d h │ 8 × ┌ 4 × word u8 │ u32: 4 × 7 bits of signs, s in the upper 4 ┐ ┐        66 bytes
 *              w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { EVEN_SIGNS, IQ2_XXS_GRID, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { SCALE_AT, SIGN_AT, evenSigns, putEvenSigns } from "../codebooks/format";
import { IQ2_XXS_WORDS } from "../codebooks/grids";

/** Twice a scale, and one. */
const MASKS = memory.data<u64>([30, 30, 1, 1], 16);

@unmanaged
export class IQ2_XXSWords {
  @inline get fileBytes(): usize { return 66; }
  @inline get factor(): f32 { return 0.125; }
  @inline get parts(): u32 { return 1; }
  @inline get isShort(): bool { return false; }
  @inline get adds(): bool { return false; }
  @inline get grid(): usize { return IQ2_XXS_GRID; }
  @inline get signs(): usize { return EVEN_SIGNS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, EVEN_SIGNS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_XXS_GRID), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 3);
      const p = file + (i << 3);
      if (ASC_FEATURE_SIMD) {
        const both = v128.load(p, 2);
        const bytes = i16x8.extend_low_i8x16_u(v128.shuffle<i32>(both, both, 0, 2, 0, 2));
        const signs = v128.shuffle<i32>(both, both, 1, 1, 1, 1);
        v128.store(to, i16x8.shl(bytes, 3));
        v128.store(to, evenSigns(signs, v128.shuffle<i32>(both, both, 3, 3, 3, 3)), SIGN_AT);
        v128.store(to, v128.or(v128.and(i64x2.shr_u(both, 59), v128.load(MASKS)), v128.load(MASKS, 16)), SCALE_AT);
      } else {
        for (let j: usize = 0; j < 4; j++) {
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 2)) << 3));
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 10)) << 3), 8);
        }
        putEvenSigns(load<u32>(p, 6), to);
        putEvenSigns(load<u32>(p, 14), to + 8);
        store<u32>(to, 2 * (load<u32>(p, 6) >> 28) + 1, SCALE_AT);
        store<u32>(to, 2 * (load<u32>(p, 14) >> 28) + 1, SCALE_AT + 8);
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_XXS_WORDS, 4, 256, THREE, 3, 8, IQ2_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
