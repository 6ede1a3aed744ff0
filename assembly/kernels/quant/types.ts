/**
 * The block formats by their GGUF type id (ggml.h): elements a block, bytes a block, name.
 */
import {
  HAS_BF16, HAS_Q4_0, HAS_Q4_1, HAS_Q5_0, HAS_Q5_1, HAS_Q2_K, HAS_Q3_K, HAS_Q4_K, HAS_Q5_K, HAS_Q6_K, HAS_IQ4_NL,
  HAS_IQ4_XS, HAS_TQ1_0, HAS_TQ2_0, HAS_MXFP4, HAS_NVFP4, HAS_Q1_0, HAS_Q2_0, HAS_IQ1_S, HAS_IQ1_M, HAS_IQ2_XXS,
  HAS_IQ2_XS, HAS_IQ2_S, HAS_IQ3_XXS, HAS_IQ3_S, HAS_CODEBOOKS,
} from "../../parts";

export namespace Type {
  export const F32: u32 = 0;
  export const F16: u32 = 1;
  export const Q4_0: u32 = 2;
  export const Q4_1: u32 = 3;
  export const Q5_0: u32 = 6;
  export const Q5_1: u32 = 7;
  export const Q8_0: u32 = 8;
  export const Q2_K: u32 = 10;
  export const Q3_K: u32 = 11;
  export const Q4_K: u32 = 12;
  export const Q5_K: u32 = 13;
  export const Q6_K: u32 = 14;
  export const IQ2_XXS: u32 = 16;
  export const IQ2_XS: u32 = 17;
  export const IQ3_XXS: u32 = 18;
  export const IQ1_S: u32 = 19;
  export const IQ4_NL: u32 = 20;
  export const IQ3_S: u32 = 21;
  export const IQ2_S: u32 = 22;
  export const IQ4_XS: u32 = 23;
  /** Rows of look-up tables (kernels/lookup/table_rows.ts) and nothing else: not a block format. */
  export const I8: u32 = 24;
  export const IQ1_M: u32 = 29;
  export const BF16: u32 = 30;
  export const TQ1_0: u32 = 34;
  export const TQ2_0: u32 = 35;
  export const MXFP4: u32 = 39;
  export const NVFP4: u32 = 40;
  export const Q1_0: u32 = 41;
  export const Q2_0: u32 = 42;
}

/** A bit for each type whose weights are words of a codebook. */
const CODEBOOK_BITS: u32 =
  (1 << Type.IQ2_XXS) |
  (1 << Type.IQ2_XS) |
  (1 << Type.IQ3_XXS) |
  (1 << Type.IQ1_S) |
  (1 << Type.IQ3_S) |
  (1 << Type.IQ2_S) |
  (1 << Type.IQ1_M);

/** Whether the weights of a type are words of a codebook, in this build or in others. */
@inline
function isCodebook(type: u32): bool {
  return type < 32 && ((CODEBOOK_BITS >> type) & 1) != 0;
}

/** Whether this build leaves out one of them. */
@inline
function codebookLeftOut(type: u32): bool {
  return (
    !HAS_CODEBOOKS ||
    (!HAS_IQ1_S && type == Type.IQ1_S) ||
    (!HAS_IQ1_M && type == Type.IQ1_M) ||
    (!HAS_IQ2_XXS && type == Type.IQ2_XXS) ||
    (!HAS_IQ2_XS && type == Type.IQ2_XS) ||
    (!HAS_IQ2_S && type == Type.IQ2_S) ||
    (!HAS_IQ3_XXS && type == Type.IQ3_XXS) ||
    (!HAS_IQ3_S && type == Type.IQ3_S)
  );
}

