/**
 * WordPiece ("bert") of a stretch of text: letters lose their accents and their case where the vocabulary wants it,
 * words are parted at white space, around punctuation and around ideographs, and each word is the longest tokens from
 * its beginning on. A token that begins a word has U+2581 in front of it in the file; the others go on. A word that is
 * not all tokens is the unknown token.
 *
 * Where llama.cpp strays from the tokenizers that models were trained with (Hugging Face's), those count: a word of
 * more than a hundred characters is the unknown token, a vertical tab, a form feed and U+0085 are left out, not spaces,
 * and a U+2581 of the text's own begins no word. Classes are those of Unicode 15.1; theirs are of an older one.
 */
import { Class, classOf } from "./unicode";
import { decode, encode } from "./utf8";
import { fold, Folds, isAccent, isControl } from "./folds";
import { NONE } from "./tokenizer";
import { childOf, rootChild, Trie, valueOf } from "./trie";
import { emit, reserveText, Work } from "./work";

/** A longer word is unknown: `max_input_chars_per_word`. */
const MOST_CHARACTERS: u32 = 100;
const WORD_BYTES: usize = 4 * 101;

/** Adds the tokens of a stretch that holds no special token. */
export function tokenizeWordPiece(work: Work, text: usize, end: usize): void {
  // The word at hand, then a character that becomes several.
  if (!reserveText(work, WORD_BYTES + 16)) return;
  const folds = changetype<Folds>(work.tokenizer.folds);
  const folded = work.text + WORD_BYTES;
  let count: u32 = 0;
  work.textLength = 0;
  while (text < end) {
    const character = decode(text, end);
    const codePoint = character >> 3;
    text += character & 7;
    const kind = kindOf(codePoint, folds.strips);
    if (kind == Kind.DROPPED) continue;
    if (kind == Kind.SPACE) {
      addWord(work, count);
      count = 0;
      continue;
    }
    if (kind == Kind.ALONE) {
      addWord(work, count);
      count = 0;
    }
    const several = fold(folds, codePoint, folded);
    for (let i: u32 = 0; i < several; i++) {
      // What a letter becomes may be left out again, or part words: a Greek question mark becomes a semicolon.
      const one = load<u32>(folded + ((<usize>i) << 2));
      if (kind == Kind.WORD && one != codePoint && isPunctuation(one)) {
        addWord(work, count);
        putCharacter(work, one, 0);
        addWord(work, 1);
        count = 0;
        continue;
      }
      putCharacter(work, one, count);
      count += 1;
    }
    if (kind == Kind.ALONE) {
      addWord(work, count);
      count = 0;
    }
  }
  addWord(work, count);
}

namespace Kind {
  export const WORD: u32 = 0;
  export const SPACE: u32 = 1;
  /** A word of its own. */
  export const ALONE: u32 = 2;
  export const DROPPED: u32 = 3;
}

function kindOf(codePoint: u32, strips: bool): u32 {
  switch (classOf(codePoint)) {
    case Class.SPACE: return codePoint == 0x0b || codePoint == 0x0c || codePoint == 0x85 ? Kind.DROPPED : Kind.SPACE;
    case Class.PUNCTUATION: return Kind.ALONE;
    case Class.MARK: return strips && isAccent(codePoint) ? Kind.DROPPED : Kind.WORD;
    case Class.OTHER:
      // Some blocks of ideographs have room left.
      if (isIdeograph(codePoint)) return Kind.ALONE;
      return isControl(codePoint) ? Kind.DROPPED : Kind.WORD;
    case Class.SYMBOL: return codePoint < 128 ? Kind.ALONE : codePoint == 0xfffd ? Kind.DROPPED : Kind.WORD;
    case Class.LETTER: return isIdeograph(codePoint) ? Kind.ALONE : Kind.WORD;
    default: return Kind.WORD;
  }
}

function isPunctuation(codePoint: u32): bool {
  const kind = classOf(codePoint);
  return kind == Class.PUNCTUATION || (kind == Class.SYMBOL && codePoint < 128);
}

/** The blocks of BERT's multilingual pre-processing, with its gap before U+2B920. */
function isIdeograph(codePoint: u32): bool {
  if (codePoint < 0x3400) return false;
  return (
    codePoint - 0x4e00 < 0x5200 ||
    codePoint - 0x3400 < 0x19c0 ||
    codePoint - 0xf900 < 0x200 ||
    codePoint - 0x20000 < 0xa6e0 ||
    codePoint - 0x2a700 < 0x1040 ||
    codePoint - 0x2b740 < 0xe0 ||
    codePoint - 0x2b920 < 0x1590 ||
    codePoint - 0x2f800 < 0x220
  );
}

/** Puts a character at the end of the word, unless the word is too long. */
function putCharacter(work: Work, codePoint: u32, count: u32): void {
  if (count == 0) work.textLength = 0;
  if (count < MOST_CHARACTERS) work.textLength += encode(codePoint, work.text + work.textLength);
}

/** Adds the tokens of the word of `count` characters, or the unknown token. */
function addWord(work: Work, count: u32): void {
  if (count == 0) return;
  const t = work.tokenizer;
  const trie = changetype<Trie>(t.trie);
  const before = work.count;
  const end = work.text + work.textLength;
  let node = t.wordStart;
  for (let at = work.text; at < end && count <= MOST_CHARACTERS; ) {
    let longest = NONE;
    let next = at;
    for (let to = at; to < end && node != NONE; ) {
      const byte = <u32>load<u8>(to++);
      node = node == 0 ? rootChild(trie, byte) : childOf(trie, node, byte);
      if (node == NONE) break;
      const token = valueOf(trie, node);
      if (token != NONE) {
        longest = token;
        next = to;
      }
      // A sign of the text's own is no word's beginning.
      if (node == t.wordStart) break;
    }
    if (longest == NONE) break;
    emit(work, longest);
    at = next;
    node = 0;
    if (at == end) return;
  }
  work.count = before;
  if (t.unk >= 0) emit(work, <u32>t.unk);
}
