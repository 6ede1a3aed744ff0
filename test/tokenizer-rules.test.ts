/**
 * Tokenizers of small vocabularies: special tokens, merges, SentencePiece's rules, the clean-up, streams, and what is odd or
 * broken.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode } from "../bindings/numbers.ts";
import { loadCore } from "./support/core.ts";
import { wholeNumbers } from "./support/random.ts";
import {
  ADD_SPECIAL,
  BYTE_CHARACTERS,
  CLEAN,
  CONTINUE,
  characterOfByte,
  cleanUp,
  KEEP,
  PARSE_SPECIAL,
  REMOVE_SPECIAL,
  SHOW_SPECIAL,
  Tokenizer,
  type VocabularySpec,
  vocabularyFile,
} from "./support/tokenizer.ts";

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;
const { BAD_FILE, UNSUPPORTED } = ErrorCode;

const core = loadCore("portable");
const encoder = new TextEncoder();
const make = (spec: VocabularySpec) => Tokenizer.load(core, vocabularyFile(spec));

const random = wholeNumbers(362436069);

test("the clean-up at its edges, in one piece and byte by byte", () => {
  const tokenizer = make({ pre: "gpt-2", tokens: BYTE_CHARACTERS });
  const texts = [
    "",
    " ",
    "  ",
    " ?",
    "  ?",
    " ? !",
    "? .",
    " ' ",
    "a ' b",
    "a ' ' b",
    " '",
    " ' ?",
    " 's",
    " 'some",
    " 'r",
    " 're",
    " 'r e",
    " 've",
    " 'v'",
    " 'm",
    " 'll",
    " 't",
    " 'd",
    "' 's",
    " ''s",
    " ' 's",
    "  's",
    "it 's ' fine ' , really ?",
    "x ",
    "x '",
    "x 'v",
  ];
  for (const text of texts) {
    const tokens = tokenizer.tokenize(text);
    assert.is(tokenizer.detokenize(tokens, CLEAN), cleanUp(text), JSON.stringify(text));
    assert.is(Buffer.concat(tokenizer.stream(tokens, CLEAN)).toString(), cleanUp(text), JSON.stringify(text));
    assert.is(tokenizer.detokenize(tokens, KEEP), text);
    assert.is(tokenizer.detokenize(tokens), cleanUp(text), "gpt-2 cleans unless told otherwise");
  }
  tokenizer.release();
});

const CHAT = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<custom>", "  ", "<cust"];
const chat = (pre = "qwen2", keys: Record<string, number | boolean> = {}): VocabularySpec => ({
  pre,
  tokens: [...BYTE_CHARACTERS, "hi", ...CHAT],
  merges: ["h i"],
  types: [...Array(257).fill(NORMAL), CONTROL, CONTROL, CONTROL, USER_DEFINED, USER_DEFINED, USER_DEFINED],
  keys,
});
const START = 257;
const END = 258;
const TEXT_END = 259;
const CUSTOM = 260;
const TWO_SPACES = 261;

test("special tokens: control ones when asked for, user-defined ones always, the longest first", () => {
  const tokenizer = make(chat());
  const text = "<|im_start|>hi<custom>  hi<|im_end|><cust";
  const of = (part: string) => [...encoder.encode(part)];
  assert.equal(tokenizer.tokenize(text, PARSE_SPECIAL), [START, 256, CUSTOM, TWO_SPACES, 256, END, 262]);
  assert.equal(tokenizer.tokenize(text), [
    ...of("<|im_start|>"),
    256,
    CUSTOM,
    TWO_SPACES,
    256,
    ...of("<|im_end|>"),
    262,
  ]);
  assert.is(tokenizer.detokenize(tokenizer.tokenize(text, PARSE_SPECIAL), SHOW_SPECIAL), text);
  assert.is(tokenizer.detokenize(tokenizer.tokenize(text, PARSE_SPECIAL)), "hi<custom>  hi<cust");
  assert.is(tokenizer.detokenize(tokenizer.tokenize(text)), text);
  assert.equal(tokenizer.tokenize("     "), [TWO_SPACES, TWO_SPACES, 32]);
  assert.equal(tokenizer.tokenize(""), []);
  tokenizer.release();
});

test("longer special tokens cut before shorter ones, wherever they stand", () => {
  const tokens = [...BYTE_CHARACTERS, "bcde", "abc", "x"];
  const types = [...Array(256).fill(NORMAL), USER_DEFINED, USER_DEFINED, USER_DEFINED];
  // The character x is a byte's token already: one text cannot be two tokens.
  const spec = { pre: "gpt-2", tokens: tokens.slice(0, 258), types: types.slice(0, 258) };
  const tokenizer = make(spec);
  assert.equal(tokenizer.tokenize("abcdeabcx"), [97, 256, 257, 120]);
  tokenizer.release();
  assert.throws(() => make({ ...spec, tokens, types }), /token 258 has the text of another: 'x'/);
});

test("a single byte may be a special token", () => {
  const types = Array(256).fill(NORMAL);
  types[10] = USER_DEFINED;
  const tokens = [...BYTE_CHARACTERS];
  tokens[10] = "\n";
  const tokenizer = make({ pre: "gpt-2", tokens, types });
  assert.equal(tokenizer.tokenize("a\n\nb"), [97, 10, 10, 98]);
  assert.is(tokenizer.detokenize([97, 10, 10, 98]), "a\n\nb");
  tokenizer.release();
});

test("1,200 special tokens in 200 KB of text", () => {
  const names = Array.from({ length: 1200 }, (_, i) => `<extra_${i}>`);
  const types = [...Array(256).fill(NORMAL), ...names.map((_, i) => (i % 2 ? CONTROL : USER_DEFINED))];
  const tokenizer = make({ pre: "gpt-2", tokens: [...BYTE_CHARACTERS, ...names], types });
  let text = "";
  const expected: number[] = [];
  while (text.length < 200_000) {
    const i = random(1200);
    text += `${names[i]}<ex`;
    expected.push(256 + i, 60, 101, 120);
  }
  // The processor's time: a busy machine may take longer by the clock.
  const started = process.cpuUsage();
  assert.equal(tokenizer.tokenize(text, PARSE_SPECIAL), expected);
  assert.ok(process.cpuUsage(started).user < 5e6);
  tokenizer.release();
});

test("ids and what ends generation: by key, or else by text", () => {
  const byText = make(chat());
  assert.is(byText.special(6), END, "eot");
  assert.ok(byText.endsGeneration(END) && byText.endsGeneration(TEXT_END) && !byText.endsGeneration(START));
  assert.not(byText.endsGeneration(0) || byText.endsGeneration(1e6));
  assert.is(byText.special(0), -1);
  byText.release();
  const byKey = make(chat("qwen2", { bos_token_id: START, eos_token_id: 0, eot_token_id: 5, padding_token_id: 4e9 }));
  assert.equal(
    [0, 1, 6, 4, 99].map((which) => byKey.special(which)),
    [START, 0, 5, -1, -1],
  );
  assert.ok(byKey.endsGeneration(0) && byKey.endsGeneration(5) && byKey.endsGeneration(END));
  byKey.release();
});

test("BOS and EOS come where the vocabulary wants them and the caller asks", () => {
  const keys = { bos_token_id: START, eos_token_id: END, add_bos_token: true, add_eos_token: true };
  const tokenizer = make(chat("qwen2", keys));
  assert.is(tokenizer.options, 3);
  assert.equal(tokenizer.tokenize("hi"), [256]);
  assert.equal(tokenizer.tokenize("hi", ADD_SPECIAL), [START, 256, END]);
  assert.equal(tokenizer.tokenize("", ADD_SPECIAL), [START, END]);
  assert.is(tokenizer.detokenize([START, 256, END], SHOW_SPECIAL), "<|im_start|>hi<|im_end|>");
  assert.is(tokenizer.detokenize([START, 256, END], SHOW_SPECIAL | REMOVE_SPECIAL), "hi");
  tokenizer.release();
});

test("a word that is a token ignores the merges, where the pre-tokenizer says so", () => {
  const tokens = [...BYTE_CHARACTERS, "abc", "ab"];
  for (const [pre, expected] of [
    ["llama-bpe", [256]],
    ["dbrx", [257, 99]],
  ] as const) {
    const tokenizer = make({ pre, tokens, merges: ["a b"] });
    assert.equal(tokenizer.tokenize("abc"), expected, pre);
    tokenizer.release();
  }
});

test("merges go by rank, then from the left", () => {
  const tokens = [...BYTE_CHARACTERS, "aa", "aaa", "ab", "ba"];
  const tokenizer = make({ pre: "gpt-2", tokens, merges: ["a a", "aa a", "b a", "a b"] });
  assert.equal(tokenizer.tokenize("aaaaa"), [256, 257]);
  assert.equal(tokenizer.tokenize("bab"), [259, 98]);
  tokenizer.release();
});

test("merges through symbols that are no tokens: the pieces come out character by character", () => {
  const tokenizer = make({
    pre: "gpt-2",
    tokens: [...BYTE_CHARACTERS, "abcd"],
    merges: ["a b", "ab c", "abc d", "Ġ x"],
  });
  assert.equal(tokenizer.tokenize("abcd"), [256]);
  assert.equal(tokenizer.tokenize("abc x"), [97, 98, 99, 32, 120]);
  tokenizer.release();
  const few = make({ pre: "gpt-2", tokens: ["a", "b", "ab"], merges: ["a b", "ab c"] });
  assert.equal(few.tokenize("abcab"), [0, 1, 2], "what no token writes is dropped");
  few.release();
});

/** Merging by the book: the whole list of symbols is searched for each merge. */
function mergeSlowly(symbols: string[], rank: (left: string, right: string) => number | undefined): string[] {
  for (;;) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const found = rank(symbols[i], symbols[i + 1]);
      if (found !== undefined && found < bestRank) [best, bestRank] = [i, found];
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
  }
}

