/**
 * F32: IEEE single precision as it is.
 *
 *     file     column after column, 4 bytes
 *     packed   column after column, 32 bytes: rows 0…7
 *
 * Cost: that of floats.ts.
 */
import { FloatFormat } from "../floats";

@unmanaged
export class F32Packing extends FloatFormat<F32Packing> {
  @inline get bytes(): usize { return 4; }
  @inline read(p: usize): f32 { return load<f32>(p); }
  @inline write(p: usize, x: f32): void { store<f32>(p, x); }
  @inline load4(p: usize): v128 { return v128.load(p); }
  @inline load1(p: usize): f32 { return load<f32>(p); }
}
