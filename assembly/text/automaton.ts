/**
 * The automaton of a trie (Aho and Corasick): a text goes through it byte by byte, and after each byte it stands at the
 * longest beginning of any item that the text has just there. Where no child goes on, it falls back to the longest
 * shorter one; a text falls no more often than it has bytes.
 */
import { allocateRaw } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { NONE } from "./tokenizer";
import { childOf, firstChild, labelOf, rootChild, Trie, valueOf } from "./trie";

@unmanaged
export class Automaton {
  trie: Trie;
  /** u32 a node: the node to fall back to. */
  falls: usize;
  /** u32 a node: the node of the longest item that ends here; 0. */
  longest: usize;
}

/** The automaton of a trie, which it keeps; 0 with an error set. `release` gives it back, and the trie by itself. */
export function buildAutomaton(core: Core, trie: Trie): usize {
  const bytes = (<u64>trie.count) << 2;
  const block = allocateRaw(core, offsetof<Automaton>() + 2 * bytes, "looking tokens up by their ends");
  if (block == 0) return 0;
  const a = changetype<Automaton>(block);
  a.trie = trie;
  a.falls = block + offsetof<Automaton>();
  a.longest = a.falls + <usize>bytes;
  setU32(a.falls, 0, 0);
  setU32(a.longest, 0, 0);
  // A node lies behind its parent, and behind all nodes that are nearer to the root.
  for (let node: u32 = 0; node < trie.count; node++) {
    for (let child = firstChild(trie, node); child < firstChild(trie, node + 1); child++) {
      const fall: u32 = node == 0 ? 0 : goOn(a, u32At(a.falls, node), labelOf(trie, child));
      setU32(a.falls, child, fall);
      setU32(a.longest, child, valueOf(trie, child) != NONE ? child : u32At(a.longest, fall));
    }
  }
  return block;
}

/** The longest item that ends where the automaton stands; NONE. */
export function longestItem(a: Automaton, node: u32): u32 {
  const end = u32At(a.longest, node);
  return end == 0 ? NONE : valueOf(a.trie, end);
}

/** Where the automaton stands after one byte more. */
export function goOn(a: Automaton, node: u32, byte: u32): u32 {
  while (node != 0) {
    const child = childOf(a.trie, node, byte);
    if (child != NONE) return child;
    node = u32At(a.falls, node);
  }
  const child = rootChild(a.trie, byte);
  return child == NONE ? 0 : child;
}
