/**
 * A context: what the passes of a program need beside its weights: the state of sequences, the batch, where the pass
 * is, the values of its steps, and the logits. Several sequences may live in one context.
 *
 * The unit of work is a batch: a flat list of tokens, each with its sequence and position, of any mixture. A value has
 * one row a token that is still in the pass, in batch order ("active"), no padding.
 *
 *     buffers  │ ids … row │ values and what steps need, as planned (program/plan.ts) │ visible │ scratch │ visible │ …
 *              └ one each ─┘└──────────── places[values + steps] ─────────────────────┘└ main thread ──────┘└ another's
 */
import { Threads, isIdle, threadSlots } from "./threads";
import { Core } from "../memory/core";
import { blockBytes, release } from "../memory/arena";
import { GUARD_BYTES, fence } from "../memory/guards";
import { HAS_ADAPTERS, HAS_CORE_NEURONS, HAS_RECURRENT, HAS_SAMPLERS } from "../parts";
import { CoreNeurons } from "../program/core_neurons";
import { Flag, Op, Place, Program } from "../program/program";
import { Rows, bookkeepingBytes, initRows, poolBytes } from "../state/rows";
import { Rope, isLong } from "../state/rope";
import { statesHeld } from "../state/recurrent";
import { StateKind, StateShape } from "../state/shape";
import { rowBytes } from "../state/kinds";
import { AdapterSet, SET_BYTES, lowRankBytes } from "../weights/low_rank";
import { REQUEST_BYTES, Requests } from "../weights/requests";
import { tokensAtOnce } from "../weights/tables";
import { mostRequests, packedTileBytes, tileBytes } from "../weights/tiles";
import { TABLES_OF_HASH, Weight } from "../weights/weight";

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

/** Where in the program a pass is. */
export namespace Running {
  export const IDLE: u32 = 0;
  export const INPUT: u32 = 1;
  export const LAYERS: u32 = 2;
  export const OUTPUT: u32 = 3;
}

/** Tokens of a pass at most. */
export const BATCH_LIMIT: u32 = 8192;

/** Positions stay below this: RoPE's angles are exact to 1e-12 up to here. */
export const POSITION_LIMIT: i32 = 1_000_000;

/** Multiply-adds of a slice of work: some tens of milliseconds in a browser, a whole token of a small model. */
export const STEP_WORK: i64 = 1 << 28;

const CONTEXT_TAG: u32 = 0x544e4f43; // "CONT"

@unmanaged
export class Context {
  tag: u32;
  core: Core;
  program: Program;
  /** How many contexts the model has open: a field of its record. */
  openContexts: usize;
  /** Type of the values of state: F32, F16 or Q8_0. */
  kvType: u32;
  batchCapacity: u32;
  logitCapacity: u32;
  /** Rows that a token sees at most, and sequences. */
  rowCapacity: u32;
  sequences: u32;
  /** Tokens that a sequence may have, and the rows that a layer keeps of them where a policy says which; or 0. */
  mostTokens: u32;
  mostKept: u32;
  form: u32;
  /** 1: the pass at work reads a source, through the encoder. */
  isSource: u32;
  /** 1: its passes make vectors of texts, no logits; and how their rows are pooled (Pooling). */
  isForTexts: u32;
  pooling: u32;

  // The batch.
  tokens: u32;
  visibility: u32;

  // Where the pass is: it never lies on the wasm stack, so that a slice may end anywhere.
  running: u32;
  /** Passes begun so far: tells whose pass is at work. */
  passes: u64;
  layer: u32;
  firstLayer: u32;
  endLayer: u32;
  /** The step at work, and the one behind the last of its segment. */
  step: u32;
  endStep: u32;
  /**
   * How far the step has come: rows of a matrix, tokens, heads; in which of its parts; and whether its operand is
   * made.
   */
  cursor: u32;
  part: u32;
  operandReady: u32;
  /** Multiply-adds that this slice may still do, and that a slice may do in all. */
  work: i64;
  stepWork: i64;
  /** Tokens still in the pass. */
  active: u32;
  /** This layer's latent attention runs expanded. */
  expanded: u32;
  /** 1: a slice ends behind each step, so that a host can time it. */
  traced: u32;
  /** Rows of logits that the pass makes. */
  logitRows: u32;
  /** Parts that the heads of a token are split into, when threads share few tokens. */
  headParts: u32;

