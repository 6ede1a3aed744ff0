/**
 * Cuts special tokens out of a text before the tokenizer proper: the longest token first, each from left to right over
 * what is still free. Control and unknown tokens only count when asked for; user-defined ones always.
 *
 *     text      "<|im_start|>user\nHi<|im_end|>"
 *     finds     (12, <|im_start|>) (29, <|im_end|>)        where a token ends, and which, in the order of the text
 *
 * One scan with the automaton of all tokens finds for each place the longest that ends there. A list a token says
 * where; the lists are gone through from the longest token on. Behind what is cut the automaton begins anew, over as
 * many bytes: finds there become shorter tokens, and go over to their lists. So a text costs no more than about its
 * length, whatever tokens there are. A bit a byte says what is taken: by a token, or as white space that belongs to
 * one. A text without special tokens costs the scan alone.
 */
import { allocate, allocateRaw, release, resize } from "../memory/arena";
import { u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Automaton, goOn, longestItem } from "./automaton";
import { attributesOf, NONE, TokenAttribute, Tokenizer, tokenLength, tokenText, TokenType, typeOf } from "./tokenizer";

const WHAT = "the special tokens of a text";
/** In place of a find's next: it is cut. */
const CUT: u32 = 0xffff_fffe;

/** A special token in the text, or what may become one. */
@unmanaged
export class Find {
  /** Where it ends. */
  end: u32;
  /** Which: an index into `specials`. */
  index: u32;
  /** The next find of the same token; NONE. */
  next: u32;
}

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
  finds: usize;
  count: u32;
  capacity: u32;
  /** (u32, u32) a special token: its first and its last find; NONE. */
  lists: usize;
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
  scan(cuts);
  if (cuts.failed) return abandon(cuts);
  if (cuts.count == 0) return cuts;
  const listBytes = (<u64>t.specialCount) << 3;
  cuts.taken = allocate(core, (<u64>length + 7) >> 3, WHAT);
  cuts.lists = allocateRaw(core, listBytes, WHAT);
  if (cuts.taken == 0 || cuts.lists == 0) return abandon(cuts);
  memory.fill(cuts.lists, 0xff, <usize>listBytes);
  for (let i: u32 = 0; i < cuts.count; i++) enlist(cuts, i);
  for (let index: u32 = 0; index < t.specialCount; index++) cutAll(cuts, index);
  return cuts;
}

export function endCuts(cuts: Cuts): void {
  release(cuts.core, cuts.finds);
  release(cuts.core, cuts.lists);
  release(cuts.core, cuts.taken);
  release(cuts.core, changetype<usize>(cuts));
}

export function isTaken(cuts: Cuts, at: u32): bool {
  return ((<u32>load<u8>(cuts.taken + (at >> 3)) >> (at & 7)) & 1) != 0;
}

@inline
export function findAt(cuts: Cuts, i: u32): Find {
  return changetype<Find>(cuts.finds + <usize>i * offsetof<Find>());
}

@inline
export function isCut(find: Find): bool {
  return find.next == CUT;
}

function abandon(cuts: Cuts): Cuts {
  endCuts(cuts);
  return changetype<Cuts>(0);
}

/** The longest token beneath a find's that counts; NONE. */
@inline
function shorterThan(cuts: Cuts, index: u32): u32 {
  return counting(cuts, u32At(cuts.tokenizer.shorter, index));
}

/** A special token itself where it counts, else the longest at its end that does; NONE. */
@inline
function counting(cuts: Cuts, index: u32): u32 {
  return index == NONE || cuts.parseSpecial ? index : u32At(cuts.tokenizer.userDefined, index);
}

/** Notes for each place the longest special token that ends there. */
function scan(cuts: Cuts): void {
  const automaton = changetype<Automaton>(cuts.tokenizer.specialAutomaton);
  let node: u32 = 0;
  for (let at: u32 = 0; at < cuts.length && !cuts.failed; at++) {
    node = goOn(automaton, node, load<u8>(cuts.text + at));
    if (node == 0) continue;
    const index = counting(cuts, longestItem(automaton, node));
    if (index != NONE) add(cuts, at + 1, index);
  }
}

function add(cuts: Cuts, end: u32, index: u32): void {
  if (cuts.count == cuts.capacity) {
    cuts.capacity = max(64, 2 * cuts.capacity);
    const bytes = <u64>cuts.capacity * offsetof<Find>();
    const grown = cuts.finds ? resize(cuts.core, cuts.finds, bytes, WHAT) : allocateRaw(cuts.core, bytes, WHAT);
    if (grown == 0) {
      cuts.failed = true;
      return;
    }
    cuts.finds = grown;
  }
  const find = findAt(cuts, cuts.count++);
  find.end = end;
  find.index = index;
}

/** Puts a find at the end of its token's list. */
function enlist(cuts: Cuts, i: u32): void {
  const find = findAt(cuts, i);
  const list = cuts.lists + ((<usize>find.index) << 3);
  find.next = NONE;
  if (load<u32>(list) == NONE) store<u32>(list, i);
  else findAt(cuts, load<u32>(list, 4)).next = i;
  store<u32>(list, i, 4);
}

/** Cuts a special token out wherever it stands free, from left to right. */
function cutAll(cuts: Cuts, index: u32): void {
  const first = load<u32>(cuts.lists + ((<usize>index) << 3));
  if (first == NONE) return;
  const control = isControl(cuts, u32At(cuts.tokenizer.specials, index));
  for (let i = inOrder(cuts, first); i != NONE; ) {
    const find = findAt(cuts, i);
    const next = find.next;
    // A cut may have made it a shorter token, whose turn comes.
    if (find.index == index) cut(cuts, i, control);
    else if (find.index != NONE && !isTaken(cuts, find.end - 1)) enlist(cuts, i);
    i = next;
  }
}

