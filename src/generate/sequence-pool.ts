/**
 * A loaded model as the parts of limpet share it, and its contexts: caches and buffers that forward passes need. They
 * are made when first asked for and kept for the next who wants the same, because memory that WebAssembly has grown by
 * is never given back. For the same reason sessions that nobody has used for long lend theirs to others: what they hold
 * is kept as bytes, which the host's collector counts, and their rows come back when they are used again.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { BATCH_LIMIT, Form as FormNumber, KvType, POSITION_LIMIT } from "../../bindings/numbers.ts";
import { type Check, type OptionTable, printable, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import type { WeightSource } from "../load/weight-source.ts";
import { areAlike, type CacheKind, type CacheOptions, type CacheType, cacheKind } from "./kept-rows.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** How latent attention (MLA) is computed: by the length of the chunk, or always the same way. */
export type Form = "auto" | "absorbed" | "expanded";

/** How much of a conversation a model keeps, and how exactly. */
export interface ContextOptions {
  /**
   * Tokens that the context holds, all of which it takes memory for at once. Default: as many as the model was trained
   * for, of which it takes memory for 512, 1024, 2048 … as they are needed. A session that was not used for long lends
   * its memory to others, and takes it anew when it goes on.
   */
  context?: number;
  /** The type of cached keys and values, or what a session's cache is besides. Default: f16, and it keeps all rows. */
  kv?: CacheType | CacheOptions;
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
  /** Rows that a layer keeps of these tokens at most. */
  readonly rows: number;
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
  /** Where its tables or experts are read from while it computes; null where all of it is in memory. */
  readonly source: WeightSource | null;
  /** What sessions get that ask for nothing else. */
  readonly defaults: ContextOptions;
  /** Adapters that were disposed of, until no sequence uses them any more. */
  readonly leaving: Set<number>;
  readonly disposed: boolean;
}

export interface Context extends CacheKind {
  readonly pointer: Pointer;
  /** Tokens that it holds. */
  readonly rows: number;
  /** Tokens of a pass that can have logits. */
  readonly logitRows: number;
  /** All that it takes, its buffers too. */
  readonly bytes: number;
}

/** Contexts that nobody uses are kept for the next who wants the same: so many, and so many bytes, but one at least. */
const IDLE_CONTEXTS = 4;
const IDLE_BYTES = 32 << 20;

/** Sessions that do not generate keep their contexts: so many of them, and so many bytes. */
const RESTING_CONTEXTS = 8;
const RESTING_BYTES = 256 << 20;

/** Who has a context. */
export interface Holder {
  /** Whether it can do without its context now. */
  readonly rests: boolean;
  /** Gives the context to the pool, and keeps what is in it elsewhere; false where that cannot be. */
  park(): boolean;
}

export class SequencePool {
  readonly #core: Core;
  readonly #model: Pointer;
  readonly #idle: Context[] = [];
  /** Those used last are at the end. */
  readonly #used: Map<Context, Holder> = new Map();

  constructor(core: Core, model: Pointer) {
    this.#core = core;
    this.#model = model;
  }

  /** A context of so many rows: an idle one, or one that a session lends, or a new one. */
  acquire(rows: number, cache: CacheKind, holder: Holder, logitRows: number = 1): Context {
    let context = this.#takeIdle(rows, cache, logitRows);
    if (!context) {
      this.#parkOldest(holder);
      context = this.#takeIdle(rows, cache, logitRows) ?? this.#create(rows, cache, holder, logitRows);
    }
    this.#used.set(context, holder);
    return context;
  }

  /** The context is used: others rest longer. */
  touch(context: Context): void {
    const holder = this.#used.get(context);
    if (!holder) return;
    this.#used.delete(context);
    this.#used.set(context, holder);
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

  /** Takes the contexts of all that rest, but for who asks, and gives the memory of idle ones back to the arena. */
  vacate(asking?: Holder): void {
    for (const holder of this.#resting(asking)) holder.park();
    this.trim();
  }

  get uses(): ContextUse[] {
    const { exports } = this.#core;
    return [...this.#used.keys(), ...this.#idle].map(({ pointer, rows, kv, kept }) => ({
      tokens: rows,
      kv,
      rows: kept?.rows ?? rows,
      cacheBytes: Number(exports.context_cache_bytes(pointer)),
    }));
  }

