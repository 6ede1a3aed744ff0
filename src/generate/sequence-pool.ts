/**
 * A loaded model as the parts of limpet share it, and its contexts: caches and buffers that forward passes need. They
 * are made when first asked for and kept for the next who wants the same, because memory that WebAssembly has grown by
 * is never given back.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { Form as FormNumber, KvType, POSITION_LIMIT } from "../../bindings/numbers.ts";
import { type Check, type OptionTable, printable, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import type { TableSource } from "../load/table-source.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Type of the cached keys and values. */
export type CacheType = "f16" | "f32" | "q8_0";
/** How latent attention (MLA) is computed: by the length of the chunk, or always the same way. */
export type Form = "auto" | "absorbed" | "expanded";

/** How much of a conversation a model keeps, and how exactly. */
export interface ContextOptions {
  /**
   * Tokens that the context holds, all of which it takes memory for at once. Default: as many as the model was trained
   * for, at most 4096, of which it takes memory for 512, 1024, 2048 … as they are needed.
   */
  context?: number;
  /** Default: f16. */
  kv?: CacheType;
}

/** What each of `ContextOptions` has to be. */
export const CONTEXT_OPTIONS: OptionTable<ContextOptions> = {
  context: whole(1, POSITION_LIMIT),
  kv: cacheKind,
};

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
  /** All that it takes, its buffers too. */
  readonly bytes: number;
}

/** Contexts that nobody uses are kept for the next who wants the same: so many, and so many bytes, but one at least. */
const IDLE_CONTEXTS = 4;
const IDLE_BYTES = 32 << 20;

export class SequencePool {
  readonly #core: Core;
  readonly #model: Pointer;
  readonly #idle: Context[] = [];
  readonly #used: Set<Context> = new Set();

  constructor(core: Core, model: Pointer) {
    this.#core = core;
    this.#model = model;
  }

  /** A context of so many rows: an idle one of up to `most` rows, or a new one. */
  acquire(rows: number, kv: CacheType, most: number = rows): Context {
    const [found] = this.#idle
      .filter((context) => context.kv === kv && context.rows >= rows && context.rows <= most)
      .sort((a, b) => a.rows - b.rows);
    if (found) this.#idle.splice(this.#idle.indexOf(found), 1);
    const context = found ?? this.#create(rows, kv);
    this.#used.add(context);
    return context;
  }

  /** Takes a context back. Those that were used longest ago make room, because sizes asked for once may not come again. */
  release(context: Context): void {
    if (!this.#used.delete(context)) return;
    this.#idle.push(context);
    const bytes = () => this.#idle.reduce((sum, idle) => sum + idle.bytes, 0);
    while (this.#idle.length > 1 && (this.#idle.length > IDLE_CONTEXTS || bytes() > IDLE_BYTES)) {
      this.#core.exports.context_release(this.#idle.shift()!.pointer);
    }
  }

  /** Gives a context's memory back to the arena at once. */
  drop(context: Context): void {
    if (this.#used.delete(context)) this.#core.exports.context_release(context.pointer);
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

  /** What holds memory that can be given back, as the end of an error's words; empty: nothing does. */
  get holders(): string {
    if (this.#used.size === 0) return "";
    const bytes = [...this.#used].reduce((sum, context) => sum + context.bytes, 0);
    const many =
      this.#used.size === 1 ? "1 session or generation holds" : `${this.#used.size} sessions and generations hold`;
    return `; ${many} ${bytes} bytes of contexts: dispose of sessions that are done with, and end generations`;
  }

  #create(rows: number, kv: CacheType): Context {
    const { exports } = this.#core;
    const batch = Math.min(exports.model_batch(this.#model), rows);
    const pointer = createContext(this.#core, this.#model, this, rows, batch, 1, kv);
    return { pointer, rows, kv, bytes: Number(exports.context_bytes(this.#model, rows, batch, 1, 1, cacheType(kv))) };
  }
}

/** A context of one sequence. */
export function createContext(
  core: Core,
  model: Pointer,
  sequences: SequencePool,
  rows: number,
  batch: number,
  logitRows: number,
  kv: CacheType,
): Pointer {
  const type = cacheType(kv);
  return makeContext(core, sequences, () =>
    core.exports.context_create(core.pointer, model, rows, batch, logitRows, 1, type),
  );
}

/** What `make` gives, a context of the core; idle ones make room when there is none. */
export function makeContext(core: Core, sequences: SequencePool, make: () => Pointer): Pointer {
  let pointer = make();
  if (pointer === 0 && core.error().code === "OUT_OF_MEMORY") {
    sequences.trim();
    pointer = make();
  }
  if (pointer !== 0) return core.handle(pointer);
  const error = core.error();
  throw error.code === "OUT_OF_MEMORY" ? new LimpetError(error.code, error.message + sequences.holders) : error;
}

/** A type of a cache, checked. */
export function cacheKind(_: string, value: unknown): CacheType {
  cacheType(value as CacheType);
  return value as CacheType;
}

/** The core's number of a cache type. */
export function cacheType(kv: CacheType): number {
  if (kv === "f16") return KvType.F16;
  if (kv === "f32") return KvType.F32;
  if (kv === "q8_0") return KvType.Q8_0;
  throw new LimpetError("UNSUPPORTED", `the cache is of type "f16", "f32" or "q8_0", not "${printable(kv)}"`);
}

/** How latent attention is computed, checked. */
export const formKind: Check<Form> = (_, value) => {
  formNumber(value as Form);
  return value as Form;
};

/** The core's number of a form. */
export function formNumber(form: Form): number {
  if (form === "auto") return FormNumber.AUTO;
  if (form === "absorbed") return FormNumber.ABSORBED;
  if (form === "expanded") return FormNumber.EXPANDED;
  throw new LimpetError("BAD_ARGUMENT", `form is "auto", "absorbed" or "expanded", not "${printable(form)}"`);
}

/** How many tokens a context of this model holds. */
export function contextLength(core: Core, model: Pointer, asked: number | undefined): number {
  if (asked !== undefined) return whole(1, POSITION_LIMIT)("context", asked);
  return Math.min(core.exports.model_context_length(model) || DEFAULT_CONTEXT, DEFAULT_CONTEXT);
}

/** The least rows of a context whose size nobody asked for. */
const LEAST_ROWS = 512;

/** Rows of a context for so many tokens that may grow to `most`: few sizes, so that the next can use it again. */
export function contextRows(tokens: number, most: number): number {
  let rows = LEAST_ROWS;
  while (rows < tokens) rows *= 2;
  return Math.min(rows, most);
}
