/** `Model` and `Tokenizer`: loading from everything that has bytes, generating, scoring, and how each of them ends. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import * as esbuild from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { LimpetError, Model, Tokenizer } from "../src/index.ts";
import { sameBits, wasmBytes } from "./support/core.ts";
import { DEMO_TEXT, demoFrom, errorOf, modelBytes, temporaryFile } from "./support/models.ts";

type Entries = ReturnType<typeof makeModel>["metadata"];

const DEMO = modelBytes("demo");
const TIDE = demoFrom(" tide");
const ALL = { maxTokens: 200 };

/** A stream of odd chunks. */
function streamOf(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const end = Math.min(at + 997 + (at % 4096), bytes.length);
      if (at < end) controller.enqueue(bytes.slice(at, end));
      else controller.close();
      at = end;
    },
  });
}

const SOURCES = {
  bytes: () => DEMO,
  "an ArrayBuffer": () => DEMO.slice().buffer,
  "a path": () => temporaryFile("demo.gguf", DEMO),
  "a file URL": () => pathToFileURL(temporaryFile("with space.gguf", DEMO)),
  "a file URL as text": () => pathToFileURL(temporaryFile("demo.gguf", DEMO)).href,
  "a Blob": () => new Blob([DEMO]),
  "a File": () => new File([DEMO], "demo.gguf"),
  "a Response": () => new Response(DEMO, { headers: { "content-length": String(DEMO.length) } }),
  "a Response of unknown length": () => new Response(streamOf(DEMO)),
  "a stream": () => streamOf(DEMO),
};

for (const [name, source] of Object.entries(SOURCES)) {
  test(`loads from ${name}`, async () => {
    const progress: [number, number][] = [];
    const model = await Model.load(source(), { onProgress: (...figures) => progress.push(figures) });
    assert.is(await model.generate(TIDE.prompt, ALL).text(), TIDE.rest);
    const [loaded, total] = progress.at(-1)!;
    assert.ok(total > 0 && loaded === total, "the last progress is everything");
    assert.ok(progress.every(([bytes], i) => i === 0 || bytes > progress[i - 1][0]));
    model.dispose();
  });
}

