/**
 * A vocabulary can be made so that its texts have one hash: it loads about as fast as an ordinary one all the same, and
 * tokenizes as fast. FNV-1a goes on from a collision: fourteen pairs of words that collide one behind the other are 16,384
 * texts of one hash. Nor do thousands of special tokens that begin alike make a text of their beginnings a slow one.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Tokenizer } from "../src/index.ts";
import { vocabularyFile } from "./support/tokenizer.ts";

const PRIME = 0x01000193;
const step = (hash: number, byte: number): number => Math.imul(hash ^ byte, PRIME) >>> 0;

/** Letter `k` of word `i`: six of sixteen letters. */
const letter = (i: number, k: number): number => 97 + ((i >> (4 * k)) & 15);
const word = (i: number): string => String.fromCharCode(...Array.from({ length: 6 }, (_, k) => letter(i, k)));

/** Two words of six letters that take the hash to one value. */
function collision(start: number): { words: [string, string]; hash: number } {
  const seen = new Map<number, number>();
  for (let i = 0; ; i++) {
    let hash = start;
    for (let k = 0; k < 6; k++) hash = step(hash, letter(i, k));
    const twin = seen.get(hash);
    if (twin !== undefined) return { words: [word(twin), word(i)], hash };
    seen.set(hash, i);
  }
}

function colliding(pairs: number): string[] {
  let texts = [""];
  for (let i = 0, hash = 0x811c9dc5; i < pairs; i++) {
    const next = collision(hash);
    hash = next.hash;
    texts = texts.flatMap((text) => next.words.map((word) => text + word));
  }
  return texts;
}

/** Milliseconds of the processor. */
async function cost(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

test("16,384 texts of one hash take about as long as as many others", async () => {
  const flood = colliding(14);
  const plain = flood.map((_, i) => `word ${i} of a vocabulary that means no harm, as long as the others are, or so`);
  const text = "Once upon a time there was a limpet. ".repeat(2000);
  const costs: Record<string, { load: number; tokenize: number }> = {};
  for (const [name, tokens] of Object.entries({ plain, flood })) {
    const file = vocabularyFile({ tokens: [...bytesAsTokens(), ...tokens] });
    let tokenizer: Tokenizer | undefined;
    const load = await cost(async () => {
      tokenizer = await Tokenizer.load(file);
    });
    const tokenize = await cost(() => tokenizer?.tokenize(text));
    costs[name] = { load, tokenize };
  }
  assert.ok(costs.flood.load < 4 * costs.plain.load + 200, JSON.stringify(costs));
  assert.ok(costs.flood.tokenize < 4 * costs.plain.tokenize + 200, JSON.stringify(costs));
});

test("4,000 special tokens that begin alike: texts of their beginnings take about as long as English", async () => {
  const specials = Array.from({ length: 4000 }, (_, i) => `<|special ${i}|>`);
  const tokens = [...bytesAsTokens(), ...specials];
  const types = tokens.map((_, i) => (i < 256 ? 1 : 3 + (i % 2)));
  const tokenizer = await Tokenizer.load(vocabularyFile({ tokens, types }));
  const length = 1 << 19;
  const texts = ["Once upon a time there was a limpet. ", "<|", "<|special ", "<|special 1", "<|special 1|>"];
  const costs: number[] = [];
  for (const text of texts) {
    const long = text.repeat(Math.ceil(length / text.length));
    costs.push(await cost(() => tokenizer.tokenize(long, { special: true })));
  }
  for (const other of costs.slice(1)) assert.ok(other < 4 * costs[0] + 200, costs.join(" "));
  assert.equal(tokenizer.tokenize("<|special 12|><|special 1|><|special 1", { special: true }).slice(0, 2), [268, 257]);
});

/** The characters that stand for bytes in a byte-level vocabulary. */
function bytesAsTokens(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const shown = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(shown ? byte : next++);
  });
}

test.run();
