/**
 * `Model.load(source, { experts: "stream" })`: the same answers from a file, a Blob, a URL with ranges and a worker, and
 * what goes wrong on the way is a typed error that leaves the model usable.
 */
import { appendFileSync, truncateSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model, type ModelSource } from "../src/index.ts";
import { sameBits } from "./support/core.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";
import { type Served, serve } from "./support/ranged-server.ts";

const BYTES = modelBytes("qwen3moe-tiny", "Q8_0");
const IDS = Array.from({ length: 24 }, (_, i) => (i * 37) % 300);
const STREAM = { experts: "stream", expertCache: 0 } as const;
const resident = await Model.load(BYTES);
const LOGITS = await resident.logits(IDS);
const TEXT = await resident.generate(IDS.slice(0, 9), { maxTokens: 8 }).text();

/** That a model answers as the resident one does. */
async function assertSame(model: Model): Promise<void> {
  assert.ok(sameBits(await model.logits(IDS, { chunk: 16 }), LOGITS));
  assert.is(await model.generate(IDS.slice(0, 9), { maxTokens: 8 }).text(), TEXT);
}

const SOURCES: Record<string, () => ModelSource> = {
  "a path": () => temporaryFile("experts.gguf", BYTES),
  "a Blob": () => new Blob([BYTES]),
  bytes: () => BYTES,
};

for (const [name, source] of Object.entries(SOURCES)) {
  test(`experts stay in ${name}: the bits of the resident model, and less in memory`, async () => {
    const model = await Model.load(source(), STREAM);
    await assertSame(model);
    const { experts, tables, weights } = model.memory;
    assert.is(tables, null);
    assert.is(weights + experts!.bytes, resident.memory.weights);
    assert.ok(experts!.slabsRead > 0 && experts!.slabsRead <= experts!.slabsWanted);
    assert.is(experts!.bytesRead, (experts!.slabsRead * experts!.bytes) / (3 * 3 * 8), "matrices are of one size");
    model.dispose();
  });
}

test("a plan counts the cache; threads, tables that may stay too and batches of sequences change no bit", async () => {
  const whole = await Model.plan(BYTES);
  const least = await Model.plan(BYTES, STREAM);
  assert.ok(least.weights < 0.5 * whole.weights && least.total < whole.total);
  const model = await Model.load(new Blob([BYTES]), { ...STREAM, tables: "stream", threads: 2, expertCache: 400_000 });
  await assertSame(model);
  const batch = model.batch({ sequences: 2 });
  const texts = await Promise.all([0, 1].map(() => batch.session().generate(IDS.slice(0, 9), { maxTokens: 8 }).text()));
  assert.equal(texts, [TEXT, TEXT]);
  model.dispose();
  assert.is((await Model.load(modelBytes("llama-tiny", "Q8_0"), STREAM)).memory.experts, null, "a model without any");
});

test("a worker streams too", async () => {
  const model = await Model.load(temporaryFile("worker.gguf", BYTES), { ...STREAM, worker: true });
  assert.ok(sameBits(await model.logits(IDS, { chunk: 16 }), LOGITS));
  assert.ok((await model.memory()).experts!.slabsRead > 0);
  model.dispose();
});

const BROKEN: [mode: Served["mode"], code: string, words: RegExp][] = [
  ["changed", "BAD_FILE", /was changed since the model was loaded.*load it anew/],
  ["short", "BAD_FILE", /ends before byte \d+.*load it anew/],
  ["gone", "HOST", /answers 503 to a range/],
];

test("a URL that changes, gives less or nothing later: a typed error, and the model goes on when it is well again", async () => {
  const served = await serve(BYTES);
  try {
    const model = await Model.load(served.url, STREAM);
    const session = model.session();
    for (const [mode, code, words] of BROKEN) {
      served.mode = mode;
      const error = await errorOf(() => session.generate(IDS.slice(0, 9), { maxTokens: 8 }).text());
      assert.is(error.code, code, error.message);
      assert.match(error.message, words);
      assert.is((await errorOf(() => model.logits(IDS))).code, code);
      served.mode = "ranges";
      session.rewind(0);
      assert.is(await session.generate(IDS.slice(0, 9), { maxTokens: 8 }).text(), TEXT);
    }
    served.mode = "slow";
    const signal = AbortSignal.timeout(50);
    session.rewind(0);
    assert.is(await errorOf(() => session.generate(IDS.slice(0, 9), { signal }).text()), signal.reason);
    served.mode = "ranges";
    session.rewind(0);
    assert.is(await session.generate(IDS.slice(0, 9), { maxTokens: 8 }).text(), TEXT);
    model.dispose();
  } finally {
    served.close();
  }
});

test("a file that is cut or written to meanwhile is an error in words", async () => {
  for (const spoil of [(path: string) => truncateSync(path, 5000), (path: string) => appendFileSync(path, "more")]) {
    const path = temporaryFile("spoilt.gguf", BYTES);
    const model = await Model.load(path, STREAM);
    spoil(path);
    const error = await errorOf(() => model.generate(IDS.slice(0, 9)).text());
    assert.is(error.code, "BAD_FILE", error.message);
    assert.match(error.message, /spoilt\.gguf was changed since.*load it anew/);
    model.dispose();
  }
});

test("what is no place for experts, and no size of their cache, is refused", async () => {
  assert.match(
    (await errorOf(() => Model.load(BYTES, { experts: "flash" as never }))).message,
    /"resident" or "stream"/,
  );
  assert.is((await errorOf(() => Model.load(BYTES, { ...STREAM, expertCache: -1 }))).code, "BAD_ARGUMENT");
});

test.run();
