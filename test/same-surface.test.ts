/**
 * Builds and workers have the same surface: what a model can do, it does with threads and in a worker with the same
 * results, or says at once that it does not.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compile } from "../src/grammar.ts";
import { type AdapterSet, LimpetError, Model, type WorkerModel } from "../src/index.ts";
import { kernels } from "../src/kernels.ts";
import { WorkerModel as Worker, WorkerBatch, WorkerSession } from "../src/worker.ts";
import { adapterBytes } from "./support/adapters.ts";
import { sameBits, wasmBytes } from "./support/core.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const TINY = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const TEXT = "hello world ".repeat(100);
const FEW = { maxTokens: 5, temperature: 1, seed: 4 };

/** Of each kind that goes to a worker: numbers, texts, ids, biases. */
const SAMPLERS = {
  presencePenalty: 0.5,
  dryMultiplier: 0.8,
  dryBreakers: ["."],
  typicalP: 0.9,
  mirostat: 3,
  logitBias: { 5: 1, 6: -Infinity },
  banTokens: Uint16Array.of(7, 8),
};

/** A grammar that was compiled before. */
const { table: TABLE } = compile({ schema: { type: "array", items: { type: "boolean" }, minItems: 2, maxItems: 2 } });

const model = await Model.load(TINY);
const session = model.session({ system: "be kind" });

/** Names of the members of a class, without those of one object: of the instance, and what is of the language. */
function members(type: { prototype: object }): string[] {
  return Reflect.ownKeys(type.prototype)
    .filter((name) => name !== "constructor")
    .map(String)
    .sort();
}

test("a worker's model, session and batch have the members of a model, a session and a batch", () => {
  const Session = session.constructor as unknown as { prototype: object };
  assert.equal(members(Worker), members(Model));
  assert.equal(members(WorkerSession), members(Session));
  const batch = model.batch({ sequences: 1 });
  assert.equal(members(WorkerBatch), members(batch.constructor as unknown as { prototype: object }));
  batch.dispose();
  // Of the instance: the tokenizer answers at once, which a worker cannot; its methods are the model's own.
  const own = Object.keys(model).filter((name) => name !== "tokenizer");
  assert.equal(own.sort(), ["build", "info"]);
});

/** What each member of a model gives, as plain values. */
async function all(of: Model | WorkerModel): Promise<Record<string, unknown>> {
  const is = of as Model;
  const chunks: Float32Array[] = [];
  for await (const chunk of is.logitChunks([1, 2, 3], { chunk: 2 })) chunks.push(chunk);
  const progress: unknown[][] = [];
  const onProgress = (...figures: unknown[]) => void progress.push(figures);
  const perplexity = await is.perplexity(TEXT, { context: 32, windows: 3, onProgress });
  const tokens = await is.tokenize("Hello", { bos: true });
  const chat = await is.chatTokens([{ role: "user", content: "Hello" }]);
  const own = await is.session({ system: "be kind" });
  await own.append("Once upon");
  const goes = [await own.generate(undefined, FEW).text(), await own.generate(" and", FEW).text()];
  await own.rewind(3);
  goes.push(await own.chat("Hello", FEW).text());
  const next = await own.logits();
  const batch = await is.batch({ sequences: 2, context: 200 });
  const talk = await batch.session({ system: "be kind" });
  const together = [
    await Promise.all(["One", "Two", "Three"].map((text) => batch.generate(text, { ...FEW, maxTokens: 9 }).text())),
    await batch.chat([{ role: "user", content: "x" }], FEW).text(),
    await talk.chat("Hello", FEW).text(),
    await is.generate("One", { ...FEW, n: 3 }).text(),
    (await is.score("Hello", [" world", " there"])).map(({ logprob }) => logprob),
    await is.generate("<think>", { ...FEW, maxTokens: 20, reasoning: { budget: 3 } }).text(),
  ];
  const seen: number[][] = [];
  const onLogits = async (logits: Float32Array, tokens: readonly number[]) => {
    seen.push([...tokens]);
    await Promise.resolve();
    logits[65 + (tokens.length % 5)] += 12;
  };
  const hooked = [
    await is.generate("One", { ...FEW, onLogits }).text(),
    await is.generate("One", { ...FEW, n: 2, onLogits }).text(),
    await talk.generate(" two", { ...FEW, onLogits }).text(),
    seen.length,
    // Answers of one prompt are shown their logits in whatever order.
    seen.map(String).sort(),
  ];
  const fitting = [
    await is.generate("One", { ...FEW, maxTokens: 60, schema: { enum: ["alpha beta", "alpha gamma"] } }).text(),
    await is.generate("One", { ...FEW, maxTokens: 60, n: 3, regex: /[a-c]{2}-\d{3}/ }).text(),
    await own.generate(" x", { ...FEW, maxTokens: 60, grammar: 'root ::= "left" | "right"' }).text(),
    await batch.generate("One", { ...FEW, maxTokens: 60, choice: ["north", "northern"] }).text(),
    await is.chat([{ role: "user", content: "x" }], { ...FEW, maxTokens: 60, table: TABLE }).text(),
  ];
  batch.dispose();
  const saved = await own.save();
  const copy = await is.restore(saved);
  await own.restore(saved);
  const member = async (target: object, name: string, ...args: unknown[]): Promise<unknown> => {
    const value = (target as Record<string, unknown>)[name];
    return typeof value === "function" ? value.apply(target, args) : value;
  };
  const sessionOf = async (target: object) => [
    await member(target, "tokens"),
    await member(target, "messages"),
    await member(target, "capacity"),
    await member(target, "activity"),
    await member(target, "cache"),
  ];
  return {
    tokens,
    chat,
    texts: [await is.detokenize(tokens), await is.detokenizeBytes(tokens, { special: true })],
    next,
    together,
    hooked,
    fitting,
    sampled: await is.generate("Hello", { ...FEW, maxTokens: 20, ...SAMPLERS }).text(),
    generated: [await is.generate("Hello", FEW).text(), await is.chat([{ role: "user", content: "x" }], FEW).text()],
    logits: await is.logits([1, 2, 3]),
    chunks,
    perplexity,
    progress,
    metadata: await is.metadata(3),
    tensors: await is.tensors(),
    // What memory it takes is told behind it: threads have buffers of their own.
    program: ((await member(is, "program")) as string).split("memory for")[0],
    goes,
    saved,
    sessions: [await sessionOf(own), await sessionOf(copy)],
    perToken: ((await member(is, "memory")) as { cacheBytesPerToken: number }).cacheBytesPerToken,
  };
}

