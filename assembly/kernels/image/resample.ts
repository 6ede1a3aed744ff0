/**
 * Pixels onto a grid of another size, in f64: rows first, then columns.
 *
 *     BILINEAR   between the two nearest centres of pixels (half-pixel, as RESIZE_BILINEAR); no blur where it shrinks
 *     AREA       the mean of what a pixel of the new grid covers, parts of pixels by their share
 */

/** How a pixel of the new grid is made, as the ABI numbers it. */
export namespace Resample {
  export const BILINEAR: u32 = 0;
  export const AREA: u32 = 1;
}

/** Which old pixels make new pixel `i` of `count`, along one side of `size` old ones. */
@unmanaged
export class Taps {
  first: u32;
  last: u32;
  /** BILINEAR: the share of the last one; AREA: the ends of what is covered. */
  begin: f64;
  end: f64;
  method: u32;
}

export function setTaps(t: Taps, method: u32, i: u32, count: u32, size: u32): void {
  t.method = method;
  const scale = <f64>size / <f64>count;
  if (method == Resample.AREA) {
    t.begin = <f64>i * scale;
    t.end = min(<f64>(i + 1) * scale, <f64>size);
    t.first = min(<u32>floor(t.begin), size - 1);
    t.last = min(max(<u32>ceil(t.end), t.first + 1), size) - 1;
    return;
  }
  const at = (<f64>i + 0.5) * scale - 0.5;
  t.first = <u32>max(floor(at), 0);
  t.last = min(<u32>max(ceil(at), 0), size - 1);
  t.begin = at - <f64>t.first;
}

/** The share of old pixel `k`; all of a new one come to 1. */
@inline
export function shareOf(t: Taps, k: u32): f64 {
  if (t.first == t.last) return 1;
  if (t.method == Resample.AREA) {
    return (min(t.end, <f64>(k + 1)) - max(t.begin, <f64>k)) / (t.end - t.begin);
  }
  return k == t.first ? 1 - t.begin : t.begin;
}

/** Adds `share` of a row of RGBA pixels u8[4 · width] to f64[depth · width]; a depth of 1 is grey. */
export function addRow(pixels: usize, width: u32, depth: u32, share: f64, target: usize): void {
  for (let i: usize = 0; i < <usize>width; i++, pixels += 4) {
    const at = target + ((i * depth) << 3);
    const red = <f64>load<u8>(pixels), green = <f64>load<u8>(pixels, 1), blue = <f64>load<u8>(pixels, 2);
    if (depth == 1) {
      store<f64>(at, load<f64>(at) + share * (0.299 * red + 0.587 * green + 0.114 * blue));
    } else {
      store<f64>(at, load<f64>(at) + share * red);
      store<f64>(at, load<f64>(at, 8) + share * green, 8);
      store<f64>(at, load<f64>(at, 16) + share * blue, 16);
    }
  }
}

/** Channel `c` of the pixel that taps make of such a row. */
export function acrossRow(row: usize, depth: u32, c: u32, t: Taps): f64 {
  let sum: f64 = 0;
  for (let k = t.first; k <= t.last; k++) sum += shareOf(t, k) * load<f64>(row + ((<usize>k * depth + c) << 3));
  return sum;
}
