/**
 * Depthwise convolutions of i8 and f32: a filter for each channel, weights as in the file, [height, width, channels].
 * The channel c · multiplier + m of the output sees channel c of the input.
 */
import { CHANNEL_BYTES, requantise } from "./requantise";
import { Sliding, clampF32, firstWithin, endWithin } from "./sliding";

/**
 * Rows begin … end − 1 of the output. `channels`: the records of i8 (requantise.ts), whose bias is the file's, for x −
 * its zero point is what is multiplied here; of f32 the biases. `sums` has room for eight.
 */
export function depthwise<T>(
  s: Sliding, weights: usize, multiplier: u32, channels: usize, right: bool, begin: i32, end: i32, sums: usize,
): void {
  for (let y = begin; y < end; y++) {
    const top = y * s.strideY - s.padTop;
    const firstY = firstWithin(top, s.dilationY);
    const endY = endWithin(top, s.dilationY, s.filterHeight, s.height);
    for (let x = s.outLeft, last = x + s.outColumns; x < last; x++) {
      const left = x * s.strideX - s.padLeft;
      const firstX = firstWithin(left, s.dilationX);
      const endX = endWithin(left, s.dilationX, s.filterWidth, s.width);
      const target = s.target + (s.outputAt(y, x) << alignof<T>());
      const none = firstY >= endY || firstX >= endX;
      const from = none
        ? s.source
        : s.source + (s.inputAt(top + firstY * s.dilationY, left + firstX * s.dilationX) << alignof<T>());
      const w = weights + ((<usize>(firstY * s.filterWidth + firstX) * s.outDepth) << alignof<T>());
      const rows = none ? 0 : endY - firstY, columns = none ? 0 : endX - firstX;
      for (let c: u32 = 0; c < <u32>s.outDepth; c += 8) {
        const count = min(<u32>s.outDepth - c, 8);
        if (ASC_FEATURE_SIMD && count == 8 && multiplier == 1) {
          eightSums<T>(s, from + (c << alignof<T>()), w + (c << alignof<T>()), rows, columns, sums);
        } else {
          sumsOf<T>(s, from, w, rows, columns, c, count, multiplier, sums);
        }
        const out = target + (c << alignof<T>());
        if (isFloat<T>()) {
          for (let i: usize = 0; i < <usize>count; i++) {
            const value = load<f32>(sums + (i << 2)) + load<f32>(channels + ((<usize>c + i) << 2));
            store<f32>(out + (i << 2), clampF32(value, s.least, s.most));
          }
        } else {
          requantise(sums, channels + <usize>(c >> 3) * CHANNEL_BYTES, out, count, s.outZero, s.low, s.high, right);
        }
      }
    }
  }
}

/** The sums of eight channels. */
@inline
function eightSums<T>(s: Sliding, from: usize, weights: usize, rows: i32, columns: i32, sums: usize): void {
  const lineBytes = (<usize>s.dilationY * s.columns * s.depth) << alignof<T>();
  const stepBytes = (<usize>s.dilationX * s.depth) << alignof<T>();
  const filterBytes = (<usize>s.filterWidth * s.outDepth) << alignof<T>();
  const tapBytes = (<usize>s.outDepth) << alignof<T>();
  if (isFloat<T>()) {
    let a = f32x4.splat(0), b = f32x4.splat(0);
    for (let i = 0; i < rows; i++, from += lineBytes, weights += filterBytes) {
      let x = from, w = weights;
      for (let j = 0; j < columns; j++, x += stepBytes, w += tapBytes) {
        a = f32x4.add(a, f32x4.mul(v128.load(x), v128.load(w)));
        b = f32x4.add(b, f32x4.mul(v128.load(x, 16), v128.load(w, 16)));
      }
    }
    v128.store(sums, a);
    v128.store(sums, b, 16);
  } else {
    const zero = i16x8.splat(<i16>s.zero);
    let a = i32x4.splat(0), b = i32x4.splat(0);
    for (let i = 0; i < rows; i++, from += lineBytes, weights += filterBytes) {
      let x = from, w = weights;
      for (let j = 0; j < columns; j++, x += stepBytes, w += tapBytes) {
        const value = i16x8.sub(v128.load8x8_s(x), zero);
        const weight = v128.load8x8_s(w);
        a = i32x4.add(a, i32x4.extmul_low_i16x8_s(value, weight));
        b = i32x4.add(b, i32x4.extmul_high_i16x8_s(value, weight));
      }
    }
    v128.store(sums, a);
    v128.store(sums, b, 16);
  }
}

/** The same channel by channel, for any multiplier. */
function sumsOf<T>(
  s: Sliding, from: usize, weights: usize, rows: i32, columns: i32, first: u32, count: u32, multiplier: u32,
  sums: usize,
): void {
  for (let i: u32 = 0; i < count; i++) {
    const c = first + i;
    const channel = c / multiplier;
    let whole: i32 = 0;
    let real: f32 = 0;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const at = <usize>y * s.dilationY * s.columns * s.depth + <usize>x * s.dilationX * s.depth + channel;
        const w = (<usize>y * s.filterWidth + x) * s.outDepth + c;
        if (isFloat<T>()) real += load<f32>(from + (at << 2)) * load<f32>(weights + (w << 2));
        else whole += (<i32>load<i8>(from + at) - s.zero) * <i32>load<i8>(weights + w);
      }
    }
    if (isFloat<T>()) store<f32>(sums + ((<usize>i) << 2), real);
    else store<i32>(sums + ((<usize>i) << 2), whole);
  }
}
