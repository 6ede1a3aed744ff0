/**
 * The Memory Layer's sum: one row of each table, weighted.
 *
 *     target[c] = (Σ over rows k:  weights[k] · row_k[c]) + bias[c]
 *
 * A row lies as in a file, at any address:
 *
 *     F32, F16   column after column                  (halves that are not finite count as finite: quant/layout.ts)
 *     Q8         an i8 a column                       its scale is the caller's to multiply into the weight
 *     Q4         columns / 2 bytes; byte i: column i in the low nibble, column i + columns / 2 in the high one, + 8
 *
 * Rows are summed in groups of eight, group after group onto the target, the bias last: the same order in every column
 * and build.
 *
 *     floats   ((w₀·r₀ + w₁·r₁) + (w₂·r₂ + w₃·r₃)), then onto the target, then rows 4 to 7 of the group likewise
 *     whole    the weights become integers of 30 bits, w = (high · 2^16 + low) / S with S a power of two, and two exact
 *              integer sums of the group make one f32. A group in which a weight has less than 20 bits beside the
 *              largest is summed as floats.
 *
 * With a weight of 2^64 or more, whose products could overflow on the way, the whole sum is in f64, one row after the
 * other, and the result is the largest f32 where it would be more.
 *
 * Rows lie anywhere in memory, and what they cost is waiting for it: cache misses, and misses of the page tables. So
 * `readAhead` reads the first lines of all rows first, with all misses at once; what follows in a row is left to the
 * processor's own prefetching. It, and the loop of the sum, have few instructions a byte: the fewer there are, the more
 * misses a processor sees at once.
 *
 * Cost of 8 columns × 8 rows: whole, 16 operations to pair rows, 28 for the integer sums, 16 to make f32 and add it;
 * as floats 6 operations a row for the conversion (F32: none, F16: 8), 4 for products and sums.
 */
import { multiplyAdd } from "../float/fused";
import { loadFiniteHalf, loadHalves4 } from "../quant/layout";
import { add, allFinite } from "../float/vector";

/**
 * Types of rows: GGUF's numbers. Q8 is its I8; Q4 is held by an I8 tensor of half as many columns, and has a number of
 * our own.
 */
export namespace RowType {
  export const F32: u32 = 0;
  export const F16: u32 = 1;
  export const Q8: u32 = 24;
  export const Q4: u32 = 24 | 0x100;
}

/** Rows of a group. */
const GROUP: u32 = 8;
/** What is read ahead of a row, and half of it at most. */
const LINE: usize = 64;
const AHEAD_BYTES: usize = 4 * LINE;

/** Weights from here on are summed in f64. */
const LARGE_WEIGHT: f32 = 18446744073709551616.0;
/** Weights from here on, 2^−90, can be integers: S is a normal number, and so is its inverse. */
const SMALL_WEIGHT: u32 = (127 - 90) << 23;
/** Bits of the largest weight of a group as an integer, and what each other weight must have. */
const WHOLE_BITS: i32 = 30;
const LEAST_WHOLE: u32 = 1 << 20;

/** Bytes of a row; 0 for a type that rows cannot have, and for Q4 with an odd number of columns. */
export function tableRowBytes(type: u32, columns: u32): usize {
  switch (type) {
    case RowType.F32: return (<usize>columns) << 2;
    case RowType.F16: return (<usize>columns) << 1;
    case RowType.Q8: return columns;
    case RowType.Q4: return columns & 1 ? 0 : columns >> 1;
    default: return 0;
  }
}

/** Whether `values` values of rows that lie one behind the other are finite numbers. */
export function rowsAreFinite(type: u32, rows: usize, values: u32): bool {
  if (type == RowType.F32) return allFinite(rows, values);
  if (type != RowType.F16) return true;
  // A half is not finite when all bits of its exponent are 1: one more then carries into the sign's place.
  const end = rows + ((<usize>values) << 1);
  for (const last = rows + ((<usize>(values & ~3)) << 1); rows < last; rows += 8) {
    if (((load<u64>(rows) & 0x7c00_7c00_7c00_7c00) + 0x0400_0400_0400_0400) & 0x8000_8000_8000_8000) return false;
  }
  for (; rows < end; rows += 2) if ((load<u16>(rows) & 0x7c00) == 0x7c00) return false;
  return true;
}

