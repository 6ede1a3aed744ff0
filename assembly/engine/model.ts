/**
 * A model: hyper-parameters, tokenizer and weights of a loaded file. The loader (runtime/loader.ts) fills it in; an
 * architecture (models/) says which numbers and tensors it wants through `need…` and `declare…`, and reads them by
 * slot.
 *
 *     weights   ┌ embedding │ output norm │ output │ rope factors ┐┌ layer 0: SLOTS records ┐┌ layer 1 …
 */
import { Core, ErrorCode, fail, say, sayBytes, sayNumber } from "../memory/core";
import { Weight, WeightState } from "../weights/weight";
import { OperandForm } from "../kernels/quant/activations/precision";
import { formOfHead, formOfSlot } from "../weights/precision";
import { Global, Slot } from "../weights/slots";
import { blockBytes } from "../memory/arena";
import { RowType } from "../kernels/lookup/table_rows";
import { gainsByNeurons } from "../kernels/quant/columns/columns";
import { SUPPORTED_TYPES, Type } from "../kernels/quant/types";
import {
  Gguf, Tensor, findBlockTensor, findTensor, requireBlockTensor, requireTensor, sayTensorAt, tensorTypeName,
} from "../files/gguf";

export { Global, Slot };

export namespace ModelState {
  export const HEADER: u32 = 0;
  /** The header is read, sizes are known, no weight is in memory. */
  export const PLANNED: u32 = 1;
  export const WEIGHTS: u32 = 2;
  export const READY: u32 = 3;
  export const FAILED: u32 = 4;
}

const MODEL_TAG: u32 = 0x4c444f4d; // "MODL"

@unmanaged
export class Model {
  tag: u32;
  core: Core;
  state: u32;
  /** One of models/index.ts, 0 for a file that holds a vocabulary alone. */
  architecture: u32;
  vocabularyOnly: u32;
  /** What stays in the file (stream.ts), and how many bytes its row cache may take. */
  streamed: u32;
  rowCacheBytes: u32;
  /** Parts of the file; u32[files]: their Gguf records while loading, after it the first holds all. */
  files: u32;
  filesParsed: u32;
  parts: usize;
  gguf: Gguf;
  tokenizer: usize;

  // Hyper-parameters; what an architecture does not have is 0.
  layers: u32;
  /** Width of the residual stream. */
  hidden: u32;
  ffn: u32;
  heads: u32;
  kvHeads: u32;
  /** Elements of a head's query and key, of its value. */
  keySize: u32;
  valueSize: u32;
  /** Dimensions of a head that RoPE turns. */
  ropeSize: u32;
  /** MLA: width of the latent. */
  rank: u32;
  /** Memory layers: chunks that an input is split into, each with a table of its own. */
  chunks: u32;
  /** Bits of a chunk's code, and of a chunk between the two tables of a feed-forward network. */
  codeBits: u32;
  ffnCodeBits: u32;
  /** How sure a code is (kernels/memory.ts): the rule, its temperature, and whether zero gives the bit 1. */
  weightRule: u32;
  temperature: f32;
  zeroIsOne: u32;
  vocabulary: u32;
  contextLength: u32;
  epsilon: f32;
  /** 1: RMSNorm divides by the root plus ε, not by the root of the mean plus ε. */
  epsilonOutside: u32;
  /** ε of LayerNorm. */
  layerEpsilon: f32;
  ropeBase: f32;
  attentionScale: f32;
  /** Values of a cache row, all heads. */
  rowValues: u32;

  /** Weight records: Global.COUNT + layers · Slot.COUNT. */
  weights: usize;
  weightCount: u32;
  /** Bytes of all weights in memory. */
  weightBytes: u64;

  // Loading.
  staging: usize;
  stagingBytes: u32;
  /** u32[]: weight indices in file order. */
  order: usize;
  orderCount: u32;
  orderIndex: u32;
  /** Rows of the current weight that are in memory. */
  rowsDone: u32;
  rowsAsked: u32;
  loadedBytes: u64;
  fileBytes: u64;
  /** Bytes of weights that stay there. */
  streamedBytes: u64;