/** Short texts of few letters, each once. */
function randomPieces(count: number, letters: string): string[] {
  const piece = () => Array.from({ length: 2 + random(4) }, () => letters[random(letters.length)]).join("");
  return [...new Set(Array.from({ length: count }, piece))];
}

test("500 random vocabularies of byte-level BPE, against merging by the book", () => {
  for (let round = 0; round < 500; round++) {
    const pieces = randomPieces(12, "abc");
    const tokens = [...BYTE_CHARACTERS, ...pieces];
    const whole = [..."abc", ...pieces];
    // Some merges make what is no token.
    const merges = [
      ...new Set(Array.from({ length: 20 }, () => `${whole[random(whole.length)]} ${whole[random(whole.length)]}`)),
    ];
    const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
    const tokenizer = make({ pre: "gpt-2", tokens, merges });
    for (let i = 0; i < 5; i++) {
      const text = Array.from({ length: 1 + random(40) }, () => "abc"[random(3)]).join("");
      const expected = mergeSlowly([...text], (left, right) => ranks.get(`${left} ${right}`)).flatMap((symbol) =>
        tokens.includes(symbol) ? tokens.indexOf(symbol) : [...symbol].map((character) => tokens.indexOf(character)),
      );
      assert.equal(tokenizer.tokenize(text), expected, JSON.stringify({ merges, pieces, text }));
    }
    tokenizer.release();
  }
});

