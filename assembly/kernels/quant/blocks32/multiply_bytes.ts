/**
 * The quantised matmul of the fast build for formats with blocks of 32 columns, written once: codes of at most seven
 * bits by activations in bytes (activations/eight.ts), sixteen products an instruction of relaxed SIMD.
 *
 *     y[t][r] = Σ over blocks of 32 columns, over their digits:  float(Σ (q − offset)·a) · (dw · dx)   [ + m · s ]
 *
 * block after block and digit after digit, one f32 accumulator an output, the same for one token and for a tile: equal
 * bits on one host. The integer sums are exact: a pair of products fits in i16 (31 · 127 · 2), and so does the sum of a
 * lane, 16 columns less the offset, though it may wrap on its way. So hosts differ by whether a multiply-add rounds
 * once or twice, no more.
 *
 * The packed weights are those of the portable build. blocks32/format.ts lists what a format's tag says.
 *
 * Cost of 8 rows × 32 columns, one token, a digit: 16 dots, 16 adds, 8 splats and the codes.
 */
import { multiplyAdd } from "../../float/fused";
import { Quads, Pairs, addDot } from "../byte_dots";
import { DIGIT_BYTES, hasSecond, secondDigit } from "../activations/eight";

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
const SIXTEENS = memory.data<u16>([16, 16, 16, 16, 16, 16, 16, 16], 16);
// Minus the offset: 8, 16 and 12.
const STARTS = memory.data<i16>([
  -8, -8, -8, -8, -8, -8, -8, -8, -16, -16, -16, -16, -16, -16, -16, -16, -12, -12, -12, -12, -12, -12, -12, -12,
], 16);

/** What a sum begins with: −offset · Σ a in i32 lanes, −start · Σ a in i16 lanes. */
@inline
function begin<F, D>(x: usize): v128 {
  const f = changetype<F>(0);
  const whole = changetype<D>(0).whole;
  const start = whole ? f.offset : f.start;
  if (start == 0) return i32x4.splat(0);
  const sums = v128.load32_splat(x, 8);
  const factor = v128.load(STARTS + (start == 8 ? 0 : start == 16 ? 16 : 32));
  return whole ? i32x4.dot_i16x8_s(sums, factor) : i16x8.mul(sums, factor);
}

/** Lanes of a row added, as i32. */
@inline
function whole<F, D>(sum: v128, ones: v128, x: usize): v128 {
  const f = changetype<F>(0);
  if (changetype<D>(0).whole) return sum;
  let dot = i32x4.dot_i16x8_s(sum, ones);
  if (f.start != f.offset) dot = i32x4.add(dot, i32x4.dot_i16x8_s(v128.load32_splat(x, 8), v128.load(SIXTEENS)));
  return dot;
}

/** acc + float(dot) · (dw · dx) [ + m · s ] */
@inline
function scaled<F>(acc: v128, dot: v128, dw: v128, dx: v128, m: v128, x: usize): v128 {
  acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx), acc);
  return changetype<F>(0).minimum ? multiplyAdd(m, v128.load32_splat(x, 4), acc) : acc;
}

/** sum + a step of four rows: `low` meets columns 0 4 1 5, `high` meets 2 6 3 7. */
@inline
function addStep<F, D>(sum: v128, word: v128, fifths: v128, low: v128, high: v128): v128 {
  const f = changetype<F>(0);
  return addDot<D>(addDot<D>(sum, low, f.lowBytes(word, fifths)), high, f.highBytes(word, fifths));
}

/** How many groups of eight rows a pass over the activations takes. */
@unmanaged
class One {
  @inline get two(): bool { return false; }
}
@unmanaged
class Two {
  @inline get two(): bool { return true; }
}

/**
 * Eight rows × one token, or twice eight; `second`: from a block's first digit to its second. A block has none, one or
 * both. The steps are written out, because a loop over them costs a twentieth.
 */
