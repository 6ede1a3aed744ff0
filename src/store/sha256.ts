/** SHA-256 of bytes that come in pieces, which the platform's `digest` does not take: FIPS 180-4, section 6.2. */

const ROUNDS = 64;
const BLOCK = 64;

export class Sha256 {
  readonly #state: Uint32Array;
  readonly #k: Uint32Array;
  readonly #schedule: Uint32Array = new Uint32Array(ROUNDS);
  readonly #block: Uint8Array = new Uint8Array(BLOCK);
  #filled = 0;
  #bytes = 0;

  constructor() {
    // The fractional parts of the square roots of the first 8 primes, and of the cube roots of the first 64.
    const primes: number[] = [];
    for (let n = 2; primes.length < ROUNDS; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
    const fraction = (value: number): number => (value - Math.floor(value)) * 2 ** 32;
    this.#state = Uint32Array.from(primes.slice(0, 8), (prime) => fraction(Math.sqrt(prime)));
    this.#k = Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
  }

  add(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(BLOCK - this.#filled, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + count), this.#filled);
      at += count;
      this.#filled += count;
      if (this.#filled === BLOCK) this.#mix();
    }
  }

  /** The digest in hex; nothing is added after it. */
  hex(): string {
    const bits = BigInt(this.#bytes) * 8n;
    const padding = new Uint8Array(BLOCK + 8 - ((this.#bytes + 8) % BLOCK));
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.add(padding);
    return Array.from(this.#state, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  #mix(): void {
    this.#filled = 0;
    const w = this.#schedule;
    const block = this.#block;
    for (let i = 0; i < 16; i++) {
      w[i] = (block[4 * i] << 24) | (block[4 * i + 1] << 16) | (block[4 * i + 2] << 8) | block[4 * i + 3];
    }
    for (let i = 16; i < ROUNDS; i++) {
      const [x, y] = [w[i - 15], w[i - 2]];
      const low = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
      const high = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
      w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    let [a, b, c, d, e, f, g, h] = this.#state;
    for (let i = 0; i < ROUNDS; i++) {
      const one = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + this.#k[i] + w[i];
      const two = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => {
      this.#state[i] += word;
    });
  }
}

function turn(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
