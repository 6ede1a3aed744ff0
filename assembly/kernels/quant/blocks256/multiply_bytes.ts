/**
 * The quantised matmul of the fast build for super-blocks of 256 columns: blocks32/multiply_bytes.ts with the blocks
 * and tags of blocks256/format.ts.
 *
 *     y[t][r] = Σ over parts, over digits:  float(sub-scale · Σ (q − offset)·a) · (d · dx)   [ − m · s ]
 *       m = dmin · sub-minimum, s = dx · Σ a of the part
 *
 * block after block, digit after digit, part after part, one f32 accumulator an output, the same for one token and for
 * a tile. A part of 32 columns whose five bits have a minimum takes 16 off each code within i16 and gives it back in
 * i32.
 *
 * Cost of 8 rows × 32 columns, one token, a digit: 16 dots, 16 adds, the codes and some 40 for sub-scales.
 */
import { multiplyAdd } from "../../float/fused";
import { DIGIT_BYTES, hasSecond, secondDigit } from "../activations/eight";
import { Quads, Pairs, addDot } from "../byte_dots";
import { headerBytes, minimaOf, packedBytes, scalesOf, unitBytes } from "./multiply";
import { bytePlane, highFieldMask, highVector, lowFieldMask, lowVector, nextHighVector } from "./bytes";
import { loadSmallHalves4 } from "../layout";

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
const SIXTEENS = memory.data<u16>([16, 16, 16, 16, 16, 16, 16, 16], 16);
// Minus the offset: 1, 4, 16 and 32.
const STARTS = memory.data<i16>([
  -1, -1, -1, -1, -1, -1, -1, -1, -4, -4, -4, -4, -4, -4, -4, -4,
  -16, -16, -16, -16, -16, -16, -16, -16, -32, -32, -32, -32, -32, -32, -32, -32,
], 16);

/** What is taken off a code within i16. */
@inline
function start<F>(): i32 {
  const f = changetype<F>(0);
  return f.bits == 5 && f.minimum && f.parts == 1 ? 16 : f.offset;
}

/** Sums of the even and of the odd columns of a part. */
@inline
function pairSums<F>(x: usize, half: usize): v128 {
  if (changetype<F>(0).parts == 1) return v128.load32_splat(x, 8);
  const first = v128.load32_splat(x, 12);
  return half == 0 ? first : i16x8.sub(v128.load32_splat(x, 8), first);
}

/** What a sum begins with: −offset · Σ a in i32 lanes, −start · Σ a in i16 lanes. */
@inline
function begin<F, D>(x: usize, half: usize): v128 {
  const whole = changetype<D>(0).whole;
  const offset = whole ? changetype<F>(0).offset : start<F>();
  if (offset == 0) return i32x4.splat(0);
  const at: usize = offset == 1 ? 0 : offset == 4 ? 16 : offset == 16 ? 32 : 48;
  const sums = pairSums<F>(x, half);
  return whole ? i32x4.dot_i16x8_s(sums, v128.load(STARTS + at)) : i16x8.mul(sums, v128.load(STARTS + at));
}

/** Lanes of a row added, times its sub-scale (`scales`), as f32: an integer below 2^24, so exact. */
@inline
function scaledDot<F, D>(sum: v128, scales: v128, x: usize): v128 {
  const f = changetype<F>(0);
  if (changetype<D>(0).whole) {
    const dot = f32x4.convert_i32x4_s(sum);
    return f.scaled ? f32x4.mul(dot, scales) : dot;
  }
  const dot = i32x4.dot_i16x8_s(sum, scales);
  if (start<F>() == f.offset) return f32x4.convert_i32x4_s(dot);
  return f32x4.convert_i32x4_s(i32x4.add(dot, i32x4.dot_i16x8_s(v128.load32_splat(x, 8), i16x8.shl(scales, 4))));
}

/** s of a part. */
@inline
function sumOf<F>(x: usize, half: usize): v128 {
  const f = changetype<F>(0);
  if (!f.minimum) return i32x4.splat(0);
  if (f.parts == 1) return v128.load32_splat(x, 4);
  const sum = i32x4.dot_i16x8_s(pairSums<F>(x, half), v128.load(ONES));
  return f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load32_splat(x));
}

