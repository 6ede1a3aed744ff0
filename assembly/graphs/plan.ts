/**
 * Plan: where what steps write lies, by how long it lives. Greedy by size, as the planner of TensorFlow Lite Micro: the
 * largest first, each at the lowest place that is free while it lives. A value may take over the bytes of an input that
 * dies where it is written (in place); that can make the whole larger, so both are tried and the smaller one is kept.
 *
 *     steps ──►  0   1   2   3   4          both ends count: what a step writes lies on nothing that it reads, unless
 *     image     ████                        it takes its place
 *     conv      ████████
 *     add               ████████
 */
import { elementBytes } from "../files/tflite";
import { allocate, release } from "../memory/arena";
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { Operator } from "./operators";
import { Patch, divide, isCut, longestStage, undivide } from "./patches";
import { Graph, GraphFlag, GraphStep, GraphTensor, NOTHING, Place, Variable, make } from "./records";
import { clearState } from "./state";

const ALIGNMENT: u32 = 16;
/** More values than this are planned by nobody: the search is quadratic. */
const MOST_VALUES: u32 = 1 << 13;
/** Patches along a side: more of them compute what they share too often. */
const MOST_PATCHES: u32 = 4;

/**
 * The search for a plan: all steps whole, and where that does not fit into the budget, every stage and every number of
 * patches. The one of the least work is kept.
 */
@unmanaged
class Search {
  /** Room for the planned values, by size, then by place. */
  order: usize;
  count: u32;
  /** Patch[longest + inputs], for the stages that are tried. */
  patches: usize;
  longest: u32;
  /** Steps of the next stage that is tried. */
  stage: u32;
  /** The best so far; side 0: none fits. */
  bestStage: u32;
  bestSide: u32;
  bestBytes: u64;
  bestMacs: u64;
  /** The least that any plan takes. */
  least: u64;
}

/** A slice of planning: DONE, MORE, or an error. */
export function planSlice(core: Core, g: Graph): i32 {
  if (g.search == 0) return planWhole(core, g);
  const s = changetype<Search>(g.search);
  while (s.stage < s.longest) {
    s.stage += 1;
    if (tryStage(g, s)) return Status.MORE;
  }
  if (s.bestSide == 0) {
    return fail(
      core, ErrorCode.OUT_OF_MEMORY,
      "the graph's values take at least {} bytes, patch by patch where that is less, and not {}", s.least, g.budget,
    );
  }
  const patches = make(g, patchRecords(g, s.bestStage));
  if (patches == 0) return core.errorCode;
  g.macs = divide(g, patches, s.bestStage, s.bestSide);
  g.placesBytes = layOutBest(g, s);
  endSearch(core, g);
  return takeMemory(core, g);
}

/** Gives back what a search has. */
export function endSearch(core: Core, g: Graph): void {
  if (g.search == 0) return;
  release(core, changetype<Search>(g.search).order);
  release(core, changetype<Search>(g.search).patches);
  release(core, g.search);
  g.search = 0;
}

/** Every step whole; where that is too large the search begins. */
function planWhole(core: Core, g: Graph): i32 {
  undivide(g);
  findLifetimes(g);
  if (!layState(core, g)) return core.errorCode;
  let count: u32 = 0;
  for (let i: u32 = 0; i < g.tensorCount; i++) if (isPlanned(g.tensor(i))) count += 1;
  if (count > MOST_VALUES) {
    return fail(core, ErrorCode.UNSUPPORTED, "the graph writes {} values; limpet plans at most {}", count, MOST_VALUES);
  }
  const s = changetype<Search>(allocate(core, offsetof<Search>(), "the plan of a graph"));
  if (s == null) return core.errorCode;
  g.search = changetype<usize>(s);
  s.count = count;
  s.order = allocate(core, <u64>max(count, 1) * 8, "the plan of a graph");
  if (s.order == 0) return core.errorCode;
  g.placesBytes = layOutBest(g, s);
  for (let i: u32 = 0; i < g.stepCount; i++) if (g.step(i).runs) g.wholeMacs += g.step(i).macs;
  g.macs = g.wholeMacs;
  if (g.budget == 0 || g.placesBytes <= g.budget) {
    endSearch(core, g);
    return takeMemory(core, g);
  }
  s.least = g.placesBytes;
  s.longest = g.flags & GraphFlag.TRACED ? 0 : longestStage(g);
  s.patches = allocate(core, patchRecords(g, s.longest), "the plan of a graph");
  return s.patches == 0 ? core.errorCode : Status.MORE;
}

