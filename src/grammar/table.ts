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
import { GrammarError } from "./errors.ts";
import type { State } from "./net.ts";

export const MAGIC = 0x3154474c;
export const WITHOUT_END = 0xffffffff;

export function encodeTable(states: readonly State[]): Uint8Array<ArrayBuffer> {
  const loops = states.flatMap((state) => state.loops);
  const items = states.reduce((sum, { bytes, calls, loops: own }) => sum + bytes.length + calls.length + own.length, 0);
  if (states.length >= 1 << 24) throw new GrammarError("the grammar has too many states", "size");
  const table = new Uint32Array(4 + states.length + 1 + 2 * items + 4 * loops.length);
  table.set([MAGIC, states.length, items, loops.length]);
  let item = 0;
  let loop = 0;
  const base = 4 + states.length + 1;
  const put = (word: number, to: number): void => {
    table[base + 2 * item] = word;
    table[base + 2 * item + 1] = to;
    item++;
  };
  states.forEach((state, i) => {
    table[4 + i] = (item | (state.end ? 2 ** 31 : 0)) >>> 0;
    for (const [first, last, to] of state.bytes) put((first << 8) | (last << 16), to);
    for (const [begin, to] of state.calls) put(((begin << 8) | 1) >>> 0, to);
    for (const [begin, low, high, to] of state.loops) {
      const at = base + 2 * items + 4 * loop;
      table.set([begin, low, high === Number.POSITIVE_INFINITY ? WITHOUT_END : high, to], at);
      put(2, loop++);
    }
  });
  table[4 + states.length] = item;
  return new Uint8Array(table.buffer);
}
