/**
 * Kernels by themselves, one thread, as shares of what the machine allows in the same moment: each sample stands beside a
 * sample of the limits.
 *
 *     l2      one row of activations × a matrix that stays in the cache        GFLOP/s, of the multiply-add loop's
 *     dram    one row × a matrix far larger than any cache                     GB/s, of the sum loop's
 *     gemm    48 rows × the matrix of l2                                       GFLOP/s, of the multiply-add loop's
 *
 * What is no product with a matrix counts its values a second instead, of the multiply-add loop's operations.
 */

import { TENSOR_TYPES } from "../../scripts/gguf-writer.mjs";
import { randomBlocks } from "../../scripts/random-blocks.mjs";
import { limits, RawCore, time, warmUp } from "../lib/core.mjs";
import { figure, median } from "../lib/stats.mjs";

/** Of weights; I8 is for tables of integers. */
export const TYPES = Object.keys(TENSOR_TYPES).filter((type) => type !== "I8");
const COLUMNS = 2048;
const CACHED_BYTES = 384 * 1024;
const LARGE_BYTES = 256 * 2 ** 20;
const TOKENS = 48;
/** Rows that are drawn; larger matrices repeat them. A multiple of any group that packing interleaves. */
const DRAWN_ROWS = 64;
const SAMPLE_MS = 4;

/**
 * `share` is the median of the samples' own shares, for people. `peak` is the best sample's rate over the best limit
 * of the whole run: it moves far less when others use the machine, so that the gate holds on to it. `samples` are the
 * rates with their shares, of as many processes as `runs` says.
 * @typedef {{ value: import("../lib/stats.mjs").Figure | null, share: number, peak: number, unit: string,
 *   samples: { rate: number, share: number }[], runs: number }} Measured
 * @typedef {Record<string, Record<string, Measured>>} Kernels
 */

/**
 * @param {{ build: import("../lib/core.mjs").BuildName, types?: string[], samples?: number, others?: boolean }} job
 * @returns {Promise<{ runs: [], kernels: Record<string, Record<string, Measured>> }>}
 */
export async function measure({ build, types = TYPES, samples = 9, others = true }) {
  const core = new RawCore(build);
  const limit = recorded(limits(build === "fast"));
  const large = core.allocate(LARGE_BYTES);
  const kernels = /** @type {Record<string, Record<string, Measured>>} */ ({});
  for (const type of types) kernels[type] = products(core, limit, large, type, samples);
  if (others)
    for (const [name, kernel] of Object.entries(smallKernels(core))) {
      warmUp(kernel.work, 100);
      const rates = sample(samples, limit.gigaflops, () => kernel.values / repeated(kernel.work) / 1e6);
      kernels[name] = { values: { ...rates, unit: "10⁹/s" } };
    }
  for (const shapes of Object.values(kernels)) {
    for (const found of Object.values(shapes)) {
      found.peak = (found.value?.max ?? 0) / (found.unit === "GB/s" ? limit.best.gigabytes : limit.best.gigaflops);
    }
  }
  return { runs: [], kernels };
}

/** Limits that remember their best. @param {ReturnType<typeof limits>} limit */
function recorded(limit) {
  const best = { gigabytes: 0, gigaflops: 0 };
  const gigabytes = () => {
    const rate = limit.gigabytes();
    best.gigabytes = Math.max(best.gigabytes, rate);
    return rate;
  };
  const gigaflops = () => {
    const rate = limit.gigaflops();
    best.gigaflops = Math.max(best.gigaflops, rate);
    return rate;
  };
  return { best, gigabytes, gigaflops };
}

/** Samples of a limit and of a rate in turns. @param {number} count @param {() => number} limit @param {() => number} rate */
function sample(count, limit, rate) {
  const samples = Array.from({ length: count }, () => {
    const [most, own] = [limit(), rate()];
    return { rate: own, share: own / most };
  });
  return { ...summary(samples), peak: 0, runs: 1 }; // the peak comes when the best limit of the run is known
}

/** @param {Measured["samples"]} samples */
function summary(samples) {
  return { value: figure(samples.map(({ rate }) => rate)), share: median(samples.map(({ share }) => share)), samples };
}

/** Two processes' figures as one. @param {Kernels} first @param {Kernels} second */
export function together(first, second) {
  const all = structuredClone(first);
  for (const [name, shapes] of Object.entries(second)) {
    for (const [shape, found] of Object.entries(shapes)) {
      const known = all[name]?.[shape];
      (all[name] ??= {})[shape] = !known?.samples
        ? found
        : {
            ...summary([...known.samples, ...found.samples]),
            peak: Math.max(known.peak, found.peak),
            unit: found.unit,
            runs: known.runs + found.runs,
          };
    }
  }
  return all;
}

/** Milliseconds of one call, of as many as a clock can tell. @param {() => unknown} work */
function repeated(work) {
  let calls = 0;
  const started = performance.now();
  do {
    work();
    calls++;
  } while (performance.now() - started < SAMPLE_MS);
  return (performance.now() - started) / calls;
}

