/**
 * How a step that may be long is cut: into slices, so that a host has a turn, and among threads. Splitting changes no
 * bits: every output is summed on its own, in one order. While a thread is late a step answers MORE and is entered
 * again where it was, so a job must be such that it can be done twice: it writes on nothing that it reads.
 */
import { Context } from "../pass/context";
import { grainOf, share } from "../pass/threads";
import { Step } from "../program/program";
import { GROUP_ROWS } from "../weights/weight";

/** Rows of a unit of a matrix: groups by two, so that threads do not share a line of the cache. */
export const UNIT_ROWS: u32 = 2 * GROUP_ROWS;

/** Runs units 0 … total − 1 of a job of the step at work on all threads. False: a thread is late. */
@inline
export function shared(c: Context, s: Step, job: u32, total: u32, grain: u32): bool {
  return share(c.threads, job, changetype<usize>(c), changetype<usize>(s), total, grain);
}

/**
 * How many of the rows, units or heads left may be done now, at `cost` multiply-adds each: whole groups of `group`, at
 * least one, charged to `work`.
 */
export function unitsWithinWork(c: Context, total: u32, cost: u64, group: u32): u32 {
  const left = total - c.cursor;
  const affordable = c.work > 0 ? <u64>c.work / (cost ? cost : 1) : 0;
  let units = affordable >= <u64>left ? left : <u32>affordable & ~(group - 1);
  if (units == 0) units = min(left, group);
  c.work -= <i64>(cost * units);
  return units;
}

/** Rows of a matrix a grain, at `cost` multiply-adds each: whole units. */
export function rowGrain(c: Context, rows: u32, cost: u64): u32 {
  return (grainOf(c.threads, rows, cost) + (UNIT_ROWS - 1)) & ~(UNIT_ROWS - 1);
}