test("500 random vocabularies of SentencePiece, against merging by the book", () => {
  for (let round = 0; round < 500; round++) {
    const letters = round % 2 ? "ab▁" : "abc";
    const pieces = ["▁", "a", "b", "c", ...randomPieces(14, letters)].map((text): [string, number] => [
      text,
      random(7) - 5,
    ]);
    const spec = sentencePieces(pieces);
    const scores = new Map(pieces);
    const tokenizer = make(spec);
    for (let i = 0; i < 5; i++) {
      const text = Array.from({ length: 1 + random(40) }, () => "abc "[random(4)]).join("");
      const symbols = [...` ${text}`.replaceAll(" ", "▁")];
      const merged = mergeSlowly(symbols, (left, right) => {
        const score = scores.get(left + right);
        return score === undefined ? undefined : -score;
      });
      assert.equal(
        tokenizer.tokenize(text),
        merged.map((symbol) => spec.tokens.indexOf(symbol)),
        JSON.stringify({ pieces, text }),
      );
    }
    tokenizer.release();
  }
});

/** A SentencePiece vocabulary: unknown, BOS, EOS, the bytes, then the pieces with their scores. */
function sentencePieces(pieces: [text: string, score: number, type?: number][], bytes = true): VocabularySpec {
  const byteNames = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const list: [string, number, number?][] = [
    ["<unk>", 0, UNKNOWN],
    ["<s>", 0, CONTROL],
    ["</s>", 0, CONTROL],
    ...(bytes ? byteNames.map((name): [string, number, number] => [name, 0, BYTE]) : []),
    ...pieces,
  ];
  return {
    model: "llama",
    tokens: list.map(([text]) => text),
    scores: list.map(([, score]) => score),
    types: list.map(([, , type]) => type ?? NORMAL),
  };
}