/** @param {RawCore} core @param {ReturnType<typeof recorded>} limit @param {number} large @param {string} type */
function products(core, limit, large, type, /** @type {number} */ samples) {
  const { exports } = core;
  const { id } = TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)];
  const drawn = new Uint8Array(exports.kernel_row_bytes(id, COLUMNS) * DRAWN_ROWS);
  randomBlocks(/** @type {keyof typeof TENSOR_TYPES} */ (type), type, 0.02)(drawn);
  const source = core.put(drawn);
  exports.kernel_pack(id, source, DRAWN_ROWS, COLUMNS, large);
  core.release(source);
  const bytes = exports.kernel_packed_bytes(id, DRAWN_ROWS, COLUMNS) >>> 0;
  const copies = Math.floor(LARGE_BYTES / bytes);
  for (let done = 1; done < copies; done *= 2) {
    core.bytes(large, LARGE_BYTES).copyWithin(done * bytes, 0, Math.min(done, copies - done) * bytes);
  }
  const largeRows = copies * DRAWN_ROWS;
  const cachedRows = Math.max(1, Math.floor(CACHED_BYTES / bytes)) * DRAWN_ROWS;
  if (exports.kernel_packed_bytes(id, largeRows, COLUMNS) >>> 0 !== copies * bytes) {
    throw new Error(`rows of ${type} are not packed in groups of at most ${DRAWN_ROWS}`);
  }

  const values = core.allocate(TOKENS * COLUMNS * 4);
  randomBlocks("F32", "x", 1)(core.bytes(values, TOKENS * COLUMNS * 4));
  const { type: told, x, stride } = core.operand(id, values, TOKENS, COLUMNS);
  const y = core.allocate(Math.max(largeRows, cachedRows * TOKENS) * 4);
  const scratch = core.allocate(exports.kernel_matmul_scratch_bytes(told, TOKENS) >>> 0);
  const product = (/** @type {number} */ rows, /** @type {number} */ tokens) => () =>
    exports.kernel_matmul(told, large, rows, COLUMNS, 0, rows, x, stride, tokens, y, rows * 4, scratch);
  const [l2, dram, gemm] = [product(cachedRows, 1), product(largeRows, 1), product(cachedRows, TOKENS)];
  warmUp(l2);
  warmUp(gemm);
  dram();
  const all = new Float32Array(exports.memory.buffer, y, largeRows);
  for (let i = 0; i < DRAWN_ROWS; i++) {
    if (all[i] !== all[largeRows - DRAWN_ROWS + i]) throw new Error(`${type}: equal rows give unequal products`);
  }
  const operations = 2 * cachedRows * COLUMNS;
  const found = {
    l2: { ...sample(samples, limit.gigaflops, () => operations / repeated(l2) / 1e6), unit: "GFLOP/s" },
    dram: { ...sample(samples, limit.gigabytes, () => (copies * bytes) / time(dram) / 1e6), unit: "GB/s" },
    gemm: { ...sample(samples, limit.gigaflops, () => (operations * TOKENS) / repeated(gemm) / 1e6), unit: "GFLOP/s" },
  };
  for (const pointer of new Set([values, x, y, scratch])) core.release(pointer);
  return found;
}

/** Kernels beside the products, in the sizes of PLM-1.8B; `values` is what one call works through. @param {RawCore} core */
function smallKernels(core) {
  const { exports } = core;
  const numbers = (/** @type {number} */ count) => {
    const bytes = new Uint8Array(count * 4);
    randomBlocks("F32", "numbers", 1)(bytes);
    return core.put(bytes);
  };
  const [rows, n, heads, rope, rank, nope, value, context] = [16, 2048, 16, 64, 512, 128, 128, 1024];
  const x = numbers(rows * n);
  const y = core.allocate(rows * n * 4);
  const weight = numbers(n);
  const positions = core.put(new Uint8Array(Uint32Array.of(context - 1).buffer));
  const keys = numbers(context * heads * 128);
  const scratch = core.allocate(
    Math.max(
      exports.kernel_attention_scratch_bytes(context, heads, heads, 128, 128) >>> 0,
      exports.kernel_mla_scratch_bytes(1, context, heads, nope, rope, value, rank, 0) >>> 0,
      1 << 16,
    ),
  );
  const query = numbers(heads * (nope + rope));
  const latent = numbers(context * rank);
  const ropeKeys = numbers(context * rope);
  const w = numbers(heads * (nope + value) * rank);
  const reset = core.bytes(x, rows * n * 4).slice();
  return {
    "RMS norm": { values: rows * n, work: () => exports.kernel_rms_norm(x, weight, rows, n, 1e-6, y) },
    softmax: {
      values: rows * n,
      work() {
        core.bytes(x, reset.length).set(reset); // it works in place
        exports.kernel_softmax(x, rows, n);
      },
    },
    "attention, a token at 1,024": {
      values: 4 * context * heads * 128,
      work: () =>
        exports.kernel_attention(query, keys, keys, positions, 1, context, heads, heads, 128, 128, 0.09, scratch, y),
    },
    "MLA absorbed, a token at 1,024": {
      values: 2 * heads * (context * (2 * rank + rope) + (nope + value) * rank),
      work: () =>
        exports.kernel_mla(
          query,
          latent,
          ropeKeys,
          w,
          positions,
          1,
          context,
          heads,
          nope,
          rope,
          value,
          rank,
          0,
          scratch,
          y,
        ),
    },
  };
}
