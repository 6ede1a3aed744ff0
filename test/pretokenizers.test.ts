/**
 * The pre-tokenizers' scanners against their regular expressions, as ../shared/data/vocabs/pretokenizers.json and llama.cpp's
 * table have them, run by the host's engine over random texts; and the names that lead to them.
 */

import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode } from "../bindings/numbers.ts";
import { loadCore } from "./support/core.ts";
import { wholeNumbers } from "./support/random.ts";
import { shared } from "./support/shared.ts";
import { BYTE_CHARACTERS, Tokenizer, vocabularyFile } from "./support/tokenizer.ts";

/** The same texts in every run; `TEXTS=20000` makes it more of them. */
const TEXTS = Number(process.env.TEXTS ?? 2_000);
const core = loadCore("portable");

const CLASSES: Record<string, number> = { L: 1, N: 2, P: 3, S: 4, M: 5, s: 6 };

/** The ranges of a class, to stand between brackets: the engine's own may be of another version of Unicode. */
const ranges: Record<string, string> = {};
for (const [name, number] of Object.entries(CLASSES)) ranges[name] = rangesOf((_, kind) => kind === number);
// Of a case those letters that the core's version of Unicode knows.
for (const name of ["Lu", "Lt", "Ll", "Lm", "Lo"]) {
  const letter = new RegExp(`\\p{${name}}`, "u");
  ranges[name] = rangesOf((codePoint, kind) => kind === CLASSES["L"] && letter.test(String.fromCodePoint(codePoint)));
}

function rangesOf(holds: (codePoint: number, kind: number) => boolean): string {
  let list = "";
  let first = -1;
  for (let codePoint = 0; codePoint <= 0x110000; codePoint++) {
    const inside = codePoint < 0x110000 && holds(codePoint, core.exports.tokenizer_class(codePoint));
    if (inside && first < 0) first = codePoint;
    if (inside || first < 0) continue;
    list += `\\u{${first.toString(16)}}-\\u{${(codePoint - 1).toString(16)}}`;
    first = -1;
  }
  return list;
}

/** An expression with its classes spelled out. */
function spell(source: string): RegExp {
  let inside = false;
  let spelled = "";
  for (let i = 0; i < source.length; i++) {
    const property = /^\\p\{(\w+)\}/.exec(source.slice(i));
    if (property) {
      spelled += inside ? ranges[property[1]] : `[${ranges[property[1]]}]`;
      i += property[0].length - 1;
    } else if (source.startsWith("\\s", i) || source.startsWith("\\S", i)) {
      spelled += inside ? ranges.s : `[${source[i + 1] === "S" ? "^" : ""}${ranges.s}]`;
      i++;
    } else if (source.startsWith("\\u", i)) {
      spelled += `\\u{${source.slice(i + 2, i + 6)}}`;
      i += 5;
    } else if (source[i] === "\\") {
      // With the u flag only syntax characters may be escaped.
      const escaped = source[++i];
      spelled += /[\^$\\.*+?()[\]{}|/rn]/.test(escaped) || (inside && escaped === "-") ? `\\${escaped}` : escaped;
    } else {
      if (source[i] === "[" && !inside) inside = true;
      else if (source[i] === "]" && inside) inside = false;
      spelled += source[i];
    }
  }
  return new RegExp(spelled, "gu");
}

/** Cuts pieces by an expression; what it does not match stays a piece. */
function cut(pieces: string[], expression: RegExp): string[] {
  const cutPieces: string[] = [];
  for (const piece of pieces) {
    let at = 0;
    for (const { index, 0: matched } of piece.matchAll(expression)) {
      if (index > at) cutPieces.push(piece.slice(at, index));
      if (matched) cutPieces.push(matched);
      at = index + matched.length;
    }
    if (at < piece.length) cutPieces.push(piece.slice(at));
  }
  return cutPieces;
}

const random = wholeNumbers(2463534242);