/** Whether this build leaves out a block format. */
export function isLeftOut(type: u32): bool {
  return (
    (!HAS_BF16 && type == Type.BF16) ||
    (!HAS_Q4_0 && type == Type.Q4_0) ||
    (!HAS_Q4_1 && type == Type.Q4_1) ||
    (!HAS_Q5_0 && type == Type.Q5_0) ||
    (!HAS_Q5_1 && type == Type.Q5_1) ||
    (!HAS_Q2_K && type == Type.Q2_K) ||
    (!HAS_Q3_K && type == Type.Q3_K) ||
    (!HAS_Q4_K && type == Type.Q4_K) ||
    (!HAS_Q5_K && type == Type.Q5_K) ||
    (!HAS_Q6_K && type == Type.Q6_K) ||
    (!HAS_IQ4_NL && type == Type.IQ4_NL) ||
    (!HAS_IQ4_XS && type == Type.IQ4_XS) ||
    (!HAS_TQ1_0 && type == Type.TQ1_0) ||
    (!HAS_TQ2_0 && type == Type.TQ2_0) ||
    (!HAS_MXFP4 && type == Type.MXFP4) ||
    (!HAS_NVFP4 && type == Type.NVFP4) ||
    (!HAS_Q1_0 && type == Type.Q1_0) ||
    (!HAS_Q2_0 && type == Type.Q2_0) ||
    (isCodebook(type) && codebookLeftOut(type))
  );
}

/** Whether a type's weights are words of a codebook (codebooks/format.ts): such a type is for reading. */
@inline
export function hasCodebook(type: u32): bool {
  return HAS_CODEBOOKS && isCodebook(type);
}

/** Bytes of a block of words. */
function codebookBlockBytes(type: u32): u32 {
  switch (type) {
    case Type.IQ1_S: return 50;
    case Type.IQ1_M: return 56;
    case Type.IQ2_XXS: return 66;
    case Type.IQ2_XS: return 74;
    case Type.IQ2_S: return 82;
    case Type.IQ3_XXS: return 98;
    case Type.IQ3_S: return 110;
    default: return 0;
  }
}

/** Elements of a block along a row; 0 for a type that this build does not run. */
export function blockElements(type: u32): u32 {
  if (isLeftOut(type)) return 0;
  if (hasCodebook(type)) return 256;
  switch (type) {
    case Type.F32:
    case Type.F16:
    case Type.BF16: return 1;
    case Type.Q4_0:
    case Type.Q4_1:
    case Type.Q5_0:
    case Type.Q5_1:
    case Type.Q8_0:
    case Type.IQ4_NL:
    case Type.MXFP4: return 32;
    case Type.NVFP4:
    case Type.Q2_0: return 64;
    case Type.Q1_0: return 128;
    case Type.Q2_K:
    case Type.Q3_K:
    case Type.Q4_K:
    case Type.Q5_K:
    case Type.Q6_K:
    case Type.IQ4_XS:
    case Type.TQ1_0:
    case Type.TQ2_0: return 256;
    default: return 0;
  }
}

/** Bytes of a block as it lies in a GGUF file; 0 for a type that this build does not run. */
export function blockBytes(type: u32): u32 {
  if (isLeftOut(type)) return 0;
  if (hasCodebook(type)) return codebookBlockBytes(type);
  switch (type) {
    case Type.F32: return 4;
    case Type.F16: return 2;
    case Type.BF16: return 2;
    case Type.Q4_0: return 18;
    case Type.Q4_1: return 20;
    case Type.Q5_0: return 22;
    case Type.Q5_1: return 24;
    case Type.Q8_0: return 34;
    case Type.Q2_K: return 84;
    case Type.Q3_K: return 110;
    case Type.Q4_K: return 144;
    case Type.Q5_K: return 176;
    case Type.Q6_K: return 210;
    case Type.IQ4_NL: return 18;
    case Type.IQ4_XS: return 136;
    case Type.TQ1_0: return 54;
    case Type.TQ2_0: return 66;
    case Type.MXFP4: return 17;
    case Type.NVFP4: return 36;
    case Type.Q1_0: return 18;
    case Type.Q2_0: return 18;
    default: return 0;
  }
}

/** Bytes of a row of `columns` elements in a file; `columns` is a multiple of the block. */
@inline
export function rowBytes(type: u32, columns: u32): u64 {
  return (<u64>columns / blockElements(type)) * blockBytes(type);
}

/** The list for messages: what limpet runs. */
export const SUPPORTED_TYPES: string =
  "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ1_S to IQ4_XS, TQ1_0, TQ2_0, MXFP4, NVFP4, Q1_0, Q2_0";
