/**
 * Threads that share the memory of the main thread, and help it with one job at a time. A job is a number of
 * units of which each is computed by one thread alone and in one order, so the bits do not depend on who takes what.
 *
 *     main     post job ─► take grains, compute, … ─► none left: wait for those that others still compute
 *     worker   poll, then sleep ─► take grains, compute, … ─► poll
 *
 *     Threads ┌ the job: constant while it runs ┐┌ tickets u64 ┐┌ done ┐┌ epoch ┐┌ asleep[64] ┐┌ busy, slices ┐ …
 *             └ 64 B ───────────────────────────┘└ 64 B ───────┘  64 B    64 B    256 B         64 B a thread
 *
 * A job is cut into grains, and a thread takes a slice of them at once: its part of half of what is left, so that
 * slices are long at first and the last ones, for which the others wait, short. The word of tickets is (generation of
 * the job ‖ grains left). A late thread that still holds an old generation gets none, and what it has read of the job
 * was true if it gets one. So a thread that is slow, has not started or is gone does not hold up what others can do;
 * one that is slow or gone within a slice is waited for a while, then `share` gives up and the host gets a turn, which
 * may find that the thread is gone and say so. Every job must be such that it can be done again from its beginning.
 *
 * Only the builds with threads have them. In all others `share` is a call.
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

@unmanaged
export class Threads {
  core: Core;
  /** The main thread and its workers. */
  count: u32;
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
  /** Index of the function that computes a range of units, and what it works on. */
  function: u32;
  context: usize;
  step: usize;
  total: u32;
  grain: u32;
  grains: u32;
}

@inline
function at(threads: Threads): usize {
  return changetype<usize>(threads);
}

@inline
function busyAt(threads: Threads, thread: u32): usize {
  return at(threads) + BUSY + ((<usize>thread) << 6);
}

@inline
function asleepAt(threads: Threads, thread: u32): usize {
  return at(threads) + ASLEEP + ((<usize>thread) << 2);
}

/** Makes the threads of a core, once. Contexts made from now on have a thread of scratch for each thread. */
export function createThreads(core: Core, count: u32, mayWait: bool): Threads {
  const none = changetype<Threads>(0);
  if (count < 1 || count > THREAD_LIMIT) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a pool has 1 to 64 threads");
    return none;
  }
  if (core.threads != 0) {
    fail(core, ErrorCode.WRONG_STATE, "the threads of this core have been started before");
    return none;
  }
  const threads = changetype<Threads>(allocate(core, <u64>BUSY + ((<u64>count) << 6), "a pool of threads"));
  if (changetype<usize>(threads) == 0) return none;
  threads.core = core;
  threads.count = count;
  threads.limit = count;
  threads.mayWait = mayWait ? 1 : 0;
  store<u32>(at(threads), 1, EPOCH);
  core.threads = changetype<usize>(threads);
  return threads;
}

/** How many threads take part in a job: 1 where there are none. */
@inline
export function threadsOf(threads: Threads): u32 {
  if (ASC_FEATURE_THREADS) return changetype<usize>(threads) == 0 ? 1 : threads.limit;
  return 1;
}

/** Threads that a context of this core needs scratch for. */
@inline
export function threadSlots(core: Core): u32 {
  if (ASC_FEATURE_THREADS) return core.threads == 0 ? 1 : changetype<Threads>(core.threads).count;
  return 1;
}

/**
 * Runs units 0 … total − 1 of a job on `context` and `step`, in grains of `grain` units, on all threads. `job` is the
 * index of a function (context, step, thread, begin, end) that computes a range of units with the scratch of a thread.
 * False: a thread is late; nothing may be posted before `isIdle` says so, then the job must be done again.
 */
export function share(threads: Threads, job: u32, context: usize, step: usize, total: u32, grain: u32): bool {
  if (ASC_FEATURE_THREADS) {
    if (total > grain && threadsOf(threads) > 1) {
      post(threads, job, context, step, total, grain);
      takeSlices(threads, generationOf(atomic.load<u64>(at(threads), TICKETS)), 0);
      return join(threads);
    }
  }
  call_indirect<void>(job, context, step, <u32>0, <u32>0, total);
  return true;
}

/** Units a grain, at `cost` multiply-adds each: all of them when a thread's share is not worth it. */
export function grainOf(threads: Threads, total: u32, cost: u64): u32 {
  const many = threadsOf(threads);
  if (many < 2 || (cost * total) / many < LEAST_WORK) return total;
  return <u32>min<u64>((GRAIN_WORK + cost - 1) / max<u64>(cost, 1), total);
}

@inline
function generationOf(word: u64): u32 {
  return <u32>(word >> 32);
}

function post(threads: Threads, job: u32, context: usize, step: usize, total: u32, grain: u32): void {
  threads.function = job;
  threads.context = context;
  threads.step = step;
  threads.total = total;
  threads.grain = grain;
  threads.grains = (total + grain - 1) / grain;
  const generation = (generationOf(atomic.load<u64>(at(threads), TICKETS)) + 2) | 1;
  atomic.store<u32>(at(threads), 0, DONE);
  atomic.store<u64>(at(threads), ((<u64>generation) << 32) | threads.grains, TICKETS);
  wake(threads);
}

/** A new epoch, an odd number as generations are, so never 0: those that poll see it, those that sleep are woken. */
function wake(threads: Threads): void {
  atomic.add<u32>(at(threads), 2, EPOCH);
  for (let thread: u32 = 1; thread < threads.count; thread++) {
    if (atomic.load<u32>(asleepAt(threads, thread))) {
      atomic.notify(at(threads) + EPOCH, -1);
      return;
    }
  }
}

