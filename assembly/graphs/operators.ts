/** The operators of TFLite that limpet knows, as the schema numbers them, and the names of all for its errors. */
import { letterAt, lettersFrom, sameText } from "../memory/bytes";

export namespace Operator {
  export const ADD: u32 = 0;
  export const AVERAGE_POOL_2D: u32 = 1;
  export const CONCATENATION: u32 = 2;
  export const CONV_2D: u32 = 3;
  export const DEPTHWISE_CONV_2D: u32 = 4;
  export const DEPTH_TO_SPACE: u32 = 5;
  export const DEQUANTIZE: u32 = 6;
  export const FULLY_CONNECTED: u32 = 9;
  export const L2_NORMALIZATION: u32 = 11;
  export const LOGISTIC: u32 = 14;
  export const MAX_POOL_2D: u32 = 17;
  export const MUL: u32 = 18;
  export const RELU: u32 = 19;
  export const RELU6: u32 = 21;
  export const RESHAPE: u32 = 22;
  export const RESIZE_BILINEAR: u32 = 23;
  export const SOFTMAX: u32 = 25;
  export const SPACE_TO_DEPTH: u32 = 26;
  export const SVDF: u32 = 27;
  export const TANH: u32 = 28;
  export const CUSTOM: u32 = 32;
  export const PAD: u32 = 34;
  export const GATHER: u32 = 36;
  export const TRANSPOSE: u32 = 39;
  export const MEAN: u32 = 40;
  export const SUB: u32 = 41;
  export const DIV: u32 = 42;
  export const SQUEEZE: u32 = 43;
  export const UNIDIRECTIONAL_SEQUENCE_LSTM: u32 = 44;
  export const STRIDED_SLICE: u32 = 45;
  export const EXP: u32 = 47;
  export const TOPK_V2: u32 = 48;
  export const SPLIT: u32 = 49;
  export const LOG_SOFTMAX: u32 = 50;
  export const CAST: u32 = 53;
  export const PRELU: u32 = 54;
  export const MAXIMUM: u32 = 55;
  export const ARG_MAX: u32 = 56;
  export const MINIMUM: u32 = 57;
  export const LESS: u32 = 58;
  export const NEG: u32 = 59;
  export const PADV2: u32 = 60;
  export const GREATER: u32 = 61;
  export const SLICE: u32 = 65;
  export const TRANSPOSE_CONV: u32 = 67;
  export const TILE: u32 = 69;
  export const EXPAND_DIMS: u32 = 70;
  export const EQUAL: u32 = 71;
  export const LOG: u32 = 73;
  export const SUM: u32 = 74;
  export const SQRT: u32 = 75;
  export const RSQRT: u32 = 76;
  export const SHAPE: u32 = 77;
  export const POW: u32 = 78;
  export const REDUCE_MAX: u32 = 82;
  export const PACK: u32 = 83;
  export const UNPACK: u32 = 88;
  export const REDUCE_MIN: u32 = 89;
  export const SQUARE: u32 = 92;
  export const RESIZE_NEAREST_NEIGHBOR: u32 = 97;
  export const LEAKY_RELU: u32 = 98;
  export const SQUARED_DIFFERENCE: u32 = 99;
  export const MIRROR_PAD: u32 = 100;
  export const ABS: u32 = 101;
  export const SPLIT_V: u32 = 102;
  export const QUANTIZE: u32 = 114;
  export const HARD_SWISH: u32 = 117;
  export const IF: u32 = 118;
  export const WHILE: u32 = 119;
  export const SELECT_V2: u32 = 123;
  export const DENSIFY: u32 = 124;
  export const BATCH_MATMUL: u32 = 126;
  export const CALL_ONCE: u32 = 129;
  export const BROADCAST_TO: u32 = 130;
  export const VAR_HANDLE: u32 = 142;
  export const READ_VARIABLE: u32 = 143;
  export const ASSIGN_VARIABLE: u32 = 144;
  export const GELU: u32 = 150;
  // Custom operators, which the schema knows by name alone, have numbers of our own.
  export const SIGNAL_WINDOW: u32 = 0x1000;
  export const SIGNAL_FFT_AUTO_SCALE: u32 = 0x1001;
  export const SIGNAL_RFFT: u32 = 0x1002;
  export const SIGNAL_ENERGY: u32 = 0x1003;
  export const SIGNAL_FILTER_BANK: u32 = 0x1004;
  export const SIGNAL_FILTER_BANK_SQUARE_ROOT: u32 = 0x1005;
  export const SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION: u32 = 0x1006;
  export const SIGNAL_PCAN: u32 = 0x1007;
  export const SIGNAL_FILTER_BANK_LOG: u32 = 0x1008;
}

