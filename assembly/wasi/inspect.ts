/**
 * `inspect`: a file's metadata and tensors as tables or as JSON, of models too that limpet does not run; or the program
 * of one that it runs (program.ts).
 */
import {
  Entry, Gguf, Tensor, ValueType, entryAt, floatAt, integerAt, nextString, stringBytes, stringLength, tableBytes,
  tensorAt, tensorTypeName,
} from "../files/gguf";
import { letterCount, u32At, u64At } from "../memory/bytes";
import { Command, FAILURE, SUCCESS, argument, given, usageError } from "./command";
import { NO_FLAG, NO_JSON } from "./usage";
import { fromText, indexOf, lengthOf, startOf } from "./bytes";
import { printWarnings, readHeader } from "./load";
import { warningOf } from "../engine/warnings";
import { printModel } from "./program";
import {
  Output, digitsOf, plainLength, putByte, putFloat, putFloat32, putInteger, putJson, putNumber, putPlain, putSpaces,
  putText,
} from "./output";

/** Elements of an array that JSON and a table show, and bytes of a string that a table shows. */
const JSON_ELEMENTS: u32 = 16;
const TABLE_ELEMENTS: u32 = 4;
const TABLE_BYTES: u32 = 72;
/** JSON's numbers are exact up to here; above they go as text. */
const SAFE_INTEGER: u64 = 9007199254740991;

export function inspect(c: Command): i32 {
  if (given(c, "time") && !given(c, "program")) return usageError(c, NO_FLAG, fromText(c.core, "--program"));
  if (given(c, "program")) {
    if (given(c, "json")) return usageError(c, NO_JSON, fromText(c.core, "--program"));
    return printModel(c);
  }
  const g = readHeader(c, argument(c, 0));
  if (changetype<usize>(g) == 0) return FAILURE;
  if (given(c, "json")) printJson(c, g);
  else {
    printWarnings(c, g);
    printTables(c.out, g);
  }
  return SUCCESS;
}

function printTables(o: Output, g: Gguf): void {
  let bytes: u64 = 0;
  let values: u64 = 0;
  let keyWidth: i32 = 3;
  let nameWidth: i32 = 6;
  let typeWidth: i32 = 4;
  let shapeWidth: i32 = 5;
  let bytesWidth: i32 = 5;
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    keyWidth = max(keyWidth, plainLength(entryAt(g, i).key, entryAt(g, i).keyLength));
  }
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    nameWidth = max(nameWidth, plainLength(tensor.name, tensor.nameLength));
    typeWidth = max(typeWidth, <i32>letterCount(tensorTypeName(tensor.type)));
    shapeWidth = max(shapeWidth, shapeLength(tensor));
    bytesWidth = max(bytesWidth, <i32>digitsOf(tensor.bytes));
    bytes += tensor.bytes;
    values += <u64>tensor.ne0 * tensor.ne1 * tensor.ne2 * tensor.ne3;
  }
  putText(o, "GGUF version ");
  putNumber(o, g.version);
  putText(o, ": ");
  putNumber(o, g.tensorCount);
  putText(o, " tensors, ");
  putNumber(o, values);
  putText(o, " parameters, ");
  putNumber(o, bytes);
  putText(o, " bytes\n");
  if (tableBytes(g) > 0) {
    putText(o, "\nlook-up tables: ");
    putNumber(o, tableBytes(g));
    putText(o, " bytes, which --tables stream leaves in the file\n");
  }
  putText(o, "\nkey");
  putSpaces(o, keyWidth - 1);
  putText(o, "value\n");
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    const entry = entryAt(g, i);
    putPlain(o, entry.key, entry.keyLength);
    putSpaces(o, keyWidth - plainLength(entry.key, entry.keyLength) + 2);
    putValue(o, entry, TABLE_ELEMENTS);
    putByte(o, 0x0a);
  }
  if (g.tensorCount == 0) return;
  putText(o, "\ntensor");
  putSpaces(o, nameWidth - 4);
  putText(o, "type");
  putSpaces(o, typeWidth - 2);
  putText(o, "shape");
  putSpaces(o, shapeWidth - 5 + bytesWidth - 3);
  putText(o, "bytes\n");
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    putPlain(o, tensor.name, tensor.nameLength);
    putSpaces(o, nameWidth - plainLength(tensor.name, tensor.nameLength) + 2);
    putText(o, tensorTypeName(tensor.type));
    putSpaces(o, typeWidth - <i32>letterCount(tensorTypeName(tensor.type)) + 2);
    for (let d: u32 = 0; d < tensor.dimensions; d++) {
      if (d > 0) putText(o, " x ");
      putNumber(o, sizeOf(tensor, d));
    }
    putSpaces(o, shapeWidth - shapeLength(tensor) + 2 + bytesWidth - <i32>digitsOf(tensor.bytes));
    putNumber(o, tensor.bytes);
    putByte(o, 0x0a);
  }
}

