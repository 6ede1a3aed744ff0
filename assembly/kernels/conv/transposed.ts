/**
 * Transposed convolutions of i8 and f32. Each pixel of the input adds its filters to the output; seen from the output,
 * a pixel sums up what the filters of those pixels add that reach it, row after row of the input, then column after
 * column:
 *
 *     y = iy · strideY − padTop + ky      so output row y and input row iy meet in filter row y + padTop − iy · strideY
 *
 * Filters lie as in the file, [filters, height, width, depth].
 */
import { CHANNEL_BYTES, requantise } from "./requantise";
import { Sliding, clampF32 } from "./sliding";

/** Rows begin … end − 1 of the output. `channels`: records (requantise.ts) or biases; `sums` has room for eight. */
export function convolveTransposed<T>(
  s: Sliding, weights: usize, channels: usize, begin: i32, end: i32, sums: usize,
): void {
  for (let y = begin; y < end; y++) {
    for (let x = 0; x < s.outColumns; x++) {
      const target = s.target + (s.outputAt(y, x) << alignof<T>());
      for (let c: u32 = 0; c < <u32>s.outDepth; c += 8) {
        const count = min(<u32>s.outDepth - c, 8);
        for (let i: u32 = 0; i < count; i++) sumOf<T>(s, weights, c + i, y, x, sums + ((<usize>i) << 2));
        const out = target + ((<usize>c) << alignof<T>());
        if (isFloat<T>()) {
          for (let i: usize = 0; i < <usize>count; i++) {
            const value = load<f32>(sums + (i << 2)) + load<f32>(channels + ((<usize>c + i) << 2));
            store<f32>(out + (i << 2), clampF32(value, s.least, s.most));
          }
        } else {
          const group = channels + <usize>(c >> 3) * CHANNEL_BYTES;
          for (let i: usize = 0; i < 32; i += 4) store<i32>(sums + i, load<i32>(sums + i) + load<i32>(group + i));
          requantise(sums, group, out, count, s.outZero, s.low, s.high);
        }
      }
    }
  }
}

@inline
function sumOf<T>(s: Sliding, weights: usize, filter: u32, y: i32, x: i32, sum: usize): void {
  let whole: i32 = 0;
  let real: f32 = 0;
  const top = y + s.padTop, left = x + s.padLeft;
  const firstY = top < s.filterHeight ? 0 : (top - s.filterHeight) / s.strideY + 1;
  const firstX = left < s.filterWidth ? 0 : (left - s.filterWidth) / s.strideX + 1;
  const endY = min(top / s.strideY + 1, s.height), endX = min(left / s.strideX + 1, s.width);
  for (let iy = firstY; iy < endY; iy++) {
    for (let ix = firstX; ix < endX; ix++) {
      const tap = (<i32>filter * s.filterHeight + top - iy * s.strideY) * s.filterWidth + left - ix * s.strideX;
      const w = weights + ((<usize>tap * s.depth) << alignof<T>());
      const pixel = s.source + ((<usize>(iy * s.width + ix) * s.depth) << alignof<T>());
      for (let k: usize = 0; k < <usize>s.depth; k++) {
        if (isFloat<T>()) real += load<f32>(pixel + (k << 2)) * load<f32>(w + (k << 2));
        else whole += (<i32>load<i8>(pixel + k) - s.zero) * <i32>load<i8>(w + k);
      }
    }
  }
  if (isFloat<T>()) store<f32>(sum, real);
  else store<i32>(sum, whole);
}
