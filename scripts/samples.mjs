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

const NEXT_TALE = "\n\n* * *\n\n";

/** @typedef {import("../src/api/model.ts").Model} Model */

/** The text of a seed, its prompt included. Where a tale ends before its tokens do, another begins. @param {Model} model @param {number} seed */
export async function sample(model, seed) {
  const session = model.session();
  let text = PROMPT;
  for (let left = TOKENS; left > 0; ) {
    const first = left === TOKENS;
    const options = { maxTokens: left, temperature: TEMPERATURE, ...(first && { seed: BigInt(seed) }) };
    const generation = session.generate(first ? PROMPT : undefined, options);
    text += await generation.text();
    const { tokens, finishReason } = /** @type {NonNullable<typeof generation.result>} */ (generation.result);
    left -= tokens.length;
    if (finishReason === "stop" && --left > 0) text += NEXT_TALE;
  }
  session.dispose();
  return text;
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
