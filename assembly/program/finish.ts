/**
 * Finish: the steps of all layers, as the Builder holds them, become a Program: layers of equal steps are one kind,
 * weights are sorted by layer, and each value knows the first and the last step that needs its memory.
 *
 * Two layers are of one kind when their steps are equal, taking what each has made by its place in its own layer, and
 * everything else by the memory where it lies. A layer that makes what other layers read is a kind of its own.
 */
import { Builder } from "./builder";
import { Flag, INPUT_SEGMENT, Kind, Layer, NOTHING, Op, Place, Program, Step, Value, isRecurrent } from "./program";
import { HAS_RECURRENT } from "../parts";
import { allocate, release } from "../memory/arena";
import { ErrorCode } from "../memory/core";
import { Rope } from "../state/rope";
import { StateShape } from "../state/shape";
import { Weight } from "../weights/weight";

/** The program that a builder holds, its weights' table behind it in the same block; null with the error set. */
export function finish(b: Builder): Program | null {
  if (b.error == 0 && (b.stream == NOTHING || b.vectors == NOTHING)) {
    b.refuse(ErrorCode.UNSUPPORTED, "the architecture has no embedding or no head");
  }
  if (HAS_RECURRENT) b.placeRecurrent();
  if (b.error) return null;
  numberValues(b);
  const kinds = findKinds(b);
  const values = keepValues(b);
  const bytes = programBytes(b, kinds, values);
  const block = allocate(b.core, bytes, "the table of weights");
  if (block == 0) return null;
  const p = changetype<Program>(block);
  p.weights = b.weights;
  b.declared = b.weights.table;
  p.layerCount = b.layers;
  p.kindCount = kinds;
  p.valueCount = values;
  p.stepCount = keptSteps(b);
  p.stateCount = b.stateCount;
  p.ropeCount = b.ropeCount;
  p.positionCount = b.positionCount;
  p.hidden = b.hidden;
  p.vocabulary = b.vocabulary;
  p.contextLength = b.contextLength;
  p.batch = b.batch;
  p.chunks = b.chunks;
  p.fullHeads = b.fullHeads;
  p.fullKeys = b.fullKeys;
  p.fullValues = b.fullValues;
  p.weights.table = layOutProgram(p);
  copyWeights(b, p);
  copyLayers(b, p);
  copySteps(b, p);
  copyValues(b, p);
  memory.copy(p.states, b.states, <usize>b.stateCount * offsetof<StateShape>());
  // Learned positions are in all that a row is made of.
  if (b.positionCount) for (let i: u32 = 0; i < p.stateCount; i++) p.state(i).isFixed = 1;
  memory.copy(p.ropes, b.ropes, <usize>b.ropeCount * offsetof<Rope>());
  return p;
}

/**
 * Moves a finished program to where the builder's memory was, so that nothing is left between it and what comes after:
 * `old`, in whose block it lies, is released, and so is `scratch` before it.
 */
export function settle(b: Builder, p: Program, scratch: usize): Program {
  const core = b.core;
  const weights = p.weights;
  const bytes = <u64>(weights.table - changetype<usize>(p)) + <u64>weights.count * offsetof<Weight>();
  release(core, scratch);
  const block = allocate(core, bytes, "the table of weights");
  if (block == 0) return p;
  memory.copy(block, changetype<usize>(p), <usize>bytes);
  release(core, changetype<usize>(p));
  const moved = changetype<Program>(block);
  weights.table = layOutProgram(moved);
  return moved;
}

/** Where the parts of a program lie in its block; returns where they end. */
export function layOutProgram(p: Program): usize {
  p.layers = changetype<usize>(p) + offsetof<Program>();
  p.kinds = p.layers + <usize>p.layerCount * offsetof<Layer>();
  p.values = align(p.kinds + <usize>p.kindCount * offsetof<Kind>());
  p.steps = align(p.values + <usize>p.valueCount * offsetof<Value>());
  p.states = align(p.steps + <usize>p.stepCount * offsetof<Step>());
  p.ropes = align(p.states + <usize>p.stateCount * offsetof<StateShape>());
  return align(p.ropes + <usize>p.ropeCount * offsetof<Rope>());
}

function align(address: usize): usize {
  return (address + 7) & ~(<usize>7);
}

function programBytes(b: Builder, kinds: u32, values: u32): u64 {
  return (
    <u64>offsetof<Program>() +
    <u64>b.layers * offsetof<Layer>() +
    <u64>kinds * offsetof<Kind>() +
    <u64>values * offsetof<Value>() +
    <u64>keptSteps(b) * offsetof<Step>() +
    <u64>b.stateCount * offsetof<StateShape>() +
    <u64>b.ropeCount * offsetof<Rope>() +
    <u64>b.weights.count * offsetof<Weight>() +
    64
  );
}

