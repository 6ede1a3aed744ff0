#!/usr/bin/env node
/**
 * A model of more than 4 GiB in wasm32: experts stay in the file, and a cache of a stated size keeps those that were read.
 *
 *   node bench/streamed-experts.mjs [--layers 16] [--file FILE] [--tokens 32] [--cache MIB,MIB,…] [--build portable]
 *
 * The shape is Qwen3-30B-A3B's with fewer layers (16 are 5.7 GiB in Q4_K_M) and a small vocabulary, of random weights: how
 * often experts come back is that model's, not a trained one's. First a twin of two layers, whose logits streamed must
 * have the bits of the resident model; then the large file, for each cache: tokens a second of a prompt of 64 and of what
 * is generated behind it, linear memory, matrices wanted and read and bytes read a generated token. The file is in the
 * system's cache where its memory holds it; it stays in build/models/ for the next time.
 */
import { existsSync, rmSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { SHAPES } from "../scripts/architectures.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { ROOT } from "./limpet.mjs";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "16" },
    file: { type: "string", default: `${ROOT}build/models/experts-of-30b.gguf` },
    tokens: { type: "string", default: "32" },
    cache: { type: "string", default: "0,256,512,1024" },
    build: { type: "string", default: "portable" },
  },
});
const build = /** @type {import("../src/index.ts").BuildChoice} */ (values.build);
const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));

/** @param {string} path @param {number} layers @param {Partial<import("../scripts/architectures.mjs").Shape>} change */
function make(path, layers, change = {}) {
  if (existsSync(path)) return;
  const shape = {
    ...{ ...SHAPES["qwen3moe-1b"], layers, hidden: 2048, heads: 32, kvHeads: 4, headSize: 128, vocabulary: 32_000 },
    ...{ ffn: 6144, experts: 128, used: 8, expertWidth: 768 },
    ...change,
  };
  writeGguf(path, randomModel(shape, "Q4_K"));
}

const PROMPT = Array.from({ length: 64 }, (_, i) => 3 + ((i * 7919) % 3000));
const mib = (/** @type {number} */ bytes) => Math.round(bytes / 2 ** 20);

const twin = `${values.file}.twin`;
make(twin, 2, { experts: 32 });
try {
  const resident = await Model.load(twin, { build });
  const streamed = await Model.load(twin, { build, experts: "stream", expertCache: 0 });
  const [want, got] = [await resident.logits(PROMPT), await streamed.logits(PROMPT)];
  const isSame = Buffer.compare(Buffer.from(want.buffer), Buffer.from(got.buffer)) === 0;
  console.log(
    `two layers, ${mib(statSync(twin).size)} MiB: ${isSame ? "the bits of the resident model" : "OTHER BITS"}`,
  );
  if (!isSame) process.exitCode = 1;
  for (const model of [resident, streamed]) model.dispose();
} finally {
  rmSync(twin);
}

make(values.file, Number(values.layers));
const { processor, cores, system } = describeMachine();
const machine = `${processor}, ${cores} cores, ${system}, Node ${process.versions.node}`;
console.log(`${machine}; ${build} build, one thread; a file of ${mib(statSync(values.file).size)} MiB`);
console.log("cache MiB | linear MiB | load s | prompt tok/s | tok/s | wanted | read | hits | MB read a token");
for (const cache of values.cache.split(",").map(Number)) {
  const begun = performance.now();
  const model = await Model.load(values.file, { build, context: 512, experts: "stream", expertCache: cache * 2 ** 20 });
  const load = (performance.now() - begun) / 1000;
  const count = Number(values.tokens);
  const session = model.session();
  const first = session.generate(PROMPT, { maxTokens: count, temperature: 1, seed: 5 });
  await first.next();
  const before = /** @type {import("../src/index.ts").ExpertUse} */ (model.memory.experts);
  await first.text();
  const { prefillMs, decodeMs, decodeTokens } = /** @type {NonNullable<typeof first.result>} */ (first.result).timings;
  const after = /** @type {import("../src/index.ts").ExpertUse} */ (model.memory.experts);
  const each = (/** @type {"slabsWanted" | "slabsRead" | "bytesRead"} */ key) =>
    (after[key] - before[key]) / decodeTokens;
  const row = [
    String(cache),
    String(mib(model.memory.linear)),
    load.toFixed(2),
    (PROMPT.length / (prefillMs / 1000)).toFixed(2),
    (decodeTokens / (decodeMs / 1000)).toFixed(2),
    each("slabsWanted").toFixed(0),
    each("slabsRead").toFixed(1),
    `${((1 - each("slabsRead") / each("slabsWanted")) * 100).toFixed(0)} %`,
    (each("bytesRead") / 1e6).toFixed(1),
  ];
  console.log(row.join(" | "));
  model.dispose();
}
