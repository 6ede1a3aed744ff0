/**
 * The quantised matmul of the formats with super-blocks of 256 columns, written once. A super-block of eight packed
 * rows has the half scales first and then eight units of 32 columns, in the order of use:
 *
 *     ┌ 8 × d h │ 8 × dmin h (if there) ┬ unit 0 ┬ … ┬ unit 7 ┐
 *       unit    ┌ sub-scales of 8 rows │ low bits, 32 B a bit │ high bits, 32 B a bit ┐
 *       bits    16 B rows 0…3 (quad 0), 16 B rows 4…7 (quad 1), and so on; the i16 lanes of 16 B are
 *               r0 r0' r1 r1' r2 r2' r3 r3': lane r holds the even columns, lane r' the odd ones, lowest bits first
 *       so 32 B (both quads) hold 8 columns of 4 bits, 16 of 2 bits, or 32 of 1 bit
 *
 *     y[t][r] = Σ over parts:  float(Σ q·a − offset·Σ a) · (dw · dx)   [ − (m · dx) · float(Σ a) ]
 *       dw = d · sub-scale, m = dmin · sub-minimum, both rounded to f32; a part is 32 columns, or 16
 *
 * part after part, one f32 accumulator an output, the same for one token, for the tile of four tokens and for the
 * scalar twin: all give the same bits. A unit whose activations are all zero adds nothing and is skipped.
 *
 * A format is a tag: an `@unmanaged` class without fields, whose inlined members say what differs. `unit` and `block`
 * are packed, `file` is a block as it lies in a GGUF file.
 *
 *     lowBits, highBits   4 or 2; 0, 1 or 2                parts      sub-blocks in 32 columns: 1 or 2
 *     unitScales          bytes of a unit's sub-scales     offset     what the stored integers have too much
 *     minimum             whether dmin is there            scaled     whether sub-scales are there
 *     table               of 16 bytes, or 0: code → integer
 *     scales4(unit, quad, part)   sub-scales of four rows, i32x4; with a minimum: scale | minimum << scaleBits
 *     scales1(unit, row, part)    its scalar twin          setScales1(unit, row, part, value)   into zeroed bytes
 *     fileBytes, fileScale, fileMinimum, fileQuants        a block's size; where d, dmin and the codes lie in it
 *     fileScales(file, j) / setFileScales(file, j, value)  sub-scale j of a file's block (set: into zeroed bytes)
 *     fileCodes(file, unit, step) / setFileCodes(…, codes) the eight codes of a step of 8 columns, a byte each
 *     finish(file)                                         after the last setFileCodes
 *
 * Cost of 8 rows × 32 columns, one token: 32 dots, 32 adds, 16 shuffles, two or three operations a plane (4 rows × 2
 * columns) and bit field, and some 30 for the sub-scales; the tile shares planes and sub-scales among four tokens.
 *
 * May call: layout, activations (kernels/quant).
 */
import { ACTIVATION_BLOCK_BYTES } from "./activations";
import { loadFiniteHalf, loadHalves4 } from "./layout";

// Masks that the hot loops load once (findings of this engine: a v128 constant is rebuilt at each use).
const MASKS16 = memory.data<u16>([
  3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 15, 15, 15, 15, 15, 15, 15, 15,
  16, 16, 16, 16, 16, 16, 16, 16, 48, 48, 48, 48, 48, 48, 48, 48,
], 16);
const MASKS32 = memory.data<u32>([15, 15, 15, 15, 63, 63, 63, 63], 16);

/** Bits of a sub-scale where a sub-minimum follows it: 4 with sub-blocks of 16, 6 with those of 32. */
@inline
export function scaleBits<F>(): i32 {
  return changetype<F>(0).parts == 2 ? 4 : 6;
}

/** Bytes of the half scales before the units. */
@inline
export function headerBytes<F>(): usize {
  return changetype<F>(0).minimum ? 32 : 16;
}

/** Bytes of a unit: 32 columns of eight rows. */
@inline
export function unitBytes<F>(): usize {
  const f = changetype<F>(0);
  return f.unitScales + 32 * <usize>(f.lowBits + f.highBits);
}

