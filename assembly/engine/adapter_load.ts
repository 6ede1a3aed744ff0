/**
 * An adapter's file (LoRA and aLoRA, as llama.cpp writes them) is loaded as a model's is (load.ts): here its header
 * becomes pairs beside the weights of the model that it is for. What it says and limpet does not do is refused by name:
 * without it the answers would be those of another adapter.
 *
 *     keys       general.type "adapter" │ general.architecture, the model's │ adapter.type "lora" │
 *                adapter.lora.alpha f32 │ adapter.alora.invocation_tokens u32[]: an aLoRA
 *     tensors    <tensor of the model>.lora_a {in, r}, .lora_b {r, out}; of token_embd {r, vocabulary}, {r, width}
 *                in F32, F16, BF16; Q8_0 becomes F32
 */
import { Model } from "./model";
import { Core, ErrorCode, bytesOf, fail, wordsOf } from "../memory/core";
import { allocate } from "../memory/arena";
import { FNV_START, copyText, endsWithText, fnv, letterAt, sameText, startsWithText } from "../memory/bytes";
import {
  Entry, Gguf, Tensor, ValueType, entryAt, findKey, findTensorBytes, floatOr, nameOf, stringBytes, stringLength,
  tensorAt, tensorTypeName, text,
} from "../files/gguf";
import { Flag, NOTHING, Op, Place, Program } from "../program/program";
import { Adapter, Pair, RANK_LIMIT } from "../weights/low_rank";
import { Weight, WeightKind, WeightState, Weights } from "../weights/weight";
import { precisionOfMatrix } from "../weights/precision";
import { rowBytes, Type } from "../kernels/quant/types";

/** How the program uses a weight. */
namespace Use {
  export const PRODUCT: u8 = 1;
  export const ROWS: u8 = 2;
  export const OTHER: u8 = 4;
}

const INVOCATION_LIMIT: u32 = 1024;

/** The adapter's header is there: its pairs are declared. Status 0 or the error. */
export function declareAdapter(model: Model): i32 {
  const core = model.core;
  const base = model.base;
  const g = model.gguf;
  let status = checkKeys(core, g, base);
  if (status != 0) return status;
  const count = base.weights.count;
  const most = <u64>g.tensorCount + count;
  const bytes = <u64>offsetof<Adapter>() + <u64>(count + 1) * (offsetof<Pair>() + 8) + most * offsetof<Weight>() + 8;
  const block = allocate(core, bytes, "the pairs of an adapter");
  if (block == 0) return core.errorCode;
  const adapter = changetype<Adapter>(block);
  model.adapter = adapter;
  adapter.base = base.weights;
  adapter.alpha = floatOr(core, g, "adapter.lora.alpha", 0);
  if (g.error) return g.error;
  adapter.pairs = block + offsetof<Adapter>();
  adapter.rows = adapter.pair(count);
  const uses = adapter.pairs + <usize>(count + 1) * offsetof<Pair>();
  findUses(base.program, uses);
  const weights = model.weights;
  weights.core = core;
  weights.gguf = g;
  weights.table = (uses + count + 7) & ~(<usize>7);
  status = readInvocation(model);
  for (let i: u32 = 0; i < <u32>g.tensorCount && status == 0; i++) status = declarePair(model, tensorAt(g, i), uses);
  if (status != 0) return status;
  if (adapter.pairCount == 0) {
    return fail(core, ErrorCode.BAD_FILE, "this adapter has no tensors: it changes nothing; convert it anew");
  }
  adapter.digest = fnv(FNV_START, g.header, g.at);
  return 0;
}

