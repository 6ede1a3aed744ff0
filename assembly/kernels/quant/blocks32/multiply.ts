/**
 * The quantised matmul, written once for all formats with blocks of 32 columns. A format gives a tag
 * (blocks32/format.ts lists its members), which says where things lie and how nibbles become numbers.
 *
 *     y[t][r] = Σ over blocks of 32 columns:  float(Σ q·a  −  offset·Σ a) · (dw · dx)   [ + (m · dx) · float(Σ a) ]
 *
 * in this order, block after block, one f32 accumulator an output: the same for one token, for the tile of four tokens
 * and for the scalar twin, so that all of them give the same bits. A block whose activations are all zero adds
 * nothing and is skipped.
 *
 * The register tiles here, in panels.ts and in floats.ts look alike and stay apart: each holds as much as the registers
 * have room for beside its own planes and scales.
 *
 * Cost of 8 rows × 32 columns: a token 32 dots, 32 adds, 16 splats that are loads, 8 to 14 for scales; a tile of two to
 * four tokens the planes and scales once.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { Four, Three, Two, addPair, clearOutputs, stepDot, tileTokens } from "../dots";

/** The step of the quad at `p` with eight activations. */
@inline
function quadDot<F>(p: usize, high: v128, a: v128): v128 {
  const f = changetype<F>(0);
  const w = f.word(p);
  return stepDot(f.plane0(p, w, high), f.plane1(p, w, high), f.plane2(p, w, high), f.plane3(p, w, high), a);
}

/** acc + float(dot − offset·sum) · (dw · dx). */
@inline
function scaled<F>(acc: v128, dot: v128, offsetSum: i32, dw: v128, dx: v128): v128 {
  const f = changetype<F>(0);
  if (f.offset != 0) dot = i32x4.sub(dot, i32x4.splat(offsetSum));
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx)));
}

/** Eight rows × one token. */
function multiplyOne<F>(block: usize, blocks: u32, x: usize, target: usize): void {
  const f = changetype<F>(0);
  if (ASC_FEATURE_SIMD) {
    let acc0 = f32x4.splat(0);
    let acc1 = f32x4.splat(0);
    for (; blocks > 0; blocks--) {
      if (load<u32>(x) != 0) {
        let p = f.payload(block);
        let q = p + f.quadBytes;
        let high0 = f.high(block, 0);
        let high1 = f.high(block, 1);

        let a = v128.load(x, 16);
        let dot0 = quadDot<F>(p, high0, a);
        let dot1 = quadDot<F>(q, high1, a);
        for (let step: usize = 16; step < 64; step += 16) {
          p += f.stepBytes;
          q += f.stepBytes;
          high0 = f.nextHigh(high0);
          high1 = f.nextHigh(high1);
          a = v128.load(x + step, 16);
          dot0 = i32x4.add(dot0, quadDot<F>(p, high0, a));
          dot1 = i32x4.add(dot1, quadDot<F>(q, high1, a));
        }

        const dx = v128.load_splat<f32>(x);
        const sum = load<i32>(x, 4);
        acc0 = scaled<F>(acc0, dot0, f.offset * sum, f.scale4(block, 0), dx);
        acc1 = scaled<F>(acc1, dot1, f.offset * sum, f.scale4(block, 1), dx);
        if (f.minimum) {
          const floatSum = f32x4.splat(<f32>sum);
          acc0 = f32x4.add(acc0, f32x4.mul(f32x4.mul(f.minimum4(block, 0), dx), floatSum));
          acc1 = f32x4.add(acc1, f32x4.mul(f32x4.mul(f.minimum4(block, 1), dx), floatSum));
        }
      }
      x += ACTIVATION_BLOCK_BYTES;
      block += f.blockBytes;
    }
    v128.store(target, acc0);
    v128.store(target, acc1, 16);
  } else {
    for (let row: u32 = 0; row < 8; row++) {
      let acc: f32 = 0;
      let here = block;
      let a = x;
      for (let n = blocks; n > 0; n--) {
        const dx = load<f32>(a);
        if (dx != 0) {
          const sum = load<i32>(a, 4);
          let dot = f.rowDot(here, row, a + 16);
          if (f.offset != 0) dot -= f.offset * sum;
          acc += <f32>dot * (f.scale1(here, row) * dx);
          if (f.minimum) acc += f.minimum1(here, row) * dx * <f32>sum;
        }
        a += ACTIVATION_BLOCK_BYTES;
        here += f.blockBytes;
      }
      store<f32>(target + ((<usize>row) << 2), acc);
    }
  }
}

