/// <reference lib="esnext.disposable" preserve="true" />
/** A session: tokens that a model has read and written, which the next call goes on from. */
import type { Pointer } from "../../bindings/exports.ts";
import { encodeText } from "../../bindings/memory.ts";
import { TokenizeFlag } from "../../bindings/numbers.ts";
import { chatTokens, type Message } from "../generate/chat.ts";
import {
  type GenerateOptions,
  Generation,
  type GenerationResult,
  generatePieces,
  type Piece,
  type SessionState,
} from "../generate/generation.ts";
import { type ContextOptions, contextLength, type LoadedModel } from "../generate/sequence-pool.ts";
import { tokenIds } from "../generate/tokenizer.ts";
import { LimpetError } from "../host/errors.ts";

/** What a session holds, and how a conversation in it begins. */
export interface SessionOptions extends ContextOptions {
  /** What the model is told before the first `chat`. */
  system?: string;
}

/** Text, or token ids. */
export type Prompt = string | ArrayLike<number>;

/** What the last pass did behind the ReLU² of each layer; empty where the model has another activation. */
export interface Activity {
  /** Exact zeros, layer by layer. */
  readonly zeros: readonly number[];
  /** Activations in all. */
  readonly activations: readonly number[];
}

/** Behind the core's bytes of a saved session, where there were messages: JSON, its length as u32, these four bytes. */
const MESSAGES_MARK = "LMPM";

/**
 * Tokens that a model has read and written, which the next call goes on from. One generation at a time goes on; a later
 * one ends the one before with WRONG_STATE.
 */
export class Session {
  readonly #state: SessionState;
  #messages: Message[];

  /** @internal */
  constructor(loaded: LoadedModel, options: SessionOptions = {}) {
    const { core, pointer, sequences, defaults } = loaded;
    const rows = contextLength(core, pointer, options.context ?? defaults.context);
    const context = sequences.acquire(rows, options.kv ?? defaults.kv ?? "f16");
    const session = core.exports.session_create(core.pointer, context.pointer, 0);
    if (session === 0) {
      const error = core.error();
      sequences.release(context);
      throw error;
    }
    this.#state = { loaded, context, pointer: core.handle(session), turn: 0, disposed: false };
    this.#messages = options.system === undefined ? [] : [{ role: "system", content: options.system }];
  }

  /** The tokens so far. */
  get tokens(): number[] {
    const { loaded, pointer } = this.#alive;
    const { exports, memory } = loaded.core;
    return Array.from(memory.u32(exports.session_tokens(pointer), exports.session_count(pointer)));
  }

  /** Tokens that the session's context holds. */
  get capacity(): number {
    return this.#alive.context.rows;
  }

  /** How much of the last pass was zero behind ReLU²: what the down projection need not read. */
  get activity(): Activity {
    const { loaded, context } = this.#alive;
    const { exports, memory } = loaded.core;
    const layers = exports.model_layers(loaded.pointer);
    const counts = (at: Pointer): number[] => {
      const halves = memory.u32(at, layers * 2);
      return Array.from({ length: layers }, (_, i) => halves[2 * i] + halves[2 * i + 1] * 2 ** 32);
    };
    const activations = counts(exports.context_activations(context.pointer));
    if (!activations.some((count) => count > 0)) return { zeros: [], activations: [] };
    return { zeros: counts(exports.context_zeros(context.pointer)), activations };
  }

