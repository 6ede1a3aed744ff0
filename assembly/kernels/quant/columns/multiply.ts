/**
 * A matrix that lies neuron by neuron (columns/layout.ts draws it) × activations, written once for all
 * formats. Only neurons whose activation is not zero are read:
 *
 *     dot[o] = Σ over active neurons k of a part:  q[k][o] · a[k]   − offset · Σ a          exact, i32
 *     y[o]  += float(dot[o]) · (dw · dx)   [ − (m · dx) · float(Σ a) ]
 *
 * part after part (32 neurons; 16 where scales are for 16): the numbers and the order of blocks32/multiply.ts and
 * blocks256/multiply.ts, so the bits are those of the same matrix packed by rows. A zero adds nothing to an integer
 * sum, and a unit of zeros is skipped by both.
 *
 * Two neurons meet in registers: their i16 lanes are interleaved, so that a pair of lanes is an output and
 * `i32x4.dot_i16x8_s` with a splat pair of activations serves four outputs. `multiplyBatch` takes a list of parts and
 * their pairs (columns/active.ts) through the outputs, 32 after 32: short parts share a list, so that memory is asked
 * for many rows at once. Of a long part four pairs after four go ahead (`addFour`), and their sums lie in memory.
 *
 * Cost of 16 outputs × 2 neurons: 2 loads, 1 or 2 interleavings, 2 or 3 shifts, 4 dots, 4 additions. Scaling: about ten
 * operations for 4 outputs of a part, half of the work where nine of ten are zero.
 *
 * A format is a tag: that of blocks256/multiply.ts for super-blocks, of columns/formats.ts for blocks of 32.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { scaleBits } from "../blocks256/multiply";
import { partSum } from "../dots";
import { loadFiniteHalf, loadHalfBits4, loadSmallHalves4 } from "../layout";
import {
  STEP, blockHeader, blockOutputs, finishPlane, firstWord, loadCode, loadCodeMask, loadPiece, columnBytes, planeBias,
  rawPlane, secondWord, unitHeader,
} from "./layout";
import {
  ASKED_BYTES, BATCH_BYTES, LIST_BYTES, MOST_PAIRS, PAIR_BYTES, PART_BYTES, askForPart, isShort, listActiveColumns,
} from "./active";

/** What the bits of a half as a float's are too small by: 2^112. Blocks of 32 have it in dx, which is small then. */
const HALF_SCALE = reinterpret<f32>(0x7780_0000);
const LARGE: f32 = 32768;

/** acc + the dots of a plane with two activations. */
@inline
function addDot(acc: v128, plane: v128, a: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(plane, a));
}

/** The dot of plane 0…3, less the offset, from what was summed for it and for the next plane. */
@inline
function planeDot<F>(raw: v128, next: v128, plane: i32, sum: i32): v128 {
  const f = changetype<F>(0);
  const dot = finishPlane(f.bits, raw, next, plane);
  const offset = f.offset - planeBias(f.bits, plane);
  return offset != 0 ? i32x4.sub(dot, i32x4.splat(offset * sum)) : dot;
}

/** y[o … o + 7] += what eight dots are worth; for blocks of 32 `dx` is 2^112 times itself. */
@inline
function scale8<F>(
  dot0: v128, dot1: v128, header: usize, unit: usize, rows: u32, part: usize, o: usize, dx: v128, sum: i32, y: usize,
): void {
  const f = changetype<F>(0);
  let dw0: v128;
  let dw1: v128;
  let pairs = i32x4.splat(0);
  if (!f.scaled) {
    dw0 = loadHalfBits4(unit + (o << 1));
    dw1 = loadHalfBits4(unit + (o << 1) + 8);
  } else {
    dw0 = v128.load(header + (o << 2));
    dw1 = v128.load(header + (o << 2), 16);
    pairs = f.scales8(unit + (o >> 3) * f.unitScales, 0, part);
    const scales = f.minimum ? v128.and(pairs, i16x8.splat(f.parts == 2 ? 15 : 63)) : pairs;
    dw0 = f32x4.mul(dw0, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(scales)));
    dw1 = f32x4.mul(dw1, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(scales)));
  }
  const to = y + (o << 2);
  let y0 = f32x4.add(v128.load(to), f32x4.mul(f32x4.convert_i32x4_s(dot0), f32x4.mul(dw0, dx)));
  let y1 = f32x4.add(v128.load(to, 16), f32x4.mul(f32x4.convert_i32x4_s(dot1), f32x4.mul(dw1, dx)));
  if (f.minimum) {
    const dmin = header + ((<usize>rows) << 2) + (o << 2);
    const minima = i16x8.shr_u(pairs, scaleBits<F>());
    const floatSum = f32x4.splat(<f32>sum);
    const m0 = f32x4.mul(v128.load(dmin), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(minima)));
    const m1 = f32x4.mul(v128.load(dmin, 16), f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(minima)));
    y0 = f32x4.sub(y0, f32x4.mul(f32x4.mul(m0, dx), floatSum));
    y1 = f32x4.sub(y1, f32x4.mul(f32x4.mul(m1, dx), floatSum));
  }
  v128.store(to, y0);
  v128.store(to, y1, 16);
}

