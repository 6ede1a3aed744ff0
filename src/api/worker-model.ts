/**
 * A model in a worker of its own: what `Model` does, with answers that come later. The page's thread only waits.
 *
 *     const model = await WorkerModel.load(url, { signal });      // or Model.load(url, { worker: true })
 *     for await (const piece of model.generate("Once upon a time")) show(piece.text);
 */
import { startWorker, type WorkerLink } from "../../bindings/worker-link.ts";
import type { Message } from "../generate/chat.ts";
import { type GenerateOptions, Generation, type GenerationResult, type Piece } from "../generate/generation.ts";
import type { LogitsOptions, PerplexityOptions, PerplexityResult } from "../generate/scoring.ts";
import type { ContextOptions } from "../generate/sequence-pool.ts";
import type { DetokenizeOptions, TokenizeOptions } from "../generate/tokenizer.ts";
import { type ErrorCode, LimpetError } from "../host/errors.ts";
import type { Build } from "../host/wasm.ts";
import type { ModelInfo } from "../load/info.ts";
import { forWorker, type ModelSource } from "../load/kinds.ts";
import type { LoadOptions, ModelMemory } from "./options.ts";
import type { Activity, Prompt, SessionOptions } from "./session.ts";
import { unpackError, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

const MODEL = 0;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
  progress?(done: number, all: number): void;
}

/** Requests to one worker, and their answers. */
class Channel {
  readonly #worker: WorkerLink;
  readonly #waiting = new Map<number, Waiting>();
  #last = MODEL;
  #ended: LimpetError | null = null;

