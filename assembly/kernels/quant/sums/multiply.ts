/**
 * The quantised matmul of the formats with one or two bits a code, written once: no multiplications of weights, but
 * sums of activations that are looked up (sums/tables.ts draws the tables).
 *
 *     y[t][r] = Σ over blocks:  d · Σ over 32 columns of the block:  float(factor · Σ code·a − Σ a) · dx
 *
 * in this order, one f32 accumulator a block and one an output, the same for one token, for several and for the scalar
 * twin, so that all of them give the same bits. 32 columns whose activations are all zero add nothing and are skipped.
 * Where activations have a second part (twice sixteen bits, two bytes), 32 columns add both, one after the other.
 *
 * A vector of bits has sixteen rows: with one plane those of two groups, which lie half of the matrix apart, so that
 * both are streams that read on where they were; with two planes those of one group, twice.
 *
 * Cost of 16 rows × 32 columns, one plane: 24 look-ups, 24 adds and some 70 operations for bits and sums; in bytes 16,
 * 16 and 50.
 */
import { multiplyAdd } from "../../float/fused";
import { ActivationPrecision } from "../activations/precision";
import { ACTIVATION_BLOCK_BYTES, activationBytes } from "../activations/sixteen";
import { loadFiniteHalf, loadHalves4 } from "../layout";
import { inBytes, makeTables, recordBytes, tablesOfToken, unitsAtOnce } from "./tables";

/** Tokens that share a pass over the weights. */
const TILE: u32 = 4;

// V8 rebuilds a constant at each use, so they are loaded: the lowest four bits of each byte; what bits 0…11 and bits
// 12…16 of a sum count, doubled, and once.
const NIBBLES = memory.data<u64>([0x0f0f_0f0f_0f0f_0f0f, 0x0f0f_0f0f_0f0f_0f0f], 16);
const TWOS = memory.data<u32>([0x2000_0002, 0x2000_0002, 0x2000_0002, 0x2000_0002], 16);
const ONES = memory.data<u32>([0x1000_0001, 0x1000_0001, 0x1000_0001, 0x1000_0001], 16);

/** What a table has for sixteen nibbles. */
@inline
function look(table: v128, nibbles: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(table, nibbles) : i8x16.swizzle(table, nibbles);
}

/** y + float(dot − less) · dx */
@inline
function added(y: v128, dot: v128, less: v128, dx: v128): v128 {
  return f32x4.add(y, f32x4.mul(f32x4.convert_i32x4_s(i32x4.sub(dot, less)), dx));
}

/** Four outputs += d · y, d the halves at `scales`. */
@inline
function addBlock(target: usize, y: v128, scales: usize): void {
  v128.store(target, f32x4.add(v128.load(target), f32x4.mul(y, loadHalves4(scales))));
}

/** The same where the host may round once. */
@inline
function addByteBlock(target: usize, y: v128, scales: usize): void {
  v128.store(target, multiplyAdd(y, loadHalves4(scales), v128.load(target)));
}

