/**
 * `Model.load(source, { tables: "stream" })`: the same answers from a file, a Blob, a URL with ranges and a worker, and
 * what goes wrong on the way is a typed error that leaves the model usable.
 */
import { appendFileSync, truncateSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { Model, type ModelSource } from "../src/index.ts";
import { sameBits } from "./support/core.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";
import { type Served, serve } from "./support/ranged-server.ts";

/** Its head is its own, so the embedding is a table. */
const LLAMA = {
  architecture: "llama",
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  ffn: 64,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
} as const;

const BYTES = new Uint8Array(encodeGguf(randomModel(LLAMA, "F16")));
const IDS = Array.from({ length: 60 }, (_, i) => (i * 37) % 300);
const STREAM = { tables: "stream", tableCache: 2000 } as const;
const resident = await Model.load(BYTES);
const LOGITS = await resident.logits(IDS);
const TEXT = await resident.generate(IDS.slice(0, 9), { maxTokens: 12 }).text();

/** That a model answers as the resident one does. */
async function assertSame(model: Model): Promise<void> {
  assert.ok(sameBits(await model.logits(IDS, { chunk: 16 }), LOGITS));
  assert.is(await model.generate(IDS.slice(0, 9), { maxTokens: 12 }).text(), TEXT);
}

const SOURCES: Record<string, () => ModelSource> = {
  "a path": () => temporaryFile("tables.gguf", BYTES),
  "a Blob": () => new Blob([BYTES]),
  "a File": () => new File([BYTES], "tables.gguf"),
  bytes: () => BYTES,
  "a blob URL": () => URL.createObjectURL(new Blob([BYTES])),
};

for (const [name, source] of Object.entries(SOURCES)) {
  test(`tables stay in ${name}: the bits of the resident model`, async () => {
    const model = await Model.load(source(), STREAM);
    await assertSame(model);
    const { tables, weights } = model.memory;
    assert.is(tables!.bytes, 320 * 128);
    assert.is(weights + tables!.bytes, resident.memory.weights);
    assert.ok(tables!.rowsRead > 0 && tables!.rowsRead <= tables!.rowsWanted);
    assert.is(tables!.bytesRead, tables!.rowsRead * 128);
    model.dispose();
  });
}

test("a MemoryFormer: a batch of requests a memory layer, the same bits with threads too", async () => {
  const bytes = modelBytes("memoryformer-tiny");
  const want = await (await Model.load(bytes)).logits(IDS);
  const path = temporaryFile("former.gguf", bytes);
  const sources = [
    [path, 1],
    [path, 2],
    [new Blob([bytes]), 1],
  ] as const;
  for (const [source, threads] of sources) {
    for (const tableCache of [0, 30_000, 8 << 20]) {
      const model = await Model.load(source, { tables: "stream", tableCache, threads });
      for (const chunk of [1, 16, 60]) assert.ok(sameBits(await model.logits(IDS, { chunk }), want));
      const { bytes: left, rowsWanted, rowsRead } = model.memory.tables!;
      assert.is(rowsWanted, 3 * IDS.length * (5 * 32 * model.info.layers + 1));
      assert.ok(left > 0.6 * bytes.length && rowsRead <= rowsWanted);
      model.dispose();
    }
  }
});

test("a MemoryFormer's file that is broken: cut before its tables end, or with a row that is not finite", async () => {
  const bytes = modelBytes("memoryformer-tiny", "F16").slice();
  const cut = await errorOf(() => Model.load(temporaryFile("cut.gguf", bytes.subarray(0, -5000)), STREAM));
  assert.is(cut.code, "BAD_FILE", cut.message);
  const tensors = (await Model.load(bytes)).tensors();
  const { offset, bytes: length } = tensors.find(({ name }) => name === "blk.1.ffn_up.table")!;
  const halves = new Uint16Array(bytes.slice(offset, offset + length).buffer).fill(0x7e00);
  bytes.set(new Uint8Array(halves.buffer), offset);
  const model = await Model.load(new Blob([bytes]), STREAM);
  const error = await errorOf(() => model.generate(IDS.slice(0, 3)).text());
  assert.is(error.code, "BAD_FILE", error.message);
  assert.match(error.message, /blk\.1\.ffn_up\.table holds a value that is no finite number/);
  model.dispose();
});

test("where the head is the embedding, nothing stays outside", async () => {
  const tied = new Uint8Array(encodeGguf(randomModel({ ...LLAMA, tied: true }, "F16")));
  const model = await Model.load(tied, STREAM);
  assert.is(model.memory.tables, null);
  assert.is(model.memory.weights, (await Model.load(tied)).memory.weights);
  assert.is(resident.memory.tables, null);
});

test("a plan counts what stays outside", async () => {
  const { weights } = await Model.plan(BYTES);
  const streamed = await Model.plan(BYTES, { tables: "stream", tableCache: 0 });
  assert.is(weights - streamed.weights, 320 * 128 + 64, "the embedding and its block's head");
});

test("sessions side by side share the rows that were read, and a saved one goes on in the other form", async () => {
  const model = await Model.load(new Blob([BYTES]), { tables: "stream" });
  const [a, b] = [model.session(), model.session()];
  const texts = await Promise.all([a, b].map((session) => session.generate(IDS.slice(0, 9), { maxTokens: 12 }).text()));
  assert.equal(texts, [TEXT, TEXT]);
  const here = resident.session();
  await here.generate(IDS.slice(0, 9), { maxTokens: 4 }).text();
  const there = model.restore(here.save());
  const rest = await there.generate(undefined, { maxTokens: 5 }).text();
  assert.is(rest, await here.generate(undefined, { maxTokens: 5 }).text());
  model.dispose();
});

test("a worker streams too", async () => {
  const model = await Model.load(temporaryFile("worker.gguf", BYTES), { ...STREAM, worker: true });
  assert.ok(sameBits(await model.logits(IDS, { chunk: 16 }), LOGITS));
  assert.is(await model.generate(IDS.slice(0, 9), { maxTokens: 12 }).text(), TEXT);
  assert.ok((await model.memory()).tables!.rowsRead > 0);
  model.dispose();
});

test("a URL: ranges alone are fetched, near ones together", async () => {
  const served = await serve(BYTES);
  try {
    const model = await Model.load(served.url, STREAM);
    assert.ok(served.ranges.every((range) => /^bytes=\d+-\d+$/.test(range)));
    const before = served.ranges.length;
    await assertSame(model);
    const { rowsRead } = model.memory.tables!;
    assert.ok(served.ranges.length - before < rowsRead, "rows of a small embedding lie near each other");
    model.dispose();
  } finally {
    served.close();
  }
});

const BROKEN: [mode: Served["mode"], code: string, words: RegExp][] = [
  ["changed", "BAD_FILE", /was changed since the model was loaded.*load it anew/],
  ["whole", "BAD_FILE", /was changed since/],
  ["short", "BAD_FILE", /ends before byte \d+.*load it anew/],
  ["gone", "HOST", /answers 503 to a range/],
];

for (const [mode, code, words] of BROKEN) {
  test(`a URL that is ${mode} later: a typed error, and the model goes on when it is well again`, async () => {
    const served = await serve(BYTES);
    try {
      const model = await Model.load(served.url, { tables: "stream", tableCache: 0 });
      const session = model.session();
      served.mode = mode;
      const error = await errorOf(() => session.generate(IDS.slice(0, 9), { maxTokens: 12 }).text());
      assert.is(error.code, code, error.message);
      assert.match(error.message, words);
      assert.is((await errorOf(() => model.logits(IDS))).code, code);
      served.mode = "ranges";
      session.rewind(0);
      assert.is(await session.generate(IDS.slice(0, 9), { maxTokens: 12 }).text(), TEXT);
      await assertSame(model);
      model.dispose();
    } finally {
      served.close();
    }
  });
}

test("an abort between request and answer is the signal's reason, and the session goes on", async () => {
  const served = await serve(BYTES);
  try {
    const model = await Model.load(served.url, { tables: "stream", tableCache: 0 });
    const session = model.session();
    served.mode = "slow";
    for (const reason of [undefined, new Error("enough")]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 20);
      const { signal } = controller;
      const error = await errorOf(() => session.generate(IDS.slice(0, 9), { maxTokens: 12, signal }).text());
      assert.is(error, signal.reason);
      session.rewind(0);
    }
    served.mode = "ranges";
    assert.is(await session.generate(IDS.slice(0, 9), { maxTokens: 12 }).text(), TEXT);
    // What is disposed of while it reads ends in words, not in somebody else's memory.
    served.mode = "slow";
    const running = errorOf(() => session.generate(undefined, { maxTokens: 3 }).text());
    await new Promise((resolve) => setTimeout(resolve, 20));
    session.dispose();
    assert.is((await running).code, "WRONG_STATE");
    model.dispose();
  } finally {
    served.close();
  }
});

