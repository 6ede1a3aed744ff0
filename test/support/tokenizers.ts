/**
 * Vocabularies without merges (WordPiece, unigrams, RWKV's) that a script makes with the tokenizers' own libraries, and
 * texts for them: test/oracle/make-tokenizers.ts writes what those libraries say to test/golden/tokenizers.json.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { wholeNumbers } from "./random.ts";
import type { VocabularySpec } from "./tokenizer.ts";

/** So many texts, and so many to a hash. */
export const TEXTS = 10_000;
export const TEXTS_OF_HASH = 500;

/** A vocabulary as GGUF has it, and hashes of the tokens of all texts. */
export interface TokenizerRow {
  readonly name: string;
  readonly source: string;
  readonly model: string;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly scores?: readonly number[];
  readonly keys: Readonly<Record<string, number | boolean>>;
  /** In base64. */
  readonly charsmap?: string;
  readonly hashes: readonly string[];
}

export function tokenizerRows(): TokenizerRow[] {
  return JSON.parse(readFileSync(new URL("../golden/tokenizers.json", import.meta.url), "utf8")).rows;
}

export function specOf({ model, tokens, types, scores, keys, charsmap }: TokenizerRow): VocabularySpec {
  const bytes = charsmap === undefined ? undefined : new Uint8Array(Buffer.from(charsmap, "base64"));
  return { model, tokens, types, scores, keys: { ...keys }, charsmap: bytes };
}

/** A hash of some texts' tokens. */
export function hashOf(ids: readonly (readonly number[])[]): string {
  return createHash("sha256").update(JSON.stringify(ids)).digest("hex").slice(0, 16);
}

/** Blocks whose characters all versions of Unicode know alike that the libraries are made from. */
const BLOCKS = [
  [0, 0x7f],
  [0x20, 0x7e],
  [0x61, 0x7a],
  [0x80, 0xff],
  [0x100, 0x17f],
  [0x300, 0x345],
  [0x391, 0x3a1],
  [0x3a3, 0x3ce],
  [0x400, 0x481],
  [0x5b0, 0x5b9],
  [0x5d0, 0x5ea],
  [0x621, 0x63a],
  [0x64b, 0x652],
  [0x905, 0x939],
  [0x93e, 0x94d],
  [0xe01, 0xe3a],
  [0x1e00, 0x1e99],
  [0x1f00, 0x1f15],
  [0x2000, 0x2046],
  [0x20a0, 0x20ac],
  [0x2100, 0x2138],
  [0x2190, 0x21ea],
  [0x2460, 0x249a],
  [0x3000, 0x3010],
  [0x3041, 0x3094],
  [0x30a1, 0x30fa],
  [0x4e00, 0x4fff],
  [0x20000, 0x20010],
  [0xac00, 0xd7a3],
  [0xe000, 0xe010],
  [0xf900, 0xfa2d],
  [0xfb00, 0xfb06],
  [0xfeff, 0xfeff],
  [0xff01, 0xff5e],
  [0xfffd, 0xfffd],
  [0x1d15e, 0x1d160],
] as const;

const WORDS =
  "the limpet and a rock by sea water, upon time. there's it! lived İstanbul Straße naïve café ﬁsh 水 ① ㎏ がぎ 한국 \
\u00bd \u2026 O\u0301 ẞ ǅ \u1e9b\u0323 <s> [SEP] [MASK] ## ▁ ▁▁".split(" ");

/**
 * The same texts in every run: English words, single characters of all blocks, and white space of all kinds. A U+2581 is a
 * space to unigrams, which sentencepiece drops at the end of a text, and nobody else: theirs have none.
 */
export function tokenizerTexts(model: string): string[] {
  const below = wholeNumbers(362436069);
  const text = () => {
    let all = "";
    for (let left = below(30); left > 0; left--) {
      const kind = below(6);
      if (kind < 2) all += WORDS[below(WORDS.length)];
      else if (kind === 2) all += " \t\n\r\u00a0\u3000\u2028\u0085\u000b\u000c\u200b\u00ad  "[below(14)];
      else if (kind === 3) all += " ";
      else {
        const [first, last] = BLOCKS[below(BLOCKS.length)];
        all += String.fromCodePoint(first + below(last - first + 1));
      }
    }
    return all;
  };
  return Array.from({ length: TEXTS }, () => (model === "t5" ? text().replaceAll("▁", "_") : text()));
}
