/**
 * The build with threads: the portable build's bits whoever computes what, workers that come late, die or are sent home,
 * and the way through the API.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { instantiateSync } from "../bindings/instantiate.ts";
import { sharedMemory } from "../bindings/shared-memory.ts";
import { ThreadTrial } from "../bindings/thread-trial.ts";
import { architectureOf, TINY } from "../scripts/architectures.mjs";
import { ENCODER_VARIANTS, TINY_ENCODERS } from "../scripts/encoders.mjs";
import { Model } from "../src/index.ts";
import { TestCore, type TestExports, wasmBytes } from "./support/core.ts";
import { assertBits, Engine, type EngineContext, Form, modelBytes, prompt, spread } from "./support/engine.ts";

import { quantisedFile, WITH_CODEBOOKS } from "./support/quantised.ts";
import { joined, TextContext } from "./support/texts.ts";

const module = new WebAssembly.Module(wasmBytes("limpet.threads.wasm"));
const portable = new Engine("portable");

/** A core with a pool and as many workers as asked for. */
class Team {
  readonly engine: Engine;
  readonly memory: WebAssembly.Memory;
  readonly pool: number;
  readonly workers: Worker[] = [];

  constructor(threads: number) {
    this.memory = sharedMemory();
    this.engine = new Engine(
      new TestCore("threads", instantiateSync<TestExports>(module, { env: { memory: this.memory } })),
    );
    const { core } = this.engine;
    this.pool = this.engine.handle(core.call("thread_start", core.core, threads, 1));
  }

  static async of(threads: number): Promise<Team> {
    const team = new Team(threads);
    for (let index = 1; index < threads; index++) await team.hire(index);
    return team;
  }

  async hire(index: number): Promise<void> {
    const worker = new Worker(new URL("../build/js/thread.mjs", import.meta.url), { execArgv: [] });
    worker.postMessage({ module, memory: this.memory, pool: this.pool, index });
    await once(worker, "message");
    worker.unref();
    this.workers[index] = worker;
  }

  /** Ends a worker, and tells the pool. */
  async dismiss(index: number): Promise<void> {
    await this.workers[index].terminate();
    this.engine.core.call("thread_lost", this.pool, index);
  }

  slices(index: number): number {
    return this.engine.core.call("thread_slices", this.pool, index);
  }

  end(): void {
    this.engine.core.call("thread_stop", this.pool);
    for (const worker of this.workers) worker?.terminate();
  }
}

const ids = spread(64);
const types = ["Q8_0", "Q4_K", "F32", "Q4_0"];
const kinds: [kind: string, type: string][] = [
  ...TINY.map((kind, i): [string, string] => [kind, architectureOf(kind).hashes ? "Q8_0" : types[i % types.length]]),
  ["plm-1m", "Q4_K"],
  ["llama-odd", "Q4_0"],
  ["llama-odd", "F32"],
];

function wanted(kind: string, type: string, form: number): Float32Array[] {
  const model = portable.load(modelBytes(kind, type));
  const context = model.context({ rows: 64, form });
  const rows = context.run(prompt(ids));
  context.release();
  model.release();
  return rows;
}

for (const threads of [1, 2, 3, 4]) {
  test(`${threads} threads give the portable build's bits in any chunks`, async () => {
    const team = await Team.of(threads);
    for (const [kind, type] of kinds) {
      for (const form of architectureOf(kind).latent ? [Form.ABSORBED, Form.EXPANDED] : [Form.AUTO]) {
        const want = wanted(kind, type, form);
        const model = team.engine.load(modelBytes(kind, type));
        const context = model.context({ rows: 64, form });
        for (const chunk of form === Form.EXPANDED ? [64] : [64, 7, 1]) {
          context.reset();
          assertBits(context.runChunks(prompt(ids), chunk), want, `${kind} ${type}, form ${form}, chunks of ${chunk}`);
        }
        context.release();
        model.release();
      }
    }
    for (let index = 1; index < threads; index++) assert.ok(team.slices(index) > 0, `thread ${index} has helped`);
    team.end();
  });
}

