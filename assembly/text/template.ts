/**
 * The canonical form of a Jinja template: two templates that differ in white space, quotes, trimming signs or the way a
 * field is written, but say the same, have the same one. Chat templates are recognised by it (text/chat.ts).
 *
 *     {%- for m in messages -%}⏎  {{ m['role'] + "\n" }}      ──►      {%for m in messages%}{{m.role+‹⏎›}}
 *
 * White space between tags counts only where Jinja would print it (with trim_blocks and lstrip_blocks, as Hugging Face
 * runs chat templates); strings are unescaped and stand between the bytes 1 and 2 (‹ and › above); comments go.
 */
import { Writer, putByte } from "../memory/bytes";

/** Bytes that stand around a string in the canonical form. */
export const STRING_BEGIN: u8 = 1;
export const STRING_END: u8 = 2;

/**
 * Writes the canonical form of a template, which is at most as long as the template, to `w`; false when the template is
 * none that can be brought into it.
 */
export function canonicalize(w: Writer, template: usize, length: u32): bool {
  const end = template + length;
  let at = template;
  // How the tag before this text ended: 0 it was an expression, or the template begins; 1 a block; 2 with a minus.
  let before: u32 = 0;
  while (at < end) {
    const tag = findTag(at, end);
    if (!putText(w, at, tag, end, before, at == template)) return false;
    if (tag >= end) return true;
    const kind = load<u8>(tag, 1);
    at = kind == 0x23 ? endOfComment(tag + 2, end) : putTag(w, tag, end);
    if (at == 0) return false;
    before = load<u8>(at - 3) == 0x2d ? 2 : kind == 0x7b ? 0 : 1;
  }
  return true;
}

/** Where the next tag opens; `end` when none does. */
function findTag(at: usize, end: usize): usize {
  for (; at + 1 < end; at++) {
    if (load<u8>(at) != 0x7b) continue;
    const kind = load<u8>(at, 1);
    if (kind == 0x7b || kind == 0x25 || kind == 0x23) return at;
  }
  return end;
}

/** Writes the text between two tags, as Jinja would print it. */
function putText(w: Writer, at: usize, tag: usize, end: usize, before: u32, first: bool): bool {
  let stop = tag;
  if (before == 1 && at < stop && load<u8>(at) == 0x0a) {
    at += 1;
    first = true;
  }
  if (before == 2) while (at < stop && isSpace(load<u8>(at))) at += 1;
  if (tag < end) {
    if (tag + 2 < end && load<u8>(tag, 2) == 0x2d) {
      while (stop > at && isSpace(load<u8>(stop - 1))) stop -= 1;
    } else if (load<u8>(tag, 1) != 0x7b) {
      let line = stop;
      while (line > at && (load<u8>(line - 1) == 0x20 || load<u8>(line - 1) == 0x09)) line -= 1;
      if (line > at ? load<u8>(line - 1) == 0x0a : first) stop = line;
    }
  } else if (stop > at && load<u8>(stop - 1) == 0x0a) stop -= 1;
  for (; at < stop; at++) {
    const byte = load<u8>(at);
    if (byte <= STRING_END) return false;
    putByte(w, byte);
  }
  return true;
}

/** The address behind a comment; 0 when it does not end. */
function endOfComment(at: usize, end: usize): usize {
  for (; at + 1 < end; at++) if (load<u8>(at) == 0x23 && load<u8>(at, 1) == 0x7d) return at + 2;
  return 0;
}

/** Writes a block or an expression; gives the address behind it, or 0. */
function putTag(w: Writer, tag: usize, end: usize): usize {
  const kind = load<u8>(tag, 1);
  const close: u8 = kind == 0x7b ? 0x7d : 0x25;
  let at = tag + 2;
  if (at < end && load<u8>(at) == 0x2d) at += 1;
  putByte(w, 0x7b);
  putByte(w, kind);
  // Whether a word ended just before: then another one stands apart.
  let word = false;
  while (at + 1 < end) {
    const byte = load<u8>(at);
    if (isSpace(byte)) {
      at += 1;
    } else if (byte == close && load<u8>(at, 1) == 0x7d) {
      putByte(w, close);
      putByte(w, 0x7d);
      return at + 2;
    } else if (byte == 0x2d && at + 2 < end && load<u8>(at, 1) == close && load<u8>(at, 2) == 0x7d) {
      at += 1;
    } else if (byte == 0x22 || byte == 0x27) {
      at = putString(w, at, end);
      if (at == 0) return 0;
      word = false;
    } else if (byte == 0x5b && isField(at, end)) {
      putByte(w, 0x2e);
      for (at += 2; isWord(load<u8>(at)); at++) putByte(w, load<u8>(at));
      at += 2;
      word = true;
    } else if (isWord(byte)) {
      if (word && isSpace(load<u8>(at - 1))) putByte(w, 0x20);
      for (; at < end && isWord(load<u8>(at)); at++) putByte(w, load<u8>(at));
      word = true;
    } else {
      if (byte <= STRING_END) return 0;
      putByte(w, byte);
      at += 1;
      word = false;
    }
  }
  return 0;
}

/** Whether `['word']` stands at `at`, which is `.word`. */
function isField(at: usize, end: usize): bool {
  if (at + 4 > end) return false;
  const quote = load<u8>(at, 1);
  if (quote != 0x22 && quote != 0x27) return false;
  at += 2;
  while (at < end && isWord(load<u8>(at))) at += 1;
  return at + 1 < end && load<u8>(at) == quote && load<u8>(at, 1) == 0x5d;
}

/** Writes a string, unescaped; gives the address behind it, or 0. */
function putString(w: Writer, at: usize, end: usize): usize {
  const quote = load<u8>(at);
  putByte(w, STRING_BEGIN);
  for (at += 1; at < end; at++) {
    let byte = load<u8>(at);
    if (byte == quote) {
      putByte(w, STRING_END);
      return at + 1;
    }
    if (byte == 0x5c) {
      at += 1;
      if (at >= end) return 0;
      byte = load<u8>(at);
      if (byte == 0x6e) byte = 0x0a;
      else if (byte == 0x74) byte = 0x09;
      else if (byte != 0x5c && byte != 0x22 && byte != 0x27) return 0;
    }
    if (byte <= STRING_END) return 0;
    putByte(w, byte);
  }
  return 0;
}

@inline
function isSpace(byte: u8): bool {
  return byte == 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

@inline
function isWord(byte: u8): bool {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte == 0x5f;
}
