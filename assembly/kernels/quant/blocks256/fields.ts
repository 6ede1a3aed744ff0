/**
 * Codes of 2 to 6 bits in packed super-blocks. A unit is 32 columns of eight rows; its codes fill `bits` pairs
 * of vectors (rows 0…3, rows 4…7), where an i32 lane is a row: its low i16 lane has the even columns, its high one the
 * odd columns. Each half (16 columns, pairs 0…7 of columns) fills its i16 lanes from the lowest bit up:
 *
 *     2 bits   pairs 0…7
 *     3 bits   0…4, top of 7 │ half of a lane: 5, 6, low of 7               two halves share the last vector
 *     4 bits   0…3 │ 4…7
 *     5 bits   0, 1, 2, bit 3 of 7 │ 3, 4, 5, bit 4 of 7 │ half of a lane: 6, low of 7       … as with 3 bits
 *     6 bits   0, 1, low of 6 │ 2, 3, top of 6, low of 7 │ 4, 5, top of 7
 *
 * so that a plane (one pair of columns, four rows) costs about two operations at any width. In the fast build all but 4
 * bits lie as blocks256/bytes.ts says, and the functions here pass on. `p` is the row's lanes, or the quad, in the
 * first vector; vectors of a quad are 32 bytes apart. A step is 8 columns (four pairs), two a half. `bits`, `step` and
 * `pair` are constants, `half` need not be.
 */
import { highVector, loadBytePair, lowVector, storeBytePair, widePlane } from "./bytes";

// Masks, loaded and never splatted: V8 rebuilds a v128 constant at each use.
const MASKS = memory.data<u16>([
  3, 3, 3, 3, 3, 3, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 15, 15, 15, 15, 15, 15, 15, 15,
  31, 31, 31, 31, 31, 31, 31, 31, 63, 63, 63, 63, 63, 63, 63, 63, 48, 48, 48, 48, 48, 48, 48, 48,
], 16);

/** The mask of a code in each i16 lane, for `plane`. */
@inline
export function codeMask(bits: usize): v128 {
  return v128.load(MASKS + ((bits - 2) << 4));
}

/** Where the vectors of a half begin; with an odd width without the one that both halves share. */
@inline
function halfOf(p: usize, bits: i32, half: usize): usize {
  return p + 32 * <usize>(bits >> 1) * half;
}

/** The vector that both halves share. */
@inline
function sharedOf(p: usize, bits: i32): usize {
  return p + 32 * (bits - 1);
}

/** The first of the vectors that a step needs, of which there are up to three. */
@inline
export function firstOf(p: usize, bits: i32, half: usize, step: i32): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return lowVector(p, bits, half, step);
  const q = halfOf(p, bits, half);
  if (step == 0 || bits < 4) return v128.load(q);
  return bits == 6 ? v128.load(q, 64) : v128.load(q, 32);
}

/** The second vector of a step; where there is none, the first. */
@inline
export function secondOf(p: usize, bits: i32, half: usize, step: i32, first: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return highVector(p, bits, half, first);
  if (bits == 6 || (bits == 5 && step == 0)) return v128.load(halfOf(p, bits, half), 32);
  if ((bits & 1) == 1 && step == 1) return i16x8.shr_u(v128.load(sharedOf(p, bits)), (<i32>half) << 3);
  return first;
}

/** The third vector of a step; where there is none, the first. */
@inline
export function thirdOf(p: usize, bits: i32, half: usize, step: i32, first: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return first;
  return bits >= 5 && step == 1 ? v128.load(halfOf(p, bits, half)) : first;
}

