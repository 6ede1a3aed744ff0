/**
 * What single families of models have in their vocabularies: gemma4's merges on characters, the messages within an answer of
 * gpt-oss, fill-in-the-middle; and what is said of a file that leaves something out.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode } from "../bindings/numbers.ts";
import { loadCore } from "./support/core.ts";
import { wholeNumbers } from "./support/random.ts";
import {
  ADD_SPECIAL,
  BYTE_CHARACTERS,
  KEEP,
  PARSE_SPECIAL,
  Tokenizer,
  type VocabularySpec,
  vocabularyFile,
} from "./support/tokenizer.ts";

const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

const core = loadCore("portable");
const make = (spec: VocabularySpec) => Tokenizer.load(core, vocabularyFile(spec));
const random = wholeNumbers(521288629);
const BYTES = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);

/** A vocabulary of gemma4's kind: specials, the bytes, pieces and merges. */
function gemma4(pieces: readonly string[], merges: readonly string[], more: Partial<VocabularySpec> = {}) {
  const specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<turn|>", "<|tool_response>", "</s>"];
  const types = [...specials.map((text) => (text === "</s>" ? NORMAL : CONTROL)), ...BYTES.map(() => BYTE)];
  return {
    model: "gemma4",
    tokens: [...specials, ...BYTES, ...pieces],
    types: [...types, ...pieces.map(() => NORMAL)],
    merges,
    keys: { bos_token_id: 2, eos_token_id: 1, unknown_token_id: 3, add_bos_token: false },
    ...more,
  } satisfies VocabularySpec;
}
const FIRST_BYTE = 7;

/** Merging by the book: the whole list of symbols is searched for each merge. */
function mergeSlowly(symbols: string[], ranks: ReadonlyMap<string, number>): string[] {
  for (;;) {
    let best = -1;
    let bestRank = Infinity;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? Infinity;
      if (rank < bestRank) [best, bestRank] = [i, rank];
    }
    if (best < 0) return symbols;
    symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
  }
}

test("500 random vocabularies of gemma4, against merging by the book", () => {
  const letters = ["a", "b", "é", "▁", "\n", "世"];
  const letter = () => letters[random(letters.length)];
  for (let round = 0; round < 500; round++) {
    // One letter at least is no token, so that its bytes are.
    const known = letters.filter(() => random(8) > 0).slice(0, 5);
    const made = Array.from({ length: 14 }, () => Array.from({ length: 2 + random(3) }, letter).join(""));
    const pieces = [...new Set([...known, ...made])];
    const whole = [...letters, ...pieces];
    // Some merges make what is no token.
    const merges = [
      ...new Set(Array.from({ length: 24 }, () => [0, 0].map(() => whole[random(whole.length)]).join(" "))),
    ];
    const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
    const spec = gemma4(pieces, merges);
    const tokenizer = make(spec);
    for (let i = 0; i < 5; i++) {
      const text = Array.from({ length: 1 + random(40) }, letter)
        .join("")
        .replaceAll("▁", " ");
      const words = text.replaceAll(" ", "▁").match(/[^\n]+|\n+/g) ?? [];
      const expected = words.flatMap((word) => {
        const lines = /^\n/.test(word) && spec.tokens.includes(word);
        return (lines ? [word] : mergeSlowly([...word], ranks)).flatMap((symbol) => {
          const id = spec.tokens.indexOf(symbol);
          return id >= 0 ? [id] : [...Buffer.from(symbol)].map((byte) => FIRST_BYTE + byte);
        });
      });
      assert.equal(tokenizer.tokenize(text), expected, JSON.stringify({ merges, pieces, text }));
    }
    tokenizer.release();
  }
});

