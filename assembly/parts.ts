/**
 * What this build holds. A part that is left out takes its code with it: each use stands under its constant, and what
 * stands under a constant that is false is not compiled.
 */

// Block formats. F32, F16 and Q8_0 are in every build.
export const HAS_BF16: bool = true;
export const HAS_Q4_0: bool = true;
export const HAS_Q4_1: bool = true;
export const HAS_Q5_0: bool = true;
export const HAS_Q5_1: bool = true;
export const HAS_Q2_K: bool = true;
export const HAS_Q3_K: bool = true;
export const HAS_Q4_K: bool = true;
export const HAS_Q5_K: bool = true;
export const HAS_Q6_K: bool = true;
export const HAS_IQ4_NL: bool = true;
export const HAS_IQ4_XS: bool = true;
export const HAS_TQ1_0: bool = true;
export const HAS_TQ2_0: bool = true;
export const HAS_MXFP4: bool = true;