/** y[o … o + 15] += what the sums of four planes are worth. */
@inline
function scale16<F>(
  d0: v128, d1: v128, d2: v128, d3: v128, header: usize, unit: usize, rows: u32, part: usize, o: usize, dx: v128,
  sum: i32, y: usize,
): void {
  d0 = planeDot<F>(d0, d1, 0, sum);
  d1 = planeDot<F>(d1, d2, 1, sum);
  scale8<F>(d0, d1, header, unit, rows, part, o, dx, sum, y);
  d2 = planeDot<F>(d2, d3, 2, sum);
  d3 = planeDot<F>(d3, d3, 3, sum);
  scale8<F>(d2, d3, header, unit, rows, part, o + 8, dx, sum, y);
}

/** Sixteen sums. */
@inline
function storeSums(to: usize, d0: v128, d1: v128, d2: v128, d3: v128): void {
  v128.store(to, d0);
  v128.store(to, d1, 16);
  v128.store(to, d2, 32);
  v128.store(to, d3, 48);
}

/** 16 outputs × four pairs: pieces at `p…` and `q…`, their activations in `a…`; `k` 0 or 1, the piece there. */
@inline
function pieceSums<F>(
  k: i32, p0: usize, q0: usize, a0: v128, p1: usize, q1: usize, a1: v128, p2: usize, q2: usize, a2: v128, p3: usize,
  q3: usize, a3: v128, to: usize, first: bool, mask: v128,
): void {
  const f = changetype<F>(0);
  let left = loadPiece(f.bits, k, p0);
  let right = loadPiece(f.bits, k, q0);
  let u = firstWord(left, right);
  let v = secondWord(f.bits, k, left, right, p0, q0, u);
  let d0 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 0, mask), a0);
  let d1 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 1, mask), a0);
  let d2 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 2, mask), a0);
  let d3 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 3, mask), a0);
  if (!first) {
    d0 = i32x4.add(d0, v128.load(to));
    d1 = i32x4.add(d1, v128.load(to, 16));
    d2 = i32x4.add(d2, v128.load(to, 32));
    d3 = i32x4.add(d3, v128.load(to, 48));
  }
  left = loadPiece(f.bits, k, p1);
  right = loadPiece(f.bits, k, q1);
  u = firstWord(left, right);
  v = secondWord(f.bits, k, left, right, p1, q1, u);
  d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a1);
  d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a1);
  d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a1);
  d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a1);
  left = loadPiece(f.bits, k, p2);
  right = loadPiece(f.bits, k, q2);
  u = firstWord(left, right);
  v = secondWord(f.bits, k, left, right, p2, q2, u);
  d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a2);
  d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a2);
  d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a2);
  d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a2);
  left = loadPiece(f.bits, k, p3);
  right = loadPiece(f.bits, k, q3);
  u = firstWord(left, right);
  v = secondWord(f.bits, k, left, right, p3, q3, u);
  d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a3);
  d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a3);
  d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a3);
  d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a3);
  storeSums(to, d0, d1, d2, d3);
}

