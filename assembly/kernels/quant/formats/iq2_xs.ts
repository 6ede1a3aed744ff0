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
import { SIGNS_OF_UNIT, UNIT_BYTES, Unit, putTwo } from "../codebooks/format";
import { IQ2_XS_WORDS } from "../codebooks/grids";

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

  @inline
  eight(word: usize, second: usize, sign: usize): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_XS_GRID), v128.load_ext<i8>(sign, EVEN_SIGNS));
  }

  @inline
  find(file: usize, units: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const unit = units + i * UNIT_BYTES;
      const first = changetype<Unit>(unit);
      const second = changetype<Unit>(unit + UNIT_BYTES);
      const scale = <u32>load<u8>(file + i, 66);
      const other = <u32>load<u8>(file + i, 67);
      first.scale0 = 2 * (scale & 15) + 1;
      first.scale1 = 2 * (scale >> 4) + 1;
      second.scale0 = 2 * (other & 15) + 1;
      second.scale1 = 2 * (other >> 4) + 1;
      const p = file + (i << 3);
      if (ASC_FEATURE_SIMD) {
        const both = v128.load(p, 2);
        const words = v128.and(i16x8.shl(both, 3), i16x8.splat(0xff8));
        putTwo(words, i16x8.shl(i16x8.shr_u(both, 9), 3), unit);
      } else {
        for (let j: usize = 0; j < 8; j++) {
          const both = <u32>load<u16>(p + (j << 1), 2);
          const to = unit + (j >> 2) * UNIT_BYTES + ((j & 3) << 1);
          store<u16>(to, <u16>((both & 511) << 3));
          store<u16>(to, <u16>((both >> 9) << 3), SIGNS_OF_UNIT);
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_XS_WORDS, 3, 512, THREE, 3, 8, IQ2_XS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
