/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A generation: tokens and text as they come, an end that says why, and times. The core is stepped here, and nowhere
 * else for sessions.
 */

import { FINISH_REASONS } from "../../assembly/wasi/commands.ts";
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { Finish, Status } from "../../bindings/numbers.ts";
import { bytes as bytesOf, flag, type OptionTable, real, signal, text, texts, whole, wide } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { Pace } from "../host/pace.ts";
import { type ConstraintOptions, expression, plainSchema, takeConstraint } from "./constraint.ts";
import { type Form, formKind, formNumber } from "./sequence-pool.ts";
import { growWithin, reserve, rest, type SessionState, wake } from "./session-state.ts";
import { unfinishedCharacter, unfinishedOf } from "./unfinished.ts";

/** How the next token is chosen. Default: always the likeliest one. */
export interface SamplingOptions {
  /** 0 (the default) always takes the likeliest token. */
  temperature?: number;
  /** Draw from that many of the likeliest tokens; 0: from all. */
  topK?: number;
  /** Draw from the likeliest tokens that make up this probability; 1: from all. */
  topP?: number;
  /** Drop tokens below this share of the likeliest one's probability; 0: none. */
  minP?: number;
  /** Makes the last 64 tokens less likely; 1: not. */
  repeatPenalty?: number;
  /** The same seed gives the same text in every host. Default: 0, and a session goes on with its own numbers. */
  seed?: number | bigint;
}

/** How a text goes on, and when it ends. */
export interface GenerateOptions extends SamplingOptions, ConstraintOptions {
  /** Most tokens to generate. Default: 256. */
  maxTokens?: number;
  /** End before any of these texts. */
  stop?: string | readonly string[];
  /** Give each token's log probability, and those of this many of the best tokens (0 to 20). */
  logprobs?: number;
  /** Take special tokens in a prompt's text as tokens. Default: no. */
  special?: boolean;
  /** How latent attention (MLA) is computed. Default: auto. */
  form?: Form;
  /** Ends the generation: the next piece throws the signal's reason. */
  signal?: AbortSignal;
}

/** What follows the prompt. */
export interface InfillOptions {
  /**
   * Text behind the prompt's: the model fills in what is missing between them, if it was trained to. Where its vocabulary
   * lacks the tokens for that, the call fails with UNSUPPORTED.
   */
  suffix?: string;
}

/** What each of `GenerateOptions` has to be; the ranges of real numbers are the core's. */
export const GENERATE_OPTIONS: OptionTable<GenerateOptions> = {
  temperature: real,
  topK: whole(0, 2 ** 32 - 1),
  topP: real,
  minP: real,
  repeatPenalty: real,
  seed: wide,
  schema: (_, value) => plainSchema(value),
  regex: expression,
  grammar: text,
  choice: texts,
  table: bytesOf,
  maxTokens: whole(0, 2 ** 31 - 1),
  stop: texts,
  logprobs: whole(0, 20),
  special: flag,
  form: formKind,
  signal,
};

/** One token, with the text that it made ready: whole characters, maybe none. */
export interface Piece {
  /** The text that became whole with this token. */
  readonly text: string;
  /** The token's id. */
  readonly token: number;
  /** The token's log probability (natural), where `logprobs` was given. */
  readonly logprob?: number;
  /** The likeliest tokens with their log probabilities, the likeliest first, where `logprobs` was given. */
  readonly top?: readonly { readonly token: number; readonly logprob: number }[];
}

/** Why a generation ended: an end token, as many tokens as were asked for, a stop text, or a full context. */
export type FinishReason = "stop" | "length" | "stop_string" | "context";

/** What a generation came to. */
export interface GenerationResult {
  /** All its text. */
  readonly text: string;
  /** Without the end token. */
  readonly tokens: number[];
  /** Why it ended. */
  readonly finishReason: FinishReason;
  /** Of the computing alone: the time that the caller takes between two pieces does not count. */
  readonly timings: {
    /** Tokens evaluated before the first new one, and how long that took. */
    readonly prefillTokens: number;
    readonly prefillMs: number;
    /** Tokens after the first new one. */
    readonly decodeTokens: number;
    readonly decodeMs: number;
  };
}

/**
 * Pieces as they come: `for await (const piece of generation)`. Leaving the loop ends the generation; `text()` runs it
 * to its end.
 */
export class Generation implements AsyncIterableIterator<Piece, GenerationResult | undefined, undefined> {
  readonly #pieces: AsyncGenerator<Piece, GenerationResult, undefined>;
  #result: GenerationResult | null = null;

  /** @internal */
  constructor(pieces: AsyncGenerator<Piece, GenerationResult, undefined>) {
    this.#pieces = pieces;
  }

  /** What came out; null until the end is reached. */
  get result(): GenerationResult | null {
    return this.#result;
  }

