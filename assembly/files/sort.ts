/**
 * Sorting lists of record pointers, and comparing bytes. Heap sort: no recursion, no memory, and
 * O(n log n) whatever the file holds.
 */
import { setU32, u32At } from "../memory/bytes";

/** Sorts `count` pointers at `order` by `O.before(a, b)`, where O is an `@unmanaged` tag class. */
export function sortPointers<O>(order: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) siftDown<O>(order, i - 1, count);
  for (let last = count; last > 1; ) {
    last--;
    const largest = u32At(order, last);
    setU32(order, last, u32At(order, 0));
    setU32(order, 0, largest);
    siftDown<O>(order, 0, last);
  }
}

function siftDown<O>(order: usize, start: u32, count: u32): void {
  const by = changetype<O>(0);
  const moving = <usize>u32At(order, start);
  let hole = start;
  for (;;) {
    let child = (hole << 1) + 1;
    if (child >= count) break;
    if (child + 1 < count && by.before(<usize>u32At(order, child), <usize>u32At(order, child + 1))) child++;
    const candidate = <usize>u32At(order, child);
    if (!by.before(moving, candidate)) break;
    setU32(order, hole, <u32>candidate);
    hole = child;
  }
  setU32(order, hole, <u32>moving);
}

/** The order of two byte strings: below, at or above 0 as a lies before, is, or lies behind b. */
export function compareBytes(a: usize, aLength: u32, b: usize, bLength: u32): i32 {
  const common = min(aLength, bLength);
  for (let i: u32 = 0; i < common; i++) {
    const difference = <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
    if (difference != 0) return difference;
  }
  return aLength == bLength ? 0 : aLength < bLength ? -1 : 1;
}
