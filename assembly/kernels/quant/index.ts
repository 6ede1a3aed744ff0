/**
 * The block formats behind one set of functions: each call is sent on by the GGUF type id. An unknown type does nothing
 * (and has no bytes): callers ask `packedGroupBytes` or `blockElements` first.
 *
 * There is one list of the formats, `forFormat`. An action is a class with a method `on` for the tag of a format;
 * `forFormat` is compiled once an action, and calls it with the tag that the type stands for. Formats with codebooks
 * are one family beside it, which takes the type itself (codebooks/formats.ts).
 */
import {
  HAS_BF16, HAS_Q4_0, HAS_Q4_1, HAS_Q5_0, HAS_Q5_1, HAS_Q2_K, HAS_Q3_K, HAS_Q4_K, HAS_Q5_K, HAS_Q6_K, HAS_IQ4_NL,
  HAS_IQ4_XS, HAS_TQ1_0, HAS_TQ2_0, HAS_MXFP4, HAS_NVFP4, HAS_Q1_0, HAS_Q2_0,
} from "../../parts";
import { IN_QUADS, PRECISION_SHIFT, ActivationPrecision, meetsBytes } from "./activations/precision";
import { dequantizeWords, packWords, unpackWords } from "./codebooks/convert";
import { EXPANDED_BYTES } from "./codebooks/format";
import { multiplyWords } from "./codebooks/multiply";
import { BF16Packing } from "./formats/bf16";
import { F16Packing } from "./formats/f16";
import { F32Packing } from "./formats/f32";
import { IQ4_NLPacking } from "./formats/iq4_nl";
import { IQ4_XSPacking } from "./formats/iq4_xs";
import { MXFP4Packing } from "./formats/mxfp4";
import { NVFP4Packing } from "./formats/nvfp4";
import { Q1_0Packing } from "./formats/q1_0";
import { Q2_0Packing } from "./formats/q2_0";
import { Q2_KPacking } from "./formats/q2_k";
import { Q3_KPacking } from "./formats/q3_k";
import { Q4_0Packing } from "./formats/q4_0";
import { Q4_1Packing } from "./formats/q4_1";
import { Q4_KPacking } from "./formats/q4_k";
import { Q5_0Packing } from "./formats/q5_0";
import { Q5_1Packing } from "./formats/q5_1";
import { Q5_KPacking } from "./formats/q5_k";
import { Q6_KPacking } from "./formats/q6_k";
import { Q8_0Packing } from "./formats/q8_0";
import { TQ1_0Packing } from "./formats/tq1_0";
import { TQ2_0Packing } from "./formats/tq2_0";
import { PANEL_BYTES as BYTE_PANEL_BYTES } from "./byte_panels";
import { PANEL_BYTES } from "./panels";
import { TABLES_BYTES } from "./sums/tables";
import { Type, blockElements, hasCodebook, rowBytes } from "./types";

/** Does what action `A` says with the format of a type: its arguments are those of the format's own function. */
@inline
function forFormat<A>(
  type: u32, a: usize, b: usize, c: usize, d: usize = 0, e: usize = 0, f: usize = 0, g: usize = 0, h: usize = 0,
  i: usize = 0, j: usize = 0,
): void {
  const action = changetype<A>(0);
  if (type == Type.F32) return action.on<F32Packing>(a, b, c, d, e, f, g, h, i, j);
  if (type == Type.F16) return action.on<F16Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_BF16 && type == Type.BF16) return action.on<BF16Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q4_0 && type == Type.Q4_0) return action.on<Q4_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q4_1 && type == Type.Q4_1) return action.on<Q4_1Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q5_0 && type == Type.Q5_0) return action.on<Q5_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q5_1 && type == Type.Q5_1) return action.on<Q5_1Packing>(a, b, c, d, e, f, g, h, i, j);
  if (type == Type.Q8_0) return action.on<Q8_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q2_K && type == Type.Q2_K) return action.on<Q2_KPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q3_K && type == Type.Q3_K) return action.on<Q3_KPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q4_K && type == Type.Q4_K) return action.on<Q4_KPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q5_K && type == Type.Q5_K) return action.on<Q5_KPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q6_K && type == Type.Q6_K) return action.on<Q6_KPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_IQ4_NL && type == Type.IQ4_NL) return action.on<IQ4_NLPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_IQ4_XS && type == Type.IQ4_XS) return action.on<IQ4_XSPacking>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_TQ1_0 && type == Type.TQ1_0) return action.on<TQ1_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_TQ2_0 && type == Type.TQ2_0) return action.on<TQ2_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_MXFP4 && type == Type.MXFP4) return action.on<MXFP4Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_NVFP4 && type == Type.NVFP4) return action.on<NVFP4Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q1_0 && type == Type.Q1_0) return action.on<Q1_0Packing>(a, b, c, d, e, f, g, h, i, j);
  if (HAS_Q2_0 && type == Type.Q2_0) return action.on<Q2_0Packing>(a, b, c, d, e, f, g, h, i, j);
}

