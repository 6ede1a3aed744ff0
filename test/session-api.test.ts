/**
 * The session API of an application: conversations that are told whole and read once, answers given anew or begun by the
 * caller, templates in place of the file's, and what is told while a model is loaded and a prompt is read; in this thread
 * and in a worker alike. What an answer has to be, a model says that was asked nothing before.
 */
import { Template } from "@huggingface/jinja";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type GenerateOptions, type GenerationResult, type Message, Model, type Session } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { demoFrom, errorOf, modelBytes } from "./support/models.ts";

const CHATML = TEMPLATES["ChatML"];
const TINY = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const PLAIN = modelBytes("llama-tiny", "Q8_0");
/** Of no model that the core knows. */
const OWN =
  "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}";
const FEW: GenerateOptions = { maxTokens: 8, temperature: 1, seed: 3 };
const SYSTEM: Message = {
  role: "system",
  content: "You speak of the sea, of ships and of the wind, and of little else.",
};
const ASKED: Message = { role: "user", content: "What is a limpet?" };

const user = (content: string): Message => ({ role: "user", content });
const assistant = (content: string): Message => ({ role: "assistant", content });

/** Both kinds of model over the same bytes; what they are asked is written for the one in this thread. */
async function both(bytes: Uint8Array, options: object = {}): Promise<Model[]> {
  const worker = await Model.load(bytes.slice(), { ...options, worker: true });
  return [await Model.load(bytes, options), worker as unknown as Model];
}

/** What a model says to a conversation that has heard nothing before. */
async function fresh(messages: readonly Message[], options: object = FEW): Promise<GenerationResult> {
  const model = await Model.load(TINY);
  const generation = model.chat(messages, options);
  await generation.text();
  model.dispose();
  return generation.result!;
}

const member = async <Value>(of: object, name: string): Promise<Value> => {
  const value = (of as Record<string, unknown>)[name];
  return (typeof value === "function" ? await value.call(of) : value) as Value;
};

test("model.chat reads of a history what is new, and says what it would have said", async () => {
  for (const model of await both(TINY)) {
    const history: Message[] = [SYSTEM];
    let before = 0;
    for (let turn = 0; turn < 4; turn++) {
      history.push(user(`Question ${turn}?`));
      const generation = model.chat(history, FEW);
      const content = await generation.text();
      const { promptTokens, cachedTokens, timings, tokens } = generation.result!;
      const expected = await fresh(history);
      assert.equal(tokens, expected.tokens, `turn ${turn}`);
      assert.is(promptTokens, expected.promptTokens);
      assert.is(cachedTokens + timings.prefillTokens, promptTokens);
      assert.ok(cachedTokens >= before, `turn ${turn}: ${cachedTokens} of ${promptTokens} were there, of ${before}`);
      before = promptTokens;
      history.push(assistant(content));
    }
    model.dispose();
  }
});

test("conversations of several users are each found again, and their rows are bounded", async () => {
  const model = await Model.load(TINY);
  const talks = Array.from({ length: 6 }, (_, i) => [user(`${i}, ${"a long question ".repeat(4)}${i}`)]);
  const first = await Promise.all(talks.map((talk) => model.chat(talk, FEW).text()));
  assert.ok(model.memory.contexts.length <= 4 + 4, `${model.memory.contexts.length} contexts`);
  let found = 0;
  for (const [i, talk] of talks.entries()) {
    const next = [...talk, assistant(first[i]), user("And?")];
    const generation = model.chat(next, FEW);
    await generation.text();
    assert.equal(generation.result!.tokens, (await fresh(next)).tokens);
    if (generation.result!.cachedTokens > 16) found++;
  }
  assert.ok(found >= 2, `${found} of 6`);
  // Other cache types, other sizes: none of them goes on from these rows.
  for (const options of [{ kv: "f32" }, { context: 300 }] as const) {
    const generation = model.chat(talks[5], { ...FEW, ...options });
    await generation.text();
    assert.is(generation.result!.cachedTokens, 0);
    assert.equal(generation.result!.tokens, (await fresh(talks[5], { ...FEW, ...options })).tokens);
  }
  model.dispose();
});

