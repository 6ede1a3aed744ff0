/**
 * Model files through what JavaScript offers: loaded from bytes, paths, Blobs, streams and Responses, planned, inspected,
 * quantised. What is refused leaves no file, what is quantised loads again, and a file that two ways read gives one answer.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { Model, type ModelSource, Tokenizer } from "../../src/index.ts";
import { inspectFile, inspectProgram } from "../../src/load/inspect.ts";
import { quantizeFile } from "../../src/quantize.ts";
import { sameBits } from "../support/core.ts";
import { Finding, type Fuzzer, guardModule, type Run, refusal, refused, requireFiles } from "./fuzzer.ts";
import { woundFile } from "./mutate.ts";
import type { Random } from "./random.ts";
import { makeSeeds, type Seed } from "./seeds.ts";

const PARENT = fileURLToPath(new URL("../../build/test/", import.meta.url));
const OUT = "out.gguf";
const MODEL = "model.gguf";
const TYPES = ["F32", "F16", "Q8_0", "Q4_0", "Q4_K_M", "Q5_K", "IQ4_NL", "TQ2_0", "Q2_K", "MXFP4", "Q9"];
const IDS = [1, 70, 100, 5];

/** A folder of this process's own, which goes with it. */
export function ownFolder(): string {
  mkdirSync(PARENT, { recursive: true });
  const folder = mkdtempSync(join(PARENT, "fuzz-files-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Bytes in chunks of any size, empty ones among them; one that breaks ends with an error. */
export function streamOf(random: Random, bytes: Uint8Array, breaks = false): ReadableStream<Uint8Array> {
  let at = 0;
  const size = random.pick([1 << 16, 4096, 1000, 97]);
  const end = breaks ? random.below(bytes.length + 1) : bytes.length;
  return new ReadableStream({
    pull(controller) {
      if (random.oneIn(9)) return controller.enqueue(new Uint8Array(0));
      if (at >= end) return breaks ? controller.error(new Error("the network is gone")) : controller.close();
      controller.enqueue(bytes.slice(at, (at = Math.min(end, at + random.from(1, size)))));
    },
  });
}

function sourceOf(random: Random, bytes: Uint8Array<ArrayBuffer>, path: string): ModelSource {
  switch (random.below(6)) {
    case 0:
      return bytes;
    case 1:
      return new Blob([bytes]);
    case 2:
      return streamOf(random, bytes);
    case 3:
      return new Response(streamOf(random, bytes));
    case 4:
      return bytes.buffer;
    default:
      writeFileSync(path, bytes);
      return path;
  }
}

export const ggufApi: Fuzzer = {
  name: "gguf-api",
  about: "model files through the API: bytes, paths, Blobs, streams; plan, inspect, tokenizer, quantizeFile",
  cases: 250,
  share: 8,
  prepare,
};

async function prepare(): Promise<Run> {
  const folder = ownFolder();
  const seeds = makeSeeds();
  const wasm = guardModule();
  const path = join(folder, MODEL);
  const out = join(folder, OUT);
  const sound = await answerOf(seeds[1], wasm);
  let cases = 0;

  const load = async (random: Random, source: ModelSource): Promise<string> => {
    const streams = typeof source === "string" || source instanceof Blob;
    const tables = random.oneIn(3) && streams ? "stream" : "resident";
    const context = random.oneIn(4) ? random.from(1, 2000) : undefined;
    const model = await Model.load(source, { wasm, tables, context, vocabularyOnly: random.oneIn(9) });
    try {
      const word = await use(random, model);
      return `loaded, ${word ?? "used"}`;
    } finally {
      model.dispose();
    }
  };

  const quantize = async (random: Random, bytes: Uint8Array): Promise<string> => {
    writeFileSync(path, bytes);
    const type = random.pick(TYPES);
    try {
      await quantizeFile(path, out, type, { wasm });
    } catch (error) {
      requireFiles(folder, [MODEL]);
      return `quantize ${refusal(error)}`;
    }
    const before = await refused(async () => (await Model.load(path, { wasm })).dispose());
    const after = await refused(async () => (await Model.load(out, { wasm })).dispose());
    if (before === null && after !== null) throw new Finding(`a sound file became ${after} in ${type}`);
    rmSync(out);
    return after === null ? "quantised" : "quantised what does not load";
  };

  const one = async (random: Random): Promise<string> => {
    const bytes = woundFile(random, random.pick(seeds));
    let word: string;
    try {
      switch (random.below(8)) {
        case 0:
          word = (await Model.plan(sourceOf(random, bytes, path), { wasm })) && "planned";
          break;
        case 1: {
          const tokenizer = await Tokenizer.load(sourceOf(random, bytes, path), { wasm });
          tokenizer.detokenize(tokenizer.tokenize("Once upon a time é\u0000"));
          word = "tokenizer";
          break;
        }
        case 2:
          await inspectFile(sourceOf(random, bytes, path), { wasm });
          word = "inspected";
          break;
        case 3:
          word = (await inspectProgram(sourceOf(random, bytes, path), { wasm })) && "printed";
          break;
        case 4:
        case 5:
          word = await quantize(random, bytes);
          break;
        default:
          word = await load(random, sourceOf(random, bytes, path));
      }
    } catch (error) {
      word = refusal(error);
    }
    requireFiles(folder, [MODEL]);
    if (++cases % 100 === 0) assert.ok(sameBits(await answerOf(seeds[1], wasm), sound), "a sound file's answer");
    return word;
  };
  return { one };
}

async function answerOf({ bytes }: Seed, wasm: WebAssembly.Module): Promise<Float32Array> {
  const model = await Model.load(bytes, { wasm });
  const logits = await model.logits(IDS);
  model.dispose();
  return logits;
}

/** What a user does with a model: the word of what one thing was refused with, or null. */
async function use(random: Random, model: Model): Promise<string | null> {
  const text = random.pick(["Once upon a time", "", "é😊\u0000<|endoftext|>", "x".repeat(70)]);
  switch (random.below(6)) {
    case 0:
      return refused(() => model.generate(text, { maxTokens: 3, temperature: random.float(), seed: 1 }).text());
    case 1:
      return refused(() => model.chat([{ role: "user", content: text }], { maxTokens: 3 }).text());
    case 2:
      return refused(() => model.logits(IDS));
    case 3:
      return refused(() => model.perplexity(text, { context: random.from(1, 40) }));
    case 4:
      return refused(async () => {
        const session = model.session();
        session.append(text);
        await session.generate(undefined, { maxTokens: 2 }).text();
        model.restore(session.save()).dispose();
        session.dispose();
      });
    default:
      return refused(() => {
        assert.ok(model.metadata().size > 0 && model.tensors().length >= 0 && model.memory.linear > 0);
      });
  }
}
