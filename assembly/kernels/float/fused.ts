/**
 * a · b + c, the one operation in which the fast build's floats differ: there the host may round once (relaxed SIMD);
 * in the portable build product and sum are rounded each, as in its scalar twin.
 */

@inline
export function multiplyAdd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(c, f32x4.mul(a, b));
}
