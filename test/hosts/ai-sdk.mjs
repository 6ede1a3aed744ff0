/**
 * What a user of the AI SDK does with limpet, through the SDK's own functions:  node ai-sdk.mjs SDK MODEL
 *
 * Runs in a project into which limpet was installed. SDK: `ai` (7) or `ai6`. Prints one JSON object of what came out.
 */
import { Model } from "limpet";
import { createLimpet, limpet as plain } from "limpet/ai-sdk";
import { z } from "zod";

const [sdk, path] = process.argv.slice(2);
const { generateText, generateObject, streamText, streamObject, embed, embedMany, rerank, tool } = await import(sdk);

const OPTIONS = { temperature: 1, seed: 7, maxOutputTokens: 12 };
const MESSAGES = [
  { role: "user", content: "Hello" },
  { role: "assistant", content: [{ type: "text", text: "Hi." }] },
  { role: "user", content: [{ type: "text", text: "And?" }] },
];
const SYSTEM = "Be brief.";
const said = {};
globalThis.AI_SDK_LOG_WARNINGS = false;

const model = await Model.load(path);
const limpet = createLimpet({
  models: { tiny: model },
  ...(sdk === "ai6" && { specificationVersion: "v3" }),
});
const chat = limpet("tiny");
const conversation = [
  { role: "system", content: SYSTEM },
  { role: "user", content: "Hello" },
  { role: "assistant", content: "Hi." },
  { role: "user", content: "And?" },
];
said.expected = await model.chat(conversation, { temperature: 1, seed: 7, maxTokens: 12 }).text();

const whole = await generateText({ model: chat, system: SYSTEM, messages: MESSAGES, ...OPTIONS });
said.text = whole.text;
said.finish = [whole.finishReason, whole.rawFinishReason];
said.usage = [whole.usage.inputTokens, whole.usage.outputTokens];
said.inputTokens = (await model.chatTokens(conversation)).length;
said.warnings = whole.warnings ?? [];
said.modelId = whole.response.modelId;
said.metadata = Object.keys(whole.providerMetadata.limpet);

const streamed = streamText({ model: chat, system: SYSTEM, messages: MESSAGES, ...OPTIONS });
const pieces = [];
for await (const piece of streamed.textStream) pieces.push(piece);
said.streamed = pieces.join("");
said.pieces = pieces.length;
said.streamFinish = await streamed.finishReason;
said.streamUsage = (await streamed.usage).outputTokens;

// The next turn reads what is new alone; and one that ends with the assistant goes on from there.
const turn = [...MESSAGES, { role: "assistant", content: whole.text }, { role: "user", content: "Why?" }];
const second = (await generateText({ model: chat, system: SYSTEM, messages: turn, ...OPTIONS })).usage;
said.cached = (second.inputTokenDetails ?? second).cacheReadTokens ?? second.cachedInputTokens;
const begins = [...MESSAGES, { role: "assistant", content: "It is" }];
said.begun = (await generateText({ model: chat, system: SYSTEM, messages: begins, ...OPTIONS })).text;
const prefixed = [...conversation, { role: "assistant", content: "It is", prefix: true }];
said.begunExpected = await model.chat(prefixed, { temperature: 1, seed: 7, maxTokens: 12 }).text();

const schema = z.object({ colour: z.enum(["red", "green"]), count: z.number().int().min(0).max(9) });
const bold = { temperature: 1, seed: 3 };
said.object = (await generateObject({ model: chat, schema, prompt: "A colour and how many", ...bold })).object;
const partial = streamObject({ model: chat, schema, prompt: "A colour and how many", ...bold });
for await (const _ of partial.partialObjectStream);
said.streamedObject = await partial.object;

// Options of limpet's own, by the model and by the call.
const settled = limpet("tiny", { regex: "(yes|no)" });
said.settled = (await generateText({ model: settled, prompt: "Well?" })).text;
const own = { limpet: { choice: ["left", "right"] } };
said.own = (await generateText({ model: chat, prompt: "Which way?", providerOptions: own })).text;

