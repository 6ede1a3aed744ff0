/**
 * What tokenizers are timed on: vocabularies made to cost as much as may be, sound ones and those of the fuzzers beside
 * them, and the kinds of text of each.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BYTE_CHARACTERS, characterOfByte, type VocabularySpec, vocabularyFile } from "../support/tokenizer.ts";
import { Random, seedOf } from "./random.ts";
import { TEXT_KINDS, vocabularyOf } from "./texts.ts";

export interface CostlyVocabulary {
  readonly name: string;
  file(): Uint8Array;
  /** Texts of its own, each repeated as long as is asked. */
  texts?(): readonly string[];
}

const NORMAL = 1;
const CONTROL = 3;
const USER = 4;
const BYTE = 6;

/** Byte-level BPE with these special tokens, every other one a control token, and merges. */
function withSpecials(specials: readonly string[], merges: readonly string[] = []): Uint8Array {
  const normal = new Set([...BYTE_CHARACTERS, ...merges.map((merge) => merge.replace(" ", ""))]);
  const tokens = [...new Set([...normal, ...specials])];
  const types = tokens.map((_, i) => (i < normal.size ? NORMAL : i % 2 ? CONTROL : USER));
  return vocabularyFile({ pre: "gpt-2", tokens, types, merges });
}

/** Merges of two letters each, those of English first. */
const PAIRS = [
  "Ġ t",
  "h e",
  "i n",
  "o n",
  "r e",
  "a n",
  "e r",
  "Ġt he",
  "e n",
  "o r",
  "a t",
  "l i",
  "m p",
  "a b",
  "t e",
];

/** SentencePiece with its bytes, letters, and pieces. */
function spm(pieces: readonly string[], scoreOf = (_: string, i: number) => -i): VocabularySpec {
  const bytes = BYTE_CHARACTERS.map((_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const letters = [..."▁abcdefghijklmnopqrstuvwxyzO,.<|>"].filter((letter) => !pieces.includes(letter));
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...letters, ...pieces];
  const types = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? CONTROL : i < 259 ? BYTE : NORMAL));
  return { model: "llama", tokens, types, scores: tokens.map(scoreOf), keys: { unknown_token_id: 0 } };
}

const upTo = (count: number, make: (i: number) => string): string[] => Array.from({ length: count }, (_, i) => make(i));
const WORDS = "Once upon a time there was a limpet, and it lived on a rock by the sea".split(" ");

/** Texts of one hash under FNV-1a, from its start: words of six letters that collide, one behind the other. */
export function colliding(pairs: number): string[] {
  let texts = [""];
  for (let i = 0, hash = 0x811c9dc5; i < pairs; i++) {
    const next = COLLISIONS.get(hash) ?? collision(hash);
    COLLISIONS.set(hash, next);
    hash = next.hash;
    texts = texts.flatMap((text) => next.words.map((word) => text + word));
  }
  return texts;
}

/** Letter `k` of word `i`: six of sixteen letters. */
const letter = (i: number, k: number): number => 97 + ((i >> (4 * k)) & 15);
const step = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193) >>> 0;

/** Two words of six letters that take the hash to one value. */
const COLLISIONS = new Map<number, { words: [string, string]; hash: number }>();

function collision(start: number): { words: [string, string]; hash: number } {
  const word = (i: number) => String.fromCharCode(...upTo(6, String).map((_, k) => letter(i, k)));
  const seen = new Map<number, number>();
  for (let i = 0; ; i++) {
    let hash = start;
    for (let k = 0; k < 6; k++) hash = step(hash, letter(i, k));
    const twin = seen.get(hash);
    if (twin !== undefined) return { words: [word(twin), word(i)], hash };
    seen.set(hash, i);
  }
}

const spread = (state: number): number => {
  const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
  return (mixed ^ (mixed >>> 13)) >>> 0;
};

/** Merges of two bytes that crowd into a row of slots, in which a pair that no merge joins, `ab`, is looked for. */
function crowdedMerges(count: number, slots: number): string[] {
  const slotOf = (left: number, right: number): number =>
    spread((Math.imul(spread(left), 0x9e3779b1) + right) >>> 0) & (slots - 1);
  const wanted = slotOf(0x61, 0x62);
  const merges: string[] = [];
  for (let pair = 0; pair < 65536 && merges.length < count; pair++) {
    const [left, right] = [pair >> 8, pair & 255];
    const before = (wanted - slotOf(left, right) + slots) % slots;
    const isWanted = left + right === 0x61 + 0x62 && (left === 0x61 || left === 0x62);
    if (before < 7 && !isWanted) merges.push(`${characterOfByte(left)} ${characterOfByte(right)}`);
  }
  return merges;
}

