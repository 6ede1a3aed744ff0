/**
 * The whole way through the command line, against what is known from elsewhere: the numpy oracle's logits of small random
 * models of every architecture, the text that the demo model was built to recite, and llama.cpp's greedy text.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ARCHITECTURES, jumps, NAMES, tinyOf } from "../scripts/architectures.mjs";
import { DEMO_TEXT } from "../scripts/demo-model.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { convert } from "../src/convert.ts";
import { quantizeFile } from "../src/quantize.ts";
import llama from "./golden/llama.cpp.json" with { type: "json" };
import golden from "./golden/logits.json" with { type: "json" };
import stories from "./golden/stories260K-greedy.json" with { type: "json" };
import transformers from "./golden/transformers.json" with { type: "json" };
import { writeCheckpoint } from "./support/checkpoint.ts";
import { Engine, F16, F32, modelBytes, prompt } from "./support/engine.ts";
import { temporaryFile } from "./support/models.ts";
import { divergence, fromBase64, peerCheckpoints } from "./support/peers.ts";
import { shared } from "./support/shared.ts";

const CLI = fileURLToPath(new URL("../build/js/cli.js", import.meta.url));
const FOLDER = fileURLToPath(new URL("../build/test/", import.meta.url));
const VOCABULARY = 512;
const engine = new Engine("portable");
const scalar = new Engine("scalar");

/** Largest KL(oracle || core): with the default cache, whose F16 alone costs up to 1e-6 here, and with nothing rounded. */
const LIMIT = 1e-5;
const EXACT_LIMIT = 1e-9;
/** … from llama.cpp, which takes GELU out of a table of halves and turns by angles in f32. */
const PEER_LIMIT = 1e-6;

/** Models whose logits the command line writes: a process a model and a build is dear. */
const COMMANDED = ["llama", "qwen2", "qwen3", "plm", "memoryformer"];

mkdirSync(FOLDER, { recursive: true });

function limpet(...args: string[]): string {
  return execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** The last row of a file of raw logits. */
function lastRow(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice(-VOCABULARY * 4).buffer);
}

for (const { kind, type, logits } of golden.models) {
  test(`${kind} in ${type}: logits after ${golden.tokens.length} tokens agree with the oracle`, () => {
    const expected = fromBase64(logits);
    // A cache of halves may look up another row of a table, or choose another expert.
    const isExact = type === "F32" || jumps(kind);
    const isCommanded = type === "F32" && COMMANDED.includes(kind);
    const [ours, scalar] = isCommanded ? byCommand(kind) : byEngines(kind, type, isExact);
    assert.equal(ours, scalar, "the SIMD and the scalar build give the same bits");
    const far = divergence(expected, ours);
    assert.ok(far < (type === "F32" ? EXACT_LIMIT : LIMIT), `KL ${far}`);
  });
}

/** The last row of logits that the command line writes with each build, of a model of floats. */
function byCommand(kind: string): Float32Array[] {
  const model = `${FOLDER}${kind}.gguf`;
  writeGguf(model, makeModel(kind, "F32"));
  return (["portable", "scalar"] as const).map((build) => {
    const out = `${FOLDER}${kind}-${build}.f32`;
    limpet("logits", model, "--tokens", golden.tokens.join(","), "--out", out, "--build", build, "--kv", "f32");
    const bytes = new Uint8Array(readFileSync(out));
    assert.is(bytes.length, golden.tokens.length * VOCABULARY * 4);
    return lastRow(bytes);
  });
}

/** … and that the engines of the builds give. */
function byEngines(kind: string, type: string, isExact: boolean): Float32Array[] {
  const bytes = modelBytes(kind, type);
  return [engine, scalar].map((build) => lastLogits(bytes, golden.tokens, isExact ? F32 : F16, build));
}

/** Largest KL of a model of blocks from the same weights as floats: what activations in 16 bits cost. */
const BLOCKS_LIMIT = 1e-6;