/** Computes slices of the job as long as there are grains. */
function takeSlices(threads: Threads, generation: u32, thread: u32): void {
  while (true) {
    const word = atomic.load<u64>(at(threads), TICKETS);
    const left = <u32>word;
    if (left == 0 || generationOf(word) != generation) return;
    const taken = max(left / (2 * threads.count), 1);
    if (atomic.cmpxchg<u64>(at(threads), word, word - taken, TICKETS) != word) continue;
    const begin = (threads.grains - left) * threads.grain;
    const end = min(begin + taken * threads.grain, threads.total);
    call_indirect<void>(threads.function, threads.context, threads.step, thread, begin, end);
    store<u32>(busyAt(threads, thread), load<u32>(busyAt(threads, thread), 4) + 1, 4);
    const done = atomic.add<u32>(at(threads), taken, DONE) + taken;
    const isLast = thread != 0 && done == threads.grains;
    if (isLast && atomic.load<u32>(waitingAt(threads))) atomic.notify(at(threads) + DONE, 1);
  }
}

@inline
function waitingAt(threads: Threads): usize {
  return at(threads) + offsetof<Threads>("waiting");
}

/** Waits until all slices are done: polls, then sleeps where it may. False: not within reason. */
function join(threads: Threads): bool {
  const grains = threads.grains;
  const spins = threads.mayWait ? SPINS : LONG_SPINS;
  for (let poll: u32 = 0; poll < spins; poll++) if (atomic.load<u32>(at(threads), DONE) == grains) return true;
  if (threads.mayWait) {
    for (let nap: u32 = 0; nap < NAPS; nap++) {
      atomic.store<u32>(waitingAt(threads), 1);
      const done = atomic.load<u32>(at(threads), DONE);
      if (done != grains) atomic.wait<i32>(at(threads) + DONE, done, NAP);
      atomic.store<u32>(waitingAt(threads), 0);
      if (atomic.load<u32>(at(threads), DONE) == grains) return true;
    }
  }
  threads.unsettled = 1;
  return false;
}

/** Whether no worker is still at a job that was given up; waits for it no longer than `share` does. */
@inline
export function isIdle(threads: Threads): bool {
  if (ASC_FEATURE_THREADS) return changetype<usize>(threads) == 0 || !threads.unsettled || settle(threads);
  return true;
}

function settle(threads: Threads): bool {
  for (let thread: u32 = 1; thread < threads.count; thread++) {
    if (isLost(threads, thread)) continue;
    let polls = threads.mayWait ? SPINS : LONG_SPINS;
    let naps = threads.mayWait ? NAPS : 0;
    while (atomic.load<u32>(busyAt(threads, thread))) {
      if (polls > 0) polls -= 1;
      else if (naps == 0) return false;
      else {
        naps -= 1;
        atomic.wait<i32>(busyAt(threads, thread), 1, NAP);
      }
    }
  }
  threads.unsettled = 0;
  return true;
}

@inline
function isLost(threads: Threads, thread: u32): bool {
  return ((threads.lost >> thread) & 1) != 0;
}

/** The host found that a worker has ended. When none is left, the main thread works alone. */
export function loseWorker(threads: Threads, thread: u32): void {
  if (thread < 1 || thread >= threads.count) return;
  threads.lost |= (<u64>1) << thread;
  atomic.store<u32>(asleepAt(threads, thread), 0);
  for (let i: u32 = 1; i < threads.count; i++) if (!isLost(threads, i)) return;
  threads.limit = 1;
}

/** How many threads take part from now on. */
export function limitThreads(threads: Threads, limit: u32): void {
  let left = threads.count;
  for (let i: u32 = 1; i < threads.count; i++) if (isLost(threads, i)) left -= 1;
  threads.limit = left < 2 || limit < 2 ? 1 : min(limit, threads.count);
}

/** Slices that a thread has computed so far. */
export function slicesOf(threads: Threads, thread: u32): u32 {
  return thread < threads.count ? load<u32>(busyAt(threads, thread), 4) : 0;
}

/** Sends the workers home: each returns to its host. */
export function stopWorkers(threads: Threads): void {
  threads.limit = 1;
  atomic.store<u32>(at(threads) + offsetof<Threads>("quit"), 1);
  wake(threads);
}

/** Worker: waits for the epoch after `seen`, and gives it; 0 when there is nothing more to do. */
export function nextEpoch(threads: Threads, thread: u32, seen: u32): u32 {
  atomic.store<u32>(busyAt(threads, thread), 0);
  let polls = WORKER_SPINS;
  while (true) {
    if (atomic.load<u32>(at(threads) + offsetof<Threads>("quit"))) return 0;
    const epoch = atomic.load<u32>(at(threads), EPOCH);
    if (epoch != seen) {
      atomic.store<u32>(busyAt(threads, thread), 1);
      return epoch;
    }
    if (polls > 0) polls -= 1;
    else {
      atomic.store<u32>(asleepAt(threads, thread), 1);
      atomic.wait<i32>(at(threads) + EPOCH, seen, -1);
      atomic.store<u32>(asleepAt(threads, thread), 0);
      polls = WORKER_SPINS;
    }
  }
}

/** Worker: the generation of the job that has slices left, 0: none, or not for this thread. */
export function openJob(threads: Threads, thread: u32): u32 {
  const word = atomic.load<u64>(at(threads), TICKETS);
  return <u32>word == 0 || thread >= threads.limit ? 0 : generationOf(word);
}

/** Worker: helps with the job of a generation. Its function was true if a slice is taken of the same generation. */
export function help(threads: Threads, thread: u32, generation: u32): void {
  takeSlices(threads, generation, thread);
}