  /** The conversation so far, of `chat`. */
  get messages(): readonly Message[] {
    return [...this.#messages];
  }

  /** Appends a text (or ids) without answering it. */
  append(prompt: Prompt, options: { special?: boolean } = {}): void {
    const { loaded, pointer } = this.#alive;
    const { core } = loaded;
    this.#state.turn++;
    core.exports.session_stop(pointer);
    core.scoped((arena) => {
      if (typeof prompt === "string") {
        const bytes = encodeText(prompt);
        const flags = TokenizeFlag.ADD_SPECIAL | (options.special ? TokenizeFlag.PARSE_SPECIAL : 0);
        core.check(core.exports.session_append_text(pointer, arena.put(bytes), bytes.length, flags));
      } else {
        const ids = tokenIds(prompt);
        core.check(core.exports.session_append_tokens(pointer, arena.put(ids), ids.length));
      }
    });
  }

  /**
   * Goes on from all tokens so far and those of `prompt`. What is generated becomes part of the session; after an abort
   * that is what was generated until then.
   */
  generate(prompt?: Prompt, options: GenerateOptions = {}): Generation {
    const run = async function* (session: Session): AsyncGenerator<Piece, GenerationResult, undefined> {
      options.signal?.throwIfAborted();
      if (prompt !== undefined) session.append(prompt, options);
      return yield* generatePieces(session.#alive, options);
    };
    return new Generation(run(this));
  }

  /** Answers a user's message through the model's chat template; the conversation so far is not read again. */
  chat(content: string, options: GenerateOptions = {}): Generation {
    const run = async function* (session: Session): AsyncGenerator<Piece, GenerationResult, undefined> {
      options.signal?.throwIfAborted();
      const messages: Message[] = [...session.#messages, { role: "user", content }];
      session.#replace(await chatTokens(session.#alive.loaded, messages));
      session.#messages = messages;
      let answer = "";
      try {
        const pieces = generatePieces(session.#alive, options);
        for (;;) {
          const { done, value } = await pieces.next();
          if (done) return value;
          answer += value.text;
          yield value;
        }
      } finally {
        session.#messages = [...messages, { role: "assistant", content: answer }];
      }
    };
    return new Generation(run(this));
  }

  /** Forgets all tokens from number `count` on. A conversation ends with that: `chat` begins anew. */
  rewind(count: number): void {
    const { loaded, pointer } = this.#alive;
    if (!(Number.isInteger(count) && count >= 0)) {
      throw new LimpetError("BAD_ARGUMENT", `a session is rewound to a number of tokens, not to ${count}`);
    }
    this.#state.turn++;
    loaded.core.exports.session_stop(pointer);
    loaded.core.exports.session_rewind(pointer, Math.min(count, 2 ** 32 - 1));
    this.#messages = this.#messages.filter(({ role }, i) => i === 0 && role === "system");
  }

  /** The session as bytes: `model.restore` goes on from them with the same bits, in any host. */
  save(): Uint8Array<ArrayBuffer> {
    const { loaded, pointer } = this.#alive;
    const { core } = loaded;
    const bytes = Number(core.exports.session_save_bytes(pointer));
    const saved = core.scoped((arena) => {
      const target = arena.allocate(bytes);
      core.check(core.exports.session_save(pointer, target));
      return core.memory.read(target, bytes);
    });
    if (!this.#messages.length) return saved;
    const messages = encodeText(JSON.stringify(this.#messages));
    const all = new Uint8Array(saved.length + messages.length + 8);
    all.set(saved);
    all.set(messages, saved.length);
    new DataView(all.buffer).setUint32(all.length - 8, messages.length, true);
    all.set(encodeText(MESSAGES_MARK), all.length - 4);
    return all;
  }

  /** Makes this session what was saved of one of the same model and cache type. */
  restore(bytes: Uint8Array): void {
    const { loaded, pointer } = this.#alive;
    const { core } = loaded;
    const { saved, messages } = splitMessages(bytes);
    this.#state.turn++;
    core.exports.session_stop(pointer);
    core.scoped((arena) => {
      core.check(core.exports.session_restore(pointer, arena.put(saved), saved.length));
    });
    this.#messages = messages;
  }

  /** Gives its context back to the model. */
  dispose(): void {
    const { loaded, pointer, context, disposed } = this.#state;
    if (disposed) return;
    this.#state.disposed = true;
    if (loaded.disposed) return;
    loaded.core.exports.session_release(pointer);
    loaded.sequences.release(context);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #replace(tokens: number[]): void {
    const { loaded, pointer } = this.#alive;
    const { core } = loaded;
    core.exports.session_stop(pointer);
    core.scoped((arena) => {
      core.check(core.exports.session_replace_tokens(pointer, arena.put(tokenIds(tokens)), tokens.length));
    });
  }

  get #alive(): SessionState {
    if (this.#state.loaded.disposed) throw new LimpetError("WRONG_STATE", "the model of this session was disposed of");
    if (this.#state.disposed) throw new LimpetError("WRONG_STATE", "this session was disposed of");
    return this.#state;
  }
}

function splitMessages(bytes: Uint8Array): { saved: Uint8Array; messages: Message[] } {
  const mark = new TextDecoder().decode(bytes.subarray(-4));
  if (bytes.length < 8 || mark !== MESSAGES_MARK) return { saved: bytes, messages: [] };
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 8, true);
  const start = bytes.length - 8 - length;
  try {
    const messages = JSON.parse(new TextDecoder().decode(bytes.subarray(Math.max(start, 0), bytes.length - 8)));
    return { saved: bytes.subarray(0, Math.max(start, 0)), messages };
  } catch (error) {
    throw new LimpetError("BAD_FILE", "the messages of this saved session are broken; save it again", { cause: error });
  }
}
