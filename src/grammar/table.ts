/**
 * A grammar as a table of bytes, which the core and the matcher of this folder walk. Little-endian u32:
 *
 *     "LGT1" · states · items · loops
 *     states + 1 × (first item | end << 31)
 *     items      × (kind 0: bytes first << 8 | last << 16; kind 1: a call, state << 8; kind 2: a loop) · to
 *     loops      × (state · low · high, 0xffffffff without end · to)
 *
 * A state's bytes stand in rising order in front of its calls and loops. `to` of a loop is its number.
 */
import { bytes as bytesArgument } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { GrammarError } from "./errors.ts";
import type { State } from "./net.ts";

export const MAGIC = 0x3154474c;
export const WITHOUT_END = 0xffffffff;

export function encodeTable(states: readonly State[]): Uint8Array<ArrayBuffer> {
  let items = 0;
  let loopCount = 0;
  for (const { bytes, calls, loops } of states) {
    items += bytes.length / 3 + calls.length / 2 + loops.length / 4;
    loopCount += loops.length / 4;
  }
  if (states.length >= 1 << 24) throw new GrammarError("the grammar has too many states", "size");
  const table = new Uint32Array(4 + states.length + 1 + 2 * items + 4 * loopCount);
  table.set([MAGIC, states.length, items, loopCount]);
  let item = 4 + states.length + 1;
  const begin = item;
  const endOfItems = begin + 2 * items;
  let loop = 0;
  const put = (word: number, to: number): void => {
    table[item++] = word;
    table[item++] = to;
  };
  for (let i = 0; i < states.length; i++) {
    const { bytes, calls, loops, end } = states[i];
    table[4 + i] = ((item - begin) / 2 + (end ? 2 ** 31 : 0)) >>> 0;
    for (let k = 0; k < bytes.length; k += 3) put((bytes[k] << 8) | (bytes[k + 1] << 16), bytes[k + 2]);
    for (let k = 0; k < calls.length; k += 2) put(((calls[k] << 8) | 1) >>> 0, calls[k + 1]);
    for (let k = 0; k < loops.length; k += 4) {
      const at = endOfItems + 4 * loop;
      const high = loops[k + 2] === Number.POSITIVE_INFINITY ? WITHOUT_END : loops[k + 2];
      table.set([loops[k], loops[k + 1], high, loops[k + 3]], at);
      put(2, loop++);
    }
  }
  table[4 + states.length] = items;
  return new Uint8Array(table.buffer);
}

/** A copy of a table, in which nothing leads out of it; `LimpetError` BAD_FILE when it is none. The core's own check. */
export function verifiedTable(given: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(bytesArgument("table", given));
  if (bytes.length < 16 || bytes.length % 4 !== 0 || !isTable(new Uint32Array(bytes.buffer))) {
    throw new LimpetError("BAD_FILE", "this is no table of a grammar; make one with `limpet grammar SCHEMA -o TABLE`");
  }
  return bytes;
}

function isTable(table: Uint32Array): boolean {
  const [magic, states, items, loops] = table;
  const base = 4 + states + 1;
  if (magic !== MAGIC || states === 0 || states >= 2 ** 24) return false;
  if (base + 2 * items + 4 * loops !== table.length) return false;
  const first = (state: number): number => table[4 + state] & 0x7fffffff;
  if (first(0) !== 0 || first(states) !== items) return false;
  for (let state = 0; state < states; state++) {
    if (first(state + 1) < first(state) || first(state + 1) > items) return false;
    if (!areItems(table.subarray(base + 2 * first(state), base + 2 * first(state + 1)), states, loops)) return false;
  }
  for (let at = base + 2 * items; at < table.length; at += 4) {
    const [state, low, high, to] = table.subarray(at, at + 4);
    if (state >= states || to >= states || high === 0 || low > high) return false;
  }
  return true;
}

/** Whether the items of a state lead to states and loops, its bytes in rising order in front. */
function areItems(items: Uint32Array, states: number, loops: number): boolean {
  let least = 0;
  for (let i = 0; i < items.length; i += 2) {
    const [word, to] = items.subarray(i, i + 2);
    const kind = word & 255;
    if (kind === 0) {
      const [first, last] = [(word >> 8) & 255, (word >> 16) & 255];
      if (first < least || last < first || to >= states) return false;
      least = last + 1;
    } else {
      least = 256;
      if (kind === 1 ? word >>> 8 >= states || to >= states : kind !== 2 || to >= loops) return false;
    }
  }
  return true;
}
