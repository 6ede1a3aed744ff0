#!/usr/bin/env node
/**
 * The down projection of a ReLU² model: neuron by neuron beside packed by rows, one token, in turns.
 *
 *   node bench/kernels-sparse.mjs [--types Q8_0,Q4_0,Q4_K,Q6_K,F16] [--rows 2048] [--columns 8192] [--copies 6]
 *                                 [--rounds 15]
 *
 * `copies` matrices are used one after the other, so that weights come from memory as in a model; 1 keeps one cached.
 * A cell is the time by neurons and how many times faster that is than by rows at the same zeros; the last column is
 * the gain of nine zeros in ten over none in the same layout. Medians of the rounds; a round measures both layouts at each
 * share.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { TENSOR_TYPES } from "../scripts/gguf-writer.mjs";
import { Random, randomBlocks } from "../scripts/random-blocks.mjs";
import { RawCore } from "./lib/core.mjs";
import { median } from "./lib/stats.mjs";

const { values } = parseArgs({
  options: {
    types: { type: "string", default: "Q8_0,Q4_0,Q4_K,Q6_K,F16" },
    rows: { type: "string", default: "2048" },
    columns: { type: "string", default: "8192" },
    copies: { type: "string", default: "6" },
    rounds: { type: "string", default: "15" },
  },
});
const [rows, columns, copies, rounds] = [values.rows, values.columns, values.copies, values.rounds].map(Number);
const SHARES = [0, 0.5, 0.7, 0.8, 0.9, 0.95];

const core = new RawCore("portable");
const exports = /** @type {Record<string, (...numbers: number[]) => number>} */ (/** @type {unknown} */ (core.exports));

/** Squares of which a share is zero. @param {number} share */
function activations(share) {
  const random = new Random(`zeros ${share}`);
  return Float32Array.from({ length: columns }, () => {
    const x = random.signed();
    return (random.signed() + 1) / 2 < share ? 0 : x * x;
  });
}

/** @param {import("../scripts/gguf-writer.mjs").TensorType} name */
function measure(name) {
  const { id: type, elements, bytes } = TENSOR_TYPES[name];
  const size = ((rows * columns) / elements) * bytes;
  const file = new Uint8Array(size);
  randomBlocks(name, "sparse", 0.02)(file);
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
  const operands = SHARES.map((share) => {
    const x = core.put(activations(share));
    if (elements === 1) return x;
    const quantised = core.allocate(core.exports.kernel_activation_bytes(columns));
    core.exports.kernel_quantize_activations(x, columns, quantised);
    return quantised;
  });
  const times = SHARES.map(() => /** @type {[number[], number[]]} */ ([[], []]));
  const calls = [exports.kernel_matmul, exports.kernel_multiply_neurons];
  for (let round = -3; round < rounds; round++) {
    for (let i = 0; i < SHARES.length; i++) {
      for (let layout = 0; layout < 2; layout++) {
        const start = performance.now();
        for (const matrix of layouts[layout]) {
          calls[layout](type, matrix, rows, columns, 0, rows, operands[i], 0, 1, target, rows * 4, scratch, 0);
        }
        if (round >= 0) times[i][layout].push((performance.now() - start) / copies);
      }
    }
  }
  for (const pointer of [source, scratch, target, ...layouts.flat()]) core.release(pointer);
  return times.map(([byRows, byNeurons]) => ({ byRows: median(byRows), byNeurons: median(byNeurons) }));
}

console.log(
  `${cpus()[0].model.trim()}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}; ${columns} → ${rows},`,
);
console.log(`${copies} matrices in turn, medians of ${rounds} rounds, ms by neurons (times the speed of rows)\n`);
console.log(`| type | by rows | ${SHARES.map((share) => `${share * 100} % zeros`).join(" | ")} | 90 % / 0 % |`);
console.log(`|---|---|${SHARES.map(() => "---").join("|")}|---|`);
for (const name of values.types.split(",")) {
  const found = measure(/** @type {import("../scripts/gguf-writer.mjs").TensorType} */ (name));
  const cells = found.map(({ byRows, byNeurons }) => `${byNeurons.toFixed(2)} (${(byRows / byNeurons).toFixed(2)})`);
  const gain = found[0].byNeurons / found[SHARES.indexOf(0.9)].byNeurons;
  console.log(`| ${name} | ${found[0].byRows.toFixed(2)} | ${cells.join(" | ")} | ${gain.toFixed(1)} |`);
}
