/**
 * Answers that obey grammars: what a model with random weights writes at a high temperature is valid by AJV, the tokens
 * are drawn from the masked distribution, tables of strangers are refused, and what a grammar allows already is not changed.
 */
import Ajv from "ajv";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildVocabulary } from "../scripts/vocabulary.mjs";
import { compile, GrammarError } from "../src/grammar.ts";
import { type GenerateOptions, LimpetError, Model } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { random, randomSchema } from "./support/random-schemas.ts";
import { END, SCRIPT_VOCABULARY, scriptedModel } from "./support/scripted.ts";

const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
const ajv = new Ajv({ strict: false });

const SCHEMAS = [
  {
    type: "object",
    properties: {
      name: { type: "string", maxLength: 8 },
      age: { type: "integer", minimum: 0, maximum: 120 },
      tags: { type: "array", items: { enum: ["a", "b"] }, maxItems: 3 },
    },
    required: ["name", "age"],
    additionalProperties: false,
  },
  { anyOf: [{ type: "boolean" }, { type: "array", items: { type: "string", pattern: "^[a-z]{1,5}$" }, maxItems: 4 }] },
  { $ref: "#/$defs/tree", $defs: { tree: { type: "array", items: { $ref: "#/$defs/tree" }, maxItems: 2 } } },
];
const SAMPLINGS: GenerateOptions[] = [
  {},
  { temperature: 2 },
  { temperature: 2, topK: 7 },
  { temperature: 1, minP: 0.05 },
  { temperature: 1, topP: 0.9, repeatPenalty: 1.2 },
];

for (const [i, schema] of SCHEMAS.entries()) {
  test(`schema ${i}: every finished document is valid, and a cut one is told`, async () => {
    const valid = ajv.compile(schema);
    let finished = 0;
    for (const [k, sampling] of SAMPLINGS.entries()) {
      for (let seed = 0; seed < (k === 0 ? 1 : 4); seed++) {
        const generation = model.generate("Once", { schema, maxTokens: 120, seed, ...sampling });
        const text = await generation.text();
        const { finishReason, tokens } = generation.result!;
        if (finishReason === "stop") {
          finished++;
          assert.ok(valid(JSON.parse(text)), `${text}: ${ajv.errorsText(valid.errors)}`);
          assert.is(model.detokenize(tokens, { cleanSpaces: false }), text);
        } else assert.is(finishReason, "length");
      }
    }
    assert.ok(finished >= 4, `${finished}`);
  });
}

test("each of several answers obeys the grammar, and is what its seed gives alone", async () => {
  const options = { regex: /[ab]{3}|[cd]{5}/, temperature: 1, maxTokens: 20 };
  const several = model.generate("Once", { ...options, seed: 2, n: 3 });
  await several.text();
  const alone = await Promise.all([2, 3, 4].map((seed) => model.generate("Once", { ...options, seed }).text()));
  assert.equal(
    several.result!.answers!.map(({ text }) => text),
    alone,
  );
});

test("a document that maxTokens cuts is told, and one that ends with its last token is whole", async () => {
  const cut = model.generate("Once", { choice: ["abcdefgh"], maxTokens: 2 });
  await cut.text();
  assert.is(cut.result!.finishReason, "length");
  const whole = model.generate("Once", { choice: ["abcdefgh"] });
  assert.is(await whole.text(), "abcdefgh");
  assert.is(whole.result!.finishReason, "stop");
  const exactly = model.generate("Once", { choice: ["abcdefgh"], maxTokens: whole.result!.tokens.length });
  await exactly.text();
  assert.is(exactly.result!.finishReason, "stop");
});

test("expressions, grammars and tables in sessions and chats; the next answer is free again", async () => {
  const session = model.session();
  assert.match(await session.generate("Once", { regex: /\d{3}-\d{4}/ }).text(), /^\d{3}-\d{4}$/);
  assert.match(await session.generate("", { grammar: 'root ::= "x" [0-9]{2,20} "."' }).text(), /^x\d{2,20}\.$/);
  const { table } = compile({ choice: ["yes", "no"] });
  assert.ok(["yes", "no"].includes(await session.generate("", { table }).text()));
  const free = session.generate("", { maxTokens: 5 });
  await free.text();
  assert.is(free.result!.tokens.length, 5);
  session.dispose();
});

/** So many random schemas; 1,000 by hand: SCHEMAS=1000 node scripts/test.mjs grammar-answers. */
const RANDOM = Number(process.env.SCHEMAS ?? 40);

