/**
 * The conformance checks that every host runs: the logits of reference prompts, all bits of them, as one hash a model;
 * the text of some models, as another; and the vectors of texts by embedders.
 *
 *     conform({ host: "wasmtime 50.0.1", build: "portable, Cranelift" }, (model) => logitsOf(model.path, model.tokens));
 *     recite({ host: "wasmtime 50.0.1", build: "portable, Cranelift" }, (path) => textOf(path, PROMPT, TEXT_TOKENS));
 *     embedIn({ host: "wasmtime 50.0.1", build: "portable, Cranelift" }, (path) => vectorsOf(path, SENTENCES));
 *
 * make a test of each model, `conformFast` of some in the fast build. What a host gave is kept in build/conformance/, from which
 * scripts/hosts-table.mjs makes the table of hosts and checks. The stored hashes come from Node and are made anew by
 * `npx tsx test/hosts/conformance.ts --update` (and `--large`, those of large.ts besides), which is for a change that is
 * meant to change bits. It wants a Node that has relaxed SIMD (20: node --experimental-wasm-relaxed-simd --import tsx).
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchSmolLM2 } from "../../scripts/fetch-smollm2.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { quantizeGguf } from "../../scripts/quantize-stories.mjs";
import { Model } from "../../src/api/model.ts";
import { Engine, Form, prompt, spread } from "../support/engine.ts";
import { shared } from "../support/shared.ts";

const GOLDEN = new URL("../golden/conformance.json", import.meta.url);
const GOLDEN_FAST = new URL("../golden/conformance-fast.json", import.meta.url);
const MODELS = new URL("../../build/conformance/models/", import.meta.url);
const RESULTS = new URL("../../build/conformance/", import.meta.url);
const STORIES = [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426];

export interface Host {
  /** Name and version. */
  host: string;
  /** Which build, and how the host runs it. */
  build: string;
}

export interface Reference {
  name: string;
  tokens: readonly number[];
  /** FNV-1a (64 bits) of the logits of all tokens, little-endian f32. */
  hash: string;
  /** The model's file; null where it is not to be had (a note has been printed). */
  path: string | null;
}

interface Made {
  tokens: readonly number[];
  /** The bytes of the file, or null where they are not to be had. */
  make: () => Uint8Array | null;
}

const stories = (): Uint8Array | null => {
  const file = shared("data/stories260K.gguf");
  return file === null ? null : new Uint8Array(readFileSync(file));
};
/** A model of random weights. */
function made(kind: string, type: string): Made {
  return { tokens: spread(24), make: () => encodeGguf(makeModel(kind, type)) };
}

const REFERENCES: Record<string, Made> = {
  "plm-1m-q4_0": made("plm-1m", "Q4_0"),
  "plm-1m-q8_0": made("plm-1m", "Q8_0"),
  "plm-1m-q4_k": made("plm-1m", "Q4_K"),
  "memoryformer-tiny-q8_0": made("memoryformer-tiny", "Q8_0"),
  // A state for all tokens, and attention in every fourth layer.
  "qwen35-tiny-q8_0": made("qwen35-tiny", "Q8_0"),
  stories260K: { tokens: STORIES, make: stories },
  "stories260K-q8_0": {
    tokens: STORIES,
    make: () => {
      const bytes = stories();
      return bytes === null ? null : quantizeGguf(bytes);
    },
  },
};

/** Too large for `npm test`, and for hosts that interpret: large.ts has them in hosts that compile. */
const LARGE: Record<string, Made> = {
  "plm-100m-q4_0": made("plm-100m", "Q4_0"),
  "smollm2-135m-q4_1": { tokens: spread(24), make: () => new Uint8Array(readFileSync(fetchSmolLM2())) },
};

const trained = (path: string): Made => ({
  tokens: [],
  make: () => new Uint8Array(readFileSync(new URL(path, import.meta.url))),
});

/**
 * Models whose text is checked: trained ones, the PLM that ships and a MemoryFormer (test/fixtures), and an
 * encoder-decoder. Nobody else's text is there to compare with.
 */
const TEXTS: Record<string, Made> = {
  "tales-plm-q4_k_m": trained("../../models/tales-plm-q4_k_m.gguf"),
  "memoryformer-t4-tiny-q8_0": trained("../fixtures/memoryformer-t4-tiny-q8_0.gguf"),
  "mu-tiny-q8_0": made("mu-tiny", "Q8_0"),
};

/** Models that make vectors of texts. */
const EMBEDDERS: Record<string, Made> = { "bert-tiny-q8_0": made("bert-tiny", "Q8_0") };

