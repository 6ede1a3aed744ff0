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
 * Rows are summed four at a time, (w₀·r₀ + w₁·r₁) + (w₂·r₂ + w₃·r₃), then onto the target; the last one to three as
 * far as they go; the bias comes last. Every column has this order, whatever the build. With a weight of 2^64 or more,
 * whose products could overflow on the way, the sum is in f64, one row after the other, and the result is the largest
 * f32 where it would be more.
 *
 * Cost of 16 columns of a row of Q8: 12 operations to make f32, 4 multiplications, 4 additions, and a quarter of the
 * target's 8 loads and stores.
 *
 * May call: fused, vector, quant/layout.
 */
import { multiplyAdd } from "./fused";
import { loadFiniteHalf, loadHalves4 } from "./quant/layout";
import { add, allFinite } from "./vector";

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

/** Weights from here on are summed in f64. */
const LARGE_WEIGHT: f32 = 18446744073709551616.0;

/** Bytes of a row; 0 for a type that rows cannot have, and for Q4 with an odd number of columns. */
export function tableRowBytes(type: u32, columns: u32): usize {
  switch (type) {
    case RowType.F32: return <usize>columns << 2;
    case RowType.F16: return <usize>columns << 1;
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
  const end = rows + (<usize>values << 1);
  for (const last = rows + (<usize>(values & ~3) << 1); rows < last; rows += 8) {
    if (((load<u64>(rows) & 0x7c00_7c00_7c00_7c00) + 0x0400_0400_0400_0400) & 0x8000_8000_8000_8000) return false;
  }
  for (; rows < end; rows += 2) if ((load<u16>(rows) & 0x7c00) == 0x7c00) return false;
  return true;
}

/**
 * target f32[columns] = Σ weights[k] · rows[k] + bias: `rows` usize[count] point to rows of `type`, `weights`
 * f32[count] have the rows' scales in them, `bias` is f32[columns] or 0.
 */
export function gatherRows(
  type: u32,
  rows: usize,
  weights: usize,
  count: u32,
  columns: u32,
  bias: usize,
  target: usize,
): void {
  switch (type) {
    case RowType.F32: return gather<Singles>(rows, weights, count, columns, bias, target);
    case RowType.F16: return gather<Halves>(rows, weights, count, columns, bias, target);
    case RowType.Q8: return gather<Bytes>(rows, weights, count, columns, bias, target);
    case RowType.Q4: {
      const half = columns >> 1;
      const upper = <usize>half << 2;
      gather<LowNibbles>(rows, weights, count, half, bias, target);
      gather<HighNibbles>(rows, weights, count, half, bias ? bias + upper : 0, target + upper);
    }
  }
}

function gather<F>(rows: usize, weights: usize, count: u32, columns: u32, bias: usize, target: usize): void {
  if (hasLargeWeight(weights, count)) return gatherLarge<F>(rows, weights, count, columns, bias, target);
  if (count == 0) memory.fill(target, 0, <usize>columns << 2);
  let left = count;
  for (; left >= 4; left -= 4, rows += 16, weights += 16) {
    pass<F, Four>(rows, weights, left == count, columns, target);
  }
  if (left == 3) pass<F, Three>(rows, weights, left == count, columns, target);
  if (left == 2) pass<F, Two>(rows, weights, left == count, columns, target);
  if (left == 1) pass<F, One>(rows, weights, left == count, columns, target);
  if (bias) add(target, bias, columns);
}

/** How many rows a pass takes. */
@unmanaged class One { @inline get count(): u32 { return 1; } }
@unmanaged class Two { @inline get count(): u32 { return 2; } }
@unmanaged class Three { @inline get count(): u32 { return 3; } }
@unmanaged class Four { @inline get count(): u32 { return 4; } }

/** The rows of a pass, onto the target; `first`: instead of what lies there. */
function pass<F, P>(rows: usize, weights: usize, first: bool, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const count = changetype<P>(0).count;
  let p0 = load<usize>(rows);
  let p1 = count > 1 ? load<usize>(rows, 4) : p0;
  let p2 = count > 2 ? load<usize>(rows, 8) : p0;
  let p3 = count > 3 ? load<usize>(rows, 12) : p0;
  const end = target + (<usize>columns << 2);
  if (ASC_FEATURE_SIMD) {
    const w0 = v128.load32_splat(weights);
    const w1 = count > 1 ? v128.load32_splat(weights, 4) : w0;
    const w2 = count > 2 ? v128.load32_splat(weights, 8) : w0;
    const w3 = count > 3 ? v128.load32_splat(weights, 12) : w0;
    for (const last = target + (<usize>(columns & ~7) << 2); target < last; target += 32) {
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
      if (!first) {
        a = f32x4.add(v128.load(target), a);
        b = f32x4.add(v128.load(target, 16), b);
      }
      v128.store(target, a);
      v128.store(target, b, 16);
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
    store<f32>(target, first ? s : load<f32>(target) + s);
  }
}

function hasLargeWeight(weights: usize, count: u32): bool {
  for (const end = weights + (<usize>count << 2); weights < end; weights += 4) {
    if (abs(load<f32>(weights)) >= LARGE_WEIGHT) return true;
  }
  return false;
}

/** The whole sum in f64, which no products of f32 overflow. */
function gatherLarge<F>(rows: usize, weights: usize, count: u32, columns: u32, bias: usize, target: usize): void {
  const f = changetype<F>(0);
  for (let c: usize = 0; c < <usize>columns; c++) {
    let sum: f64 = 0;
    for (let k: usize = 0; k < <usize>count; k++) {
      sum += <f64>load<f32>(weights + (k << 2)) * <f64>f.load1(load<usize>(rows + (k << 2)), c);
    }
    if (bias) sum += <f64>load<f32>(bias + (c << 2));
    const largest: f64 = f32.MAX_VALUE;
    sum = sum > largest ? largest : sum < -largest ? -largest : sum;
    store<f32>(target + (c << 2), <f32>sum);
  }
}

/**
 * How a row's values are read. `load8` takes eight of them, `bytes8` bytes at p, of which `first4` and `last4` make
 * f32; `load1` is column c of what begins at p.
 */
@unmanaged
class Singles {
  @inline get bytes8(): usize { return 32; }
  @inline load8(p: usize): v128 { return i32x4.splat(0); }
  @inline first4(p: usize, v: v128): v128 { return v128.load(p); }
  @inline last4(p: usize, v: v128): v128 { return v128.load(p, 16); }
  @inline load1(p: usize, c: usize): f32 { return load<f32>(p + (c << 2)); }
}

@unmanaged
class Halves {
  @inline get bytes8(): usize { return 16; }
  @inline load8(p: usize): v128 { return i32x4.splat(0); }
  @inline first4(p: usize, v: v128): v128 { return loadHalves4(p); }
  @inline last4(p: usize, v: v128): v128 { return loadHalves4(p + 8); }
  @inline load1(p: usize, c: usize): f32 { return loadFiniteHalf(p + (c << 1)); }
}

@unmanaged
class Bytes {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 { return v128.load_ext<i8>(p); }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline load1(p: usize, c: usize): f32 { return <f32>load<i8>(p + c); }
}

@unmanaged
class LowNibbles {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 {
    return i16x8.sub(v128.and(v128.load_ext<u8>(p), v128.load(FIFTEENS)), v128.load(EIGHTS));
  }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline load1(p: usize, c: usize): f32 { return <f32>(<i32>(load<u8>(p + c) & 15) - 8); }
}

@unmanaged
class HighNibbles {
  @inline get bytes8(): usize { return 8; }
  @inline load8(p: usize): v128 {
    return i16x8.sub(i16x8.shr_u(v128.load_ext<u8>(p), 4), v128.load(EIGHTS));
  }
  @inline first4(p: usize, v: v128): v128 { return firstFloats(v); }
  @inline last4(p: usize, v: v128): v128 { return lastFloats(v); }
  @inline load1(p: usize, c: usize): f32 { return <f32>(<i32>(load<u8>(p + c) >> 4) - 8); }
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
