#!/usr/bin/env node
/**
 * What zeros behind ReLU² give a whole model: PLMs of a few layers of PLM-1.8B's shape, their down projections neuron by
 * neuron beside all matrices packed by rows, in turns in one process, one thread, portable.
 *
 *   node bench/sparse-models.mjs [--types Q8_0,Q4_0] [--zeros 0.3,0.5,0.9] [--layers 4] [--rounds 4]
 *                                [--prompt 128] [--tokens 16]
 *
 * A cell is how many times the speed by rows, the median of twice the rounds, and in brackets their quartiles. Models and the core
 * that knows rows alone are made in build/bench/: a core whose memory never grows lays nothing out by neurons.
 */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { SHAPES } from "../scripts/architectures.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { timed, WARM_UP } from "./engines/limpet.mjs";
import { BUILDS } from "./lib/core.mjs";
import { median } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

const { values } = parseArgs({
  options: {
    types: { type: "string", default: "Q8_0,Q4_0" },
    zeros: { type: "string", default: "0.3,0.5,0.9" },
    layers: { type: "string", default: "4" },
    rounds: { type: "string", default: "4" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "16" },
  },
});
const [layers, rounds, prompt, tokens] = [values.layers, values.rounds, values.prompt, values.tokens].map(Number);
const PAGES = 16384;
const context = prompt + tokens + 8;
const VOCABULARY = 32768; // a head that does not hide the layers

/** The core that packs every matrix by rows. */
function rowsCore() {
  const out = workFile("limpet.rows.wasm");
  const portable = `${ROOT}${BUILDS.portable}`;
  if (existsSync(out) && statSync(out).mtimeMs > statSync(portable).mtimeMs) return out;
  const words = ["assembly/builds/library.ts", "--config", "asconfig.json", "--target", "portable", "--outFile", out];
  words.push("--initialMemory", `${PAGES}`, "--lowMemoryLimit", `${PAGES * 65536}`);
  execFileSync(process.execPath, [`${ROOT}node_modules/assemblyscript/bin/asc.js`, ...words], { cwd: ROOT });
  return out;
}

/** @param {string} type @param {number} zeros */
function modelOf(type, zeros) {
  const path = workFile(`plm-${layers}-${type.toLowerCase()}-zeros${Math.round(zeros * 100)}.gguf`);
  const shape = { ...SHAPES["plm-1.8b"], layers, vocabulary: VOCABULARY };
  // Half are zero without doing anything for it.
  const share = zeros === 0.5 ? undefined : zeros;
  const kind = /** @type {import("../scripts/gguf-writer.mjs").TensorType} */ (type);
  if (!existsSync(path)) writeGguf(path, randomModel(shape, kind, 1, undefined, share));
  return path;
}

/** The median and the quartiles. @param {number[]} ratios */
function spread(ratios) {
  const sorted = [...ratios].sort((a, b) => a - b);
  const at = (/** @type {number} */ share) => sorted[Math.round(share * (sorted.length - 1))].toFixed(2);
  return `${median(ratios).toFixed(3)} (${at(0.25)}–${at(0.75)})`;
}

const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
const cores = [rowsCore(), `${ROOT}${BUILDS.portable}`];
console.log(
  `Node ${process.version}; ${layers} layers, prompts of ${prompt}, ${tokens} tokens, twice ${rounds} rounds\n`,
);
console.log(
  "| type | zeros | by rows: prefill, decode, tok/s | prefill, by neurons ÷ by rows | decode |\n|---|---|---|---|---|",
);
for (const type of values.types.split(",")) {
  for (const zeros of values.zeros.split(",").map(Number)) {
    const source = modelOf(type, zeros);
    const runs = cores.map(() => /** @type {import("./engines/limpet.mjs").TimedRun[]} */ ([]));
    let share = 0;
    // What is loaded last runs a few hundredths faster, so each is once.
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const models = /** @type {import("../src/index.ts").Model[]} */ ([]);
      for (const i of order) {
        models[i] = await Model.load(source, { build: "portable", threads: 1, context, wasm: cores[i] });
      }
      const sessions = models.map((model) => model.session());
      const { vocabulary } = models[0].info;
      for (const session of sessions) await timed(session, vocabulary, WARM_UP);
      for (let round = 0; round < rounds; round++) {
        for (const i of round % 2 ? [1, 0] : [0, 1]) {
          sessions[i].rewind(0);
          runs[i].push(await timed(sessions[i], vocabulary, { prompt, tokens }));
        }
      }
      const { zeros: found, activations } = sessions[1].activity;
      const sum = (/** @type {readonly number[]} */ list) => list.reduce((a, b) => a + b, 0);
      share = (100 * sum(found)) / sum(activations);
      for (const model of models) model.dispose();
    }
    const [byRows, byNeurons] = runs;
    const ratio = (/** @type {"prefillMs" | "decodeMs"} */ key) =>
      spread(byRows.map((run, i) => run[key] / byNeurons[i][key]));
    const rate = (/** @type {"prefillMs" | "decodeMs"} */ key, /** @type {number} */ count) =>
      ((1000 * count) / median(byRows.map((run) => run[key]))).toFixed(1);
    const rates = `${rate("prefillMs", prompt)}, ${rate("decodeMs", tokens)}`;
    console.log(`| ${type} | ${share.toFixed(0)} % | ${rates} | ${ratio("prefillMs")} | ${ratio("decodeMs")} |`);
  }
}
