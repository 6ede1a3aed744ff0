/**
 * Downloads: a model is never put together of two versions of a file, whatever a server answers to the rest of one; and
 * what cannot go on begins anew, or is an error in words. No load leaves a connection behind.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { LimpetError, Model, Tokenizer } from "../src/index.ts";
import { sameBits } from "./support/core.ts";
import { errorOf } from "./support/models.ts";

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

const V1 = new Uint8Array(encodeGguf(randomModel(SHAPE, "F32")));
const V2 = V1.slice();
// The same file with other weights.
for (let at = V1.length - 60_000; at < V1.length; at += 4) V2[at] ^= 1;
const IDS = [1, 2, 3, 4];
const logitsOf = async (model: Model): Promise<Float32Array> => {
  const logits = await model.logits(IDS);
  model.dispose();
  return logits;
};
const WANT = [await logitsOf(await Model.load(V1)), await logitsOf(await Model.load(V2))];
assert.not.ok(sameBits(WANT[0], WANT[1]));
const HALF = V1.length - 30_000;

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

interface Served {
  readonly url: string;
  readonly ranges: (string | undefined)[];
  /** Connections on which an answer is still being sent. */
  readonly busy: () => number;
}

/** Runs `work` with a server that answers so. */
async function serving<T>(answer: Answer, work: (served: Served) => Promise<T>): Promise<T> {
  const ranges: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    sockets.add(request.socket);
    response.on("close", () => sockets.delete(request.socket));
    response.on("finish", () => sockets.delete(request.socket));
    answer(request, response, ranges.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.gguf`;
  try {
    return await work({ url, ranges, busy: () => sockets.size });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Half of a file, and then no connection. */
function half(response: ServerResponse, bytes: Uint8Array, headers: Record<string, string | number>): void {
  response.writeHead(200, { "content-length": bytes.length, ...headers });
  response.write(bytes.subarray(0, HALF), () => setTimeout(() => response.destroy(), 20));
}

function rest(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, headers = {}): void {
  const from = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1]);
  response.writeHead(206, { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`, ...headers });
  response.end(bytes.subarray(from));
}

const DAY = "Sun, 01 Feb 2026 10:00:00 GMT";
const LATER = "Sun, 01 Feb 2026 11:00:00 GMT";

/** Headers of the first answer, and of the rest, which is of another version. */
const OTHERS: Record<string, [Record<string, string>, Record<string, string>]> = {
  "a changed tag": [{ etag: '"a"' }, { etag: '"b"' }],
  "a changed weak tag": [{ etag: 'W/"a"' }, { etag: 'W/"b"' }],
  "the same weak tag, which promises nothing": [{ etag: 'W/"a"' }, { etag: 'W/"a"' }],
  "an empty tag, which all versions have": [{ etag: "" }, { etag: "" }],
  "a tag of no letters": [{ etag: '""' }, { etag: '""' }],
  "a date that is none": [{ "last-modified": "" }, { "last-modified": "" }],
  "the beginning of time": [
    { "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT" },
    { "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT" },
  ],
  "no tag any more": [{ etag: '"a"' }, {}],
  "a tag where there was none": [{}, { etag: '"b"' }],
  "no tags at all": [{}, {}],
  "another date": [{ "last-modified": DAY }, { "last-modified": LATER }],
  "the same tag and another date": [
    { etag: '"a"', "last-modified": DAY },
    { etag: '"a"', "last-modified": LATER },
  ],
  "another length": [{ etag: '"a"' }, { etag: '"a"', "content-range": `bytes ${HALF}-${V2.length}/${V2.length + 1}` }],
  "another beginning": [{ etag: '"a"' }, { etag: '"a"', "content-range": `bytes 0-${V2.length - 1}/${V2.length}` }],
  "no content-range that can be read": [{ etag: '"a"' }, { etag: '"a"', "content-range": `bytes ${HALF}-` }],
  "an unknown length": [{ etag: '"a"' }, { etag: '"a"', "content-range": `bytes ${HALF}-${V2.length - 1}/*` }],
};