test("words of codebooks: a worker that comes when their tables are filled leaves them as they are", async () => {
  const team = new Team(2);
  const files = WITH_CODEBOOKS.map(quantisedFile);
  const models = files.map((bytes) => team.engine.load(bytes));
  await team.hire(1);
  for (const [i, bytes] of files.entries()) {
    const alone = portable.load(bytes);
    const [context, wantedContext] = [models[i], alone].map((model) => model.context({ rows: 64 }));
    const want = wantedContext.run(prompt(ids));
    for (const chunk of [64, 7, 1]) {
      context.reset();
      assertBits(context.runChunks(prompt(ids), chunk), want, `${WITH_CODEBOOKS[i].type}, chunks of ${chunk}`);
    }
    for (const own of [context, wantedContext, models[i], alone]) own.release();
  }
  assert.ok(team.slices(1) > 0, "the worker has helped");
  team.end();
});

/** A long text among short ones, so that some threads share one and others do not. */
const TEXTS = [spread(3), spread(150, 7), [5], spread(31, 2), spread(8, 9)];
/** A source, and what is read of the answer. */
const [SOURCE, ANSWER] = [spread(70, 3).map((id) => id % 300), [0, 17, 99, 4]];

for (const threads of [2, 3]) {
  test(`${threads} threads give encoders the portable build's bits, packed and one by one`, async () => {
    const team = await Team.of(threads);
    for (const kind of [...TINY_ENCODERS, ...ENCODER_VARIANTS, "t5encoder-tiny"]) {
      const texts = TEXTS.map((ids) => ids.map((id) => id % 300));
      const [want, got, apart] = [portable, team.engine, team.engine].map((engine, i) => {
        const model = engine.load(modelBytes(kind, "F32"));
        const context = new TextContext(model, { batch: 256 });
        const vectors = joined(i === 2 ? texts.flatMap((ids) => context.encode([ids])) : context.encode(texts));
        context.release();
        model.release();
        return vectors;
      });
      assertBits([got, apart], [want, want], kind);
    }
    for (let index = 1; index < threads; index++) assert.ok(team.slices(index) > 0, `thread ${index} has helped`);
    team.end();
  });

  test(`${threads} threads give encoder-decoders the portable build's bits`, async () => {
    const team = await Team.of(threads);
    for (const kind of ["t5-tiny", "t5-relu", "mu-tiny"]) {
      const [want, got] = [portable, team.engine].map((engine) => {
        const model = engine.load(modelBytes(kind, "Q8_0"));
        const context = model.context({ rows: 96, batch: 96 });
        context.run(prompt(SOURCE), { isSource: true });
        const rows = context.run(prompt(ANSWER));
        context.release();
        model.release();
        return rows;
      });
      assertBits(got, want, kind);
    }
    team.end();
  });
}

test("a context takes as much memory as its plan says, with one thread as in the portable build", () => {
  const bytes = modelBytes("plm-1m", "Q4_0");
  const shape = { rows: 64, batch: 32 };
  const plan = portable.load(bytes).contextBytes(shape);
  for (const threads of [1, 3]) {
    const team = new Team(threads);
    const model = team.engine.load(bytes);
    const before = team.engine.used;
    const context = model.context(shape);
    assert.is(team.engine.used - before, model.contextBytes(shape));
    if (threads === 1) assert.is(model.contextBytes(shape), plan);
    else assert.ok(model.contextBytes(shape) > plan);
    context.release();
    assert.is(team.engine.used, before);
  }
});

/** The first few tokens again and again. */
async function tinyPasses(
  context: EngineContext,
  passes: number,
  want: Float32Array[],
  turn: (pass: number) => unknown = () => {},
) {
  for (let pass = 0; pass < passes; pass++) {
    context.reset();
    assertBits(context.run(prompt(ids.slice(0, want.length))), want, `pass ${pass}`);
    await turn(pass);
  }
}

test("workers that start late, are killed, or are never there hold nothing up in 500 passes", async () => {
  const want = wanted("llama-tiny", "Q8_0", Form.AUTO).slice(0, 12);
  const team = new Team(4);
  const context = team.engine.load(modelBytes("llama-tiny", "Q8_0")).context({ rows: 64 });
  await tinyPasses(context, 500, want, async (pass) => {
    if (pass % 50 === 49) await setImmediate();
    if (pass === 100) await team.hire(1);
    if (pass === 200) await team.hire(2);
    if (pass === 300) await team.dismiss(1);
    if (pass === 400) await team.dismiss(2);
  });
  assert.ok(team.slices(1) > 0 && team.slices(2) > 0);
  team.end();
});

