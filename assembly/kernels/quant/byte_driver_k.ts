/**
 * The quantised matmul of the fast build for super-blocks of 256 columns: kernels/quant/byte_driver.ts with the blocks
 * and tags of kernels/quant/driver_k.ts.
 *
 *     y[t][r] = Σ over parts:  float(Σ (q − offset)·a) · (dw · dx)   [ − m · s ]
 *       dw = d · sub-scale, m = dmin · sub-minimum, s = dx · Σ a of the part
 *
 * part after part, one f32 accumulator an output, the same for one token and for a tile. A part of 32 columns whose
 * five bits have a minimum takes 16 off each code within i16 and gives it back in i32.
 *
 * Cost of 8 rows × 32 columns, one token, EIGHT: 16 dots, 16 adds, the codes and some 40 for sub-scales.
 *
 * May call: fused, byte_activations, byte_driver, driver_k, k_fields, layout.
 */
import { multiplyAdd } from "../fused";
import { PART_BYTES } from "./byte_activations";
import { addDot, blockStride, joined } from "./byte_driver";
import { headerBytes, minimaOf, packedBytes, scalesOf, unitBytes } from "./driver_k";
import { firstOf, halfOf, plane, secondOf, thirdOf } from "./k_fields";
import { loadHalves4 } from "./layout";

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);
const SIXTEENS = memory.data<u16>([16, 16, 16, 16, 16, 16, 16, 16], 16);
// Minus the offset: 1, 4, 16 and 32.
const STARTS = memory.data<i16>([
  -1, -1, -1, -1, -1, -1, -1, -1, -4, -4, -4, -4, -4, -4, -4, -4,
  -16, -16, -16, -16, -16, -16, -16, -16, -32, -32, -32, -32, -32, -32, -32, -32,
], 16);
/** A nibble in each byte. */
const LOW_NIBBLES = memory.data<u8>([15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15], 16);
// 2, 3, 5 and 6 bits in each i16 lane.
const CODES = memory.data<u16>([
  3, 3, 3, 3, 3, 3, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 15, 15, 15, 15, 15, 15, 15, 15,
  31, 31, 31, 31, 31, 31, 31, 31, 63, 63, 63, 63, 63, 63, 63, 63,
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

/** −start · Σ a */
@inline
function begin<F>(x: usize, half: usize): v128 {
  const offset = start<F>();
  if (offset == 0) return i32x4.splat(0);
  const at: usize = offset == 1 ? 0 : offset == 4 ? 16 : offset == 16 ? 32 : 48;
  return i16x8.mul(pairSums<F>(x, half), v128.load(STARTS + at));
}

@inline
function whole<F>(sum: v128, x: usize): v128 {
  const dot = i32x4.dot_i16x8_s(sum, v128.load(ONES));
  if (start<F>() == changetype<F>(0).offset) return dot;
  return i32x4.add(dot, i32x4.dot_i16x8_s(v128.load32_splat(x, 8), v128.load(SIXTEENS)));
}

/** Eight bytes of each row of the quad at `p`: columns 0 4 1 5 of a step (`upper` = 0), or 2 6 3 7 (1). */
@inline
function bytes<F>(p: usize, half: usize, step: i32, upper: i32): v128 {
  const bits = changetype<F>(0).bits;
  if (bits == 4) {
    const word = step == 0 ? v128.load(halfOf(p, 4, half)) : v128.load(halfOf(p, 4, half), 32);
    return v128.and(upper == 0 ? word : i16x8.shr_u(word, 4), v128.load(LOW_NIBBLES));
  }
  const first = firstOf(p, bits, half, step);
  const second = secondOf(p, bits, half, step, first);
  const third = thirdOf(p, bits, half, step, first);
  const mask = v128.load(CODES + ((bits - 2) << 4));
  const low = plane(bits, first, second, third, 4 * step + upper, mask);
  const high = plane(bits, first, second, third, 4 * step + upper + 2, mask);
  return v128.or(low, i16x8.shl(high, 8));
}

/** s of a part. */
@inline
function sumOf<F>(x: usize, half: usize): v128 {
  if (changetype<F>(0).parts == 1) return v128.load32_splat(x, 4);
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.dot_i16x8_s(pairSums<F>(x, half), v128.load(ONES))), v128.load32_splat(x));
}

