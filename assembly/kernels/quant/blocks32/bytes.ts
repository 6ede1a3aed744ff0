/**
 * Signed bytes, 32 a block: what Q8_0 needs beside its drawing.
 */

/** To nearest, halves away from zero, within ±127; NaN gives 0. */
@inline
export function roundedByte(x: f32): i32 {
  const magnitude = abs(x);
  const whole = floor(magnitude);
  const rounded = whole + floor<f32>(2 * (magnitude - whole));
  let q = 0;
  if (rounded >= 127) q = 127;
  else if (rounded > 0) q = <i32>rounded;
  return x < 0 ? -q : q;
}

/** Σ q·a over 32 columns of a row: `p` its pair in the first step, pairs 16 bytes apart. */
export function byteDot(p: usize, a: usize): i32 {
  let dot = 0;
  for (let pair = 0; pair < 16; pair++) {
    dot += load<i8>(p) * load<i16>(a) + load<i8>(p, 1) * load<i16>(a, 2);
    p += 16;
    a += 4;
  }
  return dot;
}
