/**
 * The quantised matmul of the fast build for super-blocks of 256 columns: blocks32/multiply_bytes.ts with the blocks
 * and tags of blocks256/format.ts.
 *
 *     y[t][r] = Σ over parts, over digits:  float(Σ (q − offset)·a) · (dw · dx)   [ − m · s ]
 *       dw = d · sub-scale, m = dmin · sub-minimum, s = dx · Σ a of the part
 *
 * block after block, digit after digit, part after part, one f32 accumulator an output, the same for one token and for
 * a tile (byte_panels.ts). In pairs a part of 32 columns whose five bits have a minimum takes 16 off each code within
 * i16 and gives it back in i32.
 *
 * Cost of 8 rows × 32 columns, one token, a digit: 16 dots, 16 adds, the codes and some 40 for sub-scales.
 */
import { multiplyAdd } from "../../float/fused";
import { DIGIT_BYTES, minusSums, secondDigit } from "../activations/eight";
import { Quads, Pairs, addDot } from "../byte_dots";
import {
  Halves, HalvesMinimum, Minimum, Plain, minimumFactor, minimumPlace, multiplyPanels, pairSums, panelStep, scalePlace,
} from "../byte_panels";
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

/** What a sum begins with: −offset · Σ a in i32 lanes, −start · Σ a in i16 lanes. */
@inline
function begin<F, D>(x: usize, half: usize): v128 {
  const whole = changetype<D>(0).whole;
  const offset = whole ? changetype<F>(0).offset : start<F>();
  if (offset == 0) return i32x4.splat(0);
  if (whole && changetype<F>(0).parts == 1) return v128.load32_splat(x + minusSums(offset));
  const at: usize = offset == 1 ? 0 : offset == 4 ? 16 : offset == 16 ? 32 : 48;
  const sums = pairSums(x, changetype<F>(0).parts == 2, half);
  return whole ? i32x4.dot_i16x8_s(sums, v128.load(STARTS + at)) : i16x8.mul(sums, v128.load(STARTS + at));
}

/** Lanes of a row added, as i32. */
@inline
function whole<F, D>(sum: v128, x: usize): v128 {
  if (changetype<D>(0).whole) return sum;
  const dot = i32x4.dot_i16x8_s(sum, v128.load(ONES));
  if (start<F>() == changetype<F>(0).offset) return dot;
  return i32x4.add(dot, i32x4.dot_i16x8_s(v128.load32_splat(x, 8), v128.load(SIXTEENS)));
}

/** acc + float(dot) · (dw · dx) [ − m · s ] */
@inline
function addPart<F>(acc: v128, dot: v128, dw: v128, m: v128, dx: v128, s: v128): v128 {
  acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx), acc);
  return changetype<F>(0).minimum ? multiplyAdd(m, s, acc) : acc;
}

/** d · sub-scale of rows 0…3 (of `scales8`); d where there are none. */
@inline
function lowScale<F>(d: v128, pairs: v128): v128 {
  if (!changetype<F>(0).scaled) return d;
  return f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scalesOf<F>(pairs))));
}

/** The same of rows 4…7. */
@inline
function highScale<F>(d: v128, pairs: v128): v128 {
  if (!changetype<F>(0).scaled) return d;
  return f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scalesOf<F>(pairs))));
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
      let v0 = v128.load32_splat(a, 32);
      let v1 = v128.load32_splat(a, 36);
      sum0 = addStep<F, D>(sum0, p, 0, 0, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 0, 0, high1, v0, v1, lows, highs);
      v0 = v128.load32_splat(a, 40);
      v1 = v128.load32_splat(a, 44);
      sum0 = addStep<F, D>(sum0, p, 0, 1, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 0, 1, high1, v0, v1, lows, highs);
      high0 = nextHighVector(p, f.bits, high0);
      high1 = nextHighVector(p + 16, f.bits, high1);
      if (f.parts == 2) {
        const pairs = f.scales8(block, 0, 0);
        const minima = minimaOf<F>(pairs);
        const m0 = minimumOf<F>(dmin0, i32x4.extend_low_i16x8_u(minima));
        const m1 = minimumOf<F>(dmin1, i32x4.extend_high_i16x8_u(minima));
        const s = f.minimum ? minimumFactor(a, f.parts == 2, 0) : dx;
        acc0 = addPart<F>(acc0, whole<F, D>(sum0, a), lowScale<F>(d0, pairs), m0, dx, s);
        acc1 = addPart<F>(acc1, whole<F, D>(sum1, a), highScale<F>(d1, pairs), m1, dx, s);
        sum0 = begin<F, D>(a, 1);
        sum1 = sum0;
      }
      v0 = v128.load32_splat(a, 48);
      v1 = v128.load32_splat(a, 52);
      sum0 = addStep<F, D>(sum0, p, 1, 0, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 1, 0, high1, v0, v1, lows, highs);
      v0 = v128.load32_splat(a, 56);
      v1 = v128.load32_splat(a, 60);
      sum0 = addStep<F, D>(sum0, p, 1, 1, high0, v0, v1, lows, highs);
      sum1 = addStep<F, D>(sum1, p + 16, 1, 1, high1, v0, v1, lows, highs);
      const pairs = f.scales8(block, 0, f.parts - 1);
      const minima = minimaOf<F>(pairs);
      const m0 = minimumOf<F>(dmin0, i32x4.extend_low_i16x8_u(minima));
      const m1 = minimumOf<F>(dmin1, i32x4.extend_high_i16x8_u(minima));
      const s = f.minimum ? minimumFactor(a, f.parts == 2, f.parts - 1) : dx;
      acc0 = addPart<F>(acc0, whole<F, D>(sum0, a), lowScale<F>(d0, pairs), m0, dx, s);
      acc1 = addPart<F>(acc1, whole<F, D>(sum1, a), highScale<F>(d1, pairs), m1, dx, s);
      if (a != x || (head & 1) == 0) break;
      a += second;
    }
    block += unitBytes<F>();
    x += DIGIT_BYTES;
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** How units are unpacked into a panel, from a whole super-block on. */
@unmanaged
class Unpacked<F, K> {
  /** Of whole super-blocks. */
  @inline bytesOf(units: u32): usize { return <usize>(units >> 3) * packedBytes<F>(); }