/** Bytes of the records of a stage: of its steps, and of the graph's inputs. */
function patchRecords(g: Graph, stage: u32): u64 {
  return (<u64>stage + max(g.subgraph(0).inputCount, 1)) * offsetof<Patch>();
}

/** Tries a stage of so many steps with every number of patches; whether it is one. */
function tryStage(g: Graph, s: Search): bool {
  undivide(g);
  findLifetimes(g);
  if (!isCut(g, s.stage - 1)) return false;
  const end = g.output(g.step(s.stage - 1));
  for (let side: u32 = 2; side <= MOST_PATCHES && side <= min(end.dim(1), end.dim(2)); side++) {
    const macs = divide(g, s.patches, s.stage, side);
    const bytes = layOutBest(g, s) + g.apartBytes;
    s.least = min(s.least, bytes);
    if (bytes > g.budget) continue;
    if (s.bestSide != 0 && (macs > s.bestMacs || (macs == s.bestMacs && bytes >= s.bestBytes))) continue;
    s.bestStage = s.stage;
    s.bestSide = side;
    s.bestMacs = macs;
    s.bestBytes = bytes;
  }
  return true;
}

/** Ways to give places: values in place of others, the image at the end of a stage below all else, and both. */
const IN_PLACE: u32 = 1;
const END_FIRST: u32 = 2;

/** Gives every value a place in the way that takes the least; the bytes of all. */
function layOutBest(g: Graph, s: Search): u64 {
  const last: u32 = g.flags & GraphFlag.TRACED ? 0 : g.stage > 0 ? IN_PLACE | END_FIRST : IN_PLACE;
  let best: u32 = 0;
  let least = layOut(g, s, 0);
  for (let way: u32 = 1; way <= last; way++) {
    const bytes = layOut(g, s, way);
    if (bytes >= least) continue;
    least = bytes;
    best = way;
  }
  return best == last ? least : layOut(g, s, best);
}

function isPlanned(t: GraphTensor): bool {
  return t.place == Place.PLANNED && t.room > 0 && t.first != NOTHING;
}

/** The tensor whose bytes a tensor has. */
function ownerOf(g: Graph, tensor: u32): u32 {
  let t = g.tensor(tensor);
  while (t.place == Place.VIEW || t.into != NOTHING) {
    tensor = t.place == Place.VIEW ? t.base : t.into;
    t = g.tensor(tensor);
  }
  return tensor;
}

/** First and last step of every tensor that owns bytes; none takes over those of another. */
function findLifetimes(g: Graph): void {
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    g.tensor(i).first = NOTHING;
    g.tensor(i).last = NOTHING;
    g.tensor(i).into = NOTHING;
    g.tensor(i).onto = NOTHING;
  }
  const main = g.subgraph(0);
  for (let i: u32 = 0; i < main.inputCount; i++) lives(g, load<u32>(main.inputs + ((<usize>i) << 2)), 0);
  for (let s: u32 = 0; s < g.subgraphCount; s++) {
    const subgraph = g.subgraph(s);
    if (subgraph.caller == NOTHING) continue;
    for (let i: u32 = 0; s > 0 && i < subgraph.inputCount + subgraph.outputCount; i++) {
      const isInput = i < subgraph.inputCount;
      const list = isInput ? subgraph.inputs : subgraph.outputs;
      lives(g, load<u32>(list + ((<usize>(isInput ? i : i - subgraph.inputCount)) << 2)), subgraph.caller);
    }
    for (let i = subgraph.firstStep, end = i + subgraph.steps; i < end; i++) {
      const step = g.step(i);
      if (!step.runs) continue;
      // What a called subgraph writes lives while its caller does.
      const now = s == 0 ? i : subgraph.caller;
      for (let k: u32 = 0; k < step.inputCount; k++) {
        if (g.has(step, k)) lives(g, load<u32>(step.inputs + ((<usize>k) << 2)), now);
      }
      for (let k: u32 = 0; k < step.outputCount; k++) lives(g, load<u32>(step.outputs + ((<usize>k) << 2)), now);
    }
  }
  for (let i: u32 = 0; i < main.outputCount; i++) {
    lives(g, load<u32>(main.outputs + ((<usize>i) << 2)), main.steps);
  }
  // The image at the end of a stage is written from its first patch on.
  if (g.stage > 0) lives(g, load<u32>(g.step(g.stage - 1).outputs), 0);
}

function lives(g: Graph, tensor: u32, now: u32): void {
  const t = g.tensor(ownerOf(g, tensor));
  if (t.first == NOTHING || now < t.first) t.first = now;
  if (t.last == NOTHING || now > t.last) t.last = now;
}

