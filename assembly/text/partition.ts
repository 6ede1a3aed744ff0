/**
 * Cuts special tokens out of a text before the tokenizer proper: the longest token first, each from left to right over
 * what is still free. Control and unknown tokens only count when asked for; user-defined ones always.
 *
 *     text      "<|im_start|>user\nHi<|im_end|>"
 *     cuts      (0, <|im_start|>) (19, <|im_end|>)        a heap in the order of the text
 *
 * One scan finds which special tokens occur at all and between which places; only those are then cut. A bit a byte says
 * what is taken: by a token, or as white space that belongs to one. A text without special tokens costs the scan alone.
 */
import { allocate, allocateRaw, release, resize } from "../memory/arena";
import { u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { heapPush } from "./heap";
import { bucketOf } from "./special";
import { attributesOf, NONE, TokenAttribute, Tokenizer, tokenLength, tokenText, TokenType } from "./tokenizer";
import { typeOf } from "./tokenizer";

@unmanaged
export class Cuts {
  core: Core;
  tokenizer: Tokenizer;
  text: usize;
  length: u32;
  parseSpecial: bool;
  failed: bool;
  /** A bit a byte of the text; 0 when nothing is cut. */
  taken: usize;
  /** A heap of (start, special token's index). */
  heap: usize;
  count: u32;
  capacity: u32;
  /** (u32, u32) a special token: its first and last place in the text. */
  seen: usize;
  any: bool;
  plain: Plain;
}

/**
 * What of a text is plain: there no control token is cut out, and no other special token that has a meaning in a chat.
 */
@unmanaged
export class Plain {
  /** (begin, end) u32 each, in rising order. */
  spans: usize;
  count: u32;
  template: usize;
  templateLength: u32;
}

/** Finds what to cut; `plain` may be 0. 0 when there is no memory. `endCuts` gives the memory back. */
export function findCuts(core: Core, t: Tokenizer, text: usize, length: u32, parseSpecial: bool, plain: Plain): Cuts {
  const cuts = changetype<Cuts>(allocate(core, offsetof<Cuts>(), "tokenizing"));
  if (changetype<usize>(cuts) == 0) return cuts;
  cuts.core = core;
  cuts.tokenizer = t;
  cuts.text = text;
  cuts.length = length;
  cuts.parseSpecial = parseSpecial;
  cuts.plain = plain;
  if ((parseSpecial ? t.specialCount : t.userDefinedCount) == 0) return cuts;
  const what = "the special tokens of a text";
  cuts.seen = allocateRaw(core, <u64>t.specialCount * 8, what);
  if (cuts.seen == 0) return abandon(cuts);
  memory.fill(cuts.seen, 0xff, (<usize>t.specialCount) << 3);
  scan(cuts);
  if (!cuts.any) return cuts;
  cuts.taken = allocate(core, (<u64>length + 7) >> 3, what);
  cuts.capacity = 64;
  cuts.heap = allocateRaw(core, <u64>cuts.capacity * 8, what);
  if (cuts.taken == 0 || cuts.heap == 0) return abandon(cuts);
  for (let i: u32 = 0; i < t.specialCount && !cuts.failed; i++) {
    if (load<u32>(cuts.seen + ((<usize>i) << 3)) != NONE) cut(cuts, i);
  }
  return cuts.failed ? abandon(cuts) : cuts;
}

export function endCuts(cuts: Cuts): void {
  release(cuts.core, cuts.seen);
  release(cuts.core, cuts.taken);
  release(cuts.core, cuts.heap);
  release(cuts.core, changetype<usize>(cuts));
}

@inline
export function isTaken(cuts: Cuts, at: u32): bool {
  return ((<u32>load<u8>(cuts.taken + (at >> 3)) >> (at & 7)) & 1) != 0;
}

function abandon(cuts: Cuts): Cuts {
  endCuts(cuts);
  return changetype<Cuts>(0);
}

/** Notes for each special token where it first and last stands. */
function scan(cuts: Cuts): void {
  const t = cuts.tokenizer;
  for (let at: u32 = 0; at < cuts.length; at++) {
    const first = <u32>load<u8>(cuts.text + at);
    const single = u32At(t.singles, first);
    if (single != 0) note(cuts, single - 1, at);
    if (at + 1 == cuts.length) return;
    const bucket = bucketOf(first, load<u8>(cuts.text + at, 1));
    const low = u32At(t.buckets, bucket);
    const high = u32At(t.buckets, bucket + 1);
    if (low < high) noteAll(cuts, low, high, at);
  }
}

/**
 * Notes those of the items [low, high) of a bucket that stand at a place. They lie in the order of their bytes: byte
 * after byte, those are left that have the text's; one that ends there is the first of them.
 */
function noteAll(cuts: Cuts, low: u32, high: u32, at: u32): void {
  const t = cuts.tokenizer;
  for (let depth: u32 = 0; low < high; depth++) {
    while (low < high && tokenLength(t, specialToken(cuts, u32At(t.bucketItems, low))) == depth) {
      note(cuts, u32At(t.bucketItems, low), at);
      low += 1;
    }
    if (at + depth == cuts.length) return;
    const byte = <u32>load<u8>(cuts.text + at + depth);
    low = firstFrom(cuts, low, high, depth, byte);
    high = firstFrom(cuts, low, high, depth, byte + 1);
  }
}

/** The first of the items [low, high), each longer than `depth`, whose byte there is `byte` or above. */
function firstFrom(cuts: Cuts, low: u32, high: u32, depth: u32, byte: u32): u32 {
  const t = cuts.tokenizer;
  while (low < high) {
    const middle = (low + high) >> 1;
    const text = tokenText(t, specialToken(cuts, u32At(t.bucketItems, middle)));
    if (<u32>load<u8>(text + depth) < byte) low = middle + 1;
    else high = middle;
  }
  return low;
}

function note(cuts: Cuts, index: u32, at: u32): void {
  const type = typeOf(cuts.tokenizer, specialToken(cuts, index));
  if (!cuts.parseSpecial && type != TokenType.USER_DEFINED) return;
  const seen = cuts.seen + ((<usize>index) << 3);
  if (load<u32>(seen) == NONE) store<u32>(seen, at);
  store<u32>(seen, at, 4);
  cuts.any = true;
}

@inline
function specialToken(cuts: Cuts, index: u32): u32 {
  return u32At(cuts.tokenizer.specials, index);
}

function standsAt(cuts: Cuts, index: u32, at: u32): bool {
  const token = specialToken(cuts, index);
  const length = tokenLength(cuts.tokenizer, token);
  if (length > cuts.length - at) return false;
  return memory.compare(cuts.text + at, tokenText(cuts.tokenizer, token), length) == 0;
}

/** Cuts one special token out wherever it stands free. */
function cut(cuts: Cuts, index: u32): void {
  const token = specialToken(cuts, index);
  const length = tokenLength(cuts.tokenizer, token);
  const attributes = attributesOf(cuts.tokenizer, token);
  const last = load<u32>(cuts.seen + ((<usize>index) << 3), 4);
  const control = typeOf(cuts.tokenizer, token) != TokenType.USER_DEFINED || isNamed(cuts, token);
  for (let at = load<u32>(cuts.seen + ((<usize>index) << 3)); at <= last; ) {
    if (!standsAt(cuts, index, at) || !isFree(cuts, at, at + length) || (control && isPlain(cuts, at, at + length))) {
      at++;
      continue;
    }
    if (!add(cuts, at, index)) return;
    if (attributes & TokenAttribute.STRIP_BEFORE) {
      for (let i = at; i-- > 0 && isSpace(cuts, i) && !isTaken(cuts, i); ) take(cuts, i);
    }
    for (const end = at + length; at < end; at++) take(cuts, at);
    if (attributes & TokenAttribute.STRIP_BEHIND) {
      for (; at < cuts.length && isSpace(cuts, at) && !isTaken(cuts, at); at++) take(cuts, at);
    }
  }
}

/** Whether a user-defined token has a meaning: the template names it, or it is written as control tokens are. */
function isNamed(cuts: Cuts, token: u32): bool {
  const plain = cuts.plain;
  if (changetype<usize>(plain) == 0) return false;
  const text = tokenText(cuts.tokenizer, token);
  const length = tokenLength(cuts.tokenizer, token);
  if (length > 2 && load<u16>(text) == 0x7c3c) return true; // <|
  // White space has no meaning in a template but its own.
  let blank = true;
  for (let i: u32 = 0; i < length && blank; i++) blank = load<u8>(text + i) <= 0x20;
  if (blank) return false;
  for (let i: u32 = 0; i + length <= plain.templateLength; i++) {
    if (memory.compare(plain.template + i, text, length) == 0) return true;
  }
  return false;
}

/** Whether a plain span has one of the bytes from `at` to `end`. */
function isPlain(cuts: Cuts, at: u32, end: u32): bool {
  const plain = cuts.plain;
  if (changetype<usize>(plain) == 0) return false;
  // The first span that ends behind `at`.
  let low: u32 = 0;
  for (let high = plain.count; low < high; ) {
    const middle = (low + high) >> 1;
    if (load<u32>(plain.spans + ((<usize>middle) << 3), 4) > at) high = middle;
    else low = middle + 1;
  }
  return low < plain.count && load<u32>(plain.spans + ((<usize>low) << 3)) < end;
}

function add(cuts: Cuts, at: u32, index: u32): bool {
  if (cuts.count == cuts.capacity) {
    const grown = resize(cuts.core, cuts.heap, <u64>cuts.capacity * 16, "the special tokens of a text");
    if (grown == 0) {
      cuts.failed = true;
      return false;
    }
    cuts.heap = grown;
    cuts.capacity *= 2;
  }
  heapPush(cuts.heap, cuts.count++, ((<u64>at) << 32) | index);
  return true;
}

@inline
function take(cuts: Cuts, at: u32): void {
  const byte = cuts.taken + (at >> 3);
  store<u8>(byte, load<u8>(byte) | (1 << (<u8>(at & 7))));
}

function isFree(cuts: Cuts, at: u32, end: u32): bool {
  for (; at < end; at++) if (isTaken(cuts, at)) return false;
  return true;
}

/** White space of C's isspace: tab to carriage return, and space. */
@inline
function isSpace(cuts: Cuts, at: u32): bool {
  const byte = <u32>load<u8>(cuts.text + at);
  return byte == 32 || byte - 9 < 5;
}