function checkKeys(core: Core, g: Gguf, base: Model): i32 {
  const type = text(core, g, "general.type");
  if (g.error) {
    return fail(core, ErrorCode.BAD_FILE, "this file has no key general.type, so it is no adapter; is it a model?");
  }
  if (!sameText(stringBytes(type), stringLength(type), "adapter")) return refuseValue(core, "general.type", type);
  const kind = text(core, g, "adapter.type");
  if (g.error) return g.error;
  if (!sameText(stringBytes(kind), stringLength(kind), "lora")) return refuseValue(core, "adapter.type", kind);
  const length = g.architectureLength;
  const isBase =
    g.architecture != 0 &&
    length == base.gguf.architectureLength &&
    memory.compare(g.architecture, base.gguf.architecture, length) == 0;
  if (!isBase) {
    return fail(
      core, ErrorCode.BAD_FILE, "this adapter is for the architecture {s}, and the model is of {s}; give its own model",
      bytesOf(g.architecture, length), bytesOf(base.gguf.architecture, base.gguf.architectureLength),
    );
  }
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    const entry = entryAt(g, i);
    if (!startsWithText(entry.key, entry.keyLength, "adapter.") || isKnown(entry)) continue;
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "the adapter's metadata key {s} asks for what limpet does not do: without it the answers would be those of \
another adapter", bytesOf(entry.key, entry.keyLength),
    );
  }
  return 0;
}

/** The last two tell people what it is for. */
function isKnown(entry: Entry): bool {
  return (
    sameText(entry.key, entry.keyLength, "adapter.type") ||
    sameText(entry.key, entry.keyLength, "adapter.lora.alpha") ||
    sameText(entry.key, entry.keyLength, "adapter.alora.invocation_tokens") ||
    sameText(entry.key, entry.keyLength, "adapter.lora.task_name") ||
    sameText(entry.key, entry.keyLength, "adapter.lora.prompt_prefix")
  );
}

function refuseValue(core: Core, key: string, value: usize): i32 {
  return fail(
    core, ErrorCode.UNSUPPORTED,
    "{w} is {s}, and limpet takes adapters of llama.cpp's kind: general.type adapter, adapter.type lora", wordsOf(key),
    bytesOf(stringBytes(value), stringLength(value)),
  );
}

/** The tokens that an aLoRA begins with. */
function readInvocation(model: Model): i32 {
  const core = model.core;
  const entry = findKey(model.gguf, "adapter.alora.invocation_tokens");
  if (!entry) return 0;
  if (entry.type != ValueType.ARRAY || entry.elementType != ValueType.U32) {
    return fail(
      core, ErrorCode.BAD_FILE, "metadata key adapter.alora.invocation_tokens must be an array of u32; convert it anew",
    );
  }
  if (entry.count < 1 || entry.count > INVOCATION_LIMIT) {
    return fail(
      core, ErrorCode.BAD_FILE, "an aLoRA begins with 1 to {} tokens, and this one with {}", INVOCATION_LIMIT,
      entry.count,
    );
  }
  for (let i: u32 = 0; i < entry.count; i++) {
    const id = load<u32>(entry.value + ((<usize>i) << 2));
    if (id < model.base.vocabulary) continue;
    return fail(
      core, ErrorCode.BAD_FILE, "the aLoRA begins with the token {}, which the model's vocabulary of {} has not", id,
      model.base.vocabulary,
    );
  }
  model.adapter.invocation = entry.value;
  model.adapter.invocationCount = entry.count;
  return 0;
}

/** u8[weights]: what the steps of all layers do with each weight. */
function findUses(p: Program, uses: usize): void {
  markUses(p, 0, 0, p.inputSteps, uses);
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    markUses(p, layer, kind.firstStep, kind.firstStep + kind.steps, uses);
  }
  markUses(p, 0, p.outputStep, p.stepCount, uses);
}

function markUses(p: Program, layer: u32, first: u32, end: u32, uses: usize): void {
  for (let i = first; i < end; i++) {
    const s = p.step(i);
    const isByToken = !s.has(Flag.BY_POSITION) && !s.has(Flag.BY_PART);
    const use = s.op == Op.LINEAR ? Use.PRODUCT : s.op == Op.EMBEDDING && isByToken ? Use.ROWS : Use.OTHER;
    // An activation names the weight whose operand it makes.
    if (s.op != Op.ACTIVATION) mark(p, layer, s.weight, uses, use);
    mark(p, layer, s.weight2, uses, Use.OTHER);
  }
}

