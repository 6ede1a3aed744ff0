/**
 * What core neurons give and cost:  node bench/core-neurons.mjs [MODEL] [--type Q4_0] [--plm] [--build portable|fast]
 *                                  [--shares 0.6,0.4] [--prompt 256] [--tokens 48] [--rounds 5]
 *
 * Decoding with a share of the neurons of all layers but the last, against all of them; what choosing and packing takes,
 * in tokens; and how much longer a prompt takes that is counted. MODEL is quantised to --type first. With --plm it is
 * eight layers of PLM-1.8B's shape, half of whose activations are zero, and "all" skips these. Rounds alternate, the time
 * is that of the processor (other work on the machine does not count), and a figure is the median of a round's ratios.
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { Model } from "../build/js/index.js";
import { quantizeFile } from "../build/js/quantize.js";
import { SHAPES } from "../scripts/architectures.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { median } from "./lib/stats.mjs";
import { modelPath, workFile } from "./limpet.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    type: { type: "string", default: "Q4_0" },
    plm: { type: "boolean", default: false },
    build: { type: "string", default: "portable" },
    shares: { type: "string", default: "0.6,0.4" },
    prompt: { type: "string", default: "256" },
    tokens: { type: "string", default: "48" },
    rounds: { type: "string", default: "5" },
  },
});
const [prompt, tokens, rounds] = [values.prompt, values.tokens, values.rounds].map(Number);
const shares = values.shares.split(",").map(Number);
const path = values.plm ? plm() : await quantised(modelPath(positionals[0] ?? "smollm2"));
const context = prompt + tokens + 8;
const model = await Model.load(path, { build: /** @type {"portable"} */ (values.build), context });
const ids = Array.from({ length: prompt }, (_, i) => 300 + ((i * 389) % 9000));

function plm() {
  const out = workFile(`plm-8-${values.type.toLowerCase()}.gguf`);
  const shape = { ...SHAPES["plm-1.8b"], layers: 8, vocabulary: 32768 };
  const type = /** @type {import("../scripts/gguf-writer.mjs").TensorType} */ (values.type);
  if (!existsSync(out)) writeGguf(out, randomModel(shape, type, 1));
  return out;
}

/** @param {string} source */
async function quantised(source) {
  const out = workFile(`${basename(source, ".gguf")}-${values.type.toLowerCase()}.gguf`);
  const type = /** @type {import("../build/types/src/quantize.d.ts").FileType} */ (values.type);
  if (!existsSync(out)) await quantizeFile(source, out, type);
  return out;
}

/** Milliseconds of the processor that some work takes. @param {() => Promise<unknown>} work */
async function cost(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** What a prompt takes, two tokens behind it, and each of the next. @param {number} [share] */
async function measure(share) {
  const session = model.session({ context, ...(share && { neurons: { policy: "core", share } }) });
  session.append(ids);
  const banTokens = [0, 1, 2];
  const read = await cost(() => session.logits());
  const two = await cost(() => session.generate(undefined, { maxTokens: 2, banTokens }).text());
  const token = (await cost(() => session.generate(undefined, { maxTokens: tokens, banTokens }).text())) / tokens;
  session.dispose();
  return { read, two, token };
}

/** @type {Record<string, number[]>[]} */
const found = shares.map(() => ({ token: [], packing: [], read: [] }));
for (let round = 0; round <= rounds; round++) {
  const all = await measure();
  for (const [i, share] of shares.entries()) {
    const core = await measure(share);
    if (round === 0) continue;
    found[i].token.push(all.token / core.token);
    // Two tokens are one by all neurons and one by some.
    found[i].packing.push((core.two - all.token - core.token) / all.token);
    found[i].read.push(core.read / all.read);
  }
}
console.log(`${basename(path)}: ${model.build}, prompt ${prompt}, ${tokens} tokens, median of ${rounds}`);
for (const [i, share] of shares.entries()) {
  const [token, packing, read] = Object.values(found[i]).map(median);
  console.log(
    `share ${share}: decoding ${token.toFixed(2)} x, choosing and packing ${packing.toFixed(1)} tokens, prompt ${read.toFixed(3)} x as long`,
  );
}