/** s of a part of two halves. */
@inline
function sumOfHalves<F>(x: usize, half: usize): v128 {
  if (changetype<F>(0).parts == 1) return v128.load32_splat(x, 4);
  const upper = i32x4.dot_i16x8_s(pairSums<F>(x, half), v128.load(ONES));
  const lower = i32x4.dot_i16x8_s(pairSums<F>(x + PART_BYTES, half), v128.load(ONES));
  return f32x4.mul(f32x4.convert_i32x4_s(joined(upper, lower)), v128.load32_splat(x));
}

/** acc + float(dot) · (dw · dx) [ − m · s ] */
@inline
function addPart<F>(acc: v128, dot: v128, dw: v128, m: v128, dx: v128, s: v128): v128 {
  acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx), acc);
  return changetype<F>(0).minimum ? multiplyAdd(m, s, acc) : acc;
}

@inline
function scaleOf<F>(d: v128, scales: v128): v128 {
  return changetype<F>(0).scaled ? f32x4.mul(d, f32x4.convert_i32x4_s(scales)) : d;
}

/** −dmin · minimum */
@inline
function minimumOf<F>(dmin: v128, minima: v128): v128 {
  return changetype<F>(0).minimum ? f32x4.mul(f32x4.neg(dmin), f32x4.convert_i32x4_s(minima)) : dmin;
}

