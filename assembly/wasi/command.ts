/**
 * A command line: the words that the host gives, read by the table of commands.ts. Every value is kept as
 * `Bytes`; `flag`, `whole`, `real` and `given` read it by the flag's id, or its default from the table.
 *
 *     limpet generate m.gguf -p "Once" -n 8
 *            └ name ┘ └ arguments ┘ └ values: one a line of FLAGS ┘
 */
import { allocate, allocateRaw } from "../memory/arena";
import { letterAt, setU64, u32At, u64At } from "../memory/bytes";
import { Core } from "../memory/core";
import {
  BAD_CHOICE, BAD_NUMBER, BAD_WHOLE_NUMBER, HINT, NO_ARGUMENT, NO_COMMAND, NO_VALUE, NO_WHOLE_ABOVE, SURPLUS_ARGUMENT,
  SURPLUS_VALUE, UNKNOWN_COMMAND, UNKNOWN_FLAG,
} from "./usage";
import { args_get, args_sizes_get } from "./imports";
import { createOutput, endLine, flush, Output, put, putByte, putText, putWords } from "./output";
import {
  Bytes, endOf, equals, fromNul, fromText, indexOf, lengthOf, parseNumber, parseWhole, piece, same, bytesOf, startOf,
  startsWith, tail,
} from "./bytes";

const LINE: u8 = 0x0a;
const BAR: u8 = 0x7c;
const SPACE: u8 = 0x20;
const EQUALS: u8 = 0x3d;
const FLAG_LIMIT: u32 = 128;

/** Exit statuses. */
export const SUCCESS: i32 = 0;
export const FAILURE: i32 = 1;
export const USAGE_ERROR: i32 = 2;
/** What `parseArguments` answers to --help, and to --version. */
export const HELP: i32 = 3;
export const SAY_VERSION: i32 = 4;
/** What `begin` of ends.ts answers where a command is to run. */
export const GO_ON: i32 = 5;

@unmanaged
export class Command {
  /** Where the host writes single numbers: see `hostScratch`. */
  scratch: u64;
  moreScratch: u64;
  core: Core;
  out: Output;
  err: Output;
  /** Bytes[argc]: the words of the command line; the first is the program's name. */
  argv: usize;
  argc: u32;
  /** COMMANDS and FLAGS as bytes. */
  commands: Bytes;
  flags: Bytes;
  /** The line of the command in `commands`, up to its end. */
  line: Bytes;
  name: Bytes;
  /** Bytes[argc] */
  arguments: usize;
  argumentCount: u32;
  /** Bytes[FLAG_LIMIT] by the line of the flag; an empty value has an address all the same. */
  values: usize;
  /** u64[2 * wordCount]: the line of a flag that may be given several times, and a value of it. */
  repeats: usize;
  repeatCount: u32;
  /** u32[adapterCount], f32[adapterCount]: the adapters of --lora, and their weights (load.ts). */
  adapters: usize;
  adapterWeights: usize;
  adapterCount: u32;
  /** The open files of the model (load.ts): tables may be read from them later. */
  parts: usize;
}

/** The address of 16 bytes for the host to write to. */
@inline
export function hostScratch(c: Command): usize {
  return changetype<usize>(c);
}

@inline
function bytesAt(list: usize, index: u32): Bytes {
  return u64At(list, index);
}

@inline
function setBytes(list: usize, index: u32, value: Bytes): void {
  setU64(list, index, value);
}

