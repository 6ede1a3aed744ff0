/**
 * The block formats as tests see them, and random numbers that are the same in every run.
 */

export interface Format {
  readonly name: string;
  readonly type: number;
  /** Elements and bytes of a block. */
  readonly elements: number;
  readonly bytes: number;
  /** Weights that multiply f32 activations themselves. */
  readonly float: boolean;
}

const format = (name: string, type: number, elements: number, bytes: number): Format => ({
  name,
  type,
  elements,
  bytes,
  float: elements === 1,
});

export const FORMATS: readonly Format[] = [
  format("F32", 0, 1, 4),
  format("F16", 1, 1, 2),
  format("BF16", 30, 1, 2),
  format("Q4_0", 2, 32, 18),
  format("Q4_1", 3, 32, 20),
  format("Q5_0", 6, 32, 22),
  format("Q5_1", 7, 32, 24),
  format("Q8_0", 8, 32, 34),
  format("IQ4_NL", 20, 32, 18),
  format("MXFP4", 39, 32, 17),
  format("Q2_K", 10, 256, 84),
  format("Q3_K", 11, 256, 110),
  format("Q4_K", 12, 256, 144),
  format("Q5_K", 13, 256, 176),
  format("Q6_K", 14, 256, 210),
  format("IQ4_XS", 23, 256, 136),
  format("TQ1_0", 34, 256, 54),
  format("TQ2_0", 35, 256, 66),
];

export function formatOf(name: string): Format {
  const found = FORMATS.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no format ${name}`);
  return found;
}

/** Bytes of a row in a file. */
export const rowBytes = (format: Format, columns: number): number => (columns / format.elements) * format.bytes;

/** A generator of uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed values. */
export function normals(count: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

export function randomBytes(count: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: count }, () => next() * 256);
}
