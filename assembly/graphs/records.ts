/**
 * What a graph is in memory: tensors, and the steps that compute them, in records. A file's operators become steps, one
 * each, in the file's order; what is folded, fused or a view of something else does not run.
 *
 *     Graph ┌ record │ tensors: GraphTensor[] │ steps: GraphStep[] │ variables │ subgraphs ┐    one block of the arena
 *           ├ chunks: packed filters, channels' records, tables, folded constants
 *           ├ places: what steps write, planned by how long it lives (plan.ts)
 *           ├ state: variables                   └ scratch: of one step
 *
 * Constants stay where they are in the file, which lies in memory whole.
 */
import { allocate, release } from "../memory/arena";
import { Core } from "../memory/core";
import { Tflite } from "../files/tflite";

export const NOTHING: u32 = 0xffff_ffff;
/** Dimensions that a tensor may have. */
export const MOST_DIMENSIONS: u32 = 6;

/** Where the bytes of a tensor are. */
export namespace Place {
  /** Nobody has asked for it: an operand that is left out, or a value that no step writes. */
  export const NONE: u32 = 0;
  /** In the file, or folded at load. */
  export const CONSTANT: u32 = 1;
  /** Among the planned places. */
  export const PLANNED: u32 = 2;
  /** It is what another tensor is, with another shape. */
  export const VIEW: u32 = 3;
  /** In the state, which lives from run to run. */
  export const STATE: u32 = 4;
  /** Beside the planned places: an input that is read whole by a graph that is computed patch by patch. */
  export const APART: u32 = 5;
  /** In the state too, a place of its own: the file calls the tensor itself a variable. */
  export const KEPT: u32 = 6;
}

@unmanaged
export class GraphTensor {
  type: u32;
  rank: u32;
  d0: u32;
  d1: u32;
  d2: u32;
  d3: u32;
  d4: u32;
  d5: u32;
  /** Elements, and their bytes. */
  count: u32;
  bytes: u32;
  /** Of all values, or of the first channel. */
  scale: f32;
  zero: i32;
  /** Scales of channels: f32[scaleCount] in the file, of any alignment. */
  scales: usize;
  scaleCount: u32;
  place: u32;
  /** Where its bytes lie. */
  data: usize;
  /** Of a view: the tensor whose bytes it has; of a handle, the variable. */
  base: u32;
  /** The tensor whose bytes it takes over, which dies where it is written; NOTHING: it has a place of its own. */
  into: u32;
  /** The longer tensor that dies where it is written, on which it may lie if it begins no later; NOTHING: none. */
  onto: u32;
  /** The steps that write and that last read it; NOTHING: none. */
  first: u32;
  last: u32;
  /** Its place from the beginning of the planned ones, and the bytes that it takes there. */
  offset: u32;
  room: u32;
  /** The part of it that is in memory (patches.ts); 0: all of it is. */
  patch: usize;
  /** Where the file says which values of it there are; 0: all are. */
  sparsity: u32;
  name: usize;
  nameLength: u32;

  /** Dimension `i`; 1 behind the last. */
  @inline
  dim(i: u32): u32 {
    return load<u32>(changetype<usize>(this) + offsetof<GraphTensor>("d0") + ((<usize>i) << 2));
  }
}

@unmanaged
export class GraphStep {
  /** The operator, as the schema numbers it; 32: a custom one, whose name is below. */
  op: u32;
  /** Which operator of its subgraph it is. */
  index: u32;
  /** Whether it runs: it is not folded, fused or a view. */
  runs: u32;
  /** Tensors: u32[], NOTHING for one that is left out. */
  inputs: usize;
  inputCount: u32;
  outputs: usize;
  outputCount: u32;
  /** Its table of options in the file, and what a custom operator has instead. */
  options: u32;
  custom: usize;
  customLength: u32;
  name: usize;
  nameLength: u32;
  /** The record of parameters that its family made. */
  parameters: usize;
  /** Rows of the output that can be computed apart; 1: all at once. */
  rows: u32;
  /** What it needs for itself while it runs [bytes]. */
  scratch: u64;
  /** Multiply-adds. */
  macs: u64;
}

/** A variable: a name, and bytes of the state. */
@unmanaged
export class Variable {
  name: usize;
  nameLength: u32;
  bytes: u32;
  data: usize;
}

/** The steps and tensors of a subgraph. */
@unmanaged
export class Subgraph {
  firstStep: u32;
  steps: u32;
  firstTensor: u32;
  tensors: u32;
  inputs: usize;
  inputCount: u32;
  outputs: usize;
  outputCount: u32;
  /** Where the file has it. */
  table: u32;
  /** The step of the first subgraph that runs it, or runs what runs it; NOTHING: none does. */
  caller: u32;
}

/** What a graph is doing. */
export namespace GraphState {
  export const LOADING: u32 = 0;
  export const READY: u32 = 1;
  export const RUNNING: u32 = 2;
  export const FAILED: u32 = 3;
}

