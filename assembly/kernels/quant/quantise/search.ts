/**
 * The searches behind the quantisers: the scale (and minimum) of a sub-block that makes the weighted error
 * Σ w (x̂ − x)² small. A candidate is a way to round the values to codes; to it belong the scale and minimum of least
 * squares, exactly. The weights are those of the formats' reference without an importance matrix:
 *
 *     ranges   x̂ = scale · code − minimum      w = rms + |x|, of two bits |x|
 *     scales   x̂ = scale · code                w = x²
 *     tables   x̂ = scale · T[code]             w = x²
 *
 * Lanes are candidates: a value is splat and met by four of them at once, so each sum runs over the values in their
 * order, and the scalar twin is the plain loop. Of equal candidates the one in the lower lane is taken, within a lane
 * the earlier one.
 *
 * Two steps: `search…` finds the best real numbers, and `refine…`, once the half scales of the super-block stand, tries
 * the sub-scales around them, since what was best alone may not be where it can be written.
 *
 * NaN counts as the lowest code (in tables as 0). A search in which sums overflow gives the plain candidate.
 *
 * Cost of a value in vector operations: a range 50 a round, of which most take two or three; a scale 40, a table 260;
 * to refine, 15 for a range, 8 for each four tries of a scale.
 */

/** Candidates of a range: codes stretched by −1 to 0.9 of a code, from the least value on, then from what was found. */
const RANGE_ROUNDS: i32 = 4;
const RANGE_CANDIDATES: i32 = 16;
const RANGE_FIRST: f32 = -1;
const RANGE_STEP: f32 = 0.125;
/** Candidates of a scale: the extreme at −limit − 1 … −limit + 0.9. */
const SCALE_CANDIDATES: i32 = 20;
const SCALE_FIRST: f32 = -1;
const SCALE_STEP: f32 = 0.1;
/** Candidates of a table at each of its ends: the extreme at the end's entry − 8 … + 7. */
const TABLE_CANDIDATES: i32 = 16;
const LOWEST_ENTRY: f32 = -127;
const HIGHEST_ENTRY: f32 = 113;

/** An i8 + 128 above entry i, and not above i + 1, is nearest to entry i of the table T (quant/levels.ts). */
const BOUNDS = memory.data<u8>([0, 12, 34, 54, 71, 86, 99, 112, 123, 135, 147, 159, 173, 189, 207, 229], 16);

/** The nearest integer within low…high; NaN gives `low`. */
@inline
export function toInteger(x: f32, low: f32, high: f32): i32 {
  return <i32>nearest(limited(x, low, high));
}

@inline
function limited(x: f32, low: f32, high: f32): f32 {
  return x > low ? (x < high ? x : high) : low;
}

/** `limited` in lanes, NaN included. */
@inline
function limited4(x: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(high, f32x4.pmax(low, x));
}

/** first + step · (k, k + 1, k + 2, k + 3) */
@inline
function progression(first: f32, step: f32, k: i32): v128 {
  const lanes = f32x4.convert_i32x4_s(i32x4.add(i32x4.splat(k), i32x4(0, 1, 2, 3)));
  return f32x4.add(f32x4.splat(first), f32x4.mul(lanes, f32x4.splat(step)));
}

/** The lane of `values` in which `errors` is least, the first of equals. */
@inline
function laneOfLeast(errors: v128): i32 {
  let lane = 0;
  let least = f32x4.extract_lane(errors, 0);
  if (f32x4.extract_lane(errors, 1) < least) {
    least = f32x4.extract_lane(errors, 1);
    lane = 1;
  }
  if (f32x4.extract_lane(errors, 2) < least) {
    least = f32x4.extract_lane(errors, 2);
    lane = 2;
  }
  return f32x4.extract_lane(errors, 3) < least ? 3 : lane;
}

@inline
function extract(values: v128, lane: i32): f32 {
  if (lane < 2) return lane == 0 ? f32x4.extract_lane(values, 0) : f32x4.extract_lane(values, 1);
  return lane == 2 ? f32x4.extract_lane(values, 2) : f32x4.extract_lane(values, 3);
}

/** Two floats as one value. */
@inline
function pair(scale: f32, minimum: f32): u64 {
  return <u64>reinterpret<u32>(scale) | ((<u64>reinterpret<u32>(minimum)) << 32);
}

/** The flat part of a range's weights: the root mean square of its values. */
export function rmsOf(values: usize, length: usize): f32 {
  let squares: f32 = 0;
  for (let p = values, end = values + (length << 2); p != end; p += 4) squares += load<f32>(p) * load<f32>(p);
  return sqrt<f32>(squares / <f32>length);
}

