/**
 * The move from groups of rows to the packing by columns, and back, two packed groups (16 outputs) after two. The way
 * there packs a matrix while it is loaded; the way back gives the product of many tokens the groups that its tiles
 * read.
 *
 *     a unit of a group of rows   ┌ scales of 8 rows ┬ codes ┐      the scales move as they are
 *     codes      plane (pair of neurons, quad of outputs): i16 lanes  o0 k0, o0 k1, o1 k0, o1 k1, …
 *                a group holds, for each quad, the planes of all pairs; a neuron's piece, for each of the two neurons
 *                of a pair, the planes of four quads
 *     floats     a line of 8 values is the same in both: it is copied
 *
 * Cost of 8 weights: about six operations (4 and 6 bits), one (8 bits).
 */
import { headerBytes } from "../blocks256/multiply";
import { codeMask, firstOf, loadPair, plane, secondOf, storePair, thirdOf } from "../blocks256/fields";
import {
  blockHeader, firstWord, loadCode, loadCodeMask, loadPiece, columnBytes, columnPlane, secondWord, storeCode,
  unitHeader,
} from "./layout";

/** Bytes of scratch for `toRows`: the planes of 16 neurons × 16 outputs. */
export const PLANES_BYTES: usize = 512;

// What turns signed bytes into the lanes of a piece, a lane's low byte into a code, and back.
const LOW_SIGNS = memory.data<u64>([0x0080_0080_0080_0080, 0x0080_0080_0080_0080], 16);
// The sign of a lane: what the topmost of four nibbles is kept with.
const LANE_SIGNS = memory.data<u64>([0x8000_8000_8000_8000, 0x8000_8000_8000_8000], 16);

/** Bits 4 and 5 of each lane. */
const UPPER_PAIR = memory.data<u16>([48, 48, 48, 48, 48, 48, 48, 48], 16);

/** `count` rows (a multiple of 16) in groups, `groupBytes` apart → outputs from `first` on, of all neurons. */
@inline
export function fromRows<F>(
  group: usize, groupBytes: usize, count: u32, rows: u32, columns: u32, first: u32, packed: usize,
): void {
  moveUnits<F>(group, groupBytes, count, rows, columns, first, packed, 0);
}

/** The way back. `scratch`: PLANES_BYTES. */
@inline
export function toRows<F>(
  packed: usize, rows: u32, columns: u32, first: u32, count: u32, group: usize, groupBytes: usize, scratch: usize,
): void {
  moveUnits<F>(group, groupBytes, count, rows, columns, first, packed, scratch);
}

/** Both ways: with `scratch` to the rows. Unit after unit, so that what lies together is touched together. */
function moveUnits<F>(
  group: usize, groupBytes: usize, count: u32, rows: u32, columns: u32, first: u32, packed: usize, scratch: usize,
): void {
  const f = changetype<F>(0);
  for (let u: u32 = 0, units = columns >> 5; u < units; u++) {
    if (f.scaled && (u & 7) == 0) {
      moveScales(group, groupBytes, count, 16, packed + ((<usize>first) << 1), scratch != 0);
      if (f.minimum) {
        moveScales(group + 16, groupBytes, count, 16, packed + ((<usize>(rows + first)) << 1), scratch != 0);
      }
      group += headerBytes<F>();
      packed += blockHeader<F>(rows);
    }
    moveScales(group, groupBytes, count, f.unitScales, packed + <usize>(first >> 3) * f.unitScales, scratch != 0);
    const codes = packed + unitHeader<F>(rows);
    for (let o: u32 = 0; o < count; o += 16) {
      const p = group + f.unitScales + <usize>(o >> 3) * groupBytes;
      movePieces<F>(p, groupBytes, codes + <usize>((first + o) >> 3) * f.bits, rows, scratch);
    }
    group += f.unitScales + 32 * <usize>f.bits;
    packed = codes + 32 * columnBytes<F>(rows);
  }
}

