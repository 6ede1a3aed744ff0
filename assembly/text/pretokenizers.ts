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
 * with: it takes U+3000 for no punctuation in deepseek-llm, and ~ for no symbol in deepseek-v3; in afmoe and tiny_aya
 * it leaves what stands before digits with them, so that white space there is cut otherwise; and in tiny_aya letters
 * have no case, and digits are grouped whatever follows.
 */
import { Case, caseOf, Class, classIn, codePointOf, lengthOf, look } from "./unicode";
import { Scheme } from "./pretokenizer_names";

/** No scheme has more passes. */
const MAX_PASSES: u32 = 6;

namespace Pass {
  export const NONE: u32 = 0;
  export const GPT2: u32 = 1;
  export const DEEPSEEK3: u32 = 2;
  export const DIGIT: u32 = 3;
  export const DIGITS: u32 = 4;
  export const UP_TO_THREE_DIGITS: u32 = 5;
  export const THREE_ASCII_DIGITS: u32 = 6;
  export const DIGIT_GROUPS: u32 = 7;
  export const NUMBER_GROUPS: u32 = 8;
  export const PUNCTUATION: u32 = 9;
  export const PUNCTUATION_AND_BACKTICK: u32 = 10;
  export const LINE_BREAK: u32 = 11;
  export const SPACE_LETTERS: u32 = 12;
  export const SPACE_PUNCTUATION: u32 = 13;
  export const SPACE_CASED_LETTERS: u32 = 14;
  export const SPACE_WIDE_PUNCTUATION: u32 = 15;
  export const TRAILING_SPACE: u32 = 16;
  export const CJK: u32 = 17;
  export const CJK_AND_KANA: u32 = 18;
  export const ASIAN: u32 = 19;
  export const SPACE_UNPUNCTUATED: u32 = 20;
  /** `words`, with the flags of `Words` added. */
  export const WORDS: u32 = 256;
}

/** How the expressions of `words` differ. */
namespace Words {
  /** Up to three digits are a word; else each is one. */
  export const THREE_DIGITS: u32 = 1;
  /** Marks are letters. */
  export const MARKS: u32 = 2;
  /** A word is cut by case: ASCII's, or with CASES that of all letters. */
  export const CASED: u32 = 4;
  export const CASES: u32 = 8;
  /** A contraction belongs to the word before it. */
  export const CONTRACTED: u32 = 16;
  /** Nothing is a contraction. */
  export const NO_CONTRACTIONS: u32 = 32;
  /** Line breaks do not belong to the punctuation before them. */
  export const NO_LINE_TAIL: u32 = 64;
}

