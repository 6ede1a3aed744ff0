/**
 * The engine's raw exports for tests: models from bytes, contexts with their batches, sessions. What a call refuses is
 * thrown as an `EngineError` with the core's code and words.
 *
 *     const engine = new Engine("portable");
 *     const model = engine.load(modelBytes("plm-1m", "Q4_0"));
 *     const context = model.context({ rows: 64, batch: 64 });
 *     const rows = context.run(prompt([1, 2, 3]));       // logits of each token
 */
import * as assert from "uvu/assert";
import { address, decodeText } from "../../bindings/memory.ts";
import { Form, KvType, Status, Streamed, Visibility } from "../../bindings/numbers.ts";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { type Build, loadCore, sameBits, type TestCore } from "./core.ts";

export { ErrorCode as Code, Finish, Form, Streamed, Visibility } from "../../bindings/numbers.ts";

const { DONE, NEED_DATA, TOKEN } = Status;
export const { F32, F16, Q8_0 } = KvType;

/** A model's steps are far fewer: more of them are a hang. */
const MOST_STEPS = 100_000;

export class EngineError extends Error {
  readonly code: number;

  constructor(core: TestCore) {
    super(core.message);
    this.code = core.errorCode;
  }
}

/** Asserts that a call is refused with this code and words like these. */
export function refuses(what: () => unknown, code: number, words: RegExp): void {
  try {
    what();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    assert.is(error.code, code, error.message);
    assert.match(error.message, words);
    return;
  }
  assert.unreachable(`should be refused: ${words}`);
}

/** Asserts that rows of logits are the same bit for bit. */
export function assertBits(got: readonly Float32Array[], want: readonly Float32Array[], what: string): void {
  assert.is(got.length, want.length, `${what}: as many rows`);
  for (const [i, row] of got.entries()) assert.ok(sameBits(row, want[i]), `${what}: row ${i} has other bits`);
}

const made = new Map<string, Uint8Array>();

/** The bytes of a model of scripts/make-model.mjs, made once. */
export function modelBytes(kind: string, type?: string): Uint8Array {
  const name = `${kind} ${type}`;
  let bytes = made.get(name);
  if (!bytes) made.set(name, (bytes = encodeGguf(makeModel(kind, type))));
  return bytes;
}

/** Tokens that are spread over a vocabulary of 512. */
export const spread = (count: number, seed = 97): number[] =>
  Array.from({ length: count }, (_, i) => (i * 389 + seed) % 512);

/** Tokens, and the width, of a scripted model; bytes are the tokens 0 to 255, and the last token ends a text. */
export const SCRIPT_VOCABULARY = 320;
export const END = SCRIPT_VOCABULARY - 1;

/**
 * A model whose logits are a table: behind token t those of `table(t)`, whatever came before. Embeddings are unit vectors,
 * attention and FFN add nothing, and the head holds the table's columns.
 */
export function scriptedModel(table: (token: number) => ArrayLike<number>): Uint8Array {
  const size = SCRIPT_VOCABULARY;
  const file = randomModel(
    {
      architecture: "llama",
      layers: 1,
      hidden: size,
      heads: 10,
      kvHeads: 1,
      headSize: 32,
      ffn: 32,
      vocabulary: size,
      context: 1024,
      theta: 1e4,
      epsilon: 0,
      pre: "gpt-2",
    },
    "F32",
  );
  const embedding = new Float32Array(size * size);
  const head = new Float32Array(size * size);
  for (let token = 0; token < size; token++) {
    embedding[token * size + token] = 1;
    const logits = table(token);
    for (let row = 0; row < size; row++) head[row * size + token] = logits[row];
  }
  const values: Record<string, Float32Array> = {
    "token_embd.weight": embedding,
    "output_norm.weight": new Float32Array(size).fill(1 / Math.sqrt(size)),
    "output.weight": head,
    "blk.0.attn_output.weight": new Float32Array(size * size),
    "blk.0.ffn_down.weight": new Float32Array(size * 32),
  };
  for (const tensor of file.tensors) {
    const own = values[tensor.name];
    if (own) tensor.fill = streamOf(new Uint8Array(own.buffer));
  }
  return encodeGguf(file);
}