// While a program is finished, `bytes` of a value is its number within its segment, and `next` is 1 if another segment
// uses its memory. `offset` is its number in the program, plus 1; 0: no step that is kept needs it.

function numberValues(b: Builder): void {
  for (let id: u32 = 0; id < b.valueCount; id++) b.value(id).next = 0;
  let number: u32 = 0;
  let segment: u32 = NOTHING;
  let inputs: u32 = 0;
  for (let id: u32 = 0; id < b.valueCount; id++) {
    const value = b.value(id);
    if (value.segment == INPUT_SEGMENT) {
      value.bytes = inputs++;
      continue;
    }
    if (value.segment != segment) {
      segment = value.segment;
      number = 0;
    }
    value.bytes = number++;
  }
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    markCrossing(b, step.out, step.segment);
    markCrossing(b, step.out2, step.segment);
    markCrossing(b, step.in0, step.segment);
    markCrossing(b, step.in1, step.segment);
    markCrossing(b, step.in2, step.segment);
  }
}

function markCrossing(b: Builder, id: u32, segment: u32): void {
  if (id == NOTHING) return;
  const base = b.value(b.value(id).base);
  if (base.segment != segment) base.next = 1;
}

/**
 * `shared` of a weight becomes twice its number among the layers' own, plus 1 where it belongs to no layer: layers are
 * compared by what is their own, wherever the first of them declared something for all.
 */
function numberWeights(b: Builder): void {
  let number: u32 = 0;
  for (let i: u32 = 0; i < b.weights.count; i++) {
    const place = b.shared + ((<usize>i) << 2);
    const isShared = load<u32>(place);
    store<u32>(place, 2 * number + isShared);
    number += 1 - isShared;
  }
}

/** The number of a weight among the layers' own. */
@inline
function ownNumber(b: Builder, weight: u32): u32 {
  return load<u32>(b.shared + ((<usize>weight) << 2)) >> 1;
}

/** Gives each layer its kind; returns how many there are. */
function findKinds(b: Builder): u32 {
  numberWeights(b);
  let kinds: u32 = 0;
  let at = stepsBefore(b, 1);
  for (let layer: u32 = 0; layer < b.layers; layer++) {
    const draft = b.draft(layer);
    draft.firstStep = at;
    while (at < b.stepCount && b.step(at).segment == layer + 1) at += 1;
    draft.steps = at - draft.firstStep;
    draft.isKept = 1;
    draft.kind = kinds;
    // The kinds of the first layers are tried first: models have few, and a hostile one costs a bounded time.
    for (let other: u32 = 0; other < layer; other++) {
      if (!b.draft(other).isKept || !areEqual(b, other, layer)) continue;
      draft.isKept = 0;
      draft.kind = b.draft(other).kind;
      break;
    }
    kinds += draft.isKept;
  }
  return kinds;
}

function areEqual(b: Builder, x: u32, y: u32): bool {
  const left = b.draft(x);
  const right = b.draft(y);
  if (left.steps != right.steps || left.state != right.state || (HAS_RECURRENT && left.recurrent != right.recurrent))
    return false;
  for (let i: u32 = 0; i < left.steps; i++) {
    const s = b.step(left.firstStep + i);
    const t = b.step(right.firstStep + i);
    if (s.op != t.op || s.flags != t.flags || s.f != t.f) return false;
    if (s.n0 != t.n0 || s.n1 != t.n1 || s.n2 != t.n2 || s.g != t.g) return false;
    if (!sameValue(b, s.out, x, t.out, y) || !sameValue(b, s.out2, x, t.out2, y)) return false;
    if (!sameValue(b, s.in0, x, t.in0, y) || !sameValue(b, s.in1, x, t.in1, y)) return false;
    if (!sameValue(b, s.in2, x, t.in2, y)) return false;
    if (!sameWeight(b, s.weight, left.firstWeight, t.weight, right.firstWeight)) return false;
    if (!sameWeight(b, s.bias, left.firstWeight, t.bias, right.firstWeight)) return false;
    if (!sameWeight(b, s.weight2, left.firstWeight, t.weight2, right.firstWeight)) return false;
  }
  return true;
}

function sameValue(b: Builder, s: u32, x: u32, t: u32, y: u32): bool {
  if (s == NOTHING || t == NOTHING) return s == t;
  const left = b.value(s);
  const right = b.value(t);
  if (left.width != right.width || left.from != right.from) return false;
  if (left.extent != right.extent || left.element != right.element) return false;
  const from = b.value(left.base);
  const to = b.value(right.base);
  // What a layer makes for others lies where no other layer may write.
  if (from.segment == x + 1 && to.segment == y + 1) return from.bytes == to.bytes && !from.next && !to.next;
  return left.base == right.base;
}

