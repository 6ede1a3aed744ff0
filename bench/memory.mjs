#!/usr/bin/env node
/**
 * What a Memory Layer is for: a token through the blocks of MemoryFormer's tiny model beside the same blocks dense, in turns
 * on the portable build, attention left out of both.
 *
 *   npm run bench:memory -- [--rounds 25] [--tokens 24] [--cache BYTES]
 *
 *   memory   a layer: hash; Q, K and V from tables that share it, their rows beside each other as the loader lays them;
 *            hash, M₁, LayerNorm, hash, M₂. d 512, K 64, τ 8 and 10, six layers, random tables of signed bytes with a scale
 *            a row. A token reads rows at random places of 415 MB: more than any cache.
 *   dense    a layer: Q, K, V, output, up and down, 12 d² weights in Q8_0, with their activations quantised.
 *
 * (a) one set of dense weights, 20 MB, which a large cache holds; (b) as many sets in turn as take three times the
 * last-level cache (--cache, where the system does not tell). A round runs `tokens` tokens of each, of which the first
 * few bring back what the others have displaced and do not count; medians over all.
 */
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { numbersOf } from "../scripts/boundary.mjs";
import { TENSOR_TYPES } from "../scripts/gguf-writer.mjs";
import { Random, randomBlocks } from "../scripts/random-blocks.mjs";
import { RawCore } from "./lib/core.mjs";
import { median } from "./lib/stats.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "25" },
    tokens: { type: "string", default: "24" },
    cache: { type: "string" },
  },
});
const [rounds, tokens] = [values.rounds, values.tokens].map(Number);
const RETURNING = 4;

const LAYERS = 6;
const D = 512;
const K = 64;
const BITS = D / K;
const MORE_BITS = BITS + 2;
const WIDE = K * MORE_BITS;
/** Inputs of layers, one after the other: so many that rows do not come back soon. */
const INPUTS = 1024;
const Q8 = numbersOf("RowType").Q8;
const TARGETS = { a: 2.5, b: 4 };

const core = new RawCore("portable");
const { exports } = core;
const random = new Random("memory");
/** About normal: the sum of four. */
const normal = () => random.signed() + random.signed() + random.signed() + random.signed();

/** @param {number} length @param {() => number} value */
const floats = (length, value) => core.put(Float32Array.from({ length }, value));
const inputs = floats(INPUTS * D, normal);
let input = 0;
function nextInput() {
  input = (input + 1) % INPUTS;
  return inputs + input * D * 4;
}

let valuesRead = 0;

function memoryBlocks() {
  const noise = Uint8Array.from({ length: 2 ** 20 }, () => (random.signed() + 1) * 128);
  /** `count` tables that are hit by one hash: a row of each, then the next row of each. */
  const tables = (/** @type {number} */ count, /** @type {number} */ bits, /** @type {number} */ columns) => {
    const rows = K * 2 ** bits;
    const step = count * columns;
    const at = core.allocate(rows * step);
    const bytes = core.bytes(at, rows * step);
    for (let i = 0; i < bytes.length; i += noise.length) bytes.set(noise.subarray(0, bytes.length - i), i);
    return Array.from({ length: count }, (_, i) => {
      const scales = floats(rows, () => (random.signed() + 2) / 256);
      return { at: at + i * columns, step, bits, columns, scales };
    });
  };
  const layers = Array.from({ length: LAYERS }, () => ({
    qkv: tables(3, BITS, D),
    up: tables(1, BITS, WIDE)[0],
    down: tables(1, MORE_BITS, D)[0],
  }));
  const [codes, weights, scaled, rows] = [0, 0, 0, 0].map(() => core.allocate(K * 4));
  const [y, hidden] = [core.allocate(WIDE * 4), core.allocate(WIDE * 4)];
  const bias = floats(WIDE, () => random.signed() / 100);
  const ones = floats(WIDE, () => 1);

  const hash = (/** @type {number} */ x, /** @type {number} */ bits) => {
    exports.kernel_hash_row(x, K, bits, 1, codes);
    exports.kernel_chunk_weights(x, K, bits, 0, 1, weights);
  };
  /** @typedef {ReturnType<typeof tables>[number]} Table */
  const gather = (/** @type {Table} */ { at, step, bits, columns, scales }, /** @type {number} */ to) => {
    exports.kernel_find_rows(at, step, bits, codes, K, rows);
    exports.kernel_read_ahead(Q8, rows, columns, scales, bits, codes, K);
    exports.kernel_scale_weights(scales, bits, codes, K, weights, scaled);
    exports.kernel_gather_rows(Q8, rows, scaled, K, columns, bias, to);
    valuesRead += K * columns;
  };
  return () => {
    for (const { qkv, up, down } of layers) {
      hash(nextInput(), BITS);
      for (const part of qkv) gather(part, y);
      hash(nextInput(), BITS);
      gather(up, hidden);
      exports.kernel_layer_norm(hidden, ones, bias, 1, WIDE, 1e-5, hidden);
      hash(hidden, MORE_BITS);
      gather(down, y);
    }
  };
}

