/**
 * A context: what a forward pass of a model needs beside its weights: the cache, the batch, the state of the pass, the
 * buffers of the activations, and the logits. Several sequences may live in one context.
 *
 * The unit of work is a batch: a flat list of tokens, each with its sequence and position, of any mixture. Buffers hold
 * one row a token that is still in the pass, in batch order ("active"): [active, width] f32, no padding.
 */
import { Core, ErrorCode, fail, say, sayInteger, sayNumber } from "../memory/core";
import { allocate, allocateRaw, blockBytes, release } from "../memory/arena";
import { layOut } from "./buffers";
import { Cache, bookkeepingBytes, clearCache, freeRows, initCache, poolBytes, truncateList } from "../state/rows";
import { Model, ModelState } from "../engine/model";
import { Pool, settled } from "./threads";
import { Weight } from "../weights/weight";
import { isKvType, ropeKeyType, vectorBytes } from "../kernels/attention/kv_codec";

/** How multi-head latent attention is computed. */
export namespace Form {
  /** Expanded for long chunks of one sequence, else absorbed. */
  export const AUTO: u32 = 0;
  export const ABSORBED: u32 = 1;
  export const EXPANDED: u32 = 2;
}

/** What a token may see of its own sequence. */
export namespace Visibility {
  /** Rows at its own position and before it. */
  export const CAUSAL: u32 = 0;
  /** Every row: an encoder. */
  export const ALL: u32 = 1;
  /** Rows from before the batch, and of the batch those that the mask allows: drafts and trees. */
  export const MASK: u32 = 2;
}

/** Positions stay below this: RoPE's angles are exact to 1e-12 up to here. */
export const POSITION_LIMIT: i32 = 1_000_000;

/** Multiply-adds of a step: some tens of milliseconds in a browser, a whole token of a small model. */
const STEP_WORK: i64 = 1 << 28;

const CONTEXT_TAG: u32 = 0x544e4f43; // "CONT"

@unmanaged
export class Context {
  tag: u32;
  core: Core;
  model: Model;
  /** Type of the cache's values: F32, F16 or Q8_0. */
  kvType: u32;
  batchCapacity: u32;
  logitCapacity: u32;
  form: u32;

  // The batch.
  tokens: u32;
  visibility: u32;

  // The state of the pass: it never lies on the wasm stack, so that a step may end anywhere.
  running: u32;
  /** Passes begun so far: tells whose pass is at work. */
  passes: u64;
  layer: u32;
  endLayer: u32;
  stage: u32;
  /** How far the stage has come: rows of a matrix, tokens, heads. */
  cursor: u32;
  /** Which of the matrices that a stage multiplies with one after the other. */
  part: u32;
  /** Multiply-adds that this step may still do, and that a step may do in all. */
  work: i64;
  stepWork: i64;
  /** Tokens still in the pass. */
  active: u32;
  /** 1 once `angles` are made for this pass. */
  anglesReady: u32;
  /** MLA: this layer runs expanded. */
  expanded: u32;
  /** The buffer that `quantized` holds, 0: none, and in which form. */
  quantizedOf: usize;
  quantizedForm: u32;
  /** Streamed weights: rows of the tile that were asked for, 0: none; and how many ranges of the file they are. */
  tileRows: u32;
  requestCount: u32;
  /** Rows of logits that the pass makes. */
  logitRows: u32;
  /**
   * f32[layers · rows] of the host, or 0: attention mass is added to each row of the pool. Costs nothing unless asked
   * for.
   */
  mass: usize;

  // The job at work: what a stage sets before it shares it among threads (pool.ts).
  pool: Pool;
  jobWeight: Weight;
  jobOperand: usize;
  jobTarget: usize;
  /** First row, token or head of the job. */
  jobFrom: u32;
  /** Parts that a token's heads are split into; matrices or tables that are taken together. */
  jobParts: u32;
  /** The slot of the first of them. Memory layers: the bits of a code. */
  jobSlot: u32;
  jobBits: u32;
  /** Buffers of a thread's own lie so far apart: see `ofSlot`. */
  slotBytes: usize;

  // Blocks of the arena.
  poolBlock: usize;
  listBlock: usize;
  bufferBlock: usize;

