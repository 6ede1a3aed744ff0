/**
 * The quantised matmul of the fast build for formats with blocks of 32 columns, written once: codes of at most seven
 * bits by activations in bytes (activations/eight.ts), sixteen products an instruction of relaxed SIMD.
 *
 *     y[t][r] = Σ over blocks of 32 columns, over their digits:  float(Σ (q − offset)·a) · (dw · dx)   [ + m · s ]
 *
 * block after block and digit after digit, one f32 accumulator an output, the same for one token and for a tile
 * (byte_panels.ts): equal bits on one host. The integer sums are exact: a pair of products fits in i16 (31 · 127 · 2),
 * and so does the sum of a lane, 16 columns less the offset, though it may wrap on its way; i32 holds all of them
 * (byte_dots.ts). So hosts differ by whether a multiply-add rounds once or twice, no more.
 *
 * The packed weights are those of the portable build. blocks32/format.ts lists what a format's tag says.
 *
 * Cost of 8 rows × 32 columns, one token, a digit: 16 dots, 16 adds, 8 splats and the codes.
 */
import { multiplyAdd } from "../../float/fused";
import { Quads, Pairs, addDot } from "../byte_dots";
import { DIGIT_BYTES, hasSecond, minusSums, secondDigit } from "../activations/eight";
import { Four, Three, Two as TwoTokens, clearOutputs, tileTokens } from "../dots";
import { Minimum, Plain, minimumPlace, multiplyPanels, panelStep, scalePlace } from "../byte_panels";

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
  if (whole) return v128.load32_splat(x + minusSums(start));
  return i16x8.mul(v128.load32_splat(x, 8), v128.load(STARTS + (start == 8 ? 0 : start == 16 ? 16 : 32)));
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

      let low = v128.load32_splat(a, 32);
      let high = v128.load32_splat(a, 36);
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
        q += 32;
        fifths2 = f.nextHigh(fifths2);
        fifths3 = f.nextHigh(fifths3);
      }

      p += 32;
      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
      low = v128.load32_splat(a, 48);
      high = v128.load32_splat(a, 52);
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
      low = v128.load32_splat(a, 56);
      high = v128.load32_splat(a, 60);
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