/**
 * Marks values that take over the bytes of an input, of steps that read a value before they write in its place.
 * Lifetimes are those of what remains: without `longer` none becomes longer.
 */
function findInPlace(g: Graph, longer: bool): void {
  const main = g.subgraph(0);
  for (let i: u32 = 0; i < main.steps; i++) {
    const step = g.step(i);
    if (!step.runs || !mayRunInPlace(step.op) || step.outputCount != 1) continue;
    const out = load<u32>(step.outputs);
    const y = g.tensor(out);
    if (!isPlanned(y)) continue;
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (!g.has(step, k)) continue;
      const input = load<u32>(step.inputs + ((<usize>k) << 2));
      const owner = ownerOf(g, input);
      const x = g.tensor(owner);
      if (mayLieOnto(g, step, i, input, x, y)) {
        y.onto = input;
        break;
      }
      if (!longer || x.place != Place.PLANNED || x.last != i) continue;
      if (x.bytes != y.bytes || g.tensor(input).count != y.count) continue;
      if (i < g.stage && (x.room != y.room || i + 1 == g.stage || readers(g, input) > 1)) continue;
      y.into = owner;
      x.last = max(x.last, y.last);
      break;
    }
  }
}

/**
 * Whether the part of what a step of the stage writes may lie on the part of its one input, from its beginning on:
 * values become shorter, in order, so that none is written where one is still to be read.
 */
function mayLieOnto(g: Graph, step: GraphStep, i: u32, input: u32, x: GraphTensor, y: GraphTensor): bool {
  if (step.op != Operator.QUANTIZE || i + 1 >= g.stage || g.tensor(input).into != NOTHING) return false;
  if (!isPlanned(x) || x != g.tensor(input) || x.last != i || y.first != i || y.room >= x.room) return false;
  return elementBytes(y.type) < elementBytes(x.type) && readers(g, input) == 1;
}

/** How many steps of the stage want a part of a tensor: with one alone it is the part that is written. */
function readers(g: Graph, tensor: u32): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < g.stage; i++) {
    const step = g.step(i);
    let reads = false;
    for (let k: u32 = 0; k < step.inputCount; k++) {
      if (load<u32>(step.inputs + ((<usize>k) << 2)) == tensor) reads = true;
    }
    if (reads && step.runs) count += 1;
  }
  return count;
}

function mayRunInPlace(op: u32): bool {
  switch (op) {
    case Operator.ADD:
    case Operator.SUB:
    case Operator.MUL:
    case Operator.MAXIMUM:
    case Operator.MINIMUM:
    case Operator.LOGISTIC:
    case Operator.TANH:
    case Operator.HARD_SWISH:
    case Operator.RELU:
    case Operator.RELU6:
    case Operator.LEAKY_RELU:
    case Operator.QUANTIZE:
    case Operator.NEG:
    case Operator.ABS:
    case Operator.SQUARE:
    case Operator.SQRT:
    case Operator.RSQRT:
    case Operator.LOG:
    case Operator.EXP: return true;
    default: return false;
  }
}

/** Gives every value a place; returns the bytes of all. */
function layOut(g: Graph, s: Search, way: u32): u64 {
  findLifetimes(g);
  findInPlace(g, (way & IN_PLACE) != 0);
  const order = s.order, most = s.count;
  const end = way & END_FIRST ? load<u32>(g.step(g.stage - 1).outputs) : NOTHING;
  let count: u32 = 0;
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    if (!isPlanned(t) || t.into != NOTHING || count >= most) continue;
    let at = count++;
    for (; at > 0 && goesBefore(g, i, load<u32>(order + ((<usize>at - 1) << 2)), end); at--) {
      store<u32>(order + ((<usize>at) << 2), load<u32>(order + ((<usize>at - 1) << 2)));
    }
    store<u32>(order + ((<usize>at) << 2), i);
  }
  // Behind them: those that have a place, by where it begins.
  const placed = order + ((<usize>most) << 2);
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const index = load<u32>(order + ((<usize>i) << 2));
    const t = g.tensor(index);
    let place = lowest(g, placed, i, t, t.onto);
    if (t.onto != NOTHING && place > g.tensor(t.onto).offset) place = lowest(g, placed, i, t, NOTHING);
    t.offset = <u32>min(place, 0xffff_ffff);
    let at = i;
    for (; at > 0 && g.tensor(load<u32>(placed + ((<usize>at - 1) << 2))).offset > t.offset; at--) {
      store<u32>(placed + ((<usize>at) << 2), load<u32>(placed + ((<usize>at - 1) << 2)));
    }
    store<u32>(placed + ((<usize>at) << 2), index);
    bytes = max(bytes, aligned(place + t.room));
  }
  return bytes;
}

