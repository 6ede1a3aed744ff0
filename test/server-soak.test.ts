/**
 * Sixteen clients at once for some seconds (LIMPET_SOAK_SECONDS), who ask for what a server has, leave in the middle, and
 * send what no server should be sent: each answer is whole or a typed error, and memory stays as it is.
 */
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/index.ts";
import { handler, listener } from "../src/server.ts";
import { generator } from "./support/random.ts";
import { SERVED } from "./support/served.ts";

const SECONDS = Number(process.env["LIMPET_SOAK_SECONDS"] ?? 6);
const CLIENTS = 16;
/** Memory is looked at behind each of so many parts of the time; what the second ends with is what it takes. */
const PARTS = 4;
/** Bytes that may come to be there behind the first two parts: what the host's collector has not come to yet. */
const SLACK = 24 << 20;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

interface Answer {
  readonly status: number;
  readonly text: string;
  /** It was left before its end. */
  readonly left: boolean;
}

/** One request, whose answer may be left after some bytes. */
function send(port: number, path: string, body: string | Uint8Array, host: string, most: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { host, "content-type": "application/json" };
    const asked = request({ port, host: "127.0.0.1", path, method: "POST", headers, agent: false }, (response) => {
      const { statusCode: status = 0 } = response;
      let text = "";
      response.on("data", (data) => {
        text += data;
        if (text.length < most) return;
        asked.destroy();
        resolve({ status, text, left: true });
      });
      response.on("end", () => resolve({ status, text, left: false }));
      response.on("error", reject);
    });
    asked.on("error", (error: NodeJS.ErrnoException) => {
      // A server may close a connection on which it is sent more than it takes.
      if (error.code === "EPIPE" || error.code === "ECONNRESET") resolve({ status: 0, text: "", left: true });
      else reject(error);
    });
    asked.end(body);
  });
}

const CHAT = { messages: [{ role: "user", content: "Say something." }], max_tokens: 12 };
const DEEP = `{"messages":${"[".repeat(20_000)}${"]".repeat(20_000)}}`;
const LONG = "word ".repeat(200_000);
const SCHEMA = { type: "object", properties: { a: { type: "integer" } }, required: ["a"] };

const TOOLS = {
  tools: [{ type: "function", function: { name: "f", parameters: SCHEMA } }],
  tool_choice: "required",
};

/** What is asked: a path, a body, and whether an answer is to be had. */
type Wish = readonly [path: string, body: unknown, isSound: boolean];

function wishes(draw: () => number): readonly (() => Wish)[] {
  const seed = () => Math.floor(draw() * 1000);
  const odd = (): unknown => [1e308, -1, Number.MAX_SAFE_INTEGER, "x", [], {}, true, 0.5, ""][Math.floor(draw() * 9)];
  const fields = [
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "stop",
    "max_tokens",
    "logit_bias",
    "messages",
    "model",
  ];
  const field = () => fields[Math.floor(draw() * fields.length)];
  return [
    () => ["/v1/chat/completions", { ...CHAT, seed: seed() }, true],
    () => ["/v1/chat/completions", { ...CHAT, stream: true, n: 2, logprobs: true, top_logprobs: 2 }, true],
    () => ["/v1/chat/completions", { ...CHAT, stream: true, max_tokens: 200 }, true],
    () => [
      "/v1/chat/completions",
      { ...CHAT, response_format: { type: "json_schema", json_schema: { schema: SCHEMA } } },
      true,
    ],
    () => ["/v1/completions", { prompt: `Number ${seed()}`, max_tokens: 20, stream: true }, true],
    () => ["/v1/messages", { ...CHAT, stream: true }, true],
    () => ["/v1/responses", { input: "Hello", max_output_tokens: 8, stream: true }, true],
    () => ["/v1/chat/completions", { ...CHAT, ...TOOLS, stream: draw() < 0.5, max_tokens: 60 }, true],
    () => ["/v1/embeddings", { model: "embedder", input: ["one", "two", "three"] }, true],
    () => ["/v1/rerank", { model: "ranker", query: "one", documents: ["two", "three"] }, true],
    () => ["/v1/chat/completions", { ...CHAT, [field()]: odd(), stream: draw() < 0.5 }, false],
    () => ["/v1/chat/completions", { ...CHAT, tools: odd(), tool_choice: odd() }, false],
    () => [
      "/v1/chat/completions",
      { ...CHAT, tools: [{ type: "function", function: { name: odd(), parameters: odd() } }] },
      false,
    ],
    () => ["/v1/embeddings", { model: "embedder", input: odd(), dimensions: odd() }, false],
    () => ["/v1/responses", { input: odd(), [field()]: odd() }, false],
    () => ["/v1/messages", { ...CHAT, system: odd(), [field()]: odd() }, false],
    () => ["/v1/chat/completions", DEEP, false],
    () => ["/v1/completions", { prompt: LONG, max_tokens: 5 }, false],
    () => ["/v1/chat/completions", { messages: [{ role: "user", content: LONG }], stream: true }, false],
    () => ["/v1/chat/completions", Uint8Array.of(0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d), false],
    () => ["/v1/nothing", CHAT, false],
  ];
}

