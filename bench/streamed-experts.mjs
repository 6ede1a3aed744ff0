#!/usr/bin/env node
/**
 * A model of more than 4 GiB in wasm32: experts stay in the file, and a cache of a stated size keeps those that were read.
 *
 *   node bench/streamed-experts.mjs [--layers 16] [--file FILE] [--tokens 32] [--cache MIB,MIB,…] [--build portable] [--page]
 *
 * The shape is Qwen3-30B-A3B's with fewer layers (16 are 5.7 GiB in Q4_K_M) and a small vocabulary, of random weights: how
 * often experts come back is that model's, not a trained one's. First a twin of two layers, whose logits streamed must
 * have the bits of the resident model; then the large file, for each cache: tokens a second of a prompt of 64 and of what
 * is generated behind it, linear memory, matrices wanted and read and bytes read a generated token. The file is in the
 * system's cache where its memory holds it; it stays in build/models/ for the next time. With --page the large file is run by
 * a page of Chromium, out of OPFS, which wants as much of the disk once more.
 */
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SHAPES } from "../scripts/architectures.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { generated, isSameStreamed } from "./lib/streamed-experts.mjs";
import { ROOT } from "./limpet.mjs";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "16" },
    file: { type: "string", default: `${ROOT}build/models/experts-of-30b.gguf` },
    tokens: { type: "string", default: "32" },
    cache: { type: "string", default: "0,256,512,1024" },
    build: { type: "string", default: "portable" },
    page: { type: "boolean", default: false },
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

const mib = (/** @type {number} */ bytes) => Math.round(bytes / 2 ** 20);

const twin = `${values.file}.twin`;
make(twin, 2, { experts: 32 });
try {
  const isSame = await isSameStreamed(Model, twin, build);
  console.log(
    `two layers, ${mib(statSync(twin).size)} MiB: ${isSame ? "the bits of the resident model" : "OTHER BITS"}`,
  );
  if (!isSame) process.exitCode = 1;
} finally {
  rmSync(twin);
}

make(values.file, Number(values.layers));
const { processor, cores, system } = describeMachine();
const machine = `${processor}, ${cores} cores, ${system}, Node ${process.versions.node}`;
console.log(`${machine}; ${build} build, one thread; a file of ${mib(statSync(values.file).size)} MiB`);
console.log("cache MiB | linear MiB | load s | prompt tok/s | tok/s | wanted | read | hits | MB read a token");
const caches = values.cache.split(",").map(Number);
const tokens = Number(values.tokens);
if (values.page) {
  const { measureWithProfile } = await import("./engines/chromium.mjs");
  const profile = mkdtempSync(join(tmpdir(), "limpet-profile-"));
  try {
    const job = { source: values.file, build, caches, tokens };
    const { rows, host } = await measureWithProfile(profile, "streamed-experts", job);
    console.log(`${host}, from OPFS`);
    for (const row of rows) console.log(row.join(" | "));
  } finally {
    rmSync(profile, { recursive: true });
  }
} else {
  for (const cache of caches) console.log((await generated(Model, values.file, { build, cache, tokens })).join(" | "));
}
