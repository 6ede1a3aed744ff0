/** Tokenizers of checkpoints: the keys that they become, against vocabularies that llama.cpp's converter wrote. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/api/model.ts";
import { Config, Folder } from "../src/convert/folder.ts";
import { tokenizerEntries } from "../src/convert/tokenizer.ts";
import { Core } from "../src/host/instance.ts";
import type { GgufValue } from "../src/load/gguf-entries.ts";
import { readHead } from "../src/load/gguf-head.ts";
import { openSource } from "../src/load/source.ts";
import { GgufWriter } from "../src/store/gguf-writer.ts";
import { preTokenizer, SPLITS } from "./support/checkpoint.ts";
import { errorOf, temporaryFile } from "./support/models.ts";
import { shared } from "./support/shared.ts";

type Json = Record<string, unknown>;
type Files = Record<string, Json | Uint8Array | string>;
type Keys = Map<string, GgufValue>;

const FOLDER = join(dirname(temporaryFile("place")), "tokenizer");

function entriesOf(files: Files, size: number, architecture = "llama") {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, what] of Object.entries({ "config.json": {}, ...files })) {
    const text = typeof what === "string" || what instanceof Uint8Array ? what : JSON.stringify(what);
    writeFileSync(join(FOLDER, name), text);
  }
  const folder = new Folder(FOLDER);
  return tokenizerEntries(folder, Config.of(folder), architecture, size);
}

function keysOf(files: Files, size: number, architecture?: string): Keys {
  const entries = entriesOf(files, size, architecture);
  assert.is(new Set(entries.map(([key]) => key)).size, entries.length, "no key occurs twice");
  return new Map(entries.map(([key, , value]) => [key.replace("tokenizer.ggml.", ""), value]));
}

const BPE = {
  model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] },
  pre_tokenizer: preTokenizer("gpt-2"),
  added_tokens: [
    { id: 3, content: "<s>", special: true },
    { id: 4, content: "▁tide", special: false },
    { id: 5, content: "<|im_end|>", special: false },
  ],
};

const WORDS = {
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4, tide: 5, "##s": 6, "[unused0]": 7 },
  },
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null as boolean | null,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "[CLS]" } }, { Sequence: { id: "A" } }, { SpecialToken: { id: "[SEP]" } }],
  },
  added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map((content, id) => ({ id, content, special: true })),
};
const WORD_SETTINGS = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};

test("WordPiece: words with U+2581 in front, ## away, special tokens as they are; CLS and SEP around a text", () => {
  const files = { "tokenizer.json": WORDS, "tokenizer_config.json": WORD_SETTINGS };
  const keys = keysOf(files, 9);
  assert.is(keys.get("model"), "bert");
  const tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "▁tide", "s", "▁[unused0]", "[PAD8]"];
  assert.equal(keys.get("tokens"), tokens);
  assert.equal(keys.get("token_type"), [3, 3, 3, 3, 3, 1, 1, 1, 5]);
  const ids = ["bos", "eos", "unknown", "seperator", "padding", "cls", "mask"].map((name) =>
    keys.get(`${name}_token_id`),
  );
  assert.equal(ids, [2, 3, 1, 3, 0, 2, 4]);
  assert.equal([keys.get("add_bos_token"), keys.get("add_sep_token")], [true, true]);
  assert.equal([keys.get("normalizer.lowercase"), keys.get("normalizer.strip_accents")], [true, true]);
  const cased = { ...WORDS, normalizer: { ...WORDS.normalizer, lowercase: false, strip_accents: true } };
  const kept = keysOf({ ...files, "tokenizer.json": cased }, 8);
  assert.equal([kept.get("normalizer.lowercase"), kept.get("normalizer.strip_accents")], [false, true]);
  // vocab.txt says the same.
  const words = Object.keys(WORDS.model.vocab).join("\n");
  const alone = keysOf({ "vocab.txt": `${words}\n`, "tokenizer_config.json": WORD_SETTINGS }, 9);
  assert.equal([...alone].sort(), [...keys].sort());
});

const UNIGRAMS = {
  model: {
    type: "Unigram",
    unk_id: 2,
    vocab: [
      ["<pad>", 0],
      ["</s>", 0],
      ["<unk>", 0],
      ["▁", -2.5],
      ["▁sea", -3],
    ],
  },
  normalizer: { type: "Precompiled", precompiled_charsmap: Buffer.from([1, 2, 200]).toString("base64") } as Json,
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [{ type: "WhitespaceSplit" }, { type: "Metaspace", replacement: "▁", add_prefix_space: true }],
  } as Json,
  post_processor: { type: "TemplateProcessing", single: [{ Sequence: { id: "A" } }, { SpecialToken: { id: "</s>" } }] },
  added_tokens: [
    ...["<pad>", "</s>", "<unk>"].map((content, id) => ({ id, content, special: true })),
    { id: 5, content: "<extra_id_0>", special: true, lstrip: true },
  ],
};

test("unigrams: scores, the map of characters, spaces, EOS behind a text", () => {
  const settings = { eos_token: "</s>", unk_token: "<unk>", pad_token: "<pad>" };
  const keys = keysOf({ "tokenizer.json": UNIGRAMS, "tokenizer_config.json": settings }, 7);
  assert.is(keys.get("model"), "t5");
  assert.equal(keys.get("tokens"), ["<pad>", "</s>", "<unk>", "▁", "▁sea", "<extra_id_0>", "[PAD6]"]);
  assert.equal(keys.get("token_type"), [3, 3, 2, 1, 1, 3, 5]);
  assert.equal((keys.get("scores") as number[]).slice(0, 5), [0, 0, 0, -2.5, -3]);
  assert.equal(keys.get("precompiled_charsmap"), [1, 2, 200]);
  assert.equal([keys.get("add_space_prefix"), keys.get("remove_extra_whitespaces")], [true, true]);
  assert.equal([keys.get("add_bos_token"), keys.get("add_eos_token")], [false, true]);
  assert.equal(
    ["eos", "unknown", "padding"].map((name) => keys.get(`${name}_token_id`)),
    [1, 2, 0],
  );
  const apart = { ...UNIGRAMS, pre_tokenizer: { type: "Metaspace", replacement: "▁", prepend_scheme: "never" } };
  const other = keysOf({ "tokenizer.json": apart, "tokenizer_config.json": settings }, 7);
  assert.equal([other.get("add_space_prefix"), other.get("remove_extra_whitespaces")], [false, false]);
});

const REFUSED: [what: string, json: Json, message: RegExp][] = [
  [
    "another prefix",
    { ...WORDS, model: { ...WORDS.model, continuing_subword_prefix: "@@" } },
    /continuing_subword_prefix/,
  ],
  ["longer words", { ...WORDS, model: { ...WORDS.model, max_input_chars_per_word: 200 } }, /max_input_chars_per_word/],
  ["no clean-up", { ...WORDS, normalizer: { ...WORDS.normalizer, clean_text: false } }, /clean_text/],
  [
    "ideographs together",
    { ...WORDS, normalizer: { ...WORDS.normalizer, handle_chinese_chars: false } },
    /handle_chinese/,
  ],
  ["another normalizer", { ...WORDS, normalizer: { type: "Lowercase" } }, /normalizer is .*Lowercase/],
  ["another pre-tokenizer", { ...WORDS, pre_tokenizer: { type: "Whitespace" } }, /pre_tokenizer is .*Whitespace/],
  ["no pre-tokenizer", { ...WORDS, pre_tokenizer: null }, /pre_tokenizer is null/],
  ["a type before", { ...WORDS, post_processor: { type: "RobertaProcessing" } }, /post_processor is .*Roberta/],
  ["bytes", { ...UNIGRAMS, model: { ...UNIGRAMS.model, byte_fallback: true } }, /byte_fallback/],
  ["NFKC", { ...UNIGRAMS, normalizer: { type: "NFKC" } }, /normalizer is .*NFKC/],
  ["ends of texts", { ...UNIGRAMS, normalizer: { type: "Strip", strip_left: true } }, /normalizer is .*Strip/],
  ["digits", { ...UNIGRAMS, pre_tokenizer: { type: "Digits" } }, /pre_tokenizer is .*Digits/],
];
for (const [what, json, message] of REFUSED) {
  test(`refused by name: ${what}`, async () => {
    const error = await errorOf(async () => keysOf({ "tokenizer.json": json }, 9));
    assert.is(error.code, "UNSUPPORTED");
    assert.match(error.message, message);
  });
}

test("byte-level BPE: tokens in their places, fillers between, types, merges in both of their forms", () => {
  const keys = keysOf({ "tokenizer.json": BPE }, 8);
  assert.is(keys.get("model"), "gpt2");
  assert.equal(keys.get("tokens"), ["a", "b", "ab", "<s>", " tide", "<|im_end|>", "[PAD6]", "[PAD7]"]);
  assert.equal(keys.get("token_type"), [1, 1, 1, 3, 4, 3, 5, 5]);
  assert.equal(keys.get("merges"), ["a b"]);
  const pairs = { ...BPE, model: { ...BPE.model, merges: [["a", "b"]] } };
  assert.equal(keysOf({ "tokenizer.json": pairs }, 8).get("merges"), ["a b"]);
});

test("the pre-tokenizer is known by its expressions", async () => {
  const split = (expression: string) => ({
    type: "Split",
    pattern: { Regex: expression },
    behavior: "Isolated",
    invert: false,
  });
  const pre = (value: unknown) => keysOf({ "tokenizer.json": { ...BPE, pre_tokenizer: value } }, 8).get("pre");
  for (const name of ["gpt-2", "smollm", "qwen2", "llama-bpe"]) assert.is(pre(preTokenizer(name)), name);
  // llama.cpp's own way of writing the same.
  const written = SPLITS.qwen2.replace(/\(\?i:.*?\)/, "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])");
  assert.is(pre(split(written)), "qwen2");
  const unknown = await errorOf(() => pre(split("\\w+")));
  assert.match(unknown.message, /no pre-tokenizer that splits by \["\\\\w\+"\], but those of gpt-2/);
  assert.match(
    (await errorOf(() => pre({ type: "ByteLevel", add_prefix_space: true }))).message,
    /a space before each/,
  );
  assert.match((await errorOf(() => pre(null))).message, /no pre-tokenizer/);
});

test("special tokens: from tokenizer_config.json, else config.json; what a text begins with", async () => {
  const template = (first: string) => ({
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: first } }, { Sequence: { id: "A" } }],
  });
  const keys = (config: Json, settings: Json, post: unknown = null) =>
    keysOf(
      {
        "config.json": config,
        "tokenizer_config.json": settings,
        "tokenizer.json": { ...BPE, post_processor: post },
      },
      8,
    );
  const both = keys({ bos_token_id: 0, eos_token_id: 5, pad_token_id: 99 }, { bos_token: { content: "<s>" } });
  assert.equal([both.get("bos_token_id"), both.get("eos_token_id"), both.has("padding_token_id")], [3, 5, false]);
  assert.is(both.get("add_bos_token"), false, "what the name of a tokenizer implies is written out");
  const ends = keys({ eos_token_id: [1, 2] }, {});
  assert.equal([ends.get("eos_token_id"), ends.get("eot_token_id")], [1, 2]);
  assert.is(keys({}, { bos_token: "<s>" }, template("<s>")).get("add_bos_token"), true);
  const other = await errorOf(() => keys({}, { bos_token: "<s>" }, { processors: [template("a")] }));
  assert.match(other.message, /its post_processor makes \["a","text"\], and a GGUF file can say BOS and EOS alone/);
  assert.is(keys({}, { bos_token: "<s>", add_bos_token: false }, template("<s>")).get("add_bos_token"), false);
  const smollm = { "tokenizer.json": { ...BPE, post_processor: template("<s>") } };
  assert.is(keysOf(smollm, 49152).get("add_bos_token"), false);
});

test("chat templates, wherever they are kept", () => {
  const template = (files: Files) => keysOf({ "tokenizer.json": BPE, ...files }, 8).get("tokenizer.chat_template");
  assert.is(template({ "tokenizer_config.json": { chat_template: "one" } }), "one");
  const several = [
    { name: "tools", template: "two" },
    { name: "default", template: "three" },
  ];
  assert.is(template({ "tokenizer_config.json": { chat_template: several } }), "three");
  assert.is(template({ "chat_template.jinja": "four" }), "four");
  assert.is(template({ "chat_template.json": { chat_template: "five" } }), "five");
  assert.is(template({}), undefined);
});

test("what is wrong with a tokenizer is said", async () => {
  const fails = async (words: RegExp, files: Files, size = 8) => {
    const error = await errorOf(() => entriesOf(files, size));
    assert.match(error.message, words);
    assert.is(error.name, "LimpetError", error.stack);
  };
  const model = (change: Json) => ({ "tokenizer.json": { ...BPE, model: { ...BPE.model, ...change } } });
  await fails(/has none of tokenizer.json, tokenizer.model, spiece.model and vocab.txt/, {});
  await fails(/"ab" has the id 2, and the model has 2 tokens/, { "tokenizer.json": BPE }, 2);
  await fails(/"<s>" has the id 3/, { "tokenizer.json": BPE }, 3);
  await fails(/"a" has the id -1/, model({ vocab: { a: -1 } }));
  await fails(/its model is "WordLevel"/, model({ type: "WordLevel" }));
  await fails(/it has no vocabulary/, model({ vocab: [] }));
  await fails(/it has no merges/, model({ merges: null }));
  await fails(/"ab" is no merge/, model({ merges: ["ab"] }));
  await fails(/\[1,2\] is no merge/, model({ merges: [[1, 2]] }));
  await fails(/5 is no added token/, { "tokenizer.json": { ...BPE, added_tokens: [5] } });
  await fails(/added_tokens is no list/, { "tokenizer.json": { ...BPE, added_tokens: {} } });
  let nested: Json = { type: "Lowercase" };
  for (let i = 0; i < 2000; i++) nested = { type: "Sequence", normalizers: [nested] };
  await fails(/tokenizer\.json is no JSON: it nests deeper than 100/, {
    "tokenizer.json": { ...BPE, normalizer: nested },
  });
  for (const bytes of [[0xff], [10, 200], [10, 2, 8], [0x0b]]) {
    await fails(/no SentencePiece model, or cut short/, { "tokenizer.model": Uint8Array.from(bytes) });
  }
  await fails(/it holds no pieces/, { "tokenizer.model": new Uint8Array(0) });
  await fails(/this is another kind/, { "tokenizer.model": Uint8Array.from([18, 2, 24, 3]) });
});

/** The keys of a vocabulary file that llama.cpp's converter wrote, and the cases that come with it. */
async function vocabulary(name: string) {
  const path = shared(`data/vocabs/ggml-vocab-${name}.gguf`);
  if (!path) return null;
  const parts = await openSource(path);
  const { metadata } = await readHead(await Core.create({}), parts);
  for (const part of parts) part.close();
  const keys: Keys = new Map(metadata.map(([key, , value]) => [key.replace("tokenizer.ggml.", ""), value]));
  const cases = readFileSync(`${path}.inp`, "utf8").split("\n__ggml_vocab_test__\n").slice(0, -1);
  const ids = readFileSync(`${path}.out`, "utf8").split("\n");
  return {
    keys,
    cases: cases.map((text, i) => [text, ids[i].trim().split(/ +/).filter(Boolean).map(Number)] as const),
  };
}