/** Bytes of a super-block of eight rows. */
@inline
export function packedBytes<F>(): usize {
  return headerBytes<F>() + 8 * unitBytes<F>();
}

@inline
function lowMask<F>(): v128 {
  return v128.load(MASKS16 + (changetype<F>(0).lowBits == 4 ? 32 : 0));
}

/** The mask of the high bits where they belong: above the low ones. */
@inline
function highMask<F>(): v128 {
  const f = changetype<F>(0);
  if (f.table != 0) return v128.load(f.table);
  return v128.load(MASKS16 + (f.lowBits == 2 ? 16 : f.highBits == 1 ? 48 : 64));
}

/** The i16x8 of column pair `pair` (0…7, a constant) of 16 columns; `high`: the mask of the high bits, or the table. */
@inline
function plane<F>(low: v128, bits: v128, pair: i32, mask: v128, high: v128): v128 {
  const f = changetype<F>(0);
  const shift = (f.lowBits * pair) & 15;
  let codes = shift == 0 ? low : i16x8.shr_u(low, shift);
  if (shift + f.lowBits < 16) codes = v128.and(codes, mask);
  if (f.highBits != 0) {
    const down = f.highBits * pair - f.lowBits;
    const moved = down > 0 ? i16x8.shr_u(bits, down) : down < 0 ? i16x8.shl(bits, -down) : bits;
    codes = v128.or(codes, v128.and(moved, high));
  }
  if (f.table != 0) codes = i8x16.swizzle(high, codes);
  return codes;
}

/** Four planes with the four pairs of eight activations. */
@inline
function stepDot(w0: v128, w1: v128, w2: v128, w3: v128, a: v128): v128 {
  return i32x4.add(
    i32x4.add(
      i32x4.dot_i16x8_s(w0, v128.shuffle<i32>(a, a, 0, 0, 0, 0)),
      i32x4.dot_i16x8_s(w1, v128.shuffle<i32>(a, a, 1, 1, 1, 1)),
    ),
    i32x4.add(
      i32x4.dot_i16x8_s(w2, v128.shuffle<i32>(a, a, 2, 2, 2, 2)),
      i32x4.dot_i16x8_s(w3, v128.shuffle<i32>(a, a, 3, 3, 3, 3)),
    ),
  );
}

/** The dot of 16 columns of a quad. `low` and `bits` are its first vectors, `second` what follows `low` (4 bits). */
@inline
function halfDot<F>(low: v128, second: v128, bits: v128, a: v128, b: v128, mask: v128, high: v128): v128 {
  return i32x4.add(
    stepDot(
      plane<F>(low, bits, 0, mask, high),
      plane<F>(low, bits, 1, mask, high),
      plane<F>(low, bits, 2, mask, high),
      plane<F>(low, bits, 3, mask, high),
      a,
    ),
    stepDot(
      plane<F>(second, bits, 4, mask, high),
      plane<F>(second, bits, 5, mask, high),
      plane<F>(second, bits, 6, mask, high),
      plane<F>(second, bits, 7, mask, high),
      b,
    ),
  );
}

/** The low bits of the first eight columns of a half (16 columns). */
@inline
function firstLow<F>(p: usize, half: usize): v128 {
  return v128.load(p + (half << (changetype<F>(0).lowBits == 4 ? 6 : 5)));
}

/** Those of the next eight: with 2 bits they lie in the same vector. */
@inline
function secondLow<F>(p: usize, half: usize, first: v128): v128 {
  return changetype<F>(0).lowBits == 4 ? v128.load(p + (half << 6), 32) : first;
}

/** The high bits of a half, moved down to the first one. */
@inline
function highBits<F>(p: usize, half: usize, none: v128): v128 {
  const f = changetype<F>(0);
  if (f.highBits == 0) return none;
  if (f.highBits == 2) return v128.load(p + (half << 5));
  return i16x8.shr_u(v128.load(p), <i32>half << 3);
}

/** Σ a of a part. */
@inline
function partSum<F>(x: usize, half: usize): i32 {
  return changetype<F>(0).parts == 2 ? load<i32>(x + (half << 2), 8) : load<i32>(x, 4);
}

