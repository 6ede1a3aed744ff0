/**
 * The tensor list of a GGUF file: its table, the checks that keep every later read inside the file, and lookup by name.
 */
import { SUPPORTED_TYPES, Type, blockBytes, blockElements } from "../kernels/quant/types";
import { allocateRaw } from "../memory/arena";
import { Core, ErrorCode, Status, fail, say, sayBytes, sayNumber } from "../memory/core";
import { Gguf, SCRATCH_BYTES, Tensor, nextString, stringBytes, stringLength } from "./records";
import { compareBytes, putWords, sortPointers } from "./sort";
import { endFailure, sameWords, tensorTypeName } from "./type_names";

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
    tensor.nameLength = stringLength(at);
    tensor.name = stringBytes(at);
    at = nextString(at);
    tensor.dimensions = load<u32>(at);
    const sizes = at + 4;
    at = sizes + (<usize>tensor.dimensions << 3);
    tensor.type = load<u32>(at);
    tensor.offset = load<u64>(at, 4);
    at += 12;
    if (readSizes(core, tensor, sizes) < 0 || checkType(core, tensor) < 0 || checkPlace(core, g, tensor) < 0) {
      return core.errorCode;
    }
  }

  listTensors(g, count);
  sortPointers<ByOffset>(g.tensorOrder, count);
  for (let i: u32 = 1; i < count; i++) {
    const before = sorted(g, i - 1);
    const tensor = sorted(g, i);
    if (before.offset + before.bytes <= tensor.offset) continue;
    sayTensor(core, ErrorCode.BAD_FILE, tensor);
    say(core, " overlaps ");
    sayBytes(core, before.name, before.nameLength);
    return endFailure(core, "; the file is broken, convert the model anew");
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
    sayTensor(core, ErrorCode.BAD_FILE, tensor);
    return endFailure(core, " stands in the file twice; convert the model anew");
  }
  return Status.DONE;
}

function listTensors(g: Gguf, count: u32): void {
  for (let i: u32 = 0; i < count; i++) {
    store<u32>(g.tensorOrder + (<usize>i << 2), <u32>changetype<usize>(tensorAt(g, i)));
  }
}

/** Dimensions into ne0 to ne3: each from 1 to what u32 holds. */
function readSizes(core: Core, tensor: Tensor, sizes: usize): i32 {
  const ne = changetype<usize>(tensor) + offsetof<Tensor>("ne0");
  for (let d: u32 = 0; d < 4; d++) {
    const size: u64 = d < tensor.dimensions ? load<u64>(sizes + (<usize>d << 3)) : 1;
    if (size == 0 || size > <u64>u32.MAX_VALUE) {
      sayTensor(core, ErrorCode.BAD_FILE, tensor);
      say(core, " has the size ");
      sayNumber(core, size);
      return endFailure(core, " in one dimension (1 to 4294967295 are allowed); the file is broken, download it again");
    }
    store<u32>(ne + (<usize>d << 2), <u32>size);
  }
  return Status.DONE;
}

/** A type that limpet runs, and rows that are whole blocks of it. */
function checkType(core: Core, tensor: Tensor): i32 {
  const block = elementsOf(tensor.type);
  if (block == 0) {
    sayTensor(core, ErrorCode.UNSUPPORTED, tensor);
    const name = tensorTypeName(tensor.type);
    say(core, " is of type ");
    if (name.length > 0) say(core, name);
    else sayNumber(core, tensor.type);
    say(core, ", which limpet does not run; take the model in one of ");
    return endFailure(core, SUPPORTED_TYPES);
  }
  if (tensor.ne0 % block != 0) {
    sayTensor(core, ErrorCode.BAD_FILE, tensor);
    say(core, " has rows of ");
    sayNumber(core, tensor.ne0);
    say(core, " elements, which is no multiple of the ");
    sayNumber(core, block);
    say(core, " in a block of ");
    say(core, tensorTypeName(tensor.type));
    return endFailure(core, "; convert the model anew");
  }
  return Status.DONE;
}

/** Elements of a block: of a block format, or of the bytes that a look-up table may be made of; else 0. */
@inline
function elementsOf(type: u32): u32 {
  return type == Type.I8 ? 1 : blockElements(type);
}

