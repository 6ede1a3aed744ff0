/**
 * A matrix that lies neuron by neuron (kernels/quant/neuron_layout.ts draws it) × activations, written once for all
 * formats. Only neurons whose activation is not zero are read:
 *
 *     dot[o] = Σ over active neurons k of a part:  q[k][o] · a[k]   − offset · Σ a          exact, i32
 *     y[o]  += float(dot[o]) · (dw · dx)   [ − (m · dx) · float(Σ a) ]
 *
 * part after part (32 neurons; 16 where scales are for 16): the numbers and the order of driver.ts and driver_k.ts, so
 * the bits are those of the same matrix packed by rows. A zero adds nothing to an integer sum, and a unit of zeros is
 * skipped by both.
 *
 * Two neurons meet in registers: their i16 lanes are interleaved, so that a pair of lanes is an output and
 * `i32x4.dot_i16x8_s` with a splat pair of activations serves four outputs. A pass takes up to four pairs through all
 * outputs; between two passes of a part the sums lie in memory, after the last they are scaled.
 *
 *     list of a part   ┌ address of i │ address of j │ a[i], a[j] as i16 ┐ …     the one left over meets itself times 0
 *
 * There is no other kernel for the dense case: its lists are long. What a pass reads are up to eight streams, each in
 * pages of its own (`listNeurons`): streams that share a page defeat the machine's prefetching, by half the bandwidth.
 *
 * Cost of 16 outputs × 2 neurons: 2 loads, 1 or 2 interleavings, 2 or 3 shifts, 4 dots, 4 additions. Scaling: about ten
 * operations for 4 outputs of a part, half of the work where nine of ten are zero.
 *
 * A format is a tag: that of driver_k.ts for super-blocks, of neuron_formats.ts for blocks of 32.
 *
 * May call: layout, activations, driver_k, neuron_layout.
 */
import { ACTIVATION_BLOCK_BYTES } from "./activations";
import { scaleBits } from "./driver_k";
import { loadFiniteHalf, loadHalfBits4, loadSmallHalves4 } from "./layout";
import {
  STEP, blockHeader, blockOutputs, finishPlane, firstWord, loadCode, loadCodeMask, loadPiece, neuronBytes, planeBias,
  rawPlane, secondWord, unitHeader,
} from "./neuron_layout";

/** How many pairs of neurons a pass takes. */
@unmanaged class One { @inline get count(): i32 { return 1; } }
@unmanaged class Two { @inline get count(): i32 { return 2; } }
@unmanaged class Three { @inline get count(): i32 { return 3; } }
@unmanaged class Four { @inline get count(): i32 { return 4; } }

/** What the bits of a half as a float's are too small by: 2^112. Blocks of 32 have it in dx, which is small then. */
const HALF_SCALE = reinterpret<f32>(0x7780_0000);
const LARGE: f32 = 32768;

/** Bytes of a pair in a list: two addresses, two activations; and of the longest list, the scalar one. */
const PAIR_BYTES: usize = 12;
const LIST_BYTES: usize = 256;

/**
 * Writes the list of a part, `codes` its first neuron, `bytes` apart: how many pairs it has. Neurons far from each
 * other come together: rows read at once should lie in different pages, where the machine's prefetching sees each.
 */
function listNeurons(a: usize, count: u32, codes: usize, bytes: usize, list: usize): u32 {
  const begin = list;
  let active: u32 = 0;
  for (let k: u32 = 0; k < count; k += 8) {
    active |= i16x8.bitmask(i16x8.ne(v128.load(a + (<usize>k << 1)), i16x8.splat(0))) << k;
  }
  let waiting: u32 = 0; // the activation of a neuron without a partner; never zero
  for (let residue: u32 = 0; residue < 4; residue++) {
    for (let left = active & (0x1111_1111 << residue); left != 0; left &= left - 1) {
      const k = <usize>ctz(left);
      const value = <u32>load<u16>(a + (k << 1));
      if (waiting == 0) {
        store<usize>(list, codes + k * bytes);
        waiting = value;
      } else {
        store<usize>(list, codes + k * bytes, 4);
        store<u32>(list, waiting | (value << 16), 8);
        list += PAIR_BYTES;
        waiting = 0;
      }
    }
  }
  // One without a partner meets itself times zero; so does a part of zeros in a unit that has others.
  if (active == 0) store<usize>(list, codes);
  if (waiting != 0 || active == 0) {
    store<usize>(list, load<usize>(list), 4);
    store<u32>(list, waiting, 8);
    list += PAIR_BYTES;
  }
  return <u32>(list - begin) / <u32>PAIR_BYTES;
}

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

