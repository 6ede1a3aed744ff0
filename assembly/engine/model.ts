/**
 * A model: the life of a loaded file. The loader (load.ts) reads its header, its vocabulary and its weights; what a
 * pass of it is stands in its program.
 */
import { Core } from "../memory/core";
import { Gguf } from "../files/gguf";
import { Context } from "../pass/context";
import { Program } from "../program/program";
import { Adapter } from "../weights/low_rank";
import { Weights } from "../weights/weight";

export namespace ModelState {
  export const HEADER: u32 = 0;
  /** The header is read, sizes are known, no weight is in memory. */
  export const PLANNED: u32 = 1;
  export const WEIGHTS: u32 = 2;
  export const READY: u32 = 3;
  export const FAILED: u32 = 4;
}

const MODEL_TAG: u32 = 0x4c444f4d; // "MODL"

@unmanaged
export class Model {
  tag: u32;
  core: Core;
  state: u32;
  vocabularyOnly: u32;
  /** Shards of the file; u32[files]: their Gguf records while loading, after it the first holds all. */
  files: u32;
  filesParsed: u32;
  shards: usize;
  gguf: Gguf;
  tokenizer: usize;
  /** A chat template of the host's, as a string lies in a file; 0: that of the file counts. */
  template: usize;
  /** Tokens of the vocabulary. */
  vocabulary: u32;
  /** What a pass of it is: from PLANNED on, where the file has weights. */
  program: Program;
  /** The same, with steps for what a host may ask of it; made when first asked for. */
  tapped: Program;

  // Loading.
  staging: usize;
  stagingBytes: u32;
  /** u32[]: weight indices in file order. */
  order: usize;
  orderCount: u32;
  orderIndex: u32;
  /** Rows of the current weight that are in memory. */
  rowsDone: u32;
  rowsAsked: u32;
  loadedBytes: u64;

  // The one range asked for when a step returns NEED_DATA (load.ts).
  requestFile: u32;
  requestLength: u32;
  requestOffset: u64;
  requestDestination: usize;

  /** Contexts and adapters that use this model: it cannot be released before them. */
  contexts: u32;

  /** Of an adapter's file: the model that it is for, and its pairs, in one block with its weights' records. */
  base: Model;
  adapter: Adapter;

  @inline
  get weights(): Weights {
    return changetype<Weights>((changetype<usize>(this) + offsetof<Model>() + 7) & ~(<usize>7));
  }

  /** Where contexts are counted. */
  @inline
  get openContexts(): usize {
    return changetype<usize>(this) + offsetof<Model>("contexts");
  }

  /** Whether it has a program: a file of a vocabulary alone has none. */
  @inline
  get hasProgram(): bool {
    return changetype<usize>(this.program) != 0;
  }
}

/** Bytes of a model's record, with that of its weights. */
export const MODEL_BYTES: usize = offsetof<Model>() + 8 + offsetof<Weights>();

export function tagModel(model: Model): void {
  model.tag = MODEL_TAG;
}

/** A handle that came from a host: false for anything that is not a model. */
@inline
export function isModel(model: Model): bool {
  return changetype<usize>(model) != 0 && model.tag == MODEL_TAG;
}

/** The model of a context. */
export function modelOf(c: Context): Model {
  return changetype<Model>(c.openContexts - offsetof<Model>("contexts"));
}
