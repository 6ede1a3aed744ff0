/**
 * The metadata of a GGUF file: the table of keys, looking one up, and reading values of the type that is wanted.
 *
 * A key is named by an ASCII literal. One that starts with a dot stands behind the architecture's name, so that
 * `number(core, g, ".block_count")` reads `llama.block_count` in a llama file. The readers do not return a status:
 * the first key that lacks or has a wrong type sets `g.error` and the message, and a loader asks once, at the end:
 *
 *     const layers = number(core, g, ".block_count");
 *     const base = floatOr(core, g, ".rope.freq_base", 10000);
 *     if (g.error) return g.error;
 */
import { allocateRaw } from "../memory/arena";
import { copyText, letterAt, setU32, u32At } from "../memory/bytes";
import { Core, ErrorCode, Status, bytesOf, fail, wordsOf } from "../memory/core";
import {
  Entry, Gguf, PREAMBLE_BYTES, SCRATCH_BYTES, ValueType, nextString, stringBytes, stringLength, valueBytes,
} from "./records";
import { compareBytes, sortPointers } from "./sort";
import { valueTypeName } from "./type_names";

@unmanaged
class ByKey {
  @inline
  before(a: usize, b: usize): bool {
    const left = changetype<Entry>(a);
    const right = changetype<Entry>(b);
    return compareBytes(left.key, left.keyLength, right.key, right.keyLength) < 0;
  }
}

/** Makes the table of entries of a header that lies in memory whole. The parser calls it. */
export function indexEntries(core: Core, g: Gguf): i32 {
  const count = <u32>g.keyCount;
  const table = allocateRaw(core, g.keyCount * (offsetof<Entry>() + 4), "the table of metadata keys");
  if (table == 0) return core.errorCode;
  g.entries = table;
  g.entryOrder = table + <usize>count * offsetof<Entry>();

  let at = g.header + PREAMBLE_BYTES;
  for (let i: u32 = 0; i < count; i++) {
    const entry = changetype<Entry>(table + <usize>i * offsetof<Entry>());
    setU32(g.entryOrder, i, <u32>changetype<usize>(entry));
    entry.keyLength = stringLength(at);
    entry.key = stringBytes(at);
    at = nextString(at);
    entry.type = load<u32>(at);
    entry.elementType = entry.type;
    entry.isRead = 0;
    entry.count = 1;
    at += 4;
    if (entry.type == ValueType.ARRAY) {
      entry.elementType = load<u32>(at);
      entry.count = load<u32>(at, 4);
      at += 12;
    }
    entry.value = at;
    if (entry.elementType == ValueType.STRING) {
      for (let left = entry.count; left > 0; left--) at = nextString(at);
    } else {
      at += <usize>entry.count * valueBytes(entry.elementType);
    }
    if (entry.elementType == ValueType.BOOL) {
      for (let p = entry.value; p < at; p++) {
        if (load<u8>(p) < 2) continue;
        return fail(
          core, ErrorCode.BAD_FILE,
          "metadata key {s} has the value {} for a bool (0 and 1 are allowed); the file is broken, download it again",
          keyOf(entry), load<u8>(p),
        );
      }
    }
  }

  sortPointers<ByKey>(g.entryOrder, count);
  for (let i: u32 = 1; i < count; i++) {
    const entry = sorted(g, i);
    const before = sorted(g, i - 1);
    if (compareBytes(before.key, before.keyLength, entry.key, entry.keyLength) != 0) continue;
    return fail(
      core, ErrorCode.BAD_FILE, "metadata key {s} stands in the file twice; convert the model anew", keyOf(entry),
    );
  }
  return readGeneral(core, g);
}

/** Reads the two keys that the rest of the parser needs. */
function readGeneral(core: Core, g: Gguf): i32 {
  const architecture = textOr(core, g, "general.architecture");
  if (architecture != 0) {
    g.architecture = stringBytes(architecture);
    g.architectureLength = stringLength(architecture);
  }
  g.alignment = numberOr(core, g, "general.alignment", 32);
  if (g.error) return g.error;
  if (g.alignment < 8 || g.alignment > 1 << 24 || popcnt(g.alignment) != 1) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "general.alignment is {}, which is no power of two from 8 to 16777216; convert the model anew", g.alignment,
    );
  }
  return Status.DONE;
}

@inline
function sorted(g: Gguf, i: u32): Entry {
  return changetype<Entry>(<usize>u32At(g.entryOrder, i));
}