for (const [what, [before, after]] of Object.entries(OTHERS)) {
  test(`a download that breaks off, and goes on with ${what}: begun anew, never mixed`, async () => {
    const answer: Answer = (request, response, count) => {
      if (count === 1) half(response, V1, before);
      else if (request.headers.range) rest(request, response, V2, after);
      else response.writeHead(200, { "content-length": V2.length }).end(V2);
    };
    await serving(answer, async ({ url }) => {
      assert.ok(sameBits(await logitsOf(await Model.load(url)), WANT[1]));
    });
  });

  test(`a server that has no beginning any more, and ${what}: an error in words`, async () => {
    const answer: Answer = (request, response, count) => {
      if (count === 1) half(response, V1, before);
      else if (request.headers.range) rest(request, response, V2, after);
      else response.writeHead(206, { "content-range": `bytes ${HALF}-${V2.length - 1}/${V2.length}` }).end();
    };
    await serving(answer, async ({ url }) => {
      const error = await errorOf(() => Model.load(url));
      assert.is(error.code, "HOST");
      assert.match(error.message, /answers with a part of the file: ask for all of it/);
    });
  });
}

const SAME: Record<string, Record<string, string>> = {
  "a strong tag": { etag: '"a"' },
  "a date": { "last-modified": DAY },
  "a weak tag and a date": { etag: 'W/"a"', "last-modified": DAY },
};

for (const [what, headers] of Object.entries(SAME)) {
  test(`a download that breaks off goes on where ${what} says that it is the same file`, async () => {
    const answer: Answer = (request, response, count) => {
      if (count === 1) half(response, V1, headers);
      else if (count === 2) response.writeHead(503).end();
      else rest(request, response, V1, headers);
    };
    await serving(answer, async ({ url, ranges }) => {
      assert.ok(sameBits(await logitsOf(await Model.load(url)), WANT[0]));
      assert.is(ranges.length, 3);
      assert.match(ranges[2]!, /^bytes=\d+-$/);
    });
  });
}

test("a server that breaks off each time, and gives no rest: a few beginnings, and then words", async () => {
  await serving(
    (_, response) => half(response, V1, {}),
    async ({ url, ranges }) => {
      const error = await errorOf(() => Model.load(url));
      assert.is(error.code, "HOST");
      assert.match(error.message, /broke off after \d+ of \d+ bytes/);
      assert.is(ranges.length, 3);
    },
  );
});

for (const length of ["abc", "-5", "1e9", "5, 5", "99999999999999999999", ""]) {
  test(`a length of ${JSON.stringify(length)} is none: the model loads`, async () => {
    const response = new Response(V1, { headers: { "content-length": length } });
    assert.ok(sameBits(await logitsOf(await Model.load(response)), WANT[0]));
  });
}

test("a length that is of encoded bytes does not make a sound file a broken one", async () => {
  // What is shown of an answer of another origin: its length, and not its encoding.
  const packed = gzipSync(V1);
  const seen = new Response(V1, { headers: { "content-length": String(packed.length) } });
  Object.defineProperty(seen, "type", { value: "cors" });
  assert.ok(sameBits(await logitsOf(await Model.load(seen)), WANT[0]));
  const answer: Answer = (_, response) =>
    response.writeHead(200, { "content-length": packed.length, "content-encoding": "gzip" }).end(packed);
  await serving(answer, async ({ url }) => {
    assert.ok(sameBits(await logitsOf(await Model.load(url)), WANT[0]));
  });
});

test("what a server says that has no model, with advice that fits", async () => {
  const advice: [number, RegExp][] = [
    [401, /answers 401: fetch it with what it wants/],
    [404, /answers 404: check its path/],
    [500, /answers 500: try again later/],
  ];
  for (const [status, words] of advice) {
    await serving(
      (_, response) => response.writeHead(status).end("sorry"),
      async ({ url }) => {
        for (const load of [
          () => Model.load(url),
          () => Model.load(url, { tables: "stream" }),
          async () => Model.load(await fetch(url)),
          async () => Model.load(await fetch(url), { worker: true }),
        ]) {
          const error = await errorOf(load);
          assert.is(error.code, "HOST");
          assert.match(error.message, words);
        }
      },
    );
  }
  const error = await errorOf(() => Model.load("http://127.0.0.1:1/m.gguf"));
  assert.match(error.message, /cannot be fetched: fetch failed \(.+\)/);
});