/** acc + dot · (d · dx) [ − m · s ] */
@inline
function addPart<F>(acc: v128, dot: v128, d: v128, m: v128, dx: v128, s: v128): v128 {
  acc = multiplyAdd(dot, f32x4.mul(d, dx), acc);
  return changetype<F>(0).minimum ? multiplyAdd(m, s, acc) : acc;
}

/**
 * The sub-scales of rows 0…3 (of `scales8`): as f32, or as i16 in both lanes of its row; ones where there are none.
 */
@inline
function lowScales<F, D>(pairs: v128): v128 {
  if (!changetype<F>(0).scaled) return v128.load(ONES);
  const scales = scalesOf<F>(pairs);
  if (changetype<D>(0).whole) return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scales));
  return v128.shuffle<i16>(scales, scales, 0, 0, 1, 1, 2, 2, 3, 3);
}

/** The sub-scales of rows 4…7, in the same way. */
@inline
function highScales<F, D>(pairs: v128): v128 {
  if (!changetype<F>(0).scaled) return v128.load(ONES);
  const scales = scalesOf<F>(pairs);
  if (changetype<D>(0).whole) return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scales));
  return v128.shuffle<i16>(scales, scales, 4, 4, 5, 5, 6, 6, 7, 7);
}

/** −dmin · minimum; `dmin` is negative here. */
@inline
function minimumOf<F>(dmin: v128, minima: v128): v128 {
  return changetype<F>(0).minimum ? f32x4.mul(dmin, f32x4.convert_i32x4_s(minima)) : dmin;
}

/** sum + a step of the quad at `p`: `v0` and `v1` meet its two byte planes. */
@inline
function addStep<F, D>(
  sum: v128, p: usize, half: usize, step: i32, high: v128, v0: v128, v1: v128, lows: v128, highs: v128,
): v128 {
  const bits = changetype<F>(0).bits;
  const low = lowVector(p, bits, half, step);
  sum = addDot<D>(sum, v0, bytePlane(bits, low, high, step, 0, lows, highs));
  return addDot<D>(sum, v1, bytePlane(bits, low, high, step, 1, lows, highs));
}

