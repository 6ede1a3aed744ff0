/** A context with its batches and passes, and what is done to the rows of its sequences, by the raw exports. */
import { address } from "../../bindings/memory.ts";
import { Form, Merge, Status, Visibility } from "../../bindings/numbers.ts";
import type { TestCore } from "./core.ts";
import { feed } from "./feed.ts";
import type { ContextShape, EngineModel } from "./model.ts";
import { MOST_STEPS } from "./refused.ts";

const { DONE, NEED_DATA } = Status;

/** Tokens that are spread over a vocabulary of 512. */
export const spread = (count: number, seed = 97): number[] =>
  Array.from({ length: count }, (_, i) => (i * 389 + seed) % 512);

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

export interface PassOptions {
  first?: number;
  end?: number;
  visibility?: number;
  /** Visibility.MASK: which tokens of the batch each token may see. */
  mask?: readonly (readonly number[])[];
  /** The batch is read by an encoder: there are no logits. */
  isSource?: boolean;
  /** Called before each step; false gives the pass up. */
  onStep?: (step: number) => boolean | undefined;
}

/** Which rows of a layer stay. `scores` is an address. */
export interface Eviction {
  sequence?: number;
  layer?: number;
  scores?: number;
  important?: number;
  recent?: number;
  sinks?: number;
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
    const { first = 0, end = this.model.layers } = options;
    if (options.isSource) this.model.engine.do("context_begin_source", handle, tokens.length);
    else this.model.engine.do("context_begin", handle, tokens.length, first, end);
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
    const wanted = options.isSource ? 0 : tokens.filter((token) => token.wanted !== false).length;
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

  /** How many rows went. `scores` and `threshold` are addresses. */
  evict(
    { sequence = 0, layer = 0, scores = 0, important = 0, recent = 1, sinks = 0 }: Eviction,
    { merge = Merge.NONE as number, threshold = 0, beta = 0.5 } = {},
  ): number {
    const rows = [important, recent, sinks];
    return this.model.engine.do(
      "sequence_evict",
      this.handle,
      sequence,
      layer,
      scores,
      ...rows,
      merge,
      threshold,
      beta,
    );
  }

  reset(): void {
    this.core.call("context_reset", this.handle);
  }

  release(): void {
    this.core.call("context_release", this.handle);
  }
}