/** Blocks of one token with activations in 16 bits: rows of group `a`, and with one plane those of group `b`. */
function addWide<F>(a: usize, b: usize, blocks: u32, table: usize, targetA: usize, targetB: usize): void {
  const f = changetype<F>(0);
  const nibbles = v128.load(NIBBLES);
  for (; blocks > 0; blocks--) {
    let y0 = f32x4.splat(0);
    let y1 = y0;
    let y2 = y0;
    let y3 = y0;
    let p = a + 16;
    let q = b + 16;
    for (let unit = f.units; unit > 0; ) {
      if (load<u32>(table) != 0) {
        let w0 = v128.load(p);
        let w1 = f.planes == 1 ? v128.load(q) : v128.load(p, 16);
        let v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 0, 2) : w0;
        let i = v128.and(v, nibbles);
        let j = v128.and(i16x8.shr_u(v, 4), nibbles);
        let low0 = i8x16.add(look(v128.load(table, 16), i), look(v128.load(table, 64), j));
        let mid0 = i8x16.add(look(v128.load(table, 32), i), look(v128.load(table, 80), j));
        let high = i8x16.add(look(v128.load(table, 48), i), look(v128.load(table, 96), j));
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 1, 3) : w1;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        low0 = i8x16.add(i8x16.add(low0, look(v128.load(table, 112), i)), look(v128.load(table, 160), j));
        mid0 = i8x16.add(i8x16.add(mid0, look(v128.load(table, 128), i)), look(v128.load(table, 176), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 144), i)), look(v128.load(table, 192), j));

        w0 = f.planes == 1 ? v128.load(p, 16) : v128.load(p, 32);
        w1 = f.planes == 1 ? v128.load(q, 16) : v128.load(p, 48);
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 0, 2) : w0;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        let low1 = i8x16.add(look(v128.load(table, 208), i), look(v128.load(table, 256), j));
        let mid1 = i8x16.add(look(v128.load(table, 224), i), look(v128.load(table, 272), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 240), i)), look(v128.load(table, 288), j));
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 1, 3) : w1;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        low1 = i8x16.add(i8x16.add(low1, look(v128.load(table, 304), i)), look(v128.load(table, 352), j));
        mid1 = i8x16.add(i8x16.add(mid1, look(v128.load(table, 320), i)), look(v128.load(table, 368), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 336), i)), look(v128.load(table, 384), j));

        const dx = v128.load32_splat(table);
        const less = v128.load32_splat(table, 4);
        const lowA = twelveBits(
          i16x8.extend_low_i8x16_u(low0), i16x8.extend_low_i8x16_u(low1), i16x8.extend_low_i8x16_u(mid0),
          i16x8.extend_low_i8x16_u(mid1),
        );
        const highA = i16x8.extend_low_i8x16_u(high);
        const lowB = twelveBits(
          i16x8.extend_high_i8x16_u(low0), i16x8.extend_high_i8x16_u(low1), i16x8.extend_high_i8x16_u(mid0),
          i16x8.extend_high_i8x16_u(mid1),
        );
        const highB = i16x8.extend_high_i8x16_u(high);
        const twos = v128.load(TWOS);
        if (f.planes == 1) {
          y0 = added(y0, i32x4.dot_i16x8_s(firstRows(lowA, highA), twos), less, dx);
          y1 = added(y1, i32x4.dot_i16x8_s(lastRows(lowA, highA), twos), less, dx);
          y2 = added(y2, i32x4.dot_i16x8_s(firstRows(lowB, highB), twos), less, dx);
          y3 = added(y3, i32x4.dot_i16x8_s(lastRows(lowB, highB), twos), less, dx);
        } else {
          const ones = v128.load(ONES);
          const first = i32x4.dot_i16x8_s(firstRows(lowA, highA), ones);
          const last = i32x4.dot_i16x8_s(lastRows(lowA, highA), ones);
          y0 = added(y0, i32x4.add(first, i32x4.dot_i16x8_s(firstRows(lowB, highB), twos)), less, dx);
          y1 = added(y1, i32x4.add(last, i32x4.dot_i16x8_s(lastRows(lowB, highB), twos)), less, dx);
        }
      }
      if (load<u32>(table, 8) == 0) {
        p += f.pieceBytes << 2;
        q += f.pieceBytes << 2;
        unit--;
      }
      table += recordBytes(ActivationPrecision.SIXTEEN);
    }
    addBlock(targetA, y0, a);
    addBlock(targetA + 16, y1, a + 8);
    if (f.planes == 1 && b != a) {
      addBlock(targetB, y2, b);
      addBlock(targetB + 16, y3, b + 8);
    }
    a += f.blockBytes;
    b += f.blockBytes;
  }
}

/** Bits 0…11 of sums of eight rows: at most 4 · 63 · 65 · 2, which fits an i16. */
@inline
function twelveBits(low0: v128, low1: v128, mid0: v128, mid1: v128): v128 {
  return i16x8.add(i16x8.add(low0, low1), i16x8.shl(i16x8.add(mid0, mid1), 6));
}

