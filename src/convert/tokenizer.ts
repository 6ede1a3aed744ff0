/**
 * The tokenizer of a checkpoint → the keys of a GGUF file, as llama.cpp's converter writes them: byte-level BPE from
 * tokenizer.json ("gpt2"), SentencePiece's BPE with byte fallback ("llama") from tokenizer.model or, where only that is
 * there, from tokenizer.json, WordPiece ("bert") from tokenizer.json or vocab.txt, and SentencePiece's unigrams ("t5")
 * from tokenizer.json or spiece.model.
 */
import { LimpetError } from "../host/errors.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, type Folder, isObject, type Json, said } from "./folder.ts";
import { pretokenizerName } from "./pretokenizer.ts";
import { partsOf, refusing, requireRules } from "./rules.ts";
import { GENERATION_FILE } from "./sampling.ts";
import { type PieceSettings, readSentencePiece } from "./sentencepiece.ts";
import { readUnigrams, unigramEntries } from "./unigram.ts";
import { putNew, putToken, TokenType, type Vocabulary, type Wrong } from "./vocabulary.ts";
import { jsonOfWords, readWordPiece } from "./wordpiece.ts";

const JSON_FILE = "tokenizer.json";
const PIECE_FILES = ["tokenizer.model", "spiece.model"];
const WORD_FILE = "vocab.txt";
const CONFIG_FILE = "tokenizer_config.json";

/** llama.cpp's score of tokens that were added behind the vocabulary. */
const ADDED_SCORE = -1000;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

export function tokenizerEntries(folder: Folder, config: Config, architecture: string, size: number): GgufEntry[] {
  const settings = folder.jsonOrNone(CONFIG_FILE);
  const file = [JSON_FILE, ...PIECE_FILES, WORD_FILE].find((name) => folder.has(name));
  if (file === undefined) {
    const names = `${JSON_FILE}, ${PIECE_FILES.join(", ")} and ${WORD_FILE}`;
    throw new LimpetError("HOST", `${folder.path} has none of ${names}: the tokenizer is missing`);
  }
  const json =
    file === JSON_FILE
      ? folder.json(file)
      : file === WORD_FILE
        ? jsonOfWords(folder.text(file), settings, folder.place(file))
        : null;
  requireTokens(folder, file, size, config);
  const vocabulary = empty(size);
  const strips = !json || !["WordPiece", "Unigram"].includes(String(kindOf(json)));
  const added = [...addedTokens(json, folder, strips), ...decoderTokens(settings, folder, strips)];
  const from: Sources = { folder, json, settings, config, own: {}, file };
  const read = { WordPiece: readWords, Unigram: readPieceList }[String(json && kindOf(json))] ?? readMerges;
  const { own = {}, model, entries } = read(from, added, vocabulary);
  const pieces = model !== "gpt2" && model !== "bert";
  const all: GgufEntry[] = [
    ["tokenizer.ggml.model", "string", model],
    ["tokenizer.ggml.tokens", "string[]", vocabulary.tokens],
    ["tokenizer.ggml.token_type", "i32[]", vocabulary.types],
    ...entries,
    ...specialEntries({ ...from, own }, vocabulary.tokens, model),
  ];
  if (pieces) all.push(["tokenizer.ggml.scores", "f32[]", vocabulary.scores]);
  const template = chatTemplate(folder, settings);
  if (template !== null) all.push(["tokenizer.chat_template", "string", template]);
  // SmolLM's vocabulary, whose BOS begins a chat and no text: llama.cpp tells it by its size.
  const silent = architecture === "llama" && size === 49152;
  const rest = silent ? all.filter(([key]) => key !== "tokenizer.ggml.add_bos_token") : all;
  return silent ? [...rest, ["tokenizer.ggml.add_bos_token", "bool", false]] : rest;
}

function kindOf(json: Json): unknown {
  const model = isObject(json["model"]) ? json["model"] : {};
  // Older files of unigrams do not name them.
  return model["type"] ?? (Array.isArray(model["vocab"]) ? "Unigram" : "BPE");
}

/** What is read of a vocabulary beside its tokens. */
interface Read {
  /** `tokenizer.ggml.model` */
  readonly model: string;
  readonly entries: GgufEntry[];
  readonly own?: PieceSettings;
}

type Reader = (from: Sources, added: readonly AddedToken[], to: Vocabulary) => Read;

/** Byte-level BPE, or SentencePiece from either of its files. */
const readMerges: Reader = (from, added, to) => {
  const { folder, json, settings, file } = from;
  const wrong = wrongOf(folder.place(file));
  const model = json && isObject(json["model"]) ? json["model"] : {};
  if (json && model["byte_fallback"] !== true) {
    const pre = pretokenizerName(json, folder.place(JSON_FILE));
    requireRules(json, pre, folder.place(JSON_FILE));
    readVocabulary(model, to, wrong);
    const merges = mergesOf(model, wrong);
    requirePairs(merges, to, wrong);
    addTokens(to, added, wrong);
    const entries: GgufEntry[] = [
      ["tokenizer.ggml.pre", "string", pre],
      ["tokenizer.ggml.merges", "string[]", merges],
    ];
    return { model: "gpt2", entries };
  }
  if (json) requireRules(json, null, folder.place(JSON_FILE));
  const pieceFile = PIECE_FILES.find((name) => folder.has(name));
  let own: PieceSettings = {};
  if (pieceFile) own = readSentencePiece(folder.bytes(pieceFile), to, folder.place(pieceFile));
  else readPieces(model, to, wrong);
  addTokens(to, added, wrong);
  const entries: GgufEntry[] = [["tokenizer.ggml.pre", "string", "default"]];
  if (own.unigrams) {
    // T5's texts end with EOS, which its file does not say.
    entries.push(...unigramEntries(own.prefix ?? true, own.joins ?? true, own.map));
    return { model: "t5", entries, own: { ...own, ends: true } };
  }
  entries.push(["tokenizer.ggml.add_space_prefix", "bool", prefixesSpace(json, settings, own)]);
  return { model: "llama", entries, own };
};

