/**
 * A trie of tokens' texts: from a text on, all tokens that begin there, byte after byte. The nodes lie in the order of
 * their depth, the children of a node one behind the other in the order of their bytes, so that a node is eight bytes:
 *
 *     ┌ first u32 ┬ value u24 ┬ label u8 ┐        the children of node k are first[k] … first[k + 1] − 1
 *
 * Building takes the texts apart byte after byte, level after level: a node's texts are parted by their next byte, each
 * part being a child's. That is linear in the bytes of the texts, whatever these are; nothing is hashed.
 */
import { allocate, allocateRaw, release, resize } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { HAS_RWKV } from "../parts";
import { NONE, Tokenizer, tokenLength, tokenText } from "./tokenizer";

/** No token ends at a node. */
const NO_VALUE: u32 = 0xff_ffff;
const NODE_SHIFT: usize = 3;
/** Fewer texts than these are sorted by insertion. */
const FEW: u32 = 24;
/** Children beyond these are searched by halves. */
const SIDE_BY_SIDE: u32 = 6;
const WHAT = "looking tokens up by their beginnings";

/** One arena block holds the record and its nodes. */
@unmanaged
export class Trie {
  /** Nodes, the root among them, which is 0. */
  count: u32;
  nodes: usize;
  /** u32[256]: the root's children by their bytes; NONE. */
  roots: usize;
}

@inline
function nodeAt(nodes: usize, node: u32): usize {
  return nodes + ((<usize>node) << NODE_SHIFT);
}

/** The item that ends at a node, as `buildTrie` was given it; NONE. */
@inline
export function valueOf(trie: Trie, node: u32): u32 {
  const value = load<u32>(nodeAt(trie.nodes, node), 4) & NO_VALUE;
  return value == NO_VALUE ? NONE : value;
}

@inline
export function firstChild(trie: Trie, node: u32): u32 {
  return load<u32>(nodeAt(trie.nodes, node));
}

@inline
export function labelOf(trie: Trie, node: u32): u32 {
  return <u32>load<u8>(nodeAt(trie.nodes, node), 7);
}

@inline
export function rootChild(trie: Trie, byte: u32): u32 {
  return u32At(trie.roots, byte);
}

/** The child of a node by its byte; NONE. */
export function childOf(trie: Trie, node: u32, byte: u32): u32 {
  let low = firstChild(trie, node);
  let high = firstChild(trie, node + 1);
  while (high - low > SIDE_BY_SIDE) {
    const middle = (low + high) >> 1;
    if (labelOf(trie, middle) <= byte) low = middle;
    else high = middle;
  }
  for (; low < high; low++) if (labelOf(trie, low) == byte) return low;
  return NONE;
}

/** What a trie is made from and grows in. */
@unmanaged
class Builder {
  tokenizer: Tokenizer;
  /** u32[…]: an item's token; 0: the item is the token. */
  tokens: usize;
  backwards: bool;
  /** u32[count]: the items, and room for as many. */
  items: usize;
  spare: usize;
  /** Where a byte's part of the items begins, for each of 256. */
  starts: usize;
  nodes: usize;
  count: u32;
  capacity: u32;
}

/**
 * The trie of `count` items (u32[], below 2^24, which come into another order): tokens, or numbers of tokens in the
 * list `tokens`. Their texts differ. `backwards`: of the texts from their last byte to the first. 0 with an error set;
 * `release` gives it back.
 */
export function buildTrie(
  core: Core, t: Tokenizer, items: usize, count: u32, tokens: usize, backwards: bool = false,
): usize {
  const scratch = allocateRaw(core, offsetof<Builder>() + 1024 + 4 * <u64>count, WHAT);
  if (scratch == 0) return 0;
  const b = changetype<Builder>(scratch);
  b.tokenizer = t;
  b.tokens = tokens;
  b.backwards = backwards;
  b.items = items;
  b.starts = scratch + offsetof<Builder>();
  b.spare = b.starts + 1024;
  b.capacity = 2 * count + 16;
  b.nodes = allocateRaw(core, (<u64>b.capacity) << NODE_SHIFT, WHAT);
  const trie = b.nodes != 0 && grow(core, b, count) ? keep(core, b) : 0;
  release(core, b.nodes);
  release(core, scratch);
  return trie;
}