// Takes a slice as a worker would, and does nothing with it.
const THIEF = `
  const { parentPort, workerData: { memory, pool } } = require("node:worker_threads");
  const tickets = new BigInt64Array(memory.buffer, pool + 64, 1);
  const busy = new Int32Array(memory.buffer, pool + 512 + 64, 1);
  Atomics.store(busy, 0, 1);
  parentPort.postMessage("ready");
  for (;;) {
    const word = Atomics.load(tickets, 0);
    if (BigInt.asUintN(32, word) > 1n && Atomics.compareExchange(tickets, 0, word, word - 1n) === word) break;
  }
  setInterval(() => {}, 1000);
`;

test("a worker that is gone within its slice gives the host its turn, and the pass its bits once that is known", async () => {
  const want = wanted("llama-tiny", "Q8_0", Form.AUTO);
  const team = new Team(2);
  const { engine, pool, memory } = team;
  const context = engine.load(modelBytes("llama-tiny", "Q8_0")).context({ rows: 64 });
  const thief = new Worker(THIEF, { eval: true, execArgv: [], workerData: { memory, pool } });
  await once(thief, "message");
  context.begin(prompt(ids));
  const deadline = performance.now() + 15000;
  while (!engine.core.call("thread_late", pool)) {
    // On a busy machine the thief may come too late for a pass: there is another one.
    if (engine.do("context_step", context.handle) === 0) {
      context.reset();
      context.begin(prompt(ids));
    }
    assert.ok(performance.now() < deadline, "the thief was given no slice");
  }
  assert.is(engine.do("context_step", context.handle), 1, "still late");
  await thief.terminate();
  engine.core.call("thread_lost", pool, 1);
  while (engine.do("context_step", context.handle) !== 0);
  assert.is(engine.core.call("thread_late", pool), 0);
  assert.is(engine.core.call("thread_count", pool), 1, "the main thread is alone");
  context.reset();
  assertBits(context.run(prompt(ids)), want, "after it");
});

test("a pass given up at any step leaves nothing behind", async () => {
  const want = wanted("plm-1m", "Q4_0", Form.ABSORBED);
  const team = await Team.of(2);
  const context = team.engine.load(modelBytes("plm-1m", "Q4_0")).context({ rows: 64 });
  assertBits(context.run(prompt(ids)), want, "whole");
  for (let stop = 0; stop < context.steps; stop++) {
    context.reset();
    context.begin(prompt(ids));
    for (let step = 0; step < stop; step++) team.engine.do("context_step", context.handle);
    team.engine.core.call("context_abort", context.handle);
    assertBits(context.run(prompt(ids)), want, `after step ${stop}`);
  }
  team.end();
});

/**
 * A machine on which a layer takes so many milliseconds alone and together; those begun in the first 15 ms together after a
 * while alone take `waking` times as long.
 */
class Machine {
  readonly pays = new ThreadTrial();
  now = 0;
  layers = 0;
  apart = 0;
  /** Milliseconds that the better way would have saved. */
  lost = 0;
  #awake = Number.NEGATIVE_INFINITY;

