/**
 * The cache of a browser, on a file system in memory: what it keeps is one version of one file, it looks at what it finds,
 * two writers never share what is unfinished, and what is no model is not kept.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cached, deleteCached, LimpetError, listCached } from "../src/cache.ts";
import { errorOf } from "./support/models.ts";
import { Folder, installOpfs } from "./support/opfs.ts";

const root = installOpfs();

/** A file of some pieces, of a version. */
function version(seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((16 << 20) + 12345);
  for (let i = 0; i < bytes.length; i += 997) bytes[i] = i * seed;
  bytes.set(new TextEncoder().encode("GGUF"));
  return bytes;
}

const V1 = version(1);
const V2 = version(3);
const SHA = createHash("sha256").update(V2).digest("hex");
const HALF = 9 << 20;

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

/** Runs `work` with a server that answers so, an empty cache, and the ranges that were asked for. */
async function serving(answer: Answer, work: (url: string, ranges: (string | undefined)[]) => Promise<void>) {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response, ranges.length);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  root.content.clear();
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/m.gguf`, ranges);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function half(response: ServerResponse, bytes: Uint8Array, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-length": bytes.length, ...headers });
  response.write(bytes.subarray(0, HALF), () => setTimeout(() => response.destroy(), 30));
}

function whole(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, headers = {}): void {
  const from = Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? Number.NaN);
  if (Number.isNaN(from))
    return void response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
  response.writeHead(206, { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}`, ...headers });
  response.end(bytes.subarray(from));
}

async function isFile(file: File, bytes: Uint8Array): Promise<boolean> {
  return Buffer.compare(new Uint8Array(await file.arrayBuffer()), bytes) === 0;
}

/** The folder of the one model that the cache holds. */
function folder(): Folder {
  const [only] = (root.content.get("limpet") as Folder).content.values();
  return only as Folder;
}

const OTHERS: Record<string, [Record<string, string>, Record<string, string>]> = {
  "another tag": [{ etag: '"a"' }, { etag: '"b"' }],
  "a weak tag": [{ etag: 'W/"a"' }, { etag: 'W/"a"' }],
  "no tag": [{ etag: '"a"' }, {}],
  "no tags at all": [{}, {}],
  "another date": [
    { "last-modified": "Sun, 01 Feb 2026 10:00:00 GMT" },
    { "last-modified": "Sun, 01 Feb 2026 11:00:00 GMT" },
  ],
  "another length": [
    { etag: '"a"' },
    { etag: '"a"', "content-range": `bytes ${HALF}-${V2.length - 1}/${V2.length + 1}` },
  ],
  "another beginning": [{ etag: '"a"' }, { etag: '"a"', "content-range": `bytes 0-${V2.length - 1}/${V2.length}` }],
};

for (const [what, [before, after]] of Object.entries(OTHERS)) {
  test(`a download that breaks off, and goes on with ${what}: begun anew, never mixed, in one visit or two`, async () => {
    const answer: Answer = (request, response, count) => {
      if (count === 1) half(response, V1, before);
      else if (request.headers.range) whole(request, response, V2, after);
      else whole(request, response, V2);
    };
    await serving(answer, async (url) => {
      assert.ok(await isFile(await cached(url), V2));
      assert.equal(await listCached(), [{ url, bytes: V2.length, complete: true }]);
    });
    await serving(answer, async (url) => {
      const controller = new AbortController();
      const onProgress = (bytes: number) => bytes > 8.5 * 2 ** 20 && controller.abort();
      await errorOf(() => cached(url, { signal: controller.signal, onProgress: (n) => void onProgress(n) }));
      assert.is((await listCached())[0].complete, false);
      assert.ok(await isFile(await cached(url), V2));
    });
  });
}

test("a download goes on where a strong tag says that it is the same file", async () => {
  const answer: Answer = (request, response, count) => {
    if (count === 1) half(response, V1, { etag: '"a"' });
    else if (count === 2) response.writeHead(503).end();
    else whole(request, response, V1, { etag: '"a"' });
  };
  await serving(answer, async (url, ranges) => {
    assert.ok(await isFile(await cached(url), V1));
    assert.is(ranges.length, 3);
    assert.match(ranges[2]!, /^bytes=[1-9]\d+-$/);
    assert.ok(await isFile(await cached(`${url}#part`), V1), "what stands behind # is not the server's");
    assert.is(ranges.length, 3);
  });
});

