/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A generation: tokens and text as they come, an end that says why, and times. The core is stepped here, and nowhere
 * else for sessions.
 */

import { FINISH_REASONS } from "../../assembly/wasi/commands.ts";
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { Finish, Status } from "../../bindings/numbers.ts";
import { expression, plainSchema } from "../grammar/given.ts";
import {
  bytes as bytesOf,
  callback,
  flag,
  type OptionTable,
  readOptions,
  signal,
  text,
  texts,
  whole,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { Pace } from "../host/pace.ts";
import { within } from "../host/wait.ts";
import { ADAPTER_OPTIONS, type AdapterOptions } from "./adapter.ts";
import { type ConstraintOptions, takeTable } from "./constraint.ts";
import { draftRows, type Speculate, speculateOf } from "./drafts.ts";
import type { ToolCall, ToolCallDelta } from "./messages.ts";
import { configureSampler, SAMPLING_OPTIONS, type SamplingOptions } from "./sampling.ts";
import { type Form, formKind, formNumber } from "./sequence-pool.ts";
import { growWithin, makeRoom, reserve, rest, type SessionState, useAdapters, wake } from "./session-state.ts";
import { configureDrafts, drafterOf, draftFigures } from "./speculation.ts";
import { unfinishedCharacter, unfinishedOf } from "./unfinished.ts";

/** How a text goes on, and when it ends. */
export interface GenerateOptions extends SamplingOptions, ConstraintOptions, AdapterOptions {
  /** Most tokens to generate. Default: 256. */
  maxTokens?: number;
  /** End before any of these texts. */
  stop?: string | readonly string[];
  /**
   * Closes what the model writes between `<think>` and `</think>` after so many tokens, so that its answer follows.
   * Default: it takes as many as it likes.
   */
  reasoning?: ReasoningOptions;
  /**
   * Give each token's log probability, and those of this many of the best tokens (0 to 20). They are the model's own,
   * whatever the sampler and `onLogits` make of them.
   */
  logprobs?: number;
  /**
   * Called before each token is drawn with the logits of the whole vocabulary, which it may change in place, and the
   * tokens so far, the prompt's too. The sampler draws from what it leaves. A worker waits for it.
   */
  onLogits?: LogitsHook;
  /** Called while the prompt is read: tokens of it that have been, those of before among them, and of all. */
  onPrefill?: PrefillHook;
  /** Take special tokens in a prompt's text as tokens. Default: no. */
  special?: boolean;
  /**
   * Keep what other adapters have read and written of a session's tokens, and go on from there with `adapters`: a switch
   * between two tokens that costs nothing. Default: no, it is read anew.
   */
  keepCache?: boolean;
  /** How latent attention (MLA) is computed. Default: auto. */
  form?: Form;
  /**
   * Evaluates tokens that may follow with the last one, so that a pass may give several: the text stays the same, and comes
   * sooner where much of it stood before. `"auto"`: as many as pay. Default: false, none.
   */
  speculate?: Speculate;
  /** Ends the generation: the next piece throws the signal's reason. */
  signal?: AbortSignal;
}

/** How long a model reasons. */
export interface ReasoningOptions {
  /** Tokens of it at most; 0: none. */
  budget?: number;
}

const REASONING_OPTIONS: OptionTable<ReasoningOptions> = { budget: whole(0, 2 ** 31 - 1) };
/** No budget, as the core has it. */
const UNLIMITED = 2 ** 32 - 1;

/** How many answers a prompt gets. */
export interface AnswerOptions {
  /**
   * So many answers to one prompt, which is read once: answer i is that of the seed plus i, and its pieces say which
   * they are of. They are computed together. Default: 1.
   */
  n?: number;
}

/** Sees logits before a token is drawn; the draw waits for its promise. */
export type LogitsHook = (logits: Float32Array<ArrayBuffer>, tokens: readonly number[]) => void | Promise<void>;

/** Is told how far a prompt has been read, in tokens. */
export type PrefillHook = (read: number, all: number) => void;

/** What follows the prompt. */
export interface InfillOptions {
  /**
   * Text behind the prompt's: the model fills in what is missing between them, if it was trained to. Where its vocabulary
   * lacks the tokens for that, the call fails with UNSUPPORTED.
   */
  suffix?: string;
}

/** What each of `GenerateOptions` has to be. */
export const GENERATE_OPTIONS: OptionTable<GenerateOptions> = {
  ...SAMPLING_OPTIONS,
  ...ADAPTER_OPTIONS,
  keepCache: flag,
  schema: (_, value) => plainSchema(value),
  regex: expression,
  grammar: text,
  choice: texts,
  table: bytesOf,
  maxTokens: whole(0, 2 ** 31 - 1),
  stop: texts,
  reasoning: (name, value) => readOptions(value, REASONING_OPTIONS, name),
  logprobs: whole(0, 20),
  onLogits: callback,
  onPrefill: callback,
  special: flag,
  form: formKind,
  speculate: speculateOf,
  signal,
};

/** One token, with the text that it made ready: whole characters, maybe none. */
export interface Piece {
  /** Which of several answers (`n`) it is of, from 0; absent where there is one. */
  readonly answer?: number;
  /** The text that became whole with this token. */
  readonly text: string;
  /** What became whole of the model's thoughts, in a chat; absent where it has none. */
  readonly reasoning?: string;
  /** What became whole of calls of tools, in a chat; absent where it has none. */
  readonly toolCalls?: readonly ToolCallDelta[];
  /** The token's id. */
  readonly token: number;
  /** The token's log probability (natural), where `logprobs` was given. */
  readonly logprob?: number;
  /** The likeliest tokens with their log probabilities, the likeliest first, where `logprobs` was given. */
  readonly top?: readonly { readonly token: number; readonly logprob: number }[];
}

/**
 * Why a generation ended: an end token, as many tokens as were asked for, a stop text, a full context, or calls of tools
 * that wait for their results; `aborted`: before its end, by a signal, an error, or because it was left.
 */
export type FinishReason = "stop" | "length" | "stop_string" | "context" | "tool_calls" | "aborted";

/** What one answer came to. */
export interface Answer {
  /** All its text. */
  readonly text: string;
  /** What the model thought before, in a chat; absent where it did not. */
  readonly reasoning?: string;
  /** The tools that it calls, in a chat; absent where it calls none. A call that was cut is not among them. */
  readonly toolCalls?: readonly ToolCall[];
  /** Without the end token. */
  readonly tokens: number[];
  /** Why it ended. */
  readonly finishReason: FinishReason;
  /** The text of `stop` before which it ended, where one did. */
  readonly stopString?: string;
}

/** What a generation has cost so far. */
interface Figures {
  /** Tokens that it began behind: the prompt, and what was there before it. */
  readonly promptTokens: number;
  /** How many of them had been read before, and were not read again. */
  readonly cachedTokens: number;
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

/** What a generation came to: its answer, the first one where `n` asked for several. */
export interface GenerationResult extends Answer, Figures {
  /** All answers, where `n` asked for several. */
  readonly answers?: readonly Answer[];
  /** Tokens of the session that made room for this answer (`overflow: "shift"`); absent where none had to. */
  readonly forgotten?: number;
  /** Tokens that were evaluated before they were drawn, where `speculate` was given. */
  readonly drafted?: number;
  /** How many of them were drawn then. */
  readonly accepted?: number;
}

/** A generation as it goes on: who makes its pieces says here what it has cost, whether it comes to its end or not. */
export interface Course {
  figures: Figures | null;
}

/**
 * Pieces as they come: `for await (const piece of generation)`. Leaving the loop ends the generation; `text()` runs it
 * to its end.
 */
export class Generation implements AsyncIterableIterator<Piece, GenerationResult | undefined, undefined> {
  readonly #pieces: AsyncGenerator<Piece, GenerationResult, undefined>;
  /** @internal */
  readonly course: Course;
  #result: GenerationResult | null = null;
  /** What has come so far. */
  readonly #tokens: number[] = [];
  #text = "";
  #reasoning = "";

  /** @internal */
  constructor(pieces: AsyncGenerator<Piece, GenerationResult, undefined>, course: Course = { figures: null }) {
    this.#pieces = pieces;
    this.course = course;
  }

  /**
   * What came out; null until the end is reached. Behind an abort, an error or a loop that was left, what had come until
   * then (`finishReason` is `aborted`), where it had begun to read its prompt; of several answers (`n`) none.
   */
  get result(): GenerationResult | null {
    return this.#result;
  }

  /** Runs to the end and gives the whole text, with what was iterated before. */
  async text(): Promise<string> {
    while (!(await this.next()).done);
    if (this.#result && this.#result.finishReason !== "aborted") return this.#result.text;
    throw new LimpetError("WRONG_STATE", "this generation was ended before its end");
  }

  /** Computes up to the next piece. */
  async next(): Promise<IteratorResult<Piece, GenerationResult | undefined>> {
    try {
      const step = await this.#pieces.next();
      if (step.done && step.value) this.#result = step.value;
      if (!step.done) this.#keep(step.value);
      return step;
    } catch (error) {
      this.#cut();
      throw error;
    }
  }

  /** Ends the generation before its end. */
  async return(): Promise<IteratorResult<Piece, GenerationResult | undefined>> {
    await this.#pieces.return(undefined as unknown as GenerationResult);
    this.#cut();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #keep({ token, text, reasoning = "" }: Piece): void {
    this.#tokens.push(token);
    this.#text += text;
    this.#reasoning += reasoning;
  }

  /** It ends before its end. */
  #cut(): void {
    const { figures } = this.course;
    if (this.#result || !figures) return;
    const reasoning = this.#reasoning === "" ? {} : { reasoning: this.#reasoning };
    const came = { text: this.#text, ...reasoning, tokens: this.#tokens };
    this.#result = { ...came, finishReason: "aborted", ...figures };
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
  forked: boolean = false,
  course: Course = { figures: null },
): AsyncGenerator<Piece, GenerationResult, undefined> {
  const { loaded } = session;
  const { core } = loaded;
  const { exports, memory } = core;
  const { logprobs } = options;
  const pace = new Pace(options.signal);
  const turn = ++session.turn;
  const form = formNumber(options.form ?? "auto");
  if (!forked) beginGeneration(session, options);
  let { pointer, context } = session;
  const top = logprobs ?? 0;

  const promptTokens = exports.session_count(pointer);
  const prefillTokens = promptTokens - exports.session_evaluated(pointer);
  const timings = { prefillTokens, prefillMs: 0, decodeTokens: 0, decodeMs: 0 };
  const figures: Figures = { promptTokens, cachedTokens: promptTokens - prefillTokens, timings };
  course.figures = figures;
  let read = promptTokens - prefillTokens;
  const usable = (): void => {
    requireTurn(session, turn);
    if (made === 0 && options.onPrefill) tell(exports.session_evaluated(session.pointer));
  };
  const tell = (now: number): void => {
    if (now <= read) return;
    read = now;
    options.onPrefill?.(read, promptTokens);
    // Who was told may have begun another one.
    requireTurn(session, turn);
  };
  const tokens: number[] = [];
  const written: string[] = [];
  let begun: Uint8Array = unfinishedOf(session);
  let made = 0;
  let clock = performance.now();
  let isShown = forked;
  let forgotten = 0;
  const speculate = session.group ? session.group.speculate : options.speculate;
  const drafter = drafterOf(session, speculate, (state) => advance(state, pace, usable, { signal: options.signal }));
  try {
    for (;;) {
      if (drafter) {
        const drafting = drafter.before();
        if (drafting) {
          await drafting;
          usable();
        }
      }
      const status = isShown ? Status.LOGITS : await advance(session, pace, usable, options);
      // Between the end of a step and here others have had their turn.
      usable();
      if (status === Status.DONE) {
        return {
          text: written.join(""),
          tokens,
          ...endOf(session, options),
          ...figures,
          ...(forgotten > 0 && { forgotten }),
          ...(speculate && draftFigures(session)),
        };
      }
      if (status === Status.LOGITS) {
        isShown = false;
        if (options.onLogits) await showLogits(session, options);
        continue;
      }
      const now = performance.now();
      if (made++ === 0) {
        timings.prefillMs += now - clock;
        tell(promptTokens);
      } else {
        timings.decodeTokens++;
        timings.decodeMs += now - clock;
        drafter?.after(now - clock);
      }
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
      if (finish === Finish.NONE && exports.session_count(pointer) === context.rows) {
        if (context.rows < session.rows) {
          growWithin(session);
          ({ pointer, context } = session);
          exports.context_set_form(context.pointer, form);
        } else if (session.keep !== null) forgotten += makeRoom(session);
      }
      clock = performance.now();
    }
  } finally {
    drafter?.end();
    endTurn(session, turn);
  }
}

/** Why a generation has ended, and before which text. */
function endOf({ loaded: { core }, pointer }: SessionState, { stop = [] }: GenerateOptions) {
  const { exports } = core;
  const finish = exports.session_finish(pointer);
  const finishReason = REASONS[finish] as FinishReason;
  if (finish !== Finish.STOP_STRING) return { finishReason };
  return { finishReason, stopString: typeof stop === "string" ? stop : stop[exports.session_stop_index(pointer)] };
}

/** Begins a generation over a session's tokens; what cannot be is refused before anything else changes. */
function beginGeneration(session: SessionState, options: GenerateOptions): void {
  const { core } = session.loaded;
  const { exports } = core;
  const { logprobs, maxTokens = DEFAULT_TOKENS, form = "auto" } = options;
  if (session.group && options.form !== undefined) {
    throw new LimpetError("BAD_ARGUMENT", "form is an option of the batch: its sessions share their passes");
  }
  if (session.group && options.speculate !== undefined) {
    throw new LimpetError("BAD_ARGUMENT", "speculate is an option of the batch: its sessions share their passes");
  }
  wake(session);
  exports.session_stop(session.pointer);
  // Most end before a high limit is reached: the context grows as it is needed.
  const tokens = exports.session_count(session.pointer) + Math.min(maxTokens, DEFAULT_TOKENS);
  reserve(session, tokens, 1 + draftRows(options.speculate));
  configure(session, options);
  useAdapters(session, options.adapters ?? session.adapters, options.keepCache);
  if (!session.group) exports.context_set_form(session.context.pointer, formNumber(form));
  core.check(exports.session_begin(session.pointer, maxTokens, logprobs === undefined ? 0 : 1, logprobs ?? 0));
  session.group?.begin(session);
  session.generates = true;
  session.hasRun = false;
}

/** Throws what has ended a generation that began as number `turn` of its session. */
function requireTurn(session: SessionState, turn: number): void {
  if (session.disposed || session.loaded.disposed) throw new LimpetError("WRONG_STATE", "the session was disposed of");
  if (session.turn !== turn) throw new LimpetError("WRONG_STATE", "another generation of this session has begun");
}

/** Steps a session until something has come of it: a token, logits to look at, or the end. */
async function advance(
  session: SessionState,
  pace: Pace,
  usable: () => void,
  { signal, onPrefill }: GenerateOptions,
): Promise<Status> {
  if (session.group) return session.group.advance(session, usable, signal, onPrefill !== undefined);
  const { loaded, pointer, context } = session;
  const { core } = loaded;
  for (;;) {
    const wait = pace.step();
    if (wait) await wait;
    usable();
    const status: Status = core.check(core.step(core.exports.session_step, pointer, context.pointer));
    session.hasRun = true;
    if (status === Status.NEED_DATA) {
      const put = await loaded.source!.read(context.pointer, signal);
      if (put) {
        usable();
        put();
      }
    } else if (status !== Status.MORE) return status;
  }
}

/** Lets the caller change the logits that the session waits with. */
async function showLogits(session: SessionState, { onLogits, signal }: GenerateOptions): Promise<void> {
  const { turn } = session;
  const logits = shownLogits(session).slice();
  await within(Promise.resolve(onLogits!(logits, tokensOf(session))), signal);
  requireTurn(session, turn);
  shownLogits(session).set(logits);
}

/** The logits that a session waits with, live in the core's memory. */
function shownLogits({ loaded: { core, pointer: model }, pointer }: SessionState): Float32Array<ArrayBuffer> {
  return core.memory.f32(core.exports.session_logits(pointer), core.exports.model_vocabulary(model));
}

/** A session's tokens. */
export function tokensOf({ loaded: { core }, pointer }: SessionState): number[] {
  const { exports, memory } = core;
  return Array.from(memory.u32(exports.session_tokens(pointer), exports.session_count(pointer)));
}

/** The logits of the token that would follow those of a session, f32[vocabulary]. */
export async function nextLogits(session: SessionState, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
  const shown = beginShown(session, { signal, maxTokens: 1 });
  const { turn } = session;
  await shown;
  requireTurn(session, turn);
  const logits = shownLogits(session).slice();
  endTurn(session, session.turn);
  return logits;
}

/** Begins a generation and computes up to its first draw, whose logits the session then waits with. */
export async function beginShown(session: SessionState, options: GenerateOptions): Promise<void> {
  const pace = new Pace(options.signal);
  const turn = ++session.turn;
  beginGeneration(session, options);
  session.loaded.core.exports.session_want_logits(session.pointer, 1);
  try {
    await advance(session, pace, () => requireTurn(session, turn), { signal: options.signal });
  } catch (error) {
    endTurn(session, turn);
    throw error;
  }
}

/** Ends a generation, if no other has begun since. */
function endTurn(session: SessionState, turn: number): void {
  if (session.disposed || session.loaded.disposed || session.turn !== turn) return;
  session.group?.end(session);
  rest(session, session.hasRun);
}

/** Tells a session how tokens are chosen; what cannot be is refused before anything else changes. */
export function configure(session: SessionState, options: GenerateOptions): void {
  const { loaded, pointer, group } = session;
  const { core } = loaded;
  const { exports } = core;
  configureDrafts(session, group ? group.speculate : options.speculate);
  configureSampler(core, pointer, options);
  core.check(exports.session_limit_reasoning(pointer, options.reasoning?.budget ?? UNLIMITED));
  exports.session_want_logits(pointer, options.onLogits ? 1 : 0);
  takeTable(core, pointer, options.table);
  exports.session_clear_stops(pointer);
  const { stop = [] } = options;
  for (const text of typeof stop === "string" ? [stop] : stop) {
    core.scoped((arena) => {
      const bytes = encodeText(text);
      core.check(exports.session_add_stop(pointer, arena.put(bytes), bytes.length));
    });
  }
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
