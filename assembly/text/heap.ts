/**
 * A binary min-heap of u64 keys in memory that the caller owns: the priority queue of merging, and a sort.
 */

import { setU64, u64At } from "../memory/bytes";

/** Adds a key to a heap of `count` keys. */
export function heapPush(heap: usize, count: u32, key: u64): void {
  let at = count;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const other = u64At(heap, parent);
    if (other <= key) break;
    setU64(heap, at, other);
    at = parent;
  }
  setU64(heap, at, key);
}

/** Takes the smallest key out of a heap of `count` > 0 keys. */
export function heapPop(heap: usize, count: u32): u64 {
  const smallest = load<u64>(heap);
  const left = count - 1;
  const key = u64At(heap, left);
  let at: u32 = 0;
  while (true) {
    let child: u32 = 2 * at + 1;
    if (child >= left) break;
    let other = u64At(heap, child);
    if (child + 1 < left) {
      const next = u64At(heap, child + 1);
      if (next < other) {
        other = next;
        child++;
      }
    }
    if (other >= key) break;
    setU64(heap, at, other);
    at = child;
  }
  setU64(heap, at, key);
  return smallest;
}