/** Gives bytes chunk by chunk. */
function streamOf(bytes: Uint8Array): (chunk: Uint8Array) => void {
  let at = 0;
  return (chunk) => {
    chunk.set(bytes.subarray(at, at + chunk.length));
    at += chunk.length;
  };
}

/** A scripted model that says the tokens of a chain one after the other: behind each comes the next, with logit 8. */
export function chainModel(tokens: readonly number[]): Uint8Array {
  const next = new Map(tokens.map((token, i) => [token, tokens[(i + 1) % tokens.length]]));
  return scriptedModel((token) => {
    const logits = new Float32Array(SCRIPT_VOCABULARY);
    logits[next.get(token) ?? tokens[0]] = 8;
    return logits;
  });
}

/** Hands the core what a step that answered NEED_DATA asks for: one range of a model, a list of a context's pass. */
export function feed(
  core: TestCore,
  kind: "model" | "context",
  handle: number,
  files: Uint8Array | readonly Uint8Array[],
): void {
  const parts = files instanceof Uint8Array ? [files] : files;
  const indices =
    kind === "model" ? [[]] : Array.from({ length: core.call("context_request_count", handle) }, (_, i) => [i]);
  for (const index of indices) {
    const file = parts[core.call(`${kind}_request_file`, handle, ...index)];
    const offset = Number(core.exports[`${kind}_request_offset`](handle, ...index));
    const length = core.call(`${kind}_request_length`, handle, ...index) >>> 0;
    if (length === 0 || offset + length > file.length)
      throw new Error(`asks for ${length} bytes at ${offset} of ${file.length}`);
    core.memory.write(
      core.call(`${kind}_request_destination`, handle, ...index),
      file.subarray(offset, offset + length),
    );
  }
}

export interface BatchToken {
  id: number;
  position: number;
  sequence?: number;
  /** Whether logits are asked for; they are unless this is false. */
  wanted?: boolean;
}

/** Tokens of one sequence at positions from `from` on. */
export const prompt = (ids: readonly number[], from = 0, sequence = 0): BatchToken[] =>
  ids.map((id, i) => ({ id, position: from + i, sequence }));

/** What stays in the file, and the bytes of the row cache. */
export interface Streaming {
  streamed: number;
  rowCache: number;
}

const NOT_STREAMED: Streaming = { streamed: Streamed.NOTHING, rowCache: 0 };

export class Engine {
  readonly core: TestCore;

  constructor(build: Build | TestCore = "portable") {
    this.core = typeof build === "string" ? loadCore(build) : build;
  }

  /** Bytes of the arena in use. */
  get used(): number {
    return this.core.call("core_used", this.core.core) >>> 0;
  }

  /** The result of a call, unless it is an error's code. */
  check(status: number): number {
    if (status < 0) throw new EngineError(this.core);
    return status;
  }

  /** The handle that a call made. */
  handle(pointer: number): number {
    if (pointer === 0) throw new EngineError(this.core);
    return address(pointer);
  }

  /** Calls an export and throws its error. */
  do(name: string, ...values: (number | bigint)[]): number {
    return this.check(this.core.call(name, ...values));
  }

  /** A model whose loading has not begun, of one file or several parts. */
  open(
    files: Uint8Array | readonly Uint8Array[],
    vocabularyOnly = false,
    { streamed, rowCache }: Streaming = NOT_STREAMED,
  ): EngineModel {
    const parts = files instanceof Uint8Array ? [files] : files;
    const handle = this.handle(this.core.call("model_create", this.core.core, parts.length, vocabularyOnly ? 1 : 0));
    const model = new EngineModel(this, handle, parts);
    this.do("model_stream", handle, streamed, rowCache);
    for (let i = 0; i < parts.length; i++) {
      const status = this.core.call("model_set_file_size", handle, i, BigInt(parts[i].length));
      if (status >= 0) continue;
      const error = new EngineError(this.core);
      model.release();
      throw error;
    }
    return model;
  }

