/**
 * Pre-tokenizers: how a text is cut into the words that byte-level BPE works on. A scheme is a list of passes, each of
 * which cuts the pieces of the one before; a stretch that a pass does not match stays a piece. Every pass is a scanner
 * written by hand for its regular expression (quoted above it; `\s` is Unicode's White_Space), linear in the text.
 *
 *     text      "We'll pay 1234"
 *     pass 0    We'll| pay| |1|2|3|4          \p{N}
 *     pass 1    We|'ll| pay| |1|2|3|4         's|'t|…| ?\p{L}+| …
 *
 * A pass sees a piece only: look-ahead ends where the piece ends. `Walk` keeps the end of the open piece of each pass,
 * so that nothing is stored a word.
 *
 * Where llama.cpp's own engine strays from the expressions, the expressions count, which are what models were trained
 * with: it takes U+3000 for no punctuation in deepseek-llm, and ~ for no symbol in deepseek-v3.
 */
import { Class, classIn, codePointOf, lengthOf, look } from "./unicode";
import { Scheme } from "./pretokenizer_names";

/** Most passes of a scheme. */
const MAX_PASSES: u32 = 6;

namespace Pass {
  export const NONE: u32 = 0;
  export const GPT2: u32 = 1;
  export const QWEN2: u32 = 2;
  export const LLAMA3: u32 = 3;
  export const GPT4O: u32 = 4;
  export const TEKKEN: u32 = 5;
  export const DEEPSEEK3: u32 = 6;
  export const DIGIT: u32 = 7;
  export const DIGITS: u32 = 8;
  export const UP_TO_THREE_DIGITS: u32 = 9;
  export const THREE_ASCII_DIGITS: u32 = 10;
  export const PUNCTUATION: u32 = 11;
  export const PUNCTUATION_AND_BACKTICK: u32 = 12;
  export const LINE_BREAK: u32 = 13;
  export const SPACE_LETTERS: u32 = 14;
  export const SPACE_PUNCTUATION: u32 = 15;
  export const SPACE_CASED_LETTERS: u32 = 16;
  export const SPACE_WIDE_PUNCTUATION: u32 = 17;
  export const TRAILING_SPACE: u32 = 18;
  export const CJK: u32 = 19;
  export const CJK_AND_KANA: u32 = 20;
}

/** The passes of a scheme in order, then NONE. */
function passOf(scheme: u32, index: u32): u32 {
  switch (scheme) {
    case Scheme.GPT2: return index == 0 ? Pass.GPT2 : Pass.NONE;
    case Scheme.DIGIT_GPT2: return index == 0 ? Pass.DIGIT : index == 1 ? Pass.GPT2 : Pass.NONE;
    case Scheme.QWEN2: return index == 0 ? Pass.QWEN2 : Pass.NONE;
    case Scheme.LLAMA3: return index == 0 ? Pass.LLAMA3 : Pass.NONE;
    case Scheme.GPT4O: return index == 0 ? Pass.GPT4O : Pass.NONE;
    case Scheme.TEKKEN: return index == 0 ? Pass.TEKKEN : Pass.NONE;
    case Scheme.DEEPSEEK_LLM:
      switch (index) {
        case 0: return Pass.LINE_BREAK;
        case 1: return Pass.SPACE_CASED_LETTERS;
        case 2: return Pass.SPACE_WIDE_PUNCTUATION;
        case 3: return Pass.TRAILING_SPACE;
        case 4: return Pass.CJK;
        case 5: return Pass.DIGITS;
        default: return Pass.NONE;
      }
    case Scheme.DEEPSEEK_CODER:
      switch (index) {
        case 0: return Pass.LINE_BREAK;
        case 1: return Pass.SPACE_LETTERS;
        case 2: return Pass.SPACE_PUNCTUATION;
        case 3: return Pass.CJK;
        case 4: return Pass.DIGIT;
        default: return Pass.NONE;
      }
    case Scheme.DEEPSEEK3:
      switch (index) {
        case 0: return Pass.UP_TO_THREE_DIGITS;
        case 1: return Pass.CJK_AND_KANA;
        case 2: return Pass.DEEPSEEK3;
        default: return Pass.NONE;
      }
    case Scheme.FALCON:
      switch (index) {
        case 0: return Pass.PUNCTUATION_AND_BACKTICK;
        case 1: return Pass.GPT2;
        case 2: return Pass.THREE_ASCII_DIGITS;
        default: return Pass.NONE;
      }
    default:
      switch (index) {
        case 0: return Pass.PUNCTUATION;
        case 1: return Pass.GPT2;
        case 2: return Pass.DIGITS;
        case 3: return Pass.THREE_ASCII_DIGITS;
        default: return Pass.NONE;
      }
  }
}

