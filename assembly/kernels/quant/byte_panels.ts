/**
 * Many tokens × codes of up to seven bits, in the fast build. A panel is what a group of eight rows is unpacked into,
 * once for all tokens, up to 1,024 columns at a time, so that it stays in the first cache. Every format gives the same:
 *
 *     panel    ┌ block of 32 columns ┬ … ┐
 *       block  ┌ 8 × step ┬ scales: 2 × f32x4 a part ┬ minima (if there): as many ┐
 *         step of 4 columns   ┌ rows 0…3: i8x16 ┬ rows 4…7 ┐      a lane of four bytes is a row
 *
 * A part, of 32 columns or of 16, has a scale of its own. Steps have the columns that four bytes of activations have
 * (activations/eight.ts): 0 4 1 5, then 2 6 3 7, of each eight.
 *
 *     y[t][r] += Σ over parts, over digits:  float(Σ (q − offset)·a) · (dw · dx)   [ + m · s ]
 *
 * block after block, digit after digit, part after part, which are the bits of one token by itself (multiplyOne of
 * blocks32/multiply_bytes.ts and of blocks256/multiply_bytes.ts).
 *
 * Cost of 8 rows × 32 columns × 4 tokens, in quads: 64 dots, 16 loads of codes, 32 splats, 44 for scales and sums.
 */
import { DIGIT_BYTES, hasSecond } from "./activations/eight";
import { addDot } from "./byte_dots";
import { multiplyAdd } from "../float/fused";

/** Blocks of a panel at most: whole super-blocks. */
const PANEL_BLOCKS: u32 = 32;
/** Tokens that a panel serves at once: fewer are better off without it. */
export const TILE_TOKENS: u32 = 4;
/** Bytes of the codes of a block. */
const CODE_BYTES: usize = 256;
/** Bytes of a panel at most: of two parts with minima. */
export const PANEL_BYTES: usize = <usize>PANEL_BLOCKS * (CODE_BYTES + 128);

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** What the tiles need to know of a format: whether it has minima, and whether its parts are of 16 columns. */
@unmanaged
export class Plain {
  @inline get minimum(): bool { return false; }
  @inline get halves(): bool { return false; }
}
@unmanaged
export class Minimum {
  @inline get minimum(): bool { return true; }
  @inline get halves(): bool { return false; }
}
@unmanaged
export class Halves {
  @inline get minimum(): bool { return false; }
  @inline get halves(): bool { return true; }
}
@unmanaged
export class HalvesMinimum {
  @inline get minimum(): bool { return true; }
  @inline get halves(): bool { return true; }
}

/** Bytes of a block of a panel. */
@inline
export function panelStep<K>(): usize {
  const k = changetype<K>(0);
  const scales: usize = k.halves ? 64 : 32;
  return CODE_BYTES + (k.minimum ? 2 * scales : scales);
}

/** Where the scales of four rows of a part lie. */
@inline
export function scalePlace<K>(block: usize, part: usize, quad: usize): usize {
  return block + CODE_BYTES + (part << 5) + (quad << 4);
}

/** Where the minima lie: less than zero, so that they are added. */
@inline
export function minimumPlace<K>(block: usize, part: usize, quad: usize): usize {
  return scalePlace<K>(block, part, quad) + (changetype<K>(0).halves ? 64 : 32);
}

/** Sums of the even and of the odd columns of a part, i16 each, from a digit. */
@inline
export function pairSums(x: usize, halves: bool, part: usize): v128 {
  if (!halves) return v128.load32_splat(x, 8);
  const first = v128.load32_splat(x, 12);
  return part == 0 ? first : i16x8.sub(v128.load32_splat(x, 8), first);
}

/** What the sum of a part begins with: −start · Σ a, in i32 lanes or in i16 lanes; `start` i16x8 is below zero. */
@inline
function begin<D>(sums: v128, start: v128): v128 {
  return changetype<D>(0).whole ? i32x4.dot_i16x8_s(sums, start) : i16x8.mul(sums, start);
}

/** s: d · Σ a of a part. */
@inline
export function minimumFactor(x: usize, halves: bool, part: usize): v128 {
  if (!halves) return v128.load32_splat(x, 4);
  const sum = i32x4.dot_i16x8_s(pairSums(x, true, part), v128.load(ONES));
  return f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load32_splat(x));
}