/** 32 neurons × 16 outputs: `p` the codes in the first group, `codes` the piece of neuron 0. */
function movePieces<F>(p: usize, groupBytes: usize, codes: usize, rows: u32, scratch: usize): void {
  const bits = changetype<F>(0).bits;
  const bytes = columnBytes<F>(rows);
  for (let half: usize = 0; half < 2; half++) {
    if (bits == 8) moveBytes(p + (half << 7), groupBytes, codes, bytes, scratch != 0);
    else if (!ASC_FEATURE_SIMD) moveCodes(bits, p, groupBytes, half, codes, bytes, scratch != 0);
    else if (scratch != 0) gatherRows(bits, p, groupBytes, half, codes, bytes, scratch);
    else scatterRows(bits, p, groupBytes, half, codes, bytes);
    codes += bytes << 4;
  }
}

/** Values of `bytes` each, `count` rows in groups ↔ outputs from `first` on of all neurons: lines of eight rows. */
export function moveFloats(
  bytes: usize, group: usize, count: u32, rows: u32, columns: u32, first: u32, packed: usize, back: bool,
): void {
  const line = bytes << 3;
  const groupBytes = <usize>columns * line;
  packed += <usize>first * bytes;
  for (let k: u32 = 0; k < columns; k++) {
    let from = group;
    let to = packed;
    for (let o: u32 = 0; o < count; o += 8) {
      memory.copy(back ? from : to, back ? to : from, line);
      from += groupBytes;
      to += line;
    }
    group += line;
    packed += <usize>rows * bytes;
  }
}

/** `bytes` of scales of each group of `count` rows ↔ side by side at `p`. */
@inline
function moveScales(group: usize, groupBytes: usize, count: u32, bytes: usize, p: usize, back: bool): void {
  for (; count > 0; count -= 8) {
    memory.copy(back ? group : p, back ? p : group, bytes);
    group += groupBytes;
    p += bytes;
  }
}

/** 16 neurons × 16 outputs of 8 bits: `p` their pairs in the first group, `codes` the piece of the first neuron. */
function moveBytes(p: usize, groupBytes: usize, codes: usize, bytes: usize, back: bool): void {
  for (let pair = 0; pair < 8; pair++) {
    const a = codes;
    const b = a + bytes;
    const q = p + groupBytes;
    if (ASC_FEATURE_SIMD) {
      const signs = v128.load(LOW_SIGNS);
      if (back) {
        const u = v128.xor(v128.load(a), signs);
        const v = v128.xor(v128.load(b), signs);
        v128.store(p, v128.shuffle<i8>(u, v, 0, 16, 2, 18, 4, 20, 6, 22, 1, 17, 3, 19, 5, 21, 7, 23));
        v128.store(q, v128.shuffle<i8>(u, v, 8, 24, 10, 26, 12, 28, 14, 30, 9, 25, 11, 27, 13, 29, 15, 31));
      } else {
        const u = v128.load(p);
        const v = v128.load(q);
        const left = v128.shuffle<i8>(u, v, 0, 8, 2, 10, 4, 12, 6, 14, 16, 24, 18, 26, 20, 28, 22, 30);
        const right = v128.shuffle<i8>(u, v, 1, 9, 3, 11, 5, 13, 7, 15, 17, 25, 19, 27, 21, 29, 23, 31);
        v128.store(a, v128.xor(left, signs));
        v128.store(b, v128.xor(right, signs));
      }
    } else {
      for (let o: usize = 0; o < 16; o++) {
        const row = (o < 8 ? p : q) + ((o & 7) << 1);
        const plane = <i32>(o >> 2);
        if (back) {
          store<u8>(row, <u8>(loadCode(8, a, plane, o & 3) ^ 128));
          store<u8>(row, <u8>(loadCode(8, b, plane, o & 3) ^ 128), 1);
        } else {
          storeCode(8, a, plane, o & 3, <i32>load<u8>(row) ^ 128);
          storeCode(8, b, plane, o & 3, <i32>load<u8>(row, 1) ^ 128);
        }
      }
    }
    p += 16;
    codes = b + bytes;
  }
}