test("what was begun stays when the server refuses for a while, or wants to know more", async () => {
  let status = 0;
  const answer: Answer = (request, response, count) => {
    if (count === 1) half(response, V1, { etag: '"a"' });
    else if (status) response.writeHead(status).end();
    else whole(request, response, V1, { etag: '"a"' });
  };
  await serving(answer, async (url, ranges) => {
    for (status of [403, 404]) {
      const error = await errorOf(() => cached(url));
      assert.match(error.message, new RegExp(`answers ${status}: `));
      const [begun] = await listCached();
      assert.ok(begun.bytes > 0 && !begun.complete);
    }
    status = 0;
    assert.ok(await isFile(await cached(url), V1));
    assert.match(ranges.at(-1)!, /^bytes=[1-9]\d+-$/);
  });
});

test("what is no model is not kept, and is fetched anew when it is one", async () => {
  const page = new TextEncoder().encode("<html>login</html>");
  const answer: Answer = (request, response, count) => whole(request, response, count === 1 ? page : V1);
  await serving(answer, async (url) => {
    const error = await errorOf(() => cached(url));
    assert.is(error.code, "BAD_FILE");
    assert.match(error.message, /gives no GGUF file \(it begins with "<htm"\); it is not kept/);
    assert.equal(await listCached(), []);
    assert.ok(await isFile(await cached(url), V1));
  });
});

test("a server that does not say how long a file is, or packs it, is asked by range", async () => {
  const packed = gzipSync(V1);
  const unsaid: Record<string, Answer> = {
    "no length": (request, response) => {
      if (request.headers.range) whole(request, response, V1);
      else response.writeHead(200).end(V1);
    },
    packed: (request, response) => {
      if (request.headers.range) return whole(request, response, V1);
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
    },
  };
  for (const [what, answer] of Object.entries(unsaid)) {
    await serving(answer, async (url, ranges) => {
      assert.ok(await isFile(await cached(url), V1), what);
      assert.equal(ranges, [undefined, "bytes=0-"]);
    });
  }
  // Of another origin the encoding is not to be seen, and the length is too small.
  const { fetch } = globalThis;
  globalThis.fetch = async (url, init) => {
    const response = await fetch(url, init);
    const headers = new Headers(response.headers);
    if (headers.has("content-encoding")) headers.delete("content-encoding");
    return new Response(response.body, { status: response.status, headers });
  };
  try {
    await serving(unsaid.packed, async (url) => {
      assert.ok(await isFile(await cached(url), V1));
    });
  } finally {
    globalThis.fetch = fetch;
  }
  const never: Answer = (_, response) => response.writeHead(200).end(V1);
  await serving(never, async (url) => {
    assert.match((await errorOf(() => cached(url))).message, /does not say how long it is/);
    assert.equal(await listCached(), []);
  });
});