/** Eight rows × one token. */
function multiplyOne<F, P>(block: usize, units: u32, x: usize, target: usize): void {
  const f = changetype<F>(0);
  const halves = changetype<P>(0).halves;
  let acc0 = f32x4.splat(0);
  let acc1 = acc0;
  let d0 = acc0;
  let d1 = acc0;
  let dmin0 = acc0;
  let dmin1 = acc0;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      d0 = loadHalves4(block);
      d1 = loadHalves4(block + 8);
      if (f.minimum) {
        dmin0 = loadHalves4(block + 16);
        dmin1 = loadHalves4(block + 24);
      }
      block += headerBytes<F>();
    }
    if (load<u32>(x) != 0) {
      const p = block + f.unitScales;
      let sum0 = begin<F>(x, 0);
      let sum1 = sum0;
      let lower0 = halves ? begin<F>(x + PART_BYTES, 0) : sum0;
      let lower1 = lower0;
      for (let half: usize = 0; half < 2; half++) {
        const at = x + (half << 4);
        let a = v128.load32_splat(at, 16);
        let codes0 = bytes<F>(p, half, 0, 0);
        let codes1 = bytes<F>(p + 16, half, 0, 0);
        sum0 = addDot(sum0, a, codes0);
        sum1 = addDot(sum1, a, codes1);
        if (halves) {
          a = v128.load32_splat(at, 16 + PART_BYTES);
          lower0 = addDot(lower0, a, codes0);
          lower1 = addDot(lower1, a, codes1);
        }
        a = v128.load32_splat(at, 20);
        codes0 = bytes<F>(p, half, 0, 1);
        codes1 = bytes<F>(p + 16, half, 0, 1);
        sum0 = addDot(sum0, a, codes0);
        sum1 = addDot(sum1, a, codes1);
        if (halves) {
          a = v128.load32_splat(at, 20 + PART_BYTES);
          lower0 = addDot(lower0, a, codes0);
          lower1 = addDot(lower1, a, codes1);
        }
        a = v128.load32_splat(at, 24);
        codes0 = bytes<F>(p, half, 1, 0);
        codes1 = bytes<F>(p + 16, half, 1, 0);
        sum0 = addDot(sum0, a, codes0);
        sum1 = addDot(sum1, a, codes1);
        if (halves) {
          a = v128.load32_splat(at, 24 + PART_BYTES);
          lower0 = addDot(lower0, a, codes0);
          lower1 = addDot(lower1, a, codes1);
        }
        a = v128.load32_splat(at, 28);
        codes0 = bytes<F>(p, half, 1, 1);
        codes1 = bytes<F>(p + 16, half, 1, 1);
        sum0 = addDot(sum0, a, codes0);
        sum1 = addDot(sum1, a, codes1);
        if (halves) {
          a = v128.load32_splat(at, 28 + PART_BYTES);
          lower0 = addDot(lower0, a, codes0);
          lower1 = addDot(lower1, a, codes1);
        }
        if (f.parts == 2 || half == 1) {
          let dot0 = whole<F>(sum0, x);
          let dot1 = whole<F>(sum1, x);
          if (halves) {
            dot0 = joined(dot0, whole<F>(lower0, x + PART_BYTES));
            dot1 = joined(dot1, whole<F>(lower1, x + PART_BYTES));
          }
          const dx = v128.load32_splat(x);
          const s = !f.minimum ? dx : halves ? sumOfHalves<F>(x, half) : sumOf<F>(x, half);
          const pairs = f.scales8(block, 0, half);
          const scales = scalesOf<F>(pairs);
          const minima = minimaOf<F>(pairs);
          const dw0 = scaleOf<F>(d0, i32x4.extend_low_i16x8_s(scales));
          const dw1 = scaleOf<F>(d1, i32x4.extend_high_i16x8_s(scales));
          acc0 = addPart<F>(acc0, dot0, dw0, minimumOf<F>(dmin0, i32x4.extend_low_i16x8_s(minima)), dx, s);
          acc1 = addPart<F>(acc1, dot1, dw1, minimumOf<F>(dmin1, i32x4.extend_high_i16x8_s(minima)), dx, s);
          if (f.parts == 2) {
            sum0 = begin<F>(x, 1);
            sum1 = sum0;
            lower0 = halves ? begin<F>(x + PART_BYTES, 1) : sum0;
            lower1 = lower0;
          }
        }
      }
    }
    block += unitBytes<F>();
    x += blockStride<P>();
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** Four rows (a quad) × eight streams of bytes: eight tokens, or the two parts of four. */
function multiplyTile<F, P>(
  block: usize,
  quad: usize,
  units: u32,
  x0: usize,
  stride: usize,
  target: usize,
  targetStride: usize,
): void {
  const f = changetype<F>(0);
  const halves = changetype<P>(0).halves;
  const tokens: u32 = halves ? 4 : 8;
  let d = f32x4.splat(0);
  let dmin = d;
  for (let t: u32 = 0, y = target; t < tokens; t++, y += targetStride) v128.store(y, d);
  let x1 = halves ? x0 + PART_BYTES : x0 + stride;
  let x2 = halves ? x0 + stride : x1 + stride;
  let x3 = halves ? x2 + PART_BYTES : x2 + stride;
  let x4 = halves ? x2 + stride : x3 + stride;
  let x5 = halves ? x4 + PART_BYTES : x4 + stride;
  let x6 = halves ? x4 + stride : x5 + stride;
  let x7 = halves ? x6 + PART_BYTES : x6 + stride;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      d = loadHalves4(block + (quad << 3));
      if (f.minimum) dmin = loadHalves4(block + 16 + (quad << 3));
      block += headerBytes<F>();
    }
    const p = block + f.unitScales + (quad << 4);
    let s0 = begin<F>(x0, 0);
    let s1 = begin<F>(x1, 0);
    let s2 = begin<F>(x2, 0);
    let s3 = begin<F>(x3, 0);
    let s4 = begin<F>(x4, 0);
    let s5 = begin<F>(x5, 0);
    let s6 = begin<F>(x6, 0);
    let s7 = begin<F>(x7, 0);
    for (let half: usize = 0; half < 2; half++) {
      const at: usize = 16 + (half << 4);
      let codes = bytes<F>(p, half, 0, 0);
      s0 = addDot(s0, v128.load32_splat(x0 + at), codes);
      s1 = addDot(s1, v128.load32_splat(x1 + at), codes);
      s2 = addDot(s2, v128.load32_splat(x2 + at), codes);
      s3 = addDot(s3, v128.load32_splat(x3 + at), codes);
      s4 = addDot(s4, v128.load32_splat(x4 + at), codes);
      s5 = addDot(s5, v128.load32_splat(x5 + at), codes);
      s6 = addDot(s6, v128.load32_splat(x6 + at), codes);
      s7 = addDot(s7, v128.load32_splat(x7 + at), codes);
      codes = bytes<F>(p, half, 0, 1);
      s0 = addDot(s0, v128.load32_splat(x0 + at, 4), codes);
      s1 = addDot(s1, v128.load32_splat(x1 + at, 4), codes);
      s2 = addDot(s2, v128.load32_splat(x2 + at, 4), codes);
      s3 = addDot(s3, v128.load32_splat(x3 + at, 4), codes);
      s4 = addDot(s4, v128.load32_splat(x4 + at, 4), codes);
      s5 = addDot(s5, v128.load32_splat(x5 + at, 4), codes);
      s6 = addDot(s6, v128.load32_splat(x6 + at, 4), codes);
      s7 = addDot(s7, v128.load32_splat(x7 + at, 4), codes);
      codes = bytes<F>(p, half, 1, 0);
      s0 = addDot(s0, v128.load32_splat(x0 + at, 8), codes);
      s1 = addDot(s1, v128.load32_splat(x1 + at, 8), codes);
      s2 = addDot(s2, v128.load32_splat(x2 + at, 8), codes);
      s3 = addDot(s3, v128.load32_splat(x3 + at, 8), codes);
      s4 = addDot(s4, v128.load32_splat(x4 + at, 8), codes);
      s5 = addDot(s5, v128.load32_splat(x5 + at, 8), codes);
      s6 = addDot(s6, v128.load32_splat(x6 + at, 8), codes);
      s7 = addDot(s7, v128.load32_splat(x7 + at, 8), codes);
      codes = bytes<F>(p, half, 1, 1);
      s0 = addDot(s0, v128.load32_splat(x0 + at, 12), codes);
      s1 = addDot(s1, v128.load32_splat(x1 + at, 12), codes);
      s2 = addDot(s2, v128.load32_splat(x2 + at, 12), codes);
      s3 = addDot(s3, v128.load32_splat(x3 + at, 12), codes);
      s4 = addDot(s4, v128.load32_splat(x4 + at, 12), codes);
      s5 = addDot(s5, v128.load32_splat(x5 + at, 12), codes);
      s6 = addDot(s6, v128.load32_splat(x6 + at, 12), codes);
      s7 = addDot(s7, v128.load32_splat(x7 + at, 12), codes);
      if (f.parts == 2 || half == 1) {
        const pairs = f.scales8(block, quad, half);
        const dw = scaleOf<F>(d, i32x4.extend_low_i16x8_s(scalesOf<F>(pairs)));
        const m = minimumOf<F>(dmin, i32x4.extend_low_i16x8_s(minimaOf<F>(pairs)));
        let y = target;
        if (halves) {
          addTo<F, P>(y, joined(whole<F>(s0, x0), whole<F>(s1, x1)), dw, m, x0, half);
          y += targetStride;
          addTo<F, P>(y, joined(whole<F>(s2, x2), whole<F>(s3, x3)), dw, m, x2, half);
          y += targetStride;
          addTo<F, P>(y, joined(whole<F>(s4, x4), whole<F>(s5, x5)), dw, m, x4, half);
          y += targetStride;
          addTo<F, P>(y, joined(whole<F>(s6, x6), whole<F>(s7, x7)), dw, m, x6, half);
        } else {
          addTo<F, P>(y, whole<F>(s0, x0), dw, m, x0, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s1, x1), dw, m, x1, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s2, x2), dw, m, x2, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s3, x3), dw, m, x3, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s4, x4), dw, m, x4, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s5, x5), dw, m, x5, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s6, x6), dw, m, x6, half);
          y += targetStride;
          addTo<F, P>(y, whole<F>(s7, x7), dw, m, x7, half);
        }
        if (f.parts == 2) {
          s0 = begin<F>(x0, 1);
          s1 = begin<F>(x1, 1);
          s2 = begin<F>(x2, 1);
          s3 = begin<F>(x3, 1);
          s4 = begin<F>(x4, 1);
          s5 = begin<F>(x5, 1);
          s6 = begin<F>(x6, 1);
          s7 = begin<F>(x7, 1);
        }
      }
    }
    block += unitBytes<F>();
    x0 += blockStride<P>();
    x1 += blockStride<P>();
    x2 += blockStride<P>();
    x3 += blockStride<P>();
    x4 += blockStride<P>();
    x5 += blockStride<P>();
    x6 += blockStride<P>();
    x7 += blockStride<P>();
  }
}

@inline
function addTo<F, P>(target: usize, dot: v128, dw: v128, m: v128, x: usize, half: usize): void {
  const f = changetype<F>(0);
  const dx = v128.load32_splat(x);
  const s = !f.minimum ? dx : changetype<P>(0).halves ? sumOfHalves<F>(x, half) : sumOf<F>(x, half);
  v128.store(target, addPart<F>(v128.load(target), dot, dw, m, dx, s));
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of bytes. */
@inline
export function multiplySuperBytes<F, P>(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  const blocks = columns >> 8;
  const units = blocks << 3;
  const groupBytes = <usize>blocks * packedBytes<F>();
  const wide: usize = changetype<P>(0).halves ? 4 : 8;
  for (; groups > 0; groups--) {
    let t: u32 = 0;
    let a = x;
    let y = target;
    for (; t + <u32>wide <= tokens; t += <u32>wide) {
      multiplyTile<F, P>(group, 0, units, a, xStride, y, targetStride);
      multiplyTile<F, P>(group, 1, units, a, xStride, y + 16, targetStride);
      a += wide * xStride;
      y += wide * targetStride;
    }
    for (; t < tokens; t++) {
      multiplyOne<F, P>(group, units, a, y);
      a += xStride;
      y += targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