  // The buffers, in the order of `Buffer` (buffers.ts); f32 unless another type is named.
  /** u32[batch]: the tokens, written by the host */
  ids: usize;
  /** u32[batch] */
  sequenceOf: usize;
  /** i32[batch] */
  positions: usize;
  /** u8[batch]: 1 where logits are asked for */
  wanted: usize;
  /** Visibility.MASK: bit j of row i (rows of ceil(batch/8) bytes): token i may see token j */
  mask: usize;
  /** u32[batch]: indices in the batch of the tokens still in the pass */
  activeToken: usize;
  /** u32[batch]: where in its sequence's list the current layer put a token's row */
  listIndex: usize;
  /** u32[sequences, layers]: lengths of the lists before the pass, to undo it */
  marks: usize;
  /** The residual stream [active, hidden] */
  hidden: usize;
  /** [active, hidden] */
  normed: usize;
  /** What a branch adds to the stream: [active, hidden] */
  projected: usize;
  /** [active, heads · keySize] */
  query: usize;
  /** [active, kvHeads · keySize], or MLA: [active, rank + ropeSize] */
  key: usize;
  /** [active, kvHeads · valueSize] */
  value: usize;
  /** [active, heads · valueSize] */
  attended: usize;
  /** [active, ffn] */
  gate: usize;
  /** [active, ffn] */
  up: usize;
  /** MLA absorbed: [active, heads · rank] */
  queryLatent: usize;
  /** [active, heads · rank] */
  attendedLatent: usize;
  /** Cosines and sines of each token's angles: [active, ropeSize] */
  angles: usize;
  /** One cache row, f32 */
  row: usize;
  /** Quantised activations of the matrix at work */
  quantized: usize;
  /** MLA expanded: u32[active], how many rows each token sees */
  counts: usize;
  /** [rows, rank] */
  latents: usize;
  /** [rows, ropeSize] */
  ropeKeys: usize;
  /** One head's keys and values: [rows, nope + valueSize] */
  expandedHead: usize;
  /** f32[logitRows, vocabulary]: the rows asked for, in batch order */
  logits: usize;
  /** u64[layers]: exact zeros after the FFN's ReLU² in the last pass */
  zeros: usize;
  /** u64[layers]: activations seen there */
  activations: usize;
  /** f32[rows] */
  massScratch: usize;
  /** Streamed weights: rows as they lie in the file, and packed. */
  tile: usize;
  packedTile: usize;
  /** Request[]: what a pass that answers NEED_DATA wants (requests.ts) */
  requests: usize;
  /** usize[tokens, tables, chunks]: where the rows of tables lie that a stage wants (table.ts) */
  rowsFound: usize;
  /** Memory layers: u32[active, chunks]: the codes of a row's chunks */
  codes: usize;
  /** [active, chunks]: how sure they are */
  sureness: usize;

  // Of each thread its own: these are the main thread's.
  /** u32[rows]: the rows that the current token sees, when they are not a prefix of its list */
  visible: usize;
  /** One token's rope parts: [heads, ropeSize] */
  queryRope: usize;
  /** The kernels' scratch */
  scratch: usize;

  @inline
  get cache(): Cache {
    return changetype<Cache>(changetype<usize>(this) + offsetof<Context>());
  }

  /** A buffer of a thread's own, `pointer` being the main thread's. */
  @inline
  ofSlot(pointer: usize, slot: u32): usize {
    return pointer + <usize>slot * this.slotBytes;
  }

  @inline
  token(activeIndex: u32): u32 {
    return load<u32>(this.activeToken + ((<usize>activeIndex) << 2));
  }

  @inline
  position(token: u32): i32 {
    return load<i32>(this.positions + ((<usize>token) << 2));
  }

  @inline
  sequence(token: u32): u32 {
    return load<u32>(this.sequenceOf + ((<usize>token) << 2));
  }
}

const CONTEXT_BYTES: usize = offsetof<Context>() + offsetof<Cache>();

/** Bytes of linear memory that a context of this shape takes, without making it. */
export function contextBytes(model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32): u64 {
  return (
    blockBytes(CONTEXT_BYTES) +
    blockBytes(poolBytes(model.layers, rows, cacheRowBytes(model, kvType))) +
    blockBytes(bookkeepingBytes(model.layers, rows, sequences)) +
    blockBytes(layOut(changetype<Context>(0), model, 0, rows, batch, logitRows, sequences))
  );
}