/**
 * Where a walk over the words of a text stands. Behind it lie the ends of the open pieces: `ends[0]` of the text,
 * `ends[k + 1]` of the piece of pass k.
 */
@unmanaged
export class Walk {
  scheme: u32;
  passes: u32;
  at: usize;
}

/** Bytes of a walk with its ends. */
export const WALK_BYTES: usize = 16 + 4 * (<usize>MAX_PASSES + 1);

@inline
function endOf(walk: Walk, level: u32): usize {
  return changetype<usize>(walk) + offsetof<Walk>() + ((<usize>level) << 2);
}

/** Begins at the first word of a text. */
export function startWalk(walk: Walk, scheme: u32, text: usize, end: usize): void {
  let passes: u32 = 0;
  while (passOf(scheme, passes) != Pass.NONE) passes++;
  walk.scheme = scheme;
  walk.passes = passes;
  walk.at = text;
  store<usize>(endOf(walk, 0), end);
  for (let level: u32 = 1; level <= passes; level++) store<usize>(endOf(walk, level), text);
}

/** The end of the word that begins at `walk.at`, to which the walk moves on. There must be text left. */
export function nextWord(walk: Walk): usize {
  let level = walk.passes;
  while (level > 0 && load<usize>(endOf(walk, level)) == walk.at) level--;
  for (; level < walk.passes; level++) {
    const end = segment(passOf(walk.scheme, level), walk.at, load<usize>(endOf(walk, level)));
    store<usize>(endOf(walk, level + 1), end);
  }
  walk.at = load<usize>(endOf(walk, level));
  return walk.at;
}

/** The end of the piece that begins at `at`: of a match, or of the stretch before the next match. `at` < `end`. */
function segment(pass: u32, at: usize, end: usize): usize {
  if (pass == Pass.TRAILING_SPACE) return trailingSpace(at, end);
  let to = match(pass, at, end);
  if (to > at) return to;
  do at += lengthOf(look(at, end));
  while (at < end && match(pass, at, end) == at);
  return at;
}

/** The end of the match at `at`, or `at` when there is none. */
function match(pass: u32, at: usize, end: usize): usize {
  switch (pass) {
    case Pass.GPT2: return gpt2(at, end);
    case Pass.QWEN2: return words(at, end, 1, false, false);
    case Pass.LLAMA3: return words(at, end, 3, false, false);
    case Pass.GPT4O: return words(at, end, 3, true, true);
    case Pass.TEKKEN: return words(at, end, 1, true, false);
    case Pass.DEEPSEEK3: return deepseek3(at, end);
    // \p{N}
    case Pass.DIGIT: return run(at, end, mask(Class.NUMBER), 1);
    // \p{N}+
    case Pass.DIGITS: return run(at, end, mask(Class.NUMBER), ALL);
    // \p{N}{1,3}
    case Pass.UP_TO_THREE_DIGITS: return run(at, end, mask(Class.NUMBER), 3);
    // [0-9][0-9][0-9]
    case Pass.THREE_ASCII_DIGITS:
      return end - at >= 3 && isDigit(at) && isDigit(at + 1) && isDigit(at + 2) ? at + 3 : at;
    // [\p{P}\$\+<=>\^~\|]+
    case Pass.PUNCTUATION: return punctuation(at, end, false);
    // [\p{P}\$\+<=>\^~\|`]+
    case Pass.PUNCTUATION_AND_BACKTICK: return punctuation(at, end, true);
    // [\r\n]
    case Pass.LINE_BREAK: return isLineBreak(load<u8>(at)) ? at + 1 : at;
    // \s?\p{L}+
    case Pass.SPACE_LETTERS: {
      const from = skipSpace(at, end);
      const to = run(from, end, mask(Class.LETTER), ALL);
      return to > from ? to : at;
    }
    // \s?\p{P}+
    case Pass.SPACE_PUNCTUATION: {
      const from = skipSpace(at, end);
      const to = run(from, end, mask(Class.PUNCTUATION), ALL);
      return to > from ? to : at;
    }
    // \s?[A-Za-zµÀ-Ö…]+
    case Pass.SPACE_CASED_LETTERS: {
      const from = skipSpace(at, end);
      const to = runIn(from, end, CASED_LETTERS, CASED_LETTER_RANGES);
      return to > from ? to : at;
    }
    // \s?[!-/:-~！-／：-～‘-‟　-。]+   U+3000 is in the list and in \s: with nothing behind it, it matches by itself.
    case Pass.SPACE_WIDE_PUNCTUATION: {
      const from = skipSpace(at, end);
      const to = runIn(from, end, WIDE_PUNCTUATION, WIDE_PUNCTUATION_RANGES);
      return to > from ? to : runIn(at, end, WIDE_PUNCTUATION, WIDE_PUNCTUATION_RANGES);
    }
    // [一-龥ࠀ-一가-퟿]+
    case Pass.CJK: return runIn(at, end, CJK, CJK_RANGES);
    // [一-龥぀-ゟ゠-ヿ]+
    case Pass.CJK_AND_KANA: return runIn(at, end, CJK_AND_KANA, CJK_AND_KANA_RANGES);
    default: return end;
  }
}