/** scale ≥ 0 (low half) and minimum ≥ 0 (high half) of codes 0…largest; `flat` + |x| is the weight. */
export function searchRange(values: usize, length: usize, largest: f32, flat: f32): u64 {
  const end = values + (length << 2);
  let low: f32 = 0, high: f32 = 0;
  let w0: f32 = 0, wx: f32 = 0;
  for (let p = values; p != end; p += 4) {
    const x = load<f32>(p);
    const w = flat + abs(x);
    if (x < low) low = x;
    if (x > high) high = x;
    w0 += w;
    wx += w * x;
  }
  if (!(high > low)) return pair(0, -low);
  let scale: f32 = (high - low) / largest;
  let least: f32 = Infinity;
  for (let round = 0; round < RANGE_ROUNDS; round++) {
    const before = low;
    const worst = least;
    const perValue: f32 = 1 / (high - low);
    if (ASC_FEATURE_SIMD) {
      const w0s = f32x4.splat(w0), wxs = f32x4.splat(wx), zero = f32x4.splat(0), two = f32x4.splat(2);
      const flats = f32x4.splat(flat), lows = f32x4.splat(low), top = f32x4.splat(largest);
      let best = f32x4.splat(least), scales = f32x4.splat(scale), minima = f32x4.splat(-low);
      for (let k = 0; k < RANGE_CANDIDATES; k += 4) {
        const inverse = f32x4.mul(progression(largest + RANGE_FIRST, RANGE_STEP, k), f32x4.splat(perValue));
        let wl = zero, wll = zero, wxl = zero;
        for (let p = values; p != end; p += 4) {
          const x = v128.load32_splat(p);
          const l = f32x4.nearest(limited4(f32x4.mul(f32x4.sub(x, lows), inverse), zero, top));
          const weighted = f32x4.mul(f32x4.add(flats, f32x4.abs(x)), l);
          wl = f32x4.add(wl, weighted);
          wll = f32x4.add(wll, f32x4.mul(weighted, l));
          wxl = f32x4.add(wxl, f32x4.mul(weighted, x));
        }
        const determinant = f32x4.sub(f32x4.mul(w0s, wll), f32x4.mul(wl, wl));
        const free = f32x4.div(f32x4.sub(f32x4.mul(w0s, wxl), f32x4.mul(wxs, wl)), determinant);
        const below = f32x4.div(f32x4.sub(f32x4.mul(wl, wxl), f32x4.mul(wll, wxs)), determinant);
        const sound = f32x4.ge(below, zero);
        const factor = v128.bitselect(free, f32x4.div(wxl, wll), sound);
        const minimum = v128.and(below, sound);
        const square = f32x4.mul(factor, f32x4.sub(f32x4.mul(factor, wll), f32x4.mul(two, wxl)));
        const shift = f32x4.mul(minimum, f32x4.add(f32x4.mul(minimum, w0s), f32x4.mul(two, wxs)));
        const cross = f32x4.mul(f32x4.mul(two, factor), f32x4.mul(minimum, wl));
        const error = f32x4.sub(f32x4.add(square, shift), cross);
        const possible = v128.and(f32x4.gt(determinant, zero), f32x4.ge(factor, zero));
        const better = v128.and(possible, f32x4.lt(error, best));
        best = v128.bitselect(error, best, better);
        scales = v128.bitselect(factor, scales, better);
        minima = v128.bitselect(minimum, minima, better);
      }
      const lane = laneOfLeast(best);
      least = extract(best, lane);
      scale = extract(scales, lane);
      low = -extract(minima, lane);
    } else {
      for (let lane = 0; lane < 4; lane++) {
        for (let k = lane; k < RANGE_CANDIDATES; k += 4) {
          const inverse: f32 = (largest + RANGE_FIRST + <f32>k * RANGE_STEP) * perValue;
          let wl: f32 = 0, wll: f32 = 0, wxl: f32 = 0;
          for (let p = values; p != end; p += 4) {
            const x = load<f32>(p);
            const l: f32 = nearest(limited((x - before) * inverse, 0, largest));
            const weighted = (flat + abs(x)) * l;
            wl += weighted;
            wll += weighted * l;
            wxl += weighted * x;
          }
          const determinant = w0 * wll - wl * wl;
          let factor = (w0 * wxl - wx * wl) / determinant;
          let minimum = (wl * wxl - wll * wx) / determinant;
          if (!(minimum >= 0)) {
            factor = wxl / wll;
            minimum = 0;
          }
          const square = factor * (factor * wll - 2 * wxl);
          const shift = minimum * (minimum * w0 + 2 * wx);
          const error = square + shift - 2 * factor * (minimum * wl);
          if (determinant > 0 && factor >= 0 && error < least) {
            least = error;
            scale = factor;
            low = -minimum;
          }
        }
      }
    }
    if (!(least < worst)) break;
  }
  return pair(scale, -low);
}

