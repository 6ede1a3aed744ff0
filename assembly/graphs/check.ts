/** What the families of operators ask of their operands before anything runs, and the words for what does not suit. */
import { ErrorCode, bytesOf, fail, wordsOf } from "../memory/core";
import { Act } from "./operators";
import { TensorType, numberOf } from "../files/tflite";
import { Graph, GraphStep, GraphTensor, NOTHING, Place } from "./records";

/** A sound file that limpet does not run: the operator, by its place and name, and why. */
export function refuse(g: Graph, step: GraphStep, why: string): i32 {
  return fail(
    g.core, ErrorCode.UNSUPPORTED, "operator {} of the graph, {s}, is one that limpet does not run: {w}", step.index,
    bytesOf(step.name, step.nameLength), wordsOf(why),
  );
}

/** What limpet runs, and not in this build. */
export function leftOut(g: Graph, step: GraphStep): i32 {
  return fail(
    g.core, ErrorCode.UNSUPPORTED,
    "this build has no {s}, operator {} of the graph; take limpet.graph.wasm, or make a build with `limpet slim`",
    bytesOf(step.name, step.nameLength), step.index,
  );
}

/** A file that contradicts itself. */
export function broken(g: Graph, step: GraphStep, why: string): i32 {
  return fail(
    g.core, ErrorCode.BAD_FILE, "operator {} of the graph, {s}, contradicts itself: {w}", step.index,
    bytesOf(step.name, step.nameLength), wordsOf(why),
  );
}

/** Whether a step has so many operands, all of them there, and so many results. */
export function hasOperands(g: Graph, step: GraphStep, inputs: u32, outputs: u32): bool {
  if (step.inputCount < inputs || step.outputCount != outputs) return false;
  for (let i: u32 = 0; i < inputs; i++) if (!g.has(step, i)) return false;
  for (let i: u32 = 0; i < outputs; i++) if (load<u32>(step.outputs + ((<usize>i) << 2)) == NOTHING) return false;
  return true;
}

/** Whether values of i8 have a scale and a zero point that arithmetic can use. */
export function isQuantised(t: GraphTensor): bool {
  return t.scale > 1e-30 && t.scale < 1e30 && t.zero >= -128 && t.zero <= 127;
}

/** The scale of channel `c`. */
export function scaleOf(t: GraphTensor, c: u32): f32 {
  return t.scaleCount > 1 ? load<f32>(t.scales + ((<usize>c) << 2)) : t.scale;
}

/** A number as an integer, kept within ±2³⁰. */
export function whole(x: f64): i32 {
  return x >= 1073741824.0 ? 1073741824 : x <= -1073741824.0 ? -1073741824 : x == x ? <i32>x : 0;
}

/** Whether a tensor is integers that are known at load, i32 or i64. */
export function isKnown(t: GraphTensor): bool {
  return t.place == Place.CONSTANT && (t.type == TensorType.I32 || t.type == TensorType.I64);
}

/** Integer `i` of such a tensor, within 32 bits. */
export function knownInteger(t: GraphTensor, i: u32): i32 {
  if (t.type == TensorType.I32) return load<i32>(t.data + ((<usize>i) << 2));
  const value = load<i64>(t.data + ((<usize>i) << 3));
  return <i32>min(max(value, <i64>i32.MIN_VALUE), <i64>i32.MAX_VALUE);
}

/** Field `id` of a step's options, a number. */
@inline
export function option<T>(g: Graph, step: GraphStep, id: u32, otherwise: T): T {
  return numberOf<T>(g.file, step.options, id, otherwise);
}

/** The lowest and the highest value of i8 that an activation lets through; −128 and 127 without one. */
export function lowest(act: u32, t: GraphTensor): i32 {
  if (act == Act.RELU || act == Act.RELU6) return max(-128, t.zero);
  if (act == Act.RELU_N1_TO_1) return max(-128, t.zero + steps(-1, t.scale));
  return -128;
}

export function highest(act: u32, t: GraphTensor): i32 {
  if (act == Act.RELU6) return min(127, t.zero + steps(6, t.scale));
  if (act == Act.RELU_N1_TO_1) return min(127, t.zero + steps(1, t.scale));
  return 127;
}

/** A real value in steps of a scale, the quotient in f32. */
function steps(x: f32, scale: f32): i32 {
  const quotient = <f64>(x / scale);
  return whole(quotient < 0 ? ceil(quotient - 0.5) : floor(quotient + 0.5));
}

export function least(act: u32): f32 {
  return act == Act.NONE ? -Infinity : act == Act.RELU_N1_TO_1 ? -1 : 0;
}

export function most(act: u32): f32 {
  return act == Act.RELU6 ? 6 : act == Act.RELU_N1_TO_1 ? 1 : Infinity;
}
