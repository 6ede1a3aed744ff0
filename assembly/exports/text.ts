/**
 * The tokenizer's exports: thin functions on its pointer, which a model owns. Texts and lists are pointers and lengths
 * of the caller's; a function that writes returns how much there is, and writes no more than `capacity`.
 */
import { release } from "../memory/arena";
import { Core } from "../memory/core";
import {
  createStream, detokenize, flushStream, pushToken, streamCapacity, Stream, tokenBytes,
} from "../text/detokenize";
import { attributesOf, endsGeneration, tokenLength, tokenText, Tokenizer } from "../text/tokenizer";
import { findToken } from "../text/lookup";
import { classOf } from "../text/unicode";
import { splitWords, tokenize } from "../text/tokenize";

/** Tokens of a text: flags 1 adds BOS and EOS where the vocabulary wants them, 2 parses special tokens. */
export function tokenizer_tokenize(
  core: Core, tokenizer: Tokenizer, text: usize, length: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  return tokenize(core, tokenizer, text, length, flags, target, capacity);
}

/** The text of tokens: flags as in `DetokenizeFlag`. */
export function tokenizer_detokenize(
  core: Core, tokenizer: Tokenizer, tokens: usize, count: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  return detokenize(core, tokenizer, tokens, count, flags, target, capacity);
}

/** The bytes of one token by itself. */
export function tokenizer_token_bytes(
  tokenizer: Tokenizer, token: i32, showSpecial: i32, target: usize, capacity: u32,
): i32 {
  return tokenBytes(tokenizer, token, showSpecial != 0, target, capacity);
}

/** A stream of text; 0 with an error set. */
export function tokenizer_stream_create(core: Core, tokenizer: Tokenizer, flags: u32): usize {
  return createStream(core, tokenizer, flags);
}

/** Room that a push or a flush may need. */
export function tokenizer_stream_capacity(tokenizer: Tokenizer): u32 {
  return streamCapacity(tokenizer);
}

export function tokenizer_stream_push(core: Core, stream: Stream, token: i32, target: usize, capacity: u32): i32 {
  return pushToken(core, stream, token, target, capacity);
}

export function tokenizer_stream_flush(stream: Stream, target: usize, capacity: u32): i32 {
  return flushStream(stream, target, capacity);
}

export function tokenizer_stream_release(core: Core, stream: usize): void {
  release(core, stream);
}

/** Tokens in the vocabulary. */
export function tokenizer_count(tokenizer: Tokenizer): u32 {
  return tokenizer.count;
}

/** 1 BPE, 2 SPM */
export function tokenizer_model(tokenizer: Tokenizer): u32 {
  return tokenizer.model;
}

/**
 * The id of a special token, or -1: 0 bos, 1 eos, 2 unk, 3 sep, 4 pad, 5 mask, 6 eot, 7 eom, 8 fim prefix,
 * 9 fim suffix, 10 fim middle, 11 fim pad, 12 fim repository, 13 fim separator.
 */
export function tokenizer_special(tokenizer: Tokenizer, which: u32): i32 {
  if (which > 13) return -1;
  return load<i32>(changetype<usize>(tokenizer) + offsetof<Tokenizer>("bos") + ((<usize>which) << 2));
}

/** Bits: 1 adds BOS, 2 adds EOS, 4 a space in front, 8 cleans spaces up, 16 a word that is a token ignores merges. */
export function tokenizer_options(tokenizer: Tokenizer): u32 {
  return (
    u32(tokenizer.addBos) |
    (u32(tokenizer.addEos) << 1) |
    (u32(tokenizer.addSpacePrefix) << 2) |
    (u32(tokenizer.cleanSpaces) << 3) |
    (u32(tokenizer.ignoreMerges) << 4)
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

/** Type (low four bits) and attributes of a token; 0 when there is none. */
export function tokenizer_attributes(tokenizer: Tokenizer, token: u32): u32 {
  return token < tokenizer.count ? attributesOf(tokenizer, token) : 0;
}

/** A token's text as the vocabulary writes it: address and length; 0 when there is no such token. */
export function tokenizer_text(tokenizer: Tokenizer, token: u32): usize {
  return token < tokenizer.count ? tokenText(tokenizer, token) : 0;
}

export function tokenizer_text_length(tokenizer: Tokenizer, token: u32): u32 {
  return token < tokenizer.count ? tokenLength(tokenizer, token) : 0;
}

/**
 * How BPE's pre-tokenizer cuts a text: the ends of its words (u32[capacity], offsets in the text). Returns how many
 * there are; 0 for SPM, which has no pre-tokenizer. Special tokens are not looked for.
 */
export function tokenizer_words(
  core: Core, tokenizer: Tokenizer, text: usize, length: u32, target: usize, capacity: u32,
): i32 {
  return splitWords(core, tokenizer, text, length, target, capacity);
}

/** The class of a code point, as in `Class` of `unicode.ts`. */
export function tokenizer_class(codePoint: u32): u32 {
  return codePoint < 0x110000 ? classOf(codePoint) : 0;
}