  /** What holds memory that can be given back, as the end of an error's words; empty: nothing does. */
  get holders(): string {
    if (this.#used.size === 0) return "";
    const bytes = [...this.#used.keys()].reduce((sum, context) => sum + context.bytes, 0);
    const many =
      this.#used.size === 1 ? "1 session or generation holds" : `${this.#used.size} sessions and generations hold`;
    return `; ${many} ${bytes} bytes of contexts: dispose of sessions that are done with, and end generations`;
  }

  #resting(asking?: Holder): Holder[] {
    return [...this.#used.values()].filter((holder) => holder !== asking && holder.rests);
  }

  /** Those that have rested longest lend their contexts where there are many. */
  #parkOldest(asking: Holder): void {
    const resting = [...this.#used].filter(([, holder]) => holder !== asking && holder.rests);
    let bytes = resting.reduce((sum, [context]) => sum + context.bytes, 0);
    for (const [i, [context, holder]] of resting.entries()) {
      if (resting.length - i < RESTING_CONTEXTS && bytes <= RESTING_BYTES) return;
      if (holder.park()) bytes -= context.bytes;
    }
  }

  #takeIdle(rows: number, cache: CacheKind, logitRows: number): Context | undefined {
    const fits = (context: Context) =>
      context.rows === rows && context.logitRows === logitRows && areAlike(context, cache);
    const at = this.#idle.findIndex(fits);
    return at < 0 ? undefined : this.#idle.splice(at, 1)[0];
  }

  #create(rows: number, { kv, kept }: CacheKind, holder: Holder, logitRows: number): Context {
    const { exports } = this.#core;
    const whole = exports.model_has_encoder(this.#model) !== 0;
    const batch = Math.min(whole ? BATCH_LIMIT : exports.model_batch(this.#model), rows);
    const wanted = Math.min(logitRows, batch);
    const made = {
      rows,
      kv,
      kept,
      logitRows,
      bytes: contextBytes(this.#core, this.#model, rows, wanted, { kv, kept }),
    };
    if (!kept)
      return { ...made, pointer: createContext(this.#core, this.#model, this, rows, batch, wanted, kv, holder) };
    const sizes = [rows, kept.rows, batch, wanted, cacheType(kv), Number(kept.shared)] as const;
    const make = () => exports.context_create_kept(this.#core.pointer, this.#model, ...sizes);
    return { ...made, pointer: makeContext(this.#core, this, make, holder) };
  }
}

/** Bytes of a context of one sequence, and of what its session's policy takes beside it. */
export function contextBytes(core: Core, model: Pointer, rows: number, logitRows: number, cache: CacheKind): number {
  const { exports } = core;
  const whole = exports.model_has_encoder(model) !== 0;
  const batch = Math.min(whole ? BATCH_LIMIT : exports.model_batch(model), rows);
  const { kept } = cache;
  const type = cacheType(cache.kv);
  if (!kept) return Number(exports.context_bytes(model, rows, batch, logitRows, 1, type));
  const sizes = [rows, kept.rows, batch, logitRows, type] as const;
  return Number(exports.context_kept_bytes(model, ...sizes, Number(kept.scored), Number(kept.shared)));
}

/** A context for so many sequences. */
export function createContext(
  core: Core,
  model: Pointer,
  sequences: SequencePool,
  rows: number,
  batch: number,
  logitRows: number,
  kv: CacheType,
  asking?: Holder,
  count: number = 1,
): Pointer {
  const type = cacheType(kv);
  const make = () => core.exports.context_create(core.pointer, model, rows, batch, logitRows, count, type);
  return makeContext(core, sequences, make, asking);
}

/** What `make` gives, a context of the core; idle ones, and those of sessions that rest, make room when there is none. */
export function makeContext(core: Core, sequences: SequencePool, make: () => Pointer, asking?: Holder): Pointer {
  let pointer = make();
  for (const free of [() => sequences.trim(), () => sequences.vacate(asking)]) {
    if (pointer !== 0 || core.error().code !== "OUT_OF_MEMORY") break;
    free();
    pointer = make();
  }
  if (pointer !== 0) return core.handle(pointer);
  const error = core.error();
  throw error.code === "OUT_OF_MEMORY" ? new LimpetError(error.code, error.message + sequences.holders) : error;
}

/** The core's number of a cache type. */
export function cacheType(kv: CacheType): number {
  if (kv === "f16") return KvType.F16;
  if (kv === "f32") return KvType.F32;
  return KvType.Q8_0;
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

/**
 * How many tokens a context may grow to: those that were asked for, or as many as the model was trained for. An encoder's
 * context does not grow: it reads its source in one pass.
 */
export function mostTokens(core: Core, model: Pointer, asked: number | undefined): number {
  if (asked !== undefined || core.exports.model_has_encoder(model)) return contextLength(core, model, asked);
  return Math.min(core.exports.model_context_length(model) || DEFAULT_CONTEXT, POSITION_LIMIT);
}

/** A prompt that no context of so many rows holds. */
export function promptTooLong(tokens: number, rows: number): LimpetError {
  const words = `the context holds ${rows} tokens, and the prompt has ${tokens}; make it longer (--ctx N, { context: N })`;
  return new LimpetError("CONTEXT_FULL", words, { sizes: { tokens, capacity: rows } });
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
