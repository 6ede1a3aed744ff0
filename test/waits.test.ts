/**
 * Waits end: whatever a load, or a model whose tables stay elsewhere, waits for, an abort and dispose() end it; what comes
 * without end lets others have their turn; and a server that says nothing is said to say nothing.
 */
import { execFileSync, spawn } from "node:child_process";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { LimpetError, Model, type ModelSource, Tokenizer } from "../src/index.ts";
import { inspectFile } from "../src/load/inspect.ts";
import { quantizeFile } from "../src/quantize.ts";
import { sameBits } from "./support/core.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

const SHAPE = {
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
const BYTES = new Uint8Array(encodeGguf(randomModel(SHAPE, "F16")));
const DEMO = modelBytes("demo");
const IDS = [1, 2, 3, 4];

/** A stream that gives `first`, and then nothing for ever. */
function stalled(first: Uint8Array, type?: "bytes"): ReadableStream<Uint8Array> {
  const source = {
    type,
    start: (controller: { enqueue(bytes: Uint8Array<ArrayBuffer>): void }) => {
      if (first.length) controller.enqueue(first.slice());
    },
    pull: () => new Promise<void>(() => {}),
  };
  return new ReadableStream(source as UnderlyingDefaultSource<Uint8Array>);
}

const NONE = new Uint8Array(0);
const SOME = DEMO.slice(0, 5000);
const MOST = DEMO.slice(0, DEMO.length - 1000);

const STALLED: Record<string, () => ModelSource> = {
  "a stream": () => stalled(NONE),
  "a stream within the header": () => stalled(SOME),
  "a stream within the weights": () => stalled(MOST),
  "a stream of bytes": () => stalled(MOST, "bytes"),
  "a Response": () => new Response(stalled(MOST) as ReadableStream<Uint8Array<ArrayBuffer>>),
  "a Blob": () => {
    const blob = new Blob([DEMO]);
    blob.slice = () => ({ arrayBuffer: () => new Promise(() => {}) }) as never;
    return blob;
  },
};

for (const [what, source] of Object.entries(STALLED)) {
  test(`${what} that gives nothing more: an abort ends the load with the signal's reason`, async () => {
    for (const load of [
      (signal: AbortSignal) => Model.load(source(), { signal }),
      (signal: AbortSignal) => Model.plan(source(), { signal }),
      (signal: AbortSignal) => Tokenizer.load(source(), { signal }),
    ]) {
      const controller = new AbortController();
      const reason = new Error("enough");
      setTimeout(() => controller.abort(reason), 30);
      const alive = setTimeout(() => {}, 10_000);
      const error = await Promise.race([
        // What is in the part that came may be all that is asked for.
        errorOf(() => load(controller.signal)).catch(() => reason),
        new Promise((resolve) => setTimeout(resolve, 3000, "it waits")),
      ]);
      clearTimeout(alive);
      assert.is(error, reason);
    }
  });
}

test("a stream that was aborted is told so", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: () => new Promise(() => {}),
    cancel: () => {
      cancelled = true;
    },
  });
  await errorOf(() => Model.load(stream, { signal: AbortSignal.timeout(30) }));
  assert.ok(cancelled);
});

test("a load in a worker that waits ends with an abort too", async () => {
  const signal = AbortSignal.timeout(300);
  const error = await errorOf(() => Model.load(stalled(MOST), { signal, worker: true }));
  assert.is(error, signal.reason);
});

test("chunks without bytes, and without end, let timers fire: an abort ends them", async () => {
  const empty = () => new ReadableStream<Uint8Array>({ pull: (controller) => controller.enqueue(new Uint8Array(0)) });
  for (const source of [empty(), new Response(empty() as ReadableStream<Uint8Array<ArrayBuffer>>)]) {
    let timers = 0;
    const timer = setInterval(() => timers++, 5);
    const error = await errorOf(() => Model.load(source, { signal: AbortSignal.timeout(500) }));
    clearInterval(timer);
    assert.is(error.name, "TimeoutError");
    assert.ok(timers > 1, `${timers} timers`);
  }
});

test("a stream byte by byte: the model, in time that grows with its length, and timers fire", async () => {
  const byByte = (bytes: Uint8Array) => {
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        if (at < bytes.length) controller.enqueue(bytes.slice(at, ++at));
        else controller.close();
      },
    });
  };
  let timers = 0;
  const timer = setInterval(() => timers++, 5);
  const model = await Model.load(byByte(BYTES));
  clearInterval(timer);
  assert.ok(timers > 2, `${timers} timers`);
  assert.ok(sameBits(await model.logits(IDS), await (await Model.load(BYTES)).logits(IDS)));
  model.dispose();
});

interface Stalling {
  readonly url: string;
  /** From now on answers do not come: not at all, or only their first half. */
  mode: "well" | "no answer" | "half an answer";
  close(): void;
}

