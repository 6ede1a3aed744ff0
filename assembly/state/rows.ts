/**
 * The cache: for each layer a pool of rows, and for each sequence and layer a list of the rows it sees, with positions.
 *
 *     pool of a layer   ┌ row 0 ┬ row 1 ┬ row 2 ┬ … capacity    a row: what the architecture writes (
   K|V or latent|rope key,
 )
 *     owners of a layer │ u16   │ u16   │ u16   │               how many lists hold the row; 0: free
 *     free rows         │ u32 stack                             rows nobody holds
 *     list (seq, layer) │ rows u32[count], positions i32[count]       a row's index is not its position
 *
 * Layers may hold different rows; a row may stand in several lists (a shared prefix costs nothing) and is free again
 * when the last one drops it. What a row is made of is known to `models/cache_rows.ts` alone.
 *
 * Cost of bookkeeping: 6 bytes a row and 8 bytes a list entry.
 */

/** What a sequence sees in a layer: row indices, and the position of each. */
@unmanaged
export class List {
  count: u32;
  /** 1 while positions ascend: then what a token sees is a prefix. */
  sorted: u32;
  capacity: u32;

  /** u32[count]: indices into the layer's pool. */
  @inline
  get rows(): usize {
    return changetype<usize>(this) + LIST_HEADER;
  }

  /** i32[count] */
  @inline
  get positions(): usize {
    return this.rows + ((<usize>this.capacity) << 2);
  }

  @inline
  row(index: u32): u32 {
    return load<u32>(this.rows + ((<usize>index) << 2));
  }

  @inline
  position(index: u32): i32 {
    return load<i32>(this.positions + ((<usize>index) << 2));
  }

  @inline
  set(index: u32, row: u32, position: i32): void {
    store<u32>(this.rows + ((<usize>index) << 2), row);
    store<i32>(this.positions + ((<usize>index) << 2), position);
  }
}

const LIST_HEADER: usize = 16;

@unmanaged
export class Cache {
  layers: u32;
  /** Rows of a layer's pool, and the longest list. */
  capacity: u32;
  sequences: u32;
  rowBytes: u32;
  pools: usize;
  owners: usize;
  free: usize;
  /** u32[layers]: how many rows lie on each free stack. */
  freeCount: usize;
  lists: usize;

  /** First row of a layer's pool. */
  @inline
  pool(layer: u32): usize {
    return this.pools + <usize>layer * this.capacity * this.rowBytes;
  }

  @inline
  row(layer: u32, index: u32): usize {
    return this.pool(layer) + <usize>index * this.rowBytes;
  }

  @inline
  list(sequence: u32, layer: u32): List {
    const stride = LIST_HEADER + ((<usize>this.capacity) << 3);
    return changetype<List>(this.lists + (<usize>sequence * this.layers + layer) * stride);
  }
}

/** Bytes of the pools: what the cache holds, without bookkeeping. */
export function poolBytes(layers: u32, capacity: u32, rowBytes: u32): u64 {
  return <u64>layers * capacity * rowBytes;
}

/** Bytes of owners, free stacks and lists. */
export function bookkeepingBytes(layers: u32, capacity: u32, sequences: u32): u64 {
  const perLayer = <u64>capacity * 6 + 4;
  const perList = <u64>LIST_HEADER + <u64>capacity * 8;
  return <u64>layers * perLayer + <u64>sequences * layers * perList + 64;
}

/** Lays the bookkeeping out in `memory` (of `bookkeepingBytes`) and frees every row. */
export function initCache(cache: Cache, pools: usize, memory: usize): void {
  const rows = <usize>cache.layers * cache.capacity;
  cache.pools = pools;
  cache.lists = (memory + 7) & ~(<usize>7);
  cache.free = cache.lists + <usize>cache.sequences * cache.layers * (LIST_HEADER + ((<usize>cache.capacity) << 3));
  cache.freeCount = cache.free + rows * 4;
  cache.owners = cache.freeCount + <usize>cache.layers * 4;
  clearCache(cache);
}

/** Forgets every sequence. */
export function clearCache(cache: Cache): void {
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    for (let i: u32 = 0; i < cache.capacity; i++) {
      // The lowest rows lie on top of the stack, so that a single sequence fills the pool from its beginning.
      store<u32>(freeSlot(cache, layer, i), cache.capacity - 1 - i);
      store<u16>(ownerSlot(cache, layer, i), 0);
    }
    store<u32>(cache.freeCount + ((<usize>layer) << 2), cache.capacity);
    for (let sequence: u32 = 0; sequence < cache.sequences; sequence++) {
      const list = cache.list(sequence, layer);
      list.count = 0;
      list.sorted = 1;
      list.capacity = cache.capacity;
    }
  }
}

/** Rows that are free in the fullest layer. */
export function freeRows(cache: Cache): u32 {
  let least = cache.capacity;
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const count = load<u32>(cache.freeCount + ((<usize>layer) << 2));
    if (count < least) least = count;
  }
  return least;
}

/**
 * Gives `sequence` a new row at `position`, at the end of its list. Returns the list index; the caller knows there is
 * room.
 */
export function appendRow(cache: Cache, layer: u32, sequence: u32, position: i32): u32 {
  const count = cache.freeCount + ((<usize>layer) << 2);
  const left = load<u32>(count) - 1;
  store<u32>(count, left);
  const row = load<u32>(freeSlot(cache, layer, left));
  store<u16>(ownerSlot(cache, layer, row), 1);
  return append(cache.list(sequence, layer), row, position);
}

