/** Logits of given tokens, and how well a model foresees a text. */

import type { Pointer } from "../../bindings/exports.ts";
import { POSITION_LIMIT } from "../../bindings/numbers.ts";
import { callback, type OptionTable, readOptions, signal, whole } from "../host/arguments.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { Core } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { ADAPTER_OPTIONS, type AdapterOptions, type AdapterSet, useInSequence } from "./adapter.ts";
import { droppedCalls, releaseCall } from "./call-context.ts";
import { type CacheType, plainType, typeKind } from "./kept-rows.ts";
import { requireAlive, runPass } from "./pass.ts";
import { createContext, type Form, formKind, formNumber, type LoadedModel } from "./sequence-pool.ts";
import { promptOf, tokenIds } from "./tokenizer.ts";

/** How tokens are evaluated. */
export interface LogitsOptions extends AdapterOptions {
  /** How latent attention (MLA) is computed. Default: by the length of the chunk. */
  form?: Form;
  /** Tokens to compute at once. Default: as many as suit the model. */
  chunk?: number;
  /** Type of the cached keys and values. Default: as the model was loaded. */
  kv?: CacheType;
  /** Ends the evaluation: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What each of `LogitsOptions` has to be. */
export const LOGITS_OPTIONS: OptionTable<LogitsOptions> = {
  ...ADAPTER_OPTIONS,
  form: formKind,
  chunk: whole(1, 4096),
  kv: typeKind,
  signal,
};

/** How a text is cut into windows and scored. */
export interface PerplexityOptions extends LogitsOptions {
  /** Tokens of a window; the second half of each is scored. Default: 512. */
  context?: number;
  /** Measure only that many windows. Default: all that the text fills. */
  windows?: number;
  /** Called after each window, with the perplexity so far. */
  onProgress?: (done: number, windows: number, perplexity: number) => void;
}

/** What each of `PerplexityOptions` has to be. */
export const PERPLEXITY_OPTIONS: OptionTable<PerplexityOptions> = {
  ...LOGITS_OPTIONS,
  context: whole(2, POSITION_LIMIT),
  windows: whole(0, 2 ** 31),
  onProgress: callback,
};

/** How well a model foresees a text. */
export interface PerplexityResult {
  /** e to the mean negative log probability of a scored token. */
  readonly perplexity: number;
  /** Of the scored text: for this figure, vocabularies need not be the same. */
  readonly bitsPerByte: number;
  /** Tokens that were scored. */
  readonly tokens: number;
  /** Bytes of the text of these tokens. */
  readonly bytes: number;
  /** So many windows were measured. */
  readonly windows: number;
  /** A window holds so many tokens. */
  readonly context: number;
}

/** Logits of some tokens of a chunk: live in the core's memory until the next step. */
interface Rows {
  /** Which of the tokens the first row follows. */
  readonly from: number;
  readonly count: number;
  readonly pointer: Pointer;
}

/** A token of a pass: where it stands, and whether the logits behind it are wanted. */
export interface PassToken {
  readonly id: number;
  readonly sequence: number;
  readonly position: number;
  readonly wanted: boolean;
}

/** A context for passes that give the logits of many tokens. */
export class Scorer {
  readonly #loaded: LoadedModel;
  readonly #context: Pointer;
  readonly #chunk: number;
  readonly #signal: AbortSignal | undefined;
  readonly #pace: Pace;
  readonly #adapters: AdapterSet | undefined;

