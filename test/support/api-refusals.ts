/**
 * What the package refuses, and in which words: its built entries are loaded from build/js, or from the folder that
 * LIMPET_BUILD names. Words of a host (a system's own error) are not among them.
 */
import { pathToFileURL } from "node:url";
import type { GenerateOptions, LoadOptions, Message } from "../../src/index.ts";
import type { TypeName } from "../../src/kernels.ts";
import { checkpointOf, writeCheckpoint } from "./checkpoint.ts";
import { modelBytes, temporaryFile } from "./models.ts";

type Index = typeof import("../../src/index.ts");
type Kernels = typeof import("../../src/kernels.ts");
type Quantize = typeof import("../../src/quantize.ts");
type Convert = typeof import("../../src/convert.ts");

const BUILD = process.env.LIMPET_BUILD
  ? pathToFileURL(`${process.env.LIMPET_BUILD}/`)
  : new URL("../../build/", import.meta.url);
const built = async <T>(name: string) => (await import(new URL(`js/${name}.js`, BUILD).href)) as T;

type Case = [name: string, work: () => unknown];

/** The words of every case; places in the file system are left out. */
export async function measureApiRefusals(): Promise<Map<string, string>> {
  const { Model, Tokenizer } = await built<Index>("index");
  const { kernels } = await built<Kernels>("kernels");
  const { quantizeFile } = await built<Quantize>("quantize");
  const { convert } = await built<Convert>("convert");
  const demo = modelBytes("demo");
  const path = temporaryFile("refused.gguf", demo);
  const folder = path.replace(/[^/]*$/, "");
  const out = `${folder}refused-out.gguf`;
  const cases: Case[] = [];
  const add = (name: string, work: () => unknown) => cases.push([name, work]);

  // Loading.
  const load = (name: string, source: unknown, options: object = {}) =>
    add(`load, ${name}`, () => Model.load(source as string, options as LoadOptions));
  load("a number", 17);
  load("nothing", undefined);
  load("no bytes", new Uint8Array(0));
  load("no parts", []);
  load("a file that is not there", `${folder}none.gguf`);
  load("a folder", folder);
  load("a text", temporaryFile("refused.txt", "not a model"));
  load("a file cut short", demo.subarray(0, 5000));
  for (const [key, values] of Object.entries({
    build: ["quick", 1],
    kv: ["q4_0"],
    tables: ["flash"],
    tableCache: [-1, 1.5],
    threads: [0, 1.5, 65],
    memoryLimit: [-1, 1.5, 1],
  }))
    for (const value of values) load(`${key} ${value}`, demo, { [key]: value });
  load("a page as wasm", demo, { wasm: Buffer.from("<!doctype html>") });
  load("no wasm", demo, { wasm: new Uint8Array(3) });

  // Generating.
  const model = await Model.load(demo);
  const generate = (name: string, prompt: string | number[], options: object = {}) =>
    add(`generate, ${name}`, () => model.generate(prompt, options as GenerateOptions).text());
  generate("no tokens", []);
  generate("a token that is none", [99_999]);
  generate("a token below zero", [-1]);
  for (const [key, values] of Object.entries({
    temperature: [-1, 1001, Number.NaN],
    topP: [0, 2],
    topK: [-1, 0.5],
    minP: [-1, 2],
    repeatPenalty: [0, 101],
    maxTokens: [-1, 1.5],
    logprobs: [21, -1],
    stop: [""],
    context: [0, 1.5, 2e6],
  }))
    for (const value of values) generate(`${key} ${value}`, "A", { [key]: value });
  generate("a prompt that does not fit", "some words ".repeat(40), { context: 4 });
  add("logits of nothing", () => model.logits([]));
  add("logits in chunks of nothing", () => model.logits([1], { chunk: 0 }));
  add("logits in another form", () => model.logits([1], { form: "both" as "auto" }));
  add("perplexity of a word", () => model.perplexity("short"));
  for (const ids of [[-1], [0.5], [99_999], [2 ** 31]])
    add(`the text of ${ids}`, () => model.tokenizer.detokenize(ids));
  const chat = (name: string, messages: unknown) =>
    add(`chat, ${name}`, () => model.chat(messages as Message[]).text());
  chat("no messages", []);
  chat("a robot", [{ role: "robot", content: "x" }]);
  chat("no text", [{ role: "user", content: 5 }]);
  chat("a model without a template", [{ role: "user", content: "x" }]);
  add("session, back to −1", () => model.session().rewind(-1));
  add("session, back to a half", () => model.session().rewind(0.5));
  add("session, restored from four bytes", () => model.restore(new Uint8Array(4)));
  add("session, used behind its end", () => {
    const session = model.session();
    session.dispose();
    return session.generate("A").text();
  });
  const gone = await Model.load(demo);
  const orphan = gone.session();
  const { tokenizer } = gone;
  gone.dispose();
  add("disposed, generate", () => gone.generate("A").text());
  add("disposed, tokenize", () => gone.tokenize("A"));
  add("disposed, memory", () => gone.memory);
  add("disposed, its session", () => orphan.tokens);
  add("disposed, its tokenizer", () => tokenizer.tokenize("A"));
  add("a tokenizer of no file", () => Tokenizer.load(new Uint8Array(10)));

  // Kernels.
  const k = await kernels();
  const x = new Float32Array(64);
  add("kernels, no format", () => k.dequantize("Q9_Z" as TypeName, new Uint8Array(18)));
  add("kernels, a format by number", () => k.quantize(16, x));
  add("kernels, half a block", () => k.dequantize("Q4_0", new Uint8Array(17)));
  add("kernels, values of half a block", () => k.quantize("Q6_K", x));
  add("kernels, no whole rows", () => k.rmsNorm(x, x.slice(0, 60)));
  add("kernels, no array", () => k.softmax([1, 2] as unknown as Float32Array));
  add("kernels, m of 0", () => k.matmul(x, x, { m: 0, k: 32, n: 3 }));
  add("kernels, rope of an odd width", () => k.rope(x, { heads: 2, size: 8, positions: [0, 1, 2, 3], rotated: 5 }));
  add("kernels, heads in no groups", () =>
    k.attention({ q: x, k: x, v: x, heads: 8, kvHeads: 3, size: 8, positions: [0] }),
  );

  // Files that are written.
  add("quantize, onto itself", () => quantizeFile(path, path, "Q4_0"));
  add("quantize, no type", () => quantizeFile(path, out, "Q9"));
  add("quantize, no file", () => quantizeFile(`${folder}none.gguf`, out, "Q4_0"));
  const checkpoint = (name: string, change: (config: Record<string, unknown>) => void, type?: string) =>
    add(`convert, ${name}`, () => {
      const { parts } = checkpointOf("llama-tiny");
      change(parts.config);
      return convert(writeCheckpoint("refused", parts), out, { type });
    });
  checkpoint("no width", (config) => delete config["hidden_size"]);
  checkpoint("a width below zero", (config) => (config["hidden_size"] = -1));
  checkpoint("another activation", (config) => (config["hidden_act"] = "gelu"));
  checkpoint("experts", (config) => (config["num_local_experts"] = 8));
  checkpoint("another scaling", (config) => (config["rope_scaling"] = { type: "ntk" }));
  checkpoint("more layers", (config) => (config["num_hidden_layers"] = 20));
  checkpoint("heads of seven", (config) => (config["head_dim"] = 7));
  checkpoint("no type", () => {}, "Q9_9");
  add("convert, nowhere", () => convert("/nowhere", out));

  const words = new Map<string, string>();
  for (const [name, work] of cases) {
    if (words.has(name)) throw new Error(`${name} stands there twice`);
    const said = await refused(work);
    if (said !== undefined) words.set(name, said.replaceAll(folder, "…/"));
  }
  model.dispose();
  return words;
}

async function refused(work: () => unknown): Promise<string | undefined> {
  try {
    await work();
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return `${name} ${code}: ${code === "OUT_OF_MEMORY" ? message.replace(/\d+/g, "#") : message}`;
  }
}
