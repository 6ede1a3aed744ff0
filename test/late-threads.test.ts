/**
 * A job done twice: a worker that takes a slice of any step and is lost leaves it to the main thread, which does the step
 * again. On planned memory that must give the same bits, for every architecture: what is shared writes on nothing that it
 * reads (test/plan.test.ts has the proof of the plan, this the run).
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { instantiateSync } from "../bindings/instantiate.ts";
import { sharedMemory } from "../bindings/shared-memory.ts";
import { architectureOf, TINY } from "../scripts/architectures.mjs";
import { TestCore, type TestExports, wasmBytes } from "./support/core.ts";
import { assertBits, Engine, Form, modelBytes, prompt, spread } from "./support/engine.ts";

const module = new WebAssembly.Module(wasmBytes("limpet.threads.wasm"));
const portable = new Engine("portable");
const ids = spread(48);

/**
 * Takes a slice each time that one is offered and does nothing with it, until it is told that it is lost: then it is as
 * if a new worker had come. It waits `skip` offers first, so that every step of a pass has its turn.
 */
const THIEF = `
  const { parentPort, workerData: { memory, pool, skip } } = require("node:worker_threads");
  const tickets = new BigInt64Array(memory.buffer, pool + 64, 1);
  const busy = new Int32Array(memory.buffer, pool + 512 + 64, 1);
  parentPort.postMessage("ready");
  let seen = 0n, left = skip;
  for (;;) {
    const word = Atomics.load(tickets, 0);
    const generation = word >> 32n;
    if (BigInt.asUintN(32, word) <= 1n) continue;
    if (generation !== seen && left > 0) { left -= 1; seen = generation; }
    if (left > 0) continue;
    Atomics.store(busy, 0, 1);
    if (Atomics.compareExchange(tickets, 0, word, word - 1n) === word) break;
    Atomics.store(busy, 0, 0);
  }
  setInterval(() => {}, 1000);
`;

/** Offers that the thief lets go by: some of them in each architecture, in turn, as test/plan.test.ts proves them all. */
const SKIPS = [0, 1, 2, 3, 4, 6, 8, 11, 14, 19, 30];
const EACH = 3;
/** How long a thief may take [ms]. */
const PATIENCE = 2000;

for (const [i, kind] of TINY.entries()) {
  const { latent, hashes } = architectureOf(kind);
  const skips = Array.from({ length: EACH }, (_, k) => SKIPS[(EACH * i + k) % SKIPS.length]);

  test(`${kind}: a slice stolen from any step is done again, with the same bits`, async () => {
    const bytes = modelBytes(kind, hashes ? "Q8_0" : "Q4_0");
    for (const form of latent ? [Form.ABSORBED, Form.EXPANDED] : [Form.AUTO]) {
      const model = portable.load(bytes);
      const alone = model.context({ rows: 48, form });
      const want = alone.run(prompt(ids));
      alone.release();
      model.release();
      let stolen = 0;
      for (const skip of skips) {
        const memory = sharedMemory();
        const core = new TestCore("threads", instantiateSync<TestExports>(module, { env: { memory } }));
        const engine = new Engine(core);
        const pool = engine.handle(core.call("thread_start", core.core, 2, 1));
        const context = engine.load(bytes).context({ rows: 48, form });
        const thief = new Worker(THIEF, { eval: true, execArgv: [], workerData: { memory, pool, skip } });
        await once(thief, "message");
        let late = false;
        // On a busy machine the thief may come too late for a pass: there is another one.
        for (const deadline = performance.now() + PATIENCE; !late && performance.now() < deadline; ) {
          context.reset();
          context.begin(prompt(ids));
          for (let status = 1; status !== 0; ) {
            status = engine.do("context_step", context.handle);
            if (!core.call("thread_late", pool)) continue;
            late = true;
            await thief.terminate();
            core.call("thread_lost", pool, 1);
          }
          assertBits(context.logits(ids.length), want, `${kind}, form ${form}, slice ${skip}`);
        }
        stolen += late ? 1 : 0;
        core.call("thread_stop", pool);
        await thief.terminate();
      }
      assert.ok(stolen > 1, `${stolen} slices were stolen`);
    }
  });
}

test.run();
