/**
 * The exports of the builds with threads: the pool of a core, as thin functions on handles. The main thread starts the
 * pool before it makes a context; each worker instantiates the module on the same memory and calls `thread_run`.
 *
 * May call: runtime/.
 */
import { Core, ErrorCode, fail } from "./core";
import { Context, Running, isContext } from "./context";
import { Slot } from "./model";
import { multiply } from "./pass";
import { Pool, createPool, limitThreads, loseWorker, settled, slicesOf, stopWorkers } from "./pool";
import { WeightState } from "./weight";
import { serve } from "./worker";

/**
 * The pool of a core, once: `threads` with the main one. `mayWait` 1: the main thread may sleep (a browser's page may
 * not). 0 with the error set.
 */
export function thread_start(core: Core, threads: u32, mayWait: u32): usize {
  return changetype<usize>(createPool(core, threads, mayWait != 0));
}

/** A worker's life as thread `index` (from 1 on) of the pool: returns after `thread_stop`. */
export function thread_run(pool: Pool, index: u32): void {
  if (index > 0 && index < pool.threads) serve(pool, index);
}

/** How many threads may take part from now on: 1 computes on the main thread alone. */
export function thread_limit(pool: Pool, limit: u32): void {
  limitThreads(pool, limit);
}

/** How many threads take part: fewer than the limit when workers were lost. */
export function thread_count(pool: Pool): u32 {
  return pool.limit;
}

/** The host found that a worker has ended before its time. */
export function thread_lost(pool: Pool, index: u32): void {
  loseWorker(pool, index);
}

/** Slices of work that a thread has done so far; the main thread is number 0. */
export function thread_slices(pool: Pool, index: u32): u32 {
  return slicesOf(pool, index);
}

/** 1 while a step returns MORE because a worker does not finish its part: it is very slow, or gone. */
export function thread_late(pool: Pool): u32 {
  return pool.unsettled;
}

/** Sends the workers home. */
export function thread_stop(pool: Pool): void {
  stopWorkers(pool);
}

/**
 * The product of one token with the model's first matrix of the feed-forward network (where a table is in its place,
 * with the head), on the threads that may take part: the host takes its time. Only between passes; what is computed is
 * of no use.
 */
export function thread_probe(c: Context): i32 {
  if (!isContext(c)) return 0;
  if (c.running != Running.IDLE) {
    return fail(
      c.core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it",
    );
  }
  if (!settled(c.pool)) return 1;
  const width = c.model.hidden;
  for (let i: u32 = 0; i < width; i++) store<f32>(c.normed + ((<usize>i) << 2), <f32>((i & 15) + 1));
  const up = c.model.at(0, Slot.FFN_UP);
  const weight = up.isTable ? c.model.head : up;
  if (weight.state != WeightState.RESIDENT) {
    return fail(c.core, ErrorCode.WRONG_STATE, "the matrix to be measured with stays in the file");
  }
  c.active = 1;
  c.cursor = 0;
  c.quantizedOf = 0;
  c.work = i64.MAX_VALUE;
  const status = multiply(c, weight, c.normed, up.isTable ? c.logits : c.up);
  c.active = 0;
  c.cursor = 0;
  c.quantizedOf = 0;
  return status;
}
