/**
 * Functions on fixed-point numbers, bit for bit as gemmlowp and TensorFlow Lite Micro compute them: exp, 1/(1 + x),
 * logistic, tanh. A number of Q(i) has i bits before the point and 31 − i behind it.
 */
import { rdp, srdhm } from "./requantise";

@inline
function saturated(x: i64): i32 {
  return <i32>min(max(x, <i64>i32.MIN_VALUE), <i64>i32.MAX_VALUE);
}

/** e^a of a ≤ 0 in Q(ib), as Q0: a quarter's polynomial, then a factor for each bit above. */
export function expFixed(a: i32, ib: i32): i32 {
  if (a == 0) return i32.MAX_VALUE;
  const fb = 31 - ib;
  const quarter = 1 << (fb - 2);
  const am = (a & (quarter - 1)) - quarter;
  const x = (am << ib) + (1 << 28);
  const x2 = srdhm(x, x);
  const x3 = srdhm(x2, x);
  const x4 = srdhm(x2, x2);
  const u = rdp(srdhm(rdp(x4, 2) + x3, 715827883) + x2, 1);
  let r = 1895147668 + srdhm(x + u, 1895147668);
  const rest = am - a;
  if (rest & (1 << (fb - 2))) r = srdhm(r, 1672461947);
  if (rest & (1 << (fb - 1))) r = srdhm(r, 1302514674);
  if (ib > 0 && rest & (1 << fb)) r = srdhm(r, 790015084);
  if (ib > 1 && rest & (1 << (fb + 1))) r = srdhm(r, 290630308);
  if (ib > 2 && rest & (1 << (fb + 2))) r = srdhm(r, 39332535);
  if (ib > 3 && rest & (1 << (fb + 3))) r = srdhm(r, 720401);
  if (ib > 4 && rest & (1 << (fb + 4))) r = srdhm(r, 242);
  if (ib > 5 && a < -(1 << (36 - ib))) return 0;
  return r;
}

/** 2/(1 + a) of a in Q0, as Q2: three steps of Newton's. */
function newton(a: i32): i32 {
  const h = <i32>((<i64>a + 0x8000_0000) >> 1);
  let x = 1515870810 + srdhm(h, -1010580540);
  for (let i = 0; i < 3; i++) x += saturated((<i64>srdhm(x, (1 << 29) - srdhm(h, x))) << 2);
  return x;
}

/** 1/(1 + a) of a in Q0, as Q0. */
export function oneOver1Plus(a: i32): i32 {
  return saturated((<i64>newton(a)) << 1);
}

/** (1 − a)/(1 + a) of a in Q0, as Q0. */
function ratio(a: i32): i32 {
  return saturated((<i64>newton(a) - (1 << 29)) << 2);
}

/** 1/(1 + e^−a) of a in Q(ib), as Q0. */
export function logisticFixed(a: i32, ib: i32): i32 {
  if (a == 0) return 1 << 30;
  return a > 0 ? oneOver1Plus(expFixed(-a, ib)) : i32.MAX_VALUE - oneOver1Plus(expFixed(a, ib));
}

/** tanh a of a in Q(ib), as Q0. */
export function tanhFixed(a: i32, ib: i32): i32 {
  if (a == 0) return 0;
  const r = ratio(expFixed(a > 0 ? -a : a, ib + 1));
  return a > 0 ? r : -r;
}
