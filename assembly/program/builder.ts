/**
 * The Builder: what an architecture writes its program with, in the words of its paper. One line declares and computes:
 * `b.linear(a, "attn_q", width)` finds the tensor, checks its shape, declares it, and appends the step; what it returns
 * is the number of the value that the step makes. A value is written once.
 *
 *     paper ──► steps of all layers, one after the other, in the Builder's memory ──► fuse.ts ──► finish.ts: Program
 *
 * Its error is sticky: after the first one every call does nothing, and whoever called the architecture asks once, at
 * the end. Numbers of the metadata are bounded here, so that every product of sizes fits 64 bits.
 */
import { Element, Extent, Flag, INPUT_SEGMENT, NOTHING, Op, Place, Step, Value } from "./program";
import { declare } from "./declare";
import { Core, ErrorCode, bytesOf, fail, wordsOf } from "../memory/core";
import { lettersFrom, sameText } from "../memory/bytes";
import { Gguf, findKey, flagOr, floatOr, number, numberOr, stringBytes, stringLength, textOr } from "../files/gguf";
import { StateKind, StateShape } from "../state/shape";
import { Weight, WeightKind, Weights } from "../weights/weight";
import { precisionOfLatents } from "../weights/precision";

export { StateKind };

/** How RoPE pairs the dimensions that it turns. */
export namespace Pairs {
  /** (i, i + n/2) */
  export const HALVES: u32 = 0;
  /** (2i, 2i + 1) */
  export const NEIGHBOURS: u32 = 1;
}

/** Whether a linear has a bias. */
export namespace Bias {
  /** Where the file has one. */
  export const OPTIONAL: u32 = 0;
  export const REQUIRED: u32 = 1;
}

export const LAYER_LIMIT: u32 = 1024;
export const WIDTH_LIMIT: u32 = 1 << 20;
/** Steps, values and weights of a layer at most, and of what stands beside the layers. */
const LAYER_ROOM: u32 = 64;
/** Kinds of state that the layers of one model have at most. */
const STATE_LIMIT: u32 = 8;
/** Bytes for the numbers that an architecture reads (models/hyper_parameters.ts). */
const NUMBERS_BYTES: usize = 256;

/** What a layer asked for, while a program is built. */
@unmanaged
export class LayerDraft {
  state: u32;
  stateLayer: u32;
  firstWeight: u32;
  /** Set by finish.ts: its steps, its kind, and whether it is the layer whose steps the kind keeps. */
  firstStep: u32;
  steps: u32;
  kind: u32;
  isKept: u32;
}

@unmanaged
export class Builder {
  core: Core;
  gguf: Gguf;
  weights: Weights;
  /** The first error, 0: none. */
  error: i32;

  /** What the model says of itself: set by the architecture before its first layer. */
  layers: u32;
  hidden: u32;
  vocabulary: u32;
  contextLength: u32;
  /** ε of the norms; whether RMSNorm adds it to the root. */
  epsilon: f32;
  epsilonOutside: u32;
  layerEpsilon: f32;
  ropeBase: f32;
  /** Keys and values of all heads, for comparison with the state. */
  fullHeads: u32;
  fullKeys: u32;
  fullValues: u32;
  /** Tokens of a batch that suit it. */
  batch: u32;

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
  drafts: usize;
  numbers: usize;
  stream: u32;
  logits: u32;
  angles: u32;
  chunks: u32;

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

  // Numbers of the metadata.

  /** The first error stays. */
  refuse(code: i32, sentence: string, a: u64 = 0, b: u64 = 0, c: u64 = 0, d: u64 = 0): void {
    if (this.error == 0) this.error = fail(this.core, code, sentence, a, b, c, d);
  }

  /** The file contradicts itself. */
  broken(sentence: string, a: u64 = 0, b: u64 = 0, c: u64 = 0): void {
    this.refuse(ErrorCode.BAD_FILE, sentence, a, b, c);
  }

  /** The file is sound, and limpet does not do what it asks. */
  unsupported(sentence: string): void {
    this.refuse(ErrorCode.UNSUPPORTED, sentence);
  }

