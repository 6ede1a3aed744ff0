/** limpet/langchain: models as LangChain's chat model and embeddings. Needs `@langchain/core`. */
export {
  ChatLimpet,
  type ChatLimpetCallOptions,
  type ChatLimpetFields,
  type ChatLimpetOptions,
  LimpetEmbeddings,
  type LimpetEmbeddingsFields,
} from "./adapters/langchain.ts";
export type { AnyModel, ModelLoadOptions } from "./adapters/models.ts";