function mark(p: Program, layer: u32, place: u32, uses: usize, use: u8): void {
  if (place == NOTHING) return;
  const index = place & Place.SHARED ? place & ~Place.SHARED : p.layer(layer).firstWeight + place;
  store<u8>(uses + index, load<u8>(uses + index) | use);
}

/** Declares the pair of a tensor of the adapter, where that is its A; of its B it asks whether there is an A. */
function declarePair(model: Model, tensor: Tensor, uses: usize): i32 {
  const core = model.core;
  const g = model.gguf;
  const isA = endsWithText(tensor.name, tensor.nameLength, ".lora_a");
  if (!isA && !endsWithText(tensor.name, tensor.nameLength, ".lora_b")) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "the adapter has a tensor {s}, and limpet adds pairs .lora_a and .lora_b alone: without it the answers would be \
those of another adapter", nameOf(tensor),
    );
  }
  const length = tensor.nameLength - 7;
  const other = find(g, tensor.name, length, isA ? ".lora_b" : ".lora_a");
  if (!other) {
    return fail(
      core, ErrorCode.BAD_FILE, "the adapter has {s}, and not the other half of the pair; convert it anew",
      nameOf(tensor),
    );
  }
  if (!isA) return 0;
  const base = model.base;
  const found = findTensorBytes(base.gguf, tensor.name, length);
  if (!found && !sameText(tensor.name, length, "output.weight")) return wrongBase(core, tensor);
  // A head that is the embedding's matrix has a name of its own here.
  const head = found ? NOTHING : headOf(base.weights);
  const at = found ? found : head == NOTHING ? null : tensorOf(base, base.weights.at(head));
  if (!at) return wrongBase(core, tensor);
  return declareBeside(model, tensor, other, at, head, uses);
}

function find(g: Gguf, name: usize, length: u32, suffix: string): Tensor | null {
  memory.copy(g.scratch, name, length);
  return findTensorBytes(g, g.scratch, length + copyText(g.scratch + length, 16, suffix));
}

function wrongBase(core: Core, tensor: Tensor): i32 {
  return fail(
    core, ErrorCode.BAD_FILE, "the adapter has {s}, and the model no such tensor: it is for another model",
    nameOf(tensor),
  );
}

function headOf(weights: Weights): u32 {
  for (let i: u32 = 0; i < weights.count; i++) if (weights.at(i).isHead) return i;
  return NOTHING;
}

function tensorOf(base: Model, weight: Weight): Tensor | null {
  const g = base.gguf;
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) if (holds(tensorAt(g, i), weight)) return tensorAt(g, i);
  return null;
}

/** Whether a weight of the model lies in a tensor: all of it, or some of its rows. */
@inline
function holds(tensor: Tensor, weight: Weight): bool {
  return (
    weight.file == tensor.fileIndex && weight.offset >= tensor.offset && weight.offset - tensor.offset < tensor.bytes
  );
}