  /** A whole number that the model must have; `low` after an error. */
  count(key: string, low: u32, high: u32): u32 {
    if (this.error) return low;
    return this.within(key, number(this.core, this.gguf, key), low, high);
  }

  /** A whole number that the model must have, not bounded yet; 0 after an error. */
  number(key: string): u32 {
    if (this.error) return 0;
    const value = number(this.core, this.gguf, key);
    this.error = this.gguf.error;
    return value;
  }

  countOr(key: string, otherwise: u32, low: u32, high: u32): u32 {
    if (this.error) return low;
    return this.within(key, numberOr(this.core, this.gguf, key, otherwise), low, high);
  }

  float(key: string, otherwise: f32): f32 {
    if (this.error) return otherwise;
    const value = floatOr(this.core, this.gguf, key, otherwise);
    this.error = this.gguf.error;
    return value;
  }

  flag(key: string, otherwise: bool): bool {
    if (this.error) return otherwise;
    const value = flagOr(this.core, this.gguf, key, otherwise);
    this.error = this.gguf.error;
    return value;
  }

  /** A choice of two words: 1 the second; 0 the first, or none. */
  choice(key: string, first: string, second: string): u32 {
    if (this.error) return 0;
    const text = textOr(this.core, this.gguf, key);
    this.error = this.gguf.error;
    if (text == 0) return 0;
    const name = stringBytes(text);
    const length = stringLength(text);
    if (sameText(name, length, first)) return 0;
    if (sameText(name, length, second)) return 1;
    // Keys of an architecture begin with a dot, which the sentence leaves out.
    this.refuse(
      ErrorCode.UNSUPPORTED, '{w} is "{s}"; limpet knows {w} and {w}', <u64>lettersFrom(key, 1), bytesOf(name, length),
      wordsOf(first), wordsOf(second),
    );
    return 0;
  }

  has(key: string): bool {
    return findKey(this.gguf, key) != null;
  }

  /** `value` where it lies between the bounds, else `low` and an error. */
  within(key: string, value: u32, low: u32, high: u32): u32 {
    if (this.error == 0) this.error = this.gguf.error;
    if (this.error == 0 && value >= low && value <= high) return value;
    this.refuse(
      ErrorCode.BAD_FILE, "the metadata's {w} is {}, and must lie between {} and {}; convert the model anew",
      wordsOf(key), value, low, high,
    );
    return low;
  }

  // Layers.

  /**
   * Layer `index` begins. It keeps rows of `heads` vectors of `first` values and as many of `second`
   * (state/kinds.ts).
   */
  layer(index: u32, kind: u32, heads: u32 = 0, first: u32 = 0, second: u32 = 0): void {
    this.segment = index + 1;
    const draft = this.draft(index);
    draft.firstWeight = this.weights.count;
    draft.state = kind == StateKind.NONE ? NOTHING : this.stateOf(kind, heads, first, second);
    if (draft.state == NOTHING) return;
    const shape = this.state(draft.state);
    draft.stateLayer = shape.layers;
    shape.layers += 1;
  }

  private stateOf(kind: u32, heads: u32, first: u32, second: u32): u32 {
    for (let i: u32 = 0; i < this.stateCount; i++) {
      const shape = this.state(i);
      if (shape.kind == kind && shape.heads == heads && shape.first == first && shape.second == second) return i;
    }
    if (this.stateCount == STATE_LIMIT) {
      this.refuse(ErrorCode.UNSUPPORTED, "the model's layers keep more than {} kinds of state", STATE_LIMIT);
      return NOTHING;
    }
    const shape = this.state(this.stateCount);
    shape.kind = kind;
    shape.heads = heads;
    shape.first = first;
    shape.second = second;
    return this.stateCount++;
  }

  // Operations, in the order of the paper.

  /** The embeddings of the batch's tokens: [tokens, hidden]. */
  embedding(name: string): u32 {
    const out = this.vector(this.hidden);
    const step = this.append(Op.EMBEDDING, out);
    step.flags = Flag.INPUT;
    step.weight = this.find(name, ".weight", this.hidden, this.vocabulary, WeightKind.MATRIX, true);
    if (step.weight != NOTHING) this.weightAt(step.weight).isEmbedding = 1;
    this.stream = out;
    return out;
  }

