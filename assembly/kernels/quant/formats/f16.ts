/**
 * F16: IEEE half precision. Converted exactly, infinities and NaN included; in the product a weight that is not finite
 * counts as a finite one (layout.ts says why).
 *
 *     file     column after column, 2 bytes
 *     packed   column after column, 16 bytes: rows 0…7
 *
 * Cost: that of floats.ts, and 4 operations for each four weights, which many tokens share (`matmulWidened`).
 */
import { floatToHalf, loadHalf } from "../../float/half";
import { FloatFormat } from "../floats";
import { loadFiniteHalf, loadHalves4 } from "../layout";

@unmanaged
export class F16Packing extends FloatFormat<F16Packing> {
  @inline get bytes(): usize { return 2; }
  @inline read(p: usize): f32 { return loadHalf(p); }
  @inline write(p: usize, x: f32): void { store<u16>(p, <u16>floatToHalf(x)); }
  @inline load4(p: usize): v128 { return loadHalves4(p); }
  @inline load1(p: usize): f32 { return loadFiniteHalf(p); }
}
