/**
 * From tokens to text: one token's bytes, a list's text, and a stream that gives text as tokens come and never ends a
 * piece within a UTF-8 character. A token's bytes go through
 *
 *     piece ──► " ?" " !" " ." " ," ──► " ' " ──► " 's" " 'm" " 're" " 've" ──► whole characters ──► target
 *              └────────── clean-up, where it is on: each stage drops the space ─────┘
 *
 * in which each stage holds back what it cannot decide yet: at most a space, an apostrophe and a letter, and three
 * bytes of a character. Bytes that are no UTF-8 pass as they are.
 */
import { allocate, release } from "../memory/arena";
import { Writer, beginWriter, i32At, putByte } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { byteOfCharacter } from "./byte_characters";
import { TokenType, Tokenizer, TokenizerModel, isSpaceMark, tokenLength, tokenText, typeOf } from "./tokenizer";
import { continues, decode, sequenceLength } from "./utf8";

export namespace DetokenizeFlag {
  /** Control and unknown tokens show as their text; else they show as nothing. */
  export const SHOW_SPECIAL: u32 = 1;
  /** Lists: a BOS in front and an EOS at the end are left out, where `tokenize` would have added them. */
  export const REMOVE_SPECIAL: u32 = 2;
  /** The clean-up of spaces: on, or off; neither: as the vocabulary wants. */
  export const CLEAN: u32 = 4;
  export const KEEP: u32 = 8;
  /** Streams: the first token goes on from a text, so that its leading space counts. */
  export const CONTINUE: u32 = 16;
}

/** The bytes that the stages may hold back: a piece is at most this much longer than its token. */
const MOST_HELD: u32 = 16;

/** A text on its way out. */
@unmanaged
export class Stream {
  tokenizer: Tokenizer;
  showSpecial: bool;
  clean: bool;
  /** The next piece loses a leading space. */
  stripSpace: bool;
  /** What the stages of the clean-up hold: 1 " ", 2 " '", and in the last 3 and 4 " 'r" and " 'v". */
  heldA: u8;
  heldB: u8;
  heldC: u8;
  /** An unfinished character: its bytes so far. */
  partial: u32;
  partialBytes: u32;
  /** Where the text goes: the fields of a `Writer`. */
  target: usize;
  capacity: u32;
  count: u32;

  @inline
  get output(): Writer {
    return changetype<Writer>(changetype<usize>(this) + offsetof<Stream>("target"));
  }
}

/** Begins a text in a record of the caller's. */
export function startStream(s: Stream, t: Tokenizer, flags: u32): void {
  memory.fill(changetype<usize>(s), 0, offsetof<Stream>());
  s.tokenizer = t;
  s.showSpecial = (flags & DetokenizeFlag.SHOW_SPECIAL) != 0;
  s.clean = (flags & DetokenizeFlag.CLEAN) != 0 || (t.cleanSpaces && !(flags & DetokenizeFlag.KEEP));
  s.stripSpace = startsWithSpace(t) && !(flags & DetokenizeFlag.CONTINUE);
}

/** Whether a text begins with a space that it does not have. */
function startsWithSpace(t: Tokenizer): bool {
  return t.addSpacePrefix || t.joinsSpaces || t.model == TokenizerModel.WORDPIECE;
}

/** A stream in the arena; 0 with an error set. `release` gives it back. */
export function createStream(core: Core, t: Tokenizer, flags: u32): usize {
  const stream = allocate(core, offsetof<Stream>(), "a stream of text");
  if (stream != 0) startStream(changetype<Stream>(stream), t, flags);
  return stream;
}

/** The bytes that `pushToken` and `flushStream` may write at once. */
export function streamCapacity(t: Tokenizer): u32 {
  return t.longest + MOST_HELD;
}

/** Adds a token; writes the text that is sure now to `target` and returns its bytes, below zero: an error. */
export function pushToken(core: Core, s: Stream, token: i32, target: usize, capacity: u32): i32 {
  const t = s.tokenizer;
  if (<u32>token >= t.count) return badToken(core, t, token);
  if (capacity < tokenLength(t, token) + MOST_HELD) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "a piece of streamed text needs room for {} bytes", streamCapacity(t));
  }
  beginWriter(s.output, target, capacity);
  putToken(s, token);
  return <i32>s.count;
}

/** Ends the text: what is held back comes out as it is. */
export function flushStream(s: Stream, target: usize, capacity: u32): i32 {
  beginWriter(s.output, target, capacity);
  flushAll(s);
  return <i32>s.count;
}

