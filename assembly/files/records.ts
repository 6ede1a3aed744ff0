/**
 * The records of a GGUF file in memory.
 *
 *     arena:  ┌ Gguf ┐  ┌ header, as in the file ┐  ┌ Entry × keys │ order ┐  ┌ Tensor × tensors │ order ┐
 *                        ▲ keys, values and names are pointers into these bytes: nothing is copied
 *
 * `order` is a list of pointers to the records sorted by name: a lookup halves it, and no choice of names is slow.
 */

/** Types of a metadata value. */
export namespace ValueType {
  export const U8: u32 = 0;
  export const I8: u32 = 1;
  export const U16: u32 = 2;
  export const I16: u32 = 3;
  export const U32: u32 = 4;
  export const I32: u32 = 5;
  export const F32: u32 = 6;
  export const BOOL: u32 = 7;
  export const STRING: u32 = 8;
  export const ARRAY: u32 = 9;
  export const U64: u32 = 10;
  export const I64: u32 = 11;
  export const F64: u32 = 12;
}

/** What the parser reads next. */
export namespace Stage {
  export const PREAMBLE: u32 = 0;
  export const KEYS: u32 = 1;
  export const TENSORS: u32 = 2;
  export const INDEX: u32 = 3;
  export const READY: u32 = 4;
  export const REFUSED: u32 = 5;
}

/** Longest name that a tensor may have, and longest key. */
export const TENSOR_NAME_LIMIT: u64 = 255;
export const KEY_LIMIT: u64 = 65535;

/** The bytes of magic, version and the two counts. */
export const PREAMBLE_BYTES: u32 = 24;

/** One GGUF file; after `mergeSplits` the first of several, which owns them all. */
@unmanaged
export class Gguf {
  fileSize: u64;
  /** File offset at which the tensors' data begins. */
  dataStart: u64;
  keyCount: u64;
  tensorCount: u64;
  /** Keys or tensors that the current stage has passed. */
  passed: u64;
  /** Strings to pass before the array at `at` ends. */
  stringsLeft: u64;
  /** On NEED_DATA: the range of the file wanted, and where to put it. */
  needOffset: u64;
  needDestination: usize;
  needLength: u32;
  fileIndex: u32;
  /** The bytes asked for at first, and at least each time after. */
  chunk: u32;
  stage: u32;
  /** Offset of the next byte to parse; bytes of the file that lie in `header`. */
  at: u32;
  present: u32;
  header: usize;
  /** Offset of the first tensor info. */
  tensorList: u32;
  version: u32;
  alignment: u32;
  /** First of the Entry records, in the order of the file, and the sorted list. */
  entries: usize;
  entryOrder: usize;
  tensors: usize;
  tensorOrder: usize;
  /** The bytes of general.architecture, or 0. */
  architecture: usize;
  architectureLength: u32;
  /** The code of the first key that could not be read as asked; 0: none. See metadata.ts. */
  error: i32;
  /** The next part of a split model that was merged into this one, or 0. */
  next: usize;

  /** Room to put a name together, SCRATCH_BYTES long. */
  @inline
  get scratch(): usize {
    return changetype<usize>(this) + offsetof<Gguf>();
  }
}

export const SCRATCH_BYTES: u32 = 512;

/** One key of the metadata. A scalar has `elementType == type` and count 1; `value` points at the (first) element. */
@unmanaged
export class Entry {
  key: usize;
  keyLength: u32;
  type: u32;
  elementType: u32;
  count: u32;
  value: usize;
  /** 1: somebody asked for it. */
  isRead: u32;
}

/** One tensor. `ne0` is the length of a row; sizes past `dimensions` are 1. */
@unmanaged
export class Tensor {
  /** File offset (absolute) and bytes of its data, in file `fileIndex`. */
  offset: u64;
  bytes: u64;
  name: usize;
  nameLength: u32;
  type: u32;
  dimensions: u32;
  ne0: u32;
  ne1: u32;
  ne2: u32;
  ne3: u32;
  /** 1: a weight was declared of it. */
  isUsed: u32;
  fileIndex: u32;
}

/** The length of a string as it lies in the file. The parser has refused strings of 4 GiB. */
@inline
export function stringLength(at: usize): u32 {
  return load<u32>(at);
}

/** Where the bytes of a string begin. */
@inline
export function stringBytes(at: usize): usize {
  return at + 8;
}

/** The string behind a string. */
@inline
export function nextString(at: usize): usize {
  return at + 8 + <usize>load<u32>(at);
}

/** The bytes of a value whose size the type alone tells; 0 for strings, arrays and types that do not exist. */
export function valueBytes(type: u32): u32 {
  switch (type) {
    case ValueType.U8:
    case ValueType.I8:
    case ValueType.BOOL: return 1;
    case ValueType.U16:
    case ValueType.I16: return 2;
    case ValueType.U32:
    case ValueType.I32:
    case ValueType.F32: return 4;
    case ValueType.U64:
    case ValueType.I64:
    case ValueType.F64: return 8;
    default: return 0;
  }
}
