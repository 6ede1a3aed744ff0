/**
 * The tokenizer's exports: thin functions on its pointer, which a model owns. Texts and lists are pointers and lengths
 * of the caller's; a function that writes returns how much there is, and writes no more than `capacity`.
 */
import { release } from "../memory/arena";
import { i32At } from "../memory/bytes";
import { Core } from "../memory/core";
import {
  createStream, detokenize, flushStream, pushToken, streamCapacity, Stream, tokenBytes,
} from "../text/detokenize";
import { HAS_BPE, HAS_WORDPIECE } from "../parts";
import { tokenizeInfill } from "../text/infill";
import { attributesOf, endsGeneration, tokenLength, tokenText, Tokenizer, TokenType, typeOf } from "../text/tokenizer";
import { findToken } from "../text/lookup";
import { classOf } from "../text/unicode";
import { splitWords, tokenize } from "../text/tokenize";

/** Writes the tokens of a text: flag 1 adds BOS and EOS where the vocabulary wants them, 2 parses special tokens. */
export function tokenizer_tokenize(
  core: Core, tokenizer: Tokenizer, text: usize, length: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  return tokenize(core, tokenizer, text, length, flags, target, capacity);
}

/**
 * As `tokenizer_tokenize`, of a text with a gap that the model is to fill: prefix, suffix, and the tokens that mark
 * them and the middle.
 */
export function tokenizer_infill(
  core: Core, tokenizer: Tokenizer, prefix: usize, prefixLength: u32, suffix: usize, suffixLength: u32, flags: u32,
  target: usize, capacity: u32,
): i32 {
  return tokenizeInfill(core, tokenizer, prefix, prefixLength, suffix, suffixLength, flags, target, capacity);
}

/** Writes the text of tokens, with flags as in `DetokenizeFlag`. */
export function tokenizer_detokenize(
  core: Core, tokenizer: Tokenizer, tokens: usize, count: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  return detokenize(core, tokenizer, tokens, count, flags, target, capacity);
}

/** Writes the bytes of one token by itself. */
export function tokenizer_token_bytes(
  tokenizer: Tokenizer, token: i32, showSpecial: i32, target: usize, capacity: u32,
): i32 {
  return tokenBytes(tokenizer, token, showSpecial != 0, target, capacity);
}

/** Makes a stream of text; 0 with an error set. */
export function tokenizer_stream_create(core: Core, tokenizer: Tokenizer, flags: u32): usize {
  return createStream(core, tokenizer, flags);
}

/** The room that a push or a flush may need [bytes]. */
export function tokenizer_stream_capacity(tokenizer: Tokenizer): u32 {
  return streamCapacity(tokenizer);
}

/** Adds a token, and writes the text that is sure now. */
export function tokenizer_stream_push(core: Core, stream: Stream, token: i32, target: usize, capacity: u32): i32 {
  return pushToken(core, stream, token, target, capacity);
}

/** Ends the text: what is held back comes out as it is. */
export function tokenizer_stream_flush(stream: Stream, target: usize, capacity: u32): i32 {
  return flushStream(stream, target, capacity);
}

/** Gives the stream back. */
export function tokenizer_stream_release(core: Core, stream: usize): void {
  release(core, stream);
}

/** The number of tokens in the vocabulary. */
export function tokenizer_count(tokenizer: Tokenizer): u32 {
  return tokenizer.count;
}

/** 1 byte-level BPE, 2 SentencePiece, by scores or (gemma4) by merges, 3 WordPiece, 4 unigrams, 5 RWKV. */
export function tokenizer_model(tokenizer: Tokenizer): u32 {
  return tokenizer.model;
}

/**
 * The id of a special token, or -1: 0 bos, 1 eos, 2 unk, 3 sep, 4 pad, 5 mask, 6 eot, 7 eom, 8 fim prefix,
 * 9 fim suffix, 10 fim middle, 11 fim pad, 12 fim repository, 13 fim separator.
 */
export function tokenizer_special(tokenizer: Tokenizer, which: u32): i32 {
  if (which > 13) return -1;
  return i32At(changetype<usize>(tokenizer) + offsetof<Tokenizer>("bos"), which);
}

/** The tokens that are cut out of texts, the longest first: the id of number `index` of them, -1 behind the last. */
export function tokenizer_cut(tokenizer: Tokenizer, index: u32): i32 {
  return index < tokenizer.specialCount ? i32At(tokenizer.specials, index) : -1;
}

/** 1: a token is cut out of every text (a user-defined one); 0: only where special tokens are asked for, or never. */
export function tokenizer_cuts_always(tokenizer: Tokenizer, token: u32): u32 {
  return token < tokenizer.count && typeOf(tokenizer, token) == TokenType.USER_DEFINED ? 1 : 0;
}

/**
 * Bits: 1 adds BOS, 2 adds EOS, 4 a space in front, 8 cleans spaces up, 16 a word that is a token ignores merges, 32
 * adds SEP.
 */
export function tokenizer_options(tokenizer: Tokenizer): u32 {
  return (
    u32(tokenizer.addBos) |
    (u32(tokenizer.addEos) << 1) |
    (u32(tokenizer.addSpacePrefix) << 2) |
    (u32(tokenizer.cleanSpaces) << 3) |
    (u32(tokenizer.ignoreMerges) << 4) |
    (u32(tokenizer.addSep) << 5)
  );
}

/** Whether generation ends with this token. */
export function tokenizer_ends_generation(tokenizer: Tokenizer, token: u32): i32 {
  return i32(endsGeneration(tokenizer, token));
}

/** The token with exactly this text as the vocabulary writes it, or -1. */
export function tokenizer_find(tokenizer: Tokenizer, text: usize, length: u32): i32 {
  return <i32>findToken(tokenizer, text, length);
}

/** A token's type (low four bits) and attributes; 0 when there is none. */
export function tokenizer_attributes(tokenizer: Tokenizer, token: u32): u32 {
  return token < tokenizer.count ? attributesOf(tokenizer, token) : 0;
}

/** The address of a token's text as the vocabulary writes it; 0 when there is no such token. */
export function tokenizer_text(tokenizer: Tokenizer, token: u32): usize {
  return token < tokenizer.count ? tokenText(tokenizer, token) : 0;
}

/** The length of that text [bytes]. */
export function tokenizer_text_length(tokenizer: Tokenizer, token: u32): u32 {
  return token < tokenizer.count ? tokenLength(tokenizer, token) : 0;
}

/**
 * How BPE's pre-tokenizer cuts a text: the ends of its words (u32[capacity], offsets in the text). Returns how many
 * there are; 0 for others, which have no pre-tokenizer. Special tokens are not looked for.
 */
export function tokenizer_words(
  core: Core, tokenizer: Tokenizer, text: usize, length: u32, target: usize, capacity: u32,
): i32 {
  return splitWords(core, tokenizer, text, length, target, capacity);
}

/** The class of a code point, as in `Class` of `unicode.ts`; 0 in a build without BPE and WordPiece, which ask. */
export function tokenizer_class(codePoint: u32): u32 {
  return (HAS_BPE || HAS_WORDPIECE) && codePoint < 0x110000 ? classOf(codePoint) : 0;
}
