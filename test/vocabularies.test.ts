/**
 * WordPiece, unigrams and RWKV's vocabulary against the tokenizers' own libraries (test/golden/tokenizers.json), their
 * special tokens, the way back, and what is refused of them.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode } from "../bindings/numbers.ts";
import { loadCore } from "./support/core.ts";
import { wholeNumbers } from "./support/random.ts";
import {
  ADD_SPECIAL,
  BYTE_CHARACTERS,
  PARSE_SPECIAL,
  Tokenizer,
  type VocabularySpec,
  vocabularyFile,
} from "./support/tokenizer.ts";
import { hashOf, specOf, TEXTS_OF_HASH, tokenizerRows, tokenizerTexts } from "./support/tokenizers.ts";

const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED] = [1, 2, 3, 4];
const core = loadCore("portable");
const make = (spec: VocabularySpec) => Tokenizer.load(core, vocabularyFile(spec));

for (const row of tokenizerRows()) {
  test(`${row.name}: 10,000 random texts are ${row.source}'s tokens`, () => {
    const tokenizer = make(specOf(row));
    const ids = tokenizerTexts(row.model).map((text) => tokenizer.tokenize(text));
    for (let i = 0; i < row.hashes.length; i++) {
      const some = ids.slice(i * TEXTS_OF_HASH, (i + 1) * TEXTS_OF_HASH);
      assert.is(hashOf(some), row.hashes[i], `texts from ${i * TEXTS_OF_HASH} on`);
    }
    tokenizer.release();
  });

  test(`${row.name}: the scalar build gives the same tokens, and a stream the text of a list`, () => {
    const file = vocabularyFile(specOf(row));
    const portable = Tokenizer.load(core, file);
    const scalar = Tokenizer.load(loadCore("scalar"), file);
    for (const text of tokenizerTexts(row.model).slice(0, 300)) {
      const ids = portable.tokenize(text, ADD_SPECIAL);
      assert.equal(scalar.tokenize(text, ADD_SPECIAL), ids);
      assert.equal([...Buffer.concat(portable.stream(ids, 0))], [...portable.detokenizeBytes(ids, 0)]);
    }
    portable.release();
    scalar.release();
  });
}

const PIECES = {
  model: "bert",
  tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "▁don", "▁'", "▁t", "▁a", "b", "▁.", "▁水", "▁é", "▁É", "▁e"],
  types: [CONTROL, CONTROL, CONTROL, CONTROL, ...Array(10).fill(NORMAL)],
  keys: { cls_token_id: 2, unknown_token_id: 1, seperator_token_id: 3, padding_token_id: 0 },
} satisfies VocabularySpec;

test("WordPiece: CLS in front, SEP behind, by the file's keys; the way back without spaces before signs", () => {
  const tokenizer = make(PIECES);
  assert.equal(tokenizer.tokenize("Don't AB. 水", ADD_SPECIAL), [2, 4, 5, 6, 7, 8, 9, 10, 3]);
  assert.is(tokenizer.detokenize(tokenizer.tokenize("Don't AB. 水", ADD_SPECIAL)), "don't ab. 水");
  assert.is(tokenizer.options, 1 + 8 + 32);
  assert.is(tokenizer.special(0), 2);
  assert.is(tokenizer.special(3), 3);
  assert.equal(tokenizer.tokenize("a[SEP]a", PARSE_SPECIAL), [7, 3, 7]);
  assert.equal(tokenizer.tokenize("a xa a", 0), [7, 1, 7]);
  tokenizer.release();
  const bare = make({ ...PIECES, keys: { ...PIECES.keys, add_bos_token: false, add_sep_token: false } });
  assert.equal(bare.tokenize("a", ADD_SPECIAL), [7]);
  bare.release();
});

test("WordPiece: lower case and accents as the keys say; accents go with case where only that is said", () => {
  const ids = (keys: Record<string, boolean>) => {
    const tokenizer = make({ ...PIECES, keys: { ...PIECES.keys, ...keys } });
    const tokens = tokenizer.tokenize("É E\u0301 e");
    tokenizer.release();
    return tokens;
  };
  const [lower, strip] = ["normalizer.lowercase", "normalizer.strip_accents"];
  assert.equal(ids({}), [13, 13, 13]);
  assert.equal(ids({ [lower]: false }), [12, 1, 13]);
  assert.equal(ids({ [lower]: true, [strip]: false }), [11, 1, 13]);
  assert.equal(ids({ [lower]: false, [strip]: true }), [1, 1, 13]);
});

test("WordPiece: a word of a hundred characters is tokens, of a hundred and one it is unknown", () => {
  const tokenizer = make(PIECES);
  assert.equal(tokenizer.tokenize(`a${"b".repeat(99)}`), [7, ...Array(99).fill(8)]);
  assert.equal(tokenizer.tokenize(`a${"b".repeat(100)} a`), [1, 7]);
  tokenizer.release();
});

test("WordPiece's defaults are BERT's numbers", () => {
  const tokens = Array.from({ length: 110 }, (_, i) => `▁t${i}`);
  const tokenizer = make({ model: "bert", tokens });
  assert.equal(
    [0, 2, 3, 4, 5].map((which) => tokenizer.special(which)),
    [101, 100, 102, 0, 103],
  );
  tokenizer.release();
});

const UNIGRAMS = {
  model: "t5",
  tokens: ["<pad>", "</s>", "<unk>", "▁", "▁a", "b", "ab", "▁ab", "<x>"],
  types: [CONTROL, CONTROL, UNKNOWN, NORMAL, NORMAL, NORMAL, NORMAL, NORMAL, USER_DEFINED],
  scores: [0, 0, 0, -2, -2, -2, -1.5, -5, 0],
  keys: { add_space_prefix: true, remove_extra_whitespaces: true },
} satisfies VocabularySpec;

test("unigrams: the best sum of scores, EOS behind, a run of what is unknown is one token, the way back", () => {
  const tokenizer = make(UNIGRAMS);
  // ▁ + ab is -3.5, ▁a + b -4, ▁ab -5.
  assert.equal(tokenizer.tokenize("ab", ADD_SPECIAL), [3, 6, 1]);
  assert.equal(tokenizer.tokenize("  b   ab "), [3, 5, 3, 6]);
  assert.equal(tokenizer.tokenize("水火b"), [3, 2, 5]);
  assert.equal(tokenizer.tokenize("b<x>b"), [3, 5, 8, 3, 5]);
  assert.is(tokenizer.detokenize(tokenizer.tokenize("ab ab", ADD_SPECIAL)), "ab ab");
  assert.equal(tokenizer.tokenize(""), []);
  assert.equal(tokenizer.tokenize("   "), []);
  tokenizer.release();
  const xlm = make({ ...UNIGRAMS, keys: { ...UNIGRAMS.keys, bos_token_id: 0, add_bos_token: true } });
  assert.equal(xlm.tokenize("ab", ADD_SPECIAL), [0, 3, 6, 1]);
  xlm.release();
});

/** All ways to write a text in tokens; the best sum, the first of equals as Viterbi's algorithm has it. */
function bestScore(word: string, scores: ReadonlyMap<string, number>, unknown: number): number {
  const best = [0];
  for (let end = 1; end <= word.length; end++) {
    best[end] = best[end - 1] + (scores.has(word[end - 1]) ? -Infinity : unknown);
    for (let from = 0; from < end; from++) {
      const score = scores.get(word.slice(from, end));
      if (score !== undefined) best[end] = Math.max(best[end], best[from] + score);
    }
  }
  return best[word.length];
}

