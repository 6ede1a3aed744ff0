/** limpet/prompt-api against the draft of the Prompt API: what sessions do, what they refuse, and by which names. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/index.ts";
import { install, LanguageModel, type LanguageModelCreateOptions } from "../src/prompt-api.ts";
import { modelBytes } from "./support/models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const BYTES = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const SYSTEM = { role: "system", content: "Be brief." } as const;
const EXACT: LanguageModelCreateOptions = { samplingMode: "most-predictable" };
const WINDOW = 200;

const model = await Model.load(BYTES, { context: WINDOW });
const Over = LanguageModel.from(model);
/** With room for answers that go on and on. */
const Wide = LanguageModel.from(BYTES, { worker: false });

/** The name of what is thrown. */
async function nameOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "nothing";
  } catch (error) {
    return (error as Error).name;
  }
}

/** Answers that are still going on when somebody ends them. */
const LONG = { responseConstraint: /[a-z]{600}/, omitResponseConstraintInput: true };
/** Short answers: a model of random weights has nothing to say, and says it to the end of the context. */
const SHORT = { responseConstraint: /[a-z]{1,8}/ };

test("a class is illegal to construct, and is put in its place", async () => {
  const target: { LanguageModel?: typeof LanguageModel } = {};
  const made = install(target, model);
  assert.is(target.LanguageModel, made);
  assert.is(made.name, "LanguageModel");
  assert.throws(() => new (made as unknown as new () => unknown)(), /Illegal constructor/);
  const session = await made.create(EXACT);
  assert.instance(session, made);
  assert.instance(session, LanguageModel);
  assert.instance(session, EventTarget);
  session.destroy();
});

test("availability: before, while and after the model is loaded; nothing but text", async () => {
  const Later = LanguageModel.from(BYTES, { context: WINDOW });
  assert.is(await Later.availability(), "downloadable");
  const creating = Later.create();
  await Promise.resolve();
  assert.is(await Later.availability(), "downloading");
  (await creating).destroy();
  assert.is(await Later.availability(), "available");
  assert.is(await Later.availability({ expectedInputs: [{ type: "image" }] }), "unavailable");
  assert.is(await Over.availability({ expectedInputs: [{ type: "text", languages: ["en"] }] }), "available");
  assert.is(await LanguageModel.availability(), "unavailable");
  const failing = LanguageModel.from(new Uint8Array(100));
  assert.is(await nameOf(() => failing.create()), "OperationError");
  assert.is(await failing.availability(), "downloadable");
});

test("the monitor is told of 0 and of 1, in order; what it throws ends the creation", async () => {
  const loaded: number[] = [];
  const Later = LanguageModel.from(BYTES, { worker: false });
  const monitor: LanguageModelCreateOptions["monitor"] = (m) => {
    m.addEventListener("downloadprogress", (event) => loaded.push((event as unknown as { loaded: number }).loaded));
  };
  (await Later.create({ monitor })).destroy();
  assert.is(loaded[0], 0);
  assert.is(loaded.at(-1), 1);
  assert.equal(
    loaded,
    [...loaded].sort((a, b) => a - b),
  );
  const again = loaded.length;
  (await Later.create({ monitor })).destroy();
  assert.equal(loaded.slice(again), [0, 1]);
  const thrown = new RangeError("mine");
  let got: unknown;
  const failing = () => {
    throw thrown;
  };
  await Later.create({ monitor: failing }).catch((error) => (got = error));
  assert.is(got, thrown);
});

test("prompt: the text of model.chat over the same messages, and a conversation that goes on", async () => {
  const session = await Wide.create({ ...EXACT, initialPrompts: [SYSTEM] });
  const options = { temperature: 0, regex: SHORT.responseConstraint };
  const silent = { ...SHORT, omitResponseConstraintInput: true };
  const first = await session.prompt("Hello", silent);
  const messages = [SYSTEM, { role: "user", content: "Hello" } as const];
  assert.is(first, await model.chat(messages, options).text());
  const second = await session.prompt([{ role: "user", content: [{ type: "text", value: "And now?" }] }], silent);
  const whole = [
    ...messages,
    { role: "assistant", content: first } as const,
    { role: "user", content: "And now?" } as const,
  ];
  assert.is(second, await model.chat(whole, options).text());
  const counted = await model.chatTokens([...whole, { role: "assistant", content: second }]);
  assert.is(session.contextUsage, counted.length);
  session.destroy();
});

