/**
 * BF16: the upper half of an IEEE single.
 *
 *     file     column after column, 2 bytes
 *     packed   column after column, 16 bytes: rows 0…7
 *
 * Cost: that of floats.ts, and 2 operations for each four weights.
 */
import { bfloatToFloat, floatToBfloat } from "../../float/half";
import { FloatFormat } from "../floats";

@unmanaged
export class BF16Packing extends FloatFormat<BF16Packing> {
  @inline get bytes(): usize { return 2; }
  @inline read(p: usize): f32 { return bfloatToFloat(load<u16>(p)); }
  @inline write(p: usize, x: f32): void { store<u16>(p, <u16>floatToBfloat(x)); }
  @inline load4(p: usize): v128 { return i32x4.shl(v128.load_ext<u16>(p), 16); }
  @inline load1(p: usize): f32 { return bfloatToFloat(load<u16>(p)); }
}