  /** Runs to the end and gives the whole text, with what was iterated before. */
  async text(): Promise<string> {
    while (!(await this.next()).done);
    if (!this.#result) throw new LimpetError("WRONG_STATE", "this generation was ended before its end");
    return this.#result.text;
  }

  /** Computes up to the next piece. */
  async next(): Promise<IteratorResult<Piece, GenerationResult | undefined>> {
    const step = await this.#pieces.next();
    if (step.done && step.value) this.#result = step.value;
    return step;
  }

  /** Ends the generation before its end. */
  async return(): Promise<IteratorResult<Piece, GenerationResult | undefined>> {
    await this.#pieces.return(undefined as unknown as GenerationResult);
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Tokens of a generation that says nothing of them. */
export const DEFAULT_TOKENS = 256;
const REASONS = FINISH_REASONS.split(" ");

/**
 * Steps a session whose tokens are there, as `configure` has prepared it. A character whose bytes the tokens before have
 * begun comes whole; one that the end cuts is left to the next generation.
 */
export async function* generatePieces(
  session: SessionState,
  options: GenerateOptions,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  const { loaded } = session;
  const { core } = loaded;
  const { exports, memory } = core;
  const { logprobs, maxTokens = DEFAULT_TOKENS } = options;
  const pace = new Pace(options.signal);
  const turn = ++session.turn;
  const usable = () => {
    if (session.disposed || loaded.disposed) throw new LimpetError("WRONG_STATE", "the session was disposed of");
    if (session.turn !== turn) throw new LimpetError("WRONG_STATE", "another generation of this session has begun");
  };
  const form = formNumber(options.form ?? "auto");
  wake(session);
  exports.session_stop(session.pointer);
  // Most end before a high limit is reached: the context grows as it is needed.
  reserve(session, exports.session_count(session.pointer) + Math.min(maxTokens, DEFAULT_TOKENS));
  configure(session, options);
  let { pointer, context } = session;
  exports.context_set_form(context.pointer, form);
  const top = logprobs ?? 0;
  core.check(exports.session_begin(pointer, maxTokens, logprobs === undefined ? 0 : 1, top));

  const prefillTokens = exports.session_count(pointer) - exports.session_evaluated(pointer);
  const tokens: number[] = [];
  const written: string[] = [];
  let begun: Uint8Array = unfinishedOf(session);
  let made = 0;
  let prefillMs = 0;
  let decodeMs = 0;
  let clock = performance.now();
  let hasRun = false;
  session.generates = true;
  try {
    for (;;) {
      const status = core.step(exports.session_step, pointer, context.pointer);
      hasRun ||= status >= 0;
      if (status === Status.TOKEN) {
        const now = performance.now();
        if (made++ === 0) prefillMs += now - clock;
        else decodeMs += now - clock;
        const token = exports.session_token(pointer);
        const length = exports.session_text_length(pointer);
        const finish = exports.session_finish(pointer);
        let text = "";
        if (begun.length > 0 || (finish === Finish.LENGTH && length > 0)) {
          // What was begun stands in front of the bytes that follow, and waits for them.
          let bytes = joined(begun, memory.read(exports.session_text(pointer), length));
          const rest = finish === Finish.NONE || finish === Finish.LENGTH ? unfinishedCharacter(bytes) : 0;
          begun = bytes.subarray(bytes.length - rest);
          bytes = bytes.subarray(0, bytes.length - rest);
          text = decodeText(bytes);
        } else if (length > 0) text = memory.readText(exports.session_text(pointer), length);
        written.push(text);
        const ended = finish === Finish.STOP;
        if (!ended) tokens.push(token);
        // The end token shows nothing of its own, only what was held back for it.
        if (!ended || text !== "") yield logprobs === undefined ? { text, token } : withLogprobs(session, text, top);
        usable();
        if (finish === Finish.NONE && exports.session_count(pointer) === context.rows && context.rows < session.rows) {
          growWithin(session);
          ({ pointer, context } = session);
          exports.context_set_form(context.pointer, form);
        }
        clock = performance.now();
      } else if (status === Status.DONE) {
        return {
          text: written.join(""),
          tokens,
          finishReason: REASONS[exports.session_finish(pointer)] as FinishReason,
          timings: { prefillTokens, prefillMs, decodeTokens: Math.max(made - 1, 0), decodeMs },
        };
      } else if (core.check(status) === Status.NEED_DATA) {
        const put = await loaded.tables!.read(context.pointer, options.signal);
        if (put) {
          usable();
          put();
        }
      }
      const wait = pace.step();
      if (wait) {
        await wait;
        usable();
      }
    }
  } finally {
    if (!session.disposed && !loaded.disposed && session.turn === turn) rest(session, hasRun);
  }
}

/** Tells a session how tokens are chosen; what cannot be is refused before anything else changes. */
export function configure({ loaded: { core }, pointer }: SessionState, options: GenerateOptions): void {
  const { exports } = core;
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repeatPenalty = 1, seed, stop = [] } = options;
  core.check(exports.session_configure(pointer, temperature, topK, topP, minP, repeatPenalty));
  takeConstraint(core, pointer, options);
  exports.session_clear_stops(pointer);
  for (const text of typeof stop === "string" ? [stop] : stop) {
    core.scoped((arena) => {
      const bytes = encodeText(text);
      core.check(exports.session_add_stop(pointer, arena.put(bytes), bytes.length));
    });
  }
  if (seed !== undefined) exports.session_seed(pointer, BigInt.asUintN(64, BigInt(seed)));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

function withLogprobs({ loaded: { core }, pointer }: SessionState, text: string, top: number): Piece {
  const { exports, memory } = core;
  const ids = memory.u32(exports.session_top_ids(pointer), top);
  const values = memory.f32(exports.session_top_logprobs(pointer), top);
  return {
    text,
    token: exports.session_token(pointer),
    logprob: exports.session_logprob(pointer),
    top: Array.from(ids, (token, i) => ({ token, logprob: values[i] })),
  };
}
