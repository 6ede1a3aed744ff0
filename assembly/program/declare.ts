/**
 * A tensor of the file becomes a weight: found by name, its shape and type checked, its memory not taken yet.
 */
import { NOTHING } from "./program";
import { copyText } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail, say, sayNumber, wordsOf } from "../memory/core";
import { Gguf, Tensor, findTensorBytes, tensorTypeName } from "../files/gguf";
import { SCRATCH_BYTES } from "../files/records";
import { Weight, WeightKind, WeightState } from "../weights/weight";
import { precisionOfMatrix } from "../weights/precision";
import { RowType } from "../kernels/lookup/table_rows";
import { SUPPORTED_TYPES, Type, blockElements, rowBytes } from "../kernels/quant/types";

/** Whether the file has the tensor `<stack><layer>.<name><suffix>` (layer NOTHING: `<name><suffix>`). */
export function hasTensor(gguf: Gguf, stack: string, layer: u32, name: string, suffix: string): bool {
  return findTensorBytes(gguf, gguf.scratch, putName(gguf, stack, layer, name, suffix)) != null;
}

/** Rows of the tensor, 0: the file has none. */
export function tensorRows(gguf: Gguf, stack: string, layer: u32, name: string, suffix: string): u64 {
  const tensor = findTensorBytes(gguf, gguf.scratch, putName(gguf, stack, layer, name, suffix));
  return tensor ? <u64>tensor.ne1 : 0;
}

/** A tensor that the file may have is left in it: nobody asks what it is for. */
export function ignoreTensor(gguf: Gguf, stack: string, layer: u32, name: string, suffix: string): void {
  const tensor = findTensorBytes(gguf, gguf.scratch, putName(gguf, stack, layer, name, suffix));
  if (tensor) tensor.isUsed = 1;
}

/**
 * Declares the tensor `<stack><layer>.<name><suffix>` (layer NOTHING: `<name><suffix>`), {columns, rows}. One that may
 * be missing and is leaves `weight.rows` 0. Status 0 or the error.
 *
 * With `slabs` above 1 the tensor is {columns, rows / slabs, slabs}: matrices one behind the other. With `whole` above
 * 0 the weight is a view: of a matrix of so many rows those from `from` on, of a vector of so many values the same. The
 * matrix of a view may lie in matrices one behind the other, too.
 */
export function declare(
  core: Core, gguf: Gguf, weight: Weight, stack: string, layer: u32, name: string, suffix: string, columns: u32,
  rows: u32, kind: u32, required: bool, from: u32, whole: u32, slabs: u32,
): i32 {
  const length = putName(gguf, stack, layer, name, suffix);
  const tensor = findTensorBytes(gguf, gguf.scratch, length);
  if (!tensor) {
    if (!required) return 0;
    return fail(
      core, ErrorCode.BAD_FILE, "the file has no tensor {s}, which this model needs; convert the model anew",
      bytesOf(gguf.scratch, length),
    );
  }
  weight.state = WeightState.DECLARED;
  weight.kind = kind;
  weight.type = tensor.type;
  weight.rows = rows;
  weight.columns = columns;
  weight.file = tensor.fileIndex;
  weight.offset = tensor.offset;
  weight.slabs = slabs;
  tensor.isUsed = 1;
  if (kind == WeightKind.TABLE) return declareTable(core, weight, tensor);
  if (tensor.type == Type.I8) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "tensor {s} is of type I8, which only look-up tables are; take the model in one of {w}",
      bytesOf(tensor.name, tensor.nameLength), wordsOf(SUPPORTED_TYPES),
    );
  }
  const isVector = kind == WeightKind.VECTOR && rows == 1;
  if (isVector) {
    const isTable = whole != 0 && tensor.ne0 == columns && <u64>tensor.ne1 * tensor.ne2 * tensor.ne3 * columns == whole;
    if (!isTable && !hasShape(tensor, whole ? whole : columns, 1))
      return wrongShape(core, tensor, whole ? whole : columns, 1, 1);
    if (from % blockElements(tensor.type) != 0) return cutsBlocks(core, tensor);
    weight.offset += rowBytes(tensor.type, from);
  } else {
    const slabRows = whole ? whole : rows / slabs;
    const isStack = whole != 0 && tensor.ne0 == columns && tensor.ne3 == 1 && <u64>tensor.ne1 * tensor.ne2 == whole;
    if (!isStack && !hasSlabs(tensor, columns, slabRows, slabs))
      return wrongShape(core, tensor, columns, slabRows, slabs);
    weight.offset += rowBytes(tensor.type, columns) * from;
  }
  if (kind == WeightKind.MATRIX) {
    weight.precision = precisionOfMatrix(tensor.type);
    if (ASC_FEATURE_RELAXED_SIMD) weight.byteDots = core.byteDots;
  }
  return 0;
}