/** Bytes of a cache row of one layer. */
export function cacheRowBytes(model: Model, kvType: u32): u32 {
  if (model.rank) return vectorBytes(kvType, model.rank) + vectorBytes(ropeKeyType(kvType), model.ropeSize);
  return model.kvHeads * (vectorBytes(kvType, model.keySize) + vectorBytes(kvType, model.valueSize));
}

/**
 * Makes a context: `rows` cache rows a layer, at most `batch` tokens a pass and `logitRows` rows of logits. 0: see the
 * error.
 */
export function createContext(
  core: Core,
  model: Model,
  rows: u32,
  batch: u32,
  logitRows: u32,
  sequences: u32,
  kvType: u32,
): Context {
  const none = changetype<Context>(0);
  if (model.state != ModelState.READY) {
    fail(core, ErrorCode.WRONG_STATE, "the model is not loaded yet");
    return none;
  }
  if (model.vocabularyOnly) {
    fail(core, ErrorCode.UNSUPPORTED, "this file holds a vocabulary alone, no weights: it can tokenize, not generate");
    return none;
  }
  if (rows < 1 || rows > <u32>POSITION_LIMIT || batch < 1 || batch > 4096 || sequences < 1 || sequences > 256) {
    fail(
      core, ErrorCode.BAD_ARGUMENT, "a context takes 1 to 1000000 rows, 1 to 4096 tokens a batch, 1 to 256 sequences",
    );
    return none;
  }
  if (logitRows < 1 || logitRows > batch) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a context gives logits of at least one token and at most a batch");
    return none;
  }
  if (!isKvType(kvType)) {
    fail(core, ErrorCode.UNSUPPORTED, "the cache holds F32 (type 0), F16 (type 1) or Q8_0 (type 8), not type ");
    sayNumber(core, kvType);
    return none;
  }
  const block = allocate(core, CONTEXT_BYTES, "a context");
  if (block == 0) return none;
  const c = changetype<Context>(block);
  c.core = core;
  c.pool = changetype<Pool>(core.pool);
  c.model = model;
  c.kvType = kvType;
  c.batchCapacity = batch;
  c.logitCapacity = logitRows;
  c.stepWork = STEP_WORK;
  const cache = c.cache;
  cache.layers = model.layers;
  cache.capacity = rows;
  cache.sequences = sequences;
  cache.rowBytes = cacheRowBytes(model, kvType);
  c.poolBlock = allocateRaw(core, poolBytes(model.layers, rows, cache.rowBytes), "the KV cache");
  if (c.poolBlock != 0) {
    c.listBlock = allocateRaw(core, bookkeepingBytes(model.layers, rows, sequences), "the cache's lists");
  }
  if (c.listBlock != 0) {
    c.bufferBlock = allocate(
      core, layOut(changetype<Context>(0), model, 0, rows, batch, logitRows, sequences), "activations",
    );
  }
  if (c.bufferBlock == 0) {
    releaseBlocks(c);
    return none;
  }
  layOut(c, model, c.bufferBlock, rows, batch, logitRows, sequences);
  initCache(cache, c.poolBlock, c.listBlock);
  c.tag = CONTEXT_TAG;
  model.contexts += 1;
  return c;
}

/** A handle that came from a host: false for anything that is not a context. */
@inline
export function isContext(c: Context): bool {
  return changetype<usize>(c) != 0 && c.tag == CONTEXT_TAG;
}

export function releaseContext(c: Context): void {
  c.tag = 0;
  c.model.contexts -= 1;
  // A thread that does not come back may still write here: then the memory stays taken.
  if (settled(c.pool)) releaseBlocks(c);
}

function releaseBlocks(c: Context): void {
  release(c.core, c.poolBlock);
  release(c.core, c.listBlock);
  release(c.core, c.bufferBlock);
  release(c.core, changetype<usize>(c));
}

/**
 * Begins a pass over the batch that the host wrote: `tokens` tokens through layers [firstLayer, endLayer). Entered at a
 * later layer, the hidden states are those the host put into `hidden`; stopped before the last, no logits are made and
 * the hidden states stay there. Everything that can be wrong is found here, before anything changes.
 */
