/** A core that loads models, and a model with the contexts and sessions over it, by the raw exports. */
import { address } from "../../bindings/memory.ts";
import { KvType, Status, Streamed } from "../../bindings/numbers.ts";
import { EngineContext } from "./context.ts";
import { type Build, loadCore, type TestCore } from "./core.ts";
import { feed } from "./feed.ts";
import { EngineError, MOST_STEPS } from "./refused.ts";
import { EngineSession } from "./session.ts";

const { DONE, NEED_DATA } = Status;
const { F16 } = KvType;

/** What stays in the file, and the bytes of the row cache; where experts do, those of their cache. */
export interface Streaming {
  streamed: number;
  rowCache: number;
  slabCache?: number;
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
    { streamed, rowCache, slabCache }: Streaming = NOT_STREAMED,
  ): EngineModel {
    const parts = files instanceof Uint8Array ? [files] : files;
    const handle = this.handle(this.core.call("model_create", this.core.core, parts.length, vocabularyOnly ? 1 : 0));
    const model = new EngineModel(this, handle, parts);
    this.do("model_stream", handle, streamed, rowCache);
    if (slabCache !== undefined) this.do("model_stream_experts", handle, slabCache);
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

  /** A session of `rows` tokens that keeps fewer rows, by a policy. */
  keeping(policy: KeptRows, shape: ContextShape = {}): EngineSession {
    const { core } = this.engine;
    const { rows = 128, batch = 64, logitRows = batch, kv = F16 } = shape;
    const [kept, ...rules] = policyNumbers(policy);
    const sizes = [rows, kept, batch, logitRows, kv, Number(policy.shared ?? false)];
    const handle = core.call("context_create_kept", core.core, this.handle, ...sizes);
    const session = new EngineSession(new EngineContext(this, this.engine.handle(handle), shape));
    this.engine.do("session_set_policy", session.handle, ...rules);
    return session;
  }

  /** The bytes of its context and its policy. */
  keepingBytes(policy: KeptRows, { rows = 128, batch = 64, logitRows = batch, kv = F16 }: ContextShape = {}): number {
    const [kept, scored] = policyNumbers(policy);
    const sizes = [rows, kept, batch, logitRows, kv, scored, Number(policy.shared ?? false)];
    return Number(this.engine.core.call("context_kept_bytes", this.handle, ...sizes));
  }

  /** A session over a context of its own, or over one sequence of `context`. */
  session(shape: ContextShape = {}, context = this.context(shape), sequence = 0): EngineSession {
    return new EngineSession(context, sequence);
  }

  release(): void {
    this.engine.do("model_release", this.handle);
  }
}

/** Which rows a session keeps. */
export interface KeptRows {
  kept: number;
  /** On average: layers share them. */
  shared?: boolean;
  scored?: boolean;
  recent?: number;
  sinks?: number;
  merge?: number;
  every?: number;
  beta?: number;
}

function policyNumbers(policy: KeptRows): number[] {
  const { kept, scored = true, recent = 0.5, sinks = 4, merge = 0, every = 8, beta = 0.5 } = policy;
  return [kept, scored ? 1 : 0, recent, sinks, merge, every, beta];
}

function dimensions({ rows = 128, batch = 64, logitRows = batch, sequences = 1, kv = F16 }: ContextShape): number[] {
  return [rows, batch, logitRows, sequences, kv];
}
