/** `/v1/chat/completions`: OpenAI's chat. */
import type { GenerateOptions, GenerationResult, Piece } from "../generate/generation.ts";
import { type Ask, answers } from "./answers.ts";
import { type Call, newId, now, streamForm } from "./call.ts";
import { chatMessages, constraintOf, reasoningOf } from "./content.ts";
import { NOTHING, type Usage } from "./metrics.ts";
import type { Lease } from "./models.ts";
import { samplingOf, seedOf, stopsOf } from "./sampling.ts";
import { data, PING, streamed } from "./stream.ts";
import type { DrawnToken } from "./tokens.ts";
import { chatTools } from "./tools.ts";

const MOST_TOKENS = 2 ** 31 - 1;
const MOST_ANSWERS = 16;

export async function chatCompletions(call: Call): Promise<Response> {
  const { fields } = call;
  const ask = askOf(call);
  if (!fields.flag("stream")) return Response.json(await whole(call, ask));
  const options = fields.object("stream_options");
  const events = chunks(call, ask, options?.flag("include_usage") ?? false);
  const failure = (error: { body(): object }): string => data(error.body());
  return streamed(events, call.abort, streamForm(call, { ping: PING, failure }));
}

function askOf({ fields }: Call): Ask {
  const limit = fields.whole("max_completion_tokens", 0, MOST_TOKENS) ?? fields.whole("max_tokens", -1, MOST_TOKENS);
  return {
    model: fields.text("model"),
    messages: chatMessages(fields),
    tools: chatTools(fields),
    n: fields.whole("n", 1, MOST_ANSWERS) ?? 1,
    maxTokens: limit === -1 ? undefined : limit,
    seed: seedOf(fields),
    options: {
      ...samplingOf(fields),
      ...constraintOf(fields),
      ...reasoningOf(fields),
      ...logprobsOf(fields),
      ...(fields.has("stop") && { stop: stopsOf(fields, "stop") ?? [] }),
    },
  };
}

function logprobsOf(fields: Call["fields"]): GenerateOptions {
  const wanted = fields.flag("logprobs") ?? false;
  const top = fields.whole("top_logprobs", 0, 20);
  if (!wanted && top) throw fields.wrong("top_logprobs", "goes with logprobs: true");
  return wanted ? { logprobs: top ?? 0 } : {};
}

/** What stands at the top of an answer and of each of its pieces. */
function head(object: string, id: string, created: number, lease: Lease): object {
  return { id, object, created, model: lease.id, system_fingerprint: fingerprint(lease) };
}

/** What else decides an answer than the request and its seed. */
export function fingerprint({ model: { build, info } }: Lease): string {
  return `limpet-${build}-${info.architecture}-${info.bytes}`;
}

async function whole(call: Call, ask: Ask): Promise<object> {
  const tokens: DrawnToken[][] = Array.from({ length: ask.n }, () => []);
  const results: GenerationResult[] = [];
  let lease: Lease | undefined;
  const steps = answers(call, ask);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) {
      return {
        ...head("chat.completion", newId("chatcmpl-"), now(), lease!),
        choices: results.map((result, index) => ({
          index,
          message: messageOf(result),
          logprobs: ask.options.logprobs === undefined ? null : { content: tokens[index], refusal: null },
          finish_reason: finishReason(result),
        })),
        usage: usageOf(value),
        seed: ask.seed,
        timings: timingsOf(results[0]),
      };
    }
    if (value.kind === "begin") ({ lease } = value);
    else if (value.kind === "end") results[value.index] = value.result;
    else if (hasLogprob(value.piece)) tokens[value.index].push(await lease!.tokens.drawn(value.piece));
  }
}

async function* chunks(call: Call, ask: Ask, wantsUsage: boolean): AsyncGenerator<string, void, undefined> {
  const [id, created] = [newId("chatcmpl-"), now()];
  let lease: Lease | undefined;
  let first: GenerationResult | undefined;
  const chunk = (choices: object[], more: object = {}): string => {
    const usage = wantsUsage ? { usage: null } : {};
    return data({ ...head("chat.completion.chunk", id, created, lease!), choices, ...usage, ...more });
  };
  const choice = (index: number, delta: object, finish: string | null = null, logprobs: object | null = null): string =>
    chunk([{ index, delta, logprobs, finish_reason: finish }]);
  const begun = new Set<number>();
  /** The calls of each answer that were told of. */
  const called = Array.from({ length: ask.n }, () => new Set<number>());
  /** The first delta of an answer tells who speaks. */
  const beginning = function* (index: number): Generator<string, void, undefined> {
    if (begun.has(index)) return;
    begun.add(index);
    yield choice(index, { role: "assistant", content: "" });
  };
  const steps = answers(call, ask);
  try {
    for (;;) {
      const { done, value } = await steps.next();
      if (done) {
        const told = { usage: usageOf(value), seed: ask.seed, timings: timingsOf(first!) };
        if (wantsUsage) yield chunk([], told);
        yield "data: [DONE]\n\n";
        return;
      }
      if (value.kind === "begin") {
        ({ lease } = value);
        continue;
      }
      yield* beginning(value.index);
      if (value.kind === "end") {
        if (value.index === 0) first = value.result;
        yield choice(value.index, {}, finishReason(value.result));
        continue;
      }
      const { index, piece } = value;
      const logprobs = hasLogprob(piece) ? { content: [await lease!.tokens.drawn(piece)], refusal: null } : null;
      const delta = deltaOf(piece, called[index]);
      if (delta || logprobs) yield choice(index, delta ?? { content: "" }, null, logprobs);
    }
  } finally {
    await steps.return(NOTHING);
  }
}

/** An answer as a message. */
function messageOf({ text, reasoning, toolCalls }: GenerationResult): object {
  return {
    role: "assistant",
    content: text === "" && toolCalls ? null : text,
    refusal: null,
    ...(reasoning && { reasoning_content: reasoning }),
    ...(toolCalls && {
      tool_calls: toolCalls.map(({ id, name, arguments: given }) => {
        return { id, type: "function", function: { name, arguments: given } };
      }),
    }),
  };
}

/** What a piece adds to its message; null: nothing. A call's id and name come once, with its first part. */
function deltaOf({ text, reasoning, toolCalls = [] }: Piece, called: Set<number>): object | null {
  const calls = toolCalls.map(({ index, id, name, arguments: given }) => {
    const isNew = !called.has(index);
    called.add(index);
    const first = isNew ? { id, type: "function" } : {};
    return { index, ...first, function: { ...(isNew && { name }), arguments: given } };
  });
  if (text === "" && !reasoning && calls.length === 0) return null;
  return {
    ...(text !== "" && { content: text }),
    ...(reasoning && { reasoning_content: reasoning }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function hasLogprob({ logprob }: Piece): boolean {
  return logprob !== undefined;
}

/** Why an answer ended, in OpenAI's words. */
export function finishReason({ finishReason: reason }: GenerationResult): string {
  if (reason === "tool_calls") return reason;
  return reason === "stop" || reason === "stop_string" ? "stop" : "length";
}

/** What answers cost, in OpenAI's words. */
export function usageOf({ prompt, cached, completion, reasoning }: Usage): object {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

/** How long an answer took, in llama.cpp's words. */
export function timingsOf({ cachedTokens, timings }: GenerationResult): object {
  const { prefillTokens, prefillMs, decodeTokens, decodeMs } = timings;
  return {
    cache_n: cachedTokens,
    prompt_n: prefillTokens,
    prompt_ms: prefillMs,
    predicted_n: decodeTokens,
    predicted_ms: decodeMs,
  };
}
