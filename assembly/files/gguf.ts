/**
 * GGUF reading, streamed: a push parser that asks for the file's beginning piece by piece until the header is whole.
 *
 *     file:  ┌ magic, version, counts ┐┌ keys and values … ┐┌ tensor infos … ┐┌ padding ┐┌ tensor data … ┐
 *            └──────────────── header: kept in memory ─────────────────────┘           └ dataStart
 *
 * One pass follows lengths only and stops where bytes lack (it resumes there, so the time is linear); when the header
 * is whole, metadata.ts and tensors.ts make their tables, whose sizes are known to be true by then. A count or a length
 * that the file cannot hold fails at once: memory never follows a claim, only bytes that exist.
 */
import { allocate, allocateRaw, release, resize } from "../memory/arena";
import { Core, ErrorCode, Status, bytesOf, fail, wordsOf } from "../memory/core";
import { indexEntries } from "./metadata";
import {
  Gguf, KEY_LIMIT, PREAMBLE_BYTES, SCRATCH_BYTES, Stage, TENSOR_NAME_LIMIT, ValueType, valueBytes,
} from "./records";
import { indexTensors } from "./tensors";

export * from "./records";
export * from "./metadata";
export * from "./tensors";
export * from "./split";
export * from "./type_names";

/** Bytes asked for first: on a microcontroller few, they lie in memory beside the model. */
const CHUNK: u32 = ASC_LOW_MEMORY_LIMIT ? 4096 : 65536;
/** A header longer than this is refused: real ones take some megabytes. */
const HEADER_LIMIT: u64 = 0x4000_0000;
/** The least bytes that a key with its value, and a tensor info, can take. */
const ENTRY_LEAST: u64 = 14;
const TENSOR_LEAST: u64 = 33;

const MAGIC: u32 = 0x46554747;

/** A record for a file of `fileSize` bytes, to be parsed; null with OUT_OF_MEMORY set. */
export function createGguf(core: Core, fileIndex: u32, fileSize: u64): Gguf | null {
  const at = allocate(core, <u64>offsetof<Gguf>() + SCRATCH_BYTES, "the record of a GGUF file");
  if (at == 0) return null;
  const g = changetype<Gguf>(at);
  g.fileIndex = fileIndex;
  g.fileSize = fileSize;
  g.chunk = CHUNK;
  return g;
}

/** Gives back all that the file holds in memory, and the parts merged into it. */
export function releaseGguf(core: Core, first: Gguf): void {
  for (let at = changetype<usize>(first); at != 0; ) {
    const g = changetype<Gguf>(at);
    at = g.next;
    release(core, g.tensors);
    release(core, g.entries);
    release(core, g.header);
    release(core, changetype<usize>(g));
  }
}

/**
 * Parses as far as the bytes reach. NEED_DATA: put the `needLength` bytes of the file at `needOffset` to
 * `needDestination` and call again. DONE: entries and tensors can be looked up. Below zero: the file is refused.
 */
export function parseGguf(core: Core, g: Gguf): i32 {
  if (g.stage == Stage.READY) return Status.DONE;
  if (g.stage == Stage.REFUSED) {
    return fail(core, ErrorCode.WRONG_STATE, "this file was refused before: release it and open it anew");
  }
  g.present += g.needLength;
  g.needLength = 0;
  const status = parse(core, g);
  if (status < 0) g.stage = Stage.REFUSED;
  return status;
}

function parse(core: Core, g: Gguf): i32 {
  let status: i32 = Status.DONE;
  if (g.stage == Stage.PREAMBLE) {
    status = readPreamble(core, g);
    if (status != Status.DONE) return status;
    g.at = PREAMBLE_BYTES;
    g.stage = Stage.KEYS;
  }
  if (g.stage == Stage.KEYS) {
    while (g.passed < g.keyCount || g.stringsLeft > 0) {
      status = g.stringsLeft > 0 ? passStrings(core, g) : passEntry(core, g);
      if (status != Status.DONE) return status;
    }
    g.passed = 0;
    g.tensorList = g.at;
    g.stage = Stage.TENSORS;
  }
  if (g.stage == Stage.TENSORS) {
    for (; g.passed < g.tensorCount; g.passed++) {
      status = passTensor(core, g);
      if (status != Status.DONE) return status;
    }
    g.stage = Stage.INDEX;
  }
  status = indexEntries(core, g);
  if (status == Status.DONE) status = indexTensors(core, g);
  if (status == Status.DONE) g.stage = Stage.READY;
  return status;
}