/** 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S) */
function gpt2(at: usize, end: usize): usize {
  const first = look(at, end);
  if (codePointOf(first) == 0x27) {
    const to = contraction(at, end, 0);
    if (to > at) return to;
  }
  let from = at;
  let character = first;
  if (codePointOf(first) == 0x20) {
    from = at + 1;
    character = look(from, end);
  }
  if (character == 0 || classIn(character) == Class.SPACE) return space(at, end, false);
  switch (classIn(character)) {
    case Class.LETTER: return run(from, end, mask(Class.LETTER), ALL);
    case Class.NUMBER: return run(from, end, mask(Class.NUMBER), ALL);
    default: return run(from, end, OTHER_MARKS, ALL);
  }
}

/**
 * qwen2 (digits 1) and llama-bpe (digits 3):
 *   (?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|
 *   ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * gpt-4o (digits 3, `cased`, `contracted`) and tekken (digits 1, `cased`) know the case of ASCII letters instead: a
 * word is `X*Y+` or else `X+Y*`, X a letter outside a-z, Y a letter outside A-Z; gpt-4o's contractions belong to the
 * word before them; and `[\r\n]*` is `[\r\n/]*`.
 */
function words(at: usize, end: usize, digits: u32, cased: bool, contracted: bool): usize {
  const first = look(at, end);
  const codePoint = codePointOf(first);
  if (!cased && codePoint == 0x27) {
    const to = contraction(at, end, 0x20);
    if (to > at) return to;
  }
  const kind = classIn(first);
  if (kind == Class.NUMBER) return run(at, end, mask(Class.NUMBER), digits);
  let from = at;
  if (kind != Class.LETTER && !isLineBreak(codePoint)) from += lengthOf(first);
  if (classIn(look(from, end)) == Class.LETTER) {
    if (!cased) return run(from, end, mask(Class.LETTER), ALL);
    const to = casedWord(from, end);
    return contracted ? contraction(to, end, 0x20) : to;
  }
  from = codePoint == 0x20 ? at + 1 : at;
  let to = run(from, end, OTHER_MARKS, ALL);
  if (to > from) {
    while (to < end && (isLineBreak(load<u8>(to)) || (cased && load<u8>(to) == 0x2f))) to++;
    return to;
  }
  return space(at, end, true);
}

/** `X*Y+` or else `X+Y*`, where X* takes what it can and gives back what Y+ needs. A letter stands at `at`. */
function casedWord(at: usize, end: usize): usize {
  // What Y+ takes if no a-z follows: the last letter of X* that is not A-Z either.
  let lastOutside: usize = 0;
  let character = look(at, end);
  while (classIn(character) == Class.LETTER && !isLower(codePointOf(character))) {
    at += lengthOf(character);
    if (!isUpper(codePointOf(character))) lastOutside = at;
    character = look(at, end);
  }
  if (classIn(character) != Class.LETTER) return lastOutside != 0 ? lastOutside : at;
  while (classIn(character) == Class.LETTER && !isUpper(codePointOf(character))) {
    at += lengthOf(character);
    character = look(at, end);
  }
  return at;
}

/**
 * [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
 * \s*[\r\n]+|\s+(?!\S)|\s+
 */