function multiplyOne<F, D, G>(
  block: usize, other: usize, blocks: u32, x: usize, second: usize, target: usize, otherTarget: usize,
): void {
  const f = changetype<F>(0);
  const two = changetype<G>(0).two;
  let acc0 = f32x4.splat(0);
  let acc1 = acc0;
  let acc2 = acc0;
  let acc3 = acc0;
  for (; blocks > 0; blocks--) {
    const head = load<u32>(x);
    let a = x;
    while (head != 0) {
      let p = f.payload(block);
      let q = f.payload(other);
      let sum0 = begin<F, D>(a);
      let sum1 = sum0;
      let sum2 = sum0;
      let sum3 = sum0;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      let fifths2 = two ? f.high(other, 0) : fifths0;
      let fifths3 = two ? f.high(other, 1) : fifths1;

      let low = v128.load32_splat(a, 16);
      let high = v128.load32_splat(a, 20);
      sum0 = addStep<F, D>(sum0, f.word(p), fifths0, low, high);
      sum1 = addStep<F, D>(sum1, f.word(p + 16), fifths1, low, high);
      if (two) {
        sum2 = addStep<F, D>(sum2, f.word(q), fifths2, low, high);
        sum3 = addStep<F, D>(sum3, f.word(q + 16), fifths3, low, high);
        q += 32;
        fifths2 = f.nextHigh(fifths2);
        fifths3 = f.nextHigh(fifths3);
      }

      p += 32;
      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      low = v128.load32_splat(a, 24);
      high = v128.load32_splat(a, 28);
      sum0 = addStep<F, D>(sum0, f.word(p), fifths0, low, high);
      sum1 = addStep<F, D>(sum1, f.word(p + 16), fifths1, low, high);
      if (two) {
        sum2 = addStep<F, D>(sum2, f.word(q), fifths2, low, high);
        sum3 = addStep<F, D>(sum3, f.word(q + 16), fifths3, low, high);
        q += 32;
        fifths2 = f.nextHigh(fifths2);
        fifths3 = f.nextHigh(fifths3);
      }

      p += 32;
      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      low = v128.load32_splat(a, 32);
      high = v128.load32_splat(a, 36);
      sum0 = addStep<F, D>(sum0, f.word(p), fifths0, low, high);
      sum1 = addStep<F, D>(sum1, f.word(p + 16), fifths1, low, high);
      if (two) {
        sum2 = addStep<F, D>(sum2, f.word(q), fifths2, low, high);
        sum3 = addStep<F, D>(sum3, f.word(q + 16), fifths3, low, high);
        q += 32;
        fifths2 = f.nextHigh(fifths2);
        fifths3 = f.nextHigh(fifths3);
      }

      p += 32;
      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      low = v128.load32_splat(a, 40);
      high = v128.load32_splat(a, 44);
      sum0 = addStep<F, D>(sum0, f.word(p), fifths0, low, high);
      sum1 = addStep<F, D>(sum1, f.word(p + 16), fifths1, low, high);
      if (two) {
        sum2 = addStep<F, D>(sum2, f.word(q), fifths2, low, high);
        sum3 = addStep<F, D>(sum3, f.word(q + 16), fifths3, low, high);
      }

      const ones = v128.load(ONES);
      const dx = v128.load32_splat(a);
      acc0 = scaled<F>(acc0, whole<F, D>(sum0, ones, a), f.scale4(block, 0), dx, f.minimum4(block, 0), a);
      acc1 = scaled<F>(acc1, whole<F, D>(sum1, ones, a), f.scale4(block, 1), dx, f.minimum4(block, 1), a);
      if (two) {
        acc2 = scaled<F>(acc2, whole<F, D>(sum2, ones, a), f.scale4(other, 0), dx, f.minimum4(other, 0), a);
        acc3 = scaled<F>(acc3, whole<F, D>(sum3, ones, a), f.scale4(other, 1), dx, f.minimum4(other, 1), a);
      }
      if (a != x || (head & 1) == 0) break;
      a += second;
    }
    x += DIGIT_BYTES;
    block += f.blockBytes;
    if (two) other += f.blockBytes;
  }
  store8(target, acc0, acc1);
  if (two) store8(otherTarget, acc2, acc3);
}

/**
 * Eight rows × four tokens. The outputs are summed where they end up, which leaves the registers to the integers. Where
 * most tokens have a second digit all four are given one, for zeros add nothing; else each of the few comes alone. The
 * steps are written out here, too.
 */
