/**
 * A matrix packed by columns, neuron by neuron: the second packed form, for a matrix whose inputs are mostly zero (the
 * down projection after ReLU²). A column is a neuron, a row an output. Each matrix has one form only, and both have the
 * same bytes as the file:
 *
 *     blocks of 32   unit after unit of 32 neurons
 *       unit         ┌ d h of every output ┬ neuron 0: codes of every output ┬ … ┬ neuron 31 ┐
 *     super-blocks   block after block of 256 neurons
 *       block        ┌ d h of every output │ dmin h of every output (if there) ┬ unit 0 ┬ … ┬ unit 7 ┐
 *       unit         ┌ sub-scales of outputs 0…7 │ of 8…15 │ … ┬ neuron 0: codes of every output ┬ … ┬ neuron 31 ┐
 *     floats         neuron after neuron: the values of every output
 *
 * Sub-scales of eight outputs lie as those of a group of rows (the format's file). The codes of a neuron come in pieces
 * of 16 outputs, output 4 p + r in i16 lane r of plane p (0…3):
 *
 *     4 bits    8 B   lane r: p0 │ p1 << 4 │ p2 << 8 │ (p3 ^ 8) << 12
 *     6 bits   12 B   lane r: p0 │ p1 << 6 │ (p3 & 15) << 12     byte 8 + r: p2 │ (p3 >> 4) << 6
 *     8 bits   16 B   lane r: p0 │ (p1 ^ 128) << 8               lane 4 + r: p2 │ (p3 ^ 128) << 8
 *
 * so that interleaving the i16 lanes of two neurons gives what a packed group of rows has: an i32 lane is an output,
 * its two halves are the codes of the two neurons. With 128 added signed bytes are codes. With 4 and 8 bits the topmost
 * code of a lane is signed, and planes need no mask: all of them meet the same two activations, so that the sums of a
 * lane and of what is left of it after a shift differ by the sum of the code below, exactly, modulo 2^32:
 *
 *     4 bits    lane = p0 + 16 · (lane >> 4)      Σ p0·a = Σ lane·a − 16 · Σ (lane >> 4)·a
 *
 * Packed neuron by neuron are Q4_0, Q8_0, Q4_K, Q6_K, F32, F16 and BF16 with a multiple of 32 outputs; all else keeps
 * the packing by rows.
 *
 * Why whole rows: memory gives a few long runs fast, and lines here and there slowly. Tiles of 64 outputs, in which the
 * lines of 32 neurons lie side by side, make the dense product a third faster (one stream), and the sparse one half as
 * fast as this, slower than the dense.
 */

/** Outputs of two pieces: a range of outputs is whole steps. */
export const STEP: u32 = 32;

/** Outputs of a block: 32 neurons × as many are some 8 KB. */
@inline
export function blockOutputs(bits: i32): u32 {
  return (2048 / bits) & ~(STEP - 1);
}

// The lowest 4, 6 and 8 bits of each lane, bits 4 and 5, bit 3. V8 rebuilds a constant at each use, so they are loaded.
const MASKS = memory.data<u16>([
  15, 15, 15, 15, 15, 15, 15, 15, 63, 63, 63, 63, 63, 63, 63, 63, 255, 255, 255, 255, 255, 255, 255, 255,
  48, 48, 48, 48, 48, 48, 48, 48, 8, 8, 8, 8, 8, 8, 8, 8,
], 16);

/** The mask of a code in each i16 lane, for `columnPlane`. */
@inline
export function loadCodeMask(bits: i32): v128 {
  return v128.load(MASKS + ((<usize>(bits - 4)) << 3));
}

/** Bytes of the half scales in front of a super-block of `rows` outputs. */
@inline
export function blockHeader<F>(rows: u32): usize {
  const f = changetype<F>(0);
  return f.scaled ? (<usize>rows) << (f.minimum ? 2 : 1) : 0;
}

/** Bytes of the scales in front of a unit. */
@inline
export function unitHeader<F>(rows: u32): usize {
  return <usize>(rows >> 3) * changetype<F>(0).unitScales;
}

/** Bytes of a neuron's codes. */
@inline
export function columnBytes<F>(rows: u32): usize {
  return <usize>(rows >> 3) * changetype<F>(0).bits;
}

/** Piece `k` (0 or 1) of those at `p`; with 6 bits its lanes alone. */
@inline
export function loadPiece(bits: i32, k: i32, p: usize): v128 {
  if (k == 0) return bits == 8 ? v128.load(p) : v128.load64_zero(p);
  if (bits == 8) return v128.load(p, 16);
  return bits == 4 ? v128.load64_zero(p, 8) : v128.load64_zero(p, 12);
}

