/**
 * The queue of merges: u64 keys, of which the smallest comes out first. Beside a heap there are runs, lists in rising
 * order: a key goes to the end of that run whose last key is the largest below it, and to the heap where there is none.
 * Merges come in such orders, most of all in a long word that repeats itself: then a key costs a look at some numbers
 * that lie side by side, and not a way through a heap that no cache holds. Short words have the heap alone.
 *
 *     run 0    (rank 3, 0) (rank 3, 2) (rank 7, 0) …        all pairs "..", then what became pairs of "...."
 *     run 1    (rank 5, 1) …
 *     heap     the rest
 */
import { allocateRaw, release } from "../memory/arena";
import { u32At, setU32, setU64, u64At } from "../memory/bytes";
import { heapPop, heapPush } from "./heap";
import { HAS_LONG_WORDS } from "../parts";
import { NONE } from "./tokenizer";
import { Work } from "./work";

/** Words of fewer symbols have no runs. */
const LONG_WORD: u32 = 256;
const RUNS: u32 = 8;
const NO_KEY: u64 = u64.MAX_VALUE;

/** An entry of a run, or a free one: a u64 key and the next entry. */
const ENTRY_BYTES: usize = 12;

/** One arena block holds the record and its entries. */
@unmanaged
export class Runs {
  /** Entries there is room for; those that were ever used; the first that is free again, NONE. */
  capacity: u32;
  used: u32;
  free: u32;
  /** How many keys are in runs. */
  count: u32;
}

/** u64[RUNS]: the first key of each run, NO_KEY where it is empty; the last key, 0 where it is empty. */
const HEADS: usize = offsetof<Runs>();
const TAILS: usize = HEADS + 8 * <usize>RUNS;
/** u32[RUNS]: the first entry and the last. */
const FIRSTS: usize = TAILS + 8 * <usize>RUNS;
const LASTS: usize = FIRSTS + 4 * <usize>RUNS;
const ENTRIES: usize = LASTS + 4 * <usize>RUNS;

@inline
function entryAt(runs: usize, entry: u32): usize {
  return runs + ENTRIES + <usize>entry * ENTRY_BYTES;
}

/** Empties the queue for a word of `count` symbols, which has two keys a symbol at most. */
export function clearQueue(work: Work, count: u32): void {
  work.queueCount = 0;
  if (!HAS_LONG_WORDS) return;
  if (count < LONG_WORD) {
    release(work.core, work.runs);
    work.runs = 0;
    return;
  }
  let runs = work.runs;
  if (runs == 0 || changetype<Runs>(runs).capacity < 2 * count) {
    release(work.core, runs);
    work.runs = 0;
    runs = allocateRaw(work.core, <u64>ENTRIES + 2 * <u64>count * <u64>ENTRY_BYTES, "tokenizing one long word");
    if (runs == 0) {
      work.failed = true;
      return;
    }
    work.runs = runs;
    changetype<Runs>(runs).capacity = 2 * count;
  }
  const r = changetype<Runs>(runs);
  r.used = 0;
  r.free = NONE;
  r.count = 0;
  memory.fill(runs + HEADS, 0xff, 8 * <usize>RUNS);
  memory.fill(runs + TAILS, 0, 8 * <usize>RUNS);
}

@inline
export function queueIsEmpty(work: Work): bool {
  return work.queueCount == 0 && (!HAS_LONG_WORDS || work.runs == 0 || changetype<Runs>(work.runs).count == 0);
}

@inline
export function queuePush(work: Work, key: u64): void {
  if (HAS_LONG_WORDS && work.runs != 0) pushToRuns(work, key);
  else heapPush(work.queue, work.queueCount++, key);
}

function pushToRuns(work: Work, key: u64): void {
  const runs = work.runs;
  let run = RUNS;
  let largest: u64 = 0;
  for (let k: u32 = 0; k < RUNS; k++) {
    const tail = u64At(runs + TAILS, k);
    if (tail > key || (run != RUNS && tail <= largest)) continue;
    largest = tail;
    run = k;
  }
  if (run == RUNS) heapPush(work.queue, work.queueCount++, key);
  else append(runs, run, key);
}

/** Puts a key behind a run. */
function append(runs: usize, run: u32, key: u64): void {
  const r = changetype<Runs>(runs);
  let entry = r.free;
  if (entry != NONE) r.free = load<u32>(entryAt(runs, entry), 8);
  else entry = r.used++;
  store<u64>(entryAt(runs, entry), key);
  store<u32>(entryAt(runs, entry), NONE, 8);
  if (u64At(runs + HEADS, run) == NO_KEY) {
    setU64(runs + HEADS, run, key);
    setU32(runs + FIRSTS, run, entry);
  } else store<u32>(entryAt(runs, u32At(runs + LASTS, run)), entry, 8);
  setU32(runs + LASTS, run, entry);
  setU64(runs + TAILS, run, key);
  r.count += 1;
}

/** Takes the smallest key out of a queue that is not empty. */
@inline
export function queuePop(work: Work): u64 {
  return HAS_LONG_WORDS && work.runs != 0 ? popFromRuns(work) : heapPop(work.queue, work.queueCount--);
}

function popFromRuns(work: Work): u64 {
  const runs = work.runs;
  let smallest = work.queueCount == 0 ? NO_KEY : load<u64>(work.queue);
  let run = RUNS;
  for (let k: u32 = 0; k < RUNS; k++) {
    const head = u64At(runs + HEADS, k);
    if (head >= smallest) continue;
    smallest = head;
    run = k;
  }
  if (run == RUNS) return heapPop(work.queue, work.queueCount--);
  const r = changetype<Runs>(runs);
  const entry = u32At(runs + FIRSTS, run);
  const next = load<u32>(entryAt(runs, entry), 8);
  store<u32>(entryAt(runs, entry), r.free, 8);
  r.free = entry;
  r.count -= 1;
  if (next == NONE) {
    setU64(runs + HEADS, run, NO_KEY);
    setU64(runs + TAILS, run, 0);
  } else {
    setU64(runs + HEADS, run, load<u64>(entryAt(runs, next)));
    setU32(runs + FIRSTS, run, next);
  }
  return smallest;
}
