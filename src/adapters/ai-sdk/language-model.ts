/** A model of limpet as the AI SDK's language model. */
import type { Generation, GenerationResult, Piece } from "../../generate/generation.ts";
import type { ToolCall } from "../../generate/messages.ts";
import type { AnyModel } from "../models.ts";
import type {
  AnswerFinish,
  AnswerMetadata,
  AnswerOrigin,
  AnswerPart,
  AnswerUsage,
  LanguageCallOptions,
  LanguageResult,
  LimpetLanguageModel,
  SpecificationVersion,
  StreamPart,
} from "./interface.ts";
import { type ChatSettings, readCall } from "./options.ts";

let answers = 0;

/** A language model that loads what it speaks for when it is first asked. */
export function languageModel<Version extends SpecificationVersion>(
  specificationVersion: Version,
  modelId: string,
  load: () => Promise<AnyModel>,
  settings: ChatSettings,
): LimpetLanguageModel<Version> {
  const origin = (): AnswerOrigin => ({ id: `limpet-${++answers}`, timestamp: new Date(), modelId });
  return {
    specificationVersion,
    provider: "limpet",
    modelId,
    supportedUrls: {},

    async doGenerate(call: LanguageCallOptions): Promise<LanguageResult> {
      const { messages, options, warnings } = readCall(call, settings);
      const response = origin();
      const result = await wholeOf((await load()).chat(messages, options));
      return { content: partsOf(result), ...endOf(result), response, warnings };
    },

    async doStream(call: LanguageCallOptions): Promise<{ stream: ReadableStream<StreamPart> }> {
      const { messages, options, warnings } = readCall(call, settings);
      const response = origin();
      const begin = async (): Promise<Generation> => (await load()).chat(messages, options);
      const start: StreamPart[] = [
        { type: "stream-start", warnings },
        { type: "response-metadata", ...response },
      ];
      return { stream: streamOf(start, begin, call) };
    },
  };
}

async function wholeOf(generation: Generation): Promise<GenerationResult> {
  await generation.text();
  return generation.result as GenerationResult;
}

/** The parts of a generation, which is begun when the stream is read and goes on as far as it is read. */
function streamOf(
  start: readonly StreamPart[],
  begin: () => Promise<Generation>,
  { includeRawChunks, abortSignal }: LanguageCallOptions,
): ReadableStream<StreamPart> {
  const parts = async function* (): AsyncGenerator<StreamPart, void, undefined> {
    yield* start;
    const writer = new PartWriter();
    try {
      const generation = await begin();
      for await (const piece of generation) {
        if (includeRawChunks) yield { type: "raw", rawValue: piece };
        yield* writer.parts(piece);
      }
      yield* writer.end(generation.result as GenerationResult);
      yield { type: "finish", ...endOf(generation.result as GenerationResult) };
    } catch (error) {
      // An abort ends the stream with the signal's reason, as a broken connection would.
      if (abortSignal?.aborted) throw error;
      yield { type: "error", error };
      yield { type: "finish", ...endOf(null) };
    }
  };
  const source = parts();
  return new ReadableStream<StreamPart>(
    {
      async pull(controller) {
        const { done, value } = await source.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await source.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The parts of a whole answer. */
function partsOf({ text, reasoning, toolCalls = [] }: GenerationResult): AnswerPart[] {
  const parts: AnswerPart[] = reasoning ? [{ type: "reasoning", text: reasoning }] : [];
  if (text !== "" || toolCalls.length === 0) parts.push({ type: "text", text });
  for (const call of toolCalls) parts.push(callPart(call));
  return parts;
}

function callPart({ id, name, arguments: input }: ToolCall): AnswerPart & { type: "tool-call" } {
  return { type: "tool-call", toolCallId: id, toolName: name, input };
}

/** Pieces as the parts of a stream: each text, thought and call has a beginning, what follows, and an end. */
class PartWriter {
  #open: { readonly kind: "text" | "reasoning" | "tool-input"; readonly id: string } | null = null;
  #count = 0;

  *parts({ text, reasoning, toolCalls = [] }: Piece): Generator<StreamPart, void, undefined> {
    if (reasoning) yield* this.#said("reasoning", reasoning);
    if (text) yield* this.#said("text", text);
    for (const { id, name, arguments: delta } of toolCalls) {
      if (this.#open?.kind !== "tool-input" || this.#open.id !== id) {
        yield* this.#close();
        this.#open = { kind: "tool-input", id };
        yield { type: "tool-input-start", id, toolName: name };
      }
      if (delta) yield { type: "tool-input-delta", id, delta };
    }
  }

  /** What is open ends; and the calls that came to their end. */
  *end({ toolCalls = [] }: GenerationResult): Generator<StreamPart, void, undefined> {
    yield* this.#close();
    for (const call of toolCalls) yield callPart(call);
  }

  *#said(kind: "text" | "reasoning", delta: string): Generator<StreamPart, void, undefined> {
    if (this.#open?.kind !== kind) {
      yield* this.#close();
      this.#open = { kind, id: `${this.#count++}` };
      yield { type: `${kind}-start`, id: this.#open.id };
    }
    yield { type: `${kind}-delta`, id: this.#open.id, delta };
  }

  *#close(): Generator<StreamPart, void, undefined> {
    if (this.#open) yield { type: `${this.#open.kind}-end`, id: this.#open.id };
    this.#open = null;
  }
}

/** How an answer ended, and what it took; null: it did not come to its end. */
function endOf(result: GenerationResult | null): {
  finishReason: AnswerFinish;
  usage: AnswerUsage;
  providerMetadata: AnswerMetadata;
} {
  const { promptTokens: read, cachedTokens: kept } = result ?? {};
  const made = result?.tokens.length;
  return {
    finishReason: finishOf(result),
    usage: {
      inputTokens: {
        total: read,
        noCache: read === undefined ? undefined : read - (kept ?? 0),
        cacheRead: kept,
        cacheWrite: undefined,
      },
      outputTokens: { total: made, text: made, reasoning: undefined },
    },
    providerMetadata: {
      limpet: { prefillMs: result?.timings.prefillMs, decodeMs: result?.timings.decodeMs },
    },
  };
}

function finishOf(result: GenerationResult | null): AnswerFinish {
  const raw = result?.finishReason;
  if (raw === undefined) return { unified: "error", raw };
  if (raw === "tool_calls") return { unified: "tool-calls", raw };
  return { unified: raw === "length" || raw === "context" ? "length" : "stop", raw };
}