test("loads from a server, and says what the server said when it has no model", async () => {
  const server = createServer((request, response) => {
    if (request.url !== "/demo.gguf") return void response.writeHead(404).end();
    response.writeHead(200, { "content-length": DEMO.length }).end(DEMO);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const model = await Model.load(`${url}/demo.gguf`);
    assert.is(model.info.name, (await Model.load(DEMO)).info.name);
    assert.is(await model.generate(TIDE.prompt, ALL).text(), TIDE.rest);
    assert.match((await errorOf(() => Model.load(new URL(`${url}/none.gguf`)))).message, /answers 404/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a split model is loaded from the name of its first part", async () => {
  const file = makeModel("llama-tiny", "Q8_0");
  const half = file.tensors.length >> 1;
  const parts = [file.tensors.slice(0, half), file.tensors.slice(half)].map((tensors, i) => {
    const split: Entries = [
      ["split.no", "u32", i],
      ["split.count", "u32", 2],
      ["split.tensors.count", "i32", file.tensors.length],
    ];
    const bytes = new Uint8Array(encodeGguf({ metadata: [...(i === 0 ? file.metadata : []), ...split], tensors }));
    return temporaryFile(`split-0000${i + 1}-of-00002.gguf`, bytes);
  });
  const whole = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const model = await Model.load(parts[0]);
  assert.is(model.info.parameters, whole.info.parameters);
  assert.ok(sameBits(await model.logits([1, 2, 3]), await whole.logits([1, 2, 3])));
  assert.is((await errorOf(() => Model.load(parts[1]))).code, "BAD_ARGUMENT", "a part that is not the first");
});

test("a vocabulary alone: from a file without weights, of a stream that does not say its length", async () => {
  const full = await Model.load(DEMO, { vocabularyOnly: true });
  assert.is(full.info.vocabularyOnly, true);
  const ids = full.tokenize(DEMO_TEXT);
  assert.is(full.detokenize(ids), DEMO_TEXT);
  const error = await errorOf(() => full.generate("A").text());
  assert.is(error.code, "UNSUPPORTED");
  const tokenizer = await Tokenizer.load(streamOf(DEMO));
  assert.equal(tokenizer.tokenize(DEMO_TEXT), ids);
  assert.is(tokenizer.count, full.info.vocabulary);
});

test("info, metadata, tensors and memory", async () => {
  const model = await Model.load(modelBytes("plm-1m", "Q4_0"), { context: 100 });
  const { info } = model;
  assert.is(info.architecture, "plm");
  assert.is(info.layers, 4);
  assert.is(info.hidden, 256);
  assert.is(info.vocabulary, 512);
  assert.is(info.contextLength, 1024);
  assert.is(info.tokenizer.kind, "bpe");
  assert.is(info.vocabularyOnly, false);
  assert.ok(info.types["Q4_0"] > 0);
  assert.is(
    info.parameters,
    model.tensors().reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n), 0),
  );
  const metadata = model.metadata(4);
  assert.is(metadata.get("general.architecture")?.value, "plm");
  assert.is(metadata.get("tokenizer.ggml.tokens")?.count, 512);
  assert.is((metadata.get("tokenizer.ggml.tokens")!.value as string[]).length, 4);
  // rank 256 and rope 32, two bytes each, in four layers.
  assert.is(model.memory.cacheBytesPerToken, (256 + 32) * 2 * 4);
  assert.equal(model.memory.contexts, []);
  await model.generate("abc", { maxTokens: 2 }).text();
  assert.equal(model.memory.contexts, [{ tokens: 100, kv: "f16", rows: 100, cacheBytes: 100 * (256 + 32) * 2 * 4 }]);
});

test("the plan is what loading and a context then take", async () => {
  const bytes = modelBytes("llama-tiny", "Q8_0");
  const plan = await Model.plan(bytes, { context: 512 });
  assert.is(plan.contextTokens, 512);
  assert.ok(plan.cache < plan.context && plan.context < plan.total);
  const model = await Model.load(bytes, { context: 512 });
  await model.generate("abc", { maxTokens: 2 }).text();
  const { linear } = model.memory;
  assert.ok(Math.abs(linear - plan.total) < 0.1 * linear + 300_000, `planned ${plan.total}, took ${linear}`);
});

test("pieces, results and the end", async () => {
  const model = await Model.load(DEMO);
  const generation = model.generate(TIDE.prompt, ALL);
  assert.is(generation.result, null);
  const pieces = [];
  for await (const piece of generation) pieces.push(piece);
  const { result } = generation;
  assert.is(pieces.map(({ text }) => text).join(""), TIDE.rest);
  assert.is(result?.text, TIDE.rest);
  assert.is(result?.finishReason, "stop");
  assert.equal(result?.tokens, model.tokenize(TIDE.rest));
  assert.equal(
    result?.tokens,
    pieces.map(({ token }) => token),
  );
  assert.is(result?.timings.prefillTokens, model.tokenize(TIDE.prompt).length);
  assert.is(result?.timings.decodeTokens, pieces.length);

  const short = model.generate(model.tokenize(TIDE.prompt), { maxTokens: 3 });
  assert.is(await short.text(), model.detokenize(result!.tokens.slice(0, 3)));
  assert.is(short.result?.finishReason, "length");
  const none = model.generate(TIDE.prompt, { maxTokens: 0 });
  assert.is(await none.text(), "");
  const full = model.generate(TIDE.prompt, { maxTokens: 99, context: model.tokenize(TIDE.prompt).length + 2 });
  await full.text();
  assert.is(full.result?.finishReason, "context");
});

test("stop texts end an answer before them, within tokens too", async () => {
  const model = await Model.load(DEMO);
  for (const stop of ["water", "ter fal", ["nothing", " falls"]]) {
    const generation = model.generate(TIDE.prompt, { ...ALL, stop });
    const at = TIDE.rest.indexOf(typeof stop === "string" ? stop : stop[1]);
    assert.is(await generation.text(), TIDE.rest.slice(0, at));
    assert.is(generation.result?.finishReason, "stop_string");
  }
});

test("log probabilities are those of the logits", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "F32"), { kv: "f32" });
  const prompt = [5, 6, 7];
  const pieces = [];
  for await (const piece of model.generate(prompt, { maxTokens: 3, logprobs: 4 })) pieces.push(piece);
  const tokens = [...prompt, ...pieces.map(({ token }) => token)];
  const logits = await model.logits(tokens, { kv: "f32" });
  const vocabulary = model.info.vocabulary;
  pieces.forEach((piece, i) => {
    const row = logits.subarray((prompt.length - 1 + i) * vocabulary, (prompt.length + i) * vocabulary);
    const logSum = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
    assert.ok(Math.abs(piece.logprob! - (row[piece.token] - logSum)) < 1e-4);
    assert.is(piece.top?.length, 4);
    assert.is(piece.top?.[0].token, piece.token, "greedy takes the best");
    assert.ok(piece.top!.every(({ logprob }, j) => j === 0 || logprob <= piece.top![j - 1].logprob));
  });
});