test("threads, a worker, and a worker with threads give what one thread gives", async () => {
  const expected = await all(model);
  for (const options of [{ threads: 2 }, { worker: true as const }, { worker: true as const, threads: 2 }]) {
    const other = await Model.load(TINY, options as { worker: true });
    const found = await all(other);
    for (const name of Object.keys(expected)) {
      assert.equal(found[name], expected[name], `${name} with ${JSON.stringify(options)}`);
    }
    other.dispose();
  }
  assert.is((expected["progress"] as unknown[]).length, 3);
});

test("kernels compute with one thread, and say so; a wasm without any is refused", async () => {
  const error = await errorOf(() => kernels({ threads: 2 }));
  assert.is(error.code, "UNSUPPORTED");
  assert.match(error.message, /leave threads out/);
  const k = await kernels({ threads: 1 });
  assert.ok(sameBits(k.softmax(Float32Array.of(1, 2)), (await kernels()).softmax(Float32Array.of(1, 2))));
  const none = await errorOf(() => kernels({ wasm: wasmBytes("limpet.mcu.wasm") }));
  assert.instance(none, LimpetError);
});

test("adapters in a worker give the same words, and one that was disposed of or is another model's the same errors", async () => {
  const bytes = adapterBytes("llama-tiny");
  const said: unknown[] = [];
  for (const model of [await Model.load(TINY), await Model.load(TINY, { worker: true })]) {
    const [adapter, gone] = [await model.adapter(bytes), await model.adapter(bytes)];
    gone.dispose();
    const write = (set: AdapterSet): Promise<string> => model.generate("Once", { maxTokens: 4, adapters: set }).text();
    const other = await Model.load(TINY);
    const errors = [
      await errorOf(() => write([[gone, 1]])),
      await errorOf(async () => write([[await other.adapter(bytes), 1]])),
    ];
    said.push([await write([[adapter, 1]]), errors.map((error) => [(error as LimpetError).code, error.message])]);
    other.dispose();
    model.dispose();
  }
  assert.equal(said[1], said[0]);
});

