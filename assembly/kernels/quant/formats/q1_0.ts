/**
 * Q1_0: 128 columns of signs and a half scale.
 *
 *     file     ┌ d h │ 16 B: bit i of byte j is column 8 j + i ┐            18 bytes; w = bit ? d : −d
 *     packed   ┌ 8 × d h ┬ 16 pieces of 8 B ┐                               144 bytes = 8 × 18
 *       piece  byte j of rows 0…7
 *
 * Cost of 8 rows × 32 columns: that of sums/multiply.ts, which takes two groups at once.
 */
import { storeHalf } from "../../float/half";
import { Sums } from "../sums/format";

@unmanaged
export class Q1_0Packing extends Sums<Q1_0Packing> {
  @inline get columns(): u32 { return 128; }
  @inline get planes(): i32 { return 1; }
  @inline get factor(): i32 { return 2; }
  @inline get fileBytes(): usize { return 18; }
  @inline fileBits(file: usize, piece: usize): u32 { return load<u8>(file + piece, 2); }
  @inline setFileBits(file: usize, piece: usize, bits: u32): void { store<u8>(file + piece, <u8>bits, 2); }

  /** d is the mean magnitude; zero, of either sign, has the bit of what is above it, and NaN that of what is below. */
  @inline
  encode(values: usize, file: usize): void {
    let sum: f32 = 0;
    for (let piece: usize = 0; piece < 16; piece++) {
      let bits: u32 = 0;
      for (let i: u32 = 0; i < 8; i++) {
        const x = load<f32>(values);
        sum += abs(x);
        bits |= u32(x >= 0) << i;
        values += 4;
      }
      store<u8>(file + piece, <u8>bits, 2);
    }
    storeHalf(file, sum / 128);
  }
}
