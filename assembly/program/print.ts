/**
 * Print: a program as a page, `limpet inspect MODEL --program`. A line a step: its number, what it does, the value that
 * it makes, what it reads, and its weight with type, shape and the bytes of all layers together.
 *
 *     layers 0-29
 *       3  linear  v3[576] <- v2 x attn_q Q4_1 [576, 576] 5.94 MB
 */
import { Element, Extent, Flag, NOTHING, Op, Place, Program, Step } from "./program";
import { Writer, beginWriter, putByte, putBytes, putText } from "../memory/bytes";
import { findTensorAt, tensorTypeName } from "../files/gguf";
import { kindName } from "../state/kinds";
import { StateKind } from "../state/shape";
import { Weight } from "../weights/weight";

/** Writes at most `capacity` bytes of the page to `target`; returns how many it has. */
export function printProgram(p: Program, target: usize, capacity: u32): u32 {
  const w = changetype<Writer>(changetype<usize>(p) + offsetof<Program>("writerTarget"));
  beginWriter(w, target, capacity);
  putBytes(w, p.weights.gguf.architecture, p.weights.gguf.architectureLength);
  putText(w, ": ");
  putNumber(w, p.layerCount);
  putText(w, p.kindCount == 1 ? " layers of one kind\ninput\n" : " layers of ");
  if (p.kindCount != 1) {
    putNumber(w, p.kindCount);
    putText(w, " kinds\ninput\n");
  }
  for (let i: u32 = 0; i < p.inputSteps; i++) putStep(w, p, NOTHING, i);
  for (let k: u32 = 0; k < p.kindCount; k++) {
    const first = putLayers(w, p, k);
    const kind = p.kind(k);
    for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) putStep(w, p, first, i);
  }
  putText(w, "output\n");
  for (let i = p.outputStep; i < p.stepCount; i++) putStep(w, p, NOTHING, i);
  return w.count;
}

/** The layers of a kind, and what they keep; returns the first of them. */
function putLayers(w: Writer, p: Program, kind: u32): u32 {
  let first: u32 = NOTHING;
  putText(w, "layers");
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    if (p.layer(layer).kind != kind) continue;
    const begin = layer;
    while (layer + 1 < p.layerCount && p.layer(layer + 1).kind == kind) layer += 1;
    putText(w, first == NOTHING ? " " : ", ");
    first = min(first, begin);
    putNumber(w, begin);
    if (layer == begin) continue;
    putByte(w, 45);
    putNumber(w, layer);
  }
  const state = p.layer(first).state;
  if (state != NOTHING) {
    const shape = p.state(state);
    putText(w, ", state ");
    putText(w, kindName(shape.kind));
    putText(w, " of ");
    putNumber(w, shape.heads);
    putText(w, shape.kind == StateKind.LATENT ? " x (" : " heads x (");
    putNumber(w, shape.first);
    putText(w, " + ");
    putNumber(w, shape.second);
    putByte(w, 41);
  }
  putByte(w, 10);
  return first;
}

function putStep(w: Writer, p: Program, layer: u32, index: u32): void {
  const s = p.step(index);
  putText(w, index < 10 ? "   " : index < 100 ? "  " : " ");
  putNumber(w, index);
  putText(w, "  ");
  putText(w, opName(s.op));
  if (s.out != NOTHING) {
    putByte(w, 32);
    putValue(w, p, s.out, true);
  }
  if (s.out2 != NOTHING) {
    putText(w, ", ");
    putValue(w, p, s.out2, true);
  }
  if (s.in0 != NOTHING) {
    putText(w, s.out == NOTHING ? " " : " <- ");
    putValue(w, p, s.in0, false);
  }
  if (s.in1 != NOTHING && s.op != Op.LINEAR) {
    putText(w, ", ");
    putValue(w, p, s.in1, false);
  }
  putWeight(w, p, layer, index, s.weight, " x ");
  putWeight(w, p, layer, index, s.weight2, " x ");
  putWeight(w, p, layer, index, s.bias, " + ");
  if (s.op == Op.LINEAR && s.in1 != NOTHING) {
    putText(w, " + ");
    putValue(w, p, s.in1, false);
  }
  putNumbers(w, s);
  putByte(w, 10);
}

