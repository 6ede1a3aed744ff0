/**
 * Tools, family by family: what a family's models write is read as calls, split wherever it may be; conversations by a
 * model with random weights give calls that parse and that AJV finds valid; who calls what is what was chosen.
 */
import { Template } from "@huggingface/jinja";
import Ajv from "ajv";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { AnswerReader } from "../src/generate/answer-reader.ts";
import { callFormatOf, thoughtMarksOf } from "../src/generate/tool-formats.ts";
import { callsTable } from "../src/grammar/calls.ts";
import { grammarOf } from "../src/grammar.ts";
import { type ChatOptions, type GenerationResult, type Message, Model, type Piece, type Tool } from "../src/index.ts";
import { TEMPLATES } from "./support/chat-templates.ts";
import { markedModel } from "./support/marked-model.ts";
import { errorOf } from "./support/models.ts";
import { TOOL_TEMPLATES } from "./support/tool-templates.ts";

const ajv = new Ajv({ strict: false });
const f = {
  type: "object",
  properties: {
    text: { type: "string" },
    short: { type: "string", maxLength: 20 },
    kind: { enum: ["a", 'it\'s "b"', null, true] },
    list: { type: "array", items: { type: "object", properties: { n: { type: "integer" }, s: { type: "string" } } } },
    exact: { type: "boolean" },
  },
  required: ["text"],
};
const g = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const TOOLS: Tool[] = [
  { name: "f", description: "Does it.", parameters: f },
  { name: "g", parameters: g },
];
const WICKED = `say "it's"\n\t{[}],: \\ \\" </tool_call> ) ] } é 🌍 \u0001 True <|im_end|> \`\`\``;
const CALLS = [
  {
    name: "f",
    arguments: {
      text: WICKED,
      short: "< 🌍 \\ '\"",
      kind: 'it\'s "b"',
      list: [
        { n: -5, s: "}" },
        { n: 0, s: "" },
      ],
      exact: true,
    },
  },
  { name: "g", arguments: { city: "Paris" } },
];

/** The answer in parts, as pieces of these lengths. */
function readBy(reader: AnswerReader, pieces: Iterable<string>) {
  const all = { text: "", reasoning: "", calls: [] as { id: string; name: string; arguments: string }[] };
  const take = ({ text, reasoning, toolCalls }: ReturnType<AnswerReader["read"]>): void => {
    all.text += text;
    all.reasoning += reasoning;
    for (const { index, id, name, arguments: delta } of toolCalls) {
      all.calls[index] ??= { id, name, arguments: "" };
      assert.equal([all.calls[index].id, all.calls[index].name], [id, name]);
      all.calls[index].arguments += delta;
    }
  };
  for (const piece of pieces) take(reader.read(piece));
  take(reader.end());
  assert.equal(all.calls, [...reader.calls]);
  return { ...all, calls: all.calls.map(({ name, arguments: given }) => ({ name, arguments: JSON.parse(given) })) };
}

