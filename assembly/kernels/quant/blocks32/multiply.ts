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
 * The register tiles here, in blocks256/multiply.ts and in floats.ts look alike and stay apart: each holds as much as
 * the registers have room for beside its own planes and scales.
 *
 * Cost of 8 rows × 32 columns, one token: 32 dots, 32 adds, 16 splats and the planes; the tile shares the planes.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { stepDot } from "../dots";

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

/** Four rows (a quad) × four tokens. */
function multiplyTile<F>(
  block: usize, quad: u32, blocks: u32, x0: usize, stride: usize, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let acc0 = f32x4.splat(0);
  let acc1 = f32x4.splat(0);
  let acc2 = f32x4.splat(0);
  let acc3 = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    if ((load<u32>(x0) | load<u32>(x1) | load<u32>(x2) | load<u32>(x3)) != 0) {
      let p = f.payload(block) + <usize>quad * f.quadBytes;
      let high = f.high(block, quad);
      let dot0 = i32x4.splat(0);
      let dot1 = i32x4.splat(0);
      let dot2 = i32x4.splat(0);
      let dot3 = i32x4.splat(0);
      for (let step: usize = 0; step < 64; step += 16) {
        const w = f.word(p);
        const w0 = f.plane0(p, w, high);
        const w1 = f.plane1(p, w, high);
        const w2 = f.plane2(p, w, high);
        const w3 = f.plane3(p, w, high);
        dot0 = i32x4.add(dot0, stepDot(w0, w1, w2, w3, v128.load(x0 + step, 16)));
        dot1 = i32x4.add(dot1, stepDot(w0, w1, w2, w3, v128.load(x1 + step, 16)));
        dot2 = i32x4.add(dot2, stepDot(w0, w1, w2, w3, v128.load(x2 + step, 16)));
        dot3 = i32x4.add(dot3, stepDot(w0, w1, w2, w3, v128.load(x3 + step, 16)));
        p += f.stepBytes;
        high = f.nextHigh(high);
      }
      const dw = f.scale4(block, quad);
      acc0 = scaled<F>(acc0, dot0, f.offset * load<i32>(x0, 4), dw, v128.load_splat<f32>(x0));
      acc1 = scaled<F>(acc1, dot1, f.offset * load<i32>(x1, 4), dw, v128.load_splat<f32>(x1));
      acc2 = scaled<F>(acc2, dot2, f.offset * load<i32>(x2, 4), dw, v128.load_splat<f32>(x2));
      acc3 = scaled<F>(acc3, dot3, f.offset * load<i32>(x3, 4), dw, v128.load_splat<f32>(x3));
      if (f.minimum) {
        const m = f.minimum4(block, quad);
        acc0 = addMinimum(acc0, m, x0);
        acc1 = addMinimum(acc1, m, x1);
        acc2 = addMinimum(acc2, m, x2);
        acc3 = addMinimum(acc3, m, x3);
      }
    }
    x0 += ACTIVATION_BLOCK_BYTES;
    x1 += ACTIVATION_BLOCK_BYTES;
    x2 += ACTIVATION_BLOCK_BYTES;
    x3 += ACTIVATION_BLOCK_BYTES;
    block += f.blockBytes;
  }
  target += (<usize>quad) << 4;
  v128.store(target, acc0);
  v128.store(target + targetStride, acc1);
  v128.store(target + 2 * targetStride, acc2);
  v128.store(target + 3 * targetStride, acc3);
}

/** acc + (m · dx) · float(Σ a). */
@inline
function addMinimum(acc: v128, m: v128, x: usize): v128 {
  const product = f32x4.mul(m, v128.load_splat<f32>(x));
  return f32x4.add(acc, f32x4.mul(product, f32x4.splat(<f32>load<i32>(x, 4))));
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in Q16 rows. */
export function matmulBlocks<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const groupBytes = <usize>blocks * f.blockBytes;
  for (; groups > 0; groups--) {
    let t: u32 = 0;
    let a = x;
    let y = target;
    if (ASC_FEATURE_SIMD) {
      for (; t + 4 <= tokens; t += 4) {
        multiplyTile<F>(group, 0, blocks, a, xStride, y, targetStride);
        multiplyTile<F>(group, 1, blocks, a, xStride, y, targetStride);
        a += 4 * xStride;
        y += 4 * targetStride;
      }
    }
    for (; t < tokens; t++) {
      multiplyOne<F>(group, blocks, a, y);
      a += xStride;
      y += targetStride;
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