/** Both parts of the sums of rows 0…3 side by side. */
@inline
function firstRows(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Both parts of the sums of rows 4…7 side by side. */
@inline
function lastRows(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
}

/** The same with activations in bytes: no sum is above 2032, and all that is made of sums fits an i16. */
function addBytes<F>(a: usize, b: usize, blocks: u32, table: usize, targetA: usize, targetB: usize): void {
  const f = changetype<F>(0);
  const nibbles = v128.load(NIBBLES);
  for (; blocks > 0; blocks--) {
    let y0 = f32x4.splat(0);
    let y1 = y0;
    let y2 = y0;
    let y3 = y0;
    let p = a + 16;
    let q = b + 16;
    for (let unit = f.units; unit > 0; ) {
      if (load<u32>(table) != 0) {
        let w0 = v128.load(p);
        let w1 = f.planes == 1 ? v128.load(q) : v128.load(p, 16);
        let v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 0, 2) : w0;
        let i = v128.and(v, nibbles);
        let j = v128.and(i16x8.shr_u(v, 4), nibbles);
        let low = i8x16.add(look(v128.load(table, 16), i), look(v128.load(table, 48), j));
        let high = i8x16.add(look(v128.load(table, 32), i), look(v128.load(table, 64), j));
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 1, 3) : w1;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        low = i8x16.add(i8x16.add(low, look(v128.load(table, 80), i)), look(v128.load(table, 112), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 96), i)), look(v128.load(table, 128), j));

        w0 = f.planes == 1 ? v128.load(p, 16) : v128.load(p, 32);
        w1 = f.planes == 1 ? v128.load(q, 16) : v128.load(p, 48);
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 0, 2) : w0;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        low = i8x16.add(i8x16.add(low, look(v128.load(table, 144), i)), look(v128.load(table, 176), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 160), i)), look(v128.load(table, 192), j));
        v = f.planes == 1 ? v128.shuffle<i64>(w0, w1, 1, 3) : w1;
        i = v128.and(v, nibbles);
        j = v128.and(i16x8.shr_u(v, 4), nibbles);
        low = i8x16.add(i8x16.add(low, look(v128.load(table, 208), i)), look(v128.load(table, 240), j));
        high = i8x16.add(i8x16.add(high, look(v128.load(table, 224), i)), look(v128.load(table, 256), j));

        const dx = v128.load32_splat(table);
        const less = v128.load16_splat(table, 4);
        const sumA = nineBits(i16x8.extend_low_i8x16_u(low), i16x8.extend_low_i8x16_u(high));
        const sumB = nineBits(i16x8.extend_high_i8x16_u(low), i16x8.extend_high_i8x16_u(high));
        if (f.planes == 1) {
          const dotA = i16x8.sub(i16x8.add(sumA, sumA), less);
          const dotB = i16x8.sub(i16x8.add(sumB, sumB), less);
          y0 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(dotA)), dx, y0);
          y1 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(dotA)), dx, y1);
          y2 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(dotB)), dx, y2);
          y3 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(dotB)), dx, y3);
        } else {
          const dot = i16x8.sub(i16x8.add(sumA, i16x8.add(sumB, sumB)), less);
          y0 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(dot)), dx, y0);
          y1 = multiplyAdd(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(dot)), dx, y1);
        }
      }
      if (load<u32>(table, 8) == 0) {
        p += f.pieceBytes << 2;
        q += f.pieceBytes << 2;
        unit--;
      }
      table += recordBytes(ActivationPrecision.BYTE);
    }
    addByteBlock(targetA, y0, a);
    addByteBlock(targetA + 16, y1, a + 8);
    if (f.planes == 1 && b != a) {
      addByteBlock(targetB, y2, b);
      addByteBlock(targetB + 16, y3, b + 8);
    }
    a += f.blockBytes;
    b += f.blockBytes;
  }
}

@inline
function nineBits(low: v128, high: v128): v128 {
  return i16x8.add(low, i16x8.shl(high, 5));
}

@inline
function addSpan<F>(form: u32, a: usize, b: usize, blocks: u32, table: usize, targetA: usize, targetB: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (inBytes(form)) return addBytes<F>(a, b, blocks, table, targetA, targetB);
  }
  addWide<F>(a, b, blocks, table, targetA, targetB);
}

/** The scalar twin: one row × one token; `rest`: from a block of activations to what rounding left of it, or 0. */
function multiplyRow<F>(block: usize, row: usize, blocks: u32, x: usize, rest: usize): f32 {
  const f = changetype<F>(0);
  let y: f32 = 0;
  for (; blocks > 0; blocks--) {
    let inner: f32 = 0;
    let p = block + 16 + row;
    for (let unit = f.units; unit > 0; unit--) {
      inner = addUnit<F>(inner, p, x);
      if (rest != 0) inner = addUnit<F>(inner, p, x + rest);
      p += f.pieceBytes << 2;
      x += ACTIVATION_BLOCK_BYTES;
    }
    y += inner * loadFiniteHalf(block + (row << 1));
    block += f.blockBytes;
  }
  return y;
}

