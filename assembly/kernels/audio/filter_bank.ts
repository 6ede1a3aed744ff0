/**
 * From sound to features in integers, step by step, bit for bit as the signal operators and the "micro front end" of
 * TensorFlow Lite Micro (tensorflow/lite/experimental/microfrontend, signal/src):
 *
 *     i16 samples ── window ── scaled up ── transform ── energies u32 ── filter bank u64 ── roots u32
 *                 ── less noise u32 ── gain ── logarithm i16
 */
import { LOGARITHMS } from "./tables";

@inline
function bits(x: u32): u32 {
  return 32 - <u32>clz(x);
}

/** i16[count] at x times the window's factors, over 2^shift. */
export function windowed(x: usize, window: usize, count: u32, shift: u32, y: usize): void {
  for (let i: usize = 0, end = (<usize>count) << 1; i < end; i += 2) {
    const product = (<i32>load<i16>(x + i) * <i32>load<i16>(window + i)) >> shift;
    store<i16>(y + i, <i16>min(max(product, -32768), 32767));
  }
}

/**
 * Scales i16[count] up, as far as 16 bits go: by how many bits. −32768 has no counterpart in 16 bits: the front end
 * passes over it, and the operator (`wraps`) begins anew with what follows it.
 */
export function scaleUp(x: usize, count: u32, wraps: bool, y: usize): u32 {
  let most: i32 = 0;
  for (let i: usize = 0, end = (<usize>count) << 1; i < end; i += 2) {
    const value = abs(<i32>load<i16>(x + i));
    if (value > most && (wraps || value < 32768)) most = <i32>(<i16>value);
  }
  const shift: u32 = most <= 0 ? 0 : 15 - bits(most);
  for (let i: usize = 0, end = (<usize>count) << 1; i < end; i += 2) {
    store<i16>(y + i, <i16>((<i32>load<i16>(x + i)) << shift));
  }
  return shift;
}

/** |z|² of the complex numbers begin … end − 1. */
export function energies(x: usize, begin: u32, end: u32, y: usize): void {
  for (let i = (<usize>begin) << 2; i < (<usize>end) << 2; i += 4) {
    const re = <i32>load<i16>(x + i), im = <i32>load<i16>(x + i, 2);
    store<u32>(y + i, <u32>(re * re + im * im));
  }
}

/**
 * Energies at x → u64[channels] at y. A bin weighs in its own triangle and in the next one, and there is one triangle
 * before the first channel. Of each of channels + 1 triangles: how many bins, the first bin, and the place of its first
 * weight, i16 each; of each weight the one of the next triangle.
 */
export function filterBank(
  x: usize, channels: u32, widths: usize, bins: usize, places: usize, weights: usize, others: usize, y: usize,
): void {
  let sum: u64 = 0;
  for (let i: usize = 0; i <= <usize>channels; i++) {
    let next: u64 = 0;
    const width = <isize>load<i16>(widths + (i << 1));
    const energy = x + ((<usize>load<i16>(bins + (i << 1))) << 2);
    const place = (<usize>load<i16>(places + (i << 1))) << 1;
    for (let j: isize = 0; j < width; j++) {
      const value = <u64>load<u32>(energy + (j << 2));
      sum += value * <u64>(<i64>load<i16>(weights + place + (j << 1)));
      next += value * <u64>(<i64>load<i16>(others + place + (j << 1)));
    }
    if (i > 0) store<u64>(y + ((i - 1) << 3), sum);
    sum = next;
  }
}

/** √v, rounded but where the source has no bit left for it. */
function root(v: u64): u32 {
  // The square root in f64 is off by one at most.
  let r = <u64>sqrt(<f64>v);
  if (r > 0xffff_ffff) r = 0xffff_ffff;
  while (r * r > v) r--;
  while (r < 0xffff_ffff && (r + 1) * (r + 1) <= v) r++;
  const limit: u64 = v >> 32 == 0 ? 0xffff : 0xffff_ffff;
  return <u32>(v - r * r > r && r != limit ? r + 1 : r);
}

/** √v >> shift of u64[count]. */
export function roots(x: usize, count: u32, shift: u32, y: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    store<u32>(y + (i << 2), shift < 32 ? root(load<u64>(x + (i << 3))) >> shift : 0);
  }
}

