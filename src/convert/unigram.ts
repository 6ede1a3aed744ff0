/** SentencePiece's unigrams of tokenizer.json as GGUF has them: tokens with scores, and the map of characters. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { isObject, type Json } from "./folder.ts";
import { partsOf, type Refuse, requireTemplates, SPACE } from "./rules.ts";
import { putNew, TokenType, type Vocabulary, type Wrong } from "./vocabulary.ts";

/** Reads the pieces; gives the keys of the normaliser. What a GGUF file cannot say is refused. */
export function readUnigrams(
  json: Json,
  specials: ReadonlySet<string>,
  to: Vocabulary,
  wrong: Wrong,
  refuse: Refuse,
): GgufEntry[] {
  requireTemplates(json, refuse);
  const model = isObject(json["model"]) ? json["model"] : {};
  const { vocab, unk_id: unknown } = model;
  if (model["byte_fallback"] === true) refuse("byte_fallback of its model is", true);
  if (!Array.isArray(vocab)) throw wrong("it has no list of pieces");
  for (const [id, piece] of vocab.entries()) {
    const [text, score] = Array.isArray(piece) ? piece : [];
    if (typeof text !== "string" || typeof score !== "number") throw wrong(`${JSON.stringify(piece)} is no piece`);
    const type = id === unknown ? TokenType.UNKNOWN : specials.has(text) ? TokenType.CONTROL : TokenType.NORMAL;
    putNew(to, id, text, type, score, wrong);
  }
  let map: Uint8Array | undefined;
  let joins = false;
  let strip: Json | undefined;
  for (const part of partsOf(json["normalizer"], "normalizers")) {
    const { type, precompiled_charsmap: given, pattern, content } = part;
    const spaces = isObject(pattern) && pattern["Regex"] === " {2,}";
    if (type === "Precompiled" && typeof given === "string" && !map) map = bytesOf(given, wrong);
    else if (type === "Replace" && spaces && (content === SPACE || content === " ")) joins = true;
    else if (type === "Strip" && part["strip_left"] !== true) strip = part;
    else refuse("its normalizer is", part);
  }
  let prefix = false;
  const pretokenizers = partsOf(json["pre_tokenizer"], "pretokenizers");
  for (const part of pretokenizers) {
    const { type, replacement = SPACE, split } = part;
    if (type === "WhitespaceSplit") joins = true;
    else if (type !== "Metaspace" || replacement !== SPACE || split === false) refuse("its pre_tokenizer is", part);
    else prefix = part["prepend_scheme"] !== "never" && part["add_prefix_space"] !== false;
  }
  if (!pretokenizers.some(({ type }) => type === "Metaspace")) refuse("its pre_tokenizer is", json["pre_tokenizer"]);
  // Where spaces are joined, those at the end go, too.
  if (strip && !joins) refuse("its normalizer is", strip);
  return unigramEntries(prefix, joins, map);
}

/** The keys of a normaliser of unigrams. */
export function unigramEntries(prefix: boolean, joins: boolean, map: Uint8Array | undefined): GgufEntry[] {
  const entries: GgufEntry[] = [
    ["tokenizer.ggml.add_space_prefix", "bool", prefix],
    ["tokenizer.ggml.remove_extra_whitespaces", "bool", joins],
  ];
  if (map?.length) entries.push(["tokenizer.ggml.precompiled_charsmap", "u8[]", [...map]]);
  return entries;
}

function bytesOf(base64: string, wrong: Wrong): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    throw wrong("its map of characters is no base64");
  }
}