function declareBeside(model: Model, a: Tensor, b: Tensor, at: Tensor, head: u32, uses: usize): i32 {
  const core = model.core;
  const base = model.base.weights;
  const adapter = model.adapter;
  const isRows = head == NOTHING && sameText(at.name, at.nameLength, "token_embd.weight");
  const rank = b.ne0;
  if (!isMatrix(at)) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "the adapter has {s} beside experts, and limpet adds pairs to single matrices alone: without it the answers \
would be those of another adapter", nameOf(a),
    );
  }
  const isPair = isRows
    ? a.ne0 == rank && a.ne1 == at.ne1 && b.ne1 == at.ne0
    : a.ne0 == at.ne0 && a.ne1 == rank && b.ne1 == at.ne1;
  if (!isPair || !isMatrix(a) || !isMatrix(b)) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "the shapes of the adapter's {s} and its other half do not fit the model's tensor {s}: it is for another model",
      nameOf(a), nameOf(at),
    );
  }
  if (rank > RANK_LIMIT) {
    return fail(
      core, ErrorCode.UNSUPPORTED, "the adapter's {s} is of rank {}, and limpet takes ranks up to {}", nameOf(a), rank,
      RANK_LIMIT,
    );
  }
  if (!isTaken(a.type)) return refuseType(core, a);
  if (!isTaken(b.type)) return refuseType(core, b);
  const first = put(model, a, a.ne1, 0);
  let found = false;
  for (let i: u32 = 0; i < base.count; i++) {
    const weight = base.at(i);
    if (head == NOTHING ? !holds(at, weight) : i != head) continue;
    const use = load<u8>(uses + i);
    // A head that is the embedding's matrix is both.
    const fits = isRows ? (use & Use.ROWS) != 0 : use == Use.PRODUCT || (head == i && (use & Use.PRODUCT) != 0);
    if (!fits) break;
    if (weight.kind == WeightKind.VECTOR || weight.slabs != 1) break;
    const from = isRows ? 0 : <u32>((weight.offset - at.offset) / rowBytes(weight.type, weight.columns));
    const pair = isRows ? adapter.rows : adapter.pair(i);
    pair.a = first;
    pair.b = put(model, b, isRows ? b.ne1 : weight.rows, from);
    if (isRows) adapter.rowsOf = i;
    found = true;
  }
  if (!found) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "the adapter has {s}, and limpet adds pairs to what a product is made with, and to the embedding, alone: without \
it the answers would be those of another adapter", nameOf(a),
    );
  }
  adapter.pairCount += 1;
  adapter.rank = max(adapter.rank, rank);
  adapter.values += <u64>rank * (<u64>a.ne0 + a.ne1 + b.ne1) - <u64>rank * rank;
  return 0;
}

@inline
function isMatrix(tensor: Tensor): bool {
  return tensor.ne2 == 1 && tensor.ne3 == 1;
}

@inline
function isTaken(type: u32): bool {
  return type == Type.F32 || type == Type.F16 || type == Type.BF16 || type == Type.Q8_0;
}

/** A type that limpet does not know has a number alone. */
function refuseType(core: Core, tensor: Tensor): i32 {
  const name = tensorTypeName(tensor.type);
  const isNamed = letterAt(name, 0) != 0;
  return fail(
    core,
    ErrorCode.UNSUPPORTED,
    isNamed
      ? "the adapter's {s} is of type {w}, and limpet takes F32, F16, BF16 or Q8_0; convert it to one of them"
      : "the adapter's {s} is of type {}, and limpet takes F32, F16, BF16 or Q8_0; convert it to one of them",
    nameOf(tensor),
    isNamed ? wordsOf(name) : tensor.type,
  );
}

/** A weight of `rows` rows of a tensor from `from` on. */
function put(model: Model, tensor: Tensor, rows: u32, from: u32): Weight {
  const weight = model.weights.at(model.weights.count);
  model.weights.count += 1;
  weight.state = WeightState.DECLARED;
  weight.kind = WeightKind.MATRIX;
  weight.isWidened = tensor.type == Type.Q8_0;
  weight.type = weight.isWidened ? Type.F32 : tensor.type;
  weight.precision = precisionOfMatrix(weight.type);
  weight.rows = rows;
  weight.columns = tensor.ne0;
  weight.slabs = 1;
  weight.file = tensor.fileIndex;
  weight.offset = tensor.offset + rowBytes(tensor.type, tensor.ne0) * from;
  return weight;
}

/** Where the invocation of an aLoRA begins last in u32[count] tokens; −1: nowhere. */
export function lastInvocation(adapter: Adapter, ids: usize, count: u32): i32 {
  const wanted = adapter.invocationCount;
  const bytes = (<usize>wanted) << 2;
  if (wanted > count) return -1;
  for (let i = <i32>(count - wanted); i >= 0; i--) {
    if (memory.compare(ids + ((<usize>i) << 2), adapter.invocation, bytes) == 0) return i;
  }
  return -1;
}
