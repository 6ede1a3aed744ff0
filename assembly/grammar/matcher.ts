/**
 * Where in a grammar a text is: places, a state each, with the frames of the rules that it lies in. A text is tried
 * from the places that were settled; only what is taken becomes settled. The twin in src/grammar/matcher.ts does the
 * same.
 *
 *     frames   │ settled │ of the text that is tried
 *     places   settled · before the byte at hand · behind it
 */
import { allocate, allocateRaw, release } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Item, Table, firstItem, isEnd, isPlain, itemTarget, itemWord, openTable } from "./table";

/** Most places at once, frames, and states that are looked at behind one byte. */
export const PLACES: u32 = 1024;
const FRAMES: u32 = 16384;
const VISITED: u32 = 4096;
const LOOP: u32 = 0x8000_0000;
const WITHOUT_END: u32 = 0xffff_ffff;
const FRAME_BYTES: usize = 12;

@unmanaged
export class Matcher {
  core: Core;
  bytes: usize;
  /** (state, frame) u32 each. */
  settled: usize;
  settledCount: u32;
  places: usize;
  count: u32;
  next: usize;
  /** (where to go on, the frame below, turns of a loop) u32 each; the first is the bottom. */
  frames: usize;
  frameCount: u32;
  settledFrames: u32;
  /** Frames from here on were made behind the byte at hand. */
  fresh: u32;
  visited: usize;
  visitedCount: u32;
  list: usize;
  listCount: u32;
  moved: usize;
  /** Whether the text may end: where it is settled, and as it is tried. */
  settledEnds: bool;
  ends: bool;
  /** There were more ways to go on than there is room for: in what is tried, and in any try since it was forgotten. */
  crowded: bool;
  wasCrowded: bool;
  /** Where places lie between walks. */
  ownPlaces: usize;
  table: Table;
}

const RECORD: usize = offsetof<Matcher>();

/** A matcher at the beginning of a grammar, which it copies; 0 with the error set. */
export function createMatcher(core: Core, table: usize, length: u32): Matcher {
  const none = changetype<Matcher>(0);
  const m = changetype<Matcher>(allocate(core, <u64>RECORD + offsetof<Table>(), "a grammar"));
  if (changetype<usize>(m) == 0) return none;
  m.core = core;
  m.table = changetype<Table>(changetype<usize>(m) + RECORD);
  m.bytes = allocateRaw(core, length, "a grammar");
  const room = <usize>PLACES * 8;
  m.settled = allocateRaw(core, 3 * <u64>room + 2 * <u64>VISITED * 8 + <u64>FRAMES * (FRAME_BYTES + 4), "a grammar");
  if (m.bytes == 0 || m.settled == 0) {
    releaseMatcher(m);
    return none;
  }
  m.places = m.settled + room;
  m.next = m.places + room;
  m.visited = m.next + room;
  m.list = m.visited + <usize>VISITED * 8;
  m.frames = m.list + <usize>VISITED * 8;
  m.moved = m.frames + <usize>FRAMES * FRAME_BYTES;
  memory.copy(m.bytes, table, length);
  if (openTable(core, m.table, m.bytes, length) != 0) {
    releaseMatcher(m);
    return none;
  }
  restart(m);
  return m;
}

export function releaseMatcher(m: Matcher): void {
  release(m.core, m.bytes);
  release(m.core, m.settled);
  release(m.core, changetype<usize>(m));
}

/** Goes back to the beginning of the grammar. */
export function restart(m: Matcher): void {
  memory.fill(m.frames, 0, FRAME_BYTES);
  m.frameCount = 1;
  m.fresh = 1;
  m.count = 0;
  m.ends = false;
  m.crowded = false;
  m.wasCrowded = false;
  m.visitedCount = 0;
  m.listCount = 0;
  push(m, 0, 0);
  close(m, m.places);
  settle(m);
}

/** Makes what was tried the place where the text is. */
export function settle(m: Matcher): void {
  memory.copy(m.settled, m.places, (<usize>m.count) << 3);
  m.settledCount = m.count;
  m.settledEnds = m.ends;
  m.settledFrames = m.frameCount;
  if (m.frameCount > FRAMES / 2) compact(m);
}

/** Whether the settled text may not go on. */
export function isComplete(m: Matcher): bool {
  return m.settledEnds && m.settledCount == 0;
}

/** Whether what was tried may not go on. */
export function isOver(m: Matcher): bool {
  return m.ends && m.count == 0;
}

/** Tries what has to follow the settled text, as far as each byte is the only one: writes it, gives its length. */
export function forcedBytes(m: Matcher, target: usize, capacity: u32): u32 {
  tryBytes(m, target, 0);
  for (let length: u32 = 0; length < capacity; length++) {
    const byte = m.ends ? -1 : onlyByte(m);
    if (byte < 0) return length;
    store<u8>(target + length, <u8>byte);
    if (!step(m, <u32>byte)) return 0;
  }
  return capacity;
}