const { id: Q8_0, elements, bytes: blockBytes } = TENSOR_TYPES.Q8_0;
const SHAPES = [
  [D, D],
  [D, D],
  [D, D],
  [D, D],
  [4 * D, D],
  [D, 4 * D],
];
const DENSE_BYTES = (LAYERS * 12 * D * D * blockBytes) / elements;

/** @param {number} copies */
function denseBlocks(copies) {
  const sources = SHAPES.map(([rows, columns]) => {
    const file = new Uint8Array(((rows * columns) / elements) * blockBytes);
    randomBlocks("Q8_0", `dense ${rows}`, 0.02)(file);
    return core.put(file);
  });
  const layers = Array.from({ length: copies * LAYERS }, () =>
    SHAPES.map(([rows, columns], i) => {
      const at = core.allocate(((rows * columns) / elements) * blockBytes);
      exports.kernel_pack(Q8_0, sources[i], rows, columns, at);
      return at;
    }),
  );
  for (const source of sources) core.release(source);
  const operand = core.allocate(exports.kernel_activation_bytes(4 * D));
  const [y, hidden, scratch] = [core.allocate(D * 4), core.allocate(4 * D * 4), core.allocate(64)];
  const quantise = (/** @type {number} */ x, columns = D) => exports.kernel_quantize_activations(x, columns, operand);
  const multiply = (/** @type {number[]} */ matrices, /** @type {number} */ i, /** @type {number} */ to) => {
    const [rows, columns] = SHAPES[i];
    exports.kernel_matmul(Q8_0, matrices[i], rows, columns, 0, rows, operand, 0, 1, to, 0, scratch);
  };
  let at = 0;
  return () => {
    for (let layer = 0; layer < LAYERS; layer++) {
      const matrices = layers[at];
      at = (at + 1) % layers.length;
      quantise(nextInput());
      for (const i of [0, 1, 2]) multiply(matrices, i, y);
      quantise(y);
      multiply(matrices, 3, y);
      quantise(nextInput());
      multiply(matrices, 4, hidden);
      quantise(hidden, 4 * D);
      multiply(matrices, 5, y);
    }
  };
}

/** Bytes of the last cache before memory. */
function lastCache() {
  if (values.cache) return Number(values.cache);
  for (const index of [3, 2]) {
    try {
      const text = readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, "utf8");
      return Number.parseInt(text, 10) * 1024;
    } catch {
      // Not told.
    }
  }
  return 32 * 2 ** 20;
}

const cache = lastCache();
const copies = Math.max(2, Math.ceil((3 * cache) / DENSE_BYTES));
const jobs = { memory: memoryBlocks(), once: denseBlocks(1), rotating: denseBlocks(copies) };
/** @type {Record<keyof typeof jobs, number[]>} */
const times = { memory: [], once: [], rotating: [] };
for (let round = -2; round < rounds; round++) {
  for (const name of /** @type {(keyof typeof jobs)[]} */ (Object.keys(jobs))) {
    for (let token = 0; token < tokens; token++) {
      const start = performance.now();
      jobs[name]();
      if (round >= 0 && token >= RETURNING) times[name].push(performance.now() - start);
    }
  }
}

valuesRead = 0;
jobs.memory();
const perLayer = valuesRead / LAYERS;
const dense = 12 * D * D;
const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const row = (/** @type {string} */ name, /** @type {number[]} */ samples, /** @type {number} */ read) => {
  const [best, middle] = [Math.min(...samples), median(samples)];
  const rate = (1000 / middle).toFixed(0);
  console.log(`| ${name} | ${read.toLocaleString("en")} | ${middle.toFixed(3)} | ${best.toFixed(3)} | ${rate} |`);
};

console.log(
  `${cpus()[0].model.trim()}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}, cache ${megabytes(cache)};`,
);
console.log(`d ${D}, K ${K}, τ ${BITS} and ${MORE_BITS}, ${LAYERS} layers; portable build, one thread, one token\n`);
console.log("| blocks | values read a layer | ms a token, median | best | tok/s |");
console.log("|---|---|---|---|---|");
row("Memory Layers, rows of bytes, 415 MB of tables", times.memory, perLayer);
row(`dense in Q8_0, ${megabytes(DENSE_BYTES)}`, times.once, dense);
row(`dense in Q8_0, ${copies} × ${megabytes(DENSE_BYTES)} in turn`, times.rotating, dense);
console.log(`\n${(dense / perLayer).toFixed(1)} times fewer values are read.`);
for (const [name, samples, target, what] of /** @type {const} */ ([
  ["a", times.once, TARGETS.a, "both as they are"],
  ["b", times.rotating, TARGETS.b, "both over more memory than the cache"],
])) {
  const ratio = median(samples) / median(times.memory);
  console.log(`(${name}) ${what}: ${ratio.toFixed(2)} times as fast as dense (wanted: ${target})`);
}