/** What an op has beside values and weights. */
function putNumbers(w: Writer, s: Step): void {
  switch (s.op) {
    case Op.ANGLES: return putCount(w, s.n0, " pairs");
    case Op.RMS_NORM: {
      if (s.n0 > 1) putCount(w, s.n0, " heads");
      return;
    }
    case Op.ROPE: {
      putCount(w, s.n0, " heads");
      putCount(w, 2 * s.n2, s.has(Flag.NEIGHBOURS) ? " dims by neighbours from " : " dims by halves from ");
      return putNumber(w, s.n1);
    }
    case Op.ATTENTION: return putCount(w, s.n0, " heads");
    case Op.LATENT_ATTENTION: {
      putCount(w, s.n0, " heads of ");
      putNumber(w, s.n1);
      return putCount(w, s.n2, " values");
    }
    case Op.HASH: {
      putCount(w, s.n0, " chunks of ");
      putNumber(w, s.n1);
      return putText(w, " bits");
    }
  }
}

function putCount(w: Writer, value: u32, words: string): void {
  putText(w, ", ");
  putNumber(w, value);
  putText(w, words);
}

/** v3[576], or of a part v3[512..575]. */
function putValue(w: Writer, p: Program, id: u32, shaped: bool): void {
  const value = p.value(id);
  const isPart = value.base != id;
  putByte(w, 118);
  putNumber(w, value.base);
  if (!shaped && !isPart) return;
  putByte(w, 91);
  if (isPart) {
    putNumber(w, value.from);
    putText(w, "..");
    putNumber(w, value.from + value.width - 1);
  } else {
    if (value.extent == Extent.LOGITS) putText(w, "logits, ");
    putNumber(w, value.width);
    if (value.element == Element.OPERAND) putText(w, ", quantised");
  }
  putByte(w, 93);
}

function putWeight(w: Writer, p: Program, layer: u32, step: u32, place: u32, before: string): void {
  if (place == NOTHING) return;
  const weight = p.weight(layer == NOTHING ? 0 : layer, place);
  putText(w, before);
  const tensor = findTensorAt(p.weights.gguf, weight.file, weight.offset);
  if (tensor) {
    // Without the layer, and without ".weight".
    let begin: u32 = 0;
    if (layer != NOTHING && !(place & Place.SHARED)) {
      begin = 4;
      while (load<u8>(tensor.name + begin) != 46) begin += 1;
      begin += 1;
    }
    const isWeight = load<u8>(tensor.name + tensor.nameLength - 1) == 116;
    putBytes(w, tensor.name + begin, tensor.nameLength - begin - (isWeight ? 7 : 0));
  }
  putByte(w, 32);
  putText(w, tensorTypeName(weight.type & 0xff));
  putText(w, " [");
  putNumber(w, weight.columns);
  if (weight.rows != 1) {
    putText(w, ", ");
    putNumber(w, weight.rows);
  }
  putText(w, "]");
  if (weight.byColumns) putText(w, " by columns");
  if (!weight.isVector) putBytesOf(w, bytesOfLayers(p, layer, step, place, weight));
}

/** Bytes in the file of a weight, in all layers that run the step. */
function bytesOfLayers(p: Program, layer: u32, step: u32, place: u32, weight: Weight): u64 {
  if (layer == NOTHING || place & Place.SHARED) return weight.fileRowBytes * weight.rows;
  let bytes: u64 = 0;
  for (let other: u32 = 0; other < p.layerCount; other++) {
    if (p.layer(other).kind != p.layer(layer).kind) continue;
    const twin = p.weight(other, place);
    bytes += twin.fileRowBytes * twin.rows;
  }
  return bytes;
}

/** Thousands or millions of bytes, with two digits behind the point. */
function putBytesOf(w: Writer, bytes: u64): void {
  const large = bytes >= 1_000_000;
  const hundredths = (bytes * 100 + (large ? 500_000 : 500)) / (large ? 1_000_000 : 1000);
  putByte(w, 32);
  putNumber(w, hundredths / 100);
  putByte(w, 46);
  putByte(w, 48 + <u32>((hundredths / 10) % 10));
  putByte(w, 48 + <u32>(hundredths % 10));
  putText(w, large ? " MB" : " KB");
}

function putNumber(w: Writer, value: u64): void {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) putByte(w, 48 + <u32>((value / divisor) % 10));
}

function opName(op: u32): string {
  switch (op) {
    case Op.EMBEDDING: return "embedding";
    case Op.ANGLES: return "angles";
    case Op.RMS_NORM: return "rms_norm";
    case Op.LAYER_NORM: return "layer_norm";
    case Op.LINEAR: return "linear";
    case Op.ROPE: return "rope";
    case Op.ADD: return "add";
    case Op.SWIGLU: return "swiglu";
    case Op.SQUARED_RELU: return "squared_relu";
    case Op.KEEP: return "keep";
    case Op.ATTENTION: return "attention";
    case Op.LATENT_ATTENTION: return "latent_attention";
    case Op.HASH: return "hash";
    case Op.LOOK_UP: return "look_up";
    case Op.GELU: return "gelu";
    default: return "tap";
  }
}
