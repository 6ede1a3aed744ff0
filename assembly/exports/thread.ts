/**
 * The exports of the builds with threads: the pool of a core, as thin functions on handles. The main thread starts the
 * pool before it makes a context; each worker instantiates the module on the same memory and calls `thread_run`.
 */
import { Core } from "../memory/core";
import { Context, Running, isContext } from "../pass/context";
import { Pool, createPool, limitThreads, loseWorker, slicesOf, stopWorkers } from "../pass/threads";
import { serve } from "../run/thread_loop";

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

/** The layer that a pass is about to begin; −1: it is within a layer, or in none. */
export function thread_layer(c: Context): i32 {
  if (!isContext(c) || c.running != Running.LAYERS || c.stage != 0 || c.cursor != 0 || c.part != 0) return -1;
  return c.layer;
}

/** Tokens of the pass. */
export function thread_tokens(c: Context): u32 {
  return isContext(c) ? c.tokens : 0;
}