test("gemma4: BOS in front whatever the file says, no space in front, no clean-up; what ends an answer", () => {
  const spec = gemma4(["▁", "h", "i", "hi"], ["h i"]);
  const tokenizer = make(spec);
  const id = (text: string) => spec.tokens.indexOf(text);
  assert.is(tokenizer.options, 1);
  assert.equal(tokenizer.tokenize("hi ", ADD_SPECIAL), [id("<bos>"), id("hi"), id("▁")]);
  assert.is(tokenizer.detokenize(tokenizer.tokenize("hi .")), "hi .");
  for (const text of ["<eos>", "<turn|>", "<|tool_response>"]) assert.ok(tokenizer.endsGeneration(id(text)), text);
  assert.not(tokenizer.endsGeneration(id("</s>")));
  assert.equal(tokenizer.tokenize("hi<turn|>", PARSE_SPECIAL), [id("hi"), id("<turn|>")]);
  // A mark of the text's own is no space.
  assert.is(tokenizer.detokenize(tokenizer.tokenize("a▁b"), KEEP), "a▁b");
  tokenizer.release();
});

test("granite-embed-multi-311m is byte-level BPE by its name alone", () => {
  const named = make({ ...gemma4(["▁", "h", "i", "hi"], ["h i"]), model: "gpt2", pre: "granite-embed-multi-311m" });
  const tokenizer = make(gemma4(["▁", "h", "i", "hi"], ["h i"]));
  for (const text of ["hi hi\n\n", "é\t"]) assert.equal(named.tokenize(text), tokenizer.tokenize(text));
  named.release();
  tokenizer.release();
});

test("gemma4 without merges is refused", () => {
  assert.throws(() => make({ ...gemma4(["a"], []), merges: undefined }), /needs its merges/);
});

test("a megabyte without a line feed is no trouble to gemma4", () => {
  const tokenizer = make(gemma4(["▁", "a", "aa", "aaaa", "▁a"], ["a a", "aa aa", "▁ a"]));
  for (const unit of ["a", " ", " a", "\n", "é"]) {
    const text = unit.repeat(1e6 / unit.length);
    const started = performance.now();
    assert.is(tokenizer.detokenize(tokenizer.tokenize(text)), text);
    assert.ok(performance.now() - started < 8000, unit);
  }
  tokenizer.release();
});