  constructor(
    loaded: LoadedModel,
    tokens: number,
    { form = "auto", chunk, kv, signal, adapters }: LogitsOptions,
    sequences: number = 1,
  ) {
    requireAlive(loaded);
    this.#adapters = adapters;
    const { core, pointer, sequences: pool, defaults } = loaded;
    this.#loaded = loaded;
    this.#signal = signal;
    this.#pace = new Pace(signal);
    this.#chunk = Math.min(chunk ?? core.exports.model_batch(pointer), tokens);
    const number = formNumber(form);
    const type = kv ?? plainType(defaults.kv);
    this.#context = createContext(core, pointer, pool, tokens, this.#chunk, this.#chunk, type, undefined, sequences);
    core.exports.context_set_form(this.#context, number);
    droppedCalls.watch(this, { loaded, context: this.#context });
  }

  /** Tokens that a pass may have. */
  get chunk(): number {
    return this.#chunk;
  }

  /** The context in the core. */
  get context(): Pointer {
    return this.#context;
  }

  /** Evaluates the tokens from an empty cache, and gives the logits from token `from` on, chunk after chunk. */
  async *rows(ids: Uint32Array, from: number): AsyncGenerator<Rows, void, undefined> {
    this.#requireAlive();
    this.#loaded.core.exports.context_reset(this.#context);
    this.use(0, ids);
    for (let at = 0; at < ids.length; at += this.#chunk) {
      const count = Math.min(this.#chunk, ids.length - at);
      const tokens = Array.from({ length: count }, (_, i) => ({
        id: ids[at + i],
        sequence: 0,
        position: at + i,
        wanted: at + i >= from,
      }));
      const pointer = await this.pass(tokens);
      const first = Math.max(at, from);
      if (first < at + count) {
        yield { from: first, count: at + count - first, pointer };
        this.#requireAlive();
      }
    }
  }

  /**
   * Evaluates tokens, at most a chunk of them; gives the logits that are wanted, live until the next pass. Who awaits it
   * asks again whether the model is there: others have their turn in between.
   */
  async pass(tokens: readonly PassToken[]): Promise<Pointer> {
    this.#requireAlive();
    const { exports, memory } = this.#loaded.core;
    const context = this.#context;
    const count = tokens.length;
    const ids = memory.u32(exports.context_ids(context), count);
    const sequences = memory.u32(exports.context_sequences(context), count);
    const positions = memory.i32(exports.context_positions(context), count);
    const wanted = memory.u8(exports.context_wanted(context), count);
    for (const [i, token] of tokens.entries()) {
      ids[i] = token.id;
      sequences[i] = token.sequence;
      positions[i] = token.position;
      wanted[i] = token.wanted ? 1 : 0;
    }
    await runPass(this.#loaded, context, count, this.#pace, this.#signal);
    return exports.context_logits(context);
  }

  /** A sequence of these tokens uses the adapters that were asked for. */
  use(sequence: number, ids: ArrayLike<number>): void {
    useInSequence(this.#loaded, this.#context, sequence, this.#adapters, ids);
  }

  release(): void {
    droppedCalls.forget(this);
    releaseCall({ loaded: this.#loaded, context: this.#context });
  }

  #requireAlive(): void {
    requireAlive(this.#loaded);
  }
}

/** Copies of the logits after each token, as [tokens of a chunk, vocabulary] and in order. */
export async function* logitChunks(
  loaded: LoadedModel,
  tokens: ArrayLike<number>,
  given: LogitsOptions,
): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
  const ids = tokenIds(tokens, "tokens");
  const options = readOptions(given, LOGITS_OPTIONS);
  requireAlive(loaded);
  if (ids.length === 0) throw new LimpetError("BAD_ARGUMENT", "logits are of one token at least");
  const { core, pointer } = loaded;
  const scorer = new Scorer(loaded, ids.length, options);
  try {
    const vocabulary = core.exports.model_vocabulary(pointer);
    for await (const rows of scorer.rows(ids, 0)) {
      requireAlive(loaded);
      yield core.memory.f32(rows.pointer, rows.count * vocabulary).slice();
    }
  } finally {
    scorer.release();
  }
}

/**
 * Perplexity over windows that do not overlap, as llama.cpp measures it: each begins with a BOS token where the
 * vocabulary wants one, and the tokens of its second half are scored.
 */
export async function measurePerplexity(
  loaded: LoadedModel,
  text: string | ArrayLike<number>,
  given: PerplexityOptions,
): Promise<PerplexityResult> {
  const prompt = promptOf("text", text);
  const options = readOptions(given, PERPLEXITY_OPTIONS);
  requireAlive(loaded);
  const { core, pointer, tokenizer } = loaded;
  const { exports, memory } = core;
  const context = options.context ?? 512;
  const ids = typeof prompt === "string" ? tokenIds(tokenizer.tokenize(prompt, { bos: true })) : prompt;
  const all = Math.floor(ids.length / context);
  if (all === 0) {
    const words = `the text has ${ids.length} tokens and a window takes ${context}`;
    throw new LimpetError("BAD_ARGUMENT", `${words}: give a longer text or a smaller context`);
  }
  const windows = Math.min(all, options.windows || all);
  const bos = tokenizer.addsBos ? tokenizer.specials.bos : undefined;
  const vocabulary = exports.model_vocabulary(pointer);
  const words = exports.model_tokenizer(pointer);
  const half = context >> 1;
  const logSumExp = await logSumExpOf(core, options.signal);
  const scorer = new Scorer(loaded, context, options);
  let sum = 0;
  let count = 0;
  let bytes = 0;
  try {
    for (let window = 0; window < windows; window++) {
      const part = ids.slice(window * context, (window + 1) * context);
      if (bos !== undefined) part[0] = bos;
      // The logits after token i score token i + 1; the last token's are of no use.
      for await (const rows of scorer.rows(part.subarray(0, -1), half - 1)) {
        requireAlive(loaded);
        for (let i = 0; i < rows.count; i++) {
          const row = rows.pointer + i * vocabulary * 4;
          const next = part[rows.from + i + 1];
          sum += logSumExp(row, vocabulary) - memory.readF32(row + next * 4);
          bytes += exports.tokenizer_token_bytes(words, next, 0, 0, 0);
          count++;
        }
      }
      options.onProgress?.(window + 1, windows, Math.exp(sum / count));
    }
  } finally {
    scorer.release();
  }
  const bitsPerByte = sum / Math.LN2 / bytes;
  return { perplexity: Math.exp(sum / count), bitsPerByte, tokens: count, bytes, windows, context };
}

/** Cores without kernels, and the one beside each that has them. */
const beside = new WeakMap<Core, Core>();

/** ln Σ e^x of a row in the memory of a core. Builds with threads have no kernels of their own: there a second core has. */
export async function logSumExpOf(core: Core, signal?: AbortSignal): Promise<(row: Pointer, length: number) => number> {
  if (core.has("kernel_log_sum_exp")) return core.exports.kernel_log_sum_exp;
  let apart = beside.get(core);
  try {
    apart ??= await Core.create({ build: core.build, signal });
  } catch (error) {
    signal?.throwIfAborted();
    const words = "this wasm has no kernels, which perplexity takes, and limpet's own cannot be had: load the model";
    throw new LimpetError("UNSUPPORTED", `${words} without the option wasm (${messageOf(error)})`, { cause: error });
  }
  beside.set(core, apart);
  const { exports } = apart;
  return (row, length) =>
    apart.scoped((arena) => {
      const values = arena.put(core.memory.f32(row, length));
      return exports.kernel_log_sum_exp(values, length);
    });
}