export function beginPass(c: Context, tokens: u32, firstLayer: u32, endLayer: u32): i32 {
  const core = c.core;
  const model = c.model;
  const cache = c.cache;
  if (c.running) {
    return fail(core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it");
  }
  if (tokens < 1 || tokens > c.batchCapacity) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a batch of this context has 1 to ");
    sayNumber(core, c.batchCapacity);
    say(core, " tokens, not ");
    sayNumber(core, tokens);
    return core.errorCode;
  }
  if (firstLayer >= endLayer || endLayer > model.layers) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "the layers of a pass are a range of the model's layers that is not empty",
    );
  }
  let rowsAsked: u32 = 0;
  for (let i: u32 = 0; i < tokens; i++) {
    const id = load<u32>(c.ids + ((<usize>i) << 2));
    if (id >= model.vocabulary) {
      fail(core, ErrorCode.BAD_ARGUMENT, "the token ");
      sayInteger(core, <i64>(<i32>id));
      say(core, " is not in the vocabulary of ");
      sayNumber(core, model.vocabulary);
      return core.errorCode;
    }
    if (c.sequence(i) >= cache.sequences) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a token of the batch names a sequence that the context has not");
    }
    if (c.position(i) < 0 || c.position(i) >= POSITION_LIMIT) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a token's position must lie between 0 and 999999");
    }
    if (load<u8>(c.wanted + i)) rowsAsked += 1;
  }
  if (rowsAsked > c.logitCapacity) {
    fail(core, ErrorCode.BAD_ARGUMENT, "this context gives logits of at most ");
    sayNumber(core, c.logitCapacity);
    say(core, " tokens a batch, and ");
    sayNumber(core, rowsAsked);
    say(core, " are asked for");
    return core.errorCode;
  }
  if (freeRows(cache) < tokens) return contextFull(c, tokens);
  for (let sequence: u32 = 0; sequence < cache.sequences; sequence++) {
    let mine: u32 = 0;
    for (let i: u32 = 0; i < tokens; i++) if (c.sequence(i) == sequence) mine += 1;
    for (let layer: u32 = 0; layer < model.layers; layer++) {
      const count = cache.list(sequence, layer).count;
      if (mine > cache.capacity - count) return contextFull(c, tokens);
      store<u32>(c.marks + ((<usize>sequence * model.layers + layer) << 2), count);
    }
  }
  for (let i: u32 = 0; i < tokens; i++) store<u32>(c.activeToken + ((<usize>i) << 2), i);
  memory.fill(c.zeros, 0, <usize>model.layers * 8);
  memory.fill(c.activations, 0, <usize>model.layers * 8);
  c.tokens = tokens;
  c.active = tokens;
  c.layer = firstLayer;
  c.endLayer = endLayer;
  c.stage = 0;
  c.cursor = 0;
  c.part = 0;
  c.quantizedOf = 0;
  c.anglesReady = 0;
  c.tileRows = 0;
  c.requestCount = 0;
  c.logitRows = rowsAsked;
  c.passes += 1;
  c.running = firstLayer == 0 ? Running.EMBEDDING : Running.LAYERS;
  return 0;
}

/** Where in the network a pass is. */
export namespace Running {
  export const IDLE: u32 = 0;
  export const EMBEDDING: u32 = 1;
  export const LAYERS: u32 = 2;
  export const HEAD: u32 = 3;
}

/** Gives up a pass: the rows that it wrote are dropped, and the context is as it was before. */
export function abortPass(c: Context): void {
  if (!c.running) return;
  const cache = c.cache;
  for (let sequence: u32 = 0; sequence < cache.sequences; sequence++) {
    for (let layer: u32 = 0; layer < cache.layers; layer++) {
      truncateList(cache, sequence, layer, load<u32>(c.marks + ((<usize>sequence * cache.layers + layer) << 2)));
    }
  }
  c.running = Running.IDLE;
}

/** Forgets every sequence. */
export function resetContext(c: Context): void {
  c.running = Running.IDLE;
  clearCache(c.cache);
}

function contextFull(c: Context, tokens: u32): i32 {
  const core = c.core;
  fail(core, ErrorCode.CONTEXT_FULL, "the context of ");
  sayNumber(core, c.cache.capacity);
  say(core, " tokens is full: ");
  sayNumber(core, tokens);
  say(core, " more do not fit; make it longer (--ctx N, { context: N }) or begin a new session");
  return core.errorCode;
}
