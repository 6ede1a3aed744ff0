/**
 * In which form activations meet weights. The portable build has one, SIXTEEN. The fast build multiplies codes of up to
 * seven bits by bytes, one a value (EIGHT) or two (HALVES), which is slower and as exact as sixteen bits; weights of eight
 * bits and of tables keep SIXTEEN. A product names its form beside the type of the weights: `type | form << FORM_SHIFT`.
 *
 * May call: types, activations, byte_activations.
 */
import { ACTIVATION_BLOCK_BYTES, quantizeActivations } from "./activations";
import { PART_BYTES, quantizeBytes } from "./byte_activations";
import { Type } from "./types";

export namespace OperandForm {
  /** Sixteen bits (kernels/quant/activations.ts); f32 where the weights are floats. */
  export const SIXTEEN: u32 = 0;
  /** A byte. */
  export const EIGHT: u32 = 1;
  /** Two bytes (kernels/quant/byte_activations.ts). */
  export const HALVES: u32 = 2;
}

/** The form stands above the type's byte. */
export const FORM_SHIFT: u32 = 8;

/** The form in which activations meet weights of a type: `wanted` where the build has it for them. */
export function formFor(type: u32, wanted: u32): u32 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case Type.Q4_0:
      case Type.Q4_1:
      case Type.Q5_0:
      case Type.Q5_1:
      case Type.MXFP4:
      case Type.Q2_K:
      case Type.Q3_K:
      case Type.Q4_K:
      case Type.Q5_K:
      case Type.Q6_K:
      case Type.TQ1_0:
      case Type.TQ2_0: return wanted;
    }
  }
  return OperandForm.SIXTEEN;
}

/** Bytes of 32 activations. */
@inline
function blockBytes(form: u32): usize {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form == OperandForm.EIGHT) return PART_BYTES;
    if (form == OperandForm.HALVES) return 2 * PART_BYTES;
  }
  return ACTIVATION_BLOCK_BYTES;
}

/** Bytes of a row of `columns` quantised activations; `columns` is a multiple of 32. */
export function formBytes(form: u32, columns: u32): usize {
  return <usize>(columns >> 5) * blockBytes(form);
}

/** … in the form that takes most. */
export function mostFormBytes(columns: u32): usize {
  return formBytes(OperandForm.HALVES, columns);
}

/** One row of f32 → quantised activations. */
export function quantizeAs(form: u32, x: usize, columns: u32, target: usize): void {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form != OperandForm.SIXTEEN) return quantizeBytes(x, columns, target, form == OperandForm.HALVES);
  }
  quantizeActivations(x, columns, target);
}