for (const [name, { template, marks, write }] of Object.entries(TOOL_TEMPLATES)) {
  const format = callFormatOf(template)!;
  const thoughts = thoughtMarksOf(template);
  const controls = marks.filter((mark) => template.includes(mark));
  const isThinking = name === "DeepSeek";
  const calls = format.next ? CALLS : CALLS.slice(0, 1);
  // What stands for a quote cannot be within a text.
  const said = calls.map((call) => ({ ...call, arguments: JSON.parse(JSON.stringify(call.arguments)) }));
  const form = { calls: format, tools: ["f", "g"], thoughts, isThinking, idOf: (i: number) => `call${i}` };
  const source = {
    format,
    tools: [
      { name: "f", schema: f },
      { name: "g", schema: g },
    ],
    choice: "auto" as const,
    parallel: true,
    thoughts,
    isThinking,
    controls: [],
    answer: null,
  };

  test(`${name}: calls with everything in them are of the grammar, and are read however they are split`, () => {
    const text = write(said);
    const grammar = grammarOf(callsTable(source) as Uint8Array<ArrayBuffer>);
    assert.ok(grammar.accepts(text), text);
    const whole = readBy(new AnswerReader(form), [text]);
    assert.equal(whole.calls, said, text);
    assert.is(whole.text, "");
    assert.is(whole.reasoning === "", thoughts === null || !(text.includes("</think>") || isThinking));
    assert.equal(readBy(new AnswerReader(form), text), whole, "letter by letter");
    for (let i = 1; i < text.length; i++) {
      assert.equal(readBy(new AnswerReader(form), [text.slice(0, i), text.slice(i)]), whole, `at ${i}`);
    }
    if (!isThinking) {
      const [mark] = format.openings.map((opening) => opening.mark);
      const spoken = `Let me see. ${mark.slice(0, -1)} {"na\n\n`;
      assert.ok(grammar.accepts(spoken + text) || format.name === "llama");
      const both = readBy(new AnswerReader(form), spoken + (format.name === "llama" ? "" : text));
      assert.is(both.text.trimEnd(), spoken.trimEnd());
    }
    const wrong = write([{ name: "f", arguments: { text: "x", kind: "none of them" } }]);
    assert.not.ok(grammar.accepts(wrong), "a value that the schema does not allow");
    assert.not.ok(grammar.accepts(write([{ name: "h", arguments: { text: "x" } }])) && format.name !== "llama");
    assert.ok(
      grammarOf(callsTable({ ...source, choice: "none" }) as Uint8Array<ArrayBuffer>).accepts("Words") || isThinking,
    );
    const required = grammarOf(callsTable({ ...source, choice: "required" }) as Uint8Array<ArrayBuffer>);
    assert.ok(required.accepts(text));
    assert.not.ok(required.accepts("Words"));
    // A control token is told from its text.
    const tokens = grammarOf(callsTable({ ...source, controls }) as Uint8Array<ArrayBuffer>);
    const encoder = new TextEncoder();
    const plain = write([{ name: "g", arguments: { city: "x" } }]).replace("<tool_call> now", "now");
    const parts = plain.split(new RegExp(`(${controls.map((c) => c.replace(/[|[\]\\]/g, "\\$&")).join("|")})`));
    const bytes = parts.flatMap((part, i) => [...(i % 2 ? [0xff] : []), ...encoder.encode(part)]);
    assert.ok(tokens.accepts(Uint8Array.from(bytes)), name);
  });
}

/** A schema whose texts end soon, for a model that writes at random. */
const SMALL: Tool[] = [
  {
    name: "add",
    parameters: {
      type: "object",
      properties: { a: { type: "integer", minimum: -99, maximum: 99 }, note: { type: "string", maxLength: 4 } },
      required: ["a", "note"],
    },
  },
  { name: "look_up", parameters: { type: "object", properties: { kind: { enum: ["x y", "z"] } } } },
];
const valid = new Map(SMALL.map(({ name, parameters }) => [name, ajv.compile(parameters as object)]));

async function run(model: Model, messages: Message[], options: ChatOptions): Promise<[GenerationResult, Piece[]]> {
  const generation = model.chat(messages, options);
  const pieces: Piece[] = [];
  for await (const piece of generation) pieces.push(piece);
  return [generation.result!, pieces];
}

