/**
 * A packed group with super-blocks of 256 columns as f32: what the transposed product reads. The numbers are those of
 * the format's dequantiser (blocks256/convert.ts), which the scalar build takes instead; tags are those of
 * blocks256/format.ts.
 *
 *     w = (d · scale) · (q − offset)  [ − dmin · minimum ]
 *     out: four columns after four; per 4 columns 8 × 16 bytes, row after row
 *
 * Cost of 4 rows × 4 columns: 2 planes, 4 widenings, 4 conversions, 4 multiplications, 4 shuffles.
 */
import { storeColumns } from "../blocks32/multiply";
import { headerBytes, scaleBits, unitBytes } from "./multiply";
import { codeMask, firstOf, plane, secondOf, thirdOf } from "./fields";
import { loadSmallHalves4 } from "../layout";

/** One group → f32; portable build only. */
export function decodeSuper<F>(group: usize, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const units = columns >> 5;
  let header = group;
  for (let u: u32 = 0; u < units; u++) {
    if ((u & 7) == 0) {
      header = group;
      group += headerBytes<F>();
    }
    for (let quad: usize = 0; quad < 2; quad++) decodeQuad<F>(header, group, quad, target + (quad << 6));
    group += unitBytes<F>();
    target += 1024;
  }
}

/** 32 columns of four rows. */
@inline
function decodeQuad<F>(header: usize, unit: usize, quad: usize, target: usize): void {
  const f = changetype<F>(0);
  const d = loadSmallHalves4(header + (quad << 3));
  const dmin = f.minimum ? loadSmallHalves4(header + 16 + (quad << 3)) : d;
  const p = unit + f.unitScales + (quad << 4);
  for (let half: usize = 0; half < 2; half++) {
    decodeHalf<F>(p, half, d, dmin, f.scales8(unit, quad, f.parts == 2 ? half : 0), target + (half << 9));
  }
}

/** 16 columns of four rows; `pairs` has their sub-scales. */
@inline
function decodeHalf<F>(p: usize, half: usize, d: v128, dmin: v128, pairs: v128, target: usize): void {
  const f = changetype<F>(0);
  let m = d;
  if (f.minimum) {
    const minima = i32x4.extend_low_i16x8_s(i16x8.shr_u(pairs, scaleBits<F>()));
    m = f32x4.neg(f32x4.mul(dmin, f32x4.convert_i32x4_s(minima)));
    pairs = v128.and(pairs, i16x8.splat(f.parts == 2 ? 15 : 63));
  }
  if (f.scaled) d = f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(pairs)));
  const d01 = v128.shuffle<i32>(d, d, 0, 0, 1, 1);
  const d23 = v128.shuffle<i32>(d, d, 2, 2, 3, 3);
  const m01 = v128.shuffle<i32>(m, m, 0, 0, 1, 1);
  const m23 = v128.shuffle<i32>(m, m, 2, 2, 3, 3);
  decodeStep<F>(p, half, 0, d01, d23, m01, m23, target);
  decodeStep<F>(p, half, 1, d01, d23, m01, m23, target + 256);
}

/** 8 columns of four rows. */
@inline
function decodeStep<F>(
  p: usize, half: usize, step: i32, d01: v128, d23: v128, m01: v128, m23: v128, target: usize,
): void {
  const f = changetype<F>(0);
  const offset = i16x8.splat(<i16>f.offset);
  const first = firstOf(p, f.bits, half, step);
  const second = secondOf(p, f.bits, half, step, first);
  const third = thirdOf(p, f.bits, half, step, first);
  const a = integers<F>(first, second, third, 4 * step);
  const b = integers<F>(first, second, third, 4 * step + 1);
  const c = integers<F>(first, second, third, 4 * step + 2);
  const e = integers<F>(first, second, third, 4 * step + 3);
  storeColumns<F>(a, b, offset, d01, d23, m01, m23, target);
  storeColumns<F>(c, e, offset, d01, d23, m01, m23, target + 128);
}

/** A pair of columns as stored integers. */
@inline
function integers<F>(first: v128, second: v128, third: v128, pair: i32): v128 {
  const f = changetype<F>(0);
  const codes = plane(f.bits, first, second, third, pair, codeMask(f.bits));
  return f.table != 0 ? i8x16.swizzle(v128.load(f.table), codes) : codes;
}
