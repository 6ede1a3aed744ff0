/**
 * `tokenize` and `inspect`: what a file says, without its weights.
 *
 * May call: its neighbours in `wasi/`, runtime/, text/, formats/.
 */
import {
  Entry, Gguf, Tensor, ValueType, entryAt, floatAt, integerAt, nextString, stringBytes, stringLength, tensorAt,
  tensorTypeName, valueTypeName,
} from "../formats/gguf";
import { allocateRaw } from "../runtime/arena";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import { Command, FAILURE, SUCCESS, argument, failure, given } from "./command";
import { loadModel } from "./engine";
import { readText } from "./files";
import {
  Output, digitsOf, putByte, putBytes, putFloat, putFloat32, putInteger, putJson, putNumber, putSpaces, putWords,
} from "./output";
import { lengthOf, startOf } from "./span";

/** Elements of an array, and bytes of a string, that a table shows. */
const SHOWN_ELEMENTS: u32 = 6;
const SHOWN_BYTES: u32 = 60;
const KEY_WIDTH: i32 = 44;

export function tokenizeText(c: Command): i32 {
  const text = readText(c, argument(c, 1));
  if (startOf(text) == 0) return FAILURE;
  const model = loadModel(c, argument(c, 0), true);
  if (changetype<usize>(model) == 0) return FAILURE;
  const flags = (given(c, "bos") ? TokenizeFlag.ADD_SPECIAL : 0) | (given(c, "special") ? TokenizeFlag.PARSE_SPECIAL : 0);
  const t = changetype<Tokenizer>(model.tokenizer);
  let count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, 0, 0);
  if (count < 0) return failure(c);
  const ids = allocateRaw(c.core, 4 * <u64>count, "the tokens");
  if (ids == 0) return failure(c);
  count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, ids, count);
  if (count < 0) return failure(c);
  putByte(c.out, 0x5b);
  for (let i: i32 = 0; i < count; i++) {
    if (i > 0) putByte(c.out, 0x2c);
    putNumber(c.out, load<u32>(ids + ((<usize>i) << 2)));
  }
  putWords(c.out, "]\n");
  return SUCCESS;
}

export function inspect(c: Command): i32 {
  const model = loadModel(c, argument(c, 0), true);
  if (changetype<usize>(model) == 0) return FAILURE;
  const g = model.gguf;
  if (given(c, "json")) printJson(c.out, g);
  else printTables(c.out, g);
  return SUCCESS;
}

function printTables(o: Output, g: Gguf): void {
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    const entry = entryAt(g, i);
    putBytes(o, entry.key, entry.keyLength);
    putSpaces(o, max(KEY_WIDTH - <i32>entry.keyLength, 1));
    putValue(o, entry, SHOWN_ELEMENTS);
    if (entry.count > SHOWN_ELEMENTS) {
      putWords(o, " of ");
      putNumber(o, entry.count);
      putWords(o, " ");
      putWords(o, valueTypeName(entry.elementType));
    }
    putByte(o, 0x0a);
  }
  let bytes: u64 = 0;
  let values: u64 = 0;
  putByte(o, 0x0a);
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    putBytes(o, tensor.name, tensor.nameLength);
    putSpaces(o, max(KEY_WIDTH - <i32>tensor.nameLength, 1));
    putWords(o, tensorTypeName(tensor.type));
    putSpaces(o, 9 - tensorTypeName(tensor.type).length);
    putNumber(o, tensor.bytes);
    putSpaces(o, 12 - <i32>digitsOf(tensor.bytes));
    for (let d: u32 = 0; d < tensor.dimensions; d++) {
      if (d > 0) putWords(o, " x ");
      putNumber(o, sizeOf(tensor, d));
    }
    putByte(o, 0x0a);
    bytes += tensor.bytes;
    values += <u64>tensor.ne0 * tensor.ne1 * tensor.ne2 * tensor.ne3;
  }
  putNumber(o, g.tensorCount);
  putWords(o, " tensors, ");
  putNumber(o, values);
  putWords(o, " parameters, ");
  putNumber(o, bytes);
  putWords(o, " bytes\n");
}

function printJson(o: Output, g: Gguf): void {
  putWords(o, "{\"metadata\":{");
  for (let i: u32 = 0; i < <u32>g.keyCount; i++) {
    const entry = entryAt(g, i);
    if (i > 0) putByte(o, 0x2c);
    putJson(o, entry.key, entry.keyLength);
    putByte(o, 0x3a);
    putValue(o, entry, u32.MAX_VALUE);
  }
  putWords(o, "},\"tensors\":[");
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    putWords(o, i > 0 ? ",{\"name\":" : "{\"name\":");
    putJson(o, tensor.name, tensor.nameLength);
    putWords(o, ",\"type\":\"");
    putWords(o, tensorTypeName(tensor.type));
    putWords(o, "\",\"shape\":[");
    for (let d: u32 = 0; d < tensor.dimensions; d++) {
      if (d > 0) putByte(o, 0x2c);
      putNumber(o, sizeOf(tensor, d));
    }
    putWords(o, "],\"bytes\":");
    putNumber(o, tensor.bytes);
    putWords(o, ",\"file\":");
    putNumber(o, tensor.fileIndex);
    putWords(o, ",\"offset\":");
    putNumber(o, tensor.offset);
    putByte(o, 0x7d);
  }
  putWords(o, "]}\n");
}

@inline
function sizeOf(tensor: Tensor, dimension: u32): u64 {
  return <u64>load<u32>(changetype<usize>(tensor) + offsetof<Tensor>("ne0") + ((<usize>dimension) << 2));
}

/** A value as JSON; of arrays the first `limit` elements, of strings in a table the first SHOWN_BYTES. */
function putValue(o: Output, entry: Entry, limit: u32): void {
  const isArray = entry.type == ValueType.ARRAY;
  const longest = limit == u32.MAX_VALUE ? limit : SHOWN_BYTES;
  if (isArray) putByte(o, 0x5b);
  let at = entry.value;
  for (let i: u32 = 0; i < entry.count; i++) {
    if (i == limit) {
      putWords(o, ",...");
      break;
    }
    if (i > 0) putByte(o, 0x2c);
    if (entry.elementType == ValueType.STRING) {
      putText(o, at, longest);
      at = nextString(at);
    } else putElement(o, entry, i);
  }
  if (isArray) putByte(o, 0x5d);
}

function putText(o: Output, at: usize, longest: u32): void {
  const length = stringLength(at);
  let shown = min(length, longest);
  // Not within a character.
  while (shown > 0 && shown < length && (load<u8>(stringBytes(at) + shown) & 0xc0) == 0x80) shown -= 1;
  putJson(o, stringBytes(at), shown);
  if (shown < length) putWords(o, "...");
}

function putElement(o: Output, entry: Entry, i: u32): void {
  switch (entry.elementType) {
    case ValueType.BOOL: putWords(o, integerAt(entry, i) != 0 ? "true" : "false"); break;
    case ValueType.F32: putFloat32(o, <f32>floatAt(entry, i)); break;
    case ValueType.F64: putFloat(o, floatAt(entry, i), 15); break;
    case ValueType.U64: putNumber(o, load<u64>(entry.value + ((<usize>i) << 3))); break;
    default: putInteger(o, integerAt(entry, i));
  }
}