test("SentencePiece: scores, ties from the left, bytes for what is no token", () => {
  const tokenizer = make(
    sentencePieces([
      ["▁", -1],
      ["a", -2],
      ["b", -2],
      ["ab", -5],
      ["ba", -4],
      ["▁a", -9],
    ]),
  );
  const [SPACE, A, B, AB, BA, SPACE_A] = [259, 260, 261, 262, 263, 264];
  assert.equal(tokenizer.tokenize("ab"), [SPACE, AB]);
  assert.equal(tokenizer.tokenize("aba"), [SPACE_A, BA]);
  assert.equal(tokenizer.tokenize("bab b"), [SPACE, BA, B, SPACE, B]);
  assert.equal(tokenizer.tokenize("aé\0"), [SPACE_A, 3 + 0xc3, 3 + 0xa9, 3]);
  assert.equal(tokenizer.tokenize("a", ADD_SPECIAL), [1, SPACE_A]);
  assert.equal(tokenizer.tokenize("", ADD_SPECIAL), [1]);
  assert.equal(tokenizer.tokenize("a▁a"), [SPACE_A, 3 + 0xe2, 3 + 0x96, 3 + 0x81, A]);
  assert.is(tokenizer.detokenize(tokenizer.tokenize("a▁a"), KEEP), "a▁a");
  tokenizer.release();
});

test("SentencePiece: a space in front, of every stretch; it goes on the way back, unless a BOS was taken off", () => {
  const tokenizer = make(
    sentencePieces([
      ["▁a", 0],
      ["▁", -1],
      ["a", -1],
      ["<x>", 0, USER_DEFINED],
    ]),
  );
  const [SPACE_A, A, X] = [259, 261, 262];
  assert.equal(tokenizer.tokenize("a<x>a"), [SPACE_A, X, SPACE_A]);
  assert.equal(tokenizer.tokenize("a</s>a", PARSE_SPECIAL), [SPACE_A, 2, SPACE_A]);
  assert.is(tokenizer.detokenize([SPACE_A, A]), "aa");
  assert.is(tokenizer.detokenize([1, SPACE_A]), " a");
  assert.is(tokenizer.detokenize([1, SPACE_A], REMOVE_SPECIAL), " a");
  assert.is(Buffer.concat(tokenizer.stream([SPACE_A])).toString(), "a");
  assert.is(Buffer.concat(tokenizer.stream([SPACE_A], CONTINUE)).toString(), " a");
  tokenizer.release();
  const bare = make({
    ...sentencePieces([
      ["▁a", 0],
      ["a", -1],
    ]),
    keys: { add_space_prefix: false },
  });
  assert.equal(bare.tokenize("a"), [260]);
  assert.is(bare.detokenize([259]), " a");
  bare.release();
});