for (const [name, { template, marks }] of Object.entries(TOOL_TEMPLATES)) {
  test(`${name}: three conversations with a model of random weights`, async () => {
    const model = await Model.load(markedModel(template, marks));
    let finished = 0;
    for (let seed = 0; seed < 3; seed++) {
      const messages: Message[] = [{ role: "user", content: `Question ${seed}` }];
      for (let round = 0; round < 2; round++) {
        const choice = round === 0 ? ("required" as const) : { name: "look_up" };
        // Thoughts may go on for ever: they are closed.
        const [result, pieces] = await run(model, messages, {
          tools: SMALL,
          toolChoice: choice,
          parallel: seed === 1 ? undefined : false,
          temperature: 1.5,
          seed: seed + 10 * round,
          maxTokens: 400,
          reasoning: { budget: 5 },
        });
        const calls = result.toolCalls ?? [];
        if (/^(length|context)$/.test(result.finishReason)) continue;
        finished++;
        assert.is(result.finishReason, "tool_calls");
        assert.is(result.text, "");
        assert.ok(calls.length === 1 || seed === 1, `${calls.length} calls`);
        for (const [i, call] of calls.entries()) {
          if (round === 1) assert.is(call.name, "look_up");
          assert.ok(valid.get(call.name)!(JSON.parse(call.arguments)), call.arguments);
          const deltas = pieces.flatMap((piece) => piece.toolCalls ?? []).filter(({ index }) => index === i);
          assert.is(deltas.map((delta) => delta.arguments).join(""), call.arguments);
          assert.is(deltas[0].arguments, "", "the first says the name");
        }
        assert.is(
          new Set(
            messages
              .flatMap((m) => (m.role === "assistant" ? (m.toolCalls ?? []) : []))
              .concat(calls)
              .map(({ id }) => id),
          ).size,
          messages.filter((m) => m.role === "tool").length + calls.length,
        );
        messages.push({ role: "assistant", content: result.text, toolCalls: calls });
        for (const { id } of calls) messages.push({ role: "tool", content: '{"sum": 3}', toolCallId: id });
      }
      // What goes back is what the template writes of it.
      const tokens = await model.chatTokens(messages, { tools: SMALL });
      const text = model.detokenize(tokens, { special: true, cleanSpaces: false });
      for (const message of messages) {
        if (message.role === "tool") assert.ok(text.includes(message.content));
        if (message.role !== "assistant") continue;
        for (const call of message.toolCalls ?? []) assert.ok(text.includes(call.name));
      }
    }
    assert.ok(finished >= 4, `${finished} of 6 came to an end`);
    model.dispose();
  });
}

const QWEN = TEMPLATES["Qwen2.5"];
const qwen = await Model.load(markedModel(QWEN, ["<|im_start|>", "<|im_end|>"]));

/** Has a model say the tokens of a text byte by byte. */
function saying(model: Model, text: string, end: number): ChatOptions["onLogits"] {
  const ids = new Map<number, number>();
  for (let id = 0; id < model.tokenizer.count; id++) {
    const bytes = model.detokenizeBytes([id]);
    if (bytes.length === 1) ids.set(bytes[0], id);
  }
  const bytes = [...new TextEncoder().encode(text)];
  let at = 0;
  return (logits) => {
    logits.fill(Number.NEGATIVE_INFINITY);
    const byte = bytes[at++];
    logits[byte === undefined ? end : ids.get(byte)!] = 0;
  };
}

test("a call that comes byte by byte is the call", async () => {
  const { write } = TOOL_TEMPLATES.Hermes;
  const text = `I see. 🌍\n${write(CALLS)}`;
  const onLogits = saying(qwen, text, qwen.tokenizer.specials.eos!);
  const [result, pieces] = await run(qwen, [{ role: "user", content: "x" }], {
    tools: TOOLS,
    maxTokens: 1000,
    onLogits,
  });
  assert.is(result.finishReason, "tool_calls");
  assert.is(result.text, "I see. 🌍");
  assert.is(pieces.map((piece) => piece.text).join(""), result.text);
  assert.equal(
    result.toolCalls!.map((call) => ({ name: call.name, arguments: JSON.parse(call.arguments) })),
    CALLS,
  );
  assert.is(pieces.filter(({ token }) => token !== qwen.tokenizer.specials.eos).length, result.tokens.length);
});