/**
 * The pair scale | minimum << bits of sub-scales that errs least, of the four whole pairs around `scale` / d and
 * `minimum` / dmin.
 */
export function refineRange(
  values: usize, length: usize, largest: f32, flat: f32, scale: f32, minimum: f32, d: f32, dmin: f32, bits: i32,
): i32 {
  const end = values + (length << 2);
  const most: f32 = <f32>((1 << bits) - 1);
  const s: f32 = d > 0 ? floor(limited(scale / d, 0, most)) : 0;
  const m: f32 = dmin > 0 ? floor(limited(minimum / dmin, 0, most)) : 0;
  let lane = 0;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0), top = f32x4.splat(largest), flats = f32x4.splat(flat), limit = f32x4.splat(most);
    const steps = f32x4.mul(f32x4.splat(d), f32x4.pmin(limit, f32x4.add(f32x4.splat(s), f32x4(0, 1, 0, 1))));
    const shifts = f32x4.mul(f32x4.splat(dmin), f32x4.pmin(limit, f32x4.add(f32x4.splat(m), f32x4(0, 0, 1, 1))));
    const inverse = v128.and(f32x4.div(f32x4.splat(1), steps), f32x4.gt(steps, zero));
    let errors = zero;
    for (let p = values; p != end; p += 4) {
      const x = v128.load32_splat(p);
      const shifted = f32x4.add(x, shifts);
      const l = f32x4.nearest(limited4(f32x4.mul(shifted, inverse), zero, top));
      const off = f32x4.sub(f32x4.mul(steps, l), shifted);
      errors = f32x4.add(errors, f32x4.mul(f32x4.add(flats, f32x4.abs(x)), f32x4.mul(off, off)));
    }
    lane = laneOfLeast(errors);
  } else {
    let least: f32 = 0;
    for (let candidate = 0; candidate < 4; candidate++) {
      const step = d * min<f32>(most, s + <f32>(candidate & 1));
      const shift = dmin * min<f32>(most, m + <f32>(candidate >> 1));
      const inverse: f32 = step > 0 ? 1 / step : 0;
      let error: f32 = 0;
      for (let p = values; p != end; p += 4) {
        const x = load<f32>(p);
        const shifted = x + shift;
        const l: f32 = nearest(limited(shifted * inverse, 0, largest));
        const off = step * l - shifted;
        error += (flat + abs(x)) * (off * off);
      }
      if (candidate == 0 || error < least) {
        least = error;
        lane = candidate;
      }
    }
  }
  return <i32>min<f32>(most, s + <f32>(lane & 1)) | ((<i32>min<f32>(most, m + <f32>(lane >> 1))) << bits);
}

/** The value of largest magnitude, with its sign. */
function signedExtreme(values: usize, end: usize): f32 {
  let extreme: f32 = 0;
  for (let p = values; p != end; p += 4) {
    const x = load<f32>(p);
    if (abs(x) > abs(extreme)) extreme = x;
  }
  return extreme;
}

