/**
 * TQ1_0: 256 columns of ternary weights, one scale, five to a byte.
 *
 *     file     ┌ 48 B of five │ 4 B of four │ d h ┐                                       54 bytes
 *       byte b holds the digits of a fraction: digit n = ((b · 3ⁿ mod 256) · 3) >> 8;   w = d · (digit − 1)
 *       columns 0…159: digit n of bytes 0…31 is column 32 n + byte; 160…239: of bytes 32…47, 16 a digit;
 *       240…255: of the last four bytes, four a digit
 *     packed   as TQ2_0 (formats/tq2_0.ts draws it): 528 bytes for 8 × 54. A byte that no encoder writes (256 stand
 *       for 243 sets of digits) comes back as the one that encoders write.
 */
import { Unscaled256 } from "../blocks256/format";
import { encodeTernary } from "../quantise/encode256";
import { TQ2_0Packing } from "./tq2_0";

const POWERS = memory.data<u8>([1, 3, 9, 27, 81]);

/** The byte that holds a column, and (in the upper half) which digit of it. */
@inline
function placeOf(column: u32): u32 {
  if (column < 160) return (column & 31) | ((column >> 5) << 16);
  if (column < 240) return (32 + (column & 15)) | (((column - 160) >> 4) << 16);
  return (48 + (column & 3)) | (((column - 240) >> 2) << 16);
}

const LOW_BYTES: u64 = 0x00ff_00ff_00ff_00ff;

/** A digit of each of eight bytes. */
@inline
function digitsOf(bytes: u64, digit: u32): u64 {
  const power = <u64>load<u8>(POWERS + digit);
  const even = ((((bytes & LOW_BYTES) * power) & LOW_BYTES) * 3) >> 8;
  const odd = (((((bytes >> 8) & LOW_BYTES) * power) & LOW_BYTES) * 3) >> 8;
  return (even & LOW_BYTES) | ((odd & LOW_BYTES) << 8);
}

@unmanaged
export class TQ1_0Packing extends Unscaled256<TQ1_0Packing, TQ2_0Packing> {
  @inline get bits(): i32 { return 2; }
  @inline get offset(): i32 { return 1; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 1; }
  @inline get fileBytes(): usize { return 54; }
  @inline get fileScale(): usize { return 52; }
  @inline encode(values: usize, file: usize): void { encodeTernary<TQ1_0Packing>(values, file); }

  @inline
  fileCodes(file: usize, unit: u32, step: u32): u64 {
    const place = placeOf((unit << 5) + (step << 3));
    const digit = place >> 16;
    if ((place & 0xffff) < 48) return digitsOf(load<u64>(file + (place & 0xffff)), digit);
    const fours = <u64>load<u32>(file, 48);
    return digitsOf(fours, digit) | (digitsOf(fours, digit + 1) << 32);
  }

  /** The bytes are whole numbers until `finish`, the first digit the highest. */
  @inline
  setFileCodes(file: usize, unit: u32, step: u32, codes: u64): void {
    for (let i: u32 = 0; i < 8; i++) {
      const place = placeOf((unit << 5) + (step << 3) + i);
      const at = file + (place & 0xffff);
      store<u8>(at, <u8>(<u32>load<u8>(at) + (<u32>codes & 255) * <u32>load<u8>(POWERS + 4 - (place >> 16))));
      codes >>= 8;
    }
  }

  /** Whole numbers below 243 → fractions of 256, rounded up. */
  @inline
  finish(file: usize): void {
    for (const end = file + 52; file != end; file++) {
      store<u8>(file, <u8>((<u32>load<u8>(file) * 256 + 242) / 243));
    }
  }
}