async function checkCases(entries: ReturnType<typeof entriesOf>, cases: readonly (readonly [string, number[]])[]) {
  const out = temporaryFile("vocabulary.gguf");
  GgufWriter.create(out, { metadata: [["general.architecture", "string", "llama"], ...entries], tensors: [] }).finish();
  const model = await Model.load(out, { vocabularyOnly: true });
  for (const [text, ids] of cases) assert.equal(model.tokenize(text), ids, JSON.stringify(text));
}

test("Llama 2's pieces: from tokenizer.json's merges and from tokenizer.model, scores and all", async () => {
  const known = await vocabulary("llama-spm");
  if (!known) return;
  const [tokens, scores, types] = ["tokens", "scores", "token_type"].map((key) => known.keys.get(key)) as [string[], number[], number[]]; // biome-ignore format: names beside their keys
  // As Hugging Face makes merges of pieces: all ways to put a piece together, by falling score.
  const ids = new Map(tokens.map((text, id) => [text, id]));
  const merges: [string, string, number][] = [];
  tokens.forEach((text, id) => {
    const characters = [...text];
    for (let i = 1; i < characters.length && types[id] === 1; i++) {
      const [left, right] = [characters.slice(0, i).join(""), characters.slice(i).join("")];
      if (ids.has(left) && ids.has(right)) merges.push([left, right, scores[id]]);
    }
  });
  merges.sort((a, b) => b[2] - a[2]);
  const json = {
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "▁" },
        { type: "Replace", pattern: { String: " " }, content: "▁" },
      ],
    },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(ids),
      merges: merges.map(([left, right]) => `${left} ${right}`),
      byte_fallback: true,
      unk_token: "<unk>",
    },
    added_tokens: ["<unk>", "<s>", "</s>"].map((content, id) => ({ id, content, special: true })),
  };
  const from = (files: Files) => keysOf({ "tokenizer_config.json": { bos_token: "<s>" }, ...files }, tokens.length);
  const merged = from({ "tokenizer.json": json });
  assert.is(merged.get("model"), "llama");
  assert.is(merged.get("add_space_prefix"), true);
  assert.equal(merged.get("tokens"), tokens);
  assert.equal(merged.get("token_type"), types);
  const joined = new Set(merges.map(([left, right]) => left + right));
  const given = merged.get("scores") as number[];
  // Runs of spaces have -1e9 in the file; all others keep their order.
  const order = [...ids].filter(([text, id]) => joined.has(text) && scores[id] > -1e9);
  order.sort(([, a], [, b]) => scores[b] - scores[a]);
  assert.ok(order.length > 29_000);
  order.forEach(([text, id], i) => {
    if (i > 0) assert.ok(given[id] < given[order[i - 1][1]], text);
  });
  await checkCases(entriesOf({ "tokenizer.json": json }, tokens.length), known.cases);
  const model = pieceModel(tokens, scores, types);
  const pieces = from({ "tokenizer.model": model });
  for (const key of ["tokens", "token_type", "scores"]) assert.equal(pieces.get(key), known.keys.get(key), key);
  assert.is(pieces.get("bos_token_id"), 1);
  await checkCases(entriesOf({ "tokenizer.model": model }, tokens.length), known.cases);
});