  /** f32[layers · places], or 0: attention, summed over heads, is added to each row. Costs nothing unless asked for. */
  mass: usize;
  /**
   * Tokens of the batch from this one on may be taken back: what each attends to is written behind `mass`, into an
   * array of its own.
   */
  massFrom: u32;
  /** Where taps are written (Tap), or 0. */
  tap0: usize;
  tap1: usize;
  tap2: usize;

  threads: Threads;
  /** Buffers of a thread's own lie so far apart: see `ofThread`. */
  threadBytes: usize;

  /** AdapterSet[sequences + 1] and what their products need (weights/low_rank.ts), from the first set on; or 0. */
  adapterSets: usize;

  // Blocks of the arena.
  poolBlock: usize;
  listBlock: usize;
  bufferBlock: usize;

  // What the host writes; a pass has a copy of its own, so that nothing changes under it.
  /**
   * u32[batch]: the tokens of the next pass, their sequences; i32[batch]: positions; u8[batch]: 1 where logits are
   * asked
   */
  nextIds: usize;
  nextSequences: usize;
  nextPositions: usize;
  nextWanted: usize;

  /** u32[batch]: the tokens of the pass */
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
  /** u32[lists]: their lengths before the pass, to undo it */
  lengthsBefore: usize;
  /** u64[layers]: exact zeros behind ReLU² in the last pass, and activations there */
  zeros: usize;
  activations: usize;
  /** f32[rows] */
  massScratch: usize;
  /** Room to turn or to merge a row of state. */
  row: usize;
  /** usize[values + steps]: where they lie */
  places: usize;
  /** The values and what steps need for themselves. */
  planned: usize;

  // Each thread has its own: these are the main thread's.
  /** u32[rows]: the rows that the current token sees, when they are not a prefix of its list */
  visible: usize;
  /** The kernels' scratch */
  scratch: usize;

  // Rows that are there already (replace.ts).
  /** 1: the tokens of the pass at work write into the rows that stand at their positions. */
  replaces: u32;
  /** Tokens that a sequence may have. */
  @inline
  get tokenCapacity(): u32 {
    return HAS_SAMPLERS && this.mostTokens ? this.mostTokens : this.rowCapacity;
  }

  /** Rows that a layer keeps of them. */
  @inline
  get keptRows(): u32 {
    return HAS_SAMPLERS && this.mostKept ? this.mostKept : this.rowCapacity;
  }

  /** What its one sequence leaves out and counts (program/core_neurons.ts), or null; 1: the pass at work is sparse. */
  neurons: CoreNeurons;
  isSparse: u32;

  get requests(): Requests {
    return changetype<Requests>(changetype<usize>(this) + offsetof<Context>());
  }

  /** The rows of a kind of state. */
  rows(state: u32): Rows {
    const first = changetype<usize>(this) + offsetof<Context>() + offsetof<Requests>();
    return changetype<Rows>(first + <usize>state * offsetof<Rows>());
  }

  /** Whether the rows that layers keep are shared among them (`mostHeld`). */
  get isShared(): bool {
    for (let i: u32 = 0; HAS_SAMPLERS && i < this.program.stateCount; i++) if (this.rows(i).shared) return true;
    return false;
  }

  /** The rows of the state of the layer at work, and the layer's number there. */
  get state(): Rows {
    return this.rows(this.program.layer(this.layer).state);
  }

  get stateLayer(): u32 {
    return this.program.layer(this.layer).stateLayer;
  }

  /** The first row of a value. */
  @inline
  at(value: u32): usize {
    return load<usize>(this.places + <usize>value * sizeof<usize>());
  }

  /** Bytes from one row of a value to the next. */
  stride(value: u32): usize {
    const p = this.program;
    return (<usize>p.value(p.value(value).base).width) << 2;
  }

  /** What the step at work has for itself. */
  get stepScratch(): usize {
    return load<usize>(this.places + <usize>(this.program.valueCount + this.step) * sizeof<usize>());
  }

  /** The weight that a step of the layer at work names, or what stands for it in a sparse pass. */
  weight(place: u32): Weight {
    const weight = this.program.weight(this.layer, place);
    if (!HAS_CORE_NEURONS || !this.isSparse || this.running != Running.LAYERS) return weight;
    return this.neurons.standIn(this.layer, weight);
  }

  /** Which weight of the model that is. */
  weightIndex(place: u32): u32 {
    return place & Place.SHARED ? place & ~Place.SHARED : this.program.layer(this.layer).firstWeight + place;
  }

