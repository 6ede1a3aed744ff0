/**
 * The names of types in GGUF files: of metadata values and of tensors.
 */
import { ValueType } from "./records";

export function valueTypeName(type: u32): string {
  switch (type) {
    case ValueType.U8: return "u8";
    case ValueType.I8: return "i8";
    case ValueType.U16: return "u16";
    case ValueType.I16: return "i16";
    case ValueType.U32: return "u32";
    case ValueType.I32: return "i32";
    case ValueType.F32: return "f32";
    case ValueType.BOOL: return "bool";
    case ValueType.STRING: return "string";
    case ValueType.ARRAY: return "array";
    case ValueType.U64: return "u64";
    case ValueType.I64: return "i64";
    case ValueType.F64: return "f64";
    default: return "unknown";
  }
}

/**
 * The name of a tensor type in ggml.h, of those too that limpet does not run or that ggml has removed; empty for an id
 * that names none.
 */
export function tensorTypeName(type: u32): string {
  switch (type) {
    case 0: return "F32";
    case 1: return "F16";
    case 2: return "Q4_0";
    case 3: return "Q4_1";
    case 4: return "Q4_2";
    case 5: return "Q4_3";
    case 6: return "Q5_0";
    case 7: return "Q5_1";
    case 8: return "Q8_0";
    case 9: return "Q8_1";
    case 10: return "Q2_K";
    case 11: return "Q3_K";
    case 12: return "Q4_K";
    case 13: return "Q5_K";
    case 14: return "Q6_K";
    case 15: return "Q8_K";
    case 16: return "IQ2_XXS";
    case 17: return "IQ2_XS";
    case 18: return "IQ3_XXS";
    case 19: return "IQ1_S";
    case 20: return "IQ4_NL";
    case 21: return "IQ3_S";
    case 22: return "IQ2_S";
    case 23: return "IQ4_XS";
    case 24: return "I8";
    case 25: return "I16";
    case 26: return "I32";
    case 27: return "I64";
    case 28: return "F64";
    case 29: return "IQ1_M";
    case 30: return "BF16";
    case 31: return "Q4_0_4_4";
    case 32: return "Q4_0_4_8";
    case 33: return "Q4_0_8_8";
    case 34: return "TQ1_0";
    case 35: return "TQ2_0";
    case 36: return "IQ4_NL_4_4";
    case 37: return "IQ4_NL_4_8";
    case 38: return "IQ4_NL_8_8";
    case 39: return "MXFP4";
    case 40: return "NVFP4";
    case 41: return "Q1_0";
    case 42: return "Q2_0";
    default: return "";
  }
}
