/**
 * The block formats behind one set of functions: each call is sent on by the GGUF type id. An unknown type does nothing
 * (and has no bytes): callers ask `packedGroupBytes` or `blockElements` first.
 */
import { matmulBytes } from "./activations/byte_products";
import { decodeBF16, dequantizeBF16, matmulBF16, packBF16, quantizeBF16, unpackBF16 } from "./formats/bf16";
import { decodeF16, dequantizeF16, matmulF16, packF16, quantizeF16, unpackF16 } from "./formats/f16";
import { decodeF32, dequantizeF32, matmulF32, packF32, quantizeF32, unpackF32 } from "./formats/f32";
import { FORM_SHIFT, OperandForm } from "./activations/precision";
import {
  decodeIQ4_NL, dequantizeIQ4_NL, matmulIQ4_NL, packIQ4_NL, quantizeIQ4_NL, unpackIQ4_NL,
} from "./formats/iq4_nl";
import {
  decodeIQ4_XS, dequantizeIQ4_XS, matmulIQ4_XS, packIQ4_XS, quantizeIQ4_XS, unpackIQ4_XS,
} from "./formats/iq4_xs";
import { decodeMXFP4, dequantizeMXFP4, matmulMXFP4, packMXFP4, quantizeMXFP4, unpackMXFP4 } from "./formats/mxfp4";
import { decodeQ2_K, dequantizeQ2_K, matmulQ2_K, packQ2_K, quantizeQ2_K, unpackQ2_K } from "./formats/q2_k";
import { decodeQ3_K, dequantizeQ3_K, matmulQ3_K, packQ3_K, quantizeQ3_K, unpackQ3_K } from "./formats/q3_k";
import { decodeQ4_0, dequantizeQ4_0, matmulQ4_0, packQ4_0, quantizeQ4_0, unpackQ4_0 } from "./formats/q4_0";
import { decodeQ4_1, dequantizeQ4_1, matmulQ4_1, packQ4_1, quantizeQ4_1, unpackQ4_1 } from "./formats/q4_1";
import { decodeQ4_K, dequantizeQ4_K, matmulQ4_K, packQ4_K, quantizeQ4_K, unpackQ4_K } from "./formats/q4_k";
import { decodeQ5_0, dequantizeQ5_0, matmulQ5_0, packQ5_0, quantizeQ5_0, unpackQ5_0 } from "./formats/q5_0";
import { decodeQ5_1, dequantizeQ5_1, matmulQ5_1, packQ5_1, quantizeQ5_1, unpackQ5_1 } from "./formats/q5_1";
import { decodeQ5_K, dequantizeQ5_K, matmulQ5_K, packQ5_K, quantizeQ5_K, unpackQ5_K } from "./formats/q5_k";
import { decodeQ6_K, dequantizeQ6_K, matmulQ6_K, packQ6_K, quantizeQ6_K, unpackQ6_K } from "./formats/q6_k";
import { decodeQ8_0, dequantizeQ8_0, matmulQ8_0, packQ8_0, quantizeQ8_0, unpackQ8_0 } from "./formats/q8_0";
import { dequantizeTQ1_0, matmulTQ1_0, packTQ1_0, quantizeTQ1_0, unpackTQ1_0 } from "./formats/tq1_0";
import { decodeTQ2_0, dequantizeTQ2_0, matmulTQ2_0, packTQ2_0, quantizeTQ2_0, unpackTQ2_0 } from "./formats/tq2_0";
import { rowBytes, Type } from "./types";

/** Whether weights of this type multiply f32 activations; the others multiply Q16 (kernels/quant/activations.ts). */
@inline
export function multipliesFloats(type: u32): bool {
  return type == Type.F32 || type == Type.F16 || type == Type.BF16;
}

/** Bytes of a packed group: those of eight rows in a file, but TQ1_0 is kept as TQ2_0. 0: unknown type. */
export function packedGroupBytes(type: u32, columns: u32): usize {
  return <usize>rowBytes(type == Type.TQ1_0 ? Type.TQ2_0 : type, columns) << 3;
}

/** `count` values (whole blocks) of a file → f32, exactly. */
export function dequantizeRow(type: u32, source: usize, target: usize, count: usize): void {
  switch (type) {
    case Type.F32: return dequantizeF32(source, target, count);
    case Type.F16: return dequantizeF16(source, target, count);
    case Type.BF16: return dequantizeBF16(source, target, count);
    case Type.Q4_0: return dequantizeQ4_0(source, target, count);
    case Type.Q4_1: return dequantizeQ4_1(source, target, count);
    case Type.Q5_0: return dequantizeQ5_0(source, target, count);
    case Type.Q5_1: return dequantizeQ5_1(source, target, count);
    case Type.Q8_0: return dequantizeQ8_0(source, target, count);
    case Type.Q2_K: return dequantizeQ2_K(source, target, count);
    case Type.Q3_K: return dequantizeQ3_K(source, target, count);
    case Type.Q4_K: return dequantizeQ4_K(source, target, count);
    case Type.Q5_K: return dequantizeQ5_K(source, target, count);
    case Type.Q6_K: return dequantizeQ6_K(source, target, count);
    case Type.IQ4_NL: return dequantizeIQ4_NL(source, target, count);
    case Type.IQ4_XS: return dequantizeIQ4_XS(source, target, count);
    case Type.TQ1_0: return dequantizeTQ1_0(source, target, count);
    case Type.TQ2_0: return dequantizeTQ2_0(source, target, count);
    case Type.MXFP4: return dequantizeMXFP4(source, target, count);
  }
}

