/**
 * Rows of state: one pool for all layers of a kind, and for each sequence and layer a list of the rows it sees, with
 * positions. A row's index is not its position.
 *
 *     pool              ┌ block of layer 0 ┬ block of layer 1 ┬ … ┬ free block ┐   a block: up to 64 rows of a layer
 *     row               ┌ what its kind writes (state/kinds.ts) ┐                    index = block · blockRows + place
 *     owners            │ u16 │ u16 │ …      how many lists hold the row; 0: free
 *     free rows (layer) │ u32 stack │        rows of the layer's blocks that nobody holds
 *     free blocks       │ u32 stack │        blocks of no layer
 *     list (seq, layer) │ rows u32[count], positions i32[count] │
 *
 * A layer takes a block when its own are full and gives it back when the last of its rows is dropped, so that layers
 * that keep fewer rows leave memory to others. The rows of a block lie one behind the other: attention reads them as
 * fast as if the layer had one array. An index counts from the pool's first byte in units of rows, so a pool may go on
 * in another piece of memory above it: nothing is copied then.
 *
 * Layers may hold different rows; a row may stand in several lists (a shared prefix costs nothing) and is free again
 * when the last one drops it. Cost of bookkeeping: 6 bytes a row, 8 bytes a list entry and 14 bytes a block.
 *
 * A pool may be shared: it has rows for so many a layer on average, and a layer may have more than another. Its blocks
 * are small then, so that few rows are left over in each layer.
 */
import { HAS_SAMPLERS } from "../parts";
import { StateShape } from "./shape";

/** Rows of a block at most, and of one of a shared pool. */
const BLOCK_ROWS: u32 = 64;
const SHARED_BLOCK_ROWS: u32 = 8;
const LIST_HEADER: usize = 16;

/** What a sequence sees in a layer: row indices, and the position of each. */
@unmanaged
export class List {
  count: u32;
  /** 1 while positions ascend: then what a token sees is a prefix. */
  sorted: u32;
  capacity: u32;

  /** u32[count]: indices into the pool. */
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

/** The rows of all layers of a kind. Layers are counted within the kind here. */
@unmanaged
export class Rows {
  shape: StateShape;
  layers: u32;
  /** Rows that a layer may hold, and the longest list. */
  capacity: u32;
  sequences: u32;
  rowBytes: u32;
  blockRows: u32;
  /** Blocks that a layer may hold. */
  layerBlocks: u32;
  freeBlockCount: u32;
  /** The pool's first byte. */
  pool: usize;
  lists: usize;
  /** u32[layers][layerBlocks · blockRows] */
  free: usize;
  /** u32[layers]: how many rows lie on each free stack, and how many each layer holds. */
  freeCount: usize;
  held: usize;
  /** u32[layers · layerBlocks]: blocks of no layer. */
  freeBlocks: usize;
  /** Of each block: its number in its layer u32, and how many of its rows are held u32. */
  blocks: usize;
  /** u32[layers][layerBlocks]: the block that has a number in its layer, plus 1; 0: none. */
  numbers: usize;
  owners: usize;
  /** Rows that layers share, a layer; 0: each may have `capacity`. And blocks, as who restores rows counts them. */
  shared: u32;
  wantedBlocks: u32;

  /** Blocks of the pool. */
  @inline
  get blockCount(): u32 {
    return blocksIn(this.layers, this.capacity, this.shared);
  }

  @inline
  row(index: u32): usize {
    return this.pool + <usize>index * this.rowBytes;
  }

  @inline
  list(sequence: u32, layer: u32): List {
    const stride = LIST_HEADER + ((<usize>this.capacity) << 3);
    return changetype<List>(this.lists + (<usize>sequence * this.layers + layer) * stride);
  }

  /** Rows that the layer can still take. */
  @inline
  room(layer: u32): u32 {
    return this.capacity - load<u32>(at(this.held, layer));
  }

