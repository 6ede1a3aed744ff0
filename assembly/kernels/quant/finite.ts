/**
 * Whether blocks hold numbers: a scale that is NaN or infinite makes every value of its block one, and kernels that
 * widen halves by a multiplication would read it as finite.
 *
 *     type             its scales, halves at these bytes of a block
 *     Q4_0 Q5_0 Q8_0 IQ4_NL IQ4_XS Q1_0 Q2_0   0
 *     Q4_1 Q5_1 Q4_K Q5_K   0, 2            Q2_K   80, 82
 *     Q3_K   108       Q6_K   208       TQ1_0   52       TQ2_0   64       MXFP4   0: an exponent, 255 is NaN
 *     IQ1_S IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S   0      IQ1_M   in four parts (formats/iq1_m.ts)
 *     NVFP4  every byte is a number
 */
import { HAS_IQ1_M, HAS_MXFP4, HAS_NVFP4 } from "../../parts";
import { allFinite } from "../float/vector";
import { halfOfIQ1_M } from "./formats/iq1_m";
import { Type, blockBytes } from "./types";

/** All bits of a half's exponent: NaN or infinite. */
const HALF_EXPONENT: u32 = 0x7c00;
const BFLOAT_EXPONENT: u32 = 0x7f80;

/** Whether no value of `count` blocks is NaN or infinite because its scale is; of floats, whether none is itself. */
export function blocksAreFinite(type: u32, blocks: usize, count: u32): bool {
  if (type == Type.F32) return allFinite(blocks, count);
  if (type == Type.F16) return fieldsAreFinite(blocks, count, 2, HALF_EXPONENT);
  if (type == Type.BF16) return fieldsAreFinite(blocks, count, 2, BFLOAT_EXPONENT);
  const bytes = blockBytes(type);
  if (HAS_MXFP4 && type == Type.MXFP4) {
    for (let i: u32 = 0; i < count; i++, blocks += bytes) if (load<u8>(blocks) == 255) return false;
    return true;
  }
  if (HAS_NVFP4 && type == Type.NVFP4) return true;
  if (HAS_IQ1_M && type == Type.IQ1_M) {
    for (let i: u32 = 0; i < count; i++, blocks += bytes) {
      if ((halfOfIQ1_M(blocks) & HALF_EXPONENT) == HALF_EXPONENT) return false;
    }
    return true;
  }
  if (!fieldsAreFinite(blocks + scaleAt(type), count, bytes, HALF_EXPONENT)) return false;
  return !hasTwoScales(type) || fieldsAreFinite(blocks + scaleAt(type) + 2, count, bytes, HALF_EXPONENT);
}

function fieldsAreFinite(fields: usize, count: u32, stride: usize, exponent: u32): bool {
  for (let i: u32 = 0; i < count; i++, fields += stride) if ((load<u16>(fields) & exponent) == exponent) return false;
  return true;
}

function scaleAt(type: u32): usize {
  switch (type) {
    case Type.Q2_K: return 80;
    case Type.Q3_K: return 108;
    case Type.Q6_K: return 208;
    case Type.TQ1_0: return 52;
    case Type.TQ2_0: return 64;
    default: return 0;
  }
}

function hasTwoScales(type: u32): bool {
  return type == Type.Q4_1 || type == Type.Q5_1 || type == Type.Q2_K || type == Type.Q4_K || type == Type.Q5_K;
}
