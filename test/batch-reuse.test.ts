/**
 * A batch that keeps what it has read: the next turn of a conversation reads what is new, says what it would have said
 * alone, and how much was there already; full contexts say both sizes.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimpetError, type Message, Model, type Piece } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const TINY = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const model = await Model.load(TINY);
const OPTIONS = { maxTokens: 8, temperature: 1, seed: 3 };

/** A conversation of some turns over one batch, each told whole, as a server is told it. */
async function talk(batch: ReturnType<Model["batch"]>, name: string, turns: number) {
  const messages: Message[] = [{ role: "system", content: `You are ${name}, and speak of the sea.` }];
  const figures: [prompt: number, cached: number, prefill: number][] = [];
  for (let turn = 0; turn < turns; turn++) {
    messages.push({ role: "user", content: `${name} asks for number ${turn}` });
    const generation = batch.chat(messages, OPTIONS);
    const content = await generation.text();
    const { promptTokens, cachedTokens, timings } = generation.result!;
    figures.push([promptTokens, cachedTokens, timings.prefillTokens]);
    assert.is(content, await model.chat(messages, { ...OPTIONS, context: 500 }).text(), `${name}, turn ${turn}`);
    messages.push({ role: "assistant", content });
  }
  return figures;
}

test("the next turn reads what is new alone, with the text that it has without", async () => {
  const batch = model.batch({ sequences: 2, context: 500, reuse: true });
  const [first, second, third] = await talk(batch, "Anna", 3);
  assert.is(first[1], 0);
  assert.is(first[2], first[0]);
  for (const [before, [prompt, cached, prefill]] of [
    [first, second],
    [second, third],
  ] as const) {
    assert.is(cached + prefill, prompt);
    assert.ok(cached >= before[0], `${cached} of ${prompt} tokens were there, ${before[0]} could have been`);
  }
  batch.dispose();
});

test("conversations at once each find their own again; more than there is room for take the oldest's place", async () => {
  const batch = model.batch({ sequences: 3, context: 500, reuse: true });
  const all = await Promise.all(["Anna", "Bert", "Cleo"].map((name) => talk(batch, name, 3)));
  for (const [[first], second] of all.map((figures) => [figures, figures[1]] as const)) {
    assert.ok(second[1] >= first[0], JSON.stringify(all));
  }
  const more = await Promise.all(["Dora", "Emil", "Fred", "Gina", "Hugo"].map((name) => talk(batch, name, 2)));
  assert.is(more.length, 5);
  // A session of one's own takes the place of what is kept.
  const session = batch.session();
  assert.type(await session.chat("Hello", OPTIONS).text(), "string");
  batch.dispose();
});

test("the same prompt again, a longer, a shorter and another one: the text is what it is alone", async () => {
  const batch = model.batch({ sequences: 1, context: 300, reuse: true });
  const prompt = Array.from({ length: 120 }, (_, i) => (i * 7) % 250);
  for (const ids of [prompt, prompt, [...prompt, 3, 4], prompt.slice(0, 50), [9, ...prompt], prompt.slice(0, 1)]) {
    const generation = batch.generate(ids, OPTIONS);
    assert.is(await generation.text(), await model.generate(ids, { ...OPTIONS, context: 300 }).text());
  }
  batch.dispose();
});

test("an abort, a loop that is left and a prompt that does not fit leave what follows as it is", async () => {
  const batch = model.batch({ sequences: 1, context: 200, reuse: true });
  const prompt = Array.from({ length: 60 }, (_, i) => i);
  const expected = await model.generate(prompt, { ...OPTIONS, context: 200 }).text();
  const controller = new AbortController();
  const aborted = batch.generate(prompt, { ...OPTIONS, signal: controller.signal });
  await aborted.next();
  controller.abort(new Error("enough"));
  assert.is((await errorOf(() => aborted.text())).message, "enough");
  for await (const _ of batch.generate(prompt, OPTIONS)) break;
  const full = (await errorOf(() => batch.generate(new Uint32Array(201), OPTIONS).text())) as LimpetError;
  assert.instance(full, LimpetError);
  assert.is(full.code, "CONTEXT_FULL");
  assert.equal(full.sizes, { tokens: 201, capacity: 200 });
  const last = batch.generate(prompt, OPTIONS);
  assert.is(await last.text(), expected);
  batch.dispose();
});

for (const [name, options] of [
  ["here", {}],
  ["in a worker", { worker: true as const }],
] as const) {
  test(`${name}: an answer that is aborted, left or fails says what had come, and what it has cost`, async () => {
    const of = (await Model.load(TINY, options as { worker?: false })) as Model;
    const prompt = Array.from({ length: 40 }, (_, i) => i);
    const batch = await of.batch({ sequences: 1, context: 200, reuse: true });
    const session = await of.session();
    const cases = [
      (more: object) => of.generate(prompt, { ...OPTIONS, ...more, maxTokens: 50 }),
      (more: object) => batch.generate(prompt, { ...OPTIONS, ...more, maxTokens: 50 }),
      (more: object) => session.chat("Hello", { ...OPTIONS, ...more, maxTokens: 50 }),
      (more: object) => of.chat([{ role: "user", content: "Hello" }], { ...OPTIONS, ...more, maxTokens: 50 }),
    ];
    for (const [i, begin] of cases.entries()) {
      const controller = new AbortController();
      const aborted = begin({ signal: controller.signal });
      const pieces: Piece[] = [];
      for (let count = 0; count < 3; count++) pieces.push((await aborted.next()).value as Piece);
      controller.abort(new Error("enough"));
      assert.is((await errorOf(() => aborted.next())).message, "enough");
      const { result } = aborted;
      assert.is(result!.finishReason, "aborted", `case ${i}`);
      assert.is(result!.text, pieces.map(({ text }) => text).join(""));
      assert.equal(
        result!.tokens,
        pieces.map(({ token }) => token),
      );
      assert.ok(result!.promptTokens >= 40 && result!.timings.prefillTokens > 0, JSON.stringify(result));
      assert.is((await errorOf(() => aborted.text())).code, "WRONG_STATE");
      const left = begin({});
      for await (const _ of left) break;
      assert.is(left.result!.finishReason, "aborted");
      assert.is(left.result!.tokens.length, 1);
      // What was read for the one before was there; the last token is always read.
      if (i === 1) assert.is(left.result!.cachedTokens, 39);
      const refused = begin({ temperature: -1 });
      await errorOf(() => refused.text());
      assert.is(refused.result, null, "what has not begun has no result");
    }
    of.dispose();
  });
}

test("sizes and counts come from a worker, too", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const batch = await worker.batch({ sequences: 1, context: 100, reuse: true });
  const prompt = Array.from({ length: 60 }, (_, i) => i);
  await batch.generate(prompt, OPTIONS).text();
  const again = batch.generate(prompt, OPTIONS);
  await again.text();
  assert.is(again.result!.promptTokens, 60);
  assert.is(again.result!.cachedTokens, 59);
  const full = (await errorOf(() => batch.generate(new Uint32Array(101), OPTIONS).text())) as LimpetError;
  assert.equal(full.sizes, { tokens: 101, capacity: 100 });
  worker.dispose();
});

test.run();
