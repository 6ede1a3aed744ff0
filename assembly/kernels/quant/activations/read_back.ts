/**
 * Quantised activations → f32, for what multiplies floats behind a product that has them quantised (adapters): within
 * the rounding that the product has itself.
 */
import { DIGIT_BYTES, hasSecond, secondDigit } from "./eight";
import { ActivationPrecision } from "./precision";
import { ACTIVATION_BLOCK_BYTES, activationBytes } from "./sixteen";

/** One row of quantised activations → f32: the inverse of `quantizeAs`. */
export function dequantizeAs(form: u32, source: usize, columns: u32, target: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const isByte =
      form == ActivationPrecision.BYTE || form == ActivationPrecision.OUTLIERS || form == ActivationPrecision.TWO_BYTES;
    if (isByte) return readDigits(source, columns, target);
  }
  readSixteen(source, columns, target, false);
  if (form == ActivationPrecision.TWO_SIXTEENS) readSixteen(source + activationBytes(columns), columns, target, true);
}

/** target = d · q, or with `more` added to what is there. */
function readSixteen(source: usize, columns: u32, target: usize, more: bool): void {
  for (let blocks = columns >> 5; blocks > 0; blocks--, source += ACTIVATION_BLOCK_BYTES, target += 128) {
    const d = load<f32>(source);
    if (ASC_FEATURE_SIMD) {
      const scale = f32x4.splat(d);
      for (let i: usize = 0; i < 32; i += 4) {
        const to = target + (i << 2);
        const x = f32x4.mul(f32x4.convert_i32x4_s(v128.load16x4_s(source + 16 + (i << 1))), scale);
        v128.store(to, more ? f32x4.add(v128.load(to), x) : x);
      }
    } else {
      for (let i: usize = 0; i < 32; i++) {
        const to = target + (i << 2);
        const x = <f32>load<i16>(source + 16 + (i << 1)) * d;
        store<f32>(to, more ? load<f32>(to) + x : x);
      }
    }
  }
}

/** Bytes in the order 0 4 1 5 2 6 3 7 of each eight columns, and second digits where a block has them. */
function readDigits(source: usize, columns: u32, target: usize): void {
  const second = secondDigit(columns);
  for (let blocks = columns >> 5; blocks > 0; blocks--, source += DIGIT_BYTES, target += 128) {
    const d = load<f32>(source);
    const finer = hasSecond(source) ? load<f32>(source + second) : 0;
    for (let i: usize = 0; i < 32; i++) {
      const at: usize = 32 + (i & ~(<usize>7)) + ((i & 3) << 1) + ((i >> 2) & 1);
      let x = <f32>load<i8>(source + at) * d;
      if (finer != 0) x += <f32>load<i8>(source + second + at) * finer;
      store<f32>(target + (i << 2), x);
    }
  }
}
