/**
 * A loaded model as the parts of limpet share it, and its contexts: caches and buffers that forward passes need. They
 * are made when first asked for and kept for the next who wants the same, because memory that WebAssembly has grown by
 * is never given back.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { Form as FormNumber, KvType, POSITION_LIMIT } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { wholeNumber } from "../host/numbers.ts";
import type { TableSource } from "../load/table-source.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Type of the cached keys and values. */
export type CacheType = "f16" | "f32" | "q8_0";
/** How latent attention (MLA) is computed: by the length of the chunk, or always the same way. */
export type Form = "auto" | "absorbed" | "expanded";

/** How much of a conversation a model keeps, and how exactly. */
export interface ContextOptions {
  /** Tokens that the context holds. Default: as many as the model was trained for, at most 4096. */
  context?: number;
  /** Default: f16. */
  kv?: CacheType;
}

/** A context that a model holds. */
export interface ContextUse {
  /** Tokens that it holds. */
  readonly tokens: number;
  /** Type of its keys and values. */
  readonly kv: CacheType;
  /** Bytes of the cache. */
  readonly cacheBytes: number;
}

const DEFAULT_CONTEXT = 4096;

/** The core and its model. */
export interface LoadedModel {
  readonly core: Core;
  readonly pointer: Pointer;
  readonly tokenizer: Tokenizer;
  readonly sequences: SequencePool;
  /** Where its tables are read from while it computes; null where all of it is in memory. */
  readonly tables: TableSource | null;
  /** What sessions get that ask for nothing else. */
  readonly defaults: ContextOptions;
  readonly disposed: boolean;
}

export interface Context {
  readonly pointer: Pointer;
  readonly rows: number;
  readonly kv: CacheType;
}

export class SequencePool {
  readonly #core: Core;
  readonly #model: Pointer;
  readonly #idle: Context[] = [];
  readonly #used: Set<Context> = new Set();

  constructor(core: Core, model: Pointer) {
    this.#core = core;
    this.#model = model;
  }

  acquire(rows: number, kv: CacheType): Context {
    const found = this.#idle.findIndex((context) => context.rows === rows && context.kv === kv);
    const context = found >= 0 ? this.#idle.splice(found, 1)[0] : this.#create(rows, kv);
    this.#used.add(context);
    return context;
  }

  release(context: Context): void {
    if (this.#used.delete(context)) this.#idle.push(context);
  }

  /** Gives the memory of idle contexts back to the arena. */
  trim(): void {
    for (const context of this.#idle) this.#core.exports.context_release(context.pointer);
    this.#idle.length = 0;
  }

  get uses(): ContextUse[] {
    const { exports } = this.#core;
    return [...this.#used, ...this.#idle].map(({ pointer, rows, kv }) => ({
      tokens: rows,
      kv,
      cacheBytes: Number(exports.context_cache_bytes(pointer)),
    }));
  }

  #create(rows: number, kv: CacheType): Context {
    const batch = this.#core.exports.model_batch(this.#model);
    const pointer = createContext(this.#core, this.#model, this, rows, Math.min(batch, rows), 1, kv);
    return { pointer, rows, kv };
  }
}

/** A context of the core; idle ones make room when there is none. */
export function createContext(
  core: Core,
  model: Pointer,
  sequences: SequencePool,
  rows: number,
  batch: number,
  logitRows: number,
  kv: CacheType,
): Pointer {
  const make = () => core.exports.context_create(core.pointer, model, rows, batch, logitRows, 1, cacheType(kv));
  let pointer = make();
  if (pointer === 0 && core.error().code === "OUT_OF_MEMORY") {
    sequences.trim();
    pointer = make();
  }
  return core.handle(pointer);
}

/** The core's number of a cache type. */
export function cacheType(kv: CacheType): number {
  if (kv === "f16") return KvType.F16;
  if (kv === "f32") return KvType.F32;
  if (kv === "q8_0") return KvType.Q8_0;
  throw new LimpetError("UNSUPPORTED", `the cache is of type "f16", "f32" or "q8_0", not "${kv}"`);
}

/** The core's number of a form. */
export function formNumber(form: Form): number {
  if (form === "auto") return FormNumber.AUTO;
  if (form === "absorbed") return FormNumber.ABSORBED;
  if (form === "expanded") return FormNumber.EXPANDED;
  throw new LimpetError("BAD_ARGUMENT", `form is "auto", "absorbed" or "expanded", not "${form}"`);
}

/** How many tokens a context of this model holds. */
export function contextLength(core: Core, model: Pointer, asked: number | undefined): number {
  if (asked !== undefined) return wholeNumber("context", asked, 1, POSITION_LIMIT);
  return Math.min(core.exports.model_context_length(model) || DEFAULT_CONTEXT, DEFAULT_CONTEXT);
}
