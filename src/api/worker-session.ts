/// <reference lib="esnext.disposable" preserve="true" />
/** A session in a model's worker. */
import { CHAT_OPTIONS, type ChatOptions } from "../generate/chat-answer.ts";
import { GENERATE_OPTIONS, type GenerateOptions, type Generation } from "../generate/generation.ts";
import { type Message, saidOf } from "../generate/messages.ts";
import { promptOf } from "../generate/tokenizer.ts";
import { bytes as bytesOf, type OptionTable, optional, readOptions } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { COMPOSE_OPTIONS, type Composed, type ComposedPiece, type ComposeOptions, piecesOf } from "./composition.ts";
import {
  type Activity,
  APPEND_OPTIONS,
  type AppendOptions,
  type CacheUse,
  type Prompt,
  WAIT_OPTIONS,
  type WaitOptions,
} from "./session.ts";
import { droppedObjects, generation, type WorkerHold } from "./worker-channel.ts";

/** A session in the worker: the methods of `Session`, with answers as promises. */
export class WorkerSession {
  readonly #hold: WorkerHold;
  readonly #number: number;
  #disposed = false;

  /** @internal */
  constructor(hold: WorkerHold, number: number) {
    this.#hold = hold;
    this.#number = number;
    droppedObjects.watch(this, { channel: hold.channel, number });
  }

  /** The tokens so far. */
  async tokens(): Promise<number[]> {
    return (await this.#call("tokens")) as number[];
  }

  /** Tokens that the session's context holds, or may grow to. */
  async capacity(): Promise<number> {
    return (await this.#call("capacity")) as number;
  }

  /** How much of the last pass was zero behind ReLU², layer by layer. */
  async activity(): Promise<Activity> {
    return (await this.#call("activity")) as Activity;
  }

  /** What the cache takes, and the rows that layers have now. */
  async cache(): Promise<CacheUse> {
    return (await this.#call("cache")) as CacheUse;
  }

  /** The conversation so far, of `chat`: what the model has read and written. */
  async messages(): Promise<readonly Message[]> {
    return (await this.#call("messages")) as readonly Message[];
  }

  /** Appends a text (or ids) without answering it. */
  async append(prompt: Prompt, options: AppendOptions = {}): Promise<void> {
    await this.#call("append", promptOf("prompt", prompt), readOptions(options, APPEND_OPTIONS));
  }

  /** Goes on from all tokens so far and those of `prompt`. */
  generate(prompt?: Prompt, options: GenerateOptions = {}): Generation {
    return this.#generation("generate", () => [optional(promptOf)("prompt", prompt)], options, GENERATE_OPTIONS);
  }

  /** Answers messages in the conversation so far: a user's, as text, or any others. */
  chat(content: string | Message | readonly Message[], options: ChatOptions = {}): Generation {
    return this.#generation("chat", () => [saidOf(content)], options, CHAT_OPTIONS);
  }

  /** Answers anew what was said last: the answer that stands there is forgotten. */
  regenerate(options: ChatOptions = {}): Generation {
    return this.#generation("regenerate", () => [], options, CHAT_OPTIONS);
  }

  /** The logits of the token that would follow those so far, [vocabulary]. */
  async logits(options: WaitOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { signal, ...rest } = readOptions(options, WAIT_OPTIONS);
    const logits = await this.#hold.ask("call", this.#number, "logits", [], { options: rest, signal });
    return logits as Float32Array<ArrayBuffer>;
  }

  /** Makes the session's tokens those of pieces that `WorkerModel.chunk` has read, and of texts, in any order. */
  async compose(pieces: readonly ComposedPiece[], options: ComposeOptions = {}): Promise<Composed> {
    const given = piecesOf("pieces", pieces);
    const { signal, ...rest } = readOptions(options, COMPOSE_OPTIONS);
    this.#requireAlive();
    return (await this.#hold.ask("call", this.#number, "compose", [given], { options: rest, signal })) as Composed;
  }

  /** Forgets all tokens from number `count` on. A conversation ends with that: `chat` begins anew. */
  async rewind(count: number): Promise<void> {
    await this.#call("rewind", count);
  }

  /** The session as bytes, which `restore` takes. */
  async save(): Promise<Uint8Array> {
    return (await this.#call("save")) as Uint8Array;
  }

  /** Makes this session what was saved of one of the same model and cache type. On an error it is as it was. */
  async restore(bytes: Uint8Array): Promise<void> {
    await this.#call("restore", bytesOf("bytes", bytes));
  }

  /** Gives its context back to the model. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    droppedObjects.forget(this);
    this.#hold.channel.tell("drop", this.#number);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #call(method: string, ...args: unknown[]): Promise<unknown> {
    this.#requireAlive();
    const value = await this.#hold.ask("call", this.#number, method, args);
    // Held until the answer is there.
    void this.#disposed;
    return value;
  }

  #generation<Options extends GenerateOptions>(
    method: string,
    args: () => readonly unknown[],
    options: Options,
    table: OptionTable<Options>,
  ): Generation {
    return generation(this.#hold, this.#number, method, () => {
      this.#requireAlive();
      return { args: args(), options: readOptions(options, table) };
    });
  }

  #requireAlive(): void {
    if (this.#disposed) throw new LimpetError("WRONG_STATE", "this session was disposed of");
  }
}
