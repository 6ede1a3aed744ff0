/**
 * Drafts: a program while it is built: the steps of all layers, one after the other, with the values that they make,
 * the tensors that they declare, and the states and ropes of the layers. The words of papers stand in builder.ts.
 */
import { declare, hasTensor, ignoreTensor, tensorRows } from "./declare";
import { Metadata } from "./metadata";
import { Flag, INPUT_SEGMENT, NOTHING, Op, Place, Step, Value } from "./program";
import { HAS_CHUNKS } from "../parts";
import { Core, ErrorCode } from "../memory/core";
import { Gguf } from "../files/gguf";
import { Rope } from "../state/rope";
import { FORM_BYTES, StateKind, StateShape } from "../state/shape";
import { Weight, Weights } from "../weights/weight";

export const LAYER_LIMIT: u32 = 1024;
export const WIDTH_LIMIT: u32 = 1 << 20;
/** Steps, values and weights of a layer on average at most, and of what stands beside the layers. */
const LAYER_ROOM: u32 = ASC_LOW_MEMORY_LIMIT ? 64 : 128;
/** Kinds of state that the layers of one model have at most, and ropes. */
const STATE_LIMIT: u32 = 8;
const ROPE_LIMIT: u32 = 4;
/** Bytes for the numbers that an architecture reads (models/hyper_parameters.ts). */
const NUMBERS_BYTES: usize = 256;

/** What a layer asked for, while a program is built. */
@unmanaged
export class LayerDraft {
  /** The state that it asked for: a number once its rows are written, NOTHING: none. */
  state: u32;
  stateLayer: u32;
  stateKind: u32;
  heads: u32;
  first: u32;
  second: u32;
  window: u32;
  isChunked: u32;
  /** Values of its recurrent state, and once they are all known its state and its number there. */
  recurrentValues: u32;
  recurrent: u32;
  recurrentLayer: u32;
  firstWeight: u32;
  /** Set by finish.ts: its steps, its kind, and whether it is the layer whose steps the kind keeps. */
  firstStep: u32;
  steps: u32;
  kind: u32;
  isKept: u32;
}

@unmanaged
export class Drafts extends Metadata {
  weights: Weights;
  segment: u32;
  room: u32;
  values: usize;
  valueCount: u32;
  steps: usize;
  stepCount: u32;
  /** Of each declared weight whether it belongs to no layer: u32; and how many do. */
  shared: usize;
  sharedCount: u32;
  /** The declared weights, once the program has its own table of them. */
  declared: usize;
  states: usize;
  stateCount: u32;
  ropes: usize;
  ropeCount: u32;
  drafts: usize;
  numbers: usize;
  /** What tensors of layers are called, 0: blk; and the number that the layer at work has there. */
  stack: usize;
  number: u32;
  /** Flags of all steps that are written from now on. */
  marks: u32;

  value(id: u32): Value {
    return changetype<Value>(this.values + <usize>id * offsetof<Value>());
  }

  step(index: u32): Step {
    return changetype<Step>(this.steps + <usize>index * offsetof<Step>());
  }

  draft(layer: u32): LayerDraft {
    return changetype<LayerDraft>(this.drafts + <usize>layer * offsetof<LayerDraft>());
  }

  state(index: u32): StateShape {
    return changetype<StateShape>(this.states + <usize>index * offsetof<StateShape>());
  }

  ropeAt(index: u32): Rope {
    return changetype<Rope>(this.ropes + <usize>index * offsetof<Rope>());
  }

  weightAt(place: u32): Weight {
    return this.weights.at(place & ~Place.SHARED);
  }

  width(x: u32): u32 {
    return this.value(x).width;
  }

  /** A new value [tokens, width]. */
  vector(width: u32): u32 {
    const id = this.valueCount;
    if (id + 1 >= this.room) {
      this.refuse(ErrorCode.UNSUPPORTED, "a layer of the model has more than {} values", LAYER_ROOM);
      return id;
    }
    this.valueCount += 1;
    const value = this.value(id);
    value.width = width;
    value.base = id;
    value.segment = this.segment;
    return id;
  }

  /** A new value with the rows of another. */
  like(x: u32, width: u32): u32 {
    const id = this.vector(width);
    this.value(id).extent = this.value(x).extent;
    return id;
  }