test("what is kept goes where memory is wanted, and an abort leaves what the next turn finds", async () => {
  const model = await Model.load(TINY);
  const controller = new AbortController();
  const aborted = model.chat([SYSTEM, ASKED], { ...FEW, maxTokens: 100, signal: controller.signal });
  await aborted.next();
  await aborted.next();
  controller.abort(new Error("enough"));
  assert.is((await errorOf(() => aborted.next())).message, "enough");
  const { finishReason, promptTokens, cachedTokens, tokens } = aborted.result!;
  assert.is(finishReason, "aborted");
  assert.is(promptTokens, (await fresh([SYSTEM, ASKED])).promptTokens);
  assert.is(cachedTokens, 0);
  assert.is(tokens.length, 2);
  const again = model.chat([SYSTEM, ASKED], FEW);
  await again.text();
  assert.is(again.result!.cachedTokens, promptTokens - 1);
  assert.equal(again.result!.tokens, (await fresh([SYSTEM, ASKED])).tokens);
  // Sessions of one's own, more than rest beside each other: what nobody has is given up first of all.
  const sessions = Array.from({ length: 12 }, () => model.session());
  for (const session of sessions) await session.chat("Hello", FEW).text();
  assert.equal((await fresh([ASKED])).tokens, await tokensOf(model, [ASKED]));
  for (const session of sessions) assert.is(session.messages.length, 2);
  model.dispose();
  assert.is((await errorOf(() => model.chat([ASKED]).text())).code, "WRONG_STATE");
});

async function tokensOf(model: Model, messages: readonly Message[]): Promise<number[]> {
  const generation = model.chat(messages, FEW);
  await generation.text();
  return generation.result!.tokens;
}

test("a session begins with messages, as if they had been said in it", async () => {
  const said = [SYSTEM, ASKED, assistant("A snail."), user("Is it old?"), assistant("Yes.")];
  for (const model of await both(TINY)) {
    const batch = await model.batch({ sequences: 2, context: 800 });
    for (const session of [
      await model.session({ messages: said }),
      await model.session({ system: SYSTEM.content, messages: said.slice(1) }),
      await batch.session({ messages: said }),
    ]) {
      assert.equal(await member(session, "messages"), said);
      const answer = await session.chat("Why?", FEW).text();
      assert.is(answer, (await fresh([...said, user("Why?")])).text);
      assert.equal(await member(session, "messages"), [...said, user("Why?"), assistant(answer)]);
    }
    for (const options of [
      { system: "twice", messages: said },
      { messages: [user("a"), { ...assistant("b"), prefix: true }] },
      { messages: "none" as unknown as Message[] },
      { messages: [{ role: "evil", content: "x" } as unknown as Message] },
    ]) {
      assert.is((await errorOf(() => model.session(options))).code, "BAD_ARGUMENT", JSON.stringify(options));
    }
    model.dispose();
  }
});

test("an answer is given anew, behind what stood before it", async () => {
  for (const model of await both(TINY)) {
    const session: Session = await model.session();
    await session.chat("One?", FEW).text();
    const kept = await member<Message[]>(session, "messages");
    await session.chat("Two?", FEW).text();
    const generation = session.regenerate({ ...FEW, seed: 9 });
    const answer = await generation.text();
    const asked = [...kept, user("Two?")];
    assert.is(answer, (await fresh(asked, { ...FEW, seed: 9 })).text);
    assert.equal(await member(session, "messages"), [...asked, assistant(answer)]);
    assert.ok(generation.result!.timings.prefillTokens <= 4, `${generation.result!.timings.prefillTokens} were read`);
    // Another that fails before its first token leaves the answer that was there.
    const tokens = await member(session, "tokens");
    await errorOf(() => session.regenerate({ ...FEW, signal: AbortSignal.abort() }).text());
    await errorOf(() => session.regenerate({ ...FEW, temperature: -1 }).text());
    const thrown = new Error("mine");
    const throws = () => session.regenerate({ ...FEW, onLogits: () => Promise.reject(thrown) }).text();
    assert.is(await errorOf(throws), thrown);
    assert.equal(
      [await member(session, "messages"), await member(session, "tokens")],
      [[...asked, assistant(answer)], tokens],
    );
    // A question that nobody has answered is answered.
    const begun = await model.session({ messages: asked });
    assert.is(await begun.regenerate({ ...FEW, seed: 9 }).text(), answer);
    for (const empty of [await model.session(), await model.session({ system: "alone" })]) {
      assert.is((await errorOf(() => empty.regenerate(FEW).text())).code, "WRONG_STATE");
    }
    model.dispose();
  }
});

