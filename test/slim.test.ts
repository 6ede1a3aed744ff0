/**
 * A slim build gives the bits of the full one, refuses by name what it leaves out, and brings its own module to its
 * threads. Three are compiled here: of a llama's parts, of gpt-oss's, and one like the build with threads.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ThreadTask } from "../bindings/thread.ts";
import { BUILDS } from "../scripts/builds.mjs";
import { slimBuild, slimGraphs } from "../scripts/slim.mjs";
import { LimpetError, Model } from "../src/index.ts";
import { operatorsOf } from "../src/load/tflite.ts";
import { SINGLES } from "./support/graph-specs.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";
import { tfliteFile } from "./support/tflite-writer.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LLAMA = modelBytes("llama-tiny", "Q4_0");
const TOKENS = [1, 5, 9, 2, 7, 3, 11, 4];
const MODEL = temporaryFile("llama.gguf", LLAMA);

function limpet(words: string[], cli = join(ROOT, "build/js/cli.js")) {
  return spawnSync(process.execPath, [cli, ...words], { encoding: "utf8" });
}

/** A slim build of the model, and what the command said. */
function slim(like: string, model = MODEL): { wasm: Uint8Array<ArrayBuffer>; said: string } {
  const out = temporaryFile(`slim-${like}.wasm`);
  const { status, stderr, stdout } = limpet(["slim", model, "-o", out, "--like", like]);
  assert.is(status, 0, stderr);
  assert.is(stdout, "");
  return { wasm: new Uint8Array(readFileSync(out)), said: stderr };
}

async function logits(model: Uint8Array<ArrayBuffer>, options: { wasm?: Uint8Array<ArrayBuffer>; threads?: number }) {
  const loaded = await Model.load(model, options);
  try {
    return { bits: new Uint32Array((await loaded.logits(TOKENS)).buffer), threads: loaded.threads };
  } finally {
    loaded.dispose();
  }
}

const portable = slim("portable");
const full = readFileSync(join(ROOT, "build/limpet.wasm")).length;

test("limpet slim says what it holds and its size beside the full build's", () => {
  assert.match(portable.said, /compiling limpet\.wasm with llama, F32, F16, Q8_0, Q4_0, (bpe|spm)\n/);
  const [size, share] = [portable.wasm.length, Math.round((portable.wasm.length / full) * 100)];
  const words = `${size.toLocaleString("en")} bytes, ${share} % of the ${full.toLocaleString("en")} of limpet.wasm`;
  assert.ok(portable.said.endsWith(`${words}\n`), portable.said);
});

test("what a llama in Q4_0 does not need is not in the wasm: about half is left", () => {
  assert.ok(portable.wasm.length < full * 0.55, `${portable.wasm.length} of ${full} bytes`);
});

test("a slim build gives the bits of the full one", async () => {
  const [own, wanted] = [await logits(LLAMA, { wasm: portable.wasm }), await logits(LLAMA, {})];
  assert.equal(own.bits, wanted.bits);
});

test("a slim build of gpt-oss has its activation, which no other architecture writes", async () => {
  const model = modelBytes("gpt-oss-tiny", "F32");
  const { wasm } = slim("portable", temporaryFile("gpt-oss.gguf", model));
  const [own, wanted] = [await logits(model, { wasm }), await logits(model, {})];
  assert.equal(own.bits, wanted.bits);
});

for (const [what, model, words] of [
  [
    "an architecture",
    modelBytes("qwen3-tiny", "F32"),
    /^this build of limpet has no qwen3 \(it was built with: llama\); take limpet\.wasm/,
  ],
  [
    "a block format",
    modelBytes("llama-tiny", "Q4_1"),
    /^this build of limpet has no Q4_1 \(it was built with: F32 F16 Q4_0 Q8_0\); take limpet\.wasm/,
  ],
] as const) {
  test(`a slim build refuses ${what} that it leaves out by its name`, async () => {
    const error = await errorOf(() => Model.load(model, { wasm: portable.wasm }));
    assert.instance(error, LimpetError);
    assert.is(error.code, "UNSUPPORTED");
    assert.match(error.message, words);
    await logits(model, {});
  });
}

