/** A model of limpet as the AI SDK's embedding model, and as its reranking model. */
import type { EmbedOptions } from "../../generate/embedding.ts";
import type { AnyModel } from "../models.ts";
import type {
  EmbeddingCallOptions,
  LimpetEmbeddingModel,
  LimpetRerankingModel,
  RerankingCallOptions,
  SpecificationVersion,
} from "./interface.ts";

/** Texts of a call: as many as lie in memory without a thought. */
const MOST_TEXTS = 2048;

/** An embedding model that loads what it speaks for when it is first asked. */
export function embeddingModel<Version extends SpecificationVersion>(
  specificationVersion: Version,
  modelId: string,
  load: () => Promise<AnyModel>,
  settings: Omit<EmbedOptions, "signal">,
): LimpetEmbeddingModel<Version> {
  return {
    specificationVersion,
    provider: "limpet",
    modelId,
    maxEmbeddingsPerCall: MOST_TEXTS,
    supportsParallelCalls: false,

    async doEmbed({ values, dimensions, abortSignal, providerOptions }: EmbeddingCallOptions) {
      const model = await load();
      const options: EmbedOptions = { ...settings };
      if (dimensions !== undefined) options.dimensions = dimensions;
      if (abortSignal) options.signal = abortSignal;
      Object.assign(options, providerOptions?.limpet);
      const vectors = await model.embed(values, options);
      const counts = await Promise.all(values.map(async (text) => (await model.tokenize(text, { bos: true })).length));
      return {
        embeddings: vectors.map((vector) => Array.from(vector)),
        usage: { tokens: counts.reduce((sum, count) => sum + count, 0) },
        warnings: [],
      };
    },
  };
}

/** A reranking model that loads what it speaks for when it is first asked. */
export function rerankingModel<Version extends SpecificationVersion>(
  specificationVersion: Version,
  modelId: string,
  load: () => Promise<AnyModel>,
): LimpetRerankingModel<Version> {
  return {
    specificationVersion,
    provider: "limpet",
    modelId,

    async doRerank({ documents, query, topN, abortSignal }: RerankingCallOptions) {
      const texts = documents.type === "text" ? documents.values : documents.values.map((one) => JSON.stringify(one));
      const ranked = await (await load()).rerank(query, texts, { top: topN, signal: abortSignal });
      return { ranking: ranked.map(({ index, score }) => ({ index, relevanceScore: score })), warnings: [] };
    },
  };
}
