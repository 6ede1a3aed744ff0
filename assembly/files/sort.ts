/**
 * Sorting and searching lists of record pointers, and comparing bytes. Heap sort: no recursion, no memory, and
 * O(n log n) whatever the file holds.
 */

/** Sorts `count` pointers at `order` by `O.before(a, b)`, where O is an `@unmanaged` tag class. */
export function sortPointers<O>(order: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) siftDown<O>(order, i - 1, count);
  for (let last = count; last > 1; ) {
    last--;
    const largest = load<u32>(order + (<usize>last << 2));
    store<u32>(order + (<usize>last << 2), load<u32>(order));
    store<u32>(order, largest);
    siftDown<O>(order, 0, last);
  }
}

function siftDown<O>(order: usize, start: u32, count: u32): void {
  const by = changetype<O>(0);
  const moving = <usize>load<u32>(order + (<usize>start << 2));
  let hole = start;
  for (;;) {
    let child = (hole << 1) + 1;
    if (child >= count) break;
    if (
      child + 1 < count &&
      by.before(<usize>load<u32>(order + (<usize>child << 2)), <usize>load<u32>(order + (<usize>child << 2), 4))
    ) {
      child++;
    }
    const candidate = <usize>load<u32>(order + (<usize>child << 2));
    if (!by.before(moving, candidate)) break;
    store<u32>(order + (<usize>hole << 2), <u32>candidate);
    hole = child;
  }
  store<u32>(order + (<usize>hole << 2), <u32>moving);
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

/** Writes an ASCII literal as bytes, at most `room` of them; returns how many. */
export function putWords(to: usize, room: u32, words: string): u32 {
  const length = min(<u32>words.length, room);
  for (let i: u32 = 0; i < length; i++) store<u8>(to + i, load<u8>(changetype<usize>(words) + (<usize>i << 1)));
  return length;
}
