/**
 * What hosts may ask about a GGUF file: parsing it on its own, and walking along its keys and tensors (`inspect`).
 * Record fields leave through functions, so that no host knows a layout. A model is loaded by engine/load.ts, not
 * through these.
 */
import { warningOf } from "../engine/warnings";
import { letterCount, lettersFrom, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { createGguf, parseGguf, releaseGguf } from "../files/gguf";
import { entryAt, entryFloat, entryNumber, entryText, findKeyBytes, floatAt } from "../files/metadata";
import { Entry, Gguf, Tensor } from "../files/records";
import { mergeSplits } from "../files/split";
import { findTensorBytes, tableBytes, tensorAt } from "../files/tensors";

/** Makes a record for a file, to be parsed; `chunk` is the least number of bytes to ask for at a time, 0: 64 KiB. */
export function gguf_create(core: Core, fileIndex: u32, fileSize: u64, chunk: u32): usize {
  const g = createGguf(core, fileIndex, fileSize);
  if (g && chunk) g.chunk = chunk;
  return changetype<usize>(g);
}

/** Gives back the file and the parts merged into it. */
export function gguf_release(core: Core, g: Gguf): void {
  releaseGguf(core, g);
}

/** Parses as far as bytes reach: DONE, NEED_DATA (bring the range that `gguf_need_…` name, call again), or an error. */
export function gguf_step(core: Core, g: Gguf): i32 {
  return parseGguf(core, g);
}

/** The offset of the range of the file that is wanted. */
export function gguf_need_offset(g: Gguf): u64 {
  return g.needOffset;
}

/** The length of the range that is wanted [bytes]. */
export function gguf_need_length(g: Gguf): u32 {
  return g.needLength;
}

/** The address at which the range is wanted. */
export function gguf_need_destination(g: Gguf): usize {
  return g.needDestination;
}

/** Makes one model of the parsed files at `parts` (u32[count] of handles, in order); the first owns the others then. */
export function gguf_merge(core: Core, parts: usize, count: u32): i32 {
  return mergeSplits(core, parts, count);
}

/**
 * Warning `index` of the file, from 0 on: its name, a space, and its words, as UTF-8. The length is 0 behind the last.
 * The file may be one of a model (`model_gguf`).
 */
export function gguf_warning(g: Gguf, index: u32): usize {
  return lettersFrom(warningOf(g, index), 0);
}

/** The length of that text [bytes]. */
export function gguf_warning_length(g: Gguf, index: u32): u32 {
  return letterCount(warningOf(g, index));
}

/** The version of the format: 2 or 3. */
export function gguf_version(g: Gguf): u32 {
  return g.version;
}

/** The alignment of the tensors' data [bytes]. */
export function gguf_alignment(g: Gguf): u32 {
  return g.alignment;
}

/** The offset at which the tensors' data begins. */
export function gguf_data_start(g: Gguf): u64 {
  return g.dataStart;
}

/** The bytes of look-up tables, which model_stream may leave in the file. */
export function gguf_table_bytes(g: Gguf): u64 {
  return tableBytes(g);
}

/** The number of metadata keys. */
export function gguf_entry_count(g: Gguf): u32 {
  return <u32>g.keyCount;
}

/** The entry of this index in the order of the file; 0: there is none. */
export function gguf_entry(g: Gguf, i: u32): usize {
  return i < <u32>g.keyCount && g.entries ? changetype<usize>(entryAt(g, i)) : 0;
}

/** The entry of a key; 0: there is none. */
export function gguf_find_entry(g: Gguf, key: usize, length: u32): usize {
  return g.entries ? changetype<usize>(findKeyBytes(g, key, length)) : 0;
}

/** The address of the entry's key. */
export function entry_key(entry: Entry): usize {
  return entry.key;
}

/** The length of the entry's key [bytes]. */
export function entry_key_length(entry: Entry): u32 {
  return entry.keyLength;
}

/** The entry's type, as GGUF numbers it. */
export function entry_type(entry: Entry): u32 {
  return entry.type;
}

/** The type of an array's elements; of a scalar its own type. */
export function entry_element_type(entry: Entry): u32 {
  return entry.elementType;
}

/** The number of an array's elements; 1 of a scalar. */
export function entry_count(entry: Entry): u32 {
  return entry.count;
}

/** The first element as it lies in the file; a string is its length (u64), then its bytes, then the next string. */
export function entry_value(entry: Entry): usize {
  return entry.value;
}

/** Element `i` < count of an entry of numbers or bools. */
export function entry_number(entry: Entry, i: u32): f64 {
  return floatAt(entry, i);
}

/** The entry as u32, as models read it; a wrong type or range sets the error, and gguf_trouble gives its code. */
export function gguf_read_number(core: Core, g: Gguf, entry: Entry): u32 {
  return entryNumber(core, g, entry);
}

/** The entry as a finite f32, as models read it; else as gguf_read_number. */
export function gguf_read_float(core: Core, g: Gguf, entry: Entry): f32 {
  return entryFloat(core, g, entry);
}

/** The entry as a string (length u64, bytes), as models read it; else as gguf_read_number. */
export function gguf_read_text(core: Core, g: Gguf, entry: Entry): usize {
  return entryText(core, g, entry);
}

/** The code of the first entry that could not be read as asked; 0: none. */
export function gguf_trouble(g: Gguf): i32 {
  return g.error;
}

/** The number of tensors. */
export function gguf_tensor_count(g: Gguf): u32 {
  return <u32>g.tensorCount;
}

/** The tensor of this index in the order of the file; 0: there is none. */
export function gguf_tensor(g: Gguf, i: u32): usize {
  return i < <u32>g.tensorCount && g.tensors ? changetype<usize>(tensorAt(g, i)) : 0;
}

/** The tensor of a name; 0: there is none. */
export function gguf_find_tensor(g: Gguf, name: usize, length: u32): usize {
  return g.tensors ? changetype<usize>(findTensorBytes(g, name, length)) : 0;
}

/** The address of the tensor's name. */
export function tensor_name(tensor: Tensor): usize {
  return tensor.name;
}

/** The length of the tensor's name [bytes]. */
export function tensor_name_length(tensor: Tensor): u32 {
  return tensor.nameLength;
}

/** The tensor's type, as ggml numbers it. */
export function tensor_type(tensor: Tensor): u32 {
  return tensor.type;
}

/** The number of the tensor's dimensions: 1 to 4. */
export function tensor_dimensions(tensor: Tensor): u32 {
  return tensor.dimensions;
}

/** The size of dimension `d` from 0 to 3; 0 is along a row. */
export function tensor_size(tensor: Tensor, d: u32): u32 {
  return d < 4 ? u32At(changetype<usize>(tensor) + offsetof<Tensor>("ne0"), d) : 1;
}

/** The index of the file that holds the tensor. */
export function tensor_file(tensor: Tensor): u32 {
  return tensor.fileIndex;
}

/** The offset of the tensor's data in its file. */
export function tensor_offset(tensor: Tensor): u64 {
  return tensor.offset;
}

/** The bytes of the tensor's data. */
export function tensor_bytes(tensor: Tensor): u64 {
  return tensor.bytes;
}
