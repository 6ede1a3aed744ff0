/// <reference lib="esnext.disposable" preserve="true" />
/** A session: tokens that a model has read and written, which the next call goes on from. */
import { POSITION_LIMIT } from "../../bindings/numbers.ts";
import { ADAPTER_OPTIONS, type AdapterOptions } from "../generate/adapter.ts";
import type { AnswerReader } from "../generate/answer-reader.ts";
import { CHAT_OPTIONS, type ChatOptions, prepareAnswer, toldApart } from "../generate/chat-answer.ts";
import { constrains, withTable } from "../generate/constraint.ts";
import {
  type Course,
  configure,
  GENERATE_OPTIONS,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  generatePieces,
  nextLogits,
  type Piece,
  tokensOf,
} from "../generate/generation.ts";
import { cacheOf, plainType } from "../generate/kept-rows.ts";
import { type Message, messagesOf, prefixOf, saidOf, type Tool } from "../generate/messages.ts";
import { type Neurons, neuronsOf } from "../generate/neurons.ts";
import { CONTEXT_OPTIONS, type ContextOptions, type LoadedModel, mostTokens } from "../generate/sequence-pool.ts";
import {
  type Activity,
  type CacheUse,
  createState,
  droppedSessions,
  makeRoom,
  readActivity,
  readCache,
  releaseState,
  requireRoom,
  reserve,
  rest,
  restoreState,
  type SessionState,
  saveState,
  useAdapters,
  wake,
} from "../generate/session-state.ts";
import { promptOf } from "../generate/tokenizer.ts";
import {
  bytes as bytesOf,
  flag,
  type OptionTable,
  oneOf,
  printable,
  readOptions,
  signal,
  text as textOf,
  whole,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import {
  COMPOSE_OPTIONS,
  type Composed,
  type ComposedPiece,
  type ComposeOptions,
  compose,
  piecesOf,
} from "./composition.ts";
import { KEPT, leadingTokens, type Overflow, trim } from "./overflow.ts";
import { type Prefix, prefixKind } from "./prefix.ts";
import { joinMessages, splitMessages } from "./saved-messages.ts";

/** What a session holds, and how a conversation in it begins. */
export interface SessionOptions extends ContextOptions, AdapterOptions {
  /** What the model is told before the first `chat`. */
  system?: string;
  /** What was said before, a system's message too; the first `chat` has the model read it. */
  messages?: readonly Message[];
  /**
   * What happens where the context is full. `stop` (the default): an answer ends, and what does not fit is refused with
   * CONTEXT_FULL. `shift`: the oldest turns of a conversation, or tokens of another text, are forgotten, and what stood
   * behind them moves up; the model has still read them where it wrote what follows. UNSUPPORTED where a model's state
   * cannot do without them (a recurrent one, or positions that are learnt).
   */
  overflow?: Overflow;
  /** Tokens at the beginning that `shift` never forgets. Default: 4, and the system's message. */
  keep?: number;
  /** What it begins with, and what was said there (`Model.prefix`). */
  prefix?: Prefix;
  /** The neurons that its answers use. Default: all. UNSUPPORTED with adapters, and with a policy of the cache. */
  neurons?: Neurons;
}

/** What each of `SessionOptions` has to be. */
export const SESSION_OPTIONS: OptionTable<SessionOptions> = {
  ...CONTEXT_OPTIONS,
  ...ADAPTER_OPTIONS,
  system: textOf,
  messages: (_, value) => messagesOf(value),
  overflow: oneOf<Overflow>("stop", "shift"),
  keep: whole(0, POSITION_LIMIT),
  prefix: prefixKind,
  neurons: neuronsOf,
};

/** How a prompt's text is read. */
export interface AppendOptions {
  /** Take special tokens in a prompt's text as tokens. Default: no. */
  special?: boolean;
}

/** What each of `AppendOptions` has to be. */
export const APPEND_OPTIONS: OptionTable<AppendOptions> = { special: flag };

/** What a call that computes may be given. */
export interface WaitOptions {
  /** Ends the call: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What each of `WaitOptions` has to be. */
export const WAIT_OPTIONS: OptionTable<WaitOptions> = { signal };

/** Text, or token ids. */
export type Prompt = string | ArrayLike<number>;

export type { Activity, CacheUse } from "../generate/session-state.ts";

/** A turn of a conversation that goes on: what was said before it, and the answer so far. */
interface Turn {
  /** The tokens before it. */
  readonly before: readonly number[];
  /** With the user's message. */
  readonly messages: readonly Message[];
  answer: string;
  reasoning: string;
  /** Tells the answer apart, where that is done. */
  readonly reader: AnswerReader | undefined;
  /** Whether the model has said something, or that it has nothing to say. */
  answered: boolean;
}

/**
 * Tokens that a model has read and written, which the next call goes on from. One generation at a time goes on; a later
 * one ends the one before with WRONG_STATE.
 */
export class Session {
  readonly #state: SessionState;
  #messages: readonly Message[];
  /** How many of them the context has forgotten, behind the system's. */
  #forgotten = 0;
  /** The turn that `chat` is in. */
  #turn: Turn | null = null;

  /** @internal */
  constructor(loaded: LoadedModel, given: SessionOptions = {}, state?: SessionState) {
    const options = readOptions(given, SESSION_OPTIONS);
    this.#messages = saidBefore(options);
    this.#state = state ?? sessionState(loaded, options);
    if (options.adapters) {
      this.#state.adapters = options.adapters;
      try {
        useAdapters(this.#state, options.adapters);
      } catch (error) {
        releaseState(this.#state);
        throw error;
      }
    }
    droppedSessions.watch(this, this.#state);
    if (!options.prefix) return;
    try {
      this.restore(options.prefix.bytes);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** The tokens so far. */
  get tokens(): number[] {
    return tokensOf(this.#alive);
  }

  /** Tokens that the session's context holds, or may grow to. */
  get capacity(): number {
    return this.#alive.rows;
  }

  /** How much of the last pass was zero behind ReLU²: what the down projection need not read. */
  get activity(): Activity {
    const state = this.#alive;
    return state.generates ? readActivity(state) : state.activity;
  }

  /** What the cache takes, and the rows that layers have now: fewer than tokens where `kv` has a policy. */
  get cache(): CacheUse {
    return readCache(this.#alive);
  }

  /** The conversation so far, of `chat`: what the model has read and written. A turn without any answer is none. */
  get messages(): readonly Message[] {
    return this.#turn?.answered ? answered(this.#turn) : [...this.#messages];
  }

  /** Appends a text (or ids) without answering it. A model with an encoder reads it in place of what was there. */
  append(prompt: Prompt, options: AppendOptions = {}): void {
    const read = promptOf("prompt", prompt);
    const { special } = readOptions(options, APPEND_OPTIONS);
    this.#interrupt();
    this.#append(read, special);
  }

  /**
   * Goes on from all tokens so far and those of `prompt`. What is generated becomes part of the session; after an abort
   * that is what was generated until then.
   */
  generate(prompt?: Prompt, options: GenerateOptions = {}): Generation {
    const course: Course = { figures: null };
    const run = async function* (session: Session): AsyncGenerator<Piece, GenerationResult, undefined> {
      const read = prompt === undefined ? undefined : promptOf("prompt", prompt);
      const asked = readOptions(options, GENERATE_OPTIONS);
      const given = constrains(asked) ? await withTable(asked) : asked;
      given.signal?.throwIfAborted();
      const state = session.#alive;
      session.#interrupt();
      configure(state, given);
      if (read !== undefined) session.#append(read, given.special);
      return yield* generatePieces(state, given, false, course);
    };
    return new Generation(run(this), course);
  }

  /**
   * Answers messages through the model's chat template: a user's, as text, or any others, such as what tools gave; the
   * conversation so far is not read again. A loop that is left, an abort or another call ends the answer with what was
   * said until then; a call that fails before the first token leaves the conversation as it was.
   */
  chat(content: string | Message | readonly Message[], options: ChatOptions = {}): Generation {
    return this.#answer(() => {
      const said = saidOf(content);
      return (before) => [...before, ...said];
    }, options);
  }

  /**
   * Answers anew what was said last: the answer that stands there is forgotten, and nothing before it is read again. The
   * likeliest tokens are the same ones again: give a temperature, and another seed.
   */
  regenerate(options: ChatOptions = {}): Generation {
    return this.#answer(() => unanswered, options);
  }

  /** Answers what `read` makes of the messages so far; both are looked at when the answer is asked for. */
  #answer(read: () => (before: readonly Message[]) => Message[], options: ChatOptions): Generation {
    const course: Course = { figures: null };
    const run = async function* (session: Session): AsyncGenerator<Piece, GenerationResult, undefined> {
      const follow = read();
      const asked = readOptions(options, CHAT_OPTIONS);
      asked.signal?.throwIfAborted();
      const state = session.#alive;
      const begun = session.#interrupt();
      const messages = follow(session.#messages);
      const { tokens, forgotten } = await session.#tell(messages, asked.tools);
      const { options: given, reader: begin } = await prepareAnswer(state.loaded, messages, asked, tokens);
      given.signal?.throwIfAborted();
      if (session.#alive.turn !== begun) {
        throw new LimpetError("WRONG_STATE", "another generation of this session has begun");
      }
      configure(state, given);
      const reader = begin?.();
      const turn: Turn = { before: session.tokens, messages, answer: "", reasoning: "", reader, answered: false };
      const gone = forgotten > session.#forgotten ? session.#forget(tokens) : 0;
      replaceTokens(session.#alive, tokens, true);
      session.#forgotten = forgotten;
      session.#turn = turn;
      const pieces = toldApart(generatePieces(state, given, false, course), reader);
      try {
        for (;;) {
          const { done, value } = await pieces.next();
          if (session.#turn === turn) turn.answered = true;
          if (done) return gone > 0 ? { ...value, forgotten: gone + (value.forgotten ?? 0) } : value;
          turn.answer += value.text;
          turn.reasoning += value.reasoning ?? "";
          yield value;
        }
      } finally {
        await pieces.return(undefined as unknown as GenerationResult);
        if (session.#turn === turn) session.#closeTurn();
      }
    };
    return new Generation(run(this), course);
  }

  /** The logits of the token that would follow those so far, [vocabulary]: the model's own, before any sampling. */
  async logits(options: WaitOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { signal } = readOptions(options, WAIT_OPTIONS);
    const state = this.#alive;
    this.#interrupt();
    return nextLogits(state, signal);
  }

  /**
   * Makes the session's tokens those of pieces that `Model.chunk` has read, and of texts, in any order: the pieces' rows
   * are joined, and those that are attended to most are computed anew. What was there before is forgotten; `generate` goes on
   * from there. UNSUPPORTED where rows cannot be moved (a recurrent model, a window, learnt positions), with adapters, and
   * of an encoder.
   */
  async compose(pieces: readonly ComposedPiece[], options: ComposeOptions = {}): Promise<Composed> {
    const read = piecesOf("pieces", pieces);
    const asked = readOptions(options, COMPOSE_OPTIONS);
    asked.signal?.throwIfAborted();
    const state = this.#alive;
    this.#interrupt();
    this.#messages = [];
    this.#forgotten = 0;
    return compose(state, read, asked);
  }

  /** Forgets all tokens from number `count` on. A conversation ends with that: `chat` begins anew. */
  rewind(count: number): void {
    const state = this.#alive;
    if (!(Number.isInteger(count) && count >= 0)) {
      throw new LimpetError("BAD_ARGUMENT", `a session is rewound to a number of tokens, not to ${printable(count)}`);
    }
    this.#interrupt();
    state.loaded.core.exports.session_rewind(state.pointer, Math.min(count, 2 ** 32 - 1));
    this.#messages = this.#messages.filter(({ role }, i) => i === 0 && role === "system");
    this.#forgotten = 0;
  }

  /** The session as bytes: `model.restore` goes on from them with the same bits, in any host. */
  save(): Uint8Array<ArrayBuffer> {
    return joinMessages(saveState(this.#alive), this.#messages);
  }

  /** Makes this session what was saved of one of the same model and cache type. On an error it is as it was. */
  restore(bytes: Uint8Array): void {
    const { saved, messages } = splitMessages(bytesOf("bytes", bytes));
    const state = this.#alive;
    this.#interrupt();
    restoreState(state, saved);
    // The core knows whether rows of others were saved: it is asked before the next generation.
    state.isMixed = true;
    this.#messages = messages;
    this.#forgotten = 0;
  }

  /** Gives its context back to the model. */
  dispose(): void {
    if (this.#turn?.answered) this.#messages = answered(this.#turn);
    this.#turn = null;
    droppedSessions.forget(this);
    releaseState(this.#state);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Ends what generates here; gives the number that tells whether something else has begun since. */
  #interrupt(): number {
    const state = this.#alive;
    state.turn++;
    rest(state, true);
    this.#closeTurn();
    return state.turn;
  }

  /** The turn that was open is over: with what was said, or as if it had not been. */
  #closeTurn(): void {
    const turn = this.#turn;
    if (!turn) return;
    this.#turn = null;
    if (turn.answered) this.#messages = answered(turn);
    else if (!this.#state.disposed && !this.#state.loaded.disposed) replaceTokens(this.#alive, turn.before);
  }

  #append(prompt: string | Uint32Array<ArrayBuffer>, special: boolean | undefined): void {
    const state = this.#alive;
    const { loaded, pointer } = state;
    const isSource = loaded.core.exports.model_has_encoder(loaded.pointer) !== 0;
    const there = isSource ? 0 : loaded.core.exports.session_count(pointer);
    const ids =
      typeof prompt === "string"
        ? Uint32Array.from(loaded.tokenizer.tokenize(prompt, { bos: there === 0, special }))
        : prompt;
    if (!isSource && there + ids.length > state.rows) makeRoom(state, ids.length);
    requireRoom(state, isSource ? 0 : loaded.core.exports.session_count(pointer), ids.length);
    const { core } = loaded;
    const take = isSource ? core.exports.session_set_source : core.exports.session_append_tokens;
    core.scoped((arena) => void core.check(take(state.pointer, arena.put(ids), ids.length)));
  }

  /** The tokens of a conversation, without the oldest turns where they have to make room. */
  async #tell(messages: readonly Message[], tools?: readonly Tool[]): Promise<{ tokens: number[]; forgotten: number }> {
    const state = this.#alive;
    const { loaded, rows } = state;
    const most = state.keep === null ? Number.POSITIVE_INFINITY : rows;
    const { from, tokens } = await trim(loaded, messages, tools, most, this.#forgotten);
    if (state.keep !== null) state.keep = Math.max(state.keep, await leadingTokens(loaded, messages, tools));
    return { tokens, forgotten: from };
  }

  /** Takes turns that a conversation is told without out of the context: what follows need not be read again. */
  #forget(tokens: readonly number[]): number {
    const { loaded, pointer } = this.#alive;
    const { core } = loaded;
    return core.scoped((arena) => {
      const ids = arena.put(Uint32Array.from(tokens));
      return core.check(core.exports.session_close_gap(pointer, ids, tokens.length));
    });
  }

  get #alive(): SessionState {
    if (this.#state.loaded.disposed) throw new LimpetError("WRONG_STATE", "the model of this session was disposed of");
    if (this.#state.disposed) throw new LimpetError("WRONG_STATE", "this session was disposed of");
    wake(this.#state);
    return this.#state;
  }
}

/** What a session begins with. */
function saidBefore({ system, messages = [], prefix }: SessionOptions): Message[] {
  if (prefix && (system !== undefined || messages.length > 0)) {
    throw new LimpetError("BAD_ARGUMENT", "a session begins with a prefix, or with a system's text and messages");
  }
  if (prefixOf(messages) !== null) {
    throw new LimpetError("BAD_ARGUMENT", "a prefix is no message of before: it stands in what chat answers");
  }
  if (system === undefined) return [...messages];
  if (messages[0]?.role === "system") {
    throw new LimpetError("BAD_ARGUMENT", "the messages begin with a system's message: leave system out");
  }
  return [{ role: "system", content: system }, ...messages];
}

/** A conversation without its last answer. */
function unanswered(messages: readonly Message[]): Message[] {
  const kept = messages.at(-1)?.role === "assistant" ? messages.slice(0, -1) : [...messages];
  if (kept.some(({ role }) => role !== "system")) return kept;
  throw new LimpetError("WRONG_STATE", "there is nothing to answer anew: chat begins a conversation");
}

function answered({ messages, answer, reasoning, reader }: Turn): Message[] {
  const toolCalls = reader?.calls ?? [];
  const prefix = prefixOf(messages);
  const before = prefix === null ? messages : messages.slice(0, -1);
  const said: Message = {
    role: "assistant",
    content: (prefix ?? "") + answer,
    ...(reasoning !== "" && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls: [...toolCalls] }),
  };
  return [...before, said];
}

/** How many tokens two texts begin with alike. */
export function commonTokens(a: readonly number[], b: readonly number[]): number {
  let common = 0;
  while (common < a.length && a[common] === b[common]) common++;
  return common;
}

/**
 * Makes a session's tokens these, or (`said`) the text theirs: where its own tokens spell the same they stay. What both
 * begin with is not read again.
 */
export function replaceTokens(state: SessionState, tokens: readonly number[], said: boolean = false): void {
  const { core } = state.loaded;
  const { exports } = core;
  exports.session_stop(state.pointer);
  const before = tokensOf(state);
  const common = commonTokens(before, tokens);
  requireRoom(state, common, tokens.length - common);
  // Own tokens may be more than a tokenizer makes of their text.
  if (said) reserve(state, Math.min(before.length + tokens.length - common, state.rows));
  core.scoped((arena) => {
    const ids = arena.put(Uint32Array.from(tokens));
    const replace = said ? exports.session_replace_text : exports.session_replace_tokens;
    core.check(replace(state.pointer, ids, tokens.length));
  });
}

/** The core's side of a session whose context has room for so many tokens at first. */
export function sessionState(
  loaded: LoadedModel,
  options: SessionOptions,
  tokens: number = 0,
  logitRows: number = 1,
): SessionState {
  const { core, pointer, defaults } = loaded;
  const asked = options.context ?? defaults.context;
  const rows = mostTokens(core, pointer, asked);
  // Who asks for a size gets all of it at once.
  const room = asked === undefined ? tokens : rows;
  // An encoder reads its source in one pass: its context does not grow.
  const first = core.exports.model_has_encoder(pointer) ? rows : room;
  const keep = options.overflow === "shift" ? keptTokens(loaded, rows, options.keep) : null;
  const cache = cacheOf(rows, options.kv ?? defaults.kv, plainType(defaults.kv));
  if (cache.kept && keep !== null) {
    throw new LimpetError("UNSUPPORTED", "a cache with a policy forgets by itself: leave overflow out, or kv.policy");
  }
  return createState(loaded, rows, cache, first, keep, logitRows, options.neurons);
}

/** Tokens that a session keeps which forgets others. */
function keptTokens({ core, pointer }: LoadedModel, rows: number, asked: number | undefined): number {
  if (!core.exports.model_can_shift(pointer)) {
    const words = "this model's state cannot do without the oldest tokens (it is recurrent, or has learnt positions)";
    throw new LimpetError("UNSUPPORTED", `${words}: leave overflow out, and begin anew where the context is full`);
  }
  if (asked !== undefined && asked > rows - 2) {
    throw new LimpetError("BAD_ARGUMENT", `keep leaves no room: a context of ${rows} tokens keeps ${rows - 2} at most`);
  }
  return asked ?? Math.max(Math.min(KEPT, rows - 2), 0);
}

/** One answer of a session that is there for it alone. */
export async function* answerOnce(
  member: Member,
  tokens: ArrayLike<number>,
  options: GenerateOptions,
  course: Course,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  const { session } = member;
  try {
    if (session.tokens.length > 0) return yield* answerIn(member, Array.from(tokens), options, course);
    return yield* passOn(session.generate(tokens, options), course);
  } finally {
    session.dispose();
  }
}

/** A session, and the core's side of it. */
export interface Member {
  readonly session: Session;
  readonly state: SessionState;
}

/**
 * An answer in a session that may hold its beginning, of which no more is read than has to be. To the token: what an
 * answer is does not depend on who was there before.
 */
export async function* answerIn(
  { session, state }: Member,
  tokens: readonly number[],
  options: GenerateOptions,
  course: Course,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  replaceTokens(state, tokens);
  return yield* passOn(session.generate(undefined, options), course);
}

/** The pieces of a generation and what it comes to, and what it has cost: for another, of which it is a part. */
export async function* passOn(
  generation: Generation,
  course: Course,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  try {
    for (;;) {
      const { done, value } = await generation.next();
      course.figures = generation.course.figures;
      if (done) return value as GenerationResult;
      yield value;
    }
  } finally {
    await generation.return();
    course.figures = generation.course.figures;
  }
}