/** Waits until no connection is open, or there is no hope. */
async function ended(busy: () => number): Promise<void> {
  for (let i = 0; i < 200 && busy() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("loads that fail end every connection that they began", async () => {
  const page = new TextEncoder().encode("<!doctype html>".repeat(10));
  /** Answers that never end. */
  const endless: Record<string, Answer> = {
    "no model": (_, response) => response.writeHead(200).write(page),
    "an error": (_, response) => response.writeHead(500).write(page),
    "a range that is none": (request, response) =>
      response.writeHead(request.headers.range ? 200 : 200, { "content-length": V1.length }).write(page),
    "more than the range": (_, response) =>
      response.writeHead(206, { "content-range": `bytes 0-65535/${V1.length}` }).write(new Uint8Array(1e6)),
    "a part": (_, response) =>
      response.writeHead(206, { "content-range": `bytes 5-65535/${V1.length}` }).write(new Uint8Array(1e6)),
    "the middle of a file": (_, response) =>
      response.writeHead(200, { "content-length": V1.length }).write(V1.subarray(0, HALF)),
  };
  for (const [what, answer] of Object.entries(endless)) {
    await serving(answer, async ({ url, busy }) => {
      const signal = AbortSignal.timeout(300);
      const loads = [
        Model.load(url, { signal }),
        Model.load(url, { tables: "stream", signal }),
        Model.plan(url.replace("model.", "model-00001-of-00003."), { signal }),
        Tokenizer.load(url, { signal }),
      ];
      await Promise.allSettled(loads);
      await ended(busy);
      assert.is(busy(), 0, what);
    });
  }
});

test("a split model of which a part is not there: the other connections are ended", async () => {
  const answer: Answer = (request, response) => {
    if (request.url!.includes("00003-of")) response.writeHead(404).end();
    else response.writeHead(200, { "content-length": V1.length }).write(V1.subarray(0, 1000));
  };
  await serving(answer, async ({ url, busy }) => {
    const error = await errorOf(() => Model.load(url.replace("model.", "model-00001-of-00004.")));
    assert.match(error.message, /00003-of-00004\.gguf answers 404/);
    await ended(busy);
    assert.is(busy(), 0);
  });
});

const LIES: Record<string, (from: number, to: number) => Record<string, string>> = {
  "of another place": (from, to) => ({ "content-range": `bytes ${from + 70_000}-${to + 70_000}/${V1.length}` }),
  "that always begins at 70000": (from, to) => ({ "content-range": `bytes 70000-${70_000 + to - from}/${V1.length}` }),
  "longer than asked": (from, to) => ({ "content-range": `bytes ${from}-${to + 8}/${V1.length}` }),
  "of another length": (from, to) => ({ "content-range": `bytes ${from}-${to}/${V1.length + 1}` }),
  "without its place": () => ({}),
  "with another tag": (from, to) => ({ "content-range": `bytes ${from}-${to}/${V1.length}`, etag: '"b"' }),
  "with another date": (from, to) => ({ "content-range": `bytes ${from}-${to}/${V1.length}`, "last-modified": LATER }),
  encoded: (from, to) => ({ "content-range": `bytes ${from}-${to}/${V1.length}`, "content-encoding": "identity" }),
};

function rangeOf(request: IncomingMessage): [number, number] {
  const [from, to] = request.headers.range!.slice(6).split("-").map(Number);
  return [from, Math.min(to, V1.length - 1)];
}

for (const [what, headers] of Object.entries(LIES)) {
  test(`tables that stay on a server: a range ${what} is an error, and no row`, async () => {
    let lies = false;
    const answer: Answer = (request, response) => {
      const [from, to] = rangeOf(request);
      const honest = { "content-range": `bytes ${from}-${to}/${V1.length}`, etag: '"a"', "last-modified": DAY };
      response.writeHead(206, lies ? { etag: '"a"', "last-modified": DAY, ...headers(from, to) } : honest);
      response.end(V1.subarray(from, to + 1));
    };
    await serving(answer, async ({ url }) => {
      const model = await Model.load(url, { tables: "stream", tableCache: 0 });
      lies = true;
      const error = await errorOf(() => model.logits(IDS));
      assert.instance(error, LimpetError);
      assert.is(error.code, "BAD_FILE", error.message);
      assert.match(error.message, /was changed since/);
      lies = false;
      assert.ok(sameBits(await logitsOf(model), WANT[0]));
    });
  });
}

test("tables that stay on a server which gives less of a range at a time: the same bits", async () => {
  const answer: Answer = (request, response) => {
    const [from, to] = rangeOf(request);
    const end = Math.min(to, from + 99);
    response.writeHead(206, { "content-range": `bytes ${from}-${end}/${V1.length}` }).end(V1.subarray(from, end + 1));
  };
  await serving(answer, async ({ url }) => {
    const model = await Model.load(url, { tables: "stream", tableCache: 0 });
    assert.ok(sameBits(await logitsOf(model), WANT[0]));
  });
});

test.run();
