/**
 * Random weights, drawn straight in the block formats of GGUF.
 *
 * Quantising random floats would cost minutes for a model of 1.8 billion weights. Instead every byte of a block is
 * drawn at random, and then the fields that decide the scale (`d`, `dmin`, sub-block scales) are set so that the weights
 * have mean zero and a given standard deviation. Integers and the four exact float operations only, so that a seed gives
 * the same file in every version of Node.
 */
import { TENSOR_TYPES, toHalf } from "./gguf-writer.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */

/** xoshiro128** (Blackman and Vigna), seeded by a text. */
export class Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  /** @param {string} seed */
  constructor(seed) {
    let hash = 0x811c9dc5; // FNV-1a of the text, then splitmix32 for the four words of state
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    const next = () => {
      hash = (hash + 0x9e3779b9) | 0;
      let z = hash;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return z ^ (z >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1; // never all zero
  }

  /** The next 32 bits, signed. */
  bits() {
    const fives = Math.imul(this.#b, 5);
    const result = Math.imul((fives << 7) | (fives >>> 25), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform in [-1, 1). */
  signed() {
    return this.bits() / 0x80000000;
  }

  /** Uniform integer in [0, n). @param {number} n */
  below(n) {
    return Math.floor(((this.bits() >>> 0) / 0x100000000) * n);
  }

  /** Random bytes everywhere. @param {Uint8Array} bytes */
  fill(bytes) {
    const words = bytes.length >>> 2;
    const whole = bytes.byteOffset % 4 === 0 ? new Int32Array(bytes.buffer, bytes.byteOffset, words) : null;
    if (whole) for (let i = 0; i < words; i++) whole[i] = this.bits();
    for (let i = whole ? words * 4 : 0; i < bytes.length; i++) bytes[i] = this.bits() & 255;
  }
}

/** Halves near `scale` (0.75 to 1.25 of it): 256 of them, then the same ones negative. @param {number} scale */
function scaleTable(scale) {
  const table = new Uint16Array(512);
  for (let i = 0; i < 256; i++) {
    table[i] = toHalf(scale * (0.75 + i / 512));
    table[i + 256] = table[i] | 0x8000;
  }
  return table;
}

/** The first 9 of 16 random bits at `at`: an index into a scale table. @param {Uint8Array} b @param {number} at */
const draw = (b, at) => b[at] | ((b[at + 1] & 1) << 8);

/** @param {Uint8Array} b @param {number} at @param {number} value */
function put16(b, at, value) {
  b[at] = value & 255;
  b[at + 1] = value >>> 8;
}

/**
 * Formats of one signed scale: value = d · integer. The sign of d is random, so an integer range that is not symmetric
 * leaves no mean. `rms` is the root mean square of the random integers, `at` where d lies.
 * @param {number} rms @param {number} at
 */
const signedScale = (rms, at) => (/** @type {number} */ deviation) => {
  const table = scaleTable(deviation / rms);
  return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => put16(b, o + at, table[draw(b, o + at)]);
};

/**
 * Formats of a scale and an offset: value = d · integer + m, with m = -d · mean of the integers.
 * @param {number} rms @param {number} mean
 */
const scaleAndOffset = (rms, mean) => (/** @type {number} */ deviation) => {
  const scales = scaleTable(deviation / rms);
  const offsets = scaleTable((-mean * deviation) / rms);
  return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
    const i = draw(b, o) & 255;
    put16(b, o, scales[i]);
    put16(b, o + 2, offsets[i]);
  };
};

/**
 * Q4_K and Q5_K: value = d · sc · integer - dmin · mn. Eight six-bit scales of 16 to 63, each minimum equal to its
 * scale, and dmin = d · mean of the integers.
 * @param {number} rms @param {number} mean
 */
const sixBitScales = (rms, mean) => (/** @type {number} */ deviation) => {
  const table = scaleTable(deviation / (rms * 42)); // 42: root mean square of the scales
  const minima = scaleTable((mean * deviation) / (rms * 42));
  return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
    const i = draw(b, o) & 255;
    put16(b, o, table[i]);
    put16(b, o + 2, minima[i]);
    const s = o + 4;
    for (let j = 0; j < 4; j++) {
      const low = 16 + (b[s + j] % 48);
      const high = 16 + (b[s + 4 + j] % 48);
      b[s + j] = low | ((high >>> 4) << 6);
      b[s + 4 + j] = low | ((high >>> 4) << 6);
      b[s + 8 + j] = (high & 15) | ((high & 15) << 4);
    }
  };
};

/** The byte of the largest UE4M3 (four bits of exponent, three of mantissa, no sign) up to a value. @param {number} x */
function scaleByte(x) {
  let byte = 0;
  for (let value = 0, step = 1 / 512; byte < 126 && value + step <= x; value += step) {
    byte++;
    if (byte > 15 && byte % 8 === 0) step *= 2;
  }
  return byte;
}

/** For each quantised format: deviation → a function that sets the scales of the random block at an offset. */
const FINISH = {
  Q4_0: signedScale(4.637, 0),
  Q4_1: scaleAndOffset(4.61, 7.5),
  Q5_0: signedScale(9.247, 0),
  Q5_1: scaleAndOffset(9.233, 15.5),
  Q8_0: signedScale(73.9, 0),
  IQ4_NL: signedScale(71.1, 0),
  Q4_K: sixBitScales(4.61, 7.5),
  Q5_K: sixBitScales(9.233, 15.5),
  Q3_K: signedScale(2.345 * 18.48, 108),
  IQ4_XS: signedScale(71.1 * 18.48, 0),
  TQ1_0: signedScale(0.816, 52),
  Q2_K: (/** @type {number} */ deviation) => {
    const scales = scaleTable(deviation / (1.118 * 10.1)); // 10.1: root mean square of 4..15
    const minima = scaleTable((1.5 * deviation) / (1.118 * 10.1));
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      const i = draw(b, o + 80) & 255;
      for (let j = 0; j < 16; j++) b[o + j] = (4 + (b[o + j] % 12)) * 17; // minimum = scale
      put16(b, o + 80, scales[i]);
      put16(b, o + 82, minima[i]);
    };
  },
  Q6_K: (/** @type {number} */ deviation) => {
    const table = scaleTable(deviation / (18.48 * 17)); // 17: root mean square of 8..23, either sign
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      for (let j = 192; j < 208; j++) {
        const scale = 8 + (b[o + j] & 15);
        b[o + j] = b[o + j] & 128 ? -scale & 255 : scale;
      }
      put16(b, o + 208, table[draw(b, o + 208)]);
    };
  },
  TQ2_0: (/** @type {number} */ deviation) => {
    const table = scaleTable(deviation / 0.866);
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      for (let j = 0; j < 64; j++) b[o + j] &= ~((b[o + j] >>> 1) & 0x55); // 3 is no trit: make it 2
      put16(b, o + 64, table[draw(b, o + 64)]);
    };
  },
  // Root mean squares of the codebooks' columns as d has them, times that of 2 s + 1.
  IQ2_XXS: signedScale(2.89 * 18.48, 0),
  IQ2_XS: signedScale(3.027 * 18.48, 0),
  IQ2_S: signedScale(3.054 * 18.48, 0),
  IQ3_XXS: signedScale(7.712 * 18.48, 0),
  IQ3_S: signedScale(7.594 * 18.48, 0),
  IQ1_S: signedScale(0.781 * 9.22, 0),
  IQ1_M: (/** @type {number} */ deviation) => {
    const table = scaleTable(deviation / (0.781 * 9.22));
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      const half = table[draw(b, o + 48)];
      // Its four digits of four bits, the lowest first, lie above the sub-scales.
      for (let j = 0; j < 4; j++) b[o + 49 + 2 * j] = (b[o + 49 + 2 * j] & 15) | (((half >> (4 * j)) & 15) << 4);
    };
  },
  Q1_0: signedScale(1, 0),
  Q2_0: signedScale(1.225, 0),
  NVFP4: (/** @type {number} */ deviation) => {
    // deviation = 5.85 · ½ scale
    const scales = Array.from({ length: 16 }, (_, i) => scaleByte((deviation / 2.925) * (0.75 + i / 30)));
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      for (let j = 0; j < 4; j++) b[o + j] = scales[b[o + j] & 15];
    };
  },
  MXFP4: (/** @type {number} */ deviation) => {
    let exponent = 128; // deviation = 5.85 · 2^(exponent - 128)
    for (let x = deviation / 5.85; x < 1; x *= 2) exponent--;
    return (/** @type {Uint8Array} */ b, /** @type {number} */ o) => {
      b[o] = exponent + (b[o] & 1);
    };
  },
};

/**
 * The filler of a tensor of random weights with mean 0 (or `mean`, float formats only) and the given deviation.
 * @param {TensorType} type @param {string} seed @param {number} deviation @param {number} [mean]
 * @returns {(chunk: Uint8Array) => void}
 */
export function randomBlocks(type, seed, deviation, mean = 0) {
  const random = new Random(seed);
  const { bytes } = TENSOR_TYPES[type];
  if (type === "F32" || type === "F16" || type === "BF16") {
    const spread = deviation * 1.7320508; // a uniform variable's range over its deviation
    const cell = new Float32Array(1);
    const bits = new Uint32Array(cell.buffer);
    return (chunk) => {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      for (let i = 0; i < chunk.length; i += bytes) {
        cell[0] = mean + spread * random.signed();
        if (type === "F32") view.setUint32(i, bits[0], true);
        else view.setUint16(i, type === "F16" ? toHalf(cell[0]) : bits[0] >>> 16, true);
      }
    };
  }
  const finish = FINISH[type](deviation);
  return (chunk) => {
    random.fill(chunk);
    for (let at = 0; at < chunk.length; at += bytes) finish(chunk, at);
  };
}
