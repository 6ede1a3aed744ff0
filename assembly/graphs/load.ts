/**
 * A file → a graph, slice by slice: tables are read, each operator is checked and prepared, what depends on constants
 * alone is computed, PAD goes into the convolution behind it, and all places are planned. From then on nothing is
 * allocated.
 */
import { allocate, allocateRaw, release } from "../memory/arena";
import { Core, ErrorCode, Status, bytesOf, fail } from "../memory/core";
import {
  Tflite, bufferBytes, elementBytes, elementsOf, isTflite, lengthOf, numberOf, referenceOf, rootTable, tableAt,
} from "../files/tflite";
import { Call } from "./calls";
import { broken, refuse } from "./check";
import { isControl } from "./control";
import { isStateful, prepare, run } from "./families";
import { fusePads } from "./fuse";
import { Operator, customOperator, operatorName } from "./operators";
import { endSearch, planSlice } from "./plan";
import {
  Graph, GraphFlag, GraphState, GraphStep, GraphTensor, MOST_DIMENSIONS, NOTHING, Place, Subgraph, Variable, make,
  releaseMade,
} from "./records";

/** Multiply-adds, or bytes of constants, of a slice of loading. */
const SLICE: u64 = 1 << 18;
const MOST_SUBGRAPHS: u32 = 256;
/** Multiply-adds of a step of constants that is done at load, in one slice; a longer one is done in every run. */
const MOST_FOLDED: u64 = 1 << 26;

/**
 * A graph for a file of so many bytes, which lies `at` this address, or which the caller writes to `file.at`: then it
 * is 0. Null with the error set.
 */
export function createGraph(core: Core, bytes: u64, flags: u32, at: usize = 0): Graph {
  const none = changetype<Graph>(0);
  if (bytes < 8 || bytes > 0x7fff_0000) {
    fail(core, ErrorCode.BAD_FILE, "a TFLite file of {} bytes is none: it has at least 8 and at most 2 GB", bytes);
    return none;
  }
  const g = changetype<Graph>(allocate(core, offsetof<Graph>() + offsetof<Tflite>(), "the record of a graph"));
  if (g == null) return none;
  g.core = core;
  g.flags = flags;
  g.file = changetype<Tflite>(changetype<usize>(g) + offsetof<Graph>());
  if (at == 0) {
    // Kernels that read eight bytes at a time may read a little behind a constant.
    g.fileBytes = at = allocateRaw(core, bytes + 16, "the graph's file");
    if (at == 0) {
      release(core, changetype<usize>(g));
      return none;
    }
  }
  g.file.at = at;
  g.file.size = <u32>bytes;
  return g;
}

/** Gives all of it back. */
export function releaseGraph(core: Core, g: Graph): void {
  if (g == null) return;
  endSearch(core, g);
  release(core, g.places);
  release(core, g.apart);
  release(core, g.stateAt);
  release(core, g.scratch);
  release(core, g.fileBytes);
  releaseMade(g);
  release(core, changetype<usize>(g));
}

/** A slice of loading: DONE, MORE, or an error, after which the graph is only good for releasing. */
export function loadSlice(core: Core, g: Graph): i32 {
  if (g.state != GraphState.LOADING) {
    return fail(core, ErrorCode.WRONG_STATE, "the graph is loaded, or its loading failed: run it, or release it");
  }
  const status = slice(core, g);
  if (status < 0) g.state = GraphState.FAILED;
  return status;
}