/** The command with its tables, its streams and the host's words; 0 when even that has no room. */
export function createCommand(core: Core, commands: string, flags: string): Command {
  const none = changetype<Command>(0);
  const c = changetype<Command>(allocate(core, offsetof<Command>(), "the command"));
  if (changetype<usize>(c) == 0) return none;
  c.core = core;
  c.out = createOutput(core, 1);
  c.err = createOutput(core, 2);
  c.commands = fromText(core, commands);
  c.flags = fromText(core, flags);
  c.values = allocate(core, 8 * <u64>FLAG_LIMIT, "the command's values");
  if (args_sizes_get(hostScratch(c), hostScratch(c) + 4) != 0) store<u64>(hostScratch(c), 0);
  const count = load<u32>(hostScratch(c));
  const bytes = load<u32>(hostScratch(c), 4);
  const pointers = allocateRaw(core, 4 * <u64>count + bytes + 1, "the command line");
  c.argv = allocateRaw(core, 32 * <u64>count + 8, "the command line");
  const room = pointers != 0 && c.argv != 0 && c.values != 0 && c.commands != 0 && c.flags != 0;
  if (!room || changetype<usize>(c.out) == 0 || changetype<usize>(c.err) == 0) return none;
  c.repeats = c.argv + 8 * <usize>count;
  c.arguments = c.repeats + 16 * <usize>count;
  if (count > 0 && args_get(pointers, pointers + 4 * <usize>count) == 0) c.argc = count;
  for (let i: u32 = 0; i < c.argc; i++) {
    setBytes(c.argv, i, fromNul(<usize>u32At(pointers, i)));
  }
  return c;
}

/** Reads the words: SUCCESS, HELP, or USAGE_ERROR with the reason printed. */
export function parseArguments(c: Command): i32 {
  if (c.argc < 2) return usageError(c, NO_COMMAND, 0);
  const first = bytesAt(c.argv, 1);
  if (equals(first, "--version") || equals(first, "-V") || equals(first, "version")) return SAY_VERSION;
  if (isHelp(first) || equals(first, "help")) {
    const about = c.argc > 2 ? bytesAt(c.argv, 2) : 0;
    if (about == 0 || startsWith(about, "-") || findCommand(c, about)) return HELP;
    return usageError(c, UNKNOWN_COMMAND, about);
  }
  if (!findCommand(c, first)) return usageError(c, UNKNOWN_COMMAND, first);
  let i: u32 = 2;
  for (; i < c.argc && !equals(bytesAt(c.argv, i), "--"); i++) if (isHelp(bytesAt(c.argv, i))) return HELP;
  let onlyArguments = false;
  i = 2;
  while (i < c.argc) {
    const word = bytesAt(c.argv, i++);
    const isFlag = !onlyArguments && lengthOf(word) > 1 && load<u8>(startOf(word)) == 0x2d;
    if (!isFlag) {
      if (c.argumentCount >= argumentLimit(c) && !takesMore(c)) return usageError(c, SURPLUS_ARGUMENT, word);
      setBytes(c.arguments, c.argumentCount++, word);
      continue;
    }
    if (equals(word, "--")) {
      onlyArguments = true;
      continue;
    }
    const length = startsWith(word, "--") ? indexOf(word, EQUALS) : lengthOf(word);
    const name = bytesOf(startOf(word), length);
    const line = findFlag(c, name);
    if (line < 0) return usageError(c, UNKNOWN_FLAG, name);
    const inline = length < lengthOf(word);
    const kind = piece(lineAt(c.flags, line), BAR, 3);
    if (lengthOf(kind) == 0) {
      if (inline) return usageError(c, SURPLUS_VALUE, name);
      setBytes(c.values, line, word);
      continue;
    }
    if (!inline && i == c.argc) return usageError(c, NO_VALUE, name);
    const value = inline ? tail(word, length + 1) : bytesAt(c.argv, i++);
    const wrong = checkValue(c, name, kind, value);
    if (wrong != SUCCESS) return wrong;
    setBytes(c.values, line, value);
    if (load<u8>(endOf(kind) - 1) != 0x2b) continue;
    setBytes(c.repeats, 2 * c.repeatCount, <u64>line);
    setBytes(c.repeats, 2 * c.repeatCount + 1, value);
    c.repeatCount += 1;
  }
  return SUCCESS;
}

/** Checks that the arguments which the command needs are there. It comes once the flags are known. */
export function checkArguments(c: Command): i32 {
  const i = c.argumentCount;
  if (i >= argumentLimit(c) || isOptional(c, i)) return SUCCESS;
  return usageError(c, NO_ARGUMENT, argumentName(c, i));
}

