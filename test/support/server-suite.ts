/**
 * What clients ask of a server, whatever host it runs in: OpenAI's client, Anthropic's, curl and plain fetch, which say
 * what shape an answer has; what it has to say is what the model says alone.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import Anthropic from "@anthropic-ai/sdk";
import { Ajv } from "ajv";
import OpenAI from "openai";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { GenerateOptions, Message, Model } from "../../src/index.ts";
import { alone } from "./served.ts";

/** A server that runs: `base` has no slash at its end. It holds the models of served.ts, and wants the key. */
export interface Served {
  readonly base: string;
  stop(): void | Promise<void>;
}

export const KEY = "sesame";
/** Tokens that a conversation of the server's holds. */
export const CONTEXT = 1024;
/** Those of the model's own text: greedy, and nothing against repetition. */
const PLAIN: GenerateOptions = { temperature: 0, minP: 0, repeatPenalty: 1, seed: 7 };
const GREEDY = { temperature: 0, min_p: 0, repeat_penalty: 1, seed: 7 };
const MODEL = "talker";
const HELLO: Message[] = [
  { role: "system", content: "You are kind." },
  { role: "user", content: "Say something of the sea." },
];
const SCHEMA = {
  type: "object",
  properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 0, maximum: 99 } },
  required: ["name", "age"],
  additionalProperties: false,
};

const WEATHER = {
  type: "object" as const,
  properties: { city: { enum: ["Paris", "Oslo"] }, days: { type: "integer", minimum: 1, maximum: 9 } },
  required: ["city", "days"],
  additionalProperties: false,
};
const CALL_ME: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "How will the weather be?" }];

/** The error that a promise ends with, as a client of an API throws it. */
async function refusal(
  work: Promise<unknown>,
): Promise<{ status?: number; code?: string | null; param?: string | null; message: string; error?: unknown }> {
  try {
    await work;
  } catch (error) {
    return error as Error;
  }
  throw new Error("no error came");
}

