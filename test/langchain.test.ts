/** limpet/langchain in LangChain's own runnables: what comes out is what `model.chat` and `model.embed` give. */
import { AIMessage, AIMessageChunk, HumanMessage, SystemMessage } from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { z } from "zod";
import { Model } from "../src/index.ts";
import { ChatLimpet, LimpetEmbeddings } from "../src/langchain.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const CHATML =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const BYTES = modelBytes("llama-tiny", "Q8_0", [["tokenizer.chat_template", "string", CHATML]]);
const OPTIONS = { temperature: 1, seed: 7, maxTokens: 12 };
const MESSAGES = [
  new SystemMessage("Be brief."),
  new HumanMessage("Hello"),
  new AIMessage("Hi."),
  new HumanMessage("And?"),
];

const model = await Model.load(BYTES);
const chat = new ChatLimpet({ model, ...OPTIONS });
const expected = await model
  .chat(
    [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello" },
      { role: "assistant", content: "Hi." },
      { role: "user", content: "And?" },
    ],
    OPTIONS,
  )
  .text();

test("invoke: the text, its end and its tokens", async () => {
  const answer = await chat.invoke(MESSAGES);
  assert.ok(AIMessage.isInstance(answer) || AIMessageChunk.isInstance(answer));
  assert.is(answer.text, expected);
  assert.is(answer.response_metadata.finish_reason, "length");
  assert.is(answer.usage_metadata?.output_tokens, 12);
  assert.ok((answer.usage_metadata?.input_tokens ?? 0) > 20);
});

test("the next turn reads what is new alone, and an answer goes on from its beginning", async () => {
  const first = await chat.invoke(MESSAGES);
  const next = await chat.invoke([...MESSAGES, first, new HumanMessage("Why?")]);
  const { input_tokens: before } = first.usage_metadata!;
  const { input_tokens: all, input_token_details: details } = next.usage_metadata!;
  assert.ok(details!.cache_read! >= before && details!.cache_read! < all, JSON.stringify(next.usage_metadata));
  const begins = new AIMessage({ content: "It is", additional_kwargs: { prefix: true } });
  const said = [...MESSAGES, begins].map((message) => ({
    role: { human: "user", ai: "assistant" }[message.type as "ai"] ?? message.type,
    content: message.text,
    ...(message === begins && { prefix: true }),
  }));
  const goesOn = model.chat(said as Parameters<typeof model.chat>[0], OPTIONS);
  assert.is((await chat.invoke([...MESSAGES, begins])).text, await goesOn.text());
});

test("stream: the same text in pieces, and callbacks see it", async () => {
  const pieces: string[] = [];
  const seen: string[] = [];
  const callbacks = [{ handleLLMNewToken: (token: string) => void seen.push(token) }];
  let last: AIMessageChunk | undefined;
  for await (const chunk of await chat.stream(MESSAGES, { callbacks })) {
    pieces.push(chunk.text);
    last = last ? last.concat(chunk) : chunk;
  }
  assert.ok(pieces.filter(Boolean).length > 1);
  assert.is(pieces.join(""), expected);
  assert.is(seen.join(""), expected);
  assert.is(last?.usage_metadata?.output_tokens, 12);
});

test("in a chain, with options of the call", async () => {
  const prompt = ChatPromptTemplate.fromMessages([["human", "{word}"]]);
  const chain = prompt.pipe(chat.withConfig({ maxTokens: 3, stop: ["zzz"] })).pipe(new StringOutputParser());
  const alone = model.chat([{ role: "user", content: "Hello" }], { ...OPTIONS, maxTokens: 3, stop: ["zzz"] });
  assert.is(await chain.invoke({ word: "Hello" }), await alone.text());
  assert.is((await chat.batch(["One", "Two", "Three"], { maxConcurrency: 2 })).length, 3);
});

