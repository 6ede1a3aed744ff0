/**
 * The quantised matmul of the formats with super-blocks of 256 columns, written once. A super-block of eight packed
 * rows has the half scales first and then eight units of 32 columns, in the order of use:
 *
 *     ┌ 8 × d h │ 8 × dmin h (if there) ┬ unit 0 ┬ … ┬ unit 7 ┐
 *       unit    ┌ sub-scales of 8 rows │ codes, 32 B a bit (blocks256/fields.ts) ┐
 *
 *     y[t][r] = Σ over parts:  float(Σ q·a − offset·Σ a) · (dw · dx)   [ − (m · dx) · float(Σ a) ]
 *       dw = d · sub-scale, m = dmin · sub-minimum, both rounded to f32; a part is 32 columns, or 16
 *
 * part after part, one f32 accumulator an output, the same for one token, for several (panels.ts) and for the scalar
 * twin: all give the same bits. A unit of one token whose activations are all zero adds nothing and is skipped.
 *
 * What differs is in the tag of the format (blocks256/format.ts lists its members).
 *
 * Cost of 8 rows × 32 columns, one token: 32 dots, 32 adds, 16 splats that are loads, some two operations a plane (4
 * rows × 2 columns) and 35 to 60 for sub-scales.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { clearOutputs, partSum } from "../dots";
import { codeMask, firstOf, loadPair, plane, secondOf, thirdOf } from "./fields";
import { loadFiniteHalf, loadSmallHalves4 } from "../layout";
import { PANEL_UNITS, multiplyPanel } from "../panels";

// Masks of sub-scales (blocks256/fields.ts says why they are loaded).
const MASKS = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15, 63, 63, 63, 63, 63, 63, 63, 63], 16);

/** Bits of a sub-scale where a sub-minimum follows it: 4 with sub-blocks of 16, 6 with those of 32. */
@inline
export function scaleBits<F>(): i32 {
  return changetype<F>(0).parts == 2 ? 4 : 6;
}

/** Bytes of the half scales before the units. */
@inline
export function headerBytes<F>(): usize {
  return changetype<F>(0).minimum ? 32 : 16;
}

/** Bytes of a unit: 32 columns of eight rows. */
@inline
export function unitBytes<F>(): usize {
  const f = changetype<F>(0);
  return f.unitScales + 32 * <usize>f.bits;
}

/** Bytes of a super-block of eight rows. */
@inline
export function packedBytes<F>(): usize {
  return headerBytes<F>() + 8 * unitBytes<F>();
}

/** Pair 4 · step + k as integers, from the vectors of its step. */
@inline
function weights<F>(a: v128, b: v128, c: v128, step: i32, k: i32, mask: v128, table: v128): v128 {
  const f = changetype<F>(0);
  const codes = plane(f.bits, a, b, c, 4 * step + k, mask);
  return f.table != 0 ? i8x16.swizzle(table, codes) : codes;
}

/** sum + the plane of pair 4 · step + k of a quad with two activations in every lane. */
@inline
function addPlane<F>(sum: v128, a: v128, b: v128, c: v128, step: i32, k: i32, mask: v128, table: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(weights<F>(a, b, c, step, k, mask, table), x));
}

/** float(Σ a) in every lane, where a minimum wants it; what stands there else is not used. */
@inline
function floatSums<F>(x: usize, part: usize, dx: v128): v128 {
  const f = changetype<F>(0);
  if (!f.minimum) return dx;
  return f32x4.convert_i32x4_s(f.parts == 2 ? v128.load32_splat(x + (part << 2), 8) : v128.load32_splat(x, 4));
}

/** Lanes 0…3 of i16x8 as i32x4; what comes with a minimum has no sign, which is an operation less. */
@inline
function lowLanes<F>(lanes: v128): v128 {
  return changetype<F>(0).minimum ? i32x4.extend_low_i16x8_u(lanes) : i32x4.extend_low_i16x8_s(lanes);
}

/** Lanes 4…7 of i16x8 as i32x4, in the same way. */
@inline
function highLanes<F>(lanes: v128): v128 {
  return changetype<F>(0).minimum ? i32x4.extend_high_i16x8_u(lanes) : i32x4.extend_high_i16x8_s(lanes);
}

