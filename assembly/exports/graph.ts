/**
 * Graphs: a TFLite file is loaded, slice by slice, and run with bytes in and bytes out. A host writes the file to
 * `graph_file`, steps `graph_step` until DONE, writes the inputs, and steps `graph_run`.
 */
import { Core } from "../memory/core";
import { createGraph, loadSlice, releaseGraph } from "../graphs/load";
import { resetGraph, runSlice, runStep, stopGraph } from "../graphs/run";
import { sideWanted } from "../graphs/patches";
import { Graph, GraphTensor } from "../graphs/records";

/** A graph for a file of so many bytes; `flags` of GraphFlag. 0 with the error set. */
export function graph_create(core: Core, bytes: u64, flags: u32): usize {
  return changetype<usize>(createGraph(core, bytes, flags));
}

/**
 * The same for a file that lies in memory already: it is read there, and stays as it is while the graph lives. Up to 16
 * bytes behind it may be read. For hosts whose memory goes on where the file lies, in flash for instance.
 */
export function graph_create_in_place(core: Core, file: usize, bytes: u64, flags: u32): usize {
  return changetype<usize>(createGraph(core, bytes, flags, file));
}

/** Gives back a graph and all that it has. 0 is allowed. */
export function graph_release(core: Core, g: Graph): void {
  releaseGraph(core, g);
}

/** The address at which the host writes the file, before the first step. */
export function graph_file(g: Graph): usize {
  return g.file.at;
}

/**
 * The most bytes that values and inputs may take, said before the first step; 0: as many as they need. Where they need
 * more, the graph is computed patch by patch, and the host writes its image part by part: see graph_run. What no plan
 * fits is OUT_OF_MEMORY.
 */
export function graph_set_budget(g: Graph, bytes: u64): void {
  g.budget = bytes;
}

/** A slice of loading: DONE, MORE, or an error. */
export function graph_step(core: Core, g: Graph): i32 {
  return loadSlice(core, g);
}

/**
 * A slice of a run: DONE, MORE, or an error. Inputs are written before the first slice of each run, all of them. Of a
 * graph with a budget it may be NEED_DATA: the host writes what graph_wanted says of each input, and goes on.
 */
export function graph_run(core: Core, g: Graph): i32 {
  return runSlice(core, g);
}

/**
 * The rows and columns that an input wants at NEED_DATA: 0 the first row, 1 that behind the last, 2 and 3 columns
 * alike; all 0: it wants none. They go to graph_tensor_data, row behind row. Such an input has less memory than bytes
 * (graph_tensor_number, 6): it is written at no other time.
 */
export function graph_wanted(t: GraphTensor, side: u32): u32 {
  return sideWanted(t, side);
}

/** As graph_run, one whole operator a call: its outputs can be looked at before the next one. */
export function graph_run_operator(core: Core, g: Graph): i32 {
  return runStep(core, g);
}

/** State as before the first run, and no run under way. */
export function graph_reset(g: Graph): void {
  resetGraph(g);
}

/** The operator that the next graph_run_operator runs. */
export function graph_next(g: Graph): u32 {
  return g.next;
}

/**
 * Bytes by kind: 0 the file, 1 what is made of its constants, 2 values, 3 state, 4 scratch, 6 inputs whole beside
 * the values; 5 multiply-adds of a run, 7 those of a run without patches. Of patches: 8 how many along a side, 0: none,
 * 9 how many operators run patch by patch.
 */
export function graph_bytes(g: Graph, kind: u32): f64 {
  switch (kind) {
    case 0: return <f64>g.file.size;
    case 1: return <f64>g.made;
    case 2: return <f64>g.placesBytes;
    case 3: return <f64>g.stateBytes;
    case 4: return <f64>g.scratchBytes;
    case 5: return <f64>g.macs;
    case 6: return <f64>g.apartBytes;
    case 7: return <f64>g.wholeMacs;
    case 8: return <f64>g.side;
    default: return <f64>g.stage;
  }
}

/** How many inputs (0), outputs (1), operators (2) or tensors (3) a graph has. */
export function graph_count(g: Graph, what: u32): u32 {
  if (g.tensors == 0) return 0;
  const main = g.subgraph(0);
  return what == 0 ? main.inputCount : what == 1 ? main.outputCount : what == 2 ? main.steps : main.tensors;
}

/** Tensor `i` of the inputs (0), the outputs (1) or all (3); 0: there is none. */
export function graph_tensor(g: Graph, what: u32, i: u32): usize {
  if (i >= graph_count(g, what) || what == 2) return 0;
  const main = g.subgraph(0);
  const index = what == 3 ? i : load<u32>((what == 0 ? main.inputs : main.outputs) + ((<usize>i) << 2));
  return changetype<usize>(g.tensor(index));
}

/** The id of the tensor that operator `i` writes as its output `k`, as graph_tensor takes it; −1: there is none. */
export function graph_operator_output(g: Graph, i: u32, k: u32): i32 {
  if (i >= graph_count(g, 2) || k >= g.step(i).outputCount) return -1;
  return load<i32>(g.step(i).outputs + ((<usize>k) << 2));
}

/** Whether operator `i` runs by itself: it is neither folded, fused nor a view. */
export function graph_operator_runs(g: Graph, i: u32): u32 {
  return i < graph_count(g, 2) ? g.step(i).runs : 0;
}

/** The address of an operator's name. */
export function graph_operator_name(g: Graph, i: u32): usize {
  return i < graph_count(g, 2) ? g.step(i).name : 0;
}

/** The length of that name [bytes]. */
export function graph_operator_name_length(g: Graph, i: u32): u32 {
  return i < graph_count(g, 2) ? g.step(i).nameLength : 0;
}

/**
 * Numbers of a tensor: 0 type, 1 dimensions, 2 bytes, 3 scale, 4 zero point, 5 scales, 6 bytes in memory, from 8 on
 * sizes.
 */
export function graph_tensor_number(t: GraphTensor, which: u32): f64 {
  switch (which) {
    case 0: return t.type;
    case 1: return t.rank;
    case 2: return t.bytes;
    case 3: return t.scaleCount > 0 ? <f64>t.scale : 0;
    case 4: return <f64>t.zero;
    case 5: return t.scaleCount;
    case 6: return t.patch == 0 ? t.bytes : t.room;
    default: return which >= 8 && which < 8 + t.rank ? <f64>t.dim(which - 8) : 0;
  }
}

/** The address of a tensor's name. */
export function graph_tensor_name(t: GraphTensor): usize {
  return t.name;
}

/** The length of that name [bytes]. */
export function graph_tensor_name_length(t: GraphTensor): u32 {
  return t.nameLength;
}

/** The address of a tensor's bytes: of an input before a run, of an output behind it. 0 before the graph is loaded. */
export function graph_tensor_data(t: GraphTensor): usize {
  return t.data;
}

/** Gives up a run that is under way: the next slice begins anew. State is as far as the run came. */
export function graph_stop(g: Graph): void {
  stopGraph(g);
}
