/**
 * Sources are taken for what they are: of any realm, with any case of a URL's scheme and whatever stands behind its name;
 * and what is no source is refused by what it is.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { LimpetError, Model, type ModelSource, Tokenizer } from "../src/index.ts";
import { sourceName, splitNames } from "../src/load/source.ts";
import { sameBits } from "./support/core.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

const BYTES = modelBytes("llama-tiny", "Q8_0");
const IDS = [1, 2, 3];
const WANT = await (await Model.load(BYTES)).logits(IDS);

/** An object of another realm, made by an expression over the model's bytes. */
function foreign<T>(expression: string): T {
  const globals = { bytes: BYTES, Blob, File, Response, ReadableStream };
  return runInNewContext(`const own = new Uint8Array(bytes.length); own.set(bytes); ${expression}`, globals) as T;
}

/** The same object with no class that we know. */
function classless<T extends object>(object: T): T {
  return new Proxy(object, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    getPrototypeOf: () => null,
    has: (target, name) => Reflect.has(target, name),
  });
}

const shared = (): SharedArrayBuffer => {
  const buffer = new SharedArrayBuffer(BYTES.length);
  new Uint8Array(buffer).set(BYTES);
  return buffer;
};

const PATH = temporaryFile("a model?x#y.gguf", BYTES);

const SOURCES: Record<string, () => ModelSource> = {
  "an ArrayBuffer of another realm": () => foreign("own.buffer"),
  "a Uint8Array of another realm": () => foreign("own"),
  "a DataView of another realm": () => foreign("new DataView(own.buffer)"),
  "a Float32Array over the bytes": () => new Float32Array(BYTES.slice(0, BYTES.length & ~3).buffer),
  "a BigUint64Array of another realm": () => foreign("new BigUint64Array(own.buffer, 0, own.length >> 3)"),
  "a SharedArrayBuffer": shared,
  "a view of shared bytes": () => new Uint8Array(shared()),
  "a Blob without a class that we know": () => classless(new Blob([BYTES])),
  "a File without a class that we know": () => classless(new File([BYTES], "x.gguf")),
  "a Response without a class that we know": () => classless(new Response(BYTES)),
  "a stream without a class that we know": () => classless(new Blob([BYTES]).stream()),
  "a stream of ArrayBuffers": () =>
    new ReadableStream({
      start(controller) {
        controller.enqueue(BYTES.slice(0, 1000).buffer as never);
        controller.enqueue(new DataView(BYTES.slice(1000).buffer) as never);
        controller.close();
      },
    }),
  "a URL without a class that we know": () => classless(pathToFileURL(PATH)),
  "a path with ? and #": () => PATH,
  "FILE: as text": () => pathToFileURL(PATH).href.replace("file:", "FILE:"),
  "DATA: as text": () => `DATA:application/octet-stream;base64,${Buffer.from(BYTES).toString("base64")}`,
  "BLOB: as text": () => URL.createObjectURL(new Blob([BYTES])).replace("blob:", "Blob:"),
};

for (const [what, source] of Object.entries(SOURCES)) {
  test(`${what} is a model's bytes`, async () => {
    const cut = /Float32|BigUint64/.test(what);
    if (cut && BYTES.length % 8) {
      // A view of larger elements holds but a part of these bytes: that is what is read.
      const error = await errorOf(() => Model.load(source()));
      if (error.code === "BAD_FILE") return;
    }
    const model = await Model.load(source());
    assert.ok(sameBits(await model.logits(IDS), WANT));
    model.dispose();
  });
}

test("what is no source is refused by what it is", async () => {
  const wrong: [unknown, RegExp][] = [
    [null, /not from null/],
    [undefined, /not from undefined/],
    [5, /not from 5/],
    [true, /not from true/],
    ["", /not from an empty text/],
    [[...BYTES], /not from Array/],
    [{}, /not from Object/],
    [() => BYTES, /not from/],
    [Promise.resolve(BYTES), /not from Promise/],
    [Symbol("x"), /not from Symbol\(x\)/],
    [{ length: 4, 0: 71 }, /not from Object/],
    [{ size: Number.NaN, slice: () => {}, arrayBuffer: () => {} }, /not from Object/],
    ["ftp://host/m.gguf", /ftp:\/\/host\/m\.gguf: what is read are http/],
  ];
  for (const [source, words] of wrong) {
    for (const load of [
      () => Model.load(source as never),
      () => Model.load(source as never, { tables: "stream" }),
      () => Model.plan(source as never),
      () => Tokenizer.load(source as never),
      () => Model.load(source as never, { worker: true }),
    ]) {
      const error = await errorOf(load);
      assert.instance(error, LimpetError);
      assert.is(error.code, "BAD_ARGUMENT");
      assert.match(error.message, words);
    }
  }
});

test("a list with holes is no source", async () => {
  for (const source of [new Array(3), Object.assign(new Array(2), { 1: new Blob(["GGUF"]) })]) {
    const error = await errorOf(() => Model.load(source as Blob[]));
    assert.is(error.name, "LimpetError");
    assert.match(error.message, /a model is loaded from a path/);
  }
});

