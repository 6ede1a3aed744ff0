/**
 * A filter that slides over an image: what convolutions, depthwise convolutions and pools have in common. Images are
 * [height, width, depth]. What lies in memory may be a part of one: for a network that is computed patch by patch, a
 * rectangle of the input and one of the output.
 *
 *     ┌────────────── width ──────────────┐         output row y, column x reads the rows
 *     │   left      columns               │             y · strideY − padTop + i · dilationY,  0 ≤ i < filterHeight
 *     │ top ┌───────────────────┐         │         and columns alike; what lies outside the image counts as its zero
 *     │     │ source: in memory │         │         point, whatever part of it is in memory
 *     │     └───────────────────┘         │
 *     └───────────────────────────────────┘
 */

@unmanaged
export class Sliding {
  source: usize;
  top: i32;
  left: i32;
  /** Columns of the part in memory. */
  columns: i32;
  height: i32;
  width: i32;
  depth: i32;

  filterHeight: i32;
  filterWidth: i32;
  strideY: i32;
  strideX: i32;
  dilationY: i32;
  dilationX: i32;
  padTop: i32;
  padLeft: i32;

  target: usize;
  outTop: i32;
  outLeft: i32;
  outColumns: i32;
  outDepth: i32;

  /** Zero points of i8, and the range of the output. */
  zero: i32;
  outZero: i32;
  low: i32;
  high: i32;
  /** The range of f32. */
  least: f32;
  most: f32;

  /** The place of a pixel of the input, in elements. */
  @inline
  inputAt(y: i32, x: i32): usize {
    return (<usize>(y - this.top) * this.columns + (x - this.left)) * this.depth;
  }

  /** The place of a pixel of the output, in elements. */
  @inline
  outputAt(y: i32, x: i32): usize {
    return (<usize>(y - this.outTop) * this.outColumns + (x - this.outLeft)) * this.outDepth;
  }
}

/** The first position of a filter, `from` + i · dilation, that lies at 0 or behind. */
@inline
export function firstWithin(from: i32, dilation: i32): i32 {
  return from >= 0 ? 0 : (dilation - 1 - from) / dilation;
}

/** One more than the last of `count` positions that lies before `size`. */
@inline
export function endWithin(from: i32, dilation: i32, count: i32, size: i32): i32 {
  return from >= size ? 0 : min(count, (size - from + dilation - 1) / dilation);
}

/** A value of f32 within its range; NaN stays one. */
@inline
export function clampF32(x: f32, least: f32, most: f32): f32 {
  return x < least ? least : x > most ? most : x;
}