test("what cannot be sent to a worker is refused, and the process ends", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const cases: [RegExp, () => unknown][] = [
    [/text is text/, () => worker.tokenize((() => 1) as unknown as string)],
    [/metadata cannot be sent/, () => worker.metadata((() => 1) as unknown as number)],
    [/rewind cannot be sent/, async () => (await worker.session()).rewind((() => 1) as unknown as number)],
    [/a model is loaded from/, () => Model.load((() => 1) as unknown as string, { worker: true })],
    [/no option seeds; did you mean seed\?/, () => worker.generate("A", { seeds: 1 } as object).text()],
  ];
  for (const [words, work] of cases) {
    const error = await errorOf(work);
    assert.instance(error, LimpetError, String(error));
    assert.is(error.code, "BAD_ARGUMENT");
    assert.match(error.message, words);
  }
  worker.dispose();
  const path = temporaryFile("surface.gguf", TINY);
  const index = new URL("../build/js/index.js", import.meta.url).href;
  const script = `import { Model } from ${JSON.stringify(index)};
    const model = await Model.load(${JSON.stringify(path)}, { worker: true });
    await model.metadata(() => 1).catch((error) => console.log(error.code));
    await model.tokenize(() => 1).catch((error) => console.log(error.code));
    await Model.load(${JSON.stringify(path)}, { worker: true, onProgress() { throw new Error("mine"); } })
      .catch((error) => console.log(error.message));`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.is(stdout, "BAD_ARGUMENT\nBAD_ARGUMENT\nmine\n", stderr);
  assert.is(status, 0);
});

test("an onProgress that throws ends what reports to it, in a worker or not", async () => {
  const onProgress = () => {
    throw new Error("mine");
  };
  const worker = await Model.load(TINY, { worker: true });
  for (const work of [
    () => Model.load(TINY, { onProgress }),
    () => Model.load(TINY, { onProgress, worker: true }),
    () => model.perplexity(TEXT, { context: 32, onProgress }),
    () => worker.perplexity(TEXT, { context: 32, onProgress }),
  ]) {
    assert.is((await errorOf(work)).message, "mine");
  }
  assert.is(await worker.generate("Hello", FEW).text(), await model.generate("Hello", FEW).text());
  worker.dispose();
});

test("onLogits that throws ends the generation with what it has thrown, and a signal ends one that hangs", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const mine = new Error("mine");
  for (const of of [model, worker]) {
    const throws = of.generate("A", { ...FEW, onLogits: () => Promise.reject(mine) });
    assert.is(await errorOf(() => throws.text()), mine);
    const controller = new AbortController();
    const hangs = of.generate("A", { ...FEW, signal: controller.signal, onLogits: () => new Promise(() => {}) });
    const ended = errorOf(() => hangs.text());
    setTimeout(() => controller.abort(new Error("enough")), 50);
    assert.is((await ended).message, "enough");
    assert.is(await of.generate("Hello", FEW).text(), await model.generate("Hello", FEW).text());
  }
  worker.dispose();
});

test("what was disposed of says so, in a worker or not, whatever was under way", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const gone = await worker.session();
  gone.dispose();
  gone.dispose();
  for (const work of [
    () => gone.tokens(),
    () => gone.save(),
    () => gone.append("A"),
    () => gone.generate("A").text(),
    () => gone.chat("A").next(),
  ]) {
    const error = await errorOf(work);
    assert.instance(error, LimpetError);
    assert.is(error.code, "WRONG_STATE", error.message);
    assert.match(error.message, /session was disposed of/);
  }
  for (const of of [worker, await Model.load(TINY), await Model.load(TINY, { threads: 2 })]) {
    const begun = (of as Model).logitChunks([1, 2, 3], { chunk: 1 });
    const fresh = (of as Model).logitChunks([1, 2, 3], { chunk: 1 });
    await begun.next();
    const generation = of.generate("A", FEW);
    await generation.next();
    let asked = 0;
    const scoring = errorOf(() =>
      of.perplexity(TEXT, { context: 32, onProgress: () => asked++ === 0 && of.dispose() } as object),
    );
    for (const error of [
      await scoring,
      await errorOf(() => begun.next()),
      await errorOf(() => fresh.next()),
      await errorOf(() => generation.next()),
    ]) {
      assert.instance(error, LimpetError, error.stack);
      assert.is(error.code, "WRONG_STATE", error.message);
    }
  }
});

test("an abort ends the wait for a worker at once, and what it had begun", async () => {
  const worker = await Model.load(TINY, { worker: true });
  const slow = worker.perplexity(TEXT.repeat(20), { context: 512 }).catch(() => {});
  const controller = new AbortController();
  const logits = errorOf(() => worker.logits([1, 2, 3], { signal: controller.signal }));
  const generation = worker.generate("A", { ...FEW, signal: controller.signal });
  const piece = errorOf(() => generation.next());
  controller.abort(new Error("enough"));
  assert.is((await logits).message, "enough");
  assert.is((await piece).message, "enough");
  await slow;
  const contexts = (await worker.memory()).contexts.length;
  assert.ok(contexts <= 2, `${contexts} contexts are left`);
  worker.dispose();
});

test("a response that is an error says so, in a worker or not", async () => {
  for (const worker of [false, true]) {
    const error = await errorOf(() => Model.load(new Response("no", { status: 404 }), { worker } as { worker: true }));
    assert.is(error.code, "HOST");
    assert.match(error.message, /answers 404/);
  }
});

test.run();