/** One plane: pair `pair` (0…7) of four rows as i16x8, from the vectors of its step. */
@inline
export function plane(bits: i32, first: v128, second: v128, third: v128, pair: i32, mask: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (bits != 4) return widePlane(bits, first, second, pair);
  }
  if (bits == 3 && pair >= 5) {
    if (pair < 7) return field(second, 3, 3 * (pair - 5), mask);
    return v128.or(field(second, 2, 6, v128.load(MASKS)), i16x8.shl(i16x8.shr_u(first, 15), 2));
  }
  if (bits == 5) {
    if (pair < 3) return field(first, 5, 5 * pair, mask);
    if (pair == 3 || pair == 6) return field(second, 5, 0, mask);
    if (pair < 6) return field(first, 5, 5 * (pair - 3), mask);
    const upper = v128.or(i16x8.shl(i16x8.shr_u(third, 15), 3), i16x8.shl(i16x8.shr_u(first, 15), 4));
    return v128.or(field(second, 3, 5, v128.load(MASKS, 16)), upper);
  }
  if (bits == 6) {
    if (pair < 6) return field((pair & 3) < 2 ? first : second, 6, 6 * (pair & 1), mask);
    if (pair == 6) return v128.or(i16x8.shr_u(third, 12), v128.and(i16x8.shr_u(second, 8), v128.load(MASKS, 80)));
    return v128.or(i16x8.shr_u(second, 14), i16x8.shl(i16x8.shr_u(first, 12), 2));
  }
  return field(first, bits, (bits * pair) & 15, mask);
}

@inline
function field(vector: v128, bits: i32, shift: i32, mask: v128): v128 {
  const moved = shift == 0 ? vector : i16x8.shr_u(vector, shift);
  return shift + bits == 16 ? moved : v128.and(moved, mask);
}

/** The scalar twin of `plane`, one row: the even column's code in the low half, the odd one's in the high half. */
@inline
export function loadPair(p: usize, bits: i32, half: usize, pair: i32): u32 {
  if (ASC_FEATURE_RELAXED_SIMD) return loadBytePair(p, bits, half, pair);
  const q = halfOf(p, bits, half);
  const mask: u32 = ((1 << bits) - 1) * 0x1_0001;
  if (bits == 3 && pair >= 5) {
    const shared = load<u32>(sharedOf(p, 3)) >> ((<u32>half) << 3);
    if (pair < 7) return (shared >> (3 * (pair - 5))) & mask;
    return ((shared >> 6) & 0x0003_0003) | (((load<u32>(q) >> 15) & 0x0001_0001) << 2);
  }
  if (bits == 5) {
    if (pair < 3) return (load<u32>(q) >> (5 * pair)) & mask;
    if (pair < 6) return (load<u32>(q, 32) >> (5 * (pair - 3))) & mask;
    const shared = load<u32>(sharedOf(p, 5)) >> ((<u32>half) << 3);
    if (pair == 6) return shared & mask;
    const upper = ((load<u32>(q) >> 12) & 0x0008_0008) | ((load<u32>(q, 32) >> 11) & 0x0010_0010);
    return ((shared >> 5) & 0x0007_0007) | upper;
  }
  if (bits == 6) {
    if (pair < 6) return (load<u32>(q + 32 * (pair >> 1)) >> (6 * (pair & 1))) & mask;
    if (pair == 6) return ((load<u32>(q) >> 12) & 0x000f_000f) | ((load<u32>(q, 32) >> 8) & 0x0030_0030);
    return ((load<u32>(q, 32) >> 14) & 0x0003_0003) | ((load<u32>(q, 64) >> 10) & 0x003c_003c);
  }
  return (load<u32>(q + 32 * ((bits * pair) >> 4)) >> ((bits * pair) & 15)) & mask;
}

/** The inverse of `loadPair`, into zeroed bits. */
@inline
export function storePair(p: usize, bits: i32, half: usize, pair: i32, code: u32): void {
  if (ASC_FEATURE_RELAXED_SIMD) return storeBytePair(p, bits, half, pair, code);
  const q = halfOf(p, bits, half);
  if (bits == 3 && pair >= 5) {
    const shared = sharedOf(p, 3);
    if (pair < 7) {
      put(shared, code << (3 * (pair - 5) + ((<u32>half) << 3)));
    } else {
      put(shared, (code & 0x0003_0003) << (6 + ((<u32>half) << 3)));
      put(q, (code & 0x0004_0004) << 13);
    }
  } else if (bits == 5 && pair < 6) {
    put(q + (pair < 3 ? 0 : 32), code << (5 * (pair % 3)));
  } else if (bits == 5) {
    const shared = sharedOf(p, 5);
    if (pair == 6) {
      put(shared, code << ((<u32>half) << 3));
    } else {
      put(shared, (code & 0x0007_0007) << (5 + ((<u32>half) << 3)));
      put(q, (code & 0x0008_0008) << 12);
      put(q + 32, (code & 0x0010_0010) << 11);
    }
  } else if (bits == 6 && pair >= 6) {
    if (pair == 6) {
      put(q, (code & 0x000f_000f) << 12);
      put(q + 32, (code & 0x0030_0030) << 8);
    } else {
      put(q + 32, (code & 0x0003_0003) << 14);
      put(q + 64, (code & 0x003c_003c) << 10);
    }
  } else if (bits == 6) {
    put(q + 32 * (pair >> 1), code << (6 * (pair & 1)));
  } else {
    put(q + 32 * ((bits * pair) >> 4), code << ((bits * pair) & 15));
  }
}