const readWords: Reader = ({ folder, json, file }, added, to) => {
  const place = folder.place(file);
  const entries = readWordPiece(json!, controlsOf(added), to, wrongOf(place), refusing(place));
  addTokens(to, added, wrongOf(place));
  return { model: "bert", entries };
};

const readPieceList: Reader = ({ folder, json, file }, added, to) => {
  const place = folder.place(file);
  const entries = readUnigrams(json!, controlsOf(added), to, wrongOf(place), refusing(place));
  addTokens(to, added, wrongOf(place));
  const unknown = to.types.indexOf(TokenType.UNKNOWN);
  const ids = new Map(unknown >= 0 ? [["unk", unknown]] : []);
  return { model: "t5", entries: [["tokenizer.ggml.pre", "string", "default"], ...entries], own: { ids } };
};

function controlsOf(added: readonly AddedToken[]): ReadonlySet<string> {
  return new Set(added.flatMap(({ content, special }) => (special ? [content] : [])));
}

function wrongOf(place: string): Wrong {
  return (words) => new LimpetError("BAD_FILE", `${place}: ${words}`);
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
    throw new LimpetError(
      "UNSUPPORTED",
      wrong(`its model is ${said(type)}, and limpet knows BPE, WordPiece and Unigram`).message,
    );
  }
  if (!isObject(vocab)) throw wrong("it has no vocabulary");
  return Object.entries(vocab);
}

function readVocabulary(model: Json, to: Vocabulary, wrong: Wrong): void {
  for (const [text, id] of vocabularyOf(model, wrong)) putNew(to, id, text, TokenType.NORMAL, 0, wrong);
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

function addedTokens(json: Json | null, folder: Folder, strips: boolean): AddedToken[] {
  const list = json?.["added_tokens"] ?? [];
  if (!Array.isArray(list)) throw new LimpetError("BAD_FILE", `${folder.place(JSON_FILE)}: added_tokens is no list`);
  return list.map((token) => readAdded(token, (isObject(token) ? token : {})["id"], folder.place(JSON_FILE), strips));
}

function decoderTokens(settings: Json, folder: Folder, strips: boolean): AddedToken[] {
  const map = settings["added_tokens_decoder"];
  if (!isObject(map)) return [];
  return Object.entries(map).map(([id, token]) => readAdded(token, Number(id), folder.place(CONFIG_FILE), strips));
}

function readAdded(token: unknown, id: unknown, place: string, strips: boolean): AddedToken {
  const { content, special, ...rules } = isObject(token) ? token : {};
  // Around words and joined spaces there is nothing to strip.
  const all = strips ? ["lstrip", "rstrip", "single_word"] : ["single_word"];
  const rule = all.find((key) => rules[key] === true);
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
  /** The file that the vocabulary is read from. */
  readonly file: string;
}

/** Ids of special tokens, which of them the tokenizer adds to a text, and which end an answer. */
function specialEntries(from: Sources, tokens: readonly string[], model: string): GgufEntry[] {
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
    else if (!adds.has(name)) adds.set(name, name === "bos" ? beginsByDefault(json, settings, own) : own.ends === true);
  }
  // WordPiece's texts end with SEP.
  const end = model === "bert" ? "sep" : "eos";
  if (end === "sep" && !ids.has("sep") && ids.has("eos")) ids.set("sep", ids.get("eos")!);
  return [
    ...SPECIAL.filter(([name]) => ids.has(name)).map(
      ([name, word]): GgufEntry => [`tokenizer.ggml.${word}_token_id`, "u32", ids.get(name)!],
    ),
    ...endEntries(ends, ids.get("eos"), tokens, from),
    ["tokenizer.ggml.add_bos_token", "bool", adds.get("bos")!],
    [`tokenizer.ggml.add_${end}_token`, "bool", adds.get("eos")!],
  ];
}

/** SentencePiece's tokenizers begin a text with BOS, unless they say otherwise; of others the template says it. */
function beginsByDefault(json: Json | null, settings: Json, own: PieceSettings): boolean {
  return (
    (json === null && !own.unigrams) || /^Llama(Tokenizer|TokenizerFast)$/.test(String(settings["tokenizer_class"]))
  );
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
  for (const part of partsOf(json?.["post_processor"], "processors")) {
    const words = wordsOf(part);
    if (!words) continue;
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

/** The template of a single text: special tokens, and null for the text; null where a processor has none. */
function wordsOf({ type, single, cls, sep }: Json): unknown[] | null {
  if (type === "BertProcessing") return [Array.isArray(cls) && cls[0], null, Array.isArray(sep) && sep[0]];
  if (type !== "TemplateProcessing") return null;
  return (Array.isArray(single) ? single : []).map((item) => {
    const token = isObject(item) ? item["SpecialToken"] : undefined;
    return isObject(token) ? token["id"] : null;
  });
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
