/**
 * The quantised matmul of the fast build for formats with blocks of 32 columns, written once: codes of at most seven
 * bits by activations in bytes (kernels/quant/byte_activations.ts), sixteen products an instruction of relaxed SIMD.
 *
 *     y[t][r] = Σ over blocks of 32 columns, over their digits:  float(Σ (q − offset)·a) · (dw · dx)   [ + m · s ]
 *
 * block after block and digit after digit, one f32 accumulator an output, the same for one token and for a tile: equal
 * bits on one host. The integer sums are exact: a pair of products fits in i16 (31 · 127 · 2), and so does the sum of a
 * lane, 16 columns less the offset, though it may wrap on its way. So hosts differ by whether a multiply-add rounds
 * once or twice, no more.
 *
 * The packed weights are those of the portable build (kernels/quant/layout.ts). Beside the members that
 * kernels/quant/driver.ts lists, a format's tag has:
 *
 *     start            what is taken off each code within i16: the offset, or 16 where five bits have a minimum (which
 *                      is given back in i32)
 *     lowBytes(word, high)    the i8x16 of columns 0 4 1 5 of four rows of a step
 *     highBytes(word, high)   … of columns 2 6 3 7
 *
 * Cost of 8 rows × 32 columns, one token, a digit: 16 dots, 16 adds, 8 splats and the codes.
 *
 * May call: fused, byte_activations (kernels/quant).
 */
import { multiplyAdd } from "../fused";
import { DIGIT_BYTES, hasSecond, secondDigit } from "./byte_activations";

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
const SIXTEENS = memory.data<u16>([16, 16, 16, 16, 16, 16, 16, 16], 16);
// Minus the offset: 8, 16 and 12.
const STARTS = memory.data<i16>([
  -8, -8, -8, -8, -8, -8, -8, -8, -16, -16, -16, -16, -16, -16, -16, -16, -12, -12, -12, -12, -12, -12, -12, -12,
], 16);

/** What a sum of i16 lanes begins with: −start · Σ a. */
@inline
function begin<F>(x: usize): v128 {
  const f = changetype<F>(0);
  if (f.start == 0) return i32x4.splat(0);
  return i16x8.mul(v128.load32_splat(x, 8), v128.load(STARTS + (f.start == 8 ? 0 : f.start == 16 ? 16 : 32)));
}

/** sum + the products of four bytes of each row: the second operand has no sign. */
@inline
export function addDot(sum: v128, a: v128, codes: v128): v128 {
  return i16x8.add(sum, i16x8.relaxed_dot_i8x16_i7x16_s(a, codes));
}

/** Lanes of a row added, as i32. */
@inline
function whole<F>(sum: v128, x: usize): v128 {
  const f = changetype<F>(0);
  let dot = i32x4.dot_i16x8_s(sum, v128.load(ONES));
  if (f.start != f.offset) dot = i32x4.add(dot, i32x4.dot_i16x8_s(v128.load32_splat(x, 8), v128.load(SIXTEENS)));
  return dot;
}

/** acc + float(dot) · (dw · dx) [ + m · s ] */
@inline
function scaled<F>(acc: v128, dot: v128, dw: v128, m: v128, x: usize): v128 {
  acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, v128.load32_splat(x)), acc);
  return changetype<F>(0).minimum ? multiplyAdd(m, v128.load32_splat(x, 4), acc) : acc;
}

/**
 * Eight rows × one token; `second`: from a block's first digit to its second. The codes of a block are made once for
 * both digits.
 */
