/**
 * What adapters cost:  node bench/adapters.mjs [MODEL] [--build portable|fast] [--type F16]
 *
 * Decoding with random pairs of rank 8 beside all matrices and beside q and v, against the model alone; eight sequences
 * with eight sets against eight with one; and a switch between two tokens. Runs alternate, the time is that of the
 * processor (other work on the machine does not count), and a figure is the median of the ratios of a round.
 */
import { parseArgs } from "node:util";
import { Model } from "../build/js/index.js";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomAdapter } from "../scripts/random-adapter.mjs";
import { modelPath } from "./limpet.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    build: { type: "string", default: "portable" },
    type: { type: "string", default: "F16" },
    rounds: { type: "string", default: "7" },
    tokens: { type: "string", default: "48" },
  },
});
const source = modelPath(positionals[0] ?? "smollm2");
const model = await Model.load(source, { build: /** @type {"portable"} */ (values.build), context: 1024 });
const [rounds, tokens] = [Number(values.rounds), Number(values.tokens)];
/** The model as the maker of adapters sees it: names, shapes and the architecture. */
const base = /** @type {any} */ ({
  metadata: [["general.architecture", "string", model.info.architecture]],
  tensors: model.tensors().map(({ name, shape }) => ({ name, shape })),
});
const made = async (/** @type {object} */ shape) =>
  model.adapter(new Uint8Array(encodeGguf(randomAdapter(base, { type: values.type, size: 0.05, ...shape }))));
const all = await made({ seed: 1 });
const qv = await made({ seed: 2, matrices: ["attn_q", "attn_v"] });
const eight = [];
for (let seed = 1; seed <= 8; seed++) eight.push(await made({ seed }));

const ids = Array.from({ length: 16 }, (_, i) => 300 + ((i * 389) % 9000));
/** Milliseconds of the processor that some work takes. @param {() => Promise<unknown>} work */
async function cost(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** … a token of decoding takes, the prompt's 16 tokens among them. @param {readonly (readonly [any, number])[]} adapters */
async function decode(adapters) {
  const options = { maxTokens: tokens, banTokens: [0, 1, 2], adapters };
  return (await cost(() => model.generate(ids, options).text())) / tokens;
}

/** … eight sequences take together. @param {(i: number) => any} set */
async function together(set) {
  const batch = model.batch({ sequences: 8, context: 128 });
  const options = (/** @type {number} */ i) => ({ maxTokens: tokens, banTokens: [0, 1, 2], adapters: set(i) });
  const took = await cost(() => Promise.all(eight.map((_, i) => batch.generate(ids, options(i)).text())));
  batch.dispose();
  return took;
}

/** The least milliseconds of a call that goes on with other adapters, and of one that goes on with the same. */
async function switching() {
  const session = model.session({ adapters: [[eight[0], 1]] });
  await session.generate(ids, { maxTokens: 1 }).text();
  const least = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < 600; i++) {
    // Every other call changes the set.
    const adapters = /** @type {[any, number][]} */ ([[eight[(i >> 1) % 8], 1]]);
    const begin = performance.now();
    await session.generate(undefined, { maxTokens: 0, adapters, keepCache: true }).text();
    least[i % 2] = Math.min(least[i % 2], performance.now() - begin);
  }
  session.dispose();
  return least;
}

const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1];
/** @type {Record<string, number[]>} */
const found = { plain: [], all: [], qv: [], one: [], sets: [], none: [] };
for (let round = 0; round <= rounds; round++) {
  const row = {
    plain: await decode([]),
    all: await decode([[all, 1]]),
    qv: await decode([[qv, 1]]),
    one: await together(() => [[eight[0], 1]]),
    sets: await together((i) => [[eight[i], 1]]),
    none: await together(() => []),
  };
  if (round > 0) for (const [name, value] of Object.entries(row)) found[name].push(value);
}
const ratio = (/** @type {string} */ a, /** @type {string} */ b) =>
  median(found[a].map((value, i) => value / found[b][i]));
console.log(`${source}: ${model.build}, pairs of rank 8 in ${values.type}, ${tokens} tokens, median of ${rounds}`);
console.log(`decode: alone ${(1000 / median(found.plain)).toFixed(1)} tok/s`);
console.log(
  `  all matrices (${all.info.pairs} pairs, ${(all.info.bytes / 1e6).toFixed(1)} MB)  ${ratio("plain", "all").toFixed(3)} x`,
);
console.log(`  q and v (${qv.info.pairs} pairs)  ${ratio("plain", "qv").toFixed(3)} x`);
console.log(
  `eight sequences: eight sets / one set ${ratio("one", "sets").toFixed(3)} x; / none ${ratio("none", "sets").toFixed(3)} x`,
);
const [other, same] = await switching();
console.log(`a call with other adapters ${other.toFixed(3)} ms, with the same ${same.toFixed(3)} ms`);
