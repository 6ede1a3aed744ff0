/**
 * The packed form of weights, and the small moves that all formats share: interleaving nibbles and high bits, and half
 * scales, four at once.
 *
 * A matrix is packed in groups of eight rows; a group is one sequential stream, block after block along the columns:
 *
 *     ┌ scales of rows 0…7 ┬ payload: steps of 8 columns ┐ ┌ scales … ┬ payload …
 *       step, nibbles   ┌ 16 B rows 0…3 (quad 0) ┬ 16 B rows 4…7 (quad 1) ┐
 *         16 B = i16 lanes  r0 r0' r1 r1' r2 r2' r3 r3'; nibble p of lane r is column 2p, of lane r' column 2p + 1
 *       step, bytes     four pairs of columns, each  ┌ r0 r0' r1 r1' r2 r2' r3 r3' ┬ r4 … r7' ┐  (8 B a quad)
 *       high bits       per quad 16 B of i16 lanes as above; bit i of lane r is column 2i, of lane r' column 2i + 1
 *
 * so that an i32 lane of `i32x4.dot_i16x8_s` with a splat pair of activations is a row.
 */
import { loadHalf } from "../float/half";

/** Rows of a group, in every format. */
export const GROUP_ROWS: u32 = 8;

/** Eight nibbles in the low halves of eight bytes (columns 0…7) → the two i16 lanes of a row. */
@inline
export function joinNibbles(bytes: u64): u32 {
  return joinEven(bytes) | (joinEven(bytes >> 8) << 16);
}

@inline
function joinEven(bytes: u64): u32 {
  let n = bytes & 0x000f_000f_000f_000f;
  n = (n | (n >> 12)) & 0x0000_00ff_0000_00ff;
  return <u32>(n | (n >> 24)) & 0xffff;
}

/** The inverse of `joinNibbles`. */
@inline
export function splitNibbles(lanes: u32): u64 {
  return splitEven(lanes & 0xffff) | (splitEven(lanes >> 16) << 8);
}

@inline
function splitEven(lane: u32): u64 {
  let n = <u64>lane;
  n = (n | (n << 24)) & 0x0000_00ff_0000_00ff;
  return (n | (n << 12)) & 0x000f_000f_000f_000f;
}

/** 32 bits, bit j for column j → the two i16 lanes of a row (even columns below, odd columns above). */
@inline
export function joinBits(bits: u32): u32 {
  return evenBits(bits) | (evenBits(bits >> 1) << 16);
}

@inline
function evenBits(bits: u32): u32 {
  let b = bits & 0x5555_5555;
  b = (b | (b >> 1)) & 0x3333_3333;
  b = (b | (b >> 2)) & 0x0f0f_0f0f;
  b = (b | (b >> 4)) & 0x00ff_00ff;
  return (b | (b >> 8)) & 0xffff;
}

/** The inverse of `joinBits`. */
@inline
export function splitBits(lanes: u32): u32 {
  return spreadBits(lanes & 0xffff) | (spreadBits(lanes >> 16) << 1);
}

@inline
function spreadBits(lane: u32): u32 {
  let b = lane;
  b = (b | (b << 8)) & 0x00ff_00ff;
  b = (b | (b << 4)) & 0x0f0f_0f0f;
  b = (b | (b << 2)) & 0x3333_3333;
  return (b | (b << 1)) & 0x5555_5555;
}

const LOW_NIBBLES = memory.data<u64>([0x0f0f_0f0f_0f0f_0f0f, 0x0f0f_0f0f_0f0f_0f0f], 16);