test("seeds: the same text for the same seed, in both builds", async () => {
  const bytes = modelBytes("llama-tiny", "Q8_0");
  const texts = [];
  for (const [build, seed] of [
    ["portable", 1],
    ["portable", 1n],
    ["scalar", 1],
    ["portable", 2],
  ] as const) {
    const model = await Model.load(bytes, { build });
    const options = { maxTokens: 24, temperature: 1.5, topK: 100, topP: 0.95, minP: 0.01, seed };
    const generation = model.generate("abc", options);
    await generation.text();
    texts.push(generation.result!.tokens.join());
  }
  assert.is(texts[0], texts[1]);
  assert.is(texts[0], texts[2]);
  assert.is.not(texts[0], texts[3]);
});

test("an abort stops the work, throws the signal's reason, and leaves the model usable", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  assert.is((await errorOf(() => model.generate("abc", { signal: AbortSignal.abort() }).text())).name, "AbortError");

  const controller = new AbortController();
  setTimeout(() => controller.abort(), 60);
  const started = performance.now();
  const error = await errorOf(() => model.generate("abc", { maxTokens: 100_000, signal: controller.signal }).text());
  assert.is(error.name, "AbortError");
  assert.ok(performance.now() - started < 1000, "soon");

  const reason = new Error("enough");
  const during = new AbortController();
  const seen: number[] = [];
  const stopped = await errorOf(async () => {
    for await (const { token } of model.generate("abc", { maxTokens: 50, signal: during.signal })) {
      if (seen.push(token) === 3) during.abort(reason);
    }
  });
  assert.is(stopped, reason);
  assert.is(seen.length, 3);
  // The first one has grown its context, where the machine is quick: then that one is idle besides.
  const contexts = model.memory.contexts.length;
  assert.ok(contexts <= 2);
  const again = model.generate("abc", { maxTokens: 3 });
  await again.text();
  assert.equal(again.result?.tokens, seen);
  assert.is(model.memory.contexts.length, contexts, "the context was given back and taken again");
});

test("loading can be aborted, and leaving a loop ends a generation", async () => {
  const aborted = await errorOf(() => Model.load(DEMO, { signal: AbortSignal.abort() }));
  assert.is(aborted.name, "AbortError");
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error("changed my mind"));
  const late = await errorOf(() => Model.load(DEMO, { signal: controller.signal, onProgress }));
  assert.is(late.message, "changed my mind");

  const model = await Model.load(DEMO);
  const generation = model.generate(TIDE.prompt, ALL);
  for await (const _ of generation) break;
  assert.is(generation.result?.finishReason, "aborted");
  assert.is((await errorOf(() => generation.text())).code, "WRONG_STATE");
  assert.is(await model.generate(TIDE.prompt, ALL).text(), TIDE.rest);
  assert.is(model.memory.contexts.length, 1);
});

test("the event loop turns while a model computes", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  const ids = Array.from({ length: 300 }, (_, i) => i % 256);
  const started = performance.now();
  while (performance.now() - started < 300) await model.logits(ids);
  clearInterval(timer);
  assert.ok(turns >= 3, `${turns} turns`);
});

test("logits: any chunk gives the same bits, and so does the scalar build", async () => {
  for (const [kind, form] of [
    ["llama-tiny", "auto"],
    ["plm-1m", "absorbed"],
    ["plm-1m", "expanded"],
  ] as const) {
    const ids = Array.from({ length: 40 }, (_, i) => (i * 37) % 500);
    const model = await Model.load(modelBytes(kind, "Q4_0"));
    const whole = await model.logits(ids, { form });
    assert.is(whole.length, ids.length * model.info.vocabulary);
    for (const chunk of form === "expanded" ? [40] : [1, 7, 32]) {
      assert.ok(sameBits(whole, await model.logits(ids, { form, chunk })), `${kind} ${form} in chunks of ${chunk}`);
    }
    const scalar = await Model.load(modelBytes(kind, "Q4_0"), { build: "scalar" });
    assert.is(scalar.build, "scalar");
    assert.ok(sameBits(whole, await scalar.logits(ids, { form })), `${kind} ${form} in the scalar build`);
  }
});

