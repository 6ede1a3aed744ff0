/**
 * TFLite files: FlatBuffers whose bytes lie in memory as they are in the file. Nothing is copied and nothing is
 * trusted: each read looks whether it stays in the file, and one that does not leaves its mark in `bad`, which whoever
 * reads asks for in the end.
 *
 *     table at t:   i32 t − vtable │ fields …             vtable:  u16 bytes │ u16 bytes of the table │ u16 place of
 *                                                                  field 0, counted from t │ …            (0: absent)
 *     reference:    u32, counted from its own place       vector:  u32 count │ elements …
 *
 * Source: the schema of TFLite (tensorflow/compiler/mlir/lite/schema/schema.fbs); ids are those of its fields.
 */

@unmanaged
export class Tflite {
  /** Where the file lies, and its bytes. */
  at: usize;
  size: u32;
  /** Set where something led out of the file. */
  bad: u32;
}

/** Types of tensors, as the schema numbers them. */
export namespace TensorType {
  export const F32: u32 = 0;
  export const F16: u32 = 1;
  export const I32: u32 = 2;
  export const U8: u32 = 3;
  export const I64: u32 = 4;
  export const BOOL: u32 = 6;
  export const I16: u32 = 7;
  export const I8: u32 = 9;
  export const U64: u32 = 12;
  export const RESOURCE: u32 = 13;
  export const U32: u32 = 15;
  export const U16: u32 = 16;
}

/** Bytes of an element; 0 where limpet does not know the type. */
export function elementBytes(type: u32): u32 {
  switch (type) {
    case TensorType.F32: return 4;
    case TensorType.F16: return 2;
    case TensorType.I32: return 4;
    case TensorType.U8: return 1;
    case TensorType.I64: return 8;
    case TensorType.BOOL: return 1;
    case TensorType.I16: return 2;
    case TensorType.I8: return 1;
    case TensorType.U64: return 8;
    case TensorType.U32: return 4;
    case TensorType.U16: return 2;
    default: return 0;
  }
}

/** Whether bytes are those of a TFLite file. */
export function isTflite(f: Tflite): bool {
  return f.size >= 8 && load<u32>(f.at + 4) == 0x334c4654; // "TFL3"
}

/** A number at a place of the file; 0, and `bad`, behind its end. */
@inline
function read<T>(f: Tflite, place: u64): T {
  if (place + sizeof<T>() > <u64>f.size) {
    f.bad = 1;
    return <T>0;
  }
  return load<T>(f.at + <usize>place);
}

/** The table that all begins with. */
export function rootTable(f: Tflite): u32 {
  return read<u32>(f, 0);
}

/** The place of a field; 0: it is absent. */
function fieldPlace(f: Tflite, table: u32, id: u32): u32 {
  if (table == 0) return 0;
  const vtable = <i64>table - <i64>read<i32>(f, table);
  if (vtable < 0 || vtable >= <i64>f.size) {
    f.bad = 1;
    return 0;
  }
  const entry: u32 = 4 + 2 * id;
  if (entry + 2 > <u32>read<u16>(f, vtable)) return 0;
  const place = <u32>read<u16>(f, vtable + entry);
  return place == 0 ? 0 : table + place;
}

/** A field that is a number, or what it is where the file does not say. */
export function numberOf<T>(f: Tflite, table: u32, id: u32, otherwise: T): T {
  const place = fieldPlace(f, table, id);
  return place == 0 ? otherwise : read<T>(f, place);
}

/** A field that refers to a table, a vector or a string: its place; 0: it is absent. */
export function referenceOf(f: Tflite, table: u32, id: u32): u32 {
  const place = fieldPlace(f, table, id);
  return place == 0 ? 0 : follow(f, place);
}

/** The place that a reference leads to. */
function follow(f: Tflite, place: u32): u32 {
  const target = <u64>place + read<u32>(f, place);
  if (target + 4 <= <u64>f.size) return <u32>target;
  f.bad = 1;
  return 0;
}

/** The elements of a vector, each of so many bytes; 0 where it is absent or does not fit. */
export function lengthOf(f: Tflite, vector: u32, bytes: u32): u32 {
  if (vector == 0) return 0;
  const count = read<u32>(f, vector);
  if (<u64>vector + 4 + <u64>count * bytes <= <u64>f.size) return count;
  f.bad = 1;
  return 0;
}

/** Where the elements of a vector lie in memory; any alignment. */
export function elementsOf(f: Tflite, vector: u32): usize {
  return f.at + vector + 4;
}

/** Table `i` of a vector of tables. */
export function tableAt(f: Tflite, vector: u32, i: u32): u32 {
  return follow(f, vector + 4 + 4 * i);
}

/** The bytes of the buffer table `buffer`: where they lie; `count` is set to their number, 0: it is empty. */
export function bufferBytes(f: Tflite, buffer: u32, count: usize): usize {
  store<u32>(count, 0);
  const offset = numberOf<u64>(f, buffer, 1, 0);
  if (offset > 1) {
    // The bytes lie behind the FlatBuffer, in the same file.
    const size = numberOf<u64>(f, buffer, 2, 0);
    if (offset > <u64>f.size || size > <u64>f.size - offset) {
      f.bad = 1;
      return 0;
    }
    store<u32>(count, <u32>size);
    return f.at + <usize>offset;
  }
  const data = referenceOf(f, buffer, 0);
  store<u32>(count, lengthOf(f, data, 1));
  return data == 0 ? 0 : elementsOf(f, data);
}