/** The sub-scales among what `scales8` gives, i16x8. */
@inline
export function scalesOf<F>(pairs: v128): v128 {
  const f = changetype<F>(0);
  return f.minimum ? v128.and(pairs, v128.load(MASKS + (f.parts == 2 ? 0 : 16))) : pairs;
}

/** The sub-minima among what `scales8` gives, i16x8. */
@inline
export function minimaOf<F>(pairs: v128): v128 {
  return changetype<F>(0).minimum ? i16x8.shr_u(pairs, scaleBits<F>()) : pairs;
}

/** acc + float(dot − offset · sum) · (dw · dx), dw = d · scale */
@inline
function addPart<F>(acc: v128, dot: v128, sum: i32, d: v128, scales: v128, dx: v128): v128 {
  const f = changetype<F>(0);
  if (f.offset != 0) dot = i32x4.sub(dot, i32x4.splat(f.offset * sum));
  const dw = f.scaled ? f32x4.mul(d, f32x4.convert_i32x4_s(scales)) : d;
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx)));
}

/** acc − (m · dx) · float(sum), m = dmin · minimum */
@inline
function subtractMinimum<F>(acc: v128, sum: v128, dmin: v128, minima: v128, dx: v128): v128 {
  if (!changetype<F>(0).minimum) return acc;
  const m = f32x4.mul(dmin, f32x4.convert_i32x4_s(minima));
  return f32x4.sub(acc, f32x4.mul(f32x4.mul(m, dx), sum));
}

/**
 * Eight rows × one token. Two activations are splatted by a load, which leaves the vector units to the rest, and both
 * quads share it. One of the inner loops is none: `half` goes on where a part has two halves, else the part does.
 */