/** What they make vectors of. */
export const SENTENCES = ["Once upon a time", "there was a limpet on a rock by the sea, and the tide was out."];

/** What models go on with, and how far: the most likely token, so many times. */
export const PROMPT = "Once upon a time";
export const TEXT_TOKENS = 48;

/** The reference models' names, the order of the table's columns. */
export const REFERENCE_NAMES = Object.keys(REFERENCES);
/**
 * Those that the fast build is checked with. Its bits are the same on every processor with fused multiply-adds and an
 * exact dot product of seven bits, and not those of the portable build.
 */
export const FAST_NAMES = ["plm-1m-q4_0", "plm-1m-q8_0", "plm-1m-q4_k"];
export const LARGE_NAMES = Object.keys(LARGE);
export const TEXT_NAMES = Object.keys(TEXTS);
/** Without those that read a source: for programs that know texts alone. */
export const DECODER_TEXT_NAMES = TEXT_NAMES.filter((name) => !name.startsWith("mu-"));
export const EMBEDDER_NAMES = Object.keys(EMBEDDERS);
/** The one that a microcontroller has room for. */
export const SMALL_TRAINED = "memoryformer-t4-tiny-q8_0";

/** The names of the checks of a model's text, and of its vectors. */
export const textOf = (model: string): string => `text of ${model}`;
export const vectorsOf = (model: string): string => `vectors of ${model}`;

const written = new Set<string>();

/** A reference model with its file, which is made once a process: appears whole, whatever other processes do. */
export function reference(name: string): Reference {
  const { tokens, make } = REFERENCES[name] ?? LARGE[name] ?? TEXTS[name] ?? EMBEDDERS[name];
  const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, string>;
  const path = fileURLToPath(new URL(`${name}.gguf`, MODELS));
  if (!written.has(name)) {
    const bytes = make();
    if (!bytes) return { name, tokens, hash: golden[name], path: null };
    mkdirSync(MODELS, { recursive: true });
    const next = `${path}.${process.pid}`;
    writeFileSync(next, bytes);
    renameSync(next, path);
    written.add(name);
  }
  return { name, tokens, hash: golden[name], path };
}

