/**
 * WordPiece of tokenizer.json, or of vocab.txt alone, as GGUF has it: a token that begins a word has U+2581 in front of
 * it, one that goes on (`##x`) nothing, and special tokens stand as they are.
 */
import { LimpetError } from "../host/errors.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { isObject, type Json } from "./folder.ts";
import { partsOf, type Refuse, requireTemplates } from "./rules.ts";
import { putNew, TokenType, type Vocabulary, type Wrong } from "./vocabulary.ts";

const CONTINUES = "##";
/** The length of a word from which on it is unknown: the core knows no other. */
const MOST_CHARACTERS = 100;

/** What vocab.txt and tokenizer_config.json say, as tokenizer.json would. */
export function jsonOfWords(text: string, settings: Json, place: string): Json {
  const words = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const vocab: Record<string, number> = Object.create(null);
  for (const [id, word] of words.entries()) {
    if (word in vocab) throw new LimpetError("BAD_FILE", `${place}: ${JSON.stringify(word)} stands in two lines`);
    vocab[word] = id;
  }
  const special = (name: string, usual: string): [text: string, id: number] => {
    const given = settings[`${name}_token`];
    const word = String((isObject(given) ? given["content"] : given) ?? usual);
    if (!(word in vocab)) throw new LimpetError("BAD_FILE", `${place}: it has no ${JSON.stringify(word)}`);
    return [word, vocab[word]];
  };
  const [unk, cls, sep] = [special("unk", "[UNK]"), special("cls", "[CLS]"), special("sep", "[SEP]")];
  const others = ["[PAD]", "[MASK]"].filter((word) => word in vocab).map((word) => [word, vocab[word]] as const);
  return {
    model: { type: "WordPiece", vocab, unk_token: unk[0], continuing_subword_prefix: CONTINUES },
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: settings["tokenize_chinese_chars"] ?? true,
      lowercase: settings["do_lower_case"] ?? true,
      strip_accents: settings["strip_accents"] ?? null,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: { type: "BertProcessing", cls, sep },
    added_tokens: [unk, cls, sep, ...others].map(([content, id]) => ({ id, content, special: true })),
  };
}

/** Reads the words; gives the keys of the normaliser. What a GGUF file cannot say is refused. */
export function readWordPiece(
  json: Json,
  specials: ReadonlySet<string>,
  to: Vocabulary,
  wrong: Wrong,
  refuse: Refuse,
): GgufEntry[] {
  requireTemplates(json, refuse);
  const model = isObject(json["model"]) ? json["model"] : {};
  const { continuing_subword_prefix: prefix = CONTINUES, max_input_chars_per_word: most = MOST_CHARACTERS } = model;
  if (prefix !== CONTINUES) refuse("continuing_subword_prefix of its model is", prefix);
  if (most !== MOST_CHARACTERS) refuse("max_input_chars_per_word of its model is", most);
  for (const part of partsOf(json["pre_tokenizer"], "pretokenizers")) {
    if (part["type"] !== "BertPreTokenizer") refuse("its pre_tokenizer is", part);
  }
  if (partsOf(json["pre_tokenizer"], "pretokenizers").length !== 1)
    refuse("its pre_tokenizer is", json["pre_tokenizer"]);
  const normalizers = partsOf(json["normalizer"], "normalizers");
  const [normalizer] = normalizers;
  if (normalizers.length !== 1 || normalizer["type"] !== "BertNormalizer")
    refuse("its normalizer is", json["normalizer"]);
  const {
    lowercase = true,
    strip_accents: strips = null,
    clean_text: cleans,
    handle_chinese_chars: parts,
  } = normalizer;
  if (cleans === false) refuse("clean_text of its normalizer is", false);
  if (parts === false) refuse("handle_chinese_chars of its normalizer is", false);
  if (!isObject(model["vocab"])) throw wrong("it has no vocabulary");
  for (const [word, id] of Object.entries(model["vocab"])) {
    const control = specials.has(word) || word === model["unk_token"];
    const text = control ? word : word.startsWith(CONTINUES) ? word.slice(CONTINUES.length) : `▁${word}`;
    putNew(to, id, text, control ? TokenType.CONTROL : TokenType.NORMAL, 0, wrong);
  }
  return [
    ["tokenizer.ggml.normalizer.lowercase", "bool", lowercase !== false],
    ["tokenizer.ggml.normalizer.strip_accents", "bool", typeof strips === "boolean" ? strips : lowercase !== false],
  ];
}