/** Where the data lies: aligned, and inside the file. Makes `offset` absolute. */
function checkPlace(core: Core, g: Gguf, tensor: Tensor): i32 {
  if (tensor.offset & (g.alignment - 1)) {
    sayTensor(core, ErrorCode.BAD_FILE, tensor);
    say(core, " begins at offset ");
    sayNumber(core, tensor.offset);
    say(core, ", which is no multiple of the alignment ");
    sayNumber(core, g.alignment);
    return endFailure(core, "; convert the model anew");
  }
  const room = g.fileSize > g.dataStart ? g.fileSize - g.dataStart : 0;
  // A product past the file's size is stopped before it can overflow.
  const block: u32 = tensor.type == Type.I8 ? 1 : blockBytes(tensor.type);
  let bytes: u64 = (<u64>tensor.ne0 / elementsOf(tensor.type)) * block;
  if (bytes <= room / tensor.ne1) bytes *= tensor.ne1;
  else bytes = u64.MAX_VALUE;
  if (bytes <= room / tensor.ne2) bytes *= tensor.ne2;
  else bytes = u64.MAX_VALUE;
  if (bytes <= room / tensor.ne3) bytes *= tensor.ne3;
  else bytes = u64.MAX_VALUE;
  if (bytes > room || tensor.offset > room - bytes) {
    sayTensor(core, ErrorCode.BAD_FILE, tensor);
    say(core, " lies outside the file, which has ");
    sayNumber(core, g.fileSize);
    return endFailure(core, " bytes; it is truncated or broken, download it again");
  }
  tensor.bytes = bytes;
  tensor.offset += g.dataStart;
  return Status.DONE;
}

@inline
function sorted(g: Gguf, i: u32): Tensor {
  return changetype<Tensor>(<usize>load<u32>(g.tensorOrder + (<usize>i << 2)));
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

/** The tensor of a name given as an ASCII literal, or null. */
export function findTensor(g: Gguf, name: string): Tensor | null {
  return findTensorBytes(g, g.scratch, putWords(g.scratch, SCRATCH_BYTES, name));
}

/** The tensor `blk.<layer>.<name>`, or null. */
export function findBlockTensor(g: Gguf, layer: u32, name: string): Tensor | null {
  return findTensorBytes(g, g.scratch, putBlockName(g, layer, name));
}

/** Bytes of look-up tables, which may stay in the file: those of memory layers, an embedding that is no head too. */
export function tableBytes(g: Gguf): u64 {
  let tables: u64 = 0;
  let embedding: u64 = 0;
  let hasHead = false;
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    const length = tensor.nameLength;
    if (length > 6 && sameWords(tensor.name + length - 6, 6, ".table")) tables += tensor.bytes;
    else if (sameWords(tensor.name, length, "token_embd.weight")) embedding = tensor.bytes;
    else if (sameWords(tensor.name, length, "output.weight")) hasHead = true;
  }
  return hasHead ? tables + embedding : tables;
}

/** As `findTensor`, for one that must be there: null with an error that names it. */
export function requireTensor(core: Core, g: Gguf, name: string): Tensor | null {
  const tensor = findTensor(g, name);
  if (!tensor) sayMissing(core, g, putWords(g.scratch, SCRATCH_BYTES, name));
  return tensor;
}

/** As `findBlockTensor`, for one that must be there: null with an error that names it. */
export function requireBlockTensor(core: Core, g: Gguf, layer: u32, name: string): Tensor | null {
  const tensor = findBlockTensor(g, layer, name);
  if (!tensor) sayMissing(core, g, putBlockName(g, layer, name));
  return tensor;
}

function sayMissing(core: Core, g: Gguf, nameLength: u32): void {
  fail(core, ErrorCode.BAD_FILE, "the file has no tensor ");
  sayBytes(core, g.scratch, nameLength);
  say(core, ", which this model needs; convert the model anew");
}

/** The tensor that begins at `offset` of a file, or null. */
export function findTensorAt(g: Gguf, file: u32, offset: u64): Tensor | null {
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (tensor.fileIndex == file && tensor.offset == offset) return tensor;
  }
  return null;
}

/** Says the name of the tensor that begins at `offset` of a file. */
export function sayTensorAt(core: Core, g: Gguf, file: u32, offset: u64): void {
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (tensor.fileIndex == file && tensor.offset == offset) return sayBytes(core, tensor.name, tensor.nameLength);
  }
}

/** Puts `blk.<layer>.<name>` into the scratch; returns its length. */
function putBlockName(g: Gguf, layer: u32, name: string): u32 {
  let length = putWords(g.scratch, SCRATCH_BYTES, "blk.");
  let divisor: u32 = 1;
  while (layer / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) store<u8>(g.scratch + length++, <u8>(48 + ((layer / divisor) % 10)));
  length += putWords(g.scratch + length, SCRATCH_BYTES - length, ".");
  return length + putWords(g.scratch + length, SCRATCH_BYTES - length, name);
}

function sayTensor(core: Core, code: i32, tensor: Tensor): void {
  fail(core, code, "tensor ");
  sayBytes(core, tensor.name, tensor.nameLength);
}
