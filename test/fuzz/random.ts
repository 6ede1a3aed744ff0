/** The chance of one case: the same seed gives the same case, alone or among others. */
import { generator } from "../support/random.ts";

/** Numbers at which counts, lengths and offsets break. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  7n,
  8n,
  31n,
  32n,
  33n,
  63n,
  64n,
  255n,
  256n,
  4095n,
  65535n,
  65536n,
  1_000_000n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];

/** Numbers at which floats break. */
const FLOATS: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.5,
  1e-40,
  1e-5,
  3.4e38,
  -3.4e38,
  1e300,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** 24 + 1,
  1e6,
];

export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = generator(seed);
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** A whole number from `least` to `most`. */
  from(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True one time in so many. */
  oneIn(many: number): boolean {
    return this.below(many) === 0;
  }

  pick<Value>(list: readonly Value[]): Value {
    return list[this.below(list.length)];
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** A number that counts and lengths are not written for. */
  edge(): bigint {
    return this.oneIn(4) ? BigInt(this.below(1000)) : this.pick(EDGES);
  }

  /** The same, of so many bits. */
  edge32(): number {
    return Number(BigInt.asUintN(32, this.edge()));
  }

  float(): number {
    return this.oneIn(3) ? (this.#next() - 0.5) * 10 : this.pick(FLOATS);
  }

  /** The list in another order. */
  shuffled<Value>(list: readonly Value[]): Value[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }
}

/** The seed of a case, of the run's seed, the fuzzer and the number of the case. */
export function seedOf(seed: number, name: string, index: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(`${seed}/${name}/${index}`)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