/** The four pairs at `p` × outputs `begin` … `end` − 1, on top of `sums` or, `first`, instead. */
function addFour<F>(p: usize, sums: usize, first: bool, begin: u32, end: u32): void {
  const f = changetype<F>(0);
  const mask = loadCodeMask(f.bits);
  const skipped = <usize>(begin >> 3) * f.bits;
  let p0 = load<usize>(p) + skipped;
  let q0 = load<usize>(p, 4) + skipped;
  let p1 = load<usize>(p, 12) + skipped;
  let q1 = load<usize>(p, 16) + skipped;
  let p2 = load<usize>(p, 24) + skipped;
  let q2 = load<usize>(p, 28) + skipped;
  let p3 = load<usize>(p, 36) + skipped;
  let q3 = load<usize>(p, 40) + skipped;
  const a0 = v128.load32_splat(p, 8);
  const a1 = v128.load32_splat(p, 20);
  const a2 = v128.load32_splat(p, 32);
  const a3 = v128.load32_splat(p, 44);
  const last = sums + ((<usize>end) << 2);
  for (let to = sums + ((<usize>begin) << 2); to < last; to += 4 * STEP) {
    pieceSums<F>(0, p0, q0, a0, p1, q1, a1, p2, q2, a2, p3, q3, a3, to, first, mask);
    pieceSums<F>(1, p0, q0, a0, p1, q1, a1, p2, q2, a2, p3, q3, a3, to + 64, first, mask);
    p0 += 4 * f.bits;
    q0 += 4 * f.bits;
    p1 += 4 * f.bits;
    q1 += 4 * f.bits;
    p2 += 4 * f.bits;
    q2 += 4 * f.bits;
    p3 += 4 * f.bits;
    q3 += 4 * f.bits;
  }
}

/** The parts from `list` to `listEnd` × outputs `begin` … `end` − 1: what they are worth is added to `y`. */
function multiplyBatch<F>(list: usize, listEnd: usize, header: usize, rows: u32, begin: u32, end: u32, y: usize): void {
  const f = changetype<F>(0);
  const wide = f.bits != 6; // the planes of six bits take more registers
  const mask = loadCodeMask(f.bits);
  for (let o: usize = begin; o < <usize>end; o += wide ? 32 : 16) {
    const at = (o >> 3) * f.bits;
    let entry = list;
    do {
      const here = entry;
      entry += PART_BYTES;
      let p = load<usize>(entry) + at;
      let q = load<usize>(entry, 4) + at;
      let a = v128.load32_splat(entry, 8);
      let left = loadPiece(f.bits, 0, p);
      let right = loadPiece(f.bits, 0, q);
      let u = firstWord(left, right);
      let v = secondWord(f.bits, 0, left, right, p, q, u);
      let d0 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 0, mask), a);
      let d1 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 1, mask), a);
      let d2 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 2, mask), a);
      let d3 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 3, mask), a);
      let d4 = d0;
      let d5 = d0;
      let d6 = d0;
      let d7 = d0;
      if (wide) {
        left = loadPiece(f.bits, 1, p);
        right = loadPiece(f.bits, 1, q);
        u = firstWord(left, right);
        v = secondWord(f.bits, 1, left, right, p, q, u);
        d4 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 0, mask), a);
        d5 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 1, mask), a);
        d6 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 2, mask), a);
        d7 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 3, mask), a);
      }
      const sums = load<usize>(here, 16);
      if (sums != 0) {
        const from = sums + (o << 2);
        d0 = i32x4.add(d0, v128.load(from));
        d1 = i32x4.add(d1, v128.load(from, 16));
        d2 = i32x4.add(d2, v128.load(from, 32));
        d3 = i32x4.add(d3, v128.load(from, 48));
        if (wide) {
          d4 = i32x4.add(d4, v128.load(from, 64));
          d5 = i32x4.add(d5, v128.load(from, 80));
          d6 = i32x4.add(d6, v128.load(from, 96));
          d7 = i32x4.add(d7, v128.load(from, 112));
        }
      }
      entry += PAIR_BYTES;
      for (let more = load<u32>(here, 20) - 1; more != 0; more--) {
        p = load<usize>(entry) + at;
        q = load<usize>(entry, 4) + at;
        a = v128.load32_splat(entry, 8);
        left = loadPiece(f.bits, 0, p);
        right = loadPiece(f.bits, 0, q);
        u = firstWord(left, right);
        v = secondWord(f.bits, 0, left, right, p, q, u);
        d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a);
        d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a);
        d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a);
        d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a);
        if (wide) {
          left = loadPiece(f.bits, 1, p);
          right = loadPiece(f.bits, 1, q);
          u = firstWord(left, right);
          v = secondWord(f.bits, 1, left, right, p, q, u);
          d4 = addDot(d4, rawPlane(f.bits, u, v, 0, mask), a);
          d5 = addDot(d5, rawPlane(f.bits, u, v, 1, mask), a);
          d6 = addDot(d6, rawPlane(f.bits, u, v, 2, mask), a);
          d7 = addDot(d7, rawPlane(f.bits, u, v, 3, mask), a);
        }
        entry += PAIR_BYTES;
      }
      const unit = load<usize>(here);
      const part = load<usize>(here, 4);
      const dx = v128.load32_splat(here, 8);
      const sum = load<i32>(here, 12);
      scale16<F>(d0, d1, d2, d3, header, unit, rows, part, o, dx, sum, y);
      if (wide) scale16<F>(d4, d5, d6, d7, header, unit, rows, part, o + 16, dx, sum, y);
    } while (entry != listEnd);
  }
}