/** FNV-1a, 64 bits, in hex: short enough for a host in any language. */
export function hashOf(bytes: Uint8Array): string {
  // Two halves, for speed: the prime is 2^40 + 0x1b3.
  let [high, low] = [0xcbf29ce4, 0x84222325];
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The command line that writes a reference model's logits, behind the program's name. */
export function logitsArguments(model: string, { tokens }: Reference, out: string): string[] {
  return ["logits", model, "--tokens", tokens.join(","), "--form", "absorbed", "--out", out];
}

/**
 * A test of each reference model in one host: `run` gives the logits' bytes (or their hash, where the host made it), or
 * null where the model is too large for the host.
 */
export function conform(
  host: Host,
  run: (model: Reference & { path: string }) => Uint8Array | string | null | Promise<Uint8Array | string | null>,
  names: readonly string[] = REFERENCE_NAMES,
): void {
  for (const name of names) {
    test(`${host.host}, ${host.build}: the reference logits of ${name}`, async () => {
      const model = reference(name);
      if (model.path === null) return;
      const given = await run({ ...model, path: model.path });
      if (given === null) return;
      const hash = typeof given === "string" ? given : hashOf(given);
      record(host, name, hash);
      assert.is(hash, model.hash);
    });
  }
}

/** The hash of a reference model's logits in the fast build. */
export function fastHash(name: string): string {
  return (JSON.parse(readFileSync(GOLDEN_FAST, "utf8")) as Record<string, string>)[name];
}

/** `conform` for the fast build, with the hashes of its own. */
export function conformFast(host: Host, run: (model: Reference & { path: string }) => Uint8Array): void {
  for (const name of FAST_NAMES) {
    test(`${host.host}, ${host.build}: the reference logits of ${name}`, () => {
      const model = reference(name);
      const hash = hashOf(run({ ...model, path: model.path as string }));
      record(host, name, hash);
      assert.is(hash, fastHash(name));
    });
  }
}

/** The command line that writes a model's text, behind the program's name. */
export function textArguments(model: string): string[] {
  return ["generate", model, "-p", PROMPT, "-n", `${TEXT_TOKENS}`, "--temp", "0"];
}

/** A test of each model's text in one host: `run` gives the text behind PROMPT, white space at its end or none. */
export function recite(
  host: Host,
  run: (path: string) => string | Promise<string>,
  names: readonly string[] = TEXT_NAMES,
): void {
  for (const name of names) {
    test(`${host.host}, ${host.build}: the text of ${name}`, async () => {
      assertText(host, name, await run(reference(name).path as string));
    });
  }
}

/** Asserts that a host gave a model's text. */
export function assertText(host: Host, name: string, text: string): void {
  const golden = JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, string>;
  const hash = hashOf(new TextEncoder().encode(text.trimEnd()));
  record(host, textOf(name), hash);
  assert.is(hash, golden[textOf(name)], text);
}

/** The command line that writes vectors of SENTENCES, a line of JSON each, behind the program's name. */
export function vectorArguments(model: string): string[] {
  return ["embed", model, ...SENTENCES];
}

/** The vectors that such a command line wrote. */
export function vectorsWritten(text: string): Float32Array {
  return Float32Array.from(
    text
      .trim()
      .split("\n")
      .flatMap((line) => JSON.parse(line).embedding as number[]),
  );
}

/** A test of each embedder in one host: `run` gives the vectors of SENTENCES, one behind the other. */
export function embedIn(host: Host, run: (path: string) => Float32Array | Promise<Float32Array>): void {
  for (const name of EMBEDDER_NAMES) {
    test(`${host.host}, ${host.build}: the vectors of ${name}`, async () => {
      const { buffer } = Float32Array.from(await run(reference(name).path as string));
      assertVectors(host, name, hashOf(new Uint8Array(buffer)));
    });
  }
}

/** Asserts that a host gave an embedder's vectors. */
export function assertVectors(host: Host, name: string, hash: string): void {
  record(host, vectorsOf(name), hash);
  assert.is(hash, (JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, string>)[vectorsOf(name)]);
}

/** Keeps what a host gave for the table. */
export function record({ host, build }: Host, check: string, result: string): void {
  mkdirSync(RESULTS, { recursive: true });
  const name = `${host} ${build} ${check}`.replace(/[^A-Za-z0-9.]+/g, "-");
  writeFileSync(new URL(`${name}.json`, RESULTS), `${JSON.stringify({ host, build, check, result })}\n`);
}

/** The logits of a reference model in this process. */
export function logitsHere(
  build: "portable" | "scalar" | "fast",
  { path, tokens }: Reference & { path: string },
): Uint8Array {
  const count = tokens.length;
  const model = new Engine(build).load(new Uint8Array(readFileSync(path)));
  const rows = model.context({ rows: count, batch: count, form: Form.ABSORBED }).run(prompt(tokens));
  return new Uint8Array(Buffer.concat(rows.map((row) => new Uint8Array(row.buffer))));
}

/** The text of a model in this process. */
export async function textHere(build: "portable" | "scalar", path: string): Promise<string> {
  const model = await Model.load(path, { build });
  const text = await model.generate(PROMPT, { maxTokens: TEXT_TOKENS }).text();
  model.dispose();
  return text;
}

/** The vectors of SENTENCES by an embedder in this process. */
export async function vectorsHere(build: "portable" | "scalar", path: string): Promise<Float32Array> {
  const model = await Model.load(path, { build });
  const vectors = await model.embed(SENTENCES);
  model.dispose();
  return Float32Array.from(vectors.flatMap((vector) => [...vector]));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  if (!process.argv.includes("--update")) throw new Error("npx tsx test/hosts/conformance.ts --update");
  if (!existsSync(GOLDEN)) writeFileSync(GOLDEN, "{}");
  const before = JSON.parse(readFileSync(GOLDEN, "utf8")) as Record<string, string>;
  const large = process.argv.includes("--large") ? LARGE_NAMES : [];
  const hashes = [...REFERENCE_NAMES, ...large].map((name) => {
    const model = reference(name);
    if (model.path === null) throw new Error(`${name} is not to be had`);
    return [name, hashOf(logitsHere("portable", { ...model, path: model.path }))];
  });
  for (const name of EMBEDDER_NAMES) {
    const vectors = await vectorsHere("portable", reference(name).path as string);
    hashes.push([vectorsOf(name), hashOf(new Uint8Array(vectors.buffer as ArrayBuffer))]);
  }
  for (const name of TEXT_NAMES) {
    const text = await textHere("portable", reference(name).path as string);
    hashes.push([textOf(name), hashOf(new TextEncoder().encode(text.trimEnd()))]);
  }
  const fast = FAST_NAMES.map((name) => {
    const model = reference(name);
    return [name, hashOf(logitsHere("fast", { ...model, path: model.path as string }))];
  });
  writeFileSync(GOLDEN_FAST, `${JSON.stringify(Object.fromEntries(fast), null, 2)}\n`);
  writeFileSync(GOLDEN, `${JSON.stringify({ ...before, ...Object.fromEntries(hashes) }, null, 2)}\n`);
}
