/**
 * Byte-level BPE of a stretch of text: words by the pre-tokenizer, a word's bytes as symbols, merges by rank.
 */
import { u32At } from "../memory/bytes";
import { characterOfByte } from "./byte_characters";
import { findToken, hiddenSymbol } from "./lookup";
import { mergeNodes, node, setNode } from "./merge";
import { nextWord, startWalk, Walk } from "./pretokenizers";
import { NONE, tokenLength, tokenText, TokenType, Tokenizer, typeOf } from "./tokenizer";
import { encodeShort, sequenceLength } from "./utf8";
import { emit, reserveNodes, reserveText, walkOf, Work } from "./work";

/** Adds the tokens of a stretch that holds no special token. */
export function tokenizeBpe(work: Work, text: usize, end: usize): void {
  const walk = changetype<Walk>(walkOf(work));
  startWalk(walk, work.tokenizer.scheme, text, end);
  while (text < end && !work.failed) {
    const wordEnd = nextWord(walk);
    addWord(work, text, <u32>(wordEnd - text));
    text = wordEnd;
  }
}

/** Adds where each word ends, as an offset, in place of its tokens. */
export function splitBpe(work: Work, text: usize, end: usize): void {
  const walk = changetype<Walk>(walkOf(work));
  startWalk(walk, work.tokenizer.scheme, text, end);
  for (let at = text; at < end; ) {
    at = nextWord(walk);
    emit(work, <u32>(at - text));
  }
}

function addWord(work: Work, word: usize, length: u32): void {
  const t = work.tokenizer;
  if (t.ignoreMerges && length <= t.longest) {
    const token = findWhole(work, word, length);
    if (work.failed) return;
    if (token != NONE && typeOf(t, token) != TokenType.CONTROL) {
      emit(work, token);
      return;
    }
  }
  if (!reserveNodes(work, length)) return;
  for (let i: u32 = 0; i < length; i++) {
    setNode(work, i, u32At(t.byteSymbols, load<u8>(word + i)), i + 1 == length);
  }
  mergeNodes(work, length);
  for (let i: u32 = 0; i != NONE; ) {
    const n = node(work, i);
    if (n.symbol < t.count) emitToken(work, t, n.symbol);
    else if (n.symbol != NONE) emitCharacters(work, n.symbol);
    i = n.next;
  }
}

/** The token that is the whole word. */
function findWhole(work: Work, word: usize, length: u32): u32 {
  if (!reserveText(work, <usize>length * 2)) return NONE;
  let at = work.text;
  for (let i: u32 = 0; i < length; i++) at += encodeShort(characterOfByte(load<u8>(word + i)), at);
  return findToken(work.tokenizer, work.text, at - work.text);
}

/** Adds a token; what no text makes, a control token, as its characters. */
function emitToken(work: Work, t: Tokenizer, token: u32): void {
  if (typeOf(t, token) != TokenType.CONTROL) emit(work, token);
  else emitText(work, t, tokenText(t, token), tokenText(t, token) + tokenLength(t, token));
}

/** Adds, for a symbol that the vocabulary lacks, its characters one by one: those that are tokens. */
function emitCharacters(work: Work, symbol: u32): void {
  const t = work.tokenizer;
  const record = hiddenSymbol(t, symbol);
  emitText(work, t, record.a, record.a + record.aLength);
  emitText(work, t, record.b, record.b + record.bLength);
}

function emitText(work: Work, t: Tokenizer, at: usize, end: usize): void {
  while (at < end) {
    let length = <usize>sequenceLength(load<u8>(at));
    if (length == 0 || length > end - at) length = 1;
    const token = findToken(t, at, length);
    if (token != NONE) emit(work, token);
    at += length;
  }
}
