/**
 * The tokenizer of a checkpoint → the keys of a GGUF file, as llama.cpp's converter writes them: byte-level BPE from
 * tokenizer.json ("gpt2"), and SentencePiece's BPE with byte fallback ("llama") from tokenizer.model or, where only that
 * is there, from tokenizer.json.
 */
import { LimpetError } from "../host/errors.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, type Folder, isObject, type Json } from "./folder.ts";
import { pretokenizerName } from "./pretokenizer.ts";
import { readSentencePiece } from "./sentencepiece.ts";
import { putToken, TokenType, type Vocabulary, type Wrong } from "./vocabulary.ts";

const JSON_FILE = "tokenizer.json";
const PIECE_FILE = "tokenizer.model";
const CONFIG_FILE = "tokenizer_config.json";

/** llama.cpp's score of tokens that were added behind the vocabulary. */
const ADDED_SCORE = -1000;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

export function tokenizerEntries(folder: Folder, config: Config, architecture: string, size: number): GgufEntry[] {
  const json = folder.has(JSON_FILE) ? folder.json(JSON_FILE) : null;
  if (!json && !folder.has(PIECE_FILE)) {
    throw new LimpetError("HOST", `${folder.path} has no ${JSON_FILE} and no ${PIECE_FILE}: the tokenizer is missing`);
  }
  const settings = folder.jsonOrNone(CONFIG_FILE);
  const added = [...addedTokens(json, folder), ...decoderTokens(settings, folder)];
  const wrong = (words: string) =>
    new LimpetError("BAD_FILE", `${folder.place(json ? JSON_FILE : PIECE_FILE)}: ${words}`);
  const model = json && isObject(json["model"]) ? json["model"] : {};
  const pieces = !json || model["byte_fallback"] === true;
  const vocabulary = empty(size);
  const entries: GgufEntry[] = [];
  if (!pieces) {
    const pre = pretokenizerName(json, folder.place(JSON_FILE));
    readVocabulary(model, vocabulary, wrong);
    addTokens(vocabulary, added, wrong);
    entries.push(["tokenizer.ggml.model", "string", "gpt2"], ["tokenizer.ggml.pre", "string", pre]);
  } else {
    if (folder.has(PIECE_FILE)) readSentencePiece(folder.bytes(PIECE_FILE), vocabulary, folder.place(PIECE_FILE));
    else readPieces(model, vocabulary, wrong);
    addTokens(vocabulary, added, wrong);
    entries.push(["tokenizer.ggml.model", "string", "llama"], ["tokenizer.ggml.pre", "string", "default"]);
  }
  entries.push(["tokenizer.ggml.tokens", "string[]", vocabulary.tokens]);
  if (pieces) entries.push(["tokenizer.ggml.scores", "f32[]", vocabulary.scores]);
  entries.push(["tokenizer.ggml.token_type", "i32[]", vocabulary.types]);
  if (!pieces) entries.push(["tokenizer.ggml.merges", "string[]", mergesOf(model, wrong)]);
  entries.push(...specialEntries(json, settings, config, vocabulary.tokens));
  if (pieces) entries.push(["tokenizer.ggml.add_space_prefix", "bool", prefixesSpace(json, settings)]);
  const template = chatTemplate(folder, settings);
  if (template !== null) entries.push(["tokenizer.chat_template", "string", template]);
  // SmolLM's vocabulary, whose BOS begins a chat and no text: llama.cpp tells it by its size.
  const silent = architecture === "llama" && size === 49152;
  const rest = silent ? entries.filter(([key]) => key !== "tokenizer.ggml.add_bos_token") : entries;
  return silent ? [...rest, ["tokenizer.ggml.add_bos_token", "bool", false]] : rest;
}

/** A vocabulary of fillers, in whose places tokens are put. */
function empty(size: number): Vocabulary {
  return {
    tokens: Array.from({ length: size }, (_, id) => `[PAD${id}]`),
    types: new Array(size).fill(TokenType.UNUSED),
    scores: new Array(size).fill(-10000),
  };
}