  /** A model, loaded. One that fails is given back, and its error thrown. */
  load(files: Uint8Array | readonly Uint8Array[], vocabularyOnly = false, streaming = NOT_STREAMED): EngineModel {
    const model = this.open(files, vocabularyOnly, streaming);
    try {
      for (let steps = 0; model.step() !== DONE; steps++) if (steps > MOST_STEPS) throw new Error("loading hangs");
    } catch (error) {
      model.release();
      throw error;
    }
    return model;
  }
}

export interface ContextShape {
  rows?: number;
  batch?: number;
  logitRows?: number;
  sequences?: number;
  kv?: number;
  form?: number;
}

export class EngineModel {
  readonly engine: Engine;
  readonly handle: number;
  readonly files: readonly Uint8Array[];

  constructor(engine: Engine, handle: number, files: readonly Uint8Array[]) {
    this.engine = engine;
    this.handle = handle;
    this.files = files;
  }

  /** One step of loading, with what it asks for. */
  step(): number {
    const { core } = this.engine;
    const status = this.engine.do("model_step", this.handle);
    if (status === NEED_DATA) feed(core, "model", this.handle, this.files);
    return status;
  }

  get state(): number {
    return this.engine.core.call("model_state", this.handle);
  }

  get layers(): number {
    return this.engine.core.call("model_layers", this.handle);
  }

  get hidden(): number {
    return this.engine.core.call("model_hidden", this.handle);
  }

  get vocabulary(): number {
    return this.engine.core.call("model_vocabulary", this.handle);
  }

  get planBytes(): number {
    return Number(this.engine.core.call("model_plan_bytes", this.handle));
  }

  contextBytes(shape: ContextShape): number {
    return Number(this.engine.core.call("context_bytes", this.handle, ...dimensions(shape)));
  }

  context(shape: ContextShape = {}): EngineContext {
    const { core } = this.engine;
    const handle = core.call("context_create", core.core, this.handle, ...dimensions(shape));
    return new EngineContext(this, this.engine.handle(handle), shape);
  }

  /** A session over a context of its own, or over one sequence of `context`. */
  session(shape: ContextShape = {}, context = this.context(shape), sequence = 0): EngineSession {
    return new EngineSession(context, sequence);
  }

  release(): void {
    this.engine.do("model_release", this.handle);
  }
}

function dimensions({ rows = 128, batch = 64, logitRows = batch, sequences = 1, kv = F16 }: ContextShape): number[] {
  return [rows, batch, logitRows, sequences, kv];
}

export interface PassOptions {
  first?: number;
  end?: number;
  visibility?: number;
  /** Visibility.MASK: which tokens of the batch each token may see. */
  mask?: readonly (readonly number[])[];
  /** Called before each step; false gives the pass up. */
  onStep?: (step: number) => boolean | undefined;
}

export class EngineContext {
  readonly model: EngineModel;
  readonly handle: number;
  readonly batch: number;
  /** Steps of the last pass. */
  steps = 0;

  constructor(model: EngineModel, handle: number, { batch = 64, form = Form.ABSORBED }: ContextShape) {
    this.model = model;
    this.handle = handle;
    this.batch = batch;
    this.core.call("context_set_form", handle, form);
  }

  get core(): TestCore {
    return this.model.engine.core;
  }

