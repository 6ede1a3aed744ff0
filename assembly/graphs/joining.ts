/** CONCATENATION, PACK, SPLIT, SPLIT_V, UNPACK and GATHER: pieces along one dimension. */
import { TensorType, elementBytes } from "../files/tflite";
import { broken, hasOperands, isKnown, knownInteger, option, refuse } from "./check";
import { Operator } from "./operators";
import { Graph, GraphStep, GraphTensor, make } from "./records";

@unmanaged
class Joint {
  /** Places before the dimension, and bytes behind it of one index. */
  outer: u32;
  inner: u32;
  /** GATHER: indices of the dimension. */
  size: u32;
}

/** What stands along the joint: whole tensors side by side, one long one that is their sum. */
export function prepareJoint(g: Graph, step: GraphStep): i32 {
  const op = step.op;
  const joins = op == Operator.CONCATENATION || op == Operator.PACK;
  const stacks = op == Operator.PACK || op == Operator.UNPACK;
  const p = changetype<Joint>(make(g, offsetof<Joint>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  const source: u32 = op == Operator.SPLIT ? 1 : 0;
  if (!hasOperands(g, step, max(source + 1, joins ? step.inputCount : 1), joins ? 1 : step.outputCount)) {
    return broken(g, step, "it lacks an operand");
  }
  if (step.inputCount == 0 || step.outputCount == 0) return broken(g, step, "it lacks an operand");
  const whole = joins ? g.output(step) : g.input(step, source);
  let axis = 0;
  if (op == Operator.SPLIT || op == Operator.SPLIT_V) {
    const at: u32 = op == Operator.SPLIT ? 0 : 2;
    if (!g.has(step, at) || !isKnown(g.input(step, at)) || g.input(step, at).count != 1) {
      return refuse(g, step, "its dimension is not known at load");
    }
    axis = knownInteger(g.input(step, at), 0);
  } else {
    axis = option<i32>(g, step, op == Operator.CONCATENATION ? 0 : 1, 0);
  }
  if (op == Operator.CONCATENATION && option<u8>(g, step, 1, 0) != 0)
    return refuse(g, step, "an activation follows it");
  if (axis < 0) axis += whole.rank;
  if (axis < 0 || axis >= <i32>whole.rank) return broken(g, step, "it names a dimension that is not there");
  let before: u32 = 1;
  p.inner = elementBytes(whole.type);
  for (let d: u32 = 0; d < whole.rank; d++) {
    if (d < <u32>axis) before *= whole.dim(d);
    if (d > <u32>axis) p.inner *= whole.dim(d);
  }
  p.outer = before;
  let sum: u64 = 0;
  const pieces = joins ? step.inputCount : step.outputCount;
  for (let i: u32 = 0; i < pieces; i++) {
    const piece = joins ? g.input(step, i) : g.output(step, i);
    if (piece.type != whole.type) return broken(g, step, "its pieces have different types");
    if (whole.type == TensorType.I8 && (piece.scale != whole.scale || piece.zero != whole.zero)) {
      return refuse(g, step, "its pieces have different scales");
    }
    if (!stacks && !sameBut(piece, whole, axis)) return broken(g, step, "its pieces have different shapes");
    sum += piece.bytes;
    if (before == 0 || piece.bytes % before != 0) return broken(g, step, "its pieces have different shapes");
  }
  return sum == <u64>whole.bytes ? 0 : broken(g, step, "its pieces are not as long as the whole");
}

function sameBut(a: GraphTensor, b: GraphTensor, axis: i32): bool {
  if (a.rank != b.rank) return false;
  for (let d: u32 = 0; d < a.rank; d++) if (<i32>d != axis && a.dim(d) != b.dim(d)) return false;
  return true;
}

export function runJoint(g: Graph, step: GraphStep): void {
  const p = changetype<Joint>(step.parameters);
  const joins = step.op == Operator.CONCATENATION || step.op == Operator.PACK;
  const whole = joins ? g.output(step) : g.input(step, step.op == Operator.SPLIT ? 1 : 0);
  const row = whole.bytes / p.outer;
  let at = whole.data;
  const pieces = joins ? step.inputCount : step.outputCount;
  for (let i: u32 = 0; i < pieces; i++) {
    const piece = joins ? g.input(step, i) : g.output(step, i);
    const bytes = piece.bytes / p.outer;
    for (let o: usize = 0; o < <usize>p.outer; o++) {
      const inWhole = at + o * row, alone = piece.data + o * bytes;
      if (joins) memory.copy(inWhole, alone, bytes);
      else memory.copy(alone, inWhole, bytes);
    }
    at += bytes;
  }
}

export function prepareGather(g: Graph, step: GraphStep): i32 {
  if (!hasOperands(g, step, 2, 1)) return broken(g, step, "it wants values and indices, and one output");
  const x = g.input(step, 0), indices = g.input(step, 1), y = g.output(step);
  let axis = option<i32>(g, step, 0, 0);
  if (axis < 0) axis += x.rank;
  if (option<i32>(g, step, 1, 0) != 0) return refuse(g, step, "it has dimensions of a batch");
  if (indices.type != TensorType.I32 && indices.type != TensorType.I64)
    return refuse(g, step, "its indices are not of i32 or i64");
  if (axis < 0 || axis >= <i32>x.rank || x.type != y.type)
    return broken(g, step, "it names a dimension that is not there");
  const p = changetype<Joint>(make(g, offsetof<Joint>()));
  if (p == null) return g.core.errorCode;
  step.parameters = changetype<usize>(p);
  p.outer = 1;
  p.inner = elementBytes(x.type);
  for (let d: u32 = 0; d < x.rank; d++) {
    if (d < <u32>axis) p.outer *= x.dim(d);
    if (d > <u32>axis) p.inner *= x.dim(d);
  }
  p.size = x.dim(axis);
  return <u64>p.outer * p.inner * indices.count == <u64>y.bytes ? 0 : broken(g, step, "its output has another size");
}

/** Below zero: an index leads out of the dimension. */
export function runGather(g: Graph, step: GraphStep): i32 {
  const p = changetype<Joint>(step.parameters);
  const x = g.input(step, 0), indices = g.input(step, 1), y = g.output(step);
  let target = y.data;
  for (let o: usize = 0; o < <usize>p.outer; o++) {
    for (let i: usize = 0; i < <usize>indices.count; i++) {
      let index: i64 =
        indices.type == TensorType.I32 ? <i64>load<i32>(indices.data + (i << 2)) : load<i64>(indices.data + (i << 3));
      if (index < 0) index += p.size;
      if (index < 0 || index >= <i64>p.size) return broken(g, step, "an index leads out of its dimension");
      memory.copy(target, x.data + (o * p.size + <usize>index) * p.inner, p.inner);
      target += p.inner;
    }
  }
  return 0;
}