test("a slim build knows the architectures that nobody runs as such", async () => {
  const bytes = Buffer.from(LLAMA);
  bytes.write("dbrxx", bytes.indexOf("llama"));
  const error = await errorOf(() => Model.load(new Uint8Array(bytes), { wasm: portable.wasm }));
  assert.match(error.message, /dbrxx is not supported; limpet runs llama, qwen2/);
});

test("a slim build with threads: its workers run its module, beside a full build's in the same process", async () => {
  const { wasm } = slim("threads");
  const wanted = await logits(LLAMA, {});
  // Another module would write its constants over the first one's, and name other functions by the same numbers: so a
  // worker gets the module that the memory was made with, and no way of the package leads to another.
  const tasks: ThreadTask[] = [];
  const made = new Map<WebAssembly.Memory, WebAssembly.Module>();
  const { postMessage } = Worker.prototype;
  const { Instance, instantiate } = WebAssembly;
  const note = (module: unknown, imports?: WebAssembly.Imports) => {
    const memory = imports?.env?.memory;
    if (memory instanceof WebAssembly.Memory && module instanceof WebAssembly.Module) made.set(memory, module);
  };
  Worker.prototype.postMessage = function (this: Worker, ...message: Parameters<Worker["postMessage"]>) {
    if (message[0].module) tasks.push(message[0]);
    return postMessage.apply(this, message);
  };
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module, imports]) {
      note(module, imports);
      return new target(module, imports);
    },
  });
  WebAssembly.instantiate = new Proxy(instantiate, {
    async apply(target, self, [given, imports]) {
      const result = await Reflect.apply(target, self, [given, imports]);
      // Bytes become a module on the way.
      note(given instanceof WebAssembly.Module ? given : result.module, imports);
      return result;
    },
  });
  try {
    for (const options of [{ wasm, threads: 3 }, { threads: 3 }, { wasm, threads: 2 }]) {
      assert.equal((await logits(LLAMA, options)).bits, wanted.bits);
    }
    assert.is(tasks.length, 2 + 2 + 1);
    for (const { module, memory } of tasks) assert.is(module, made.get(memory), "the module of the memory's instance");
    assert.is(new Set(tasks.map(({ memory }) => memory)).size, 3);
    assert.is.not(tasks[0].module, tasks[2].module);
  } finally {
    Worker.prototype.postMessage = postMessage;
    WebAssembly.Instance = Instance;
    WebAssembly.instantiate = instantiate;
  }
  const both = await Promise.all([
    logits(LLAMA, { wasm, threads: 2 }),
    logits(LLAMA, { threads: 2 }),
    logits(LLAMA, { wasm, threads: 2 }),
  ]);
  for (const { bits } of both) assert.equal(bits, wanted.bits);
});

test("a slim build without threads computes with one, and shares no memory with workers of another build", async () => {
  const { bits, threads } = await logits(LLAMA, { wasm: portable.wasm, threads: 2 });
  assert.is(threads, 1);
  assert.equal(bits, (await logits(LLAMA, {})).bits);
});

test("several models make one build with the parts of all, and it is as its base besides", () => {
  const types = ["F32", "Q4_K"];
  const chat = { model: "a", architecture: "qwen3", types, tokenizer: "gpt2", chat: true };
  const tables = { model: "b", architecture: "memoryformer", types: ["I8", "TQ1_0"], tokenizer: "llama", chat: false };
  const { architectures, formats, tokenizers, extras, entry, features } = slimBuild([chat, tables], "relaxed");
  assert.equal(architectures, ["qwen3", "memoryformer"]);
  assert.equal(formats, ["Q4_K", "TQ1_0", "TQ2_0"]);
  assert.equal(tokenizers, ["bpe", "spm"]);
  assert.equal(extras, [
    "names",
    "chat-templates",
    "grammar",
    "long-words",
    "vectors",
    "samplers",
    "adapters",
    "core-neurons",
  ]);
  assert.is(entry, "model");
  assert.equal(features, BUILDS.relaxed.features);
  assert.equal(slimBuild([tables], "wasi").extras, [
    "names",
    "grammar",
    "long-words",
    "vectors",
    "samplers",
    "adapters",
    "command",
  ]);
  assert.equal(slimBuild([{ ...chat, tokenizer: "gemma4" }], "wasi").tokenizers, ["bpe", "spm"]);
});

