/** What a host's WebAssembly can do, told by whether it takes a tiny module that uses it. */
import { hasRelaxedSimd } from "../../bindings/relaxed.ts";

/** What this host's WebAssembly has. */
export interface Features {
  /** Vectors of 128 bits, which the portable build is made of. */
  readonly simd: boolean;
  /** Relaxed vectors, which the fast build is made of. */
  readonly relaxedSimd: boolean;
  /** Atomics and shared memory that can be made here: a page needs cross-origin isolation for the latter. */
  readonly threads: boolean;
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** One type () → (), one function of it. */
const FUNCTION = [1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0];

const SIMD = [...HEADER, ...FUNCTION, ...body(0x41, 0, 0xfd, 15, 0xfd, 98, 0x1a)]; // i32.const 0, i8x16.splat, popcnt
const SHARED_MEMORY = [5, 4, 1, 3, 1, 1];
const THREADS = [...HEADER, ...FUNCTION, ...SHARED_MEMORY, ...body(0x41, 0, 0xfe, 16, 2, 0, 0x1a)]; // i32.atomic.load

export function detectFeatures(): Features {
  return { simd: valid(SIMD), relaxedSimd: hasRelaxedSimd(), threads: valid(THREADS) && canShare() };
}

function valid(module: readonly number[]): boolean {
  return WebAssembly.validate(Uint8Array.from(module));
}

function canShare(): boolean {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer instanceof SharedArrayBuffer;
  } catch {
    return false;
  }
}

/** A code section of one function without locals. */
function body(...code: number[]): number[] {
  return [10, code.length + 4, 1, code.length + 2, 0, ...code, 0x0b];
}
