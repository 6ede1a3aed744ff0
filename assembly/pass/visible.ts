/**
 * What a token sees of its sequence in the layer at work: rows always come in the order of the list, so that a sum over
 * them does not depend on the batch.
 */
import { Context, Visibility } from "./context";
import { HAS_CHUNKS } from "../parts";
import { setU32 } from "../memory/bytes";
import { List, prefixUpTo } from "../state/rows";

/** The list of an active token's sequence. */
export function listOf(c: Context, activeIndex: u32): List {
  return c.state.list(c.sequence(c.token(activeIndex)), c.stateLayer);
}

/** Whether what every token sees follows one row the other in its list. */
function seesRange(c: Context, list: List): bool {
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
  if (!seesRange(c, list)) return gather(c, list, token, c.ofThread(c.visible, thread), i32.MIN_VALUE);
  return prefixUpTo(list, c.position(token)) - hiddenRows(c, list, token);
}

/** The row indices that go with `seenCount`. */
export function seenRows(c: Context, activeIndex: u32, thread: u32): usize {
  const list = listOf(c, activeIndex);
  if (!seesRange(c, list)) return c.ofThread(c.visible, thread);
  return list.rows + ((<usize>hiddenRows(c, list, c.token(activeIndex))) << 2);
}

/** Rows at the beginning of a sorted list that lie before the token's window. */
function hiddenRows(c: Context, list: List, token: u32): u32 {
  const window = c.state.shape.window;
  if (window == 0 || c.visibility == Visibility.ALL) return 0;
  return prefixUpTo(list, firstSeen(c, c.position(token), window) - 1);
}

/** The first position that a token sees in a layer with a window. */
@inline
function firstSeen(c: Context, position: i32, window: u32): i32 {
  if (HAS_CHUNKS && c.state.shape.isChunked) return position - (position % <i32>window);
  return position - <i32>window + 1;
}

/**
 * Collects what a token sees where that is not a prefix of the list. Whoever attends does so behind KEEP, be it that of
 * a layer before: the rows of the sequence's tokens in the batch are the last of the list, in their order. With
 * `middle` it collects not rows but their positions, and adds that.
 */
function gather(c: Context, list: List, token: u32, visible: usize, middle: i32): u32 {
  const sequence = c.sequence(token);
  const position = c.position(token);
  const masked = c.visibility == Visibility.MASK;
  const window = c.state.shape.window;
  const first: i32 = window == 0 ? i32.MIN_VALUE : firstSeen(c, position, window);
  let before = list.count;
  for (let j: u32 = 0; j < c.tokens && masked; j++) if (c.sequence(j) == sequence) before -= 1;
  let count: u32 = 0;
  for (let i: u32 = 0; i < before; i++) {
    if (list.position(i) > position || list.position(i) < first) continue;
    setU32(visible, count++, middle == i32.MIN_VALUE ? list.row(i) : <u32>(list.position(i) + middle));
  }
  if (!masked) return count;
  const allowed = c.mask + <usize>token * ((c.batchCapacity + 7) >> 3);
  for (let j: u32 = 0; j < c.tokens; j++) {
    if (c.sequence(j) != sequence) continue;
    const index = before++;
    if (!((load<u8>(allowed + (j >> 3)) >> (j & 7)) & 1) || c.position(j) < first) continue;
    setU32(visible, count++, middle == i32.MIN_VALUE ? list.row(index) : <u32>(list.position(index) + middle));
  }
  return count;
}

/**
 * places u32[seen] ← where the distance of each row that a token sees stands in a row of biases: row − token + reach −
 * 1.
 */
export function seenPlaces(c: Context, activeIndex: u32, reach: u32, places: usize): void {
  const list = listOf(c, activeIndex);
  const token = c.token(activeIndex);
  const middle = <i32>reach - 1 - c.position(token);
  if (!seesRange(c, list)) {
    gather(c, list, token, places, middle);
    return;
  }
  const hidden = hiddenRows(c, list, token);
  const end = c.visibility == Visibility.ALL ? list.count : prefixUpTo(list, c.position(token));
  for (let i = hidden; i < end; i++) setU32(places, i - hidden, <u32>(list.position(i) + middle));
}