test("limpet slim refuses what it cannot build, and writes nothing", () => {
  const needs = { model: "m.gguf", architecture: "llama", types: ["F32"], tokenizer: "llama", chat: false };
  const refused = (change: object) => () => slimBuild([{ ...needs, ...change }], "portable");
  assert.throws(refused({ architecture: "dbrx" }), /m\.gguf: the architecture dbrx is not supported; .*llama, qwen2/);
  assert.throws(refused({ types: ["Q8_K"] }), /m\.gguf: the block format Q8_K is not supported; .*Q4_K/);
  assert.throws(
    refused({ tokenizer: "" }),
    /m\.gguf: the tokenizer \(none\) is not supported; supported are: gpt2, llama/,
  );
  assert.is(limpet(["slim", MODEL]).status, 2);
  assert.is(limpet(["slim", MODEL, "-o", "x", "--like", "tiny"]).status, 2);
  assert.match(limpet(["slim", `${MODEL}.none`, "-o", "x"]).stderr, /llama\.gguf\.none/);
});

test("limpet slim outside a checkout says that it wants one", () => {
  const folder = mkdtempSync(join(tmpdir(), "limpet-"));
  cpSync(join(ROOT, "build/js"), join(folder, "build/js"), { recursive: true });
  const { status, stderr } = limpet(["slim", MODEL, "-o", join(folder, "x.wasm")], join(folder, "build/js/cli.js"));
  rmSync(folder, { recursive: true });
  assert.is(status, 1);
  assert.match(stderr, /slim compiles limpet anew: it works in a checkout/);
});

test("networks make a build with the families of their operators; what is no network is refused", () => {
  const { families, file, memory } = slimGraphs(
    [
      { model: "a", operators: ["CONV_2D", "RESHAPE", "SHAPE"] },
      { model: "b", operators: ["DEPTHWISE_CONV_2D", "MEAN", "Convolution2DTransposeBias"] },
    ],
    "graph-mcu",
  );
  assert.equal(families, ["graph-convolution", "graph-reduction", "graph-transposed"]);
  assert.equal([file, memory], [BUILDS["graph-mcu"].file, BUILDS["graph-mcu"].memory]);
  const unknown = () => slimGraphs([{ model: "a", operators: ["RFFT2D"] }], "graph");
  assert.throws(unknown, /^a: the operator RFFT2D is not supported; supported are: RESHAPE, .*CONV_2D/);
  const network = tfliteFile(SINGLES[0]);
  assert.equal(operatorsOf(network, "a.tflite"), ["ADD"]);
  for (let length = 0; length < network.length; length += 7) {
    const cut = network.slice(0, length);
    try {
      operatorsOf(cut, "a.tflite");
    } catch (error) {
      assert.instance(error, LimpetError);
      assert.match((error as LimpetError).message, /^a\.tflite is no \.tflite file, or broken: /);
    }
  }
  const path = temporaryFile("add.tflite", network);
  for (const [words, said] of [
    [[path, MODEL], /a build holds networks or language models, not both/],
    [[path, "--like", "mcu"], /--like wants one of: graph, graph-scalar, /],
    [[temporaryFile("not.tflite", LLAMA)], /is no \.tflite file, or broken: no TFL3 at the fifth byte/],
  ] as const) {
    const { status, stderr } = limpet(["slim", ...words, "-o", temporaryFile("no.wasm")]);
    assert.is.not(status, 0);
    assert.match(stderr, said);
  }
});

test.run();
