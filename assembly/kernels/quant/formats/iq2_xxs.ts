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
import { UNIT_BYTES, Unit, evenSigns, putEvenSigns, putTwo } from "../codebooks/format";
import { IQ2_XXS_WORDS } from "../codebooks/grids";

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

  @inline
  eight(word: usize, second: usize, sign: usize): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_XXS_GRID), v128.load_ext<i8>(sign, EVEN_SIGNS));
  }

  @inline
  find(file: usize, units: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const unit = units + i * UNIT_BYTES;
      const first = changetype<Unit>(unit);
      const second = changetype<Unit>(unit + UNIT_BYTES);
      const p = file + (i << 3);
      const signs = load<u32>(p, 6);
      const others = load<u32>(p, 14);
      first.scale0 = 2 * (signs >> 28) + 1;
      second.scale0 = 2 * (others >> 28) + 1;
      if (ASC_FEATURE_SIMD) {
        const both = v128.load(p, 2);
        const bytes = i16x8.extend_low_i8x16_u(v128.shuffle<i32>(both, both, 0, 2, 0, 2));
        putTwo(i16x8.shl(bytes, 3), evenSigns(signs, others), unit);
      } else {
        for (let j: usize = 0; j < 4; j++) {
          store<u16>(unit + (j << 1), <u16>((<u32>load<u8>(p + j, 2)) << 3));
          store<u16>(unit + (j << 1), <u16>((<u32>load<u8>(p + j, 10)) << 3), UNIT_BYTES);
        }
        putEvenSigns(signs, unit);
        putEvenSigns(others, unit + UNIT_BYTES);
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_XXS_WORDS, 4, 256, THREE, 3, 8, IQ2_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