function readPreamble(core: Core, g: Gguf): i32 {
  if (g.fileSize < PREAMBLE_BYTES) {
    return fail(
      core, ErrorCode.BAD_FILE, "not a GGUF file: it has {} bytes, and the header alone takes more; download it again",
      g.fileSize,
    );
  }
  const status = reach(core, g, 0, PREAMBLE_BYTES, "preamble");
  if (status != Status.DONE) return status;

  if (load<u32>(g.header) != MAGIC) {
    return fail(
      core, ErrorCode.BAD_FILE,
      'not a GGUF file: it begins with "{s}" instead of "GGUF"; give a model file in GGUF form', bytesOf(g.header, 4),
    );
  }
  g.version = load<u32>(g.header, 4);
  if (g.version == 0 || (g.version & 0xffff) == 0) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "the file's bytes are swapped, for big-endian machines; convert the model anew for little-endian ones",
    );
  }
  if (g.version != 2 && g.version != 3) {
    return fail(
      core, ErrorCode.UNSUPPORTED, "GGUF version {} is not supported (2 and 3 are); convert the model anew", g.version,
    );
  }
  g.tensorCount = load<u64>(g.header, 8);
  g.keyCount = load<u64>(g.header, 16);
  const room = g.fileSize - PREAMBLE_BYTES;
  if (g.keyCount > room / ENTRY_LEAST) return tooMany(core, g, g.keyCount, "metadata keys");
  if (g.tensorCount > (room - g.keyCount * ENTRY_LEAST) / TENSOR_LEAST) {
    return tooMany(core, g, g.tensorCount, "tensors");
  }
  return Status.DONE;
}

function tooMany(core: Core, g: Gguf, count: u64, what: string): i32 {
  return fail(
    core, ErrorCode.BAD_FILE,
    "the header is broken: it claims {} {w}, more than a file of {} bytes can hold; download it again", count,
    wordsOf(what), g.fileSize,
  );
}

/** Passes a key and its value; of an array of strings only the head. */
function passEntry(core: Core, g: Gguf): i32 {
  let at = <u64>g.at;
  let status = reach(core, g, at, 8, "metadata");
  if (status != Status.DONE) return status;
  const keyLength = load<u64>(g.header + <usize>at);
  if (keyLength == 0 || keyLength > KEY_LIMIT) {
    return badName(core, g, "metadata key", keyLength, KEY_LIMIT);
  }
  at += 8;
  const key = bytesOf(<usize>at, <usize>keyLength);
  status = reach(core, g, at, keyLength + 4, "metadata");
  if (status != Status.DONE) return status;
  at += keyLength;
  const type = load<u32>(g.header + <usize>at);
  at += 4;

  if (type == ValueType.STRING) {
    status = reach(core, g, at, 8, "metadata");
    if (status != Status.DONE) return status;
    const length = load<u64>(g.header + <usize>at);
    at += 8;
    status = reach(core, g, at, length, "metadata");
    if (status != Status.DONE) return status;
    at += length;
  } else if (type == ValueType.ARRAY) {
    status = reach(core, g, at, 12, "metadata");
    if (status != Status.DONE) return status;
    const elementType = load<u32>(g.header + <usize>at);
    const count = load<u64>(g.header + <usize>at, 4);
    at += 12;
    if (elementType == ValueType.ARRAY) {
      return fail(
        core, ErrorCode.UNSUPPORTED,
        "metadata key {s} is an array of arrays, which limpet does not read; convert the model without it",
        key + g.header,
      );
    }
    const size = <u64>(elementType == ValueType.STRING ? 8 : valueBytes(elementType));
    if (size == 0) return unknownType(core, key + g.header, elementType);
    if (count > (g.fileSize - at) / size) {
      return fail(
        core, ErrorCode.BAD_FILE,
        "metadata key {s} claims {} elements, more than the rest of the file can hold; download it again",
        key + g.header, count,
      );
    }
    if (elementType == ValueType.STRING) {
      g.stringsLeft = count;
    } else {
      status = reach(core, g, at, count * size, "metadata");
      if (status != Status.DONE) return status;
      at += count * size;
    }
  } else {
    const size = valueBytes(type);
    if (size == 0) return unknownType(core, key + g.header, type);
    status = reach(core, g, at, size, "metadata");
    if (status != Status.DONE) return status;
    at += size;
  }
  g.at = <u32>at;
  g.passed++;
  return Status.DONE;
}

