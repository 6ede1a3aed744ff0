/**
 * A thing that nobody holds any more is freed without `dispose`: contexts of sessions, generations and scorings, threads,
 * workers and open files, once the host's collector has noticed.
 */
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker as NodeWorker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimpetError, Model, Tokenizer } from "../src/index.ts";
import { adapterBytes } from "./support/adapters.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
const TINY = modelBytes("llama-tiny", "Q8_0");

/** Lets the collector see what was dropped, until that holds or there is no hope. */
async function collected(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 40 && !done(); i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return done();
}

const threads = () => readdirSync("/proc/self/task").length;
const files = () => readdirSync("/proc/self/fd").length;
const isLinux = process.platform === "linux";

test("sessions and generations give their contexts back", async () => {
  const model = await Model.load(TINY);
  const few = () => model.memory.contexts.length <= 5;
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 10; i++) {
      model.session().append([1, 2, 3]);
      await model.generate("A", { maxTokens: 5 }).next();
      await model.session().generate([1, 2], { maxTokens: 5 }).next();
      await model
        .logitChunks(
          Array.from({ length: 80 }, () => 1),
          { chunk: 8 },
        )
        .next();
    }
    assert.ok(await collected(few), `round ${round}: ${model.memory.contexts.length} contexts are left`);
  }
  assert.ok(model.memory.linear < 200 << 20, `${model.memory.linear} bytes`);
});

test("adapters give their memory back, as soon as no session uses them", async () => {
  const file = adapterBytes("llama-tiny", { seed: 1 });
  for (const worker of [false, true]) {
    const model = await (worker ? Model.load(TINY, { worker }) : Model.load(TINY));
    const linear = async () => (typeof model.memory === "function" ? await model.memory() : model.memory).linear;
    let most = 0;
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20; i++) {
        const adapter = await model.adapter(file);
        if (i % 4 === 0) await model.generate("A", { maxTokens: 5, adapters: [[adapter, 1]] }).next();
      }
      let looks = 0;
      await collected(() => looks++ > 8);
      if (round === 1) most = await linear();
    }
    assert.ok((await linear()) <= most + (4 << 20), `${await linear()} bytes, ${most} of them after two rounds`);
    model.dispose();
  }
});

test("a session lives on when its model is dropped, and a generation when its session is", async () => {
  let session = await (async () => (await Model.load(TINY, { threads: 2 })).session())();
  await collected(() => false);
  session.append([1, 2, 3]);
  const text = await session.generate(undefined, { maxTokens: 9 }).text();
  const generation = session.generate([4], { maxTokens: 9 });
  const { value } = await generation.next();
  session = null as unknown as typeof session;
  await collected(() => false);
  assert.is(typeof ((value?.text ?? "") + (await generation.text()) + text), "string");
  assert.is(generation.result?.tokens.length, 9);
});

if (isLinux) {
  test("models with threads, and tokenizers that were asked for some, leave none", async () => {
    const before = threads();
    for (let i = 0; i < 4; i++) {
      await Tokenizer.load(TINY, { threads: 4 });
      await Tokenizer.load(new Uint8Array(50), { threads: 4 }).catch(() => {});
    }
    assert.ok(threads() <= before + 1, `${threads()} threads, ${before} before: a tokenizer takes one`);
    for (let i = 0; i < 5; i++) await (await Model.load(TINY, { threads: 3 })).generate("A", { maxTokens: 2 }).text();
    assert.ok(await collected(() => threads() <= before + 1), `${threads()} threads, ${before} before`);
  });

  test("threads that cannot be told their task end, and the error is limpet's own", async () => {
    const before = threads();
    const { postMessage } = NodeWorker.prototype;
    NodeWorker.prototype.postMessage = function (message, ...more) {
      if (message?.pool !== undefined) throw new Error("no message goes through");
      postMessage.call(this, message, ...more);
    };
    try {
      const error = await errorOf(() => Model.load(TINY, { threads: 3 }));
      assert.instance(error, LimpetError);
      assert.is(error.code, "HOST");
      assert.match(error.message, /threads cannot be started: no message goes through/);
    } finally {
      NodeWorker.prototype.postMessage = postMessage;
    }
    assert.ok(await collected(() => threads() <= before), `${threads()} threads, ${before} before`);
  });

  test("models in workers end with who held them, but not before", async () => {
    const before = threads();
    for (let i = 0; i < 3; i++) {
      await (await Model.load(TINY, { worker: true })).generate("A", { maxTokens: 2 }).text();
    }
    let session = await (await Model.load(TINY, { worker: true })).session();
    await collected(() => false);
    await session.append("A");
    assert.is((await session.tokens()).length > 0, true);
    session = null as unknown as typeof session;
    assert.ok(await collected(() => threads() <= before + 1), `${threads()} threads, ${before} before`);
  });

  test("sessions and generations in a worker give their contexts back", async () => {
    const model = await Model.load(TINY, { worker: true });
    for (let i = 0; i < 12; i++) {
      await (await model.session()).append([1]);
      await model.generate("A", { maxTokens: 9 }).next();
    }
    let left = 99;
    for (let i = 0; i < 20 && left > 5; i++) {
      await collected(() => false);
      left = (await model.memory()).contexts.length;
    }
    assert.ok(left <= 5, `${left} contexts`);
    model.dispose();
  });

  test("models whose tables stay in the file close it", async () => {
    const path = temporaryFile("dropped.gguf", modelBytes("memoryformer-tiny", "Q8_0"));
    const before = files();
    for (let i = 0; i < 10; i++) await (await Model.load(path, { tables: "stream" })).logits([1, 2]);
    assert.ok(await collected(() => files() <= before), `${files()} files, ${before} before`);
  });
}

test.run();