  /** Columns `from` … `from + width − 1` of a value: no copy. */
  part(x: u32, from: u32, width: u32): u32 {
    const id = this.vector(width);
    const value = this.value(id);
    const whole = this.value(x);
    value.base = whole.base;
    value.from = whole.from + from;
    value.extent = whole.extent;
    value.element = whole.element;
    return id;
  }

  /** RMSNorm of a row, or of `parts` vectors side by side in it (heads). */
  rmsNorm(x: u32, name: string, parts: u32 = 1): u32 {
    const width = this.width(x);
    const out = this.like(x, width);
    const step = this.append(Op.RMS_NORM, out, x);
    step.n0 = parts;
    step.f = this.epsilon;
    if (this.epsilonOutside) step.flags |= Flag.EPSILON_OUTSIDE;
    step.weight = this.find(name, ".weight", width / parts, 1, WeightKind.VECTOR, true);
    return out;
  }

  /** LayerNorm with a weight and a bias. */
  layerNorm(x: u32, name: string): u32 {
    const width = this.width(x);
    const out = this.like(x, width);
    const step = this.append(Op.LAYER_NORM, out, x);
    step.f = this.layerEpsilon;
    step.weight = this.find(name, ".weight", width, 1, WeightKind.VECTOR, true);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, true);
    return out;
  }

  /** The product with a matrix {width of x, width}, and its bias: without `bias` an optional one (see `append`). */
  linear(x: u32, name: string, width: u32, bias: u32 = 0): u32 {
    const out = this.like(x, width);
    const step = this.append(Op.LINEAR, out, x);
    step.weight = this.find(name, ".weight", this.width(x), width, WeightKind.MATRIX, true);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, bias == Bias.REQUIRED);
    return out;
  }

  /** RoPE on `heads` heads of a row: 2 · pairs dimensions of each turn, from dimension `from` on. */
  rope(x: u32, heads: u32, from: u32, turned: u32, pairs: u32): u32 {
    const angles = this.anglesOf(turned);
    const out = this.like(x, this.width(x));
    const step = this.append(Op.ROPE, out, x, angles);
    step.n0 = heads;
    step.n1 = from;
    step.n2 = turned >> 1;
    if (pairs == Pairs.NEIGHBOURS) step.flags |= Flag.NEIGHBOURS;
    return out;
  }

  /** The angles of all tokens: one step before the layers, with the factors of the file where it has them. */
  private anglesOf(turned: u32): u32 {
    if (this.angles != NOTHING) return this.angles;
    const segment = this.segment;
    this.segment = INPUT_SEGMENT;
    this.angles = this.vector(turned);
    const step = this.append(Op.ANGLES, this.angles);
    step.n0 = turned >> 1;
    step.f = this.ropeBase;
    step.weight = this.find("rope_freqs", ".weight", turned >> 1, 1, WeightKind.VECTOR, false);
    this.segment = segment;
    return this.angles;
  }

  add(x: u32, y: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.ADD, out, x, y);
    return out;
  }

  /** silu(gate) ⊙ up: what stands between the matrices of SwiGLU. */
  swiglu(gate: u32, up: u32): u32 {
    const out = this.like(up, this.width(up));
    this.append(Op.SWIGLU, out, gate, up);
    return out;
  }

  /** gelu(x), by tanh. */
  gelu(x: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.GELU, out, x);
    return out;
  }

  /** relu(x)²; its exact zeros are counted, and the linear behind it leaves them out. */
  squaredRelu(x: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.SQUARED_RELU, out, x);
    return out;
  }

  /** Attention of `heads` heads over the rows of keys and values that the layer keeps; k and v become such a row. */
  attention(q: u32, k: u32, v: u32, heads: u32, scale: f32): u32 {
    const shape = this.keep(k, v);
    const out = this.like(q, heads * shape.second);
    const step = this.append(Op.ATTENTION, out, q);
    step.n0 = heads;
    step.f = scale;
    return out;
  }

  /**
   * Multi-head latent attention: q of `heads` heads [nope | rope], over rows of a latent and a rope key. The matrix
   * `name` makes keys of `nope` dimensions and values of `value` out of a latent, head by head.
   */
  latentAttention(q: u32, latent: u32, ropeKey: u32, name: string, heads: u32, nope: u32, value: u32, scale: f32): u32 {
    const shape = this.keep(latent, ropeKey);
    // Whether keys and values are expanded is chosen where the rows are written.
    const kept = this.step(this.stepCount - 1);
    kept.n1 = nope;
    kept.n2 = value;
    this.batch = 256;
    const out = this.like(q, heads * value);
    const step = this.append(Op.LATENT_ATTENTION, out, q);
    step.n0 = heads;
    step.n1 = nope;
    step.n2 = value;
    step.f = scale;
    step.weight = this.find(name, ".weight", shape.first, heads * (nope + value), WeightKind.MATRIX, true);
    if (step.weight == NOTHING) return out;
    const up = this.weightAt(step.weight);
    up.mustReside = 1;
    up.precision = precisionOfLatents(up.type);
    return out;
  }

  /** Each token's row of state is written; how its keys were turned is kept, so that rows can be moved. */
  private keep(first: u32, second: u32): StateShape {
    this.append(Op.KEEP, NOTHING, first, second);
    const draft = this.draft(this.segment - 1);
    const shape = this.state(draft.state == NOTHING ? 0 : draft.state);
    const key = shape.kind == StateKind.LATENT ? second : first;
    for (let i = this.stepCount; i > 0; i--) {
      const step = this.step(i - 1);
      if (step.op != Op.ROPE || step.out != key) continue;
      shape.ropePairs = step.n2;
      shape.ropeFrom = step.n1;
      shape.ropeNeighbours = step.flags & Flag.NEIGHBOURS;
      shape.ropeBase = this.ropeBase;
      break;
    }
    return shape;
  }

  /** The codes of a row's chunks, and behind them how sure they are (kernels/lookup/codes.ts). */
  hash(x: u32, chunks: u32, bits: u32, rule: u32, temperature: f32, zeroIsOne: bool): u32 {
    const codes = this.vector(chunks);
    const weights = this.vector(chunks);
    this.value(codes).element = Element.U32;
    const step = this.append(Op.HASH, codes, x);
    step.out2 = weights;
    step.n0 = chunks;
    step.n1 = bits;
    step.n2 = rule;
    step.f = temperature;
    if (zeroIsOne) step.flags |= Flag.ZERO_IS_ONE;
    this.chunks = max(this.chunks, chunks);
    return codes;
  }

  /**
   * A memory layer (arXiv:2411.12992): the rows of a table {width} that the codes name, weighed and added up. Rows of
   * whole numbers have a scale each; a bias where the file has one.
   */
  lookUp(codes: u32, name: string, bits: u32, width: u32): u32 {
    const out = this.vector(width);
    const step = this.append(Op.LOOK_UP, out, codes, codes + 1);
    const rows = this.width(codes) << bits;
    step.weight = this.find(name, ".table", width, rows, WeightKind.TABLE, true);
    if (step.weight == NOTHING) return out;
    const table = this.weightAt(step.weight);
    table.rowsPerChunk = (<u32>1) << bits;
    step.weight2 = this.find(name, ".scale", rows, 1, WeightKind.VECTOR, !table.isFloat);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, false);
    return out;
  }

  /** The logits: the product with the head's matrix, which is the embedding's where the file has none of its own. */
  head(x: u32, name: string, tied: string): void {
    const out = this.like(x, this.vocabulary);
    this.value(out).extent = Extent.LOGITS;
    const step = this.append(Op.LINEAR, out, x);
    step.weight = this.find(name, ".weight", this.hidden, this.vocabulary, WeightKind.MATRIX, false);
    if (step.weight == NOTHING) step.weight = this.findShared(tied);
    else step.bias = this.find(name, ".bias", this.vocabulary, 1, WeightKind.VECTOR, false);
    if (step.weight != NOTHING) this.weightAt(step.weight).isHead = 1;
    this.logits = out;
  }

  /** What follows stands behind the layers. */
  output(): void {
    this.segment = this.layers + 1;
  }

  // What the operations share.

  weightAt(place: u32): Weight {
    return this.weights.at(place & ~Place.SHARED);
  }

  width(x: u32): u32 {
    return this.value(x).width;
  }

  /** A new value [tokens, width]. */
  private vector(width: u32): u32 {
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
  private like(x: u32, width: u32): u32 {
    const id = this.vector(width);
    this.value(id).extent = this.value(x).extent;
    return id;
  }

  /**
   * A new step; an input that is left out is NOTHING. Defaults here are plain numbers: for constants with names asc
   * makes a second function and a global that changes.
   */
  private append(op: u32, out: u32, in0: u32 = 0xffff_ffff, in1: u32 = 0xffff_ffff): Step {
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
    step.weight = NOTHING;
    step.bias = NOTHING;
    step.weight2 = NOTHING;
    step.segment = this.segment;
    return step;
  }

  /**
   * Declares the tensor `name` + `suffix` of this layer, or of none outside the layers, {columns, rows}: its number
   * among the declared, or NOTHING.
   */
  private find(name: string, suffix: string, columns: u32, rows: u32, kind: u32, required: bool): u32 {
    if (this.error) return NOTHING;
    const inLayer = this.segment != INPUT_SEGMENT && this.segment <= this.layers;
    const index = this.weights.count;
    if (index + 1 >= this.room) {
      this.refuse(ErrorCode.UNSUPPORTED, "a layer of the model has more than {} tensors", LAYER_ROOM);
      return NOTHING;
    }
    const weight = this.weights.at(index);
    memory.fill(changetype<usize>(weight), 0, offsetof<Weight>());
    this.error = declare(
      this.core, this.gguf, weight, inLayer ? this.segment - 1 : NOTHING, name, suffix, columns, rows, kind, required,
    );
    if (this.error || weight.rows == 0) return NOTHING;
    this.weights.count += 1;
    store<u32>(this.shared + ((<usize>index) << 2), inLayer ? 0 : 1);
    return inLayer ? index : index | Place.SHARED;
  }

  /** The declared weight of no layer that the embedding step names. */
  private findShared(name: string): u32 {
    for (let i: u32 = 0; i < this.stepCount; i++) {
      if (this.step(i).op == Op.EMBEDDING) return this.step(i).weight;
    }
    this.refuse(ErrorCode.BAD_FILE, "the file has no tensor {w}.weight, which this model needs", wordsOf(name));
    return NOTHING;
  }
}

