/**
 * The pool: threads that share the memory of the main thread, and help it with one job at a time. A job is a number of
 * units of which each is computed by one thread alone and in one order, so the bits do not depend on who takes what.
 *
 *     main     post job ─► take grains, compute, … ─► none left: wait for those that others still compute
 *     worker   poll, then sleep ─► take grains, compute, … ─► poll
 *
 *     Pool:  ┌ the job: constant while it runs ┐┌ tickets u64 ┐┌ done ┐┌ epoch ┐┌ asleep[64] ┐┌ busy, slices ┐ …
 *            └ 64 B ───────────────────────────┘└ 64 B ───────┘  64 B    64 B    256 B         64 B a thread
 *
 * A job is cut into grains, and a thread takes a slice of them at once: its part of half of what is left, so that
 * slices are long at first and the last ones, for which the others wait, short. The word of tickets is (generation of
 * the job ‖ grains left). A late thread that still holds an old generation gets none, and what it has read of the job
 * was true if it gets one. So a thread that is slow, has not started or is gone does not hold up what others can do;
 * one that is slow or gone within a slice is waited for a while, then `share` gives up and the host gets a turn, which
 * may find that the thread is gone and say so. Every job must be such that it can be done again from its beginning.
 *
 * Only the builds with threads have a pool. In all others `share` is a call.
 */
import { allocate } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";

export const THREAD_LIMIT: u32 = 64;

/**
 * Polls of an atomic before a worker sleeps: about a millisecond, longer than the serial stages between two matrices
 * and than what a host does between two tokens. Waking is dear: a system may put a thread that it wakes on the
 * processor of the one that woke it, and see some milliseconds later that another one is idle.
 */
const WORKER_SPINS: u32 = 1_000_000;
/** … and before the main thread does, which waits for the end of a slice: a third of a millisecond. */
const SPINS: u32 = 300_000;
/** Multiply-adds of a thread below which it costs more to share than it gains: some 4 µs. */
const LEAST_WORK: u64 = 1 << 16;
/** Multiply-adds of a grain: some 8 µs. Of shorter ones a thread would take as many, and memory likes long runs. */
const GRAIN_WORK: u64 = 1 << 17;
/** Nanoseconds that the main thread sleeps at once, and how often before it gives the host a turn: about 100 ms. */
const NAP: i64 = 2_000_000;
const NAPS: u32 = 50;
/** The same in polls, where the main thread may not sleep (a browser's page). */
const LONG_SPINS: u32 = 1 << 25;

const TICKETS: usize = 64;
const DONE: usize = 128;
const EPOCH: usize = 192;
const ASLEEP: usize = 256;
const BUSY: usize = 512;

/** What is shared: numbers by which a worker finds the job (runtime/worker.ts). */
export namespace Job {
  export const MULTIPLY: u32 = 1;
  export const QUANTIZE: u32 = 2;
  export const ATTEND: u32 = 3;
  export const ATTEND_LATENT: u32 = 4;
  export const ABSORB: u32 = 5;
  export const EXPAND: u32 = 6;
  export const EXPAND_HEAD: u32 = 7;
  export const ATTEND_HEAD: u32 = 8;
  export const HASH: u32 = 9;
  export const GATHER: u32 = 10;
  export const MULTIPLY_BESIDE: u32 = 11;
  export const NORMALIZE: u32 = 12;
  export const GATE: u32 = 13;
}

@unmanaged
export class Pool {
  core: Core;
  /** Slots: the main thread and its workers. */
  threads: u32;
  /** How many of them take part: the host sets it. 1: the main thread works alone. */
  limit: u32;
  /** Whether the main thread may sleep. */
  mayWait: u32;
  /** A job was given up before all of its slices were done: nothing is posted until they are. */
  unsettled: u32;
  /** Bit i: worker i is gone. */
  lost: u64;
  quit: u32;
  /** 1 while the main thread sleeps until a job is done. */
  waiting: u32;

  // The job.
  kind: u32;
  argument: usize;
  total: u32;
  grain: u32;
  grains: u32;
}

@inline
function at(pool: Pool): usize {
  return changetype<usize>(pool);
}

@inline
function busyAt(pool: Pool, slot: u32): usize {
  return at(pool) + BUSY + ((<usize>slot) << 6);
}

@inline
function asleepAt(pool: Pool, slot: u32): usize {
  return at(pool) + ASLEEP + ((<usize>slot) << 2);
}

