/**
 * The exports of the builds with threads: the pool of a core, as thin functions on handles. The main thread starts the
 * pool before it makes a context; each worker instantiates the module on the same memory and calls `thread_run`.
 */
import { Core } from "../memory/core";
import { Context, Running, isContext } from "../pass/context";
import { Threads, createThreads, limitThreads, loseWorker, slicesOf, stopWorkers } from "../pass/threads";
import { serve } from "../run/thread_loop";

/**
 * The pool of a core, once: `count` with the main one. `mayWait` 1: the main thread may sleep (a browser's page may
 * not). 0 with the error set.
 */
export function thread_start(core: Core, count: u32, mayWait: u32): usize {
  return changetype<usize>(createThreads(core, count, mayWait != 0));
}

/** A worker's life as thread `index` (from 1 on) of the pool: returns after `thread_stop`. */
export function thread_run(threads: Threads, index: u32): void {
  if (index > 0 && index < threads.count) serve(threads, index);
}

/** How many threads may take part from now on: 1 computes on the main thread alone. */
export function thread_limit(threads: Threads, limit: u32): void {
  limitThreads(threads, limit);
}

/** How many threads take part: fewer than the limit when workers were lost. */
export function thread_count(threads: Threads): u32 {
  return threads.limit;
}

/** The host found that a worker has ended before its time. */
export function thread_lost(threads: Threads, index: u32): void {
  loseWorker(threads, index);
}

/** Slices of work that a thread has done so far; the main thread is number 0. */
export function thread_slices(threads: Threads, index: u32): u32 {
  return slicesOf(threads, index);
}

/** 1 while a step returns MORE because a worker does not finish its part: it is very slow, or gone. */
export function thread_late(threads: Threads): u32 {
  return threads.unsettled;
}

/** Sends the workers home. */
export function thread_stop(threads: Threads): void {
  stopWorkers(threads);
}

/** The layer that a pass is about to begin; −1: it is within a layer, or in none. */
export function thread_layer(c: Context): i32 {
  if (!isContext(c) || c.running != Running.LAYERS || c.cursor != 0 || c.part != 0 || c.operandReady != 0) return -1;
  const p = c.program;
  return c.step == p.kind(p.layer(c.layer).kind).firstStep ? c.layer : -1;
}

/** Tokens of the pass. */
export function thread_tokens(c: Context): u32 {
  return isContext(c) ? c.tokens : 0;
}
