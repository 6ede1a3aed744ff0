/** limpet/ai-sdk: models as a provider of the AI SDK (`ai` 7, and `ai` 6 on request). */
export type * from "./adapters/ai-sdk/interface.ts";
export type { ChatSettings } from "./adapters/ai-sdk/options.ts";
export {
  createLimpet,
  type EmbeddingSettings,
  type LimpetProvider,
  limpet,
  type ProviderSettings,
} from "./adapters/ai-sdk/provider.ts";
export type { AnyModel, ModelLoadOptions } from "./adapters/models.ts";
