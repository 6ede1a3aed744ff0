/**
 * Contexts whose size nobody asked for grow by steps, with the same bits as one that was large from the beginning; sizes
 * asked for once are not kept for ever; and what does not fit says what to dispose of.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model, type Session } from "../src/index.ts";
import { key } from "./support/changes.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TINY = modelBytes("llama-tiny", "Q8_0", []);
const rows = (model: Model) => model.memory.contexts.map(({ tokens }) => tokens).sort((a, b) => a - b);

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
  const sessions: Session[] = [];
  let error: (Error & { code?: unknown }) | undefined;
  for (let i = 0; i < 20 && !error; i++) {
    try {
      const session = model.session({ context: 512 });
      sessions.push(session);
      // One that rests would lend its context.
      await session.generate([1], { maxTokens: 100 }).next();
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

for (const [kind, kv] of [
  ["llama-tiny", "f16"],
  ["plm-1m", "q8_0"],
] as const) {
  test(`${kind}: many sessions take the memory of few, and each goes on with the bits that it had by itself`, async () => {
    const model = await Model.load(modelBytes(kind, "Q8_0"), { kv });
    const alone = await Model.load(modelBytes(kind, "Q8_0"), { kv });
    const first = { maxTokens: 3, temperature: 1, logprobs: 1 };
    const more = { ...first, seed: undefined };
    const sessions = Array.from({ length: 30 }, () => model.session());
    const said: unknown[][] = sessions.map(() => []);
    const speak = async (session: Session, parts: unknown[], options: object) => {
      for await (const piece of session.generate(undefined, options)) parts.push(piece);
      parts.push(session.tokens, session.activity, session.save());
    };
    for (const [i, session] of sessions.entries()) {
      session.append(ids(3 + i, model.info.vocabulary));
      await speak(session, said[i], { ...first, seed: i });
    }
    const { linear } = model.memory;
    assert.ok(rows(model).length <= 12, `${rows(model).length} contexts for 30 sessions`);
    for (let round = 0; round < 2; round++) {
      for (const [i, session] of sessions.entries()) {
        if (round === 1) session.append([7]);
        await speak(session, said[i], more);
      }
    }
    assert.is(model.memory.linear, linear, "what is in use is flat");
    for (const [i, parts] of said.entries()) {
      const session = alone.session();
      const want: unknown[] = [];
      session.append(ids(3 + i, model.info.vocabulary));
      await speak(session, want, { ...first, seed: i });
      await speak(session, want, more);
      session.append([7]);
      await speak(session, want, more);
      session.dispose();
      assert.equal(parts, want, `session ${i}`);
    }
    assert.equal(
      sessions[0].activity.zeros.length > 0,
      kind === "plm-1m",
      "what parked sessions say of their last pass",
    );
    for (const session of sessions.slice(0, 15)) session.dispose();
    model.dispose();
    assert.is((await errorOf(() => sessions[20].tokens)).code, "WRONG_STATE");
    sessions[20].dispose();
  });
}

test("2,000 sessions made and dropped take the memory of few before any collector runs", async () => {
  const model = await Model.load(TINY);
  let linear = 0;
  for (let i = 0; i < 2000; i++) {
    const session = model.session();
    session.append([1, 2, 3]);
    if (i % 10 === 0) await session.generate(undefined, { maxTokens: 1 }).text();
    if (i === 100) ({ linear } = model.memory);
  }
  assert.is(model.memory.linear, linear);
});

test("a generation between two tokens keeps its context, whoever asks for one", async () => {
  const model = await Model.load(TINY);
  const options = { maxTokens: 20, temperature: 1, seed: 4 };
  const want = await model.session().generate([1, 2], options).text();
  const session = model.session();
  const generation = session.generate([1, 2], options);
  await generation.next();
  const others = Array.from({ length: 20 }, () => model.session());
  for (const other of others) await other.generate([3, 4], { maxTokens: 1 }).text();
  assert.is(await generation.text(), want);
});

test("what other sessions did before does not choose the side of LongRoPE's switch", async () => {
  const file = makeModel("phi3-tiny", "Q8_0");
  key("phi3.rope.scaling.original_context_length", 600)(file);
  const model = await Model.load(encodeGguf(file));
  const say = async () => {
    const pieces = [];
    for await (const piece of model.generate([1, 2, 3, 4], { maxTokens: 3, logprobs: 1 })) pieces.push(piece);
    return pieces;
  };
  const want = await say();
  const long = model.session();
  long.append(ids(700, model.info.vocabulary));
  for (let i = 0; i < 5; i++) await model.generate([1], { maxTokens: 1 }).text();
  long.dispose();
  model.session({ context: 1024 }).dispose();
  const held = model.session();
  assert.equal(await say(), want);
  held.dispose();
});

test.run();
