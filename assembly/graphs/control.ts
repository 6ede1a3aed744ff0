/**
 * IF and WHILE at load: which subgraphs they run, and that operands and results fit those. A subgraph is run by one
 * step alone, which stands in a subgraph before it: nothing runs itself, and all of it has places of its own. How they
 * run is in calls.ts.
 *
 *     IF     condition, operands…   → results…         then │ else: operands → results
 *     WHILE  values…                → values…          condition: values → BOOL;  body: values → values
 */
import { TensorType } from "../files/tflite";
import { broken, hasOperands, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, NOTHING, Place, Subgraph, make } from "./records";

/** What a step runs: the subgraphs of `then` and `else`, or of condition and body. */
@unmanaged
export class Control {
  first: u32;
  second: u32;
}

export function isControl(op: u32): bool {
  return op == Operator.IF || op == Operator.WHILE;
}

export function prepareControl(g: Graph, step: GraphStep): i32 {
  const isIf = step.op == Operator.IF;
  if (!hasOperands(g, step, max(step.inputCount, isIf ? 1 : 0), step.outputCount))
    return broken(g, step, "it lacks an operand");
  const p = changetype<Control>(make(g, offsetof<Control>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.first = option<u32>(g, step, 0, 0);
  p.second = option<u32>(g, step, 1, 0);
  if (isIf && (g.input(step, 0).type != TensorType.BOOL || g.input(step, 0).count != 1))
    return broken(g, step, "its condition is not one bool");
  if (!isIf && step.inputCount != step.outputCount) return broken(g, step, "it gives other values than it takes");
  const caller = callerOf(g, step);
  if (g.step(caller).op == Operator.CALL_ONCE) return refuse(g, step, "it stands in a subgraph that runs once");
  for (let which: u32 = 0; which < 2; which++) {
    const index = which == 0 ? p.first : p.second;
    if (index >= g.subgraphCount) return broken(g, step, "it runs a subgraph that is not there");
    const s = g.subgraph(index);
    if (s.firstStep <= g.next || index == 0) return refuse(g, step, "it runs a subgraph that stands before it");
    if (s.caller != NOTHING) return refuse(g, step, "it runs a subgraph that another step runs");
    s.caller = caller;
    const status = fits(g, step, s, isIf ? 1 : 0, !isIf && which == 0);
    if (status < 0) return status;
  }
  return 0;
}

/** The step of the first subgraph that a step belongs to: itself, or the one that runs its subgraph. */
function callerOf(g: Graph, step: GraphStep): u32 {
  const index = <u32>((changetype<usize>(step) - g.steps) / offsetof<GraphStep>());
  let s: u32 = 0;
  while (index < g.subgraph(s).firstStep || index >= g.subgraph(s).firstStep + g.subgraph(s).steps) s++;
  return s == 0 ? index : g.subgraph(s).caller;
}

/** Whether a subgraph takes what a step has from its input `skip` on, and gives what the step gives, or one bool. */
function fits(g: Graph, step: GraphStep, s: Subgraph, skip: u32, asks: bool): i32 {
  if (s.inputCount != step.inputCount - skip || s.outputCount != (asks ? 1 : step.outputCount))
    return broken(g, step, "its subgraph takes or gives another number of values");
  for (let i: u32 = 0; i < s.inputCount; i++) {
    const t = g.tensor(load<u32>(s.inputs + ((<usize>i) << 2)));
    if (!isLike(t, g.input(step, i + skip)))
      return broken(g, step, "its subgraph takes values of other sizes or types");
    if (t.place != Place.NONE) return refuse(g, step, "its subgraph takes one value twice, or into a constant");
    t.place = Place.PLANNED;
  }
  for (let i: u32 = 0; i < s.outputCount; i++) {
    const t = g.tensor(load<u32>(s.outputs + ((<usize>i) << 2)));
    if (asks ? t.type != TensorType.BOOL || t.count != 1 : !isLike(t, g.output(step, i)))
      return broken(g, step, "its subgraph gives values of other sizes or types");
  }
  if (asks) {
    for (let i: u32 = 0; i < step.inputCount; i++) {
      if (!isLike(g.input(step, i), g.output(step, i)))
        return broken(g, step, "it gives values of other sizes or types");
    }
  }
  return 0;
}

function isLike(a: GraphTensor, b: GraphTensor): bool {
  return a.type == b.type && a.count == b.count && a.bytes == b.bytes;
}
