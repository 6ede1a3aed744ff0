/** `/v1/messages`: Anthropic's messages. */

import type { GenerateOptions, GenerationResult } from "../generate/generation.ts";
import type { Message } from "../generate/messages.ts";
import { printable } from "../host/arguments.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, streamForm } from "./call.ts";
import { contentOf, notYet, partText, requireNoTools } from "./content.ts";
import type { RequestError } from "./errors.ts";
import type { Fields } from "./fields.ts";
import type { Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf, stopsOf } from "./sampling.ts";
import { named, streamed } from "./stream.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const MOST_MESSAGES = 4096;
const MOST_PARTS = 4096;

export async function messages(call: Call): Promise<Response> {
  const { fields } = call;
  requireNoTools(fields);
  const ask = askOf(fields);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask));
  const failure = (error: RequestError): string => named(error.anthropicBody() as { type: string });
  return streamed(events(call, ask), call.abort, streamForm(call, { ping: named({ type: "ping" }), failure }));
}

function askOf(fields: Fields): Ask {
  const system = fields.has("system") ? contentOf(fields, "system") : "";
  return {
    model: fields.text("model"),
    messages: [...(system === "" ? [] : [{ role: "system" as const, content: system }]), ...conversation(fields)],
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
  const list = fields.required("messages", fields.objects("messages", MOST_MESSAGES));
  if (list.length === 0) throw fields.wrong("messages", "is empty: a conversation has one message at least");
  return list.map((message) => {
    const role = message.required("role", message.text("role"));
    if (role !== "user" && role !== "assistant") {
      throw message.wrong("role", `is user or assistant, not ${printable(role)}: a system's words stand in system`);
    }
    return { role, content: blocksText(message) };
  });
}

/** The text of a message's blocks; what a model thought before is not told to it again. */
function blocksText(message: Fields): string {
  if (typeof message.raw("content") === "string") return message.text("content")!;
  const blocks = message.required("content", message.objects("content", MOST_PARTS));
  return blocks
    .map((block) => {
      const type = block.text("type");
      if (type === "tool_use" || type === "tool_result") throw notYet("a tool's call", "messages");
      return type === "thinking" || type === "redacted_thinking" ? "" : partText(block);
    })
    .join("");
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

/** Why an answer ended, and before which text. */
function endOf({ finishReason }: GenerationResult, { options }: Ask): object {
  const reason = { stop: "end_turn", stop_string: "stop_sequence" }[finishReason as string] ?? "max_tokens";
  const stops = (options.stop ?? []) as readonly string[];
  // Which of several it was, the answer does not hold.
  const text = finishReason === "stop_string" && stops.length === 1 ? stops[0] : null;
  return { stop_reason: reason, stop_sequence: text };
}

async function whole(call: Call, ask: Ask): Promise<object> {
  let lease: Lease | undefined;
  let result: GenerationResult | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      const content = [{ type: "text", text: result!.text, citations: null }];
      return { ...head(newId("msg_"), lease!), content, ...endOf(result!, ask), usage: usageOf(value) };
    }
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") ({ result } = value);
  }
}

async function* events(call: Call, ask: Ask): AsyncGenerator<string, void, undefined> {
  let result: GenerationResult | undefined;
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        yield named({ type: "content_block_stop", index: 0 } as { type: string });
        yield named({ type: "message_delta", delta: endOf(result!, ask), usage: usageOf(value) } as { type: string });
        yield named({ type: "message_stop" });
        return;
      }
      if (value.kind === "begin") {
        const usage = usageOf({ prompt: 0, cached: 0, completion: 0 });
        const message = {
          ...head(newId("msg_"), value.lease),
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage,
        };
        yield named({ type: "message_start", message } as { type: string });
        const block = { type: "text", text: "", citations: null };
        yield named({ type: "content_block_start", index: 0, content_block: block } as { type: string });
      } else if (value.kind === "end") ({ result } = value);
      else if (value.piece.text !== "") {
        const delta = { type: "text_delta", text: value.piece.text };
        yield named({ type: "content_block_delta", index: 0, delta } as { type: string });
      }
    }
  } finally {
    await steps.return({ prompt: 0, cached: 0, completion: 0 });
  }
}
