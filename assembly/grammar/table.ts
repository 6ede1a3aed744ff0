/**
 * A grammar as a table: what src/grammar/ compiles, and what a file may hold. It is verified once, then nothing that
 * walks it looks again. Little-endian u32:
 *
 *     "LGT1" · states · items · loops
 *     states + 1 × (first item | end << 31)
 *     items      × (kind 0: bytes first << 8 | last << 16; kind 1: a call, state << 8; kind 2: a loop) · to
 *     loops      × (state · low · high, 0xffffffff without end · to)
 *
 * A state's bytes stand in rising order in front of its calls and loops; `to` of a loop is its number.
 */
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";

const MAGIC: u32 = 0x3154474c;
const HEADER: u32 = 4;

export namespace Item {
  export const BYTES: u32 = 0;
  export const CALL: u32 = 1;
  export const LOOP: u32 = 2;
}

/** Where the parts of a table are. */
@unmanaged
export class Table {
  states: u32;
  starts: usize;
  items: usize;
  loops: usize;
}

/** Status 0 when these bytes are a table, whose parts are then known; BAD_FILE when they are none. */
export function openTable(core: Core, t: Table, bytes: usize, length: u32): i32 {
  if (length < 16 || (length & 3) != 0 || u32At(bytes, 0) != MAGIC) return broken(core);
  const states = u32At(bytes, 1);
  const items = u32At(bytes, 2);
  const loops = u32At(bytes, 3);
  if (states == 0 || states >= 1 << 24 || items >= 1 << 28 || loops >= 1 << 26) return broken(core);
  if (<u64>HEADER + states + 1 + 2 * <u64>items + 4 * <u64>loops != <u64>(length >> 2)) return broken(core);
  t.states = states;
  t.starts = bytes + HEADER * 4;
  t.items = t.starts + ((<usize>states + 1) << 2);
  t.loops = t.items + ((<usize>items) << 3);
  if (firstItem(t, 0) != 0 || firstItem(t, states) != items) return broken(core);
  for (let s: u32 = 0; s < states; s++) if (!isState(t, s, items, loops)) return broken(core);
  for (let i: u32 = 0; i < loops; i++) {
    if (u32At(t.loops, 4 * i) >= states || u32At(t.loops, 4 * i + 3) >= states) return broken(core);
    if (u32At(t.loops, 4 * i + 2) == 0 || u32At(t.loops, 4 * i + 1) > u32At(t.loops, 4 * i + 2)) return broken(core);
  }
  return 0;
}

function broken(core: Core): i32 {
  return fail(
    core, ErrorCode.BAD_FILE, "this is no table of a grammar; make one with `limpet grammar SCHEMA -o TABLE`",
  );
}

function isState(t: Table, state: u32, items: u32, loops: u32): bool {
  const end = firstItem(t, state + 1);
  if (end < firstItem(t, state) || end > items) return false;
  let least: u32 = 0;
  let bytes = true;
  for (let i = firstItem(t, state); i < end; i++) {
    const word = itemWord(t, i);
    const kind = word & 255;
    const to = itemTarget(t, i);
    if (kind == Item.BYTES) {
      const first = (word >> 8) & 255;
      const last = (word >> 16) & 255;
      if (!bytes || first < least || last < first || to >= t.states) return false;
      least = last + 1;
      continue;
    }
    bytes = false;
    if (kind == Item.CALL ? word >> 8 >= t.states || to >= t.states : kind != Item.LOOP || to >= loops) return false;
  }
  return true;
}

@inline
export function firstItem(t: Table, state: u32): u32 {
  return u32At(t.starts, state) & 0x7fff_ffff;
}

@inline
export function isEnd(t: Table, state: u32): bool {
  return u32At(t.starts, state) >> 31 != 0;
}

/** Whether a state does nothing but read bytes. */
@inline
export function isPlain(t: Table, state: u32): bool {
  const end = firstItem(t, state + 1);
  return !isEnd(t, state) && end > firstItem(t, state) && (itemWord(t, end - 1) & 255) == Item.BYTES;
}

@inline
export function itemWord(t: Table, item: u32): u32 {
  return load<u32>(t.items + ((<usize>item) << 3));
}

@inline
export function itemTarget(t: Table, item: u32): u32 {
  return load<u32>(t.items + ((<usize>item) << 3), 4);
}