/** A look-up table: rows in F32, F16 or I8. I8 of half the columns holds two codes of four bits a byte. */
function declareTable(core: Core, weight: Weight, tensor: Tensor): i32 {
  const type = tensor.type;
  const columns = weight.columns;
  if (type != RowType.F32 && type != RowType.F16 && type != RowType.Q8) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "tensor {s} is of type {w}, and a look-up table is of F32, F16 or I8; convert the model anew",
      bytesOf(tensor.name, tensor.nameLength), wordsOf(tensorTypeName(type)),
    );
  }
  const halved = type == RowType.Q8 && (columns & 1) == 0 && tensor.ne0 == columns >> 1;
  const wanted = halved ? columns >> 1 : columns;
  if (!hasShape(tensor, wanted, weight.rows)) return wrongShape(core, tensor, wanted, weight.rows, 1);
  if (halved) weight.type = RowType.Q4;
  return 0;
}

@inline
function hasShape(tensor: Tensor, columns: u32, rows: u32): bool {
  return tensor.ne0 == columns && tensor.ne1 == rows && tensor.ne2 == 1 && tensor.ne3 == 1;
}

@inline
function hasSlabs(tensor: Tensor, columns: u32, rows: u32, slabs: u32): bool {
  return tensor.ne0 == columns && tensor.ne1 == rows && tensor.ne2 == slabs && tensor.ne3 == 1;
}

function cutsBlocks(core: Core, tensor: Tensor): i32 {
  return fail(
    core, ErrorCode.UNSUPPORTED, "tensor {s} holds several vectors, and a block of its type {w} lies in two of them",
    bytesOf(tensor.name, tensor.nameLength), wordsOf(tensorTypeName(tensor.type)),
  );
}

/** Puts the tensor's name into the scratch of the file's record; returns its length. */
function putName(gguf: Gguf, stack: string, layer: u32, name: string, suffix: string): u32 {
  const scratch = gguf.scratch;
  let length: u32 = 0;
  if (layer != NOTHING) {
    length = copyText(scratch, SCRATCH_BYTES, stack);
    let divisor: u32 = 1;
    while (layer / divisor >= 10) divisor *= 10;
    for (; divisor > 0; divisor /= 10) store<u8>(scratch + length++, <u8>(48 + ((layer / divisor) % 10)));
    length += copyText(scratch + length, SCRATCH_BYTES - length, ".");
  }
  length += copyText(scratch + length, SCRATCH_BYTES - length, name);
  return length + copyText(scratch + length, SCRATCH_BYTES - length, suffix);
}

function wrongShape(core: Core, tensor: Tensor, columns: u32, rows: u32, slabs: u32): i32 {
  fail(core, ErrorCode.BAD_FILE, "tensor {s} is ", bytesOf(tensor.name, tensor.nameLength));
  say(core, "{");
  sayNumber(core, tensor.ne0);
  say(core, ", ");
  sayNumber(core, tensor.ne1);
  if (tensor.ne2 != 1 || tensor.ne3 != 1) {
    say(core, ", ");
    sayNumber(core, tensor.ne2);
  }
  if (tensor.ne3 != 1) {
    say(core, ", ");
    sayNumber(core, tensor.ne3);
  }
  say(core, "}, but the metadata asks for {");
  sayNumber(core, columns);
  say(core, ", ");
  sayNumber(core, rows);
  if (slabs != 1) {
    say(core, ", ");
    sayNumber(core, slabs);
  }
  say(core, "}; convert the model anew");
  return core.errorCode;
}
