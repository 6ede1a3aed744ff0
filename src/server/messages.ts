/** `/v1/messages`: Anthropic's messages. */
import type { GenerateOptions, GenerationResult, Piece } from "../generate/generation.ts";
import type { Message, ToolCall } from "../generate/messages.ts";
import { printable } from "../host/arguments.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, streamForm } from "./call.ts";
import { contentOf, partText } from "./content.ts";
import type { RequestError } from "./errors.ts";
import type { Fields } from "./fields.ts";
import { requireShort } from "./inputs.ts";
import { NOTHING, type Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf, stopsOf } from "./sampling.ts";
import { named, streamed } from "./stream.ts";
import { messageTools } from "./tools.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const MOST_MESSAGES = 4096;
const MOST_PARTS = 4096;

export async function messages(call: Call): Promise<Response> {
  const { fields } = call;
  const ask = askOf(fields);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask));
  const failure = (error: RequestError): string => named(error.anthropicBody() as { type: string });
  return streamed(events(call, ask), call.abort, streamForm(call, { ping: named({ type: "ping" }), failure }));
}

/** `/v1/messages/count_tokens`: what a conversation would take. */
export async function countTokens(call: Call): Promise<Response> {
  const { fields, server, signal } = call;
  const [said, { tools }] = [conversation(fields), messageTools(fields)];
  const lease = await server.models.lease(fields.text("model"), signal);
  try {
    requireShort(JSON.stringify([said, tools]).length, lease.context);
    const tokens = await lease.model.chatTokens(said, tools && { tools });
    return Response.json({ input_tokens: tokens.length });
  } finally {
    lease.release();
  }
}

function askOf(fields: Fields): Ask {
  return {
    model: fields.text("model"),
    messages: conversation(fields),
    tools: messageTools(fields),
    n: 1,
    maxTokens: fields.required("max_tokens", fields.whole("max_tokens", 1, MOST_TOKENS)),
    seed: seedOf(fields),
    options: {
      ...samplingOf(fields),
      ...thinkingOf(fields),
      ...(fields.has("stop_sequences") && { stop: stopsOf(fields, "stop_sequences") ?? [] }),
    },
  };
}

function conversation(fields: Fields): Message[] {
  const system = fields.has("system") ? contentOf(fields, "system") : "";
  const list = fields.required("messages", fields.objects("messages", MOST_MESSAGES));
  if (list.length === 0) throw fields.wrong("messages", "is empty: a conversation has one message at least");
  const said = list.flatMap((message): Message[] => {
    const role = message.required("role", message.text("role"));
    if (role === "user") return userMessages(message);
    if (role === "assistant") return [assistantMessage(message, message === list.at(-1))];
    throw message.wrong("role", `is user or assistant, not ${printable(role)}: a system's words stand in system`);
  });
  return [...(system === "" ? [] : [{ role: "system" as const, content: system }]), ...said];
}

/** The blocks of a message; a text is one. */
function blocksOf(message: Fields): Fields[] | null {
  if (typeof message.raw("content") === "string") return null;
  return message.required("content", message.objects("content", MOST_PARTS));
}

/** What tools gave stands in front of what a user says to it. */
function userMessages(message: Fields): Message[] {
  const blocks = blocksOf(message);
  if (!blocks) return [{ role: "user", content: message.text("content")! }];
  const results = blocks.filter((block) => block.text("type") === "tool_result");
  const texts = blocks.filter((block) => block.text("type") !== "tool_result").map(partText);
  return [
    ...results.map(
      (block): Message => ({
        role: "tool",
        content: block.has("content") ? contentOf(block) : "",
        toolCallId: block.required("tool_use_id", block.text("tool_use_id")),
      }),
    ),
    ...(texts.length > 0 || results.length === 0 ? [{ role: "user" as const, content: texts.join("") }] : []),
  ];
}