test("500 random unigrams: no other way has a higher score", () => {
  const random = wholeNumbers(521288629);
  for (let round = 0; round < 500; round++) {
    const words = new Set(["▁", ..."abc".slice(0, 1 + random(3))]);
    while (words.size < 12) words.add(Array.from({ length: 1 + random(4) }, () => "abc"[random(3)]).join(""));
    const tokens = ["<unk>", ...words];
    const scores = tokens.map(() => -Math.fround(1 + random(1000) / 100));
    const byText = new Map(tokens.map((token, i) => [token, scores[i]]));
    const tokenizer = make({
      ...{ model: "t5", tokens, scores, types: tokens.map((_, i) => (i ? NORMAL : UNKNOWN)) },
      keys: { unknown_token_id: 0 },
    });
    const unknown = Math.min(...scores.slice(1)) - 10;
    for (let i = 0; i < 4; i++) {
      const text = Array.from({ length: 1 + random(12) }, () => "abc"[random(3)]).join("");
      const ids = tokenizer.tokenize(text);
      if (ids.includes(0)) continue;
      const sum = ids.reduce((all, id) => all + scores[id], 0);
      assert.ok(Math.abs(sum - bestScore(text, byText, unknown)) < 1e-9, text);
      assert.is(ids.map((id) => tokens[id]).join(""), text);
    }
    tokenizer.release();
  }
});

