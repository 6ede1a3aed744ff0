/**
 * Answers that programs read:  node bench/extraction.mjs MODEL.gguf… [--fast]
 *
 * Twenty texts with a question each whose answer is JSON of bounded strings (lib/extractions.mjs), greedy, through the
 * chat template: how many answers parse and satisfy the schema by AJV, with the schema as an option and without it; and
 * for how many that are valid without it the tokens are the same with it. Models: SmolLM2 (node scripts/fetch-smollm2.mjs)
 * and Qwen2.5-Coder-0.5B-Instruct.
 */
import Ajv from "ajv";
import { Model } from "../build/js/index.js";
import { EXTRACTIONS } from "./lib/extractions.mjs";

const words = process.argv.slice(2);
const build = words.includes("--fast") ? "fast" : "portable";
const ajv = new Ajv({ strict: false });
ajv.addFormat("date", (text) => /^\d{4}-\d\d-\d\d$/.test(text) && new Date(text).toJSON()?.startsWith(text) === true);

function isValid(schema, text) {
  try {
    return ajv.validate(schema, JSON.parse(text));
  } catch {
    return false;
  }
}

for (const file of words.filter((word) => word.endsWith(".gguf"))) {
  const model = await Model.load(file, { build });
  const counts = { with: 0, without: 0, parsedWithout: 0, fenced: 0, sameTokens: 0, tokens: 0, ms: 0 };
  for (const { prompt, schema } of EXTRACTIONS) {
    const answer = async (options) => {
      const generation = model.chat([{ role: "user", content: prompt }], { maxTokens: 300, context: 1024, ...options });
      await generation.text();
      return generation.result;
    };
    const held = await answer({ schema });
    const free = await answer({});
    if (isValid(schema, held.text)) counts.with++;
    else console.error(`with the schema: ${held.finishReason}: ${held.text}`);
    const fence = /```(?:json)?\s*([\s\S]*?)```/.exec(free.text);
    if (isValid(schema, free.text)) {
      counts.without++;
      if (String(held.tokens) === String(free.tokens)) counts.sameTokens++;
      else console.error(`other tokens: ${free.text} | ${held.text}`);
    } else if (fence && isValid(schema, fence[1])) counts.fenced++;
    try {
      JSON.parse(free.text);
      counts.parsedWithout++;
    } catch {
      // Not JSON.
    }
    counts.tokens += held.timings.decodeTokens;
    counts.ms += held.timings.decodeMs;
  }
  model.dispose();
  console.log(JSON.stringify({ model: file.split("/").at(-1), build, of: EXTRACTIONS.length, ...counts }));
}