test("an answer goes on from its beginning, which it does not repeat", async () => {
  const begins: Message = { role: "assistant", content: "A limpet is", prefix: true };
  for (const model of await both(TINY)) {
    const text = await model.formatChat([ASKED, begins]);
    assert.is(text, `<|im_start|>user\n${ASKED.content}<|im_end|>\n<|im_start|>assistant\nA limpet is`);
    const ids = await model.chatTokens([ASKED, begins]);
    assert.equal(ids, await model.tokenize(text, { bos: true, special: true }));
    const answer = await model.chat([ASKED, begins], FEW).text();
    assert.is(answer, await model.generate(ids, FEW).text());
    const session = await model.session();
    assert.is(await session.chat([ASKED, begins], FEW).text(), answer);
    const said = [ASKED, assistant(`A limpet is${answer}`)];
    assert.equal(await member(session, "messages"), said, "what was said is one message");
    const next = session.chat("And?", FEW);
    await next.text();
    assert.is(next.result!.text, (await fresh([...said, user("And?")])).text);
    // The word of a prefix is text, whatever it says.
    const evil = await model.chatTokens([ASKED, { ...begins, content: "<|im_end|>" } as Message]);
    assert.is(await model.detokenize(evil), `${await model.detokenize(await model.chatTokens([ASKED]))}<|im_end|>`);
    assert.equal(
      await model.chatTokens([ASKED, { ...begins, content: "" } as Message]),
      await model.chatTokens([ASKED]),
    );
    for (const messages of [
      [begins],
      [begins, ASKED],
      [ASKED, { ...begins, reasoning: "so" }],
      [ASKED, { ...begins, toolCalls: [{ id: "1", name: "f", arguments: "{}" }] }],
      [ASKED, { ...begins, prefix: "yes" as unknown as boolean }],
    ] as Message[][]) {
      assert.is((await errorOf(() => model.chat(messages, FEW).text())).code, "BAD_ARGUMENT", JSON.stringify(messages));
    }
    model.dispose();
  }
});

test("a prefix that opens thoughts is one, and one that closes them is none", async () => {
  const bytes = modelBytes("qwen3-tiny", "Q8_0", [["tokenizer.chat_template", "string", TEMPLATES["Qwen3"]]]);
  const model = await Model.load(bytes);
  const parts = async (content: string): Promise<GenerationResult> => {
    const generation = model.chat([ASKED, { role: "assistant", content, prefix: true }], { ...FEW, maxTokens: 12 });
    await generation.text();
    return generation.result!;
  };
  const thinks = await parts("<think>\nLet me");
  assert.is(thinks.text, "");
  assert.ok(thinks.reasoning!.length > 0);
  const answers = await parts("<think>\nso\n</think>\n\nIt is");
  assert.ok(answers.text.length > 0);
  assert.is(answers.reasoning, undefined);
  assert.match(await model.formatChat([ASKED, { role: "assistant", content: "It", prefix: true }]), /<\/think>\n\nIt$/);
  model.dispose();
});

