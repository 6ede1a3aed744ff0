/**
 * What callers give is looked at before anything happens: every public function refuses what is of another kind with a
 * LimpetError that names it, and an option that there is not with the one that was meant.
 */
import { inspect } from "node:util";
import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cached, deleteCached } from "../src/cache.ts";
import { convert } from "../src/convert.ts";
import { doctor, LimpetError, Model, type Session, Tokenizer } from "../src/index.ts";
import { type Kernels, kernels } from "../src/kernels.ts";
import { quantizeFile } from "../src/quantize.ts";
import { sameBits } from "./support/core.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const TINY = modelBytes("llama-tiny", "Q8_0");
const model = await Model.load(TINY);
const k = await kernels();

/** A call with arguments of any kind. */
const loose = <T>(value: T) => value as unknown as Record<string, (...args: unknown[]) => unknown>;

async function refuses(code: string, words: RegExp, work: () => unknown): Promise<void> {
  const error = await errorOf(work);
  assert.instance(error, LimpetError, `${error} of ${work}`);
  assert.is(error.code, code, error.message);
  assert.match(error.message, words);
}

test("operands of a kernel are of their type, whatever they say of themselves", async () => {
  const x = new Float32Array(1024).fill(1);
  class Liar extends Float32Array {
    override get length(): number {
      return 65536;
    }
  }
  const wrong: [RegExp, () => unknown][] = [
    [/weight is no Float32Array/, () => loose(k)["rmsNorm"](x, new Uint8Array(1024).fill(1))],
    [/weight is no Float32Array/, () => loose(k)["rmsNorm"](x, new Array(1024).fill(1))],
    [/weight is no Float32Array/, () => loose(k)["rmsNorm"](x, new Float64Array(1024).fill(1))],
    [
      /values is no Float32Array/,
      () =>
        loose(k)["quantize"](
          "Q8_0",
          Array.from({ length: 32 }, (_, i) => i),
        ),
    ],
    [/bytes is no Uint8Array/, () => loose(k)["dequantize"]("F32", "abcdefgh")],
    [/bytes is no Uint8Array/, () => loose(k)["dequantize"]("Q8_0", new Float32Array(34))],
    [/bytes is no Uint8Array/, () => loose(k)["dequantize"]("Q8_0", new Uint16Array(34))],
    [/x is no Float32Array/, () => loose(k)["softmax"](new Proxy(x, {}))],
    [/no option epsilonn; did you mean epsilon\?/, () => loose(k)["rmsNorm"](x, x, { epsilonn: 1 })],
    [/epsilon is a number/, () => loose(k)["rmsNorm"](x, x, { epsilon: "1" })],
    [
      /factors is no Float32Array/,
      () => loose(k)["rope"](x, { heads: 1, size: 1024, positions: [0], factors: new Array(512).fill(1) }),
    ],
    [/positions is a list of whole numbers/, () => loose(k)["rope"](x, { heads: 1, size: 1024, positions: 1 })],
    [/positions is a list of whole numbers/, () => loose(k)["rope"](x, { heads: 1, size: 1024 })],
    [
      /scale is a number/,
      () => loose(k)["attention"]({ q: x, k: x, v: x, heads: 1, size: 1024, positions: [0], scale: "1" }),
    ],
    [/shape is an object/, () => loose(k)["matmul"](x, x, null)],
    [/b is a Float32Array or/, () => loose(k)["matmul"](x, "b", { m: 1, k: 1024, n: 1 })],
    [
      /rows is a whole number/,
      () =>
        loose(k)["matmul"](
          x,
          { type: "F32", bytes: new Uint8Array(4096), rows: "1", cols: 1024 },
          { m: 1, k: 1024, n: 1 },
        ),
    ],
    [/zero is the bit/, () => loose(k)["hash"]({ x, chunks: 1, bits: 2, rows: 512, zero: true })],
    [
      /tables is a Float32Array or/,
      () => loose(k)["memoryLayer"]({ x: x.subarray(0, 2), chunks: 1, bits: 2, tables: 5 }),
    ],
    [
      /bias is no Float32Array/,
      () => loose(k)["memoryLayer"]({ x: x.subarray(0, 2), chunks: 1, bits: 2, tables: x.subarray(0, 8), bias: "no" }),
    ],
  ];
  for (const [words, work] of wrong) await refuses("BAD_ARGUMENT", words, work);
  for (const type of [2 ** 32, 0.5, "toString", "constructor", null, Number.NaN, {}]) {
    await refuses("UNSUPPORTED", /no block format/, () =>
      loose(k)["matmul"](x, { type, bytes: new Uint8Array(4096), rows: 1, cols: 1024 }, { m: 1, k: 1024, n: 1 }),
    );
  }
  assert.ok(sameBits(k.softmax(new Liar(4)), k.softmax(new Float32Array(4))), "the length is the array's own");
});

