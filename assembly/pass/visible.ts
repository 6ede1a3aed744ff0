/**
 * What a token sees of its sequence in the layer at work: rows always come in the order of the list, so that a sum over
 * them does not depend on the batch.
 */
import { Context, Visibility } from "./context";
import { setU32, u32At } from "../memory/bytes";
import { List, prefixUpTo } from "../state/rows";

/** The list of an active token's sequence. */
export function listOf(c: Context, activeIndex: u32): List {
  return c.state.list(c.sequence(c.token(activeIndex)), c.stateLayer);
}

/** Whether what every token sees is a prefix of its list. */
function seesPrefix(c: Context, list: List): bool {
  return c.visibility == Visibility.ALL || (c.visibility == Visibility.CAUSAL && list.sorted != 0);
}

/**
 * The rows that an active token sees: sets `seenRows` (u32 indices into the pool) and returns how many. `thread`: who
 * asks.
 */
export function seenCount(c: Context, activeIndex: u32, thread: u32): u32 {
  const list = listOf(c, activeIndex);
  if (c.visibility == Visibility.ALL) return list.count;
  const token = c.token(activeIndex);
  if (seesPrefix(c, list)) return prefixUpTo(list, c.position(token));
  return gather(c, list, token, c.ofThread(c.visible, thread));
}

/** The row indices that go with `seenCount`. */
export function seenRows(c: Context, activeIndex: u32, thread: u32): usize {
  const list = listOf(c, activeIndex);
  return seesPrefix(c, list) ? list.rows : c.ofThread(c.visible, thread);
}

/** Collects what a token sees where that is not a prefix of the list. */
function gather(c: Context, list: List, token: u32, visible: usize): u32 {
  const sequence = c.sequence(token);
  const before = u32At(c.lengthsBefore, sequence * c.program.layerCount + c.layer);
  const position = c.position(token);
  const masked = c.visibility == Visibility.MASK;
  let count: u32 = 0;
  for (let i: u32 = 0; i < list.count; i++) {
    if (masked && i >= before) break;
    if (list.position(i) > position) continue;
    setU32(visible, count++, list.row(i));
  }
  if (!masked) return count;
  const allowed = c.mask + <usize>token * ((c.batchCapacity + 7) >> 3);
  for (let j: u32 = 0; j < c.tokens; j++) {
    if (c.sequence(j) != sequence || !((load<u8>(allowed + (j >> 3)) >> (j & 7)) & 1)) continue;
    setU32(visible, count++, list.row(u32At(c.listIndex, j)));
  }
  return count;
}
