/** Vectors of texts by the raw exports: a context for texts, and what it makes of token ids. */
import { KvType, Pooling, Status, Visibility } from "../../bindings/numbers.ts";
import { spread } from "./context.ts";
import { feed } from "./feed.ts";
import type { Engine, EngineModel } from "./model.ts";
import { modelBytes } from "./models.ts";
import { MOST_STEPS } from "./refused.ts";

const { DONE, NEED_DATA } = Status;

/** Token ids of texts that goldens are of: a separator within the first (137), one of a token, one of other lengths. */
export const TEXTS: number[][] = [spread(19), [5], spread(33, 11)];

export { Pooling };

export interface TextShape {
  batch?: number;
  sequences?: number;
  /** As the file says where it is left out. */
  pooling?: number;
  /** Work of a step; the core's own where it is left out. */
  work?: number;
  /** Of the cache, of models that have one; F16 where it is left out. */
  kv?: number;
}

export interface TextOptions {
  normalised?: boolean;
  dimensions?: number;
  /** Which tokens of the batch each token may see. */
  mask?: readonly (readonly number[])[];
}

export class TextContext {
  readonly model: EngineModel;
  readonly handle: number;
  readonly batch: number;
  /** Steps of the last pass. */
  steps = 0;

  constructor(model: EngineModel, { batch = 64, sequences = 32, pooling, work, kv = KvType.F16 }: TextShape = {}) {
    const { core } = model.engine;
    const wanted = pooling ?? core.call("model_pooling", model.handle);
    const handle = core.call("context_create_for_texts", core.core, model.handle, batch, batch, sequences, kv, wanted);
    this.model = model;
    this.handle = model.engine.handle(handle);
    this.batch = batch;
    if (work !== undefined) core.call("context_set_step_work", this.handle, BigInt(work));
  }

  /** Values of a vector. */
  get width(): number {
    return this.model.engine.core.call("model_vector_width", this.model.handle);
  }

  /** Begins a pass over texts, one behind the other. */
  begin(texts: readonly (readonly number[])[], { mask }: TextOptions = {}): void {
    const { core } = this.model.engine;
    const { memory } = core;
    const tokens = texts.flatMap((ids, sequence) => ids.map((id, position) => ({ id, position, sequence, ids })));
    const pooling = core.call("context_pooling", this.handle);
    const isWanted = ({ position, ids }: (typeof tokens)[number]) =>
      pooling === Pooling.CLS ? position === 0 : pooling === Pooling.LAST ? position === ids.length - 1 : true;
    const put = (name: string, values: Uint32Array | Int32Array | Uint8Array) =>
      memory.write(core.call(name, this.handle), values);
    put(
      "context_ids",
      Uint32Array.from(tokens, ({ id }) => id),
    );
    put(
      "context_positions",
      Int32Array.from(tokens, ({ position }) => position),
    );
    put(
      "context_sequences",
      Uint32Array.from(tokens, ({ sequence }) => sequence),
    );
    put(
      "context_wanted",
      Uint8Array.from(tokens, (token) => (isWanted(token) ? 1 : 0)),
    );
    core.call("context_set_visibility", this.handle, mask ? Visibility.MASK : Visibility.CAUSAL);
    if (mask) {
      const stride = (this.batch + 7) >> 3;
      const bits = new Uint8Array(stride * this.batch);
      for (const [i, seen] of mask.entries()) for (const j of seen) bits[i * stride + (j >> 3)] |= 1 << (j & 7);
      put("context_mask", bits);
    }
    this.model.engine.do("context_begin", this.handle, tokens.length, 0, this.model.layers);
  }

  /** The vectors of texts, or with Pooling.NONE those of their tokens, one behind the other. */
  encode(texts: readonly (readonly number[])[], options: TextOptions = {}): Float32Array[] {
    const { core } = this.model.engine;
    this.begin(texts, options);
    for (this.steps = 0; ; this.steps++) {
      if (this.steps > MOST_STEPS) throw new Error("the pass hangs");
      const status = this.model.engine.do("context_step", this.handle);
      if (status === DONE) break;
      if (status === NEED_DATA) feed(core, "context", this.handle, this.model.files);
    }
    const { dimensions = this.width, normalised = false } = options;
    const target = core.allocate(4 * dimensions);
    const count = core.call("context_vector_count", this.handle);
    const vectors = Array.from({ length: count }, (_, i) => {
      this.model.engine.do("context_put_vector", this.handle, i, dimensions, normalised ? 1 : 0, target);
      return core.f32(target, dimensions);
    });
    core.release(target);
    return vectors;
  }

  release(): void {
    this.model.engine.core.call("context_release", this.handle);
  }
}

/** What a made model makes of texts, each in a pass of its own. */
export function vectorsOf(
  engine: Engine,
  bytes: Uint8Array | string,
  texts: readonly (readonly number[])[],
  shape: TextShape = {},
): Float32Array[] {
  const model = engine.load(typeof bytes === "string" ? modelBytes(bytes, "F32") : bytes);
  const context = new TextContext(model, shape);
  const vectors = texts.flatMap((ids) => context.encode([ids]));
  context.release();
  model.release();
  return vectors;
}

/** The largest difference of two lists of vectors. */
export const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  a.length === b.length
    ? Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)
    : Number.POSITIVE_INFINITY;

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb);
}

/** One list of the values of several. */
export const joined = (rows: readonly Float32Array[]): Float32Array => {
  const values = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    values.set(row, at);
    at += row.length;
  }
  return values;
};
