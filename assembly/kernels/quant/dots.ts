/**
 * The small sums that the products of all families share. Register tiles are not among them: each family has its own,
 * since what fits in the registers differs.
 */

const LARGEST: f32 = 3.4028234663852886e38;

/** The largest magnitude of 32 activations; NaN counts as zero, an infinity as the largest finite number. */
@inline
export function largestFinite32(x: usize): f32 {
  let largest: f32 = 0;
  if (ASC_FEATURE_SIMD) {
    // pmax(a, b) is a < b ? b : a: a NaN in b never wins.
    let m0 = f32x4.splat(0);
    let m1 = f32x4.splat(0);
    for (let i: usize = 0; i < 128; i += 32) {
      m0 = f32x4.pmax(m0, f32x4.abs(v128.load(x + i)));
      m1 = f32x4.pmax(m1, f32x4.abs(v128.load(x + i, 16)));
    }
    m0 = f32x4.pmax(m0, m1);
    m0 = f32x4.pmax(m0, v128.shuffle<i32>(m0, m0, 2, 3, 0, 1));
    m0 = f32x4.pmax(m0, v128.shuffle<i32>(m0, m0, 1, 0, 3, 2));
    largest = f32x4.extract_lane(m0, 0);
  } else {
    for (let i: usize = 0; i < 128; i += 4) {
      const magnitude = abs(load<f32>(x + i));
      if (largest < magnitude) largest = magnitude;
    }
  }
  return largest > LARGEST ? LARGEST : largest;
}

/** The integer dot of a step: four planes with the four pairs of eight activations. */
@inline
export function stepDot(w0: v128, w1: v128, w2: v128, w3: v128, a: v128): v128 {
  return i32x4.add(
    i32x4.add(
      i32x4.dot_i16x8_s(w0, v128.shuffle<i32>(a, a, 0, 0, 0, 0)),
      i32x4.dot_i16x8_s(w1, v128.shuffle<i32>(a, a, 1, 1, 1, 1)),
    ),
    i32x4.add(
      i32x4.dot_i16x8_s(w2, v128.shuffle<i32>(a, a, 2, 2, 2, 2)),
      i32x4.dot_i16x8_s(w3, v128.shuffle<i32>(a, a, 3, 3, 3, 3)),
    ),
  );
}

/** Σ a of a part, 32 activations or 16 of them, from their block at `x`. */
@inline
export function partSum<F>(x: usize, part: usize): i32 {
  return changetype<F>(0).parts == 2 ? load<i32>(x + (part << 2), 8) : load<i32>(x, 4);
}

/** The sum of a quad + a pair of columns. */
@inline
export function addPair(sum: v128, w: v128, a: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(w, a));
}

/** How many tokens a tile takes. */
@unmanaged
export class One {
  @inline get two(): bool { return false; }
  @inline get three(): bool { return false; }
  @inline get four(): bool { return false; }
}
@unmanaged
export class Two {
  @inline get two(): bool { return true; }
  @inline get three(): bool { return false; }
  @inline get four(): bool { return false; }
}
@unmanaged
export class Three {
  @inline get two(): bool { return true; }
  @inline get three(): bool { return true; }
  @inline get four(): bool { return false; }
}
@unmanaged
export class Four {
  @inline get two(): bool { return true; }
  @inline get three(): bool { return true; }
  @inline get four(): bool { return true; }
}

/** Tokens of the next tile where so many are left: five are three and two, since a tile of one shares nothing. */
@inline
export function tileTokens(left: u32): u32 {
  return left == 5 ? 3 : min<u32>(left, 4);
}

/** The eight outputs of each token, cleared: sums go on in them. */
export function clearOutputs(y: usize, step: usize, tokens: u32): void {
  const zero = f32x4.splat(0);
  for (; tokens > 0; tokens--) {
    v128.store(y, zero);
    v128.store(y, zero, 16);
    y += step;
  }
}
