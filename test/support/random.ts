/** Random numbers that are the same in every run. */

/** A generator of uniform numbers in [0, 1) (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A generator of whole numbers from 0 to below a limit (xorshift32). */
export function wholeNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Normally distributed values. */
export function normals(count: number, seed: number): Float32Array {
  const next = generator(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

export function randomBytes(count: number, seed: number): Uint8Array {
  const next = generator(seed);
  return Uint8Array.from({ length: count }, () => next() * 256);
}
