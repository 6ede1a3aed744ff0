/**
 * The tokenizer of a checkpoint → the keys of a GGUF file, as llama.cpp's converter writes them: byte-level BPE from
 * tokenizer.json ("gpt2"), and SentencePiece's BPE with byte fallback ("llama") from tokenizer.model or, where only that
 * is there, from tokenizer.json.
 */
import { LimpetError } from "../host/errors.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, type Folder, isObject, type Json } from "./folder.ts";
import { pretokenizerName } from "./pretokenizer.ts";
import { partsOf, requireRules } from "./rules.ts";
import { GENERATION_FILE } from "./sampling.ts";
import { type PieceSettings, readSentencePiece } from "./sentencepiece.ts";
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
  requireTokens(folder, json ? JSON_FILE : PIECE_FILE, size, config);
  const vocabulary = empty(size);
  const entries: GgufEntry[] = [];
  let own: PieceSettings = {};
  if (!pieces) {
    const pre = pretokenizerName(json, folder.place(JSON_FILE));
    requireRules(json, pre, folder.place(JSON_FILE));
    readVocabulary(model, vocabulary, wrong);
    requirePairs(mergesOf(model, wrong), vocabulary, wrong);
    addTokens(vocabulary, added, wrong);
    entries.push(["tokenizer.ggml.model", "string", "gpt2"], ["tokenizer.ggml.pre", "string", pre]);
  } else {
    if (json) requireRules(json, null, folder.place(JSON_FILE));
    if (folder.has(PIECE_FILE)) own = readSentencePiece(folder.bytes(PIECE_FILE), vocabulary, folder.place(PIECE_FILE));
    else readPieces(model, vocabulary, wrong);
    addTokens(vocabulary, added, wrong);
    entries.push(["tokenizer.ggml.model", "string", "llama"], ["tokenizer.ggml.pre", "string", "default"]);
  }
  entries.push(["tokenizer.ggml.tokens", "string[]", vocabulary.tokens]);
  if (pieces) entries.push(["tokenizer.ggml.scores", "f32[]", vocabulary.scores]);
  entries.push(["tokenizer.ggml.token_type", "i32[]", vocabulary.types]);
  if (!pieces) entries.push(["tokenizer.ggml.merges", "string[]", mergesOf(model, wrong)]);
  entries.push(...specialEntries({ folder, json, settings, config, own }, vocabulary.tokens));
  if (pieces) entries.push(["tokenizer.ggml.add_space_prefix", "bool", prefixesSpace(json, settings, own)]);
  const template = chatTemplate(folder, settings);
  if (template !== null) entries.push(["tokenizer.chat_template", "string", template]);
  // SmolLM's vocabulary, whose BOS begins a chat and no text: llama.cpp tells it by its size.
  const silent = architecture === "llama" && size === 49152;
  const rest = silent ? entries.filter(([key]) => key !== "tokenizer.ggml.add_bos_token") : entries;
  return silent ? [...rest, ["tokenizer.ggml.add_bos_token", "bool", false]] : rest;
}

/** More fillers than these no vocabulary has to make its matrices even. */
const MOST_FILLERS = 1 << 16;
/** Bytes that a token takes in a file of either kind. */
const TOKEN_BYTES = 4;

/** Before memory is taken for as many tokens as config.json claims: the tokenizer's file is long enough for them. */
function requireTokens(folder: Folder, name: string, size: number, config: Config): void {
  const { length } = folder.bytes(name);
  if (size <= length / TOKEN_BYTES + MOST_FILLERS) return;
  throw config.wrong(`vocab_size is ${size}, and ${name} of ${length} bytes cannot hold so many tokens`);
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
  for (const [text, id] of vocabularyOf(model, wrong)) putNew(to, id, text, TokenType.NORMAL, 0, wrong);
}