function slice(core: Core, g: Graph): i32 {
  if (g.tensors == 0) {
    const status = readModel(core, g);
    if (status < 0) return status;
    if (g.file.bad) return truncated(core, g);
    return Status.MORE;
  }
  for (let work: u64 = 0; g.next < g.stepCount; g.next++) {
    if (work >= SLICE) return Status.MORE;
    const step = g.step(g.next);
    const status = prepareStep(core, g, step);
    if (status < 0) return g.file.bad ? truncated(core, g) : status;
    if (g.file.bad) return truncated(core, g);
    for (let i: u32 = 0; i < step.inputCount; i++) if (g.has(step, i)) work += g.input(step, i).bytes;
    work += 256;
  }
  if (g.search == 0) {
    const outputs = checkOutputs(core, g);
    if (outputs < 0) return outputs;
    if (!(g.flags & GraphFlag.TRACED)) fusePads(g);
  }
  const status = planSlice(core, g);
  if (status != Status.DONE) return status;
  g.next = 0;
  g.state = GraphState.READY;
  return Status.DONE;
}

function truncated(core: Core, g: Graph): i32 {
  return fail(
    core, ErrorCode.BAD_FILE,
    "the TFLite file is broken: an offset or a count in it leads out of its {} bytes; get it again", g.file.size,
  );
}

function readModel(core: Core, g: Graph): i32 {
  const f = g.file;
  if (!isTflite(f)) {
    return fail(core, ErrorCode.BAD_FILE, "this is no TFLite file: it does not say TFL3 at its fifth byte");
  }
  const root = rootTable(f);
  const version = numberOf<u32>(f, root, 0, 0);
  if (version != 3) {
    if (f.bad) return truncated(core, g);
    return fail(core, ErrorCode.UNSUPPORTED, "the TFLite file is of version {}; limpet reads version 3", version);
  }
  const list = referenceOf(f, root, 2);
  const count = lengthOf(f, list, 4);
  if (count == 0 || count > MOST_SUBGRAPHS) {
    if (f.bad) return truncated(core, g);
    return fail(core, ErrorCode.BAD_FILE, "the TFLite file has {} subgraphs; it wants one to 256", count);
  }
  g.subgraphs = make(g, <u64>count * offsetof<Subgraph>());
  g.calls = make(g, <u64>count * offsetof<Call>());
  if (g.subgraphs == 0 || g.calls == 0) return core.errorCode;
  let tensors: u64 = 0, steps: u64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const table = tableAt(f, list, i);
    const s = g.subgraph(i);
    s.table = table;
    s.caller = NOTHING;
    s.firstTensor = <u32>tensors;
    s.firstStep = <u32>steps;
    s.tensors = lengthOf(f, referenceOf(f, table, 0), 4);
    s.steps = lengthOf(f, referenceOf(f, table, 3), 4);
    tensors += s.tensors;
    steps += s.steps;
  }
  if (f.bad) return truncated(core, g);
  if (tensors == 0 || tensors > 1 << 20 || steps > 1 << 20) {
    return fail(core, ErrorCode.BAD_FILE, "the TFLite file has {} tensors and {} operators", tensors, steps);
  }
  g.steps = make(g, max(steps, 1) * offsetof<GraphStep>());
  g.variables = make(g, max(steps, 1) * offsetof<Variable>());
  const records = make(g, tensors * offsetof<GraphTensor>());
  if (g.steps == 0 || g.variables == 0 || records == 0) return core.errorCode;
  g.tensors = records;
  g.tensorCount = <u32>tensors;
  g.stepCount = <u32>steps;
  g.subgraphCount = count;
  for (let i: u32 = 0; i < count; i++) {
    const status = readSubgraph(core, g, g.subgraph(i), root);
    if (status < 0) return status;
  }
  const main = g.subgraph(0);
  main.caller = 0;
  for (let i: u32 = 0; i < main.inputCount; i++) {
    const t = g.tensor(load<u32>(main.inputs + ((<usize>i) << 2)));
    if (elementBytes(t.type) == 0 || t.place == Place.CONSTANT) {
      return fail(
        core, ErrorCode.UNSUPPORTED, "input {} of the graph is a constant, or of a type that limpet lacks", i,
      );
    }
    t.place = Place.PLANNED;
  }
  return 0;
}

