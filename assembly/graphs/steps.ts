/** A step by itself: all of it, or some of the rows of what it gives. */
import { run } from "./families";
import { Graph, GraphStep } from "./records";

/** What a value of an operator counts beside its multiply-adds. */
export const VALUE: u64 = 4;

/**
 * Runs a step from the row at `row` (u32) on, at most about `left` multiply-adds; the row is 0 again where the step is
 * done. The work that was done; below zero: an error.
 */
export function advance(g: Graph, step: GraphStep, row: usize, left: u64): i32 {
  if (!step.runs) return 1;
  let work = step.macs;
  for (let i: u32 = 0; i < step.outputCount; i++) work += g.output(step, i).count * VALUE;
  const rows = step.rows, begin = load<u32>(row);
  const each = max(work / rows, 1);
  const end = <u32>min(<u64>rows, <u64>begin + max(left / each, 1));
  const status = run(g, step, begin, end);
  if (status < 0) return status;
  store<u32>(row, end == rows ? 0 : end);
  return <i32>min(each * (end - begin), 0x7fff_ffff);
}