async function serve(): Promise<Stalling> {
  const served: Stalling = { url: "", mode: "well", close: () => {} };
  const server = createServer((request, response: ServerResponse) => {
    if (served.mode === "no answer") return;
    const [from, to] = (request.headers.range ?? `bytes=0-${BYTES.length}`).slice(6).split("-").map(Number);
    const end = Math.min(to, BYTES.length - 1);
    response.writeHead(206, {
      "content-range": `bytes ${from}-${end}/${BYTES.length}`,
      "content-length": end + 1 - from,
      etag: '"a"',
    });
    if (served.mode === "half an answer") response.write(BYTES.subarray(from, (from + end) >> 1));
    else response.end(BYTES.subarray(from, end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(served, {
    url: `http://127.0.0.1:${port}/model.gguf`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  });
}

for (const mode of ["no answer", "half an answer"] as const) {
  test(`tables on a server that stalls with ${mode}: dispose and abort end what waits`, async () => {
    const served = await serve();
    try {
      const model = await Model.load(served.url, { tables: "stream", tableCache: 0 });
      served.mode = mode;
      const signal = AbortSignal.timeout(50);
      assert.is(await errorOf(() => model.logits(IDS, { signal })), signal.reason);
      const aborted = AbortSignal.timeout(50);
      assert.is(await errorOf(() => model.generate(IDS, { signal: aborted }).text()), aborted.reason);
      const waits = [
        errorOf(() => model.logits(IDS)),
        errorOf(() => model.generate(IDS).text()),
        errorOf(() => model.perplexity(Array(64).fill(1), { context: 32 })),
      ];
      await new Promise((resolve) => setTimeout(resolve, 100));
      model.dispose();
      for (const error of await Promise.all(waits)) {
        assert.instance(error, LimpetError);
        assert.is(error.code, "WRONG_STATE", error.message);
      }
    } finally {
      served.close();
    }
  });
}

test("dispose closes a file when the reads that go on are done, and they end in words", async () => {
  const path = temporaryFile("disposed.gguf", BYTES);
  for (let i = 0; i < 20; i++) {
    const model = await Model.load(path, { tables: "stream", tableCache: 0 });
    const waits = [model.logits(IDS), model.logits(Array(200).fill(5))].map((wait) =>
      errorOf(() => wait).catch(() => null),
    );
    if (i % 2) await new Promise((resolve) => setImmediate(resolve));
    model.dispose();
    for (const error of await Promise.all(waits)) {
      if (error) assert.is((error as Error & { code?: unknown }).code, "WRONG_STATE", error.message);
    }
  }
});

test("a server that says nothing for some seconds is said to, once", async () => {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text: string) => said.push(text);
  const served = await serve();
  try {
    served.mode = "no answer";
    const error = await errorOf(() => Model.load(served.url, { signal: AbortSignal.timeout(6000) }));
    assert.is(error.name, "TimeoutError");
  } finally {
    console.warn = warn;
    served.close();
  }
  assert.is(said.length, 1);
  assert.match(said[0], /model\.gguf has given nothing for 5 seconds; it is waited for until you abort it/);
});

test("a wasm that does not come: an abort ends the load", async () => {
  const served = await serve();
  try {
    served.mode = "no answer";
    const never = () => new Promise<never>(() => {});
    const path = temporaryFile("wasm-waits.gguf", BYTES);
    for (const wasm of [served.url, new URL(served.url), served.url.replace("http", "HTTP"), never]) {
      const signal = AbortSignal.timeout(50);
      assert.is(await errorOf(() => Model.load(DEMO, { wasm, signal })), signal.reason);
      const other = AbortSignal.timeout(50);
      assert.is(await errorOf(() => Tokenizer.load(DEMO, { wasm, signal: other })), other.reason);
      const third = AbortSignal.timeout(50);
      const quantized = quantizeFile(path, `${path}.q8`, "Q8_0", { wasm, signal: third });
      assert.is(await errorOf(() => quantized), third.reason);
      const fourth = AbortSignal.timeout(50);
      assert.is(await errorOf(() => Model.load(DEMO, { wasm, worker: true, signal: fourth })), fourth.reason);
    }
  } finally {
    served.close();
  }
});

test("inspecting a file that does not come ends with an abort", async () => {
  const served = await serve();
  try {
    served.mode = "no answer";
    const signal = AbortSignal.timeout(50);
    assert.is(await errorOf(() => inspectFile(served.url, { signal })), signal.reason);
    const other = AbortSignal.timeout(50);
    assert.is(await errorOf(() => inspectFile(stalled(SOME.slice(0, 100)), { signal: other })), other.reason);
  } finally {
    served.close();
  }
});

test("Ctrl-C ends a command that waits for a server", async () => {
  let asked = () => {};
  const server = createServer(() => asked());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
  try {
    for (const words of [["inspect"], ["generate", "-p", "a"]]) {
      const waits = new Promise<void>((resolve) => {
        asked = resolve;
      });
      const child = spawn(process.execPath, ["--import", "tsx", cli, ...words, url]);
      const ended = new Promise((resolve) => child.on("exit", resolve));
      await Promise.race([waits, ended]);
      child.kill("SIGINT");
      assert.is(await ended, 130, words[0]);
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a pipe that nobody writes to, a folder and a device are no files, and are told so at once", async () => {
  const pipe = temporaryFile("pipe.txt").replace("pipe.txt", "pipe.gguf");
  try {
    execFileSync("mkfifo", [pipe]);
  } catch {
    return; // a host without pipes
  }
  for (const path of [pipe, "/dev/zero", "/tmp"]) {
    for (const open of [
      () => Model.load(path),
      () => Model.load(path, { tables: "stream" }),
      () => Tokenizer.load(path),
      () => inspectFile(path),
    ]) {
      const error = await errorOf(open);
      assert.is(error.code, "HOST");
      assert.match(error.message, /this is a (folder|device or pipe), not a file/);
    }
  }
});

test("a file that is written to while it is loaded is no model", async () => {
  const { appendFileSync } = await import("node:fs");
  const path = temporaryFile("growing.gguf", BYTES);
  let done = false;
  const onProgress = () => {
    if (!done) appendFileSync(path, "more");
    done = true;
  };
  const error = await errorOf(() => Model.load(path, { onProgress }));
  assert.is(error.code, "BAD_FILE");
  assert.match(error.message, /growing\.gguf was changed since/);
});

test.run();
