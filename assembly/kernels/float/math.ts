/**
 * The transcendental functions: exp, log, pow, sin, cos in f64, exp in f32 for one value and for four lanes, and e^x of
 * x ≤ 0 in f64 for one and for two.
 * The standard library's keep tables and mutable globals, these keep neither; and the f32 exp gives the same bits for a
 * scalar as for a lane, which the softmax and the activations need.
 *
 * The f64 functions reduce their argument as fdlibm does (Cody and Waite: the constant in two parts, the first with
 * so few bits that its multiples are exact) and use its polynomials: relative error below 1e-15. No function traps; a
 * NaN stays one.
 */

const LN2_HIGH: f64 = 6.9314718036912381649e-1;
const LN2_LOW: f64 = 1.90821492927058770002e-10;

/** e^x. */
export function exp(x: f64): f64 {
  if (x != x) return x;
  if (x > 709.782712893384) return Infinity;
  if (x < -745.1332191019412) return 0;
  // x = k·ln2 + r with |r| ≤ ln2/2; r is kept as high − low.
  const k = nearest(x * 1.442695040888963387);
  const high = x - k * LN2_HIGH;
  const low = k * LN2_LOW;
  const r = high - low;
  const t = r * r;
  const c =
    r -
    t *
      (1.66666666666666019037e-1 +
        t *
          (-2.77777777770155933842e-3 +
            t * (6.61375632143793436117e-5 + t * (-1.6533902205465251539e-6 + t * 4.13813679705723846039e-8))));
  const y = 1.0 - (low - (r * c) / (2.0 - c) - high);
  // 2^k in two steps, so that the ends of the range (2^1024 to be multiplied down, subnormals) come out right.
  const whole = <i64>k;
  const half = whole >> 1;
  return y * powerOfTwo(half) * powerOfTwo(whole - half);
}

/** 2^k for −1022 ≤ k ≤ 1023. */
@inline
function powerOfTwo(k: i64): f64 {
  return reinterpret<f64>((k + 1023) << 52);
}

/** The natural logarithm: −Infinity at 0, NaN below. */
export function log(x: f64): f64 {
  if (x == 0) return -Infinity;
  if (!(x > 0)) return NaN;
  if (x == Infinity) return x;
  let k: i64 = 0;
  let bits = reinterpret<u64>(x);
  if (bits < 0x0010_0000_0000_0000) {
    bits = reinterpret<u64>(x * 18014398509481984.0);
    k = -54;
  }
  // x = 2^k·(1 + f) with √½ ≤ 1 + f < √2: shifting the bits by 1 − √½ moves the border from 1 to √½.
  const shifted = bits + (0x3ff0_0000_0000_0000 - 0x3fe6_a09e_0000_0000);
  k += <i64>(shifted >> 52) - 1023;
  const f = reinterpret<f64>((shifted & 0x000f_ffff_ffff_ffff) + 0x3fe6_a09e_0000_0000) - 1.0;
  const s = f / (2.0 + f);
  const z = s * s;
  const w = z * z;
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const odd =
    z *
    (6.66666666666673513e-1 +
      w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  const halfSquare = 0.5 * f * f;
  const power = <f64>k;
  return s * (halfSquare + (even + odd)) + power * LN2_LOW - halfSquare + f + power * LN2_HIGH;
}

/**
 * x^y for x ≥ 0 as e^(y·ln x); NaN for x < 0. The error grows with the exponent: below 1e-14 relative while the
 * result lies between 1e-15 and 1e15.
 */
export function pow(x: f64, y: f64): f64 {
  if (y == 0 || x == 1) return 1;
  return exp(y * log(x));
}

const HALF_PI_HIGH: f64 = 1.57079632673412561417;
const HALF_PI_LOW: f64 = 6.07710050650619224932e-11;

/** sin x; absolute error below 1e-15 for |x| ≤ 1.6e6, 1e-6 up to 2^31, NaN above. */
export function sin(x: f64): f64 {
  return quarterTurns(x, 0);
}

/** cos x; error as of `sin`. */
export function cos(x: f64): f64 {
  return quarterTurns(x, 1);
}

/** sin(x + turns·π/2). */
function quarterTurns(x: f64, turns: u32): f64 {
  if (!(abs(x) <= 2147483648.0)) return NaN;
  // x = n·π/2 + (y + tail) with |y| ≤ π/4.
  const n = nearest(x * 6.36619772367581382433e-1);
  const r = x - n * HALF_PI_HIGH;
  const w = n * HALF_PI_LOW;
  const y = r - w;
  const tail = r - y - w;
  const quadrant = (<u32>(<i32>n) + turns) & 3;
  const value = quadrant & 1 ? cosine(y, tail) : sine(y, tail);
  return quadrant & 2 ? -value : value;
}

/** sin(x + tail) for |x| ≤ π/4. */
@inline
function sine(x: f64, tail: f64): f64 {
  const z = x * x;
  const w = z * z;
  const r =
    8.33333333332248946124e-3 +
    z * (-1.98412698298579493134e-4 + z * 2.75573137070700676789e-6) +
    z * w * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10);
  const v = z * x;
  return x - (z * (0.5 * tail - v * r) - tail - v * -1.66666666666666324348e-1);
}

