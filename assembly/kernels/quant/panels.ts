/**
 * Several tokens × the integers of super-blocks. A panel is what a group of eight rows is unpacked into, once for all
 * tokens, 512 columns at a time, so that it stays in the first cache: sub-scales are dear, and there is one driver for
 * all formats.
 *
 *     panel    ┌ unit of 32 columns ┬ … ┐         a part is 32 columns, or 16
 *       unit   ┌ part: its pairs of columns ┬ dw 2 × f32x4 ┬ m 2 × f32x4, if there ┬ the second part, if there ┐
 *         pair   ┌ rows 0…3: i16x8 ┬ rows 4…7 ┐         an i32 lane is a row: column 2 p, column 2 p + 1
 *
 *     y[t][r] += Σ over parts:  float(Σ q·a − offset·Σ a) · (dw · dx)   [ + (m · dx) · float(Σ a) ]      m below zero
 *
 * part after part, which are the bits of one token by itself (multiplyOne of blocks256/multiply.ts).
 *
 * Cost of 8 rows × 32 columns: a token 32 dots, 32 sums, 16 splats that are loads, 8 to 14 for scales; a tile of one to
 * four tokens 32 loads; once the planes, sub-scales and 32 stores, which take as long as a token by itself.
 */
import { ACTIVATION_BLOCK_BYTES } from "./activations/sixteen";
import { Four, One, Three, Two, addPair, tileTokens } from "./dots";

/** Units of a panel at most: whole super-blocks. */
export const PANEL_UNITS: u32 = 16;
/** Bytes of a panel at most: of two parts with minima. */
export const PANEL_BYTES: usize = <usize>PANEL_UNITS * (512 + 128);

/** What a sum begins with: −offset · Σ a. */
@inline
function begin(sum: usize, start: v128): v128 {
  return i32x4.mul(v128.load32_splat(sum), start);
}

/** acc + what a part adds to four outputs, its scales at `p`; minima lie behind the scales. */
@inline
function scaled(acc: v128, dot: v128, p: usize, minimum: bool, dx: v128, sum: v128): v128 {
  acc = f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(dot), f32x4.mul(v128.load(p), dx)));
  return minimum ? f32x4.add(acc, f32x4.mul(f32x4.mul(v128.load(p, 32), dx), sum)) : acc;
}

/** The eight outputs of a token at `y` + a part, whose Σ a is at `sum`. */
@inline
function addPart(y: usize, a: v128, b: v128, p: usize, minimum: bool, x: usize, sum: usize): void {
  const dx = v128.load32_splat(x);
  if (minimum) {
    const s = f32x4.convert_i32x4_s(v128.load32_splat(sum));
    v128.store(y, scaled(v128.load(y), a, p, true, dx, s));
    v128.store(y, scaled(v128.load(y, 16), b, p + 16, true, dx, s), 16);
  } else {
    v128.store(y, scaled(v128.load(y), a, p, false, dx, dx));
    v128.store(y, scaled(v128.load(y, 16), b, p + 16, false, dx, dx), 16);
  }
}