/** The eight outputs of a token at `y` + a block: its sums of both quads, its scales and minima. */
@inline
function addBlock<F>(y: usize, a: v128, b: v128, d0: v128, d1: v128, m0: v128, m1: v128, x: usize): void {
  const f = changetype<F>(0);
  const dx = v128.load32_splat(x);
  const sum = v128.load32_splat(x, 4);
  if (f.offset != 0) {
    const offsets = i32x4.mul(sum, i32x4.splat(f.offset));
    a = i32x4.sub(a, offsets);
    b = i32x4.sub(b, offsets);
  }
  let acc0 = f32x4.add(v128.load(y), f32x4.mul(f32x4.convert_i32x4_s(a), f32x4.mul(d0, dx)));
  let acc1 = f32x4.add(v128.load(y, 16), f32x4.mul(f32x4.convert_i32x4_s(b), f32x4.mul(d1, dx)));
  if (f.minimum) {
    const sums = f32x4.convert_i32x4_s(sum);
    acc0 = f32x4.add(acc0, f32x4.mul(f32x4.mul(m0, dx), sums));
    acc1 = f32x4.add(acc1, f32x4.mul(f32x4.mul(m1, dx), sums));
  }
  v128.store(y, acc0);
  v128.store(y, acc1, 16);
}

/** Whether none of the activations of a block is other than zero: then it adds nothing. */
@inline
function isZero<N>(x: usize, stride: usize): bool {
  const n = changetype<N>(0);
  let heads = load<u32>(x) | load<u32>(x + stride);
  if (n.three) heads |= load<u32>(x + 2 * stride);
  if (n.four) heads |= load<u32>(x + 3 * stride);
  return heads == 0;
}

/**
 * Eight rows × two to four tokens, on top of what the outputs are. Activations are splatted by loads, which leaves the
 * vector units to the rest; sums of floats go on in memory, since the registers are full.
 */