/** cos(x + tail) for |x| ≤ π/4. */
@inline
function cosine(x: f64, tail: f64): f64 {
  const z = x * x;
  const w = z * z;
  const r =
    z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * 2.48015872894767294178e-5)) +
    w * w * (-2.75573143513906633035e-7 + z * (2.0875723212981748279e-9 + z * -1.13596475577881948265e-11));
  const half = 0.5 * z;
  const one = 1.0 - half;
  return one + (1.0 - one - half + (z * r - x * tail));
}

// f32 exp: x = n·ln2 + r, e^r = 1 + r + r²·P(r) with P of degree 5, times 2^n built in the exponent's bits.
// n comes from adding 1.5·2^23, which rounds to nearest even and leaves n in the low bits of the sum.
const EXP_TOP: f32 = 88.72;
const EXP_BOTTOM: f32 = -87.33654;
const EXP_LOG2E: f32 = 1.44269504;
const EXP_ROUND: f32 = 12582912.0;
const EXP_LN2_HIGH: f32 = 0.693359375;
const EXP_LN2_LOW: f32 = -2.1219444e-4;
const EXP_P0: f32 = 1.98756915e-4;
const EXP_P1: f32 = 1.3981999507e-3;
const EXP_P2: f32 = 8.3334519073e-3;
const EXP_P3: f32 = 4.1665795894e-2;
const EXP_P4: f32 = 1.6666665459e-1;
const EXP_P5: f32 = 5.0000001201e-1;

/**
 * e^x in f32, within 2 units in the last place of the true value. Below −87.33654 (where results would be subnormal)
 * it is 0, above 88.376 Infinity. The bits are those of a lane of `expLanes`.
 */
export function expf(x: f32): f32 {
  let c = EXP_TOP < x ? EXP_TOP : x;
  c = c < EXP_BOTTOM ? EXP_BOTTOM : c;
  const rounded = c * EXP_LOG2E + EXP_ROUND;
  const n = rounded - EXP_ROUND;
  const r = c - n * EXP_LN2_HIGH - n * EXP_LN2_LOW;
  let p = EXP_P0;
  p = p * r + EXP_P1;
  p = p * r + EXP_P2;
  p = p * r + EXP_P3;
  p = p * r + EXP_P4;
  p = p * r + EXP_P5;
  p = p * (r * r) + r + 1.0;
  const power = reinterpret<f32>((reinterpret<i32>(rounded) << 23) + 0x3f80_0000);
  return x < EXP_BOTTOM ? 0 : p * power;
}

// The lanes' constants lie in memory: V8 would build an immediate anew at each use, a load is cheaper.
const LANES = memory.data<f32>([
  88.72, 88.72, 88.72, 88.72,
  -87.33654, -87.33654, -87.33654, -87.33654,
  1.44269504, 1.44269504, 1.44269504, 1.44269504,
  12582912.0, 12582912.0, 12582912.0, 12582912.0,
  0.693359375, 0.693359375, 0.693359375, 0.693359375,
  -2.12194440e-4, -2.12194440e-4, -2.12194440e-4, -2.12194440e-4,
  1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4, 1.9875691500e-4,
  1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3, 1.3981999507e-3,
  8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3, 8.3334519073e-3,
  4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2, 4.1665795894e-2,
  1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1, 1.6666665459e-1,
  5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1, 5.0000001201e-1,
  1.0, 1.0, 1.0, 1.0,
], 16);

/** Four `expf` at once. */
@inline
export function expLanes(x: v128): v128 {
  const bottom = v128.load(LANES, 16);
  const c = f32x4.pmax(f32x4.pmin(x, v128.load(LANES)), bottom);
  return v128.andnot(expWithin(c), f32x4.lt(x, bottom));
}

/** Four `expf` of x ≤ 0 for who adds them to 1: below −87.33654 they are e^−87.33654, 1e-38, and not 0. */
@inline
export function expBelowZeroLanes(x: v128): v128 {
  return expWithin(f32x4.pmax(x, v128.load(LANES, 16)));
}

/** `expf` of lanes that are in its range. */
@inline
function expWithin(c: v128): v128 {
  const round = v128.load(LANES, 48);
  const one = v128.load(LANES, 192);
  const rounded = f32x4.add(f32x4.mul(c, v128.load(LANES, 32)), round);
  const n = f32x4.sub(rounded, round);
  const r = f32x4.sub(f32x4.sub(c, f32x4.mul(n, v128.load(LANES, 64))), f32x4.mul(n, v128.load(LANES, 80)));
  let p = v128.load(LANES, 96);
  p = f32x4.add(f32x4.mul(p, r), v128.load(LANES, 112));
  p = f32x4.add(f32x4.mul(p, r), v128.load(LANES, 128));
  p = f32x4.add(f32x4.mul(p, r), v128.load(LANES, 144));
  p = f32x4.add(f32x4.mul(p, r), v128.load(LANES, 160));
  p = f32x4.add(f32x4.mul(p, r), v128.load(LANES, 176));
  p = f32x4.add(f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r), one);
  const power = i32x4.add(i32x4.shl(rounded, 23), one);
  return f32x4.mul(p, power);
}