/** Whether an answer is one: whole, or an error with its type. */
function assertAnswer([path, body, isSound]: Wish, host: string, { status, text, left }: Answer): void {
  const words = `${path} ${JSON.stringify(body).slice(0, 200)} of ${host}: ${status} ${text.slice(0, 300)}`;
  if (left) return;
  if (status !== 200) {
    const { error } = JSON.parse(text) as { error: { type: string; message: string } };
    assert.ok(error.type.length > 0 && error.message.length > 0, words);
    assert.ok([400, 403, 404, 413, 429].includes(status), words);
    if (isSound && host === "localhost") assert.is(status, 429, words);
    return;
  }
  if (!text.startsWith("data:") && !text.startsWith("event:") && !text.startsWith(":")) {
    assert.type(JSON.parse(text), "object");
    return;
  }
  const events = text.split("\n\n");
  assert.is(events.pop(), "", words);
  const last = events.at(-1)!;
  assert.match(last, /^data: \[DONE\]$|message_stop|response\.(completed|incomplete)/, words);
  for (const event of events) {
    const [, json] = /^data: (.*)$/m.exec(event) ?? [];
    if (json !== undefined && json !== "[DONE]")
      assert.not.ok("error" in JSON.parse(json) && JSON.parse(json).error, words);
  }
}

test(`${CLIENTS} clients for ${SECONDS} s: every answer is whole or a typed error, memory stays as it is`, async () => {
  const model = await Model.load(SERVED.talker);
  const said: unknown[] = [];
  const answer = handler(
    { ...SERVED, talker: model },
    { context: 512, queue: 10, onError: (error) => said.push(error) },
  );
  const server = createServer(listener(answer));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const counts = { whole: 0, refused: 0, left: 0 };
  const sizes: { linear: number; heap: number }[] = [];
  const run = async (seconds: number): Promise<void> => {
    const end = performance.now() + seconds * 1000;
    const client = async (number: number): Promise<void> => {
      const draw = generator(number + sizes.length * CLIENTS);
      const all = wishes(draw);
      while (performance.now() < end) {
        const wish = all[Math.floor(draw() * all.length)]();
        const [path, body] = wish;
        const host = draw() < 0.05 ? "evil.example" : "localhost";
        const most = draw() < 0.25 ? Math.floor(draw() * 1500) : Number.POSITIVE_INFINITY;
        const bytes = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
        const found = await send(port, path, bytes, host, most);
        assertAnswer(wish, host, found);
        counts[found.left ? "left" : found.status === 200 ? "whole" : "refused"]++;
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
    // Who was left notices it, and what is garbage goes.
    await new Promise((resolve) => setTimeout(resolve, 300));
    collect();
    sizes.push({ linear: model.memory.linear, heap: process.memoryUsage().heapUsed + process.memoryUsage().external });
  };
  for (let part = 0; part < PARTS; part++) await run(SECONDS / PARTS);
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  server.closeAllConnections();
  server.close();
  answer.dispose();
  assert.equal(said, []);
  const [, middle] = sizes;
  const last = sizes.at(-1)!;
  console.log(JSON.stringify({ seconds: SECONDS, ...counts, sizes, rss: process.memoryUsage().rss }));
  assert.ok(last.linear < middle.linear + (1 << 20), `the core's memory: ${JSON.stringify(sizes)}`);
  assert.ok(last.heap < middle.heap + SLACK, `the host's memory went from ${middle.heap} to ${last.heap} bytes`);
  assert.ok(counts.whole > 20 && counts.refused > 20 && counts.left > 3, JSON.stringify(counts));
  for (const [, value] of metrics.matchAll(/requests_(?:active|waiting)\{.*\} (\d+)/g)) assert.is(value, "0");
  assert.not.match(metrics, /status="5\d\d"/);
});

test.run();