  /**
   * A new step; an input that is left out is NOTHING. Defaults here are plain numbers: for constants with names asc
   * makes a second function and a global that changes.
   */
  append(op: u32, out: u32, in0: u32 = 0xffff_ffff, in1: u32 = 0xffff_ffff): Step {
    if (this.stepCount + 1 >= this.room) {
      this.refuse(ErrorCode.UNSUPPORTED, "a layer of the model has more than {} steps", LAYER_ROOM);
    } else this.stepCount += 1;
    const step = this.step(this.stepCount - 1);
    memory.fill(changetype<usize>(step), 0, offsetof<Step>());
    step.op = op;
    step.out = out;
    step.out2 = NOTHING;
    step.in0 = in0;
    step.in1 = in1;
    step.in2 = NOTHING;
    step.weight = NOTHING;
    step.bias = NOTHING;
    step.weight2 = NOTHING;
    step.segment = this.segment;
    step.flags = this.marks;
    return step;
  }

  /** The layer that is written; NOTHING beside the layers. */
  get layerAtWork(): u32 {
    return this.segment != INPUT_SEGMENT && this.segment <= this.layers ? this.segment - 1 : NOTHING;
  }

  /** The number of that layer among those that its tensors are counted with; NOTHING beside the layers. */
  get numberAtWork(): u32 {
    return this.layerAtWork == NOTHING ? NOTHING : this.number;
  }

  /** What the names of its tensors begin with. */
  get stackName(): string {
    return this.stack ? changetype<string>(this.stack) : "blk.";
  }

  /**
   * The tensors of the layer at work are called `name`<number>.…: those of an encoder beside a decoder. The number may
   * be NOTHING: tensors of no layer, whose steps are the layer's.
   */
  stackOf(name: string, number: u32): void {
    this.stack = changetype<usize>(name);
    this.number = number;
  }

  /** Whether the file has the tensor `name`.weight of this layer. */
  hasWeight(name: string): bool {
    return hasTensor(this.gguf, this.stackName, this.numberAtWork, name, ".weight");
  }

  /** Rows of the tensor `name`.weight of this layer; `otherwise` where the file has none. */
  rowsIn(name: string, otherwise: u32): u32 {
    const rows = tensorRows(this.gguf, this.stackName, this.numberAtWork, name, ".weight");
    return rows == 0 || rows > WIDTH_LIMIT ? otherwise : <u32>rows;
  }

  /** The file may have the tensor `name` + `suffix` of this layer, which nothing reads. */
  leaveOut(name: string, suffix: string): void {
    ignoreTensor(this.gguf, this.stackName, this.numberAtWork, name, suffix);
  }

  /**
   * Declares the tensor `name` + `suffix` of this layer, or of none outside the layers, {columns, rows}: its number
   * among the declared, or NOTHING. Of a tensor of `whole` rows (a vector: columns) it may be those from `from` on; one
   * of three dimensions holds `slabs` matrices one behind the other.
   */
  find(
    name: string, suffix: string, columns: u32, rows: u32, kind: u32, required: bool, from: u32 = 0, whole: u32 = 0,
    slabs: u32 = 1,
  ): u32 {
    if (this.error) return NOTHING;
    const layer = this.numberAtWork;
    const index = this.weights.count;
    if (index + 1 >= this.room) {
      this.refuse(ErrorCode.UNSUPPORTED, "a layer of the model has more than {} tensors", LAYER_ROOM);
      return NOTHING;
    }
    const weight = this.weights.at(index);
    memory.fill(changetype<usize>(weight), 0, offsetof<Weight>());
    this.error = declare(
      this.core, this.gguf, weight, this.stackName, layer, name, suffix, columns, rows, kind, required, from, whole,
      slabs,
    );
    if (this.error || weight.rows == 0) return NOTHING;
    this.weights.count += 1;
    store<u32>(this.shared + ((<usize>index) << 2), layer == NOTHING ? 1 : 0);
    return layer == NOTHING ? index | Place.SHARED : index;
  }

  /** The weight that was declared last is one of no layer from now on: its place there. */
  shareWeight(place: u32): u32 {
    store<u32>(this.shared + ((<usize>place) << 2), 1);
    return place | Place.SHARED;
  }

  /** A rope that nobody has described yet; its number. */
  newRope(): u32 {
    if (this.ropeCount == ROPE_LIMIT) {
      this.refuse(ErrorCode.UNSUPPORTED, "the model turns positions in more than {} ways", ROPE_LIMIT);
      return 0;
    }
    this.ropeAt(this.ropeCount).angles = NOTHING;
    return this.ropeCount++;
  }

  /**
   * The state of the layer at work, whose rows are written with keys `key`: layers that ask for the same, and turn
   * their keys alike, share one. How keys were turned is kept, so that rows can be moved.
   */
  stateOf(key: u32): StateShape {
    const draft = this.draft(this.segment - 1);
    if (draft.stateKind == StateKind.NONE || draft.stateKind == StateKind.RECURRENT) {
      this.refuse(ErrorCode.UNSUPPORTED, "the architecture writes state in a layer that keeps none");
      return this.state(0);
    }
    const shape = this.state(this.stateCount);
    memory.fill(changetype<usize>(shape), 0, offsetof<StateShape>());
    shape.kind = draft.stateKind;
    shape.heads = draft.heads;
    shape.first = draft.first;
    shape.second = draft.second;
    shape.window = draft.window;
    if (HAS_CHUNKS) shape.isChunked = draft.isChunked;
    this.rememberTurn(shape, key);
    draft.state = this.placeOf(shape);
    draft.stateLayer = this.state(draft.state).layers++;
    return this.state(draft.state);
  }