for (const type of ["NVFP4", "Q1_0", "Q2_0"]) {
  // What the blocks stand for is llama.cpp's word (block-formats.test.ts), and the oracle holds the floats.
  test(`${type}: a model says what its weights say as floats`, async () => {
    for (const kind of ["llama-tiny", "plm-1m"]) {
      const blocks = temporaryFile(`${kind}-${type}.gguf`, modelBytes(kind, type));
      const floats = temporaryFile(`${kind}-floats.gguf`);
      await quantizeFile(blocks, floats, "F32");
      const [ours, expected] = [blocks, floats].map((path) => lastLogits(readFileSync(path), golden.tokens, F32));
      const far = divergence(expected, ours);
      assert.ok(far < BLOCKS_LIMIT, `${kind}: KL ${far}`);
    }
  });
}

/** The last row of logits, with nothing rounded but what the cache does. */
function lastLogits(bytes: Uint8Array, tokens: readonly number[], kv: number, build = engine): Float32Array {
  const model = build.load(bytes);
  const context = model.context({ kv });
  const last = context.run(prompt(tokens)).at(-1) as Float32Array;
  context.release();
  model.release();
  return last;
}

// Those with blocks are quantised-models.test.ts's.
for (const { kind, type, logits, sha256 } of llama.models.filter(({ type }) => type === "F32")) {
  test(`${kind} in ${type}: logits agree with llama.cpp's`, () => {
    const bytes = modelBytes(kind, type);
    assert.is(createHash("sha256").update(bytes).digest("hex"), sha256, "the file that llama.cpp had");
    const far = divergence(fromBase64(logits), lastLogits(bytes, llama.tokens, F32));
    assert.ok(far < PEER_LIMIT, `KL ${far}`);
  });
}

for (const { kind, special, parts } of peerCheckpoints()) {
  const what = special ? `${kind} with ${special}` : kind;
  test(`${what}: a converted checkpoint has the logits that transformers gives it`, async () => {
    const stored = transformers.models.find((model) => model.kind === kind && model.special === special);
    assert.ok(stored, "npm run goldens -- transformers");
    const out = temporaryFile("peer.gguf");
    await convert(writeCheckpoint("peer", parts), out, { type: "F32" });
    const far = divergence(fromBase64(stored.logits), lastLogits(readFileSync(out), transformers.tokens, F32));
    assert.ok(far < EXACT_LIMIT, `KL ${far}`);
  });
}

test("each architecture has the logits of each of its peers", () => {
  for (const name of NAMES) {
    const { peers = [] } = ARCHITECTURES[name];
    for (const [peer, { models }] of Object.entries({ "llama.cpp": llama, transformers }))
      assert.is(
        models.some(({ kind }) => kind === tinyOf(name)),
        peers.some((own) => own === peer),
        `${name}, ${peer}`,
      );
  }
});

test("the demo model recites its text from any place in it, and from the start after anything else", () => {
  const model = `${FOLDER}demo.gguf`;
  writeGguf(model, makeModel("demo"));
  const generate = (prompt: string) =>
    JSON.parse(limpet("generate", model, "-p", prompt, "-n", "100", "--temp", "0", "--build", "portable", "--json"));
  const end = DEMO_TEXT.length;
  for (const place of [" limpet", " tide", " neuron", " can"]) {
    const at = DEMO_TEXT.indexOf(place) + place.length;
    const { text, finish_reason } = generate(DEMO_TEXT.slice(0, at));
    assert.is(text, DEMO_TEXT.slice(at, end));
    assert.is(finish_reason, "stop");
  }
  assert.is(generate("Hello!").text, DEMO_TEXT);
});

test("stories260K: the greedy text of llama.cpp, all 120 tokens", () => {
  const model = shared("data/stories260K.gguf");
  if (model === null) return;
  const answer = JSON.parse(
    limpet("generate", model, "-p", stories.prompt, "-n", "120", "--temp", "0", "--build", "portable", "--json"),
  );
  assert.is(answer.text, stories.text);
});

test.run();
