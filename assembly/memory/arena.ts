/**
 * The arena: all memory above the core record, up to the 4 GiB of wasm32. A first-fit list of blocks in address order,
 * made for few and large blocks (a model has some dozens): the AssemblyScript allocator stops at 1 GiB a block.
 *
 *     block:  ┌ size u32 │ used u32 │ 56 B unused ┐┌ payload, 64-byte aligned … ┐┌ next block …
 *             └────────────── 64 B ───────────────┘└──── size bytes ───────────┘
 */
import { Core, CORE_BYTES, ErrorCode, fail, wordsOf } from "./core";
import { GUARD_BYTES, bytesOfBlock, guard, guardResized, poison, requireGuards } from "./guards";

@unmanaged
class Block {
  size: usize;
  used: u32;
}

const HEADER: usize = 64;
const ALIGNMENT: usize = 64;
const PAGE: u64 = 65536;
/** No block ends above this: the last page stays out, so that an end is never 2³². */
const TOP: u64 = 0xffff_0000;

/** Makes the core record at `__heap_base`. Calling it again gives up everything the arena held. */
export function createCore(): Core {
  const start = (__heap_base + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1);
  const core = changetype<Core>(start);
  if (!grow(start + CORE_BYTES)) return changetype<Core>(0);
  memory.fill(start, 0, CORE_BYTES);
  core.arenaFirst = start + CORE_BYTES;
  core.arenaEnd = core.arenaFirst;
  return core;
}

/**
 * `bytes` of zeroed memory at a 64-byte boundary, or 0 with OUT_OF_MEMORY set. `what` names it in the message.
 */
export function allocate(core: Core, bytes: u64, what: string): usize {
  const payload = allocateRaw(core, bytes, what);
  if (payload != 0) memory.fill(payload, 0, <usize>bytes);
  return payload;
}

/** As `allocate`, but the memory holds whatever was there: for what is written whole before it is read. */
export function allocateRaw(core: Core, bytes: u64, what: string): usize {
  requireGuards(core);
  if (bytes > TOP) return outOfMemory(core, bytes, what);
  const size64 = aligned(bytes + GUARD_BYTES);
  const size = <usize>size64;
  for (let at = core.arenaFirst; at < core.arenaEnd; at += HEADER + changetype<Block>(at).size) {
    const block = changetype<Block>(at);
    if (block.used || block.size < size) continue;
    if (block.size - size >= HEADER) {
      const rest = changetype<Block>(at + HEADER + size);
      rest.size = block.size - size - HEADER;
      rest.used = 0;
      block.size = size;
    }
    return take(core, block, <usize>bytes, what);
  }
  const end = <u64>core.arenaEnd + HEADER + size64;
  if (!reach(core, end)) return outOfMemory(core, bytes, what);
  const block = changetype<Block>(core.arenaEnd);
  block.size = size;
  core.arenaEnd = <usize>end;
  return take(core, block, <usize>bytes, what);
}

/** Gives a block back; neighbours that are free become one. 0 is allowed. */
export function release(core: Core, payload: usize): void {
  requireGuards(core);
  if (payload == 0) return;
  const freed = changetype<Block>(payload - HEADER);
  if (!freed.used) return;
  poison(payload);
  freed.used = 0;
  core.arenaUsed -= freed.size + HEADER;
  let last: usize = 0;
  for (let at = core.arenaFirst; at < core.arenaEnd; at += HEADER + changetype<Block>(at).size) {
    const block = changetype<Block>(at);
    if (!block.used) {
      for (let next = at + HEADER + block.size; next < core.arenaEnd && !changetype<Block>(next).used; ) {
        block.size += HEADER + changetype<Block>(next).size;
        next = at + HEADER + block.size;
      }
    }
    last = at;
  }
  // A free block at the end is given back whole, so that the next allocation there may have any size.
  if (last != 0 && !changetype<Block>(last).used) core.arenaEnd = last;
}

/**
 * The same bytes in a block of another size: in place when there is room behind it, else moved. 0 with OUT_OF_MEMORY
 * set leaves the old block as it was. What is new is not zeroed.
 */
export function resize(core: Core, payload: usize, bytes: u64, what: string): usize {
  requireGuards(core);
  const block = changetype<Block>(payload - HEADER);
  if (bytes + GUARD_BYTES <= <u64>block.size) {
    guardResized(payload, <usize>bytes);
    return payload;
  }
  if (payload + block.size == core.arenaEnd) {
    if (bytes > TOP) return outOfMemory(core, bytes, what);
    const size = aligned(bytes + GUARD_BYTES);
    const end = <u64>payload + size;
    if (!reach(core, end)) return outOfMemory(core, bytes, what);
    core.arenaUsed += <usize>size - block.size;
    if (core.arenaUsed > core.arenaPeak) core.arenaPeak = core.arenaUsed;
    block.size = <usize>size;
    core.arenaEnd = <usize>end;
    guardResized(payload, <usize>bytes);
    return payload;
  }
  const moved = allocateRaw(core, bytes, what);
  if (moved == 0) return 0;
  memory.copy(moved, payload, bytesOfBlock(payload));
  release(core, payload);
  return moved;
}

/** The bytes that a block of `bytes` takes of the arena: what a memory plan adds up. */
export function blockBytes(bytes: u64): u64 {
  return HEADER + aligned(bytes + GUARD_BYTES);
}

@inline
function aligned(bytes: u64): u64 {
  return (bytes + (ALIGNMENT - 1)) & ~(<u64>(ALIGNMENT - 1));
}

function take(core: Core, block: Block, bytes: usize, what: string): usize {
  block.used = 1;
  core.arenaUsed += block.size + HEADER;
  if (core.arenaUsed > core.arenaPeak) core.arenaPeak = core.arenaUsed;
  const payload = changetype<usize>(block) + HEADER;
  guard(payload, bytes, what);
  return payload;
}

/** Memory up to `end`, where the limit and the host allow it. */
function reach(core: Core, end: u64): bool {
  return end <= TOP && (core.arenaLimit == 0 || end <= <u64>core.arenaLimit) && grow(<usize>end);
}

function grow(end: usize): bool {
  // A build for microcontrollers has all its memory from the start (mcu.ts).
  if (ASC_LOW_MEMORY_LIMIT) return end <= <usize>ASC_LOW_MEMORY_LIMIT;
  const pages = <i32>((<u64>end + (PAGE - 1)) / PAGE);
  const have = memory.size();
  return pages <= have || memory.grow(pages - have) >= 0;
}

function outOfMemory(core: Core, bytes: u64, what: string): usize {
  const most: u64 = ASC_LOW_MEMORY_LIMIT ? <u64>ASC_LOW_MEMORY_LIMIT : 0x1_0000_0000;
  fail(
    core, ErrorCode.OUT_OF_MEMORY,
    "not enough memory: {w} takes {} bytes, and {} of {} are in use; take a smaller model or a smaller context",
    wordsOf(what), bytes, core.arenaUsed, core.arenaLimit ? <u64>core.arenaLimit : most,
  );
  return 0;
}