const ALPHABETS = [
  ["'s", "'T", "'Re", "'ve", "'M", "'ll", "'LL", "'d", "'x", "'", "’s", "'ſ"],
  ["a", "b", "z", "s", "ll", "re"],
  ["A", "B", "Z", "T"],
  ["é", "ß", "Ω", "я", "ƻ", "ǅ", "ª", "ʰ", "ﬁ", "Ａ", "ａ", "𐐀", "𞤀", "ה", "ا", "ไ", "क"],
  ["0", "1", "9", "12", "1234567"],
  ["²", "½", "٣", "Ⅷ", "五", "①", "𝟘"],
  ["一", "龥", "龦", "ࠀ", "가", "힣", "퟿", "ぁ", "ゟ", "゠", "ヿ", "ー", "㐀", "𠀀"],
  ["।", "۔", "،", "，"],
  ["!", ",", ".", "?", "(", ")", "[", "]", "_", "-", "/", "\\", "@", "#", "{", "}", ":", ";", '"', "*", "&", "%"],
  ["$", "+", "<", "=", ">", "^", "~", "|", "`"],
  ["！", "／", "：", "～", "‘", "‟", "、", "。", "«", "—", "…", "¿"],
  ["€", "©", "×", "𝛁", "☃", "🦙", "👨‍👩‍👧", "\ufffd"],
  ["\u0301", "\u0308", "\u0941", "\u20dd", "\u{e0100}"],
  [" ", " ", " ", "  ", "   "],
  ["\n", "\r", "\r\n", "\n\n", "\t", "\v", "\f"],
  ["\u00a0", "\u0085", "\u2003", "\u2028", "\u3000", "\u1680"],
  ["\0", "\x01", "\x7f", "\u00ad", "\u200b", "\ufeff", "\ue000", "\u0378", "\u{10ffff}"],
];

function randomText(): string {
  let text = "";
  // A few alphabets a text, so that long runs and rare neighbours both come up.
  const some = Array.from({ length: 1 + random(5) }, () => ALPHABETS[random(ALPHABETS.length)]);
  for (let left = 1 + random(24); left > 0; left--) {
    const alphabet = some[random(some.length)];
    if (random(40) === 0) {
      const codePoint = random(0x110000 - 0x800);
      text += String.fromCodePoint(codePoint < 0xd800 ? codePoint : codePoint + 0x800);
    } else text += alphabet[random(alphabet.length)];
  }
  return text;
}

function tokenizerOf(pre: string): Tokenizer {
  return Tokenizer.load(core, vocabularyFile({ pre, tokens: BYTE_CHARACTERS }));
}

const file = shared("data/vocabs/pretokenizers.json");
const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const DEEPSEEK3 = `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`;
const UNPUNCTUATED = " ?[^(\\s|.,!?…。，、।۔،)]+";
const MARK_OR_OTHER = "\\p{Lm}\\p{Lo}\\p{M}";

/** \`X*Y+\` or else \`X+Y*\`, up to three digits, and the rest. */
function casedWords(x: string, y: string): string {
  const before = "[^\\r\\n\\p{L}\\p{N}]?";
  const words = [`${x}*${y}+`, `${x}+${y}*`].map((word) => `${before}${word}${CONTRACTIONS}?`);
  return [...words, "\\p{N}{1,3}", " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*", SPACES].join("|");
}

/**
 * Those of llama.cpp's table that the file lacks. Its engine takes \\p{Lu} and its like for \\p{L}, and tiny_aya's digits for
 * afmoe's, which it groups by a function of its own; both are written out here.
 */
const MORE: Record<string, string[]> = {
  qwen35: [
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`,
  ],
  ufakzeka: [`[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`],
  bailingmoe2: [
    `'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
  ],
  "seed-coder": [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${SPACES}`],
  minicpm5: [
    "\\p{N}{1,3}",
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`,
  ],
  tiny_aya: [
    "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?![\\p{L}\\p{M}\\p{N}_]))",
    casedWords(`[\\p{Lu}\\p{Lt}${MARK_OR_OTHER}]`, `[\\p{Ll}${MARK_OR_OTHER}]`),
  ],
  bloom: [UNPUNCTUATED],
  viking: [UNPUNCTUATED, "\\p{N}"],
  "granite-embed-multi-97m": [casedWords("((?=[\\p{L}\\p{M}])([^a-z]))", "((?=[\\p{L}\\p{M}])([^A-Z]))")],
  afmoe: [
    "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))",
    // The third range begins with U+8C48, which U+F900 was composed to; the table has it so.
    "[\\u4e00-\\u9fff\\u3400-\\u4dbf\\u8c48-\\ufaff\\u3040-\\u309f\\u30a0-\\u30ff\\uff65-\\uff9f\\u2f00-\\u2fdf\\u0e40-\\u0e7f" +
      "\\u0e80-\\u0eff\\u1780-\\u17ff\\u1000-\\u109f\\uaa60-\\uaa7f\\ua9e0-\\ua9ff\\uac00-\\ud7af\\u1100-\\u11ff]+",
    DEEPSEEK3,
  ],
};
const expressions: Record<string, string[]> = { ...(file ? JSON.parse(readFileSync(file, "utf8")).pre : {}), ...MORE };
for (const [pre, list] of Object.entries(expressions)) {
  test(`${pre}: the scanner cuts as the expressions do, over ${TEXTS} random texts`, () => {
    const spelled = list.map(spell);
    const tokenizer = tokenizerOf(pre);
    for (let i = 0; i < TEXTS; i++) {
      const text = randomText();
      const expected = spelled.reduce(cut, [text]);
      const words = tokenizer.words(text);
      if (words.join("|") !== expected.join("|")) assert.equal(words, expected, JSON.stringify(text));
    }
    tokenizer.release();
  });
}

/** Names that share the scheme of the first, as llama.cpp's table has them. */
const ALIASES: string[][] = [
  [
    "gpt-2",
    "gpt2",
    "phi-2",
    "mpt",
    "olmo",
    "jina-v1-en",
    "jina-v2-es",
    "jina-v2-de",
    "jina-v2-code",
    "jina-es",
    "jina-de",
    "modern-bert",
    "exaone4",
  ],
  ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "mellum2"],
  ["qwen2", "deepseek-r1-qwen", "stablelm2", "megrez", "f2llmv2", "solar-open"],
  ["bailingmoe2", "bailingmoe", "llada-moe"],
  ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "jina-v5-nano", "dbrx", "smaug-bpe", "glm4", "chatglm-bpe"],
  ["gpt-4o", "llama4", "kanana2", "talkie"],
  ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
  ["tiny_aya", "cohere2moe"],
];

