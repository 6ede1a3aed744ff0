/**
 * Several conversations at once: the text of each is what it would be alone, to the bit, whoever else is computed with it,
 * comes, goes or is aborted; several answers to one prompt; the log probabilities of choices.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Batch, type GenerateOptions, type Generation, Model } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { wholeNumbers } from "./support/random.ts";
import { SCRIPT_VOCABULARY, scriptedModel } from "./support/scripted.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const shapes: [name: string, model: Model][] = [];
for (const [shape, type] of [
  ["llama-tiny", "Q8_0"],
  ["plm-1m", "Q4_0"],
  ["gemma3-tiny", "Q8_0"],
] as const) {
  shapes.push([shape, await Model.load(modelBytes(shape, type, [["tokenizer.chat_template", "string", CHATML]]))]);
}
const [[, tiny]] = shapes;

interface Whole {
  readonly text: string;
  readonly tokens: number[];
  readonly pieces: unknown[];
  readonly finishReason: string;
}

async function whole(generation: Generation): Promise<Whole> {
  const pieces: unknown[] = [];
  for await (const piece of generation) pieces.push(piece);
  const { text, tokens, finishReason } = generation.result!;
  return { text, tokens, finishReason, pieces };
}

/** Prompts of many lengths, some longer than a chunk of the batch, and options of all kinds. */
function requests(model: Model, count: number): [prompt: number[], options: GenerateOptions][] {
  const draw = wholeNumbers(77);
  return Array.from({ length: count }, (_, i) => {
    const prompt = Array.from({ length: [1, 5, 70, 150, 33, 9, 64, 2, 300][i % 9] }, () => draw(model.info.vocabulary));
    const options = [
      {},
      { temperature: 1, seed: i },
      { temperature: 0.8, topK: 20, repeatPenalty: 1.2, seed: i, logprobs: 2 },
      { temperature: 1, typicalP: 0.9, mirostat: 4, seed: i },
    ][i % 4];
    return [prompt, { ...options, maxTokens: 4 + ((i * 5) % 13) }];
  });
}

for (const [name, model] of shapes) {
  test(`${name}: the text, tokens and log probabilities of each are what they are alone`, async () => {
    const all = requests(model, 11);
    const alone: Whole[] = [];
    for (const [prompt, options] of all) alone.push(await whole(model.generate(prompt, { ...options, context: 400 })));
    // Eight at a time, the others as soon as one ends; and two at a time.
    for (const sequences of [8, 2]) {
      const batch = model.batch({ sequences, context: 400 });
      const together = await Promise.all(all.map(([prompt, options]) => whole(batch.generate(prompt, options))));
      assert.equal(together, alone, `${sequences} at a time`);
      batch.dispose();
    }
  });
}

test("one is aborted, one is left and one is added in the middle: the others do not notice", async () => {
  const all = requests(tiny, 9).map(([prompt, options]) => [prompt, { ...options, maxTokens: 24 }] as const);
  const alone: Whole[] = [];
  for (const [prompt, options] of all) alone.push(await whole(tiny.generate(prompt, { ...options, context: 400 })));
  const batch = tiny.batch({ sequences: 9, context: 400 });
  const controller = new AbortController();
  const run = async (i: number): Promise<unknown> => {
    const [prompt, options] = all[i];
    if (i === 1) {
      const generation = batch.generate(prompt, { ...options, signal: controller.signal });
      const error = await errorOf(async () => {
        let count = 0;
        for await (const _ of generation) if (++count === 5) controller.abort(new Error("enough"));
      });
      return error.message;
    }
    if (i === 2) {
      let count = 0;
      for await (const _ of batch.generate(prompt, options)) if (++count === 7) break;
      return count;
    }
    return whole(batch.generate(prompt, options));
  };
  let added: Promise<unknown> | null = null;
  const first = (async () => {
    const pieces: unknown[] = [];
    const [prompt, options] = all[0];
    const generation = batch.generate(prompt, options);
    for await (const piece of generation) {
      pieces.push(piece);
      if (pieces.length === 6) added = run(8);
    }
    const { text, tokens, finishReason } = generation.result!;
    return { text, tokens, finishReason, pieces };
  })();
  const results = await Promise.all([first, ...[1, 2, 3, 4, 5, 6, 7].map(run)]);
  assert.is(results[1], "enough");
  assert.is(results[2], 7);
  for (const i of [0, 3, 4, 5, 6, 7]) assert.equal(results[i], alone[i], `number ${i}`);
  assert.equal(await added, alone[8], "the one that was added");
  batch.dispose();
});