test("withStructuredOutput: values of a schema of zod's or in JSON, and the raw message", async () => {
  const schema = z.object({ colour: z.enum(["red", "green"]), count: z.number().int().min(0).max(9) });
  const structured = new ChatLimpet({ model, temperature: 1, seed: 3 });
  const value = await structured.withStructuredOutput(schema).invoke("A colour and how many");
  assert.ok(schema.safeParse(value).success, JSON.stringify(value));
  const json = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  };
  const plain = await structured.withStructuredOutput(json).invoke("Is it?");
  assert.type(plain.ok, "boolean");
  const both = await structured.withStructuredOutput(schema, { includeRaw: true }).invoke("A colour and how many");
  assert.equal(both.parsed, schema.parse(JSON.parse(both.raw.text)));
});

test("bindTools: calls, in one answer and in pieces, and their results as messages", async () => {
  const weather = tool(async ({ city }: { city: string }) => `clear over ${city}`, {
    name: "weather",
    description: "The weather now.",
    schema: z.object({ city: z.enum(["Paris", "Rome"]) }),
  });
  const question = new HumanMessage("How is the weather?");
  const calling = new ChatLimpet({ model, parallel: false, maxTokens: 200 }).bindTools([weather], {
    tool_choice: "any",
  });
  const answer = await calling.invoke([question]);
  assert.is(answer.tool_calls?.length, 1);
  const [call] = answer.tool_calls!;
  assert.is(call.name, "weather");
  assert.ok(["Paris", "Rome"].includes(call.args.city));
  assert.is(answer.response_metadata.finish_reason, "tool_calls");
  let joined: AIMessageChunk | undefined;
  for await (const chunk of await calling.stream([question])) joined = joined ? joined.concat(chunk) : chunk;
  assert.equal(
    joined!.tool_calls!.map(({ name, args }) => ({ name, args })),
    [{ name: call.name, args: call.args }],
  );
  const result = await weather.invoke({ ...call, type: "tool_call" });
  assert.is(result.text, `clear over ${call.args.city}`);
  const next = await new ChatLimpet({ model, maxTokens: 5 }).invoke([
    question,
    answer,
    result,
    new HumanMessage("Thanks"),
  ]);
  assert.is(next.usage_metadata?.output_tokens, 5);
  const named = new ChatLimpet({ model, maxTokens: 200 }).bindTools([weather], { tool_choice: "weather" });
  assert.is((await named.invoke([question])).tool_calls![0].name, "weather");
});

test("a signal ends a call; what cannot be read is said", async () => {
  const controller = new AbortController();
  const long = new ChatLimpet({ model, regex: /[a-z]{600}/ });
  setTimeout(() => controller.abort(), 10);
  assert.is((await errorOf(() => long.invoke("Go on", { signal: controller.signal }))).name, "AbortError");
  const image = new HumanMessage({ content: [{ type: "image_url", image_url: "data:," }] });
  assert.match(String(await errorOf(() => chat.invoke([image]))), /image_url cannot be given/);
});

test("a model by its path or bytes is loaded when it is first used, and once", async () => {
  const lazy = new ChatLimpet({ model: BYTES, ...OPTIONS });
  const texts = await Promise.all([lazy.invoke(MESSAGES), lazy.invoke(MESSAGES)]);
  assert.equal(
    texts.map(({ text }) => text),
    [expected, expected],
  );
  assert.match(String(await errorOf(() => new ChatLimpet({ model: "no-such.gguf" }).invoke("x"))), /no such file/);
});

test("embeddings: the vectors of model.embed", async () => {
  const embeddings = new LimpetEmbeddings({ model, dimensions: 8 });
  const texts = ["one", "two words", "three of them"];
  const vectors = await model.embed(texts, { dimensions: 8 });
  assert.equal(
    await embeddings.embedDocuments(texts),
    vectors.map((vector) => [...vector]),
  );
  assert.equal(await embeddings.embedQuery("two words"), [...vectors[1]]);
});

test.run();
