/**
 * The records of a tokenizer: what it is made from, and what it is. `vocabulary.ts` makes it, `tokenize.ts` and
 * `detokenize.ts` use it.
 *
 * The texts of tokens and merges are not copied: they lie where the GGUF header has them, and must stay there as long
 * as the tokenizer lives.
 */

import { u32At } from "../memory/bytes";

/** No token, no merge, no special token. */
export const NONE: u32 = 0xffffffff;

export namespace TokenizerModel {
  /** Byte-level BPE, "gpt2". */
  export const BPE: u32 = 1;
  /** SentencePiece: by scores, "llama", or by the ranks of merges, "gemma4". */
  export const SPM: u32 = 2;
  /** WordPiece, "bert". */
  export const WORDPIECE: u32 = 3;
  /** SentencePiece's unigram model, "t5". */
  export const UNIGRAM: u32 = 4;
  /** The longest bytes, "rwkv". */
  export const RWKV: u32 = 5;
}

/** `tokenizer.ggml.token_type`, the low bits of a token's attributes. */
export namespace TokenType {
  export const UNDEFINED: u32 = 0;
  export const NORMAL: u32 = 1;
  export const UNKNOWN: u32 = 2;
  export const CONTROL: u32 = 3;
  export const USER_DEFINED: u32 = 4;
  export const UNUSED: u32 = 5;
  export const BYTE: u32 = 6;
}

export namespace TokenAttribute {
  export const TYPE: u32 = 15;
  /** Generation ends with this token. */
  export const END: u32 = 16;
  /** White space before the token belongs to it. */
  export const STRIP_BEFORE: u32 = 32;
  /** White space behind the token belongs to it. */
  export const STRIP_BEHIND: u32 = 64;
}

/**
 * The tokenizer's keys of a file. A name's length of 0, a pointer of 0 and -1 stand for a key that is not there (see
 * `clearSource`); ids are as the file has them.
 */
@unmanaged
export class VocabularySource {
  /** tokenizer.ggml.model, tokenizer.ggml.pre, general.name */
  modelName: usize;
  modelNameLength: u32;
  preName: usize;
  preNameLength: u32;
  generalName: usize;
  generalNameLength: u32;
  /** Payload of the string array (each: u64 length, bytes), and where it ends. */
  tokens: usize;
  tokensEnd: usize;
  tokenCount: u32;
  merges: usize;
  mergesEnd: usize;
  mergeCount: u32;
  /** f32[] and i32[], at any address. */
  scores: usize;
  scoreCount: u32;
  types: usize;
  typeCount: u32;
  /** i32[] at any address: tokens that are never generated. */
  suppressed: usize;
  suppressedCount: u32;
  /** Bytes at any address: SentencePiece's map of characters. */
  charsmap: usize;
  charsmapLength: u32;
  bos: i32;
  eos: i32;
  unk: i32;
  cls: i32;
  sep: i32;
  pad: i32;
  mask: i32;
  eot: i32;
  eom: i32;
  fimPre: i32;
  fimSuf: i32;
  fimMid: i32;
  fimPad: i32;
  fimRep: i32;
  fimSep: i32;
  /** -1 absent, 0 false, 1 true */
  addBos: i32;
  addEos: i32;
  addSep: i32;
  addSpacePrefix: i32;
  removeExtraSpaces: i32;
  lowerCase: i32;
  stripAccents: i32;
}

/** Makes every key of a source absent. */
export function clearSource(source: VocabularySource): void {
  memory.fill(changetype<usize>(source), 0, offsetof<VocabularySource>("bos"));
  const rest = offsetof<VocabularySource>() - offsetof<VocabularySource>("bos");
  memory.fill(changetype<usize>(source) + offsetof<VocabularySource>("bos"), 0xff, rest);
}

