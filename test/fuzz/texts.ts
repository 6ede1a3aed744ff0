/** Vocabularies and texts at which tokenizers break: made by chance, or to cost as much as may be. */
import type { VocabularySpec } from "../support/tokenizer.ts";
import { BYTE_CHARACTERS } from "../support/tokenizer.ts";
import type { Random } from "./random.ts";

const PRES = ["gpt-2", "llama-bpe", "qwen2", "smollm", "default", "deepseek-llm", "starcoder", "tekken", "no-such", ""];
const LETTERS = [
  "a",
  "b",
  "e",
  "t",
  " ",
  "é",
  "ß",
  "水",
  "😊",
  "0",
  "7",
  ".",
  "'",
  "s",
  "\n",
  "\r",
  "\t",
  "▁",
  "_",
  "<",
  ">",
  "|",
];

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER = 4;
const UNUSED = 5;
const BYTE = 6;

function word(random: Random, most: number): string {
  return Array.from({ length: random.from(1, most) }, () => random.pick(LETTERS)).join("");
}

/** Byte-level letters of a word. */
const asBytes = (text: string): string =>
  Array.from(new TextEncoder().encode(text), (byte) => BYTE_CHARACTERS[byte]).join("");

export function vocabularyOf(random: Random): VocabularySpec {
  return random.oneIn(2) ? bpe(random) : spm(random);
}

function special(random: Random): string {
  return random.pick([
    "<|im_end|>",
    "<s>",
    "</s>",
    "<|",
    "|>",
    "<",
    " ",
    "a",
    "aa",
    "aaa",
    `<|${word(random, 4)}|>`,
    word(random, 3),
    "\ufeff",
    "x".repeat(random.from(1, 600)),
  ]);
}

function bpe(random: Random): VocabularySpec {
  const tokens = new Set(random.oneIn(8) ? BYTE_CHARACTERS.filter(() => !random.oneIn(9)) : BYTE_CHARACTERS);
  const merges: string[] = [];
  const list = () => [...tokens];
  for (let i = random.below(60); i > 0; i--) {
    const [left, right] = random.oneIn(4)
      ? [asBytes(word(random, 2)), asBytes(word(random, 2))]
      : [random.pick(list()), random.pick(list())];
    if ((left + right).length > 40) continue;
    merges.push(random.oneIn(40) ? random.pick([`${left}${right}`, `${left} `, ` ${right}`, ""]) : `${left} ${right}`);
    if (!random.oneIn(10)) tokens.add(left + right);
  }
  for (let i = random.below(20); i > 0; i--) tokens.add(asBytes(word(random, 6)));
  return finish(random, { model: "gpt2", pre: random.pick(PRES), tokens: list(), merges: random.shuffled(merges) });
}

function spm(random: Random): VocabularySpec {
  const tokens = new Set(["<unk>", "<s>", "</s>"]);
  if (!random.oneIn(3)) {
    for (let byte = 0; byte < 256; byte++) tokens.add(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  }
  for (const letter of LETTERS) if (!random.oneIn(4)) tokens.add(letter.replace(" ", "▁"));
  for (let i = random.below(120); i > 0; i--) {
    const list = [...tokens];
    const text = random.oneIn(3) ? word(random, 5) : random.pick(list) + random.pick(list);
    tokens.add(text.replaceAll(" ", "▁").slice(0, 60));
  }
  const list = [...tokens];
  const scores = list.map(() => (random.oneIn(3) ? random.float() : -random.below(40)));
  return finish(random, { model: "llama", tokens: list, scores: random.oneIn(8) ? scores.slice(1) : scores });
}

/** Types, specials and options. */
function finish(random: Random, spec: VocabularySpec): VocabularySpec {
  const tokens = [...spec.tokens];
  const types: number[] = tokens.map((text) => (/^<0x..>$/.test(text) ? BYTE : text === "<unk>" ? UNKNOWN : NORMAL));
  const seen = new Set(tokens);
  for (let i = random.oneIn(10) ? 400 : random.below(12); i > 0; i--) {
    const text = special(random);
    if (seen.has(text) && !random.oneIn(50)) continue;
    seen.add(text);
    tokens.push(text);
    types.push(random.pick([CONTROL, CONTROL, USER, USER, UNUSED, UNKNOWN, BYTE, 0, 7]));
  }
  if (random.oneIn(6)) for (let i = 0; i < 5; i++) types[random.below(types.length)] = random.below(9);
  const keys: Record<string, number | boolean> = {};
  for (const name of ["bos", "eos", "unknown", "padding", "eot"]) {
    if (random.oneIn(2)) keys[`${name}_token_id`] = random.oneIn(12) ? random.edge32() : random.below(tokens.length);
  }
  for (const name of ["add_bos_token", "add_eos_token", "add_space_prefix", "clean_spaces", "ignore_merges"]) {
    if (random.oneIn(3)) keys[name] = random.oneIn(2);
  }
  const scores = spec.scores && [...spec.scores, ...tokens.slice(spec.tokens.length).map(() => -5)];
  return { ...spec, tokens, types: random.oneIn(10) ? undefined : types, scores, keys };
}

/** The kinds of text of the fuzzers, by name: each as long as is asked, in letters. */
export const TEXT_KINDS: Readonly<Record<string, (length: number, random: Random) => string>> = {
  english: (length) => repeat("Once upon a time there was a limpet, and it lived on a rock by the sea. ", length),
  letter: (length) => repeat("a", length),
  "two letters": (length) => repeat("ab", length),
  spaces: (length) => repeat(" ", length),
  "line feeds": (length) => repeat("\n", length),
  digits: (length) => repeat("0123456789", length),
  dots: (length) => repeat(".", length),
  quotes: (length) => repeat("'s't're", length),
  emoji: (length) => repeat("😊", length / 2),
  joined: (length) => repeat("👩‍👩‍👧‍👦", length / 11),
  accents: (length) => repeat("e\u0301", length),
  chinese: (length) => repeat("水火木金土日月", length),
  mixed: (length) => repeat("a 水\t1\n'ß😊.", length),
  angles: (length) => repeat("<|", length),
  specials: (length) => repeat("<|im_end|>", length),
  nearly: (length) => repeat("<|im_en", length),
  nul: (length) => repeat("\u0000", length),
  "random letters": (length, random) => Array.from({ length }, () => random.pick(LETTERS)).join(""),
  "one word": (length, random) => Array.from({ length }, () => random.pick(["a", "b", "t", "e"])).join(""),
  "random code points": (length, random) =>
    Array.from({ length }, () => String.fromCodePoint(random.below(0xd800))).join(""),
};

const repeat = (text: string, length: number): string =>
  text.repeat(Math.ceil(length / text.length)).slice(0, Math.max(1, Math.floor(length)));

/** A text for a vocabulary: some kind, its own tokens in a row, or bytes that are no text. */
export function textOf(random: Random, { tokens }: VocabularySpec): Uint8Array {
  const length = random.oneIn(10) ? random.below(2000) : random.below(80);
  if (random.oneIn(4)) return random.bytes(length);
  if (random.oneIn(3)) {
    const own = Array.from({ length: random.below(20) }, () => random.pick(tokens)).join("");
    return new TextEncoder().encode(own);
  }
  const kinds = Object.values(TEXT_KINDS);
  const pieces = Array.from({ length: random.from(1, 3) }, () =>
    random.pick(kinds)(random.from(1, length + 1), random),
  );
  return new TextEncoder().encode(pieces.join(""));
}
