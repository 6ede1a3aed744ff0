/**
 * Activations in fourteen bits, which the fast build multiplies signed bytes with (blocks32/multiply_signed.ts). A row
 * of K values (K a multiple of 32) has K / 32 blocks as they are in sixteen bits (activations/sixteen.ts), but within
 * ±8128, and behind them as many blocks of 80 bytes with the same numbers in two digits of seven bits:
 *
 *     ┌ d f32 │ 12 B unused │ 32 × u8 high │ 32 × u8 low ┐
 *
 *     x[i] ≈ d · q[i],   q = 128 · high + low − 8128        d = max|x| / 8128;  high and low are 0 … 127
 *
 * A product takes the digits or the whole numbers, whichever this processor is quick with (byte_dots.ts): the integers
 * are the same, and so the bits. A block of zeros has d = 0.
 */
import { ACTIVATION_BLOCK_BYTES, activationBytes, quantizeSteps } from "./sixteen";

/** Up to the largest magnitude of a block: 64 · 127, the middle of two digits, as products take it off. */
const STEPS: f32 = 8128;

/** From the numbers of a row to their digits. */
@inline
export function digitsOf(columns: u32): usize {
  return activationBytes(columns);
}

/** One row of f32 → numbers and digits. */
export function quantizeFourteen(x: usize, columns: u32, target: usize): void {
  quantizeSteps(x, columns, target, STEPS);
  const end = target + digitsOf(columns);
  for (let to = end; target != end; target += ACTIVATION_BLOCK_BYTES) {
    store<u64>(to, load<u32>(target));
    store<u64>(to, 0, 8);
    putDigits(target + 16, to + 16);
    putDigits(target + 48, to + 32);
    to += ACTIVATION_BLOCK_BYTES;
  }
}

/** Sixteen numbers: the low digits lie 32 bytes behind the high ones. */
@inline
function putDigits(numbers: usize, target: usize): void {
  const middle = i16x8.splat(8128);
  const a = i16x8.add(v128.load(numbers), middle);
  const b = i16x8.add(v128.load(numbers, 16), middle);
  const seven = i16x8.splat(127);
  v128.store(target, i8x16.narrow_i16x8_u(i16x8.shr_u(a, 7), i16x8.shr_u(b, 7)));
  v128.store(target, i8x16.narrow_i16x8_u(v128.and(a, seven), v128.and(b, seven)), 32);
}