/** Makes all nodes. Until its turn comes, a node holds its items: the first, and behind the last. */
function grow(core: Core, b: Builder, count: u32): bool {
  b.count = 1;
  putNode(b, 0, 0, count, 0);
  let level: u32 = 1;
  for (let node: u32 = 0, depth: u32 = 0; node < b.count; node++) {
    if (node == level) {
      depth += 1;
      level = b.count;
    }
    // A node has 256 children at most, and one more is put behind the last.
    if (b.count + 257 > b.capacity) {
      const grown = resize(core, b.nodes, (<u64>(2 * b.capacity + 257)) << NODE_SHIFT, WHAT);
      if (grown == 0) return false;
      b.nodes = grown;
      b.capacity = 2 * b.capacity + 257;
    }
    part(b, node, depth);
  }
  putNode(b, b.count, b.count, NO_VALUE, 0);
  return true;
}

@inline
function putNode(b: Builder, node: u32, first: u32, value: u32, label: u32): void {
  store<u32>(nodeAt(b.nodes, node), first);
  store<u32>(nodeAt(b.nodes, node), value | (label << 24), 4);
}

@inline
function tokenOf(b: Builder, item: u32): u32 {
  return b.tokens == 0 ? item : u32At(b.tokens, item);
}

@inline
function byteAt(b: Builder, item: u32, depth: u32): u32 {
  const token = tokenOf(b, item);
  const at = HAS_RWKV && b.backwards ? tokenLength(b.tokenizer, token) - 1 - depth : depth;
  return <u32>load<u8>(tokenText(b.tokenizer, token) + at);
}

/** Parts the items of a node by their next byte, and adds its children. */
function part(b: Builder, node: u32, depth: u32): void {
  const at = nodeAt(b.nodes, node);
  let low = load<u32>(at);
  const high = load<u32>(at, 4) & NO_VALUE;
  let value = NO_VALUE;
  for (let i = low; i < high; i++) {
    const item = u32At(b.items, i);
    if (tokenLength(b.tokenizer, tokenOf(b, item)) != depth) continue;
    value = item;
    setU32(b.items, i, u32At(b.items, low));
    low += 1;
    break;
  }
  putNode(b, node, b.count, value, load<u8>(at, 7));
  if (high - low < FEW) sortFew(b, low, high, depth);
  else sortMany(b, low, high, depth);
  while (low < high) {
    const byte = byteAt(b, u32At(b.items, low), depth);
    let end = low + 1;
    while (end < high && byteAt(b, u32At(b.items, end), depth) == byte) end++;
    putNode(b, b.count, low, end, byte);
    b.count += 1;
    low = end;
  }
}

function sortFew(b: Builder, low: u32, high: u32, depth: u32): void {
  for (let i = low + 1; i < high; i++) {
    const item = u32At(b.items, i);
    const byte = byteAt(b, item, depth);
    let to = i;
    for (; to > low && byteAt(b, u32At(b.items, to - 1), depth) > byte; to--) {
      setU32(b.items, to, u32At(b.items, to - 1));
    }
    setU32(b.items, to, item);
  }
}

/** Counts each byte, which says where its items begin. */
function sortMany(b: Builder, low: u32, high: u32, depth: u32): void {
  memory.fill(b.starts, 0, 1024);
  for (let i = low; i < high; i++) {
    const item = u32At(b.items, i);
    const byte = byteAt(b, item, depth);
    setU32(b.spare, i, item);
    setU32(b.starts, byte, u32At(b.starts, byte) + 1);
  }
  for (let byte: u32 = 0, start = low; byte < 256; byte++) {
    const count = u32At(b.starts, byte);
    setU32(b.starts, byte, start);
    start += count;
  }
  for (let i = low; i < high; i++) {
    const item = u32At(b.spare, i);
    const byte = byteAt(b, item, depth);
    const to = u32At(b.starts, byte);
    setU32(b.items, to, item);
    setU32(b.starts, byte, to + 1);
  }
}

/** The trie in a block of its own size. */
function keep(core: Core, b: Builder): usize {
  const nodeBytes = (<u64>b.count + 1) << NODE_SHIFT;
  const block = allocate(core, offsetof<Trie>() + 1024 + nodeBytes, WHAT);
  if (block == 0) return 0;
  const trie = changetype<Trie>(block);
  trie.count = b.count;
  trie.roots = block + offsetof<Trie>();
  trie.nodes = trie.roots + 1024;
  memory.copy(trie.nodes, b.nodes, <usize>nodeBytes);
  memory.fill(trie.roots, 0xff, 1024);
  for (let child = firstChild(trie, 0); child < firstChild(trie, 1); child++) {
    setU32(trie.roots, labelOf(trie, child), child);
  }
  return block;
}