const controller = new AbortController();
const endless = { limpet: { regex: "[a-z]{600}" } };
setTimeout(() => controller.abort(), 20);
said.abort = await generateText({ model: chat, prompt: "x", providerOptions: endless, abortSignal: controller.signal })
  .then(() => "nothing")
  .catch(({ name }) => name);
const cut = new AbortController();
const parts = [];
const stream = streamText({
  model: chat,
  prompt: "x",
  providerOptions: endless,
  abortSignal: cut.signal,
  onError() {},
});
for await (const part of stream.fullStream) {
  parts.push(part.type);
  if (part.type === "text-delta") cut.abort();
}
said.cut = parts.at(-1);

const tools = {
  weather: tool({
    description: "The weather now.",
    inputSchema: z.object({ city: z.enum(["Paris", "Rome"]) }),
    execute: async ({ city }) => ({ sky: `clear over ${city}` }),
  }),
};
const asked = { model: chat, tools, toolChoice: "required", maxOutputTokens: 200 };
const question = { role: "user", content: "How is the weather?" };
const called = await generateText({ ...asked, messages: [question] });
said.calls = called.toolCalls.map(({ toolName, input }) => [toolName, ["Paris", "Rome"].includes(input.city)]);
said.results = called.toolResults.map(({ output, input }) => output.sky === `clear over ${input.city}`);
said.callFinish = called.finishReason;
said.callWarnings = called.warnings ?? [];
const events = [];
const calling = streamText({ ...asked, messages: [question] });
for await (const part of calling.fullStream) if (part.type.startsWith("tool-")) events.push(part);
said.callEvents = [...new Set(events.map(({ type }) => type))];
said.callInput = JSON.stringify(events.find(({ type }) => type === "tool-call").input);
said.callDeltas = events
  .filter(({ type }) => type === "tool-input-delta")
  .map(({ delta, text }) => delta ?? text)
  .join("");
said.callSame = JSON.stringify(called.toolCalls[0].input);
// What a tool gave is part of the conversation that goes on.
const after = [question, ...called.response.messages, { role: "user", content: "Thanks." }];
said.after = (await generateText({ model: chat, messages: after, maxOutputTokens: 8 })).usage.outputTokens;

const values = ["one", "two words", "three of them"];
const vectors = await model.embed(values, { dimensions: 8 });
const embedder = limpet.embeddingModel("tiny", { dimensions: 8 });
const many = await embedMany({ model: embedder, values });
const one = await embed({ model: embedder, value: values[1] });
said.embedMany = JSON.stringify(many.embeddings) === JSON.stringify(vectors.map((vector) => [...vector]));
said.embed = JSON.stringify(one.embedding) === JSON.stringify([...vectors[1]]);
said.embedTokens = many.usage.tokens;

const failure = (work) =>
  work.then(
    () => "nothing",
    (error) => String(error?.lastError?.message ?? error?.cause?.message ?? error?.message ?? error),
  );
said.image = await failure(
  generateText({
    model: chat,
    messages: [{ role: "user", content: [{ type: "image", image: new Uint8Array([137, 80, 78, 71]) }] }],
    maxRetries: 0,
  }),
);
said.noFile = await failure(
  generateText({ model: sdk === "ai6" ? limpet("no-such.gguf") : plain("no-such.gguf"), prompt: "x", maxRetries: 0 }),
);
said.ranks = await failure(
  rerank({ model: limpet.rerankingModel("tiny"), query: "x", documents: values, maxRetries: 0 }),
);

const byPath = sdk === "ai6" ? limpet : plain;
said.byPath = (await generateText({ model: byPath(path), system: SYSTEM, messages: MESSAGES, ...OPTIONS })).text;
await byPath.dispose();
model.dispose();
console.log(JSON.stringify(said));
