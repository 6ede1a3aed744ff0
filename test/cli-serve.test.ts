/** `limpet serve`, as a user runs it: where it listens, what it says, whom it keeps out, and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { get } from "node:http";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { CLI, limpet } from "./support/cli.ts";
import { servedFiles } from "./support/served.ts";

const { talker: TALKER, embedder: EMBEDDER } = servedFiles();
const ASK = { method: "POST", body: JSON.stringify({ messages: [{ role: "user", content: "x" }], max_tokens: 3 }) };

interface Serving {
  readonly child: ChildProcess;
  readonly place: string;
  readonly said: () => string;
  readonly ended: Promise<number | null>;
}

/** A server that listens at a free port. */
function serving(args: string[], env: Record<string, string> = {}): Promise<Serving> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, "serve", ...args, "--port", "0"], { env: { ...process.env, ...env } });
    // A test that fails leaves none behind.
    process.once("exit", () => child.kill("SIGKILL"));
    let said = "";
    const ended = new Promise<number | null>((end) => child.on("close", end));
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const place = /at (http:\S+)\/v1\n/.exec(said)?.[1];
      if (place) resolve({ child, place, said: () => said, ended });
    });
    child.on("close", () => reject(new Error(said)));
  });
}

test("it serves models by their names, until Ctrl-C", async () => {
  const { child, place, said, ended } = await serving([TALKER, `vectors=${EMBEDDER}`, "--ctx", "300"]);
  assert.match(place, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.match(said(), /^limpet serves talker, vectors at /m);
  const { data } = (await (await fetch(`${place}/v1/models`)).json()) as { data: { id: string; loaded: boolean }[] };
  assert.equal(
    data.map(({ id, loaded }) => [id, loaded]),
    [
      ["talker", true],
      ["vectors", false],
    ],
  );
  assert.is((await fetch(`${place}/v1/chat/completions`, ASK)).status, 200);
  child.kill("SIGINT");
  assert.is(await ended, 0);
});

test("a key of the environment or of a flag keeps others out, and who listens to all is told", async () => {
  const { child, place, said, ended } = await serving([TALKER, "--key", "one"], { LIMPET_API_KEY: "two" });
  for (const [key, status] of [
    ["one", 200],
    ["two", 200],
    ["three", 401],
  ] as const) {
    const { status: found } = await fetch(`${place}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
    assert.is(found, status);
  }
  assert.not.match(said(), /whoever/);
  child.kill("SIGINT");
  await ended;
  const open = await serving([TALKER, "--host", "0.0.0.0", "--build", "scalar"]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.match(open.said(), /whoever reaches .* may use it: --key KEY/);
  open.child.kill("SIGINT");
  await open.ended;
});

test("the page: its own files with their types and a policy, and nothing else of the disk", async () => {
  const { child, place, said, ended } = await serving([TALKER, "--key", "one"]);
  const types = {
    "/": "text/html; charset=utf-8",
    "/app/app.js": "text/javascript; charset=utf-8",
    "/app/model-worker.mjs": "text/javascript; charset=utf-8",
    "/style.css": "text/css; charset=utf-8",
    "/service-worker.js": "text/javascript; charset=utf-8",
    "/limpet.wasm": "application/wasm",
    "/models/tales-plm-q4_k_m.gguf": "application/octet-stream",
  };
  for (const [path, type] of Object.entries(types)) {
    const response = await fetch(`${place}${path}`);
    assert.is(response.status, 200, path);
    assert.is(response.headers.get("content-type"), type);
    assert.match(
      response.headers.get("content-security-policy") ?? "",
      /^default-src 'none'; script-src 'self' 'wasm-/,
    );
    assert.is(response.headers.get("cross-origin-embedder-policy"), "require-corp");
    const bytes = new Uint8Array(await response.arrayBuffer());
    assert.is(bytes.length, Number(response.headers.get("content-length")));
    const etag = response.headers.get("etag") ?? "";
    assert.is((await fetch(`${place}${path}`, { headers: { "if-none-match": etag } })).status, 304);
    assert.is((await fetch(`${place}${path}`, { method: "HEAD" })).status, 200);
    assert.is.not((await fetch(`${place}${path}`, { method: "POST" })).status, 200);
  }
  const { hostname, port } = new URL(place);
  for (const path of [
    "/../package.json",
    "/app/../../package.json",
    "/%2e%2e/package.json",
    "/js/cli.js",
    "/app",
    "/x",
  ]) {
    // As it stands: fetch would take the dots away.
    const status = await new Promise<number>((resolve) => {
      get({ hostname, port, path }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
    });
    assert.is(status, 401, path);
  }
  assert.match(said(), /a page to talk in: http:\S+\/\n/);
  child.kill("SIGINT");
  await ended;
});

test("what cannot be served is told before anybody asks", async () => {
  const none = await limpet(["serve", "none.gguf", "--port", "0"]);
  assert.is(none.status, 1);
  assert.match(none.err, /none\.gguf: there is no such file/);
  const twice = await limpet(["serve", TALKER, `talker=${EMBEDDER}`]);
  assert.is(twice.status, 2);
  assert.match(twice.err, /talker is the name of two models/);
  const port = await limpet(["serve", TALKER, "--port", "70000"]);
  assert.is(port.status, 2);
  const { child, place, ended } = await serving([TALKER]);
  const taken = await limpet(["serve", TALKER, "--port", new URL(place).port]);
  assert.is(taken.status, 1);
  assert.match(taken.err, /somebody else listens there/);
  child.kill("SIGINT");
  await ended;
});

test.run();