function isHelp(word: Bytes): bool {
  return equals(word, "--help") || equals(word, "-h");
}

/** Prints what is wrong with the command line; {} in the text stands for `word`. */
export function usageError(c: Command, text: string, word: Bytes): i32 {
  usageReason(c, text, word);
  putText(c.err, "\n");
  putText(c.err, HINT);
  putText(c.err, "\n");
  return USAGE_ERROR;
}

function usageReason(c: Command, text: string, word: Bytes): void {
  putText(c.err, "limpet: ");
  for (let i: u32 = 0; letterAt(text, i) != 0; i++) {
    const letter = letterAt(text, i);
    if (letter == 0x7b) {
      putWords(c.err, word);
      i += 1;
    } else putByte(c.err, <u8>letter);
  }
}

function checkValue(c: Command, name: Bytes, kind: Bytes, value: Bytes): i32 {
  if (equals(kind, "N")) return parseWhole(value, hostScratch(c)) ? SUCCESS : usageError(c, BAD_WHOLE_NUMBER, name);
  if (equals(kind, "P")) {
    const isWhole = parseWhole(value, hostScratch(c)) && load<u64>(hostScratch(c)) > 0;
    return isWhole ? SUCCESS : usageError(c, NO_WHOLE_ABOVE, name);
  }
  if (equals(kind, "X")) return parseNumber(value, hostScratch(c)) ? SUCCESS : usageError(c, BAD_NUMBER, name);
  if (indexOf(kind, 0x2c) == lengthOf(kind)) return SUCCESS;
  for (let i: u32 = 0; ; i++) {
    const choice = piece(kind, 0x2c, i);
    if (lengthOf(choice) == 0) break;
    if (same(choice, value)) return SUCCESS;
  }
  usageReason(c, BAD_CHOICE, name);
  for (let i: u32 = 0; ; i++) {
    const choice = piece(kind, 0x2c, i);
    if (lengthOf(choice) == 0) break;
    if (i > 0) putText(c.err, ", ");
    put(c.err, choice);
  }
  putText(c.err, "\n");
  putText(c.err, HINT);
  putText(c.err, "\n");
  return USAGE_ERROR;
}

/** Line `index` of a table: its lines begin with the second byte, behind the line feed that the literal begins with. */
export function lineAt(table: Bytes, index: u32): Bytes {
  return piece(tail(table, 1), LINE, index);
}

/** Finds the command's line and name. */
function findCommand(c: Command, name: Bytes): bool {
  let i: u32 = 0;
  while (true) {
    const line = lineAt(c.commands, i++);
    if (lengthOf(line) == 0) return false;
    if (load<u8>(startOf(line)) == SPACE || !same(piece(piece(line, BAR, 0), SPACE, 0), name)) continue;
    c.line = line;
    c.name = name;
    return true;
  }
}

/** The number of arguments that the command takes. */
function argumentLimit(c: Command): u32 {
  let count: u32 = 0;
  while (lengthOf(argumentName(c, count)) > 0) count += 1;
  return count;
}

/** Whether the last argument is one or more: `MODEL...`. */
function takesMore(c: Command): bool {
  const count = argumentLimit(c);
  return count > 0 && load<u8>(endOf(argumentName(c, count - 1)) - 1) == 0x2e;
}

/** The name of an argument, without the sign that it may be left out. */
export function argumentName(c: Command, index: u32): Bytes {
  const name = piece(piece(c.line, BAR, 0), SPACE, index + 1);
  const length = lengthOf(name);
  if (length == 0) return name;
  const last = load<u8>(endOf(name) - 1);
  return last == 0x3f || last == 0x2a ? bytesOf(startOf(name), length - 1) : name;
}

/** Whether an argument may be left out. No model ships with a WASI command, so that of `MODEL*` may not. */
export function isOptional(c: Command, index: u32): bool {
  const name = piece(piece(c.line, BAR, 0), SPACE, index + 1);
  return lengthOf(name) > 0 && load<u8>(endOf(name) - 1) == 0x3f;
}