/**
 * Writes the first `capacity` bytes of the text of `count` tokens (i32[]) and returns how many it has, which may be
 * more; below zero: an error.
 */
export function detokenize(
  core: Core, t: Tokenizer, tokens: usize, count: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  for (let i: u32 = 0; i < count; i++) {
    const token = i32At(tokens, i);
    if (<u32>token >= t.count) return badToken(core, t, token);
  }
  const stream = createStream(core, t, flags);
  if (stream == 0) return core.errorCode;
  const s = changetype<Stream>(stream);
  beginWriter(s.output, target, capacity);
  if (flags & DetokenizeFlag.REMOVE_SPECIAL) {
    if (count > 0 && t.addBos && load<i32>(tokens) == t.bos) {
      tokens += 4;
      count--;
      // Of SentencePiece's BPE llama.cpp keeps the leading space here, and texts are the same as its.
      if (t.model == TokenizerModel.SPM) s.stripSpace = false;
    }
    if (count > 0 && t.addEos && i32At(tokens, count - 1) == t.eos) count--;
    if (count > 0 && t.addSep && i32At(tokens, count - 1) == t.sep) count--;
  }
  for (let i: u32 = 0; i < count && s.count < 0x7f000000; i++) putToken(s, i32At(tokens, i));
  flushAll(s);
  const bytes = s.count;
  release(core, stream);
  if (bytes >= 0x7f000000) return fail(core, ErrorCode.BAD_ARGUMENT, "the text of the tokens is longer than 2 GiB");
  return <i32>bytes;
}

/** Writes the first `capacity` bytes of one token and returns how many it has; below zero: no such token. */
export function tokenBytes(t: Tokenizer, token: i32, showSpecial: bool, target: usize, capacity: u32): i32 {
  if (<u32>token >= t.count) return ErrorCode.BAD_ARGUMENT;
  const kind = kindOf(t, token, showSpecial);
  if (kind == Piece.NOTHING) return 0;
  let count: u32 = 0;
  const end = tokenText(t, token) + tokenLength(t, token);
  for (let at = tokenText(t, token); at < end; count++) {
    const unit = unitAt(kind, at, end);
    if (count < capacity) store<u8>(target + count, <u8>unit);
    at += unit >> 8;
  }
  return <i32>count;
}

/** How a token's text becomes bytes. */
namespace Piece {
  export const NOTHING: u32 = 0;
  export const RAW: u32 = 1;
  /** Byte-level BPE: a character a byte. */
  export const CHARACTERS: u32 = 2;
  /** SentencePiece, WordPiece: U+2581 is a space. */
  export const MARKS: u32 = 3;
  /** `<0xHH>` */
  export const BYTE: u32 = 4;
}

function kindOf(t: Tokenizer, token: u32, showSpecial: bool): u32 {
  const spm = t.model == TokenizerModel.SPM;
  switch (typeOf(t, token)) {
    case TokenType.NORMAL: return normalPiece(t.model);
    case TokenType.CONTROL:
    case TokenType.UNKNOWN: return showSpecial ? Piece.RAW : Piece.NOTHING;
    case TokenType.USER_DEFINED: return Piece.RAW;
    case TokenType.BYTE: return spm && tokenLength(t, token) == 6 ? Piece.BYTE : Piece.NOTHING;
    default: return Piece.NOTHING;
  }
}

function normalPiece(model: u32): u32 {
  if (model == TokenizerModel.BPE) return Piece.CHARACTERS;
  return model == TokenizerModel.RWKV ? Piece.RAW : Piece.MARKS;
}

/** The next byte of a text, and (× 256) how much of the text it takes. What is no character of BPE's stays as it is. */
function unitAt(kind: u32, at: usize, end: usize): u32 {
  if (kind == Piece.CHARACTERS) {
    const character = decode(at, end);
    const byte = byteOfCharacter(character >> 3);
    if (byte < 256) return ((character & 7) << 8) | byte;
  } else if (kind == Piece.MARKS) {
    if (end - at >= 3 && isSpaceMark(at)) return (3 << 8) | 0x20;
  } else if (kind == Piece.BYTE) {
    return (6 << 8) | (hexValue(load<u8>(at, 3)) << 4) | hexValue(load<u8>(at, 4));
  }
  return (1 << 8) | <u32>load<u8>(at);
}

/** The value of a hexadecimal digit; 0 of anything else. */
function hexValue(digit: u32): u32 {
  if (digit - 48 < 10) return digit - 48;
  const letter = (digit | 0x20) - 97;
  return letter < 6 ? letter + 10 : 0;
}