test("promptStreaming: the same text in pieces; cancelling it is as if it had not been", async () => {
  const session = await Over.create(EXACT);
  const pieces: string[] = [];
  for await (const piece of session.promptStreaming("Hello", SHORT)) pieces.push(piece);
  const other = await Over.create(EXACT);
  assert.is(pieces.join(""), await other.prompt("Hello", SHORT));
  assert.is(session.contextUsage, other.contextUsage);
  const before = session.contextUsage;
  const reader = session.promptStreaming("Once more", SHORT).getReader();
  await reader.read();
  await reader.cancel();
  assert.is(session.contextUsage, before);
  assert.type(await session.prompt("Still there?", SHORT), "string");
  session.destroy();
  other.destroy();
});

test("append and measureContextUsage agree, and what was appended is read ahead", async () => {
  const session = await Over.create(EXACT);
  assert.is(session.contextUsage, 0);
  assert.is(session.contextWindow, WINDOW);
  await session.append([]);
  assert.is(session.contextUsage, 0);
  const measured = await session.measureContextUsage("Some words that are to be read.");
  assert.is(await session.append("Some words that are to be read."), undefined);
  assert.is(session.contextUsage, measured);
  // What is no list is text, whatever it is.
  await session.append({} as never);
  assert.ok(session.contextUsage > measured);
  const shown = await session.measureContextUsage("x", { responseConstraint: { type: "string" } });
  assert.ok(shown > (await session.measureContextUsage("x")));
  session.destroy();
});

test("a constraint holds: a schema, an expression; what cannot be done is told by name", async () => {
  const session = await Wide.create();
  const schema = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  };
  const answer = JSON.parse(await session.prompt("Is it?", { responseConstraint: schema }));
  assert.type(answer.ok, "boolean");
  assert.match(await session.prompt("A word", { responseConstraint: /(yes|no)/ }), /^(yes|no)$/);
  assert.is(
    await nameOf(() => session.prompt("x", { responseConstraint: { unevaluatedItems: 3 } })),
    "NotSupportedError",
  );
  assert.is(await nameOf(() => session.prompt("x", { responseConstraint: "text" as never })), "TypeError");
  assert.is(await nameOf(() => session.prompt("x", { omitResponseConstraintInput: true })), "TypeError");
  session.destroy();
});

test("a prefix is the answer's beginning", async () => {
  const session = await Over.create(EXACT);
  const prompt = [
    { role: "user" as const, content: "A colour" },
    { role: "assistant" as const, content: "It is ", prefix: true },
  ];
  const silent = { ...SHORT, omitResponseConstraintInput: true };
  const said = await session.prompt(prompt, silent);
  const user = { role: "user" as const, content: "A colour" };
  const tokens = [...(await model.chatTokens([user])), ...model.tokenize("It is ")];
  assert.is(said, await model.generate(tokens, { temperature: 0, regex: SHORT.responseConstraint }).text());
  const all = await model.chatTokens([user, { role: "assistant", content: `It is ${said}` }]);
  assert.is(session.contextUsage, all.length);
  assert.is(await nameOf(() => session.prompt([prompt[1], prompt[0]])), "SyntaxError");
  session.destroy();
});

test("clone: the same conversation, which goes its own way", async () => {
  const session = await Over.create({ ...EXACT, initialPrompts: [SYSTEM, { role: "user", content: "Hi" }] });
  const copy = await session.clone();
  assert.instance(copy, Over);
  assert.is(copy.contextUsage, session.contextUsage);
  const said = await copy.prompt("Hello", SHORT);
  assert.ok(copy.contextUsage > session.contextUsage);
  assert.is(await session.prompt("Hello", SHORT), said);
  session.destroy();
  assert.type(await copy.prompt("On its own", SHORT), "string");
  copy.destroy();
});

test("the oldest turns fall out, the system's message never; what never fits is a QuotaExceededError", async () => {
  const session = await Over.create({ ...EXACT, initialPrompts: [SYSTEM] });
  let events = 0;
  let calls = 0;
  session.addEventListener("contextoverflow", () => events++);
  session.oncontextoverflow = () => void calls++;
  for (let i = 0; i < 12; i++)
    await session.prompt(`Question number ${i}`, { ...SHORT, omitResponseConstraintInput: true });
  assert.ok(events > 0);
  assert.is(calls, events);
  assert.ok(session.contextUsage <= WINDOW);
  const usage = session.contextUsage;
  const huge = "many words ".repeat(WINDOW);
  let error: DOMException & { requested?: number; quota?: number };
  try {
    await session.prompt(huge);
    throw new Error("it fitted");
  } catch (thrown) {
    error = thrown as typeof error;
  }
  assert.is(error.name, "QuotaExceededError");
  assert.is(error.quota, WINDOW);
  assert.ok(error.requested! > WINDOW);
  assert.is(session.contextUsage, usage);
  assert.is(
    await nameOf(() => Over.create({ initialPrompts: [{ role: "system", content: huge }] })),
    "QuotaExceededError",
  );
  session.destroy();
});