  // Rows of tables that stay there (rows.ts): how many passes wanted, how many of them the cache lacked, their bytes.
  rowsWanted: u64;
  rowsRead: u64;
  rowBytesRead: u64;
  /** Tells later hits of the row cache from earlier ones. */
  rowClock: u32;

  // The one range asked for when a step returns NEED_DATA (see runtime/loader.ts).
  requestFile: u32;
  requestLength: u32;
  requestOffset: u64;
  requestDestination: usize;

  /** Contexts that use this model: it cannot be released before them. */
  contexts: u32;

  @inline
  weight(index: u32): Weight {
    return changetype<Weight>(this.weights + <usize>index * offsetof<Weight>());
  }

  /** A weight of a layer. */
  @inline
  at(layer: u32, slot: u32): Weight {
    return this.weight(Global.COUNT + layer * Slot.COUNT + slot);
  }

  /** The head's matrix: its own, or the embedding's. */
  get head(): Weight {
    const output = this.weight(Global.OUTPUT);
    return output.present ? output : this.weight(Global.EMBEDDING);
  }
}

export const MODEL_BYTES: usize = offsetof<Model>();

export function tagModel(model: Model): void {
  model.tag = MODEL_TAG;
}

/** A handle that came from a host: false for anything that is not a model. */
@inline
export function isModel(model: Model): bool {
  return changetype<usize>(model) != 0 && model.tag == MODEL_TAG;
}

/** What a tensor may be, for the `declare` functions. */
export namespace Want {
  /** A matrix, packed for its kernel. */
  export const MATRIX: u32 = 0;
  /** A vector, kept as plain f32. */
  export const VECTOR: u32 = 1;
  /** A flag beside the two: may be missing. */
  export const OPTIONAL: u32 = 2;
  /** Another: a matrix whose inputs are mostly zero, which lies neuron by neuron where its type may. */
  export const SPARSE: u32 = 4;
  /** Rows to be looked up, which lie as in the file. */
  export const TABLE: u32 = 8;
}

/** Declares a weight outside the layers by its full GGUF name: a matrix {columns, rows}, or a vector {columns}. */
export function declareGlobal(model: Model, slot: u32, name: string, columns: u32, rows: u32, want: u32): i32 {
  const tensor = want & Want.OPTIONAL ? findTensor(model.gguf, name) : requireTensor(model.core, model.gguf, name);
  return declare(model, model.weight(slot), tensor, columns, rows, want, tensor ? formOfHead(tensor.type) : 0);
}

/** Declares `blk.<layer>.<name>`. */
export function declareLayer(
  model: Model, layer: u32, slot: u32, name: string, columns: u32, rows: u32, want: u32,
): i32 {
  const tensor =
    want & Want.OPTIONAL
      ? findBlockTensor(model.gguf, layer, name)
      : requireBlockTensor(model.core, model.gguf, layer, name);
  const form = tensor ? formOfSlot(slot, tensor.type) : 0;
  return declare(model, model.at(layer, slot), tensor, columns, rows, want, form);
}

/**
 * Declares the look-up table `blk.<layer>.<name>`: rows in F32, F16 or I8. I8 of half the columns holds two codes of
 * four bits a byte.
 */
export function declareTable(model: Model, layer: u32, slot: u32, name: string, columns: u32, rows: u32): i32 {
  const core = model.core;
  const tensor = requireBlockTensor(core, model.gguf, layer, name);
  if (!tensor) return core.errorCode;
  const type = tensor.type;
  if (type != RowType.F32 && type != RowType.F16 && type != RowType.Q8) {
    fail(core, ErrorCode.UNSUPPORTED, "tensor ");
    sayBytes(core, tensor.name, tensor.nameLength);
    say(core, " is of type ");
    say(core, tensorTypeName(type));
    say(core, ", and a look-up table is of F32, F16 or I8; convert the model anew");
    return core.errorCode;
  }
  const weight = model.at(layer, slot);
  const halved = type == RowType.Q8 && (columns & 1) == 0 && tensor.ne0 == columns >> 1;
  const status = declare(model, weight, tensor, halved ? columns >> 1 : columns, rows, Want.TABLE, 0);
  if (halved) {
    weight.type = RowType.Q4;
    weight.columns = columns;
  }
  weight.span = rows / model.chunks;
  return status;
}