  constructor() {
    this.#worker = startWorker(
      (answer) => this.#take(answer as WorkerAnswer),
      (reason) => this.end("HOST", `the model's worker has ended: ${reason}`),
    );
  }

  ask(
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    more: { signal?: AbortSignal; progress?: Waiting["progress"]; transfer?: Transferable[] } = {},
  ): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (more.signal?.aborted) return Promise.reject(more.signal.reason);
    const id = ++this.#last;
    const abort = (): void => this.tell("abort", id);
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress: more.progress });
      more.signal?.addEventListener("abort", abort, { once: true });
      this.#worker.hold(true);
      this.#worker.post({ id, kind, on, method, args }, more.transfer ?? []);
    })
      .catch((error) => {
        throw more.signal?.aborted ? more.signal.reason : error;
      })
      .finally(() => more.signal?.removeEventListener("abort", abort));
  }

  tell(kind: "abort" | "drop", on: number): void {
    if (!this.#ended) this.#worker.post({ id: ++this.#last, kind, on, method: "", args: [] }, []);
  }

  /** Ends the worker; what waits fails. */
  end(code: ErrorCode, why: string): void {
    if (this.#ended) return;
    this.#ended = new LimpetError(code, why);
    this.#worker.end();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  #take({ id, value, error, progress }: WorkerAnswer): void {
    const waiting = this.#waiting.get(id);
    if (progress) {
      waiting?.progress?.(...progress);
      return;
    }
    this.#waiting.delete(id);
    this.#worker.hold(this.#waiting.size > 0);
    if (error) waiting?.reject(unpackError(error));
    else waiting?.resolve(value);
  }
}

/**
 * A model in a worker: the methods of `Model`, with answers as promises. A worker that dies fails what waits with the
 * code HOST.
 */
export class WorkerModel {
  /** What the file says of itself, and its size. */
  readonly info: ModelInfo;
  /** The build that computes in the worker. */
  readonly build: Build;
  readonly #channel: Channel;

  private constructor(channel: Channel, { info, build }: { info: ModelInfo; build: Build }) {
    this.#channel = channel;
    this.info = info;
    this.build = build;
  }

  /** Starts a worker and loads the model in it: from what `Model.load` takes. */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<WorkerModel> {
    const { signal, onProgress, wasm, ...rest } = options;
    const form = await (typeof wasm === "function" ? wasm() : wasm);
    const bytes = typeof Response !== "undefined" && form instanceof Response ? await form.arrayBuffer() : form;
    const channel = new Channel();
    try {
      const [there, transfer] = forWorker(source);
      const sent = { ...rest, wasm: portable(bytes)[0] };
      const loaded = await channel.ask("load", MODEL, "", [there, sent], { signal, progress: onProgress, transfer });
      return new WorkerModel(channel, loaded as { info: ModelInfo; build: Build });
    } catch (error) {
      channel.end("HOST", "the model was not loaded");
      throw error;
    }
  }

  /** What the model and its contexts take now, in bytes. */
  memory(): Promise<ModelMemory> {
    return this.#call("memory") as Promise<ModelMemory>;
  }

  /** Token ids of a text: bare, unless asked otherwise. */
  tokenize(text: string, options: TokenizeOptions = {}): Promise<number[]> {
    return this.#call("tokenize", text, options) as Promise<number[]>;
  }

  /** Text of token ids. */
  detokenize(ids: ArrayLike<number>, options: DetokenizeOptions = {}): Promise<string> {
    return this.#call("detokenize", ids, options) as Promise<string>;
  }

  /** Continues a text (or ids). Each call begins anew; a session goes on. */
  generate(prompt: Prompt, options: GenerateOptions & ContextOptions = {}): Generation {
    return generation(this.#channel, MODEL, "generate", prompt, options);
  }

  /** Answers a conversation through the model's chat template. */
  chat(messages: readonly Message[], options: GenerateOptions & ContextOptions = {}): Generation {
    return generation(this.#channel, MODEL, "chat", messages, options);
  }

  /** The logits after each of the tokens, [tokens, vocabulary]. */
  logits(tokens: ArrayLike<number>, options: LogitsOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { signal, ...rest } = options;
    const args = [Array.from(tokens), rest];
    return this.#channel.ask("call", MODEL, "logits", args, { signal }) as Promise<Float32Array<ArrayBuffer>>;
  }

  /** How well the model foresees a text (or ids). */
  perplexity(text: Prompt, options: Omit<PerplexityOptions, "onProgress"> = {}): Promise<PerplexityResult> {
    const { signal, ...rest } = options;
    return this.#channel.ask("call", MODEL, "perplexity", [text, rest], { signal }) as Promise<PerplexityResult>;
  }

  /** Begins a session in the worker. */
  async session(options: SessionOptions = {}): Promise<WorkerSession> {
    return new WorkerSession(this.#channel, (await this.#channel.ask("begin", MODEL, "session", [options])) as number);
  }

  /** Begins a session that goes on from what `session.save()` gave. */
  async restore(bytes: Uint8Array, options: SessionOptions = {}): Promise<WorkerSession> {
    const session = await this.#channel.ask("begin", MODEL, "restore", [bytes, options]);
    return new WorkerSession(this.#channel, session as number);
  }

  /** Ends the worker, and gives all its memory back. */
  dispose(): void {
    this.#channel.end("WRONG_STATE", "the model was disposed of");
  }

  #call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.#channel.ask("call", MODEL, method, args);
  }
}

/** A session in the worker. */
export class WorkerSession {
  readonly #channel: Channel;
  readonly #number: number;

  /** @internal */
  constructor(channel: Channel, number: number) {
    this.#channel = channel;
    this.#number = number;
  }

  /** Goes on from all tokens so far and those of `prompt`. */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    return generation(this.#channel, this.#number, "generate", prompt, options);
  }

  /** Answers a message in the conversation so far. */
  chat(text: string, options: GenerateOptions = {}): Generation {
    return generation(this.#channel, this.#number, "chat", text, options);
  }

  /** The tokens so far. */
  tokens(): Promise<number[]> {
    return this.#channel.ask("call", this.#number, "tokens", []) as Promise<number[]>;
  }

  /** How much of the last pass was zero behind ReLU², layer by layer. */
  activity(): Promise<Activity> {
    return this.#channel.ask("call", this.#number, "activity", []) as Promise<Activity>;
  }

  /** The session as bytes, which `restore` takes. */
  save(): Promise<Uint8Array> {
    return this.#channel.ask("call", this.#number, "save", []) as Promise<Uint8Array>;
  }

  /** Gives its context back to the model. */
  dispose(): void {
    this.#channel.tell("drop", this.#number);
  }
}

/** Pieces that the worker makes when they are asked for. */
function generation(
  channel: Channel,
  on: number,
  method: string,
  input: unknown,
  options: GenerateOptions,
): Generation {
  const { signal, ...rest } = options;
  const pieces = async function* (): AsyncGenerator<Piece, GenerationResult, undefined> {
    const number = (await channel.ask("begin", on, method, [input, rest], { signal })) as number;
    const abort = (): void => channel.tell("abort", number);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const step = channel.ask("call", number, "next", []) as Promise<IteratorResult<Piece, GenerationResult>>;
        const { done, value } = await step.catch((error) => {
          throw signal?.aborted ? signal.reason : error;
        });
        if (done) return value;
        yield value;
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      channel.tell("drop", number);
    }
  };
  return new Generation(pieces());
}

/** What a message can hold of a source, and what moves with it. URLs are the page's, not the worker's. */
function portable(source: unknown): [unknown, Transferable[]] {
  if (source instanceof URL) return [source.href, []];
  if (typeof source === "string" && typeof location === "object" && location.href.startsWith("http")) {
    return [new URL(source, location.href).href, []];
  }
  const stream = typeof Response !== "undefined" && source instanceof Response ? source.body : source;
  if (typeof ReadableStream !== "undefined" && stream instanceof ReadableStream) return [stream, [stream]];
  return [source, []];
}
