/**
 * The matmul of the formats with codebooks, written once. A block of a row is looked up once for all tokens, as
 * integers and scales, and is then any format's; one token by itself has codebooks/multiply_row.ts.
 *
 *     y[t][r] = Σ over blocks:  d · factor · ((s₀ + s₂) + (s₁ + s₃))
 *       s_l = Σ over 32 columns:  float((2 s + 1) · dot_l of the first 16 + (2 s' + 1) · dot_l of the others) · dx
 *       dot_l = Σ integer·a over columns 2 l, 2 l + 1, 2 l + 8, 2 l + 9
 *
 * in this order, the same for any number of tokens and for the scalar twin: all give the same bits. 32 columns whose
 * activations are all zero add nothing and are skipped.
 *
 * Cost of a row × 32 columns: looking up 4 words some 40 operations, once; a token 8 loads, 4 widenings, 4 dots, 3
 * sums, 4 operations for the scales of the parts, a conversion, a multiplication and a sum.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { EXPANDED_BYTES, INTEGERS, SCALES } from "./format";
import { expandBlock, multiplyRow } from "./formats";
import { rowBytes } from "../types";

/** A block as `expandBlock` leaves it × one token's 256 activations, without d. */
function multiplyBlock(expanded: usize, x: usize): f32 {
  const end = expanded + EXPANDED_BYTES;
  let scales = expanded + SCALES;
  let p = expanded + INTEGERS;
  if (ASC_FEATURE_SIMD) {
    let sum = f32x4.splat(0);
    for (; p != end; p += 32) {
      if (load<u32>(x) != 0) {
        const first = i32x4.add(
          i32x4.dot_i16x8_s(v128.load_ext<i8>(p), v128.load(x, 16)),
          i32x4.dot_i16x8_s(v128.load_ext<i8>(p, 8), v128.load(x, 32)),
        );
        const second = i32x4.add(
          i32x4.dot_i16x8_s(v128.load_ext<i8>(p, 16), v128.load(x, 48)),
          i32x4.dot_i16x8_s(v128.load_ext<i8>(p, 24), v128.load(x, 64)),
        );
        const scaled = i32x4.add(
          i32x4.mul(first, i32x4.splat(load<u8>(scales))), i32x4.mul(second, i32x4.splat(load<u8>(scales, 1))),
        );
        sum = f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(scaled), v128.load_splat<f32>(x)));
      }
      scales += 2;
      x += ACTIVATION_BLOCK_BYTES;
    }
    sum = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
    return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1);
  }
  let sum0: f32 = 0;
  let sum1: f32 = 0;
  let sum2: f32 = 0;
  let sum3: f32 = 0;
  for (; p != end; p += 32) {
    const dx = load<f32>(x);
    if (dx != 0) {
      sum0 += <f32>laneOf(p, scales, x + 16) * dx;
      sum1 += <f32>laneOf(p + 2, scales, x + 20) * dx;
      sum2 += <f32>laneOf(p + 4, scales, x + 24) * dx;
      sum3 += <f32>laneOf(p + 6, scales, x + 28) * dx;
    }
    scales += 2;
    x += ACTIVATION_BLOCK_BYTES;
  }
  return sum0 + sum2 + (sum1 + sum3);
}

/** What one lane of the SIMD twin sums of 32 columns. */
@inline
function laneOf(p: usize, scales: usize, a: usize): i32 {
  return <i32>load<u8>(scales) * fourOf(p, a) + <i32>load<u8>(scales, 1) * fourOf(p + 16, a + 32);
}

function fourOf(p: usize, a: usize): i32 {
  return (
    <i32>load<i8>(p) * load<i16>(a) +
    <i32>load<i8>(p, 1) * load<i16>(a, 2) +
    <i32>load<i8>(p, 8) * load<i16>(a, 16) +
    <i32>load<i8>(p, 9) * load<i16>(a, 18)
  );
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in Q16 rows. */
export function multiplyWords(
  type: u32, group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize,
  targetStride: usize, work: usize,
): void {
  const bytes = <usize>rowBytes(type, 256);
  if (ASC_FEATURE_SIMD) {
    if (tokens == 1) {
      const blocks = columns >> 8;
      for (const end = target + ((<usize>groups) << 5); target != end; target += 4) {
        store<f32>(target, multiplyRow(type, group, blocks, x, work));
        group += <usize>blocks * bytes;
      }
      return;
    }
  }
  for (let rows = groups << 3; rows > 0; rows--) {
    for (let t: u32 = 0, y = target; t < tokens; t++, y += targetStride) store<f32>(y, 0);
    const end = x + <usize>(columns >> 8) * (8 * ACTIVATION_BLOCK_BYTES);
    for (let block = x; block != end; block += 8 * ACTIVATION_BLOCK_BYTES) {
      const d = expandBlock(type, group, work, true);
      let a = block;
      for (let t: u32 = 0, y = target; t < tokens; t++, y += targetStride) {
        store<f32>(y, load<f32>(y) + d * multiplyBlock(work, a));
        a += xStride;
      }
      group += bytes;
    }
    target += 4;
  }
}