/** inner + float(factor · Σ code·a − Σ a) · dx of 32 columns. */
@inline
function addUnit<F>(inner: f32, p: usize, x: usize): f32 {
  const f = changetype<F>(0);
  const dx = load<f32>(x);
  if (dx == 0) return inner;
  let dot = 0;
  for (let a = x + 16, end = x + ACTIVATION_BLOCK_BYTES; a != end; a += 16) {
    dot += bitDot(<i32>load<u8>(p), a);
    if (f.planes == 2) dot += bitDot(<i32>load<u8>(p, 8), a) << 1;
    p += f.pieceBytes;
  }
  return inner + <f32>(f.factor * dot - load<i32>(x, 4)) * dx;
}

/** The sum of those of eight activations whose bit is set. */
@inline
function bitDot(bits: i32, a: usize): i32 {
  return (
    (<i32>load<i16>(a) & -(bits & 1)) +
    (<i32>load<i16>(a, 2) & -((bits >> 1) & 1)) +
    (<i32>load<i16>(a, 4) & -((bits >> 2) & 1)) +
    (<i32>load<i16>(a, 6) & -((bits >> 3) & 1)) +
    (<i32>load<i16>(a, 8) & -((bits >> 4) & 1)) +
    (<i32>load<i16>(a, 10) & -((bits >> 5) & 1)) +
    (<i32>load<i16>(a, 12) & -((bits >> 6) & 1)) +
    (<i32>load<i16>(a, 14) & -(bits >> 7))
  );
}

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of `form`;
 * `tables`: TABLES_BYTES.
 *
 * As many columns as have room in the tables go through all rows, then the next ones: outputs are summed where they end
 * up.
 */
export function multiplySums<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  tables: usize, form: u32,
): void {
  const f = changetype<F>(0);
  const blocks = columns / f.columns;
  const groupBytes = <usize>blocks * f.blockBytes;
  if (ASC_FEATURE_SIMD) {
    const units = columns >> 5;
    const half = groups >> 1;
    const passes = f.planes == 1 ? half : groups;
    const far = <usize>half * groupBytes;
    while (tokens > 0) {
      const count = min(TILE, tokens);
      const room = tablesOfToken(count);
      const most = unitsAtOnce(form, count);
      for (let t: u32 = 0; t < count; t++) memory.fill(target + <usize>t * targetStride, 0, (<usize>groups) << 5);
      for (let first: u32 = 0; first < units; first += most) {
        const span = min(most, units - first);
        for (let t: u32 = 0; t < count; t++) {
          makeTables(form, f.planes, x + <usize>t * xStride, columns, first, span, tables + <usize>t * room);
        }
        const here = span / f.units;
        let a = group + <usize>(first / f.units) * f.blockBytes;
        let y = target;
        for (let pass: u32 = 0; pass < passes; pass++) {
          for (let t: u32 = 0; t < count; t++) {
            const to = y + <usize>t * targetStride;
            addSpan<F>(form, a, a + far, here, tables + <usize>t * room, to, to + ((<usize>half) << 5));
          }
          a += groupBytes;
          y += 32;
        }
        if (f.planes == 1 && (groups & 1) != 0) {
          // The last group stands for both.
          a += far;
          y += (<usize>half) << 5;
          for (let t: u32 = 0; t < count; t++) {
            const to = y + <usize>t * targetStride;
            addSpan<F>(form, a, a, here, tables + <usize>t * room, to, to);
          }
        }
      }
      tokens -= count;
      x += <usize>count * xStride;
      target += <usize>count * targetStride;
    }
  } else {
    const rest: usize = form == ActivationPrecision.TWO_SIXTEENS ? activationBytes(columns) : 0;
    for (; groups > 0; groups--) {
      for (let t: u32 = 0; t < tokens; t++) {
        const y = target + <usize>t * targetStride;
        for (let row: usize = 0; row < 8; row++) {
          store<f32>(y + (row << 2), multiplyRow<F>(group, row, blocks, x + <usize>t * xStride, rest));
        }
      }
      group += groupBytes;
      target += 32;
    }
  }
}
