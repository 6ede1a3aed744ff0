/**
 * What a server takes on, and from whom: hosts, origins and keys; a queue with an end; models that are loaded when asked
 * for and put away when others need their memory, never under an answer; bodies that are no requests; silence.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/index.ts";
import { type Handler, handler } from "../src/server.ts";
import { SERVED } from "./support/served.ts";

const { talker: TALKER } = SERVED;
const BASE = "http://localhost:8080";
const CHAT = { messages: [{ role: "user", content: "Hello" }], max_tokens: 4 };
const ENDLESS = { prompt: "Once", max_tokens: 400, stream: true, temperature: 0, repeat_penalty: 1 };

function request(path: string, body?: unknown, init: RequestInit = {}): Request {
  const isBytes = typeof body === "string" || body instanceof Uint8Array;
  const given = body === undefined ? {} : { method: "POST", body: isBytes ? body : JSON.stringify(body) };
  return new Request(path.startsWith("http") ? path : BASE + path, { ...(given as RequestInit), ...init });
}

async function errorOf(response: Response): Promise<{ status: number; type: string; code: string; message: string }> {
  const { error } = (await response.json()) as { error: { type: string; code: string; message: string } };
  return { status: response.status, ...error };
}

/** Reads a stream's first bytes, and gives its reader. */
async function begun(response: Response): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  assert.is(response.status, 200);
  const reader = response.body!.getReader();
  assert.not.ok((await reader.read()).done);
  return reader;
}

async function drained(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  let text = "";
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    text += new TextDecoder().decode(step.value);
  }
  return text;
}

const patience = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a name that the server does not go by is refused; numbers and localhost are not made up", async () => {
  const answer = handler({ talker: TALKER });
  for (const host of ["localhost", "127.0.0.1:9", "[::1]:8080", "192.168.1.7", "app.localhost"]) {
    assert.is((await answer(request(`http://${host}/health`))).status, 200, host);
  }
  const error = await errorOf(await answer(request("http://evil.example/health")));
  assert.is(error.status, 403);
  assert.is(error.code, "host_not_allowed");
  const named = handler({ talker: TALKER }, { hosts: ["Limpet.example"] });
  assert.is((await named(request("http://limpet.example/health"))).status, 200);
  assert.is((await named(request("http://other.example/health"))).status, 403);
  const keyed = handler({ talker: TALKER }, { keys: ["k"] });
  assert.is((await keyed(request("http://any.example/health"))).status, 200);
});

test("pages of others may use it where it says so", async () => {
  const closed = handler({ talker: TALKER });
  const from = (origin: string, method = "GET") => request("/v1/models", undefined, { method, headers: { origin } });
  assert.is((await closed(from(BASE))).status, 200, "its own page");
  const error = await errorOf(await closed(from("https://evil.example")));
  assert.is(error.status, 403);
  assert.is(error.code, "origin_not_allowed");
  assert.is((await closed(from("null"))).status, 403);
  const open = handler({ talker: TALKER }, { cors: ["https://app.example"], keys: ["k"] });
  const preflight = await open(from("https://app.example", "OPTIONS"));
  assert.is(preflight.status, 204);
  assert.is(preflight.headers.get("access-control-allow-origin"), "https://app.example");
  const refused = await open(from("https://app.example"));
  assert.is(refused.status, 401);
  assert.is(refused.headers.get("access-control-allow-origin"), "https://app.example", "a page can read the error");
  assert.is((await open(from("https://evil.example"))).status, 403);
  const any = handler({ talker: TALKER }, { cors: "*" });
  assert.is((await any(from("https://any.example"))).headers.get("access-control-allow-origin"), "*");
});

test("keys: in either header, and not nearly right", async () => {
  const answer = handler({ talker: TALKER }, { keys: ["first", "second"] });
  const by = async (headers: Record<string, string>) =>
    (await answer(request("/v1/models", undefined, { headers }))).status;
  assert.is(await by({ authorization: "Bearer second" }), 200);
  assert.is(await by({ "x-api-key": "first" }), 200);
  for (const key of ["firs", "firstt", "", "FIRST"]) assert.is(await by({ "x-api-key": key }), 401, key);
  assert.is(await by({}), 401);
});

