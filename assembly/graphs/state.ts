/**
 * What a graph keeps from run to run: variables. A handle is a tensor that names one; ASSIGN copies, READ is what the
 * variable holds until the next ASSIGN. CALL_ONCE runs its subgraph at the first run, and again after a reset.
 */
import { TensorType, lengthOf, referenceOf, elementsOf } from "../files/tflite";
import { broken, hasOperands, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, NOTHING, Place, Variable } from "./records";

export function prepareState(g: Graph, step: GraphStep): i32 {
  switch (step.op) {
    case Operator.CALL_ONCE: {
      step.parameters = option<i32>(g, step, 0, 0);
      if (<u32>step.parameters < 1 || <u32>step.parameters >= g.subgraphCount) {
        return broken(g, step, "it calls a subgraph that is not there, or itself");
      }
      return 0;
    }
    case Operator.VAR_HANDLE: {
      if (!hasOperands(g, step, 0, 1) || g.output(step).type != TensorType.RESOURCE) {
        return broken(g, step, "it wants one output, a handle");
      }
      step.runs = 0;
      const name = referenceOf(g.file, step.options, 1);
      const length = lengthOf(g.file, name, 1);
      g.output(step).base = variableOf(g, name == 0 ? 0 : elementsOf(g.file, name), length);
      return 0;
    }
    case Operator.READ_VARIABLE: {
      if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants a handle and one output");
      return claim(g, step, g.input(step, 0), g.output(step));
    }
    default: {
      if (!hasOperands(g, step, 2, 0)) return broken(g, step, "it wants a handle and a value");
      return claim(g, step, g.input(step, 0), g.input(step, 1));
    }
  }
}

/** The variable of a name. */
function variableOf(g: Graph, name: usize, length: u32): u32 {
  let i: u32 = 0;
  for (; i < g.variableCount; i++) {
    const v = g.variable(i);
    if (v.nameLength == length && memory.compare(v.name, name, length) == 0) return i;
  }
  // There is room for one for each step.
  const v = g.variable(i);
  v.name = name;
  v.nameLength = length;
  g.variableCount += 1;
  return i;
}

/** A variable of a step's own, which no name leads to. */
export function ownVariable(g: Graph, bytes: u32): Variable {
  const v = g.variable(g.variableCount);
  v.nameLength = NOTHING;
  v.bytes = bytes;
  g.variableCount += 1;
  return v;
}

/** State as before the first run: zeros, and what stands for 0 in values of i8 that the file calls variables. */
export function clearState(g: Graph): void {
  memory.fill(g.stateAt, 0, <usize>g.stateBytes);
  for (let i: u32 = 0; i < g.tensorCount; i++) {
    const t = g.tensor(i);
    if (t.place == Place.KEPT && t.type == TensorType.I8) memory.fill(t.data, <u8>t.zero, t.bytes);
  }
}

/** A value that goes to a variable or comes from it: all of one are equally long. */
function claim(g: Graph, step: GraphStep, handle: GraphTensor, value: GraphTensor): i32 {
  if (handle.type != TensorType.RESOURCE || handle.base >= g.variableCount) {
    return refuse(g, step, "its handle comes from elsewhere than VAR_HANDLE");
  }
  const v = g.variable(handle.base);
  if (v.bytes != 0 && v.bytes != value.bytes) return broken(g, step, "its variable has values of different sizes");
  v.bytes = value.bytes;
  step.parameters = changetype<usize>(v);
  return 0;
}

export function runState(g: Graph, step: GraphStep): void {
  const v = changetype<Variable>(step.parameters);
  if (step.op == Operator.READ_VARIABLE) memory.copy(g.output(step).data, v.data, v.bytes);
  else memory.copy(v.data, g.input(step, 1).data, v.bytes);
}
