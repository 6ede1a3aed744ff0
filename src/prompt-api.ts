/** limpet/prompt-api: the browsers' Prompt API over a model of limpet. */
export type { AnyModel, ModelLoadOptions } from "./adapters/models.ts";
export type * from "./adapters/prompt-api/input.ts";
export {
  install,
  LanguageModel,
  type LanguageModelCreateOptions,
} from "./adapters/prompt-api/language-model.ts";
export type {
  Availability,
  CreateMonitor,
  PromptModelOptions,
  PromptModelSource,
} from "./adapters/prompt-api/model-hold.ts";