/** f32 → `count` values (whole blocks) as in a file. */
export function quantizeRow(type: u32, source: usize, target: usize, count: usize): void {
  switch (type) {
    case Type.F32: return quantizeF32(source, target, count);
    case Type.F16: return quantizeF16(source, target, count);
    case Type.BF16: return quantizeBF16(source, target, count);
    case Type.Q4_0: return quantizeQ4_0(source, target, count);
    case Type.Q4_1: return quantizeQ4_1(source, target, count);
    case Type.Q5_0: return quantizeQ5_0(source, target, count);
    case Type.Q5_1: return quantizeQ5_1(source, target, count);
    case Type.Q8_0: return quantizeQ8_0(source, target, count);
    case Type.Q2_K: return quantizeQ2_K(source, target, count);
    case Type.Q3_K: return quantizeQ3_K(source, target, count);
    case Type.Q4_K: return quantizeQ4_K(source, target, count);
    case Type.Q5_K: return quantizeQ5_K(source, target, count);
    case Type.Q6_K: return quantizeQ6_K(source, target, count);
    case Type.IQ4_NL: return quantizeIQ4_NL(source, target, count);
    case Type.IQ4_XS: return quantizeIQ4_XS(source, target, count);
    case Type.TQ1_0: return quantizeTQ1_0(source, target, count);
    case Type.TQ2_0: return quantizeTQ2_0(source, target, count);
    case Type.MXFP4: return quantizeMXFP4(source, target, count);
  }
}

/** Up to eight rows of a file, `sourceStride` bytes apart → one packed group. */
export function packGroup(
  type: u32,
  source: usize,
  sourceStride: usize,
  rows: u32,
  columns: u32,
  target: usize,
): void {
  switch (type) {
    case Type.F32: return packF32(source, sourceStride, rows, columns, target);
    case Type.F16: return packF16(source, sourceStride, rows, columns, target);
    case Type.BF16: return packBF16(source, sourceStride, rows, columns, target);
    case Type.Q4_0: return packQ4_0(source, sourceStride, rows, columns, target);
    case Type.Q4_1: return packQ4_1(source, sourceStride, rows, columns, target);
    case Type.Q5_0: return packQ5_0(source, sourceStride, rows, columns, target);
    case Type.Q5_1: return packQ5_1(source, sourceStride, rows, columns, target);
    case Type.Q8_0: return packQ8_0(source, sourceStride, rows, columns, target);
    case Type.Q2_K: return packQ2_K(source, sourceStride, rows, columns, target);
    case Type.Q3_K: return packQ3_K(source, sourceStride, rows, columns, target);
    case Type.Q4_K: return packQ4_K(source, sourceStride, rows, columns, target);
    case Type.Q5_K: return packQ5_K(source, sourceStride, rows, columns, target);
    case Type.Q6_K: return packQ6_K(source, sourceStride, rows, columns, target);
    case Type.IQ4_NL: return packIQ4_NL(source, sourceStride, rows, columns, target);
    case Type.IQ4_XS: return packIQ4_XS(source, sourceStride, rows, columns, target);
    case Type.TQ1_0: return packTQ1_0(source, sourceStride, rows, columns, target);
    case Type.TQ2_0: return packTQ2_0(source, sourceStride, rows, columns, target);
    case Type.MXFP4: return packMXFP4(source, sourceStride, rows, columns, target);
  }
}