/** y[0 … 3] + what a part of a digit adds; `given`: what is given back of the codes, i16x8. */
@inline
function addPart<K, D>(y: usize, sum: v128, w: v128, m: v128, dx: v128, x: usize, part: usize, given: v128): void {
  const k = changetype<K>(0);
  let dot = sum;
  if (!changetype<D>(0).whole) {
    dot = i32x4.dot_i16x8_s(sum, v128.load(ONES));
    if (k.minimum) dot = i32x4.add(dot, i32x4.dot_i16x8_s(pairSums(x, k.halves, part), given));
  }
  const acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(w, dx), v128.load(y));
  v128.store(y, k.minimum ? multiplyAdd(m, minimumFactor(x, k.halves, part), acc) : acc);
}

/** The eight outputs of a token at `y` + a part of its digit at `x`. */
@inline
function addParts<K, D>(block: usize, y: usize, a: v128, b: v128, x: usize, part: usize, given: v128): void {
  const minimum = changetype<K>(0).minimum;
  const dx = v128.load32_splat(x);
  const m0 = minimum ? v128.load(minimumPlace<K>(block, part, 0)) : dx;
  const m1 = minimum ? v128.load(minimumPlace<K>(block, part, 1)) : dx;
  addPart<K, D>(y, a, v128.load(scalePlace<K>(block, part, 0)), m0, dx, x, part, given);
  addPart<K, D>(y + 16, b, v128.load(scalePlace<K>(block, part, 1)), m1, dx, x, part, given);
}

/**
 * A panel × four tokens, on top of what the outputs are. `offset` is taken off each code as it is summed, and `back`
 * given back of it in i32, where i16 lanes would not hold the whole. The steps are written out, because a loop over
 * them costs a tenth. Where most tokens have a second digit all four are given one, for zeros add nothing; else each of
 * the few comes alone.
 */
function multiplyTile<K, D>(
  panel: usize, blocks: u32, x0: usize, stride: usize, second: usize, y0: usize, step: usize, offset: i32, back: i32,
): void {
  const start = i16x8.splat(<i16>-offset);
  const given = i16x8.splat(<i16>back);
  const halves = changetype<K>(0).halves;
  const last: usize = halves ? 1 : 0;
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  const y1 = y0 + step;
  const y2 = y1 + step;
  const y3 = y2 + step;
  for (; blocks > 0; blocks--) {
    for (let digit: usize = 0; ; digit = second) {
      const at0 = x0 + digit;
      const at1 = x1 + digit;
      const at2 = x2 + digit;
      const at3 = x3 + digit;
      let a0 = begin<D>(pairSums(at0, halves, 0), start);
      let a1 = begin<D>(pairSums(at1, halves, 0), start);
      let a2 = begin<D>(pairSums(at2, halves, 0), start);
      let a3 = begin<D>(pairSums(at3, halves, 0), start);
      let b0 = a0;
      let b1 = a1;
      let b2 = a2;
      let b3 = a3;
      let c0 = v128.load(panel);
      let c1 = v128.load(panel, 16);
      let v = v128.load32_splat(at0, 16);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 16);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 16);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 16);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 32);
      c1 = v128.load(panel, 48);
      v = v128.load32_splat(at0, 20);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 20);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 20);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 20);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 64);
      c1 = v128.load(panel, 80);
      v = v128.load32_splat(at0, 24);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 24);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 24);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 24);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 96);
      c1 = v128.load(panel, 112);
      v = v128.load32_splat(at0, 28);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 28);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 28);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 28);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      if (halves) {
        addParts<K, D>(panel, y0, a0, b0, at0, 0, given);
        addParts<K, D>(panel, y1, a1, b1, at1, 0, given);
        addParts<K, D>(panel, y2, a2, b2, at2, 0, given);
        addParts<K, D>(panel, y3, a3, b3, at3, 0, given);
        a0 = begin<D>(pairSums(at0, halves, 1), start);
        a1 = begin<D>(pairSums(at1, halves, 1), start);
        a2 = begin<D>(pairSums(at2, halves, 1), start);
        a3 = begin<D>(pairSums(at3, halves, 1), start);
        b0 = a0;
        b1 = a1;
        b2 = a2;
        b3 = a3;
      }
      c0 = v128.load(panel, 128);
      c1 = v128.load(panel, 144);
      v = v128.load32_splat(at0, 32);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 32);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 32);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 32);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 160);
      c1 = v128.load(panel, 176);
      v = v128.load32_splat(at0, 36);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 36);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 36);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 36);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 192);
      c1 = v128.load(panel, 208);
      v = v128.load32_splat(at0, 40);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 40);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 40);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 40);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      c0 = v128.load(panel, 224);
      c1 = v128.load(panel, 240);
      v = v128.load32_splat(at0, 44);
      a0 = addDot<D>(a0, v, c0);
      b0 = addDot<D>(b0, v, c1);
      v = v128.load32_splat(at1, 44);
      a1 = addDot<D>(a1, v, c0);
      b1 = addDot<D>(b1, v, c1);
      v = v128.load32_splat(at2, 44);
      a2 = addDot<D>(a2, v, c0);
      b2 = addDot<D>(b2, v, c1);
      v = v128.load32_splat(at3, 44);
      a3 = addDot<D>(a3, v, c0);
      b3 = addDot<D>(b3, v, c1);
      addParts<K, D>(panel, y0, a0, b0, at0, last, given);
      addParts<K, D>(panel, y1, a1, b1, at1, last, given);
      addParts<K, D>(panel, y2, a2, b2, at2, last, given);
      addParts<K, D>(panel, y3, a3, b3, at3, last, given);
      if (digit != 0) break;
      const one0 = hasSecond(x0);
      const one1 = hasSecond(x1);
      const one2 = hasSecond(x2);
      const one3 = hasSecond(x3);
      if (u32(one0) + u32(one1) + u32(one2) + u32(one3) > 2) continue;
      if (one0) addDigit<K, D>(panel, x0 + second, y0, offset, back);
      if (one1) addDigit<K, D>(panel, x1 + second, y1, offset, back);
      if (one2) addDigit<K, D>(panel, x2 + second, y2, offset, back);
      if (one3) addDigit<K, D>(panel, x3 + second, y3, offset, back);
      break;
    }
    x0 += DIGIT_BYTES;
    x1 += DIGIT_BYTES;
    x2 += DIGIT_BYTES;
    x3 += DIGIT_BYTES;
    panel += panelStep<K>();
  }
}