test("prompts wait for one another; a signal ends the one it is of", async () => {
  const session = await Wide.create(EXACT);
  const both = await Promise.all([session.prompt("One", SHORT), session.prompt("Two", SHORT)]);
  assert.is(both.length, 2);
  const usage = session.contextUsage;
  const controller = new AbortController();
  const reason = new Error("enough");
  const going = session.prompt("Go on for ever", { ...LONG, signal: controller.signal });
  const waiting = session.prompt("Three", SHORT);
  setTimeout(() => controller.abort(reason), 20);
  let got: unknown;
  await going.catch((error) => (got = error));
  assert.is(got, reason);
  assert.type(await waiting, "string");
  assert.ok(session.contextUsage > usage);
  assert.is(await nameOf(() => session.prompt("x", { signal: AbortSignal.abort() })), "AbortError");
  assert.is(await nameOf(() => session.clone({ signal: AbortSignal.abort() })), "AbortError");
  assert.is(await nameOf(() => Over.create({ signal: AbortSignal.abort() })), "AbortError");
  session.destroy();
});

test("destroy ends what goes on with an AbortError, and what comes after with an InvalidStateError", async () => {
  const session = await Wide.create(EXACT);
  const going = nameOf(() => session.prompt("Go on for ever", LONG));
  const waiting = nameOf(() => session.append("Later"));
  await new Promise((resolve) => setTimeout(resolve, 10));
  session.destroy();
  session.destroy();
  assert.is(await going, "AbortError");
  assert.is(await waiting, "AbortError");
  for (const after of [
    () => session.prompt("x"),
    () => session.append("x"),
    () => session.clone(),
    () => session.measureContextUsage("x"),
    () => session.promptStreaming("x").getReader().read(),
  ]) {
    assert.is(await nameOf(after), "InvalidStateError");
  }
});

test("odd input has the draft's names", async () => {
  const session = await Over.create(EXACT);
  const cases: [unknown, string][] = [
    [[{ role: "system", content: "x" }], "NotSupportedError"],
    [[{ role: "robot", content: "x" }], "TypeError"],
    [[{ role: "user" }], "TypeError"],
    [[{ role: "user", content: [{ type: "image", value: "x" }] }], "NotSupportedError"],
    [[{ role: "user", content: [{ type: "text", value: 3 }] }], "TypeError"],
    [[{ role: "user", content: "x", prefix: true }], "SyntaxError"],
  ];
  for (const [input, name] of cases)
    assert.is(await nameOf(() => session.prompt(input as never, SHORT)), name, JSON.stringify(input));
  session.destroy();
  const creations: [LanguageModelCreateOptions, string][] = [
    [{ samplingMode: "wild" as never }, "TypeError"],
    [{ samplingMode: "creative", topK: 3 }, "TypeError"],
    [{ initialPrompts: [{ role: "user", content: "x" }, SYSTEM] }, "TypeError"],
    [{ expectedOutputs: [{ type: "audio" }] }, "NotSupportedError"],
  ];
  for (const [options, name] of creations)
    assert.is(await nameOf(() => Over.create(options)), name, JSON.stringify(options));
  const plain = LanguageModel.from(modelBytes("llama-tiny", "Q8_0"), { worker: false });
  const without = await plain.create();
  assert.is(await nameOf(() => without.prompt("x")), "NotSupportedError");
});

test("a model in a worker: the same answers", async () => {
  const There = LanguageModel.from(BYTES, { context: WINDOW, worker: true });
  const options = { ...EXACT, initialPrompts: [SYSTEM] };
  const [here, there] = [await Over.create(options), await There.create(options)];
  for (const text of ["Hello", "And you?"]) assert.is(await there.prompt(text, SHORT), await here.prompt(text, SHORT));
  const copy = await there.clone();
  assert.is(copy.contextUsage, here.contextUsage);
  for (const session of [here, there, copy]) session.destroy();
});

test.run();
