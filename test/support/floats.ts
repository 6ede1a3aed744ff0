/**
 * What the tests of the float kernels share: operands of random values, operands at odd addresses, the same work on both builds with
 * equal bits, tolerances, and IEEE halves by their definition.
 */
import * as assert from "uvu/assert";
import { bothCores, sameBits, type TestCore } from "./core.ts";

export const [portable, scalar] = bothCores();

/** `n` values in [−size, size). */
export function values(random: () => number, n: number, size = 2): Float32Array {
  return Float32Array.from({ length: n }, () => (random() * 2 - 1) * size);
}

/** An operand: in the arena, at an address that is 4 more than a multiple of 64. */
export function put(core: TestCore, data: Float32Array | Int32Array | Uint32Array | Uint8Array): number {
  const pointer = core.allocate(data.byteLength + 4) + 4;
  core.memory.write(pointer, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return pointer;
}

/** Runs the same work on both builds, asserts that the bits are equal, and returns the portable build's. */
export function onBoth(what: string, work: (core: TestCore) => Float32Array): Float32Array {
  const answer = work(portable);
  assert.ok(sameBits(answer, work(scalar)), `${what}: the scalar build gives other bits`);
  return answer;
}

/** Asserts |got − want| ≤ relative · (|want| or `floor`, whichever is larger). */
export function near(got: ArrayLike<number>, want: ArrayLike<number>, relative: number, what: string, floor = 1): void {
  assert.is(got.length, want.length, what);
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs((got[i] as number) - (want[i] as number));
    const allowed = relative * Math.max(Math.abs(want[i] as number), floor);
    assert.ok(error <= allowed, `${what}[${i}]: ${got[i]} instead of ${want[i]}`);
  }
}

/** IEEE half of a float, to nearest even, by way of the definition. */
export function toHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  const exponent = Math.max(Math.floor(Math.log2(size || 1e-30)), -14);
  const scaled = size / 2 ** (exponent - 10);
  let mantissa = Math.floor(scaled);
  const rest = scaled - mantissa;
  if (rest > 0.5 || (rest === 0.5 && mantissa % 2 === 1)) mantissa += 1;
  return sign | (mantissa >= 1024 ? mantissa - 1024 + ((exponent + 15) << 10) : mantissa);
}

export function fromHalf(code: number): number {
  const exponent = (code >> 10) & 31;
  const mantissa = code & 1023;
  const size = exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25);
  return code & 0x8000 ? -size : size;
}
