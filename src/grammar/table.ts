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