/** The eight outputs of each token, cleared: sums go on in them. */
@inline
function clearOutputs(y: usize, step: usize, tokens: u32): void {
  const zero = f32x4.splat(0);
  for (; tokens > 0; tokens--) {
    v128.store(y, zero);
    v128.store(y, zero, 16);
    y += step;
  }
}

/** What one digit of a block of one token adds to eight rows. */
function addDigit<K, D>(panel: usize, x: usize, y: usize, offset: i32, back: i32): void {
  const start = i16x8.splat(<i16>-offset);
  const given = i16x8.splat(<i16>back);
  const halves = changetype<K>(0).halves;
  const parts: usize = halves ? 2 : 1;
  const steps: usize = halves ? 16 : 32;
  let codes = panel;
  let at = x;
  for (let part: usize = 0; part < parts; part++) {
    let a = begin<D>(pairSums(x, halves, part), start);
    let b = a;
    for (const end = at + steps; at != end; at += 4) {
      const v = v128.load32_splat(at, 16);
      a = addDot<D>(a, v, v128.load(codes));
      b = addDot<D>(b, v, v128.load(codes, 16));
      codes += 32;
    }
    addParts<K, D>(panel, y, a, b, x, part, given);
  }
}

/**
 * A group of `blocks` × whole tiles of tokens; `U` unpacks some of its blocks and says where the next ones begin.
 * Strides in bytes, x in rows of digits; `offset` and `back` as in a tile.
 */
export function multiplyPanels<U, K, D>(
  group: usize, blocks: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize, second: usize,
  panel: usize, offset: i32, back: i32,
): void {
  clearOutputs(target, targetStride, tokens);
  while (blocks > 0) {
    const count = min(blocks, PANEL_BLOCKS);
    group = changetype<U>(0).unpack(group, count, panel);
    let a = x;
    let y = target;
    for (let t: u32 = 0; t < tokens; t += TILE_TOKENS) {
      multiplyTile<K, D>(panel, count, a, xStride, second, y, targetStride, offset, back);
      a += <usize>TILE_TOKENS * xStride;
      y += <usize>TILE_TOKENS * targetStride;
    }
    x += <usize>count * DIGIT_BYTES;
    blocks -= count;
  }
}