test("sources that can be read but once, and servers without ranges, are refused in words", async () => {
  const stream = () => new Blob([BYTES]).stream();
  for (const source of [stream(), new Response(BYTES)]) {
    const error = await errorOf(() => Model.load(source, STREAM));
    assert.is(error.code, "BAD_ARGUMENT");
    assert.match(error.message, /read but once.*path or URL, a File or Blob/);
  }
  const served = await serve(BYTES);
  try {
    served.mode = "whole";
    const error = await errorOf(() => Model.load(served.url, STREAM));
    assert.is(error.code, "HOST");
    assert.match(error.message, /range by range.*tables: "resident"/);
  } finally {
    served.close();
  }
  assert.match(
    (await errorOf(() => Model.load(BYTES, { tables: "flash" as never }))).message,
    /"resident" or "stream"/,
  );
  assert.is((await errorOf(() => Model.load(BYTES, { ...STREAM, tableCache: -1 }))).code, "BAD_ARGUMENT");
});

test("a file that is cut or written to meanwhile is an error in words", async () => {
  for (const spoil of [(path: string) => truncateSync(path, 5000), (path: string) => appendFileSync(path, "more")]) {
    const path = temporaryFile("spoilt.gguf", BYTES);
    const model = await Model.load(path, { tables: "stream", tableCache: 0 });
    const session = model.session();
    spoil(path);
    const error = await errorOf(() => session.generate(IDS.slice(0, 9)).text());
    assert.is(error.code, "BAD_FILE", error.message);
    assert.match(error.message, /spoilt\.gguf was changed since.*load it anew/);
    assert.equal(session.tokens, IDS.slice(0, 9), "the session is as it was");
    model.dispose();
  }
});

test("a Blob that cannot be read any more is an error in words", async () => {
  const blob = new Blob([BYTES]);
  const model = await Model.load(blob, { tables: "stream", tableCache: 0 });
  blob.slice = () => ({ arrayBuffer: () => Promise.reject(new DOMException("gone", "NotReadableError")) }) as never;
  const error = await errorOf(() => model.logits(IDS));
  assert.is(error.code, "HOST");
  assert.match(error.message, /the Blob cannot be read any more: gone; load the model anew/);
  model.dispose();
});

test.run();
