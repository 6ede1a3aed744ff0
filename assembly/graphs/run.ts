/** Runs a graph, slice by slice: whole steps, or some rows of the output of a large one. */
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { HAS_GRAPH_CONTROL } from "../parts";
import { runCalls } from "./calls";
import { isControl } from "./control";
import { run } from "./families";
import { Operator } from "./operators";
import { aim, patchOf, runPatch } from "./patches";
import { Graph, GraphState, GraphStep, Subgraph } from "./records";
import { clearState } from "./state";
import { VALUE, advance } from "./steps";

/** Multiply-adds of a slice. */
const SLICE: u64 = 1 << 22;

/**
 * A slice of a run: DONE, MORE, NEED_DATA where a part of an input is to be written, or an error, after which the next
 * call begins anew.
 */
export function runSlice(core: Core, g: Graph): i32 {
  if (g.state != GraphState.READY && g.state != GraphState.RUNNING) {
    return fail(core, ErrorCode.WRONG_STATE, "the graph is not loaded: step its loading first");
  }
  g.state = GraphState.RUNNING;
  const main = g.subgraph(0);
  for (let left: u64 = SLICE; g.next < main.steps; ) {
    if (wantsFeeding(g)) return Status.NEED_DATA;
    const status = runSome(g, left);
    if (status < 0) {
      stopGraph(g);
      return status;
    }
    if (<u64>status >= left) {
      if (g.next < main.steps) return Status.MORE;
      break;
    }
    left -= status;
  }
  g.next = 0;
  g.patch = 0;
  g.isFed = 0;
  g.begun = 1;
  g.state = GraphState.READY;
  return Status.DONE;
}

/** Whether the host has to write parts of inputs for the patch that begins here. */
function wantsFeeding(g: Graph): bool {
  if (g.feeds == 0 || g.isFed || g.next > 0) return false;
  aim(g, g.patch / g.side, g.patch % g.side);
  g.isFed = 1;
  return true;
}

/** One step, whole or some of its rows: the work that was done, at most about `left`; below zero: an error. */
function runSome(g: Graph, left: u64): i32 {
  const step = g.step(g.next);
  if (g.next < g.stage) return runSomeOfPatch(g, step, left);
  if (!step.runs) {
    g.next += 1;
    return 1;
  }
  if (step.op == Operator.CALL_ONCE) {
    g.next += 1;
    return g.begun ? 1 : runSubgraph(g, g.subgraph(<u32>step.parameters));
  }
  const calls = HAS_GRAPH_CONTROL && isControl(step.op);
  const done = calls
    ? runCalls(g, step, left)
    : <i64>advance(g, step, changetype<usize>(g) + offsetof<Graph>("row"), left);
  if (done >= 0 && (calls ? g.depth == 0 : g.row == 0)) g.next += 1;
  return <i32>min(done, 0x7fff_ffff);
}

/** As runSome, of the patch that is under way. */
function runSomeOfPatch(g: Graph, step: GraphStep, left: u64): i32 {
  if (g.next == 0 && g.row == 0) aim(g, g.patch / g.side, g.patch % g.side);
  const p = patchOf(g, step);
  const rows = p == null || p.wide == 0 ? 0 : p.tall;
  let work: u64 = 1;
  if (rows > 0) {
    const y = g.output(step);
    const pixel = step.macs / (<u64>y.dim(1) * y.dim(2)) + <u64>y.dim(3) * VALUE;
    const each = max(pixel * p.wide, 1);
    const end = <u32>min(<u64>rows, <u64>g.row + max(left / each, 1));
    const status = runPatch(g, step, g.row, end);
    if (status < 0) return status;
    work = each * (end - g.row);
    g.row = end;
  }
  if (g.row == rows) {
    g.row = 0;
    g.next += 1;
    if (g.next == g.stage && g.patch + 1 < g.side * g.side) {
      g.patch += 1;
      g.isFed = 0;
      g.next = 0;
    }
  }
  return <i32>min(work, 0x7fff_ffff);
}

function runSubgraph(g: Graph, s: Subgraph): i32 {
  for (let i = s.firstStep, end = i + s.steps; i < end; i++) {
    const step = g.step(i);
    const status = step.runs ? run(g, step, 0, step.rows) : 0;
    if (status < 0) return status;
  }
  return 1;
}

/** One whole step, and no more: for who looks at every tensor. Returns as `runSlice`. */
export function runStep(core: Core, g: Graph): i32 {
  if (g.state != GraphState.READY && g.state != GraphState.RUNNING) {
    return fail(core, ErrorCode.WRONG_STATE, "the graph is not loaded: step its loading first");
  }
  if (wantsFeeding(g)) {
    g.state = GraphState.RUNNING;
    return Status.NEED_DATA;
  }
  const before = g.next, patch = g.patch;
  while (g.next == before && g.patch == patch) {
    const status = runSome(g, u32.MAX_VALUE);
    if (status < 0) return status;
  }
  if (g.next < g.subgraph(0).steps) {
    g.state = GraphState.RUNNING;
    return Status.MORE;
  }
  g.next = 0;
  g.patch = 0;
  g.isFed = 0;
  g.begun = 1;
  g.state = GraphState.READY;
  return Status.DONE;
}

/** Gives up a run that is under way. */
export function stopGraph(g: Graph): void {
  if (g.state != GraphState.RUNNING) return;
  g.next = 0;
  g.row = 0;
  g.patch = 0;
  g.isFed = 0;
  g.depth = 0;
  g.state = GraphState.READY;
}

/** State as before the first run. */
export function resetGraph(g: Graph): void {
  stopGraph(g);
  clearState(g);
  g.begun = 0;
}