test("what a model says without a call is what it says without tools", async () => {
  const messages: Message[] = [{ role: "user", content: "x" }];
  const tokens = await qwen.chatTokens(messages, { tools: TOOLS });
  for (const sampling of [{}, { temperature: 1, seed: 3 }, { temperature: 1.2, topK: 20, topP: 0.9, seed: 5 }]) {
    const bare = qwen.generate(tokens, { ...sampling, maxTokens: 40 });
    await bare.text();
    const [result] = await run(qwen, messages, { ...sampling, tools: TOOLS, maxTokens: 40 });
    assert.equal(result.tokens, bare.result!.tokens);
  }
});

test("tools and what else an answer may be: a schema, none of the tools", async () => {
  const messages: Message[] = [{ role: "user", content: "x" }];
  const schema = {
    type: "object",
    properties: { ok: { type: "boolean" } },
    required: ["ok"],
    additionalProperties: false,
  };
  for (let seed = 0; seed < 4; seed++) {
    const [either] = await run(qwen, messages, { tools: SMALL, schema, temperature: 1, seed, maxTokens: 300 });
    if (either.finishReason === "tool_calls") assert.is(either.text, "");
    else if (either.finishReason === "stop") assert.type(JSON.parse(either.text).ok, "boolean");
    const [none] = await run(qwen, messages, { tools: SMALL, schema, toolChoice: "none", temperature: 1, seed });
    if (none.finishReason === "stop") assert.type(JSON.parse(none.text).ok, "boolean");
  }
});

test("a session keeps calls and takes results, and goes on from what it has read", async () => {
  const session = qwen.session();
  const said = TOOL_TEMPLATES.Hermes.write([CALLS[1]]).replace('"city":', '"city": ');
  const onLogits = saying(qwen, said, qwen.tokenizer.specials.eos!);
  const generation = session.chat("x", { tools: TOOLS, maxTokens: 300, onLogits });
  await generation.text();
  const [call] = generation.result!.toolCalls!;
  assert.equal(session.messages.at(-1), { role: "assistant", content: "", toolCalls: [call] });
  const before = session.tokens.length;
  const next = session.chat({ role: "tool", content: "Sunny", toolCallId: call.id }, { tools: TOOLS, maxTokens: 3 });
  await next.text();
  assert.ok(next.result!.cachedTokens >= before - 4, `${next.result!.cachedTokens} of ${before} are kept`);
  assert.equal(session.messages.map(({ role }) => role).join(), "user,assistant,tool,assistant");
  const again = qwen.restore(session.save());
  assert.equal(again.messages, session.messages);
  const expected = new Template(QWEN).render({
    messages: [
      { role: "user", content: "x" },
      { role: "assistant", content: "", tool_calls: [{ function: { name: "g", arguments: { city: "Paris" } } }] },
      { role: "tool", content: "Sunny" },
    ],
    tools: TOOLS.map(({ name, description = "", parameters }) => ({
      type: "function",
      function: { name, description, parameters },
    })),
    add_generation_prompt: true,
  });
  const text = qwen.detokenize(session.tokens, { special: true, cleanSpaces: false });
  assert.ok(text.replace(/^<s>/, "").startsWith(expected), text);
  again.dispose();
  session.dispose();
});

test("thoughts are told apart from what is said, and stand in front of it in the next prompt", async () => {
  const model = await Model.load(markedModel(TEMPLATES.Qwen3, ["<|im_start|>", "<|im_end|>"]));
  const session = model.session();
  const onLogits = saying(model, "<think>\nWhy <not>?\n</think>\n\nBecause.", model.tokenizer.specials.eos!);
  const generation = session.chat("x", { onLogits, maxTokens: 200 });
  const reasoning: string[] = [];
  for await (const piece of generation) reasoning.push(piece.reasoning ?? "");
  assert.is(generation.result!.text, "Because.");
  assert.is(generation.result!.reasoning, "Why <not>?");
  assert.is(reasoning.join(""), "Why <not>?");
  assert.equal(session.messages.at(-1), { role: "assistant", content: "Because.", reasoning: "Why <not>?" });
  const tokens = await model.chatTokens([...session.messages]);
  const text = model.detokenize(tokens, { special: true, cleanSpaces: false });
  assert.ok(text.includes("<think>\nWhy <not>?\n</think>\n\nBecause."), text);
  model.dispose();
});