function vocabularyOf(model: Json, wrong: Wrong): [text: string, id: unknown][] {
  const { type = "BPE", vocab } = model;
  if (type !== "BPE") {
    throw new LimpetError("UNSUPPORTED", wrong(`its model is ${JSON.stringify(type)}, and limpet knows BPE`).message);
  }
  if (!isObject(vocab)) throw wrong("it has no vocabulary");
  return Object.entries(vocab);
}

function readVocabulary(model: Json, to: Vocabulary, wrong: Wrong): void {
  for (const [text, id] of vocabularyOf(model, wrong)) putToken(to, id, text, TokenType.NORMAL, 0, wrong);
}

/**
 * SentencePiece's BPE as tokenizer.json has it. It merges the pair whose piece has the highest score; the merges are
 * those pairs by falling score, so the place of a piece's first merge gives back the order of the scores.
 */
function readPieces(model: Json, to: Vocabulary, wrong: Wrong): void {
  const order = new Map<string, number>();
  for (const merge of mergesOf(model, wrong)) {
    const piece = merge.replace(" ", "");
    if (!order.has(piece)) order.set(piece, order.size);
  }
  for (const [text, id] of vocabularyOf(model, wrong)) {
    const byte = /^<0x[0-9A-F]{2}>$/.test(text);
    const type = byte ? TokenType.BYTE : text === model["unk_token"] ? TokenType.UNKNOWN : TokenType.NORMAL;
    const score = type === TokenType.NORMAL ? -(order.get(text) ?? order.size) : 0;
    putToken(to, id, text, type, score, wrong);
  }
}

function mergesOf(model: Json, wrong: Wrong): string[] {
  const { merges } = model;
  if (!Array.isArray(merges)) throw wrong("it has no merges");
  return merges.map((merge) => {
    if (typeof merge === "string" && merge.indexOf(" ", 1) > 0) return merge;
    if (Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string")) {
      return merge.join(" ");
    }
    throw wrong(`${JSON.stringify(merge)} is no merge`);
  });
}

function addedTokens(json: Json | null, folder: Folder): AddedToken[] {
  const list = json?.["added_tokens"] ?? [];
  if (!Array.isArray(list)) throw new LimpetError("BAD_FILE", `${folder.place(JSON_FILE)}: added_tokens is no list`);
  return list.map((token) => readAdded(token, (isObject(token) ? token : {})["id"], folder.place(JSON_FILE)));
}

function decoderTokens(settings: Json, folder: Folder): AddedToken[] {
  const map = settings["added_tokens_decoder"];
  if (!isObject(map)) return [];
  return Object.entries(map).map(([id, token]) => readAdded(token, Number(id), folder.place(CONFIG_FILE)));
}

function readAdded(token: unknown, id: unknown, place: string): AddedToken {
  const { content, special } = isObject(token) ? token : {};
  if (typeof content === "string" && Number.isInteger(id))
    return { id: id as number, content, special: special === true };
  throw new LimpetError("BAD_FILE", `${place}: ${JSON.stringify(token)} is no added token`);
}

function addTokens(to: Vocabulary, added: readonly AddedToken[], wrong: Wrong): void {
  for (const { id, content, special } of added) {
    if (to.types[id] === TokenType.UNKNOWN && to.tokens[id] === content) continue;
    const control = special || looksSpecial(content);
    const text = control ? content : content.replaceAll("▁", " ");
    const known = to.types[id] !== TokenType.UNUSED && to.scores[id] === 0;
    const type = control ? TokenType.CONTROL : TokenType.USER_DEFINED;
    putToken(to, id, text, type, known ? 0 : ADDED_SCORE, wrong);
  }
}

/** Some tokenizers do not mark as special what is. */
function looksSpecial(text: string): boolean {
  return /^(<pad>|<mask>|<\|.*\|>|<｜.*｜>|<unused.*>)$/s.test(text);
}