test("arrays of another realm are what they are; transferred ones are refused", async () => {
  const other = vm.runInNewContext("new Float32Array([1, 2, 3, 4])") as Float32Array;
  assert.not.instance(other, Float32Array);
  assert.ok(sameBits(k.softmax(other), k.softmax(Float32Array.of(1, 2, 3, 4))));
  assert.is(model.detokenize(vm.runInNewContext("[65, 66]") as number[]), model.detokenize([65, 66]));
  const gone = new Float32Array(4);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  await refuses("BAD_ARGUMENT", /x is a Float32Array whose memory is gone|no whole rows/, () =>
    k.softmax(gone, { columns: 4 }),
  );
});

test("an option that there is not is refused, with the one that was meant", async () => {
  const cases: [RegExp, () => unknown][] = [
    [/no option max_tokens; did you mean maxTokens\?/, () => loose(model)["generate"]("A", { max_tokens: 1 })],
    [/no option topp; did you mean topP\?/, () => loose(model)["chat"]([], { topp: 1 })],
    [
      /no option temprature; did you mean temperature\?/,
      () => loose(model.session())["generate"]("A", { temprature: 1 }),
    ],
    [/no option stops; did you mean stop\?/, () => loose(model.session())["chat"]("A", { stops: "x" })],
    [/no option ctx; there are context, kv, adapters, system/, () => loose(model)["session"]({ ctx: 5 })],
    [/no option chunks; did you mean chunk\?/, () => loose(model)["logits"]([1], { chunks: 5 })],
    [/no option window; did you mean windows\?/, () => loose(model)["perplexity"]([1], { window: 5 })],
    [/no option BOS; did you mean bos\?/, () => loose(model)["tokenize"]("A", { BOS: true })],
    [
      /no option clean_spaces; did you mean cleanSpaces\?/,
      () => loose(model)["detokenize"]([1], { clean_spaces: true }),
    ],
    [/no option thread; did you mean threads\?/, () => loose(Model)["load"](TINY, { thread: 2 })],
    [/no option contex; did you mean context\?/, () => loose(Model)["plan"](TINY, { contex: 2 })],
    [
      /no option on_progress; did you mean onProgress\?/,
      () => loose(Model)["load"](TINY, { on_progress() {}, worker: true }),
    ],
    [/no option builds; did you mean build\?/, () => loose(Tokenizer)["load"](TINY, { builds: "scalar" })],
    [
      /no option memory_limit; did you mean memoryLimit\?/,
      () => (kernels as (o: unknown) => unknown)({ memory_limit: 5 }),
    ],
    [/no option models; did you mean model\?/, () => (doctor as (o: unknown) => unknown)({ models: "x" })],
    [
      /no option on_progress; did you mean onProgress\?/,
      () => loose({ quantizeFile })["quantizeFile"]("a", "b", "Q8_0", { on_progress: 1 }),
    ],
    [/no option typ; did you mean type\?/, () => loose({ convert })["convert"]("a", "b", { typ: "Q8_0" })],
    [/no option sha; there are sha256/, () => loose({ cached })["cached"]("http://host/x", { sha: "x" })],
    [/no option __proto__x; there are/, () => loose(model)["session"]({ __proto__x: 5 })],
    [/no option toString; there are/, () => loose(model)["session"]({ toString: () => "x" })],
  ];
  for (const [words, work] of cases) {
    await refuses("BAD_ARGUMENT", words, async () => {
      const result = (await work()) as { next?: () => unknown };
      await result?.next?.();
    });
  }
});