function shapeLength(tensor: Tensor): i32 {
  let length: i32 = 0;
  for (let d: u32 = 0; d < tensor.dimensions; d++) length += <i32>digitsOf(sizeOf(tensor, d)) + (d > 0 ? 3 : 0);
  return length;
}

function printJson(c: Command, g: Gguf): void {
  const o = c.out;
  putText(o, '{"version":');
  putNumber(o, g.version);
  putText(o, ',"metadata":{');
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    const entry = entryAt(g, i);
    if (i > 0) putByte(o, 0x2c);
    putJson(o, entry.key, entry.keyLength);
    putByte(o, 0x3a);
    // A vocabulary is no reading matter: of a long array its length and its beginning.
    const long = entry.count > JSON_ELEMENTS;
    if (long) {
      putText(o, '{"count":');
      putNumber(o, entry.count);
      putText(o, ',"first":');
    }
    putValue(o, entry, JSON_ELEMENTS);
    if (long) putByte(o, 0x7d);
  }
  putText(o, '},"tensors":[');
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    putText(o, i > 0 ? ',{"name":' : '{"name":');
    putJson(o, tensor.name, tensor.nameLength);
    putText(o, ',"type":"');
    putText(o, tensorTypeName(tensor.type));
    putText(o, '","shape":[');
    for (let d: u32 = 0; d < tensor.dimensions; d++) {
      if (d > 0) putByte(o, 0x2c);
      putNumber(o, sizeOf(tensor, d));
    }
    putText(o, '],"bytes":');
    putNumber(o, tensor.bytes);
    putText(o, ',"file":');
    putNumber(o, tensor.fileIndex);
    putText(o, ',"offset":');
    putNumber(o, tensor.offset);
    putByte(o, 0x7d);
  }
  putText(o, '],"table_bytes":');
  putNumber(o, tableBytes(g));
  putText(o, ',"warnings":[');
  for (let i: u32 = 0; ; i++) {
    const warning = fromText(c.core, warningOf(g, i));
    if (lengthOf(warning) == 0) break;
    const name = indexOf(warning, 0x20);
    putText(o, i > 0 ? ',{"code":' : '{"code":');
    putJson(o, startOf(warning), name);
    putText(o, ',"message":');
    putJson(o, startOf(warning) + name + 1, lengthOf(warning) - name - 1);
    putByte(o, 0x7d);
  }
  putText(o, "]}\n");
}

@inline
function sizeOf(tensor: Tensor, dimension: u32): u64 {
  return <u64>u32At(changetype<usize>(tensor) + offsetof<Tensor>("ne0"), dimension);
}

/** A value as JSON, of arrays the first `limit` elements; in a table it says what was left out. */
function putValue(o: Output, entry: Entry, limit: u32): void {
  const isArray = entry.type == ValueType.ARRAY;
  const inTable = limit == TABLE_ELEMENTS;
  const shown = min(entry.count, limit);
  let at = entry.value;
  if (isArray) putByte(o, 0x5b);
  for (let i: u32 = 0; i < shown; i++) {
    if (i > 0) putText(o, inTable ? ", " : ",");
    if (entry.elementType == ValueType.STRING) {
      putString(o, at, inTable ? TABLE_BYTES : u32.MAX_VALUE);
      at = nextString(at);
    } else putElement(o, entry, i);
  }
  if (inTable && shown < entry.count) {
    putText(o, ", ... ");
    putNumber(o, entry.count);
    putText(o, " in all");
  }
  if (isArray) putByte(o, 0x5d);
}

function putString(o: Output, at: usize, longest: u32): void {
  const length = stringLength(at);
  let shown = min(length, longest);
  // Not within a character.
  while (shown > 0 && shown < length && (load<u8>(stringBytes(at) + shown) & 0xc0) == 0x80) shown -= 1;
  putJson(o, stringBytes(at), shown);
  if (shown == length) return;
  putText(o, "... (");
  putNumber(o, length);
  putText(o, " bytes)");
}

function putElement(o: Output, entry: Entry, i: u32): void {
  switch (entry.elementType) {
    case ValueType.BOOL: putText(o, integerAt(entry, i) != 0 ? "true" : "false"); break;
    case ValueType.F32: putFloat32(o, <f32>floatAt(entry, i)); break;
    case ValueType.F64: putFloat(o, floatAt(entry, i), 15); break;
    case ValueType.U64: putWide(o, u64At(entry.value, i), false); break;
    case ValueType.I64: {
      const value = <i64>u64At(entry.value, i);
      putWide(o, <u64>(value < 0 ? -value : value), value < 0);
      break;
    }
    default: putInteger(o, integerAt(entry, i));
  }
}

function putWide(o: Output, value: u64, negative: bool): void {
  if (value > SAFE_INTEGER) putByte(o, 0x22);
  if (negative) putByte(o, 0x2d);
  putNumber(o, value);
  if (value > SAFE_INTEGER) putByte(o, 0x22);
}
