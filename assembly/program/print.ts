/**
 * Print: a program as a page, `limpet inspect MODEL --program`. A line a step: its number, the value that it makes,
 * what it does, what it reads, its weight with type, shape and the bytes of all layers together, and what else it has.
 *
 *        #  value   step      reads  weight     type  shape       bytes
 *     layers 0-29, state key_value, heads 3 x (64 + 64)
 *        2  v1[576]  rms_norm  x      attn_norm  F32   576        69120
 *        3  v2[576]  linear    v1     attn_q     Q4_1  576 x 576  6220800
 *
 * `x` is the residual stream. The page is written twice: the first time nothing is kept but the widths of columns.
 */
import { Element, Flag, NOTHING, Op, Place, Program, Step } from "./program";
import { Writer, beginWriter, letterAt, putByte, putBytes, putText, setU32, u32At, u64At } from "../memory/bytes";
import { allocate, release } from "../memory/arena";
import { findTensorAt, tensorTypeName } from "../files/gguf";
import { kindName } from "../state/kinds";
import { StateKind } from "../state/shape";
import { Weight } from "../weights/weight";

/** The names of ops, by their numbers. */
const OPS: string = `none embedding angles rms_norm layer_norm linear rope add activation squared_relu keep attention
latent_attention hash look_up tap scale softcap gate slice route experts
mix_experts sparsify mix_streams spread level join attention_within distance_bias advance
convolution selective_scan dual_scan delta_rule token_shift wkv6 wkv7 half`;
/** The names of activations by their numbers, with a gate and without. */
const GATED: string = `swiglu geglu clamped_swiglu xielu geglu_erf reglu product gated_sigmoid gated_tanh`;
const ACTIVATIONS: string = `silu gelu clamped_silu xielu gelu_erf relu identity sigmoid tanh clamp`;

/** The columns of a step's line. */
namespace Column {
  export const NUMBER: u32 = 0;
  export const VALUE: u32 = 1;
  export const STEP: u32 = 2;
  export const READS: u32 = 3;
  export const WEIGHT: u32 = 4;
  export const TYPE: u32 = 5;
  export const SHAPE: u32 = 6;
  export const BYTES: u32 = 7;
  export const REST: u32 = 8;
  export const COUNT: u32 = 9;
}

@unmanaged
class Page extends Writer {
  program: Program;
  /** `count` where the line, and the column at work, began. */
  line: u32;
  from: u32;
  column: u32;
  /** The step that others run with, and the last of these. */
  leader: u32;
  last: u32;
  /** The memory of a context of `rows` rows and passes of `batch` tokens [bytes]. */
  rows: u32;
  batch: u32;
  weights: u64;
  state: u64;
  values: u64;
  other: u64;

  /** u32[Column.COUNT]: the widest text of each. */
  get widths(): usize {
    return changetype<usize>(this) + offsetof<Page>();
  }
}

/**
 * Writes at most `capacity` bytes of the page to `target`; returns how many it has. 0: see the error. A context of
 * `rows` rows and passes of `batch` tokens takes `context` bytes, those of state and values among them.
 */
export function printProgram(
  p: Program, target: usize, capacity: u32, rows: u32, batch: u32, weights: u64, state: u64, values: u64, context: u64,
): u32 {
  const core = p.weights.core;
  const page = changetype<Page>(allocate(core, offsetof<Page>() + 4 * Column.COUNT, "a page"));
  if (changetype<usize>(page) == 0) return 0;
  page.program = p;
  page.rows = rows;
  page.batch = batch;
  page.weights = weights;
  page.state = state;
  page.values = values;
  page.other = context - state - values;
  putPage(page, target, 0);
  putPage(page, target, capacity);
  const count = page.count;
  release(core, changetype<usize>(page));
  return count;
}

function putPage(page: Page, target: usize, capacity: u32): void {
  const p = page.program;
  beginWriter(page, target, capacity);
  page.column = Column.REST;
  putBytes(page, p.weights.gguf.architecture, p.weights.gguf.architectureLength);
  putText(page, ": ");
  putNumber(page, p.layerCount);
  putText(page, " layers\n");
  endLine(page);
  for (let column: u32 = 0; column < Column.REST; column++) {
    begin(page, column);
    if (column == Column.NUMBER) putText(page, "   ");
    putWord(page, "# value step reads weight type shape bytes", column);
  }
  endLine(page);
  putText(page, "input");
  endLine(page);
  for (let i: u32 = 0; i < p.inputSteps; i++) putStep(page, NOTHING, i);
  for (let k: u32 = 0; k < p.kindCount; k++) {
    const first = putLayers(page, k);
    const kind = p.kind(k);
    for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i++) putStep(page, first, i);
  }
  putText(page, p.logits == NOTHING ? "output, for texts" : "output, for tokens whose logits are asked for");
  endLine(page);
  for (let i = p.outputStep; i < p.stepCount; i++) putStep(page, NOTHING, i);
  putText(page, "\nmemory for ");
  putNumber(page, page.rows);
  putText(page, " tokens, ");
  putNumber(page, page.batch);
  putText(page, " at once");
  endLine(page);
  for (let i: u32 = 0; i < 4; i++) {
    begin(page, Column.WEIGHT);
    putWord(page, "weights state values other", i);
    putSize(page, u64At(changetype<usize>(page) + offsetof<Page>("weights"), i));
    endLine(page);
  }
}