/** Eight rows × one token; `second`: from a block's first digit to its second. A unit has none, one or both. */
function multiplyOne<F, D>(block: usize, units: u32, x: usize, second: usize, target: usize): void {
  const f = changetype<F>(0);
  const lows = lowFieldMask(f.bits);
  const highs = highFieldMask(f.bits);
  let acc0 = f32x4.splat(0);
  let acc1 = acc0;
  let d0 = acc0;
  let d1 = acc0;
  let dmin0 = acc0;
  let dmin1 = acc0;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      d0 = loadSmallHalves4(block);
      d1 = loadSmallHalves4(block + 8);
      if (f.minimum) {
        dmin0 = f32x4.neg(loadSmallHalves4(block + 16));
        dmin1 = f32x4.neg(loadSmallHalves4(block + 24));
      }
      block += headerBytes<F>();
    }
    const p = block + f.unitScales;
    const head = load<u32>(x);
    let a = x;
    while (head != 0) {
      const dx = v128.load32_splat(a);
      let high0 = highVector(p, f.bits, 0, d0);
      let high1 = highVector(p + 16, f.bits, 0, d0);
      let sum0 = begin<F, D>(a, 0);
      let sum1 = sum0;
      let v0 = v128.load32_splat(a, 16);
      let v1 = v128.load32_splat(a, 20);
      sum0 = addStep<F, D>(sum0, p, 0, 0, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 0, 0, high1, v0, v1, lows, highs);
      v0 = v128.load32_splat(a, 24);
      v1 = v128.load32_splat(a, 28);
      sum0 = addStep<F, D>(sum0, p, 0, 1, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 0, 1, high1, v0, v1, lows, highs);
      high0 = nextHighVector(p, f.bits, high0);
      high1 = nextHighVector(p + 16, f.bits, high1);
      if (f.parts == 2) {
        const pairs = f.scales8(block, 0, 0);
        const minima = minimaOf<F>(pairs);
        const m0 = minimumOf<F>(dmin0, i32x4.extend_low_i16x8_u(minima));
        const m1 = minimumOf<F>(dmin1, i32x4.extend_high_i16x8_u(minima));
        const s = sumOf<F>(a, 0);
        acc0 = addPart<F>(acc0, scaledDot<F, D>(sum0, lowScales<F, D>(pairs), a), d0, m0, dx, s);
        acc1 = addPart<F>(acc1, scaledDot<F, D>(sum1, highScales<F, D>(pairs), a), d1, m1, dx, s);
        sum0 = begin<F, D>(a, 1);
        sum1 = sum0;
      }
      v0 = v128.load32_splat(a, 32);
      v1 = v128.load32_splat(a, 36);
      sum0 = addStep<F, D>(sum0, p, 1, 0, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 1, 0, high1, v0, v1, lows, highs);
      v0 = v128.load32_splat(a, 40);
      v1 = v128.load32_splat(a, 44);
      sum0 = addStep<F, D>(sum0, p, 1, 1, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 1, 1, high1, v0, v1, lows, highs);
      const pairs = f.scales8(block, 0, f.parts - 1);
      const minima = minimaOf<F>(pairs);
      const m0 = minimumOf<F>(dmin0, i32x4.extend_low_i16x8_u(minima));
      const m1 = minimumOf<F>(dmin1, i32x4.extend_high_i16x8_u(minima));
      const s = sumOf<F>(a, f.parts - 1);
      acc0 = addPart<F>(acc0, scaledDot<F, D>(sum0, lowScales<F, D>(pairs), a), d0, m0, dx, s);
      acc1 = addPart<F>(acc1, scaledDot<F, D>(sum1, highScales<F, D>(pairs), a), d1, m1, dx, s);
      if (a != x || (head & 1) == 0) break;
      a += second;
    }
    block += unitBytes<F>();
    x += DIGIT_BYTES;
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/**
 * Four rows (a quad) × eight tokens, summed where the outputs end up. Where most tokens have a second digit all eight
 * are given one, for zeros add nothing; else each of the few comes alone.
 */
