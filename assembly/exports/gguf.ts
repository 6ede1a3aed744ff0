/**
 * What hosts may ask about a GGUF file: parsing it on its own, and walking along its keys and tensors (`inspect`).
 * Record fields leave through functions, so that no host knows a layout. A model is loaded by `runtime/`, not through
 * these.
 */
import { Core } from "../memory/core";
import { createGguf, parseGguf, releaseGguf } from "../files/gguf";
import { entryAt, entryFloat, entryNumber, entryText, findKeyBytes, floatAt } from "../files/metadata";
import { Entry, Gguf, Tensor } from "../files/records";
import { mergeSplits } from "../files/split";
import { findTensorBytes, tableBytes, tensorAt } from "../files/tensors";

/** `chunk`: bytes to ask for at a time at least; 0 takes the usual 64 KiB. */
export function gguf_create(core: Core, fileIndex: u32, fileSize: u64, chunk: u32): usize {
  const g = createGguf(core, fileIndex, fileSize);
  if (g && chunk) g.chunk = chunk;
  return changetype<usize>(g);
}
export function gguf_release(core: Core, g: Gguf): void {
  releaseGguf(core, g);
}
export function gguf_step(core: Core, g: Gguf): i32 {
  return parseGguf(core, g);
}
export function gguf_need_offset(g: Gguf): u64 {
  return g.needOffset;
}
export function gguf_need_length(g: Gguf): u32 {
  return g.needLength;
}
export function gguf_need_destination(g: Gguf): usize {
  return g.needDestination;
}
export function gguf_merge(core: Core, parts: usize, count: u32): i32 {
  return mergeSplits(core, parts, count);
}
export function gguf_version(g: Gguf): u32 {
  return g.version;
}
export function gguf_alignment(g: Gguf): u32 {
  return g.alignment;
}
export function gguf_data_start(g: Gguf): u64 {
  return g.dataStart;
}

/** Bytes of look-up tables, which model_stream may leave in the file. */
export function gguf_table_bytes(g: Gguf): u64 {
  return tableBytes(g);
}

/** Entries by their place in the file and by key (0: no such key), and their fields. */
export function gguf_entry_count(g: Gguf): u32 {
  return <u32>g.keyCount;
}
export function gguf_entry(g: Gguf, i: u32): usize {
  return i < <u32>g.keyCount && g.entries ? changetype<usize>(entryAt(g, i)) : 0;
}
export function gguf_find_entry(g: Gguf, key: usize, length: u32): usize {
  return g.entries ? changetype<usize>(findKeyBytes(g, key, length)) : 0;
}
export function entry_key(entry: Entry): usize {
  return entry.key;
}
export function entry_key_length(entry: Entry): u32 {
  return entry.keyLength;
}
export function entry_type(entry: Entry): u32 {
  return entry.type;
}
export function entry_element_type(entry: Entry): u32 {
  return entry.elementType;
}
export function entry_count(entry: Entry): u32 {
  return entry.count;
}
/** First element as it lies in the file; strings: length (u64), bytes, next string. */
export function entry_value(entry: Entry): usize {
  return entry.value;
}
/** Element `i` < count of an entry of numbers or bools. */
export function entry_number(entry: Entry, i: u32): f64 {
  return floatAt(entry, i);
}
/** The readers of model files: a value of the wrong type or range sets the error, and gguf_trouble gives its code. */
export function gguf_read_number(core: Core, g: Gguf, entry: Entry): u32 {
  return entryNumber(core, g, entry);
}
export function gguf_read_float(core: Core, g: Gguf, entry: Entry): f32 {
  return entryFloat(core, g, entry);
}
export function gguf_read_text(core: Core, g: Gguf, entry: Entry): usize {
  return entryText(core, g, entry);
}
export function gguf_trouble(g: Gguf): i32 {
  return g.error;
}

/** Tensors by their place in the file and by name (0: no such tensor), and their fields. */
export function gguf_tensor_count(g: Gguf): u32 {
  return <u32>g.tensorCount;
}
export function gguf_tensor(g: Gguf, i: u32): usize {
  return i < <u32>g.tensorCount && g.tensors ? changetype<usize>(tensorAt(g, i)) : 0;
}
export function gguf_find_tensor(g: Gguf, name: usize, length: u32): usize {
  return g.tensors ? changetype<usize>(findTensorBytes(g, name, length)) : 0;
}
export function tensor_name(tensor: Tensor): usize {
  return tensor.name;
}
export function tensor_name_length(tensor: Tensor): u32 {
  return tensor.nameLength;
}
export function tensor_type(tensor: Tensor): u32 {
  return tensor.type;
}
export function tensor_dimensions(tensor: Tensor): u32 {
  return tensor.dimensions;
}
/** Size of dimension `d` from 0 to 3; 0 is along a row. */
export function tensor_size(tensor: Tensor, d: u32): u32 {
  return d < 4 ? load<u32>(changetype<usize>(tensor) + offsetof<Tensor>("ne0") + ((<usize>d) << 2)) : 1;
}
export function tensor_file(tensor: Tensor): u32 {
  return tensor.fileIndex;
}
/** Where the data lies in the file, and its bytes. */
export function tensor_offset(tensor: Tensor): u64 {
  return tensor.offset;
}
export function tensor_bytes(tensor: Tensor): u64 {
  return tensor.bytes;
}
