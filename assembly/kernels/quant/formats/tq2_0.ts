/**
 * TQ2_0: 256 columns of ternary weights, one scale, codes of 2 bits less one.
 *
 *     file     ┌ 64 B codes │ d h ┐                                                       66 bytes
 *       codes  byte 32 t + i, bits 2 g: column 128 t + 32 g + i;   w = d · (code − 1)
 *     packed   ┌ 8 × d h ┬ 8 units of 64 B codes ┐                                        528 bytes = 8 × 66
 *       codes  a vector of 8 × u32, one a row, for each half of 16 columns; from the lowest bit of a u32 on: columns
 *              0 2 4 … 14 │ 1 3 5 … 15
 *         fast build: byte b of a u32 has columns (0 4 1 5)[b] + 0, 2, 8, 10, from its lowest bit on
 *       TQ1_0 is packed like this too.
 */
import { BITS2, loadCodes, orCodes } from "../blocks256/convert";
import { Unscaled256 } from "../blocks256/format";
import { encodeTernary } from "../quantise/encode256";

@unmanaged
export class TQ2_0Packing extends Unscaled256<TQ2_0Packing> {
  @inline get bits(): i32 { return 2; }
  @inline get offset(): i32 { return 1; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 1; }
  @inline get fileBytes(): usize { return 66; }
  @inline get fileScale(): usize { return 64; }
  @inline encode(values: usize, file: usize): void { encodeTernary<TQ2_0Packing>(values, file); }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    return loadCodes(file + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, BITS2);
  }

  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    orCodes(file + ((unit >> 2) << 5) + (step << 3), (unit & 3) << 1, codes);
  }
}