test("RWKV: escapes are bytes, the longest token wins, and bytes come back as they were", () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `\\x${byte.toString(16).padStart(2, "0")}`);
  const tokens = ["<s>", ...bytes, "the", "then", "\\n\\n", "it\\'s", '\\"', "\\\\x", "\\xe6\\xb0\\xb4", "  \\t"];
  tokens.splice(tokens.indexOf('\\"'), 1);
  const types = tokens.map((_, i) => (i ? NORMAL : CONTROL));
  const tokenizer = make({ model: "rwkv", tokens, types, keys: { bos_token_id: 0, eos_token_id: 0 } });
  const id = (text: string) => tokens.indexOf(text);
  assert.equal(tokenizer.tokenize("thenthe\n\n", ADD_SPECIAL), [id("then"), id("the"), id("\\n\\n")]);
  assert.equal(
    tokenizer.tokenize("it's\\x水  \t<s>".slice(0, -3)),
    ["it\\'s", "\\\\x", "\\xe6\\xb0\\xb4", "  \\t"].map(id),
  );
  assert.equal(tokenizer.tokenize("<s>", PARSE_SPECIAL), [0]);
  const random = wholeNumbers(88172645);
  for (let i = 0; i < 500; i++) {
    const text = Uint8Array.from({ length: random(30) }, () => random(256));
    assert.equal([...tokenizer.detokenizeBytes(tokenizer.tokenize(text))], [...text]);
  }
  tokenizer.release();
});

/** A map of characters as SentencePiece compiles it: units, then texts. */
function charsmap(units: readonly number[], texts: string): Uint8Array {
  const all = Uint32Array.of(4 * 256, ...units, ...Array(256 - units.length).fill(0x8000_0000));
  return new Uint8Array(Buffer.concat([new Uint8Array(all.buffer), Buffer.from(texts)]));
}
/** base in bits 10 and up, a value, the byte that leads here. */
const unit = (base: number, value: boolean, byte: number) => ((base << 10) | (value ? 256 : 0) | byte) >>> 0;
const MAP = (): number[] => {
  const units = Array<number>(256).fill(0x8000_0000);
  units[0] = unit(1, false, 0);
  // a stands for the text at 0: its unit is 1 ^ 97, its place 1 ^ 97 ^ base.
  units[1 ^ 97] = unit(2, true, 97);
  units[1 ^ 97 ^ 2] = 0x8000_0000;
  return units;
};

test("a map of characters replaces the longest beginning that it has", () => {
  const tokenizer = make({ ...UNIGRAMS, charsmap: charsmap(MAP(), "ab\0") });
  assert.equal(tokenizer.tokenize("a"), [3, 6]);
  tokenizer.release();
  make({ ...UNIGRAMS, charsmap: charsmap(MAP(), `${"ab".repeat(125)}\0`) }).release();
});