test("SentencePiece: merges cross words where the vocabulary has such tokens", () => {
  const pieces: [string, number][] = [
    ["a", -3],
    ["▁", -3],
    ["b", -3],
    ["a▁", -1],
    ["▁b", -2],
    ["a▁b", 0],
  ];
  const tokenizer = make(sentencePieces(pieces));
  assert.equal(tokenizer.tokenize("a b"), [260, 264]);
  tokenizer.release();
});

test("SentencePiece without bytes: the unknown token", () => {
  const tokenizer = make(
    sentencePieces(
      [
        ["▁", 0],
        ["a", 0],
      ],
      false,
    ),
  );
  assert.equal(tokenizer.tokenize("aéa"), [3, 4, 0, 4]);
  tokenizer.release();
});

test("SentencePiece without scores and types takes them as 0 and normal", () => {
  const {
    scores: _,
    types: __,
    ...spec
  } = sentencePieces([
    ["▁", 0],
    ["a", 0],
    ["▁a", 0],
  ]);
  const tokenizer = make(spec);
  assert.equal(tokenizer.tokenize("a"), [261]);
  tokenizer.release();
});

test("phi-3 by its name: white space behind special tokens belongs to them", () => {
  const pieces: [string, number, number?][] = [
    ["▁", 0],
    ["a", 0],
    ["<|end|>", 0, CONTROL],
  ];
  const named = make({ ...sentencePieces(pieces), name: "Phi-3 mini" });
  assert.equal(named.tokenize("<|end|> \n a", PARSE_SPECIAL), [261, 259, 260]);
  named.release();
  const other = make({ ...sentencePieces(pieces), name: "Llama" });
  assert.equal(other.tokenize("<|end|> a", PARSE_SPECIAL), [261, 259, 259, 260]);
  other.release();
});

test("jina: white space before <mask> belongs to it", () => {
  const spec = { tokens: [...BYTE_CHARACTERS, "<mask>"], types: [...Array(256).fill(NORMAL), CONTROL] };
  const jina = make({ ...spec, pre: "jina-v2-de" });
  assert.equal(jina.tokenize("a \t<mask> b", PARSE_SPECIAL), [97, 256, 32, 98]);
  jina.release();
});

test("streams hold an unfinished character back, and give up on what cannot become one", () => {
  const tokenizer = make({ pre: "qwen2", tokens: BYTE_CHARACTERS });
  const stream = (...bytes: number[]) => tokenizer.stream(bytes).map((piece) => [...piece]);
  assert.equal(stream(0xe2, 0x82, 0xac, 65), [[], [], [0xe2, 0x82, 0xac], [65], []]);
  assert.equal(stream(0xf0, 0x9f, 0xa6), [[], [], [], [0xf0, 0x9f, 0xa6]]);
  assert.equal(stream(0xe2, 65), [[], [0xe2, 65], []]);
  assert.equal(stream(0xe2, 0xe2, 0x82, 0xac), [[], [0xe2], [], [0xe2, 0x82, 0xac], []]);
  assert.equal(stream(0xe0, 0x80, 0xff, 0xed, 0xa0), [[], [0xe0, 0x80], [0xff], [], [0xed, 0xa0], []]);
  tokenizer.release();
});

test("a token's bytes by itself", () => {
  const tokenizer = make(chat());
  assert.equal([...tokenizer.tokenBytes(0xe2)], [0xe2]);
  assert.equal([...tokenizer.tokenBytes(START, false)], []);
  assert.is(Buffer.from(tokenizer.tokenBytes(START)).toString(), "<|im_start|>");
  assert.throws(() => tokenizer.tokenBytes(263), /no token 263/);
  assert.throws(() => tokenizer.tokenBytes(-1), /no token -1/);
  assert.throws(() => tokenizer.detokenize([-1]), /there is no token -1: the vocabulary has 0 to 262/);
  assert.throws(() => tokenizer.stream([263]), /there is no token 263/);
  tokenizer.release();
});

