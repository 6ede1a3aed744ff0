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
import { UNIT_BYTES, Unit, bytesUp, evenSigns, putEvenSigns, putTwoSigns } from "../codebooks/format";
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

  @inline
  eight(word: usize, second: usize, sign: usize): v128 {
    const both = v128.load_lane<u32>(second, v128.load_zero<u32>(word, IQ3_XXS_GRID), 1, IQ3_XXS_GRID);
    return i16x8.mul(i16x8.extend_low_i8x16_s(both), v128.load_ext<i8>(sign, EVEN_SIGNS));
  }

  @inline
  find(file: usize, units: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const unit = units + i * UNIT_BYTES;
      const first = changetype<Unit>(unit);
      const second = changetype<Unit>(unit + UNIT_BYTES);
      const p = file + (i << 3);
      const signs = load<u32>(file + (i << 2), 66);
      const others = load<u32>(file + (i << 2), 70);
      first.scale0 = 2 * (signs >> 28) + 1;
      second.scale0 = 2 * (others >> 28) + 1;
      if (ASC_FEATURE_SIMD) {
        v128.store(unit, bytesUp(p + 2, 2));
        v128.store(unit, bytesUp(p + 10, 2), UNIT_BYTES);
        putTwoSigns(evenSigns(signs, others), unit);
      } else {
        for (let j: usize = 0; j < 8; j++) {
          store<u16>(unit + (j << 1), <u16>((<u32>load<u8>(p + j, 2)) << 2));
          store<u16>(unit + (j << 1), <u16>((<u32>load<u8>(p + j, 10)) << 2), UNIT_BYTES);
        }
        putEvenSigns(signs, unit);
        putEvenSigns(others, unit + UNIT_BYTES);
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ3_XXS_WORDS, 3, 256, EIGHT, 8, 4, IQ3_XXS_GRID);
    expandSigns(EVEN_SIGNS, 128);
  }
}