/**
 * Has memory bring what `scaleWeights` and `gatherRows` are about to read: of each chunk's row the first lines, and its
 * scale, of `scales` f32[chunks · 2^bits] or 0. Only the time of those two depends on it.
 */
export function readAhead(
  type: u32, rows: usize, columns: u32, scales: usize, bits: u32, codes: usize, chunks: u32,
): void {
  if (!ASC_FEATURE_SIMD) return; // hosts without SIMD wait for their instructions, not for memory
  const bytes = min(AHEAD_BYTES, (tableRowBytes(type, columns) + 1) >> 1);
  const tableBytes = (<usize>4) << bits;
  for (const end = rows + ((<usize>chunks) << 2); rows < end; rows += 4, codes += 4) {
    if (scales) {
      load<f32>(scales + ((<usize>load<u32>(codes)) << 2));
      scales += tableBytes;
    }
    let p = load<usize>(rows);
    if (bytes == AHEAD_BYTES) {
      load<u8>(p);
      load<u8>(p, LINE);
      load<u8>(p, 2 * LINE);
      load<u8>(p, 3 * LINE);
    } else for (const last = p + bytes; p < last; p += LINE) load<u8>(p);
  }
}

/**
 * target f32[columns] = Σ weights[k] · rows[k] + bias: `rows` usize[count] point to rows of `type`, `weights`
 * f32[count] have the rows' scales in them, `bias` is f32[columns] or 0.
 */
export function gatherRows(
  type: u32, rows: usize, weights: usize, count: u32, columns: u32, bias: usize, target: usize,
): void {
  if (hasLargeWeight(weights, count)) {
    switch (type) {
      case RowType.F32: return gatherLarge<Singles>(rows, weights, count, columns, bias, target);
      case RowType.F16: return gatherLarge<Halves>(rows, weights, count, columns, bias, target);
      case RowType.Q8: return gatherLarge<Bytes>(rows, weights, count, columns, bias, target);
      case RowType.Q4: return gatherLarge<LowNibbles>(rows, weights, count, columns, bias, target);
    }
  }
  memory.fill(target, 0, (<usize>columns) << 2);
  while (count > 0) {
    const group = min(count, GROUP);
    addGroup(type, rows, weights, group, columns, target);
    rows += (<usize>group) << 2;
    weights += (<usize>group) << 2;
    count -= group;
  }
  if (bias) add(target, bias, columns);
}

/** Up to eight rows onto the target. */
function addGroup(type: u32, rows: usize, weights: usize, count: u32, columns: u32, target: usize): void {
  switch (type) {
    case RowType.F32: return addFloats<Singles>(rows, weights, count, columns, target);
    case RowType.F16: return addFloats<Halves>(rows, weights, count, columns, target);
    case RowType.Q8: return addWhole<Bytes>(rows, weights, count, columns, target);
    case RowType.Q4: {
      const half = columns >> 1;
      addWhole<LowNibbles>(rows, weights, count, half, target);
      addWhole<HighNibbles>(rows, weights, count, half, target + ((<usize>half) << 2));
    }
  }
}

/** How many rows a pass takes. */
@unmanaged
class One {
  @inline get count(): u32 { return 1; }
}
@unmanaged
class Two {
  @inline get count(): u32 { return 2; }
}
@unmanaged
class Three {
  @inline get count(): u32 { return 3; }
}
@unmanaged
class Four {
  @inline get count(): u32 { return 4; }
}

/** A group in f32, four rows a pass. */
function addFloats<F>(rows: usize, weights: usize, count: u32, columns: u32, target: usize): void {
  for (; count > 0; rows += 16, weights += 16) {
    if (count >= 4) pass<F, Four>(rows, weights, columns, target);
    else if (count == 3) pass<F, Three>(rows, weights, columns, target);
    else if (count == 2) pass<F, Two>(rows, weights, columns, target);
    else pass<F, One>(rows, weights, columns, target);
    count -= min<u32>(count, 4);
  }
}