/** A token in a place that no other has. */
function putNew(to: Vocabulary, id: unknown, text: string, type: number, score: number, wrong: Wrong): void {
  const taken = typeof id === "number" && to.types[id] !== undefined && to.types[id] !== TokenType.UNUSED;
  if (taken) throw wrong(`${JSON.stringify(text)} and ${JSON.stringify(to.tokens[id])} have the same id ${id}`);
  putToken(to, id, text, type, score, wrong);
}

/** A merge puts two tokens together to a third. */
function requirePairs(merges: readonly string[], { tokens }: Vocabulary, wrong: Wrong): void {
  const known = new Set(tokens);
  for (const merge of merges) {
    const [left, right] = partsOfMerge(merge);
    const lacks = [left, right, left + right].find((part) => !known.has(part));
    if (lacks !== undefined) {
      throw wrong(`the merge ${JSON.stringify(merge)} has to do with ${JSON.stringify(lacks)}, which is no token`);
    }
  }
}

function partsOfMerge(merge: string): [left: string, right: string] {
  const at = merge.indexOf(" ", 1);
  return [merge.slice(0, at), merge.slice(at + 1)];
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
    putNew(to, id, text, type, score, wrong);
  }
}

function mergesOf(model: Json, wrong: Wrong): string[] {
  const { merges } = model;
  if (!Array.isArray(merges)) throw wrong("it has no merges");
  return merges.map((merge) => {
    if (typeof merge === "string" && /^[^ ]+ [^ ]+$/.test(merge)) return merge;
    // A part with a space in it could be cut in other places.
    if (Array.isArray(merge) && merge.length === 2 && merge.every(isPart)) return merge.join(" ");
    throw wrong(`${JSON.stringify(merge)} is no merge`);
  });
}