function sameWeight(b: Builder, s: u32, first: u32, t: u32, other: u32): bool {
  if (s == NOTHING || t == NOTHING || (s | t) & Place.SHARED) return s == t;
  return ownNumber(b, s) - ownNumber(b, first) == ownNumber(b, t) - ownNumber(b, other);
}

/** Steps of the segments below `segment`. */
function stepsBefore(b: Builder, segment: u32): u32 {
  let count: u32 = 0;
  while (count < b.stepCount && b.step(count).segment < segment) count += 1;
  return count;
}

/** Steps of the input, of each kind, and of the output. */
function keptSteps(b: Builder): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < b.stepCount; i++) count += isKept(b, b.step(i)) ? 1 : 0;
  return count;
}

function isKept(b: Builder, step: Step): bool {
  const segment = step.segment;
  return segment == INPUT_SEGMENT || segment > b.layers || b.draft(segment - 1).isKept != 0;
}

/** Numbers the values that kept steps need; returns how many there are. */
function keepValues(b: Builder): u32 {
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    if (!isKept(b, step)) continue;
    keepValue(b, step.out);
    keepValue(b, step.out2);
    keepValue(b, step.in0);
    keepValue(b, step.in1);
    keepValue(b, step.in2);
  }
  let count: u32 = 0;
  for (let id: u32 = 0; id < b.valueCount; id++) if (b.value(id).offset) b.value(id).offset = ++count;
  return count;
}

function keepValue(b: Builder, id: u32): void {
  if (id == NOTHING) return;
  b.value(whole(b, id)).offset = 1;
  b.value(b.value(id).base).offset = 1;
}

/** The value that has the memory, where a value is all of it. */
function whole(b: Builder, id: u32): u32 {
  const value = b.value(id);
  return value.width == b.value(value.base).width ? value.base : id;
}

/** The number that a value has in the program. */
function place(b: Builder, id: u32): u32 {
  return id == NOTHING ? NOTHING : <u32>b.value(whole(b, id)).offset - 1;
}

/** Weights of no layer first, then layer by layer; steps and drafts name them by their new places. */
function copyWeights(b: Builder, p: Program): void {
  const table = p.weights.table;
  const count = b.weights.count;
  // `shared` becomes the map from old places to new ones.
  b.sharedCount = 0;
  for (let i: u32 = 0; i < count; i++) b.sharedCount += load<u32>(b.shared + ((<usize>i) << 2)) & 1;
  let at = b.sharedCount;
  let shared: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const place = b.shared + ((<usize>i) << 2);
    const target = load<u32>(place) & 1 ? shared++ : at++;
    store<u32>(place, target);
    memory.copy(
      table + <usize>target * offsetof<Weight>(), b.declared + <usize>i * offsetof<Weight>(), offsetof<Weight>(),
    );
  }
}

function newPlace(b: Builder, step: Step, place: u32): u32 {
  if (place == NOTHING) return NOTHING;
  const target = load<u32>(b.shared + ((<usize>(place & ~Place.SHARED)) << 2));
  if (place & Place.SHARED) return target | Place.SHARED;
  return target - firstPlace(b, step.segment - 1);
}

/** The first of a layer's own weights: what belongs to no layer and was declared within it has moved to the front. */
function firstPlace(b: Builder, layer: u32): u32 {
  const end = layer + 1 < b.layers ? b.draft(layer + 1).firstWeight : b.weights.count;
  for (let i = b.draft(layer).firstWeight; i < end; i++) {
    const target = load<u32>(b.shared + ((<usize>i) << 2));
    if (target >= b.sharedCount) return target;
  }
  return 0;
}

function copyLayers(b: Builder, p: Program): void {
  for (let layer: u32 = 0; layer < b.layers; layer++) {
    const draft = b.draft(layer);
    const target = p.layer(layer);
    target.kind = draft.kind;
    target.state = draft.state;
    target.stateLayer = draft.stateLayer;
    if (HAS_RECURRENT && draft.recurrent != NOTHING) {
      target.recurrent = <u8>(draft.recurrent + 1);
      target.recurrentLayer = <u16>draft.recurrentLayer;
    }
    target.firstWeight = firstPlace(b, layer);
    p.kind(draft.kind).layers += 1;
  }
}