/** The layers of a kind, and what they keep; returns the first of them. */
function putLayers(page: Page, kind: u32): u32 {
  const p = page.program;
  let first: u32 = NOTHING;
  putText(page, "layers");
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    if (p.layer(layer).kind != kind) continue;
    const from = layer;
    while (layer + 1 < p.layerCount && p.layer(layer + 1).kind == kind) layer += 1;
    putText(page, first == NOTHING ? " " : ", ");
    first = min(first, from);
    putNumber(page, from);
    if (layer == from) continue;
    putByte(page, 45);
    putNumber(page, layer);
  }
  const state = p.layer(first).state;
  if (state != NOTHING) {
    const shape = p.state(state);
    putText(page, ", state ");
    putText(page, kindName(shape.kind));
    putText(page, ", heads ");
    putNumber(page, shape.heads);
    putText(page, " x (");
    putNumber(page, shape.first);
    putText(page, " + ");
    putNumber(page, shape.second);
    putByte(page, 41);
  }
  const recurrent: u32 = p.layer(first).recurrent;
  if (recurrent != 0) {
    putText(page, ", state ");
    putText(page, kindName(StateKind.RECURRENT));
    putText(page, ", values ");
    putNumber(page, p.state(recurrent - 1).first);
  }
  endLine(page);
  return first;
}

function putStep(page: Page, layer: u32, index: u32): void {
  const p = page.program;
  const s = p.step(index);
  const isMember = index > page.leader && index <= page.last;
  if (!isMember) {
    page.leader = index;
    page.last = index + s.members;
  }
  begin(page, Column.NUMBER);
  putText(page, index < 10 ? "   " : index < 100 ? "  " : " ");
  putNumber(page, index);
  if (s.out != NOTHING) {
    begin(page, Column.VALUE);
    putValue(page, s.out, true);
    if (s.out2 != NOTHING) {
      putText(page, ", ");
      putValue(page, s.out2, true);
    }
  }
  begin(page, Column.STEP);
  if (s.op == Op.ACTIVATION) putWord(page, s.in1 == NOTHING && s.n1 == 0 ? ACTIVATIONS : GATED, s.n0);
  else putWord(page, OPS, s.op);
  const isSum = s.op == Op.LINEAR && s.in1 != NOTHING;
  if (s.in0 != NOTHING) {
    begin(page, Column.READS);
    putValue(page, s.in0, false);
    if (s.in1 != NOTHING && !isSum) {
      putText(page, ", ");
      putValue(page, s.in1, false);
    }
  }
  const isFor = s.op == Op.ACTIVATION && s.weight != NOTHING;
  if (s.weight != NOTHING && !isFor) putWeight(page, layer, index, s.weight);
  if (isMember) putRest(page, "with ", page.leader);
  if (isSum) {
    beginRest(page, "+ ");
    putValue(page, s.in1, false);
  }
  if (isFor) putNamed(page, layer, s.weight, "for ");
  if (s.weight2 != NOTHING) putNamed(page, layer, s.weight2, isFactor(s.op) ? "times " : "and ");
  if (s.bias != NOTHING) putNamed(page, layer, s.bias, "+ ");
  putNumbers(page, s);
  endLine(page);
}

/** Whether the second weight of an op is what it multiplies by. */
function isFactor(op: u32): bool {
  return op == Op.LOOK_UP || op == Op.LINEAR || op == Op.EXPERTS;
}

/** What an op has beside values and weights. */
function putNumbers(page: Page, s: Step): void {
  switch (s.op) {
    case Op.LAYER_NORM:
      if (s.n0 > 1) putRest(page, "heads ", s.n0);
      return;
    case Op.ANGLES: return putRest(page, "pairs ", s.n0);
    case Op.RMS_NORM: {
      if (s.n0 > 1) putRest(page, "heads ", s.n0);
      return;
    }
    case Op.ROPE: {
      putRest(page, "heads ", s.n0);
      putRest(page, "dims ", s.n1);
      putText(page, "..");
      putNumber(page, s.n1 + 2 * s.n2 - 1);
      return putText(page, s.has(Flag.NEIGHBOURS) ? " by neighbours" : " by halves");
    }
    case Op.ATTENTION:
    case Op.DUAL_SCAN:
    case Op.DELTA_RULE: return putRest(page, "heads ", s.n0);
    case Op.CONVOLUTION: return putRest(page, "taps ", s.n0);
    case Op.LATENT_ATTENTION: {
      putRest(page, "heads ", s.n0);
      putRest(page, "keys ", s.n1);
      return putRest(page, "values ", s.n2);
    }
    case Op.HASH: {
      putRest(page, "chunks ", s.n0);
      return putRest(page, "bits ", s.n1);
    }
  }
}