/** Row `lane` (0…7) of a packed group → its bytes as in the file (TQ1_0: the same values). */
export function unpackRow(type: u32, group: usize, lane: u32, columns: u32, target: usize): void {
  switch (type) {
    case Type.F32: return unpackF32(group, lane, columns, target);
    case Type.F16: return unpackF16(group, lane, columns, target);
    case Type.BF16: return unpackBF16(group, lane, columns, target);
    case Type.Q4_0: return unpackQ4_0(group, lane, columns, target);
    case Type.Q4_1: return unpackQ4_1(group, lane, columns, target);
    case Type.Q5_0: return unpackQ5_0(group, lane, columns, target);
    case Type.Q5_1: return unpackQ5_1(group, lane, columns, target);
    case Type.Q8_0: return unpackQ8_0(group, lane, columns, target);
    case Type.Q2_K: return unpackQ2_K(group, lane, columns, target);
    case Type.Q3_K: return unpackQ3_K(group, lane, columns, target);
    case Type.Q4_K: return unpackQ4_K(group, lane, columns, target);
    case Type.Q5_K: return unpackQ5_K(group, lane, columns, target);
    case Type.Q6_K: return unpackQ6_K(group, lane, columns, target);
    case Type.IQ4_NL: return unpackIQ4_NL(group, lane, columns, target);
    case Type.IQ4_XS: return unpackIQ4_XS(group, lane, columns, target);
    case Type.TQ1_0: return unpackTQ1_0(group, lane, columns, target);
    case Type.TQ2_0: return unpackTQ2_0(group, lane, columns, target);
    case Type.MXFP4: return unpackMXFP4(group, lane, columns, target);
  }
}

/**
 * A packed group as f32 with the numbers of `dequantizeRow` (where they are finite), four columns after four: per 4
 * columns 8 × 16 bytes, row after row, so 32 bytes a column, columns rounded up to fours. The portable build has a way
 * of its own for each format; the scalar one, their twin, unpacks and dequantises row by row. `scratch`: a row as f32
 * and as in the file, each rounded up to 16 bytes.
 */
export function decodeGroup(type: u32, group: usize, columns: u32, target: usize, scratch: usize): void {
  if (ASC_FEATURE_SIMD) {
    if ((columns & 3) == 0) switch (type) {
      case Type.F32: return decodeF32(group, columns, target);
      case Type.F16: return decodeF16(group, columns, target);
      case Type.BF16: return decodeBF16(group, columns, target);
      case Type.Q4_0: return decodeQ4_0(group, columns, target);
      case Type.Q4_1: return decodeQ4_1(group, columns, target);
      case Type.Q5_0: return decodeQ5_0(group, columns, target);
      case Type.Q5_1: return decodeQ5_1(group, columns, target);
      case Type.Q8_0: return decodeQ8_0(group, columns, target);
      case Type.IQ4_NL: return decodeIQ4_NL(group, columns, target);
      case Type.MXFP4: return decodeMXFP4(group, columns, target);
      case Type.Q2_K: return decodeQ2_K(group, columns, target);
      case Type.Q3_K: return decodeQ3_K(group, columns, target);
      case Type.Q4_K: return decodeQ4_K(group, columns, target);
      case Type.Q5_K: return decodeQ5_K(group, columns, target);
      case Type.Q6_K: return decodeQ6_K(group, columns, target);
      case Type.IQ4_XS: return decodeIQ4_XS(group, columns, target);
      case Type.TQ2_0: return decodeTQ2_0(group, columns, target);
      case Type.TQ1_0: return decodeTQ2_0(group, columns, target);
    }
  }
  const bytes = scratch + ((<usize>columns * 4 + 15) & ~15);
  for (let lane: u32 = 0; lane < 8; lane++) {
    unpackRow(type, group, lane, columns, bytes);
    dequantizeRow(type, bytes, scratch, columns);
    for (let k: u32 = 0; k < columns; k += 4) {
      const from = scratch + (<usize>k << 2);
      const to = target + (<usize>k << 5) + (<usize>lane << 4);
      store<u64>(to, load<u64>(from));
      store<u64>(to, load<u64>(from, 8), 8);
    }
  }
}

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]; strides in bytes. The form of the activations
 * stands above the type (kernels/quant/forms.ts).
 */
export function matmulGroups(
  type: u32,
  group: usize,
  groups: u32,
  columns: u32,
  x: usize,
  xStride: usize,
  tokens: u32,
  target: usize,
  targetStride: usize,
): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const form = type >> FORM_SHIFT;
    type &= 0xff;
    if (form != OperandForm.SIXTEEN) {
      return matmulBytes(type, group, groups, columns, x, xStride, tokens, target, targetStride);
    }
  }
  switch (type) {
    case Type.F32: return matmulF32(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.F16: return matmulF16(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.BF16: return matmulBF16(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q4_0: return matmulQ4_0(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q4_1: return matmulQ4_1(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q5_0: return matmulQ5_0(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q5_1: return matmulQ5_1(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q8_0: return matmulQ8_0(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q2_K: return matmulQ2_K(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q3_K: return matmulQ3_K(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q4_K: return matmulQ4_K(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q5_K: return matmulQ5_K(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.Q6_K: return matmulQ6_K(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.IQ4_NL: return matmulIQ4_NL(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.IQ4_XS: return matmulIQ4_XS(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.TQ1_0: return matmulTQ1_0(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.TQ2_0: return matmulTQ2_0(group, groups, columns, x, xStride, tokens, target, targetStride);
    case Type.MXFP4: return matmulMXFP4(group, groups, columns, x, xStride, tokens, target, targetStride);
  }
}