@inline
function store8(target: usize, acc0: v128, acc1: v128): void {
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** The eight outputs at `y` + the sums of a digit at `x`. */
@inline
function addDigitSums<F, D>(y: usize, a: v128, b: v128, d0: v128, d1: v128, m0: v128, m1: v128, x: usize): void {
  const ones = v128.load(ONES);
  const dx = v128.load32_splat(x);
  v128.store(y, scaled<F>(v128.load(y), whole<F, D>(a, ones, x), d0, dx, m0, x));
  v128.store(y, scaled<F>(v128.load(y, 16), whole<F, D>(b, ones, x), d1, dx, m1, x), 16);
}

/** The eight outputs of one token at `y` + its digit of a block. */
function addDigit<F, D>(block: usize, x: usize, y: usize): void {
  const f = changetype<F>(0);
  let a = begin<F, D>(x);
  let b = a;
  let fifths0 = f.high(block, 0);
  let fifths1 = f.high(block, 1);
  let p = f.payload(block);
  for (let at = x, end = x + 32; at != end; at += 8) {
    const low = v128.load32_splat(at, 32);
    const high = v128.load32_splat(at, 36);
    a = addStep<F, D>(a, f.word(p), fifths0, low, high);
    b = addStep<F, D>(b, f.word(p + 16), fifths1, low, high);
    p += 32;
    fifths0 = f.nextHigh(fifths0);
    fifths1 = f.nextHigh(fifths1);
  }
  addDigitSums<F, D>(y, a, b, f.scale4(block, 0), f.scale4(block, 1), f.minimum4(block, 0), f.minimum4(block, 1), x);
}

/**
 * Eight rows × two to four tokens, on top of what the outputs are: codes are made once. What has a second digit gets it
 * by itself.
 */
function multiplyFew<F, D, N>(
  block: usize, blocks: u32, x0: usize, stride: usize, second: usize, y0: usize, step: usize,
): void {
  const f = changetype<F>(0);
  const n = changetype<N>(0);
  const y1 = y0 + step;
  const y2 = y1 + step;
  const y3 = y2 + step;
  for (; blocks > 0; blocks--) {
    const x1 = x0 + stride;
    const x2 = x1 + stride;
    const x3 = x2 + stride;
    let a0 = begin<F, D>(x0);
    let a1 = begin<F, D>(x1);
    let a2 = n.three ? begin<F, D>(x2) : a0;
    let a3 = n.four ? begin<F, D>(x3) : a0;
    let b0 = a0;
    let b1 = a1;
    let b2 = a2;
    let b3 = a3;
    let fifths0 = f.high(block, 0);
    let fifths1 = f.high(block, 1);
    let p = f.payload(block);
    for (let at = x0, end = x0 + 32; at != end; at += 8) {
      const at1 = at + stride;
      const at2 = at1 + stride;
      const at3 = at2 + stride;
      const word0 = f.word(p);
      const word1 = f.word(p + 16);
      let c = f.lowBytes(word0, fifths0);
      let z = f.lowBytes(word1, fifths1);
      let v = v128.load32_splat(at, 32);
      a0 = addDot<D>(a0, v, c);
      b0 = addDot<D>(b0, v, z);
      v = v128.load32_splat(at1, 32);
      a1 = addDot<D>(a1, v, c);
      b1 = addDot<D>(b1, v, z);
      if (n.three) {
        v = v128.load32_splat(at2, 32);
        a2 = addDot<D>(a2, v, c);
        b2 = addDot<D>(b2, v, z);
      }
      if (n.four) {
        v = v128.load32_splat(at3, 32);
        a3 = addDot<D>(a3, v, c);
        b3 = addDot<D>(b3, v, z);
      }
      c = f.highBytes(word0, fifths0);
      z = f.highBytes(word1, fifths1);
      v = v128.load32_splat(at, 36);
      a0 = addDot<D>(a0, v, c);
      b0 = addDot<D>(b0, v, z);
      v = v128.load32_splat(at1, 36);
      a1 = addDot<D>(a1, v, c);
      b1 = addDot<D>(b1, v, z);
      if (n.three) {
        v = v128.load32_splat(at2, 36);
        a2 = addDot<D>(a2, v, c);
        b2 = addDot<D>(b2, v, z);
      }
      if (n.four) {
        v = v128.load32_splat(at3, 36);
        a3 = addDot<D>(a3, v, c);
        b3 = addDot<D>(b3, v, z);
      }
      p += 32;
      fifths0 = f.nextHigh(fifths0);
      fifths1 = f.nextHigh(fifths1);
    }
    const d0 = f.scale4(block, 0);
    const d1 = f.scale4(block, 1);
    const m0 = f.minimum4(block, 0);
    const m1 = f.minimum4(block, 1);
    addDigitSums<F, D>(y0, a0, b0, d0, d1, m0, m1, x0);
    addDigitSums<F, D>(y1, a1, b1, d0, d1, m0, m1, x1);
    if (n.three) addDigitSums<F, D>(y2, a2, b2, d0, d1, m0, m1, x2);
    if (n.four) addDigitSums<F, D>(y3, a3, b3, d0, d1, m0, m1, x3);
    if (hasSecond(x0)) addDigit<F, D>(block, x0 + second, y0);
    if (hasSecond(x1)) addDigit<F, D>(block, x1 + second, y1);
    if (n.three && hasSecond(x2)) addDigit<F, D>(block, x2 + second, y2);
    if (n.four && hasSecond(x3)) addDigit<F, D>(block, x3 + second, y3);
    x0 += DIGIT_BYTES;
    block += f.blockBytes;
  }
}

/** How blocks are unpacked into a panel. */
@unmanaged
class Unpacked<F, K> {
  @inline bytesOf(blocks: u32): usize { return <usize>blocks * changetype<F>(0).blockBytes; }

  unpack(block: usize, blocks: u32, panel: usize): usize {
    const f = changetype<F>(0);
    for (; blocks > 0; blocks--) {
      let to = panel;
      let fifths0 = f.high(block, 0);
      let fifths1 = f.high(block, 1);
      let p = f.payload(block);
      for (const end = p + 128; p != end; p += 32) {
        const w0 = f.word(p);
        const w1 = f.word(p + 16);
        v128.store(to, f.lowBytes(w0, fifths0));
        v128.store(to, f.lowBytes(w1, fifths1), 16);
        v128.store(to, f.highBytes(w0, fifths0), 32);
        v128.store(to, f.highBytes(w1, fifths1), 48);
        to += 64;
        fifths0 = f.nextHigh(fifths0);
        fifths1 = f.nextHigh(fifths1);
      }
      v128.store(scalePlace<K>(panel, 0, 0), f.scale4(block, 0));
      v128.store(scalePlace<K>(panel, 0, 1), f.scale4(block, 1));
      if (f.minimum) {
        v128.store(minimumPlace<K>(panel, 0, 0), f.minimum4(block, 0));
        v128.store(minimumPlace<K>(panel, 0, 1), f.minimum4(block, 1));
      }
      block += f.blockBytes;
      panel += panelStep<K>();
    }
    return block;
  }
}

/** Groups × tokens, by way of panels. */
@inline
function multiplyTiled<F, K, D>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  work: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const first = changetype<D>(0).whole ? f.offset : f.start;
  multiplyPanels<Unpacked<F, K>, K, D>(
    group, groups, <usize>blocks * f.blockBytes, blocks, x, xStride, tokens, target, targetStride, secondDigit(columns),
    work, first, first - f.offset,
  );
}

/** From so many tokens on a panel pays: fewer share codes in registers, the longer the quicker codes are made. */
const PANEL_TOKENS: u32 = 24;
const FIFTH_PANEL_TOKENS: u32 = 8;

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
  work: usize, inQuads: bool,
): void {
  if (inQuads) multiplyWith<F, Quads>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
  else multiplyWith<F, Pairs>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
}

function multiplyWith<F, D>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  work: usize,
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
  if (tokens >= (isDefined(f.fileFifthBits) ? FIFTH_PANEL_TOKENS : PANEL_TOKENS)) {
    if (f.minimum) multiplyTiled<F, Minimum, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
    else multiplyTiled<F, Plain, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
    return;
  }
  for (; groups > 0; groups--) {
    let a = x;
    let y = target;
    let left = tokens;
    if (left > 1) clearOutputs(y, targetStride, left);
    while (left > 0) {
      const count = tileTokens(left);
      if (count == 1) multiplyOne<F, D, One>(group, 0, blocks, a, second, y, 0);
      else if (count == 2) multiplyFew<F, D, TwoTokens>(group, blocks, a, xStride, second, y, targetStride);
      else if (count == 3) multiplyFew<F, D, Three>(group, blocks, a, xStride, second, y, targetStride);
      else multiplyFew<F, D, Four>(group, blocks, a, xStride, second, y, targetStride);
      left -= count;
      a += <usize>count * xStride;
      y += <usize>count * targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
