/**
 * Every public function and method with arguments that its declaration asks for, and with others: what is thrown is
 * limpet's own error or the signal's reason, and the model's answers stay what they are.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import * as assert from "uvu/assert";
import * as cache from "../../src/cache.ts";
import * as convert from "../../src/convert.ts";
import * as index from "../../src/index.ts";
import { type Kernels, kernels } from "../../src/kernels.ts";
import * as quantize from "../../src/quantize.ts";
import { type Callable, readDeclarations } from "./declarations.ts";
import { Finding, type Fuzzer, guardModule, type Run, refusal, requireFiles } from "./fuzzer.ts";
import { ownFolder } from "./gguf-api.ts";
import type { Random } from "./random.ts";
import { makeSeeds } from "./seeds.ts";
import { type Known, makeValue, oddValue, withOdd } from "./values.ts";

export const apiArguments: Fuzzer = {
  name: "arguments",
  about: "public functions by their type declarations, with arguments of right and wrong kinds",
  cases: 2000,
  share: 2,
  prepare,
};

/** What ends its object is called elsewhere; what takes seconds, or a worker, is called seldom. */
const NEVER = /^(dispose|constructor)$/;
const SELDOM: Record<string, number> = { doctor: 400, kernels: 20, load: 3, plan: 2, convert: 3, quantizeFile: 3 };

async function prepare(): Promise<Run> {
  const declared = readDeclarations();
  const folder = ownFolder();
  // Names of files that are made up end here.
  process.chdir(folder);
  const wasm = guardModule();
  const [seed] = makeSeeds();
  const model = await index.Model.load(seed.bytes, { wasm });
  const worker = await index.Model.load(seed.bytes, { wasm, worker: true });
  const held: Record<string, () => object | Promise<object>> = {
    Model: () => model,
    Tokenizer: () => model.tokenizer,
    Session: () => model.session(),
    Generation: () => model.generate([1, 2], { maxTokens: 3 }),
    Kernels: () => k,
    WorkerModel: () => worker,
    WorkerSession: () => worker.session(),
  };
  const k: Kernels = await kernels({ wasm });
  const modules: Record<string, unknown> = { ...index, ...cache, ...convert, ...quantize, kernels };
  const callables = declared.callables.filter(
    ({ owner, isStatic, name }) => !NEVER.test(name) && (owner && !isStatic ? held[owner] : modules[owner ?? name]),
  );
  assert.ok(callables.length > 50, `${callables.length} functions are declared`);
  const saved = model.session().save();
  const source = (random: Random): unknown =>
    random.pick([seed.bytes, new Blob([seed.bytes]), seed.bytes.slice(0, 500), "none.gguf", new URL("file:///none")]);
  const known: Known = {
    ModelSource: source,
    source,
    input: () => "none.gguf",
    out: () => "out.gguf",
    folder: () => ".",
    wasm: () => wasm,
    threads: (random) => random.pick([1, 1, 2]),
    worker: () => false,
    windows: () => 1,
    url: () => "http://host/none.gguf",
    bytes: (random) => (random.oneIn(2) ? saved : random.bytes(64)),
    content: () => "A",
    Message: (random) => ({ role: random.pick(["user", "system", "assistant"]), content: "A" }),
    TypeName: (random) => random.pick(["F32", "F16", "Q8_0", "Q4_0", "Q6_K", "IQ4_NL"]),
  };
  const want = await model.generate([1, 2, 3], { maxTokens: 4 }).text();
  const called = new Set<Callable>();
  let cases = 0;

  const one = async (random: Random): Promise<string> => {
    let callable = random.pick(callables);
    while (SELDOM[callable.name] && !random.oneIn(SELDOM[callable.name])) callable = random.pick(callables);
    called.add(callable);
    const { owner, isStatic, name, parameters } = callable;
    const on = owner ? (isStatic ? modules[owner] : await held[owner]()) : modules;
    let args = parameters.map(({ name: of, type }) => makeValue(random, declared, known, of, type));
    while (args.length && random.oneIn(6)) args.pop();
    const isOdd = random.oneIn(2);
    if (isOdd) args = random.oneIn(5) ? args.map(() => oddValue(random)) : withOdd(random, args, parameters.length);
    let word: string;
    try {
      const result = await (on as Record<string, (...args: unknown[]) => unknown>)[name](...args);
      await useUp(result);
      word = isOdd ? "took it" : "answered";
    } catch (error) {
      word = refusalOf(error, `${owner ?? ""}.${name}(${args.map((arg) => inspect(arg).slice(0, 300)).join(", ")})`);
    } finally {
      if (owner === "Session" || owner === "WorkerSession") (on as index.Session).dispose();
    }
    // A store of beginnings and pieces is a folder that the call has named.
    for (const one of readdirSync(folder, { withFileTypes: true })) {
      if (one.isDirectory()) rmSync(join(folder, one.name), { recursive: true });
    }
    requireFiles(folder, []);
    if (++cases % 100 === 0) {
      assert.is(await model.generate([1, 2, 3], { maxTokens: 4 }).text(), want, "the model's answer");
      assert.is(await worker.generate([1, 2, 3], { maxTokens: 4 }).text(), want, "the worker's answer");
    }
    return word;
  };

  const end = (_: unknown, count: number): void => {
    worker.dispose();
    if (count < apiArguments.cases) return;
    const missed = callables.filter((one) => !called.has(one) && !SELDOM[one.name]).map(({ name }) => name);
    assert.equal(missed, [], "functions that no case called");
  };
  return { one, end };
}

/** What comes piece by piece is taken for a while. */
async function useUp(result: unknown): Promise<void> {
  const { next, return: end, dispose } = (result ?? {}) as Partial<AsyncGenerator> & { dispose?: () => void };
  if (typeof next === "function") {
    for (let i = 0; i < 3; i++) if ((await next.call(result, undefined)).done) break;
    await end?.call(result, undefined);
  } else if (typeof dispose === "function") dispose.call(result);
}

function refusalOf(error: unknown, call: string): string {
  if ((error as { name?: unknown } | null)?.name === "AbortError") return "aborted";
  try {
    return refusal(error, true);
  } catch (odd) {
    throw new Finding(`${call} threw ${(odd as Error)?.name}: ${(odd as Error)?.message}`, { cause: odd });
  }
}