/** The byte that alone may follow what was tried; −1: there is none, or more. */
function onlyByte(m: Matcher): i32 {
  let only = -1;
  for (let i: u32 = 0; i < m.count; i++) {
    const state = u32At(m.places, 2 * i);
    const end = firstItem(m.table, state + 1);
    for (let item = firstItem(m.table, state); item < end; item++) {
      const word = itemWord(m.table, item);
      if ((word & 255) != Item.BYTES) break;
      const byte = <i32>((word >> 8) & 255);
      // A control token (0xFF) is no text.
      if (byte == 255 || byte != <i32>((word >> 16) & 255) || (only >= 0 && byte != only)) return -1;
      only = byte;
    }
  }
  return only;
}

/** Whether bytes may follow the settled text; `settle` takes them then. */
export function tryBytes(m: Matcher, at: usize, length: u32): bool {
  m.frameCount = m.settledFrames;
  m.count = m.settledCount;
  m.ends = m.settledEnds;
  m.crowded = false;
  memory.copy(m.places, m.settled, (<usize>m.count) << 3);
  for (let i: u32 = 0; i < length; i++) if (!step(m, load<u8>(at + i))) return false;
  return true;
}

/** Marks in u8[256] which bytes may be the first of what follows the settled text; gives how many. */
export function markBegins(m: Matcher, marks: usize): u32 {
  memory.fill(marks, 0, 256);
  for (let i: u32 = 0; i < m.settledCount; i++) {
    const state = u32At(m.settled, 2 * i);
    const end = firstItem(m.table, state + 1);
    for (let item = firstItem(m.table, state); item < end; item++) {
      const word = itemWord(m.table, item);
      if ((word & 255) != Item.BYTES) break;
      const first = (word >> 8) & 255;
      memory.fill(marks + first, 1, ((word >> 16) & 255) + 1 - first);
    }
  }
  let count: u32 = 0;
  for (let byte: u32 = 0; byte < 256; byte++) count += load<u8>(marks + byte);
  return count;
}

/** The state behind a byte; below zero: there is none. */
function follow(t: Table, state: u32, byte: u32): i32 {
  const end = firstItem(t, state + 1);
  for (let i = firstItem(t, state); i < end; i++) {
    const word = itemWord(t, i);
    if ((word & 255) != Item.BYTES || ((word >> 8) & 255) > byte) return -1;
    if (((word >> 16) & 255) >= byte) return <i32>itemTarget(t, i);
  }
  return -1;
}

function step(m: Matcher, byte: u32): bool {
  m.fresh = m.frameCount;
  m.visitedCount = 0;
  m.ends = false;
  const before = m.places;
  const count = m.count;
  // Most texts are in one place, and most bytes lead to a state with nothing but bytes.
  if (count == 1) {
    const to = follow(m.table, u32At(before, 0), byte);
    if (to < 0) return false;
    if (isPlain(m.table, <u32>to)) {
      setU32(m.next, 0, <u32>to);
      setU32(m.next, 1, u32At(before, 1));
      m.places = m.next;
      m.next = before;
      return true;
    }
  }
  m.count = 0;
  m.listCount = 0;
  for (let i: u32 = 0; i < count; i++) {
    const to = follow(m.table, u32At(before, 2 * i), byte);
    if (to < 0) continue;
    push(m, <u32>to, u32At(before, 2 * i + 1));
    close(m, m.next);
  }
  m.places = m.next;
  m.next = before;
  if (m.crowded) m.wasCrowded = true;
  return !m.crowded && (m.count > 0 || m.ends);
}

/** Begins a walk over what may follow the settled text; the caller keeps the places: gives how many are there. */
export function beginWalk(m: Matcher, places: usize): u32 {
  m.ownPlaces = min(m.places, m.next);
  m.frameCount = m.settledFrames;
  memory.copy(places, m.settled, (<usize>m.settledCount) << 3);
  return m.settledCount;
}

/** A byte behind places with so many frames; what comes of it is written to `to`, which has room for `PLACES`. */
export function walkOn(m: Matcher, places: usize, count: u32, frames: u32, to: usize, byte: u32): bool {
  m.places = places;
  m.count = count;
  m.frameCount = frames;
  m.next = to;
  m.crowded = false;
  return step(m, byte);
}

export function endWalk(m: Matcher): void {
  m.places = m.ownPlaces;
  m.next = m.ownPlaces + <usize>PLACES * 8;
}

/** Puts a state on the list of those to look at. */
function push(m: Matcher, state: u32, frame: u32): void {
  if (m.listCount == VISITED) {
    m.crowded = true;
    return;
  }
  setU32(m.list, 2 * m.listCount, state);
  setU32(m.list, 2 * m.listCount + 1, frame);
  m.listCount += 1;
}