@unmanaged
class Dequantize {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    changetype<F>(0).dequantize(a, b, c, d != 0);
  }
}

@unmanaged
class Quantize {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    changetype<F>(0).quantize(a, b, c);
  }
}

@unmanaged
class Pack {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    changetype<F>(0).packRows(a, b, <u32>c, <u32>d, e);
  }
}

@unmanaged
class Unpack {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    changetype<F>(0).unpackRow(a, <u32>b, <u32>c, d);
  }
}

@unmanaged
class Decode {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    changetype<F>(0).decode(a, <u32>b, c);
  }
}

@unmanaged
class Multiply {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    const format = changetype<F>(0);
    if (isDefined(format.multiplySums)) format.multiplySums(a, <u32>b, <u32>c, d, e, <u32>f, g, h, i, <u32>j);
    else format.multiply(a, <u32>b, <u32>c, d, e, <u32>f, g, h, i);
  }
}

@unmanaged
class MultiplyBytes {
  @inline
  on<F>(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize, g: usize, h: usize, i: usize, j: usize): void {
    const format = changetype<F>(0);
    if (isDefined(format.multiplyBytes)) {
      format.multiplyBytes(a, <u32>b, <u32>c, d, e, <u32>f, g, h, i, j != 0);
    }
  }
}

/** Whether weights of this type multiply f32 activations; the others multiply Q16 (activations/sixteen.ts). */
@inline
export function multipliesFloats(type: u32): bool {
  return type == Type.F32 || type == Type.F16 || type == Type.BF16;
}

/** Bytes of a packed group: those of eight rows in a file, but TQ1_0 is kept as TQ2_0. 0: unknown type. */
export function packedGroupBytes(type: u32, columns: u32): usize {
  if (HAS_TQ1_0 && type == Type.TQ1_0) return (<usize>(columns >> 8) * changetype<TQ2_0Packing>(0).fileBytes) << 3;
  return (<usize>rowBytes(type, columns)) << 3;
}

/** `count` values (whole blocks) of a file → f32: exactly, or with all scales finite as in products (layout.ts). */
export function dequantizeRow(type: u32, source: usize, target: usize, count: usize, isFinite: bool = false): void {
  if (hasCodebook(type)) return dequantizeWords(type, source, target, count, isFinite);
  forFormat<Dequantize>(type, source, target, count, usize(isFinite));
}

/** f32 → `count` values (whole blocks) as in a file; of a type with a codebook nothing. */
export function quantizeRow(type: u32, source: usize, target: usize, count: usize): void {
  forFormat<Quantize>(type, source, target, count);
}

/** Up to eight rows of a file, `sourceStride` bytes apart → one packed group; missing rows are zero bytes. */
export function packGroup(type: u32, source: usize, sourceStride: usize, rows: u32, columns: u32, target: usize): void {
  if (hasCodebook(type)) return packWords(type, source, sourceStride, rows, columns, target);
  forFormat<Pack>(type, source, sourceStride, rows, columns, target);
}

