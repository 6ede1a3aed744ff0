/// <reference lib="esnext.disposable" preserve="true" />
/** Several conversations at once: sessions that share a context, and are computed together. */
import { areEqual } from "../generate/adapter.ts";
import { CHAT_OPTIONS, type ChatOptions, type Prepared, prepareChat, toldApart } from "../generate/chat-answer.ts";
import { type Speculate, speculateOf } from "../generate/drafts.ts";
import {
  type Course,
  GENERATE_OPTIONS,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  type InfillOptions,
  type Piece,
} from "../generate/generation.ts";
import { plainType } from "../generate/kept-rows.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { requireAlive } from "../generate/pass.ts";
import { SequenceGroup } from "../generate/sequence-group.ts";
import {
  CONTEXT_OPTIONS,
  type ContextOptions,
  contextLength,
  type Form,
  formKind,
  type LoadedModel,
  promptTooLong,
} from "../generate/sequence-pool.ts";
import type { SessionState } from "../generate/session-state.ts";
import { flag, type OptionTable, readOptions, text as textOf, whole } from "../host/arguments.ts";
import { Dropped } from "../host/dropped.ts";
import { KeptSessions } from "./kept-sessions.ts";
import { LEAST_COMMON, Prefixes } from "./prefixes.ts";
import { promptTokens } from "./prompt.ts";
import {
  answerIn,
  answerOnce,
  type Member,
  type Prompt,
  SESSION_OPTIONS,
  Session,
  type SessionOptions,
} from "./session.ts";

/** How many conversations are computed together, and how much each holds. */
export interface BatchOptions extends ContextOptions {
  /** Conversations at a time, up to 64; further ones wait for their turn. Default: 8. */
  sequences?: number;
  /**
   * Tokens that each conversation holds; memory for all of them is taken at once. Default: as many as the model was
   * trained for, at most 1024.
   */
  context?: number;
  /** How latent attention (MLA) is computed, for all of them. Default: auto. */
  form?: Form;
  /**
   * Where drafts come from, for all of them; memory for their logits is taken at once. What is computed together fills a
   * pass without: `auto` drafts nothing here. Default: false.
   */
  speculate?: Speculate;
  /**
   * Keep what `generate` and `chat` have read and written, until others need its place: one that begins alike, as the next
   * turn of a conversation does, reads only what is new. Default: no.
   */
  reuse?: boolean;
}

/** What each of `BatchOptions` has to be. */
export const BATCH_OPTIONS: OptionTable<BatchOptions> = {
  ...CONTEXT_OPTIONS,
  sequences: whole(1, 64),
  form: formKind,
  speculate: speculateOf,
  reuse: flag,
};

const DEFAULT_SEQUENCES = 8;
const DEFAULT_CONTEXT = 1024;

/** What a session of a batch begins with. */
export interface BatchSessionOptions extends Pick<SessionOptions, "system" | "messages" | "adapters"> {}

/** What each option of a batch's generations has to be. */
export const BATCH_GENERATE_OPTIONS: OptionTable<GenerateOptions & InfillOptions> = {
  ...GENERATE_OPTIONS,
  suffix: textOf,
};

/** What each option of a batch's sessions has to be. */
export const BATCH_SESSION_OPTIONS: OptionTable<BatchSessionOptions> = {
  system: SESSION_OPTIONS.system,
  messages: SESSION_OPTIONS.messages,
  adapters: SESSION_OPTIONS.adapters,
};

/** Batches that nobody holds any more, nor any session or generation of them. */
const dropped = new Dropped<SequenceGroup>((group) => group.dispose());

/**
 * Conversations that are computed together: what their readers ask for at the same time becomes one pass, which costs
 * less than one after the other. The text of each is what it would be alone, to the bit.
 *
 *     const batch = model.batch();
 *     const texts = await Promise.all(prompts.map((prompt) => batch.generate(prompt, options).text()));
 */
export class Batch {
  readonly #loaded: LoadedModel;
  readonly #group: SequenceGroup;
  /** Tokens that a conversation holds. */
  readonly #rows: number;
  readonly #prefixes: Prefixes;
  /** Sessions of answers that have ended; null: none is kept. */
  readonly #kept: KeptSessions | null;