/** Adds to places what is reached from the list without a byte. */
function close(m: Matcher, places: usize): void {
  const t = m.table;
  while (m.listCount > 0 && !m.crowded) {
    m.listCount -= 1;
    const state = u32At(m.list, 2 * m.listCount);
    const frame = u32At(m.list, 2 * m.listCount + 1);
    if (!visit(m, state, frame)) continue;
    const first = firstItem(t, state);
    const end = firstItem(t, state + 1);
    if (first < end && (itemWord(t, first) & 255) == Item.BYTES) {
      if (m.count == PLACES) {
        m.crowded = true;
        return;
      }
      setU32(places, 2 * m.count, state);
      setU32(places, 2 * m.count + 1, frame);
      m.count += 1;
    }
    for (let i = end; i > first; i--) {
      const word = itemWord(t, i - 1);
      const to = itemTarget(t, i - 1);
      if ((word & 255) == Item.BYTES) break;
      if ((word & 255) == Item.LOOP) round(m, to, frame, 0);
      else
        push(m, word >> 8, isEnd(t, to) && firstItem(t, to) == firstItem(t, to + 1) ? frame : frameOf(m, to, frame, 0));
    }
    if (!isEnd(t, state)) continue;
    if (frame == 0) {
      m.ends = true;
      continue;
    }
    const at = m.frames + <usize>frame * FRAME_BYTES;
    const to = load<u32>(at);
    if (to < LOOP) push(m, to, load<u32>(at, 4));
    else round(m, to - LOOP, load<u32>(at, 4), load<u32>(at, 8) + 1);
  }
}

/** Where a loop may go on that went round so often. */
function round(m: Matcher, loop: u32, below: u32, turns: u32): void {
  const at = m.table.loops + ((<usize>loop) << 4);
  const low = load<u32>(at, 4);
  const high = load<u32>(at, 8);
  if (high == WITHOUT_END && turns > low) turns = low;
  if (turns >= low) push(m, load<u32>(at, 12), below);
  if (turns < high) push(m, load<u32>(at), frameOf(m, LOOP + loop, below, turns));
}

/** Notes a state that is looked at; false when it was already. */
function visit(m: Matcher, state: u32, frame: u32): bool {
  const key = ((<u64>frame) << 32) | state;
  for (let i: u32 = 0; i < m.visitedCount; i++) if (load<u64>(m.visited + ((<usize>i) << 3)) == key) return false;
  if (m.visitedCount == VISITED) {
    m.crowded = true;
    return false;
  }
  store<u64>(m.visited + ((<usize>m.visitedCount) << 3), key);
  m.visitedCount += 1;
  return true;
}

/** A frame: one that this byte has made already, or a new one. */
function frameOf(m: Matcher, to: u32, below: u32, turns: u32): u32 {
  for (let i = m.fresh; i < m.frameCount; i++) {
    const at = m.frames + <usize>i * FRAME_BYTES;
    if (load<u32>(at) == to && load<u32>(at, 4) == below && load<u32>(at, 8) == turns) return i;
  }
  if (m.frameCount == FRAMES) {
    m.crowded = true;
    return 0;
  }
  const at = m.frames + <usize>m.frameCount * FRAME_BYTES;
  store<u32>(at, to);
  store<u32>(at, below, 4);
  store<u32>(at, turns, 8);
  return m.frameCount++;
}

/** Drops the frames that no settled place has; a frame stands behind those below it. */
function compact(m: Matcher): void {
  memory.fill(m.moved, 0, (<usize>m.settledFrames) << 2);
  for (let i: u32 = 0; i < m.settledCount; i++) {
    for (let f = u32At(m.settled, 2 * i + 1); f != 0 && u32At(m.moved, f) == 0; ) {
      setU32(m.moved, f, 1);
      f = load<u32>(m.frames + <usize>f * FRAME_BYTES, 4);
    }
  }
  let count: u32 = 1;
  for (let f: u32 = 1; f < m.settledFrames; f++) {
    if (u32At(m.moved, f) == 0) continue;
    const from = m.frames + <usize>f * FRAME_BYTES;
    const at = m.frames + <usize>count * FRAME_BYTES;
    store<u32>(at, load<u32>(from));
    store<u32>(at, u32At(m.moved, load<u32>(from, 4)), 4);
    store<u32>(at, load<u32>(from, 8), 8);
    setU32(m.moved, f, count++);
  }
  for (let i: u32 = 0; i < m.settledCount; i++) {
    setU32(m.settled, 2 * i + 1, u32At(m.moved, u32At(m.settled, 2 * i + 1)));
  }
  m.settledFrames = count;
}
