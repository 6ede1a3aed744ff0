/** `/v1/responses`: OpenAI's responses. What was said before is told with each request: none is kept here. */

import type { GenerateOptions, GenerationResult } from "../generate/generation.ts";
import type { Message } from "../generate/messages.ts";
import { printable } from "../host/arguments.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, now, streamForm } from "./call.ts";
import { contentOf, formatOf, notYet, requireNoTools } from "./content.ts";
import type { RequestError } from "./errors.ts";
import type { Fields } from "./fields.ts";
import type { Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf } from "./sampling.ts";
import { named, PING, streamed } from "./stream.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const MOST_ITEMS = 4096;

export async function responses(call: Call): Promise<Response> {
  const { fields } = call;
  requireNoTools(fields);
  const ask = askOf(fields);
  const body = new ResponseBody(fields, ask);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask, body));
  const failure = (error: RequestError): string =>
    named({ type: "error", message: error.message, code: error.type, param: null } as { type: string });
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
  return items.flatMap((item): Message[] => {
    const type = item.text("type") ?? "message";
    if (type === "reasoning") return [];
    if (type === "function_call" || type === "function_call_output") throw notYet("a tool's call", "input");
    if (type !== "message") throw item.wrong("type", `is message, not ${printable(type)}`);
    const role = item.required("role", item.text("role"));
    const content = contentOf(item);
    if (role === "user" || role === "assistant") return [{ role, content }];
    if (role === "system" || role === "developer") return [{ role: "system", content }];
    throw item.wrong("role", `is system, developer, user or assistant, not ${printable(role)}`);
  });
}

function formOf(fields: Fields): GenerateOptions {
  const format = fields.object("text")?.object("format");
  return (format && formatOf(format)[0]) ?? {};
}

function reasoningOf(fields: Fields): GenerateOptions {
  return fields.object("reasoning")?.text("effort") === "none" ? { reasoning: { budget: 0 } } : {};
}

/** A response as it is told: in the beginning, and in the end. */
class ResponseBody {
  readonly #id: string = newId("resp_");
  readonly #created: number = now();
  readonly #echoed: object;
  readonly itemId: string = newId("msg_");

  constructor(fields: Fields, { options, maxTokens, seed }: Ask) {
    this.#echoed = {
      instructions: fields.text("instructions") ?? null,
      max_output_tokens: maxTokens ?? null,
      metadata: fields.raw("metadata") ?? {},
      parallel_tool_calls: false,
      previous_response_id: null,
      store: false,
      temperature: options.temperature ?? null,
      text: fields.raw("text") ?? { format: { type: "text" } },
      tool_choice: "none",
      tools: [],
      top_p: options.topP ?? null,
      truncation: "disabled",
      seed,
    };
  }

  begun(lease: Lease): object {
    return this.#all(lease, { status: "in_progress", incomplete_details: null, output: [], usage: null });
  }

  ended(lease: Lease, result: GenerationResult, { prompt, cached, completion }: Usage): object {
    const isCut = result.finishReason === "length" || result.finishReason === "context";
    return this.#all(lease, {
      status: isCut ? "incomplete" : "completed",
      incomplete_details: isCut ? { reason: "max_output_tokens" } : null,
      output: [this.item(result.text, isCut ? "incomplete" : "completed")],
      output_text: result.text,
      usage: {
        input_tokens: prompt,
        input_tokens_details: { cached_tokens: cached },
        output_tokens: completion,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: prompt + completion,
      },
    });
  }

  item(text: string | null, status: string): object {
    const content = text === null ? [] : [this.part(text)];
    return { id: this.itemId, type: "message", role: "assistant", status, content };
  }

  part(text: string): object {
    return { type: "output_text", text, annotations: [], logprobs: [] };
  }

  #all(lease: Lease, more: object): object {
    const [id, created_at] = [this.#id, this.#created];
    return { id, object: "response", created_at, model: lease.id, error: null, ...this.#echoed, ...more };
  }
}

async function whole(call: Call, ask: Ask, body: ResponseBody): Promise<object> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return body.ended(lease!, result!, value);
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") ({ result } = value);
  }
}

async function* events(call: Call, ask: Ask, body: ResponseBody): AsyncGenerator<string, void, undefined> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  let count = 0;
  const event = (type: string, more: object): string =>
    named({ type, sequence_number: count++, ...more } as { type: string });
  const place = { item_id: body.itemId, output_index: 0, content_index: 0 };
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        const { text } = result!;
        const response = body.ended(lease!, result!, value) as { status: string };
        yield event("response.output_text.done", { ...place, text, logprobs: [] });
        yield event("response.content_part.done", { ...place, part: body.part(text) });
        yield event("response.output_item.done", { output_index: 0, item: body.item(text, response.status) });
        yield event(`response.${response.status}`, { response });
        return;
      }
      if (value.kind === "begin") {
        ({ lease } = value);
        const response = body.begun(lease);
        yield event("response.created", { response });
        yield event("response.in_progress", { response });
        yield event("response.output_item.added", { output_index: 0, item: body.item(null, "in_progress") });
        yield event("response.content_part.added", { ...place, part: body.part("") });
      } else if (value.kind === "end") ({ result } = value);
      else if (value.piece.text !== "") {
        yield event("response.output_text.delta", { ...place, delta: value.piece.text, logprobs: [] });
      }
    }
  } finally {
    await steps.return({ prompt: 0, cached: 0, completion: 0 });
  }
}