function readSubgraph(core: Core, g: Graph, s: Subgraph, root: u32): i32 {
  const f = g.file;
  const buffers = referenceOf(f, root, 4);
  const bufferCount = lengthOf(f, buffers, 4);
  const list = referenceOf(f, s.table, 0);
  for (let i: u32 = 0; i < s.tensors; i++) {
    const table = tableAt(f, list, i);
    const status = readTensor(core, g, g.tensor(s.firstTensor + i), table, buffers, bufferCount);
    if (status < 0) return status;
  }
  const codes = referenceOf(f, root, 1);
  const codeCount = lengthOf(f, codes, 4);
  const operators = referenceOf(f, s.table, 3);
  for (let i: u32 = 0; i < s.steps; i++) {
    const step = g.step(s.firstStep + i);
    const table = tableAt(f, operators, i);
    step.index = i;
    const code = numberOf<u32>(f, table, 0, 0);
    if (code >= codeCount) return fail(core, ErrorCode.BAD_FILE, "operator {} of the graph has no code", i);
    readCode(g, step, tableAt(f, codes, code));
    step.options = referenceOf(f, table, 4);
    const custom = referenceOf(f, table, 5);
    step.customLength = lengthOf(f, custom, 1);
    step.custom = custom == 0 ? 0 : elementsOf(f, custom);
    step.runs = 1;
    step.rows = 1;
    step.inputCount = lengthOf(f, referenceOf(f, table, 1), 4);
    step.inputs = readTensors(core, g, s, referenceOf(f, table, 1));
    step.outputCount = lengthOf(f, referenceOf(f, table, 2), 4);
    step.outputs = readTensors(core, g, s, referenceOf(f, table, 2));
    if (step.inputs == 0 || step.outputs == 0) return core.errorCode;
  }
  s.inputCount = lengthOf(f, referenceOf(f, s.table, 1), 4);
  s.inputs = readTensors(core, g, s, referenceOf(f, s.table, 1));
  s.outputCount = lengthOf(f, referenceOf(f, s.table, 2), 4);
  s.outputs = readTensors(core, g, s, referenceOf(f, s.table, 2));
  if (s.inputs == 0 || s.outputs == 0) return core.errorCode;
  for (let i: u32 = 0; i < s.inputCount + s.outputCount; i++) {
    const at = i < s.inputCount ? s.inputs + ((<usize>i) << 2) : s.outputs + ((<usize>(i - s.inputCount)) << 2);
    if (load<u32>(at) == NOTHING) {
      return fail(core, ErrorCode.BAD_FILE, "an input or an output of the graph is no tensor of it");
    }
  }
  return 0;
}

/** A list of a subgraph's tensors as numbers of ours; 0 with the error set. */
function readTensors(core: Core, g: Graph, s: Subgraph, vector: u32): usize {
  const count = lengthOf(g.file, vector, 4);
  const target = make(g, max(count, 1) * 4);
  if (target == 0) return 0;
  for (let i: u32 = 0; i < count; i++) {
    const index = load<i32>(elementsOf(g.file, vector) + ((<usize>i) << 2));
    if (index < -1 || index >= <i32>s.tensors) {
      fail(core, ErrorCode.BAD_FILE, "the graph names tensor {i}, and has {}", <u64>(<i64>index), s.tensors);
      return 0;
    }
    store<u32>(target + ((<usize>i) << 2), index < 0 ? NOTHING : s.firstTensor + <u32>index);
  }
  return target;
}

function readCode(g: Graph, step: GraphStep, table: u32): void {
  const f = g.file;
  const old = <i32>numberOf<i8>(f, table, 0, 0);
  step.op = <u32>max(max(old, numberOf<i32>(f, table, 3, 0)), 0);
  const name = referenceOf(f, table, 1);
  if (step.op == Operator.CUSTOM && name != 0) {
    step.nameLength = lengthOf(f, name, 1);
    step.name = elementsOf(f, name);
    step.op = customOperator(step.name, step.nameLength);
  } else {
    step.name = operatorName(step.op, changetype<usize>(step) + offsetof<GraphStep>("nameLength"));
  }
}