/** 16 neurons × 16 outputs of 4 or 6 bits, code after code: the scalar twin of `scatterRows` and `gatherRows`. */
@inline
function moveCodes(
  bits: i32, unit: usize, groupBytes: usize, half: usize, codes: usize, bytes: usize, back: bool,
): void {
  if (back) {
    const p = unit + 16 * <usize>bits * half;
    memory.fill(p, 0, 16 * <usize>bits);
    memory.fill(p + groupBytes, 0, 16 * <usize>bits);
  } else {
    for (let k: usize = 0; k < 16; k++) memory.fill(codes + k * bytes, 0, 2 * <usize>bits);
  }
  for (let o: usize = 0; o < 16; o++) {
    const row = unit + (o < 8 ? 0 : groupBytes) + ((o & 7) << 2);
    const plane = <i32>(o >> 2);
    for (let pair = 0; pair < 8; pair++) {
      const a = codes + <usize>(2 * pair) * bytes;
      if (back) {
        const even = <u32>loadCode(bits, a, plane, o & 3);
        storePair(row, bits, half, pair, even | ((<u32>loadCode(bits, a + bytes, plane, o & 3)) << 16));
      } else {
        const both = loadPair(row, bits, half, pair);
        storeCode(bits, a, plane, o & 3, <i32>(both & 0xffff));
        storeCode(bits, a + bytes, plane, o & 3, <i32>(both >> 16));
      }
    }
  }
}

/** Groups of rows → pieces of 16 neurons. */
@inline
function scatterRows(bits: i32, unit: usize, groupBytes: usize, half: usize, codes: usize, bytes: usize): void {
  const mask = codeMask(bits);
  const other = unit + groupBytes;
  scatterStep(bits, unit, other, half, 0, codes, bytes, mask);
  scatterStep(bits, unit, other, half, 1, codes + (bytes << 3), bytes, mask);
}

@inline
function scatterStep(
  bits: i32, p: usize, q: usize, half: usize, step: i32, codes: usize, bytes: usize, mask: v128,
): void {
  const a0 = firstOf(p, bits, half, step);
  const b0 = secondOf(p, bits, half, step, a0);
  const c0 = thirdOf(p, bits, half, step, a0);
  const a1 = firstOf(p + 16, bits, half, step);
  const b1 = secondOf(p + 16, bits, half, step, a1);
  const c1 = thirdOf(p + 16, bits, half, step, a1);
  const a2 = firstOf(q, bits, half, step);
  const b2 = secondOf(q, bits, half, step, a2);
  const c2 = thirdOf(q, bits, half, step, a2);
  const a3 = firstOf(q + 16, bits, half, step);
  const b3 = secondOf(q + 16, bits, half, step, a3);
  const c3 = thirdOf(q + 16, bits, half, step, a3);
  for (let k = 0; k < 4; k++) {
    // `plane` wants a constant pair: the branches are four copies of it.
    let p0: v128, p1: v128, p2: v128, p3: v128;
    if (k == 0) {
      p0 = plane(bits, a0, b0, c0, 4 * step, mask);
      p1 = plane(bits, a1, b1, c1, 4 * step, mask);
      p2 = plane(bits, a2, b2, c2, 4 * step, mask);
      p3 = plane(bits, a3, b3, c3, 4 * step, mask);
    } else if (k == 1) {
      p0 = plane(bits, a0, b0, c0, 4 * step + 1, mask);
      p1 = plane(bits, a1, b1, c1, 4 * step + 1, mask);
      p2 = plane(bits, a2, b2, c2, 4 * step + 1, mask);
      p3 = plane(bits, a3, b3, c3, 4 * step + 1, mask);
    } else if (k == 2) {
      p0 = plane(bits, a0, b0, c0, 4 * step + 2, mask);
      p1 = plane(bits, a1, b1, c1, 4 * step + 2, mask);
      p2 = plane(bits, a2, b2, c2, 4 * step + 2, mask);
      p3 = plane(bits, a3, b3, c3, 4 * step + 2, mask);
    } else {
      p0 = plane(bits, a0, b0, c0, 4 * step + 3, mask);
      p1 = plane(bits, a1, b1, c1, 4 * step + 3, mask);
      p2 = plane(bits, a2, b2, c2, 4 * step + 3, mask);
      p3 = plane(bits, a3, b3, c3, 4 * step + 3, mask);
    }
    storePieces(bits, p0, p1, p2, p3, codes, codes + bytes);
    codes += bytes << 1;
  }
}