function multiplyTile<F, D>(
  block: usize, quad: usize, units: u32, x0: usize, stride: usize, second: usize, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  const lows = lowFieldMask(f.bits);
  const highs = highFieldMask(f.bits);
  let d = f32x4.splat(0);
  let dmin = d;
  for (let t = 0, y = target; t < 8; t++, y += targetStride) v128.store(y, d);
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let x4 = x3 + stride;
  let x5 = x4 + stride;
  let x6 = x5 + stride;
  let x7 = x6 + stride;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      d = loadSmallHalves4(block + (quad << 3));
      if (f.minimum) dmin = f32x4.neg(loadSmallHalves4(block + 16 + (quad << 3)));
      block += headerBytes<F>();
    }
    const p = block + f.unitScales + (quad << 4);
    for (let digit: usize = 0; ; digit = second) {
      let s0 = begin<F, D>(x0 + digit, 0);
      let s1 = begin<F, D>(x1 + digit, 0);
      let s2 = begin<F, D>(x2 + digit, 0);
      let s3 = begin<F, D>(x3 + digit, 0);
      let s4 = begin<F, D>(x4 + digit, 0);
      let s5 = begin<F, D>(x5 + digit, 0);
      let s6 = begin<F, D>(x6 + digit, 0);
      let s7 = begin<F, D>(x7 + digit, 0);
      let high = highVector(p, f.bits, 0, s0);
      for (let half: usize = 0; half < 2; half++) {
        const at: usize = digit + (half << 4);
        let low = lowVector(p, f.bits, half, 0);
        let codes = bytePlane(f.bits, low, high, 0, 0, lows, highs);
        s0 = addDot<D>(s0, v128.load32_splat(x0 + at, 16), codes);
        s1 = addDot<D>(s1, v128.load32_splat(x1 + at, 16), codes);
        s2 = addDot<D>(s2, v128.load32_splat(x2 + at, 16), codes);
        s3 = addDot<D>(s3, v128.load32_splat(x3 + at, 16), codes);
        s4 = addDot<D>(s4, v128.load32_splat(x4 + at, 16), codes);
        s5 = addDot<D>(s5, v128.load32_splat(x5 + at, 16), codes);
        s6 = addDot<D>(s6, v128.load32_splat(x6 + at, 16), codes);
        s7 = addDot<D>(s7, v128.load32_splat(x7 + at, 16), codes);
        codes = bytePlane(f.bits, low, high, 0, 1, lows, highs);
        s0 = addDot<D>(s0, v128.load32_splat(x0 + at, 20), codes);
        s1 = addDot<D>(s1, v128.load32_splat(x1 + at, 20), codes);
        s2 = addDot<D>(s2, v128.load32_splat(x2 + at, 20), codes);
        s3 = addDot<D>(s3, v128.load32_splat(x3 + at, 20), codes);
        s4 = addDot<D>(s4, v128.load32_splat(x4 + at, 20), codes);
        s5 = addDot<D>(s5, v128.load32_splat(x5 + at, 20), codes);
        s6 = addDot<D>(s6, v128.load32_splat(x6 + at, 20), codes);
        s7 = addDot<D>(s7, v128.load32_splat(x7 + at, 20), codes);
        if (f.bits >= 4) low = lowVector(p, f.bits, half, 1);
        codes = bytePlane(f.bits, low, high, 1, 0, lows, highs);
        s0 = addDot<D>(s0, v128.load32_splat(x0 + at, 24), codes);
        s1 = addDot<D>(s1, v128.load32_splat(x1 + at, 24), codes);
        s2 = addDot<D>(s2, v128.load32_splat(x2 + at, 24), codes);
        s3 = addDot<D>(s3, v128.load32_splat(x3 + at, 24), codes);
        s4 = addDot<D>(s4, v128.load32_splat(x4 + at, 24), codes);
        s5 = addDot<D>(s5, v128.load32_splat(x5 + at, 24), codes);
        s6 = addDot<D>(s6, v128.load32_splat(x6 + at, 24), codes);
        s7 = addDot<D>(s7, v128.load32_splat(x7 + at, 24), codes);
        codes = bytePlane(f.bits, low, high, 1, 1, lows, highs);
        s0 = addDot<D>(s0, v128.load32_splat(x0 + at, 28), codes);
        s1 = addDot<D>(s1, v128.load32_splat(x1 + at, 28), codes);
        s2 = addDot<D>(s2, v128.load32_splat(x2 + at, 28), codes);
        s3 = addDot<D>(s3, v128.load32_splat(x3 + at, 28), codes);
        s4 = addDot<D>(s4, v128.load32_splat(x4 + at, 28), codes);
        s5 = addDot<D>(s5, v128.load32_splat(x5 + at, 28), codes);
        s6 = addDot<D>(s6, v128.load32_splat(x6 + at, 28), codes);
        s7 = addDot<D>(s7, v128.load32_splat(x7 + at, 28), codes);
        high = nextHighVector(p, f.bits, high);
        if (f.parts == 2 || half == 1) {
          const pairs = f.scales8(block, quad, half);
          const scales = lowScales<F, D>(pairs);
          const m = minimumOf<F>(dmin, i32x4.extend_low_i16x8_s(minimaOf<F>(pairs)));
          let y = target;
          addTo<F, D>(y, s0, scales, d, m, x0 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s1, scales, d, m, x1 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s2, scales, d, m, x2 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s3, scales, d, m, x3 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s4, scales, d, m, x4 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s5, scales, d, m, x5 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s6, scales, d, m, x6 + digit, half);
          y += targetStride;
          addTo<F, D>(y, s7, scales, d, m, x7 + digit, half);
          if (f.parts == 2) {
            s0 = begin<F, D>(x0 + digit, 1);
            s1 = begin<F, D>(x1 + digit, 1);
            s2 = begin<F, D>(x2 + digit, 1);
            s3 = begin<F, D>(x3 + digit, 1);
            s4 = begin<F, D>(x4 + digit, 1);
            s5 = begin<F, D>(x5 + digit, 1);
            s6 = begin<F, D>(x6 + digit, 1);
            s7 = begin<F, D>(x7 + digit, 1);
          }
        }
      }
      if (digit != 0) break;
      const count =
        secondBit(x0) +
        secondBit(x1) +
        secondBit(x2) +
        secondBit(x3) +
        secondBit(x4) +
        secondBit(x5) +
        secondBit(x6) +
        secondBit(x7);
      if (count > 4) continue;
      if (count == 0) break;
      for (let x = x0, y = target, end = target + 8 * targetStride; y != end; x += stride, y += targetStride) {
        if (hasSecond(x)) addDigit<F, D>(block, p, quad, d, dmin, x + second, y);
      }
      break;
    }
    block += unitBytes<F>();
    x0 += DIGIT_BYTES;
    x1 += DIGIT_BYTES;
    x2 += DIGIT_BYTES;
    x3 += DIGIT_BYTES;
    x4 += DIGIT_BYTES;
    x5 += DIGIT_BYTES;
    x6 += DIGIT_BYTES;
    x7 += DIGIT_BYTES;
  }
}