/** The rows of a pass onto the target. */
function pass<F, P>(rows: usize, weights: usize, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const count = changetype<P>(0).count;
  let p0 = load<usize>(rows);
  let p1 = count > 1 ? load<usize>(rows, 4) : p0;
  let p2 = count > 2 ? load<usize>(rows, 8) : p0;
  let p3 = count > 3 ? load<usize>(rows, 12) : p0;
  const end = target + ((<usize>columns) << 2);
  if (ASC_FEATURE_SIMD) {
    const w0 = v128.load32_splat(weights);
    const w1 = count > 1 ? v128.load32_splat(weights, 4) : w0;
    const w2 = count > 2 ? v128.load32_splat(weights, 8) : w0;
    const w3 = count > 3 ? v128.load32_splat(weights, 12) : w0;
    for (const last = target + ((<usize>(columns & ~7)) << 2); target < last; target += 32) {
      const v0 = f.load8(p0);
      let a = f32x4.mul(w0, f.first4(p0, v0));
      let b = f32x4.mul(w0, f.last4(p0, v0));
      p0 += f.bytes8;
      if (count > 1) {
        const v1 = f.load8(p1);
        a = multiplyAdd(w1, f.first4(p1, v1), a);
        b = multiplyAdd(w1, f.last4(p1, v1), b);
        p1 += f.bytes8;
      }
      if (count > 2) {
        const v2 = f.load8(p2);
        let c = f32x4.mul(w2, f.first4(p2, v2));
        let d = f32x4.mul(w2, f.last4(p2, v2));
        p2 += f.bytes8;
        if (count > 3) {
          const v3 = f.load8(p3);
          c = multiplyAdd(w3, f.first4(p3, v3), c);
          d = multiplyAdd(w3, f.last4(p3, v3), d);
          p3 += f.bytes8;
        }
        a = f32x4.add(a, c);
        b = f32x4.add(b, d);
      }
      v128.store(target, f32x4.add(v128.load(target), a));
      v128.store(target, f32x4.add(v128.load(target, 16), b), 16);
    }
  }
  const w0 = load<f32>(weights);
  const w1 = count > 1 ? load<f32>(weights, 4) : w0;
  const w2 = count > 2 ? load<f32>(weights, 8) : w0;
  const w3 = count > 3 ? load<f32>(weights, 12) : w0;
  for (let c: usize = 0; target < end; target += 4, c++) {
    let s = w0 * f.load1(p0, c);
    if (count > 1) s += w1 * f.load1(p1, c);
    if (count > 2) {
      let t = w2 * f.load1(p2, c);
      if (count > 3) t += w3 * f.load1(p3, c);
      s += t;
    }
    store<f32>(target, load<f32>(target) + s);
  }
}

/** log₂ S of a group's weights, or `i32.MIN_VALUE` where they are no integers of enough bits. */
function wholeShift(weights: usize, count: u32): i32 {
  let largest: u32 = 0;
  let least: u32 = 0xffff_ffff;
  for (const end = weights + ((<usize>count) << 2); weights < end; weights += 4) {
    const magnitude = load<u32>(weights) & 0x7fff_ffff;
    largest = max(largest, magnitude);
    // A weight of 0 is an integer.
    if (magnitude > 0) least = min(least, magnitude);
  }
  if (largest < SMALL_WEIGHT || largest >= 0x7f80_0000) return i32.MIN_VALUE;
  const shift = WHOLE_BITS - 1 - (<i32>(largest >> 23) - 127);
  return reinterpret<f32>(least) * power(shift) < <f32>LEAST_WHOLE ? i32.MIN_VALUE : shift;
}

/** 2^n, a normal number. */
@inline
function power(n: i32): f32 {
  return reinterpret<f32>((n + 127) << 23);
}

/** Weight k of a group as an integer; 0 behind its last. */
@inline
function wholeWeight(weights: usize, k: u32, count: u32, factor: f32): i32 {
  return k < count ? <i32>nearest(load<f32>(weights + ((<usize>k) << 2)) * factor) : 0;
}

