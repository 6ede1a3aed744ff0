/** Average and maximum of what lies under a window, i8 and f32: only pixels inside the image count. */
import { Sliding, clampF32, firstWithin, endWithin } from "./sliding";

/** Rows begin … end − 1 of the output. An average of i8 is rounded half away from zero; nothing is rescaled. */
export function pool<T>(s: Sliding, isMaximum: bool, begin: i32, end: i32): void {
  for (let y = begin; y < end; y++) {
    const top = y * s.strideY - s.padTop;
    const firstY = firstWithin(top, 1);
    const endY = endWithin(top, 1, s.filterHeight, s.height);
    for (let x = s.outLeft, last = x + s.outColumns; x < last; x++) {
      const left = x * s.strideX - s.padLeft;
      const firstX = firstWithin(left, 1);
      const endX = endWithin(left, 1, s.filterWidth, s.width);
      const target = s.target + (s.outputAt(y, x) << alignof<T>());
      const rows = max(endY - firstY, 0), columns = max(endX - firstX, 0);
      const from = rows * columns > 0 ? s.source + (s.inputAt(top + firstY, left + firstX) << alignof<T>()) : s.source;
      for (let c: usize = 0; c < <usize>s.depth; c++) {
        const at = from + (c << alignof<T>());
        const out = target + (c << alignof<T>());
        if (isFloat<T>()) store<f32>(out, clampF32(poolF32(s, isMaximum, at, rows, columns), s.least, s.most));
        else store<i8>(out, <i8>min(max(poolI8(s, isMaximum, at, rows, columns), s.low), s.high));
      }
    }
  }
}

@inline
function poolI8(s: Sliding, isMaximum: bool, at: usize, rows: i32, columns: i32): i32 {
  let sum: i32 = 0;
  let most: i32 = -128;
  for (let i = 0; i < rows; i++) {
    const line = at + <usize>i * s.columns * s.depth;
    for (let j = 0; j < columns; j++) {
      const value = <i32>load<i8>(line + <usize>j * s.depth);
      sum += value;
      most = max(most, value);
    }
  }
  if (isMaximum) return most;
  const count = rows * columns;
  if (count == 0) return 0;
  return sum > 0 ? (sum + count / 2) / count : -((count / 2 - sum) / count);
}

@inline
function poolF32(s: Sliding, isMaximum: bool, at: usize, rows: i32, columns: i32): f32 {
  let sum: f32 = 0;
  let most: f32 = -Infinity;
  for (let i = 0; i < rows; i++) {
    const line = at + ((<usize>i * s.columns * s.depth) << 2);
    for (let j = 0; j < columns; j++) {
      const value = load<f32>(line + ((<usize>j * s.depth) << 2));
      sum += value;
      if (value > most) most = value;
    }
  }
  const count = rows * columns;
  return isMaximum ? most : count == 0 ? 0 : sum / <f32>count;
}