/** 16 bytes of split-half nibbles (column j low, column j + 16 high) → a row's four steps, `stride` bytes apart. */
export function packNibbles(source: usize, target: usize, stride: usize): void {
  if (ASC_FEATURE_SIMD) {
    // A lane's bytes are columns 0|2 4|6 1|3 5|7: what is left of the bar below, what is right above.
    const bytes = v128.load(source);
    const low = v128.and(bytes, v128.load(LOW_NIBBLES));
    const high = v128.and(i16x8.shr_u(bytes, 4), v128.load(LOW_NIBBLES));
    const left = v128.shuffle<i8>(low, high, 0, 4, 1, 5, 8, 12, 9, 13, 16, 20, 17, 21, 24, 28, 25, 29);
    const right = v128.shuffle<i8>(low, high, 2, 6, 3, 7, 10, 14, 11, 15, 18, 22, 19, 23, 26, 30, 27, 31);
    const lanes = v128.or(left, i16x8.shl(right, 4));
    v128.store32_lane(target, lanes, 0);
    v128.store32_lane(target + stride, lanes, 1);
    v128.store32_lane(target + 2 * stride, lanes, 2);
    v128.store32_lane(target + 3 * stride, lanes, 3);
    return;
  }
  const a = load<u64>(source);
  const b = load<u64>(source, 8);
  store<u32>(target, joinNibbles(a));
  store<u32>(target + stride, joinNibbles(b));
  store<u32>(target + 2 * stride, joinNibbles(a >> 4));
  store<u32>(target + 3 * stride, joinNibbles(b >> 4));
}

/** The inverse of `packNibbles`. */
export function unpackNibbles(source: usize, stride: usize, target: usize): void {
  store<u64>(target, splitNibbles(load<u32>(source)) | (splitNibbles(load<u32>(source + 2 * stride)) << 4));
  store<u64>(target, splitNibbles(load<u32>(source + stride)) | (splitNibbles(load<u32>(source + 3 * stride)) << 4), 8);
}

// Half → f32 without branches: the mantissa and exponent as a float's are too small by 2^112. Exact for every finite
// half; what is infinite or NaN becomes a finite number, so that a zero activation always gives a zero product.
const HALF_BITS = memory.data<u32>([0x8fff_e000, 0x8fff_e000, 0x8fff_e000, 0x8fff_e000], 16);
const HALF_SCALE = memory.data<u32>([0x7780_0000, 0x7780_0000, 0x7780_0000, 0x7780_0000], 16);

/** The four halves at `p` as f32x4. */
@inline
export function loadHalves4(p: usize): v128 {
  return f32x4.mul(loadHalfBits4(p), v128.load(HALF_SCALE));
}

/** The four halves at `p` as the floats that have their bits, 2^112 times too small. */
@inline
export function loadHalfBits4(p: usize): v128 {
  return v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), v128.load(HALF_BITS));
}

const HALF_EXPONENT = memory.data<u32>([0x0f80_0000, 0x0f80_0000, 0x0f80_0000, 0x0f80_0000], 16);
const HALF_BIAS = memory.data<u32>([0x3800_0000, 0x3800_0000, 0x3800_0000, 0x3800_0000], 16);
const SMALLEST_HALF = memory.data<u32>([0x3880_0000, 0x3880_0000, 0x3880_0000, 0x3880_0000], 16);
const SIGN = memory.data<u32>([0x8000_0000, 0x8000_0000, 0x8000_0000, 0x8000_0000], 16);

/**
 * `loadHalves4` for the scales of super-blocks, which are below 2^−14 as a rule: multiplying what is so small as a
 * float's bits takes the processor's slow way, so the bias of the exponent is added; where there is no exponent the
 * mantissa is what lies above 2^−14.
 */
export function loadSmallHalves4(p: usize): v128 {
  const bits = v128.and(i32x4.shl(v128.load_ext<i16>(p), 13), v128.load(HALF_BITS));
  const sign = v128.and(bits, v128.load(SIGN));
  const smallest = v128.or(v128.load(SMALLEST_HALF), sign);
  const above = v128.or(f32x4.sub(v128.or(bits, smallest), smallest), sign);
  const small = i32x4.eq(v128.and(bits, v128.load(HALF_EXPONENT)), i32x4.splat(0));
  return v128.bitselect(above, i32x4.add(bits, v128.load(HALF_BIAS)), small);
}

/** A scale of a file's block: exactly, or finite as products read it. */
export function loadScale(p: usize, isFinite: bool): f32 {
  return isFinite ? loadFiniteHalf(p) : loadHalf(p);
}

/** The scalar twin of `loadHalves4`. */
@inline
export function loadFiniteHalf(p: usize): f32 {
  return finiteHalf(<i32>load<i16>(p));
}

/** The same of a half's bits, with its sign in all that are above them. */
@inline
export function finiteHalf(half: i32): f32 {
  const bits = ((<u32>half) << 13) & 0x8fff_e000;
  return reinterpret<f32>(bits) * reinterpret<f32>(0x7780_0000);
}