/** Passes strings of the array that `at` stands in, as far as bytes reach. */
function passStrings(core: Core, g: Gguf): i32 {
  let at = <u64>g.at;
  let status: i32 = Status.DONE;
  for (; g.stringsLeft > 0; g.stringsLeft--) {
    // Each string left takes 8 bytes at least: asking for all of these at once saves requests.
    if (at + 8 > g.present) status = reach(core, g, at, g.stringsLeft * 8, "metadata");
    if (status != Status.DONE) break;
    const length = load<u64>(g.header + <usize>at);
    if (length > g.present || at + 8 + length > g.present) status = reach(core, g, at + 8, length, "metadata");
    if (status != Status.DONE) break;
    at += 8 + length;
  }
  g.at = <u32>at;
  return status;
}

function passTensor(core: Core, g: Gguf): i32 {
  let at = <u64>g.at;
  let status = reach(core, g, at, 8, "tensor list");
  if (status != Status.DONE) return status;
  const nameLength = load<u64>(g.header + <usize>at);
  if (nameLength == 0 || nameLength > TENSOR_NAME_LIMIT) {
    return badName(core, g, "tensor", nameLength, TENSOR_NAME_LIMIT);
  }
  at += 8;
  status = reach(core, g, at, nameLength + 4, "tensor list");
  if (status != Status.DONE) return status;
  at += nameLength;
  const dimensions = load<u32>(g.header + <usize>at);
  if (dimensions == 0 || dimensions > 4) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "tensor {s} claims {} dimensions (1 to 4 are allowed); the header is broken, download the file again",
      bytesOf(g.header + <usize>(at - nameLength), <usize>nameLength), dimensions,
    );
  }
  at += 4;
  const rest = <u64>dimensions * 8 + 12;
  status = reach(core, g, at, rest, "tensor list");
  if (status != Status.DONE) return status;
  g.at = <u32>(at + rest);
  return Status.DONE;
}

/** DONE when bytes `at` to `at + length` of the file are here; else asks for them. `at` lies within the file. */
function reach(core: Core, g: Gguf, at: u64, length: u64, what: string): i32 {
  if (length > g.fileSize - at) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "the file ends within its {w}: at byte {} follow {} bytes, but the file has {}; it is truncated or broken, \
download it again", wordsOf(what), at, length, g.fileSize,
    );
  }
  const end = at + length;
  if (end <= g.present) return Status.DONE;
  if (end > HEADER_LIMIT) {
    return fail(
      core, ErrorCode.UNSUPPORTED, "the {w} takes more than 1 GiB, which limpet does not read", wordsOf(what),
    );
  }
  // A half more each time: few requests, and little read in vain behind the header.
  let wanted = <u64>g.present + max(<u64>g.chunk, <u64>g.present >> 1);
  wanted = min(max(wanted, end), g.fileSize);
  const buffer =
    g.header == 0
      ? allocateRaw(core, wanted, "the header of the GGUF file")
      : resize(core, g.header, wanted, "the header of the GGUF file");
  if (buffer == 0) return core.errorCode;
  g.header = buffer;
  g.needOffset = g.present;
  g.needLength = <u32>(wanted - g.present);
  g.needDestination = buffer + g.present;
  return Status.NEED_DATA;
}

function badName(core: Core, g: Gguf, what: string, length: u64, limit: u64): i32 {
  return fail(
    core, ErrorCode.BAD_FILE,
    "{w} {} claims a name of {} bytes (1 to {} are allowed); the header is broken, download the file again",
    wordsOf(what), g.passed + 1, length, limit,
  );
}

function unknownType(core: Core, key: u64, type: u32): i32 {
  return fail(
    core, ErrorCode.BAD_FILE,
    "metadata key {s} has value type {}, which GGUF does not have (0 to 12); the header is broken, download the file \
again", key, type,
  );
}