function deepseek3(at: usize, end: usize): usize {
  const first = look(at, end);
  const codePoint = codePointOf(first);
  const kind = mask(classIn(first));
  if (codePoint < 128 && kind & (mask(Class.PUNCTUATION) | mask(Class.SYMBOL))) {
    let to = at + 1;
    while (to < end && (isLower(load<u8>(to)) || isUpper(load<u8>(to)))) to++;
    if (to > at + 1) return to;
  }
  const letters = mask(Class.LETTER) | mask(Class.MARK);
  if (!isLineBreak(codePoint) && !(kind & (mask(Class.LETTER) | mask(Class.PUNCTUATION) | mask(Class.SYMBOL)))) {
    const from = at + lengthOf(first);
    const to = run(from, end, letters, ALL);
    if (to > from) return to;
  }
  let to = run(at, end, letters, ALL);
  if (to > at) return to;
  const from = codePoint == 0x20 ? at + 1 : at;
  to = run(from, end, mask(Class.PUNCTUATION) | mask(Class.SYMBOL), ALL);
  if (to > from) {
    while (to < end && isLineBreak(load<u8>(to))) to++;
    return to;
  }
  return space(at, end, true);
}

/** [\p{P}\$\+<=>\^~\|]+, with or without the backtick: of the ASCII symbols, which Unicode does not count as \p{P}. */
function punctuation(at: usize, end: usize, backtick: bool): usize {
  while (true) {
    const character = look(at, end);
    const kind = classIn(character);
    const codePoint = codePointOf(character);
    const symbol = kind == Class.SYMBOL && codePoint < 128 && (backtick || codePoint != 0x60);
    if (kind != Class.PUNCTUATION && !symbol) return at;
    at += lengthOf(character);
  }
}

/**
 * The white space at `at`: `\s*[\r\n]+` where `lines`, else `\s+(?!\S)`, else `\s+`. The first ends behind the last
 * line break of the run; the second leaves the last character of a run that something follows, unless it is alone.
 */
function space(at: usize, end: usize, lines: bool): usize {
  let to = at;
  let last = at;
  let line: usize = 0;
  while (true) {
    const character = look(to, end);
    if (character == 0 || classIn(character) != Class.SPACE) break;
    last = to;
    to += lengthOf(character);
    if (isLineBreak(codePointOf(character))) line = to;
  }
  if (lines && line != 0) return line;
  return to == end || last == at ? to : last;
}

/** \s+$ */
function trailingSpace(at: usize, end: usize): usize {
  let start = at;
  let to = at;
  while (to < end) {
    const character = look(to, end);
    to += lengthOf(character);
    if (classIn(character) != Class.SPACE) start = to;
  }
  return start > at ? start : end;
}

/** 's 't 're 've 'm 'll 'd at `at`, in either case when `fold` is 0x20; else `at`. */
function contraction(at: usize, end: usize, fold: u32): usize {
  if (end - at < 2 || load<u8>(at) != 0x27) return at;
  const a = <u32>load<u8>(at + 1) | fold;
  // s t m d
  if (a == 0x73 || a == 0x74 || a == 0x6d || a == 0x64) return at + 2;
  if (end - at < 3) return at;
  const b = <u32>load<u8>(at + 2) | fold;
  // re ve ll
  if ((a == 0x72 && b == 0x65) || (a == 0x76 && b == 0x65) || (a == 0x6c && b == 0x6c)) return at + 3;
  return at;
}

@inline
function mask(kind: u32): u32 {
  return 1 << kind;
}

/** [^\s\p{L}\p{N}] */
const OTHER_MARKS: u32 = (1 << Class.OTHER) | (1 << Class.PUNCTUATION) | (1 << Class.SYMBOL) | (1 << Class.MARK);

const ALL: u32 = 0xffffffff;

/** The end of the run of characters of the classes in `kinds`, at most `most` of them. */
function run(at: usize, end: usize, kinds: u32, most: u32): usize {
  for (; most > 0; most--) {
    const character = look(at, end);
    if (character == 0 || !((kinds >> classIn(character)) & 1)) break;
    at += lengthOf(character);
  }
  return at;
}

/** The end of the run of characters that lie in one of `count` ranges (first and last code point, in order). */
function runIn(at: usize, end: usize, ranges: usize, count: u32): usize {
  while (true) {
    const character = look(at, end);
    if (character == 0) return at;
    const codePoint = codePointOf(character);
    let low: u32 = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (load<u32>(ranges + ((<usize>middle) << 3), 4) < codePoint) low = middle + 1;
      else high = middle;
    }
    if (low == count || codePoint < load<u32>(ranges + ((<usize>low) << 3))) return at;
    at += lengthOf(character);
  }
}