test("a model that thinks does so in front of what an answer has to be", async () => {
  const { template, marks } = TOOL_TEMPLATES.DeepSeek;
  const model = await Model.load(markedModel(template, marks));
  for (let seed = 0; seed < 3; seed++) {
    const options = { choice: ["yes", "no"], temperature: 1, seed, reasoning: { budget: 3 } };
    const [result] = await run(model, [{ role: "user", content: "x" }], options);
    assert.ok(result.text === "yes" || result.text === "no", JSON.stringify(result.text));
    assert.is(result.finishReason, "stop");
    assert.type(result.reasoning, "string");
  }
  model.dispose();
});

test("a worker, a batch and several answers call alike", async () => {
  const bytes = markedModel(QWEN, ["<|im_start|>", "<|im_end|>"]);
  const model = await Model.load(bytes);
  const messages: Message[] = [{ role: "user", content: "x" }];
  const options: ChatOptions = { tools: SMALL, toolChoice: "required", temperature: 1, seed: 2, maxTokens: 200 };
  const [expected] = await run(model, messages, options);
  const plain = ({ timings: _, ...rest }: GenerationResult): object => rest;
  const worker = await Model.load(bytes, { worker: true });
  const generation = worker.chat(messages, options);
  await generation.text();
  assert.equal(plain(generation.result!), plain(expected));
  const told = { tools: SMALL };
  assert.equal(await worker.chatTokens(messages, told), await model.chatTokens(messages, told));
  worker.dispose();
  const batch = model.batch({ sequences: 2, context: 1024 });
  const both = [batch.chat(messages, options), batch.chat(messages, { ...options, seed: 3 })];
  await Promise.all(both.map((each) => each.text()));
  assert.equal(both[0].result!.toolCalls, expected.toolCalls);
  batch.dispose();
  const several = model.chat(messages, { ...options, n: 2 });
  await several.text();
  const calls = several.result!.answers!.map(({ toolCalls }) => toolCalls);
  assert.equal(calls, [expected.toolCalls, both[1].result!.toolCalls]);
  model.dispose();
});

test("what cannot be is refused by name", async () => {
  const chat = (options: object) => errorOf(() => qwen.chat([{ role: "user", content: "x" }], options).text());
  const code = async (options: object) => ((await chat(options)) as { code?: string }).code;
  assert.is(await code({ toolChoice: "required" }), "BAD_ARGUMENT");
  assert.is(await code({ tools: SMALL, toolChoice: { name: "other" } }), "BAD_ARGUMENT");
  assert.is(await code({ tools: SMALL, toolChoice: "any" }), "BAD_ARGUMENT");
  assert.is(await code({ tools: [{ name: "a b" }] }), "BAD_ARGUMENT");
  assert.is(await code({ tools: [{ name: "a" }, { name: "a" }] }), "BAD_ARGUMENT");
  assert.is(await code({ tools: [{ name: "a", parameters: { type: "string" } }] }), "BAD_ARGUMENT");
  assert.is(await code({ tools: [{ name: "a", parameters: "no" }] }), "BAD_ARGUMENT");
  assert.is(await code({ tools: SMALL, table: new Uint8Array(4) }), "BAD_ARGUMENT");
  const held = { type: "object", properties: { x: { unevaluatedItems: false } } };
  const error = await chat({ tools: [{ name: "a", parameters: held }] });
  assert.match(String(error), /of the tool a.*unevaluatedItems|unevaluatedItems.*of the tool a/);
  const tools = [{ name: "a", parameters: held, strict: false }];
  await qwen.chat([{ role: "user", content: "x" }], { tools, maxTokens: 2 }).text();
});

test.run();