/** The passes of a scheme in order, then NONE. */
function passOf(scheme: u32, index: u32): u32 {
  switch (scheme) {
    case Scheme.GPT2: return index == 0 ? Pass.GPT2 : Pass.NONE;
    case Scheme.DIGIT_GPT2: return index == 0 ? Pass.DIGIT : index == 1 ? Pass.GPT2 : Pass.NONE;
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
    case Scheme.AFMOE:
      switch (index) {
        case 0: return Pass.NUMBER_GROUPS;
        case 1: return Pass.ASIAN;
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
    case Scheme.MINICPM5:
      // The expression of the second pass has \p{N}+, of which the first leaves three at most.
      return index == 0 ? Pass.UP_TO_THREE_DIGITS : index == 1 ? Pass.WORDS | Words.THREE_DIGITS : Pass.NONE;
    case Scheme.TINY_AYA: {
      const words = Words.THREE_DIGITS | Words.MARKS | Words.CASED | Words.CASES | Words.CONTRACTED;
      return index == 0 ? Pass.DIGIT_GROUPS : index == 1 ? Pass.WORDS | words : Pass.NONE;
    }
    case Scheme.BLOOM: return index == 0 ? Pass.SPACE_UNPUNCTUATED : Pass.NONE;
    case Scheme.VIKING: return index == 0 ? Pass.SPACE_UNPUNCTUATED : index == 1 ? Pass.DIGIT : Pass.NONE;
    case Scheme.DEFAULT:
      switch (index) {
        case 0: return Pass.PUNCTUATION;
        case 1: return Pass.GPT2;
        case 2: return Pass.DIGITS;
        case 3: return Pass.THREE_ASCII_DIGITS;
        default: return Pass.NONE;
      }
    default: return index == 0 ? Pass.WORDS | wordsOf(scheme) : Pass.NONE;
  }
}

/** The flags of a scheme that is one pass of `words`. */
function wordsOf(scheme: u32): u32 {
  switch (scheme) {
    case Scheme.LLAMA3: return Words.THREE_DIGITS;
    case Scheme.GPT4O: return Words.THREE_DIGITS | Words.CASED | Words.CONTRACTED;
    case Scheme.GRANITE_MULTI: return Words.THREE_DIGITS | Words.CASED | Words.CONTRACTED | Words.MARKS;
    case Scheme.TEKKEN: return Words.CASED;
    case Scheme.QWEN35: return Words.MARKS;
    case Scheme.UFAKZEKA: return Words.NO_CONTRACTIONS;
    case Scheme.SEED_CODER: return Words.NO_LINE_TAIL;
    default: return 0;
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
  /** Up to here the digits from `at` on are groups of three. */
  grouped: usize;
}

/** The bytes of a walk with its ends. */
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
  walk.grouped = text;
  store<usize>(endOf(walk, 0), end);
  for (let level: u32 = 1; level <= passes; level++) store<usize>(endOf(walk, level), text);
}

/** The end of the word that begins at `walk.at`, to which the walk moves on. There must be text left. */
export function nextWord(walk: Walk): usize {
  let level = walk.passes;
  while (level > 0 && load<usize>(endOf(walk, level)) == walk.at) level--;
  for (; level < walk.passes; level++) {
    const end = segment(walk, passOf(walk.scheme, level), load<usize>(endOf(walk, level)));
    store<usize>(endOf(walk, level + 1), end);
  }
  walk.at = load<usize>(endOf(walk, level));
  return walk.at;
}

/** The end of the piece where the walk stands: of a match, or of the stretch before the next match. */
function segment(walk: Walk, pass: u32, end: usize): usize {
  let at = walk.at;
  if (pass == Pass.TRAILING_SPACE) return trailingSpace(at, end);
  if (pass == Pass.DIGIT_GROUPS || pass == Pass.NUMBER_GROUPS) return groups(walk, pass == Pass.DIGIT_GROUPS, end);
  let to = match(pass, at, end);
  if (to > at) return to;
  do at += lengthOf(look(at, end));
  while (at < end && match(pass, at, end) == at);
  return at;
}

/** The end of the match at `at`, or `at` when there is none. */
function match(pass: u32, at: usize, end: usize): usize {
  if (pass & Pass.WORDS) return words(at, end, pass);
  switch (pass) {
    case Pass.GPT2: return gpt2(at, end);
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
    // [一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+
    case Pass.ASIAN: return runIn(at, end, ASIAN, ASIAN_RANGES);
    //  ?[^(\s|.,!?…。，、।۔،)]+
    case Pass.SPACE_UNPUNCTUATED: {
      const from = load<u8>(at) == 0x20 ? at + 1 : at;
      let to = from;
      while (to < end && !endsWord(to, end)) to += lengthOf(look(to, end));
      return to > from ? to : at;
    }
    default: return end;
  }
}

/** Whether bloom's expression ends a word before the character at `at`. */
function endsWord(at: usize, end: usize): bool {
  const first = look(at, end);
  return classIn(first) == Class.SPACE || runIn(at, at + lengthOf(first), WORD_ENDS, WORD_END_RANGES) > at;
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
 * qwen2, and with THREE_DIGITS llama-bpe:
 *   (?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|
 *   ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * qwen35 has [\p{L}\p{M}]+ for \p{L}+, and \p{M} is no punctuation to it (MARKS); seed-coder lacks `[\r\n]*`,
 * ufakzeka the contractions. gpt-4o (CASED, CONTRACTED) and tekken (CASED) know the case of ASCII letters: a word is
 * `X*Y+` or else `X+Y*`, X a letter outside a-z, Y a letter outside A-Z; gpt-4o's contractions belong to the word
 * before them; and `[\r\n]*` is `[\r\n/]*`. granite-embed-multi-97m (MARKS besides) counts marks among X and Y, and
 * tiny_aya (CASES) takes [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] for X and [\p{Ll}\p{Lm}\p{Lo}\p{M}] for Y.
 */
function words(at: usize, end: usize, flags: u32): usize {
  const cased = (flags & Words.CASED) != 0;
  const first = look(at, end);
  const codePoint = codePointOf(first);
  if (!(flags & (Words.CASED | Words.NO_CONTRACTIONS)) && codePoint == 0x27) {
    const to = contraction(at, end, 0x20);
    if (to > at) return to;
  }
  const kind = classIn(first);
  if (kind == Class.NUMBER) return run(at, end, mask(Class.NUMBER), flags & Words.THREE_DIGITS ? 3 : 1);
  const letters = flags & Words.MARKS ? LETTERS_AND_MARKS : mask(Class.LETTER);
  const begins = ((letters >> kind) & 1) != 0;
  let from = at;
  if (kind != Class.LETTER && !isLineBreak(codePoint)) from += lengthOf(first);
  const follows = ((letters >> classIn(look(from, end))) & 1) != 0;
  if (begins || follows) {
    // Of a mark with nothing behind it, the mark is the word.
    let to = from;
    if (!cased) to = run(from, end, letters, ALL);
    else if (follows) to = casedWord(from, end, letters, (flags & Words.CASES) != 0, from > at && begins);
    return flags & Words.CONTRACTED ? contraction(to, end, 0x20) : to;
  }
  from = codePoint == 0x20 ? at + 1 : at;
  let to = run(from, end, cased ? OTHER_MARKS : OTHER_MARKS & ~letters, ALL);
  if (to > from) {
    if (flags & Words.NO_LINE_TAIL) return to;
    while (to < end && (isLineBreak(load<u8>(to)) || (cased && load<u8>(to) == 0x2f))) to++;
    return to;
  }
  return space(at, end, true);
}

/**
 * `X*Y+` or else `X+Y*`, where X* takes what it can and gives back what Y+ needs. A letter stands at `at`; where a mark
 * stands before it (`marked`), the mark is `X*Y+` by itself, if there is no other.
 */
function casedWord(at: usize, end: usize, letters: u32, cases: bool, marked: bool): usize {
  // What Y+ takes if nothing outside X follows: up to the last letter of X* that is in Y too.
  let lastOutside: usize = marked ? at : 0;
  let character = look(at, end);
  while ((letters >> classIn(character)) & 1 && !isLower(character, cases)) {
    at += lengthOf(character);
    if (!isUpper(character, cases)) lastOutside = at;
    character = look(at, end);
  }
  if (!((letters >> classIn(character)) & 1)) return lastOutside != 0 ? lastOutside : at;
  while ((letters >> classIn(character)) & 1 && !isUpper(character, cases)) {
    at += lengthOf(character);
    character = look(at, end);
  }
  return at;
}

/** Whether a character is a lower-case letter: of ASCII, or of all letters. */
function isLower(character: u32, cases: bool): bool {
  const codePoint = codePointOf(character);
  return isSmall(codePoint) || (cases && codePoint >= 128 && caseOf(codePoint) == Case.LOWER);
}

/** Whether it is an upper-case or title-case letter, likewise. */
function isUpper(character: u32, cases: bool): bool {
  const codePoint = codePointOf(character);
  return isCapital(codePoint) || (cases && codePoint >= 128 && caseOf(codePoint) == Case.UPPER);
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
    while (to < end && (isSmall(load<u8>(to)) || isCapital(load<u8>(to)))) to++;
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

/**
 * Digits in groups of three from the right, the first of one to three: tiny_aya's \d{1,3}(?=(?:\d{3})*\b) (`bounded`:
 * no letter, mark or _ may follow; \d is \p{N} here), and what afmoe does with every \p{N}+. Gives the end of a group,
 * or of the stretch before the next.
 */
function groups(walk: Walk, bounded: bool, end: usize): usize {
  const at = walk.at;
  if (at < walk.grouped) return run(at, end, mask(Class.NUMBER), 3);
  let from = at;
  while (from < end) {
    const first = look(from, end);
    if (classIn(first) != Class.NUMBER) {
      from += lengthOf(first);
      continue;
    }
    let count: u32 = 0;
    let to = from;
    let character = first;
    for (; classIn(character) == Class.NUMBER; count++) {
      to += lengthOf(character);
      character = look(to, end);
    }
    if (!bounded || !((LETTERS_AND_MARKS >> classIn(character)) & 1 || codePointOf(character) == 0x5f)) {
      if (from > at) return from;
      walk.grouped = to;
      return run(at, end, mask(Class.NUMBER), count % 3 ? count % 3 : 3);
    }
    from = to;
  }
  return end;
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

const LETTERS_AND_MARKS: u32 = (1 << Class.LETTER) | (1 << Class.MARK);

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
function isSmall(codePoint: u32): bool {
  return codePoint - 97 < 26;
}

@inline
function isCapital(codePoint: u32): bool {
  return codePoint - 65 < 26;
}

@inline
function isLineBreak(codePoint: u32): bool {
  return codePoint == 10 || codePoint == 13;
}

/** Ranges of code points, first and last. U+0800 to U+9FA5 is two ranges of the expression that meet at U+4E00. */
const CJK_RANGES: u32 = 2;
const CJK: usize = memory.data<u32>([0x800, 0x9fa5, 0xac00, 0xd7ff]);

/** ! ( ) , . ? | and their like in other scripts. */
const WORD_END_RANGES: u32 = 12;
const WORD_ENDS: usize = memory.data<u32>([
  0x21, 0x21, 0x28, 0x29, 0x2c, 0x2c, 0x2e, 0x2e, 0x3f, 0x3f, 0x7c, 0x7c, 0x60c, 0x60c, 0x6d4, 0x6d4, 0x964, 0x964,
  0x2026, 0x2026, 0x3001, 0x3002, 0xff0c, 0xff0c,
]);

const CJK_AND_KANA_RANGES: u32 = 2;
const CJK_AND_KANA: usize = memory.data<u32>([0x3040, 0x30ff, 0x4e00, 0x9fa5]);

/** The second ideograph of the list stands for itself, U+8C48: so the ranges from U+4E00 on are one. */
const ASIAN_RANGES: u32 = 9;
const ASIAN: usize = memory.data<u32>([
  0xe40, 0xeff, 0x1000, 0x109f, 0x1100, 0x11ff, 0x1780, 0x17ff, 0x2f00, 0x2fdf, 0x3040, 0x30ff, 0x3400, 0x4dbf, 0x4e00,
  0xfaff, 0xff65, 0xff9f,
]);

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