/** Σ a of a part. */
@inline
function partSum<F>(x: usize, part: usize): i32 {
  return changetype<F>(0).parts == 2 ? load<i32>(x + (part << 2), 8) : load<i32>(x, 4);
}

/** y[o … o + 7] += what eight dots are worth; for blocks of 32 `dx` is 2^112 times itself. */
@inline
function scale8<F>(
  dot0: v128,
  dot1: v128,
  header: usize,
  unit: usize,
  rows: u32,
  part: usize,
  o: usize,
  dx: v128,
  sum: i32,
  y: usize,
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
    const dmin = header + (<usize>rows << 2) + (o << 2);
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

/** 16 outputs × up to four pairs: pieces at `p…` and `q…`, their activations in `a…`; `k` 0 or 1, the piece there. */
@inline
function pieceDots<F, P>(
  k: i32,
  p0: usize,
  q0: usize,
  a0: v128,
  p1: usize,
  q1: usize,
  a1: v128,
  p2: usize,
  q2: usize,
  a2: v128,
  p3: usize,
  q3: usize,
  a3: v128,
  dots: usize,
  first: bool,
  last: bool,
  header: usize,
  unit: usize,
  rows: u32,
  part: usize,
  o: usize,
  dx: v128,
  sum: i32,
  mask: v128,
  y: usize,
): void {
  const f = changetype<F>(0);
  const count = changetype<P>(0).count;
  let left = loadPiece(f.bits, k, p0);
  let right = loadPiece(f.bits, k, q0);
  let u = firstWord(left, right);
  let v = secondWord(f.bits, k, left, right, p0, q0, u);
  let d0 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 0, mask), a0);
  let d1 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 1, mask), a0);
  let d2 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 2, mask), a0);
  let d3 = i32x4.dot_i16x8_s(rawPlane(f.bits, u, v, 3, mask), a0);
  if (!first) {
    d0 = i32x4.add(d0, v128.load(dots));
    d1 = i32x4.add(d1, v128.load(dots, 16));
    d2 = i32x4.add(d2, v128.load(dots, 32));
    d3 = i32x4.add(d3, v128.load(dots, 48));
  }
  if (count > 1) {
    left = loadPiece(f.bits, k, p1);
    right = loadPiece(f.bits, k, q1);
    u = firstWord(left, right);
    v = secondWord(f.bits, k, left, right, p1, q1, u);
    d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a1);
    d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a1);
    d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a1);
    d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a1);
  }
  if (count > 2) {
    left = loadPiece(f.bits, k, p2);
    right = loadPiece(f.bits, k, q2);
    u = firstWord(left, right);
    v = secondWord(f.bits, k, left, right, p2, q2, u);
    d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a2);
    d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a2);
    d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a2);
    d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a2);
  }
  if (count > 3) {
    left = loadPiece(f.bits, k, p3);
    right = loadPiece(f.bits, k, q3);
    u = firstWord(left, right);
    v = secondWord(f.bits, k, left, right, p3, q3, u);
    d0 = addDot(d0, rawPlane(f.bits, u, v, 0, mask), a3);
    d1 = addDot(d1, rawPlane(f.bits, u, v, 1, mask), a3);
    d2 = addDot(d2, rawPlane(f.bits, u, v, 2, mask), a3);
    d3 = addDot(d3, rawPlane(f.bits, u, v, 3, mask), a3);
  }
  if (last) {
    d0 = planeDot<F>(d0, d1, 0, sum);
    d1 = planeDot<F>(d1, d2, 1, sum);
    d2 = planeDot<F>(d2, d3, 2, sum);
    d3 = planeDot<F>(d3, d3, 3, sum);
    scale8<F>(d0, d1, header, unit, rows, part, o, dx, sum, y);
    scale8<F>(d2, d3, header, unit, rows, part, o + 8, dx, sum, y);
  } else {
    v128.store(dots, d0);
    v128.store(dots, d1, 16);
    v128.store(dots, d2, 32);
    v128.store(dots, d3, 48);
  }
}

