/**
 * The help texts, laid out from the table.
 *
 * May call: its neighbours in `wasi/`.
 */
import { HINT, TITLE, USAGE } from "./commands";
import { Command, argumentName, flagId, lineAt, lineOfId } from "./command";
import { Output, putByte, putSpaces, putSpan, putWords } from "./output";
import { Span, equals, lengthOf, piece, startOf } from "./span";

const BAR: u8 = 0x7c;
const SPACE: u8 = 0x20;
const COMMAND_WIDTH: i32 = 23;
const FLAG_WIDTH: i32 = 36;

/** The list of commands. */
export function printHelp(c: Command, o: Output): void {
  putWords(o, TITLE);
  putWords(o, "\n\n");
  putWords(o, USAGE);
  putWords(o, "\n\ncommands:\n");
  for (let i: u32 = 0; ; i++) {
    const line = lineAt(c.commands, i);
    if (lengthOf(line) == 0) break;
    if (load<u8>(startOf(line)) == SPACE) continue;
    c.line = line;
    putWords(o, "  ");
    const name = piece(piece(line, BAR, 0), SPACE, 0);
    putSpan(o, name);
    const length = <i32>lengthOf(name) + putArguments(c, o);
    putSpaces(o, max(COMMAND_WIDTH - length, 2));
    putSpan(o, piece(line, BAR, 1));
    putByte(o, 0x0a);
  }
  putByte(o, 0x0a);
  putWords(o, HINT);
  putByte(o, 0x0a);
}

/** A command's arguments and flags. */
export function printCommandHelp(c: Command, o: Output): void {
  putWords(o, "usage: limpet ");
  putSpan(o, c.name);
  putArguments(c, o);
  if (lengthOf(flagId(c, 0)) > 0) putWords(o, " [FLAGS]");
  putWords(o, "\n\n");
  putSpan(o, piece(c.line, BAR, 1));
  putByte(o, 0x0a);
  for (let i: u32 = 0; ; i++) {
    const id = flagId(c, i);
    if (lengthOf(id) == 0) break;
    if (i == 0) putWords(o, "\nflags:\n");
    printFlag(o, lineAt(c.flags, <u32>lineOfId(c, id)));
  }
}

/** The arguments, each behind a space; gives their width. */
function putArguments(c: Command, o: Output): i32 {
  let width: i32 = 0;
  let i: u32 = 0;
  while (true) {
    const name = argumentName(c, i++);
    if (lengthOf(name) == 0) return width;
    putByte(o, SPACE);
    putSpan(o, name);
    width += 1 + <i32>lengthOf(name);
  }
}

function printFlag(o: Output, line: Span): void {
  const short = piece(line, BAR, 1);
  const long = piece(line, BAR, 2);
  const kind = piece(line, BAR, 3);
  putWords(o, "  ");
  if (lengthOf(short) > 0) {
    putSpan(o, short);
    putWords(o, ", ");
  } else putSpaces(o, 4);
  putSpan(o, long);
  let width = 4 + <i32>lengthOf(long);
  if (lengthOf(kind) > 0) {
    putByte(o, SPACE);
    width += 1 + putKind(o, kind);
  }
  putSpaces(o, max(FLAG_WIDTH - width, 2));
  putSpan(o, piece(line, BAR, 5));
  const otherwise = piece(line, BAR, 4);
  if (lengthOf(otherwise) > 0) {
    putWords(o, " (default ");
    putSpan(o, otherwise);
    putByte(o, 0x29);
  }
  putByte(o, 0x0a);
}

/** A value's kind: words to choose from with bars between. Gives its width. */
function putKind(o: Output, kind: Span): i32 {
  if (equals(kind, "TEXT+")) {
    putWords(o, "TEXT");
    return 4;
  }
  for (let i: u32 = 0; i < lengthOf(kind); i++) {
    const byte = load<u8>(startOf(kind) + i);
    putByte(o, byte == 0x2c ? BAR : byte);
  }
  return <i32>lengthOf(kind);
}
