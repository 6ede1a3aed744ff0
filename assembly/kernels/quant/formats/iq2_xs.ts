/**
 * IQ2_XS: 256 columns in parts of 16, words of eight columns out of 512, seven bits of signs a word.
 *
 *     file     ┌ d h │ 32 × u16: word 9 bits, signs 7 │ 8 × u8: s of two parts, the first low ┐        74 bytes
 *              w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { EVEN_SIGNS, IQ2_XS_GRID, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { SIGN_AT, putScales } from "../codebooks/format";
import { IQ2_XS_WORDS } from "../codebooks/grids";

/** The bits of an offset. */
const OFFSETS = memory.data<u16>([0xff8, 0xff8, 0xff8, 0xff8, 0xff8, 0xff8, 0xff8, 0xff8], 16);

@unmanaged
export class IQ2_XSWords {
  @inline get fileBytes(): usize { return 74; }
  @inline get factor(): f32 { return 0.125; }
  @inline get parts(): u32 { return 2; }
  @inline get isShort(): bool { return false; }
  @inline get adds(): bool { return false; }
  @inline get grid(): usize { return IQ2_XS_GRID; }
  @inline get signs(): usize { return EVEN_SIGNS; }
  @inline half(file: usize): u32 { return load<u16>(file); }
  @inline signs8(sign: usize): v128 { return v128.load_ext<i8>(sign, EVEN_SIGNS); }

  @inline
  eight(word: usize, second: usize, signs: v128): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_XS_GRID), signs);
  }

  @inline
  find(file: usize, places: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const to = places + (i << 3);
      const p = file + (i << 3);
      if (ASC_FEATURE_SIMD) {
        const both = v128.load(p, 2);
        v128.store(to, v128.and(i16x8.shl(both, 3), v128.load(OFFSETS)));
        v128.store(to, i16x8.shl(i16x8.shr_u(both, 9), 3), SIGN_AT);
      } else {
        for (let j: usize = 0; j < 16; j += 2) {
          const both = <u32>load<u16>(p + j, 2);
          store<u16>(to + j, <u16>((both & 511) << 3));
          store<u16>(to + j, <u16>((both >> 9) << 3), SIGN_AT);
        }
      }
    }
    putScales(file + 66, places);
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_XS_WORDS, 3, 512, THREE, 3, 8, IQ2_XS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
