/**
 * Five texts of the model that ships, as its card has them (models/README.md): unchosen, the first seeds.
 *
 *     node scripts/samples.mjs            prints them as Markdown
 */
import { pathToFileURL } from "node:url";

const PROMPT = "Once upon a time";
const TOKENS = 120;
const TEMPERATURE = 0.7;
export const SEEDS = [1, 2, 3, 4, 5];

/** @typedef {{ generate(prompt: string, options: object): { text(): Promise<string> } }} Speaker */

/** The text of a seed, its prompt included. @param {Speaker} model @param {number} seed */
export async function sample(model, seed) {
  const options = { maxTokens: TOKENS, temperature: TEMPERATURE, seed: BigInt(seed) };
  return PROMPT + (await model.generate(PROMPT, options).text());
}

/** A text as the card has it. @param {number} seed @param {string} text */
export function asMarkdown(seed, text) {
  return `**Seed ${seed}**\n\n${text.trimEnd().replace(/^/gm, "> ").replace(/^> $/gm, ">")}\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { Model } = await import("../build/js/index.js");
  const { defaultModel } = await import("../build/js/default-model.js");
  const model = await Model.load(defaultModel);
  for (const seed of SEEDS) console.log(asMarkdown(seed, await sample(model, seed)));
}