const text = (value: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

/** What may have become of the folder of a whole model. */
const SPOILT: Record<string, (folder: Folder, url: string) => void> = {
  "no entry": ({ content }) => void content.delete("entry.json"),
  "an empty entry": ({ content }) => void content.set("entry.json", text("")),
  "an entry that is no object": ({ content }) => void content.set("entry.json", text(5)),
  "an entry without its size": ({ content }, url) => void content.set("entry.json", text({ url, complete: true })),
  "a tag that is no text": ({ content }, url) =>
    void content.set("entry.json", text({ url, size: V1.length, etag: { startsWith: 5 }, complete: false })),
  "a size that is no number": ({ content }, url) =>
    void content.set("entry.json", text({ url, size: "5", etag: null, sha256: null, complete: true })),
  "a size that is another": ({ content }, url) =>
    void content.set("entry.json", text({ url, size: 5, etag: null, sha256: null, complete: false })),
  "another model's URL": ({ content }) =>
    void content.set(
      "entry.json",
      text({ url: "https://h/x", size: V1.length, etag: null, sha256: null, complete: true }),
    ),
  "an entry that is a folder": ({ content }) => void content.set("entry.json", new Folder()),
  "a piece that is a folder": ({ content }) => void content.set("000008388608", new Folder()),
  "a piece that is longer": ({ content }) => void content.set("000008388608", new Uint8Array(9 << 20)),
  "a piece that is shorter": ({ content }) => void content.set("000008388608", new Uint8Array(5)),
  "a piece that is empty": ({ content }) => void content.set("000000000000", new Uint8Array(0)),
  "a piece that is not there": ({ content }) => void content.delete("000016777216"),
  "a first piece that is no model's": ({ content }) => void content.set("000000000000", new Uint8Array(8 << 20)),
};

for (const [what, spoil] of Object.entries(SPOILT)) {
  test(`a folder with ${what}: fetched again, and right`, async () => {
    const answer: Answer = (request, response) => whole(request, response, V1, { etag: '"a"' });
    await serving(answer, async (url, ranges) => {
      await cached(url);
      spoil(folder(), url);
      assert.ok((await listCached()).every(({ url: of, complete }) => of === url && !complete));
      assert.ok(await isFile(await cached(url), V1));
      assert.ok(ranges.length > 1);
      assert.equal(await listCached(), [{ url, bytes: V1.length, complete: true }]);
    });
  });
}

test("stray files and folders are passed over", async () => {
  const answer: Answer = (request, response) => whole(request, response, V1, { etag: '"a"' });
  await serving(answer, async (url, ranges) => {
    await cached(url);
    const models = root.content.get("limpet") as Folder;
    models.content.set("stray.txt", text("x"));
    models.content.set("stray", new Folder());
    folder().content.set("notes.txt", text("x"));
    folder().content.set("more", new Folder());
    assert.equal(await listCached(), [{ url, bytes: V1.length, complete: true }]);
    assert.ok(await isFile(await cached(url), V1));
    assert.is(ranges.length, 1);
    assert.is(await deleteCached(url), true);
    assert.is(await deleteCached(url), false);
    assert.equal(await listCached(), []);
  });
});

test("two that ask at once: one fetches; one that deletes meanwhile spoils nothing", async () => {
  const answer: Answer = (request, response, count) => {
    if (count === 1) half(response, V1, { etag: '"a"' });
    else whole(request, response, V1, { etag: '"a"' });
  };
  await serving(answer, async (url, ranges) => {
    const files = await Promise.all([cached(url), cached(url), cached(url)]);
    for (const file of files) assert.ok(await isFile(file, V1));
    assert.is(ranges.length, 2);
    const [, file] = await Promise.all([deleteCached(url), cached(url), deleteCached(url)]);
    assert.ok(await isFile(file, V1));
    assert.ok(await isFile(await cached(url), V1));
  });
});

test("SHA-256: of what is there it is computed once, and what has another is not kept", async () => {
  const answer: Answer = (request, response) => whole(request, response, V2, { etag: '"a"' });
  await serving(answer, async (url, ranges) => {
    await cached(url);
    assert.ok(await isFile(await cached(url, { sha256: SHA.toUpperCase() }), V2));
    assert.is(ranges.length, 1, "what was there is what is asked for");
    await cached(url, { sha256: SHA });
    const error = await errorOf(() => cached(url, { sha256: "0".repeat(64) }));
    assert.is(error.code, "BAD_FILE");
    assert.match(error.message, /has the SHA-256 .* it is not kept/);
    assert.equal(await listCached(), []);
  });
  for (const sha256 of ["", "abc", `${SHA}0`]) {
    assert.is((await errorOf(() => cached("http://h/m.gguf", { sha256 }))).code, "BAD_ARGUMENT");
  }
  assert.is((await errorOf(() => cached("no url"))).code, "BAD_ARGUMENT");
});

test("what a caller's onProgress throws is the caller's, and an abort its reason", async () => {
  const answer: Answer = (request, response) => whole(request, response, V1, { etag: '"a"' });
  await serving(answer, async (url, ranges) => {
    const own = new Error("mine");
    const onProgress = () => {
      throw own;
    };
    assert.is(await errorOf(() => cached(url, { onProgress })), own);
    assert.is(ranges.length, 1);
  });
  await serving(
    (_, response) => void response.writeHead(200, { "content-length": V1.length }).write(V1.subarray(0, HALF)),
    async (url) => {
      const signal = AbortSignal.timeout(200);
      assert.is(await errorOf(() => cached(url, { signal })), signal.reason);
      const [begun] = await listCached();
      assert.ok(!begun.complete && begun.bytes > 0, "what was fetched stays");
    },
  );
  const refused = await errorOf(() => cached("http://127.0.0.1:1/m.gguf"));
  assert.instance(refused, LimpetError);
  assert.match(refused.message, /broke off: fetch failed \(.+\)/);
});

test.run();
