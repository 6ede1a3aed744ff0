/**
 * Merging: of all adjacent pairs of symbols in a word, join the one of the lowest rank, the leftmost of equals; repeat
 * until no pair has a rank. The symbols are a linked list, the pairs a priority queue of (rank, left symbol); an entry
 * is stale when its symbol's rank has changed since. n log n in time, 32 bytes a symbol, and 24 more in long words.
 *
 *     nodes   l ⇄ o ⇄ w ⇄ e ⇄ r         queue  (rank of "er", 3) (rank of "lo", 0) …
 *     nodes   l ⇄ o ⇄ w ⇄ er            …
 *
 * BPE: a node's symbol is a number and the rank is that of the merge rule. SPM: the symbol is where its text begins in
 * the word, and the rank falls with the score of the token that the two would be; or it is that of the rule for the two
 * texts (gemma4).
 */
import { u32At } from "../memory/bytes";
import { HAS_BPE } from "../parts";
import { findHidden, findMerge, findToken, mergedSymbol } from "./lookup";
import { clearQueue, queueIsEmpty, queuePop, queuePush } from "./queue";
import { NONE, Tokenizer, TokenizerModel, TokenType, typeOf } from "./tokenizer";
import { Work } from "./work";

@unmanaged
export class Node {
  previous: u32;
  next: u32;
  symbol: u32;
  /** The rank of the pair with the next node; NONE when it has none, or when this node is merged away. */
  rank: u32;
}

@inline
export function node(work: Work, index: u32): Node {
  return changetype<Node>(work.nodes + <usize>index * offsetof<Node>());
}

/** Puts a symbol at `index`, after the one before it. `last`: nothing follows. */
@inline
export function setNode(work: Work, index: u32, symbol: u32, last: bool): void {
  const n = node(work, index);
  n.previous = index - 1;
  n.next = last ? NONE : index + 1;
  n.symbol = symbol;
  n.rank = NONE;
}

/** Merges the `count` nodes of the word; the first node stays the first. */
export function mergeNodes(work: Work, count: u32): void {
  clearQueue(work, count);
  if (work.failed) return;
  for (let i: u32 = 0; i + 1 < count; i++) rankPair(work, i);
  while (!queueIsEmpty(work)) {
    const key = queuePop(work);
    const index = <u32>key;
    const left = node(work, index);
    if (left.rank != <u32>(key >> 32)) continue;
    const right = node(work, left.next);
    if (work.tokenizer.model == TokenizerModel.BPE) left.symbol = mergedSymbol(work.tokenizer, left.rank);
    left.next = right.next;
    right.rank = NONE;
    if (left.next != NONE) node(work, left.next).previous = index;
    rankPair(work, index);
    if (left.previous != NONE) rankPair(work, left.previous);
  }
}

/** Where the text of an SPM node ends in the word. */
@inline
export function textEnd(work: Work, n: Node): usize {
  return n.next == NONE ? work.textLength : <usize>node(work, n.next).symbol;
}

function rankPair(work: Work, index: u32): void {
  const left = node(work, index);
  left.rank = NONE;
  if (left.next == NONE) return;
  const right = node(work, left.next);
  const t = work.tokenizer;
  if (t.model == TokenizerModel.BPE) {
    if (left.symbol == NONE || right.symbol == NONE) return;
    left.rank = findMerge(t, left.symbol, right.symbol);
  } else if (HAS_BPE && t.byRank) {
    const first = symbolOf(work, left);
    const second = first == NONE ? NONE : symbolOf(work, right);
    if (second != NONE) left.rank = findMerge(t, first, second);
  } else {
    const token = findToken(t, work.text + left.symbol, textEnd(work, right) - left.symbol);
    if (token != NONE && typeOf(t, token) != TokenType.CONTROL) left.rank = rankOfScore(t, token);
  }
  if (left.rank != NONE) queuePush(work, ((<u64>left.rank) << 32) | index);
}

/** What merges call the text of an SPM node; NONE. */
function symbolOf(work: Work, n: Node): u32 {
  const text = work.text + n.symbol;
  const length = <u32>(textEnd(work, n) - n.symbol);
  const token = findToken(work.tokenizer, text, length);
  return token != NONE ? token : findHidden(work.tokenizer, text, length, text, 0, false);
}

/** A number that is lower for a higher score: the bits of a float in the order of floats, turned round. */
function rankOfScore(t: Tokenizer, token: u32): u32 {
  if (t.scores == 0) return 0;
  const bits = u32At(t.scores, token);
  const size = bits & 0x7fffffff;
  // No number ranks last; -0 equals 0.
  if (size > 0x7f800000) return NONE - 1;
  if (size == 0) return 0x7fffffff;
  return bits >> 31 ? bits : 0x7fffffff - size;
}