/** The scale, of either sign, of codes −limit…limit − 1. */
export function searchScale(values: usize, length: usize, limit: f32): f32 {
  const end = values + (length << 2);
  const extreme = signedExtreme(values, end);
  if (extreme == 0) return 0;
  const perValue: f32 = -1 / extreme;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0), low = f32x4.splat(-limit), high = f32x4.splat(limit - 1);
    let best = zero, scales = f32x4.splat(extreme / -limit);
    for (let k = 0; k < SCALE_CANDIDATES; k += 4) {
      const inverse = f32x4.mul(progression(limit + SCALE_FIRST, SCALE_STEP, k), f32x4.splat(perValue));
      let xl = zero, ll = zero;
      for (let p = values; p != end; p += 4) {
        const x = v128.load32_splat(p);
        const l = f32x4.nearest(limited4(f32x4.mul(x, inverse), low, high));
        const weighted = f32x4.mul(f32x4.mul(x, x), l);
        xl = f32x4.add(xl, f32x4.mul(weighted, x));
        ll = f32x4.add(ll, f32x4.mul(weighted, l));
      }
      const better = isBetter(xl, ll, best);
      best = v128.bitselect(f32x4.div(f32x4.mul(xl, xl), ll), best, better);
      scales = v128.bitselect(f32x4.div(xl, ll), scales, better);
    }
    return extract(scales, laneOfLeast(f32x4.neg(best)));
  }
  let best: f32 = 0;
  let found: f32 = extreme / -limit;
  for (let lane = 0; lane < 4; lane++) {
    let laneBest: f32 = 0;
    let laneFound = found;
    for (let k = lane; k < SCALE_CANDIDATES; k += 4) {
      const inverse: f32 = (limit + SCALE_FIRST + <f32>k * SCALE_STEP) * perValue;
      let xl: f32 = 0, ll: f32 = 0;
      for (let p = values; p != end; p += 4) {
        const x = load<f32>(p);
        const l: f32 = nearest(limited(x * inverse, -limit, limit - 1));
        const weighted = x * x * l;
        xl += weighted * x;
        ll += weighted * l;
      }
      if (ll > 0 && xl * xl > laneBest * ll) {
        laneBest = (xl * xl) / ll;
        laneFound = xl / ll;
      }
    }
    if (laneBest > best) {
      best = laneBest;
      found = laneFound;
    }
  }
  return found;
}

/** The scale, of either sign, of codes that choose from the table at `table`, whose entries are each 127 too large. */
export function searchTable(values: usize, length: usize, table: usize): f32 {
  const end = values + (length << 2);
  const extreme = signedExtreme(values, end);
  if (extreme == 0) return 0;
  const perValue: f32 = 1 / extreme;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0);
    let best = zero, scales = f32x4.splat(extreme / LOWEST_ENTRY);
    for (let k = 0; k < 2 * TABLE_CANDIDATES; k += 4) {
      const entry = k < TABLE_CANDIDATES ? LOWEST_ENTRY : HIGHEST_ENTRY - <f32>TABLE_CANDIDATES;
      const inverse = f32x4.mul(progression(entry - <f32>(TABLE_CANDIDATES / 2), 1, k), f32x4.splat(perValue));
      let xl = zero, ll = zero;
      for (let p = values; p != end; p += 4) {
        const x = v128.load32_splat(p);
        const l = nearestEntries4(f32x4.mul(x, inverse), table);
        const weighted = f32x4.mul(f32x4.mul(x, x), l);
        xl = f32x4.add(xl, f32x4.mul(weighted, x));
        ll = f32x4.add(ll, f32x4.mul(weighted, l));
      }
      const better = isBetter(xl, ll, best);
      best = v128.bitselect(f32x4.div(f32x4.mul(xl, xl), ll), best, better);
      scales = v128.bitselect(f32x4.div(xl, ll), scales, better);
    }
    return extract(scales, laneOfLeast(f32x4.neg(best)));
  }
  let best: f32 = 0;
  let found: f32 = extreme / LOWEST_ENTRY;
  for (let lane = 0; lane < 4; lane++) {
    let laneBest: f32 = 0;
    let laneFound = found;
    for (let k = lane; k < 2 * TABLE_CANDIDATES; k += 4) {
      const entry = k < TABLE_CANDIDATES ? LOWEST_ENTRY : HIGHEST_ENTRY - <f32>TABLE_CANDIDATES;
      const inverse: f32 = (entry - <f32>(TABLE_CANDIDATES / 2) + <f32>k) * perValue;
      let xl: f32 = 0, ll: f32 = 0;
      for (let p = values; p != end; p += 4) {
        const x = load<f32>(p);
        const l = nearestEntry1(x * inverse, table);
        const weighted = x * x * l;
        xl += weighted * x;
        ll += weighted * l;
      }
      if (ll > 0 && xl * xl > laneBest * ll) {
        laneBest = (xl * xl) / ll;
        laneFound = xl / ll;
      }
    }
    if (laneBest > best) {
      best = laneBest;
      found = laneFound;
    }
  }
  return found;
}

/**
 * The sub-scale that errs least, of `count` (a multiple of 4) around `scale` / d, within −most…most − 1, with codes
 * −limit…limit − 1.
 */
export function refineScale(values: usize, length: usize, limit: f32, scale: f32, d: f32, most: f32, count: i32): i32 {
  return refine(values, length, limit, 0, scale, d, most, count);
}