  /** Where a row stands among those of its layer: below `capacity`. */
  @inline
  placeInLayer(row: u32): u32 {
    const block = row / this.blockRows;
    return load<u32>(at(this.blocks, 2 * block)) * this.blockRows + (row - block * this.blockRows);
  }
}

@inline
function at(base: usize, index: u32): usize {
  return base + ((<usize>index) << 2);
}

/**
 * Blocks of a layer of so many rows, whatever a host asks for; they are equally long, so that few rows of the last
 * are left over.
 */
@inline
function blocksOf(capacity: u32): u32 {
  return capacity / BLOCK_ROWS + (capacity % BLOCK_ROWS ? 1 : 0);
}

@inline
function rowsOfBlock(capacity: u32, shared: u32): u32 {
  if (HAS_SAMPLERS && shared) return SHARED_BLOCK_ROWS;
  const blocks = blocksOf(capacity);
  return capacity / blocks + (capacity % blocks ? 1 : 0);
}

/** Blocks that a layer may hold. */
@inline
function blocksOfLayer(capacity: u32, shared: u32): u32 {
  return HAS_SAMPLERS && shared ? sharedBlocks(capacity) : blocksOf(capacity);
}

@inline
function sharedBlocks(rows: u32): u32 {
  return (rows + SHARED_BLOCK_ROWS - 1) / SHARED_BLOCK_ROWS;
}

/** Of a shared pool: however its rows are shared out, those that lie in the last blocks of layers fit too. */
@inline
function blocksIn(layers: u32, capacity: u32, shared: u32): u32 {
  if (HAS_SAMPLERS && shared) return layers * sharedBlocks(min(shared + SHARED_BLOCK_ROWS - 1, capacity));
  return layers * blocksOf(capacity);
}

/** Bytes of the pool: what the state holds, without bookkeeping. */
export function poolBytes(layers: u32, capacity: u32, rowBytes: u32, shared: u32 = 0): u64 {
  return <u64>blocksIn(layers, capacity, shared) * rowsOfBlock(capacity, shared) * rowBytes;
}

/** Bytes of lists, owners and stacks. */
export function bookkeepingBytes(layers: u32, capacity: u32, sequences: u32, shared: u32 = 0): u64 {
  const blocks = <u64>layers * blocksOfLayer(capacity, shared);
  const perList = <u64>LIST_HEADER + <u64>capacity * 8;
  const rows = <u64>rowsOfBlock(capacity, shared);
  return <u64>sequences * layers * perList + <u64>layers * 8 + blocks * (16 + rows * 6) + 64;
}

/** Lays the bookkeeping out in `memory` (of `bookkeepingBytes`) and frees every row. */
export function initRows(
  r: Rows, shape: StateShape, capacity: u32, sequences: u32, rowBytes: u32, pool: usize, memory: usize, shared: u32 = 0,
): void {
  if (HAS_SAMPLERS) r.shared = shared;
  r.shape = shape;
  r.layers = shape.layers;
  r.capacity = capacity;
  r.sequences = sequences;
  r.rowBytes = rowBytes;
  r.layerBlocks = blocksOfLayer(capacity, shared);
  r.blockRows = rowsOfBlock(capacity, shared);
  r.pool = pool;
  const blocks = r.layers * r.layerBlocks;
  r.lists = (memory + 7) & ~(<usize>7);
  r.free = r.lists + <usize>sequences * r.layers * (LIST_HEADER + ((<usize>capacity) << 3));
  r.freeCount = at(r.free, blocks * r.blockRows);
  r.held = at(r.freeCount, r.layers);
  r.freeBlocks = at(r.held, r.layers);
  r.blocks = at(r.freeBlocks, blocks);
  r.numbers = at(r.blocks, 2 * blocks);
  r.owners = at(r.numbers, blocks);
  clearRows(r);
}

/** Forgets every sequence. */
export function clearRows(r: Rows): void {
  const blocks = r.layers * r.layerBlocks;
  const free = HAS_SAMPLERS ? r.blockCount : blocks;
  // The lowest blocks lie on top of the stack, so that a single sequence fills the pool from its beginning.
  for (let i: u32 = 0; i < free; i++) store<u32>(at(r.freeBlocks, i), free - 1 - i);
  r.freeBlockCount = free;
  memory.fill(r.freeCount, 0, (<usize>r.layers) << 3);
  memory.fill(r.blocks, 0, <usize>blocks * 12);
  memory.fill(r.owners, 0, (<usize>(blocks * r.blockRows)) << 1);
  for (let layer: u32 = 0; layer < r.layers; layer++) {
    for (let sequence: u32 = 0; sequence < r.sequences; sequence++) {
      const list = r.list(sequence, layer);
      list.count = 0;
      list.sorted = 1;
      list.capacity = r.capacity;
    }
  }
}

/** Rows that the fullest layer can still take. */
export function freeRows(r: Rows): u32 {
  let least = r.capacity;
  for (let layer: u32 = 0; layer < r.layers; layer++) least = min(least, r.room(layer));
  return least;
}

/** Whether there are blocks for `tokens` rows more in each layer. */
@inline
export function hasBlocks(r: Rows, tokens: u32): bool {
  if (!HAS_SAMPLERS || r.shared == 0) return true;
  let wanted: u32 = 0;
  for (let layer: u32 = 0; layer < r.layers; layer++) {
    const own = load<u32>(at(r.freeCount, layer));
    if (tokens > own) wanted += sharedBlocks(tokens - own);
  }
  return wanted <= r.freeBlockCount;
}

/** Who restores rows counts those of a layer; whether the pool has blocks for all that were counted. */
export function wantBlocks(r: Rows, rows: u32): bool {
  r.wantedBlocks += sharedBlocks(rows);
  return r.wantedBlocks <= r.blockCount;
}

/**
 * The rows of a layer's only list move to its lowest places, so that the blocks behind them are other layers'. What
 * `scores` (f32[places] or 0) has of them moves with them.
 */
export function compactLayer(r: Rows, layer: u32, list: List, scores: usize): void {
  while (true) {
    const have = load<u32>(at(r.freeCount, layer));
    if (have == 0) return;
    let lowest: u32 = 0;
    for (let i: u32 = 1; i < have; i++) if (freePlace(r, layer, i) < freePlace(r, layer, lowest)) lowest = i;
    let highest: u32 = 0;
    for (let i: u32 = 1; i < list.count; i++) {
      if (r.placeInLayer(list.row(i)) > r.placeInLayer(list.row(highest))) highest = i;
    }
    const old = list.row(highest);
    const from = at(scores, r.placeInLayer(old));
    const place = freePlace(r, layer, lowest);
    if (place > r.placeInLayer(old)) return;
    // It is taken from the top of the stack.
    const target = freeAt(r, layer, lowest);
    const top = freeAt(r, layer, have - 1);
    const row = load<u32>(target);
    store<u32>(target, load<u32>(top));
    store<u32>(top, row);
    takeRow(r, layer);
    memory.copy(r.row(row), r.row(old), r.rowBytes);
    if (scores) {
      store<f32>(at(scores, place), load<f32>(from));
      store<f32>(from, 0);
    }
    disown(r, layer, old);
    list.set(highest, row, list.position(highest));
  }
}

@inline
function freePlace(r: Rows, layer: u32, index: u32): u32 {
  return r.placeInLayer(load<u32>(freeAt(r, layer, index)));
}

/**
 * Gives `sequence` a new row at `position`, at the end of its list. Returns the list index; the caller knows there is
 * room.
 */
export function appendRow(r: Rows, layer: u32, sequence: u32, position: i32): u32 {
  return append(r.list(sequence, layer), takeRow(r, layer), position);
}

/** Drops the rows of `sequence` whose positions lie in [from, to) in a layer. */
export function dropRows(r: Rows, sequence: u32, layer: u32, from: i32, to: i32): void {
  const list = r.list(sequence, layer);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position >= from && position < to) disown(r, layer, list.row(i));
    else list.set(kept++, list.row(i), position);
  }
  list.count = kept;
  if (kept == 0) list.sorted = 1;
}

