/** How a request wants its answer sampled; the rest is as the model's file recommends (generate/recommended.ts). */
import type { GenerateOptions } from "../generate/generation.ts";
import { randomSeed } from "../generate/recommended.ts";
import type { Fields } from "./fields.ts";

const LONGEST_WINDOW = 1_000_000;
const MOST_STOPS = 16;
const MOST_BIASES = 1024;

/** How a request wants its answer sampled. */
export function samplingOf(fields: Fields): GenerateOptions {
  return given({
    temperature: fields.number("temperature", 0, 2),
    topP: fields.number("top_p", 0, 1),
    topK: fields.whole("top_k", 0, 2 ** 31 - 1),
    minP: fields.number("min_p", 0, 1),
    typicalP: fields.number("typical_p", 0, 1),
    presencePenalty: fields.number("presence_penalty", -2, 2),
    frequencyPenalty: fields.number("frequency_penalty", -2, 2),
    repeatPenalty: fields.number("repeat_penalty", 0.1, 10) ?? fields.number("repetition_penalty", 0.1, 10),
    repeatWindow: fields.whole("repeat_last_n", 0, LONGEST_WINDOW),
    logitBias: biasesOf(fields),
  });
}

/** The texts that end an answer. */
export function stopsOf(fields: Fields, name: string): readonly string[] | undefined {
  const stops = fields.texts(name, MOST_STOPS);
  return stops?.length ? stops : undefined;
}

/** The seed of a request, which is drawn where it names none. */
export function seedOf(fields: Fields): number {
  const seed = fields.whole("seed", -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  // As llama.cpp has it, −1 is as good as none.
  return seed === undefined || seed === -1 ? randomSeed() : seed;
}

function biasesOf(fields: Fields): Record<number, number> | undefined {
  const all = fields.object("logit_bias");
  if (!all) return undefined;
  const names = Object.keys(fields.raw("logit_bias") as object);
  if (names.length > MOST_BIASES) {
    throw fields.wrong("logit_bias", `has ${names.length} tokens, and ${MOST_BIASES} are the most`);
  }
  const biases: Record<number, number> = {};
  for (const name of names) {
    if (!/^\d{1,9}$/.test(name))
      throw fields.wrong("logit_bias", "is an object of token ids and what is added to them");
    const bias = all.required(name, all.number(name, -100, 100));
    // As OpenAI has it, −100 is a ban.
    biases[Number(name)] = bias === -100 ? Number.NEGATIVE_INFINITY : bias;
  }
  return biases;
}

/** Without what was left out. */
export function given<Options extends object>(options: Options): Partial<Options> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<Options>;
}