  /** The adapters of a sequence, where some sequence has any; behind the last one is room for another set. */
  @inline
  adapterSet(sequence: u32): AdapterSet {
    return changetype<AdapterSet>(this.adapterSets + <usize>sequence * SET_BYTES);
  }

  /** Where the tap of a name is written, 0: nobody asked. */
  tap(name: u32): usize {
    return load<usize>(changetype<usize>(this) + offsetof<Context>("tap0") + <usize>name * sizeof<usize>());
  }

  setTap(name: u32, target: usize): void {
    store<usize>(changetype<usize>(this) + offsetof<Context>("tap0") + <usize>name * sizeof<usize>(), target);
  }

  /** A buffer of a thread's own, `pointer` being the main thread's. */
  @inline
  ofThread(pointer: usize, thread: u32): usize {
    return pointer + <usize>thread * this.threadBytes;
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

/** A handle that came from a host: false for anything that is not a context. */
@inline
export function isContext(c: Context): bool {
  return changetype<usize>(c) != 0 && c.tag == CONTEXT_TAG;
}

export function tagContext(c: Context): void {
  c.tag = CONTEXT_TAG;
}

export function contextRecordBytes(p: Program): usize {
  return offsetof<Context>() + offsetof<Requests>() + <usize>p.stateCount * offsetof<Rows>();
}

/**
 * Rows that a layer of a state holds in a context of `tokens` tokens, of which `rows` are kept: of a window what all
 * sequences see, and some behind it, so that a batch has room and a sequence can go back as many tokens as a batch has;
 * of recurrent states a few.
 */
export function rowsHeld(s: StateShape, tokens: u32, rows: u32, batch: u32, sequences: u32): u32 {
  if (HAS_RECURRENT && s.kind == StateKind.RECURRENT) return statesHeld(sequences);
  if (s.window == 0) return rows;
  return <u32>min<u64>(HAS_SAMPLERS ? tokens : rows, <u64>sequences * s.window + 2 * <u64>batch);
}

/** Rows that a layer has at most where each keeps `kept`, or where that is what they share: budgets are e apart. */
@inline
export function mostHeld(tokens: u32, kept: u32, isShared: bool): u32 {
  return HAS_SAMPLERS && isShared ? <u32>min<f64>(tokens, <f64>kept * Math.E + 1) : kept;
}

/** The rows a layer that layers of a state share; 0: they share none. */
@inline
function sharedOf(s: StateShape, kept: u32, isShared: bool): u32 {
  return HAS_SAMPLERS && isShared && choosesRows(s) ? kept : 0;
}

/** Whether a policy chooses the rows that layers of a state keep: others forget by themselves. */
@inline
export function choosesRows(s: StateShape): bool {
  return s.window == 0 && (s.kind == StateKind.KEY_VALUE || s.kind == StateKind.LATENT);
}

/** Rows that a token sees at most. */
export function rowsSeen(p: Program, tokens: u32, rows: u32, batch: u32, sequences: u32): u32 {
  let most = rows;
  for (let i: u32 = 0; HAS_SAMPLERS && i < p.stateCount && rows < tokens; i++) {
    if (p.state(i).window != 0) most = max(most, rowsHeld(p.state(i), tokens, rows, batch, sequences));
  }
  return most;
}

/** Bytes of the pools of all kinds of state. */
export function stateBytes(
  p: Program, tokens: u32, kept: u32, batch: u32, sequences: u32, kvType: u32, isShared: bool = false,
): u64 {
  let bytes: u64 = 0;
  const rows = mostHeld(tokens, kept, isShared);
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const s = p.state(i);
    const held = rowsHeld(s, tokens, rows, batch, sequences);
    bytes += poolBytes(s.layers, held, rowBytes(s, kvType), sharedOf(s, kept, isShared));
  }
  return bytes;
}

/** Lists of a sequence. */
function listCount(p: Program): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < p.stateCount; i++) count += p.state(i).layers;
  return count;
}

/** Bytes of their lists. */
export function listBytes(p: Program, tokens: u32, kept: u32, batch: u32, sequences: u32, isShared: bool = false): u64 {
  let bytes: u64 = 0;
  const rows = mostHeld(tokens, kept, isShared);
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const s = p.state(i);
    const held = rowsHeld(s, tokens, rows, batch, sequences);
    bytes += bookkeepingBytes(s.layers, held, sequences, sharedOf(s, kept, isShared));
  }
  return bytes;
}

