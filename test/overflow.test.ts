/**
 * A full context: sessions that forget their oldest tokens and go on. The oracle is the mathematics of one layer, in which
 * a row of the cache depends on its own token and position alone: there, what is left after tokens were forgotten has to
 * give the logits of a session that has never read them.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { Model } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { errorOf, modelBytes } from "./support/models.ts";

/** The first layer of a made model, with a chat template. */
function oneLayer(kind: string): Uint8Array<ArrayBuffer> {
  const { metadata, tensors } = makeModel(kind, "F32");
  const layers = (metadata as [string, string, unknown][]).map(([key, type, value]) =>
    key.endsWith(".block_count") ? [key, type, 1] : [key, type, value],
  );
  layers.push(["tokenizer.chat_template", "string", TEMPLATES["ChatML"]]);
  const kept = tensors.filter(({ name }) => !/^blk\.[1-9]/.test(name));
  return new Uint8Array(encodeGguf({ metadata: layers as never, tensors: kept }));
}

function ids(length: number, vocabulary: number): number[] {
  let state = 7;
  return Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % vocabulary);
}

function farthest(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);
}

for (const kind of ["llama-tiny", "qwen3-tiny", "gemma3-tiny", "plm-1m"]) {
  test(`${kind}, one layer: what a session keeps gives the logits of one that never read the rest`, async () => {
    const model = await Model.load(oneLayer(kind));
    const tokens = ids(60, model.info.vocabulary);
    const session = model.session({ context: 64, kv: "f32", overflow: "shift", keep: 5 });
    session.append(tokens);
    await session.logits();
    session.append(tokens.slice(0, 10));
    const left = session.tokens;
    // Half of what is not kept made room.
    assert.equal(left, [...tokens.slice(0, 5), ...tokens.slice(32), ...tokens.slice(0, 10)]);
    const fresh = model.session({ context: 64, kv: "f32" });
    fresh.append(left);
    const [got, want] = [await session.logits(), await fresh.logits()];
    const scale = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    assert.ok(farthest(got, want) <= 2e-4 * scale, `${farthest(got, want)} of ${scale}`);
    const other = model.session({ context: 64, kv: "f32" });
    other.append([...tokens, ...tokens].slice(-left.length));
    assert.ok(farthest(await other.logits(), want) > 0.05 * scale, "other tokens are told apart by that");
    model.dispose();
  });
}

test("an answer goes on where the context is full, and says how much it has forgotten", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const tokens = ids(20, model.info.vocabulary);
  const options = { maxTokens: 200, temperature: 1, seed: 3, banTokens: [0, 1, 2] };
  const session = model.session({ context: 64, overflow: "shift" });
  const generation = session.generate(tokens, options);
  await generation.text();
  const { finishReason, forgotten, tokens: said } = generation.result!;
  if (finishReason === "length") assert.is(said.length, 200);
  assert.ok(said.length > 64, `${said.length} tokens, ${finishReason}`);
  assert.is(session.tokens.length + forgotten!, tokens.length + said.length + (finishReason === "stop" ? 1 : 0));
  assert.ok(session.tokens.length <= 64);
  assert.equal(session.tokens.slice(0, 4), tokens.slice(0, 4), "the first ones are kept");
  const stops = model.session({ context: 64 });
  const cut = stops.generate(tokens, options);
  await cut.text();
  assert.is(cut.result!.finishReason, "context");
  assert.is(cut.result!.forgotten, undefined);
  assert.equal(cut.result!.tokens.slice(0, 44), said.slice(0, 44), "until it is full both say the same");
  // The same again: forgetting is as exact as the rest.
  const again = model.session({ context: 64, overflow: "shift" }).generate(tokens, options);
  await again.text();
  assert.equal(again.result!.tokens, said);
  model.dispose();
});

test("a talk forgets its oldest turns, keeps the system's message, and does not read the rest again", async () => {
  const bytes = modelBytes("demo", "F16", [["tokenizer.chat_template", "string", TEMPLATES["ChatML"]]]);
  const model = await Model.load(bytes);
  const worker = await Model.load(bytes, { worker: true });
  const settings = { context: 400, system: "Be brief.", overflow: "shift" } as const;
  const session = model.session(settings);
  const far = await worker.session(settings);
  const system = model.tokenize("Be brief.");
  let forgotten = 0;
  for (let turn = 0; turn < 12; turn++) {
    const question = `Question ${turn}?`;
    const options = { maxTokens: 9, seed: turn };
    const generation = session.chat(question, options);
    await generation.text();
    const result = generation.result!;
    const there = far.chat(question, options);
    await there.text();
    assert.equal({ ...there.result!, timings: 0 }, { ...result, timings: 0 }, "a worker does the same");
    if (result.forgotten) {
      forgotten += result.forgotten;
      assert.ok(result.timings.prefillTokens < 80, `${result.timings.prefillTokens} were read again`);
    }
    assert.ok(session.tokens.length <= 400);
    assert.ok(model.detokenize(session.tokens).includes("Be brief."));
    assert.ok(system.length > 0 && model.detokenize(session.tokens).includes(question));
    assert.is(session.messages.length, 1 + 2 * (turn + 1), "what was said is not forgotten");
  }
  assert.ok(forgotten > 300, `${forgotten}`);
  assert.not.match(model.detokenize(session.tokens), /Question 0/);
  const copy = model.restore(session.save(), settings);
  assert.is(await copy.chat("And?", { maxTokens: 3 }).text(), await session.chat("And?", { maxTokens: 3 }).text());
  const error = await errorOf(() => session.chat("Question? ".repeat(100)).text());
  assert.is(error.code, "CONTEXT_FULL");
  assert.match(error.message, /the last turn ha/);
  await session.chat("Again?", { maxTokens: 3 }).text();
  worker.dispose();
  model.dispose();
});

test("without overflow a full context is what it was: refused, and the talk as before", async () => {
  const model = await Model.load(
    modelBytes("demo", "F16", [["tokenizer.chat_template", "string", TEMPLATES["ChatML"]]]),
  );
  const session = model.session({ context: 60 });
  await session.chat("One?", { maxTokens: 3 }).text();
  const before = session.messages;
  for (let error: { code?: unknown } | null = null; error?.code !== "CONTEXT_FULL"; ) {
    error = await session
      .chat("Two?", { maxTokens: 3 })
      .text()
      .then(
        () => null,
        (thrown) => thrown,
      );
  }
  assert.ok(session.messages.length >= before.length);
  model.dispose();
});

test("what cannot forget, and what would forget nothing, is refused", async () => {
  for (const kind of ["mamba-tiny", "qwen35-tiny", "gpt2-tiny", "t5-tiny"]) {
    const model = await Model.load(modelBytes(kind, "F32"));
    const error = await errorOf(() => model.session({ overflow: "shift" }));
    assert.is(error.code, "UNSUPPORTED", kind);
    assert.match(error.message, /leave overflow out/);
    model.dispose();
  }
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const refused = [
    { context: 8, overflow: "shift", keep: 7 },
    { overflow: "roll" as "shift" },
    { overflow: "shift", keep: -1 },
  ] as const;
  for (const options of refused) assert.is((await errorOf(() => model.session(options))).code, "BAD_ARGUMENT");
  const session = model.session({ context: 8, overflow: "shift" });
  session.append([1, 2, 3]);
  assert.is((await errorOf(() => session.append(ids(9, 100)))).code, "CONTEXT_FULL", "more than it can ever hold");
  assert.equal(session.tokens, [1, 2, 3]);
  assert.equal(session.tokens, [1, 2, 3]);
  model.dispose();
});

test.run();