test("what has no options of its own is not taken for options: a promise of them, a Map, a list of bytes", async () => {
  const wrong: [RegExp, unknown][] = [
    [/a Promise/, Promise.resolve({ maxTokens: 1 })],
    [/a Map/, new Map([["maxTokens", 1]])],
    [/a Uint8Array/, new Uint8Array(0)],
    [/a list/, []],
    [/a function/, () => ({ maxTokens: 1 })],
  ];
  const calls: ((options: unknown) => unknown)[] = [
    (options) => loose(model)["generate"]([1], options),
    (options) => loose(model)["logits"]([1], options),
    (options) => loose(model)["session"](options),
    (options) => loose(Model)["load"](TINY, options),
    (options) => loose(model)["tokenize"]("a", options),
  ];
  for (const [words, options] of wrong) {
    for (const call of calls) {
      const work = async () => {
        const given = call(options) as { text?(): Promise<string> };
        return given?.text ? given.text() : given;
      };
      await refuses("BAD_ARGUMENT", new RegExp(`options is an object of options, not ${words.source}`), work);
    }
  }
  // A class of the caller's is an object as any other.
  class Options {
    maxTokens = 1;
    get temperature() {
      return 0;
    }
  }
  const generation = model.generate([1], new Options());
  await generation.text();
  assert.is(generation.result!.tokens.length, 1);
});

test("options are read once: what a getter says later counts for nothing", async () => {
  let asked = 0;
  const options = {
    get maxTokens() {
      return asked++ === 0 ? 3 : -1;
    },
  };
  const generation = model.generate([1, 2, 3], options);
  await generation.text();
  assert.is(asked, 1);
  assert.is(generation.result?.tokens.length, 3);
});

/** Values of all kinds, right for some arguments and wrong for most. */
const ODD: unknown[] = [
  undefined,
  null,
  true,
  -1,
  0.5,
  Number.NaN,
  2 ** 40,
  10n,
  "x",
  "toString",
  Symbol("s"),
  () => 1,
  [],
  [1.5],
  [null],
  ["a"],
  {},
  { length: 2 ** 40 },
  { length: -1 },
  { length: "2" },
  { role: "evil", content: "x" },
  new Float64Array(3),
  new BigInt64Array(2),
  new DataView(new ArrayBuffer(4)),
  new Uint8Array(40),
  new Date(0),
  Object.create(null),
  new Proxy({}, {}),
];

/** Runs a call with every odd value for every argument; what is thrown is limpet's own. */
async function survives(what: string, arity: number, call: (args: unknown[]) => unknown): Promise<number> {
  let calls = 0;
  for (let at = 0; at < arity; at++) {
    for (const odd of ODD) {
      const args: unknown[] = ["A", {}].slice(0, arity);
      args[at] = odd;
      calls++;
      try {
        const result = (await call(args)) as { next?: () => unknown; return?: () => unknown } | undefined;
        if (typeof result?.next === "function") {
          await result.next();
          await result.return?.();
        }
      } catch (error) {
        assert.instance(error, LimpetError, `${what} of ${inspect(odd)} at ${at}: ${(error as Error)?.stack}`);
      }
    }
  }
  return calls;
}

const GENERATE_KEYS = ["temperature", "topK", "topP", "minP", "repeatPenalty", "seed", "stop", "logprobs", "special"];
const SAMPLER_KEYS = ["repeatWindow", "dryMultiplier", "dryBreakers", "mirostat", "logitBias", "banTokens", "onLogits"];
const MORE_KEYS = [...SAMPLER_KEYS, "form", "signal", "context", "kv", "maxTokens"];