/** Registers the tests of a host; `start` is called once. */
export function serverSuite(host: string, start: () => Promise<Served>): void {
  let served: Promise<Served> | null = null;
  let models: Promise<Record<string, Model>> | null = null;
  const server = (): Promise<Served> => (served ??= start());
  const talker = async (): Promise<Model> => (await (models ??= alone())).talker;
  const client = async (apiKey = KEY): Promise<OpenAI> =>
    new OpenAI({ baseURL: `${(await server()).base}/v1`, apiKey, maxRetries: 0 });
  const anthropic = async (apiKey = KEY): Promise<Anthropic> =>
    new Anthropic({ baseURL: (await server()).base, apiKey, maxRetries: 0 });
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = { authorization: `Bearer ${KEY}`, ...init.headers };
    return fetch((await server()).base + path, { ...init, headers });
  };
  const post = (path: string, body: unknown): Promise<Response> =>
    ask(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });
  const active = async (): Promise<number> => {
    const [, value] = /limpet_requests_active\{model="talker"\} (\d+)/.exec(await (await ask("/metrics")).text())!;
    return Number(value);
  };

  test(`${host}: models, health, metrics`, async () => {
    const openai = await client();
    const ids: string[] = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    assert.equal(ids, ["talker", "embedder", "ranker"]);
    assert.is((await openai.models.retrieve(MODEL)).owned_by, "limpet");
    assert.is((await refusal(openai.models.retrieve("none"))).status, 404);
    assert.equal(await (await fetch(`${(await server()).base}/health`)).json(), { status: "ok" });
    assert.match(
      await (await ask("/metrics")).text(),
      /^limpet_requests_total\{route="\/v1\/models",status="200"\} 1$/m,
    );
  });

  test(`${host}: a chat says what the model says alone, whole and in pieces`, async () => {
    const openai = await client();
    const expected = (await talker()).chat(HELLO, { ...PLAIN, maxTokens: 12, context: CONTEXT });
    const text = await expected.text();
    const asked = { model: MODEL, messages: HELLO as OpenAI.ChatCompletionMessageParam[], max_tokens: 12, ...GREEDY };
    const answer = await openai.chat.completions.create(asked);
    assert.is(answer.choices[0].message.content, text);
    assert.is(answer.choices[0].finish_reason, "length");
    assert.is(answer.usage!.prompt_tokens, expected.result!.promptTokens);
    assert.is(answer.usage!.completion_tokens, 12);
    const stream = await openai.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    let [streamed, role] = ["", ""];
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) {
      chunks.push(chunk);
      streamed += chunk.choices[0]?.delta.content ?? "";
      role ||= chunk.choices[0]?.delta.role ?? "";
    }
    assert.is(streamed, text);
    assert.is(role, "assistant");
    assert.is(chunks.at(-2)!.choices[0].finish_reason, "length");
    const { choices, usage } = chunks.at(-1)!;
    assert.equal(choices, []);
    assert.is(usage!.completion_tokens, 12);
    // The same prompt again: all of it but its last token was there.
    assert.is(usage!.prompt_tokens_details!.cached_tokens, usage!.prompt_tokens - 1);
    const helper = openai.chat.completions.stream(asked);
    assert.is((await helper.finalChatCompletion()).choices[0].message.content, text);
  });

  test(`${host}: the next turn reads what is new alone`, async () => {
    const openai = await client();
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "One fish, two fish, red fish." }];
    const first = await openai.chat.completions.create({ model: MODEL, messages, max_tokens: 6, ...GREEDY });
    const { content } = first.choices[0].message;
    messages.push({ role: "assistant", content }, { role: "user", content: "And?" });
    const second = await openai.chat.completions.create({ model: MODEL, messages, max_tokens: 6, ...GREEDY });
    const { prompt_tokens_details: details } = second.usage!;
    assert.ok(details!.cached_tokens! >= first.usage!.prompt_tokens, JSON.stringify(second.usage));
    const said = messages as Message[];
    const expected = (await talker()).chat(said, { ...PLAIN, maxTokens: 6, context: CONTEXT });
    assert.is(second.choices[0].message.content, await expected.text());
  });

  test(`${host}: eight at once say what each says alone`, async () => {
    const openai = await client();
    const model = await talker();
    const talk = async (i: number): Promise<void> => {
      const messages: Message[] = [{ role: "user", content: `Number ${i}: ${"tell more. ".repeat(i)}` }];
      const options = { ...PLAIN, maxTokens: 8, temperature: 1, seed: i, context: CONTEXT };
      const answer = await openai.chat.completions.create({
        ...{ model: MODEL, messages: messages as OpenAI.ChatCompletionMessageParam[], max_tokens: 8 },
        ...{ ...GREEDY, temperature: 1, seed: i },
      });
      assert.is(answer.choices[0].message.content, await model.chat(messages, options).text());
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => talk(i + 1)));
  });

  test(`${host}: a stream that is left, and a request that is aborted, stop the work`, async () => {
    const openai = await client();
    const endless = { model: MODEL, prompt: "Once", max_tokens: 400, ...GREEDY, logit_bias: { 0: -100 } };
    const stream = await openai.completions.create({ ...endless, stream: true });
    let count = 0;
    for await (const _ of stream) if (++count === 3) break;
    const controller = new AbortController();
    const whole = openai.completions.create(endless, { signal: controller.signal });
    setTimeout(() => controller.abort(), 30);
    await refusal(whole);
    for (let tries = 0; (await active()) > 0; tries++) {
      assert.ok(tries < 100, "the model still works for who is gone");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test(`${host}: n, stop, logprobs, logit_bias, seed`, async () => {
    const openai = await client();
    const model = await talker();
    const messages = HELLO as OpenAI.ChatCompletionMessageParam[];
    const asked = { model: MODEL, messages, max_tokens: 6, ...GREEDY, temperature: 1 };
    const several = await openai.chat.completions.create({ ...asked, n: 3 });
    const texts = several.choices.map(({ message: { content } }) => content);
    for (const i of [0, 1, 2]) {
      const options = { ...PLAIN, temperature: 1, seed: 7 + i, maxTokens: 6, context: CONTEXT };
      assert.is(texts[i], await model.chat(HELLO, options).text());
    }
    const parts = ["", "", ""];
    for await (const { choices } of await openai.chat.completions.create({ ...asked, n: 3, stream: true })) {
      for (const { index, delta } of choices) parts[index] += delta.content ?? "";
    }
    assert.equal(parts, texts);
    const end = texts[0]!.slice(3, 5);
    const stopped = await openai.chat.completions.create({ ...asked, stop: [end, "never met"] });
    assert.is(stopped.choices[0].message.content, texts[0]!.slice(0, texts[0]!.indexOf(end)));
    assert.is(stopped.choices[0].finish_reason, "stop");
    const told = await openai.chat.completions.create({ ...asked, temperature: 0, logprobs: true, top_logprobs: 3 });
    const [token] = told.choices[0].logprobs!.content!;
    assert.is(token.top_logprobs.length, 3);
    assert.is(token.top_logprobs[0].token, token.token);
    assert.ok(token.logprob <= 0 && token.bytes!.length > 0);
    const first = model.chat(HELLO, { ...PLAIN, maxTokens: 1, context: CONTEXT });
    await first.text();
    const banned = { ...asked, temperature: 0, logit_bias: { [first.result!.tokens[0]]: -100 } };
    const other = await openai.chat.completions.create(banned);
    const without = { ...PLAIN, maxTokens: 6, context: CONTEXT, banTokens: first.result!.tokens };
    assert.is(other.choices[0].message.content, await model.chat(HELLO, without).text());
    const random = { model: MODEL, messages, max_tokens: 6 };
    const drawn = (await openai.chat.completions.create(random)) as OpenAI.ChatCompletion & { seed: number };
    const again = await openai.chat.completions.create({ ...random, seed: drawn.seed });
    assert.is(again.choices[0].message.content, drawn.choices[0].message.content, "the seed that was drawn is told");
  });

  test(`${host}: an answer obeys its schema`, async () => {
    const openai = await client();
    const valid = new Ajv().compile(SCHEMA);
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Who?" }];
    const format = { type: "json_schema" as const, json_schema: { name: "who", schema: SCHEMA, strict: true } };
    for (const seed of [1, 2, 3]) {
      const asked = { model: MODEL, messages, seed, max_tokens: 200, response_format: format };
      const answer = await openai.chat.completions.create(asked);
      assert.ok(valid(JSON.parse(answer.choices[0].message.content!)), answer.choices[0].message.content!);
    }
    const unknown = { ...SCHEMA, propertyNames: { format: "no-such-format" }, $ref: "#/nowhere" };
    const wrong = await refusal(
      openai.chat.completions.create({
        ...{ model: MODEL, messages },
        response_format: { type: "json_schema", json_schema: { name: "no", schema: unknown } },
      }),
    );
    assert.is(wrong.status, 400, wrong.message);
    const object = await openai.chat.completions.create({
      ...{ model: MODEL, messages, max_tokens: 3, temperature: 0 },
      response_format: { type: "json_object" },
    });
    assert.match(object.choices[0].message.content!, /^\s*\{/);
  });

  test(`${host}: tools are called, in pieces too, and their results are read`, async () => {
    const openai = await client();
    const valid = new Ajv().compile(WEATHER);
    const tools = [
      { type: "function" as const, function: { name: "weather", description: "The weather.", parameters: WEATHER } },
      { type: "function" as const, function: { name: "odd", parameters: { type: "object", unheardOf: 1 } } },
    ];
    const choice = { type: "function" as const, function: { name: "weather" } };
    const asked = { model: MODEL, messages: CALL_ME, tools, tool_choice: choice, max_tokens: 200, seed: 5 };
    const answer = await openai.chat.completions.create(asked);
    const [{ message, finish_reason: reason }] = answer.choices;
    assert.is(reason, "tool_calls");
    assert.is(message.content, null);
    const [call] = message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    assert.is(call.function.name, "weather");
    assert.ok(valid(JSON.parse(call.function.arguments)), call.function.arguments);
    const stream = openai.chat.completions.stream(asked);
    const deltas: OpenAI.ChatCompletionChunk.Choice.Delta.ToolCall[] = [];
    stream.on("chunk", ({ choices }) => void deltas.push(...(choices[0]?.delta.tool_calls ?? [])));
    const final = await stream.finalChatCompletion();
    const [streamed] = final.choices[0].message.tool_calls as OpenAI.ChatCompletionMessageFunctionToolCall[];
    assert.is(streamed.function.arguments, call.function.arguments);
    assert.is(final.choices[0].finish_reason, "tool_calls");
    assert.ok(deltas.length > 2 && deltas.every(({ index }) => index === 0));
    assert.is(deltas.filter(({ id, function: of }) => id !== undefined && of?.name === "weather").length, 1);
    const told: OpenAI.ChatCompletionMessageParam[] = [
      ...CALL_ME,
      { role: "assistant", content: null, tool_calls: [call] },
      { role: "tool", tool_call_id: call.id, content: "Rain." },
    ];
    const second = await openai.chat.completions.create({ model: MODEL, messages: told, tools, tool_choice: "none" });
    assert.is(second.choices[0].message.tool_calls, undefined);
    const none = await refusal(
      openai.chat.completions.create({ ...asked, tool_choice: { type: "function", function: { name: "none" } } }),
    );
    assert.is(none.status, 400);
    const given = [{ type: "function" as const, name: "weather", parameters: WEATHER, strict: true }];
    const response = { model: MODEL, input: "Weather?", tools: given, tool_choice: "required" as const, seed: 5 };
    const { output } = await openai.responses.create(response);
    const item = output.find(({ type }) => type === "function_call") as OpenAI.Responses.ResponseFunctionToolCall;
    assert.ok(valid(JSON.parse(item.arguments)), item.arguments);
    const events = openai.responses.stream(response);
    let parts = "";
    events.on("response.function_call_arguments.delta", ({ delta }) => (parts += delta));
    const last = (await events.finalResponse()).output.at(-1) as OpenAI.Responses.ResponseFunctionToolCall;
    assert.is(parts, last.arguments);
    assert.is(parts, item.arguments);
    const goesOn = await openai.responses.create({
      ...{ model: MODEL, tools: given, tool_choice: "none", max_output_tokens: 5 },
      input: [
        { role: "user", content: "Weather?" },
        { type: "function_call", call_id: item.call_id, name: "weather", arguments: item.arguments },
        { type: "function_call_output", call_id: item.call_id, output: "Rain." },
      ],
    });
    assert.is(goesOn.output[0].type, "message");
    const claude = await anthropic();
    const use = {
      ...{ model: MODEL, max_tokens: 200, seed: 5, tool_choice: { type: "any" as const } },
      tools: [{ name: "weather", input_schema: WEATHER }],
      messages: [{ role: "user" as const, content: "Weather?" }],
    };
    const used = await claude.messages.create(use);
    assert.is(used.stop_reason, "tool_use");
    const block = used.content.find(({ type }) => type === "tool_use") as Anthropic.ToolUseBlock;
    assert.ok(valid(block.input), JSON.stringify(block.input));
    const whole = await claude.messages.stream(use).finalMessage();
    assert.equal((whole.content.at(-1) as Anthropic.ToolUseBlock).input, block.input);
    const messages: Anthropic.MessageParam[] = [
      ...use.messages,
      { role: "assistant", content: used.content as Anthropic.ContentBlockParam[] },
      {
        role: "user",
        content: [
          { type: "tool_result", tool_use_id: block.id, content: [{ type: "text", text: "Rain." }] },
          { type: "text", text: "Thank you." },
        ],
      },
    ];
    const then = await claude.messages.create({ ...use, tool_choice: { type: "none" }, messages, max_tokens: 5 });
    assert.is(then.content[0].type, "text");
    const { input_tokens: count } = await claude.messages.countTokens({ model: MODEL, messages: use.messages });
    assert.ok(count > 10);
  });

  test(`${host}: completions, several prompts, echo, token ids`, async () => {
    const openai = await client();
    const model = await talker();
    const options = { ...PLAIN, maxTokens: 5, context: CONTEXT };
    const texts = [await model.generate("One", options).text(), await model.generate("Two", options).text()];
    const asked = { model: MODEL, max_tokens: 5, ...GREEDY };
    const both = await openai.completions.create({ ...asked, prompt: ["One", "Two"], echo: true });
    assert.equal(
      both.choices.map(({ text }) => text),
      [`One${texts[0]}`, `Two${texts[1]}`],
    );
    const ids = model.tokenize("One", { bos: true });
    let text = "";
    const stream = await openai.completions.create({ ...asked, prompt: ids, stream: true, logprobs: 2 });
    for await (const { choices } of stream) text += choices[0]?.text ?? "";
    assert.is(text, texts[0]);
  });

  test(`${host}: vectors, ranks, tokens`, async () => {
    const openai = await client();
    const all = await alone();
    const texts = ["the sea", "a harbour in the fog"];
    const expected = await all.embedder.embed(texts);
    const { data, usage } = await openai.embeddings.create({ model: "embedder", input: texts });
    for (const i of [0, 1]) assert.equal(Array.from(Float32Array.from(data[i].embedding)), Array.from(expected[i]));
    assert.is(
      usage.prompt_tokens,
      texts.reduce((sum, text) => sum + all.embedder.tokenize(text, { bos: true }).length, 0),
    );
    const float = await openai.embeddings.create({ model: "embedder", input: texts[0], encoding_format: "float" });
    assert.equal(float.data[0].embedding, Array.from(expected[0]));
    const ranked = await (
      await post("/v1/rerank", { model: "ranker", query: "the sea", documents: texts, return_documents: true })
    ).json();
    const ranks = await all.ranker.rerank("the sea", texts);
    assert.equal(
      ranked.results.map((one: { index: number; relevance_score: number }) => [one.index, one.relevance_score]),
      ranks.map(({ index, score }) => [index, score]),
    );
    const { tokens } = await (await post("/tokenize", { model: MODEL, content: "One fish" })).json();
    assert.equal(tokens, all.talker.tokenize("One fish"));
    assert.is((await (await post("/detokenize", { model: MODEL, tokens })).json()).content, "One fish");
  });

  test(`${host}: responses, whole and in pieces`, async () => {
    const openai = await client();
    const expected = await (await talker()).chat(HELLO, { ...PLAIN, maxTokens: 9, context: CONTEXT }).text();
    const [system, user] = HELLO.map(({ content }) => content);
    const asked = { model: MODEL, instructions: system, input: user, max_output_tokens: 9, ...GREEDY };
    const answer = await openai.responses.create(asked);
    assert.is(answer.output_text, expected);
    assert.is(answer.status, "incomplete");
    assert.is(answer.usage!.output_tokens, 9);
    const stream = openai.responses.stream({ ...asked, input: [{ role: "user", content: user }] });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => (text += delta));
    assert.is((await stream.finalResponse()).output_text, expected);
    assert.is(text, expected);
    const form = { format: { type: "json_schema" as const, name: "who", schema: SCHEMA } };
    const json = await openai.responses.create({ model: MODEL, input: "Who?", text: form, max_output_tokens: 200 });
    assert.type(JSON.parse(json.output_text).age, "number");
  });

  test(`${host}: Anthropic's messages, whole and in pieces, and its errors`, async () => {
    const claude = await anthropic();
    const [system, user] = HELLO.map(({ content }) => content);
    const asked = {
      ...{ model: MODEL, system, max_tokens: 9, ...GREEDY },
      messages: [{ role: "user" as const, content: [{ type: "text" as const, text: user }] }],
    };
    const expected = await (await talker()).chat(HELLO, { ...PLAIN, maxTokens: 9, context: CONTEXT }).text();
    const answer = await claude.messages.create(asked);
    assert.equal(
      answer.content.map((block) => block.type === "text" && block.text),
      [expected],
    );
    assert.is(answer.stop_reason, "max_tokens");
    assert.is(answer.usage.output_tokens, 9);
    const stream = claude.messages.stream(asked);
    let text = "";
    stream.on("text", (delta) => (text += delta));
    const final = await stream.finalMessage();
    assert.is(text, expected);
    assert.is(final.stop_reason, "max_tokens");
    assert.is(final.usage.output_tokens, 9);
    const stopped = await claude.messages.create({ ...asked, stop_sequences: [expected.slice(2, 4)] });
    assert.is(stopped.stop_reason, "stop_sequence");
    assert.is(stopped.stop_sequence, expected.slice(2, 4));
    const two = await claude.messages.create({ ...asked, stop_sequences: ["never there", expected.slice(3, 5)] });
    assert.is(two.stop_sequence, expected.slice(3, 5), "which of several it was");
    // A last message of the assistant's is what the answer begins with.
    const last = { role: "assistant" as const, content: "It is" };
    const goesOn = await claude.messages.create({ ...asked, messages: [...asked.messages, last] });
    const begun = [...HELLO, { ...last, prefix: true }];
    assert.is(
      goesOn.content.map((block) => block.type === "text" && block.text).join(),
      await (await talker()).chat(begun, { ...PLAIN, maxTokens: 9, context: CONTEXT }).text(),
    );
    const long = await refusal(
      claude.messages.create({ ...asked, messages: [{ role: "user", content: "sea ".repeat(2000) }] }),
    );
    assert.is(long.status, 400);
    assert.instance(long, Anthropic.BadRequestError);
    const messages = [{ role: "user" as const, content: "sea ".repeat(2000) }];
    const streamed = await refusal(claude.messages.stream({ ...asked, messages }).finalMessage());
    assert.is(streamed.status, 400, "an error before the first piece is no stream");
    assert.match(long.message, /the prompt has \d+ tokens, and the context holds 1024/);
    assert.instance(await refusal((await anthropic("wrong")).messages.create(asked)), Anthropic.AuthenticationError);
    const none = await refusal(claude.messages.create({ ...asked, model: "none" }));
    assert.instance(none, Anthropic.NotFoundError);
  });

  test(`${host}: errors are those that the client knows, and name the field`, async () => {
    const openai = await client();
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "x" }];
    const chat = (more: object): Promise<unknown> =>
      openai.chat.completions.create({ model: MODEL, messages, max_tokens: 2, ...more });
    assert.instance(await refusal((await client("wrong")).models.list()), OpenAI.AuthenticationError);
    assert.instance(await refusal(chat({ model: "none" })), OpenAI.NotFoundError);
    const cases: [param: string, more: object][] = [
      ["temperature", { temperature: 1e9 }],
      ["top_p", { top_p: -1 }],
      ["n", { n: 1000 }],
      ["max_tokens", { max_tokens: 1.5 }],
      ["top_logprobs", { logprobs: true, top_logprobs: 21 }],
      ["seed", { seed: "one" }],
      ["stop[0]", { stop: [5] }],
      ["logit_bias.5", { logit_bias: { 5: 1000 } }],
      ["messages[0].role", { messages: [{ role: "nobody", content: "x" }] }],
      ["messages", { messages: [] }],
      ["messages[0].content[0].type", { messages: [{ role: "user", content: [{ type: "image_url" }] }] }],
      ["response_format.type", { response_format: { type: "xml" } }],
      ["stream", { stream: "yes" }],
    ];
    for (const [param, more] of cases) {
      const error = await refusal(chat(more));
      assert.instance(error, OpenAI.BadRequestError, `${param}: ${error.message}`);
      assert.is(error.param, param);
    }
    const long = await refusal(chat({ messages: [{ role: "user", content: "sea ".repeat(2000) }] }));
    assert.instance(long, OpenAI.BadRequestError);
    assert.is(long.code, "context_length_exceeded");
    const sizes = long.error as { n_ctx: number; n_prompt_tokens: number };
    assert.is(sizes.n_ctx, CONTEXT);
    assert.ok(sizes.n_prompt_tokens > CONTEXT);
    const streamed = await refusal(chat({ stream: true, messages: [{ role: "user", content: "sea ".repeat(2000) }] }));
    assert.is(streamed.status, 400, "an error before the first piece is no stream");
    assert.is((await ask("/v1/nothing")).status, 404);
    assert.is((await ask("/v1/chat/completions")).status, 405);
    const ignored = (await chat({ unknown_field: { deep: [1] }, user: "me", store: true })) as OpenAI.ChatCompletion;
    assert.is(ignored.choices.length, 1);
  });

  test(`${host}: curl, and the bytes of a stream`, async () => {
    const { base } = await server();
    const body = JSON.stringify({ prompt: "One", max_tokens: 3, stream: true });
    const words = ["-sS", "-N", `${base}/v1/completions`, "-H", `Authorization: Bearer ${KEY}`, "-d", body];
    const { stdout, stderr } = await promisify(execFile)("curl", words, { timeout: 20_000 });
    assert.is(stderr, "");
    const events = stdout.split("\n\n");
    assert.is(events.pop(), "");
    assert.is(events.pop(), "data: [DONE]");
    for (const event of events) assert.is(JSON.parse(event.slice(6)).object, "text_completion");
  });

  test(`${host}: the server ends`, async () => {
    await (await server()).stop();
  });
}
