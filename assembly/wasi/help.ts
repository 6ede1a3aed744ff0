/**
 * The help texts, laid out from the table.
 */
import { HINT, USAGE } from "./usage";
import { Command, argumentName, flagId, isOptional, lineAt, lineOfId } from "./command";
import { Output, putByte, putSpaces, put, putText } from "./output";
import { Bytes, endOf, lengthOf, piece, startOf } from "./bytes";

const BAR: u8 = 0x7c;
const SPACE: u8 = 0x20;
const COMMA: u8 = 0x2c;
const PLUS: u8 = 0x2b;
/** A whole number from 1 on is a number to who reads. */
const WHOLE: u8 = 0x50;

/** Prints the list of commands. */
export function printHelp(c: Command, o: Output, title: string): void {
  putText(o, title);
  putText(o, "\n\n");
  putText(o, USAGE);
  putText(o, "\n\n");
  let widest: i32 = 0;
  for (let i: u32 = 0; useCommand(c, i); i++) widest = max(widest, callWidth(c));
  for (let i: u32 = 0; useCommand(c, i); i++) {
    if (isIndented(c.line)) continue;
    putText(o, "  ");
    putCall(c, o);
    putSpaces(o, widest - callWidth(c) + 2);
    put(o, piece(c.line, BAR, 1));
    putByte(o, 0x0a);
  }
  putByte(o, 0x0a);
  putText(o, HINT);
  putByte(o, 0x0a);
}

/** Prints a command's arguments and flags. */
export function printCommandHelp(c: Command, o: Output): void {
  putText(o, "usage: limpet ");
  putCall(c, o);
  if (lengthOf(flagId(c, 0)) > 0) putText(o, " [FLAGS]");
  putText(o, "\n\n  ");
  put(o, piece(c.line, BAR, 1));
  putByte(o, 0x0a);
  let widest: i32 = 0;
  for (let i: u32 = 0; lengthOf(flagId(c, i)) > 0; i++) widest = max(widest, flagWidth(flagLine(c, i)));
  if (widest > 0) putByte(o, 0x0a);
  for (let i: u32 = 0; lengthOf(flagId(c, i)) > 0; i++) putFlag(o, flagLine(c, i), widest);
}

/** Makes line `index` of COMMANDS the command's; false behind the last. */
function useCommand(c: Command, index: u32): bool {
  c.line = lineAt(c.commands, index);
  return lengthOf(c.line) > 0;
}

function isIndented(line: Bytes): bool {
  return load<u8>(startOf(line)) == SPACE;
}

/** The command and its arguments. */
function putCall(c: Command, o: Output): void {
  put(o, piece(piece(c.line, BAR, 0), SPACE, 0));
  for (let i: u32 = 0; lengthOf(argumentName(c, i)) > 0; i++) {
    putByte(o, SPACE);
    if (isOptional(c, i)) putByte(o, 0x5b);
    put(o, argumentName(c, i));
    if (isOptional(c, i)) putByte(o, 0x5d);
  }
}

function callWidth(c: Command): i32 {
  if (isIndented(c.line)) return 0;
  let width = <i32>lengthOf(piece(piece(c.line, BAR, 0), SPACE, 0));
  for (let i: u32 = 0; lengthOf(argumentName(c, i)) > 0; i++) {
    width += 1 + <i32>lengthOf(argumentName(c, i)) + (isOptional(c, i) ? 2 : 0);
  }
  return width;
}

function flagLine(c: Command, index: u32): Bytes {
  return lineAt(c.flags, <u32>lineOfId(c, flagId(c, index)));
}

function flagWidth(line: Bytes): i32 {
  const value = valueLength(piece(line, BAR, 3));
  return 4 + <i32>lengthOf(piece(line, BAR, 2)) + (value > 0 ? 1 + <i32>value : 0);
}

/** The bytes of a value's kind without the sign that it may be given several times. */
function valueLength(kind: Bytes): u32 {
  const length = lengthOf(kind);
  return length > 0 && load<u8>(endOf(kind) - 1) == PLUS ? length - 1 : length;
}

function putFlag(o: Output, line: Bytes, widest: i32): void {
  const short = piece(line, BAR, 1);
  const kind = piece(line, BAR, 3);
  putText(o, "  ");
  if (lengthOf(short) > 0) {
    put(o, short);
    putText(o, ", ");
  } else putSpaces(o, 4);
  put(o, piece(line, BAR, 2));
  const length = valueLength(kind);
  if (length > 0) putByte(o, SPACE);
  for (let i: u32 = 0; i < length; i++) {
    const byte = load<u8>(startOf(kind) + i);
    putByte(o, byte == COMMA ? BAR : byte == WHOLE && length == 1 ? 0x4e : byte);
  }
  putSpaces(o, widest - flagWidth(line) + 2);
  put(o, piece(line, BAR, 5));
  const otherwise = piece(line, BAR, 4);
  if (lengthOf(otherwise) > 0) {
    putText(o, " (default ");
    put(o, otherwise);
    putByte(o, 0x29);
  }
  putByte(o, 0x0a);
}