/** Two batches, each of which may be empty. */
function multiplyBatches<F>(
  waiting: usize, waitingEnd: usize, list: usize, listEnd: usize, header: usize, rows: u32, begin: u32, end: u32,
  y: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    if (waiting != waitingEnd) multiplyBatch<F>(waiting, waitingEnd, header, rows, begin, end, y);
    if (list != listEnd) multiplyBatch<F>(list, listEnd, header, rows, begin, end, y);
  }
}

/**
 * Writes a part behind a batch, its place is `entry`, and does ahead what is too long of it. Returns where the batch
 * ends then.
 */
function addPart<F>(
  unit: usize, rows: u32, part: usize, begin: u32, end: u32, x: usize, entry: usize, sums: usize,
): usize {
  const f = changetype<F>(0);
  const count: u32 = 32 / f.parts;
  const bytes = columnBytes<F>(rows);
  const codes = unit + unitHeader<F>(rows) + part * count * bytes;
  const first = entry + PART_BYTES;
  let pairs = listActiveColumns(x + 16 + ((part * count) << 1), count, codes, bytes, first);
  let from = first;
  for (; pairs > MOST_PAIRS; pairs -= 4) {
    addFour<F>(from, sums, from == first, begin, end);
    from += 4 * PAIR_BYTES;
  }
  store<usize>(entry, unit);
  store<usize>(entry, part, 4);
  store<f32>(entry, f.scaled ? load<f32>(x) : load<f32>(x) * HALF_SCALE, 8);
  store<i32>(entry, partSum<F>(x, part), 12);
  store<usize>(entry, from != first ? sums : 0, 16);
  store<u32>(entry, pairs, 20);
  const last = first + <usize>pairs * PAIR_BYTES;
  if (from != first) memory.copy(first, from, last - first);
  return last;
}

/** The scalar twin of a batch of one part: output after output, neurons in the order of their list. */
function multiplyPartScalar<F>(
  header: usize, unit: usize, rows: u32, part: usize, begin: u32, end: u32, x: usize, y: usize, scratch: usize,
): void {
  const f = changetype<F>(0);
  const count: usize = 32 / f.parts;
  const bytes = columnBytes<F>(rows);
  const codes = unit + unitHeader<F>(rows) + part * count * bytes;
  const a = x + 16 + ((part * count) << 1);
  let list = scratch;
  for (let k: usize = 0; k < count; k++) {
    const q = <i32>load<i16>(a + (k << 1));
    if (q != 0) {
      store<usize>(list, codes + k * bytes);
      store<i32>(list, q, 4);
      list += 8;
    }
  }
  const sum = partSum<F>(x, part);
  const dx = load<f32>(x);
  for (let o = <usize>begin; o < <usize>end; o++) {
    const lane = o & 3;
    const plane = <i32>(o >> 2) & 3;
    const piece = (o >> 4) * (2 * f.bits);
    let dot = 0;
    for (let entry = scratch; entry < list; entry += 8) {
      dot += load<i32>(entry, 4) * loadCode(f.bits, load<usize>(entry) + piece, plane, lane);
    }
    const to = y + (o << 2);
    let dw = f.scaled ? load<f32>(header + (o << 2)) : loadFiniteHalf(unit + (o << 1));
    let pair = 0;
    if (f.scaled) {
      pair = f.scales1(unit + (o >> 3) * f.unitScales, <u32>o & 7, part);
      dw *= <f32>(f.minimum ? pair & ((1 << scaleBits<F>()) - 1) : pair);
    }
    let acc = load<f32>(to) + <f32>(dot - f.offset * sum) * (dw * dx);
    if (f.minimum) {
      const dmin = load<f32>(header + ((<usize>rows) << 2) + (o << 2));
      acc -= dmin * <f32>(pair >> scaleBits<F>()) * dx * <f32>sum;
    }
    store<f32>(to, acc);
  }
}

/** Bytes of `scratch` for `multiplyColumns`: a list; and for each output a sum, and d and dmin of a super-block. */
export function columnScratchBytes(rows: u32): usize {
  return 2 * LIST_BYTES + 12 * <usize>rows;
}

/**
 * The half scales of a super-block as f32, for all its units and tokens: they may be so small that reading them takes
 * the processor's slow way.
 */