test("a list that is too short gets what fits, and the count of all", () => {
  const tokenizer = make(chat());
  const text = core.put("abcdef");
  const target = core.allocate(64);
  const count = core.exports.tokenizer_tokenize(core.core, tokenizer.pointer, text, 6, 0, target, 2);
  assert.is(count, 6);
  assert.equal([...core.i32(target, 3)], [97, 98, 0]);
  core.release(text);
  core.release(target);
  tokenizer.release();
});

const types = (count: number) => Array(count).fill(NORMAL);
const BROKEN: [what: string, spec: VocabularySpec, code: number, message: RegExp][] = [
  [
    "an unknown model",
    { ...chat(), model: "plamo2" },
    UNSUPPORTED,
    /tokenizer 'plamo2' is not supported; supported are: gpt2.*llama.*bert.*t5.*rwkv/,
  ],
  ["no tokens", { pre: "gpt-2", tokens: [] }, BAD_FILE, /vocabulary is empty/],
  [
    "two tokens of one text",
    { pre: "gpt-2", tokens: ["a", "b", "a"] },
    BAD_FILE,
    /token 2 has the text of another: 'a'/,
  ],
  [
    "too few types",
    { pre: "gpt-2", tokens: ["a", "b"], types: types(1) },
    BAD_FILE,
    /token_type has 1 entries for 2 tokens/,
  ],
  [
    "too many scores",
    { ...sentencePieces([]), scores: Array(300).fill(0) },
    BAD_FILE,
    /scores has 300 entries for 259 tokens/,
  ],
  ["a merge of one word", { pre: "gpt-2", tokens: ["a"], merges: ["aa"] }, BAD_FILE, /merge 0 is not two symbols/],
];
for (const [what, spec, code, message] of BROKEN) {
  test(`broken: ${what}`, () => {
    assert.throws(
      () => make(spec),
      (error: Error & { code: number }) => error.code === code && message.test(error.message),
    );
  });
}

test("odd: empty tokens, types of no meaning, empty parts of merges and scores that are no numbers do no harm", () => {
  const empty = make({
    pre: "gpt-2",
    tokens: ["", "a", "", "b", "ab"],
    types: [1, 1, 99, -5, 0],
    merges: ["a ", "a b"],
  });
  assert.equal(empty.tokenize("ab"), [4]);
  assert.is(empty.detokenize([0, 1, 2]), "a");
  empty.release();
  const scores = make(
    sentencePieces([
      ["▁", NaN],
      ["a", -Infinity],
      ["▁a", NaN],
      ["aa", Infinity],
    ]),
  );
  assert.equal(scores.tokenize("aaa"), [259, 262, 260]);
  scores.release();
});

test("memory comes back: a hundred tokenizers take the place of one", () => {
  const spec = vocabularyFile(chat());
  const first = Tokenizer.load(core, spec);
  first.tokenize("warm <|im_end|>", PARSE_SPECIAL);
  first.release();
  const before = core.memory.size;
  for (let i = 0; i < 100; i++) {
    const tokenizer = Tokenizer.load(core, spec);
    tokenizer.tokenize("hi <|im_end|>", PARSE_SPECIAL);
    tokenizer.release();
  }
  assert.is(core.memory.size, before);
});

test("every byte has its character", () => {
  assert.is(new Set(BYTE_CHARACTERS).size, 256);
  assert.is(characterOfByte(32), "Ġ");
  const tokenizer = make({ pre: "default", tokens: BYTE_CHARACTERS });
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  assert.equal(tokenizer.tokenize(all), [...all]);
  assert.equal([...tokenizer.detokenizeBytes([...all], KEEP)], [...all]);
  tokenizer.release();
});

test.run();