test("bytes that were given away, and streams that others read, are refused in words", async () => {
  const given = BYTES.slice();
  structuredClone(given.buffer, { transfer: [given.buffer] });
  for (const source of [given, given.buffer]) {
    const error = await errorOf(() => Model.load(source));
    assert.is(error.code, "BAD_ARGUMENT");
    assert.match(error.message, /the bytes are gone/);
  }
  const meanwhile = BYTES.slice();
  const onProgress = () => meanwhile.buffer.byteLength && structuredClone(0, { transfer: [meanwhile.buffer] });
  const late = await errorOf(() => Model.load(meanwhile, { onProgress: () => void onProgress() }));
  assert.is(late.code, "WRONG_STATE");

  const locked = new Blob([BYTES]).stream();
  locked.getReader();
  assert.match((await errorOf(() => Model.load(locked))).message, /locked/);
  for (const options of [{}, { worker: true as const }]) {
    const read = new Response(BYTES);
    await read.arrayBuffer();
    assert.match((await errorOf(() => Model.load(read, options as object))).message, /read before: fetch it anew/);
    const begun = new Response(BYTES);
    begun.body!.getReader();
    assert.match((await errorOf(() => Model.load(begun, options as object))).message, /read before: fetch it anew/);
  }
  for (const chunk of ["GGUF", 71, null, {}, [71]]) {
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(chunk);
        controller.close();
      },
    });
    const error = await errorOf(() => Model.load(stream as ReadableStream<Uint8Array>));
    assert.is(error.code, "BAD_ARGUMENT");
    assert.match(error.message, /the stream gives (strings|numbers|objects) where bytes/);
  }
});

test("a stream that gives something else than bytes, or is none, is refused in words and at once", async () => {
  for (const [value, what] of [
    [undefined, "nothing"],
    [null, "objects"],
    ["text", "strings"],
    [5, "numbers"],
    [{}, "objects"],
  ] as const) {
    const chunks: unknown[] = [BYTES.subarray(0, 5000), value, BYTES.subarray(5000)];
    const stream = new ReadableStream({
      pull: (controller) => (chunks.length ? controller.enqueue(chunks.shift()) : controller.close()),
    });
    const error = await errorOf(() => Model.load(stream));
    assert.is(error.code, "BAD_ARGUMENT", error.message);
    assert.match(error.message, new RegExp(`the stream gives ${what} where bytes`));
  }
  for (const answer of [null, 5, {}]) {
    const reader = { read: async () => answer, releaseLock() {} };
    const error = await errorOf(() => Model.load({ getReader: () => reader } as unknown as ReadableStream<Uint8Array>));
    assert.instance(error, LimpetError, String(error));
  }
});

test("a split model behind a URL with a query: it goes to each part, and the name is without it", async () => {
  const file = makeModel("llama-tiny", "Q8_0");
  const half = file.tensors.length >> 1;
  const parts = [file.tensors.slice(0, half), file.tensors.slice(half)].map((tensors, i) => {
    const metadata: typeof file.metadata = [
      ...(i === 0 ? file.metadata.filter(([key]) => key !== "general.name") : []),
      ["split.no", "u32", i],
      ["split.count", "u32", 2],
      ["split.tensors.count", "i32", file.tensors.length],
    ];
    return new Uint8Array(encodeGguf({ metadata, tensors }));
  });
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const bytes = parts[request.url!.includes("-00002-of-00002") ? 1 : 0];
    const range = request.headers.range?.slice(6).split("-").map(Number);
    if (!range) return void response.end(bytes);
    const end = Math.min(range[1], bytes.length - 1);
    response.writeHead(206, { "content-range": `bytes ${range[0]}-${end}/${bytes.length}` });
    response.end(bytes.subarray(range[0], end + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `127.0.0.1:${(server.address() as AddressInfo).port}/m-00001-of-00002.gguf`;
  try {
    for (const url of [`http://${base}?download=true`, new URL(`http://${base}?a=b#c`), `HTTP://${base}`]) {
      for (const tables of ["resident", "stream"] as const) {
        const model = await Model.load(url, { tables });
        assert.ok(sameBits(await model.logits(IDS), WANT));
        assert.is(model.info.name, "m-00001-of-00002.gguf");
        model.dispose();
      }
    }
    assert.ok(asked.includes("/m-00002-of-00002.gguf?download=true"));
    assert.ok(asked.includes("/m-00002-of-00002.gguf?a=b"));
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("the wasm is found by a URL of any spelling and realm", async () => {
  const file = new URL("../build/limpet.wasm", import.meta.url);
  for (const wasm of [file.href, file.href.replace("file:", "FILE:"), classless(file), fileURLToPath(file)]) {
    const model = await Model.load(BYTES, { wasm });
    assert.ok(sameBits(await model.logits(IDS), WANT));
    model.dispose();
  }
  const error = await errorOf(() => Model.load(BYTES, { wasm: "ftp://host/limpet.wasm" }));
  assert.is(error.code, "HOST");
  assert.match(error.message, /wasm cannot be had: ftp:\/\/host/);
});

test("names: of parts, and for info", () => {
  assert.equal(splitNames("a-00001-of-00000.gguf"), ["a-00001-of-00000.gguf"]);
  assert.equal(splitNames("a-00001-of-00001.gguf"), ["a-00001-of-00001.gguf"]);
  assert.equal(splitNames("a-00001-of-00002.gguf"), ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"]);
  assert.equal(splitNames("a-00001-of-00002.gguf?x"), ["a-00001-of-00002.gguf?x"], "a path's name ends there");
  assert.equal(splitNames("https://h/?x=a-00001-of-00002.gguf"), ["https://h/?x=a-00001-of-00002.gguf"]);
  assert.is(sourceName("https://h/a/m.gguf?x=/y#z"), "m.gguf");
  assert.is(sourceName(new URL("https://h/a/m.gguf?x=1")), "m.gguf");
  assert.is(sourceName("data:,x/y"), null);
  assert.is(sourceName("/a/b?c.gguf"), "b?c.gguf");
  assert.is(sourceName(new File([], "f.gguf")), "f.gguf");
  assert.is(sourceName(new Uint8Array(4)), null);
});

test.run();
