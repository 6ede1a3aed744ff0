/**
 * A context: what a forward pass of a model needs beside its weights: the cache, the batch, the state of the pass, the
 * buffers of the activations, and the logits. Several sequences may live in one context.
 *
 * The unit of work is a batch: a flat list of tokens, each with its sequence and position, of any mixture. Buffers hold
 * one row a token that is still in the pass, in batch order ("active"): [active, width] f32, no padding.
 *
 * May call: core.ts, arena.ts, pool.ts, model.ts, weight.ts, cache.ts, kernels/ (sizes only).
 */
import { Core, ErrorCode, fail, say, sayInteger, sayNumber } from "./core";
import { allocate, allocateRaw, blockBytes, release } from "./arena";
import { Cache, bookkeepingBytes, clearCache, freeRows, initCache, poolBytes, truncateList } from "./cache";
import { Global, Model, ModelState, Slot } from "./model";
import { Pool, settled, slotsOf } from "./pool";
import { GROUP_ROWS, Weight, WeightState } from "./weight";
import { OperandForm, formBytes, mostFormBytes } from "../kernels/quant/forms";
import { rowValueBytes } from "../kernels/cache_row";
import { attendScratchBytes } from "../kernels/attention";
import { absorbedScratchBytes, expandedScratchBytes } from "../kernels/mla";
import { accumulateScratchBytes, matmulScratchBytes } from "../kernels/matmul";
import { packedGroupBytes } from "../kernels/quant/index";
import { neuronScratchBytes } from "../kernels/quant/neuron";
import { Type, rowBytes } from "../kernels/quant/types";

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
  /** Type of the cache's values: Type.F32 or Type.F16. */
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
  /** Streamed weights: rows of the tile that was asked for, 0: none; and the range of the file that it is. */
  tileRows: u32;
  requestFile: u32;
  requestLength: u32;
  requestOffset: u64;
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
  /** Parts that a token's heads are split into. */
  jobParts: u32;
  /** Buffers of a thread's own lie so far apart: see `ofSlot`. */
  slotBytes: usize;

  // Blocks of the arena.
  poolBlock: usize;
  listBlock: usize;
  bufferBlock: usize;

  // The buffers, in the order of `Buffer`; f32 unless another type is named.
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
  return model.rowValues * rowValueBytes(kvType);
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
  if (kvType != Type.F32 && kvType != Type.F16) {
    fail(core, ErrorCode.UNSUPPORTED, "the cache holds F32 (type 0) or F16 (type 1), not type ");
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

/** The buffers by number, in the order of their fields. */
namespace Buffer {
  export const IDS: u32 = 0;
  export const SEQUENCE_OF: u32 = 1;
  export const POSITIONS: u32 = 2;
  export const WANTED: u32 = 3;
  export const MASK: u32 = 4;
  export const ACTIVE_TOKEN: u32 = 5;
  export const LIST_INDEX: u32 = 6;
  export const MARKS: u32 = 7;
  export const HIDDEN: u32 = 8;
  export const NORMED: u32 = 9;
  export const PROJECTED: u32 = 10;
  export const QUERY: u32 = 11;
  export const KEY: u32 = 12;
  export const VALUE: u32 = 13;
  export const ATTENDED: u32 = 14;
  export const GATE: u32 = 15;
  export const UP: u32 = 16;
  export const QUERY_LATENT: u32 = 17;
  export const ATTENDED_LATENT: u32 = 18;
  export const ANGLES: u32 = 19;
  export const ROW: u32 = 20;
  export const QUANTIZED: u32 = 21;
  export const COUNTS: u32 = 22;
  export const LATENTS: u32 = 23;
  export const ROPE_KEYS: u32 = 24;
  export const EXPANDED_HEAD: u32 = 25;
  export const LOGITS: u32 = 26;
  export const ZEROS: u32 = 27;
  export const ACTIVATIONS: u32 = 28;
  export const MASS_SCRATCH: u32 = 29;
  export const TILE: u32 = 30;
  export const PACKED_TILE: u32 = 31;
  export const VISIBLE: u32 = 32;
  export const QUERY_ROPE: u32 = 33;
  export const SCRATCH: u32 = 34;
  export const COUNT: u32 = 35;
}

/**
 * Lays the buffers out one after the other from `base`, each at a 64-byte boundary, and gives the bytes they take;
 * those from VISIBLE on once a thread. With no context it only counts: so the memory plan and the memory are the same
 * function.
 */
function layOut(c: Context, model: Model, base: usize, rows: u32, batch: u32, logitRows: u32, sequences: u32): u64 {
  let end: u64 = 0;
  let slot: u64 = 0;
  for (let buffer: u32 = 0; buffer < Buffer.COUNT; buffer++) {
    if (buffer == Buffer.VISIBLE) slot = end;
    const field = changetype<usize>(c) + offsetof<Context>("ids") + <usize>buffer * sizeof<usize>();
    if (changetype<usize>(c) != 0) store<usize>(field, base + <usize>end);
    end += (bufferBytes(buffer, model, rows, batch, logitRows, sequences) + 63) & ~(<u64>63);
  }
  if (changetype<usize>(c) != 0) c.slotBytes = <usize>(end - slot);
  return end + (end - slot) * (slotsOf(model.core) - 1);
}

/** Bytes of one buffer; 0 where the architecture has no use for it. */
function bufferBytes(buffer: u32, m: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32): u64 {
  const token = <u64>batch * 4;
  const row = <u64>rows * 4;
  const latent = m.rank != 0;
  switch (buffer) {
    case Buffer.IDS:
    case Buffer.SEQUENCE_OF:
    case Buffer.POSITIONS:
    case Buffer.ACTIVE_TOKEN:
    case Buffer.LIST_INDEX: return token;
    case Buffer.WANTED: return batch;
    case Buffer.MASK: return <u64>batch * ((batch + 7) >> 3);
    case Buffer.MARKS: return <u64>sequences * m.layers * 4;
    case Buffer.VISIBLE: return row;
    case Buffer.HIDDEN:
    case Buffer.NORMED:
    case Buffer.PROJECTED: return token * m.hidden;
    case Buffer.QUERY: return token * (m.heads * m.keySize);
    case Buffer.KEY: return token * (latent ? m.rank + m.ropeSize : m.kvHeads * m.keySize);
    case Buffer.VALUE: return latent ? 0 : token * (m.kvHeads * m.valueSize);
    case Buffer.ATTENDED: return token * (m.heads * m.valueSize);
    case Buffer.GATE: return m.at(0, Slot.FFN_GATE).present ? token * m.ffn : 0;
    case Buffer.UP: return token * m.ffn;
    case Buffer.QUERY_LATENT:
    case Buffer.ATTENDED_LATENT: return latent ? token * (m.heads * m.rank) : 0;
    case Buffer.QUERY_ROPE: return latent ? <u64>(m.heads * m.ropeSize) * 4 : 0;
    case Buffer.ANGLES: return token * m.ropeSize;
    case Buffer.ROW: return <u64>m.rowValues * 4;
    case Buffer.QUANTIZED: return quantizedBytes(m, rows, batch);
    case Buffer.COUNTS: return latent ? token : 0;
    case Buffer.LATENTS: return latent ? row * m.rank : 0;
    case Buffer.ROPE_KEYS: return latent ? row * m.ropeSize : 0;
    case Buffer.EXPANDED_HEAD: return latent ? row * (m.keySize - m.ropeSize + m.valueSize) : 0;
    case Buffer.SCRATCH: return scratchBytes(m, rows, batch);
    case Buffer.TILE: return tileBytes(m, false);
    case Buffer.PACKED_TILE: return tileBytes(m, true);
    case Buffer.LOGITS: return <u64>logitRows * m.vocabulary * 4;
    case Buffer.ZEROS:
    case Buffer.ACTIVATIONS: return <u64>m.layers * 8;
    default: return row; // MASS_SCRATCH
  }
}

/** Quantised rows of the widest operand: of a token, or in MLA of a token's heads and of every row that is expanded. */
function quantizedBytes(m: Model, rows: u32, batch: u32): u64 {
  const widest = max(max(m.hidden, m.ffn), m.heads * m.valueSize);
  const operands = <u64>batch * mostFormBytes(widest);
  if (m.rank == 0) return operands;
  const latents = max(<u64>batch * m.heads, <u64>rows) * formBytes(OperandForm.TWO_SIXTEENS, m.rank);
  return max(operands, latents);
}

/** The largest tile of any weight that stays in the file, packed or as it lies there. */
function tileBytes(m: Model, packed: bool): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < m.weightCount && m.streamed; i++) {
    const weight = m.weight(i);
    if (weight.state != WeightState.STREAMED) continue;
    const row = packed ? packedGroupBytes(weight.type, weight.columns) / GROUP_ROWS : rowBytes(
      weight.type, weight.columns,
    );
    most = max(most, <u64>weight.tileRows * row);
  }
  return most;
}