/** Row `lane` (0…7) of a packed group → its bytes as in the file (TQ1_0: the same values). */
export function unpackRow(type: u32, group: usize, lane: u32, columns: u32, target: usize): void {
  if (hasCodebook(type)) return unpackWords(type, group, lane, columns, target);
  forFormat<Unpack>(type, group, lane, columns, target);
}

/**
 * A packed group as f32 with the numbers of `dequantizeRow`, four columns after four: per 4 columns 8 × 16 bytes, row
 * after row, so 32 bytes a column, columns rounded up to fours. What is not finite counts as finite, as in every
 * product (layout.ts). The portable build has a way of its own for each format without a codebook; else, and in the
 * scalar one, their twin, rows are unpacked and dequantised. `scratch`: a row as f32 and as in the file, each rounded
 * up to 16 bytes.
 */
export function decodeGroup(type: u32, group: usize, columns: u32, target: usize, scratch: usize): void {
  if (ASC_FEATURE_SIMD) {
    const known = blockElements(type) != 0 && !hasCodebook(type);
    if ((columns & 3) == 0 && known) return forFormat<Decode>(type, group, columns, target);
  }
  const bytes = scratch + ((<usize>columns * 4 + 15) & ~15);
  for (let lane: u32 = 0; lane < 8; lane++) {
    unpackRow(type, group, lane, columns, bytes);
    dequantizeRow(type, bytes, scratch, columns, true);
    for (let k: u32 = 0; k < columns; k += 4) {
      const from = scratch + ((<usize>k) << 2);
      const to = target + ((<usize>k) << 5) + ((<usize>lane) << 4);
      store<u64>(to, load<u64>(from));
      store<u64>(to, load<u64>(from, 8), 8);
    }
  }
}

/** Whether products of a type look up sums of activations: they take every form, and bytes for the tables. */
@inline
export function takesSums(type: u32): bool {
  return (HAS_Q1_0 && type == Type.Q1_0) || (HAS_Q2_0 && type == Type.Q2_0);
}

/**
 * Bytes that a product wants besides: for tables of sums (sums/tables.ts), a block whose words are looked up
 * (codebooks/format.ts), or a panel (panels.ts, byte_panels.ts).
 */
@inline
export function workBytes(type: u32, form: u32): usize {
  if (takesSums(type)) return ASC_FEATURE_SIMD ? TABLES_BYTES : 0;
  if (hasCodebook(type)) return EXPANDED_BYTES;
  if (ASC_FEATURE_RELAXED_SIMD && meetsBytes(form)) return BYTE_PANEL_BYTES;
  return ASC_FEATURE_SIMD && blockElements(type) == 256 ? PANEL_BYTES : 0;
}

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]; strides in bytes. The form of the activations
 * stands above the type (activations/precision.ts). `work`: workBytes(type, form).
 */
export function matmulGroups(
  type: u32, group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize,
  targetStride: usize, work: usize,
): void {
  const form = (type >> PRECISION_SHIFT) & 0xff;
  const inQuads = type & IN_QUADS;
  type &= 0xff;
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form != ActivationPrecision.SIXTEEN && !takesSums(type)) {
      return matmulBytes(type, group, groups, columns, x, xStride, tokens, target, targetStride, work, inQuads);
    }
  }
  if (hasCodebook(type)) {
    return multiplyWords(type, group, groups, columns, x, xStride, tokens, target, targetStride, work);
  }
  forFormat<Multiply>(type, group, groups, columns, x, xStride, tokens, target, targetStride, work, form);
}

/** The same with activations as rows of digits (activations/eight.ts). */
function matmulBytes(
  type: u32, group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize,
  targetStride: usize, panel: usize, inQuads: u32,
): void {
  forFormat<MultiplyBytes>(type, group, groups, columns, x, xStride, tokens, target, targetStride, panel, inQuads);
}