function badToken(core: Core, t: Tokenizer, token: i32): i32 {
  return fail(
    core, ErrorCode.BAD_ARGUMENT, "there is no token {i}: the vocabulary has 0 to {}", <i64>token, t.count - 1,
  );
}

function putToken(s: Stream, token: u32): void {
  const t = s.tokenizer;
  let strip = s.stripSpace;
  const kind = kindOf(t, token, s.showSpecial);
  // A CLS or BOS that does not show leaves the space that it stands in front of to be taken.
  s.stripSpace = strip && kind == Piece.NOTHING && t.model >= TokenizerModel.WORDPIECE;
  if (kind == Piece.NOTHING) return;
  const end = tokenText(t, token) + tokenLength(t, token);
  for (let at = tokenText(t, token); at < end; strip = false) {
    const unit = unitAt(kind, at, end);
    const byte = unit & 255;
    at += unit >> 8;
    if (strip && byte == 0x20) continue;
    if (s.clean) cleanMarks(s, byte);
    else holdByte(s, byte);
  }
}

function flushAll(s: Stream): void {
  if (s.clean) {
    flushMarks(s);
    flushQuotes(s);
    flushContractions(s);
  }
  flushPartial(s);
}

/** First stage of the clean-up: " ?" " !" " ." " ," lose the space. */
function cleanMarks(s: Stream, byte: u32): void {
  // ! , . ?
  if (s.heldA && (byte == 0x21 || byte == 0x2c || byte == 0x2e || byte == 0x3f)) s.heldA = 0;
  flushMarks(s);
  if (byte == 0x20) s.heldA = 1;
  else cleanQuotes(s, byte);
}

function flushMarks(s: Stream): void {
  if (s.heldA) cleanQuotes(s, 0x20);
  s.heldA = 0;
}

/** Second stage: an apostrophe between spaces loses both. */
function cleanQuotes(s: Stream, byte: u32): void {
  if (s.heldB == 1 && byte == 0x27) {
    s.heldB = 2;
    return;
  }
  if (s.heldB == 2 && byte == 0x20) {
    s.heldB = 0;
    cleanContractions(s, 0x27);
    return;
  }
  flushQuotes(s);
  if (byte == 0x20) s.heldB = 1;
  else cleanContractions(s, byte);
}

function flushQuotes(s: Stream): void {
  if (s.heldB >= 1) cleanContractions(s, 0x20);
  if (s.heldB == 2) cleanContractions(s, 0x27);
  s.heldB = 0;
}

/** Third stage: " 's" " 'm" " 're" " 've" lose the space, whatever follows. */
function cleanContractions(s: Stream, byte: u32): void {
  switch (s.heldC) {
    case 1:
      if (byte != 0x27) break;
      s.heldC = 2;
      return;
    case 2:
      // r v, then s m
      if (byte == 0x72 || byte == 0x76) {
        s.heldC = byte == 0x72 ? 3 : 4;
        return;
      }
      if (byte == 0x73 || byte == 0x6d) {
        s.heldC = 0;
        holdByte(s, 0x27);
        holdByte(s, byte);
        return;
      }
      break;
    case 3:
    case 4:
      if (byte != 0x65) break;
      holdByte(s, 0x27);
      holdByte(s, s.heldC == 3 ? 0x72 : 0x76);
      holdByte(s, byte);
      s.heldC = 0;
      return;
    default:
  }
  flushContractions(s);
  if (byte == 0x20) s.heldC = 1;
  else holdByte(s, byte);
}

function flushContractions(s: Stream): void {
  if (s.heldC >= 1) holdByte(s, 0x20);
  if (s.heldC >= 2) holdByte(s, 0x27);
  if (s.heldC == 3) holdByte(s, 0x72);
  if (s.heldC == 4) holdByte(s, 0x76);
  s.heldC = 0;
}

/** Last stage: holds a character back until it is whole. */
function holdByte(s: Stream, byte: u32): void {
  const first = s.partial & 255;
  if (s.partialBytes != 0 && !continues(first, s.partialBytes, byte)) flushPartial(s);
  if (s.partialBytes == 0 && sequenceLength(byte) < 2) {
    putByte(s.output, byte);
    return;
  }
  s.partial |= byte << (8 * s.partialBytes);
  s.partialBytes++;
  if (s.partialBytes == sequenceLength(s.partial & 255)) flushPartial(s);
}

function flushPartial(s: Stream): void {
  for (; s.partialBytes > 0; s.partialBytes--) {
    putByte(s.output, s.partial & 255);
    s.partial >>= 8;
  }
}
