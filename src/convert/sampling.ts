/**
 * generation_config.json → the keys by which a GGUF file recommends how to sample, and the ends of an answer. What there
 * changes the answer and has no key is refused by name.
 */
import { LimpetError } from "../host/errors.ts";
import type { GgufEntry, GgufType } from "../load/gguf-entries.ts";
import { type Folder, refuseUnless, said } from "./folder.ts";

export const GENERATION_FILE = "generation_config.json";

/** Names there → names and types in a file, as llama.cpp has them. */
const KEYS: readonly (readonly [from: string, to: string, type: GgufType])[] = [
  ["top_k", "general.sampling.top_k", "i32"],
  ["top_p", "general.sampling.top_p", "f32"],
  ["min_p", "general.sampling.min_p", "f32"],
  ["temperature", "general.sampling.temp", "f32"],
  ["repetition_penalty", "general.sampling.penalty_repeat", "f32"],
];

/** Rules that forbid or force tokens; each with the values that do nothing. */
const RULES: Readonly<Record<string, readonly unknown[]>> = {
  suppress_tokens: [],
  begin_suppress_tokens: [],
  bad_words_ids: [],
  sequence_bias: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  forced_decoder_ids: [],
  no_repeat_ngram_size: [0],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  exponential_decay_length_penalty: [],
  guidance_scale: [1],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  num_beams: [1],
  penalty_alpha: [0],
  min_length: [0],
  min_new_tokens: [0],
  stop_strings: [],
  watermarking_config: [],
};

export function samplingEntries(folder: Folder): GgufEntry[] {
  const given = folder.jsonOrNone(GENERATION_FILE);
  const place = folder.place(GENERATION_FILE);
  for (const [key, neutral] of Object.entries(RULES)) refuseUnless(given, key, neutral, place);
  // Who does not sample takes the likeliest token, and the rest says nothing.
  if (given["do_sample"] === false) return [];
  return KEYS.flatMap(([from, to, type]): GgufEntry[] => {
    const value = given[from] ?? undefined;
    if (value === undefined) return [];
    const whole = type !== "i32" || Number.isInteger(value);
    if (typeof value === "number" && Number.isFinite(value) && value >= 0 && whole) return [[to, type, value]];
    throw new LimpetError("BAD_FILE", `${place}: ${from} is ${said(value)}`);
  });
}
