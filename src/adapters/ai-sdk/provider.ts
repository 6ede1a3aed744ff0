/**
 * limpet as a provider of the AI SDK:
 *
 *     import { generateText } from "ai";
 *     import { limpet } from "limpet/ai-sdk";
 *     const { text } = await generateText({ model: limpet("model.gguf"), prompt: "Why is the sky blue?" });
 */

import type { EmbedOptions } from "../../generate/embedding.ts";
import { LimpetError } from "../../host/errors.ts";
import type { ModelSource } from "../../load/source.ts";
import { type AnyModel, isModel, loadLater, type ModelLoadOptions } from "../models.ts";
import { embeddingModel, rerankingModel } from "./embedding-model.ts";
import type {
  LimpetEmbeddingModel,
  LimpetLanguageModel,
  LimpetRerankingModel,
  SpecificationVersion,
} from "./interface.ts";
import { languageModel } from "./language-model.ts";
import type { ChatSettings } from "./options.ts";

/** What a provider knows of its models. */
export interface ProviderSettings<Version extends SpecificationVersion = "v4"> {
  /** Models by the names under which the SDK asks for them: loaded ones, or what `Model.load` takes. */
  models?: Readonly<Record<string, AnyModel | ModelSource>>;
  /** How those are loaded that are not: once, when they are first used. */
  load?: ModelLoadOptions;
  /** `v4` (the default) for `ai` 7, `v3` for `ai` 6. */
  specificationVersion?: Version;
}

/** What vectors are made with, in all calls that say nothing else. */
export interface EmbeddingSettings extends Omit<EmbedOptions, "signal"> {}

/**
 * A provider: called with a model, it gives the language model. A name is that of one of its models, or else a path or a
 * URL, from which the model is loaded once.
 */
export interface LimpetProvider<Version extends SpecificationVersion = "v4"> {
  /** As `languageModel`. */
  (model: string | AnyModel, settings?: ChatSettings): LimpetLanguageModel<Version>;
  /** Of the interface. */
  readonly specificationVersion: Version;
  /** A model that chats, with options of `model.chat` that are those of all its calls. */
  languageModel(model: string | AnyModel, settings?: ChatSettings): LimpetLanguageModel<Version>;
  /** A model that makes vectors, with options of `model.embed` that are those of all its calls. */
  embeddingModel(model: string | AnyModel, settings?: EmbeddingSettings): LimpetEmbeddingModel<Version>;
  /** A model that ranks documents. */
  rerankingModel(model: string | AnyModel): LimpetRerankingModel<Version>;
  /** There is none: it throws UNSUPPORTED. */
  imageModel(model: string): never;
  /** Gives back the models that the provider has loaded itself. */
  dispose(): Promise<void>;
}

/** A provider with models of its own. */
export function createLimpet<Version extends SpecificationVersion = "v4">(
  settings: ProviderSettings<Version> = {},
): LimpetProvider<Version> {
  const version = (settings.specificationVersion ?? "v4") as Version;
  if (version !== "v3" && version !== "v4") {
    throw new LimpetError("BAD_ARGUMENT", `specificationVersion is "v4" (ai 7) or "v3" (ai 6), not ${String(version)}`);
  }
  const loaders = new Map<string, () => Promise<AnyModel>>();
  const loaded = new Set<Promise<AnyModel>>();
  /** The name of a model, and what gives it. */
  const find = (model: string | AnyModel): [string, () => Promise<AnyModel>] => {
    if (isModel(model)) return [model.info.name ?? "limpet", async () => model];
    const named =
      settings.models !== undefined && Object.hasOwn(settings.models, model) ? settings.models[model] : model;
    if (isModel(named)) return [model, async () => named];
    let loader = loaders.get(model);
    if (!loader) {
      const load = loadLater(named, settings.load);
      loader = () => {
        const promise = load();
        loaded.add(promise);
        return promise;
      };
      loaders.set(model, loader);
    }
    return [model, loader];
  };
  const chats = (model: string | AnyModel, own: ChatSettings = {}): LimpetLanguageModel<Version> =>
    languageModel(version, ...find(model), own);
  return Object.assign((model: string | AnyModel, own?: ChatSettings) => chats(model, own), {
    specificationVersion: version,
    languageModel: chats,
    embeddingModel: (model: string | AnyModel, own: EmbeddingSettings = {}) =>
      embeddingModel(version, ...find(model), own),
    rerankingModel: (model: string | AnyModel) => rerankingModel(version, ...find(model)),
    imageModel: (model: string): never => {
      throw new LimpetError("UNSUPPORTED", `limpet makes no images: there is no image model ${model}`);
    },
    dispose: async (): Promise<void> => {
      const mine = [...loaded];
      loaded.clear();
      loaders.clear();
      for (const one of await Promise.allSettled(mine)) if (one.status === "fulfilled") one.value.dispose();
    },
  });
}

/** The provider of models by path or URL, for `ai` 7. */
export const limpet: LimpetProvider = createLimpet();