  /** Puts a batch into the context's fields and begins its pass. */
  begin(tokens: readonly BatchToken[], options: PassOptions = {}): void {
    const { core, handle } = this;
    const { memory } = core;
    const visibility = options.visibility ?? (options.mask ? Visibility.MASK : Visibility.CAUSAL);
    memory.write(
      core.call("context_ids", handle),
      Uint32Array.from(tokens, (token) => token.id),
    );
    memory.write(
      core.call("context_positions", handle),
      Int32Array.from(tokens, (token) => token.position),
    );
    memory.write(
      core.call("context_sequences", handle),
      Uint32Array.from(tokens, (token) => token.sequence ?? 0),
    );
    memory.write(
      core.call("context_wanted", handle),
      Uint8Array.from(tokens, (token) => (token.wanted === false ? 0 : 1)),
    );
    core.call("context_set_visibility", handle, visibility);
    if (options.mask) {
      const stride = (this.batch + 7) >> 3;
      const bits = new Uint8Array(stride * this.batch);
      for (const [i, seen] of options.mask.entries()) for (const j of seen) bits[i * stride + (j >> 3)] |= 1 << (j & 7);
      memory.write(core.call("context_mask", handle), bits);
    }
    this.model.engine.do("context_begin", handle, tokens.length, options.first ?? 0, options.end ?? this.model.layers);
  }

  /** Runs a pass over a batch: the logits of each token that asks for them; none when it was given up. */
  run(tokens: readonly BatchToken[], options: PassOptions = {}): Float32Array[] {
    this.begin(tokens, options);
    for (this.steps = 0; ; this.steps++) {
      if (this.steps > MOST_STEPS) throw new Error("the pass hangs");
      if (options.onStep?.(this.steps) === false) {
        this.core.call("context_abort", this.handle);
        return [];
      }
      const status = this.model.engine.do("context_step", this.handle);
      if (status === DONE) break;
      if (status === NEED_DATA) feed(this.core, "context", this.handle, this.model.files);
    }
    const wanted = tokens.filter((token) => token.wanted !== false).length;
    return this.logits(wanted);
  }

  /** Logits of all tokens, in passes of `chunk` tokens. */
  runChunks(tokens: readonly BatchToken[], chunk: number): Float32Array[] {
    const rows: Float32Array[] = [];
    for (let at = 0; at < tokens.length; at += chunk) rows.push(...this.run(tokens.slice(at, at + chunk)));
    return rows;
  }

  logits(rows: number): Float32Array[] {
    const { vocabulary } = this.model;
    const base = address(this.core.call("context_logits", this.handle));
    return Array.from({ length: rows }, (_, i) => this.core.f32(base + i * vocabulary * 4, vocabulary));
  }

  /** The residual stream of `tokens` tokens. */
  get hiddenAt(): number {
    return address(this.core.call("context_hidden", this.handle));
  }

  rows(sequence: number, layer = 0): number {
    return this.core.call("sequence_rows", this.handle, sequence, layer);
  }

  drop(sequence: number, from: number, to: number, first = 0, end = this.model.layers): void {
    this.model.engine.do("sequence_drop", this.handle, sequence, from, to, first, end);
  }

  share(from: number, to: number, begin: number, end: number): void {
    this.model.engine.do("sequence_share", this.handle, from, to, begin, end);
  }

  shift(sequence: number, from: number, to: number, delta: number): void {
    this.model.engine.do("sequence_shift", this.handle, sequence, from, to, delta);
  }

  merge(sequence: number, layer: number, target: number, source: number, weight: number): void {
    this.model.engine.do("sequence_merge", this.handle, sequence, layer, target, source, weight);
  }

  reset(): void {
    this.core.call("context_reset", this.handle);
  }

  release(): void {
    this.core.call("context_release", this.handle);
  }
}

export interface Options {
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  seed?: number | bigint;
}

export interface Generated {
  ids: number[];
  /** The text of each step, in bytes: a random model's are not always UTF-8. */
  pieces: Uint8Array[];
  text: string;
  finish: number;
  logprobs: number[];
  /** Of each token, the best ones: id and log probability. */
  top: [id: number, logprob: number][][];
  steps: number;
}

export class EngineSession {
  readonly context: EngineContext;
  readonly handle: number;

  constructor(context: EngineContext, sequence = 0) {
    this.context = context;
    const { core } = context;
    this.handle = context.model.engine.handle(core.call("session_create", core.core, context.handle, sequence));
  }

  get core(): TestCore {
    return this.context.core;
  }

