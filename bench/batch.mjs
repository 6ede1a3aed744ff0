/**
 * Eight conversations at once against one after the other:  node bench/batch.mjs [MODEL.gguf] [--fast] [--tokens N]
 *
 * Decoded tokens a second of eight greedy answers to eight prompts, both ways in turn, the best of the rounds each; and
 * whether the texts are the same to the byte. Without a model: SmolLM2 (node scripts/fetch-smollm2.mjs).
 */
import { Model } from "../build/js/index.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";

const words = process.argv.slice(2);
const tokens = words.includes("--tokens") ? Number(words[words.indexOf("--tokens") + 1]) : 48;
const file = words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2;
const build = words.includes("--fast") ? "fast" : "portable";
const ROUNDS = 3;

const model = await Model.load(file, { build });
const prompts = [
  "The tide went out and left",
  "Once upon a time there was a limpet who",
  "In the harbour of the old town",
  "The recipe for a good soup begins with",
  "When the lighthouse keeper woke up",
  "A computer is a machine that",
  "My grandmother always said that",
  "The three rules of gardening are",
];
const options = { maxTokens: tokens, context: 256, banTokens: [model.tokenizer.specials.eos ?? 0] };

/** Tokens a second behind each prompt's first, of all together. */
async function alone() {
  const texts = [];
  let ms = 0;
  let count = 0;
  for (const prompt of prompts) {
    const generation = model.generate(prompt, options);
    texts.push(await generation.text());
    ms += generation.result.timings.decodeMs;
    count += generation.result.timings.decodeTokens;
  }
  return { texts, rate: (1000 * count) / ms };
}

async function together() {
  const { context, ...rest } = options;
  const batch = model.batch({ sequences: prompts.length, context });
  const generations = prompts.map((prompt) => batch.generate(prompt, rest));
  await Promise.all(generations.map((generation) => generation.next()));
  const begin = performance.now();
  const texts = await Promise.all(generations.map((generation) => generation.text()));
  const ms = performance.now() - begin;
  batch.dispose();
  const count = generations.reduce((sum, { result }) => sum + result.timings.decodeTokens, 0);
  return { texts, rate: (1000 * count) / ms };
}

const best = { alone: 0, together: 0 };
let same = true;
for (let round = 0; round < ROUNDS; round++) {
  const [one, all] = [await alone(), await together()];
  best.alone = Math.max(best.alone, one.rate);
  best.together = Math.max(best.together, all.rate);
  same &&= one.texts.every((text, i) => text === all.texts[i]);
  const share = all.rate / one.rate;
  console.error(
    `round ${round + 1}: ${one.rate.toFixed(1)} and ${all.rate.toFixed(1)} tokens/s, ${share.toFixed(2)} times`,
  );
}
const times = best.together / best.alone;
console.log(JSON.stringify({ model: file, build: model.build, ...best, times, same }));