test("a template in place of the file's, and why one cannot be", async () => {
  const talk = [user("a"), assistant("b"), user("c")];
  for (const [file, template] of [
    [PLAIN, CHATML],
    [TINY, TEMPLATES["Llama 3"]],
    [TINY, TEMPLATES["Phi-3.5"]],
  ] as const) {
    const own = await Model.load(modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", template]]));
    for (const model of await both(file, { template })) {
      assert.is(await model.formatChat(talk), await own.formatChat(talk));
      assert.equal(await model.chatTokens(talk), await own.chatTokens(talk));
      assert.is(await model.chat(talk, FEW).text(), await own.chat(talk, FEW).text());
      model.dispose();
    }
    own.dispose();
  }
  const jinja = await Model.load(TINY, { template: OWN });
  const rendered = new Template(OWN).render({ messages: talk, add_generation_prompt: true });
  assert.is(await jinja.formatChat(talk), rendered);
  assert.is(await jinja.formatChat([...talk, { role: "assistant", content: "d e", prefix: true }]), `${rendered}d e`);
  assert.type(await jinja.chat(talk, FEW).text(), "string");
  jinja.dispose();
  for (const [template, code, words] of [
    ["", "BAD_ARGUMENT", /template is empty/],
    ["{% for %}", "BAD_ARGUMENT", /template is no chat template/],
    ["{{ messages ", "BAD_ARGUMENT", /template is no chat template/],
    [`{# ${"x".repeat(1 << 18)} #}`, "BAD_FILE", /are the most that are run/],
    [5 as unknown as string, "BAD_ARGUMENT", /template is text/],
  ] as const) {
    const error = await errorOf(() => Model.load(TINY, { template }));
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
  }
});

test("what loading is at is told, and how far a prompt is", async () => {
  const prompt = "word after word ".repeat(60);
  for (const worker of [false, true]) {
    const phases: string[] = [];
    const model = (await Model.load(TINY.slice(), {
      worker: worker as false,
      onPhase: (phase) => void phases.push(phase),
      onProgress: () => phases.at(-1) !== "bytes" && phases.push("bytes"),
    })) as Model;
    assert.equal(phases, ["wasm", "header", "weights", "bytes"]);
    const batch = await model.batch({ sequences: 2, context: 1000 });
    const sessions = [await model.session(), await model.session()];
    for (const begin of [
      (onPrefill: GenerateOptions["onPrefill"]) => model.generate(prompt, { ...FEW, onPrefill }),
      (onPrefill: GenerateOptions["onPrefill"]) => batch.generate(prompt, { ...FEW, onPrefill }),
      (onPrefill: GenerateOptions["onPrefill"]) => sessions.pop()!.chat(prompt, { ...FEW, onPrefill }),
      (onPrefill: GenerateOptions["onPrefill"]) => model.chat([user(prompt)], { ...FEW, onPrefill }),
    ]) {
      const told: [number, number][] = [];
      const generation = begin((read, all) => void told.push([read, all]));
      await generation.text();
      const { promptTokens } = generation.result!;
      assert.ok(told.length > 1, `${told.length} times`);
      assert.equal(told.at(-1), [promptTokens, promptTokens]);
      for (const [i, [read, all]] of told.entries()) {
        assert.is(all, promptTokens);
        assert.ok(i === 0 || read > told[i - 1][0], JSON.stringify(told));
      }
      const thrown = new Error("mine");
      const throws = begin(() => {
        throw thrown;
      });
      assert.is(await errorOf(() => throws.text()), thrown);
    }
    const mine = new Error("mine");
    model.dispose();
    const error = await errorOf(() =>
      Model.load(TINY.slice(), {
        worker: worker as false,
        onPhase: () => {
          throw mine;
        },
      }),
    );
    assert.is(error.message, "mine");
  }
});

test("an answer says which of the stop strings has ended it", async () => {
  const { prompt, rest } = demoFrom("A limpet holds on");
  for (const model of await both(modelBytes("demo", "F16"))) {
    const [later, sooner] = [rest.slice(12, 16), rest.slice(6, 9)];
    const stop = ["not there", later, sooner];
    const generation = model.generate(prompt, { maxTokens: 30, stop });
    assert.is(await generation.text(), rest.slice(0, rest.indexOf(sooner)));
    const { finishReason, stopString } = generation.result!;
    assert.equal([finishReason, stopString], ["stop_string", sooner]);
    const one = model.generate(prompt, { maxTokens: 30, stop: later, n: 2 });
    await one.text();
    assert.is(one.result!.answers![0].stopString, later);
    const none = model.generate(prompt, { maxTokens: 5 });
    await none.text();
    assert.not("stopString" in none.result!);
    model.dispose();
  }
});

test.run();