  /** @internal */
  constructor(loaded: LoadedModel, given: BatchOptions = {}, prefixes: Prefixes = new Prefixes()) {
    const {
      sequences = DEFAULT_SEQUENCES,
      form = "auto",
      speculate = false,
      reuse = false,
      ...options
    } = readOptions(given, BATCH_OPTIONS);
    const { core, pointer, defaults } = loaded;
    const asked = options.context ?? defaults.context;
    const rows = Math.min(contextLength(core, pointer, asked), asked ?? DEFAULT_CONTEXT);
    const kv = plainType(options.kv ?? defaults.kv, "a batch keeps");
    this.#loaded = loaded;
    this.#prefixes = prefixes;
    this.#rows = rows;
    this.#group = new SequenceGroup(loaded, { sequences, rows, total: sequences * rows, kv, form, speculate });
    this.#kept = reuse ? new KeptSessions() : null;
    dropped.watch(this, this.#group);
  }

  /** Continues a text (or ids), beside the others. Where all sequences are in use, it waits for one. */
  generate(prompt: Prompt, options: GenerateOptions & InfillOptions = {}): Generation {
    return this.#once(options, BATCH_GENERATE_OPTIONS, ({ suffix, ...read }) => {
      const tokens = promptTokens(this.#loaded, prompt, { ...read, suffix });
      return { tokens, options: read };
    });
  }

  /** Answers a conversation through the model's chat template, beside the others. */
  chat(messages: readonly Message[], options: ChatOptions = {}): Generation {
    return this.#once(options, CHAT_OPTIONS, (read) => prepareChat(this.#loaded, messagesOf(messages), read));
  }

  /** A session of its own, which is computed with the others and keeps a sequence until it is disposed of. */
  session(options: BatchSessionOptions = {}): Session {
    const given = readOptions(options, BATCH_SESSION_OPTIONS);
    this.#makeRoom();
    return this.#session(this.#group.join(), given);
  }

  /** Gives its context back. Sessions of the batch are of no use after it. */
  dispose(): void {
    dropped.forget(this);
    this.#group.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #session(state: SessionState, options?: BatchSessionOptions): Session {
    // Who waited for a sequence may find that the model is gone.
    requireAlive(this.#loaded);
    return new Session(this.#loaded, options, state);
  }

  #once<Options extends GenerateOptions>(
    given: Options,
    table: OptionTable<Options>,
    prepare: (options: Options) => Prepared<GenerateOptions> | Promise<Prepared<GenerateOptions>>,
  ): Generation {
    const course: Course = { figures: null };
    const run = async function* (batch: Batch): AsyncGenerator<Piece, GenerationResult, undefined> {
      const read = readOptions(given, table);
      read.signal?.throwIfAborted();
      requireAlive(batch.#loaded);
      const { tokens, options, reader } = await prepare(read);
      if (batch.#kept) return yield* toldApart(batch.#goOn(Array.from(tokens), options, course), reader?.());
      const state = await batch.#group.joinLater(options.signal);
      const member = { session: batch.#session(state), state };
      await batch.#begin(state, Array.from(tokens));
      return yield* toldApart(answerOnce(member, tokens, options, course), reader?.());
    };
    return new Generation(run(this), course);
  }

  /** An answer behind as many tokens as a kept session has of its beginning; it is kept in turn. */
  async *#goOn(
    tokens: readonly number[],
    options: GenerateOptions,
    course: Course,
  ): AsyncGenerator<Piece, GenerationResult, undefined> {
    // What is too long takes nobody's place.
    if (tokens.length > this.#rows) throw promptTooLong(tokens.length, this.#rows);
    const kept = this.#kept!;
    const fits = ({ applied, isMixed }: SessionState): boolean => !isMixed && areEqual(applied, options.adapters ?? []);
    const member = kept.take(tokens, this.#group.isFull, fits) ?? (await this.#fresh(tokens, options.signal));
    const { session, state } = member;
    try {
      return yield* answerIn(member, tokens, options, course);
    } finally {
      // Who waits for a sequence goes before who may come again.
      if (!state.disposed && !this.#group.isWaitedFor) kept.put(member);
      else session.dispose();
    }
  }

  async #fresh(tokens: readonly number[], signal: AbortSignal | undefined): Promise<Member> {
    this.#makeRoom();
    const state = await this.#group.joinLater(signal);
    const member = { session: this.#session(state), state };
    await this.#begin(state, tokens);
    return member;
  }

  /** Has an empty session begin with what another one, or a prefix, has of a text's tokens. */
  async #begin(state: SessionState, tokens: readonly number[]): Promise<void> {
    const { core, pointer } = this.#loaded;
    if (core.exports.model_has_encoder(pointer)) return;
    await this.#group.isIdle();
    if (state.disposed || this.#loaded.disposed) return;
    const common = this.#group.share(state, tokens, LEAST_COMMON);
    if ((this.#prefixes.find(tokens, state.context.kv)?.common ?? 0) > common) this.#prefixes.begin(state, tokens);
  }

  /** Where all sequences are in use, the session that was kept for longest goes. */
  #makeRoom(): void {
    if (this.#group.isFull) this.#kept?.dropOldest();
  }
}