/** Larger tensors are placed first, and what may lie onto one right behind it; before all `end`. */
function goesBefore(g: Graph, a: u32, b: u32, end: u32): bool {
  if (a == end || b == end) return a == end;
  const x = g.tensor(a), y = g.tensor(b);
  const first = x.onto == NOTHING ? x.room : g.tensor(x.onto).room;
  const second = y.onto == NOTHING ? y.room : g.tensor(y.onto).room;
  return second < first || (second == first && y.onto == a);
}

/** The lowest place that is free while a tensor lives, among `count` that have theirs; `onto` may lie there too. */
function lowest(g: Graph, placed: usize, count: u32, t: GraphTensor, onto: u32): u64 {
  let place: u64 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const index = load<u32>(placed + ((<usize>k) << 2));
    const other = g.tensor(index);
    if (index == onto || other.first > t.last || t.first > other.last) continue;
    if (<u64>other.offset >= place + t.room) break;
    place = max(place, aligned(<u64>other.offset + other.room));
  }
  return place;
}

@inline
function aligned(bytes: u64): u64 {
  return (bytes + (ALIGNMENT - 1)) & ~(<u64>(ALIGNMENT - 1));
}

/** Variables lie one behind the other; what is read of one is a view where nothing assigns to it meanwhile. */
function layState(core: Core, g: Graph): bool {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < g.variableCount; i++) bytes += aligned(g.variable(i).bytes);
  for (let i: u32 = 0; i < g.tensorCount; i++) if (g.tensor(i).place == Place.KEPT) bytes += aligned(g.tensor(i).bytes);
  g.stateBytes = bytes;
  if (bytes > 0) {
    g.stateAt = allocate(core, bytes, "the state of a graph");
    if (g.stateAt == 0) return false;
  }
  let at = g.stateAt;
  for (let i: u32 = 0; i < g.variableCount; i++) {
    g.variable(i).data = at;
    at += <usize>aligned(g.variable(i).bytes);
  }
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    if (t.place != Place.KEPT) continue;
    t.data = at;
    at += <usize>aligned(t.bytes);
  }
  clearState(g);
  if (g.flags & GraphFlag.TRACED) return true;
  const main = g.subgraph(0);
  for (let i: u32 = 0; i < main.steps; i++) {
    const step = g.step(i);
    if (!step.runs || step.op != Operator.READ_VARIABLE) continue;
    const t = g.output(step);
    const v = changetype<Variable>(step.parameters);
    if (isAssigned(g, step.parameters, i, t.last)) continue;
    t.place = Place.STATE;
    t.data = v.data;
    step.runs = 0;
  }
  return true;
}

/** Whether a step between two others assigns to a variable, by itself or in a subgraph that it runs. */
function isAssigned(g: Graph, variable: usize, after: u32, before: u32): bool {
  for (let s: u32 = 0; s < g.subgraphCount; s++) {
    const subgraph = g.subgraph(s);
    if (subgraph.caller == NOTHING) continue;
    for (let i = subgraph.firstStep, end = i + subgraph.steps; i < end; i++) {
      const step = g.step(i);
      const now = s == 0 ? i : subgraph.caller;
      if (now <= after || now >= before || !step.runs) continue;
      if (step.op == Operator.ASSIGN_VARIABLE && step.parameters == variable) return true;
    }
  }
  return false;
}

/** The memory of the plan, and where each tensor lies in it. */
function takeMemory(core: Core, g: Graph): i32 {
  let scratch: u64 = 0;
  for (let i: u32 = 0; i < g.stepCount; i++) if (g.step(i).runs) scratch = max(scratch, g.step(i).scratch);
  g.scratchBytes = scratch;
  // Kernels that read eight bytes at a time may read a little behind a value.
  g.places = allocate(core, g.placesBytes + 16, "the values of a graph");
  if (g.places == 0) return core.errorCode;
  g.scratch = allocate(core, scratch + 16, "the scratch of a graph");
  if (g.scratch == 0) return core.errorCode;
  let apart: u64 = 0;
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    if (t.place == Place.APART) apart += aligned(t.bytes);
  }
  if (apart > 0) {
    g.apart = allocate(core, apart + 16, "the inputs of a graph");
    if (g.apart == 0) return core.errorCode;
  }
  let at = g.apart;
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    const owner = g.tensor(ownerOf(g, i));
    if (t.place == Place.APART) {
      t.data = at;
      at += <usize>aligned(t.bytes);
    } else if (owner.place == Place.PLANNED) t.data = g.places + owner.offset;
    else t.data = owner.data;
  }
  return 0;
}
