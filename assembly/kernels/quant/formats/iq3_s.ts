/**
 * IQ3_S: 256 columns in units of 32, words of four columns out of 512, eight signs for two words.
 *
 *     file     ┌ d h │ 64 × word, 8 bits │ 8 × u8: the upper bits of 8 words │ 32 × signs u8 │ 4 × u8: s of two units ┐
 *              110 bytes; w = d · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { EIGHT_ODD, IQ3_S_GRID, SIGNS, expandSigns, expandWords } from "../codebooks/expand";
import { SCALE_AT, SIGN_AT, bytesUp } from "../codebooks/format";
import { IQ3_S_WORDS } from "../codebooks/grids";

/** What moves one of a byte's bits to bit 8, and this. */
const MOVES = memory.data<u16>([256, 128, 64, 32, 16, 8, 4, 2, 256, 256, 256, 256, 256, 256, 256, 256], 16);

@unmanaged
export class IQ3_SWords {
  @inline get fileBytes(): usize { return 110; }
  @inline get factor(): f32 { return 1; }
  @inline get parts(): u32 { return 1; }
  @inline get isShort(): bool { return true; }
  @inline get adds(): bool { return false; }
  @inline get grid(): usize { return IQ3_S_GRID; }
  @inline get signs(): usize { return SIGNS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, SIGNS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    const both = v128.load_lane<u32>(second, v128.load_zero<u32>(word, IQ3_S_GRID), 1, IQ3_S_GRID);
    return i16x8.mul(i16x8.extend_low_i8x16_s(both), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 4);
      const p = file + (i << 3);
      const scales = <u32>load<u8>(file + (i >> 1), 106);
      store<u32>(to, 2 * (scales & 15) + 1, SCALE_AT);
      store<u32>(to, 2 * (scales >> 4) + 1, SCALE_AT + 16);
      if (ASC_FEATURE_SIMD) {
        const bit = v128.load(MOVES, 16);
        const upper = v128.and(i16x8.mul(i16x8.splat(load<u8>(file + i, 66)), v128.load(MOVES)), bit);
        const others = v128.and(i16x8.mul(i16x8.splat(load<u8>(file + i, 67)), v128.load(MOVES)), bit);
        v128.store(to, i16x8.shl(v128.or(v128.load_ext<u8>(p, 2), upper), 2));
        v128.store(to, i16x8.shl(v128.or(v128.load_ext<u8>(p, 10), others), 2), 16);
        const offsets = bytesUp(file + (i << 2) + 74, 3);
        v128.store64_lane(to, offsets, 0, SIGN_AT);
        v128.store64_lane(to, offsets, 1, SIGN_AT + 16);
      } else {
        for (let j: usize = 0; j < 16; j++) {
          const upper = ((<u32>load<u8>(file + i + (j >> 3), 66)) << (8 - (<u32>j & 7))) & 0x100;
          store<u16>(to + (j << 1), <u16>((<u32>load<u8>(p + j, 2) | upper) << 2));
        }
        for (let j: usize = 0; j < 8; j++) {
          const sign = <u32>load<u8>(file + (i << 2) + j, 74);
          store<u16>(to + ((j >> 2) << 4) + ((j & 3) << 1), <u16>(sign << 3), SIGN_AT);
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ3_S_WORDS, 2, 512, EIGHT_ODD, 8, 4, IQ3_S_GRID);
    expandSigns(SIGNS, 256);
  }
}