for (const [first, ...others] of ALIASES) {
  test(`${others.join(", ")} cut as ${first} does`, () => {
    const tokenizer = tokenizerOf(first);
    const texts = Array.from({ length: 300 }, randomText);
    const expected = texts.map((text) => tokenizer.words(text));
    tokenizer.release();
    for (const other of others) {
      const alias = tokenizerOf(other);
      assert.equal(
        texts.map((text) => alias.words(text)),
        expected,
        other,
      );
      alias.release();
    }
  });
}

test("what a name says besides: ignore_merges and BOS, the clean-up of spaces", () => {
  const options = (pre: string) => {
    const tokenizer = tokenizerOf(pre);
    const value = tokenizer.options;
    tokenizer.release();
    return value;
  };
  for (const pre of ["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "jina-v5-nano"])
    assert.is(options(pre), 1 + 8 + 16, pre);
  for (const pre of ["dbrx", "smaug-bpe", "glm4", "gpt-2", "stablelm2", "megrez", "default", "modern-bert", "mellum2"])
    assert.is(options(pre), 8, pre);
  for (const pre of ["qwen2", "deepseek-llm", "deepseek-coder", "smollm", "command-r", "gpt-4o", "trillion"])
    assert.is(options(pre), 0, pre);
  for (const pre of ["f2llmv2", "solar-open", "bailingmoe2", "seed-coder", "qwen35", "tiny_aya", "afmoe", "ufakzeka"])
    assert.is(options(pre), 0, pre);
  assert.is(options("tekken"), 1 + 16);
  assert.is(options("granite-embed-multi-97m"), 16);
  assert.is(options("minicpm5"), 8 + 16);
});

test("a name that limpet does not know is named, with the list of those that it knows", () => {
  assert.throws(
    () => tokenizerOf("klingon"),
    (error: Error & { code: number }) =>
      error.code === ErrorCode.UNSUPPORTED &&
      /pre-tokenizer 'klingon' is not supported; supported are: default gpt-2 .*mpt.*starcoder.*qwen2.*falcon/.test(
        error.message,
      ),
  );
});

test("without a name the default scheme cuts", () => {
  const named = tokenizerOf("default");
  const nameless = Tokenizer.load(core, vocabularyFile({ tokens: BYTE_CHARACTERS }));
  for (let i = 0; i < 100; i++) {
    const text = randomText();
    assert.equal(nameless.words(text), named.words(text));
  }
});

test("long runs of anything are cut in linear time", () => {
  const started = performance.now();
  for (const pre of Object.keys(expressions)) {
    const tokenizer = tokenizerOf(pre);
    for (const unit of [
      "a",
      "A",
      "é",
      "1",
      " ",
      "\n",
      "\r\n",
      "\t",
      "!",
      "~",
      "一",
      " a",
      "éA",
      "'",
      "\u0301",
      "\x01",
      "\u3000",
      " \n ",
    ]) {
      const text = unit.repeat(50_000 / unit.length);
      assert.is(tokenizer.words(text).join(""), text);
    }
    tokenizer.release();
  }
  assert.ok(performance.now() - started < 15_000);
});

test.run();