  unpack(block: usize, units: u32, panel: usize): usize {
    const f = changetype<F>(0);
    const lows = lowFieldMask(f.bits);
    const highs = highFieldMask(f.bits);
    let d0 = f32x4.splat(0);
    let d1 = d0;
    let dmin0 = d0;
    let dmin1 = d0;
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
      unpackCodes<F>(block + f.unitScales, 0, panel, lows, highs);
      unpackCodes<F>(block + f.unitScales + 16, 16, panel, lows, highs);
      for (let part: usize = 0; part < <usize>f.parts; part++) {
        const pairs = f.scales8(block, 0, part);
        v128.store(scalePlace<K>(panel, part, 0), lowScale<F>(d0, pairs));
        v128.store(scalePlace<K>(panel, part, 1), highScale<F>(d1, pairs));
        if (f.minimum) {
          const minima = minimaOf<F>(pairs);
          v128.store(minimumPlace<K>(panel, part, 0), minimumOf<F>(dmin0, i32x4.extend_low_i16x8_u(minima)));
          v128.store(minimumPlace<K>(panel, part, 1), minimumOf<F>(dmin1, i32x4.extend_high_i16x8_u(minima)));
        }
      }
      block += unitBytes<F>();
      panel += panelStep<K>();
    }
    return block;
  }
}

/** The codes of four rows of a unit, every second vector of a panel's block. */
@inline
function unpackCodes<F>(p: usize, quad: usize, panel: usize, lows: v128, highs: v128): void {
  const bits = changetype<F>(0).bits;
  let to = panel + quad;
  let high = highVector(p, bits, 0, lows);
  for (let half: usize = 0; half < 2; half++) {
    let low = lowVector(p, bits, half, 0);
    v128.store(to, bytePlane(bits, low, high, 0, 0, lows, highs));
    v128.store(to, bytePlane(bits, low, high, 0, 1, lows, highs), 32);
    if (bits >= 4) low = lowVector(p, bits, half, 1);
    v128.store(to, bytePlane(bits, low, high, 1, 0, lows, highs), 64);
    v128.store(to, bytePlane(bits, low, high, 1, 1, lows, highs), 96);
    high = nextHighVector(p, bits, high);
    to += 128;
  }
}

/** Groups × tokens, by way of panels. */
@inline
function multiplyTiled<F, K, D>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  work: usize,
): void {
  const offset = changetype<F>(0).offset;
  const first = changetype<D>(0).whole ? offset : start<F>();
  const blocks = columns >> 8;
  multiplyPanels<Unpacked<F, K>, K, D>(
    group, groups, <usize>blocks * packedBytes<F>(), blocks << 3, x, xStride, tokens, target, targetStride,
    secondDigit(columns), work, first, first - offset,
  );
}

/** From so many tokens on a panel pays. */
const PANEL_TOKENS: u32 = 4;

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of digits. */
@inline
export function multiplySuperBytes<F>(
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
  if (tokens < PANEL_TOKENS) {
    const blocks = columns >> 8;
    for (; groups > 0; groups--) {
      for (let t: usize = 0; t < <usize>tokens; t++) {
        const y = target + t * targetStride;
        multiplyOne<F, D>(group, blocks << 3, x + t * xStride, secondDigit(columns), y);
      }
      group += <usize>blocks * packedBytes<F>();
      target += 32;
    }
  } else if (f.parts == 2 && f.minimum) {
    multiplyTiled<F, HalvesMinimum, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
  } else if (f.parts == 2) {
    multiplyTiled<F, Halves, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
  } else if (f.minimum) {
    multiplyTiled<F, Minimum, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
  } else {
    multiplyTiled<F, Plain, D>(group, groups, columns, x, xStride, tokens, target, targetStride, work);
  }
}