function readTensor(core: Core, g: Graph, t: GraphTensor, table: u32, buffers: u32, bufferCount: u32): i32 {
  const f = g.file;
  t.base = NOTHING;
  t.into = NOTHING;
  t.onto = NOTHING;
  t.first = NOTHING;
  t.last = NOTHING;
  t.type = <u32>(<u8>numberOf<i8>(f, table, 1, 0));
  const name = referenceOf(f, table, 3);
  t.nameLength = lengthOf(f, name, 1);
  t.name = name == 0 ? 0 : elementsOf(f, name);
  const said = bytesOf(t.name, t.nameLength);
  const shape = referenceOf(f, table, 0);
  t.rank = lengthOf(f, shape, 4);
  if (t.rank > MOST_DIMENSIONS) {
    return fail(core, ErrorCode.UNSUPPORTED, "tensor {s} has {} dimensions; limpet has at most 6", said, t.rank);
  }
  let count: u64 = 1;
  const dims = changetype<usize>(t) + offsetof<GraphTensor>("d0");
  for (let d: u32 = 0; d < MOST_DIMENSIONS; d++) {
    const size: i32 = d < t.rank ? load<i32>(elementsOf(f, shape) + ((<usize>d) << 2)) : 1;
    if (size < 0) return fail(core, ErrorCode.BAD_FILE, "tensor {s} has a dimension of {i}", said, <u64>(<i64>size));
    store<i32>(dims + ((<usize>d) << 2), size);
    count = min(count * size, 1 << 40);
  }
  const bytes = count * elementBytes(t.type);
  if (count > 0x7fff_ffff || bytes > 0x7fff_ffff) {
    return fail(core, ErrorCode.UNSUPPORTED, "tensor {s} has more than 2 GB", said);
  }
  t.count = <u32>count;
  t.bytes = <u32>bytes;
  const quantisation = referenceOf(f, table, 4);
  const scales = referenceOf(f, quantisation, 2), zeros = referenceOf(f, quantisation, 3);
  t.scaleCount = lengthOf(f, scales, 4);
  if (t.scaleCount > 0) {
    t.scales = elementsOf(f, scales);
    t.scale = load<f32>(t.scales);
  }
  if (lengthOf(f, zeros, 8) > 0) {
    const zero = load<i64>(elementsOf(f, zeros));
    t.zero = <i32>min(max(zero, -32769), 65536);
  }
  if (numberOf<u8>(f, quantisation, 4, 0) > 1) {
    return fail(core, ErrorCode.UNSUPPORTED, "tensor {s} is quantised block by block, which limpet lacks", said);
  }
  if (numberOf<u8>(f, table, 5, 0) != 0 && bytes > 0) t.place = Place.KEPT;
  const buffer = numberOf<u32>(f, table, 2, 0);
  if (buffer >= max(bufferCount, 1)) return fail(core, ErrorCode.BAD_FILE, "tensor {s} has no buffer", said);
  if (buffer == 0 || bufferCount == 0) return 0;
  const data = bufferBytes(f, tableAt(f, buffers, buffer), changetype<usize>(t) + offsetof<GraphTensor>("offset"));
  if (t.offset == 0) return 0;
  t.sparsity = referenceOf(f, table, 6);
  if (t.offset < t.bytes && t.sparsity == 0) {
    return fail(core, ErrorCode.BAD_FILE, "tensor {s} has {} bytes, and its shape wants {}", said, t.offset, t.bytes);
  }
  if (f.bad) return 0;
  t.place = Place.CONSTANT;
  t.data = data;
  return 0;
}