/** d · sub-scale of four rows. */
@inline
function scaleOf<F>(d: v128, scales: v128): v128 {
  const f = changetype<F>(0);
  if (!f.scaled) return d;
  if (f.minimum) scales = v128.and(scales, v128.load(MASKS32 + (f.parts == 2 ? 0 : 16)));
  return f32x4.mul(d, f32x4.convert_i32x4_s(scales));
}

/** dmin · sub-minimum of four rows. */
@inline
function minimumOf<F>(dmin: v128, scales: v128): v128 {
  return f32x4.mul(dmin, f32x4.convert_i32x4_s(i32x4.shr_u(scales, scaleBits<F>())));
}

/** acc + float(dot − offset · sum) · (dw · dx) */
@inline
function accumulate<F>(acc: v128, dot: v128, sum: i32, dw: v128, dx: v128): v128 {
  const f = changetype<F>(0);
  if (f.offset != 0) dot = i32x4.sub(dot, i32x4.splat(f.offset * sum));
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx)));
}

/** Eight rows × one token. */
function multiplyOne<F>(block: usize, blocks: u32, x: usize, target: usize): void {
  const f = changetype<F>(0);
  const mask = lowMask<F>();
  const high = highMask<F>();
  let acc0 = f32x4.splat(0);
  let acc1 = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    const d0 = loadHalves4(block);
    const d1 = loadHalves4(block + 8);
    const dmin0 = f.minimum ? loadHalves4(block + 16) : d0;
    const dmin1 = f.minimum ? loadHalves4(block + 24) : d1;
    block += headerBytes<F>();
    for (const end = block + 8 * unitBytes<F>(); block != end; block += unitBytes<F>()) {
      if (load<u32>(x) != 0) {
        const low = block + f.unitScales;
        const bits = low + 32 * <usize>f.lowBits;
        let dot0 = i32x4.splat(0);
        let dot1 = i32x4.splat(0);
        for (let half: usize = 0; half < 2; half++) {
          const a = v128.load(x + (half << 5), 16);
          const b = v128.load(x + (half << 5), 32);
          const low0 = firstLow<F>(low, half);
          const low1 = firstLow<F>(low + 16, half);
          const second0 = secondLow<F>(low, half, low0);
          const second1 = secondLow<F>(low + 16, half, low1);
          const part0 = halfDot<F>(low0, second0, highBits<F>(bits, half, low0), a, b, mask, high);
          const part1 = halfDot<F>(low1, second1, highBits<F>(bits + 16, half, low1), a, b, mask, high);
          if (f.parts == 2) {
            dot0 = part0;
            dot1 = part1;
          } else {
            dot0 = i32x4.add(dot0, part0);
            dot1 = i32x4.add(dot1, part1);
          }
          if (f.parts == 2 || half == 1) {
            const dx = v128.load_splat<f32>(x);
            const sum = partSum<F>(x, half);
            const scales0 = f.scales4(block, 0, half);
            const scales1 = f.scales4(block, 1, half);
            acc0 = accumulate<F>(acc0, dot0, sum, scaleOf<F>(d0, scales0), dx);
            acc1 = accumulate<F>(acc1, dot1, sum, scaleOf<F>(d1, scales1), dx);
            if (f.minimum) {
              const floatSum = f32x4.splat(<f32>sum);
              acc0 = f32x4.sub(acc0, f32x4.mul(f32x4.mul(minimumOf<F>(dmin0, scales0), dx), floatSum));
              acc1 = f32x4.sub(acc1, f32x4.mul(f32x4.mul(minimumOf<F>(dmin1, scales1), dx), floatSum));
            }
          }
        }
      }
      x += ACTIVATION_BLOCK_BYTES;
    }
  }
  v128.store(target, acc0);
  v128.store(target, acc1, 16);
}

