/**
 * The block formats as tests see them, and random numbers that are the same in every run.
 */
import { BLOCKS, BlockFormat, type BlockFormatName } from "../../bindings/numbers.ts";

export interface Format {
  readonly name: string;
  readonly type: number;
  /** Elements and bytes of a block. */
  readonly elements: number;
  readonly bytes: number;
  /** Weights that multiply f32 activations themselves. */
  readonly float: boolean;
}

/** Floats first, then by the size of their blocks. */
export const FORMATS: readonly Format[] = Object.entries(BLOCKS)
  .map(([name, block]) => ({
    name,
    type: BlockFormat[name as BlockFormatName],
    ...block,
    float: block.elements === 1,
  }))
  .sort((a, b) => a.elements - b.elements);

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