/** Cuts a list back to its first `count` entries. */
export function truncateList(r: Rows, sequence: u32, layer: u32, count: u32): void {
  const list = r.list(sequence, layer);
  while (list.count > count) {
    list.count -= 1;
    disown(r, layer, list.row(list.count));
  }
  // What is in order stays so.
  if (!list.sorted) checkOrder(list);
}

/** Drops the entries of a list whose byte in kept u8[count] is 0. */
export function dropUnmarked(r: Rows, sequence: u32, layer: u32, kept: usize): void {
  const list = r.list(sequence, layer);
  let count: u32 = 0;
  for (let i: u32 = 0; i < list.count; i++) {
    if (load<u8>(kept + i)) list.set(count++, list.row(i), list.position(i));
    else disown(r, layer, list.row(i));
  }
  list.count = count;
}

/** Whether more than one list holds the row. */
export function isShared(r: Rows, row: u32): bool {
  return load<u16>(ownerAt(r, row)) > 1;
}

/** Rows of a layer that would be free if `sequence` had none: those that only its list holds are its to give. */
export function freeRowsWithout(r: Rows, layer: u32, sequence: u32): u32 {
  const list = r.list(sequence, layer);
  let count = r.room(layer);
  for (let i: u32 = 0; i < list.count; i++) if (load<u16>(ownerAt(r, list.row(i))) == 1) count += 1;
  return count;
}

/**
 * Whether `to` has room in a layer for the rows of `from` whose positions lie in [begin, end).
 */
export function canShare(r: Rows, layer: u32, from: u32, to: u32, begin: i32, end: i32): bool {
  const source = r.list(from, layer);
  let room = r.capacity - r.list(to, layer).count;
  for (let i: u32 = 0; i < source.count; i++) {
    const position = source.position(i);
    if (position < begin || position >= end) continue;
    if (room == 0 || load<u16>(ownerAt(r, source.row(i))) == u16.MAX_VALUE) return false;
    room -= 1;
  }
  return true;
}