/** Makes the rows of all kinds of state in the context's blocks. */
export function initState(c: Context, isShared: bool): void {
  const p = c.program;
  let pool = c.poolBlock;
  let lists = c.listBlock;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const shape = p.state(i);
    const bytes = rowBytes(shape, c.kvType);
    const most = mostHeld(c.tokenCapacity, c.keptRows, isShared);
    const held = rowsHeld(shape, c.tokenCapacity, most, c.batchCapacity, c.sequences);
    const shared = sharedOf(shape, c.keptRows, isShared);
    initRows(c.rows(i), shape, held, c.sequences, bytes, pool, lists, shared);
    pool += <usize>poolBytes(shape.layers, held, bytes, shared);
    lists += <usize>bookkeepingBytes(shape.layers, held, c.sequences, shared);
  }
}

/**
 * Lays the buffers out one after the other from `base`, each at a 64-byte boundary, and gives the bytes they take;
 * `planned` bytes are those of the plan, `scratch` those that the kernels of one thread ask for. With no context it
 * only counts: so the memory plan and the memory are the same function.
 */
export function layOut(
  c: Context, p: Program, base: usize, rows: u32, batch: u32, sequences: u32, planned: u64, scratch: u64,
): u64 {
  const w = p.weights;
  const token = <u64>batch * 4;
  let end = lay(c, offsetof<Context>("ids"), base, 0, token);
  end = lay(c, offsetof<Context>("nextIds"), base, end, token);
  end = lay(c, offsetof<Context>("nextSequences"), base, end, token);
  end = lay(c, offsetof<Context>("nextPositions"), base, end, token);
  end = lay(c, offsetof<Context>("nextWanted"), base, end, batch);
  end = lay(c, offsetof<Context>("sequenceOf"), base, end, token);
  end = lay(c, offsetof<Context>("positions"), base, end, token);
  end = lay(c, offsetof<Context>("wanted"), base, end, batch);
  end = lay(c, offsetof<Context>("mask"), base, end, <u64>batch * ((batch + 7) >> 3));
  end = lay(c, offsetof<Context>("activeToken"), base, end, token);
  end = lay(c, offsetof<Context>("lengthsBefore"), base, end, <u64>sequences * listCount(p) * 4);
  end = lay(c, offsetof<Context>("zeros"), base, end, <u64>p.layerCount * 8);
  end = lay(c, offsetof<Context>("activations"), base, end, <u64>p.layerCount * 8);
  end = lay(c, offsetof<Context>("massScratch"), base, end, <u64>rows * 4);
  end = lay(c, offsetof<Context>("row"), base, end, rowWorkBytes(p));
  end = lay(c, offsetof<Context>("places"), base, end, <u64>(p.valueCount + p.stepCount) * sizeof<usize>());
  const list = offsetof<Context>();
  const found = max(mostRequests(w, batch), rowsAtOnce(p, batch));
  end = lay(c, list + offsetof<Requests>("list"), base, end, <u64>mostRequests(w, batch) * REQUEST_BYTES);
  end = lay(c, list + offsetof<Requests>("tile"), base, end, tileBytes(w, batch));
  end = lay(c, list + offsetof<Requests>("packedTile"), base, end, packedTileBytes(w));
  end = lay(c, list + offsetof<Requests>("rowsFound"), base, end, <u64>found * sizeof<usize>());
  end = lay(c, offsetof<Context>("planned"), base, end, planned);
  const thread = end;
  end = lay(c, offsetof<Context>("visible"), base, end, <u64>rows * 4);
  end = lay(c, offsetof<Context>("scratch"), base, end, scratch);
  if (changetype<usize>(c) != 0) {
    c.threadBytes = <usize>(end - thread);
    c.requests.batch = batch;
    placeValues(c);
  }
  return end + (end - thread) * (threadSlots(p.weights.core) - 1);
}

function lay(c: Context, field: usize, base: usize, end: u64, bytes: u64): u64 {
  const next = end + ((bytes + 63) & ~(<u64>63)) + GUARD_BYTES;
  if (changetype<usize>(c) != 0) {
    store<usize>(changetype<usize>(c) + field, base + <usize>end);
    fence(c.bufferBlock, base + <usize>(end + bytes), base + <usize>next);
  }
  return next;
}

