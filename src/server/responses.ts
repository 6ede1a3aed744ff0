/** `/v1/responses`: OpenAI's responses. What was said before is told with each request: none is kept here. */
import type { GenerateOptions, GenerationResult, Piece } from "../generate/generation.ts";
import type { Message, ToolCall } from "../generate/messages.ts";
import { printable } from "../host/arguments.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, now, streamForm } from "./call.ts";
import { contentOf, formatOf } from "./content.ts";
import type { RequestError } from "./errors.ts";
import type { Fields } from "./fields.ts";
import { NOTHING, type Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf } from "./sampling.ts";
import { named, PING, streamed } from "./stream.ts";
import { argumentsText, responseTools } from "./tools.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const MOST_ITEMS = 4096;

export async function responses(call: Call): Promise<Response> {
  const { fields } = call;
  const ask = askOf(fields);
  const body = new ResponseBody(fields, ask);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask, body));
  const failure = (error: RequestError): string => event({ type: "error", message: error.message, code: error.type });
  return streamed(events(call, ask, body), call.abort, streamForm(call, { ping: PING, failure }));
}

function askOf(fields: Fields): Ask {
  if (fields.has("previous_response_id")) {
    throw fields.wrong("previous_response_id", "names a response that is not kept: give the conversation as input");
  }
  if (fields.flag("background")) throw fields.wrong("background", "is not there: wait for the answer, or stream it");
  const instructions = fields.text("instructions");
  const spoken = conversation(fields);
  return {
    model: fields.text("model"),
    messages: [...(instructions ? [{ role: "system" as const, content: instructions }] : []), ...spoken],
    tools: responseTools(fields),
    n: 1,
    maxTokens: fields.whole("max_output_tokens", 1, MOST_TOKENS),
    seed: seedOf(fields),
    options: { ...samplingOf(fields), ...formOf(fields), ...reasoningOf(fields) },
  };
}

function conversation(fields: Fields): Message[] {
  const input = fields.required("input", fields.raw("input"));
  if (typeof input === "string") return [{ role: "user", content: input }];
  const items = fields.objects("input", MOST_ITEMS)!;
  if (items.length === 0) throw fields.wrong("input", "is empty");
  const said: Message[] = [];
  for (const item of items) {
    const type = item.text("type") ?? "message";
    if (type === "function_call") addCall(said, item);
    else if (type === "function_call_output") {
      said.push({
        role: "tool",
        content: contentOf(item, "output"),
        toolCallId: item.required("call_id", item.text("call_id")),
      });
    } else if (type === "message") said.push(messageOf(item));
    // What it thought before, it is not told again.
    else if (type !== "reasoning") {
      const words = `is message, function_call or function_call_output, not ${printable(type)}`;
      throw item.wrong("type", words);
    }
  }
  return said;
}

function messageOf(item: Fields): Message {
  const role = item.required("role", item.text("role"));
  const content = contentOf(item);
  if (role === "user" || role === "assistant") return { role, content };
  if (role === "system" || role === "developer") return { role: "system", content };
  throw item.wrong("role", `is system, developer, user or assistant, not ${printable(role)}`);
}

/** A call is an item of its own there, and a part of what the assistant said here. */
function addCall(said: Message[], item: Fields): void {
  const call: ToolCall = {
    id: item.required("call_id", item.text("call_id")),
    name: item.required("name", item.text("name")),
    arguments: argumentsText(item),
  };
  const last = said.at(-1);
  if (last?.role === "assistant") said[said.length - 1] = { ...last, toolCalls: [...(last.toolCalls ?? []), call] };
  else said.push({ role: "assistant", content: "", toolCalls: [call] });
}

function formOf(fields: Fields): GenerateOptions {
  const format = fields.object("text")?.object("format");
  return (format && formatOf(format)[0]) ?? {};
}

function reasoningOf(fields: Fields): GenerateOptions {
  return fields.object("reasoning")?.text("effort") === "none" ? { reasoning: { budget: 0 } } : {};
}

type Item = { readonly id: string; readonly type: string; readonly [name: string]: unknown };

const thoughts = (id: string, text: string): Item => ({
  ...{ id, type: "reasoning", summary: [] },
  content: text === "" ? [] : [{ type: "reasoning_text", text }],
});
const part = (text: string): object => ({ type: "output_text", text, annotations: [], logprobs: [] });
const message = (id: string, text: string | null, status: string): Item => ({
  ...{ id, type: "message", role: "assistant", status },
  content: text === null ? [] : [part(text)],
});
const functionCall = (id: string, { id: call_id, name, arguments: given }: ToolCall, status: string): Item => ({
  ...{ id, type: "function_call", call_id, name, arguments: given, status },
});

/** A response as it is told: in the beginning, and in the end. */
class ResponseBody {
  readonly #id: string = newId("resp_");
  readonly #created: number = now();
  readonly #echoed: object;