/** Makes the pool of a core, once. Contexts made from now on have a slot of scratch for each thread. */
export function createPool(core: Core, threads: u32, mayWait: bool): Pool {
  const none = changetype<Pool>(0);
  if (threads < 1 || threads > THREAD_LIMIT) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a pool has 1 to 64 threads");
    return none;
  }
  if (core.pool != 0) {
    fail(core, ErrorCode.WRONG_STATE, "the threads of this core have been started before");
    return none;
  }
  const pool = changetype<Pool>(allocate(core, <u64>BUSY + (<u64>threads << 6), "a pool of threads"));
  if (changetype<usize>(pool) == 0) return none;
  pool.core = core;
  pool.threads = threads;
  pool.limit = threads;
  pool.mayWait = mayWait ? 1 : 0;
  store<u32>(at(pool), 1, EPOCH);
  core.pool = changetype<usize>(pool);
  return pool;
}

/** How many threads take part in a job of this pool: 1 where there is none. */
@inline
export function threadsOf(pool: Pool): u32 {
  if (ASC_FEATURE_THREADS) return changetype<usize>(pool) == 0 ? 1 : pool.limit;
  return 1;
}

/** Slots that a context of this core needs. */
@inline
export function slotsOf(core: Core): u32 {
  if (ASC_FEATURE_THREADS) return core.pool == 0 ? 1 : changetype<Pool>(core.pool).threads;
  return 1;
}

/**
 * Runs units 0 … total − 1 of the job P on `argument`, in grains of `grain` units, on all threads. P is a tag: a class
 * without fields whose `kind` is a number of `Job` and whose `run(argument, slot, begin, end)` computes a range of
 * units with the scratch of a slot. False: a thread is late; nothing may be posted before `settle` says so, then the
 * job must be done again.
 */
@inline
export function share<P>(pool: Pool, argument: usize, total: u32, grain: u32): bool {
  const part = changetype<P>(0);
  if (ASC_FEATURE_THREADS) {
    if (total > grain && threadsOf(pool) > 1) {
      post(pool, part.kind, argument, total, grain);
      takeSlices<P>(pool, generationOf(atomic.load<u64>(at(pool), TICKETS)), 0);
      return join(pool);
    }
  }
  part.run(argument, 0, 0, total);
  return true;
}

/** Units a grain, at `cost` multiply-adds each: all of them when a thread's share is not worth it. */
export function grainOf(pool: Pool, total: u32, cost: u64): u32 {
  const threads = threadsOf(pool);
  if (threads < 2 || (cost * total) / threads < LEAST_WORK) return total;
  return <u32>min<u64>((GRAIN_WORK + cost - 1) / max<u64>(cost, 1), total);
}

@inline
function generationOf(word: u64): u32 {
  return <u32>(word >> 32);
}

function post(pool: Pool, kind: u32, argument: usize, total: u32, grain: u32): void {
  pool.kind = kind;
  pool.argument = argument;
  pool.total = total;
  pool.grain = grain;
  pool.grains = (total + grain - 1) / grain;
  const generation = (generationOf(atomic.load<u64>(at(pool), TICKETS)) + 2) | 1;
  atomic.store<u32>(at(pool), 0, DONE);
  atomic.store<u64>(at(pool), ((<u64>generation) << 32) | pool.grains, TICKETS);
  wake(pool);
}

/** A new epoch, an odd number as generations are, so never 0: those that poll see it, those that sleep are woken. */
function wake(pool: Pool): void {
  atomic.add<u32>(at(pool), 2, EPOCH);
  for (let slot: u32 = 1; slot < pool.threads; slot++) {
    if (atomic.load<u32>(asleepAt(pool, slot))) {
      atomic.notify(at(pool) + EPOCH, -1);
      return;
    }
  }
}

/** Computes slices of the job as long as there are grains. */
function takeSlices<P>(pool: Pool, generation: u32, slot: u32): void {
  const part = changetype<P>(0);
  while (true) {
    const word = atomic.load<u64>(at(pool), TICKETS);
    const left = <u32>word;
    if (left == 0 || generationOf(word) != generation) return;
    const taken = max(left / (2 * pool.threads), 1);
    if (atomic.cmpxchg<u64>(at(pool), word, word - taken, TICKETS) != word) continue;
    const begin = (pool.grains - left) * pool.grain;
    part.run(pool.argument, slot, begin, min(begin + taken * pool.grain, pool.total));
    store<u32>(busyAt(pool, slot), load<u32>(busyAt(pool, slot), 4) + 1, 4);
    const done = atomic.add<u32>(at(pool), taken, DONE) + taken;
    if (slot != 0 && done == pool.grains && atomic.load<u32>(waitingAt(pool))) atomic.notify(at(pool) + DONE, 1);
  }
}