/** Four rows (a quad) × four tokens. */
function multiplyTile<F>(
  block: usize,
  quad: usize,
  blocks: u32,
  x0: usize,
  stride: usize,
  target: usize,
  targetStride: usize,
): void {
  const f = changetype<F>(0);
  const mask = lowMask<F>();
  const high = highMask<F>();
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let acc0 = f32x4.splat(0);
  let acc1 = f32x4.splat(0);
  let acc2 = f32x4.splat(0);
  let acc3 = f32x4.splat(0);
  for (; blocks > 0; blocks--) {
    const header = block + (quad << 3);
    block += headerBytes<F>();
    for (const end = block + 8 * unitBytes<F>(); block != end; block += unitBytes<F>()) {
      if ((load<u32>(x0) | load<u32>(x1) | load<u32>(x2) | load<u32>(x3)) != 0) {
        const low = block + f.unitScales + (quad << 4);
        const bits = low + 32 * <usize>f.lowBits;
        let dot0 = i32x4.splat(0);
        let dot1 = i32x4.splat(0);
        let dot2 = i32x4.splat(0);
        let dot3 = i32x4.splat(0);
        for (let half: usize = 0; half < 2; half++) {
          if (f.parts == 2) {
            dot0 = i32x4.splat(0);
            dot1 = i32x4.splat(0);
            dot2 = i32x4.splat(0);
            dot3 = i32x4.splat(0);
          }
          const at = half << 5;
          const first = firstLow<F>(low, half);
          const fields = highBits<F>(bits, half, first);
          let w0 = plane<F>(first, fields, 0, mask, high);
          let w1 = plane<F>(first, fields, 1, mask, high);
          let w2 = plane<F>(first, fields, 2, mask, high);
          let w3 = plane<F>(first, fields, 3, mask, high);
          dot0 = i32x4.add(dot0, stepDot(w0, w1, w2, w3, v128.load(x0 + at, 16)));
          dot1 = i32x4.add(dot1, stepDot(w0, w1, w2, w3, v128.load(x1 + at, 16)));
          dot2 = i32x4.add(dot2, stepDot(w0, w1, w2, w3, v128.load(x2 + at, 16)));
          dot3 = i32x4.add(dot3, stepDot(w0, w1, w2, w3, v128.load(x3 + at, 16)));
          const second = secondLow<F>(low, half, first);
          w0 = plane<F>(second, fields, 4, mask, high);
          w1 = plane<F>(second, fields, 5, mask, high);
          w2 = plane<F>(second, fields, 6, mask, high);
          w3 = plane<F>(second, fields, 7, mask, high);
          dot0 = i32x4.add(dot0, stepDot(w0, w1, w2, w3, v128.load(x0 + at, 32)));
          dot1 = i32x4.add(dot1, stepDot(w0, w1, w2, w3, v128.load(x1 + at, 32)));
          dot2 = i32x4.add(dot2, stepDot(w0, w1, w2, w3, v128.load(x2 + at, 32)));
          dot3 = i32x4.add(dot3, stepDot(w0, w1, w2, w3, v128.load(x3 + at, 32)));
          if (f.parts == 2 || half == 1) {
            const scales = f.scales4(block, quad, half);
            const dw = scaleOf<F>(loadHalves4(header), scales);
            acc0 = accumulate<F>(acc0, dot0, partSum<F>(x0, half), dw, v128.load_splat<f32>(x0));
            acc1 = accumulate<F>(acc1, dot1, partSum<F>(x1, half), dw, v128.load_splat<f32>(x1));
            acc2 = accumulate<F>(acc2, dot2, partSum<F>(x2, half), dw, v128.load_splat<f32>(x2));
            acc3 = accumulate<F>(acc3, dot3, partSum<F>(x3, half), dw, v128.load_splat<f32>(x3));
            if (f.minimum) {
              const m = minimumOf<F>(loadHalves4(header + 16), scales);
              acc0 = subtractMinimum<F>(acc0, m, x0, half);
              acc1 = subtractMinimum<F>(acc1, m, x1, half);
              acc2 = subtractMinimum<F>(acc2, m, x2, half);
              acc3 = subtractMinimum<F>(acc3, m, x3, half);
            }
          }
        }
      }
      x0 += ACTIVATION_BLOCK_BYTES;
      x1 += ACTIVATION_BLOCK_BYTES;
      x2 += ACTIVATION_BLOCK_BYTES;
      x3 += ACTIVATION_BLOCK_BYTES;
    }
  }
  target += quad << 4;
  v128.store(target, acc0);
  v128.store(target + targetStride, acc1);
  v128.store(target + 2 * targetStride, acc2);
  v128.store(target + 3 * targetStride, acc3);
}

