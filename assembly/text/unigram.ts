/**
 * SentencePiece's unigram model ("t5") of a stretch of text: characters are replaced by the map, spaces become U+2581,
 * and of all ways to write the text in tokens that with the highest sum of scores is taken (Viterbi's algorithm). A
 * character that no token writes is the unknown token, with the lowest score less 10; a run of them is one.
 *
 *     best[0] = 0;  best[e] = max over tokens s…e of best[s] + score       the first of equals, from left to right
 *
 * Where no token has U+2581 behind another character, no token crosses such a place, so that each word is written by
 * itself, and a long text costs no more memory than its longest word. Sums are of 64 bits, as in Hugging Face's
 * tokenizers, and begin anew with each word, as there.
 *
 * Texts are mapped as SentencePiece maps them; Hugging Face's tokenizers map by clusters of characters, and lose a mark
 * behind a character that the map has. Spaces stand in front as there, where llama.cpp has others in texts of spaces
 * alone.
 */
import { Automaton, goOn } from "./automaton";
import { f32At, setU32, u32At } from "../memory/bytes";
import { Charsmap, longestMapped } from "./charsmap";
import { NONE, tokenLength, Tokenizer, TokenType, typeOf } from "./tokenizer";
import { valueOf } from "./trie";
import { decode, sequenceLength } from "./utf8";
import { emit, growText, reserveNodes, Work } from "./work";

const SPACE: u32 = 0x20;
/** What the lowest score is lowered by for an unknown character. */
const UNKNOWN_PENALTY: f64 = 10;

/** The best way to write the text up to here, and its last token. */
@unmanaged
class Best {
  score: f64;
  token: u32;
  /** Where that token begins. */
  from: u32;
}

@inline
function best(work: Work, index: u32): Best {
  return changetype<Best>(work.nodes + <usize>index * offsetof<Best>());
}

/** The lowest score of a normal token, less the penalty. */
export function unknownScore(t: Tokenizer): f64 {
  let lowest: f64 = Infinity;
  for (let i: u32 = 0; i < t.count; i++) {
    if (typeOf(t, i) == TokenType.NORMAL) lowest = Math.min(lowest, <f64>f32At(t.scores, i));
  }
  return (lowest == Infinity ? 0 : lowest) - UNKNOWN_PENALTY;
}

/** Adds the tokens of a stretch that holds no special token. */
export function tokenizeUnigram(work: Work, text: usize, end: usize): void {
  const t = work.tokenizer;
  const map = changetype<Charsmap>(t.charsmap);
  work.inWord = false;
  work.begun = false;
  work.unknown = false;
  work.textLength = 0;
  if (t.addSpacePrefix && !t.joinsSpaces) putSpace(work);
  while (text < end && !work.failed) {
    const mapped = longestMapped(map, text, end);
    if (mapped != 0) {
      text += <usize>(mapped >> 32);
      for (let at = <usize>(<u32>mapped); load<u8>(at) != 0; at++) put(work, load<u8>(at));
      continue;
    }
    const character = decode(text, end);
    const length = <usize>(character & 7);
    if (length == 1 && load<u8>(text) >= 0x80) {
      put(work, 0xef);
      put(work, 0xbf);
      put(work, 0xbd);
    } else for (let i: usize = 0; i < length; i++) put(work, load<u8>(text + i));
    text += length;
  }
  addWord(work);
}

/** Adds a byte to the word at hand, spaces as the vocabulary wants them. */
function put(work: Work, byte: u32): void {
  const t = work.tokenizer;
  if (byte == SPACE) {
    if (!t.joinsSpaces) putSpace(work);
    work.inWord = false;
    return;
  }
  if (t.joinsSpaces && !work.inWord && (work.begun || t.addSpacePrefix)) putSpace(work);
  work.begun = true;
  work.inWord = true;
  putByte(work, byte);
}

function putSpace(work: Work): void {
  // Behind what is no space a word ends; with joined spaces each stands between two words.
  if ((work.inWord || work.tokenizer.joinsSpaces) && !work.tokenizer.spaceInside) addWord(work);
  putByte(work, 0xe2);
  putByte(work, 0x96);
  putByte(work, 0x81);
}

@inline
function putByte(work: Work, byte: u32): void {
  if (work.textLength == work.textCapacity && !growText(work)) return;
  store<u8>(work.text + work.textLength, <u8>byte);
  work.textLength += 1;
}

/** Adds the tokens of the word at hand, which is empty then. */
function addWord(work: Work): void {
  const length = <u32>work.textLength;
  work.textLength = 0;
  if (length == 0 || work.failed || !reserveNodes(work, length + 1)) return;
  findBest(work, length);
  // The tokens from the last to the first.
  let count: u32 = 0;
  for (let at = length; at > 0; ) {
    const b = best(work, at);
    setU32(work.queue, count++, b.token);
    at = b.from;
  }
  const t = work.tokenizer;
  while (count > 0) {
    count -= 1;
    const token = u32At(work.queue, count);
    if (token != NONE) emit(work, token);
    else if (!work.unknown && t.unk >= 0) emit(work, <u32>t.unk);
    work.unknown = token == NONE;
  }
}

/**
 * Goes through the word with the automaton of the tokens, which finds those that end at each place: the longest first,
 * as it begins first. So a long token that nearly stands everywhere costs no more than others.
 */
function findBest(work: Work, length: u32): void {
  const t = work.tokenizer;
  const automaton = changetype<Automaton>(t.automaton);
  for (let i: u32 = 0; i <= length; i++) best(work, i).score = -Infinity;
  best(work, 0).score = 0;
  let node: u32 = 0;
  for (let from: u32 = 0, at: u32 = 0; from < length; from = at) {
    // A token begins and ends with characters: elsewhere no way goes on.
    let bytes = sequenceLength(load<u8>(work.text + from));
    if (bytes == 0 || bytes > length - from) bytes = bytes == 0 ? 1 : length - from;
    for (const to = from + bytes; at < to; at++) node = goOn(automaton, node, load<u8>(work.text + at));
    let whole = false;
    for (let end = u32At(automaton.longest, node); end != 0; end = shorterEnd(automaton, end)) {
      const token = valueOf(automaton.trie, end);
      const start = at - tokenLength(t, token);
      if (start == from) whole = true;
      offer(work, at, start, token, best(work, start).score + scoreOf(t, token));
    }
    if (!whole) offer(work, at, from, NONE, best(work, from).score + t.unknownScore);
  }
}

/** The node of the longest token at the end of that of a node; 0. */
@inline
function shorterEnd(automaton: Automaton, end: u32): u32 {
  return u32At(automaton.longest, u32At(automaton.falls, end));
}

@inline
function scoreOf(t: Tokenizer, token: u32): f64 {
  return typeOf(t, token) == TokenType.USER_DEFINED ? 0 : <f64>f32At(t.scores, token);
}

@inline
function offer(work: Work, to: u32, from: u32, token: u32, score: f64): void {
  const b = best(work, to);
  if (!(score > b.score)) return;
  b.score = score;
  b.token = token;
  b.from = from;
}
