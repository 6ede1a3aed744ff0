/**
 * IQ2_S: 256 columns in parts of 16, words of eight columns out of 1024, eight signs a word.
 *
 *     file     ┌ d h │ 32 × word, 8 bits │ 32 × signs u8 │ 8 × u8: the upper 2 bits of 4 words │ 8 × u8: s of two parts ┐
 *              82 bytes; w = d / 8 · (2 s + 1) · integer
 *     packed   as in the file, row after row
 *
 * Cost: codebooks/multiply_row.ts.
 */
import { IQ2_S_GRID, SIGNS, THREE, expandSigns, expandWords } from "../codebooks/expand";
import { SIGNS_OF_UNIT, UNIT_BYTES, Unit, bytesUp, putTwo } from "../codebooks/format";
import { IQ2_S_WORDS } from "../codebooks/grids";

/** What moves two of a byte's bits to bits 8 and 9. */
const PLACES = memory.data<u16>([256, 64, 16, 4, 256, 64, 16, 4], 16);

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

  @inline
  eight(word: usize, second: usize, sign: usize): v128 {
    return i16x8.mul(v128.load_ext<i8>(word, IQ2_S_GRID), v128.load_ext<i8>(sign, SIGNS));
  }

  @inline
  find(file: usize, units: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const unit = units + i * UNIT_BYTES;
      const first = changetype<Unit>(unit);
      const second = changetype<Unit>(unit + UNIT_BYTES);
      const scale = <u32>load<u8>(file + i, 74);
      const other = <u32>load<u8>(file + i, 75);
      first.scale0 = 2 * (scale & 15) + 1;
      first.scale1 = 2 * (scale >> 4) + 1;
      second.scale0 = 2 * (other & 15) + 1;
      second.scale1 = 2 * (other >> 4) + 1;
      const p = file + (i << 2);
      if (ASC_FEATURE_SIMD) {
        const pair = v128.load_splat<u16>(file + i, 66);
        const bytes = i8x16.shuffle(pair, i8x16.splat(0), 0, 16, 0, 16, 0, 16, 0, 16, 1, 16, 1, 16, 1, 16, 1, 16);
        const upper = v128.and(i16x8.mul(bytes, v128.load(PLACES)), i16x8.splat(0x300));
        putTwo(i16x8.shl(v128.or(v128.load_ext<u8>(p, 2), upper), 3), bytesUp(p + 34, 3), unit);
      } else {
        for (let j: usize = 0; j < 8; j++) {
          const upper = (<u32>load<u8>(file + i + (j >> 2), 66) << (8 - 2 * (<u32>j & 3))) & 0x300;
          const to = unit + (j >> 2) * UNIT_BYTES + ((j & 3) << 1);
          store<u16>(to, <u16>((<u32>load<u8>(p + j, 2) | upper) << 3));
          store<u16>(to, <u16>((<u32>load<u8>(p + j, 34)) << 3), SIGNS_OF_UNIT);
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ2_S_WORDS, 2, 1024, THREE, 3, 8, IQ2_S_GRID);
    expandSigns(SIGNS, 256);
  }
}
