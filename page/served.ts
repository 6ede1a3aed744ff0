/** A model on the server that this page came from, by its OpenAI routes. */
import type { Message, Tool, ToolCallDelta } from "../src/index.ts";
import { Clock, type Engine, type Outcome, type Part, type Question } from "./engine.ts";
import type { Sampling } from "./settings.ts";
import type { End } from "./talk.ts";

/** A model as the server tells of it. */
export interface ServedModel {
  readonly id: string;
  readonly loaded: boolean;
  readonly context_length?: number;
  readonly architecture?: string;
  readonly makes?: string;
  readonly chat?: boolean;
}

/** An answer of the server that is no success. */
export class ServerError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, words: string) {
    super(words);
    this.status = status;
    this.code = code;
  }
}

/** Milliseconds after which a server that says nothing is taken for none. */
const PATIENCE_MS = 5000;

/** The models of the server; an empty list where there is none behind this page. */
export async function servedModels(key: string): Promise<ServedModel[]> {
  const response = await fetch("v1/models", { headers: headersOf(key), signal: AbortSignal.timeout(PATIENCE_MS) });
  const isJson = /json/.test(response.headers.get("content-type") ?? "");
  if (response.status === 401) throw await errorOf(response);
  if (!response.ok || !isJson) return [];
  const { data } = (await response.json()) as { data?: ServedModel[] };
  return (data ?? []).filter(({ makes = "text" }) => makes === "text");
}

/** The same model, loaded: only then the server knows whether it chats. */
async function loaded(model: ServedModel, key: string): Promise<ServedModel> {
  if (model.loaded) return model;
  await post("tokenize", { model: model.id, content: "" }, key, new AbortController().signal);
  return (await servedModels(key)).find(({ id }) => id === model.id) ?? model;
}

export class ServedEngine implements Engine {
  readonly id: string;
  readonly name: string;
  readonly place = "server";
  readonly chats: boolean;
  readonly context: number | null;
  readonly #model: string;
  readonly #key: string;

  private constructor({ id, chat = true, context_length: context }: ServedModel, key: string) {
    this.id = `server:${id}`;
    this.name = id;
    this.chats = chat;
    this.context = context ?? null;
    this.#model = id;
    this.#key = key;
  }

  static async open(model: ServedModel, key: string): Promise<ServedEngine> {
    return new ServedEngine(await loaded(model, key), key);
  }

  async *answer({ messages, text, sampling, signal }: Question): AsyncGenerator<Part, Outcome, undefined> {
    const clock = new Clock();
    const shared = { ...fieldsOf(sampling), model: this.#model, stream: true, stream_options: { include_usage: true } };
    const body = messages
      ? { ...shared, messages: messages.map(messageOf), ...toolFields(sampling.tools) }
      : { ...shared, prompt: text, max_tokens: sampling.maxTokens ?? 256 };
    const path = messages ? "v1/chat/completions" : "v1/completions";
    let end: End = "aborted";
    let last: Chunk = {};
    try {
      for await (const chunk of events(await post(path, body, this.#key, signal))) {
        if (chunk.error)
          throw new ServerError(500, chunk.error.code ?? "", chunk.error.message ?? "the answer broke off");
        if (chunk.usage) last = chunk;
        const [choice] = chunk.choices ?? [];
        if (!choice) continue;
        if (choice.finish_reason) end = choice.finish_reason;
        const part = partOf(choice);
        if (!part) continue;
        clock.tick();
        yield part;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (end === "aborted" && !signal.aborted) throw new TypeError("the server's answer broke off");
    const { usage, timings, seed } = last;
    const rate = timings && timings.predicted_ms > 0 ? (timings.predicted_n * 1000) / timings.predicted_ms : clock.rate;
    return {
      end,
      figures: {
        tokens: usage?.completion_tokens ?? clock.tokens,
        rate,
        firstMs: clock.firstMs,
        promptTokens: usage?.prompt_tokens ?? 0,
        cachedTokens: usage?.prompt_tokens_details?.cached_tokens ?? 0,
        context: this.context,
        seed: seed ?? sampling.seed ?? null,
      },
    };
  }

  dispose(): void {}
}

interface Choice {
  readonly delta?: {
    readonly content?: string;
    readonly reasoning_content?: string;
    readonly tool_calls?: readonly {
      readonly index: number;
      readonly id?: string;
      readonly function?: { readonly name?: string; readonly arguments?: string };
    }[];
  };
  readonly text?: string;
  readonly finish_reason?: "stop" | "length" | "tool_calls" | null;
}

interface Chunk {
  readonly choices?: readonly Choice[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens: number };
  } | null;
  readonly timings?: { readonly predicted_n: number; readonly predicted_ms: number };
  readonly seed?: number;
  readonly error?: { readonly message?: string; readonly code?: string };
}

function partOf({ delta, text }: Choice): Part | null {
  const content = delta?.content ?? text;
  const calls = delta?.tool_calls?.map(
    ({ index, id = "", function: { name = "", arguments: given = "" } = {} }): ToolCallDelta => ({
      ...{ index, id, name },
      arguments: given,
    }),
  );
  if (!content && !delta?.reasoning_content && !calls) return null;
  return { text: content, reasoning: delta?.reasoning_content, toolCalls: calls };
}

function headersOf(key: string): Record<string, string> {
  return key === "" ? {} : { authorization: `Bearer ${key}` };
}

async function post(path: string, body: object, key: string, signal: AbortSignal): Promise<Response> {
  const headers = { "content-type": "application/json", ...headersOf(key) };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ServerError> {
  const { error } = (await response.json().catch(() => ({}))) as Chunk;
  return new ServerError(response.status, error?.code ?? "", error?.message ?? `the server answers ${response.status}`);
}

/** The events of a stream, each a line of JSON behind `data:`; pings are passed over. */
async function* events(response: Response): AsyncGenerator<Chunk, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice("data:".length).trim();
        if (data === "[DONE]") return;
        yield JSON.parse(data) as Chunk;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function messageOf(message: Message): object {
  if (message.role === "tool") {
    return { role: "tool", content: message.content, tool_call_id: message.toolCallId };
  }
  if (message.role !== "assistant") return message;
  const { content, reasoning, toolCalls, prefix } = message;
  const calls = toolCalls?.map(({ id, name, arguments: given }) => {
    return { id, type: "function", function: { name, arguments: given } };
  });
  return { role: "assistant", content, reasoning_content: reasoning, tool_calls: calls, prefix };
}

function toolFields(tools: readonly Tool[]): object {
  if (tools.length === 0) return {};
  return { tools: tools.map((tool) => ({ type: "function", function: tool })) };
}

function fieldsOf(sampling: Sampling): object {
  const { schema } = sampling;
  return {
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    min_p: sampling.minP,
    repeat_penalty: sampling.repeatPenalty,
    presence_penalty: sampling.presencePenalty,
    frequency_penalty: sampling.frequencyPenalty,
    max_tokens: sampling.maxTokens,
    seed: sampling.seed,
    stop: sampling.stop,
    ...(!sampling.thinks && { reasoning_effort: "none" }),
    ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema } } }),
  };
}