const HARMONY = ["<|return|>", "<|call|>", "<|end|>", "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];

test("gpt-oss: <|end|> ends a message, not the answer; what stands between messages shows", () => {
  const tokens = [...BYTE_CHARACTERS, ...HARMONY, "<|endoftext|>"];
  const types = tokens.map((_, i) => (i < 256 ? NORMAL : CONTROL));
  const tokenizer = make({ pre: "gpt-4o", tokens, types, keys: { eos_token_id: 256 } });
  const ends = tokens.filter((_, id) => tokenizer.endsGeneration(id));
  assert.equal(ends, ["<|return|>", "<|call|>", "<|endoftext|>"]);
  const shown = HARMONY.slice(2).join("");
  assert.is(tokenizer.detokenize([...HARMONY.keys()].map((i) => 256 + i)), shown);
  for (const text of HARMONY.slice(2)) assert.is(tokenizer.type(tokenizer.find(text)), USER_DEFINED, text);
  tokenizer.release();
  const phi = make({ pre: "gpt-4o", tokens: [...BYTE_CHARACTERS, "<|end|>"], types: [...types.slice(0, 257)] });
  assert.ok(phi.endsGeneration(256));
  phi.release();
});

test("</s> ends an answer where it is a control token", () => {
  for (const type of [CONTROL, NORMAL, USER_DEFINED]) {
    const types = [...BYTE_CHARACTERS.map(() => NORMAL), type];
    const tokenizer = make({ pre: "gpt-2", tokens: [...BYTE_CHARACTERS, "</s>"], types });
    assert.is(tokenizer.endsGeneration(256), type === CONTROL);
    tokenizer.release();
  }
});

const FIM = ["<P>", "<S>", "<M>"];

function infill(tokenizer: Tokenizer, prefix: string, suffix: string, flags: number = ADD_SPECIAL): number[] {
  const texts = [prefix, suffix].map((text) => new TextEncoder().encode(text));
  const places = texts.map((text) => core.put(text));
  const call = (target: number, capacity: number) =>
    core.call(
      "tokenizer_infill",
      ...[
        core.core,
        tokenizer.pointer,
        places[0],
        texts[0].length,
        places[1],
        texts[1].length,
        flags,
        target,
        capacity,
      ],
    );
  try {
    const count = call(0, 0);
    if (count < 0) throw new Error(core.message);
    const target = core.allocate(4 * count + 4);
    // What does not fit is not written.
    for (let room = 0; room <= count; room++) {
      core.memory.write(target, new Uint8Array(4 * count + 4));
      assert.is(call(target, room), count);
      assert.is(core.i32(target, count + 1)[room], 0);
    }
    const ids = [...core.i32(target, count)];
    core.release(target);
    return ids;
  } finally {
    for (const place of places) core.release(place);
  }
}

test("fill-in-the-middle: BOS, prefix, suffix, middle, in llama.cpp's order, by either name of the keys", () => {
  const tokens = [...BYTE_CHARACTERS, "<s>", ...FIM];
  const types = tokens.map((_, i) => (i < 256 ? NORMAL : CONTROL));
  const of = (text: string) => [...Buffer.from(text)];
  const names = [
    ["fim_pre", "fim_suf", "fim_mid"],
    ["prefix", "suffix", "middle"],
  ];
  for (const adds of [true, false]) {
    for (const keys of names) {
      const ids = Object.fromEntries(keys.map((key, i) => [`${key}_token_id`, 257 + i]));
      const tokenizer = make({
        pre: "gpt-2",
        tokens,
        types,
        keys: { ...ids, bos_token_id: 256, add_bos_token: adds },
      });
      assert.equal(
        infill(tokenizer, "def f(", "):<P>"),
        [...(adds ? [256] : []), 257, ...of("def f("), 258, ...of("):<P>"), 259],
        String(keys),
      );
      assert.equal(infill(tokenizer, "", "<P>", PARSE_SPECIAL), [257, 258, 257, 259]);
      tokenizer.release();
    }
  }
});

test("fill-in-the-middle: the tokens are found by their texts; without them it is refused in words", () => {
  const words = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"];
  const known = make({ pre: "qwen2", tokens: [...BYTE_CHARACTERS, ...words] });
  assert.equal(infill(known, "a", "b"), [256, 97, 257, 98, 258]);
  known.release();
  const unknown = make({ pre: "qwen2", tokens: [...BYTE_CHARACTERS, ...words.slice(0, 2)] });
  assert.throws(() => infill(unknown, "a", "b"), /not made to fill in.*fim_pre_token_id/);
  unknown.release();
});

test("remove_extra_whitespaces is refused by name; that it is off is no matter", () => {
  const spec = (keys: Record<string, boolean>) => ({ model: "llama", tokens: ["<unk>", "▁", "a"], keys });
  make(spec({ remove_extra_whitespaces: false })).release();
  assert.throws(
    () => make(spec({ remove_extra_whitespaces: true })),
    (error: Error & { code: number }) =>
      error.code === ErrorCode.UNSUPPORTED && /tokenizer\.ggml\.remove_extra_whitespaces/.test(error.message),
  );
});

/** The warnings of a file, as the core writes them. */
function warnings(tokenizer: Tokenizer): string[] {
  const gguf = core.call("model_gguf", tokenizer.model);
  const all: string[] = [];
  for (;;) {
    const length = core.call("gguf_warning_length", gguf, all.length);
    if (length === 0) return all;
    all.push(core.text(core.call("gguf_warning", gguf, all.length) >>> 0, length));
  }
}

test("byte-level BPE without a pre-tokenizer is worth a warning, and nothing else is", () => {
  for (const pre of [undefined, ""]) {
    const tokenizer = make({ pre, tokens: BYTE_CHARACTERS });
    const [warning, ...more] = warnings(tokenizer);
    assert.match(warning, /^NO_PRETOKENIZER .*tokenizer\.ggml\.pre/);
    assert.is(more.length, 0);
    tokenizer.release();
  }
  for (const spec of [
    { pre: "default", tokens: BYTE_CHARACTERS },
    { model: "llama", tokens: ["<unk>", "a"] },
  ]) {
    const tokenizer = make(spec);
    assert.equal(warnings(tokenizer), []);
    tokenizer.release();
  }
});

test.run();
