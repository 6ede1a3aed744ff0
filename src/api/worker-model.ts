/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A model in a worker of its own: what `Model` does, with answers that come later. The page's thread only waits.
 *
 *     const model = await WorkerModel.load(url, { signal });      // or Model.load(url, { worker: true })
 *     for await (const piece of model.generate("Once upon a time")) show(piece.text);
 */
import { startWorker, type WorkerLink } from "../../bindings/worker-link.ts";
import { type Message, messagesOf } from "../generate/chat.ts";
import {
  EMBED_OPTIONS,
  type EmbedOptions,
  promptsOf,
  type Ranked,
  RERANK_OPTIONS,
  type RerankOptions,
} from "../generate/embedding.ts";
import {
  GENERATE_OPTIONS,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  type InfillOptions,
  type Piece,
} from "../generate/generation.ts";
import {
  LOGITS_OPTIONS,
  type LogitsOptions,
  PERPLEXITY_OPTIONS,
  type PerplexityOptions,
  type PerplexityResult,
} from "../generate/scoring.ts";
import { CONTEXT_OPTIONS, type ContextOptions } from "../generate/sequence-pool.ts";
import {
  DETOKENIZE_OPTIONS,
  type DetokenizeOptions,
  promptOf,
  TOKENIZE_OPTIONS,
  type TokenizeOptions,
  tokenIds,
} from "../generate/tokenizer.ts";
import { bytes as bytesOf, listOf, optional, readOptions, text as textOf } from "../host/arguments.ts";
import { Dropped } from "../host/dropped.ts";
import { type ErrorCode, LimpetError, messageOf } from "../host/errors.ts";
import { isUrl } from "../host/names.ts";
import { type Build, sendableWasm } from "../host/wasm.ts";
import type { MetadataValue, ModelInfo, TensorInfo } from "../load/info.ts";
import { forWorker, type ModelSource, nameForWorker } from "../load/kinds.ts";
import { LOAD_OPTIONS, type LoadOptions, type ModelMemory } from "./options.ts";
import {
  type Activity,
  APPEND_OPTIONS,
  type AppendOptions,
  type Prompt,
  SESSION_OPTIONS,
  type SessionOptions,
} from "./session.ts";
import { unpackError, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

const MODEL = 0;

interface Waiting {
  /** Who asks is held as long as it waits. */
  readonly by: WorkerHold;
  resolve(value: unknown): void;
  reject(error: unknown): void;
  progress?(...figures: number[]): void;
}

/** What a question has beside its arguments. */
interface More {
  /** The last argument of methods that take a signal, without it. */
  options?: object;
  signal?: AbortSignal;
  progress?: Waiting["progress"];
  transfer?: Transferable[];
}

/** Requests to one worker, and their answers. */
class Channel {
  readonly #worker: WorkerLink;
  readonly #waiting = new Map<number, Waiting>();
  /** What was begun for somebody who does not wait for it any more. */
  readonly #abandoned = new Set<number>();
  #last = MODEL;
  #ended: LimpetError | null = null;

  constructor() {
    try {
      this.#worker = startWorker(
        (answer) => this.#take(answer as WorkerAnswer),
        (reason) => this.end("HOST", `the model's worker has ended: ${reason}`),
      );
    } catch (error) {
      throw new LimpetError("HOST", `the model's worker cannot be started: ${messageOf(error)}`, { cause: error });
    }
  }

  ask(
    by: WorkerHold,
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    { options, signal, progress, transfer = [] }: More,
  ): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#last;
    let abort = (): void => {};
    return new Promise<unknown>((resolve, reject) => {
      abort = () => {
        this.tell("abort", id);
        if (kind === "begin") this.#abandoned.add(id);
        this.#settle(id);
        reject(signal!.reason);
      };
      this.#waiting.set(id, { by, resolve, reject, progress });
      signal?.addEventListener("abort", abort, { once: true });
      this.#worker.hold(true);
      try {
        this.#worker.post({ id, kind, on, method, args, options, progress: progress !== undefined }, transfer);
      } catch (error) {
        this.#settle(id);
        const words = `an argument of ${method || kind} cannot be sent to a worker: ${messageOf(error)}`;
        reject(new LimpetError("BAD_ARGUMENT", words, { cause: error }));
      }
    }).finally(() => signal?.removeEventListener("abort", abort));
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
      try {
        waiting?.progress?.(...progress);
      } catch (thrown) {
        this.tell("abort", id);
        this.#settle(id);
        waiting?.reject(thrown);
      }
      return;
    }
    if (this.#abandoned.delete(id) && !error) this.tell("drop", id);
    this.#settle(id);
    if (error) waiting?.reject(unpackError(error));
    else waiting?.resolve(value);
  }

  /** Nobody waits for this answer any more. */
  #settle(id: number): void {
    this.#waiting.delete(id);
    if (!this.#ended) this.#worker.hold(this.#waiting.size > 0);
  }
}