/** One arena block holds the record and its tables; a few more hold what not every tokenizer has. */
@unmanaged
export class Tokenizer {
  model: u32;
  scheme: u32;
  count: u32;
  /** Bytes of the longest token text. */
  longest: u32;
  ignoreMerges: bool;
  addBos: bool;
  addEos: bool;
  /** WordPiece: SEP ends a text, as EOS does elsewhere. */
  addSep: bool;
  addSpacePrefix: bool;
  cleanSpaces: bool;
  /** Unigrams: spaces in a row are one, and those at the ends of a text none. */
  joinsSpaces: bool;
  /** SPM: merges by rank, in lines by themselves, not by the scores of tokens. */
  byRank: bool;
  /** SPM, unigrams: a token has U+2581 behind another character, so that texts cannot be cut before it. */
  spaceInside: bool;
  bos: i32;
  eos: i32;
  unk: i32;
  sep: i32;
  pad: i32;
  mask: i32;
  eot: i32;
  eom: i32;
  fimPre: i32;
  fimSuf: i32;
  fimMid: i32;
  fimPad: i32;
  fimRep: i32;
  fimSep: i32;
  /** u32[count]: where the text of a token lies; its length (u64) lies in front of it. */
  texts: usize;
  /** u8[count] */
  attributes: usize;
  /** f32[count] at any address, or 0. */
  scores: usize;
  /** u32[slotMask + 1], open addressing: token + 1 by its text. */
  slots: usize;
  slotMask: u32;
  /** What the hashes of texts, and of pairs, begin with (lookup.ts). */
  seed: u32;
  pairSeed: u32;
  /** BPE: the symbol of a byte's character. SPM: the byte's token. u32[256], NONE where there is none. */
  byteSymbols: usize;
  /** u32[3 * mergeCount] by rank: left, right, merged symbol. */
  merges: usize;
  mergeCount: u32;
  /** u32[pairMask + 1], open addressing: rank + 1 by (left, right). */
  pairSlots: usize;
  pairMask: u32;
  /** u32[specialCount]: special tokens, longest text first. */
  specials: usize;
  specialCount: u32;
  userDefinedCount: u32;
  /** u32[specialCount]: the longest special token at the end of one, as an index into `specials`; NONE. */
  shorter: usize;
  /** u32[specialCount]: the same of user-defined tokens, the token itself among them. */
  userDefined: usize;
  /** The `Trie` of the special tokens, and its `Automaton`; 0 where there are none. */
  specialTrie: usize;
  specialAutomaton: usize;
  /** i32[suppressedCount] at any address: tokens that are never generated. */
  suppressed: usize;
  suppressedCount: u32;
  /**
   * Symbols that merges name but the vocabulary lacks: numbers from `count` on, records of two stretches of text
   * (address and length each), and their table like `slots`. 0: there is none.
   */
  hidden: usize;
  hiddenCount: u32;
  hiddenSlots: usize;
  hiddenMask: u32;
  /** WordPiece, unigrams, RWKV (from their ends on): the `Trie` of the tokens that a text is written in. */
  trie: usize;
  /** Unigrams, RWKV: its `Automaton`. */
  automaton: usize;
  /** WordPiece: the node of U+2581, with which tokens begin that begin a word; its `Folds`. */
  wordStart: u32;
  folds: usize;
  /** Unigrams: the `Charsmap`, and what an unknown character scores. */
  charsmap: usize;
  unknownScore: f64;
  /** RWKV: the bytes of all tokens, which the file has as escapes. */
  unescaped: usize;
  /** The `Trie` of the tokens that answers are made of, once a grammar has asked for it (engine/answer_tokens.ts). */
  answers: usize;
  /** u16[count]: what each token begins with (engine/constraint.ts), likewise. */
  beginnings: usize;
}

@inline
export function tokenText(t: Tokenizer, id: u32): usize {
  return u32At(t.texts, id);
}

@inline
export function tokenLength(t: Tokenizer, id: u32): u32 {
  return <u32>load<u64>(tokenText(t, id) - 8);
}

@inline
export function attributesOf(t: Tokenizer, id: u32): u32 {
  return load<u8>(t.attributes + id);
}

@inline
export function typeOf(t: Tokenizer, id: u32): u32 {
  return attributesOf(t, id) & TokenAttribute.TYPE;
}

/** Whether SentencePiece's sign for a space, U+2581, stands at an address; three bytes there are readable. */
@inline
export function isSpaceMark(text: usize): bool {
  return load<u16>(text) == 0x96e2 && load<u8>(text, 2) == 0x81;
}

/** Makes the tokens that are never generated the least likely of all: `logits` are f32[count]. */
export function suppressTokens(t: Tokenizer, logits: usize): void {
  for (let i: u32 = 0; i < t.suppressedCount; i++) {
    const token = u32At(t.suppressed, i);
    if (token < t.count) store<f32>(logits + ((<usize>token) << 2), -f32.MAX_VALUE);
  }
}

/** Whether generation ends with this token. */
export function endsGeneration(t: Tokenizer, id: u32): bool {
  return id < t.count && (attributesOf(t, id) & TokenAttribute.END) != 0;
}