/** v3[576], or of a part v3[512..575]; `x` is the residual stream. */
function putValue(page: Page, id: u32, shaped: bool): void {
  const p = page.program;
  const value = p.value(id);
  const isPart = value.base != id;
  if (value.base == p.logits) putText(page, "logits");
  else if (value.base == p.stream) putByte(page, 120);
  else {
    putByte(page, 118);
    putNumber(page, value.base);
  }
  if (!shaped && !isPart) return;
  putByte(page, 91);
  if (isPart) {
    putNumber(page, value.from);
    putText(page, "..");
    putNumber(page, value.from + value.width - 1);
  } else {
    putNumber(page, value.width);
    if (value.element == Element.OPERAND) putText(page, " quantised");
  }
  putByte(page, 93);
}

function putWeight(page: Page, layer: u32, step: u32, place: u32): void {
  const weight = weightAt(page, layer, place);
  begin(page, Column.WEIGHT);
  putName(page, layer, place);
  begin(page, Column.TYPE);
  putText(page, tensorTypeName(weight.type & 0xff));
  begin(page, Column.SHAPE);
  putNumber(page, weight.columns);
  if (weight.rows != 1) {
    putText(page, " x ");
    putNumber(page, weight.rows);
  }
  putSize(page, bytesOfLayers(page.program, layer, step, place, weight));
  if (weight.mayTurn) beginRest(page, weight.byColumns ? "by columns: zeros pay" : "by rows, until zeros pay");
}

function weightAt(page: Page, layer: u32, place: u32): Weight {
  return page.program.weight(layer == NOTHING ? 0 : layer, place);
}

/** A weight's name in the file, without the layer, and without ".weight". */
function putName(page: Page, layer: u32, place: u32): void {
  const weight = weightAt(page, layer, place);
  const tensor = findTensorAt(page.program.weights.gguf, weight.file, weight.offset);
  if (!tensor) return;
  let from: u32 = 0;
  if (layer != NOTHING && !(place & Place.SHARED)) {
    from = 4;
    while (load<u8>(tensor.name + from) != 46) from += 1;
    from += 1;
  }
  const isWeight = load<u8>(tensor.name + tensor.nameLength - 1) == 116;
  putBytes(page, tensor.name + from, tensor.nameLength - from - (isWeight ? 7 : 0));
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

// The rest of a line.

function beginRest(page: Page, words: string): void {
  if (page.column == Column.REST) putText(page, ", ");
  else begin(page, Column.REST);
  putText(page, words);
}

function putRest(page: Page, words: string, value: u32): void {
  beginRest(page, words);
  putNumber(page, value);
}

function putNamed(page: Page, layer: u32, place: u32, words: string): void {
  beginRest(page, words);
  putName(page, layer, place);
}

// Lines and columns.

/** The next text is one of this column. */
function begin(page: Page, column: u32): void {
  endColumn(page);
  let start = page.line;
  for (let i: u32 = 0; i < column; i++) start += u32At(page.widths, i) + 2;
  while (page.count < start) putByte(page, 32);
  page.from = page.count;
  page.column = column;
}

function endColumn(page: Page): void {
  const width = page.count - page.from;
  if (width > u32At(page.widths, page.column)) setU32(page.widths, page.column, width);
}

function endLine(page: Page): void {
  endColumn(page);
  putByte(page, 10);
  page.line = page.count;
  page.from = page.count;
  page.column = Column.REST;
}

/** A number of the column of bytes, which end below each other. */
function putSize(page: Page, bytes: u64): void {
  begin(page, Column.BYTES);
  let digits: u32 = 1;
  for (let more = bytes; more >= 10; more /= 10) digits += 1;
  for (; digits < u32At(page.widths, Column.BYTES); digits++) putByte(page, 32);
  putNumber(page, bytes);
}

function putNumber(w: Writer, value: u64): void {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) putByte(w, 48 + <u32>((value / divisor) % 10));
}

/** Word `index` of words with white space between. */
function putWord(w: Writer, words: string, index: u32): void {
  let at: u32 = 0;
  for (; index > 0; at++) if (letterAt(words, at) <= 32) index -= 1;
  for (let letter = letterAt(words, at); letter > 32; letter = letterAt(words, ++at)) putByte(w, letter);
}