test("random schemas, drawn from at temperature 2: every finished document is valid by AJV", async () => {
  const next = random(1_000);
  const session = model.session({ context: 640 });
  const list = Object.values(SAMPLINGS).map((sampling) => ({ ...sampling, temperature: 2 }));
  let finished = 0;
  for (let i = 0; i < RANDOM; i++) {
    const schema = randomSchema(next, 3);
    const valid = new Ajv({ strict: false, multipleOfPrecision: 9, validateFormats: false }).compile(schema);
    let table: Uint8Array;
    try {
      table = compile({ schema, whitespace: i % 3 }).table;
    } catch (error) {
      assert.instance(error, GrammarError);
      continue;
    }
    session.rewind(0);
    const generation = session.generate("Once", { ...list[i % list.length], table, maxTokens: 500, seed: i });
    const text = await generation.text();
    const { finishReason, tokens } = generation.result!;
    assert.is(model.detokenize(tokens, { cleanSpaces: false }).startsWith(text.slice(0, -1)), true);
    if (finishReason !== "stop") continue;
    finished++;
    assert.ok(valid(JSON.parse(text)), `${text} by ${JSON.stringify(schema)}: ${ajv.errorsText(valid.errors)}`);
  }
  if (RANDOM >= 1000) console.log(`${finished} of ${RANDOM} finished`);
  assert.ok(finished > RANDOM / 2, `${finished} of ${RANDOM}`);
});

test("each of several answers to one prompt obeys the grammar", async () => {
  const generation = model.generate("Once", { n: 5, regex: /[a-c]{3,5}\d?/, temperature: 1.5 });
  await generation.text();
  for (const { text } of generation.result!.answers!) assert.match(text, /^[a-c]{3,5}\d?$/);
  const pieces = new Map<number, string>();
  for await (const { answer, text } of model.generate("Once", { n: 3, choice: ["left", "right"], temperature: 1 })) {
    pieces.set(answer!, (pieces.get(answer!) ?? "") + text);
  }
  assert.is(pieces.size, 3);
  for (const text of pieces.values()) assert.ok(["left", "right"].includes(text), text);
});

/** A model that wants to say a document, in a vocabulary with words of it. */
const SCRIPT = ['{"', "name", '":', "positive"];
const ids = buildVocabulary(SCRIPT_VOCABULARY, SCRIPT).ids as Map<string, number>;
const START = 65;

/** Behind each token the next of these lists, which it wants most, in falling order. */
async function wanting(wishes: Readonly<Record<string, readonly string[]>>): Promise<Model> {
  const bytes = scriptedModel((token) => {
    const logits = new Float32Array(SCRIPT_VOCABULARY);
    const [, wanted = []] = Object.entries(wishes).find(([behind]) => ids.get(behind) === token) ?? [];
    for (const [i, text] of wanted.entries()) logits[text === "" ? END : ids.get(text)!] = 8 - i;
    return logits;
  }, SCRIPT);
  return Model.load(bytes);
}

const NAMED = {
  type: "object",
  properties: { name: { type: "integer" } },
  required: ["name"],
  additionalProperties: false,
};
const named = (whitespace: number) => compile({ schema: NAMED, whitespace }).table;

async function tokensOf(of: Model, options: GenerateOptions): Promise<number[]> {
  const generation = of.generate([START], { maxTokens: 20, ...options });
  await generation.text();
  return generation.result!.tokens;
}

test("greedy: an answer that satisfies the schema anyway has the same tokens with it", async () => {
  const of = await wanting({ A: ['{"'], '{"': ["name"], name: ['":'], '":': ["7"], "7": ["}"], "}": [""] });
  const free = await tokensOf(of, {});
  assert.is(of.detokenize(free), '{"name":7}');
  assert.equal(await tokensOf(of, { schema: NAMED }), free);
  for (const whitespace of [0, 3]) assert.equal(await tokensOf(of, { table: named(whitespace) }), free);
  of.dispose();
});