/** Bytes of a builder for a model of `layers` layers. */
export function builderBytes(layers: u32): u64 {
  const room = <u64>roomOf(layers);
  return (
    <u64>offsetof<Builder>() +
    NUMBERS_BYTES +
    room * (offsetof<Value>() + offsetof<Step>() + offsetof<Weight>() + 4) +
    <u64>STATE_LIMIT * offsetof<StateShape>() +
    <u64>layers * offsetof<LayerDraft>() +
    64
  );
}

@inline
function roomOf(layers: u32): u32 {
  return (layers + 1) * LAYER_ROOM;
}

/** Lays a builder out in `memory`, zeroed, of `builderBytes(layers)`. `weights.table` becomes its own. */
export function initBuilder(memory: usize, core: Core, gguf: Gguf, weights: Weights, layers: u32): Builder {
  const b = changetype<Builder>(memory);
  const room = roomOf(layers);
  b.core = core;
  b.gguf = gguf;
  b.weights = weights;
  b.room = room;
  b.layers = layers;
  b.angles = NOTHING;
  b.stream = NOTHING;
  b.logits = NOTHING;
  b.batch = 128;
  b.numbers = (memory + offsetof<Builder>() + 7) & ~(<usize>7);
  b.values = b.numbers + NUMBERS_BYTES;
  b.steps = b.values + <usize>room * offsetof<Value>();
  weights.table = (b.steps + <usize>room * offsetof<Step>() + 7) & ~(<usize>7);
  weights.count = 0;
  b.shared = weights.table + <usize>room * offsetof<Weight>();
  b.states = b.shared + ((<usize>room) << 2);
  b.drafts = b.states + <usize>STATE_LIMIT * offsetof<StateShape>();
  return b;
}
