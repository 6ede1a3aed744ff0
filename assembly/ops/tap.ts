/**
 * Taps: values that a host asked for, copied as the pass makes them.
 */
import { Status } from "../memory/core";
import { Context, rowAt, rowOf } from "../pass/context";
import { Step } from "../program/program";

/** f32[layers][batch][n1] of the tap n0 ← the rows of in0 of this layer, by the tokens' places in the batch. */
export function tap(c: Context, s: Step): i32 {
  const target = c.tap(s.n0);
  if (target == 0) return Status.DONE;
  const width = c.program.value(s.in0).width;
  for (let i: u32 = 0; i < c.active; i++) {
    const row = c.layer * c.batchCapacity + c.token(i);
    memory.copy(rowOf(target, row, s.n1), rowAt(c.at(s.in0), i, c.stride(s.in0)), (<usize>width) << 2);
  }
  return Status.DONE;
}