function skipSpace(at: usize, end: usize): usize {
  const character = look(at, end);
  return classIn(character) == Class.SPACE ? at + lengthOf(character) : at;
}

@inline
function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - 48 < 10;
}

@inline
function isLower(codePoint: u32): bool {
  return codePoint - 97 < 26;
}

@inline
function isUpper(codePoint: u32): bool {
  return codePoint - 65 < 26;
}

@inline
function isLineBreak(codePoint: u32): bool {
  return codePoint == 10 || codePoint == 13;
}

/** Ranges of code points, first and last. U+0800 to U+9FA5 is two ranges of the expression that meet at U+4E00. */
const CJK_RANGES: u32 = 2;
const CJK: usize = memory.data<u32>([0x800, 0x9fa5, 0xac00, 0xd7ff]);

const CJK_AND_KANA_RANGES: u32 = 2;
const CJK_AND_KANA: usize = memory.data<u32>([0x3040, 0x30ff, 0x4e00, 0x9fa5]);

const WIDE_PUNCTUATION_RANGES: u32 = 6;
const WIDE_PUNCTUATION: usize = memory.data<u32>([
  0x21, 0x2f, 0x3a, 0x7e, 0x2018, 0x201f, 0x3000, 0x3002, 0xff01, 0xff0f, 0xff1a, 0xff5e,
]);

/** Letters with case, as deepseek-llm's expression lists them. */
const CASED_LETTER_RANGES: u32 = 87;
const CASED_LETTERS: usize = memory.data<u32>([
  0x41, 0x5a, 0x61, 0x7a, 0xb5, 0xb5, 0xc0, 0xd6, 0xd8, 0xf6, 0xf8, 0x1ba, 0x1bc, 0x1bf, 0x1c4, 0x293, 0x295, 0x2af,
  0x370, 0x373, 0x376, 0x376, 0x377, 0x377, 0x37b, 0x37d, 0x37f, 0x37f, 0x386, 0x386, 0x388, 0x38a, 0x38c, 0x38c,
  0x38e, 0x3a1, 0x3a3, 0x3f5, 0x3f7, 0x481, 0x48a, 0x52f, 0x531, 0x556, 0x10a0, 0x10c5, 0x13a0, 0x13f5,
  0x13f8, 0x13fd, 0x1c90, 0x1cba, 0x1cbd, 0x1cbf, 0x1d00, 0x1d2b, 0x1d6b, 0x1d77, 0x1d79, 0x1d9a, 0x1e00, 0x1f15,
  0x1f18, 0x1f1d, 0x1f20, 0x1f45, 0x1f48, 0x1f4d, 0x1f50, 0x1f57, 0x1f59, 0x1f59, 0x1f5b, 0x1f5b, 0x1f5d, 0x1f5d,
  0x1f5f, 0x1f7d, 0x1f80, 0x1fb4, 0x1fb6, 0x1fbc, 0x1fbe, 0x1fbe, 0x1fc2, 0x1fc4, 0x1fc6, 0x1fcc, 0x1fd0, 0x1fd3,
  0x1fd6, 0x1fdb, 0x1fe0, 0x1fec, 0x1ff2, 0x1ff4, 0x1ff6, 0x1ffc, 0x2102, 0x2102, 0x2107, 0x2107, 0x210a, 0x2113,
  0x2115, 0x2115, 0x2119, 0x211d, 0x2124, 0x2124, 0x2126, 0x2126, 0x2128, 0x2128, 0x212a, 0x212d, 0x212f, 0x2134,
  0x2139, 0x2139, 0x213c, 0x213f, 0x2145, 0x2149, 0x214e, 0x214e, 0x2183, 0x2183, 0x2184, 0x2184, 0x2c00, 0x2c7b,
  0x2c7e, 0x2ce4, 0x2ceb, 0x2cee, 0x2cf2, 0x2cf2, 0x2cf3, 0x2cf3, 0xa640, 0xa66d, 0xa680, 0xa69b, 0xa722, 0xa76f,
  0xa771, 0xa787, 0xa78b, 0xa78e, 0xab70, 0xabbf, 0xfb00, 0xfb06, 0xfb13, 0xfb17, 0xff21, 0xff3a, 0xff41, 0xff5a,
  0x10400, 0x1044f, 0x104b0, 0x104d3, 0x104d8, 0x104fb, 0x10c80, 0x10cb2, 0x10cc0, 0x10cf2, 0x118a0, 0x118df,
  0x1e900, 0x1e943,
]);