function prepareStep(core: Core, g: Graph, step: GraphStep): i32 {
  // Subgraphs that nothing calls are other ways into the file: nobody asked for them.
  const s = subgraphOf(g, g.next);
  if (s.caller == NOTHING) {
    step.runs = 0;
    return 0;
  }
  let isConstant = step.inputCount > 0;
  for (let i: u32 = 0; i < step.inputCount; i++) {
    if (!g.has(step, i)) continue;
    const t = g.input(step, i);
    if (t.place == Place.NONE) return broken(g, step, "it reads what nothing has written");
    if (t.sparsity != 0 && step.op != Operator.DENSIFY) return refuse(g, step, "it reads a sparse tensor");
    if (t.place != Place.CONSTANT) isConstant = false;
  }
  for (let i: u32 = 0; i < step.outputCount; i++) {
    if (load<u32>(step.outputs + ((<usize>i) << 2)) == NOTHING)
      return broken(g, step, "one of its outputs is no tensor");
    const t = g.output(step, i);
    if (t.place != Place.NONE) return broken(g, step, "it writes what is written already");
    t.place = Place.PLANNED;
  }
  const status = prepare(g, step);
  if (status < 0) return status;
  if (step.op == Operator.CALL_ONCE) {
    if (s != g.subgraph(0)) return refuse(g, step, "it stands in a subgraph");
    const once = g.subgraph(<u32>step.parameters);
    if (once.caller != NOTHING && isControl(g.step(once.caller).op))
      return refuse(g, step, "it runs a subgraph that another step runs");
    once.caller = g.next;
  }
  if (isStateful(step.op)) return 0;
  if (step.op == Operator.SHAPE || (isConstant && step.macs <= MOST_FOLDED)) return fold(g, step);
  if (isView(step.op) && !(g.flags & GraphFlag.TRACED)) {
    const x = load<u32>(step.inputs), y = g.output(step);
    y.place = Place.VIEW;
    y.base = g.tensor(x).place == Place.VIEW ? g.tensor(x).base : x;
    step.runs = 0;
  }
  return 0;
}

function isView(op: u32): bool {
  return op == Operator.RESHAPE || op == Operator.SQUEEZE || op == Operator.EXPAND_DIMS;
}

function subgraphOf(g: Graph, index: u32): Subgraph {
  let i: u32 = 0;
  while (i + 1 < g.subgraphCount && index >= g.subgraph(i + 1).firstStep) i++;
  // A subgraph without steps begins where the next one does.
  while (g.subgraph(i).steps == 0 && i > 0) i--;
  return g.subgraph(i);
}

/** Computes a step now: what it writes is a constant. */
function fold(g: Graph, step: GraphStep): i32 {
  for (let i: u32 = 0; i < step.outputCount; i++) {
    const t = g.output(step, i);
    t.data = make(g, max(t.bytes, 1));
    if (t.data == 0) return g.core.errorCode;
    t.place = Place.CONSTANT;
  }
  if (step.scratch > 0) {
    g.scratch = allocate(g.core, step.scratch, "the scratch of an operator");
    if (g.scratch == 0) return g.core.errorCode;
  }
  const status = run(g, step, 0, step.rows);
  release(g.core, g.scratch);
  g.scratch = 0;
  step.runs = 0;
  return status;
}

/** Outputs are written, and of a type that a host knows. */
function checkOutputs(core: Core, g: Graph): i32 {
  for (let s: u32 = 1; s < g.subgraphCount; s++) {
    const subgraph = g.subgraph(s);
    for (let i: u32 = 0; subgraph.caller != NOTHING && i < subgraph.outputCount; i++) {
      const t = g.tensor(load<u32>(subgraph.outputs + ((<usize>i) << 2)));
      if (t.place != Place.NONE && t.sparsity == 0) continue;
      return fail(core, ErrorCode.BAD_FILE, "output {} of subgraph {} is written by no operator", i, s);
    }
  }
  const main = g.subgraph(0);
  for (let i: u32 = 0; i < main.outputCount; i++) {
    const t = g.tensor(load<u32>(main.outputs + ((<usize>i) << 2)));
    if (t.place == Place.NONE || t.sparsity != 0 || elementBytes(t.type) == 0) {
      return fail(core, ErrorCode.BAD_FILE, "output {} of the graph is written by no operator", i);
    }
  }
  return 0;
}