/** Lets `to` see the rows of `from` in a layer whose positions lie in [begin, end): shared, not copied. */
export function shareRows(r: Rows, layer: u32, from: u32, to: u32, begin: i32, end: i32): void {
  const source = r.list(from, layer);
  const target = r.list(to, layer);
  for (let i: u32 = 0; i < source.count; i++) {
    const position = source.position(i);
    if (position < begin || position >= end) continue;
    const owner = ownerAt(r, source.row(i));
    store<u16>(owner, load<u16>(owner) + 1);
    append(target, source.row(i), position);
  }
}

/** Whether all entries of a list at positions [from, to) can get rows of their own. */
export function canUnshare(r: Rows, layer: u32, list: List, from: i32, to: i32): bool {
  let left = r.room(layer);
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to || load<u16>(ownerAt(r, list.row(i))) == 1) continue;
    if (left == 0) return false;
    left -= 1;
  }
  return true;
}

/**
 * Gives entry `index` a row of its own when it shares one, so that the row may be changed. False when no row is free.
 */
export function unshare(r: Rows, layer: u32, list: List, index: u32): bool {
  const shared = list.row(index);
  if (load<u16>(ownerAt(r, shared)) <= 1) return true;
  if (r.room(layer) == 0) return false;
  const row = takeRow(r, layer);
  memory.copy(r.row(row), r.row(shared), r.rowBytes);
  disown(r, layer, shared);
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

/** A free row of the layer, held once from now on; a block is taken when the layer's own are full. */
function takeRow(r: Rows, layer: u32): u32 {
  const count = at(r.freeCount, layer);
  if (load<u32>(count) == 0) takeBlock(r, layer);
  const left = load<u32>(count) - 1;
  store<u32>(count, left);
  const row = load<u32>(freeAt(r, layer, left));
  store<u16>(ownerAt(r, row), 1);
  addTo(at(r.held, layer), 1);
  addTo(usedAt(r, row / r.blockRows), 1);
  return row;
}

/** A free block becomes the layer's, under the lowest number that is free there. */
function takeBlock(r: Rows, layer: u32): void {
  const block = load<u32>(at(r.freeBlocks, --r.freeBlockCount));
  let number: u32 = 0;
  while (load<u32>(numberAt(r, layer, number))) number += 1;
  store<u32>(numberAt(r, layer, number), block + 1);
  store<u32>(at(r.blocks, 2 * block), number);
  // The last block of a layer may be longer than what is left of its capacity.
  const rows = min(r.blockRows, r.capacity - number * r.blockRows);
  const first = block * r.blockRows;
  for (let i: u32 = 0; i < rows; i++) store<u32>(freeAt(r, layer, i), first + rows - 1 - i);
  store<u32>(at(r.freeCount, layer), rows);
}

function disown(r: Rows, layer: u32, row: u32): void {
  const owner = ownerAt(r, row);
  const left = <u32>load<u16>(owner) - 1;
  store<u16>(owner, <u16>left);
  if (left != 0) return;
  const count = at(r.freeCount, layer);
  const have = load<u32>(count);
  store<u32>(freeAt(r, layer, have), row);
  store<u32>(count, have + 1);
  addTo(at(r.held, layer), -1);
  const block = row / r.blockRows;
  addTo(usedAt(r, block), -1);
  if (load<u32>(usedAt(r, block)) == 0) giveBlock(r, layer, block);
}

/** The layer's free rows lose those of a block, which is of no layer from now on. */
function giveBlock(r: Rows, layer: u32, block: u32): void {
  const count = at(r.freeCount, layer);
  let kept: u32 = 0;
  for (let i: u32 = 0, have = load<u32>(count); i < have; i++) {
    const row = load<u32>(freeAt(r, layer, i));
    if (row / r.blockRows != block) store<u32>(freeAt(r, layer, kept++), row);
  }
  store<u32>(count, kept);
  store<u32>(numberAt(r, layer, load<u32>(at(r.blocks, 2 * block))), 0);
  store<u32>(at(r.freeBlocks, r.freeBlockCount++), block);
}

@inline
function addTo(address: usize, value: i32): void {
  store<i32>(address, load<i32>(address) + value);
}

@inline
function ownerAt(r: Rows, row: u32): usize {
  return r.owners + ((<usize>row) << 1);
}

@inline
function usedAt(r: Rows, block: u32): usize {
  return at(r.blocks, 2 * block + 1);
}

@inline
function numberAt(r: Rows, layer: u32, number: u32): usize {
  return at(r.numbers, layer * r.layerBlocks + number);
}

@inline
function freeAt(r: Rows, layer: u32, index: u32): usize {
  return at(r.free, layer * r.layerBlocks * r.blockRows + index);
}
