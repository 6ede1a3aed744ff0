/**
 * The precision of activations where they meet weights. The portable build has sixteen bits, and twice sixteen for what
 * must be as exact as f32. The fast build multiplies codes of up to seven bits by bytes (activations/eight.ts): one a
 * value, and two where that is not exact enough. Weights of eight bits have the sign themselves, and meet two digits of
 * seven bits (activations/fourteen.ts). Weights of tables keep sixteen. A product names the form of its activations
 * beside the type: `type | form << PRECISION_SHIFT`.
 */
import { activationBytes, quantizeActivations, quantizeRest } from "./sixteen";
import { digitRowBytes, quantizeBytes } from "./eight";
import { quantizeFourteen } from "./fourteen";
import { Type } from "../types";

export namespace ActivationPrecision {
  /** Sixteen bits (activations/sixteen.ts); f32 where the weights are floats. */
  export const SIXTEEN: u32 = 0;
  /** A byte each. */
  export const BYTE: u32 = 1;
  /** A byte each, two in blocks that stand out. */
  export const OUTLIERS: u32 = 2;
  /** Two bytes each. */
  export const TWO_BYTES: u32 = 3;
  /** Sixteen bits, and sixteen of what they leave: the accuracy of f32, for twice the work. */
  export const TWO_SIXTEENS: u32 = 4;
  /** Fourteen bits, in two digits of seven. */
  export const FOURTEEN: u32 = 5;
}

/** A block stands out when its largest magnitude is that many times the mean of its row: one in ten of SmolLM2's. */
const OUTLIER: f32 = 1.75;

/** The form stands above the type's byte. */
export const PRECISION_SHIFT: u32 = 8;

/** Above the form, of products with bytes: that they are summed in quads (byte_dots.ts). */
export const IN_QUADS: u32 = 1 << 16;

/**
 * The form in which activations meet weights of a type: `wanted` where the build has it for them. A number that is no
 * form stands for none.
 */
export function precisionFor(type: u32, wanted: u32): u32 {
  if (wanted > ActivationPrecision.FOURTEEN) return ActivationPrecision.SIXTEEN;
  if (ASC_FEATURE_RELAXED_SIMD) {
    switch (type) {
      case Type.Q8_0: if (wanted == ActivationPrecision.TWO_SIXTEENS) return wanted;
        // Two bytes would have fifteen bits.
        return wanted == ActivationPrecision.SIXTEEN || wanted == ActivationPrecision.TWO_BYTES
          ? ActivationPrecision.SIXTEEN
          : ActivationPrecision.FOURTEEN;
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
      case Type.TQ2_0:
      case Type.Q1_0:
      case Type.Q2_0: return wanted >= ActivationPrecision.TWO_SIXTEENS ? ActivationPrecision.TWO_BYTES : wanted;
    }
  }
  if (type == Type.F32 || type == Type.F16 || type == Type.BF16) return ActivationPrecision.SIXTEEN;
  return wanted == ActivationPrecision.TWO_SIXTEENS ? wanted : ActivationPrecision.SIXTEEN;
}

/** Bytes of a row of `columns` quantised activations; `columns` is a multiple of 32. */
export function operandRowBytes(form: u32, columns: u32): usize {
  if (form == ActivationPrecision.TWO_SIXTEENS) return 2 * activationBytes(columns);
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form == ActivationPrecision.FOURTEEN) return 2 * activationBytes(columns);
    if (form != ActivationPrecision.SIXTEEN) return digitRowBytes(columns);
  }
  return activationBytes(columns);
}

/** Whether activations in this form are bytes. */
@inline
export function meetsBytes(form: u32): bool {
  return form != ActivationPrecision.SIXTEEN && form != ActivationPrecision.TWO_SIXTEENS;
}

/** One row of f32 → quantised activations. */
export function quantizeAs(form: u32, x: usize, columns: u32, target: usize): void {
  if (form == ActivationPrecision.TWO_SIXTEENS) {
    quantizeActivations(x, columns, target);
    return quantizeRest(x, columns, target, target + activationBytes(columns));
  }
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (form == ActivationPrecision.FOURTEEN) return quantizeFourteen(x, columns, target);
    if (form != ActivationPrecision.SIXTEEN) {
      const limit: f32 =
        form == ActivationPrecision.TWO_BYTES ? 0 : form == ActivationPrecision.BYTE ? Infinity : OUTLIER;
      return quantizeBytes(x, columns, target, limit);
    }
  }
  quantizeActivations(x, columns, target);
}