/** Drops the rows of `sequence` whose positions lie in [from, to), in layers [firstLayer, endLayer). */
export function dropRows(cache: Cache, sequence: u32, from: i32, to: i32, firstLayer: u32, endLayer: u32): void {
  for (let layer = firstLayer; layer < endLayer; layer++) {
    const list = cache.list(sequence, layer);
    let kept: u32 = 0;
    for (let i: u32 = 0; i < list.count; i++) {
      const position = list.position(i);
      if (position >= from && position < to) disown(cache, layer, list.row(i));
      else list.set(kept++, list.row(i), position);
    }
    list.count = kept;
    if (kept == 0) list.sorted = 1;
  }
}

/** Cuts a list back to its first `count` entries. */
export function truncateList(cache: Cache, sequence: u32, layer: u32, count: u32): void {
  const list = cache.list(sequence, layer);
  while (list.count > count) {
    list.count -= 1;
    disown(cache, layer, list.row(list.count));
  }
  checkOrder(list);
}

/** Rows of a layer that would be free if `sequence` had none: those that only its list holds are its to give. */
export function freeRowsWithout(cache: Cache, layer: u32, sequence: u32): u32 {
  const list = cache.list(sequence, layer);
  let count = load<u32>(cache.freeCount + ((<usize>layer) << 2));
  for (let i: u32 = 0; i < list.count; i++) {
    if (load<u16>(ownerSlot(cache, layer, list.row(i))) == 1) count += 1;
  }
  return count;
}

/**
 * Lets `to` see the rows of `from` whose positions lie in [begin, end): shared, not copied. False, and nothing has
 * changed, when `to` has no room.
 */
export function shareRows(cache: Cache, from: u32, to: u32, begin: i32, end: i32): bool {
  if (from == to) return true;
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const source = cache.list(from, layer);
    let room = cache.capacity - cache.list(to, layer).count;
    for (let i: u32 = 0; i < source.count; i++) {
      const position = source.position(i);
      if (position < begin || position >= end) continue;
      if (room == 0 || load<u16>(ownerSlot(cache, layer, source.row(i))) == u16.MAX_VALUE) return false;
      room -= 1;
    }
  }
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const source = cache.list(from, layer);
    const target = cache.list(to, layer);
    for (let i: u32 = 0; i < source.count; i++) {
      const position = source.position(i);
      if (position < begin || position >= end) continue;
      const owner = ownerSlot(cache, layer, source.row(i));
      store<u16>(owner, load<u16>(owner) + 1);
      append(target, source.row(i), position);
    }
  }
  return true;
}

/** Whether all entries of a list at positions [from, to) can get rows of their own. */
export function canUnshare(cache: Cache, layer: u32, list: List, from: i32, to: i32): bool {
  let left = load<u32>(cache.freeCount + ((<usize>layer) << 2));
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to || load<u16>(ownerSlot(cache, layer, list.row(i))) == 1) continue;
    if (left == 0) return false;
    left -= 1;
  }
  return true;
}

/**
 * Gives entry `index` a row of its own when it shares one, so that the row may be changed. False when no row is free.
 */
export function unshare(cache: Cache, layer: u32, list: List, index: u32): bool {
  const shared = list.row(index);
  if (load<u16>(ownerSlot(cache, layer, shared)) <= 1) return true;
  const count = cache.freeCount + ((<usize>layer) << 2);
  const have = load<u32>(count);
  if (have == 0) return false;
  store<u32>(count, have - 1);
  const row = load<u32>(freeSlot(cache, layer, have - 1));
  store<u16>(ownerSlot(cache, layer, row), 1);
  memory.copy(cache.row(layer, row), cache.row(layer, shared), cache.rowBytes);
  disown(cache, layer, shared);
  list.set(index, row, list.position(index));
  return true;
}

/** Sets `sorted` anew after positions were changed. */
export function checkOrder(list: List): void {
  list.sorted = 1;
  for (let i: u32 = 1; i < list.count; i++) {
    if (list.position(i) < list.position(i - 1)) list.sorted = 0;
  }
}

/** Entries of a sorted list whose positions are at most `position`. */
export function prefixUpTo(list: List, position: i32): u32 {
  let low: u32 = 0;
  let high = list.count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list.position(middle) <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

function append(list: List, row: u32, position: i32): u32 {
  const index = list.count;
  if (index > 0 && list.position(index - 1) > position) list.sorted = 0;
  list.set(index, row, position);
  list.count = index + 1;
  return index;
}

function disown(cache: Cache, layer: u32, row: u32): void {
  const owner = ownerSlot(cache, layer, row);
  const left = <u32>load<u16>(owner) - 1;
  store<u16>(owner, <u16>left);
  if (left != 0) return;
  const count = cache.freeCount + ((<usize>layer) << 2);
  const have = load<u32>(count);
  store<u32>(freeSlot(cache, layer, have), row);
  store<u32>(count, have + 1);
}

@inline
function ownerSlot(cache: Cache, layer: u32, row: u32): usize {
  return cache.owners + ((<usize>layer * cache.capacity + row) << 1);
}

@inline
function freeSlot(cache: Cache, layer: u32, index: u32): usize {
  return cache.free + ((<usize>layer * cache.capacity + index) << 2);
}