  run(ms: number, alone: number, together: number, { tokens = 1, waking = 4 } = {}): void {
    for (const end = this.now + ms; this.now < end; ) {
      const { together: shared } = this.pays;
      if (!shared) this.#awake = this.now;
      const took = shared ? together * (this.now - this.#awake < 15 ? waking : 1) : alone;
      this.now += took;
      this.layers++;
      this.lost += took - Math.min(alone, together);
      if (!shared) this.apart++;
      this.pays.add(took, tokens, this.now, 0);
    }
  }
}

test("whether threads pay: both ways are tried at first and now and then, which costs little", () => {
  for (const [alone, together] of [
    [0.2, 0.13],
    [4, 2.3],
    [22, 12],
    [290, 160],
  ]) {
    const machine = new Machine();
    machine.run(60_000, alone, together);
    assert.ok(machine.pays.pays, `${alone} ms a layer`);
    assert.ok(machine.apart > 0, `${alone} ms a layer, never tried`);
    assert.ok(machine.lost < 0.02 * 60_000 + 100, `${alone} ms a layer: ${machine.lost} ms lost`);
  }
});

test("whether threads pay: a machine that becomes busy is seen at once, and one that becomes idle soon", () => {
  for (const [alone, together] of [
    [0.2, 0.13],
    [4, 2.3],
    [22, 12],
  ]) {
    const machine = new Machine();
    machine.run(10_000, alone, together);
    const { lost } = machine;
    machine.run(150, 1.1 * alone, 2 * alone);
    assert.not(machine.pays.pays, `${alone} ms a layer, busy`);
    machine.run(20_000, 1.1 * alone, 2 * alone);
    assert.ok(machine.lost - lost < 0.02 * 20_000 + 150, `${alone} ms a layer, busy: ${machine.lost - lost} ms lost`);
    machine.run(6000, alone, together);
    assert.ok(machine.pays.pays, `${alone} ms a layer, idle again`);
  }
});

test("whether threads pay: passes of other sizes are not compared, and noise changes nothing", () => {
  const machine = new Machine();
  for (let turn = 0; turn < 200; turn++) {
    const tokens = 8 + (turn % 3) * 60;
    machine.run(30, 0.1 * tokens, 0.06 * tokens, { tokens });
  }
  assert.ok(machine.pays.pays);
  machine.run(1000, 51.2, 30.7, { tokens: 512 });
  assert.ok(machine.pays.pays);
  machine.run(150, 9, 15, { tokens: 90 });
  assert.not(machine.pays.pays, "a machine that becomes busy is seen in passes of any size");
  // Two ways that take the same: what there is of trials costs nothing, and there are few changes.
  const even = new Machine();
  let changes = 0;
  for (let turn = 0, before = true; turn < 20_000; turn++, before = even.pays.pays) {
    even.run(3, 1, 1 + 0.05 * Math.sin(turn), { waking: 1 });
    if (even.pays.pays !== before) changes++;
  }
  assert.ok(changes <= 1, `${changes} changes`);
});

test("a pool is refused twice, without threads and with too many", () => {
  const { engine } = new Team(2);
  const { core } = engine;
  for (const threads of [0, 2, 65]) assert.is(core.call("thread_start", core.core, threads, 1), 0);
});

test("Model: the same text and logits with 2 threads, an abort, and use after it", async () => {
  const bytes = modelBytes("plm-1m", "Q4_0");
  const options = { maxTokens: 24, temperature: 0.8, seed: 5 };
  const alone = await Model.load(bytes);
  const model = await Model.load(bytes, { threads: 2 });
  assert.ok(model.threads >= 1);
  const text = await alone.generate(ids, options).text();
  assert.is(await model.generate(ids, options).text(), text);
  assert.equal(await model.logits(ids), await alone.logits(ids));
  const controller = new AbortController();
  try {
    for await (const _ of model.generate(ids, { ...options, maxTokens: 1000, signal: controller.signal }))
      controller.abort();
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).name, "AbortError");
  }
  assert.is(await model.generate(ids, options).text(), text);
  model.dispose();
  alone.dispose();
});

test("threads that no build or number allows are refused, or said once", async () => {
  const bytes = modelBytes("llama-tiny", "Q8_0");
  for (const threads of [0, 1.5, 65, Number.NaN]) {
    try {
      await Model.load(bytes, { threads });
      assert.unreachable();
    } catch (error) {
      assert.is((error as { code?: string }).code, "BAD_ARGUMENT");
    }
  }
  const said: string[] = [];
  const { warn } = console;
  console.warn = (words: string) => said.push(words);
  try {
    for (let i = 0; i < 2; i++) assert.is((await Model.load(bytes, { threads: 2, build: "scalar" })).threads, 1);
    assert.is((await Model.load(bytes, { threads: 2, wasm: wasmBytes("limpet.wasm") })).threads, 1);
  } finally {
    console.warn = warn;
  }
  assert.equal(said, ["limpet: computing with one thread, not more: the scalar build has none"]);
});

test("a process with a model of 2 threads that nobody disposed of ends by itself", () => {
  const script = `
    const { Model } = await import(${JSON.stringify(new URL("../build/js/index.js", import.meta.url).href)});
    const bytes = await new Response(process.stdin).arrayBuffer();
    const model = await Model.load(bytes, { threads: 2 });
    console.log((await model.generate("a", { maxTokens: 4 }).text()).length > 0 ? "a text" : "none");
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    input: modelBytes("llama-tiny", "Q8_0"),
    encoding: "utf8",
    timeout: 15_000,
  });
  assert.is(status, 0, stderr);
  assert.is(stdout.trim(), "a text");
});

test.run();