/** The plan's offsets become addresses. */
function placeValues(c: Context): void {
  const p = c.program;
  let at = c.places;
  for (let id: u32 = 0; id < p.valueCount; id++, at += sizeof<usize>()) {
    const value = p.value(id);
    const base = p.value(value.base);
    store<usize>(at, base.bytes ? c.planned + <usize>base.offset + ((<usize>value.from) << 2) : 0);
  }
  for (let i: u32 = 0; i < p.stepCount; i++, at += sizeof<usize>()) {
    const step = p.step(i);
    store<usize>(at, step.scratch ? c.planned + <usize>step.offset : 0);
  }
}

/** Room to turn a row's keys and for their angles, or to merge two vectors. */
function rowWorkBytes(p: Program): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const s = p.state(i);
    if (s.kind == StateKind.RECURRENT) continue;
    const values = max<u64>(
      <u64>s.heads * s.first + 2 * s.ropePairs, 2 * <u64>max(s.first, max(s.second, s.ropePairs)),
    );
    most = max(most, values + 2 * s.ropePairs);
  }
  return most * 4;
}

/** Most rows of look-up tables that are found at once. */
function rowsAtOnce(p: Program, batch: u32): u32 {
  if (p.chunks == 0) return 0;
  for (let i: u32 = 0; i < p.weights.count; i++) {
    const weight = p.weights.at(i);
    if (weight.isTable) return tokensAtOnce(weight, TABLES_OF_HASH, batch) * TABLES_OF_HASH * p.chunks;
  }
  return 0;
}

/** Bytes that a context takes as soon as one of its sequences has adapters. */
export function adapterBytes(p: Program, sequences: u32): u64 {
  let columns: u32 = 0;
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) {
      const s = p.step(i);
      if (s.op == Op.LINEAR && s.has(Flag.OPERAND)) columns = max(columns, p.weight(layer, s.weight).columns);
    }
  }
  return lowRankBytes(sequences, columns);
}

/** A sequence has no adapters any more. */
export function clearAdapters(c: Context, sequence: u32): void {
  if (!HAS_ADAPTERS || c.adapterSets == 0) return;
  const set = c.adapterSet(sequence);
  for (let i: u32 = 0; i < set.count; i++) set.member(i).adapter.users -= 1;
  set.count = 0;
  set.isMixed = 0;
}

export function releaseContext(c: Context): void {
  c.tag = 0;
  for (let sequence: u32 = 0; HAS_ADAPTERS && sequence < c.sequences; sequence++) clearAdapters(c, sequence);
  store<u32>(c.openContexts, load<u32>(c.openContexts) - 1);
  // A thread that does not come back may still write here: then the memory stays taken.
  if (isIdle(c.threads)) releaseBlocks(c);
}

export function releaseBlocks(c: Context): void {
  release(c.core, c.poolBlock);
  release(c.core, c.listBlock);
  release(c.core, c.bufferBlock);
  if (HAS_ADAPTERS) release(c.core, c.adapterSets);
  if (HAS_CORE_NEURONS) release(c.core, changetype<usize>(c.neurons));
  release(c.core, changetype<usize>(c));
}

/** Bytes of linear memory that a context takes, whose buffers take `buffers`. */
export function contextTotal(
  p: Program, tokens: u32, kept: u32, batch: u32, sequences: u32, kvType: u32, buffers: u64, isShared: bool,
): u64 {
  return (
    blockBytes(contextRecordBytes(p)) +
    blockBytes(stateBytes(p, tokens, kept, batch, sequences, kvType, isShared)) +
    blockBytes(listBytes(p, tokens, kept, batch, sequences, isShared)) +
    blockBytes(buffers)
  );
}

/** The factors f32[pairs] that divide the angles of a rope in this context, or 0. */
export function ropeFactors(c: Context, rope: Rope): usize {
  const weight = isLong(rope, c.tokenCapacity) ? rope.longFactors : rope.factors;
  return weight ? c.program.weights.at(weight - 1).data : 0;
}

/** The address of row `i` of rows `stride` bytes apart. */
@inline
export function rowAt(base: usize, i: u32, stride: usize): usize {
  return base + <usize>i * stride;
}

/** The address of row `i` of [rows, width] f32. */
@inline
export function rowOf(base: usize, i: u32, width: u32): usize {
  return base + ((<usize>i * width) << 2);
}