/** acc − (m · dx) · float(Σ a) */
@inline
function subtractMinimum<F>(acc: v128, m: v128, x: usize, half: usize): v128 {
  const product = f32x4.mul(m, v128.load_splat<f32>(x));
  return f32x4.sub(acc, f32x4.mul(product, f32x4.splat(<f32>partSum<F>(x, half))));
}

/** The scalar twin: one row × one token. */
function multiplyRow<F>(block: usize, row: u32, blocks: u32, x: usize): f32 {
  const f = changetype<F>(0);
  const lane = <usize>row << 2;
  let acc: f32 = 0;
  for (; blocks > 0; blocks--) {
    const header = block + (<usize>row << 1);
    const d = loadFiniteHalf(header);
    block += headerBytes<F>();
    for (const end = block + 8 * unitBytes<F>(); block != end; block += unitBytes<F>()) {
      const dx = load<f32>(x);
      if (dx != 0) {
        const low = block + f.unitScales + lane;
        const bits = low + 32 * <usize>f.lowBits;
        let dot = 0;
        for (let half: usize = 0; half < 2; half++) {
          if (f.parts == 2) dot = 0;
          dot += rowHalf<F>(low, bits, half, x + 16 + (half << 5));
          if (f.parts == 2 || half == 1) {
            const sum = partSum<F>(x, half);
            let scale = f.scales1(block, row, half);
            const minimum = scale >> scaleBits<F>();
            if (f.minimum) scale &= (1 << scaleBits<F>()) - 1;
            const dw = f.scaled ? d * <f32>scale : d;
            acc += <f32>(dot - f.offset * sum) * (dw * dx);
            if (f.minimum) acc -= loadFiniteHalf(header + 16) * <f32>minimum * dx * <f32>sum;
          }
        }
      }
      x += ACTIVATION_BLOCK_BYTES;
    }
  }
  return acc;
}

/** Σ q·a of 16 columns of a row, `a` their activations. */
@inline
function rowHalf<F>(low: usize, bits: usize, half: usize, a: usize): i32 {
  const f = changetype<F>(0);
  const mask: u32 = (1 << f.lowBits) - 1;
  const highMask: u32 = (1 << f.highBits) - 1;
  let dot = 0;
  for (let step: usize = 0; step < 2; step++) {
    let codes = f.lowBits == 4
      ? load<u32>(low + (half << 6) + (step << 5))
      : load<u32>(low + (half << 5)) >> (<u32>step << 3);
    let fields: u32 = 0;
    if (f.highBits == 2) fields = load<u32>(bits + (half << 5)) >> (<u32>step << 3);
    if (f.highBits == 1) fields = load<u32>(bits) >> (<u32>((half << 3) + (step << 2)));
    for (const end = a + 16; a != end; a += 4) {
      let even = codes & mask;
      let odd = (codes >> 16) & mask;
      codes >>= f.lowBits;
      if (f.highBits != 0) {
        even |= (fields & highMask) << f.lowBits;
        odd |= ((fields >> 16) & highMask) << f.lowBits;
        fields >>= f.highBits;
      }
      if (f.table != 0) {
        even = load<u8>(f.table + even);
        odd = load<u8>(f.table + odd);
      }
      dot += <i32>even * <i32>load<i16>(a) + <i32>odd * <i32>load<i16>(a, 2);
    }
  }
  return dot;
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in Q16 rows. */
@inline
export function matmulSuper<F>(
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  const blocks = columns >> 8;
  const groupBytes = <usize>blocks * packedBytes<F>();
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
      for (; t < tokens; t++) {
        multiplyOne<F>(group, blocks, a, y);
        a += xStride;
        y += targetStride;
      }
    } else {
      for (; t < tokens; t++) {
        for (let row: u32 = 0; row < 8; row++) store<f32>(y + (row << 2), multiplyRow<F>(group, row, blocks, a));
        a += xStride;
        y += targetStride;
      }
    }
    group += groupBytes;
    target += 32;
  }
}