/** Up to four pairs of a list × outputs `begin` … `end` − 1. */
function pass<F, P>(
  list: usize,
  sums: usize,
  first: bool,
  last: bool,
  header: usize,
  unit: usize,
  rows: u32,
  part: usize,
  begin: u32,
  end: u32,
  x: usize,
  y: usize,
): void {
  const f = changetype<F>(0);
  const count = changetype<P>(0).count;
  const mask = loadCodeMask(f.bits);
  const sum = partSum<F>(x, part);
  let dx = v128.load_splat<f32>(x);
  if (!f.scaled) dx = f32x4.mul(dx, f32x4.splat(HALF_SCALE));
  const skipped = <usize>(begin >> 3) * f.bits;
  let p0 = load<usize>(list) + skipped;
  let q0 = load<usize>(list, 4) + skipped;
  const a0 = v128.load32_splat(list, 8);
  let p1 = p0;
  let q1 = q0;
  let a1 = a0;
  let p2 = p0;
  let q2 = q0;
  let a2 = a0;
  let p3 = p0;
  let q3 = q0;
  let a3 = a0;
  if (count > 1) {
    p1 = load<usize>(list, 12) + skipped;
    q1 = load<usize>(list, 16) + skipped;
    a1 = v128.load32_splat(list, 20);
  }
  if (count > 2) {
    p2 = load<usize>(list, 24) + skipped;
    q2 = load<usize>(list, 28) + skipped;
    a2 = v128.load32_splat(list, 32);
  }
  if (count > 3) {
    p3 = load<usize>(list, 36) + skipped;
    q3 = load<usize>(list, 40) + skipped;
    a3 = v128.load32_splat(list, 44);
  }
  let dots = sums + (<usize>begin << 2);
  for (let o: usize = begin; o < <usize>end; o += STEP, dots += 4 * STEP) {
    // biome-ignore format: the arguments in the order of their groups.
    pieceDots<F, P>(
      0, p0, q0, a0, p1, q1, a1, p2, q2, a2, p3, q3, a3,
      dots, first, last, header, unit, rows, part, o, dx, sum, mask, y,
    );
    // biome-ignore format: as above.
    pieceDots<F, P>(
      1, p0, q0, a0, p1, q1, a1, p2, q2, a2, p3, q3, a3,
      dots + 64, first, last, header, unit, rows, part, o + 16, dx, sum, mask, y,
    );
    p0 += 4 * f.bits;
    q0 += 4 * f.bits;
    if (count > 1) {
      p1 += 4 * f.bits;
      q1 += 4 * f.bits;
    }
    if (count > 2) {
      p2 += 4 * f.bits;
      q2 += 4 * f.bits;
    }
    if (count > 3) {
      p3 += 4 * f.bits;
      q3 += 4 * f.bits;
    }
  }
}

/** What a part adds to the outputs: passes of four pairs, the last one what is left, and scales. */
function multiplyPart<F>(
  header: usize,
  unit: usize,
  rows: u32,
  part: usize,
  begin: u32,
  end: u32,
  x: usize,
  y: usize,
  scratch: usize,
): void {
  const f = changetype<F>(0);
  const count: u32 = 32 / f.parts;
  const bytes = neuronBytes<F>(rows);
  const codes = unit + unitHeader<F>(rows) + part * count * bytes;
  let pairs = listNeurons(x + 16 + (part * count << 1), count, codes, bytes, scratch);
  let list = scratch;
  const sums = scratch + LIST_BYTES;
  let first = true;
  for (; pairs > 4; pairs -= 4) {
    pass<F, Four>(list, sums, first, false, header, unit, rows, part, begin, end, x, y);
    list += 4 * PAIR_BYTES;
    first = false;
  }
  switch (pairs) {
    case 4: return pass<F, Four>(list, sums, first, true, header, unit, rows, part, begin, end, x, y);
    case 3: return pass<F, Three>(list, sums, first, true, header, unit, rows, part, begin, end, x, y);
    case 2: return pass<F, Two>(list, sums, first, true, header, unit, rows, part, begin, end, x, y);
    default: return pass<F, One>(list, sums, first, true, header, unit, rows, part, begin, end, x, y);
  }
}