const SPECIAL = [
  ["bos", "bos"],
  ["eos", "eos"],
  ["unk", "unknown"],
  ["sep", "seperator"],
  ["pad", "padding"],
  ["cls", "cls"],
  ["mask", "mask"],
] as const;

/** Ids of special tokens, and which of them the tokenizer adds to a text. */
function specialEntries(json: Json | null, settings: Json, config: Config, tokens: readonly string[]): GgufEntry[] {
  const ids = new Map<string, number>();
  for (const [name] of SPECIAL) {
    const entry = settings[`${name}_token`];
    const text = isObject(entry) ? entry["content"] : entry;
    const id = typeof text === "string" ? tokens.indexOf(text) : -1;
    if (id >= 0) ids.set(name, id);
  }
  for (const [name] of SPECIAL) {
    const id = config.get(`${name}_token_id`);
    if (!ids.has(name) && Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length) {
      ids.set(name, id as number);
    }
  }
  const adds = templateAdds(json, (name) => tokens[ids.get(name) ?? -1]);
  for (const name of ["bos", "eos"] as const) {
    const given = settings[`add_${name}_token`];
    if (typeof given === "boolean") adds.set(name, given);
  }
  return [
    ...SPECIAL.filter(([name]) => ids.has(name)).map(
      ([name, word]): GgufEntry => [`tokenizer.ggml.${word}_token_id`, "u32", ids.get(name)!],
    ),
    ...[...adds].map(([name, add]): GgufEntry => [`tokenizer.ggml.add_${name}_token`, "bool", add]),
  ];
}

/** What the template of a single text begins and ends with. */
function templateAdds(json: Json | null, textOf: (name: string) => string | undefined): Map<string, boolean> {
  const adds = new Map<string, boolean>();
  const post = json?.["post_processor"];
  const list = isObject(post) && Array.isArray(post["processors"]) ? post["processors"] : [post];
  for (const processor of list) {
    if (!isObject(processor) || processor["type"] !== "TemplateProcessing") continue;
    const single = Array.isArray(processor["single"]) ? processor["single"] : [];
    const special = (item: unknown) => {
      const token = isObject(item) ? item["SpecialToken"] : undefined;
      return isObject(token) ? token["id"] : undefined;
    };
    if (single.length < 2) continue;
    const [first, last] = [special(single[0]), special(single[single.length - 1])];
    if (first !== undefined) adds.set("bos", first === textOf("bos"));
    if (last !== undefined) adds.set("eos", last === textOf("eos"));
  }
  return adds;
}

/** Whether a text begins with a space that it does not have. */
function prefixesSpace(json: Json | null, settings: Json): boolean {
  const given = settings["add_prefix_space"];
  if (typeof given === "boolean") return given;
  const parts = (value: unknown, list: string): Json[] =>
    !isObject(value) ? [] : [value, ...((value[list] as Json[] | undefined) ?? []).filter(isObject)];
  const normalizes = parts(json?.["normalizer"], "normalizers");
  const splits = parts(json?.["pre_tokenizer"], "pretokenizers");
  if (normalizes.some(({ type }) => type === "Prepend")) return true;
  const space = splits.find(({ type }) => type === "Metaspace");
  return space ? space["prepend_scheme"] !== "never" && space["add_prefix_space"] !== false : normalizes.length === 0;
}

function chatTemplate(folder: Folder, settings: Json): string | null {
  const given = settings["chat_template"];
  if (typeof given === "string") return given;
  if (Array.isArray(given)) {
    const named = given.filter(isObject).find(({ name }) => name === "default");
    return typeof named?.["template"] === "string" ? named["template"] : null;
  }
  if (folder.has("chat_template.jinja")) return folder.text("chat_template.jinja");
  const other = folder.jsonOrNone("chat_template.json")["chat_template"];
  return typeof other === "string" ? other : null;
}
