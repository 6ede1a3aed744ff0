/**
 * The products of the fast build with activations in bytes, by type of the weights. Types that are not here have none
 * (kernels/quant/forms.ts asks no other).
 */
import { multiplyBytes } from "../blocks32/multiply_bytes";
import { multiplySuperBytes } from "../blocks256/multiply_bytes";
import { Fours } from "../formats/mxfp4";
import { Pairs } from "../formats/q2_k";
import { Triples } from "../formats/q3_k";
import { Nibbles } from "../formats/q4_0";
import { NibblesAndMinimum } from "../formats/q4_1";
import { Nibbles as SuperNibbles } from "../formats/q4_k";
import { FiveBits } from "../formats/q5_0";
import { FiveBitsAndMinimum } from "../formats/q5_1";
import { Quintuples } from "../formats/q5_k";
import { Sextuples } from "../formats/q6_k";
import { Ternary } from "../formats/tq2_0";
import { Type } from "../types";

/** Whole groups × tokens, activations as rows of digits (kernels/quant/byte_activations.ts). */
export function matmulBytes(
  type: u32,
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  stride: usize,
  tokens: u32,
  y: usize,
  yStride: usize,
): void {
  switch (type) {
    case Type.Q4_0: return multiplyBytes<Nibbles>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q4_1: return multiplyBytes<NibblesAndMinimum>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q5_0: return multiplyBytes<FiveBits>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q5_1: return multiplyBytes<FiveBitsAndMinimum>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.MXFP4: return multiplyBytes<Fours>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q2_K: return multiplySuperBytes<Pairs>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q3_K: return multiplySuperBytes<Triples>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q4_K: return multiplySuperBytes<SuperNibbles>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q5_K: return multiplySuperBytes<Quintuples>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.Q6_K: return multiplySuperBytes<Sextuples>(group, groups, columns, x, stride, tokens, y, yStride);
    case Type.TQ1_0:
    case Type.TQ2_0: return multiplySuperBytes<Ternary>(group, groups, columns, x, stride, tokens, y, yStride);
  }
}
