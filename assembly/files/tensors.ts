/**
 * The tensor list of a GGUF file: its table, the checks that keep every later read inside the file, and lookup by name.
 */
import { SUPPORTED_TYPES, Type, blockBytes, blockElements, isLeftOut } from "../kernels/quant/types";
import { allocateRaw } from "../memory/arena";
import { letterAt, sameText, setU32, u32At, u64At } from "../memory/bytes";
import { Core, ErrorCode, Status, bytesOf, fail, say, wordsOf } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { HAS_ALL_FORMATS } from "../parts";
import { Gguf, Tensor, nextString, stringBytes, stringLength } from "./records";
import { compareBytes, sortPointers } from "./sort";
import { tensorTypeName } from "./type_names";

/** Ids of block formats are below. */
const TYPE_LIMIT: u32 = 64;

@unmanaged
class ByName {
  @inline
  before(a: usize, b: usize): bool {
    const left = changetype<Tensor>(a);
    const right = changetype<Tensor>(b);
    return compareBytes(left.name, left.nameLength, right.name, right.nameLength) < 0;
  }
}

@unmanaged
class ByOffset {
  @inline
  before(a: usize, b: usize): bool {
    return changetype<Tensor>(a).offset < changetype<Tensor>(b).offset;
  }
}

/** Makes the table of tensors of a header that lies in memory whole. The parser calls it. */
export function indexTensors(core: Core, g: Gguf): i32 {
  const count = <u32>g.tensorCount;
  g.tensors = allocateRaw(core, g.tensorCount * (offsetof<Tensor>() + 4), "the table of tensors");
  if (g.tensors == 0) return core.errorCode;
  g.tensorOrder = g.tensors + <usize>count * offsetof<Tensor>();
  g.dataStart = (<u64>g.at + (g.alignment - 1)) & ~(<u64>g.alignment - 1);

  let at = g.header + g.tensorList;
  for (let i: u32 = 0; i < count; i++) {
    const tensor = tensorAt(g, i);
    tensor.fileIndex = g.fileIndex;
    tensor.isUsed = 0;
    tensor.nameLength = stringLength(at);
    tensor.name = stringBytes(at);
    at = nextString(at);
    tensor.dimensions = load<u32>(at);
    const sizes = at + 4;
    at = sizes + ((<usize>tensor.dimensions) << 3);
    tensor.type = load<u32>(at);
    tensor.offset = load<u64>(at, 4);
    at += 12;
    if (readSizes(core, tensor, sizes) < 0 || checkRows(core, tensor) < 0 || checkPlace(core, g, tensor) < 0) {
      return core.errorCode;
    }
  }

  listTensors(g, count);
  sortPointers<ByOffset>(g.tensorOrder, count);
  measureOthers(g, count);
  for (let i: u32 = 1; i < count; i++) {
    const before = sorted(g, i - 1);
    const tensor = sorted(g, i);
    if (before.offset + before.bytes <= tensor.offset) continue;
    return fail(
      core, ErrorCode.BAD_FILE, "tensor {s} overlaps {s}; the file is broken, convert the model anew", nameOf(tensor),
      nameOf(before),
    );
  }
  return sortTensors(core, g);
}

/** Sorts the tensors by name, and refuses two of one name. Needs the table and room for the order. */
export function sortTensors(core: Core, g: Gguf): i32 {
  const count = <u32>g.tensorCount;
  listTensors(g, count);
  sortPointers<ByName>(g.tensorOrder, count);
  for (let i: u32 = 1; i < count; i++) {
    const before = sorted(g, i - 1);
    const tensor = sorted(g, i);
    if (compareBytes(before.name, before.nameLength, tensor.name, tensor.nameLength) != 0) continue;
    return fail(
      core, ErrorCode.BAD_FILE, "tensor {s} stands in the file twice; convert the model anew", nameOf(tensor),
    );
  }
  return Status.DONE;
}

function listTensors(g: Gguf, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    setU32(g.tensorOrder, i, <u32>changetype<usize>(tensorAt(g, i)));
  }
}

/** Reads the dimensions into ne0 to ne3: each is from 1 to what u32 holds. */
function readSizes(core: Core, tensor: Tensor, sizes: usize): i32 {
  const ne = changetype<usize>(tensor) + offsetof<Tensor>("ne0");
  for (let d: u32 = 0; d < 4; d++) {
    const size: u64 = d < tensor.dimensions ? u64At(sizes, d) : 1;
    if (size == 0 || size > <u64>u32.MAX_VALUE) {
      return fail(
        core, ErrorCode.BAD_FILE, "tensor {s} has the size {} in one dimension (1 to 4294967295 are allowed); {w}",
        nameOf(tensor), size, wordsOf("the file is broken, download it again"),
      );
    }
    setU32(ne, d, <u32>size);
  }
  return Status.DONE;
}

/** Says which block format this build leaves out, and which it holds. */
function failWithoutFormat(core: Core, type: u32): i32 {
  beginLeftOut(core);
  say(core, tensorTypeName(type));
  beginHeld(core);
  for (let held: u32 = 0; held < TYPE_LIMIT; held++) {
    if (blockElements(held) == 0) continue;
    say(core, " ");
    say(core, tensorTypeName(held));
  }
  return endLeftOut(core);
}

