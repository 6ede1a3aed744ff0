/**
 * A vocabulary can be made so that its texts have one hash: it loads about as fast as an ordinary one all the same, and
 * tokenizes as fast. FNV-1a goes on from a collision: fourteen pairs of words that collide one behind the other are 16,384
 * texts of one hash. Nor do thousands of special tokens that begin alike make a text of their beginnings a slow one.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Tokenizer } from "../src/index.ts";
import { colliding } from "./fuzz/costly-texts.ts";
import { BYTE_CHARACTERS, vocabularyFile } from "./support/tokenizer.ts";

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
    const file = vocabularyFile({ tokens: [...BYTE_CHARACTERS, ...tokens] });
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
  const tokens = [...BYTE_CHARACTERS, ...specials];
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

test.run();