@inline
function secondBit(x: usize): u32 {
  return load<u32>(x) & 1;
}

/** What one digit of a unit of one token adds to the four rows whose codes are at `p`. */
function addDigit<F, D>(block: usize, p: usize, quad: usize, d: v128, dmin: v128, x: usize, target: usize): void {
  const f = changetype<F>(0);
  const lows = lowFieldMask(f.bits);
  const highs = highFieldMask(f.bits);
  let sum = begin<F, D>(x, 0);
  let high = highVector(p, f.bits, 0, sum);
  for (let half: usize = 0; half < 2; half++) {
    const at = x + (half << 4);
    let low = lowVector(p, f.bits, half, 0);
    sum = addDot<D>(sum, v128.load32_splat(at, 16), bytePlane(f.bits, low, high, 0, 0, lows, highs));
    sum = addDot<D>(sum, v128.load32_splat(at, 20), bytePlane(f.bits, low, high, 0, 1, lows, highs));
    if (f.bits >= 4) low = lowVector(p, f.bits, half, 1);
    sum = addDot<D>(sum, v128.load32_splat(at, 24), bytePlane(f.bits, low, high, 1, 0, lows, highs));
    sum = addDot<D>(sum, v128.load32_splat(at, 28), bytePlane(f.bits, low, high, 1, 1, lows, highs));
    high = nextHighVector(p, f.bits, high);
    if (f.parts == 2 || half == 1) {
      const pairs = f.scales8(block, quad, half);
      const m = minimumOf<F>(dmin, i32x4.extend_low_i16x8_s(minimaOf<F>(pairs)));
      addTo<F, D>(target, sum, lowScales<F, D>(pairs), d, m, x, half);
      if (f.parts == 2) sum = begin<F, D>(x, 1);
    }
  }
}

@inline
function addTo<F, D>(target: usize, sum: v128, scales: v128, d: v128, m: v128, x: usize, half: usize): void {
  const dot = scaledDot<F, D>(sum, scales, x);
  v128.store(target, addPart<F>(v128.load(target), dot, d, m, v128.load32_splat(x), sumOf<F>(x, half)));
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of digits. */
@inline
export function multiplySuperBytes<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  inQuads: bool,
): void {
  if (inQuads) multiplyWith<F, Quads>(group, groups, columns, x, xStride, tokens, target, targetStride);
  else multiplyWith<F, Pairs>(group, groups, columns, x, xStride, tokens, target, targetStride);
}

function multiplyWith<F, D>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
): void {
  const blocks = columns >> 8;
  const units = blocks << 3;
  const second = secondDigit(columns);
  const groupBytes = <usize>blocks * packedBytes<F>();
  for (; groups > 0; groups--) {
    let t: u32 = 0;
    let a = x;
    let y = target;
    for (; t + 8 <= tokens; t += 8) {
      multiplyTile<F, D>(group, 0, units, a, xStride, second, y, targetStride);
      multiplyTile<F, D>(group, 1, units, a, xStride, second, y + 16, targetStride);
      a += 8 * xStride;
      y += 8 * targetStride;
    }
    for (; t < tokens; t++) {
      multiplyOne<F, D>(group, units, a, second, y);
      a += xStride;
      y += targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
