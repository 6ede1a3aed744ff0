/**
 * What a prefix spares:  node bench/prefixes.mjs [MODEL.gguf] [--build fast] [--tokens 1000]
 *
 * Milliseconds to the first token of a text that begins with a prefix of so many tokens and goes on with some more: read
 * anew, behind the prefix, and behind the same tokens in a session that has them already, which is the least that there is;
 * and how long the prefix takes to be read, and to be found in a folder. Best of the rounds. Without a model: SmolLM2 (node
 * scripts/fetch-smollm2.mjs).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Model } from "../build/js/index.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";

const words = process.argv.slice(2);
const value = (/** @type {string} */ name, /** @type {string} */ otherwise) =>
  words.includes(`--${name}`) ? words[words.indexOf(`--${name}`) + 1] : otherwise;
const file = words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2;
const count = Number(value("tokens", "1000"));
const ROUNDS = 5;

const model = await Model.load(file, { build: /** @type {any} */ (value("build", "portable")), context: count + 100 });
const text = "The keeper of the lighthouse wrote down the weather, the boats and the birds of each day. ";
const ids = model.tokenize(text.repeat(count / 10)).slice(0, count);
const suffix = model.tokenize(" On the last day of the year, he wrote about the limpets that live on the rocks below.");
const folder = mkdtempSync(join(tmpdir(), "limpet-"));

/** @param {() => Promise<unknown>} work */
async function time(work) {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

const first = (/** @type {any} */ of, /** @type {number[]} */ prompt) => of.generate(prompt, { maxTokens: 1 }).text();
const anew = await time(() => first(model, [...ids, ...suffix]));
const read = await time(() => model.prefix(ids, { store: folder }));
const figures = { found: Number.POSITIVE_INFINITY, shared: Number.POSITIVE_INFINITY, least: Number.POSITIVE_INFINITY };
const session = model.session();
await first(session, [...ids, ...suffix]);
for (let round = 0; round < ROUNDS; round++) {
  figures.found = Math.min(figures.found, await time(() => model.prefix(ids, { store: folder })));
  figures.shared = Math.min(figures.shared, await time(() => first(model, [...ids, ...suffix])));
  session.rewind(count);
  figures.least = Math.min(figures.least, await time(() => first(session, suffix)));
}
rmSync(folder, { recursive: true });
console.log(
  JSON.stringify({ model: file, build: model.build, tokens: count, suffix: suffix.length, anew, read, ...figures }),
);