function multiplyOne<F>(block: usize, units: u32, x: usize, target: usize): void {
  const f = changetype<F>(0);
  const mask = codeMask(f.bits);
  const table = f.table != 0 ? v128.load(f.table) : mask;
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
        dmin0 = loadSmallHalves4(block + 16);
        dmin1 = loadSmallHalves4(block + 24);
      }
      block += headerBytes<F>();
    }
    if (load<u32>(x) != 0) {
      const p = block + f.unitScales;
      let half: usize = 0;
      do {
        const part = half;
        let dot0 = i32x4.splat(0);
        let dot1 = dot0;
        do {
          const a = x + (half << 5);
          let first0 = firstOf(p, f.bits, half, 0);
          let first1 = firstOf(p + 16, f.bits, half, 0);
          let second0 = secondOf(p, f.bits, half, 0, first0);
          let second1 = secondOf(p + 16, f.bits, half, 0, first1);
          let third0 = thirdOf(p, f.bits, half, 0, first0);
          let third1 = thirdOf(p + 16, f.bits, half, 0, first1);
          let v = v128.load32_splat(a, 16);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 0, 0, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 0, 0, mask, table, v);
          v = v128.load32_splat(a, 20);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 0, 1, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 0, 1, mask, table, v);
          v = v128.load32_splat(a, 24);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 0, 2, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 0, 2, mask, table, v);
          v = v128.load32_splat(a, 28);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 0, 3, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 0, 3, mask, table, v);
          first0 = firstOf(p, f.bits, half, 1);
          first1 = firstOf(p + 16, f.bits, half, 1);
          second0 = secondOf(p, f.bits, half, 1, first0);
          second1 = secondOf(p + 16, f.bits, half, 1, first1);
          third0 = thirdOf(p, f.bits, half, 1, first0);
          third1 = thirdOf(p + 16, f.bits, half, 1, first1);
          v = v128.load32_splat(a, 32);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 1, 0, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 1, 0, mask, table, v);
          v = v128.load32_splat(a, 36);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 1, 1, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 1, 1, mask, table, v);
          v = v128.load32_splat(a, 40);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 1, 2, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 1, 2, mask, table, v);
          v = v128.load32_splat(a, 44);
          dot0 = addPlane<F>(dot0, first0, second0, third0, 1, 3, mask, table, v);
          dot1 = addPlane<F>(dot1, first1, second1, third1, 1, 3, mask, table, v);
          half++;
        } while (f.parts == 1 && half < 2);
        const dx = v128.load_splat<f32>(x);
        const sum = partSum<F>(x, part);
        const sums = floatSums<F>(x, part, dx);
        const pairs = f.scales8(block, 0, part);
        const scales = scalesOf<F>(pairs);
        const minima = minimaOf<F>(pairs);
        acc0 = addPart<F>(acc0, dot0, sum, d0, lowLanes<F>(scales), dx);
        acc1 = addPart<F>(acc1, dot1, sum, d1, highLanes<F>(scales), dx);
        acc0 = subtractMinimum<F>(acc0, sums, dmin0, lowLanes<F>(minima), dx);
        acc1 = subtractMinimum<F>(acc1, sums, dmin1, highLanes<F>(minima), dx);
      } while (f.parts == 2 && half < 2);
    }
    block += unitBytes<F>();
    x += ACTIVATION_BLOCK_BYTES;
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** The codes of a half of four rows every second vector of a panel. */
@inline
function unpackHalf<F>(p: usize, half: usize, to: usize, mask: v128, table: v128): void {
  const f = changetype<F>(0);
  for (let step: usize = 0; step < 2; step++) {
    let w0: v128, w1: v128, w2: v128, w3: v128;
    if (step == 0) {
      const first = firstOf(p, f.bits, half, 0);
      const second = secondOf(p, f.bits, half, 0, first);
      w0 = weights<F>(first, second, first, 0, 0, mask, table);
      w1 = weights<F>(first, second, first, 0, 1, mask, table);
      w2 = weights<F>(first, second, first, 0, 2, mask, table);
      w3 = weights<F>(first, second, first, 0, 3, mask, table);
    } else {
      const first = firstOf(p, f.bits, half, 1);
      const second = secondOf(p, f.bits, half, 1, first);
      const third = thirdOf(p, f.bits, half, 1, first);
      w0 = weights<F>(first, second, third, 1, 0, mask, table);
      w1 = weights<F>(first, second, third, 1, 1, mask, table);
      w2 = weights<F>(first, second, third, 1, 2, mask, table);
      w3 = weights<F>(first, second, third, 1, 3, mask, table);
    }
    v128.store(to, w0);
    v128.store(to, w1, 32);
    v128.store(to, w2, 64);
    v128.store(to, w3, 96);
    to += 128;
  }
}

/** Unpacks units into a panel (panels.ts), from a whole super-block on; where the next one begins. */
function unpackPanel<F>(block: usize, units: u32, panel: usize): usize {
  const f = changetype<F>(0);
  const mask = codeMask(f.bits);
  const table = f.table != 0 ? v128.load(f.table) : mask;
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
    const p = block + f.unitScales;
    for (let half: usize = 0; half < 2; half++) {
      unpackHalf<F>(p, half, panel, mask, table);
      unpackHalf<F>(p + 16, half, panel + 16, mask, table);
      panel += 256;
      if (f.parts == 2 || half == 1) {
        const pairs = f.scales8(block, 0, half);
        const scales = scalesOf<F>(pairs);
        v128.store(panel, f.scaled ? f32x4.mul(d0, f32x4.convert_i32x4_s(lowLanes<F>(scales))) : d0);
        v128.store(panel, f.scaled ? f32x4.mul(d1, f32x4.convert_i32x4_s(highLanes<F>(scales))) : d1, 16);
        panel += 32;
        if (f.minimum) {
          const minima = minimaOf<F>(pairs);
          v128.store(panel, f32x4.mul(dmin0, f32x4.convert_i32x4_s(lowLanes<F>(minima))));
          v128.store(panel, f32x4.mul(dmin1, f32x4.convert_i32x4_s(highLanes<F>(minima))), 16);
          panel += 32;
        }
      }
    }
    block += unitBytes<F>();
  }
  return block;
}

