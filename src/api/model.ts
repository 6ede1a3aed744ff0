/// <reference lib="esnext.disposable" preserve="true" />
/** A model: what most users hold. One instance of the core a model, so that dropping it gives all memory back. */
import type { Pointer } from "../../bindings/exports.ts";
import { type Adapter, adapterAt, areEqual } from "../generate/adapter.ts";
import { generateAnswers } from "../generate/answers.ts";
import { chatText, chatTokens, useTemplate } from "../generate/chat.ts";
import { type ChatOptions, type Prepared, prepareChat, toldApart } from "../generate/chat-answer.ts";
import { type Score, type ScoreOptions, scoreChoices } from "../generate/choices.ts";
import { draftRows } from "../generate/drafts.ts";
import {
  type EmbedOptions,
  embedTexts,
  type Ranked,
  type RerankOptions,
  rankDocuments,
} from "../generate/embedding.ts";
import {
  type AnswerOptions,
  type Course,
  DEFAULT_TOKENS,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  type InfillOptions,
  type Piece,
} from "../generate/generation.ts";
import { areAlike, type CacheType, cacheOf, plainType } from "../generate/kept-rows.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { neuronBytes } from "../generate/neurons.ts";
import {
  type LogitsOptions,
  logitChunks,
  measurePerplexity,
  type PerplexityOptions,
  type PerplexityResult,
} from "../generate/scoring.ts";
import {
  type ContextOptions,
  cacheType,
  contextBytes,
  contextLength,
  type LoadedModel,
  mostTokens,
  promptTooLong,
  SequencePool,
} from "../generate/sequence-pool.ts";
import { mayDraft } from "../generate/speculation.ts";
import { type DetokenizeOptions, type TokenizeOptions, Tokenizer, tokenIds } from "../generate/tokenizer.ts";
import { flag, type OptionTable, optional, readOptions, whole } from "../host/arguments.ts";
import { Dropped } from "../host/dropped.ts";
import { LimpetError } from "../host/errors.ts";
import { Core } from "../host/instance.ts";
import type { Build } from "../host/wasm.ts";
import { expertUse } from "../load/experts.ts";
import {
  type MetadataValue,
  type ModelInfo,
  readInfo,
  readMetadata,
  readTensors,
  type TensorInfo,
} from "../load/info.ts";
import { readProgram } from "../load/inspect.ts";
import { type Loaded, loadModel } from "../load/load.ts";
import { type ModelSource, sourceName } from "../load/source.ts";
import { tableUse } from "../load/tables.ts";
import { Batch, type BatchOptions } from "./batch.ts";
import { KeptSessions } from "./kept-sessions.ts";
import {
  ADAPTER_LOAD_OPTIONS,
  type AdapterLoadOptions,
  LOAD_OPTIONS,
  type LoadOptions,
  type MemoryPlan,
  type ModelMemory,
  PLAN_OPTIONS,
  type PlanOptions,
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
import { Prefixes, readChunk, readPrefix } from "./prefixes.ts";
import {
  CHAT_ONCE_OPTIONS,
  CHAT_TOKENS_OPTIONS,
  type ChatTokensOptions,
  promptTokens,
  TEXT_OPTIONS,
} from "./prompt.ts";
import {
  answerIn,
  answerOnce,
  type Member,
  type Prompt,
  Session,
  type SessionOptions,
  sessionState,
} from "./session.ts";
import type { WorkerModel } from "./worker-model.ts";

type OnceOptions = GenerateOptions & ContextOptions & AnswerOptions;

const MODEL_OPTIONS: OptionTable<LoadOptions & { worker?: boolean }> = { ...LOAD_OPTIONS, worker: flag };
/** Chats that have ended are kept for those that go on from them: so many, and so many bytes, but one at least. */
const KEPT_CHATS = 4;
const KEPT_BYTES = 32 << 20;

/** Of models that nobody holds any more, nor any session of them: what the host does not collect by itself. */
const droppedModels = new Dropped<Pick<Loaded, "source"> & Pick<Core, "threads">>(({ source, threads }) => {
  source?.close();
  threads?.dispose();
});

/**
 * A loaded model: it generates, chats, tokenizes and scores. It holds one instance of the core, so that dropping it
 * gives all its memory back.
 */
export class Model {
  /** What the file says of itself, and its size. */
  readonly info: ModelInfo;
  /** The model's tokenizer, of use until the model is disposed of. */
  readonly tokenizer: Tokenizer;
  /** The build that computes: `portable` too where the host lacks what `fast` needs. */
  readonly build: Build;
  readonly #loaded: LoadedModel & { disposed: boolean };
  /** Of chats that have ended. */
  readonly #kept: KeptSessions = new KeptSessions();
  readonly #prefixes: Prefixes = new Prefixes();

  private constructor(core: Core, { pointer, source }: Loaded, options: LoadOptions, fileName: string | null) {
    this.info = readInfo(core, pointer, fileName);
    this.build = core.build;
    this.tokenizer = new Tokenizer(core, core.exports.model_tokenizer(pointer));
    this.#loaded = {
      core,
      pointer,
      tokenizer: this.tokenizer,
      sequences: new SequencePool(core, pointer),
      source,
      defaults: { context: options.context, kv: options.kv },
      leaving: new Set(),
      disposed: false,
    };
    mayDraft(this, this.#loaded);
    if (source || core.threads) droppedModels.watch(this.#loaded, { source, threads: core.threads });
  }

  /** Loads a GGUF file from a path (all parts of a split one), a URL, bytes, a Blob or File, a Response or a stream. */
  static async load(source: ModelSource, options?: LoadOptions & { worker?: false }): Promise<Model>;
  /** The same in a worker of its own, which leaves this thread free; what it is asked for comes as promises. */
  static async load(source: ModelSource, options: LoadOptions & { worker: true }): Promise<WorkerModel>;
  static async load(source: ModelSource, given: LoadOptions & { worker?: boolean } = {}): Promise<Model | WorkerModel> {
    const { worker, ...options } = readOptions(given, MODEL_OPTIONS);
    if (worker) return (await import("./worker-model.ts")).WorkerModel.load(source, options);
    options.onPhase?.("wasm");
    const core = await Core.create(options);
    try {
      const loaded = await loadModel(core, source, options);
      try {
        if (options.template !== undefined) await useTemplate(core, loaded.pointer, options.template);
      } catch (error) {
        loaded.source?.close();
        throw error;
      }
      return new Model(core, loaded, options, sourceName(source));
    } catch (error) {
      core.dispose();
      throw error;
    }
  }

  /** How much memory a model will take, from its header alone. A stream given here is used up. */
  static async plan(source: ModelSource, given: PlanOptions = {}): Promise<MemoryPlan> {
    const { adapters: files = [], neurons: asked, ...options } = readOptions(given, PLAN_OPTIONS);
    const core = await Core.create({ ...options, threads: 1 });
    const { exports } = core;
    const { pointer: model } = await loadModel(core, source, options, true);
    const weights = Number(exports.model_plan_bytes(model));
    if (exports.model_vocabulary_only(model)) {
      return {
        weights,
        adapters: 0,
        neurons: 0,
        cache: 0,
        state: 0,
        context: 0,
        contextTokens: 0,
        total: core.memory.size,
      };
    }
    let adapters = 0;
    for (const file of files) {
      adapters += Number(exports.model_plan_bytes((await loadModel(core, file, options, true, model)).pointer));
    }
    const contextTokens = contextLength(core, model, options.context);
    const beside = files.length > 0 ? Number(exports.adapter_context_bytes(model, 1)) : 0;
    const kind = cacheOf(contextTokens, options.kv, "f16");
    const context = contextBytes(core, model, contextTokens, 1, kind) + beside;
    const cache = (kind.kept?.rows ?? contextTokens) * tokenBytes(core, model, kind.kv);
    const state = exports.model_state_bytes(model);
    const neurons = neuronBytes(core, model, asked);
    const total = core.memory.size + weights + adapters + neurons + context;
    return { weights, adapters, neurons, cache, state, context, contextTokens, total };
  }

  /** Threads that compute now: fewer than asked for where they do not pay. */
  get threads(): number {
    return this.#alive.core.threads?.count ?? 1;
  }

  /** What the model and its contexts take now, in bytes. */
  get memory(): ModelMemory {
    const { core, pointer, sequences, defaults } = this.#alive;
    const kv = plainType(defaults.kv);
    const bytes = tokenBytes(core, pointer, kv);
    const full = core.exports.model_full_row_bytes(pointer, cacheType(kv));
    return {
      linear: core.memory.size,
      weights: Number(core.exports.model_loaded_bytes(pointer)),
      tables: tableUse(core, pointer),
      experts: expertUse(core, pointer),
      contexts: sequences.uses,
      cacheBytesPerToken: bytes,
      stateBytes: core.exports.model_state_bytes(pointer),
      fullCacheBytesPerToken: full * core.exports.model_layers(pointer),
    };
  }

  /** The file's metadata; arrays longer than `limit` are cut, and `count` says how long they are. */
  metadata(limit?: number): Map<string, { value: MetadataValue; count: number | null }> {
    const { core, pointer } = this.#alive;
    const most = optional(whole(0, 2 ** 32 - 1))("limit", limit);
    return readMetadata(core, core.exports.model_gguf(pointer), most);
  }

  /** The tensors that the file holds. */
  tensors(): TensorInfo[] {
    const { core, pointer } = this.#alive;
    return readTensors(core, core.exports.model_gguf(pointer));
  }

  /**
   * What a forward pass of the model does, as text: a line for each step with what it reads, makes and multiplies by, and
   * the memory of a usual context. To be read by people: its form may change.
   */
  get program(): string {
    const { core, pointer } = this.#alive;
    return readProgram(core, pointer);
  }

  /** Token ids of a text: bare, unless asked otherwise. */
  tokenize(text: string, options?: TokenizeOptions): number[] {
    return this.tokenizer.tokenize(text, options);
  }

  /** Text of token ids. */
  detokenize(ids: ArrayLike<number>, options?: DetokenizeOptions): string {
    return this.tokenizer.detokenize(ids, options);
  }

  /** As `detokenize`, as UTF-8: tokens may begin and end within a character. */
  detokenizeBytes(ids: ArrayLike<number>, options?: DetokenizeOptions): Uint8Array {
    return this.tokenizer.detokenizeBytes(ids, options);
  }

  /** The tokens of a conversation as the model's chat template writes it, up to where the assistant speaks. */
  async chatTokens(messages: readonly Message[], options: ChatTokensOptions = {}): Promise<number[]> {
    const { tools } = readOptions(options, CHAT_TOKENS_OPTIONS);
    return chatTokens(this.#alive, messagesOf(messages), tools);
  }

  /** The text of those tokens; of a vocabulary that wants a BOS in front, that may lack. */
  async formatChat(messages: readonly Message[], options: ChatTokensOptions = {}): Promise<string> {
    const { tools } = readOptions(options, CHAT_TOKENS_OPTIONS);
    return chatText(this.#alive, messagesOf(messages), tools);
  }

  /** Continues a text (or ids). Each call begins anew; a session goes on. */
  generate(prompt: Prompt, options: GenerateOptions & ContextOptions & InfillOptions & AnswerOptions = {}): Generation {
    return this.#once(options, TEXT_OPTIONS, ({ suffix, ...read }) => {
      const tokens = promptTokens(this.#alive, prompt, { ...read, suffix });
      return { tokens, options: read };
    });
  }

  /**
   * Answers a conversation through the model's chat template: with text, after thoughts where it has any, or with calls
   * of the tools that it is given. What the chats of before have in common with it is not read again: of a conversation
   * that goes on, the new messages alone.
   */
  chat(messages: readonly Message[], options: ChatOptions & ContextOptions & AnswerOptions = {}): Generation {
    const prepare = (read: ChatOptions & OnceOptions) => prepareChat(this.#alive, messagesOf(messages), read);
    return this.#once(options, CHAT_ONCE_OPTIONS, prepare, true);
  }

  /** The logits after each of the tokens, [tokens, vocabulary]. */
  async logits(tokens: ArrayLike<number>, options: LogitsOptions = {}): Promise<Float32Array<ArrayBuffer>> {
    const ids = tokenIds(tokens, "tokens");
    const all = new Float32Array(ids.length * this.info.vocabulary);
    let at = 0;
    for await (const chunk of this.logitChunks(ids, options)) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** As `logits`, in pieces that are given as they come. */
  logitChunks(
    tokens: ArrayLike<number>,
    options: LogitsOptions = {},
  ): AsyncGenerator<Float32Array<ArrayBuffer>, void, undefined> {
    const run = async function* (loaded: LoadedModel): ReturnType<Model["logitChunks"]> {
      yield* logitChunks(loaded, tokens, options);
    };
    return run(this.#alive);
  }

  /**
   * A vector of each text (or of its token ids). Texts of any lengths share passes, and what a text gives does not depend
   * on the others; an empty text is its special tokens, or zeros where the vocabulary adds none.
   */
  async embed(texts: readonly Prompt[], options: EmbedOptions = {}): Promise<Float32Array<ArrayBuffer>[]> {
    return embedTexts(this.#alive, texts, options);
  }

  /** The documents by how well they answer the query, the best first: for models that rank. */
  async rerank(query: string, documents: readonly string[], options: RerankOptions = {}): Promise<Ranked[]> {
    return rankDocuments(this.#alive, query, documents, options);
  }

  /** How well the model foresees a text (or ids). */
  async perplexity(text: Prompt, options: PerplexityOptions = {}): Promise<PerplexityResult> {
    const loaded = this.#alive;
    return measurePerplexity(loaded, text, options);
  }

  /**
   * The log probability of each of some continuations of a prompt (texts, or ids), which is read once. Prompt and choice
   * are one text: begin choices with the space that stands between.
   */
  async score(prompt: Prompt, choices: readonly Prompt[], options: ScoreOptions = {}): Promise<Score[]> {
    return scoreChoices(this.#alive, prompt, choices, options);
  }

  /**
   * Loads an adapter (LoRA or aLoRA, a GGUF file as llama.cpp writes it) beside the model's weights: from what
   * `Model.load` takes, in one file. What it says and limpet does not do is refused by name.
   */
  async adapter(source: ModelSource, given: AdapterLoadOptions = {}): Promise<Adapter> {
    const options = readOptions(given, ADAPTER_LOAD_OPTIONS);
    const loaded = this.#alive;
    const { pointer } = await loadModel(loaded.core, source, options, false, loaded.pointer);
    this.#requireAlive();
    return adapterAt(loaded, pointer, sourceName(source));
  }

  /** A session of its own. */
  session(options: SessionOptions = {}): Session {
    return new Session(this.#alive, options);
  }

  /**
   * Reads what many texts begin with (a text, ids, or messages such as the system's) once: sessions begin with it
   * (`session({ prefix })`), and `generate`, `chat` and batches find by themselves that a text begins with it.
   */
  async prefix(beginning: Beginning, options: PrefixOptions = {}): Promise<Prefix> {
    const given = beginningOf("beginning", beginning);
    const read = readOptions(options, PREFIX_OPTIONS);
    read.signal?.throwIfAborted();
    const { kv, ...prefix } = await readPrefix(this.#alive, this.#prefixes, given, read);
    this.#prefixes.add(prefix, kv);
    return prefix;
  }

  /**
   * Reads a piece that texts are composed of (a text, or ids), by itself behind a lead: `Session.compose` joins its rows
   * with those of others, in any order. It is kept as prefixes are, and is one of the texts that begin with it.
   */
  async chunk(text: string | ArrayLike<number> | Chunk, options: ChunkOptions = {}): Promise<Chunk> {
    const given = chunkOf("text", text);
    const read = readOptions(options, CHUNK_OPTIONS);
    read.signal?.throwIfAborted();
    const { kv, ...chunk } = await readChunk(this.#alive, this.#prefixes, given, read);
    this.#prefixes.add(chunk, kv);
    return chunk;
  }

  /** Several conversations at once, which are computed together. */
  batch(options: BatchOptions = {}): Batch {
    return new Batch(this.#alive, options, this.#prefixes);
  }

  /** A session that goes on from what `session.save()` gave. */
  restore(bytes: Uint8Array, options: SessionOptions = {}): Session {
    const session = this.session(options);
    try {
      session.restore(bytes);
    } catch (error) {
      session.dispose();
      throw error;
    }
    return session;
  }

  /** Drops the core and all its memory. Sessions of the model are of no use after it. */
  dispose(): void {
    if (this.#loaded.disposed) return;
    this.#loaded.disposed = true;
    droppedModels.forget(this.#loaded);
    this.tokenizer.dispose();
    this.#loaded.source?.close();
    this.#loaded.core.dispose();
    // The instance is what holds the memory: without these references it can be collected.
    const dropped = this.#loaded as { core: Core | null; sequences: SequencePool | null };
    dropped.core = null;
    dropped.sequences = null;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
  }

  /** A generation in a session that lives as long as it does. */
  #once<Options extends GenerateOptions & ContextOptions & AnswerOptions>(
    given: Options,
    table: OptionTable<Options>,
    prepare: (options: Options) => Prepared<OnceOptions> | Promise<Prepared<OnceOptions>>,
    goesOn: boolean = false,
  ): Generation {
    const course: Course = { figures: null };
    const run = async function* (model: Model): AsyncGenerator<Piece, GenerationResult, undefined> {
      const read = readOptions(given, table);
      read.signal?.throwIfAborted();
      model.#requireAlive();
      const { tokens, options: all, reader } = await prepare(read);
      const { context, kv, n = 1, ...options } = all;
      if (n > 1) return yield* generateAnswers(model.#alive, tokens, n, { context, kv, ...options }, reader);
      const room = tokens.length + Math.min(options.maxTokens ?? DEFAULT_TOKENS, DEFAULT_TOKENS);
      const isSource = model.#alive.core.exports.model_has_encoder(model.#alive.pointer) !== 0;
      const begin = (): Member => {
        const state = sessionState(model.#alive, { context, kv }, room, 1 + draftRows(options.speculate));
        if (!isSource) model.#prefixes.begin(state, Array.from(tokens));
        return { state, session: new Session(model.#alive, {}, state) };
      };
      const pieces = goesOn
        ? model.#goOn(Array.from(tokens), { context, kv }, begin, options, course)
        : answerOnce(begin(), tokens, options, course);
      return yield* toldApart(pieces, reader?.());
    };
    return new Generation(run(this), course);
  }

  /** An answer behind as many tokens as a kept session has of its beginning; it is kept in turn. */
  async *#goOn(
    tokens: readonly number[],
    { context, kv }: ContextOptions,
    begin: () => Member,
    options: GenerateOptions,
    course: Course,
  ): AsyncGenerator<Piece, GenerationResult, undefined> {
    const loaded = this.#alive;
    const { core, pointer, defaults } = loaded;
    const rows = mostTokens(core, pointer, context ?? defaults.context);
    if (tokens.length > rows) throw promptTooLong(tokens.length, rows);
    const cache = cacheOf(rows, kv ?? defaults.kv, plainType(defaults.kv));
    const fits = (state: Member["state"]): boolean =>
      state.rows === rows &&
      areAlike(state.context, cache) &&
      !state.isMixed &&
      areEqual(state.applied, options.adapters ?? []);
    const kept = this.#kept;
    const member = kept.take(tokens, kept.count >= KEPT_CHATS, fits) ?? begin();
    const { session, state } = member;
    try {
      return yield* answerIn(member, tokens, options, course);
    } finally {
      if (state.disposed || loaded.disposed) session.dispose();
      else {
        kept.put(member);
        kept.limit(KEPT_CHATS, KEPT_BYTES);
      }
    }
  }

  #requireAlive(): void {
    if (this.#loaded.disposed) throw new LimpetError("WRONG_STATE", "the model was disposed of");
  }

  get #alive(): LoadedModel {
    this.#requireAlive();
    return this.#loaded;
  }
}

/** Bytes of cache that a token takes in all layers. */
function tokenBytes(core: Core, model: Pointer, kv: CacheType): number {
  return core.exports.model_token_bytes(model, cacheType(kv));
}
