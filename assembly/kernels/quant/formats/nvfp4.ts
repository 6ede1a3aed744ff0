/**
 * NVFP4: 64 columns of four-bit floats (E2M1); each 16 of them have a scale of eight bits (UE4M3: no sign, four bits of
 * exponent, three of mantissa).
 *
 *     file     ┌ 4 × s u8 │ 4 × 8 B: column 16 i + j low, column 16 i + j + 8 high ┐       36 bytes; w = ½ s · V[code]
 *     packed   two blocks of 32 columns: ┌ 8 × s of 16 columns │ 8 × s of the other 16 │ 4 steps ┐   288 bytes = 8 × 36
 *       step   8 columns: 8 × u32, one a row; from its lowest bit on the codes ^ 15 of columns 0 2 4 6 1 3 5 7
 *       V and why codes are inverted: formats/mxfp4.ts
 *
 * A scale's byte, whose top bit counts for nothing, is the top of a float's bits but for the bias of its exponent,
 * which is added; where there is no exponent the mantissa is what lies above the smallest scale that has one.
 * (Multiplying what is so small as a float's bits would take the processor's slow way.) As with llama.cpp, 127, NaN
 * elsewhere, is zero.
 *
 *     y[t][r] = Σ over parts of 16 columns:  float(Σ (V + 12)·a  −  12·Σ a) · (½ s · dx)
 *
 * Cost of 8 rows × 32 columns: that of blocks32/multiply.ts with its scales twice.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { storeColumns } from "../blocks32/multiply";
import { laneOffset, nibblePlane0, nibblePlane1, nibblePlane2, nibblePlane3, tablePlane } from "../blocks32/nibbles";
import { stepDot } from "../dots";
import { joinNibbles, splitNibbles } from "../layout";
import { E2M1, nearestCode, value } from "./mxfp4";

// A scale's byte without its top bit, the bias, 2^−7 (half of the smallest scale with an exponent), and the lowest
// exponent of a float; V8 rebuilds a constant at each use, so they are loaded.
const SCALE_BITS = memory.data<u32>([
  127, 127, 127, 127, 0x3b80_0000, 0x3b80_0000, 0x3b80_0000, 0x3b80_0000, 0x3c00_0000, 0x3c00_0000, 0x3c00_0000,
  0x3c00_0000, 0x0080_0000, 0x0080_0000, 0x0080_0000, 0x0080_0000,
], 16);

/** Bytes of 32 packed columns. */
const BLOCK: usize = 144;
/** What the table has too much. */
const OFFSET: i32 = 12;

/** Half of what a scale's byte stands for. */
@inline
function scaleOf(s: u32): f32 {
  if (s == 127) return 0;
  s &= 127;
  return s < 8 ? <f32>s / 1024 : reinterpret<f32>((s << 20) + 0x3b80_0000);
}

/** The byte nearest to a scale, halves away from zero; as with llama.cpp 448 from 248 on. NaN gives 0. */
function byteOf(scale: f32): u32 {
  if (!(scale > 0)) return 0;
  const bits = reinterpret<u32>(scale);
  if (bits < 0x3c80_0000) return min<u32>(<u32>(scale * 512 + 0.5), 7);
  // The bias goes from 127 to 7, and a carry into the exponent is right.
  const byte = (bits - 0x3c00_0000 + 0x0008_0000) >> 20;
  return byte < 120 ? byte : 126;
}

/** The integers of a step with eight activations. */
@inline
function stepOf(p: usize, a: v128): v128 {
  const w = v128.load(p);
  return stepDot(
    tablePlane(E2M1, nibblePlane0(w)), tablePlane(E2M1, nibblePlane1(w)), tablePlane(E2M1, nibblePlane2(w)),
    tablePlane(E2M1, nibblePlane3(w)), a,
  );
}

