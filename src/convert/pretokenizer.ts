/**
 * Which of llama.cpp's pre-tokenizers a tokenizer.json has. llama.cpp tells it by a hash of what the tokenizer makes of a
 * text; here it is read off the expressions by which it splits, so that new vocabularies of an old scheme are known too.
 */
import { LimpetError } from "../host/errors.ts";
import { isObject, type Json } from "./folder.ts";

const NEWLINES = "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const WORDS = "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+";
const CONTRACTIONS = ["(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"];

const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Steps of splitting → name. `byte-level` is the expression that ByteLevel has by itself. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ["byte-level", "gpt-2"],
  [GPT2, "gpt-2"],
  ["digits\nbyte-level", "smollm"],
  [`digits\n${GPT2}`, "smollm"],
  ["\\p{N}\nbyte-level", "smollm"],
  ...CONTRACTIONS.flatMap((head): [string, string][] => [
    [`${head}${WORDS}|\\p{N}${NEWLINES}`, "qwen2"],
    [`${head}${WORDS}|\\p{N}{1,3}${NEWLINES}`, "llama-bpe"],
  ]),
]);

export function pretokenizerName(json: Json, place: string): string {
  const given = json["pre_tokenizer"];
  const parts = isObject(given) && Array.isArray(given["pretokenizers"]) ? given["pretokenizers"] : [given];
  const steps = parts.flatMap((part) => stepsOf(part, place));
  const name = NAMES.get(steps.join("\n"));
  if (name !== undefined) return name;
  const known = [...new Set(NAMES.values())].join(", ");
  throw new LimpetError(
    "UNSUPPORTED",
    `${place}: limpet knows no pre-tokenizer that splits by ${JSON.stringify(steps)}, but those of ${known}`,
  );
}

function stepsOf(part: unknown, place: string): string[] {
  const { type, pattern, behavior, invert, use_regex, add_prefix_space, individual_digits } = isObject(part)
    ? part
    : {};
  if (type === "ByteLevel") {
    if (add_prefix_space === true) {
      throw new LimpetError("UNSUPPORTED", `${place}: it puts a space before each text, which GGUF cannot say`);
    }
    return use_regex === false ? [] : ["byte-level"];
  }
  if (type === "Digits") return [individual_digits === true ? "digits" : "digit groups"];
  const expression = isObject(pattern) ? (pattern["Regex"] ?? pattern["String"]) : undefined;
  if (type === "Split" && typeof expression === "string" && behavior === "Isolated" && invert !== true) {
    return [expression];
  }
  return [JSON.stringify(part ?? null)];
}