function isPart(part: unknown): boolean {
  return typeof part === "string" && part !== "" && !part.includes(" ");
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
  const { content, special, ...rules } = isObject(token) ? token : {};
  const rule = ["lstrip", "rstrip", "single_word"].find((key) => rules[key] === true);
  if (rule) {
    const words = `${place}: ${JSON.stringify(content)} has ${rule}`;
    throw new LimpetError("UNSUPPORTED", `${words}, which a GGUF file cannot say: texts would be other tokens`);
  }
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

/** What the files of a checkpoint say of special tokens. */
interface Sources {
  readonly folder: Folder;
  readonly json: Json | null;
  readonly settings: Json;
  readonly config: Config;
  readonly own: PieceSettings;
}

/** Ids of special tokens, which of them the tokenizer adds to a text, and which end an answer. */
function specialEntries(from: Sources, tokens: readonly string[]): GgufEntry[] {
  const { json, settings, config, own } = from;
  const ids = new Map<string, number>();
  const isToken = (id: unknown): id is number =>
    Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length;
  for (const [name] of SPECIAL) {
    const entry = settings[`${name}_token`];
    const text = isObject(entry) ? entry["content"] : entry;
    const id = typeof text === "string" ? tokens.indexOf(text) : -1;
    if (id >= 0) ids.set(name, id);
  }
  const ends = endsOf(from, isToken);
  for (const [name] of SPECIAL) {
    const given = config.get(`${name}_token_id`);
    const id = name === "eos" && Array.isArray(given) ? ends[0] : (given ?? own.ids?.get(name));
    if (!ids.has(name) && isToken(id)) ids.set(name, id);
  }
  const adds = templateAdds(from, (name, text) => {
    // Where nobody names BOS, it is what texts begin with.
    const named = typeof text === "string" ? tokens.indexOf(text) : -1;
    if (!ids.has(name) && named >= 0) ids.set(name, named);
    return tokens[ids.get(name) ?? -1] === text;
  });
  for (const name of ["bos", "eos"] as const) {
    const given = settings[`add_${name}_token`];
    if (typeof given === "boolean") adds.set(name, given);
    // Written out, lest another reader imply it by the names of the tokenizer.
    else if (!adds.has(name)) adds.set(name, name === "bos" && beginsByDefault(json, settings));
  }
  return [
    ...SPECIAL.filter(([name]) => ids.has(name)).map(
      ([name, word]): GgufEntry => [`tokenizer.ggml.${word}_token_id`, "u32", ids.get(name)!],
    ),
    ...endEntries(ends, ids.get("eos"), tokens, from),
    ...[...adds].map(([name, add]): GgufEntry => [`tokenizer.ggml.add_${name}_token`, "bool", add]),
  ];
}

/** SentencePiece's tokenizers begin a text with BOS, unless they say otherwise; of others the template says it. */
function beginsByDefault(json: Json | null, settings: Json): boolean {
  return json === null || /^Llama(Tokenizer|TokenizerFast)$/.test(String(settings["tokenizer_class"]));
}

/** The tokens of which each ends an answer: lists in generation_config.json and config.json. */
function endsOf({ folder, config }: Sources, isToken: (id: unknown) => id is number): number[] {
  const given = [folder.jsonOrNone(GENERATION_FILE)["eos_token_id"], config.get("eos_token_id")];
  return [...new Set(given.flat())].filter(isToken);
}

/** Tokens that end an answer by their text, whatever the keys say. */
const ENDS =
  /^(<\|eot_id\|>|<\|im_end\|>|<\|end\|>|<end_of_turn>|<\|endoftext\|>|<\|eom_id\|>|_?<EOT>|<\|end_of_text\|>|<end_of_utterance>)$/;

/** Ends beside EOS: those known by their text need no key, and for others there are two. */
function endEntries(
  ends: readonly number[],
  eos: number | undefined,
  tokens: readonly string[],
  { folder }: Sources,
): GgufEntry[] {
  const others = ends.filter((id) => id !== eos && !ENDS.test(tokens[id]));
  const keys = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
  if (others.length > keys.length) {
    const words = `${others.length} tokens beside EOS end an answer (${others.join(", ")})`;
    throw new LimpetError("UNSUPPORTED", `${folder.path}: ${words}, and a GGUF file has keys for ${keys.length}`);
  }
  return others.map((id, i): GgufEntry => [keys[i], "u32", id]);
}

/** What the template of a single text begins and ends with: BOS and EOS, or what a file cannot say. */
function templateAdds(
  { json, folder }: Sources,
  isOne: (name: string, text: unknown) => boolean,
): Map<string, boolean> {
  const adds = new Map<string, boolean>();
  for (const { type, single } of partsOf(json?.["post_processor"], "processors")) {
    if (type !== "TemplateProcessing") continue;
    const words = (Array.isArray(single) ? single : []).map((item) => {
      const token = isObject(item) ? item["SpecialToken"] : undefined;
      return isObject(token) ? token["id"] : null;
    });
    const text = words.indexOf(null);
    const [before, behind] = [words.slice(0, text), words.slice(text + 1)];
    const fits = (list: unknown[], name: string) => list.length === 0 || (list.length === 1 && isOne(name, list[0]));
    if (text < 0 || !fits(before, "bos") || !fits(behind, "eos")) {
      const shown = JSON.stringify(words.map((word) => word ?? "text")).slice(0, 120);
      throw new LimpetError(
        "UNSUPPORTED",
        `${folder.place(JSON_FILE)}: its post_processor makes ${shown}, and a GGUF file can say BOS and EOS alone`,
      );
    }
    adds.set("bos", before.length > 0).set("eos", behind.length > 0);
  }
  return adds;
}

/** Whether a text begins with a space that it does not have. */
function prefixesSpace(json: Json | null, settings: Json, own: PieceSettings): boolean {
  const given = settings["add_prefix_space"];
  if (typeof given === "boolean") return given;
  if (!json) return own.prefix ?? true;
  const normalizes = partsOf(json["normalizer"], "normalizers");
  if (normalizes.some(({ type }) => type === "Prepend")) return true;
  const space = partsOf(json["pre_tokenizer"], "pretokenizers").find(({ type }) => type === "Metaspace");
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
