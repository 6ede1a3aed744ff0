/**
 * SentencePiece ("llama") of a stretch of text: spaces become U+2581, characters are merged by score, and a character
 * that is no token becomes its bytes' tokens. gemma4 merges by rank; its line feeds are merged by themselves, and a run
 * of them that is a token is that token.
 *
 * Where no token has U+2581 behind another character, no merge can cross such a place, so that each word is merged by
 * itself; the answer is the same, and a long text costs no more memory than its longest word. A U+2581 that the text
 * itself holds is written as its three byte tokens, so that it does not come back as a space; only a vocabulary without
 * byte tokens takes it for one, as llama.cpp does always.
 */
import { u32At } from "../memory/bytes";
import { findToken } from "./lookup";
import { mergeNodes, node, Node, setNode, textEnd } from "./merge";
import { NONE, Tokenizer, TokenType, typeOf } from "./tokenizer";
import { decode } from "./utf8";
import { isSpaceMark } from "./tokenizer";
import { HAS_BPE } from "../parts";
import { emit, reserveNodes, reserveText, Work } from "./work";

const LINE_FEED: u8 = 0x0a;

/** Adds the tokens of a stretch that holds no special token; `prefix` puts a space in front of it. */
export function tokenizeSpm(work: Work, text: usize, end: usize, prefix: bool): void {
  const t = work.tokenizer;
  const marksAreBytes = byteToken(t, 0xe2) != NONE && byteToken(t, 0x96) != NONE && byteToken(t, 0x81) != NONE;
  while ((text < end || prefix) && !work.failed) {
    if (!prefix && marksAreBytes && isMark(text, end)) {
      for (const next = text + 3; text < next; text++) emit(work, byteToken(t, load<u8>(text)));
      continue;
    }
    if (HAS_BPE && t.byRank && load<u8>(text) == LINE_FEED) {
      text = addLines(work, text, end);
      continue;
    }
    const wordEnd = endOfWord(t, text, end, marksAreBytes);
    addWord(work, text, wordEnd, prefix);
    prefix = false;
    text = wordEnd;
  }
}

/** Adds the tokens of a run of line feeds; gives the address behind it. */
function addLines(work: Work, text: usize, end: usize): usize {
  let to = text + 1;
  while (to < end && load<u8>(to) == LINE_FEED) to++;
  const token = findToken(work.tokenizer, text, to - text);
  if (token != NONE) emit(work, token);
  else addWord(work, text, to, false);
  return to;
}

@inline
function byteToken(t: Tokenizer, byte: u32): u32 {
  return u32At(t.byteSymbols, byte);
}

@inline
function isMark(at: usize, end: usize): bool {
  return end - at >= 3 && isSpaceMark(at);
}

/** Where a word ends: spaces and what follows them, up to the next space. */
function endOfWord(t: Tokenizer, at: usize, end: usize, marksAreBytes: bool): usize {
  let inWord = false;
  while (at < end) {
    const mark = isMark(at, end);
    if ((mark && marksAreBytes) || (HAS_BPE && t.byRank && load<u8>(at) == LINE_FEED)) return at;
    const space = mark || load<u8>(at) == 0x20;
    if (space && inWord && !t.spaceInside) return at;
    if (!space) inWord = true;
    at += mark ? 3 : 1;
  }
  return end;
}

function addWord(work: Work, text: usize, end: usize, prefix: bool): void {
  // A space takes three bytes instead of one.
  let bytes = end - text + (prefix ? 3 : 0);
  let count = <u32>(prefix ? 1 : 0);
  for (let at = text; at < end; count++) {
    if (load<u8>(at) == 0x20) bytes += 2;
    at += decode(at, end) & 7;
  }
  if (!reserveText(work, bytes) || !reserveNodes(work, count)) return;
  let to: usize = 0;
  let index: u32 = 0;
  if (prefix) {
    setNode(work, index++, 0, count == 1);
    putMark(work.text);
    to = 3;
  }
  for (let at = text; at < end; ) {
    const length = <usize>(decode(at, end) & 7);
    setNode(work, index, <u32>to, index + 1 == count);
    index++;
    if (load<u8>(at) == 0x20) {
      putMark(work.text + to);
      to += 3;
    } else {
      for (let i: usize = 0; i < length; i++) store<u8>(work.text + to + i, load<u8>(at + i));
      to += length;
    }
    at += length;
  }
  work.textLength = to;
  mergeNodes(work, count);
  for (let i: u32 = 0; i != NONE; ) {
    const n = node(work, i);
    emitNode(work, n);
    i = n.next;
  }
}

@inline
function putMark(target: usize): void {
  store<u16>(target, 0x96e2);
  store<u8>(target, 0x81, 2);
}

/** Adds a node's token, or the tokens of its bytes, or the unknown token where there are none. */
function emitNode(work: Work, n: Node): void {
  const t = work.tokenizer;
  const end = textEnd(work, n);
  const token = findToken(t, work.text + n.symbol, end - n.symbol);
  if (token != NONE && typeOf(t, token) != TokenType.CONTROL) {
    emit(work, token);
    return;
  }
  for (let at = <usize>n.symbol; at < end; at++) {
    if (byteToken(t, load<u8>(work.text + at)) != NONE) continue;
    if (t.unk >= 0) emit(work, <u32>t.unk);
    return;
  }
  for (let at = <usize>n.symbol; at < end; at++) emit(work, byteToken(t, load<u8>(work.text + at)));
}
