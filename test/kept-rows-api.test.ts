/**
 * `kv: { policy, … }` of sessions and of single answers, in this thread and in a worker: what it is made of, that its
 * memory is planned and freed, that nobody takes rows that a policy has left for the model's own, and what is refused.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CacheOptions, type CacheUse, type GenerateOptions, Model, type SessionOptions } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TINY = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", TEMPLATES["ChatML"]]]);
const TEXT = "A limpet holds on to its rock, and the sea goes by. ".repeat(6);
const SOME: GenerateOptions = { maxTokens: 60, temperature: 1, seed: 5, minP: 0 };
const CONTEXT = 500;
const WINDOW: CacheOptions = { policy: "window", rows: 64 };
const ALL: readonly CacheOptions[] = [
  WINDOW,
  { policy: "h2o", rows: 64 },
  { policy: "d2o", rows: 64, type: "f32" },
  { policy: "d2o", budget: 0.1, merge: "softmax", every: 3, sinks: 2, recent: 0.3 },
  { policy: "d2o", rows: 48, layers: "variance" },
];

test("sessions keep their budget, save and go on, and say what they hold", async () => {
  const model = await Model.load(TINY);
  for (const kv of ALL) {
    const what = JSON.stringify(kv);
    const options: SessionOptions = { context: CONTEXT, kv };
    const session = model.session(options);
    const answer = await session.generate(TEXT, SOME).text();
    const { bytes, rows } = session.cache;
    const most = kv.rows ?? 50;
    const all = rows.reduce((a, b) => a + b, 0);
    if (kv.layers) assert.ok(new Set(rows).size > 1 && all <= most * rows.length, `${what}: ${rows}`);
    else
      assert.ok(
        rows.every((count) => count > 16 && count <= most),
        what,
      );
    const plain = model.session({ context: CONTEXT, kv: kv.type });
    assert.ok(bytes < 0.16 * plain.cache.bytes, `${what}: ${bytes} of ${plain.cache.bytes}`);
    await plain.generate(TEXT, SOME).text();
    assert.ok(session.save().length < 0.25 * plain.save().length, what);
    assert.ok(plain.cache.rows.every((count) => count === plain.tokens.length - 1));
    const copy = model.restore(session.save(), options);
    assert.is(await copy.generate(" And", SOME).text(), await session.generate(" And", SOME).text(), what);
    assert.is(await model.generate(TEXT, { ...SOME, ...options }).text(), answer, `${what}: an answer by itself`);
    const speculated = model.session(options);
    assert.is(await speculated.generate(TEXT, { ...SOME, speculate: "prompt" }).text(), answer, what);
    for (const one of [session, plain, copy, speculated]) one.dispose();
  }
  model.dispose();
});

test("memory is what Model.plan says, and is used again", async () => {
  const options = { context: 4000, kv: { policy: "d2o", budget: 0.2 } as CacheOptions };
  const [plain, plan] = [await Model.plan(TINY, { context: 4000 }), await Model.plan(TINY, options)];
  assert.is(plan.cache, plain.cache / 5);
  assert.ok(plan.context < 0.45 * plain.context, `${plan.context} of ${plain.context}`);
  // Where layers share rows, blocks are not all full, and lists and scores are longer.
  const shared = await Model.plan(TINY, { ...options, kv: { policy: "d2o", budget: 0.2, layers: "variance" } });
  assert.ok(shared.cache >= plan.cache && shared.cache < 1.02 * plan.cache, `${shared.cache} of ${plan.cache}`);
  const model = await Model.load(TINY, options);
  for (let i = 0; i < 3; i++) {
    const session = model.session();
    await session.generate("One", { maxTokens: 4 }).text();
    assert.equal(
      model.memory.contexts.map(({ tokens, rows }) => [tokens, rows]),
      [[4000, 800]],
    );
    session.dispose();
  }
  model.dispose();
});

test("a worker's sessions keep the same rows", async () => {
  const worker = await Model.load(TINY.slice(), { worker: true });
  const model = await Model.load(TINY);
  const options: SessionOptions = { context: CONTEXT, kv: { policy: "d2o", rows: 64 } };
  const [there, here] = [await worker.session(options), model.session(options)];
  assert.is(await there.generate(TEXT, SOME).text(), await here.generate(TEXT, SOME).text());
  assert.equal((await there.cache()) as CacheUse, here.cache);
  assert.equal(await there.save(), here.save());
  worker.dispose();
  model.dispose();
});

test("conversations go on, begin anew and obey grammars", async () => {
  const model = await Model.load(TINY);
  const options: SessionOptions = { context: 4 * CONTEXT, kv: { policy: "h2o", rows: 48 } };
  const session = model.session(options);
  await session.chat(TEXT, SOME).text();
  const answer = await session.chat("And then?", SOME).text();
  assert.is(await session.regenerate(SOME).text(), answer);
  const chosen = await session.chat("Which?", { maxTokens: 60, schema: { enum: ["north by west"] } }).text();
  assert.is(chosen, '"north by west"');
  session.rewind(0);
  assert.ok(session.cache.rows.every((count) => count === 0));
  model.dispose();
});

test("rows that a policy has left are nobody else's", async () => {
  const model = await Model.load(TINY);
  const options = { context: CONTEXT, kv: WINDOW };
  const session = model.session(options);
  await session.generate(TEXT, SOME).text();
  assert.match((await errorOf(() => model.restore(session.save()))).message, /another policy of its cache/);
  const other = { ...options, kv: { ...WINDOW, rows: 65 } };
  assert.match((await errorOf(() => model.restore(session.save(), other))).message, /another policy of its cache/);
  // A prefix has the model's own rows, which no policy has counted: they are read again.
  const prefix = await model.prefix(TEXT);
  const begun = model.session({ ...options, prefix });
  const fresh = model.session(options);
  fresh.append(TEXT);
  assert.is(await begun.generate(undefined, SOME).text(), await fresh.generate(undefined, SOME).text());
  // An answer with a policy leaves nothing behind that one without takes.
  const messages = [{ role: "user" as const, content: TEXT }];
  const want = await model.chat(messages, { ...SOME, context: CONTEXT, kv: "f16" }).text();
  await model.chat(messages, { ...SOME, ...options }).text();
  const again = model.chat(messages, { ...SOME, context: CONTEXT });
  assert.is(await again.text(), want);
  model.dispose();
});

test("what cannot be is refused by name", async () => {
  const model = await Model.load(TINY);
  const refused = async (kv: unknown, code: string, words: RegExp) => {
    const error = await errorOf(() => model.session({ context: CONTEXT, kv: kv as CacheOptions }));
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
  };
  await refused("q4_0", "UNSUPPORTED", /"f16", "f32" or "q8_0"/);
  await refused({ type: "q4_0" }, "UNSUPPORTED", /"f16", "f32" or "q8_0"/);
  await refused({ policy: "snap" }, "BAD_ARGUMENT", /"d2o", "h2o" or "window"/);
  await refused({ polcy: "d2o" }, "BAD_ARGUMENT", /did you mean policy/);
  await refused({ budget: 0.5 }, "BAD_ARGUMENT", /kv\.budget is of a policy: give one/);
  await refused({ policy: "d2o", budget: 0.5, rows: 9 }, "BAD_ARGUMENT", /a budget, or rows/);
  await refused({ policy: "h2o", merge: "mean" }, "BAD_ARGUMENT", /kv\.merge is not of the policy "h2o"/);
  await refused({ policy: "h2o", layers: "variance" }, "BAD_ARGUMENT", /kv\.layers is not of the policy "h2o"/);
  await refused({ policy: "d2o", layers: "even" }, "BAD_ARGUMENT", /"variance" or "uniform"/);
  await refused({ policy: "window", recent: 0.5 }, "BAD_ARGUMENT", /kv\.recent is not of the policy "window"/);
  await refused({ policy: "d2o", budget: 0 }, "BAD_ARGUMENT", /above 0 and at most 1/);
  await refused({ policy: "d2o", rows: 0 }, "BAD_ARGUMENT", /rows is a whole number from 1/);
  await refused({ policy: "d2o", rows: 8, every: 8 }, "BAD_ARGUMENT", /keeps at least one/);
  await refused({ policy: "d2o", rows: 6 }, "BAD_ARGUMENT", /leave no room for 4 sinks/);
  const full = await errorOf(() => model.session({ context: CONTEXT, kv: WINDOW, overflow: "shift" }));
  assert.match(full.message, /forgets by itself/);
  assert.match((await errorOf(() => model.batch({ kv: WINDOW }))).message, /a batch keeps all rows/);
  assert.match((await errorOf(() => model.prefix(TEXT, { kv: WINDOW }))).message, /a prefix keeps all rows/);
  const several = model.generate(TEXT, { n: 2, kv: WINDOW });
  assert.match((await errorOf(() => several.text())).message, /several answers \(n\) keep all rows/);
  // A budget of everything is none.
  const whole = model.session({ context: CONTEXT, kv: { policy: "d2o", budget: 1 } });
  const plain = model.session({ context: CONTEXT });
  for (const one of [whole, plain]) await one.generate(TEXT, SOME).text();
  assert.equal(whole.save(), plain.save());
  model.dispose();
});

test.run();
