/** What a model is loaded with, and what it says of its memory: of `Model` and of `WorkerModel` alike. */

import { type Neurons, neuronsOf } from "../generate/neurons.ts";
import { CONTEXT_OPTIONS, type ContextOptions, type ContextUse } from "../generate/sequence-pool.ts";
import { callback, flag, listOf, type OptionTable, signal, text, unchecked } from "../host/arguments.ts";
import { CORE_OPTIONS, type CoreOptions } from "../host/instance.ts";
import { type ExpertUse, expertCacheOf, expertsOf } from "../load/experts.ts";
import type { LoadProgress } from "../load/load.ts";
import type { ModelSource } from "../load/source.ts";
import { type TableUse, tableCacheOf, tablesOf } from "../load/tables.ts";

/** `context` and `kv` are what sessions get that ask for nothing else. */
export interface LoadOptions extends CoreOptions, ContextOptions, LoadProgress {
  /** The chat template (Jinja) in place of the file's. Default: the file's own. */
  template?: string;
}

/** What each of `LoadOptions` has to be. */
export const LOAD_OPTIONS: OptionTable<LoadOptions> = {
  ...CORE_OPTIONS,
  ...CONTEXT_OPTIONS,
  tables: tablesOf,
  tableCache: tableCacheOf,
  experts: expertsOf,
  expertCache: expertCacheOf,
  vocabularyOnly: flag,
  template: text,
  hub: text,
  token: text,
  onProgress: callback,
  onPhase: callback,
  signal,
};

/** How an adapter is loaded. */
export type AdapterLoadOptions = Pick<LoadOptions, "onProgress" | "signal" | "hub" | "token">;

/** What each of `AdapterLoadOptions` has to be. */
export const ADAPTER_LOAD_OPTIONS: OptionTable<AdapterLoadOptions> = {
  onProgress: callback,
  signal,
  hub: text,
  token: text,
};

/** What is planned for: a model as it would be loaded, and the adapters beside it. */
export interface PlanOptions extends LoadOptions {
  /** Adapters that are to be loaded, from what `model.adapter` takes. */
  adapters?: readonly ModelSource[];
  /** The neurons that a session's answers use. */
  neurons?: Neurons;
}

/** What each of `PlanOptions` has to be. */
export const PLAN_OPTIONS: OptionTable<PlanOptions> = {
  ...LOAD_OPTIONS,
  adapters: listOf(unchecked<ModelSource>),
  neurons: neuronsOf,
};

/** What a model takes of memory, in bytes. */
export interface ModelMemory {
  /** Bytes of the core's memory: all that the model takes but the core's own code. It grows, and never shrinks. */
  readonly linear: number;
  /** Bytes of weights. */
  readonly weights: number;
  /** Tables that stay where the model came from; null where none do. */
  readonly tables: TableUse | null;
  /** Experts that stay where the model came from; null where none do. */
  readonly experts: ExpertUse | null;
  /** The contexts that there are: those of sessions that were used of late, and some that serve the next one. */
  readonly contexts: readonly ContextUse[];
  /** Bytes of cache that a token takes in all layers that keep rows, in the type of `kv`. */
  readonly cacheBytesPerToken: number;
  /** Bytes of state that a conversation takes in layers that keep one for all tokens, however long it is. */
  readonly stateBytes: number;
  /** Bytes that full keys and values of all heads would take instead: what MLA and grouped heads save. */
  readonly fullCacheBytesPerToken: number;
}

/** Bytes of memory that a model and one context will take. */
export interface MemoryPlan {
  /** Bytes of weights in memory. */
  readonly weights: number;
  /** Bytes of the adapters beside them. */
  readonly adapters: number;
  /** What a session with `neurons` counts and packs, beside its context. */
  readonly neurons: number;
  /** The cache within the context: what grows with its tokens. */
  readonly cache: number;
  /** Bytes of state of layers that keep one for all tokens (Mamba, RWKV …), however long the context is. */
  readonly state: number;
  /** Bytes of one context: its cache and its buffers. */
  readonly context: number;
  /** The context holds so many tokens. */
  readonly contextTokens: number;
  /** All together, with the header, the vocabulary and the reading buffer. */
  readonly total: number;
}
