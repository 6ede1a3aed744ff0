/**
 * The largest of many values by their magnitude: from which one on a share of those that are not zero is, and counting
 * who is so often. Magnitudes are compared as the bits of their floats, which lie in the same order; NaN is largest.
 */

const MAGNITUDE: u32 = 0x7fff_ffff;
/** No magnitude of a number comes to this. */
export const NONE_IS_LARGE: u32 = MAGNITUDE;

/** The bits of |x| from which on ⌊share · (values that are not zero)⌋ of them are; who equals the last one is, too. */
export function thresholdOfShare(x: usize, n: u32, share: f64): u32 {
  const nonzero = countFrom(x, n, 1);
  const wanted = <u32>(share * <f64>nonzero);
  if (wanted == 0) return NONE_IS_LARGE;
  // `low` has at least as many as are wanted, `high` has fewer. Any threshold with just as many names the same values.
  let low: u32 = 1;
  let high: u32 = NONE_IS_LARGE;
  let count = nonzero;
  while (count != wanted && high - low > 1) {
    const middle = low + ((high - low) >> 1);
    const found = countFrom(x, n, middle);
    if (found < wanted) high = middle;
    else {
      low = middle;
      count = found;
    }
  }
  return low;
}

/** How many values have a magnitude of at least these bits. */
function countFrom(x: usize, n: u32, threshold: u32): u32 {
  const end = x + ((<usize>n) << 2);
  let count: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    const mask = i32x4.splat(MAGNITUDE);
    const least = i32x4.splat(threshold);
    let counts = i32x4.splat(0);
    // A true comparison is −1.
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) {
      counts = i32x4.sub(counts, i32x4.ge_s(v128.and(v128.load(x), mask), least));
    }
    count =
      i32x4.extract_lane(counts, 0) +
      i32x4.extract_lane(counts, 1) +
      i32x4.extract_lane(counts, 2) +
      i32x4.extract_lane(counts, 3);
  }
  for (; x < end; x += 4) if ((load<u32>(x) & MAGNITUDE) >= threshold) count += 1;
  return count;
}

/** u32 counts[i] += 1 where |x[i]| has at least these bits, and f32 sums[i] += |x[i]|. */
export function countLarge(x: usize, n: u32, threshold: u32, counts: usize, sums: usize): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const mask = i32x4.splat(MAGNITUDE);
    const least = i32x4.splat(threshold);
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16, counts += 16, sums += 16) {
      const size = v128.and(v128.load(x), mask);
      v128.store(counts, i32x4.sub(v128.load(counts), i32x4.ge_s(size, least)));
      v128.store(sums, f32x4.add(v128.load(sums), size));
    }
  }
  for (; x < end; x += 4, counts += 4, sums += 4) {
    const size = load<u32>(x) & MAGNITUDE;
    store<u32>(counts, load<u32>(counts) + u32(size >= threshold));
    store<f32>(sums, load<f32>(sums) + reinterpret<f32>(size));
  }
}

/**
 * Writes u32[most], ascending: the `most` of n whose counts are largest; of equal ones those with the larger sum, then
 * the first. Sums are not negative.
 */
export function listMostFrequent(counts: usize, sums: usize, n: u32, most: u32, list: usize): void {
  // The count that the last one has, and how many of those that have it too are of them.
  const frequent = lastOf(counts, counts, n, most, 0, false);
  const tied = most - above(counts, counts, n, frequent, 0, false);
  const large = lastOf(sums, counts, n, tied, frequent, true);
  let equal = tied - above(sums, counts, n, large, frequent, true);
  for (let i: u32 = 0, at: usize = 0; i < n; i++, at += 4) {
    const count = load<u32>(counts + at);
    if (count < frequent) continue;
    if (count == frequent) {
      const sum = load<u32>(sums + at) & MAGNITUDE;
      if (sum < large) continue;
      if (sum == large) {
        if (equal == 0) continue;
        equal -= 1;
      }
    }
    store<u32>(list, i);
    list += 4;
  }
}

/** The largest key that at least `wanted` have or exceed; where `tied`, among those whose count is `frequent`. */
function lastOf(keys: usize, counts: usize, n: u32, wanted: u32, frequent: u32, tied: bool): u32 {
  let key: u32 = 0;
  for (let bit: u32 = 0x8000_0000; bit != 0; bit >>= 1) {
    if (above(keys, counts, n, (key | bit) - 1, frequent, tied) >= wanted) key |= bit;
  }
  return key;
}

/** How many have a key above this one. */
function above(keys: usize, counts: usize, n: u32, key: u32, frequent: u32, tied: bool): u32 {
  const mask = tied ? MAGNITUDE : 0xffff_ffff;
  let count: u32 = 0;
  for (let i: u32 = 0, at: usize = 0; i < n; i++, at += 4) {
    if (tied && load<u32>(counts + at) != frequent) continue;
    if ((load<u32>(keys + at) & mask) > key) count += 1;
  }
  return count;
}

/** x[list[i]] = x[i] for u32[count] ascending indices, and every other one of n is 0. */
export function spread(x: usize, list: usize, count: u32, n: u32): void {
  let end = n;
  for (let i = count; i > 0; i--) {
    const place = load<u32>(list + ((<usize>(i - 1)) << 2));
    const value = load<f32>(x + ((<usize>(i - 1)) << 2));
    for (let at = place + 1; at < end; at++) store<f32>(x + ((<usize>at) << 2), 0);
    store<f32>(x + ((<usize>place) << 2), value);
    end = place;
  }
  memory.fill(x, 0, (<usize>end) << 2);
}