test("perplexity is the mean over the second halves of windows", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "F32"));
  const ids = Array.from({ length: 70 }, (_, i) => (i * 101) % 500);
  const vocabulary = model.info.vocabulary;
  const bos = model.tokenizer.addsBos ? model.tokenizer.specials.bos : undefined;
  let sum = 0;
  for (const start of [0, 32]) {
    const part = ids.slice(start, start + 32);
    if (bos !== undefined) part[0] = bos;
    const logits = await model.logits(part);
    for (let i = 15; i < 31; i++) {
      const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary);
      sum += Math.log(row.reduce((all, value) => all + Math.exp(value), 0)) - row[part[i + 1]];
    }
  }
  const result = await model.perplexity(ids, { context: 32 });
  assert.is(result.tokens, 32);
  assert.is(result.windows, 2);
  assert.ok(Math.abs(result.perplexity / Math.exp(sum / 32) - 1) < 1e-5);
  const scored = [...ids.slice(16, 32), ...ids.slice(48, 64)];
  const bytes = scored.reduce((all, id) => all + model.detokenizeBytes([ids[0], id]).length, 0);
  assert.is(result.bytes, bytes - 32 * model.detokenizeBytes([ids[0]]).length);
  assert.ok(Math.abs(result.bitsPerByte / (sum / Math.LN2 / result.bytes) - 1) < 1e-5);
  assert.is((await model.perplexity(ids, { context: 32, windows: 1, chunk: 5 })).tokens, 16);
  assert.is((await errorOf(() => model.perplexity("short"))).code, "BAD_ARGUMENT");
});

test("tokens to text and back, every byte of it", async () => {
  const { tokenizer } = await Model.load(DEMO, { vocabularyOnly: true });
  for (const text of ["", "\0", "a\0b", "naïve — 🐚🐚", " \n\t ", DEMO_TEXT, "\uFEFFBOM"]) {
    const ids = tokenizer.tokenize(text);
    assert.is(tokenizer.detokenize(ids, { cleanSpaces: false }), text);
    assert.equal(tokenizer.detokenizeBytes(ids, { cleanSpaces: false }), new Uint8Array(Buffer.from(text)));
  }
  const { eos } = tokenizer.specials;
  const end = tokenizer.tokenText(eos!);
  assert.equal(tokenizer.tokenize(end, { special: true }), [eos]);
  assert.ok(tokenizer.tokenize(end).length > 1, "bare: special tokens are not parsed");
  assert.is(tokenizer.detokenize([eos!]), "");
  assert.is(tokenizer.detokenize([eos!], { special: true }), end);
  assert.ok(tokenizer.endsGeneration(eos!));
  for (const ids of [[-1], [1.5], [Number.NaN], [2 ** 33], [999_999]]) {
    assert.is((await errorOf(() => tokenizer.detokenize(ids))).code, "BAD_ARGUMENT", String(ids));
  }
});

test("chat through a template that only Jinja knows, and words for models without one", async () => {
  const template = "{% for m in messages %}{{ m['content'] }}{% endfor %}";
  const model = await Model.load(modelBytes("demo", "F16", [["tokenizer.chat_template", "string", template]]));
  assert.is(await model.chat([{ role: "user", content: TIDE.prompt }], ALL).text(), TIDE.rest);
  const bare = await Model.load(DEMO);
  const error = await errorOf(() => bare.chat([{ role: "user", content: "Hello" }]).text());
  assert.is(error.code, "UNSUPPORTED");
  assert.match(error.message, /no chat template/);
  const role = { role: "robot", content: "x" } as unknown as { role: "user"; content: string };
  assert.is((await errorOf(() => model.chat([role]).text())).code, "BAD_ARGUMENT");
});

