/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A model in a worker of its own: what `Model` does, with answers that come later. The page's thread only waits.
 *
 *     const model = await WorkerModel.load(url, { signal });      // or Model.load(url, { worker: true })
 *     for await (const piece of model.generate("Once upon a time")) show(piece.text);
 */
import { Adapter, type AdapterInfo } from "../generate/adapter.ts";
import type { ChatOptions } from "../generate/chat-answer.ts";
import { choicesOf, SCORE_OPTIONS, type Score, type ScoreOptions } from "../generate/choices.ts";
import {
  EMBED_OPTIONS,
  type EmbedOptions,
  promptsOf,
  type Ranked,
  RERANK_OPTIONS,
  type RerankOptions,
} from "../generate/embedding.ts";
import type { AnswerOptions, GenerateOptions, Generation, InfillOptions } from "../generate/generation.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import {
  LOGITS_OPTIONS,
  type LogitsOptions,
  PERPLEXITY_OPTIONS,
  type PerplexityOptions,
  type PerplexityResult,
} from "../generate/scoring.ts";
import type { ContextOptions } from "../generate/sequence-pool.ts";
import {
  DETOKENIZE_OPTIONS,
  type DetokenizeOptions,
  promptOf,
  TOKENIZE_OPTIONS,
  type TokenizeOptions,
  tokenIds,
} from "../generate/tokenizer.ts";
import { bytes as bytesOf, listOf, readOptions, text as textOf } from "../host/arguments.ts";
import { isUrl } from "../host/names.ts";
import { type Build, sendableWasm, wasmPlaces } from "../host/wasm.ts";
import type { MetadataValue, ModelInfo, TensorInfo } from "../load/info.ts";
import { forWorker, type ModelSource, nameForWorker } from "../load/kinds.ts";
import { atHand } from "../load/source.ts";
import { BATCH_OPTIONS, type BatchOptions } from "./batch.ts";
import {
  ADAPTER_LOAD_OPTIONS,
  type AdapterLoadOptions,
  LOAD_OPTIONS,
  type LoadOptions,
  type ModelMemory,
} from "./options.ts";
import {
  type Beginning,
  beginningOf,
  CHUNK_OPTIONS,
  type Chunk,
  type ChunkOptions,
  chunkOf,
  PREFIX_OPTIONS,
  type Prefix,
  type PrefixOptions,
} from "./prefix.ts";
import { CHAT_ONCE_OPTIONS, CHAT_TOKENS_OPTIONS, type ChatTokensOptions, TEXT_OPTIONS } from "./prompt.ts";
import { type Prompt, SESSION_OPTIONS, type SessionOptions } from "./session.ts";
import { WorkerBatch } from "./worker-batch.ts";
import { Channel, generation, MODEL, pieces, WorkerHold } from "./worker-channel.ts";
import { WorkerSession } from "./worker-session.ts";

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
    const { signal, onProgress, onPhase, wasm, ...rest } = readOptions(options, LOAD_OPTIONS);
    const form = wasm === undefined ? undefined : await sendableWasm(wasm, signal);
    // What the hub's names need is not in the worker's script.
    const { hub: _, token: __, ...sent } = rest;
    const [there, transfer] = forWorker(await atHand(source, { ...rest, signal, onProgress }));
    const hold = new WorkerHold(new Channel());
    try {
      const name = typeof form === "string" || isUrl(form) ? nameForWorker(form) : form;
      const all = form === undefined ? sent : { ...sent, wasm: name };
      const loaded = await hold.ask("load", MODEL, "", [wasmPlaces(), there], {
        options: all,
        signal,
        tells: { ...(onProgress && { onProgress }), ...(onPhase && { onPhase }) },
        transfer,
      });
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

  /** The tokens of a conversation as the model's chat template writes it, up to where the assistant speaks. */
  async chatTokens(messages: readonly Message[], options: ChatTokensOptions = {}): Promise<number[]> {
    const given = [messagesOf(messages), readOptions(options, CHAT_TOKENS_OPTIONS)];
    return (await this.#call("chatTokens", ...given)) as number[];
  }

  /** The text of those tokens; of a vocabulary that wants a BOS in front, that may lack. */
  async formatChat(messages: readonly Message[], options: ChatTokensOptions = {}): Promise<string> {
    const given = [messagesOf(messages), readOptions(options, CHAT_TOKENS_OPTIONS)];
    return (await this.#call("formatChat", ...given)) as string;
  }

  /** Continues a text (or ids). Each call begins anew; a session goes on. */
  generate(prompt: Prompt, options: GenerateOptions & ContextOptions & InfillOptions & AnswerOptions = {}): Generation {
    return generation(this.#hold, MODEL, "generate", () => ({
      args: [promptOf("prompt", prompt)],
      options: readOptions(options, TEXT_OPTIONS),
    }));
  }

  /** Answers a conversation through the model's chat template, with text or with calls of tools; reads what is new. */
  chat(messages: readonly Message[], options: ChatOptions & ContextOptions & AnswerOptions = {}): Generation {
    return generation(this.#hold, MODEL, "chat", () => ({
      args: [messagesOf(messages)],
      options: readOptions(options, CHAT_ONCE_OPTIONS),
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
      args: [tokenIds(tokens, "tokens")],
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
    const input = [promptOf("text", text)];
    return (await this.#hold.ask("call", MODEL, "perplexity", input, {
      options: rest,
      signal,
      tells: { ...(onProgress && { onProgress }) },
    })) as PerplexityResult;
  }

  /** The log probability of each of some continuations of a prompt (texts, or ids), which is read once. */
  async score(prompt: Prompt, choices: readonly Prompt[], options: ScoreOptions = {}): Promise<Score[]> {
    const { signal, ...rest } = readOptions(options, SCORE_OPTIONS);
    const given = [promptOf("prompt", prompt), choicesOf("choices", choices)];
    return (await this.#hold.ask("call", MODEL, "score", given, { options: rest, signal })) as Score[];
  }

  /** Loads an adapter beside the model's weights: from what `Model.load` takes, in one file. */
  async adapter(source: ModelSource, options: AdapterLoadOptions = {}): Promise<Adapter> {
    const { signal, onProgress, hub: _, token: __, ...rest } = readOptions(options, ADAPTER_LOAD_OPTIONS);
    const [there, transfer] = forWorker(await atHand(source, { ...options, signal, onProgress }));
    const hold = this.#hold;
    const more = { options: rest, signal, tells: { ...(onProgress && { onProgress }) }, transfer };
    const number = (await hold.ask("begin", MODEL, "adapter", [there], more)) as number;
    const info = (await hold.ask("call", number, "info", [])) as AdapterInfo;
    return new Adapter(info, hold, number, () => hold.channel.tell("drop", number));
  }

  /** Several conversations at once, which are computed together. */
  async batch(options: BatchOptions = {}): Promise<WorkerBatch> {
    const given = readOptions(options, BATCH_OPTIONS);
    return new WorkerBatch(this.#hold, (await this.#hold.ask("begin", MODEL, "batch", [given])) as number);
  }

  /** Reads what many texts begin with once: sessions begin with it, and texts that begin so find it. */
  async prefix(beginning: Beginning, options: PrefixOptions = {}): Promise<Prefix> {
    const given = beginningOf("beginning", beginning);
    const { signal, ...rest } = readOptions(options, PREFIX_OPTIONS);
    return (await this.#hold.ask("call", MODEL, "prefix", [given], { options: rest, signal })) as Prefix;
  }

  /** Reads a piece that texts are composed of, by itself behind a lead: what `WorkerSession.compose` joins. */
  async chunk(text: string | ArrayLike<number> | Chunk, options: ChunkOptions = {}): Promise<Chunk> {
    const given = chunkOf("text", text);
    const { signal, ...rest } = readOptions(options, CHUNK_OPTIONS);
    return (await this.#hold.ask("call", MODEL, "chunk", [given], { options: rest, signal })) as Chunk;
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
