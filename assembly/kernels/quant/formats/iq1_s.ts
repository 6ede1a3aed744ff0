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
import { SIGNS_OF_UNIT, UNIT_BYTES, Unit } from "../codebooks/format";
import { IQ1_S_WORDS } from "../codebooks/grids";

/** What moves three of a unit's bits to bits 11 to 13. */
const PLACES = memory.data<u32>([1 << 11, 1 << 8, 1 << 5, 1 << 2], 16);

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

  @inline
  eight(word: usize, second: usize, sign: usize): v128 {
    return i16x8.add(v128.load_ext<i8>(word, IQ1_S_GRID), v128.load_ext<i8>(sign, MORE_OR_LESS));
  }

  @inline
  find(file: usize, units: usize): void {
    for (let i: usize = 0; i < 8; i += 2) {
      const unit = units + i * UNIT_BYTES;
      const first = changetype<Unit>(unit);
      const second = changetype<Unit>(unit + UNIT_BYTES);
      const p = file + (i << 2);
      const bits = <u32>load<u16>(file + (i << 1), 34);
      const others = <u32>load<u16>(file + (i << 1), 36);
      first.scale0 = ((bits >> 11) & 14) + 1;
      second.scale0 = ((others >> 11) & 14) + 1;
      store<u64>(unit, <u64>((bits >> 12) & 8) * 0x0001_0001_0001_0001, SIGNS_OF_UNIT);
      store<u64>(unit, <u64>((others >> 12) & 8) * 0x0001_0001_0001_0001, UNIT_BYTES + SIGNS_OF_UNIT);
      if (ASC_FEATURE_SIMD) {
        const low = i32x4.shr_u(i32x4.mul(i32x4.splat(bits), v128.load(PLACES)), 3);
        const high = i32x4.shr_u(i32x4.mul(i32x4.splat(others), v128.load(PLACES)), 3);
        const mask = i32x4.splat(0x700);
        const upper = i16x8.narrow_i32x4_u(v128.and(low, mask), v128.and(high, mask));
        const words = i16x8.shl(v128.or(v128.load_ext<u8>(p, 2), upper), 3);
        v128.store64_lane(unit, words, 0);
        v128.store64_lane(unit, words, 1, UNIT_BYTES);
      } else {
        for (let j: usize = 0; j < 8; j++) {
          const upper = (((j < 4 ? bits : others) << 8) >> (3 * (<u32>j & 3))) & 0x700;
          store<u16>(unit + (j >> 2) * UNIT_BYTES + ((j & 3) << 1), <u16>((<u32>load<u8>(p + j, 2) | upper) << 3));
        }
      }
    }
  }

  @inline
  fillTables(): void {
    expandWords(IQ1_S_WORDS, 1, 2048, THREE_SIGNED, 3, 8, IQ1_S_GRID);
  }
}