/** Workers whose model, sessions and generations nobody holds any more. */
const droppedWorkers = new Dropped<Channel>((channel) => channel.end("WRONG_STATE", "the model was dropped"));

/** Sessions and generations in workers that nobody holds any more. */
const droppedObjects = new Dropped<{ readonly channel: Channel; readonly number: number }>(({ channel, number }) =>
  channel.tell("drop", number),
);

/** What a model, its sessions and its generations hold of their worker: when all are gone, it ends. */
class WorkerHold {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
    droppedWorkers.watch(this, channel);
  }

  ask(
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    more: More = {},
  ): Promise<unknown> {
    return this.channel.ask(this, kind, on, method, args, more);
  }

  end(code: ErrorCode, why: string): void {
    droppedWorkers.forget(this);
    this.channel.end(code, why);
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
  readonly #hold: WorkerHold;

  private constructor(hold: WorkerHold, { info, build }: { info: ModelInfo; build: Build }) {
    this.#hold = hold;
    this.info = info;
    this.build = build;
  }

  /** Starts a worker and loads the model in it: from what `Model.load` takes. */
  static async load(source: ModelSource, options: LoadOptions = {}): Promise<WorkerModel> {
    const { signal, onProgress: progress, wasm, ...rest } = readOptions(options, LOAD_OPTIONS);
    const form = wasm === undefined ? undefined : await sendableWasm(wasm, signal);
    const [there, transfer] = forWorker(source);
    const hold = new WorkerHold(new Channel());
    try {
      const name = typeof form === "string" || isUrl(form) ? nameForWorker(form) : form;
      const sent = form === undefined ? rest : { ...rest, wasm: name };
      const loaded = await hold.ask("load", MODEL, "", [there], { options: sent, signal, progress, transfer });
      return new WorkerModel(hold, loaded as { info: ModelInfo; build: Build });
    } catch (error) {
      hold.end("HOST", "the model was not loaded");
      throw error;
    }
  }

  /** What the model and its contexts take now, in bytes. */
  async memory(): Promise<ModelMemory> {
    return (await this.#call("memory")) as ModelMemory;
  }

  /** Threads that compute now: fewer than asked for where they do not pay. */
  async threads(): Promise<number> {
    return (await this.#call("threads")) as number;
  }

  /** The file's metadata; arrays longer than `limit` are cut, and `count` says how long they are. */
  async metadata(limit?: number): Promise<Map<string, { value: MetadataValue; count: number | null }>> {
    return (await this.#call("metadata", limit)) as Map<string, { value: MetadataValue; count: number | null }>;
  }

  /** The tensors that the file holds. */
  async tensors(): Promise<TensorInfo[]> {
    return (await this.#call("tensors")) as TensorInfo[];
  }

  /** What a forward pass of the model does, as text to be read by people: its form may change. */
  async program(): Promise<string> {
    return (await this.#call("program")) as string;
  }

  /** Token ids of a text: bare, unless asked otherwise. */
  async tokenize(text: string, options: TokenizeOptions = {}): Promise<number[]> {
    const given = [textOf("text", text), readOptions(options, TOKENIZE_OPTIONS)];
    return (await this.#call("tokenize", ...given)) as number[];
  }

  /** Text of token ids. */
  async detokenize(ids: ArrayLike<number>, options: DetokenizeOptions = {}): Promise<string> {
    const given = [tokenIds(ids), readOptions(options, DETOKENIZE_OPTIONS)];
    return (await this.#call("detokenize", ...given)) as string;
  }

  /** As `detokenize`, as UTF-8: tokens may begin and end within a character. */
  async detokenizeBytes(ids: ArrayLike<number>, options: DetokenizeOptions = {}): Promise<Uint8Array> {
    const given = [tokenIds(ids), readOptions(options, DETOKENIZE_OPTIONS)];
    return (await this.#call("detokenizeBytes", ...given)) as Uint8Array;
  }

  /** Continues a text (or ids). Each call begins anew; a session goes on. */
  generate(prompt: Prompt, options: GenerateOptions & ContextOptions & InfillOptions = {}): Generation {
    return generation(this.#hold, MODEL, "generate", () => ({
      input: promptOf("prompt", prompt),
      options: readOptions(options, { ...GENERATE_OPTIONS, ...CONTEXT_OPTIONS, suffix: textOf }),
    }));
  }

  /** Answers a conversation through the model's chat template. */
  chat(messages: readonly Message[], options: GenerateOptions & ContextOptions = {}): Generation {
    return generation(this.#hold, MODEL, "chat", () => ({
      input: messagesOf(messages),
      options: readOptions(options, { ...GENERATE_OPTIONS, ...CONTEXT_OPTIONS }),
    }));
  }

  /** The logits after each of the tokens, [tokens, vocabulary]. */
  async logits(tokens: ArrayLike<number>, options: LogitsOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const { signal, ...rest } = readOptions(options, LOGITS_OPTIONS);
    const ids = tokenIds(tokens, "tokens");
    const logits = await this.#hold.ask("call", MODEL, "logits", [ids], { options: rest, signal });
    return logits as Float32Array<ArrayBuffer>;
  }

  /** As `logits`, in pieces that are given as they come. */
  logitChunks(
    tokens: ArrayLike<number>,
    options: LogitsOptions = {},
  ): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    return pieces(this.#hold, MODEL, "logitChunks", () => ({
      input: tokenIds(tokens, "tokens"),
      options: readOptions(options, LOGITS_OPTIONS),
    }));
  }

  /** A vector of each text (or of its token ids). */
  async embed(texts: readonly Prompt[], options: EmbedOptions = {}): Promise<Float32Array<ArrayBuffer>[]> {
    const { signal, ...rest } = readOptions(options, EMBED_OPTIONS);
    const given = [promptsOf(texts)];
    return (await this.#hold.ask("call", MODEL, "embed", given, {
      options: rest,
      signal,
    })) as Float32Array<ArrayBuffer>[];
  }

  /** The documents by how well they answer the query, the best first: for models that rank. */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<Ranked[]> {
    const { signal, ...rest } = readOptions(options, RERANK_OPTIONS);
    const given = [textOf("query", query), listOf(textOf)("documents", documents)];
    return (await this.#hold.ask("call", MODEL, "rerank", given, { options: rest, signal })) as Ranked[];
  }

  /** How well the model foresees a text (or ids). */
  async perplexity(text: Prompt, options: PerplexityOptions = {}): Promise<PerplexityResult> {
    const { signal, onProgress, ...rest } = readOptions(options, PERPLEXITY_OPTIONS);
    const progress = onProgress as ((...figures: number[]) => void) | undefined;
    const input = [promptOf("text", text)];
    return (await this.#hold.ask("call", MODEL, "perplexity", input, {
      options: rest,
      signal,
      progress,
    })) as PerplexityResult;
  }

  /** Begins a session in the worker. */
  async session(options: SessionOptions = {}): Promise<WorkerSession> {
    const given = readOptions(options, SESSION_OPTIONS);
    return new WorkerSession(this.#hold, (await this.#hold.ask("begin", MODEL, "session", [given])) as number);
  }

  /** Begins a session that goes on from what `session.save()` gave. */
  async restore(bytes: Uint8Array, options: SessionOptions = {}): Promise<WorkerSession> {
    const given = [bytesOf("bytes", bytes), readOptions(options, SESSION_OPTIONS)];
    return new WorkerSession(this.#hold, (await this.#hold.ask("begin", MODEL, "restore", given)) as number);
  }

  /** Ends the worker, and gives all its memory back. */
  dispose(): void {
    this.#hold.end("WRONG_STATE", "the model was disposed of");
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  #call(method: string, ...args: unknown[]): Promise<unknown> {
    return this.#hold.ask("call", MODEL, method, args);
  }
}

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
    return this.#generation("generate", () => optional(promptOf)("prompt", prompt), options);
  }

  /** Answers a message in the conversation so far. */
  chat(content: string, options: GenerateOptions = {}): Generation {
    return this.#generation("chat", () => textOf("content", content), options);
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

  #generation(method: string, input: () => unknown, options: GenerateOptions): Generation {
    return generation(this.#hold, this.#number, method, () => {
      this.#requireAlive();
      return { input: input(), options: readOptions(options, GENERATE_OPTIONS) };
    });
  }

  #requireAlive(): void {
    if (this.#disposed) throw new LimpetError("WRONG_STATE", "this session was disposed of");
  }
}

/** What something in the worker is begun with: read when it is. */
type Beginning = () => { input: unknown; options: { signal?: AbortSignal } };

/** Pieces that the worker makes when they are asked for. */
async function* pieces<Given, Result>(
  hold: WorkerHold,
  on: number,
  method: string,
  read: Beginning,
): AsyncGenerator<Given, Result, undefined> {
  const {
    input,
    options: { signal, ...options },
  } = read();
  const { channel } = hold;
  const number = (await hold.ask("begin", on, method, [input], { options, signal })) as number;
  const abort = (): void => channel.tell("abort", number);
  signal?.addEventListener("abort", abort, { once: true });
  // Held by this generator alone, and so gone with it.
  const thing = {};
  droppedObjects.watch(thing, { channel, number });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = (await hold.ask("call", number, "next", [], { signal })) as IteratorResult<Given, Result>;
      if (step.done) return step.value;
      yield step.value;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    droppedObjects.forget(thing);
    channel.tell("drop", number);
    // The session that it is of lives as long as it.
    void read;
  }
}

function generation(hold: WorkerHold, on: number, method: string, read: Beginning): Generation {
  return new Generation(pieces<Piece, GenerationResult>(hold, on, method, read));
}
