/**
 * The Fourier transform of real numbers of 16 bits, bit for bit as KISS FFT computes it in fixed point, which the
 * signal operators of TensorFlow Lite Micro are built on. The even and the odd samples are the real and the imaginary
 * parts of half as many complex numbers; those are transformed by fours (and a last two), in time; then the halves are
 * split. Before each butterfly of p its inputs are scaled by 1/p, so that hardly a sum overflows; sums wrap in 16 bits.
 * Transforms are of 4, 8, 16 … 2¹⁵ real numbers.
 *
 *     complex number: re i16, im i16
 *     factors:        ┌ e^−2πik/n, k < n = length/2 │ e^−iπ(k/n + ½), 0 < k ≤ n/2 ┐
 */
import { cos, sin } from "../float/math";

const PI: f64 = 3.141592653589793;

/** Bytes of the factors of a transform of `length` real numbers. */
export function factorBytes(length: u32): u32 {
  return 2 * length + length;
}

export function makeFactors(length: u32, factors: usize): void {
  const n = length >> 1;
  for (let k: u32 = 0; k < n; k++) putFactor(factors + ((<usize>k) << 2), (-2.0 * PI * <f64>k) / <f64>n);
  const split = factors + ((<usize>n) << 2);
  for (let k: u32 = 1; k <= n >> 1; k++) {
    putFactor(split + ((<usize>k - 1) << 2), -PI * (<f64>k / <f64>n + 0.5));
  }
}

function putFactor(at: usize, phase: f64): void {
  store<i16>(at, <i16>floor(0.5 + 32767.0 * cos(phase)));
  store<i16>(at, <i16>floor(0.5 + 32767.0 * sin(phase)), 2);
}

/** x/2¹⁵, rounded. */
@inline
function rounded(x: i32): i32 {
  return (x + (1 << 14)) >> 15;
}

/** The real part of a complex number; `im` the other one. */
@inline
function re(z: i32): i32 {
  return <i32>(<i16>z);
}

@inline
function im(z: i32): i32 {
  return z >> 16;
}

@inline
function complex(re: i32, im: i32): i32 {
  return (re & 0xffff) | (im << 16);
}

@inline
function plus(a: i32, b: i32): i32 {
  return complex(re(a) + re(b), im(a) + im(b));
}

@inline
function minus(a: i32, b: i32): i32 {
  return complex(re(a) - re(b), im(a) - im(b));
}

@inline
function times(a: i32, b: i32): i32 {
  return complex(rounded(re(a) * re(b) - im(a) * im(b)), rounded(re(a) * im(b) + im(a) * re(b)));
}

/** z · (32767 div p)/2¹⁵. */
@inline
function divided(z: i32, p: i32): i32 {
  const factor = 32767 / p;
  return complex(rounded(re(z) * factor), rounded(im(z) * factor));
}

/** `count` complex numbers at x, `stride` apart, → their transform at y; factors are `stride` apart too. */
function transform(x: usize, y: usize, count: u32, stride: u32, factors: usize): void {
  if (count == 1) {
    store<i32>(y, load<i32>(x));
    return;
  }
  const radix: u32 = count % 4 == 0 ? 4 : 2;
  const m = count / radix;
  for (let j: u32 = 0; j < radix; j++) {
    transform(x + ((<usize>j * stride) << 2), y + ((<usize>j * m) << 2), m, stride * radix, factors);
  }
  const step = (<usize>stride) << 2;
  const part = (<usize>m) << 2;
  for (let k: usize = 0; k < <usize>m; k++) {
    const at = y + (k << 2);
    if (radix == 2) {
      const a = divided(load<i32>(at), 2);
      const b = times(divided(load<i32>(at + part), 2), load<i32>(factors + k * step));
      store<i32>(at, plus(a, b));
      store<i32>(at + part, minus(a, b));
      continue;
    }
    const a = divided(load<i32>(at), 4);
    const b = times(divided(load<i32>(at + part), 4), load<i32>(factors + k * step));
    const c = times(divided(load<i32>(at + 2 * part), 4), load<i32>(factors + 2 * k * step));
    const d = times(divided(load<i32>(at + 3 * part), 4), load<i32>(factors + 3 * k * step));
    const even = plus(a, c), odd = minus(a, c), sum = plus(b, d), difference = minus(b, d);
    store<i32>(at, plus(even, sum));
    store<i32>(at + 2 * part, minus(even, sum));
    store<i32>(at + part, complex(re(odd) + im(difference), im(odd) - re(difference)));
    store<i32>(at + 3 * part, complex(re(odd) - im(difference), im(odd) + re(difference)));
  }
}

/**
 * i16[length] at x → length/2 + 1 complex numbers at y. `work`: room for length/2 complex numbers, which is not x.
 */
export function realTransform(x: usize, y: usize, length: u32, factors: usize, work: usize): void {
  const n = length >> 1;
  transform(x, work, n, 1, factors);
  const first = divided(load<i32>(work), 2);
  store<i32>(y, complex(re(first) + im(first), 0));
  store<i32>(y + ((<usize>n) << 2), complex(re(first) - im(first), 0));
  const split = factors + ((<usize>n) << 2);
  for (let k: usize = 1; k <= <usize>n >> 1; k++) {
    const a = divided(load<i32>(work + (k << 2)), 2);
    const other = load<i32>(work + ((<usize>n - k) << 2));
    const b = divided(complex(re(other), -im(other)), 2);
    const f = plus(a, b);
    const g = times(minus(a, b), load<i32>(split + ((k - 1) << 2)));
    store<i32>(y + (k << 2), complex((re(f) + re(g)) >> 1, (im(f) + im(g)) >> 1));
    store<i32>(y + ((<usize>n - k) << 2), complex((re(f) - re(g)) >> 1, (im(g) - im(f)) >> 1));
  }
}
