/**
 * The temporary state of one `tokenize` call, and its growing buffers. All of it lies in one arena block and up to four
 * more, which `endWork` gives back.
 */
import { allocate, allocateRaw, release, resize } from "../memory/arena";
import { setU32 } from "../memory/bytes";
import { Core } from "../memory/core";
import { HAS_LONG_WORDS } from "../parts";
import { Tokenizer } from "./tokenizer";
import { WALK_BYTES } from "./pretokenizers";

/** A `Node` of `merge.ts`, and the entries of the queue that it may cause: one at first, one more by each merge. */
const NODE_BYTES: u64 = 16;
const QUEUE_BYTES: u64 = 16;

@unmanaged
export class Work {
  core: Core;
  tokenizer: Tokenizer;
  /** i32[capacity], and how many tokens there are by now (more than fit, perhaps). */
  target: usize;
  capacity: u32;
  count: u32;
  /** Set when memory ran out; the core has the message. */
  failed: bool;
  /** `Node`s of the word at hand, and the queue of its merges. */
  nodes: usize;
  nodeCapacity: u32;
  queue: usize;
  queueCount: u32;
  /** The queue's `Runs`, of a long word; 0. */
  runs: usize;
  /** The word at hand as the vocabulary writes it. */
  text: usize;
  textCapacity: usize;
  textLength: usize;
  /** Unigrams: within what is no space; behind some of it; the last token was the unknown one. */
  inWord: bool;
  begun: bool;
  unknown: bool;
}

export function beginWork(core: Core, tokenizer: Tokenizer, target: usize, capacity: u32): Work {
  const work = changetype<Work>(allocate(core, offsetof<Work>() + WALK_BYTES, "tokenizing"));
  if (changetype<usize>(work) == 0) return work;
  work.core = core;
  work.tokenizer = tokenizer;
  work.target = target;
  work.capacity = capacity;
  return work;
}

export function endWork(work: Work): void {
  release(work.core, work.nodes);
  release(work.core, work.queue);
  if (HAS_LONG_WORDS) release(work.core, work.runs);
  release(work.core, work.text);
  release(work.core, changetype<usize>(work));
}

@inline
export function walkOf(work: Work): usize {
  return changetype<usize>(work) + offsetof<Work>();
}

/** Adds a token to the answer. */
export function emit(work: Work, token: u32): void {
  if (work.count < work.capacity) setU32(work.target, work.count, token);
  work.count++;
}

/** Makes room for a word of `count` symbols; false when there is no memory. What was there is lost. */
export function reserveNodes(work: Work, count: u32): bool {
  if (count <= work.nodeCapacity) return true;
  const capacity = count < 256 ? 256 : count;
  release(work.core, work.nodes);
  release(work.core, work.queue);
  work.nodeCapacity = 0;
  work.queue = 0;
  work.nodes = allocateRaw(work.core, <u64>capacity * NODE_BYTES, "tokenizing one long word");
  if (work.nodes != 0) work.queue = allocateRaw(work.core, <u64>capacity * QUEUE_BYTES, "tokenizing one long word");
  if (work.queue == 0) work.failed = true;
  else work.nodeCapacity = capacity;
  return !work.failed;
}

/** Makes room for a word of `bytes` bytes as the vocabulary writes it; false when there is no memory. */
export function reserveText(work: Work, bytes: usize): bool {
  if (bytes <= work.textCapacity) return true;
  const capacity: usize = bytes < 1024 ? 1024 : bytes;
  release(work.core, work.text);
  work.textCapacity = 0;
  work.text = allocateRaw(work.core, capacity, "tokenizing one long word");
  if (work.text == 0) work.failed = true;
  else work.textCapacity = capacity;
  return !work.failed;
}

/** Makes room for more of the word at hand, which stays; false when there is no memory. */
export function growText(work: Work): bool {
  const capacity: usize = work.textCapacity < 512 ? 1024 : 2 * work.textCapacity;
  const what = "tokenizing one long word";
  const grown = work.text ? resize(work.core, work.text, capacity, what) : allocateRaw(work.core, capacity, what);
  if (grown == 0) {
    work.failed = true;
    return false;
  }
  work.text = grown;
  work.textCapacity = capacity;
  return true;
}