test("GPT-2's and StarCoder's vocabularies come back as they were", async () => {
  for (const [name, pre] of [
    ["gpt-2", "gpt-2"],
    ["starcoder", "smollm"],
  ]) {
    // biome-ignore format: a table
    const known = await vocabulary(name);
    if (!known) return;
    const tokens = known.keys.get("tokens") as string[];
    const types = known.keys.get("token_type") as number[];
    const json = {
      model: {
        vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
        merges: known.keys.get("merges"),
      },
      pre_tokenizer: preTokenizer(pre),
      added_tokens: tokens
        .map((content, id) => ({ id, content, special: types[id] === 3 }))
        .filter(({ id }) => types[id] === 3 || types[id] === 4),
    };
    const entries = entriesOf({ "tokenizer.json": json }, tokens.length);
    const keys = new Map(entries.map(([key, , value]) => [key.replace("tokenizer.ggml.", ""), value]));
    for (const key of ["tokens", "merges", "token_type"]) assert.equal(keys.get(key), known.keys.get(key), key);
    await checkCases(entries, known.cases);
  }
});

/** tokenizer.model of such pieces. */
function pieceModel(tokens: string[], scores: number[], types: number[]): Uint8Array {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
  const bytes: number[] = [];
  tokens.forEach((token, id) => {
    const text = new TextEncoder().encode(token);
    const score = new Uint8Array(Float32Array.of(scores[id]).buffer);
    const piece = [10, ...varint(text.length), ...text, 21, ...score, 24, types[id]];
    bytes.push(10, ...varint(piece.length), ...piece);
  });
  return Uint8Array.from([...bytes, 18, 2, 24, 2]);
}

test.run();