@inline
function put(p: usize, fields: u32): void {
  store<u32>(p, load<u32>(p) | fields);
}

/** Eight codes, a byte each (a step of a row), into zeroed bits. */
@inline
export function storeStep(p: usize, bits: i32, half: usize, step: i32, codes: u64): void {
  if (bits == 4) {
    store<u32>(halfOf(p, 4, half) + 32 * step, gather(codes, 4));
  } else if (bits == 2 && !ASC_FEATURE_RELAXED_SIMD) {
    put(halfOf(p, 2, half), gather(codes, 2) << (8 * step));
  } else {
    storePair(p, bits, half, 4 * step, pairOf(codes));
    storePair(p, bits, half, 4 * step + 1, pairOf(codes >> 16));
    storePair(p, bits, half, 4 * step + 2, pairOf(codes >> 32));
    storePair(p, bits, half, 4 * step + 3, pairOf(codes >> 48));
  }
}

/** The inverse of `storeStep`. */
@inline
export function loadStep(p: usize, bits: i32, half: usize, step: i32): u64 {
  if (bits == 4) return scatter(load<u32>(halfOf(p, 4, half) + 32 * step), 4);
  if (bits == 2 && !ASC_FEATURE_RELAXED_SIMD) return scatter(load<u32>(halfOf(p, 2, half)) >> (8 * step), 2);
  return (
    bytesOf(loadPair(p, bits, half, 4 * step)) |
    (bytesOf(loadPair(p, bits, half, 4 * step + 1)) << 16) |
    (bytesOf(loadPair(p, bits, half, 4 * step + 2)) << 32) |
    (bytesOf(loadPair(p, bits, half, 4 * step + 3)) << 48)
  );
}

@inline
function pairOf(codes: u64): u32 {
  return (<u32>codes & 0xff) | ((<u32>codes & 0xff00) << 8);
}

@inline
function bytesOf(pair: u32): u64 {
  return <u64>((pair & 0xff) | ((pair >> 8) & 0xff00));
}

/** Eight code bytes → four fields in each of a row's two i16 lanes: even columns low, odd columns high. */
@inline
function gather(codes: u64, bits: i32): u32 {
  const one = <u64>((1 << bits) - 1);
  const mask = one | (one << 16) | (one << 32) | (one << 48);
  // Field i goes from bit 16 i to bit 48 + bits · i; no two products meet.
  const factor: u64 = (1 << 48) | ((<u64>1) << (32 + bits)) | ((<u64>1) << (16 + 2 * bits)) | ((<u64>1) << (3 * bits));
  const lane: u32 = (1 << (4 * bits)) - 1;
  const even = <u32>(((codes & mask) * factor) >> 48) & lane;
  const odd = <u32>((((codes >> 8) & mask) * factor) >> 48) & lane;
  return even | (odd << 16);
}

/** The inverse of `gather`; what lies above the four fields of a lane is ignored. */
@inline
function scatter(fields: u32, bits: i32): u64 {
  const lane: u32 = (1 << (4 * bits)) - 1;
  return spread(fields & lane, bits) | (spread((fields >> 16) & lane, bits) << 8);
}

@inline
function spread(lane: u32, bits: i32): u64 {
  const one = <u64>((1 << bits) - 1);
  const mask = one | (one << 16) | (one << 32) | (one << 48);
  const f = <u64>lane;
  const step = <u64>(16 - bits);
  return (f | (f << step) | (f << (2 * step)) | (f << (3 * step))) & mask;
}