function multiplyOne<F>(block: usize, blocks: u32, x: usize, second: usize, target: usize): void {
  const f = changetype<F>(0);
  let acc0 = f32x4.splat(0);
  let acc1 = acc0;
  for (; blocks > 0; blocks--) {
    const head = load<u32>(x);
    if (head & 1) {
      const y = x + second;
      let sum0 = begin<F>(x);
      let sum1 = sum0;
      let rest0 = begin<F>(y);
      let rest1 = rest0;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      let at: usize = 16;
      let p = f.payload(block);
      for (const end = p + 128; p != end; p += 32) {
        const w0 = f.word(p);
        const w1 = f.word(p + 16);
        const low0 = f.lowBytes(w0, fifths0);
        const low1 = f.lowBytes(w1, fifths1);
        let v = v128.load32_splat(x + at);
        sum0 = addDot(sum0, v, low0);
        sum1 = addDot(sum1, v, low1);
        v = v128.load32_splat(y + at);
        rest0 = addDot(rest0, v, low0);
        rest1 = addDot(rest1, v, low1);
        const high0 = f.highBytes(w0, fifths0);
        const high1 = f.highBytes(w1, fifths1);
        v = v128.load32_splat(x + at, 4);
        sum0 = addDot(sum0, v, high0);
        sum1 = addDot(sum1, v, high1);
        v = v128.load32_splat(y + at, 4);
        rest0 = addDot(rest0, v, high0);
        rest1 = addDot(rest1, v, high1);
        at += 8;
        fifths0 = f.nextHigh(fifths0);
        fifths1 = f.nextHigh(fifths1);
      }
      const dw0 = f.scale4(block, 0);
      const dw1 = f.scale4(block, 1);
      const m0 = f.minimum4(block, 0);
      const m1 = f.minimum4(block, 1);
      acc0 = scaled<F>(acc0, whole<F>(sum0, x), dw0, m0, x);
      acc0 = scaled<F>(acc0, whole<F>(rest0, y), dw0, m0, y);
      acc1 = scaled<F>(acc1, whole<F>(sum1, x), dw1, m1, x);
      acc1 = scaled<F>(acc1, whole<F>(rest1, y), dw1, m1, y);
    } else if (head != 0) {
      let sum0 = begin<F>(x);
      let sum1 = sum0;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      let at = x;
      let p = f.payload(block);
      for (const end = p + 128; p != end; p += 32) {
        const w0 = f.word(p);
        const w1 = f.word(p + 16);
        let v = v128.load32_splat(at, 16);
        sum0 = addDot(sum0, v, f.lowBytes(w0, fifths0));
        sum1 = addDot(sum1, v, f.lowBytes(w1, fifths1));
        v = v128.load32_splat(at, 20);
        sum0 = addDot(sum0, v, f.highBytes(w0, fifths0));
        sum1 = addDot(sum1, v, f.highBytes(w1, fifths1));
        at += 8;
        fifths0 = f.nextHigh(fifths0);
        fifths1 = f.nextHigh(fifths1);
      }
      acc0 = scaled<F>(acc0, whole<F>(sum0, x), f.scale4(block, 0), f.minimum4(block, 0), x);
      acc1 = scaled<F>(acc1, whole<F>(sum1, x), f.scale4(block, 1), f.minimum4(block, 1), x);
    }
    x += DIGIT_BYTES;
    block += f.blockBytes;
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/**
 * Eight rows × four tokens. The outputs are summed where they end up, which leaves the registers to the integers. Where
 * most tokens have a second digit all four are given one, for zeros add nothing; else each of the few comes alone.
 */
function multiplyTile<F>(
  block: usize,
  blocks: u32,
  x0: usize,
  stride: usize,
  second: usize,
  target: usize,
  step: usize,
): void {
  const f = changetype<F>(0);
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  const y1 = target + step;
  const y2 = y1 + step;
  const y3 = y2 + step;
  clear(target);
  clear(y1);
  clear(y2);
  clear(y3);
  for (; blocks > 0; blocks--) {
    for (let digit: usize = 0; ; digit = second) {
      let at0 = x0 + digit;
      let at1 = x1 + digit;
      let at2 = x2 + digit;
      let at3 = x3 + digit;
      let a0 = begin<F>(at0);
      let a1 = begin<F>(at1);
      let a2 = begin<F>(at2);
      let a3 = begin<F>(at3);
      let b0 = a0;
      let b1 = a1;
      let b2 = a2;
      let b3 = a3;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      let p = f.payload(block);
      for (const end = p + 128; p != end; p += 32) {
        const w0 = f.word(p);
        const w1 = f.word(p + 16);
        const low0 = f.lowBytes(w0, fifths0);
        const low1 = f.lowBytes(w1, fifths1);
        let v = v128.load32_splat(at0, 16);
        a0 = addDot(a0, v, low0);
        b0 = addDot(b0, v, low1);
        v = v128.load32_splat(at1, 16);
        a1 = addDot(a1, v, low0);
        b1 = addDot(b1, v, low1);
        v = v128.load32_splat(at2, 16);
        a2 = addDot(a2, v, low0);
        b2 = addDot(b2, v, low1);
        v = v128.load32_splat(at3, 16);
        a3 = addDot(a3, v, low0);
        b3 = addDot(b3, v, low1);
        const high0 = f.highBytes(w0, fifths0);
        const high1 = f.highBytes(w1, fifths1);
        v = v128.load32_splat(at0, 20);
        a0 = addDot(a0, v, high0);
        b0 = addDot(b0, v, high1);
        v = v128.load32_splat(at1, 20);
        a1 = addDot(a1, v, high0);
        b1 = addDot(b1, v, high1);
        v = v128.load32_splat(at2, 20);
        a2 = addDot(a2, v, high0);
        b2 = addDot(b2, v, high1);
        v = v128.load32_splat(at3, 20);
        a3 = addDot(a3, v, high0);
        b3 = addDot(b3, v, high1);
        at0 += 8;
        at1 += 8;
        at2 += 8;
        at3 += 8;
        fifths0 = f.nextHigh(fifths0);
        fifths1 = f.nextHigh(fifths1);
      }
      let dw = f.scale4(block, 0);
      let m = f.minimum4(block, 0);
      addTo<F>(target, a0, dw, m, x0 + digit);
      addTo<F>(y1, a1, dw, m, x1 + digit);
      addTo<F>(y2, a2, dw, m, x2 + digit);
      addTo<F>(y3, a3, dw, m, x3 + digit);
      dw = f.scale4(block, 1);
      m = f.minimum4(block, 1);
      addTo<F>(target + 16, b0, dw, m, x0 + digit);
      addTo<F>(y1 + 16, b1, dw, m, x1 + digit);
      addTo<F>(y2 + 16, b2, dw, m, x2 + digit);
      addTo<F>(y3 + 16, b3, dw, m, x3 + digit);
      if (digit != 0) break;
      const one0 = hasSecond(x0);
      const one1 = hasSecond(x1);
      const one2 = hasSecond(x2);
      const one3 = hasSecond(x3);
      if (u32(one0) + u32(one1) + u32(one2) + u32(one3) > 2) continue;
      if (one0) addDigit<F>(block, x0 + second, target);
      if (one1) addDigit<F>(block, x1 + second, y1);
      if (one2) addDigit<F>(block, x2 + second, y2);
      if (one3) addDigit<F>(block, x3 + second, y3);
      break;
    }
    x0 += DIGIT_BYTES;
    x1 += DIGIT_BYTES;
    x2 += DIGIT_BYTES;
    x3 += DIGIT_BYTES;
    block += f.blockBytes;
  }
}

/** What one digit of a block of one token adds to eight rows. */
function addDigit<F>(block: usize, x: usize, target: usize): void {
  const f = changetype<F>(0);
  let sum0 = begin<F>(x);
  let sum1 = sum0;
  let fifths0 = f.high(block, 0);
  let fifths1 = f.high(block, 1);
  let at = x;
  let p = f.payload(block);
  for (const end = p + 128; p != end; p += 32) {
    const w0 = f.word(p);
    const w1 = f.word(p + 16);
    let v = v128.load32_splat(at, 16);
    sum0 = addDot(sum0, v, f.lowBytes(w0, fifths0));
    sum1 = addDot(sum1, v, f.lowBytes(w1, fifths1));
    v = v128.load32_splat(at, 20);
    sum0 = addDot(sum0, v, f.highBytes(w0, fifths0));
    sum1 = addDot(sum1, v, f.highBytes(w1, fifths1));
    at += 8;
    fifths0 = f.nextHigh(fifths0);
    fifths1 = f.nextHigh(fifths1);
  }
  addTo<F>(target, sum0, f.scale4(block, 0), f.minimum4(block, 0), x);
  addTo<F>(target + 16, sum1, f.scale4(block, 1), f.minimum4(block, 1), x);
}

@inline
function clear(target: usize): void {
  const zero = f32x4.splat(0);
  v128.store(target, zero);
  v128.store(target, zero, 16);
}

@inline
function addTo<F>(target: usize, sum: v128, dw: v128, m: v128, x: usize): void {
  v128.store(target, scaled<F>(v128.load(target), whole<F>(sum, x), dw, m, x));
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of digits. */
@inline
export function multiplyBytes<F>(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const second = secondDigit(columns);
  const groupBytes = <usize>blocks * f.blockBytes;
  for (; groups > 0; groups--) {
    let t: u32 = 0;
    let a = x;
    let y = target;
    for (; t + 4 <= tokens; t += 4) {
      multiplyTile<F>(group, blocks, a, xStride, second, y, targetStride);
      a += 4 * xStride;
      y += 4 * targetStride;
    }
    for (; t < tokens; t++) {
      multiplyOne<F>(group, blocks, a, second, y);
      a += xStride;
      y += targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
