/** A model of limpet as the AI SDK's language model. */
import type { Generation, GenerationResult } from "../../generate/generation.ts";
import type { AnyModel } from "../models.ts";
import type {
  AnswerFinish,
  AnswerMetadata,
  AnswerOrigin,
  AnswerUsage,
  LanguageCallOptions,
  LanguageResult,
  LimpetLanguageModel,
  SpecificationVersion,
  StreamPart,
} from "./interface.ts";
import { type ChatSettings, readCall } from "./options.ts";

/** The one part of text that an answer has. */
const TEXT = "0";
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
      return { content: [{ type: "text", text: result.text }], ...endOf(result), response, warnings };
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
    let isOpen = false;
    try {
      const generation = await begin();
      for await (const piece of generation) {
        if (includeRawChunks) yield { type: "raw", rawValue: piece };
        if (piece.text === "") continue;
        if (!isOpen) yield { type: "text-start", id: TEXT };
        isOpen = true;
        yield { type: "text-delta", id: TEXT, delta: piece.text };
      }
      if (isOpen) yield { type: "text-end", id: TEXT };
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
  return { unified: raw === "length" || raw === "context" ? "length" : "stop", raw };
}