/** Vocabularies that cost. Each is made when it is asked for. */
export const COSTLY: readonly CostlyVocabulary[] = [
  { name: "bytes alone", file: () => vocabularyFile({ tokens: BYTE_CHARACTERS }) },
  {
    name: "4,000 specials alike",
    file: () =>
      withSpecials(
        upTo(4000, (i) => `<|special ${i}|>`),
        PAIRS,
      ),
    texts: () => ["<|special ", "<|special 1", "<|special 1|>", "<|special 3999", "<|special 39|><|special 4000|>"],
  },
  {
    name: "600 nested specials",
    file: () =>
      withSpecials(
        upTo(600, (i) => "a".repeat(i + 1)),
        PAIRS,
      ),
    texts: () => ["a", "aaab", `${"a".repeat(599)}b`, `b${"a".repeat(601)}`],
  },
  {
    name: "4,000 nested specials",
    file: () =>
      withSpecials(
        upTo(4000, (i) => (i < 2000 ? "<|".repeat(1 + i / 8) + (i % 8) : "|>".repeat(1 + (i - 2000) / 8) + (i % 8))),
        PAIRS,
      ),
    texts: () => ["<|", `${"<|".repeat(200)}1`, `${"<|".repeat(100)}9`, "|>", "<|1|>2"],
  },
  {
    name: "specials within specials",
    file: () =>
      withSpecials(
        [
          ...new Set(
            upTo(4000, (i) => "abcabcabcbacbacaab".repeat(3).slice(i % 30, (i % 30) + 1 + (((i / 30) | 0) % 24))),
          ),
        ],
        PAIRS,
      ),
    texts: () => ["abcabcabcbacbacaab", "abc", "cba", "aab"],
  },
  {
    name: "65,536 colliding tokens",
    file: () => vocabularyFile({ tokens: [...BYTE_CHARACTERS, ...colliding(16)] }),
    texts: () => colliding(16).slice(0, 20),
  },
  {
    name: "65,536 colliding pieces",
    file: () =>
      vocabularyFile(
        spm([
          ...upTo(300, (i) => WORDS[i % WORDS.length].slice(0, 1 + ((i / WORDS.length) | 0))).filter(
            (w, i, a) => w.length > 1 && a.indexOf(w) === i,
          ),
          ...colliding(16),
        ]),
      ),
    texts: () => colliding(16).slice(0, 20),
  },
  {
    name: "4,096 colliding specials",
    file: () => withSpecials(colliding(12), PAIRS),
    texts: () => colliding(12).slice(0, 20),
  },
  {
    name: "crowded merges",
    // 1,024 slots hold up to 682 merges.
    file: () => withSpecials([], crowdedMerges(390, 1024)),
    texts: () => ["ab", "ba"],
  },
  {
    name: "pieces of one letter",
    file: () => vocabularyFile(spm(upTo(60, (i) => "a".repeat(i + 1)))),
    texts: () => ["a", "ab", `${"a".repeat(50)}b`],
  },
  {
    name: "pieces of one letter, the longest first",
    file: () =>
      vocabularyFile(
        spm(
          upTo(60, (i) => "a".repeat(i + 1)),
          (_, i) => i,
        ),
      ),
    texts: () => ["a", "ab", `${"a".repeat(50)}b`],
  },
  {
    name: "merges of one letter",
    file: () => {
      const merges = upTo(9, (i) => `${"a".repeat(2 ** i)} ${"a".repeat(2 ** i)}`);
      return withSpecials([], merges);
    },
    texts: () => ["a", `${"a".repeat(500)}b`],
  },
  {
    name: "merges that go on",
    file: () =>
      withSpecials(
        [],
        upTo(600, (i) => `${"a".repeat(i + 1)} a`),
      ),
    texts: () => ["a", "ab", `${"a".repeat(500)}b`],
  },
  ...(["rwkv", "t5"] as const).map((model) => ({
    name: `${model}, tokens that nearly stand everywhere`,
    file: () => longTokens(model, 300, 1),
    texts: () => ["a", "ab", `${"ab".repeat(50)} `, `${"ab".repeat(250)}b`],
  })),
];

/**
 * Vocabularies beyond the fuzzers': their tokens nest in one another by hundreds, and a text of such tokens costs dozens
 * of times more; WordPiece looks at each place of a word, which has a hundred letters at most. They stand in the table,
 * and no bound holds them.
 */