/** Scales of the four rows whose bytes are at `p`. */
@inline
function scales4(p: usize): v128 {
  const s = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load_zero<u32>(p)));
  const seven = v128.load(SCALE_BITS);
  const bits = i32x4.shl(v128.and(s, seven), 20);
  const smallest = v128.load(SCALE_BITS, 32);
  const above = f32x4.sub(i32x4.add(bits, smallest), smallest);
  const small = i32x4.lt_s(bits, v128.load(SCALE_BITS, 48));
  const scales = v128.bitselect(above, i32x4.add(bits, v128.load(SCALE_BITS, 16)), small);
  return v128.andnot(scales, i32x4.eq(s, seven));
}

/** acc + float(dot − 12 · sum) · (scale · dx) */
@inline
function added(acc: v128, dot: v128, sum: i32, scales: usize, dx: v128): v128 {
  const whole = i32x4.sub(dot, i32x4.splat(OFFSET * sum));
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(whole), f32x4.mul(scales4(scales), dx)));
}

/** Eight rows × one token. */
function multiplyOne(block: usize, blocks: u32, x: usize, target: usize): void {
  if (ASC_FEATURE_SIMD) {
    let acc0 = f32x4.splat(0);
    let acc1 = acc0;
    for (; blocks > 0; blocks--) {
      if (load<u32>(x) != 0) {
        const dx = v128.load_splat<f32>(x);
        let p = block + 16;
        for (let part: usize = 0; part < 2; part++) {
          const first = v128.load(x + (part << 5), 16);
          const second = v128.load(x + (part << 5), 32);
          const dot0 = i32x4.add(stepOf(p, first), stepOf(p + 32, second));
          const dot1 = i32x4.add(stepOf(p + 16, first), stepOf(p + 48, second));
          const sum = load<i32>(x + (part << 2), 8);
          acc0 = added(acc0, dot0, sum, block + (part << 3), dx);
          acc1 = added(acc1, dot1, sum, block + (part << 3) + 4, dx);
          p += 64;
        }
      }
      x += ACTIVATION_BLOCK_BYTES;
      block += BLOCK;
    }
    v128.store(target, acc0);
    v128.store(target, acc1, 16);
  } else {
    for (let row: usize = 0; row < 8; row++) {
      let acc: f32 = 0;
      let here = block;
      let a = x;
      for (let n = blocks; n > 0; n--) {
        const dx = load<f32>(a);
        if (dx != 0) {
          for (let part: usize = 0; part < 2; part++) {
            const p = here + 16 + (part << 6) + laneOffset(<u32>row);
            const dot = lanesDot(load<u32>(p), a + 16 + (part << 5)) + lanesDot(load<u32>(p, 32), a + 32 + (part << 5));
            const whole = dot - OFFSET * load<i32>(a + (part << 2), 8);
            acc += <f32>whole * (scaleOf(load<u8>(here + (part << 3) + row)) * dx);
          }
        }
        a += ACTIVATION_BLOCK_BYTES;
        here += BLOCK;
      }
      store<f32>(target + (row << 2), acc);
    }
  }
}

/** Σ (V + 12)·a over the 8 columns of a step of one row. */
@inline
function lanesDot(lanes: u32, a: usize): i32 {
  let dot = 0;
  for (const end = a + 16; a != end; a += 4) {
    dot += <i32>load<u8>(E2M1 + <usize>(lanes & 15)) * load<i16>(a);
    dot += <i32>load<u8>(E2M1 + <usize>((lanes >> 16) & 15)) * load<i16>(a, 2);
    lanes >>= 4;
  }
  return dot;
}

@unmanaged
export class NVFP4Packing {
  @inline get offset(): i32 { return OFFSET; }
  @inline get minimum(): bool { return false; }

  @inline
  dequantize(source: usize, target: usize, count: usize, _isFinite: bool): void {
    for (; count >= 64; count -= 64) {
      for (let i: usize = 0; i < 4; i++) {
        const s = scaleOf(load<u8>(source + i));
        for (let j: usize = 0; j < 8; j++) {
          const pair = <u32>load<u8>(source + (i << 3) + j, 4);
          store<f32>(target + (j << 2), s * <f32>value(pair & 15));
          store<f32>(target + (j << 2), s * <f32>value(pair >> 4), 32);
        }
        target += 64;
      }
      source += 36;
    }
  }