/** w = highPart · 2^16 + lowPart, both in i16. */
@inline
function highPart(w: i32): i32 {
  return (w + 0x8000) >> 16;
}

@inline
function lowPart(w: i32): i32 {
  return <i32>(<i16>w);
}

/** Two i16 in each i32 lane, as `i32x4.dot_i16x8_s` meets a pair of rows. */
@inline
function pairLanes(a: i32, b: i32): v128 {
  return i32x4.splat((a & 0xffff) | (b << 16));
}

/** A group of rows of whole numbers. */
function addWhole<F>(rows: usize, weights: usize, count: u32, columns: u32, target: usize): void {
  const shift = wholeShift(weights, count);
  if (shift == i32.MIN_VALUE) return addFloats<F>(rows, weights, count, columns, target);
  const f = changetype<F>(0);
  const factor = power(shift);
  const lowFactor = power(-shift);
  const highFactor = power(16 - shift);
  let p0 = load<usize>(rows);
  let p1 = count > 1 ? load<usize>(rows, 4) : p0;
  let p2 = count > 2 ? load<usize>(rows, 8) : p0;
  let p3 = count > 3 ? load<usize>(rows, 12) : p0;
  let p4 = count > 4 ? load<usize>(rows, 16) : p0;
  let p5 = count > 5 ? load<usize>(rows, 20) : p0;
  let p6 = count > 6 ? load<usize>(rows, 24) : p0;
  let p7 = count > 7 ? load<usize>(rows, 28) : p0;
  const w0 = wholeWeight(weights, 0, count, factor);
  const w1 = wholeWeight(weights, 1, count, factor);
  const w2 = wholeWeight(weights, 2, count, factor);
  const w3 = wholeWeight(weights, 3, count, factor);
  const w4 = wholeWeight(weights, 4, count, factor);
  const w5 = wholeWeight(weights, 5, count, factor);
  const w6 = wholeWeight(weights, 6, count, factor);
  const w7 = wholeWeight(weights, 7, count, factor);
  const end = target + ((<usize>columns) << 2);
  if (ASC_FEATURE_SIMD) {
    const h01 = pairLanes(highPart(w0), highPart(w1));
    const h23 = pairLanes(highPart(w2), highPart(w3));
    const h45 = pairLanes(highPart(w4), highPart(w5));
    const h67 = pairLanes(highPart(w6), highPart(w7));
    const l01 = pairLanes(lowPart(w0), lowPart(w1));
    const l23 = pairLanes(lowPart(w2), lowPart(w3));
    const l45 = pairLanes(lowPart(w4), lowPart(w5));
    const l67 = pairLanes(lowPart(w6), lowPart(w7));
    const highFactors = f32x4.splat(highFactor);
    const lowFactors = f32x4.splat(lowFactor);
    for (const last = target + ((<usize>(columns & ~15)) << 2); target < last; target += 64) {
      addEight(
        target, highFactors, lowFactors, h01, h23, h45, h67, l01, l23, l45, l67, f.load8(p0), f.load8(p1), f.load8(p2),
        f.load8(p3), f.load8(p4), f.load8(p5), f.load8(p6), f.load8(p7),
      );
      addEight(
        target + 32, highFactors, lowFactors, h01, h23, h45, h67, l01, l23, l45, l67, f.next8(p0), f.next8(p1),
        f.next8(p2), f.next8(p3), f.next8(p4), f.next8(p5), f.next8(p6), f.next8(p7),
      );
      p0 += 16;
      p1 += 16;
      p2 += 16;
      p3 += 16;
      p4 += 16;
      p5 += 16;
      p6 += 16;
      p7 += 16;
    }
  }
  for (let c: usize = 0; target < end; target += 4, c++) {
    const t0 = f.whole1(p0, c);
    const t1 = f.whole1(p1, c);
    const t2 = f.whole1(p2, c);
    const t3 = f.whole1(p3, c);
    const t4 = f.whole1(p4, c);
    const t5 = f.whole1(p5, c);
    const t6 = f.whole1(p6, c);
    const t7 = f.whole1(p7, c);
    const high =
      t0 * highPart(w0) +
      t1 * highPart(w1) +
      t2 * highPart(w2) +
      t3 * highPart(w3) +
      t4 * highPart(w4) +
      t5 * highPart(w5) +
      t6 * highPart(w6) +
      t7 * highPart(w7);
    const low =
      t0 * lowPart(w0) +
      t1 * lowPart(w1) +
      t2 * lowPart(w2) +
      t3 * lowPart(w3) +
      t4 * lowPart(w4) +
      t5 * lowPart(w5) +
      t6 * lowPart(w6) +
      t7 * lowPart(w7);
    store<f32>(target, load<f32>(target) + (<f32>high * highFactor + <f32>low * lowFactor));
  }
}