/** The same with codes that choose from the table at `table`. */
export function refineTable(
  values: usize, length: usize, table: usize, scale: f32, d: f32, most: f32, count: i32,
): i32 {
  return refine(values, length, 0, table, scale, d, most, count);
}

@inline
function refine(
  values: usize, length: usize, limit: f32, table: usize, scale: f32, d: f32, most: f32, count: i32,
): i32 {
  const end = values + (length << 2);
  if (d == 0) return 0;
  const first: f32 = floor(limited(scale / d, -most, most - 1)) - <f32>((count >> 1) - 1);
  let found: f32 = 0;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0), low = f32x4.splat(-limit), high = f32x4.splat(limit - 1);
    let least = f32x4.splat(Infinity), scales = zero;
    for (let k = 0; k < count; k += 4) {
      const around = limited4(progression(first, 1, k), f32x4.splat(-most), f32x4.splat(most - 1));
      const steps = f32x4.mul(f32x4.splat(d), around);
      const inverse = v128.and(f32x4.div(f32x4.splat(1), steps), f32x4.ne(steps, zero));
      let errors = zero;
      for (let p = values; p != end; p += 4) {
        const x = v128.load32_splat(p);
        const scaled = f32x4.mul(x, inverse);
        const l = table != 0 ? nearestEntries4(scaled, table) : f32x4.nearest(limited4(scaled, low, high));
        const off = f32x4.mul(x, f32x4.sub(f32x4.mul(steps, l), x));
        errors = f32x4.add(errors, f32x4.mul(off, off));
      }
      const better = f32x4.lt(errors, least);
      least = v128.bitselect(errors, least, better);
      scales = v128.bitselect(around, scales, better);
    }
    found = extract(scales, laneOfLeast(least));
  } else {
    let least: f32 = Infinity;
    for (let lane = 0; lane < 4; lane++) {
      for (let k = lane; k < count; k += 4) {
        const around = limited(first + <f32>k, -most, most - 1);
        const step = d * around;
        const inverse: f32 = step != 0 ? 1 / step : 0;
        let error: f32 = 0;
        for (let p = values; p != end; p += 4) {
          const x = load<f32>(p);
          const scaled = x * inverse;
          const l: f32 = table != 0 ? nearestEntry1(scaled, table) : nearest(limited(scaled, -limit, limit - 1));
          const off = x * (step * l - x);
          error += off * off;
        }
        if (error < least) {
          least = error;
          found = around;
        }
      }
    }
  }
  return <i32>found;
}

/** Lanes in which the codes explain more than the best so far: (Σ w x l)² / Σ w l² is what they take off the error. */
@inline
function isBetter(xl: v128, ll: v128, best: v128): v128 {
  return v128.and(f32x4.gt(ll, f32x4.splat(0)), f32x4.gt(f32x4.mul(xl, xl), f32x4.mul(best, ll)));
}

/** The entries of a table nearest to whole numbers: x is rounded first, half a step of 240, which a search may. */
@inline
function nearestEntries4(x: v128, table: usize): v128 {
  const rounded = i32x4.trunc_sat_f32x4_s(f32x4.nearest(x));
  const y = i32x4.max_s(i32x4.min_s(rounded, i32x4.splat(127)), i32x4.splat(-128));
  const high = i32x4.add(y, i32x4.splat(128));
  const bounds = v128.load(BOUNDS);
  // The upper bytes of an index stand above the table, and choose zeros.
  let code = i32x4.splat(-256);
  code = nextBit(code, high, bounds, 8);
  code = nextBit(code, high, bounds, 4);
  code = nextBit(code, high, bounds, 2);
  code = nextBit(code, high, bounds, 1);
  const entry = i8x16.swizzle(v128.load(table), code);
  return f32x4.convert_i32x4_s(i32x4.sub(entry, i32x4.splat(127)));
}

@inline
function nextBit(code: v128, high: v128, bounds: v128, bit: i32): v128 {
  const bits = i32x4.splat(bit);
  const above = i32x4.gt_s(high, i8x16.swizzle(bounds, v128.or(code, bits)));
  return v128.or(code, v128.and(above, bits));
}

/** Its scalar twin. */
function nearestEntry1(x: f32, table: usize): f32 {
  const high = x == x ? toInteger(x, -128, 127) + 128 : 128;
  let code: usize = 0;
  for (let bit: usize = 8; bit > 0; bit >>= 1) {
    if (high > <i32>load<u8>(BOUNDS + (code | bit))) code |= bit;
  }
  return <f32>(<i32>load<u8>(table + code) - 127);
}
