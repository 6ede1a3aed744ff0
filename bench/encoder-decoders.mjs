#!/usr/bin/env node
/**
 * An encoder-decoder beside a decoder of as many parameters: the time to the first token of an answer, and the rate behind it.
 *
 *   npm run bench:encoder-decoders -- [--rounds 5] [--in 512] [--out 64] [--build fast]
 *
 * As in "Return of the Encoder" (Elfeki et al. 2025, arXiv:2501.16273): two thirds of the layers are the encoder's, RoPE, one
 * embedding for all. Random weights in Q4_0, one thread, in turns; the answer does not end by itself. The paper has 47 % less
 * to the first token, and 4.7 times the throughput, on a phone's processor for networks.
 */
import { existsSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { randomPair } from "../scripts/encoder-decoders.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { promptOf } from "./engines/limpet.mjs";
import { describeMachine, loadAverage } from "./lib/machine.mjs";
import { figure, short, spread } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    in: { type: "string", default: "512" },
    out: { type: "string", default: "64" },
    build: { type: "string", default: "fast" },
  },
});
const [rounds, source, answer] = [values.rounds, values.in, values.out].map(Number);
const build = /** @type {import("../src/index.ts").Build} */ (values.build);

const SIZES = { hidden: 768, heads: 12, headSize: 64, vocabulary: 32000, context: 1024 };
/** @type {[string, string, () => import("../scripts/gguf-writer.mjs").GgufFile][]} */
const MODELS = [
  [
    "encoder-decoder, 8 + 4 layers",
    "mu-120m",
    () =>
      randomPair({ ...SIZES, architecture: "mu", layers: 8, decoder: 4, kvHeads: 12, ffn: 3072, tied: true }, "Q4_0"),
  ],
  [
    "decoder, 13 layers",
    "llama-120m",
    () =>
      randomModel(
        {
          ...SIZES,
          architecture: "llama",
          layers: 13,
          kvHeads: 12,
          ffn: 2112,
          theta: 1e4,
          epsilon: 1e-6,
          pre: "gpt-2",
          tied: true,
        },
        "Q4_0",
      ),
  ],
];

const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
console.log(
  `${describeMachine().processor}, load ${loadAverage()}; ${source} in, ${answer} out, ${build} build, ${rounds} rounds\n`,
);

const rivals = [];
for (const [name, file, make] of MODELS) {
  const path = workFile(`${file}.gguf`);
  if (!existsSync(path)) writeGguf(path, make());
  const parameters = make().tensors.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 1), 0);
  const model = await Model.load(path, { build, threads: 1 });
  rivals.push({
    name,
    parameters,
    bytes: statSync(path).size,
    model,
    first: /** @type {number[]} */ ([]),
    rate: /** @type {number[]} */ ([]),
  });
}

/** Seconds to the first token, and tokens a second behind it. @param {InstanceType<typeof Model>} model */
async function once(model) {
  const end = model.tokenizer.specials.eos ?? 0;
  const started = performance.now();
  let first = 0;
  let tokens = 0;
  const ids = promptOf(source, 32000);
  for await (const _ of model.generate(ids, { maxTokens: answer, logitBias: { [end]: Number.NEGATIVE_INFINITY } })) {
    first ||= performance.now();
    tokens++;
  }
  return { first: (first - started) / 1000, rate: ((tokens - 1) * 1000) / (performance.now() - first) };
}

for (const { model } of rivals) await once(model);
for (let i = 0; i < rounds; i++) {
  for (const rival of rivals) {
    const { first, rate } = await once(rival.model);
    rival.first.push(first);
    rival.rate.push(rate);
  }
}
for (const { name, parameters, bytes, first, rate } of rivals) {
  console.log(
    `${name}: ${short(parameters / 1e6)} M parameters, ${short(bytes / 1e6)} MB; first token ${spread(figure(first))} s, ${spread(figure(rate))} tokens/s`,
  );
}
const of = (/** @type {number[]} */ samples) => figure(samples)?.median ?? Number.NaN;
const [pair, decoder] = rivals;
console.log(`first token: ${short(100 * (1 - of(pair.first) / of(decoder.first)))} % less (the paper: 47 %)`);
console.log(`tokens a second: ${short(of(pair.rate) / of(decoder.rate))} times (the paper: 4.7)`);