/**
 * Lays the rows of `count` declared tables, whose records follow each other and which are hit by one hash, beside each
 * other in memory, so that what a code names lies in one place: one miss of the page tables, not as many as tables.
 *
 *     memory of the first   ┌ row 0 of each table ┬ row 1 of each ┬ … ┐       each `rowStep` bytes
 */
export function layTogether(model: Model, layer: u32, first: u32, count: u32): void {
  // What stays in the file is read from there.
  if (model.streamed) return;
  let step: u64 = 0;
  for (let i: u32 = 0; i < count; i++) step += model.at(layer, first + i).fileRowBytes;
  let place: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const table = model.at(layer, first + i);
    model.weightBytes -= blockBytes(table.bytes);
    table.rowStep = <u32>step;
    table.rowPlace = place;
    table.beside = i;
    place += <u32>table.fileRowBytes;
  }
  model.weightBytes += blockBytes(model.at(layer, first).bytes);
}

function declare(
  model: Model,
  weight: Weight,
  tensor: Tensor | null,
  columns: u32,
  rows: u32,
  want: u32,
  operandForm: u32,
): i32 {
  weight.state = WeightState.ABSENT;
  if (!tensor) return want & Want.OPTIONAL ? 0 : model.core.errorCode;
  if (tensor.ne0 != columns || tensor.ne1 != rows || tensor.ne2 != 1 || tensor.ne3 != 1) {
    return wrongShape(model.core, tensor, columns, rows);
  }
  if (tensor.type == Type.I8 && !(want & Want.TABLE)) {
    fail(model.core, ErrorCode.UNSUPPORTED, "tensor ");
    sayBytes(model.core, tensor.name, tensor.nameLength);
    say(model.core, " is of type I8, which only look-up tables are; take the model in one of ");
    say(model.core, SUPPORTED_TYPES);
    return model.core.errorCode;
  }
  weight.state = WeightState.DECLARED;
  weight.type = tensor.type;
  weight.operandForm = operandForm;
  weight.rows = rows;
  weight.columns = columns;
  weight.slices = 1;
  weight.plain = want & Want.VECTOR;
  weight.isTable = want & Want.TABLE ? 1 : 0;
  // Bytes meet tiles and rows: half of the neurons by sixteen bits take longer than all of them by eight.
  const sixteen = operandForm == OperandForm.SIXTEEN;
  weight.byNeurons = want & Want.SPARSE && sixteen && gainsByNeurons(tensor.type, rows) ? 1 : 0;
  weight.file = tensor.fileIndex;
  weight.offset = tensor.offset;
  weight.data = 0;
  model.weightBytes += blockBytes(weight.bytes);
  model.fileBytes += tensor.bytes;
  return 0;
}

/** A weight holds a value that is no finite number: nothing behind it would be one. */
export function notFinite(model: Model, weight: Weight): i32 {
  fail(model.core, ErrorCode.BAD_FILE, "tensor ");
  sayTensorAt(model.core, model.gguf, weight.file, weight.offset);
  say(model.core, " holds a value that is no finite number; the file is broken, convert the model anew");
  return model.core.errorCode;
}

function wrongShape(core: Core, tensor: Tensor, columns: u32, rows: u32): i32 {
  fail(core, ErrorCode.BAD_FILE, "tensor ");
  sayBytes(core, tensor.name, tensor.nameLength);
  say(core, " is {");
  sayNumber(core, tensor.ne0);
  say(core, ", ");
  sayNumber(core, tensor.ne1);
  if (tensor.ne2 != 1 || tensor.ne3 != 1) {
    say(core, ", ");
    sayNumber(core, tensor.ne2);
    say(core, ", ");
    sayNumber(core, tensor.ne3);
  }
  say(core, "}, but the metadata asks for {");
  sayNumber(core, columns);
  say(core, ", ");
  sayNumber(core, rows);
  say(core, "}; convert the model anew");
  return core.errorCode;
}