  /** The number of the state of this shape, which is the one behind the last: that one, or one that is alike. */
  private placeOf(shape: StateShape): u32 {
    for (let i: u32 = 0; i < this.stateCount; i++) {
      if (memory.compare(this.state(i).form, shape.form, FORM_BYTES) == 0) return i;
    }
    if (this.stateCount == STATE_LIMIT) {
      this.refuse(ErrorCode.UNSUPPORTED, "the model's layers keep more than {} kinds of state", STATE_LIMIT);
      return 0;
    }
    return this.stateCount++;
  }

  /** The recurrent states of the layers, once all of their steps are written. */
  placeRecurrent(): void {
    for (let layer: u32 = 0; layer < this.layers; layer++) {
      const draft = this.draft(layer);
      draft.recurrent = NOTHING;
      if (draft.recurrentValues == 0) continue;
      const shape = this.state(this.stateCount);
      memory.fill(changetype<usize>(shape), 0, offsetof<StateShape>());
      shape.kind = StateKind.RECURRENT;
      shape.heads = 1;
      shape.first = draft.recurrentValues;
      draft.recurrent = this.placeOf(shape);
      draft.recurrentLayer = this.state(draft.recurrent).layers++;
    }
  }

  /** Whether a norm made `x` of `y`: what was turned before it cannot be turned further behind it. */
  private isMadeOf(x: u32, y: u32): bool {
    for (let i = this.stepCount; i > 0; i--) {
      const step = this.step(i - 1);
      if (step.out == x) return step.op == Op.RMS_NORM && step.in0 == y;
    }
    return false;
  }

  /** The rope whose angles a value holds. */
  private ropeOf(angles: u32): u32 {
    for (let i: u32 = 0; i < this.ropeCount; i++) if (this.ropeAt(i).angles == angles) return i;
    return 0;
  }

  private rememberTurn(shape: StateShape, key: u32): void {
    for (let i = this.stepCount; i > 0; i--) {
      const step = this.step(i - 1);
      if (step.segment != this.segment) return;
      if (step.op != Op.ROPE) continue;
      if (this.isMadeOf(key, step.out)) shape.isFixed = 1;
      if (step.out != key) continue;
      shape.rope = this.ropeOf(step.in1) + 1;
      shape.ropePairs = step.n2;
      shape.ropeFrom = step.n1;
      shape.ropeNeighbours = step.flags & Flag.NEIGHBOURS;
      return;
    }
  }
}

/** Bytes of drafts of `own` bytes for a model of `layers` layers, with what lies behind them. */
export function draftBytes(own: usize, layers: u32): u64 {
  const room = <u64>roomOf(layers);
  return (
    <u64>own +
    NUMBERS_BYTES +
    room * (offsetof<Value>() + offsetof<Step>() + offsetof<Weight>() + 4) +
    <u64>(STATE_LIMIT + 1) * offsetof<StateShape>() +
    <u64>ROPE_LIMIT * offsetof<Rope>() +
    <u64>layers * offsetof<LayerDraft>() +
    64
  );
}

@inline
function roomOf(layers: u32): u32 {
  return (layers + 1) * LAYER_ROOM;
}

/** Lays drafts out in their memory, zeroed, of `draftBytes(own, layers)`. `weights.table` becomes their own. */
export function initDrafts(d: Drafts, own: usize, core: Core, gguf: Gguf, weights: Weights, layers: u32): void {
  const room = roomOf(layers);
  d.core = core;
  d.gguf = gguf;
  d.weights = weights;
  d.room = room;
  d.layers = layers;
  d.numbers = (changetype<usize>(d) + own + 7) & ~(<usize>7);
  d.values = d.numbers + NUMBERS_BYTES;
  d.steps = d.values + <usize>room * offsetof<Value>();
  weights.table = (d.steps + <usize>room * offsetof<Step>() + 7) & ~(<usize>7);
  weights.count = 0;
  d.shared = weights.table + <usize>room * offsetof<Weight>();
  d.states = d.shared + ((<usize>room) << 2);
  d.ropes = d.states + <usize>(STATE_LIMIT + 1) * offsetof<StateShape>();
  d.drafts = d.ropes + <usize>ROPE_LIMIT * offsetof<Rope>();
}