test("bodies that are no requests get a typed error", async () => {
  const answer = handler({ talker: TALKER });
  const send = async (body: string | Uint8Array) => errorOf(await answer(request("/v1/chat/completions", body)));
  const cases: [string | Uint8Array, RegExp][] = [
    ["", /JSON/],
    ["{", /JSON/],
    ["[]", /a list, and not an object/],
    ["null", /not an object/],
    ["5", /not an object/],
    [Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /not UTF-8/],
    [`{"messages":${"[".repeat(100_000)}`, /nests deeper than 100/],
    [`{"a":"${"\\".repeat(4)}${"[".repeat(500)}"}`, /messages is missing/],
    [JSON.stringify({ messages: "Hello" }), /messages is a list/],
    [JSON.stringify({ messages: [null] }), /messages\[0\] is an object/],
    [JSON.stringify({ messages: [{ role: "user", content: { text: "x" } }] }), /content is a list/],
    [JSON.stringify({ ...CHAT, logit_bias: [1] }), /logit_bias is an object/],
    [JSON.stringify({ ...CHAT, logit_bias: { 99999: 1 } }), /token/],
    [JSON.stringify({ ...CHAT, response_format: { type: "json_schema" } }), /schema is missing/],
    [JSON.stringify({ ...CHAT, grammar: "root ::= nowhere" }), /nowhere/],
  ];
  for (const [body, words] of cases) {
    const error = await send(body);
    assert.is(error.status, 400, String(body).slice(0, 60));
    assert.is(error.type, "invalid_request_error");
    assert.match(error.message, words);
  }
  const long = await errorOf(await answer(request("/v1/completions", { prompt: "a".repeat(5 << 20) })));
  assert.is(long.status, 400);
  assert.is(long.code, "context_length_exceeded");
  const large = await errorOf(await answer(request("/v1/completions", new Uint8Array((16 << 20) + 1))));
  assert.is(large.status, 413);
  const proto = await answer(request("/v1/chat/completions", `{"__proto__":{"stream":true},"constructor":1}`));
  assert.is(proto.status, 400);
  assert.is((await answer(request("/v1/models/%zz"))).status, 404);
  answer.dispose();
});

test("beyond the queue a request is told to come again, and who leaves the queue leaves it", async () => {
  const answer = handler({ talker: TALKER }, { parallel: 1, queue: 1 });
  const first = await begun(await answer(request("/v1/completions", ENDLESS)));
  const controller = new AbortController();
  const second = answer(request("/v1/chat/completions", CHAT, { signal: controller.signal }));
  await patience(10);
  const full = await answer(request("/v1/chat/completions", CHAT));
  assert.is(full.status, 429);
  assert.match(full.headers.get("retry-after")!, /^\d+$/);
  assert.is((await errorOf(full)).code, "queue_full");
  controller.abort();
  assert.is((await second).status, 499);
  const third = answer(request("/v1/chat/completions", CHAT));
  await patience(10);
  await first.cancel();
  assert.is((await third).status, 200);
  answer.dispose();
});

test("models are loaded when asked for, and put away when others need their memory, the oldest first", async () => {
  const loads: string[] = [];
  const load = (name: string) => async () => {
    loads.push(name);
    return Model.load(TALKER);
  };
  const probe = handler({ a: TALKER }, { parallel: 2 });
  await probe(request("/v1/chat/completions", CHAT));
  const [, bytes] = /limpet_model_bytes\{model="a"\} (\d+)/.exec(await (await probe(request("/metrics"))).text())!;
  probe.dispose();
  const answer = handler(
    { a: load("a"), b: load("b"), c: load("c") },
    { parallel: 2, memory: Math.floor(Number(bytes) * 2.5) },
  );
  const ask = async (model: string) =>
    assert.is((await answer(request("/v1/chat/completions", { ...CHAT, model }))).status, 200, model);
  const loaded = async () => {
    const { data } = (await (await answer(request("/v1/models"))).json()) as {
      data: { id: string; loaded: boolean }[];
    };
    return data.flatMap(({ id, loaded: is }) => (is ? [id] : [])).join("");
  };
  assert.is(await loaded(), "");
  await ask("a");
  await ask("b");
  await ask("a");
  assert.is(await loaded(), "ab");
  await ask("c");
  assert.is(await loaded(), "ac", "b was not used for longest");
  await ask("a");
  assert.equal(loads, ["a", "b", "c"]);
  // Both that are loaded answer: the third waits until one has ended.
  const [one, two] = await Promise.all(
    ["a", "c"].map(async (model) => begun(await answer(request("/v1/completions", { ...ENDLESS, model })))),
  );
  const third = ask("b");
  let isDone = false;
  void third.then(() => {
    isDone = true;
  });
  await patience(60);
  assert.is(isDone, false);
  assert.match(await drained(one), /data: \[DONE\]\n\n$/, "an answer that began comes to its end");
  await third;
  assert.is(await loaded(), "bc");
  await two.cancel();
  answer.dispose();
  assert.is((await answer(request("/v1/chat/completions", CHAT))).status, 503);
});