/** Eight columns of eight rows of whole numbers onto the target. */
@inline
function addEight(
  target: usize, highFactors: v128, lowFactors: v128, h01: v128, h23: v128, h45: v128, h67: v128, l01: v128, l23: v128,
  l45: v128, l67: v128, r0: v128, r1: v128, r2: v128, r3: v128, r4: v128, r5: v128, r6: v128, r7: v128,
): void {
  let v = interleaveLow(r0, r1);
  let h0 = i32x4.dot_i16x8_s(v, h01);
  let l0 = i32x4.dot_i16x8_s(v, l01);
  v = interleaveHigh(r0, r1);
  let h1 = i32x4.dot_i16x8_s(v, h01);
  let l1 = i32x4.dot_i16x8_s(v, l01);
  v = interleaveLow(r2, r3);
  h0 = i32x4.add(h0, i32x4.dot_i16x8_s(v, h23));
  l0 = i32x4.add(l0, i32x4.dot_i16x8_s(v, l23));
  v = interleaveHigh(r2, r3);
  h1 = i32x4.add(h1, i32x4.dot_i16x8_s(v, h23));
  l1 = i32x4.add(l1, i32x4.dot_i16x8_s(v, l23));
  v = interleaveLow(r4, r5);
  h0 = i32x4.add(h0, i32x4.dot_i16x8_s(v, h45));
  l0 = i32x4.add(l0, i32x4.dot_i16x8_s(v, l45));
  v = interleaveHigh(r4, r5);
  h1 = i32x4.add(h1, i32x4.dot_i16x8_s(v, h45));
  l1 = i32x4.add(l1, i32x4.dot_i16x8_s(v, l45));
  v = interleaveLow(r6, r7);
  h0 = i32x4.add(h0, i32x4.dot_i16x8_s(v, h67));
  l0 = i32x4.add(l0, i32x4.dot_i16x8_s(v, l67));
  v = interleaveHigh(r6, r7);
  h1 = i32x4.add(h1, i32x4.dot_i16x8_s(v, h67));
  l1 = i32x4.add(l1, i32x4.dot_i16x8_s(v, l67));
  addSums(target, h0, l0, highFactors, lowFactors);
  addSums(target + 16, h1, l1, highFactors, lowFactors);
}

/** target += high · highFactors + low · lowFactors; the products are exact. */
@inline
function addSums(target: usize, high: v128, low: v128, highFactors: v128, lowFactors: v128): void {
  const h = f32x4.mul(f32x4.convert_i32x4_s(high), highFactors);
  const l = f32x4.mul(f32x4.convert_i32x4_s(low), lowFactors);
  v128.store(target, f32x4.add(v128.load(target), f32x4.add(h, l)));
}

