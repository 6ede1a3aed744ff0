/**
 * Runs what IF and WHILE call, slice by slice: a stack of calls, each with the next step of its subgraph. Values go
 * from step to subgraph and back as copies, so that a body may give its values in another order.
 */
import { broken } from "./check";
import { Control, isControl } from "./control";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, Subgraph } from "./records";
import { advance } from "./steps";

/** Turns of one WHILE: a file that wants more goes round forever. */
const MOST_TURNS: u32 = 1 << 24;

/** A call: a step, the subgraph that it runs now, and how far that came. */
@unmanaged
export class Call {
  step: GraphStep;
  subgraph: Subgraph;
  next: u32;
  row: u32;
  /** WHILE: whether the body runs, or the condition; and how often it went round. */
  inBody: u32;
  turns: u32;
}

@inline
function callAt(g: Graph, i: u32): Call {
  return changetype<Call>(g.calls + <usize>i * offsetof<Call>());
}

/** Some of a step of the first subgraph that calls others: the work that was done; below zero: an error. */
export function runCalls(g: Graph, step: GraphStep, left: u64): i64 {
  let work: u64 = 0;
  if (g.depth == 0) work += begin(g, step);
  while (g.depth > 0 && work < left) {
    const call = callAt(g, g.depth - 1);
    const s = call.subgraph;
    if (call.next < s.firstStep + s.steps) {
      const inner = g.step(call.next);
      if (isControl(inner.op) && inner.runs) {
        call.next += 1;
        work += begin(g, inner);
        continue;
      }
      const done = advance(g, inner, changetype<usize>(call) + offsetof<Call>("row"), left - work);
      if (done < 0) return done;
      if (call.row == 0) call.next += 1;
      work += done;
    } else {
      const done = end(g, call);
      if (done < 0) return done;
      work += done;
    }
  }
  return <i64>max(work, 1);
}

/** Begins a call; the work that it was. */
function begin(g: Graph, step: GraphStep): u64 {
  const call = callAt(g, g.depth);
  g.depth += 1;
  const p = changetype<Control>(step.parameters);
  call.step = step;
  call.inBody = 0;
  call.turns = 0;
  if (step.op == Operator.IF) {
    const holds = load<u8>(g.input(step, 0).data) != 0;
    return enter(g, call, holds ? p.first : p.second, step.inputs + 4);
  }
  for (let i: u32 = 0; i < step.inputCount; i++) move(g.input(step, i), g.output(step, i));
  return enter(g, call, p.first, step.outputs);
}

/** Goes to the first step of a subgraph with the values of a list of tensors. */
function enter(g: Graph, call: Call, index: u32, values: usize): u64 {
  const s = g.subgraph(index);
  call.subgraph = s;
  call.next = s.firstStep;
  call.row = 0;
  let bytes: u64 = 0;
  for (let i: usize = 0; i < <usize>s.inputCount; i++) {
    const t = g.tensor(load<u32>(s.inputs + (i << 2)));
    move(g.tensor(load<u32>(values + (i << 2))), t);
    bytes += t.bytes;
  }
  return bytes + 16;
}

/** The subgraph of a call has run: what comes then. The work that it was, or an error. */
function end(g: Graph, call: Call): i64 {
  const step = call.step;
  const s = call.subgraph;
  const p = changetype<Control>(step.parameters);
  if (step.op == Operator.WHILE && !call.inBody) {
    if (load<u8>(g.tensor(load<u32>(s.outputs)).data) == 0) {
      g.depth -= 1;
      return 1;
    }
    call.turns += 1;
    if (call.turns > MOST_TURNS) return broken(g, step, "it goes round more than 16,777,216 times");
    call.inBody = 1;
    return <i64>enter(g, call, p.second, step.outputs);
  }
  for (let i: u32 = 0; i < s.outputCount; i++) {
    move(g.tensor(load<u32>(s.outputs + ((<usize>i) << 2))), g.output(step, i));
  }
  if (step.op == Operator.IF) {
    g.depth -= 1;
    return 1;
  }
  call.inBody = 0;
  return <i64>enter(g, call, p.first, step.outputs);
}

@inline
function move(from: GraphTensor, to: GraphTensor): void {
  memory.copy(to.data, from.data, to.bytes);
}