  get tokens(): number[] {
    const count = this.core.call("session_count", this.handle);
    return [...this.core.u32(address(this.core.call("session_tokens", this.handle)), count)];
  }

  get evaluated(): number {
    return this.core.call("session_evaluated", this.handle);
  }

  /** Calls an export with bytes in the core's memory, and throws its error. */
  #with(name: string, bytes: Uint8Array, length: number, ...rest: number[]): number {
    const pointer = this.core.put(bytes.length ? bytes : new Uint8Array(1));
    const status = this.core.call(name, this.handle, pointer, length, ...rest);
    this.core.release(pointer);
    return this.context.model.engine.check(status);
  }

  append(input: string | readonly number[], flags = 3): number {
    if (typeof input === "string") {
      const bytes = new TextEncoder().encode(input);
      return this.#with("session_append_text", bytes, bytes.length, flags);
    }
    return this.#with("session_append_tokens", new Uint8Array(Uint32Array.from(input).buffer), input.length);
  }

  replace(ids: readonly number[]): void {
    this.#with("session_replace_tokens", new Uint8Array(Uint32Array.from(ids).buffer), ids.length);
  }

  rewind(count: number): void {
    this.core.call("session_rewind", this.handle, count);
  }

  addStop(stop: string | Uint8Array): void {
    const bytes = typeof stop === "string" ? new TextEncoder().encode(stop) : stop;
    this.#with("session_add_stop", bytes, bytes.length);
  }

  configure({ temperature = 0, topK = 0, topP = 1, minP = 0, repeatPenalty = 1, seed = 0 }: Options): void {
    this.context.model.engine.do("session_configure", this.handle, temperature, topK, topP, minP, repeatPenalty);
    this.core.call("session_seed", this.handle, BigInt(seed));
  }

  begin(maxTokens: number, logprobs = 0, top = 0): void {
    this.context.model.engine.do("session_begin", this.handle, maxTokens, logprobs, top);
  }

  /** Generates to the end, and asserts that no piece ends within a UTF-8 character. */
  generate(maxTokens: number, top = -1, onToken?: (token: number) => void): Generated {
    this.begin(maxTokens, top >= 0 ? 1 : 0, Math.max(top, 0));
    const { core, handle } = this;
    const result: Generated = { ids: [], pieces: [], text: "", finish: 0, logprobs: [], top: [], steps: 0 };
    for (; ; result.steps++) {
      if (result.steps > MOST_STEPS) throw new Error("the generation hangs");
      const status = this.context.model.engine.do("session_step", handle);
      if (status === NEED_DATA) feed(core, "context", this.context.handle, this.context.model.files);
      if (status === DONE) break;
      if (status !== TOKEN) continue;
      result.ids.push(core.call("session_token", handle));
      onToken?.(core.call("session_token", handle));
      result.pieces.push(core.u8(address(core.call("session_text", handle)), core.call("session_text_length", handle)));
      if (top < 0) continue;
      result.logprobs.push(core.call("session_logprob", handle));
      const ids = core.u32(address(core.call("session_top_ids", handle)), top);
      const logprobs = core.f32(address(core.call("session_top_logprobs", handle)), top);
      result.top.push(Array.from(ids, (id, i) => [id, logprobs[i]]));
    }
    result.finish = core.call("session_finish", handle);
    result.text = decodeText(Buffer.concat(result.pieces));
    assert.is(result.pieces.map((piece) => decodeText(piece)).join(""), result.text, "pieces are whole characters");
    return result;
  }

  save(): Uint8Array {
    const bytes = Number(this.core.call("session_save_bytes", this.handle));
    const pointer = this.core.allocate(bytes);
    this.context.model.engine.do("session_save", this.handle, pointer);
    const saved = this.core.u8(pointer, bytes);
    this.core.release(pointer);
    return saved;
  }

  restore(saved: Uint8Array): void {
    this.#with("session_restore", saved, saved.length);
  }

  release(): void {
    this.core.call("session_release", this.handle);
  }
}