test("a model that cannot be had is the server's fault, and is tried again", async () => {
  let count = 0;
  const said: unknown[] = [];
  const answer = handler(
    {
      odd: async () => {
        if (++count === 1) throw new Error("/home/somebody/secret.gguf");
        return Model.load(TALKER);
      },
      none: "/home/somebody/none.gguf",
      huge: { source: new Blob([TALKER]) },
    },
    { onError: (error) => said.push(error), memory: 1 << 20 },
  );
  for (const model of ["odd", "none"]) {
    const error = await errorOf(await answer(request("/v1/chat/completions", { ...CHAT, model })));
    assert.is(error.status, 500);
    assert.not.match(error.message, /home/);
  }
  assert.is(said.length, 2);
  assert.is((await answer(request("/v1/chat/completions", { ...CHAT, model: "odd" }))).status, 200);
  const huge = await errorOf(await answer(request("/v1/chat/completions", { ...CHAT, model: "huge" })));
  assert.is(huge.status, 503);
  assert.is(huge.code, "model_too_large");
  answer.dispose();
});

test("a stream that is silent says that it goes on, whatever it waits for", async () => {
  const slow = async (): Promise<Model> => {
    await patience(120);
    return Model.load(TALKER);
  };
  const streams: [path: string, body: object, ping: RegExp, end: RegExp][] = [
    ["/v1/chat/completions", { ...CHAT, stream: true }, /^: ping\n\n/, /data: \[DONE\]\n\n$/],
    ["/v1/messages", { ...CHAT, stream: true }, /^event: ping\ndata: \{"type":"ping"\}\n\n/, /message_stop"\}\n\n$/],
    ["/v1/responses", { input: "Hello", stream: true, max_output_tokens: 3 }, /^: ping\n\n/, /response.incomplete/],
  ];
  for (const [path, body, ping, end] of streams) {
    const answer = handler({ talker: slow }, { ping: 20 });
    const response = await answer(request(path, body));
    assert.is(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    const text = await response.text();
    assert.match(text, ping);
    assert.match(text, end);
    answer.dispose();
  }
  // What fails behind a ping can only be told within the stream.
  const fails = async (): Promise<Model> => {
    await patience(60);
    throw new Error("no");
  };
  const answer: Handler = handler({ talker: fails }, { ping: 20, onError: () => {} });
  const told = await (await answer(request("/v1/chat/completions", { ...CHAT, stream: true }))).text();
  assert.match(told, /data: \{"error":\{.*"type":"server_error"/);
  const anthropic = await (await answer(request("/v1/messages", { ...CHAT, stream: true }))).text();
  assert.match(anthropic, /event: error\ndata: \{"type":"error","error":\{"type":"api_error"/);
});

test("a model in a worker, and one that is given loaded, which stays", async () => {
  const own = await Model.load(TALKER);
  const answer = handler({ worker: { source: TALKER, worker: true }, own });
  const asked = { ...CHAT, temperature: 0, seed: 1 };
  const texts: string[] = [];
  for (const model of ["worker", "own"]) {
    const response = await answer(request("/v1/chat/completions", { ...asked, model }));
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    texts.push(choices[0].message.content);
  }
  assert.is(texts[0], texts[1]);
  answer.dispose();
  assert.type(await own.generate("x", { maxTokens: 2 }).text(), "string");
});

test("options and models are looked at", () => {
  assert.throws(() => handler({}), /one model at least/);
  for (const odd of [null, "model.gguf", ["model.gguf"]]) {
    assert.throws(() => handler(odd as never), /^a server.s models are an object of models by their names, not /);
  }
  assert.throws(() => handler({ talker: TALKER }, { parallel: 0 }), /parallel is a whole number/);
  assert.throws(() => handler({ talker: TALKER }, { key: "x" } as object), /did you mean keys/);
});

test.run();
