/**
 * The down projection of a ReLU² model by itself, one token, portable: neuron by neuron beside packed by rows, in turns.
 * `copies` matrices are used one after the other, so that weights come from memory as in a model; 1 keeps one cached.
 */
import { TENSOR_TYPES } from "../../scripts/gguf-writer.mjs";
import { Random, randomBlocks } from "../../scripts/random-blocks.mjs";
import { RawCore, time } from "../lib/core.mjs";

/** Shares of zeros that are measured. */
export const SHARES = [0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95];
const WARM_UP = 3;

/**
 * Milliseconds of each round, by shares of zeros.
 * @typedef {{ zeros: number, byRows: number[], byNeurons: number[] }} Compared
 */

/**
 * @param {{ types?: string[], samples?: number, rows?: number, columns?: number, copies?: number }} job
 * @returns {Promise<{ runs: [], sparse: Record<string, Compared[]> }>}
 */
export async function measure({ types = ["Q8_0", "Q4_0"], samples = 15, rows = 2048, columns = 8192, copies = 6 }) {
  const core = new RawCore("portable");
  const sparse = Object.fromEntries(types.map((type) => [type, compare(core, type, samples, rows, columns, copies)]));
  return { runs: [], sparse };
}

/** Squares of which a share is zero. @param {number} columns @param {number} zeros */
function squares(columns, zeros) {
  const random = new Random(`zeros ${zeros}`);
  return Float32Array.from({ length: columns }, () => {
    const x = random.signed();
    return (random.signed() + 1) / 2 < zeros ? 0 : x * x;
  });
}

/**
 * @param {RawCore} core @param {string} name @param {number} samples @param {number} rows @param {number} columns
 * @param {number} copies
 * @returns {Compared[]}
 */
function compare(core, name, samples, rows, columns, copies) {
  const exports = /** @type {Record<string, (...numbers: number[]) => number>} */ (/** @type {any} */ (core.exports));
  const kind = /** @type {keyof typeof TENSOR_TYPES} */ (name);
  const { id: type, elements, bytes } = TENSOR_TYPES[kind];
  const size = ((rows * columns) / elements) * bytes;
  const file = new Uint8Array(size);
  randomBlocks(kind, "sparse", 0.02)(file);
  const source = core.put(file);
  const scratch = core.allocate(exports.kernel_neuron_scratch_bytes(type, rows, columns, 1));
  const layouts = [exports.kernel_pack, exports.kernel_pack_neurons].map((pack) =>
    Array.from({ length: copies }, () => {
      const target = core.allocate(size);
      if (pack(type, source, rows, columns, target, scratch) !== 0) throw new Error(`${name} cannot be packed`);
      return target;
    }),
  );
  const target = core.allocate(rows * 4);
  const operands = SHARES.map((zeros) => {
    const x = core.put(squares(columns, zeros));
    if (elements === 1) return x;
    const quantised = core.allocate(core.exports.kernel_activation_bytes(columns));
    core.exports.kernel_quantize_activations(x, columns, quantised);
    return quantised;
  });
  const found = SHARES.map((zeros) => /** @type {Compared} */ ({ zeros, byRows: [], byNeurons: [] }));
  const calls = [exports.kernel_matmul, exports.kernel_multiply_neurons];
  for (let round = -WARM_UP; round < samples; round++) {
    found.forEach(({ byRows, byNeurons }, i) => {
      const times = calls.map((call, layout) =>
        time(() => {
          for (const matrix of layouts[layout]) {
            call(type, matrix, rows, columns, 0, rows, operands[i], 0, 1, target, rows * 4, scratch, 0);
          }
        }),
      );
      if (round < 0) return;
      byRows.push(times[0] / copies);
      byNeurons.push(times[1] / copies);
    });
  }
  for (const pointer of [source, scratch, target, ...layouts.flat()]) core.release(pointer);
  return found;
}

/**
 * How many times the dense speed: the median over rounds of the time by rows at one share of zeros over that by neurons at
 * another. @param {Compared[]} found @param {number} dense @param {number} zeros
 */
export function ratios(found, dense, zeros) {
  const { byRows } = /** @type {Compared} */ (found.find((at) => at.zeros === dense));
  const { byNeurons } = /** @type {Compared} */ (found.find((at) => at.zeros === zeros));
  return byRows.map((ms, i) => ms / byNeurons[i]);
}