test("a reader that dawdles holds nobody up, and none gets ahead of its reader", async () => {
  const batch = tiny.batch({ sequences: 3, context: 200 });
  const [slow, quick] = [batch.generate([5, 6], { maxTokens: 30 }), batch.generate([7, 8], { maxTokens: 30 })];
  await slow.next();
  assert.is((await whole(quick)).tokens.length, 30);
  const rest = await whole(slow);
  assert.is(rest.tokens.length, 30);
  assert.equal(rest.tokens, (await whole(tiny.generate([5, 6], { maxTokens: 30 }))).tokens);
  batch.dispose();
});

test("sessions of a batch hold conversations, save, rewind and show logits as sessions do", async () => {
  const batch: Batch = tiny.batch({ sequences: 3, context: 300 });
  const talk = async (session: ReturnType<Model["session"]>, i: number) => {
    const said = [await session.chat(`first ${i}`, { maxTokens: 6 }).text()];
    said.push(await session.chat(`second ${i}`, { maxTokens: 5, temperature: 1, seed: i }).text());
    const logits = await session.logits();
    session.rewind(4);
    said.push(await session.generate([9, 9, i], { maxTokens: 8 }).text());
    return { said, tokens: session.tokens, logits, saved: session.save() };
  };
  const alone = [];
  for (const i of [1, 2, 3]) alone.push(await talk(tiny.session({ context: 300, system: "be kind" }), i));
  const sessions = [1, 2, 3].map(() => batch.session({ system: "be kind" }));
  const together = await Promise.all(sessions.map((session, i) => talk(session, i + 1)));
  for (const i of [0, 1, 2]) {
    assert.equal(together[i].said, alone[i].said);
    assert.equal(together[i].tokens, alone[i].tokens);
    assert.equal(together[i].logits, alone[i].logits);
    // What is saved of one is restored anywhere.
    const [here, there] = [together[i].saved, alone[i].saved].map((saved) => tiny.restore(saved));
    const options = { maxTokens: 5, temperature: 1 };
    assert.is(await here.generate(undefined, options).text(), await there.generate(undefined, options).text());
  }
  const none = await errorOf(() => batch.session());
  assert.is(none.code, "WRONG_STATE");
  assert.match(none.message, /all 3 sequences of this batch are in use/);
  sessions[0].dispose();
  assert.is(batch.session().tokens.length, 0);
  batch.dispose();
  assert.is((await errorOf(() => batch.session())).message, "the batch was disposed of");
  assert.is((await errorOf(() => batch.generate("a").text())).message, "the batch was disposed of");
  assert.is((await errorOf(() => sessions[1].generate("a").text())).code, "WRONG_STATE");
});

test("one that fails ends alone, and a full one ends with its context", async () => {
  const batch = tiny.batch({ sequences: 4, context: 20 });
  const results = await Promise.allSettled([
    batch.generate([5, 6], { maxTokens: 9 }).text(),
    batch.generate([5, 6], { maxTokens: 9, forceTokens: [3], banTokens: [3] }).text(),
    batch.generate([1, 2, 3], { maxTokens: 9, onLogits: () => Promise.reject(new Error("mine")) }).text(),
    whole(batch.generate([5, 6, 7], { maxTokens: 90, banTokens: [2] })),
    batch.generate(Array.from({ length: 21 }, () => 5)).text(),
    batch.generate([99999]).text(),
    batch.generate([5], { form: "absorbed" }).text(),
  ]);
  const said = results.map((result) =>
    result.status === "rejected" ? String((result.reason as Error).message) : result.value,
  );
  assert.is(said[0], await tiny.generate([5, 6], { maxTokens: 9 }).text());
  assert.match(said[1] as string, /every token is banned/);
  assert.is(said[2], "mine");
  assert.equal(said[3], await whole(tiny.generate([5, 6, 7], { maxTokens: 90, banTokens: [2], context: 20 })));
  assert.match(said[4] as string, /holds 20 tokens/);
  assert.match(said[5] as string, /not in the vocabulary/);
  assert.match(said[6] as string, /form is an option of the batch/);
  batch.dispose();
});