/** The last message, where it is an assistant's text, is what the answer begins with. */
function assistantMessage(message: Fields, isLast: boolean): Message {
  const blocks = blocksOf(message);
  const begins = isLast && { prefix: true };
  if (!blocks) return { role: "assistant", content: message.text("content")!, ...begins };
  const toolCalls: ToolCall[] = [];
  let [content, reasoning] = ["", ""];
  for (const block of blocks) {
    const type = block.text("type");
    if (type === "thinking") reasoning += block.text("thinking") ?? "";
    else if (type === "tool_use") {
      const given = block.object("input") ? block.raw("input") : {};
      toolCalls.push({
        id: block.required("id", block.text("id")),
        name: block.required("name", block.text("name")),
        arguments: JSON.stringify(given),
      });
    } else if (type !== "redacted_thinking") content += partText(block);
  }
  return {
    role: "assistant",
    content,
    ...(reasoning !== "" && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(reasoning === "" && toolCalls.length === 0 && begins),
  };
}

function thinkingOf(fields: Fields): GenerateOptions {
  const thinking = fields.object("thinking");
  const type = thinking?.text("type");
  if (type === "disabled") return { reasoning: { budget: 0 } };
  const budget = thinking?.whole("budget_tokens", 0, MOST_TOKENS);
  return budget === undefined ? {} : { reasoning: { budget } };
}

/** A message as it begins: what its prompt has is not known before it was read. */
function head(id: string, lease: Lease): object {
  return { id, type: "message", role: "assistant", model: lease.id };
}

function usageOf({ prompt, cached, completion }: Usage): object {
  return {
    input_tokens: prompt - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: completion,
  };
}

const ENDS: Partial<Record<GenerationResult["finishReason"], string>> = {
  stop: "end_turn",
  stop_string: "stop_sequence",
  tool_calls: "tool_use",
};

/** Why an answer ended, and before which text. */
function endOf({ finishReason, stopString }: GenerationResult): object {
  return { stop_reason: ENDS[finishReason] ?? "max_tokens", stop_sequence: stopString ?? null };
}

function contentBlocks({ text, reasoning, toolCalls = [] }: GenerationResult): object[] {
  return [
    ...(reasoning ? [{ type: "thinking", thinking: reasoning, signature: "" }] : []),
    ...(text !== "" || toolCalls.length === 0 ? [{ type: "text", text, citations: null }] : []),
    ...toolCalls.map(({ id, name, arguments: given }) => ({ type: "tool_use", id, name, input: JSON.parse(given) })),
  ];
}

async function whole(call: Call, ask: Ask): Promise<object> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      const content = contentBlocks(result!);
      return { ...head(newId("msg_"), lease!), content, ...endOf(result!), usage: usageOf(value) };
    }
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") ({ result } = value);
  }
}

/** The blocks of a message that comes in pieces: each begins behind the end of the one before. */
class Blocks {
  #index = -1;
  /** What the open block is: `text`, `thinking`, or the number of a call. */
  #open: string | number | null = null;

  /** Whether there was any. */
  get isEmpty(): boolean {
    return this.#index < 0;
  }

  *piece({ text, reasoning, toolCalls = [] }: Piece): Generator<string, void, undefined> {
    if (reasoning) {
      yield* this.begin("thinking", { type: "thinking", thinking: "", signature: "" });
      yield this.#delta({ type: "thinking_delta", thinking: reasoning });
    }
    if (text !== "") {
      yield* this.begin("text", { type: "text", text: "", citations: null });
      yield this.#delta({ type: "text_delta", text });
    }
    for (const { index, id, name, arguments: part } of toolCalls) {
      yield* this.begin(index, { type: "tool_use", id, name, input: {} });
      if (part !== "") yield this.#delta({ type: "input_json_delta", partial_json: part });
    }
  }

  *begin(kind: string | number, block: object): Generator<string, void, undefined> {
    if (this.#open === kind) return;
    yield* this.end();
    this.#open = kind;
    this.#index++;
    yield this.#event("content_block_start", { content_block: block });
  }

  *end(): Generator<string, void, undefined> {
    if (this.#open !== null) yield this.#event("content_block_stop", {});
    this.#open = null;
  }

  #delta(delta: object): string {
    return this.#event("content_block_delta", { delta });
  }

  #event(type: string, more: object): string {
    return event({ type, index: this.#index, ...more });
  }
}

const event = (value: { type: string; [name: string]: unknown }): string => named(value);

async function* events(call: Call, ask: Ask): AsyncGenerator<string, void, undefined> {
  let result: GenerationResult | undefined;
  const blocks = new Blocks();
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        if (blocks.isEmpty) yield* blocks.begin("text", { type: "text", text: "", citations: null });
        yield* blocks.end();
        yield event({ type: "message_delta", delta: endOf(result!), usage: usageOf(value) });
        yield event({ type: "message_stop" });
        return;
      }
      if (value.kind === "begin") {
        const empty = { content: [], stop_reason: null, stop_sequence: null, usage: usageOf(NOTHING) };
        yield event({ type: "message_start", message: { ...head(newId("msg_"), value.lease), ...empty } });
      } else if (value.kind === "end") ({ result } = value);
      else yield* blocks.piece(value.piece);
    }
  } finally {
    await steps.return(NOTHING);
  }
}
