/**
 * IQ3_XXS: 256 columns in units of 32, words of four columns out of 256, seven bits of signs for two words.
 *
 *     file     ┌ d h │ 64 × word u8 │ 8 × u32: 4 × 7 bits of signs, s in the upper 4 ┐        98 bytes
 *              w = d / 4 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { EIGHT, EVEN_SIGNS, IQ3_XXS_GRID, expandSigns, expandWords } from "../codebooks/expand";
import { SCALE_AT, SIGN_AT, bytesUp, evenSigns, putEvenSigns } from "../codebooks/format";
import { IQ3_XXS_WORDS } from "../codebooks/grids";

@unmanaged
export class IQ3_XXSWords {
  @inline get fileBytes(): usize { return 98; }
  @inline get factor(): f32 { return 0.25; }
  @inline get parts(): u32 { return 1; }
  @inline get isShort(): bool { return true; }
  @inline get adds(): bool { return false; }
  @inline get grid(): usize { return IQ3_XXS_GRID; }
  @inline get signs(): usize { return EVEN_SIGNS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, EVEN_SIGNS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    const both = v128.load_lane<u32>(second, v128.load_zero<u32>(word, IQ3_XXS_GRID), 1, IQ3_XXS_GRID);
    return i16x8.mul(i16x8.extend_low_i8x16_s(both), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 4);
      const p = file + (i << 3);
      const signs = file + (i << 2);
      store<u32>(to, 2 * (load<u32>(signs, 66) >> 28) + 1, SCALE_AT);
      store<u32>(to, 2 * (load<u32>(signs, 70) >> 28) + 1, SCALE_AT + 16);
      if (ASC_FEATURE_SIMD) {
        v128.store(to, bytesUp(p + 2, 2));
        v128.store(to, bytesUp(p + 10, 2), 16);
        const offsets = evenSigns(v128.load32_splat(signs, 66), v128.load32_splat(signs, 70));
        v128.store64_lane(to, offsets, 0, SIGN_AT);
        v128.store64_lane(to, offsets, 1, SIGN_AT + 16);
      } else {
        for (let j: usize = 0; j < 16; j++) store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 2)) << 2));
        putEvenSigns(load<u32>(signs, 66), to);
        putEvenSigns(load<u32>(signs, 70), to + 16);
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ3_XXS_WORDS, 3, 256, EIGHT, 8, 4, IQ3_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
