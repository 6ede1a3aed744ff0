/// <reference lib="esnext.disposable" preserve="true" />
/** Several conversations at once: sessions that share a context, and are computed together. */
import { chatTokens } from "../generate/chat.ts";
import {
  GENERATE_OPTIONS,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  type InfillOptions,
  type Piece,
} from "../generate/generation.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { SequenceGroup } from "../generate/sequence-group.ts";
import {
  CONTEXT_OPTIONS,
  type ContextOptions,
  contextLength,
  type Form,
  formKind,
  type LoadedModel,
} from "../generate/sequence-pool.ts";
import type { SessionState } from "../generate/session-state.ts";
import { type OptionTable, readOptions, text as textOf, whole } from "../host/arguments.ts";
import { Dropped } from "../host/dropped.ts";
import { promptTokens } from "./prompt.ts";
import { answerOnce, type Prompt, Session } from "./session.ts";

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
}

/** What each of `BatchOptions` has to be. */
export const BATCH_OPTIONS: OptionTable<BatchOptions> = {
  ...CONTEXT_OPTIONS,
  sequences: whole(1, 64),
  form: formKind,
};

const DEFAULT_SEQUENCES = 8;
const DEFAULT_CONTEXT = 1024;

/** What each option of a batch's generations has to be. */
export const BATCH_GENERATE_OPTIONS: OptionTable<GenerateOptions & InfillOptions> = {
  ...GENERATE_OPTIONS,
  suffix: textOf,
};

/** What each option of a batch's sessions has to be. */
export const BATCH_SESSION_OPTIONS: OptionTable<{ system?: string }> = { system: textOf };

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

  /** @internal */
  constructor(loaded: LoadedModel, given: BatchOptions = {}) {
    const { sequences = DEFAULT_SEQUENCES, form = "auto", ...options } = readOptions(given, BATCH_OPTIONS);
    const { core, pointer, defaults } = loaded;
    const asked = options.context ?? defaults.context;
    const rows = Math.min(contextLength(core, pointer, asked), asked ?? DEFAULT_CONTEXT);
    const kv = options.kv ?? defaults.kv ?? "f16";
    this.#loaded = loaded;
    this.#group = new SequenceGroup(loaded, { sequences, rows, total: sequences * rows, kv, form });
    dropped.watch(this, this.#group);
  }

  /** Continues a text (or ids), beside the others. Where all sequences are in use, it waits for one. */
  generate(prompt: Prompt, options: GenerateOptions & InfillOptions = {}): Generation {
    return this.#once(options, (read) => promptTokens(this.#loaded, prompt, read));
  }

  /** Answers a conversation through the model's chat template, beside the others. */
  chat(messages: readonly Message[], options: GenerateOptions = {}): Generation {
    return this.#once(options, () => chatTokens(this.#loaded, messagesOf(messages)));
  }

  /** A session of its own, which is computed with the others and keeps a sequence until it is disposed of. */
  session(options: { system?: string } = {}): Session {
    const { system } = readOptions(options, BATCH_SESSION_OPTIONS);
    return this.#session(this.#group.join(), system);
  }

  /** Gives its context back. Sessions of the batch are of no use after it. */
  dispose(): void {
    dropped.forget(this);
    this.#group.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #session(state: SessionState, system?: string): Session {
    return new Session(this.#loaded, { system }, 0, state);
  }

  #once(
    given: GenerateOptions & InfillOptions,
    tokensOf: (options: GenerateOptions & InfillOptions) => ArrayLike<number> | Promise<ArrayLike<number>>,
  ): Generation {
    const run = async function* (batch: Batch): AsyncGenerator<Piece, GenerationResult, undefined> {
      const read = readOptions(given, BATCH_GENERATE_OPTIONS);
      const { suffix: _, ...options } = read;
      options.signal?.throwIfAborted();
      const tokens = await tokensOf(read);
      const state = await batch.#group.joinLater(options.signal);
      return yield* answerOnce(batch.#session(state), tokens, options);
    };
    return new Generation(run(this));
  }
}