test("hooks and log probabilities in a batch are each one's own", async () => {
  const options = (i: number): GenerateOptions => ({
    maxTokens: 8,
    logprobs: 3,
    onLogits: async (logits, tokens) => {
      if (i % 2) await new Promise((resolve) => setTimeout(resolve, 1));
      for (let t = 0; t < logits.length; t++) logits[t] = -Math.abs(((t * 7 + tokens.length * (i + 3)) % 101) - 50);
    },
  });
  const alone = [];
  for (const i of [0, 1, 2]) alone.push(await whole(tiny.generate([10 + i, 4], options(i))));
  const batch = tiny.batch({ sequences: 3 });
  assert.equal(await Promise.all([0, 1, 2].map((i) => whole(batch.generate([10 + i, 4], options(i))))), alone);
  batch.dispose();
});

for (const [name, model] of shapes) {
  test(`${name}: n answers share their prompt, and each is that of its seed`, async () => {
    const prompt = Array.from({ length: 130 }, (_, i) => (i * 13) % model.info.vocabulary);
    const options = { temperature: 1, seed: 7, maxTokens: 12, stop: "zz", logprobs: 1 };
    const generation = model.generate(prompt, { ...options, n: 4 });
    const pieces: unknown[][] = [[], [], [], []];
    for await (const { answer, ...piece } of generation) pieces[answer!].push(piece);
    const { answers } = generation.result!;
    for (const i of [0, 1, 2, 3]) {
      const alone = await whole(model.generate(prompt, { ...options, seed: 7 + i }));
      assert.equal({ ...answers![i], pieces: pieces[i] }, alone, `answer ${i}`);
    }
    assert.is(generation.result!.text, answers![0].text);
    assert.is(generation.result!.timings.prefillTokens, 130);
  });
}

test("n in a chat, and n that cannot be", async () => {
  const messages = [{ role: "user" as const, content: "hello" }];
  const generation = tiny.chat(messages, { n: 2, temperature: 1, maxTokens: 5 });
  await generation.text();
  assert.is(generation.result!.answers!.length, 2);
  assert.is(
    generation.result!.answers![1].text,
    await tiny.chat(messages, { temperature: 1, maxTokens: 5, seed: 1 }).text(),
  );
  for (const n of [0, 65, 1.5])
    assert.match((await errorOf(() => tiny.generate("a", { n }).text())).message, /n is a whole/);
  assert.match(
    (
      await errorOf(() =>
        tiny
          .session()
          .generate("a", { n: 2 } as object)
          .text(),
      )
    ).message,
    /no option n/,
  );
  const left = tiny.generate([5], { n: 3, maxTokens: 50 });
  for await (const _ of left) break;
});

for (const [name, model] of shapes) {
  test(`${name}: score gives the sum of the log probabilities of each choice's tokens`, async () => {
    const prompt = Array.from({ length: 40 }, (_, i) => 5 + ((i * 7) % 200));
    const draw = wholeNumbers(3);
    const choices = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 1 + (i % 5) * 3 }, () => draw(model.info.vocabulary)),
    );
    const scores = await model.score(prompt, choices, { form: "absorbed" });
    for (const [i, choice] of choices.entries()) {
      const logits = await model.logits([...prompt, ...choice], { form: "absorbed" });
      const vocabulary = model.info.vocabulary;
      let expected = 0;
      for (const [j, token] of choice.entries()) {
        const at = prompt.length - 1 + j;
        const row = logits.subarray(at * vocabulary, (at + 1) * vocabulary);
        const top = row.reduce((a, b) => Math.max(a, b));
        expected += row[token] - top - Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
      }
      assert.ok(
        Math.abs(scores[i].logprob - expected) < 1e-4 * choice.length,
        `${i}: ${scores[i].logprob}, ${expected}`,
      );
      assert.equal(scores[i].tokens, choice);
    }
  });
}