/** How a graph is loaded. */
export namespace GraphFlag {
  /** Every step runs and writes a place of its own, so that all tensors can be looked at as they are written. */
  export const TRACED: u32 = 1;
}

@unmanaged
export class Graph {
  core: Core;
  file: Tflite;
  /** The block with the file; 0: it lies elsewhere. */
  fileBytes: usize;
  flags: u32;
  state: u32;
  tensors: usize;
  tensorCount: u32;
  steps: usize;
  stepCount: u32;
  variables: usize;
  variableCount: u32;
  subgraphs: usize;
  subgraphCount: u32;
  /** Blocks that hold what was made at load, each with the address of the one before. */
  chunk: usize;
  chunkUsed: usize;
  chunkBytes: usize;
  /** Bytes of all chunks. */
  made: u64;
  /** The planned places. */
  places: usize;
  placesBytes: u64;
  stateAt: usize;
  stateBytes: u64;
  /** Inputs that lie whole beside the planned places. */
  apart: usize;
  apartBytes: u64;
  scratch: usize;
  scratchBytes: u64;
  /** The next step, and the row of its output from which it goes on. */
  next: u32;
  row: u32;
  /** Whether the steps that run once have run. */
  begun: u32;
  /** The most bytes that the planned places and inputs beside them may take; 0: as many as they need. */
  budget: u64;
  /** The search for a plan that fits (plan.ts), while there is one. */
  search: usize;
  /** Steps before this one run for each of side × side patches; 0: none does. */
  stage: u32;
  side: u32;
  /** The patch that is under way, and whether the host has been asked for its part of the image. */
  patch: u32;
  isFed: u32;
  /** How many inputs are fed part by part. */
  feeds: u32;
  /** Multiply-adds of a run, and of one without patches. */
  macs: u64;
  wholeMacs: u64;
  /** Room for as many calls of subgraphs as there are subgraphs (calls.ts), and how many are under way. */
  calls: usize;
  depth: u32;

  @inline
  tensor(i: u32): GraphTensor {
    return changetype<GraphTensor>(this.tensors + <usize>i * offsetof<GraphTensor>());
  }

  @inline
  step(i: u32): GraphStep {
    return changetype<GraphStep>(this.steps + <usize>i * offsetof<GraphStep>());
  }

  @inline
  variable(i: u32): Variable {
    return changetype<Variable>(this.variables + <usize>i * offsetof<Variable>());
  }

  @inline
  subgraph(i: u32): Subgraph {
    return changetype<Subgraph>(this.subgraphs + <usize>i * offsetof<Subgraph>());
  }

  /** Input `i` of a step, which is there. */
  @inline
  input(step: GraphStep, i: u32): GraphTensor {
    return this.tensor(load<u32>(step.inputs + ((<usize>i) << 2)));
  }

  @inline
  output(step: GraphStep, i: u32 = 0): GraphTensor {
    return this.tensor(load<u32>(step.outputs + ((<usize>i) << 2)));
  }

  /** Whether a step has input `i`. */
  @inline
  has(step: GraphStep, i: u32): bool {
    return i < step.inputCount && load<u32>(step.inputs + ((<usize>i) << 2)) != NOTHING;
  }
}

export function sameShape(a: GraphTensor, b: GraphTensor): bool {
  if (a.rank != b.rank) return false;
  for (let d: u32 = 0; d < a.rank; d++) if (a.dim(d) != b.dim(d)) return false;
  return true;
}

const CHUNK: u64 = ASC_LOW_MEMORY_LIMIT ? 1024 : 8192;
const HEAD: u64 = 64;

/** Zeroed bytes that live as long as the graph, at a boundary of 16; 0 with the error set when there is no room. */
export function make(g: Graph, bytes: u64): usize {
  const size = (bytes + 15) & ~15;
  if (g.chunk == 0 || <u64>(g.chunkBytes - g.chunkUsed) < size) {
    const length = max(CHUNK, size + HEAD);
    const block = allocate(g.core, length, "what a graph makes of its constants");
    if (block == 0) return 0;
    g.made += length;
    if (g.chunk != 0 && length > CHUNK) {
      // A block of its own, behind the one that has room for what is small.
      store<usize>(block, load<usize>(g.chunk));
      store<usize>(g.chunk, block);
      return block + <usize>HEAD;
    }
    store<usize>(block, g.chunk);
    g.chunk = block;
    g.chunkUsed = <usize>HEAD;
    g.chunkBytes = <usize>length;
  }
  const at = g.chunk + g.chunkUsed;
  g.chunkUsed += <usize>size;
  return at;
}

/** Gives back all that `make` gave. */
export function releaseMade(g: Graph): void {
  for (let block = g.chunk; block != 0; ) {
    const before = load<usize>(block);
    release(g.core, block);
    block = before;
  }
  g.chunk = 0;
}