function multiplyTile<F, D>(
  block: usize, blocks: u32, x0: usize, stride: usize, second: usize, target: usize, step: usize,
): void {
  const f = changetype<F>(0);
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  const y1 = target + step;
  const y2 = y1 + step;
  const y3 = y2 + step;
  const zero = f32x4.splat(0);
  store8(target, zero, zero);
  store8(y1, zero, zero);
  store8(y2, zero, zero);
  store8(y3, zero, zero);
  for (; blocks > 0; blocks--) {
    for (let digit: usize = 0; ; digit = second) {
      const at0 = x0 + digit;
      const at1 = x1 + digit;
      const at2 = x2 + digit;
      const at3 = x3 + digit;
      let a0 = begin<F, D>(at0);
      let a1 = begin<F, D>(at1);
      let a2 = begin<F, D>(at2);
      let a3 = begin<F, D>(at3);
      let b0 = a0;
      let b1 = a1;
      let b2 = a2;
      let b3 = a3;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      const p = f.payload(block);
      let w0 = f.word(p);
      let w1 = f.word(p + 16);
      let c0 = f.lowBytes(w0, fifths0);
      let c1 = f.lowBytes(w1, fifths1);
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
      c0 = f.highBytes(w0, fifths0);
      c1 = f.highBytes(w1, fifths1);
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

      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      w0 = f.word(p + 32);
      w1 = f.word(p + 48);
      c0 = f.lowBytes(w0, fifths0);
      c1 = f.lowBytes(w1, fifths1);
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
      c0 = f.highBytes(w0, fifths0);
      c1 = f.highBytes(w1, fifths1);
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

      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      w0 = f.word(p + 64);
      w1 = f.word(p + 80);
      c0 = f.lowBytes(w0, fifths0);
      c1 = f.lowBytes(w1, fifths1);
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
      c0 = f.highBytes(w0, fifths0);
      c1 = f.highBytes(w1, fifths1);
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

      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      w0 = f.word(p + 96);
      w1 = f.word(p + 112);
      c0 = f.lowBytes(w0, fifths0);
      c1 = f.lowBytes(w1, fifths1);
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
      c0 = f.highBytes(w0, fifths0);
      c1 = f.highBytes(w1, fifths1);
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

      const ones = v128.load(ONES);
      const dw0 = f.scale4(block, 0);
      const dw1 = f.scale4(block, 1);
      const m0 = f.minimum4(block, 0);
      const m1 = f.minimum4(block, 1);
      addBoth<F, D>(target, a0, b0, ones, dw0, dw1, m0, m1, at0);
      addBoth<F, D>(y1, a1, b1, ones, dw0, dw1, m0, m1, at1);
      addBoth<F, D>(y2, a2, b2, ones, dw0, dw1, m0, m1, at2);
      addBoth<F, D>(y3, a3, b3, ones, dw0, dw1, m0, m1, at3);
      if (digit != 0) break;
      const one0 = hasSecond(x0);
      const one1 = hasSecond(x1);
      const one2 = hasSecond(x2);
      const one3 = hasSecond(x3);
      if (u32(one0) + u32(one1) + u32(one2) + u32(one3) > 2) continue;
      if (one0) addDigit<F, D>(block, x0 + second, target);
      if (one1) addDigit<F, D>(block, x1 + second, y1);
      if (one2) addDigit<F, D>(block, x2 + second, y2);
      if (one3) addDigit<F, D>(block, x3 + second, y3);
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
function addDigit<F, D>(block: usize, x: usize, target: usize): void {
  const f = changetype<F>(0);
  let sum0 = begin<F, D>(x);
  let sum1 = sum0;
  let fifths0 = f.high(block, 0);
  let fifths1 = f.high(block, 1);
  let at = x;
  let p = f.payload(block);
  for (const end = p + 128; p != end; p += 32) {
    const w0 = f.word(p);
    const w1 = f.word(p + 16);
    let v = v128.load32_splat(at, 16);
    sum0 = addDot<D>(sum0, v, f.lowBytes(w0, fifths0));
    sum1 = addDot<D>(sum1, v, f.lowBytes(w1, fifths1));
    v = v128.load32_splat(at, 20);
    sum0 = addDot<D>(sum0, v, f.highBytes(w0, fifths0));
    sum1 = addDot<D>(sum1, v, f.highBytes(w1, fifths1));
    at += 8;
    fifths0 = f.nextHigh(fifths0);
    fifths1 = f.nextHigh(fifths1);
  }
  addBoth<F, D>(
    target, sum0, sum1, v128.load(ONES), f.scale4(block, 0), f.scale4(block, 1), f.minimum4(block, 0),
    f.minimum4(block, 1), x,
  );
}

@inline
function store8(target: usize, acc0: v128, acc1: v128): void {
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** Eight outputs += what a digit of one token adds. */
@inline
function addBoth<F, D>(
  target: usize, a: v128, b: v128, ones: v128, dw0: v128, dw1: v128, m0: v128, m1: v128, x: usize,
): void {
  const dx = v128.load32_splat(x);
  v128.store(target, scaled<F>(v128.load(target), whole<F, D>(a, ones, x), dw0, dx, m0, x));
  v128.store(target, scaled<F>(v128.load(target, 16), whole<F, D>(b, ones, x), dw1, dx, m1, x), 16);
}

/** A stream of fewer bytes ends before the machine's prefetching has gained anything. */
const STREAM: usize = 1 << 16;

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of digits.
 *
 * One token takes two groups at a time, which share its activations: of a long row those come from the second cache.
 * The first half of the groups goes along the second, so that both are streams which read on where they were; two
 * groups side by side would be two that leap, at half the speed.
 */
@inline
export function multiplyBytes<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  inQuads: bool,
): void {
  if (inQuads) multiplyWith<F, Quads>(group, groups, columns, x, xStride, tokens, target, targetStride);
  else multiplyWith<F, Pairs>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

function multiplyWith<F, D>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const second = secondDigit(columns);
  const groupBytes = <usize>blocks * f.blockBytes;
  const half = groups >> 1;
  const far = <usize>half * groupBytes;
  if (tokens == 1 && far >= STREAM) {
    const lower = (<usize>half) << 5;
    for (; groups > 1; groups -= 2) {
      multiplyOne<F, D, Two>(group, group + far, blocks, x, second, target, target + lower);
      group += groupBytes;
      target += 32;
    }
    group += far;
    target += lower;
  }
  for (; groups > 0; groups--) {
    let t: u32 = 0;
    let a = x;
    let y = target;
    for (; t + 4 <= tokens; t += 4) {
      multiplyTile<F, D>(group, blocks, a, xStride, second, y, targetStride);
      a += 4 * xStride;
      y += 4 * targetStride;
    }
    for (; t < tokens; t++) {
      multiplyOne<F, D, One>(group, 0, blocks, a, second, y, 0);
      a += xStride;
      y += targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
