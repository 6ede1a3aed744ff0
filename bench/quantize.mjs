#!/usr/bin/env node
/**
 * limpet's quantisers against llama.cpp's own (the libraries that node-llama-cpp brings; Python 3 calls them):
 *
 *     node bench/run.mjs quantize.mjs [--types Q4_K,Q6_K] [--model FILE.gguf] [--golden]
 *
 * For each format and matrix (test/support/quantisers.ts) the weighted error, limpet's over llama.cpp's: 1.00 is as good,
 * less is better. The last line is nanoseconds of processor time a value, limpet on one core. `--golden` writes what the
 * tests hold limpet against: llama.cpp's errors on the made matrices, the types that its mixes give to the matrices of some
 * models, and what it makes of blocks and of values (test/golden/quantisers.json, mixes.json, blocks.json).
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { TENSOR_TYPES, writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { inspectFile } from "../src/load/inspect.ts";
import {
  GOLDEN_FORMATS,
  goldenBlocks,
  goldenValues,
  MIXED_MODELS,
  MIXES,
  madeMatrices,
  SEARCHED,
  typesByRole,
  weightedError,
} from "../test/support/quantisers.ts";
import { ROOT } from "./limpet.mjs";

const PLAIN = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0", "NVFP4", "Q1_0", "Q2_0"];
/** Values of a model's matrix that are taken. */
const VALUES = 1 << 17;

const { values: options } = parseArgs({
  options: { types: { type: "string" }, model: { type: "string" }, golden: { type: "boolean" } },
});
const types = options.types?.split(",") ?? [...SEARCHED, ...PLAIN];
const { kernels } = await import(`${ROOT}build/js/kernels.js`);
const k = await kernels();
const folder = mkdtempSync(join(tmpdir(), "limpet-quantize-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const matrices = [...madeMatrices()];
const made = matrices.map(({ name }) => name);
if (options.model) matrices.push(...(await modelMatrices(options.model)));
const results = [];
for (const type of types) {
  for (const { name, columns, data } of matrices) {
    const ours = timed(() => k.quantize(type, data));
    const theirs = llama(type, data, columns);
    const [a, b] = [ours.value, theirs].map((blocks) => weightedError(type, data, k.dequantize(type, blocks)));
    results.push({
      type,
      matrix: name,
      ours: a,
      theirs: b,
      ratio: b > 0 ? a / b : 1 + a,
      nanoseconds: (ours.ms * 1e6) / data.length,
    });
  }
}
console.log(table());
if (options.golden) {
  writeGolden("quantisers", goldenErrors());
  writeGolden("mixes", await goldenMixes());
  writeGolden("blocks", Object.fromEntries(GOLDEN_FORMATS.map((type) => [type, goldenBlock(type)])));
}

function goldenErrors() {
  const errors = SEARCHED.map((type) => {
    const all = results.filter((result) => result.type === type && made.includes(result.matrix));
    return [type, Object.fromEntries(all.map(({ matrix, theirs }) => [matrix, Number(theirs.toPrecision(6))]))];
  });
  return Object.fromEntries(errors);
}

async function goldenMixes() {
  const [input, output] = [join(folder, "model.gguf"), join(folder, "quantised.gguf")];
  const golden = /** @type {Record<string, Record<string, Record<string, string>>>} */ ({});
  for (const [name, shape] of Object.entries(MIXED_MODELS)) {
    writeGguf(input, randomModel(shape, "F16"));
    golden[name] = {};
    for (const [mix, id] of Object.entries(MIXES)) {
      // Rows that Q1_0 does not fit have no other type there.
      if (mix === "Q1_0" && name === "narrow") continue;
      native("file", input, output, String(id));
      golden[name][mix] = typesByRole((await inspectFile(output)).tensors);
    }
  }
  return golden;
}

/** The values of blocks, and the blocks of values. @param {string} type */
function goldenBlock(type) {
  const [input, output] = [join(folder, "blocks"), join(folder, "values.f32")];
  writeFileSync(input, goldenBlocks(type));
  const { id, elements } = TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)];
  native("values", input, output, String(id));
  const values = readFileSync(output, "hex");
  return { values, quantised: Buffer.from(llama(type, goldenValues(elements), elements)).toString("hex") };
}

/** @param {string} name @param {unknown} content */
function writeGolden(name, content) {
  writeFileSync(`${ROOT}test/golden/${name}.json`, `${JSON.stringify(content, null, 1)}\n`);
}

/** llama.cpp's quantisers. @param {string[]} args */
function native(...args) {
  const command = [`${ROOT}bench/lib/native_quantize.py`, ...args];
  execFileSync(process.env.PYTHON ?? "python3", command, { stdio: ["ignore", "ignore", "pipe"] });
}

/** The matrices of a file whose rows are super-blocks, one of each name; others of it as one long row. @param {string} path */
async function modelMatrices(path) {
  const { tensors } = await inspectFile(path);
  const bytes = readFileSync(path);
  const layer = Math.max(...tensors.map(({ name }) => Number(name.match(/^blk\.(\d+)/)?.[1] ?? 0))) >> 1;
  return tensors
    .filter(({ name, shape }) => shape.length === 2 && (!name.startsWith("blk.") || name.startsWith(`blk.${layer}.`)))
    .map(({ name, type, shape, offset, bytes: length }) => {
      const all = k.dequantize(type, bytes.subarray(offset, offset + length));
      const whole = shape[0] % 256 === 0;
      const columns = whole ? shape[0] : 256;
      const count = Math.min(VALUES, all.length);
      return { name: `${name} ${whole ? columns : "(256)"}`, columns, data: all.slice(0, count - (count % columns)) };
    });
}

/** @param {string} type @param {Float32Array} data @param {number} columns */
function llama(type, data, columns) {
  const [input, output] = [join(folder, "values.f32"), join(folder, "blocks")];
  writeFileSync(input, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const { id } = TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)];
  native("rows", input, output, String(id), String(columns));
  return new Uint8Array(readFileSync(output));
}

/** The value of a call, and the milliseconds of processor time that its second takes. @param {() => Uint8Array} work */
function timed(work) {
  work();
  const started = process.cpuUsage();
  const value = work();
  return { value, ms: process.cpuUsage(started).user / 1000 };
}

function table() {
  const width = Math.max(...matrices.map(({ name }) => name.length));
  const columns = types.map((type) => Math.max(type.length, 6));
  const line = (/** @type {string} */ head, /** @type {string[]} */ cells) =>
    [head.padEnd(width), ...cells.map((cell, i) => cell.padStart(columns[i]))].join("  ");
  const of = (/** @type {string} */ type) => results.filter((result) => result.type === type);
  const rows = matrices.map(({ name }) => {
    const cells = types.map(
      (type) =>
        of(type)
          .find((result) => result.matrix === name)
          ?.ratio.toFixed(4) ?? "",
    );
    return line(name, cells);
  });
  const worst = types.map((type) => Math.max(...of(type).map(({ ratio }) => ratio)).toFixed(4));
  const times = types.map((type) => {
    const all = of(type).map(({ nanoseconds }) => nanoseconds);
    return all.sort((x, y) => x - y)[all.length >> 1].toFixed(1);
  });
  return [line("", types), ...rows, line("worst", worst), line("ns a value", times)].join("\n");
}