function widenHeader<F>(packed: usize, rows: u32, begin: u32, end: u32, target: usize): void {
  for (let o = <usize>begin; o < <usize>end; o += 4) {
    widen4(packed + (o << 1), target + (o << 2));
    if (changetype<F>(0).minimum) widen4(packed + ((<usize>rows + o) << 1), target + ((<usize>rows + o) << 2));
  }
}

@inline
function widen4(from: usize, to: usize): void {
  if (ASC_FEATURE_SIMD) {
    v128.store(to, loadSmallHalves4(from));
  } else {
    store<f32>(to, loadFiniteHalf(from));
    store<f32>(to, loadFiniteHalf(from + 2), 4);
    store<f32>(to, loadFiniteHalf(from + 4), 8);
    store<f32>(to, loadFiniteHalf(from + 6), 12);
  }
}

/**
 * y[t][o] = Σ for outputs `begin` … `end` − 1 (multiples of 32): `y` is the place of output 0 of token 0, x has Q16
 * rows, strides in bytes. One token takes all outputs at once, because long rows are what memory gives fast; several
 * tokens take a block of outputs at a time, so that a unit stays in the first cache for all of them.
 */
@inline
export function multiplyColumns<F>(
  packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32, y: usize,
  yStride: usize, scratch: usize,
): void {
  const block = tokens == 1 ? end - begin : blockOutputs(changetype<F>(0).bits);
  for (let first = begin; first < end; first += block) {
    multiplyUnits<F>(packed, rows, columns, first, min(first + block, end), x, xStride, tokens, y, yStride, scratch);
  }
}

/** All units × all tokens, for one block of outputs. */
function multiplyUnits<F>(
  packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32, y: usize,
  yStride: usize, scratch: usize,
): void {
  const f = changetype<F>(0);
  for (let t: u32 = 0; t < tokens; t++) {
    memory.fill(y + <usize>t * yStride + ((<usize>begin) << 2), 0, (<usize>(end - begin)) << 2);
  }
  const sums = scratch + 2 * LIST_BYTES;
  const header = sums + ((<usize>rows) << 2);
  const far = <usize>((end - begin) >> 3) * f.bits >= ASKED_BYTES;
  const skipped = <usize>(begin >> 3) * f.bits;
  // A batch that is complete waits while the next one is written, and memory is asked for what that will read.
  let list = scratch;
  let listEnd = list;
  let waiting = list;
  let waitingEnd = list;
  for (let u: u32 = 0, units = columns >> 5; u < units; u++) {
    if (f.scaled && (u & 7) == 0) {
      multiplyBatches<F>(waiting, waitingEnd, list, listEnd, header, rows, begin, end, y);
      waitingEnd = waiting;
      listEnd = list;
      widenHeader<F>(packed, rows, begin, end, header);
      packed += blockHeader<F>(rows);
    }
    let a = x;
    let to = y;
    for (let t: u32 = 0; t < tokens; t++) {
      for (let part: u32 = 0; part < (load<u32>(a) != 0 ? f.parts : 0); part++) {
        const simd = ASC_FEATURE_SIMD && (f.scaled || load<f32>(a) < LARGE);
        const entry = listEnd;
        if (ASC_FEATURE_SIMD && simd) listEnd = addPart<F>(packed, rows, part, begin, end, a, entry, sums);
        if (simd && tokens == 1 && isShort(entry)) {
          if (far) askForPart(entry, listEnd, skipped);
          if (listEnd - list >= BATCH_BYTES) {
            multiplyBatches<F>(waiting, waitingEnd, list, list, header, rows, begin, end, y);
            waiting = list;
            waitingEnd = listEnd;
            list = waiting == scratch ? scratch + LIST_BYTES : scratch;
            listEnd = list;
          }
        } else {
          multiplyBatches<F>(waiting, waitingEnd, list, entry, header, rows, begin, end, to);
          if (simd) multiplyBatches<F>(entry, listEnd, list, list, header, rows, begin, end, to);
          else multiplyPartScalar<F>(header, packed, rows, part, begin, end, a, to, scratch);
          waitingEnd = waiting;
          listEnd = list;
        }
      }
      a += xStride;
      to += yStride;
    }
    packed += unitHeader<F>(rows) + 32 * columnBytes<F>(rows);
    x += ACTIVATION_BLOCK_BYTES;
  }
  multiplyBatches<F>(waiting, waitingEnd, list, listEnd, header, rows, begin, end, y);
}