/** Entry `i` in the order of the file, `i` < keyCount: what `inspect` walks along. */
export function entryAt(g: Gguf, i: u32): Entry {
  return changetype<Entry>(g.entries + <usize>i * offsetof<Entry>());
}

/** The entry of a key given as bytes, or null. */
export function findKeyBytes(g: Gguf, key: usize, length: u32): Entry | null {
  let low: u32 = 0;
  for (let high = <u32>g.keyCount; low < high; ) {
    const middle = (low + high) >> 1;
    const entry = sorted(g, middle);
    const order = compareBytes(entry.key, entry.keyLength, key, length);
    if (order == 0) return entry;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return null;
}

/** The entry of a key, or null. A key that starts with a dot stands behind the architecture's name. */
export function findKey(g: Gguf, key: string): Entry | null {
  const entry = findKeyBytes(g, g.scratch, putKey(g, key));
  if (entry) entry.isRead = 1;
  return entry;
}

/** The entry of a key that nobody has asked for, or null. */
export function findUnread(g: Gguf, key: string): Entry | null {
  const entry = findKeyBytes(g, g.scratch, putKey(g, key));
  return entry && !entry.isRead ? entry : null;
}

/** Puts the whole name of a key into the scratch; returns its length. */
function putKey(g: Gguf, key: string): u32 {
  let length: u32 = 0;
  if (letterAt(key, 0) == 0x2e) {
    length = min(g.architectureLength, SCRATCH_BYTES >> 1);
    memory.copy(g.scratch, g.architecture, length);
  }
  return length + copyText(g.scratch + length, SCRATCH_BYTES - length, key);
}

/** An integer of any width that fits u32. The key must be there. */
export function number(core: Core, g: Gguf, key: string): u32 {
  const entry = required(core, g, key);
  return entry ? entryNumber(core, g, entry) : 0;
}

/** As `number`; the default when the key is not there. */
export function numberOr(core: Core, g: Gguf, key: string, otherwise: u32): u32 {
  const entry = findKey(g, key);
  return entry ? entryNumber(core, g, entry) : otherwise;
}

/** A finite f32 or f64. The key must be there. */
export function float(core: Core, g: Gguf, key: string): f32 {
  const entry = required(core, g, key);
  return entry ? entryFloat(core, g, entry) : 0;
}

/** As `float`; the default when the key is not there. */
export function floatOr(core: Core, g: Gguf, key: string, otherwise: f32): f32 {
  const entry = findKey(g, key);
  return entry ? entryFloat(core, g, entry) : otherwise;
}

/** A bool; the default when the key is not there. */
export function flagOr(core: Core, g: Gguf, key: string, otherwise: bool): bool {
  const entry = findKey(g, key);
  if (!entry) return otherwise;
  if (entry.type != ValueType.BOOL) {
    wrongType(core, g, entry, "a bool");
    return otherwise;
  }
  return load<u8>(entry.value) != 0;
}

/** A string, for `stringLength` and `stringBytes`; 0 when it is not as wanted. The key must be there. */
export function text(core: Core, g: Gguf, key: string): usize {
  const entry = required(core, g, key);
  return entry ? entryText(core, g, entry) : 0;
}

/** As `text`; 0 when the key is not there. */
export function textOr(core: Core, g: Gguf, key: string): usize {
  const entry = findKey(g, key);
  return entry ? entryText(core, g, entry) : 0;
}

/**
 * An array of strings (kind STRING), of bytes (U8), of integers of any width (I32) or of floats (F32). The key must be
 * there.
 * Elements: `integerAt`, `floatAt`; strings follow one another from `entry.value` by `nextString`.
 */
export function array(core: Core, g: Gguf, key: string, kind: u32): Entry | null {
  const entry = required(core, g, key);
  return entry ? entryArray(core, g, entry, kind) : null;
}

/** As `array`; null when the key is not there. */
export function arrayOr(core: Core, g: Gguf, key: string, kind: u32): Entry | null {
  const entry = findKey(g, key);
  return entry ? entryArray(core, g, entry, kind) : null;
}

/** Element `i` of an entry of integers or bools. A u64 past the signed range reads as the largest i64. */
export function integerAt(entry: Entry, i: u32): i64 {
  const at = entry.value + <usize>i * valueBytes(entry.elementType);
  switch (entry.elementType) {
    case ValueType.U8:
    case ValueType.BOOL: return <i64>load<u8>(at);
    case ValueType.I8: return <i64>load<i8>(at);
    case ValueType.U16: return <i64>load<u16>(at);
    case ValueType.I16: return <i64>load<i16>(at);
    case ValueType.U32: return <i64>load<u32>(at);
    case ValueType.I32: return <i64>load<i32>(at);
    case ValueType.U64: return <i64>min(load<u64>(at), <u64>i64.MAX_VALUE);
    case ValueType.I64: return load<i64>(at);
    default: return 0;
  }
}

/** Element `i` of an entry of numbers or bools. */
export function floatAt(entry: Entry, i: u32): f64 {
  const at = entry.value + <usize>i * valueBytes(entry.elementType);
  if (entry.elementType == ValueType.F32) return <f64>load<f32>(at);
  if (entry.elementType == ValueType.F64) return load<f64>(at);
  if (entry.elementType == ValueType.U64) return <f64>load<u64>(at);
  return <f64>integerAt(entry, i);
}

/** The value of an entry as u32; 0 with `g.error` set when it is none. */
export function entryNumber(core: Core, g: Gguf, entry: Entry): u32 {
  if (!isInteger(entry.type)) return wrongType(core, g, entry, "an integer");
  return inU32(core, g, entry, integerAt(entry, 0));
}

/** The value of an entry as a finite f32; 0 with `g.error` set when it is none. */
export function entryFloat(core: Core, g: Gguf, entry: Entry): f32 {
  if (entry.type != ValueType.F32 && entry.type != ValueType.F64) {
    return <f32>wrongType(core, g, entry, "a float");
  }
  const value = <f32>floatAt(entry, 0);
  if (value - value == 0) return value;
  if (g.error) return 0;
  g.error = fail(
    core, ErrorCode.BAD_FILE, "metadata key {s} is not a finite number; the file is broken, convert the model anew",
    keyOf(entry),
  );
  return 0;
}

/** The value of an entry as a string; 0 with `g.error` set when it is none. */
export function entryText(core: Core, g: Gguf, entry: Entry): usize {
  if (entry.type != ValueType.STRING) return wrongType(core, g, entry, "a string");
  return entry.value;
}

function entryArray(core: Core, g: Gguf, entry: Entry, kind: u32): Entry | null {
  const isArray = entry.type == ValueType.ARRAY;
  const type = entry.elementType;
  if (kind == ValueType.STRING) {
    if (isArray && type == ValueType.STRING) return entry;
    wrongType(core, g, entry, "an array of strings");
  } else if (kind == ValueType.F32) {
    if (isArray && type == ValueType.F32) return entry;
    wrongType(core, g, entry, isArray && type == ValueType.F64 ? "an array of f32" : "an array of floats");
  } else if (kind == ValueType.U8) {
    if (isArray && (type == ValueType.U8 || type == ValueType.I8)) return entry;
    wrongType(core, g, entry, "an array of bytes");
  } else {
    if (isArray && (type == ValueType.I32 || type == ValueType.U32)) return entry;
    wrongType(core, g, entry, isArray && isInteger(type) ? "an array of i32" : "an array of integers");
  }
  return null;
}

function isInteger(type: u32): bool {
  return type <= ValueType.I32 || type == ValueType.U64 || type == ValueType.I64;
}

function inU32(core: Core, g: Gguf, entry: Entry, value: i64): u32 {
  if (value >= 0 && value <= <i64>u32.MAX_VALUE) return <u32>value;
  if (g.error) return 0;
  g.error = fail(
    core, ErrorCode.BAD_FILE,
    "metadata key {s} is {i}, which is out of range (0 to 4294967295); convert the model anew", keyOf(entry), value,
  );
  return 0;
}

function required(core: Core, g: Gguf, key: string): Entry | null {
  const entry = findKey(g, key);
  if (entry || g.error) return entry;
  g.error = fail(
    core, ErrorCode.BAD_FILE, "the metadata has no key {s}, which this model needs; convert the model anew",
    bytesOf(g.scratch, putKey(g, key)),
  );
  return null;
}

function wrongType(core: Core, g: Gguf, entry: Entry, wanted: string): u32 {
  if (g.error) return 0;
  const isArray = entry.type == ValueType.ARRAY;
  g.error = fail(
    core, ErrorCode.BAD_FILE, "metadata key {s} is of type {w}{w}, but must be {w}; convert the model anew",
    keyOf(entry), wordsOf(isArray ? "array of " : ""), wordsOf(valueTypeName(entry.elementType)), wordsOf(wanted),
  );
  return 0;
}

@inline
function keyOf(entry: Entry): u64 {
  return bytesOf(entry.key, entry.keyLength);
}