/** The id of a flag of the command by its index; empty behind the last. */
export function flagId(c: Command, index: u32): Bytes {
  let line = c.line;
  while (true) {
    // The next line, while it is indented.
    const next = endOf(line) + 1;
    if (next >= endOf(c.commands) || load<u8>(next) != SPACE) return 0;
    line = piece(bytesOf(next, endOf(c.commands) - next), LINE, 0);
    for (let i: u32 = 2; ; i++) {
      const id = piece(line, SPACE, i);
      if (lengthOf(id) == 0) break;
      if (index-- == 0) return id;
    }
  }
}

/** The line of FLAGS of a flag's id; -1. */
export function lineOfId(c: Command, id: Bytes): i32 {
  let i: u32 = 0;
  while (true) {
    const line = lineAt(c.flags, i);
    if (lengthOf(line) == 0) return -1;
    if (same(piece(line, BAR, 0), id)) return <i32>i;
    i += 1;
  }
}

/** The line of FLAGS of a flag of this command by its short or long name; -1. */
function findFlag(c: Command, name: Bytes): i32 {
  let i: u32 = 0;
  while (true) {
    const id = flagId(c, i++);
    if (lengthOf(id) == 0) return -1;
    const number = lineOfId(c, id);
    const line = lineAt(c.flags, number);
    if (number >= 0 && (same(piece(line, BAR, 1), name) || same(piece(line, BAR, 2), name))) return number;
  }
}

function lineNamed(c: Command, id: string): i32 {
  let i: u32 = 0;
  while (true) {
    const line = lineAt(c.flags, i);
    if (lengthOf(line) == 0) return -1;
    if (equals(piece(line, BAR, 0), id)) return <i32>i;
    i += 1;
  }
}

/** Whether a flag was given. */
export function given(c: Command, id: string): bool {
  const line = lineNamed(c, id);
  return line >= 0 && bytesAt(c.values, line) != 0;
}

/** The value of a flag, or its default. */
export function flag(c: Command, id: string): Bytes {
  return valueAt(c, lineNamed(c, id));
}

/** … by an id that was read. */
export function flagOf(c: Command, id: Bytes): Bytes {
  return valueAt(c, lineOfId(c, id));
}

function valueAt(c: Command, line: i32): Bytes {
  if (line < 0) return 0;
  const value = bytesAt(c.values, line);
  return value != 0 ? value : piece(lineAt(c.flags, line), BAR, 4);
}

export function whole(c: Command, id: string): u64 {
  store<u64>(hostScratch(c), 0);
  parseWhole(flag(c, id), hostScratch(c));
  return load<u64>(hostScratch(c));
}

/** As `whole`, and at most `most`. */
export function wholeUpTo(c: Command, id: string, most: u32): u32 {
  return <u32>min<u64>(whole(c, id), most);
}

/** Argument `index`, which `checkArguments` has found. */
export function argument(c: Command, index: u32): Bytes {
  return bytesAt(c.arguments, index);
}

/** Value `index` of a flag that may be given several times; 0: there are not so many. */
export function repeated(c: Command, id: string, index: u32): Bytes {
  const line = lineOfId(c, fromText(c.core, id));
  for (let i: u32 = 0; i < c.repeatCount; i++) {
    if (bytesAt(c.repeats, 2 * i) == <u64>line && index-- == 0) return bytesAt(c.repeats, 2 * i + 1);
  }
  return 0;
}

/** Prints the core's error; an empty one is printed already. */
export function failure(c: Command): i32 {
  if (c.core.errorLength == 0) return FAILURE;
  endLine(c.out);
  flush(c.out);
  putText(c.err, "limpet: ");
  for (let i: u32 = 0; i < c.core.errorLength; i++) putByte(c.err, load<u8>(c.core.message + i));
  putByte(c.err, 0x0a);
  return FAILURE;
}