  constructor(fields: Fields, { options, maxTokens, seed }: Ask) {
    this.#echoed = {
      instructions: fields.text("instructions") ?? null,
      max_output_tokens: maxTokens ?? null,
      metadata: fields.raw("metadata") ?? {},
      parallel_tool_calls: fields.flag("parallel_tool_calls") ?? true,
      previous_response_id: null,
      store: false,
      temperature: options.temperature ?? null,
      text: fields.raw("text") ?? { format: { type: "text" } },
      tool_choice: fields.raw("tool_choice") ?? "auto",
      tools: fields.raw("tools") ?? [],
      top_p: options.topP ?? null,
      truncation: "disabled",
      seed,
    };
  }

  begun(lease: Lease): object {
    return this.#all(lease, { status: "in_progress", incomplete_details: null, output: [], usage: null });
  }

  ended(lease: Lease, result: GenerationResult, usage: Usage, output: readonly Item[]): { status: string } {
    const isCut = statusOf(result) === "incomplete";
    return this.#all(lease, {
      status: statusOf(result),
      incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
      output,
      output_text: result.text,
      usage: {
        input_tokens: usage.prompt,
        input_tokens_details: { cached_tokens: usage.cached },
        output_tokens: usage.completion,
        output_tokens_details: { reasoning_tokens: usage.reasoning },
        total_tokens: usage.prompt + usage.completion,
      },
    }) as { status: string };
  }

  #all(lease: Lease, more: object): object {
    const [id, created_at] = [this.#id, this.#created];
    return { id, object: "response", created_at, model: lease.id, error: null, ...this.#echoed, ...more };
  }
}

function statusOf({ finishReason }: GenerationResult): "completed" | "incomplete" {
  return finishReason === "length" || finishReason === "context" ? "incomplete" : "completed";
}

async function whole(call: Call, ask: Ask, body: ResponseBody): Promise<object> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      const { text, reasoning, toolCalls = [] } = result!;
      const output = [
        ...(reasoning ? [thoughts(newId("rs_"), reasoning)] : []),
        ...(text !== "" || toolCalls.length === 0 ? [message(newId("msg_"), text, statusOf(result!))] : []),
        ...toolCalls.map((one) => functionCall(newId("fc_"), one, "completed")),
      ];
      return body.ended(lease!, result!, value, output);
    }
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") ({ result } = value);
  }
}

const event = (value: { type: string; [name: string]: unknown }): string => named(value);

/** The events of a response's items, each of which begins behind the end of the one before. */
class Items {
  readonly items: Item[] = [];
  #count = 0;
  #open: { kind: "text" | "thoughts" | number; id: string; text: string; call?: ToolCall } | null = null;

  event(type: string, more: object): string {
    return event({ type, sequence_number: this.#count++, ...more });
  }

  *piece({ text, reasoning, toolCalls = [] }: Piece): Generator<string, void, undefined> {
    if (reasoning) {
      yield* this.begin("thoughts", "rs_");
      yield this.#grow("response.reasoning_text.delta", reasoning, { content_index: 0 });
    }
    if (text !== "") {
      yield* this.begin("text", "msg_");
      yield this.#grow("response.output_text.delta", text, { content_index: 0, logprobs: [] });
    }
    for (const { index, arguments: more, ...call } of toolCalls) {
      yield* this.begin(index, "fc_", { ...call, arguments: "" });
      if (more !== "") yield this.#grow("response.function_call_arguments.delta", more, {});
    }
  }

  *begin(kind: "text" | "thoughts" | number, prefix: string, call?: ToolCall): Generator<string, void, undefined> {
    if (this.#open?.kind === kind) return;
    yield* this.end("completed");
    const id = newId(prefix);
    this.#open = { kind, id, text: "", call };
    const item =
      kind === "thoughts"
        ? thoughts(id, "")
        : call
          ? functionCall(id, call, "in_progress")
          : message(id, null, "in_progress");
    yield this.event("response.output_item.added", { output_index: this.items.length, item });
    if (kind === "text") yield this.event("response.content_part.added", { ...this.#place(0), part: part("") });
  }

  /** The end of the item that is open. */
  *end(status: string): Generator<string, void, undefined> {
    if (!this.#open) return;
    const { kind, id, text, call } = this.#open;
    let item = message(id, text, status);
    if (kind === "thoughts") {
      item = thoughts(id, text);
      yield this.event("response.reasoning_text.done", { ...this.#place(0), text });
    } else if (call) {
      item = functionCall(id, { ...call, arguments: text }, status);
      const { name } = call;
      yield this.event("response.function_call_arguments.done", { ...this.#place(), name, arguments: text });
    } else {
      yield this.event("response.output_text.done", { ...this.#place(0), text, logprobs: [] });
      yield this.event("response.content_part.done", { ...this.#place(0), part: part(text) });
    }
    yield this.event("response.output_item.done", { output_index: this.items.length, item });
    this.items.push(item);
    this.#open = null;
  }

  #grow(type: string, delta: string, more: object): string {
    this.#open!.text += delta;
    return this.event(type, { ...this.#place(), delta, ...more });
  }

  #place(content?: number): object {
    const index = content === undefined ? {} : { content_index: content };
    return { item_id: this.#open!.id, output_index: this.items.length, ...index };
  }
}

async function* events(call: Call, ask: Ask, body: ResponseBody): AsyncGenerator<string, void, undefined> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  const items = new Items();
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        if (!result!.text && !result!.toolCalls?.length) yield* items.begin("text", "msg_");
        yield* items.end(statusOf(result!));
        const response = body.ended(lease!, result!, value, items.items);
        yield items.event(`response.${response.status}`, { response });
        return;
      }
      if (value.kind === "begin") {
        ({ lease } = value);
        const response = body.begun(lease);
        yield items.event("response.created", { response });
        yield items.event("response.in_progress", { response });
      } else if (value.kind === "end") ({ result } = value);
      else yield* items.piece(value.piece);
    }
  } finally {
    await steps.return(NOTHING);
  }
}