/** The number of a custom operator; CUSTOM: none of ours. */
export function customOperator(name: usize, length: u32): u32 {
  if (sameText(name, length, "SignalWindow")) return Operator.SIGNAL_WINDOW;
  if (sameText(name, length, "SignalFftAutoScale")) return Operator.SIGNAL_FFT_AUTO_SCALE;
  if (sameText(name, length, "SignalRfft")) return Operator.SIGNAL_RFFT;
  if (sameText(name, length, "SignalEnergy")) return Operator.SIGNAL_ENERGY;
  if (sameText(name, length, "SignalFilterBank")) return Operator.SIGNAL_FILTER_BANK;
  if (sameText(name, length, "SignalFilterBankSquareRoot")) return Operator.SIGNAL_FILTER_BANK_SQUARE_ROOT;
  if (sameText(name, length, "SignalFilterBankSpectralSubtraction"))
    return Operator.SIGNAL_FILTER_BANK_SPECTRAL_SUBTRACTION;
  if (sameText(name, length, "SignalPCAN")) return Operator.SIGNAL_PCAN;
  return sameText(name, length, "SignalFilterBankLog") ? Operator.SIGNAL_FILTER_BANK_LOG : Operator.CUSTOM;
}

/** What a file says of what is done to the sum at the end of a convolution. */
export namespace Act {
  export const NONE: u32 = 0;
  export const RELU: u32 = 1;
  export const RELU_N1_TO_1: u32 = 2;
  export const RELU6: u32 = 3;
}

/** All of them in the order of the schema, up to BITCAST. */
const NAMES = `ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE EMBEDDING_LOOKUP
  FLOOR
  FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D LOCAL_RESPONSE_NORMALIZATION LOGISTIC
  LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH
  SVDF TANH CONCAT_EMBEDDINGS SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER
  BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE
  BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM
  ARG_MAX MINIMUM LESS NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE
  TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT REDUCE_PROD REDUCE_MAX PACK
  LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL
  FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL
  REVERSE_V2 ADD_N GATHER_ND COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND
  HARD_SWISH IF WHILE NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 SCATTER_ND SELECT_V2 DENSIFY SEGMENT_SUM
  BATCH_MATMUL PLACEHOLDER_FOR_GREATER_OP_CODES CUMSUM CALL_ONCE BROADCAST_TO RFFT2D CONV_3D IMAG REAL COMPLEX_ABS
  HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE REDUCE_ALL CONV_3D_TRANSPOSE VAR_HANDLE READ_VARIABLE
  ASSIGN_VARIABLE BROADCAST_ARGS RANDOM_STANDARD_NORMAL BUCKETIZE RANDOM_UNIFORM MULTINOMIAL GELU
  DYNAMIC_UPDATE_SLICE RELU_0_TO_1 UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_SUM ATAN2
  UNSORTED_SEGMENT_MIN SIGN BITCAST
`;

/** Where the name of an operator begins; its length goes to `length`, 0: it is newer than these words. */
export function operatorName(op: u32, length: usize): usize {
  let i: u32 = 0;
  for (; op > 0 && letterAt(NAMES, i) != 0; op--) {
    while (letterAt(NAMES, i) > 0x20) i++;
    while (letterAt(NAMES, i) != 0 && letterAt(NAMES, i) <= 0x20) i++;
  }
  let end = i;
  while (letterAt(NAMES, end) > 0x20) end++;
  store<u32>(length, end - i);
  return lettersFrom(NAMES, i);
}