/** What the pieces of two neurons give for all planes; with 8 bits, for planes 0 and 1. */
@inline
export function firstWord(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** What they give for planes 2 and 3; `p` and `q` are where they lie. */
@inline
export function secondWord(bits: i32, k: i32, a: v128, b: v128, p: usize, q: usize, first: v128): v128 {
  if (bits == 8) return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  if (bits == 6) {
    const x = k == 0 ? v128.load32_zero(p, 8) : v128.load32_zero(p, 20);
    const y = k == 0 ? v128.load32_zero(q, 8) : v128.load32_zero(q, 20);
    return i16x8.extend_low_i8x16_u(v128.shuffle<i8>(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  }
  return first;
}

/** What is summed for plane 0…3, four outputs × two neurons as i16x8: with 6 bits its codes, else the shifted lanes. */
@inline
export function rawPlane(bits: i32, first: v128, second: v128, plane: i32, mask: v128): v128 {
  if (bits == 4) return plane == 0 ? first : i16x8.shr_s(first, 4 * plane);
  if (bits == 8) {
    const word = plane < 2 ? first : second;
    return plane & 1 ? i16x8.shr_s(word, 8) : word;
  }
  return columnPlane(bits, first, second, plane, mask);
}

/** The sum of plane 0…3 from what was summed for it and for the next plane. */
@inline
export function finishPlane(bits: i32, sum: v128, next: v128, plane: i32): v128 {
  if (bits == 4 && plane < 3) return i32x4.sub(sum, i32x4.shl(next, 4));
  if (bits == 8 && (plane & 1) == 0) return i32x4.sub(sum, i32x4.shl(next, 8));
  return sum;
}

/** What the summed codes of a plane have too little: the topmost of a lane is signed. */
@inline
export function planeBias(bits: i32, plane: i32): i32 {
  if (bits == 4) return plane == 3 ? 8 : 0;
  return bits == 8 && plane & 1 ? 128 : 0;
}

/** The codes of plane 0…3 (4 and 6 bits), four outputs × two neurons as i16x8. */
@inline
export function columnPlane(bits: i32, first: v128, second: v128, plane: i32, mask: v128): v128 {
  if (bits == 4) {
    if (plane == 3) return v128.xor(i16x8.shr_u(first, 12), v128.load(MASKS, 64));
    return v128.and(plane == 0 ? first : i16x8.shr_u(first, 4 * plane), mask);
  }
  if (plane == 0) return v128.and(first, mask);
  if (plane == 1) return v128.and(i16x8.shr_u(first, 6), mask);
  if (plane == 2) return v128.and(second, mask);
  return v128.or(i16x8.shr_u(first, 12), v128.and(i16x8.shr_u(second, 2), v128.load(MASKS, 48)));
}

/** One code, the scalar twin of `columnPlane`: lane `lane` of plane `plane` of the piece at `p`. */
@inline
export function loadCode(bits: i32, p: usize, plane: i32, lane: usize): i32 {
  if (bits == 8) return <i32>load<u8>(p + ((<usize>plane >> 1) << 3) + (lane << 1) + (plane & 1)) ^ planeBias(8, plane);
  const low = <i32>load<u16>(p + (lane << 1));
  if (bits == 4) return ((low >> (4 * plane)) & 15) ^ planeBias(4, plane);
  if (plane < 2) return (low >> (6 * plane)) & 63;
  const high = <i32>load<u8>(p + lane, 8);
  return plane == 2 ? high & 63 : (low >> 12) | ((high >> 2) & 48);
}

/** Writes one code into zeroed bits: the inverse of `loadCode`. */
@inline
export function storeCode(bits: i32, p: usize, plane: i32, lane: usize, code: i32): void {
  if (bits == 8) {
    store<u8>(p + ((<usize>plane >> 1) << 3) + (lane << 1) + (plane & 1), <u8>(code ^ planeBias(8, plane)));
    return;
  }
  const low = p + (lane << 1);
  if (bits == 4) {
    store<u16>(low, <u16>(load<u16>(low) | ((code ^ planeBias(4, plane)) << (4 * plane))));
  } else if (plane < 2) {
    store<u16>(low, <u16>(load<u16>(low) | (code << (6 * plane))));
  } else {
    const high = p + lane;
    if (plane == 3) store<u16>(low, <u16>(load<u16>(low) | ((code & 15) << 12)));
    store<u8>(high, <u8>(load<u8>(high, 8) | (plane == 2 ? code : (code >> 4) << 6)), 8);
  }
}