test("the wasm can be given in every form", async () => {
  const bytes = wasmBytes("limpet.wasm");
  const module = await WebAssembly.compile(bytes);
  const url = new URL("../build/limpet.wasm", import.meta.url);
  const headers = { "content-type": "application/wasm" };
  const forms = [bytes, bytes.buffer, module, url, url.href, () => module, async () => bytes, Promise.resolve(url)];
  for (const wasm of [...forms, new Response(bytes, { headers }), new Response(bytes)]) {
    const model = await Model.load(DEMO, { wasm });
    assert.is(await model.generate(TIDE.prompt, ALL).text(), TIDE.rest);
  }
  const page = await errorOf(() => Model.load(DEMO, { wasm: Buffer.from("<!doctype html>") }));
  assert.is(page.code, "HOST");
  assert.match(page.message, /HTML page/);
});

test("bad files and bad options are typed errors that say what to do", async () => {
  const cases: [string, () => unknown, RegExp][] = [
    ["HOST", () => Model.load("no/such/file.gguf"), /no\/such\/file\.gguf: there is no such file/],
    ["HOST", () => Model.load("test"), /folder/],
    ["BAD_FILE", () => Model.load(new Uint8Array(0)), /not a GGUF file/],
    ["BAD_FILE", () => Model.load(Buffer.from("<!doctype html> and more of a page")), /not a GGUF file/],
    ["BAD_FILE", () => Model.load(DEMO.subarray(0, 1000)), /download it again/],
    ["BAD_FILE", () => Model.load(DEMO.subarray(0, DEMO.length - 100)), /download it again/],
    ["BAD_FILE", () => Model.load(streamOf(DEMO.slice(0, DEMO.length - 100))), /download it again/],
    ["BAD_FILE", () => Model.load(streamOf(DEMO.slice(0, 5000))), /download it again/],
    ["BAD_ARGUMENT", () => Model.load(17 as unknown as string), /path, a URL, bytes/],
    ["UNSUPPORTED", () => Model.load(DEMO, { kv: "q4_0" as "f16" }), /f16/],
    ["BAD_ARGUMENT", () => Model.load(DEMO, { build: "quick" as "fast" }), /portable/],
  ];
  for (const [code, work, words] of cases) {
    const error = await errorOf(work);
    assert.instance(error, LimpetError);
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
  }
  const model = await Model.load(DEMO);
  const options: [string, () => unknown][] = [
    ["BAD_ARGUMENT", () => model.generate([]).text()],
    ["BAD_ARGUMENT", () => model.generate([99_999]).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { temperature: -1 }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { temperature: Number.NaN }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { topP: 0 }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { topK: -1 }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { maxTokens: 1.5 }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { logprobs: 21 }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { stop: "" }).text()],
    ["BAD_ARGUMENT", () => model.generate("A", { context: 0 }).text()],
    ["CONTEXT_FULL", () => model.generate(DEMO_TEXT, { context: 4 }).text()],
    ["BAD_ARGUMENT", () => model.logits([])],
    ["BAD_ARGUMENT", () => model.logits([1], { chunk: 0 })],
    ["BAD_ARGUMENT", () => model.logits([1], { form: "both" as "auto" })],
  ];
  for (const [code, work] of options) assert.is((await errorOf(work)).code, code, String(work));
  assert.is(await model.generate(TIDE.prompt, ALL).text(), TIDE.rest, "none of them did harm");
});

test("a model that was disposed of says so", async () => {
  const model = await Model.load(DEMO);
  const session = model.session();
  const generation = model.generate(TIDE.prompt, ALL);
  await generation.next();
  model.dispose();
  model.dispose();
  const calls: (() => unknown)[] = [
    () => generation.next(),
    () => model.generate("A").text(),
    () => model.tokenize("A"),
    () => model.memory,
    () => model.session(),
    () => session.tokens,
    () => session.save(),
    () => model.logits([1]),
  ];
  for (const work of calls) assert.is((await errorOf(work)).code, "WRONG_STATE", String(work));
  session.dispose();
});

test("the library bundles for browsers, without a module of Node", async () => {
  const { outputFiles } = await esbuild.build({
    entryPoints: ["src/index.ts", "src/kernels.ts"],
    outdir: "none",
    bundle: true,
    write: false,
    format: "esm",
    platform: "browser",
    external: ["@huggingface/jinja"],
  });
  assert.is(outputFiles.length, 2);
  for (const { text } of outputFiles) assert.not.match(text, /(import|from|require)\W+node:/);
});

test.run();
