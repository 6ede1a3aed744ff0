/**
 * The rules of a tokenizer that have no key in a GGUF file: either a rule is what the file's names imply, or it does
 * nothing, or the tokenizer is refused by its name. Two are passed over with a reason:
 *
 *     NFC                    texts are composed already, all but for very few, and no key says it: llama.cpp passes it over
 *     truncation, padding    of batches: whoever calls a tokenizer sets them
 */
import { LimpetError } from "../host/errors.ts";
import { isObject, type Json } from "./folder.ts";

/** The mark that a space is in SentencePiece. */
export const SPACE = "▁";
/** Pre-tokenizers by whose name a word of the vocabulary is taken as it is, whatever the merges say. */
const IGNORE_MERGES: readonly string[] = ["llama-bpe"];

export type Refuse = (what: string, given: unknown) => never;

/** Refuses by name what a tokenizer.json says and a GGUF file cannot. */
export function refusing(place: string): Refuse {
  return (what, given) => {
    const words = `${place}: ${what} ${JSON.stringify(given ?? null).slice(0, 120)}`;
    throw new LimpetError("UNSUPPORTED", `${words}: a GGUF file cannot say it, and texts would be other tokens`);
  };
}

/** Refuses what tokenizer.json says and the file cannot. `pre` is the pre-tokenizer's name; null: SentencePiece's pieces. */
export function requireRules(json: Json, pre: string | null, place: string): void {
  const refuse: Refuse = refusing(place);
  for (const part of partsOf(json["normalizer"], "normalizers")) {
    if (!(pre === null ? normalizesPieces(part) : part["type"] === "NFC")) refuse("its normalizer is", part);
  }
  for (const part of partsOf(json["post_processor"], "processors")) {
    if (!["ByteLevel", "TemplateProcessing"].includes(String(part["type"]))) refuse("its post_processor is", part);
  }
  if (pre === null) {
    for (const part of partsOf(json["pre_tokenizer"], "pretokenizers")) {
      const { type, replacement = SPACE } = part;
      if (type !== "Metaspace" || replacement !== SPACE) refuse("its pre_tokenizer is", part);
    }
  }
  const model = isObject(json["model"]) ? json["model"] : {};
  for (const key of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[key]) refuse(`${key} of its model is`, model[key]);
  }
  if (pre !== null) requireMerges(model, pre, refuse);
}

/** Refuses what stands around a text otherwise than by a template. */
export function requireTemplates(json: Json, refuse: Refuse): void {
  for (const part of partsOf(json["post_processor"], "processors")) {
    if (!["BertProcessing", "TemplateProcessing"].includes(String(part["type"]))) refuse("its post_processor is", part);
  }
}

/** The parts of a list, or what stands there alone. */
export function partsOf(given: unknown, list: string): Json[] {
  if (!isObject(given)) return [];
  const parts = given[list];
  return Array.isArray(parts) ? parts.flatMap((part) => partsOf(part, list)) : [given];
}

function normalizesPieces({ type, prepend, pattern, content }: Json): boolean {
  if (type === "Prepend") return prepend === SPACE;
  return type === "Replace" && isObject(pattern) && pattern["String"] === " " && content === SPACE;
}

function requireMerges(model: Json, pre: string, refuse: Refuse): void {
  const ignores = IGNORE_MERGES.includes(pre);
  if (model["ignore_merges"] === true && !ignores) refuse("ignore_merges of its model is", true);
  if (model["ignore_merges"] === true || !ignores || !isObject(model["vocab"])) return;
  // By its name it ignores the merges: the same, where they lead to every word.
  const merges = Array.isArray(model["merges"]) ? model["merges"] : [];
  const made = new Set(merges.map((merge) => (Array.isArray(merge) ? merge.join("") : String(merge).replace(" ", ""))));
  const lost = Object.keys(model["vocab"]).find((word) => [...word].length > 1 && !made.has(word));
  if (lost !== undefined) refuse(`no merge makes ${JSON.stringify(lost)}, and ignore_merges is`, false);
}