/** A panel × a few tokens, on top of what the outputs are. Strides in bytes. */
@inline
function multiplyTile<N>(
  p: usize, units: u32, parts: u32, minimum: bool, offset: i32, x0: usize, stride: usize, y0: usize, step: usize,
): void {
  const n = changetype<N>(0);
  const y1 = y0 + step;
  const y2 = y1 + step;
  const y3 = y2 + step;
  const start = i32x4.splat(-offset);
  const partBytes: usize = parts == 2 ? 32 : 64;
  for (; units > 0; units--) {
    let at = x0;
    const x1 = x0 + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    for (let part: u32 = 0; part < parts; part++) {
      const sum = parts == 2 ? x0 + 8 + ((<usize>part) << 2) : x0 + 4;
      let a0 = begin(sum, start);
      let a1 = n.two ? begin(sum + stride, start) : a0;
      let a2 = n.three ? begin(sum + 2 * stride, start) : a0;
      let a3 = n.four ? begin(sum + 3 * stride, start) : a0;
      let b0 = a0;
      let b1 = a1;
      let b2 = a2;
      let b3 = a3;
      for (const end = at + partBytes; at != end; at += 16) {
        const at1 = at + stride;
        const at2 = at1 + stride;
        const at3 = at2 + stride;
        let w = v128.load(p);
        let z = v128.load(p, 16);
        let v = v128.load32_splat(at, 16);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        if (n.two) {
          v = v128.load32_splat(at1, 16);
          a1 = addPair(a1, w, v);
          b1 = addPair(b1, z, v);
        }
        if (n.three) {
          v = v128.load32_splat(at2, 16);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 16);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = v128.load(p, 32);
        z = v128.load(p, 48);
        v = v128.load32_splat(at, 20);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        if (n.two) {
          v = v128.load32_splat(at1, 20);
          a1 = addPair(a1, w, v);
          b1 = addPair(b1, z, v);
        }
        if (n.three) {
          v = v128.load32_splat(at2, 20);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 20);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = v128.load(p, 64);
        z = v128.load(p, 80);
        v = v128.load32_splat(at, 24);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        if (n.two) {
          v = v128.load32_splat(at1, 24);
          a1 = addPair(a1, w, v);
          b1 = addPair(b1, z, v);
        }
        if (n.three) {
          v = v128.load32_splat(at2, 24);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 24);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = v128.load(p, 96);
        z = v128.load(p, 112);
        v = v128.load32_splat(at, 28);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        if (n.two) {
          v = v128.load32_splat(at1, 28);
          a1 = addPair(a1, w, v);
          b1 = addPair(b1, z, v);
        }
        if (n.three) {
          v = v128.load32_splat(at2, 28);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 28);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        p += 128;
      }
      addPart(y0, a0, b0, p, minimum, x0, sum);
      if (n.two) addPart(y1, a1, b1, p, minimum, x1, sum + stride);
      if (n.three) addPart(y2, a2, b2, p, minimum, x2, sum + 2 * stride);
      if (n.four) addPart(y3, a3, b3, p, minimum, x3, sum + 3 * stride);
      p += minimum ? 64 : 32;
    }
    x0 += ACTIVATION_BLOCK_BYTES;
  }
}

/** A panel of `units` × all tokens, on top of what the outputs are. Strides in bytes, x in Q16 rows. */
export function multiplyPanel(
  panel: usize, units: u32, parts: u32, minimum: bool, offset: i32, x: usize, xStride: usize, tokens: u32, y: usize,
  step: usize,
): void {
  while (tokens > 0) {
    const count = tileTokens(tokens);
    call_indirect<void>(tileOf(count), panel, units, parts, minimum, offset, x, xStride, y, step);
    tokens -= count;
    x += <usize>count * xStride;
    y += <usize>count * step;
  }
}

/** Called by their index, because the optimiser would put them into one function that has too few registers. */
@inline
function tileOf(tokens: u32): u32 {
  switch (tokens) {
    case 1: return tile1.index;
    case 2: return tile2.index;
    case 3: return tile3.index;
    default: return tile4.index;
  }
}

function tile1(
  p: usize, units: u32, parts: u32, minimum: bool, offset: i32, x: usize, stride: usize, y: usize, step: usize,
): void {
  multiplyTile<One>(p, units, parts, minimum, offset, x, stride, y, step);
}

function tile2(
  p: usize, units: u32, parts: u32, minimum: bool, offset: i32, x: usize, stride: usize, y: usize, step: usize,
): void {
  multiplyTile<Two>(p, units, parts, minimum, offset, x, stride, y, step);
}

function tile3(
  p: usize, units: u32, parts: u32, minimum: bool, offset: i32, x: usize, stride: usize, y: usize, step: usize,
): void {
  multiplyTile<Three>(p, units, parts, minimum, offset, x, stride, y, step);
}

function tile4(
  p: usize, units: u32, parts: u32, minimum: bool, offset: i32, x: usize, stride: usize, y: usize, step: usize,
): void {
  multiplyTile<Four>(p, units, parts, minimum, offset, x, stride, y, step);
}