@inline
function waitingAt(pool: Pool): usize {
  return at(pool) + offsetof<Pool>("waiting");
}

/** Waits until all slices are done: polls, then sleeps where it may. False: not within reason. */
function join(pool: Pool): bool {
  const grains = pool.grains;
  const spins = pool.mayWait ? SPINS : LONG_SPINS;
  for (let poll: u32 = 0; poll < spins; poll++) if (atomic.load<u32>(at(pool), DONE) == grains) return true;
  if (pool.mayWait) {
    for (let nap: u32 = 0; nap < NAPS; nap++) {
      atomic.store<u32>(waitingAt(pool), 1);
      const done = atomic.load<u32>(at(pool), DONE);
      if (done != grains) atomic.wait<i32>(at(pool) + DONE, done, NAP);
      atomic.store<u32>(waitingAt(pool), 0);
      if (atomic.load<u32>(at(pool), DONE) == grains) return true;
    }
  }
  pool.unsettled = 1;
  return false;
}

/** Whether no worker is still at a job that was given up; waits for it no longer than `share` does. */
@inline
export function settled(pool: Pool): bool {
  if (ASC_FEATURE_THREADS) return changetype<usize>(pool) == 0 || !pool.unsettled || settle(pool);
  return true;
}

function settle(pool: Pool): bool {
  for (let slot: u32 = 1; slot < pool.threads; slot++) {
    if (isLost(pool, slot)) continue;
    let polls = pool.mayWait ? SPINS : LONG_SPINS;
    let naps = pool.mayWait ? NAPS : 0;
    while (atomic.load<u32>(busyAt(pool, slot))) {
      if (polls > 0) polls -= 1;
      else if (naps == 0) return false;
      else {
        naps -= 1;
        atomic.wait<i32>(busyAt(pool, slot), 1, NAP);
      }
    }
  }
  pool.unsettled = 0;
  return true;
}

@inline
function isLost(pool: Pool, slot: u32): bool {
  return ((pool.lost >> slot) & 1) != 0;
}

/** The host found that a worker has ended. When none is left, the main thread works alone. */
export function loseWorker(pool: Pool, slot: u32): void {
  if (slot < 1 || slot >= pool.threads) return;
  pool.lost |= (<u64>1) << slot;
  atomic.store<u32>(asleepAt(pool, slot), 0);
  for (let i: u32 = 1; i < pool.threads; i++) if (!isLost(pool, i)) return;
  pool.limit = 1;
}

/** How many threads take part from now on. */
export function limitThreads(pool: Pool, limit: u32): void {
  let left = pool.threads;
  for (let i: u32 = 1; i < pool.threads; i++) if (isLost(pool, i)) left -= 1;
  pool.limit = left < 2 || limit < 2 ? 1 : min(limit, pool.threads);
}

/** Slices that a thread has computed so far. */
export function slicesOf(pool: Pool, slot: u32): u32 {
  return slot < pool.threads ? load<u32>(busyAt(pool, slot), 4) : 0;
}

/** Sends the workers home: each returns to its host. */
export function stopWorkers(pool: Pool): void {
  pool.limit = 1;
  atomic.store<u32>(at(pool) + offsetof<Pool>("quit"), 1);
  wake(pool);
}

/** Worker: waits for the epoch after `seen`, and gives it; 0 when there is nothing more to do. */
export function nextEpoch(pool: Pool, slot: u32, seen: u32): u32 {
  atomic.store<u32>(busyAt(pool, slot), 0);
  let polls = WORKER_SPINS;
  while (true) {
    if (atomic.load<u32>(at(pool) + offsetof<Pool>("quit"))) return 0;
    const epoch = atomic.load<u32>(at(pool), EPOCH);
    if (epoch != seen) {
      atomic.store<u32>(busyAt(pool, slot), 1);
      return epoch;
    }
    if (polls > 0) polls -= 1;
    else {
      atomic.store<u32>(asleepAt(pool, slot), 1);
      atomic.wait<i32>(at(pool) + EPOCH, seen, -1);
      atomic.store<u32>(asleepAt(pool, slot), 0);
      polls = WORKER_SPINS;
    }
  }
}

/** Worker: the generation of the job that has slices left, 0: none, or not for this slot. */
export function openJob(pool: Pool, slot: u32): u32 {
  const word = atomic.load<u64>(at(pool), TICKETS);
  return <u32>word == 0 || slot >= pool.limit ? 0 : generationOf(word);
}

/** Worker: helps with the job P of a generation. */
export function help<P>(pool: Pool, slot: u32, generation: u32): void {
  takeSlices<P>(pool, generation, slot);
}