/**
 * A list in the order of the text; gives its first find. Others come to it in rising runs, mostly one: two neighbours
 * become one, until one is left.
 */
function inOrder(cuts: Cuts, first: u32): u32 {
  while (true) {
    let rest = behindRun(cuts, first);
    if (rest == NONE) return first;
    let left = first;
    first = NONE;
    let last = NONE;
    while (left != NONE) {
      let right = rest;
      rest = right == NONE ? NONE : behindRun(cuts, right);
      while (left != NONE || right != NONE) {
        const i = min(left, right);
        if (i == left) left = findAt(cuts, i).next;
        else right = findAt(cuts, i).next;
        if (last == NONE) first = i;
        else findAt(cuts, last).next = i;
        last = i;
      }
      left = rest;
      rest = left == NONE ? NONE : behindRun(cuts, left);
    }
    findAt(cuts, last).next = NONE;
  }
}

/** Ends the rising run that begins with a find, and gives what follows it; NONE. */
function behindRun(cuts: Cuts, i: u32): u32 {
  while (true) {
    const find = findAt(cuts, i);
    const next = find.next;
    if (next != NONE && next > i) {
      i = next;
      continue;
    }
    find.next = NONE;
    return next;
  }
}

/** Cuts a find out where it is free; else it becomes a shorter token, or nothing. */
function cut(cuts: Cuts, i: u32, control: bool): void {
  const find = findAt(cuts, i);
  const token = u32At(cuts.tokenizer.specials, find.index);
  const start = find.end - tokenLength(cuts.tokenizer, token);
  find.next = NONE;
  if (isTaken(cuts, find.end - 1)) return;
  if (control && plainEnd(cuts, start, find.end) > start) {
    shorten(cuts, i, start);
    if (find.index != NONE) enlist(cuts, i);
    return;
  }
  find.next = CUT;
  const attributes = attributesOf(cuts.tokenizer, token);
  if (attributes & TokenAttribute.STRIP_BEFORE) {
    for (let at = start; at-- > 0 && isSpace(cuts, at) && !isTaken(cuts, at); ) take(cuts, at);
  }
  for (let at = start; at < find.end; at++) take(cuts, at);
  let end = find.end;
  if (attributes & TokenAttribute.STRIP_BEHIND) {
    for (; end < cuts.length && isSpace(cuts, end) && !isTaken(cuts, end); end++) take(cuts, end);
  }
  restart(cuts, i, end, end + (find.end - start));
}

/**
 * Goes through the text anew from `start` on, behind what was cut: a find from there to `end` that begins before
 * becomes the longest token that does not. No find that is left is longer than what was cut.
 */
function restart(cuts: Cuts, i: u32, start: u32, end: u32): void {
  const t = cuts.tokenizer;
  const automaton = changetype<Automaton>(t.specialAutomaton);
  let node: u32 = 0;
  let at = start;
  for (let k = i + 1; k < cuts.count; k++) {
    const find = findAt(cuts, k);
    if (find.end >= end) return;
    while (at < find.end) {
      if (isTaken(cuts, at)) return;
      node = goOn(automaton, node, load<u8>(cuts.text + at));
      at += 1;
    }
    if (find.index == NONE || find.end <= start) continue;
    if (tokenLength(t, u32At(t.specials, find.index)) <= find.end - start) continue;
    find.index = counting(cuts, longestItem(automaton, node));
  }
}

/** Makes a find in a plain part of the text the longest shorter token that may stand there. */
function shorten(cuts: Cuts, i: u32, start: u32): void {
  const t = cuts.tokenizer;
  const find = findAt(cuts, i);
  const open = find.end - plainEnd(cuts, start, find.end);
  let index = shorterThan(cuts, find.index);
  while (index != NONE) {
    const token = u32At(t.specials, index);
    if (typeOf(t, token) == TokenType.USER_DEFINED || tokenLength(t, token) <= open) break;
    // Where the last byte is plain, user-defined tokens alone are left.
    index = open == 0 ? u32At(t.userDefined, index) : shorterThan(cuts, index);
  }
  find.index = index;
}

/** Whether plain parts of a text do not have a special token: no user-defined one, or one that has a meaning. */
function isControl(cuts: Cuts, token: u32): bool {
  return typeOf(cuts.tokenizer, token) != TokenType.USER_DEFINED || isNamed(cuts, token);
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

/** Behind the last of the bytes from `at` to `end` that is plain; `at`: none is. */
function plainEnd(cuts: Cuts, at: u32, end: u32): u32 {
  const plain = cuts.plain;
  if (changetype<usize>(plain) == 0) return at;
  // The last span that begins before `end`.
  let low: u32 = 0;
  for (let high = plain.count; low < high; ) {
    const middle = (low + high) >> 1;
    if (load<u32>(plain.spans + ((<usize>middle) << 3)) < end) low = middle + 1;
    else high = middle;
  }
  return low == 0 ? at : min(end, max(at, load<u32>(plain.spans + ((<usize>(low - 1)) << 3), 4)));
}

@inline
function take(cuts: Cuts, at: u32): void {
  const byte = cuts.taken + (at >> 3);
  store<u8>(byte, load<u8>(byte) | (1 << (<u8>(at & 7))));
}

/** White space of C's isspace: tab to carriage return, and space. */
@inline
function isSpace(cuts: Cuts, at: u32): bool {
  const byte = <u32>load<u8>(cuts.text + at);
  return byte == 32 || byte - 9 < 5;
}