test("score takes prompt and choice as one text, and refuses what is no choice", async () => {
  const [a, b] = await tiny.score("The sky is", [" blue", " a colour, I am told"]);
  const all = tiny.tokenize("The sky is blue", { bos: true });
  assert.equal(all.slice(-a.tokens.length), a.tokens);
  assert.ok(a.logprob < 0 && b.logprob < a.logprob);
  for (const [choices, words] of [
    [[], /choices is a list/],
    ["x", /choices is a list/],
    [[""], /choices\[0\] is empty/],
    [[[]], /choices\[0\] is empty/],
    [[5], /choices\[0\] is text or a list/],
    [[[99999]], /not in the vocabulary/],
  ] as [string[], RegExp][]) {
    assert.match((await errorOf(() => tiny.score("a", choices))).message, words);
  }
  assert.match((await errorOf(() => tiny.score([], [[1]]))).message, /make it longer/);
});

/** Behind each byte the next one of a text that never ends: `<think>` has seven different letters. */
const follow = new Map([..."<think>"].map((letter, i) => [letter.charCodeAt(0), "<think>a".charCodeAt(i + 1)]));
const thinker = await Model.load(
  scriptedModel((token) => {
    const logits = new Float32Array(SCRIPT_VOCABULARY);
    logits[follow.get(token) ?? (token === 10 ? 98 : token)] = 9;
    return logits;
  }),
);

test("reasoning is closed when its budget is spent, and the answer follows", async () => {
  const text = async (prompt: string, budget: number | undefined, maxTokens = 30) => {
    const ids = Array.from(prompt, (letter) => letter.charCodeAt(0));
    return thinker.generate(ids, { reasoning: { budget }, maxTokens }).text();
  };
  const closing = "\n</think>\n\n";
  // The prompt has opened it, as templates do.
  assert.is(await text("a<think>", 5), `aaaaa${closing}${"b".repeat(14)}`);
  assert.is(await text("a<think>", 0), `${closing}${"b".repeat(19)}`);
  assert.is(await text("a<think>", undefined), "a".repeat(30));
  assert.is(await text("a<think>", 40), "a".repeat(30));
  // The model opens it itself, and does so once more.
  assert.is(await text("<", 3), `think>aaa${closing}${"b".repeat(10)}`);
  assert.is(await text("x<think>y</think>z", 0), "z".repeat(30), "what was closed before is over");
  assert.is(await text("<thunk>", 0), await text("<thunk>", undefined));
  // A limit within the tokens that close it.
  assert.is(await text("a<think>", 5, 8), "aaaaa\n</");
  // Together with others, and in a session that goes on.
  const batch = thinker.batch({ sequences: 2 });
  const ids = Array.from("a<think>", (letter) => letter.charCodeAt(0));
  const both = [3, 6].map((budget) => batch.generate(ids, { reasoning: { budget }, maxTokens: 20 }).text());
  assert.equal(await Promise.all(both), [`aaa${closing}${"b".repeat(6)}`, `aaaaaa${closing}bbb`]);
  batch.dispose();
  const session = thinker.session();
  await session.generate(ids, { maxTokens: 4 }).text();
  assert.is(await session.generate(undefined, { reasoning: { budget: 2 }, maxTokens: 14 }).text(), `aa${closing}b`);
  for (const [reasoning, words] of [
    [{ budget: -1 }, /budget is a whole number/],
    [{ tokens: 5 }, /there is no option tokens/],
    [5, /reasoning is an object/],
  ] as [object, RegExp][]) {
    assert.match((await errorOf(() => thinker.generate("a", { reasoning }).text())).message, words);
  }
});

test.run();