/** The scalar twin of `multiplyPart`: output after output, neurons in the order of their list. */
function multiplyPartScalar<F>(
  header: usize,
  unit: usize,
  rows: u32,
  part: usize,
  begin: u32,
  end: u32,
  x: usize,
  y: usize,
  scratch: usize,
): void {
  const f = changetype<F>(0);
  const count: usize = 32 / f.parts;
  const bytes = neuronBytes<F>(rows);
  const codes = unit + unitHeader<F>(rows) + part * count * bytes;
  const a = x + 16 + (part * count << 1);
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
      const dmin = load<f32>(header + (<usize>rows << 2) + (o << 2));
      acc -= dmin * <f32>(pair >> scaleBits<F>()) * dx * <f32>sum;
    }
    store<f32>(to, acc);
  }
}

/** Bytes of `scratch` for `multiplyNeurons`: a list; and for each output a sum, and d and dmin of a super-block. */
export function neuronScratchBytes(rows: u32): usize {
  return LIST_BYTES + 12 * <usize>rows;
}

/**
 * The half scales of a super-block as f32, for all its units and tokens: they may be so small that reading them takes
 * the processor's slow way.
 */
function widenHeader<F>(packed: usize, rows: u32, begin: u32, end: u32, target: usize): void {
  for (let o = <usize>begin; o < <usize>end; o += 4) {
    widen4(packed + (o << 1), target + (o << 2));
    if (changetype<F>(0).minimum) widen4(packed + (<usize>rows + o << 1), target + (<usize>rows + o << 2));
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
export function multiplyNeurons<F>(
  packed: usize,
  rows: u32,
  columns: u32,
  begin: u32,
  end: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  y: usize,
  yStride: usize,
  scratch: usize,
): void {
  const block = tokens == 1 ? end - begin : blockOutputs(changetype<F>(0).bits);
  for (let first = begin; first < end; first += block) {
    multiplyUnits<F>(packed, rows, columns, first, min(first + block, end), x, xStride, tokens, y, yStride, scratch);
  }
}

/** All units × all tokens, for one block of outputs. */
function multiplyUnits<F>(
  packed: usize,
  rows: u32,
  columns: u32,
  begin: u32,
  end: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  y: usize,
  yStride: usize,
  scratch: usize,
): void {
  const f = changetype<F>(0);
  for (let t: u32 = 0; t < tokens; t++) {
    memory.fill(y + <usize>t * yStride + (<usize>begin << 2), 0, <usize>(end - begin) << 2);
  }
  const header = scratch + LIST_BYTES + (<usize>rows << 2);
  for (let u: u32 = 0, units = columns >> 5; u < units; u++) {
    if (f.scaled && (u & 7) == 0) {
      widenHeader<F>(packed, rows, begin, end, header);
      packed += blockHeader<F>(rows);
    }
    let a = x;
    let to = y;
    for (let t: u32 = 0; t < tokens; t++) {
      if (load<u32>(a) != 0) {
        for (let part: u32 = 0; part < f.parts; part++) {
          if (ASC_FEATURE_SIMD && (f.scaled || load<f32>(a) < LARGE)) {
            multiplyPart<F>(header, packed, rows, part, begin, end, a, to, scratch);
          } else multiplyPartScalar<F>(header, packed, rows, part, begin, end, a, to, scratch);
        }
      }
      a += xStride;
      to += yStride;
    }
    packed += unitHeader<F>(rows) + 32 * neuronBytes<F>(rows);
    x += ACTIVATION_BLOCK_BYTES;
  }
}