/** Four planes → the pieces of the neurons at `a` and `b`. */
@inline
function storePieces(bits: i32, p0: v128, p1: v128, p2: v128, p3: v128, a: usize, b: usize): void {
  let low: v128;
  if (bits == 4) {
    low = v128.or(v128.or(p0, i16x8.shl(p1, 4)), v128.or(i16x8.shl(p2, 8), i16x8.shl(p3, 12)));
    low = v128.xor(low, v128.load(LANE_SIGNS));
  } else {
    low = v128.or(v128.or(p0, i16x8.shl(p1, 6)), i16x8.shl(p3, 12));
    const high = v128.or(p2, i16x8.shl(i16x8.shr_u(p3, 4), 6));
    const apart = v128.shuffle<i8>(high, high, 0, 4, 8, 12, 2, 6, 10, 14, 0, 4, 8, 12, 2, 6, 10, 14);
    v128.store32_lane(a, apart, 0, 8);
    v128.store32_lane(b, apart, 1, 8);
  }
  low = v128.shuffle<i16>(low, low, 0, 2, 4, 6, 1, 3, 5, 7);
  v128.store64_lane(a, low, 0);
  v128.store64_lane(b, low, 1);
}

/** Pieces of 16 neurons → groups of rows; `planes` holds what passes from pair to quad. */
@inline
function gatherRows(
  bits: i32, unit: usize, groupBytes: usize, half: usize, codes: usize, bytes: usize, planes: usize,
): void {
  const mask = loadCodeMask(bits);
  let p = planes;
  for (let pair = 0; pair < 8; pair++) {
    const a = codes;
    const b = a + bytes;
    const left = loadPiece(bits, 0, a);
    const right = loadPiece(bits, 0, b);
    const u = firstWord(left, right);
    const v = secondWord(bits, 0, left, right, a, b, u);
    v128.store(p, columnPlane(bits, u, v, 0, mask));
    v128.store(p, columnPlane(bits, u, v, 1, mask), 128);
    v128.store(p, columnPlane(bits, u, v, 2, mask), 256);
    v128.store(p, columnPlane(bits, u, v, 3, mask), 384);
    p += 16;
    codes = b + bytes;
  }
  for (let quad: usize = 0; quad < 4; quad++) {
    const target = unit + (quad >> 1) * groupBytes + ((quad & 1) << 4) + 16 * <usize>bits * half;
    storeRows(bits, planes + (quad << 7), target);
  }
}

/** The planes of eight pairs → half a unit of a quad. */
@inline
function storeRows(bits: i32, planes: usize, target: usize): void {
  const p0 = v128.load(planes);
  const p1 = v128.load(planes, 16);
  const p2 = v128.load(planes, 32);
  const p3 = v128.load(planes, 48);
  const p4 = v128.load(planes, 64);
  const p5 = v128.load(planes, 80);
  const p6 = v128.load(planes, 96);
  const p7 = v128.load(planes, 112);
  if (bits == 4) {
    const a = v128.or(v128.or(p0, i16x8.shl(p1, 4)), v128.or(i16x8.shl(p2, 8), i16x8.shl(p3, 12)));
    const b = v128.or(v128.or(p4, i16x8.shl(p5, 4)), v128.or(i16x8.shl(p6, 8), i16x8.shl(p7, 12)));
    v128.store(target, a);
    v128.store(target, b, 32);
  } else {
    const a = v128.or(v128.or(p0, i16x8.shl(p1, 6)), i16x8.shl(p6, 12));
    const b = v128.or(v128.or(p2, i16x8.shl(p3, 6)), i16x8.shl(v128.and(p6, v128.load(UPPER_PAIR)), 8));
    const c = v128.or(v128.or(p4, i16x8.shl(p5, 6)), i16x8.shl(i16x8.shr_u(p7, 2), 12));
    v128.store(target, a);
    v128.store(target, v128.or(b, i16x8.shl(p7, 14)), 32);
    v128.store(target, c, 64);
  }
}