function multiplyTile<F, N>(block: usize, blocks: u32, x0: usize, stride: usize, y0: usize, step: usize): void {
  const f = changetype<F>(0);
  const n = changetype<N>(0);
  for (; blocks > 0; blocks--) {
    if (!isZero<N>(x0, stride)) {
      let a0 = i32x4.splat(0);
      let a1 = a0;
      let a2 = a0;
      let a3 = a0;
      let b0 = a0;
      let b1 = a0;
      let b2 = a0;
      let b3 = a0;
      let p = f.payload(block);
      let q = p + f.quadBytes;
      let high0 = f.high(block, 0);
      let high1 = f.high(block, 1);
      for (let at = x0, end = x0 + 64; at != end; at += 16) {
        const at1 = at + stride;
        const at2 = at1 + stride;
        const at3 = at2 + stride;
        const word0 = f.word(p);
        const word1 = f.word(q);
        let w: v128, z: v128, v: v128;
        w = f.plane0(p, word0, high0);
        z = f.plane0(q, word1, high1);
        v = v128.load32_splat(at, 16);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        v = v128.load32_splat(at1, 16);
        a1 = addPair(a1, w, v);
        b1 = addPair(b1, z, v);
        if (n.three) {
          v = v128.load32_splat(at2, 16);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 16);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = f.plane1(p, word0, high0);
        z = f.plane1(q, word1, high1);
        v = v128.load32_splat(at, 20);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        v = v128.load32_splat(at1, 20);
        a1 = addPair(a1, w, v);
        b1 = addPair(b1, z, v);
        if (n.three) {
          v = v128.load32_splat(at2, 20);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 20);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = f.plane2(p, word0, high0);
        z = f.plane2(q, word1, high1);
        v = v128.load32_splat(at, 24);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        v = v128.load32_splat(at1, 24);
        a1 = addPair(a1, w, v);
        b1 = addPair(b1, z, v);
        if (n.three) {
          v = v128.load32_splat(at2, 24);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 24);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        w = f.plane3(p, word0, high0);
        z = f.plane3(q, word1, high1);
        v = v128.load32_splat(at, 28);
        a0 = addPair(a0, w, v);
        b0 = addPair(b0, z, v);
        v = v128.load32_splat(at1, 28);
        a1 = addPair(a1, w, v);
        b1 = addPair(b1, z, v);
        if (n.three) {
          v = v128.load32_splat(at2, 28);
          a2 = addPair(a2, w, v);
          b2 = addPair(b2, z, v);
        }
        if (n.four) {
          v = v128.load32_splat(at3, 28);
          a3 = addPair(a3, w, v);
          b3 = addPair(b3, z, v);
        }
        p += f.stepBytes;
        q += f.stepBytes;
        high0 = f.nextHigh(high0);
        high1 = f.nextHigh(high1);
      }
      const d0 = f.scale4(block, 0);
      const d1 = f.scale4(block, 1);
      const m0 = f.minimum4(block, 0);
      const m1 = f.minimum4(block, 1);
      addBlock<F>(y0, a0, b0, d0, d1, m0, m1, x0);
      addBlock<F>(y0 + step, a1, b1, d0, d1, m0, m1, x0 + stride);
      if (n.three) addBlock<F>(y0 + 2 * step, a2, b2, d0, d1, m0, m1, x0 + 2 * stride);
      if (n.four) addBlock<F>(y0 + 3 * step, a3, b3, d0, d1, m0, m1, x0 + 3 * stride);
    }
    x0 += ACTIVATION_BLOCK_BYTES;
    block += f.blockBytes;
  }
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in Q16 rows. */
export function matmulBlocks<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const groupBytes = <usize>blocks * f.blockBytes;
  for (; groups > 0; groups--) {
    if (ASC_FEATURE_SIMD && tokens > 1) clearOutputs(target, targetStride, tokens);
    let a = x;
    let y = target;
    for (let left = tokens; left > 0; ) {
      const count = ASC_FEATURE_SIMD ? tileTokens(left) : 1;
      if (count == 1) multiplyOne<F>(group, blocks, a, y);
      else if (count == 2) multiplyTile<F, Two>(group, blocks, a, xStride, y, targetStride);
      else if (count == 3) multiplyTile<F, Three>(group, blocks, a, xStride, y, targetStride);
      else multiplyTile<F, Four>(group, blocks, a, xStride, y, targetStride);
      left -= count;
      a += <usize>count * xStride;
      y += <usize>count * targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}

/**
 * One group as f32, four columns after four: per 4 columns 8 × 16 bytes, row after row. The numbers are those of the
 * format's dequantiser; the scalar build takes that instead (`decodeGroup` in quant/index.ts).
 */
export function decodeBlocks<F>(group: usize, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns >> 5; blocks > 0; blocks--) {
    for (let quad: u32 = 0; quad < 2; quad++) {
      const d = f.scale4(group, quad);
      const d01 = v128.shuffle<i32>(d, d, 0, 0, 1, 1);
      const d23 = v128.shuffle<i32>(d, d, 2, 2, 3, 3);
      const m = f.minimum4(group, quad);
      const m01 = v128.shuffle<i32>(m, m, 0, 0, 1, 1);
      const m23 = v128.shuffle<i32>(m, m, 2, 2, 3, 3);
      const offset = i16x8.splat(<i16>f.offset);
      let high = f.high(group, quad);
      let p = f.payload(group) + <usize>quad * f.quadBytes;
      let to = target + ((<usize>quad) << 6);
      for (let step = 0; step < 4; step++) {
        const w = f.word(p);
        storeColumns<F>(f.plane0(p, w, high), f.plane1(p, w, high), offset, d01, d23, m01, m23, to);
        storeColumns<F>(f.plane2(p, w, high), f.plane3(p, w, high), offset, d01, d23, m01, m23, to + 128);
        p += f.stepBytes;
        high = f.nextHigh(high);
        to += 256;
      }
    }
    group += f.blockBytes;
    target += 1024;
  }
}

/** Two planes (four columns of four rows) as f32: four rows of 16 bytes. */
@inline
export function storeColumns<F>(
  a: v128, b: v128, offset: v128, d01: v128, d23: v128, m01: v128, m23: v128, target: usize,
): void {
  const f = changetype<F>(0);
  if (f.offset != 0) {
    a = i16x8.sub(a, offset);
    b = i16x8.sub(b, offset);
  }
  let a01 = f32x4.mul(d01, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(a)));
  let a23 = f32x4.mul(d23, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(a)));
  let b01 = f32x4.mul(d01, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(b)));
  let b23 = f32x4.mul(d23, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(b)));
  if (f.minimum) {
    a01 = f32x4.add(a01, m01);
    a23 = f32x4.add(a23, m23);
    b01 = f32x4.add(b01, m01);
    b23 = f32x4.add(b23, m23);
  }
  v128.store(target, v128.shuffle<i32>(a01, b01, 0, 1, 4, 5));
  v128.store(target, v128.shuffle<i32>(a01, b01, 2, 3, 6, 7), 16);
  v128.store(target, v128.shuffle<i32>(a23, b23, 0, 1, 4, 5), 32);
  v128.store(target, v128.shuffle<i32>(a23, b23, 2, 3, 6, 7), 48);
}