/** Checks that limpet runs the types of all tensors. Who reads no weights does not ask. */
export function requireTypes(core: Core, g: Gguf): i32 {
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (elementsOf(tensor.type) != 0) continue;
    if (!HAS_ALL_FORMATS && isLeftOut(tensor.type)) return failWithoutFormat(core, tensor.type);
    const type = tensorTypeName(tensor.type);
    const isNamed = letterAt(type, 0) != 0;
    return fail(
      core,
      ErrorCode.UNSUPPORTED,
      isNamed
        ? "tensor {s} is of type {w}, which limpet does not run; take the model in one of {w}"
        : "tensor {s} is of type {}, which limpet does not run; take the model in one of {w}",
      nameOf(tensor),
      isNamed ? wordsOf(type) : tensor.type,
      wordsOf(SUPPORTED_TYPES),
    );
  }
  return Status.DONE;
}

/** Checks that a row is whole blocks of its type, where limpet runs that. */
function checkRows(core: Core, tensor: Tensor): i32 {
  const block = elementsOf(tensor.type);
  if (block == 0 || tensor.ne0 % block == 0) return Status.DONE;
  return fail(
    core, ErrorCode.BAD_FILE,
    "tensor {s} has rows of {} elements, which is no multiple of the {} in a block of {w}; convert the model anew",
    nameOf(tensor), tensor.ne0, block, wordsOf(tensorTypeName(tensor.type)),
  );
}

/** The elements of a block: a look-up table may be made of single bytes; 0 when limpet does not run the type. */
@inline
function elementsOf(type: u32): u32 {
  return type == Type.I8 ? 1 : blockElements(type);
}

/** Checks that the data lies inside the file, aligned. Makes `offset` absolute. */
function checkPlace(core: Core, g: Gguf, tensor: Tensor): i32 {
  if (tensor.offset & (g.alignment - 1)) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "tensor {s} begins at offset {}, which is no multiple of the alignment {}; convert the model anew",
      nameOf(tensor), tensor.offset, g.alignment,
    );
  }
  const room = g.fileSize > g.dataStart ? g.fileSize - g.dataStart : 0;
  // A product past the file's size is stopped before it can overflow. Of other types a byte is known.
  const elements = elementsOf(tensor.type);
  const block: u32 = tensor.type == Type.I8 ? 1 : blockBytes(tensor.type);
  let bytes: u64 = elements == 0 ? 1 : (<u64>tensor.ne0 / elements) * block;
  if (bytes <= room / tensor.ne1) bytes *= tensor.ne1;
  else bytes = u64.MAX_VALUE;
  if (bytes <= room / tensor.ne2) bytes *= tensor.ne2;
  else bytes = u64.MAX_VALUE;
  if (bytes <= room / tensor.ne3) bytes *= tensor.ne3;
  else bytes = u64.MAX_VALUE;
  if (bytes > room || tensor.offset > room - bytes) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "tensor {s} lies outside the file, which has {} bytes; it is truncated or broken, download it again",
      nameOf(tensor), g.fileSize,
    );
  }
  tensor.bytes = bytes;
  tensor.offset += g.dataStart;
  return Status.DONE;
}

/** Tensors of types that limpet does not run reach to the next one, in the order of their offsets, or to the end. */
function measureOthers(g: Gguf, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    const tensor = sorted(g, i);
    if (elementsOf(tensor.type) != 0) continue;
    const end = i + 1 < count ? sorted(g, i + 1).offset : g.fileSize;
    tensor.bytes = max<u64>(1, end - tensor.offset);
  }
}

@inline
function sorted(g: Gguf, i: u32): Tensor {
  return changetype<Tensor>(<usize>u32At(g.tensorOrder, i));
}

/** Tensor `i` in the order of the file, `i` < tensorCount. */
export function tensorAt(g: Gguf, i: u32): Tensor {
  return changetype<Tensor>(g.tensors + <usize>i * offsetof<Tensor>());
}

/** The tensor of a name given as bytes, or null. */
export function findTensorBytes(g: Gguf, name: usize, length: u32): Tensor | null {
  let low: u32 = 0;
  for (let high = <u32>g.tensorCount; low < high; ) {
    const middle = (low + high) >> 1;
    const tensor = sorted(g, middle);
    const order = compareBytes(tensor.name, tensor.nameLength, name, length);
    if (order == 0) return tensor;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return null;
}

/** The bytes of look-up tables, which may stay in the file: those of memory layers, an embedding that is no head. */
export function tableBytes(g: Gguf): u64 {
  let tables: u64 = 0;
  let embedding: u64 = 0;
  let hasHead = false;
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    const length = tensor.nameLength;
    if (length > 6 && sameText(tensor.name + length - 6, 6, ".table")) tables += tensor.bytes;
    else if (sameText(tensor.name, length, "token_embd.weight")) embedding = tensor.bytes;
    else if (sameText(tensor.name, length, "output.weight")) hasHead = true;
  }
  return hasHead ? tables + embedding : tables;
}

/** The tensor that begins at `offset` of a file, or null. */
export function findTensorAt(g: Gguf, file: u32, offset: u64): Tensor | null {
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (tensor.fileIndex == file && tensor.offset <= offset && offset - tensor.offset < tensor.bytes) return tensor;
  }
  return null;
}

/** A tensor's name as an argument of `fail`. */
@inline
export function nameOf(tensor: Tensor): u64 {
  return bytesOf(tensor.name, tensor.nameLength);
}
