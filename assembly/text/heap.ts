/**
 * A binary min-heap of u64 keys in memory that the caller owns: the priority queue of merging, and a sort.
 */

/** Adds a key to a heap of `count` keys. */
export function heapPush(heap: usize, count: u32, key: u64): void {
  let at = count;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const other = load<u64>(heap + (<usize>parent << 3));
    if (other <= key) break;
    store<u64>(heap + (<usize>at << 3), other);
    at = parent;
  }
  store<u64>(heap + (<usize>at << 3), key);
}

/** Takes the smallest key out of a heap of `count` > 0 keys. */
export function heapPop(heap: usize, count: u32): u64 {
  const smallest = load<u64>(heap);
  const left = count - 1;
  const key = load<u64>(heap + (<usize>left << 3));
  let at: u32 = 0;
  while (true) {
    let child: u32 = 2 * at + 1;
    if (child >= left) break;
    let other = load<u64>(heap + (<usize>child << 3));
    if (child + 1 < left) {
      const next = load<u64>(heap + (<usize>child << 3), 8);
      if (next < other) {
        other = next;
        child++;
      }
    }
    if (other >= key) break;
    store<u64>(heap + (<usize>at << 3), other);
    at = child;
  }
  store<u64>(heap + (<usize>at << 3), key);
  return smallest;
}