/** How noise is taken off: what the operator's options say, in their words. */
@unmanaged
export class NoiseRule {
  /** Of even channels; of odd ones the alternate. */
  smoothing: u32;
  oneMinusSmoothing: u32;
  alternateSmoothing: u32;
  alternateOneMinusSmoothing: u32;
  minSignalRemaining: u32;
  smoothingBits: u32;
  bits: u32;
  clamping: u32;
}

/** u32[count] at x less the estimate of noise at `noise`, which goes along. */
export function lessNoise(rule: NoiseRule, x: usize, count: u32, noise: usize, y: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const isOdd = (i & 1) != 0;
    const smoothing = isOdd ? rule.alternateSmoothing : rule.smoothing;
    const rest = isOdd ? rule.alternateOneMinusSmoothing : rule.oneMinusSmoothing;
    const value = load<u32>(x + (i << 2));
    const up = value << rule.smoothingBits;
    let estimate = <u32>((<u64>up * smoothing + <u64>load<u32>(noise + (i << 2)) * rest) >> rule.bits);
    store<u32>(noise + (i << 2), estimate);
    if (estimate > up) {
      estimate = up;
      if (rule.clamping) store<u32>(noise + (i << 2), estimate);
    }
    const least = <u32>((<u64>value * rule.minSignalRemaining) >> rule.bits);
    store<u32>(y + (i << 2), max((up - estimate) >> rule.smoothingBits, least));
  }
}

/** The gain for a noise: i16[125] at `gains` as in tables.ts. */
function gainOf(noise: u32, gains: usize): i32 {
  if (noise <= 2) return <i32>load<i16>(gains + ((<usize>noise) << 1));
  const k = bits(noise);
  const at = gains + ((<usize>(4 * k - 6)) << 1);
  const fraction = <i32>((k < 11 ? noise << (11 - k) : noise >> (k - 11)) & 0x3ff);
  const slope = ((<i32>load<i16>(at, 4) * fraction) >> 5) + ((<i32>load<i16>(at, 2)) << 5);
  return <i32>(<i16>(((slope * fraction + (1 << 14)) >> 15) + <i32>load<i16>(at)));
}

/** u32[count] at x, each by the gain for its noise, squared where it is small. */
export function gained(x: usize, noise: usize, gains: usize, shift: u32, count: u32, y: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const gain = <u32>gainOf(load<u32>(noise + (i << 2)), gains);
    const ratio = <u32>((<u64>load<u32>(x + (i << 2)) * gain) >> shift);
    store<u32>(y + (i << 2), ratio < 8192 ? (ratio * ratio) >> 20 : (ratio >> 6) - 64);
  }
}

/** ln(v << correction) · scale of u32[count] → i16[count]; 0 of what is not above 1. */
export function logarithms(x: usize, count: u32, scale: u32, correction: u32, y: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const value = load<u32>(x + (i << 2)) << correction;
    store<i16>(y + (i << 1), value > 1 ? <i16>min<u32>(logarithm(value, scale), 32767) : 0);
  }
}

function logarithm(x: u32, scale: u32): u32 {
  const k = bits(x) - 1;
  const rest = x - (1 << k);
  const fraction = k < 16 ? rest << (16 - k) : rest >> (k - 16);
  const segment = fraction >> 9;
  const at = LOGARITHMS + ((<usize>segment) << 1);
  const low = <i32>load<u16>(at), high = <i32>load<u16>(at, 2);
  const between = ((high - low) * <i32>(fraction - (segment << 9))) >> 16;
  const base2 = (k << 16) + fraction + <u32>(low + between);
  const natural = <u32>((<u64>base2 * 45426 + 0x8000) >> 16);
  return (scale * natural + 0x8000) >> 16;
}

/** Features as values of i8: (feature · 256 + 333) div 666 − 128, as micro_speech and ESPHome scale them. */
export function featuresAsBytes(x: usize, count: u32, y: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    store<i8>(y + i, <i8>(min<u32>((<u32>load<u16>(x + (i << 1)) * 256 + 333) / 666, 255) - 128));
  }
}
