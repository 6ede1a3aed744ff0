/**
 * Contexts whose size nobody asked for grow by steps, with the same bits as one that was large from the beginning; sizes
 * asked for once are not kept for ever; and what does not fit says what to dispose of.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TINY = modelBytes("llama-tiny", "Q8_0", []);
const rows = (model: Model) => model.memory.contexts.map(({ tokens }) => tokens);

/** Token ids that are the same in every run. */
function ids(length: number, vocabulary: number): number[] {
  let state = 7;
  return Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % vocabulary);
}

for (const kind of ["llama-tiny", "plm-1m"]) {
  test(`${kind}: a session that outgrows its context goes on with the same bits`, async () => {
    const model = await Model.load(modelBytes(kind, "Q8_0"));
    const { contextLength, vocabulary } = model.info;
    const whole = Math.min(contextLength || 4096, 4096);
    assert.ok(whole > 512, "there is room to grow");
    const options = { temperature: 1, seed: 3, maxTokens: 40, logprobs: 2 };
    const more = { ...options, seed: undefined };
    const growing = model.session();
    const large = model.session({ context: whole });
    assert.is(growing.capacity, whole);
    assert.equal(rows(model), [512, whole]);
    for (const session of [growing, large]) session.append(ids(400, vocabulary));
    const texts = async (session: typeof large) => {
      const parts: unknown[] = [];
      for await (const piece of session.generate(undefined, options)) parts.push(piece);
      session.append(ids(200, vocabulary));
      for await (const piece of session.generate(undefined, more)) parts.push(piece);
      return parts;
    };
    assert.equal(await texts(growing), await texts(large));
    assert.equal(growing.tokens, large.tokens);
    assert.ok(rows(model).includes(Math.min(1024, whole)), "it has moved");
    growing.append(ids(whole - growing.tokens.length, vocabulary));
    assert.is(growing.tokens.length, whole, "and holds all that the model can");
    const full = await errorOf(() => growing.append([1]));
    assert.is(full.code, "CONTEXT_FULL");
    const copy = model.restore(growing.save());
    assert.equal(copy.tokens, growing.tokens, "a saved session brings its size with it");
    model.dispose();
  });
}

test("an answer as long as the context fills it, and ends with that", async () => {
  const model = await Model.load(TINY);
  const whole = model.session().capacity;
  const generation = model.generate([1, 2, 3], { maxTokens: 100_000, temperature: 1, seed: 1 });
  await generation.text();
  const { finishReason, tokens } = generation.result!;
  assert.ok(finishReason === "stop" || finishReason === "context");
  if (finishReason === "context") assert.is(tokens.length, whole - 3 + 1);
});

test("a limit that is never reached takes no memory: a generation grows between two tokens, with the same pieces", async () => {
  for (const kind of ["llama-tiny", "plm-1m"]) {
    const model = await Model.load(modelBytes(kind, "Q8_0"));
    const { vocabulary } = model.info;
    await model.generate([1, 2], { maxTokens: 4 }).text();
    await model.generate([1, 2], { maxTokens: 100_000, stop: model.tokenizer.tokenText(3) }).next();
    assert.equal(new Set(rows(model)), new Set([512]), "what is asked for at most is not what is needed");
    // Texts that may become stop strings are held back while the context is exchanged.
    const stop = Array.from({ length: 26 }, (_, i) => `${String.fromCodePoint(97 + i)}${"never".repeat(i + 1)}`);
    const options = { maxTokens: 100_000, temperature: 1, seed: 5, logprobs: 2, repeatPenalty: 1.1, stop };
    const growing = model.session();
    const large = model.session({ context: growing.capacity });
    const pieces: unknown[][] = [];
    for (const session of [growing, large]) {
      const parts: unknown[] = [];
      for (let round = 0; round < 40 && session.tokens.length < session.capacity; round++) {
        const generation = session.generate(
          round === 0 ? ids(450, vocabulary) : [5],
          round === 0 ? options : { ...options, seed: undefined },
        );
        for await (const piece of generation) parts.push(piece);
        parts.push(generation.result?.finishReason);
      }
      pieces.push(parts);
    }
    assert.equal(pieces[0], pieces[1]);
    assert.equal(growing.tokens, large.tokens);
    assert.ok(growing.tokens.length > 512, `${kind}: it has grown`);
    model.dispose();
  }
});

test("a generation that cannot grow ends in words, and its session is what was said until then", async () => {
  const plan = await Model.plan(TINY, { context: 512 });
  const model = await Model.load(TINY, { memoryLimit: plan.total + 200_000 });
  const session = model.session();
  const generation = session.generate(ids(200, model.info.vocabulary), { maxTokens: 100_000, temperature: 1, seed: 1 });
  const error = await errorOf(() => generation.text());
  assert.is(error.code, "OUT_OF_MEMORY");
  assert.match(error.message, /not enough memory/);
  assert.is(session.tokens.length, 512);
  const fresh = (await Model.load(TINY)).session({ context: 512 });
  fresh.append(session.tokens.slice(0, 500));
  session.rewind(500);
  const options = { maxTokens: 5 };
  assert.is(await session.generate(undefined, options).text(), await fresh.generate(undefined, options).text());
});

test("sizes that were asked for once do not pile up", async () => {
  const model = await Model.load(TINY);
  for (let i = 0; i < 20; i++) await model.generate("Once", { context: 300 + i, maxTokens: 1 }).text();
  const { linear } = model.memory;
  for (let i = 0; i < 150; i++) await model.generate("Once", { context: 320 + i, maxTokens: 1 }).text();
  assert.ok(model.memory.linear <= linear * 1.2, `${linear} bytes grew to ${model.memory.linear}`);
  assert.ok(rows(model).length <= 4, `${rows(model)} are kept`);
  await model.generate("Once", { context: 469, maxTokens: 1 }).text();
  assert.is(rows(model).filter((tokens) => tokens === 469).length, 1, "the last size is taken again");
});

test("too little memory: the words say who holds it, and disposing helps", async () => {
  const plan = await Model.plan(TINY, { context: 512 });
  const model = await Model.load(TINY, { memoryLimit: plan.total + 2 * plan.context });
  const sessions = [];
  let error: (Error & { code?: unknown }) | undefined;
  for (let i = 0; i < 20 && !error; i++) {
    try {
      sessions.push(model.session({ context: 512 }));
    } catch (thrown) {
      error = thrown as Error;
    }
  }
  assert.is(error?.code, "OUT_OF_MEMORY");
  assert.match(error!.message, new RegExp(`${sessions.length} sessions and generations hold \\d+ bytes.*dispose`));
  sessions[0].dispose();
  model.session({ context: 512 }).dispose();
  for (const session of sessions) session.dispose();
});

test("a session that cannot grow is as it was", async () => {
  const plan = await Model.plan(TINY, { context: 512 });
  const model = await Model.load(TINY, { memoryLimit: plan.total + 100_000 });
  const session = model.session();
  const { vocabulary } = model.info;
  session.append(ids(450, vocabulary));
  await session.generate(undefined, { maxTokens: 2 }).text();
  const { tokens } = session;
  const error = await errorOf(() => session.append(ids(session.capacity - tokens.length, vocabulary)));
  if (session.capacity > 512) assert.is(error.code, "OUT_OF_MEMORY");
  assert.equal(session.tokens, tokens);
  const fresh = (await Model.load(TINY)).session();
  fresh.append(tokens);
  const options = { maxTokens: 5 };
  assert.is(await session.generate(undefined, options).text(), await fresh.generate(undefined, options).text());
});

test.run();