test("forced text is not drawn: it has the tokenizer's tokens, unless they are uncertain or somebody looks", async () => {
  // It would spell the name letter by letter.
  const wishes = { A: ['{"'], '{"': ["n", "name"], n: ["a"], a: ["m"], m: ["e"], e: ['":'], name: ['":'], '":': ["7"] };
  const of = await wanting({ ...wishes, "7": ["}"], "}": [""] });
  const list = (...texts: string[]) => texts.map((text) => ids.get(text)!);
  const forced = list('{"', "name", '":', "7", "}");
  assert.equal(await tokensOf(of, { table: named(0) }), forced);
  assert.equal(await tokensOf(of, { schema: NAMED }), forced);
  const letters = list('{"', "n", "a", "m", "e", '":', "7", "}");
  assert.equal(await tokensOf(of, { table: named(0), logprobs: 1 }), letters);
  assert.equal(await tokensOf(of, { table: named(0), onLogits: () => {} }), letters);
  // The limit cuts it, a stop text ends it, a session goes on behind it.
  const cut = of.generate([START], { table: named(0), maxTokens: 2 });
  assert.is(await cut.text(), '{"name');
  assert.is(cut.result!.finishReason, "length");
  const stopped = of.generate([START], { table: named(0), stop: "me" });
  assert.is(await stopped.text(), '{"na');
  assert.is(stopped.result!.finishReason, "stop_string");
  const session = of.session();
  assert.is(await session.generate([START], { table: named(0), maxTokens: 2 }).text(), '{"name');
  assert.is(await session.generate(undefined, { maxTokens: 3 }).text(), '":7}');
  const batch = of.batch({ sequences: 3, context: 64 });
  const together = [1, 2, 3].map(() => batch.generate([START], { table: named(0) }));
  for (const text of await Promise.all(together.map((one) => one.text()))) assert.is(text, '{"name":7}');
  batch.dispose();
  of.dispose();
  // More words than are forced at once.
  const many = "a1".repeat(150);
  assert.is(await model.generate("Once", { choice: [many], maxTokens: 400 }).text(), many);
  // A word that was begun letter by letter is not gone on with as a whole.
  const slow = await wanting({ A: ["p"], p: ["o"], o: ["s"], s: ["i"], i: ["t"], t: ["i"] });
  const word = await tokensOf(slow, { choice: ["positive", "negative"] });
  assert.equal(word, list(..."positive"));
  slow.dispose();
});

test("greedy tokens are the same where the grammar allows what comes anyway", async () => {
  const free = model.generate("Once upon", { maxTokens: 24 });
  await free.text();
  const held = model.generate("Once upon", { maxTokens: 24, regex: /[\s\S]*/ });
  await held.text();
  const bytes = model.detokenizeBytes(free.result!.tokens);
  const decoded = new TextDecoder().decode(bytes);
  if (!decoded.includes("\ufffd")) assert.equal(held.result!.tokens, free.result!.tokens);
  const grammar = model.generate("Once upon", { maxTokens: 24, choice: [`${decoded}!`] });
  if (!decoded.includes("\ufffd")) assert.is((await grammar.text()).slice(0, 5), decoded.slice(0, 5));
});

test("what is drawn is distributed as the allowed tokens are", async () => {
  const prompt = model.tokenize("Once upon a");
  const logits = await model.logits(prompt);
  const last = logits.subarray(logits.length - model.tokenizer.count);
  const words = ["a", "b", "c", "d"];
  const ids = words.map((word) => model.tokenize(word)[0]);
  const temperature = 1.5;
  const weights = ids.map((id) => Math.exp(last[id] / temperature));
  const sum = weights.reduce((a, b) => a + b);
  const counts = new Map<string, number>();
  const draws = 400;
  for (let seed = 0; seed < draws; seed++) {
    const text = await model.generate(prompt, { choice: words, temperature, seed }).text();
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  for (const [i, word] of words.entries()) {
    const expected = (draws * weights[i]) / sum;
    const deviation = Math.sqrt(expected * (1 - expected / draws)) + 1;
    assert.ok(
      Math.abs((counts.get(word) ?? 0) - expected) < 5 * deviation,
      `${word}: ${counts.get(word)} for ${expected}`,
    );
  }
});

test("more than one grammar, and what is none, is refused", async () => {
  for (const options of [
    { schema: {}, choice: ["a"] },
    { schema: { unevaluatedItems: false } },
    { regex: "(" },
    { table: new Uint8Array(8) },
    { table: new Uint8Array(0) },
    { schema: () => 1 },
    { choice: [] },
  ]) {
    const error = await errorOf(() => model.generate("a", options as GenerateOptions).text());
    assert.instance(error, LimpetError);
  }
});

test("a table that was changed is refused, or ends in a text or an error", async () => {
  const { table } = compile({ schema: SCHEMAS[0] });
  const words = table.length / 4;
  let refused = 0;
  let seed = 7;
  const below = (most: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * most);
  };
  for (let i = 0; i < 120; i++) {
    const changed = table.slice();
    const view = new Uint32Array(changed.buffer);
    for (let k = 0; k < 3; k++) view[below(words)] = [0, 1, 2, 0xffffffff, below(words), below(2 ** 32)][below(6)];
    const given = i % 10 === 0 ? changed.subarray(0, below(changed.length)) : changed;
    try {
      await model.generate("a", { table: given, maxTokens: 12, temperature: 1, seed: i }).text();
    } catch (error) {
      assert.instance(error, LimpetError, String(error));
      refused++;
    }
  }
  assert.ok(refused > 30, `${refused}`);
});

test.run();