  /** The scale maps the largest magnitude to 6, the largest of V; then the nearest of the sixteen values. */
  @inline
  quantize(source: usize, target: usize, count: usize): void {
    for (; count >= 64; count -= 64) {
      for (let i: usize = 0; i < 4; i++) {
        let largest: f32 = 0;
        for (let j: usize = 0; j < 64; j += 4) {
          const magnitude = abs(load<f32>(source + j));
          if (magnitude > largest) largest = magnitude;
        }
        const byte = byteOf(largest / 6);
        const s = scaleOf(byte);
        store<u8>(target + i, <u8>byte);
        for (let j: usize = 0; j < 8; j++) {
          const low = nearestCode(load<f32>(source + (j << 2)), s);
          const high = nearestCode(load<f32>(source + (j << 2), 32), s);
          store<u8>(target + (i << 3) + j, <u8>(low | (high << 4)), 4);
        }
        source += 64;
      }
      target += 36;
    }
  }

  /** A scale of zero makes zeros of what is missing. */
  @inline
  packRows(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
    if (rows < 8) memory.fill(target, 0, <usize>(columns >> 5) * BLOCK);
    for (let row: usize = 0; row < <usize>rows; row++) {
      let file = source + row * rowBytes;
      let block = target;
      for (let n = columns >> 6; n > 0; n--) {
        for (let i: usize = 0; i < 4; i++) {
          const at = block + (i >> 1) * BLOCK;
          store<u8>(at + ((i & 1) << 3) + row, load<u8>(file + i));
          const codes = ~load<u64>(file + (i << 3), 4);
          const p = at + 16 + ((i & 1) << 6) + laneOffset(<u32>row);
          store<u32>(p, joinNibbles(codes));
          store<u32>(p, joinNibbles(codes >> 4), 32);
        }
        file += 36;
        block += 2 * BLOCK;
      }
    }
  }

  @inline
  unpackRow(group: usize, lane: u32, columns: u32, target: usize): void {
    for (let n = columns >> 6; n > 0; n--) {
      for (let i: usize = 0; i < 4; i++) {
        const at = group + (i >> 1) * BLOCK;
        store<u8>(target + i, load<u8>(at + ((i & 1) << 3) + <usize>lane));
        const p = at + 16 + ((i & 1) << 6) + laneOffset(lane);
        store<u64>(target + (i << 3), ~(splitNibbles(load<u32>(p)) | (splitNibbles(load<u32>(p, 32)) << 4)), 4);
      }
      group += 2 * BLOCK;
      target += 36;
    }
  }

  @inline
  decode(group: usize, columns: u32, target: usize): void {
    const offset = i16x8.splat(<i16>OFFSET);
    for (let blocks = columns >> 5; blocks > 0; blocks--) {
      for (let part: usize = 0; part < 2; part++) {
        for (let quad: usize = 0; quad < 2; quad++) {
          const s = scales4(group + (part << 3) + (quad << 2));
          const s01 = v128.shuffle<i32>(s, s, 0, 0, 1, 1);
          const s23 = v128.shuffle<i32>(s, s, 2, 2, 3, 3);
          for (let step: usize = 0; step < 2; step++) {
            const w = v128.load(group + (part << 6) + (step << 5) + (quad << 4), 16);
            const a = tablePlane(E2M1, nibblePlane0(w));
            const b = tablePlane(E2M1, nibblePlane1(w));
            const c = tablePlane(E2M1, nibblePlane2(w));
            const d = tablePlane(E2M1, nibblePlane3(w));
            const to = target + (part << 9) + (step << 8) + (quad << 6);
            storeColumns<NVFP4Packing>(a, b, offset, s01, s23, s, s, to);
            storeColumns<NVFP4Packing>(c, d, offset, s01, s23, s, s, to + 128);
          }
        }
      }
      group += BLOCK;
      target += 1024;
    }
  }

  @inline
  multiply(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    _panel: usize,
  ): void {
    const blocks = columns >> 5;
    for (; groups > 0; groups--) {
      for (let t: u32 = 0; t < tokens; t++) {
        multiplyOne(group, blocks, x + <usize>t * xStride, target + <usize>t * targetStride);
      }
      group += <usize>blocks * BLOCK;
      target += 32;
    }
  }
}
