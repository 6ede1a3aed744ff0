/**
 * Spectra, mel bands and cepstra in f64. Source: tf.signal (stft, linear_to_mel_weight_matrix,
 * mfccs_from_log_mel_spectrograms), whose formulas these are.
 */
import { cos, log, sin } from "../float/math";

const PI: f64 = 3.141592653589793;

/** f64[2 · length]: e^−2πik/length, k < length. */
export function makeTurns(length: u32, turns: usize): void {
  for (let k: usize = 0; k < <usize>length; k++) {
    const phase = (-2.0 * PI * <f64>k) / <f64>length;
    store<f64>(turns + (k << 4), cos(phase));
    store<f64>(turns + (k << 4), sin(phase), 8);
  }
}

/** A periodic Hann window, f64[count]: ½ − ½ cos(2πi/count). */
export function makeHann(count: u32, window: usize): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    store<f64>(window + (i << 3), 0.5 - 0.5 * cos((2.0 * PI * <f64>i) / <f64>count));
  }
}

/** Transforms `length` complex numbers in place, a power of two, f64 each part. */
export function transform64(x: usize, length: u32, turns: usize): void {
  const n = <usize>length;
  for (let i: usize = 1, j: usize = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j |= bit;
    if (i >= j) continue;
    for (let part: usize = 0; part < 16; part += 8) {
      const held = load<f64>(x + (i << 4) + part);
      store<f64>(x + (i << 4) + part, load<f64>(x + (j << 4) + part));
      store<f64>(x + (j << 4) + part, held);
    }
  }
  for (let half: usize = 1; half < n; half <<= 1) {
    const stride = n / (half << 1);
    for (let start: usize = 0; start < n; start += half << 1) {
      for (let k: usize = 0; k < half; k++) {
        const a = x + ((start + k) << 4), b = a + (half << 4), turn = turns + ((k * stride) << 4);
        const re = load<f64>(b) * load<f64>(turn) - load<f64>(b, 8) * load<f64>(turn, 8);
        const im = load<f64>(b) * load<f64>(turn, 8) + load<f64>(b, 8) * load<f64>(turn);
        store<f64>(b, load<f64>(a) - re);
        store<f64>(b, load<f64>(a, 8) - im, 8);
        store<f64>(a, load<f64>(a) + re);
        store<f64>(a, load<f64>(a, 8) + im, 8);
      }
    }
  }
}

/** The mel scale: 1127 ln(1 + f/700). */
function mel(frequency: f64): f64 {
  return 1127.0 * log(1.0 + frequency / 700.0);
}

/**
 * Where bins 0 … length/2 lie among the edges of `bands` triangles that are even on the mel scale from `low` to `high`
 * Hz: f64 each, the number of edges below it and the part of the way to the next one; −1 outside, and of bin 0.
 */
export function makeBands(length: u32, rate: f64, bands: u32, low: f64, high: f64, places: usize): void {
  const bottom = mel(low), spacing = (mel(high) - bottom) / <f64>(bands + 1);
  for (let i: usize = 0; i <= <usize>length >> 1; i++) {
    const place = (mel((<f64>i * rate) / <f64>length) - bottom) / spacing;
    store<f64>(places + (i << 3), i > 0 && place >= 0 && place < <f64>(bands + 1) ? place : -1);
  }
}

/** Magnitudes of a spectrum's bins, summed by bands: f64[bands]. A bin weighs in the two triangles that it lies in. */
export function bandsOf(x: usize, length: u32, places: usize, bands: u32, y: usize): void {
  memory.fill(y, 0, (<usize>bands) << 3);
  for (let i: usize = 0; i <= <usize>length >> 1; i++) {
    const place = load<f64>(places + (i << 3));
    if (place < 0) continue;
    const re = load<f64>(x + (i << 4)), im = load<f64>(x + (i << 4), 8);
    const size = sqrt(re * re + im * im);
    const edge = <usize>place;
    const rise = place - floor(place);
    if (edge < <usize>bands) add(y + (edge << 3), size * rise);
    if (edge > 0) add(y + ((edge - 1) << 3), size * (1 - rise));
  }
}

@inline
function add(at: usize, value: f64): void {
  store<f64>(at, load<f64>(at) + value);
}

/** ln(x + 10⁻⁶), in place. */
export function logOf(x: usize, count: u32): void {
  for (let end = x + ((<usize>count) << 3); x < end; x += 8) store<f64>(x, log(load<f64>(x) + 1e-6));
}

/** The first `count` cepstral coefficients of f64[bands], as f32: 2 · DCT-II / √(2 · bands). */
export function cepstrum(x: usize, bands: u32, count: u32, y: usize): void {
  const factor = 2.0 / sqrt(2.0 * <f64>bands);
  for (let k: usize = 0; k < <usize>count; k++) {
    let sum: f64 = 0;
    for (let n: usize = 0; n < <usize>bands; n++) {
      sum += load<f64>(x + (n << 3)) * cos((PI * <f64>k * (2.0 * <f64>n + 1.0)) / (2.0 * <f64>bands));
    }
    store<f32>(y + (k << 2), <f32>(sum * factor));
  }
}
