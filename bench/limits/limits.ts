/**
 * What the machine allows WebAssembly, on one thread: bytes a second that a sum reads, and float operations a second that
 * never leave the registers. Built with and without relaxed SIMD; each build has the multiply-add that it can have.
 *
 * May call: nothing.
 */

/** Sum of `bytes` (a multiple of 128) as words: one sequential stream of v128.load. */
export function sum(from: usize, bytes: usize): i32 {
  let a = i32x4.splat(0);
  let b = i32x4.splat(0);
  let c = i32x4.splat(0);
  let d = i32x4.splat(0);
  for (const end = from + bytes; from < end; from += 128) {
    a = i32x4.add(a, v128.load(from));
    b = i32x4.add(b, v128.load(from, 16));
    c = i32x4.add(c, v128.load(from, 32));
    d = i32x4.add(d, v128.load(from, 48));
    a = i32x4.add(a, v128.load(from, 64));
    b = i32x4.add(b, v128.load(from, 80));
    c = i32x4.add(c, v128.load(from, 96));
    d = i32x4.add(d, v128.load(from, 112));
  }
  a = i32x4.add(i32x4.add(a, b), i32x4.add(c, d));
  return i32x4.extract_lane(a, 0) + i32x4.extract_lane(a, 1) + i32x4.extract_lane(a, 2) + i32x4.extract_lane(a, 3);
}

/**
 * Float operations of one step of `multiplyAdd`: 8 products of 4 lanes and their sums where they fuse, else 6. As many as
 * hide the latency and leave registers for the operands.
 */
export function operationsPerStep(): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? 64 : 48;
}

/**
 * `steps` steps of accumulators += factors · factors. The factors are six floats at `factors`, because a compiler would
 * build constants anew at each use; `mask` is zero, and keeps it from seeing that they never change.
 */
export function multiplyAdd(factors: usize, steps: i32, mask: i32): f32 {
  const turn = i32x4.splat(mask);
  const f0 = v128.load32_splat(factors);
  const f1 = v128.load32_splat(factors, 4);
  const f2 = v128.load32_splat(factors, 8);
  let g0 = v128.load32_splat(factors, 12);
  let g1 = v128.load32_splat(factors, 16);
  let g2 = v128.load32_splat(factors, 20);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  let s6 = s0;
  let s7 = s0;
  for (; steps > 0; steps--) {
    if (ASC_FEATURE_RELAXED_SIMD) {
      s0 = f32x4.relaxed_madd(f0, g0, s0);
      s1 = f32x4.relaxed_madd(f1, g0, s1);
      s2 = f32x4.relaxed_madd(f2, g0, s2);
      s3 = f32x4.relaxed_madd(f0, g1, s3);
      s4 = f32x4.relaxed_madd(f1, g1, s4);
      s5 = f32x4.relaxed_madd(f2, g1, s5);
      s6 = f32x4.relaxed_madd(f0, g2, s6);
      s7 = f32x4.relaxed_madd(f1, g2, s7);
      g2 = v128.xor(g2, turn);
    } else {
      s0 = f32x4.add(s0, f32x4.mul(f0, g0));
      s1 = f32x4.add(s1, f32x4.mul(f1, g0));
      s2 = f32x4.add(s2, f32x4.mul(f2, g0));
      s3 = f32x4.add(s3, f32x4.mul(f0, g1));
      s4 = f32x4.add(s4, f32x4.mul(f1, g1));
      s5 = f32x4.add(s5, f32x4.mul(f2, g1));
    }
    g0 = v128.xor(g0, turn);
    g1 = v128.xor(g1, turn);
  }
  s0 = f32x4.add(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)), f32x4.add(f32x4.add(s4, s5), f32x4.add(s6, s7)));
  return f32x4.extract_lane(s0, 0) + f32x4.extract_lane(s0, 1) + f32x4.extract_lane(s0, 2) + f32x4.extract_lane(s0, 3);
}