/** The scalar twin: one row × one token. */
function multiplyRow<F>(block: usize, row: u32, units: u32, x: usize): f32 {
  const f = changetype<F>(0);
  let acc: f32 = 0;
  let d: f32 = 0;
  let dmin: f32 = 0;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      d = loadFiniteHalf(block + ((<usize>row) << 1));
      if (f.minimum) dmin = loadFiniteHalf(block + 16 + ((<usize>row) << 1));
      block += headerBytes<F>();
    }
    const dx = load<f32>(x);
    if (dx != 0) {
      const p = block + f.unitScales + ((<usize>row) << 2);
      let dot = 0;
      for (let half: usize = 0; half < 2; half++) {
        dot += rowDot<F>(p, half, x + 16 + (half << 5));
        if (f.parts == 2 || half == 1) {
          acc = rowPart<F>(acc, dot, x, half, d, dmin, f.scales1(block, row, half), dx);
          dot = 0;
        }
      }
    }
    block += unitBytes<F>();
    x += ACTIVATION_BLOCK_BYTES;
  }
  return acc;
}

/** Σ q·a of 16 columns of a row. */
@inline
function rowDot<F>(p: usize, half: usize, a: usize): i32 {
  return (
    pairDot<F>(p, half, 0, a) +
    pairDot<F>(p, half, 1, a) +
    pairDot<F>(p, half, 2, a) +
    pairDot<F>(p, half, 3, a) +
    pairDot<F>(p, half, 4, a) +
    pairDot<F>(p, half, 5, a) +
    pairDot<F>(p, half, 6, a) +
    pairDot<F>(p, half, 7, a)
  );
}

@inline
function pairDot<F>(p: usize, half: usize, pair: i32, a: usize): i32 {
  const f = changetype<F>(0);
  const codes = loadPair(p, f.bits, half, pair);
  let even = <i32>(codes & 0xffff);
  let odd = <i32>(codes >> 16);
  if (f.table != 0) {
    even = load<u8>(f.table + even);
    odd = load<u8>(f.table + odd);
  }
  const at = a + 4 * pair;
  return even * load<i16>(at) + odd * load<i16>(at, 2);
}

@inline
function rowPart<F>(acc: f32, dot: i32, x: usize, part: usize, d: f32, dmin: f32, pair: i32, dx: f32): f32 {
  const f = changetype<F>(0);
  const sum = partSum<F>(x, part);
  const scale = f.minimum ? pair & ((1 << scaleBits<F>()) - 1) : pair;
  const dw = f.scaled ? d * <f32>scale : d;
  acc += <f32>(dot - f.offset * sum) * (dw * dx);
  if (f.minimum) acc -= dmin * <f32>(pair >> scaleBits<F>()) * dx * <f32>sum;
  return acc;
}

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in Q16 rows; several
 * tokens want a panel (panels.ts).
 */
export function matmulSuper<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  panel: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 8;
  const units = blocks << 3;
  const groupBytes = <usize>blocks * packedBytes<F>();
  for (; groups > 0; groups--) {
    if (ASC_FEATURE_SIMD && tokens > 1) {
      clearOutputs(target, targetStride, tokens);
      let block = group;
      let a = x;
      let left = units;
      for (; left >= PANEL_UNITS; left -= PANEL_UNITS) {
        block = unpackPanel<F>(block, PANEL_UNITS, panel);
        multiplyPanel(panel, PANEL_UNITS, f.parts, f.minimum, f.offset, a, xStride, tokens, target, targetStride);
        a += <usize>PANEL_UNITS * ACTIVATION_BLOCK_BYTES;
      }
      if (left > 0) {
        unpackPanel<F>(block, left, panel);
        multiplyPanel(panel, left, f.parts, f.minimum, f.offset, a, xStride, tokens, target, targetStride);
      }
    } else {
      let a = x;
      let y = target;
      for (let t: u32 = 0; t < tokens; t++) {
        if (ASC_FEATURE_SIMD) multiplyOne<F>(group, units, a, y);
        else for (let row: u32 = 0; row < 8; row++) store<f32>(y + (row << 2), multiplyRow<F>(group, row, units, a));
        a += xStride;
        y += targetStride;
      }
    }
    group += groupBytes;
    target += 32;
  }
}