export const NESTED: readonly CostlyVocabulary[] = [
  {
    name: "600 nested pieces",
    file: () => vocabularyFile(spm(upTo(600, (i) => "a".repeat(i + 1)))),
    texts: () => ["a", `${"a".repeat(500)}b`],
  },
  {
    name: "600 nested pieces, the longest first",
    file: () =>
      vocabularyFile(
        spm(
          upTo(600, (i) => "a".repeat(i + 1)),
          (_, i) => i,
        ),
      ),
    texts: () => ["a", `${"a".repeat(500)}b`],
  },
  {
    name: "bert, tokens that nearly stand everywhere",
    file: () => longTokens("bert", 300, 1),
    texts: () => [`${"ab".repeat(50)} `],
  },
  { name: "300 nested unigrams", file: () => longTokens("t5", 0, 300), texts: () => ["a", "ab"] },
];

/** A vocabulary of letters, of `long` tokens whose last letter no text of `ab` has, and of `nested` runs of `a`. */
function longTokens(model: "rwkv" | "t5" | "bert", long: number, nested: number): Uint8Array {
  const letters = [..."abcdefghijklmnopqrstuvwxyzO,. "].filter((letter) => model === "rwkv" || letter !== " ");
  const runs = upTo(nested, (i) => "a".repeat(i + 2));
  const nearly = upTo(long, (i) => `${"ab".repeat(i / 2 + 1)}c`);
  const own = [...letters, ...runs, ...nearly, ...(model === "t5" ? ["▁"] : [])];
  const tokens = [...new Set(["<unk>", ...own, ...own.map((text) => (model === "bert" ? "▁" : "") + text)])];
  return vocabularyFile({
    model,
    tokens,
    types: tokens.map((_, i) => (i === 0 ? 2 : NORMAL)),
    scores: tokens.map((text) => -20 + text.length / 100),
    keys: { unknown_token_id: 0 },
  });
}

const VOCABULARIES = new URL("../../../shared/data/vocabs/", import.meta.url);

/** Vocabularies of real models, where they are. */
export function realVocabularies(): CostlyVocabulary[] {
  if (!existsSync(VOCABULARIES)) return [];
  return readdirSync(VOCABULARIES)
    .filter((name) => name.endsWith(".gguf"))
    .map((name) => ({
      name: name.replace(/^ggml-vocab-|\.gguf$/g, ""),
      file: () => new Uint8Array(readFileSync(fileURLToPath(new URL(name, VOCABULARIES)))),
    }));
}

/** Vocabularies of the fuzzers. */
export function randomVocabularies(count: number, seed: number): CostlyVocabulary[] {
  return upTo(count, String).map((_, i) => {
    // A sound one: without wrong merges, twins and scores.
    const spec = soundOf(vocabularyOf(new Random(seedOf(seed, "tokenizing", i))));
    return {
      name: `random ${seed}.${i}`,
      file: () => vocabularyFile(spec),
      texts: () => [spec.tokens.slice(-40).join("").slice(0, 500)],
    };
  });
}

/** The same vocabulary without what is refused: tokens of one text, lists of other lengths, merges that are none. */
function soundOf(spec: VocabularySpec): VocabularySpec {
  const kept = spec.tokens.flatMap((text, i) => (spec.tokens.indexOf(text) === i ? [i] : []));
  const list = <Value>(values: readonly Value[] | undefined, absent: Value) =>
    values && kept.map((i) => values[i] ?? absent);
  return {
    ...spec,
    tokens: kept.map((i) => spec.tokens[i]),
    types: list(spec.types, NORMAL),
    scores: list(spec.scores, 0),
    merges: spec.merges?.filter((merge) => /^[^ ]+ [^ ]+$/.test(merge)),
  };
}

/** All kinds of text for a vocabulary: their names, and the text in about as many bytes. */
export function textsFor(vocabulary: CostlyVocabulary, bytes: number): [name: string, text: Uint8Array][] {
  const encoder = new TextEncoder();
  const kinds = Object.entries(TEXT_KINDS).map(([name, make]): [string, Uint8Array] => [
    name,
    encoder.encode(make(bytes, new Random(1))).subarray(0, bytes),
  ]);
  const own = (vocabulary.texts?.() ?? []).map((text): [string, Uint8Array] => {
    const repeated = encoder.encode(text.repeat(Math.ceil(bytes / Math.max(1, text.length))));
    return [text.length > 24 ? `${text.slice(0, 20)}… (${text.length})` : text, repeated.subarray(0, bytes)];
  });
  return [...kinds, ...own];
}