const bad = (units: number[], at: number, value: number) => units.with(at, value);
const BROKEN: [what: string, spec: VocabularySpec, message: RegExp][] = [
  ["unigrams without scores", { ...UNIGRAMS, scores: undefined }, /needs its scores/],
  [
    "a score that is no number",
    { ...UNIGRAMS, scores: UNIGRAMS.scores.with(4, Number.NaN) },
    /score of token 4 is no finite/,
  ],
  ["an endless score", { ...UNIGRAMS, scores: UNIGRAMS.scores.with(0, Infinity) }, /score of token 0 is no finite/],
  ["a map of three bytes", { ...UNIGRAMS, charsmap: new Uint8Array(3).fill(1) }, /precompiled_charsmap is damaged/],
  ["a map longer than itself", { ...UNIGRAMS, charsmap: Uint8Array.of(255, 255, 255, 127, 0) }, /charsmap is damaged/],
  [
    "a root that leads out",
    { ...UNIGRAMS, charsmap: charsmap(bad(MAP(), 0, unit(512, false, 0)), "ab\0") },
    /leads out/,
  ],
  [
    "a child that leads out",
    { ...UNIGRAMS, charsmap: charsmap(bad(MAP(), 96, unit(999, true, 97)), "ab\0") },
    /leads out/,
  ],
  [
    "a map that goes round",
    { ...UNIGRAMS, charsmap: charsmap(bad(MAP(), 96, unit(97, false, 97)), "ab\0") },
    /goes round/,
  ],
  [
    "a replacement behind the end",
    { ...UNIGRAMS, charsmap: charsmap(bad(MAP(), 98, 0x8000_0009), "ab\0") },
    /does not lie/,
  ],
  ["a replacement without an end", { ...UNIGRAMS, charsmap: charsmap(MAP(), "ab") }, /does not lie/],
  // Else a text of a million letters became as many replacements of a million.
  [
    "a replacement of 251 bytes",
    { ...UNIGRAMS, charsmap: charsmap(MAP(), `${"ab ".repeat(84).slice(0, 251)}\0`) },
    /longer than 250 bytes/,
  ],
  ["a special token that is none", { ...UNIGRAMS, keys: { unknown_token_id: 9 } }, /token_id is 9, .*has 0 to 8/],
  ["a CLS that is none", { ...PIECES, keys: { ...PIECES.keys, cls_token_id: 4e9 } }, /token_id is 4000000000/],
  ...["\\x", "\\x1", "\\xgg", "\\", "\\q", "a\\u0041"].map((token): (typeof BROKEN)[number] => [
    `the escape ${token}`,
    { model: "rwkv", tokens: ["a", token] },
    /token 1 has an escape that is none/,
  ]),
  ["two escapes of one byte", { model: "rwkv", tokens: ["a", "\\x61"] }, /has the text of another/],
];
for (const [what, spec, message] of BROKEN) {
  test(`broken: ${what}`, () => {
    assert.throws(
      () => make(spec),
      (error: Error & { code: number }) => error.code === ErrorCode.BAD_FILE && message.test(error.message),
    );
  });
}

/** Cutting by the book: each token, the longest first, from left to right over what is free. */
function cutSlowly(text: string, specials: readonly string[]): number[] {
  const taken: (number | null)[] = Array.from(text, () => null);
  const order = specials.map((_, i) => i).sort((a, b) => specials[b].length - specials[a].length || a - b);
  for (const i of order) {
    const { length } = specials[i];
    for (let at = 0; at + length <= text.length; at++) {
      if (!text.startsWith(specials[i], at) || taken.slice(at, at + length).some((one) => one !== null)) continue;
      taken.fill(-1, at, at + length);
      taken[at] = 256 + i;
    }
  }
  return taken.flatMap((one, at) => (one === null ? [text.charCodeAt(at)] : one < 0 ? [] : [one]));
}

test("2,000 random lists of special tokens, tokens within tokens: cut as by the book", () => {
  const random = wholeNumbers(2463534242);
  for (let round = 0; round < 2000; round++) {
    const letters = "ab<".slice(0, 1 + random(3));
    const word = (most: number) =>
      Array.from({ length: 2 + random(most) }, () => letters[random(letters.length)]).join("");
    const specials = [...new Set(Array.from({ length: 1 + random(12) }, () => word(random(3) ? 4 : 14)))];
    const types = [...BYTE_CHARACTERS.map(() => NORMAL), ...specials.map(() => (random(2) ? CONTROL : USER_DEFINED))];
    const tokenizer = make({ pre: "gpt-2", tokens: [...BYTE_CHARACTERS, ...specials], types });
    const text = word(60);
    assert.equal(
      tokenizer.tokenize(text, PARSE_SPECIAL),
      cutSlowly(text, specials),
      JSON.stringify({ specials, text }),
    );
    const always = specials.map((special, i) => (types[256 + i] === USER_DEFINED ? special : "\0\0"));
    assert.equal(tokenizer.tokenize(text), cutSlowly(text, always), JSON.stringify({ always, text }));
    tokenizer.release();
  }
});

test.run();
