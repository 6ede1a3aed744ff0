/**
 * Rows that are there already: the tokens of a pass write into those that stand at their positions. What a pass has
 * written over does not come back when it is given up.
 */
import { Context } from "./context";
import { ErrorCode, fail } from "../memory/core";
import { Rows, isShared, prefixUpTo, unshare } from "../state/rows";

/** Whether every layer has a row for each token of the batch, which may be changed. */
export function checkReplaced(c: Context, rows: Rows, tokens: u32): i32 {
  for (let layer: u32 = 0; layer < rows.layers; layer++) {
    let copies: u32 = 0;
    for (let i: u32 = 0; i < tokens; i++) {
      const list = rows.list(c.sequence(i), layer);
      const position = c.position(i);
      const seen = prefixUpTo(list, position);
      if (!list.sorted || seen == 0 || list.position(seen - 1) != position) {
        return fail(c.core, ErrorCode.WRONG_STATE, "the row at position {} is not there to be replaced", position);
      }
      copies += isShared(rows, list.row(seen - 1)) ? 1 : 0;
    }
    if (copies <= rows.room(layer)) continue;
    return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be changed, and no row is free");
  }
  return 0;
}

/** The address of the row of `sequence` at a position, which nobody else sees from now on. */
export function ownRow(rows: Rows, layer: u32, sequence: u32, position: i32): usize {
  const list = rows.list(sequence, layer);
  const index = prefixUpTo(list, position) - 1;
  unshare(rows, layer, list, index);
  return rows.row(list.row(index));
}
