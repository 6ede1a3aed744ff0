/**
 * Q2_0: 64 columns of two bits and a half scale.
 *
 *     file     ┌ d h │ 16 B: bits 2 i of byte j: column 4 j + i ┐           18 bytes; w = d · (code − 1)
 *     packed   ┌ 8 × d h ┬ 8 pieces of 16 B ┐                               144 bytes = 8 × 18
 *       piece  low bits of the codes of rows 0…7, a byte each, then the high bits
 *
 * Cost of 8 rows × 32 columns: that of 16 rows in sums/multiply.ts.
 */
import { storeHalf } from "../../float/half";
import { joinBits, splitBits } from "../layout";
import { Sums } from "../sums/format";

@unmanaged
export class Q2_0Packing extends Sums<Q2_0Packing> {
  @inline get columns(): u32 { return 64; }
  @inline get planes(): i32 { return 2; }
  @inline get factor(): i32 { return 1; }
  @inline get fileBytes(): usize { return 18; }
  @inline fileBits(file: usize, piece: usize): u32 { return joinBits(load<u16>(file + (piece << 1), 2)); }

  @inline
  setFileBits(file: usize, piece: usize, bits: u32): void {
    store<u16>(file + (piece << 1), <u16>splitBits(bits), 2);
  }

  /** d is the largest magnitude, halves round away from zero: 2 d is never chosen. NaN gives zero. */
  @inline
  encode(values: usize, file: usize): void {
    let largest: f32 = 0;
    for (let i: usize = 0; i < 256; i += 4) {
      const magnitude = abs(load<f32>(values + i));
      if (magnitude > largest) largest = magnitude;
    }
    storeHalf(file, largest);
    const inverse: f32 = largest > 0 ? 1 / largest : 0;
    for (let j: usize = 0; j < 16; j++) {
      let codes: u32 = 0;
      for (let i: u32 = 0; i < 4; i++) {
        const scaled = load<f32>(values) * inverse;
        codes |= (<u32>(scaled >= 0.5 ? 2 : scaled <= -0.5 ? 0 : 1)) << (2 * i);
        values += 4;
      }
      store<u8>(file + j, <u8>codes, 2);
    }
  }
}
