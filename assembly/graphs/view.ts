/** Operators that change a shape alone: RESHAPE, SQUEEZE, EXPAND_DIMS are views of their input; and SHAPE tells one. */
import { TensorType } from "../files/tflite";
import { broken, hasOperands, refuse } from "./check";
import { Graph, GraphStep } from "./records";

/** The target is the shape of the output, whatever else the file says of it. */
export function prepareView(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const x = g.input(step, 0), y = g.output(step);
  if (x.type != y.type || x.count != y.count) return broken(g, step, "its output has another size than its input");
  return 0;
}

export function prepareShape(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 1, 1)) return broken(g, step, "it wants one input and one output");
  const y = g.output(step);
  if (y.type != TensorType.I32 && y.type != TensorType.I64)
    return refuse(g, step, "its output is neither of i32 nor of i64");
  return y.count == g.input(step, 0).rank
    ? 0
    : broken(g, step, "its output has another size than its input's dimensions");
}

export function runShape(g: Graph, step: GraphStep): void {
  const x = g.input(step, 0), y = g.output(step);
  for (let d: u32 = 0; d < x.rank; d++) {
    if (y.type == TensorType.I32) store<u32>(y.data + ((<usize>d) << 2), x.dim(d));
    else store<u64>(y.data + ((<usize>d) << 3), <u64>x.dim(d));
  }
}