/** The largest scratch that any kernel of a pass asks for. */
function scratchBytes(model: Model, rows: u32, batch: u32): u64 {
  let most: u64 = matmulScratchBytes(batch > rows ? batch : rows);
  const embedding = model.weight(Global.EMBEDDING);
  const lookup = rowBytes(embedding.type, embedding.columns);
  if (lookup > most) most = lookup;
  const nope = model.keySize - model.ropeSize;
  const attention: u64 = model.rank
    ? absorbedScratchBytes(model.heads, rows, model.rank, model.ropeSize)
    : attendScratchBytes(model.heads, rows, model.keySize, model.valueSize);
  if (attention > most) most = attention;
  const expanded: u64 = model.rank ? expandedScratchBytes(rows, nope, model.ropeSize, model.valueSize) : 0;
  if (expanded > most) most = expanded;
  // Absorbed queries multiply by the transposed up-projection; of all types F32 wants the most for it.
  const transposed: u64 = model.rank ? accumulateScratchBytes(Type.F32, model.rank) : 0;
  if (transposed > most) most = transposed;
  for (let i: u32 = 0; i < model.weightCount; i++) {
    const weight = model.weight(i);
    if (!weight.byNeurons) continue;
    const neurons: u64 = neuronScratchBytes(weight.type, weight.rows, weight.columns, batch);
    if (neurons > most) most = neurons;
  }
  return most;
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
  c.quantizedOf = 0;
  c.anglesReady = 0;
  c.tileRows = 0;
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
