/// <reference lib="esnext.disposable" preserve="true" />
/** Several conversations at once in a model's worker. */
import { CHAT_OPTIONS, type ChatOptions } from "../generate/chat-answer.ts";
import type { GenerateOptions, Generation, InfillOptions } from "../generate/generation.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { promptOf } from "../generate/tokenizer.ts";
import { type OptionTable, readOptions } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { BATCH_GENERATE_OPTIONS, BATCH_SESSION_OPTIONS, type BatchSessionOptions } from "./batch.ts";
import type { Prompt } from "./session.ts";
import { droppedObjects, generation, type WorkerHold } from "./worker-channel.ts";
import { WorkerSession } from "./worker-session.ts";

/** A batch in the worker: the methods of `Batch`, with answers as promises. */
export class WorkerBatch {
  readonly #hold: WorkerHold;
  readonly #number: number;
  #disposed = false;

  /** @internal */
  constructor(hold: WorkerHold, number: number) {
    this.#hold = hold;
    this.#number = number;
    droppedObjects.watch(this, { channel: hold.channel, number });
  }

  /** Continues a text (or ids), beside the others. Where all sequences are in use, it waits for one. */
  generate(prompt: Prompt, options: GenerateOptions & InfillOptions = {}): Generation {
    return this.#generation("generate", () => [promptOf("prompt", prompt)], options, BATCH_GENERATE_OPTIONS);
  }

  /** Answers a conversation through the model's chat template, beside the others. */
  chat(messages: readonly Message[], options: ChatOptions = {}): Generation {
    return this.#generation("chat", () => [messagesOf(messages)], options, CHAT_OPTIONS);
  }

  /** Begins a session that is computed with the others and keeps a sequence until it is disposed of. */
  async session(options: BatchSessionOptions = {}): Promise<WorkerSession> {
    this.#requireAlive();
    const given = readOptions(options, BATCH_SESSION_OPTIONS);
    return new WorkerSession(this.#hold, (await this.#hold.ask("begin", this.#number, "session", [given])) as number);
  }

  /** Gives its context back. Sessions of the batch are of no use after it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    droppedObjects.forget(this);
    this.#hold.channel.tell("drop", this.#number);
  }

  [Symbol.dispose](): void {
    this.dispose();
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
    if (this.#disposed) throw new LimpetError("WRONG_STATE", "the batch was disposed of");
  }
}