function copySteps(b: Builder, p: Program): void {
  let at: u32 = 0;
  p.narrowLayer = NOTHING;
  for (let i: u32 = 0; i < b.stepCount; i++) {
    const step = b.step(i);
    const segment = step.segment;
    if (step.op == Op.KEEP) p.layer(segment - 1).keeps = 1;
    if ((step.op == Op.KEEP && !step.has(Flag.SOURCE)) || (HAS_RECURRENT && isRecurrent(step.op))) {
      p.narrowLayer = segment - 1;
      p.narrowStep = i - b.draft(segment - 1).firstStep;
    }
    if (step.op == Op.ATTENTION_WITHIN) {
      p.isWithin = 1;
      p.narrowLayer = segment - 1;
      p.narrowStep = i - b.draft(segment - 1).firstStep;
    }
    if (step.op == Op.ANGLES) rememberFactors(b, step);
    if (step.op == Op.LOOK_UP) p.tables = max(p.tables, step.members + 1);
    if (!isKept(b, step)) continue;
    const target = p.step(at);
    memory.copy(changetype<usize>(target), changetype<usize>(step), offsetof<Step>());
    target.weight = newPlace(b, step, step.weight);
    target.bias = newPlace(b, step, step.bias);
    target.weight2 = newPlace(b, step, step.weight2);
    target.out = place(b, step.out);
    target.out2 = place(b, step.out2);
    target.in0 = place(b, step.in0);
    target.in1 = place(b, step.in1);
    target.in2 = place(b, step.in2);
    if (segment == INPUT_SEGMENT) p.inputSteps = at + 1;
    else if (segment <= b.layers) {
      const kind = p.kind(b.draft(segment - 1).kind);
      if (kind.steps == 0) kind.firstStep = at;
      kind.steps += 1;
      p.outputStep = at + 1;
    }
    at += 1;
  }
  if (p.outputStep < p.inputSteps) p.outputStep = p.inputSteps;
  p.stream = place(b, b.stream);
  p.logits = place(b, b.logits);
  p.vectors = place(b, b.vectors);
  p.decoderLayer = b.decoderLayer;
  p.startToken = b.startToken;
  p.pooled = place(b, b.pooled);
  p.pooling = b.pooling;
  p.ranked = b.ranked;
  cutOutput(p);
}

/** Finds where in the output pooling stands, and where passes for vectors of texts end. */
export function cutOutput(p: Program): void {
  p.pooledStep = p.stepCount;
  p.vectorStep = p.stepCount;
  for (let i = p.stepCount; i > p.outputStep; i--) {
    const step = p.step(i - 1);
    if (step.flags & (Flag.POOLED | Flag.HEAD)) p.pooledStep = i - 1;
    if (step.has(Flag.HEAD)) p.vectorStep = i - 1;
  }
}

/** Rows that were turned by angles with factors are moved with them, too. */
function rememberFactors(b: Builder, step: Step): void {
  const rope = b.ropeAt(step.n1);
  rope.factors = factorsOf(newPlace(b, step, step.weight));
  rope.longFactors = factorsOf(newPlace(b, step, step.weight2));
}

function factorsOf(place: u32): u32 {
  return place == NOTHING ? 0 : (place & ~Place.SHARED) + 1;
}

function copyValues(b: Builder, p: Program): void {
  let id: u32 = 0;
  for (let old: u32 = 0; old < b.valueCount; old++) {
    if (!b.value(old).offset) continue;
    const value = p.value(id++);
    memory.copy(changetype<usize>(value), changetype<usize>(b.value(old)), offsetof<Value>());
    value.base = <u32>b.value(value.base).offset - 1;
  }
  findLifetimes(p);
}

/**
 * Gives each base the first and the last step that needs it. Values that segments share (`next` 1) live from before the
 * first layer to behind the last.
 */
export function findLifetimes(p: Program): void {
  for (let id: u32 = 0; id < p.valueCount; id++) {
    p.value(id).first = NOTHING;
    p.value(id).last = 0;
    p.value(id).bytes = 0;
  }
  for (let i: u32 = 0; i < p.stepCount; i += 1 + p.step(i).members) {
    // Members run with their leader: what they read is read, and what they write is written, from its beginning on.
    const end = i + p.step(i).members;
    for (let m = i; m <= end; m++) {
      touch(p, p.step(m).out, i);
      touch(p, p.step(m).out2, i);
      touch(p, p.step(m).in0, i);
      touch(p, p.step(m).in1, i);
      touch(p, p.step(m).in2, i);
    }
  }
  for (let id: u32 = 0; id < p.valueCount; id++) {
    const value = p.value(id);
    if (value.first == NOTHING || !value.next) continue;
    value.first = min(value.first, p.inputSteps);
    value.last = max(value.last, p.outputStep > 0 ? p.outputStep - 1 : 0);
  }
  // Both are the host's to read after a pass, and the stream to write before one.
  if (p.logits != NOTHING) p.value(p.value(p.logits).base).last = p.stepCount;
  p.value(p.value(p.vectors).base).last = p.stepCount;
  p.value(p.stream).first = 0;
  p.value(p.stream).last = p.stepCount;
}

function touch(p: Program, id: u32, step: u32): void {
  if (id == NOTHING) return;
  const base = p.value(p.value(id).base);
  base.first = min(base.first, step);
  base.last = max(base.last, step);
}