test("no public function throws anything but a LimpetError, whatever it is given", async () => {
  let calls = 0;
  const of = async (object: object, names: [string, number][]) => {
    for (const [name, arity] of names) calls += await survives(name, arity, (args) => loose(object)[name](...args));
  };
  await of(model, [
    ["generate", 2],
    ["chat", 2],
    ["tokenize", 2],
    ["detokenize", 2],
    ["detokenizeBytes", 2],
    ["logits", 2],
    ["logitChunks", 2],
    ["perplexity", 2],
    ["session", 1],
    ["restore", 2],
    ["metadata", 1],
  ]);
  await of(model.tokenizer, [
    ["tokenize", 2],
    ["detokenize", 2],
    ["tokenText", 1],
    ["endsGeneration", 1],
  ]);
  const session: Session = model.session();
  await of(session, [
    ["append", 2],
    ["generate", 2],
    ["chat", 2],
    ["rewind", 1],
    ["restore", 1],
  ]);
  const worker = await Model.load(TINY, { worker: true });
  await of(worker, [
    ["generate", 2],
    ["chat", 2],
    ["tokenize", 2],
    ["detokenize", 2],
    ["logits", 2],
    ["logitChunks", 2],
    ["perplexity", 2],
    ["session", 1],
    ["restore", 2],
    ["metadata", 1],
  ]);
  await of(await worker.session(), [
    ["append", 2],
    ["generate", 2],
    ["chat", 2],
    ["rewind", 1],
    ["restore", 1],
  ]);
  worker.dispose();
  await of(Model, [
    ["load", 2],
    ["plan", 2],
  ]);
  await of(Tokenizer, [["load", 2]]);
  const names = Object.getOwnPropertyNames(Object.getPrototypeOf(k) as Kernels).filter(
    (name) => name !== "constructor" && name !== "memoryBytes",
  );
  await of(
    k,
    names.map((name) => [name, 3]),
  );
  for (const key of [...GENERATE_KEYS, ...MORE_KEYS]) {
    calls += await survives(`generate ${key}`, 1, ([value]) =>
      loose(model)["generate"]("A", { maxTokens: 1, [key]: value }),
    );
  }
  for (const key of ["build", "threads", "memoryLimit", "wasm", "kv", "context", "tables", "tableCache"]) {
    calls += await survives(`load ${key}`, 1, ([value]) => loose(Model)["load"](TINY, { [key]: value }));
  }
  for (const key of ["onProgress", "signal", "vocabularyOnly"]) {
    calls += await survives(`load ${key}`, 1, ([value]) => loose(Model)["load"](TINY, { [key]: value }));
  }
  assert.ok(calls > 1500, `${calls} calls`);
  assert.is((await model.generate([1, 2], { maxTokens: 2 }).text()).length >= 0, true, "none of them did harm");
});

test("files and their places: what is no path, no URL and no type is refused before anything is read", async () => {
  const files = loose({ quantizeFile, convert, cached, deleteCached });
  for (const odd of [undefined, null, 5, {}, [], "", Symbol("s"), () => 1]) {
    await refuses("BAD_ARGUMENT", /input is a path or a URL/, () => files["quantizeFile"](odd, "b", "Q8_0"));
    await refuses("BAD_ARGUMENT", /out is a path/, () => files["quantizeFile"]("a", odd, "Q8_0"));
    await refuses("BAD_ARGUMENT", /no type/, () => files["quantizeFile"]("a", "b", odd));
    await refuses("BAD_ARGUMENT", /folder is a path/, () => files["convert"](odd, "b"));
    await refuses("BAD_ARGUMENT", /out is a path/, () => files["convert"]("a", odd));
    await refuses("BAD_ARGUMENT", /url is a path or a URL/, () => files["cached"](odd));
    await refuses("BAD_ARGUMENT", /url is a path or a URL/, () => files["deleteCached"](odd));
  }
  await refuses("BAD_ARGUMENT", /onProgress is a function/, () =>
    files["quantizeFile"]("a", "b", "Q8_0", { onProgress: 5 }),
  );
  await refuses("BAD_ARGUMENT", /type is text/, () => files["convert"]("a", "b", { type: 5 }));
  await refuses("BAD_ARGUMENT", /sha256 is text/, () => files["cached"]("http://host/x", { sha256: 5 }));
  await refuses("BAD_ARGUMENT", /path, not/, () => files["quantizeFile"]("a", "b\0c", "Q8_0"));
  await refuses("HOST", /no origin private file system|no locks/, () => files["cached"]("http://host/x"));
  await refuses("HOST", /no origin private file system|no locks/, () => files["deleteCached"]("http://host/x"));
});

test("what is no text is not taken for one", async () => {
  const session = model.session();
  for (const odd of [{}, 5, null, () => 1]) {
    await refuses("BAD_ARGUMENT", /text is text/, () => loose(model)["tokenize"](odd));
    await refuses("BAD_ARGUMENT", /prompt is (text or )?a list of/, () => loose(session)["append"](odd));
    await refuses("BAD_ARGUMENT", /ids is a list of/, () => loose(model)["detokenize"](odd));
    await refuses("BAD_ARGUMENT", /content is text|a message has a role/, async () => {
      await (loose(session)["chat"](odd) as AsyncIterator<unknown>).next();
    });
  }
  await refuses("BAD_ARGUMENT", /id is a whole number/, () => loose(model.tokenizer)["tokenText"]({}));
  await refuses("BAD_ARGUMENT", /tables are "resident" or "stream"/, () =>
    loose(Model)["load"](TINY, { tables: "toString" }),
  );
  assert.equal(session.tokens, [], "and nothing has changed");
});

test.run();