@inline
function interleaveLow(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

@inline
function interleaveHigh(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

function hasLargeWeight(weights: usize, count: u32): bool {
  for (const end = weights + ((<usize>count) << 2); weights < end; weights += 4) {
    if (abs(load<f32>(weights)) >= LARGE_WEIGHT) return true;
  }
  return false;
}

/** The whole sum in f64, which no products of f32 overflow. */
function gatherLarge<F>(rows: usize, weights: usize, count: u32, columns: u32, bias: usize, target: usize): void {
  const f = changetype<F>(0);
  for (let c: u32 = 0; c < columns; c++) {
    let sum: f64 = 0;
    for (let k: usize = 0; k < <usize>count; k++) {
      sum += <f64>load<f32>(weights + (k << 2)) * <f64>f.column(load<usize>(rows + (k << 2)), c, columns);
    }
    const at = (<usize>c) << 2;
    if (bias) sum += <f64>load<f32>(bias + at);
    const largest: f64 = f32.MAX_VALUE;
    store<f32>(target + at, <f32>(sum > largest ? largest : sum < -largest ? -largest : sum));
  }
}

/**
 * How a row's values are read. `load8` takes eight of them, `bytes8` bytes at p (whole numbers: as i16, and `next8` the
 * eight behind them), of which `first4` and `last4` make f32; `load1` (`whole1`: as an integer) is column c of what
 * begins at p, `column` that of a row.
 */
@unmanaged
class Singles {
  @inline get bytes8(): usize { return 32; }
  @inline load8(p: usize): v128 { return i32x4.splat(0); }
  @inline first4(p: usize, v: v128): v128 { return v128.load(p); }
  @inline last4(p: usize, v: v128): v128 { return v128.load(p, 16); }
  @inline load1(p: usize, c: usize): f32 { return load<f32>(p + (c << 2)); }
  @inline column(p: usize, c: u32, columns: u32): f32 { return this.load1(p, c); }
}

@unmanaged
class Halves {
  @inline get bytes8(): usize { return 16; }
  @inline load8(p: usize): v128 { return i32x4.splat(0); }
  @inline first4(p: usize, v: v128): v128 { return loadHalves4(p); }
  @inline last4(p: usize, v: v128): v128 { return loadHalves4(p + 8); }
  @inline load1(p: usize, c: usize): f32 { return loadFiniteHalf(p + (c << 1)); }
  @inline column(p: usize, c: u32, columns: u32): f32 { return this.load1(p, c); }
}

@unmanaged
class Bytes {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 { return v128.load_ext<i8>(p); }
  @inline next8(p: usize): v128 { return v128.load_ext<i8>(p, 8); }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline whole1(p: usize, c: usize): i32 { return load<i8>(p + c); }
  @inline load1(p: usize, c: usize): f32 { return <f32>this.whole1(p, c); }
  @inline column(p: usize, c: u32, columns: u32): f32 { return this.load1(p, c); }
}

/** The first half of the columns of Q4. */
@unmanaged
class LowNibbles {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 { return this.codes(v128.load_ext<u8>(p)); }
  @inline next8(p: usize): v128 { return this.codes(v128.load_ext<u8>(p, 8)); }
  @inline codes(v: v128): v128 { return i16x8.sub(v128.and(v, v128.load(FIFTEENS)), v128.load(EIGHTS)); }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline whole1(p: usize, c: usize): i32 { return <i32>(load<u8>(p + c) & 15) - 8; }
  @inline load1(p: usize, c: usize): f32 { return <f32>this.whole1(p, c); }
  @inline column(p: usize, c: u32, columns: u32): f32 {
    const half = columns >> 1;
    return c < half ? this.load1(p, c) : changetype<HighNibbles>(0).load1(p, c - half);
  }
}

/** The second half. */
@unmanaged
class HighNibbles {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 { return this.codes(v128.load_ext<u8>(p)); }
  @inline next8(p: usize): v128 { return this.codes(v128.load_ext<u8>(p, 8)); }
  @inline codes(v: v128): v128 { return i16x8.sub(i16x8.shr_u(v, 4), v128.load(EIGHTS)); }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline whole1(p: usize, c: usize): i32 { return <i32>(load<u8>(p + c) >> 4) - 8; }
  @inline load1(p: usize, c: usize): f32 { return <f32>this.whole1(p, c); }
}

// Constants lie in memory: V8 would build an immediate anew at each use.
const FIFTEENS = memory.data<u16>([15, 15, 15, 15, 15, 15, 15, 15], 16);
const EIGHTS = memory.data<u16>([8, 8, 8, 8, 8, 8, 8, 8], 16);

@inline
function firstFloats(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(v));
}

@inline
function lastFloats(v: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(v));
}
