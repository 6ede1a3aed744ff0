/**
 * Guard bytes, in builds with HAS_GUARDS alone: `npm run build -- --guard` makes them for fuzzers. They lie around
 * every block of the arena and between the buffers of a context. Each call of the arena looks at all of them, also one
 * that gives 0 back, and traps where one was written on; the core's error names the block then. Memory that was never
 * written and memory that was given back have patterns of their own, so that who reads them differs from other builds.
 *
 *     block:   ┌ size │ used │ bytes │ what │ fence │ guard ┐┌ payload: `bytes` ┐┌ guard, 64 bytes or more ┐
 *     fence:   buffer │ guard │ magic │ from │ fence before │ check │ next buffer …
 */
import { lettersFrom } from "./bytes";
import { Core, ErrorCode, fail } from "./core";
import { HAS_GUARDS } from "../parts";

/** What a block has besides its bytes. */
export const GUARD_BYTES: u64 = HAS_GUARDS ? 64 : 0;

const HEADER: usize = 64;
const GUARD: u8 = 0xfd;
const GUARDS: u64 = 0xfdfd_fdfd_fdfd_fdfd;
const FRESH: u8 = 0xff;
const FREED: u8 = 0xdb;
/** A fence ends with this record. */
const RECORD: usize = 16;
const MAGIC: u32 = 0x4543_4e46; // "FNCE"

@unmanaged
class GuardedBlock {
  size: usize;
  used: u32;
  bytes: usize;
  what: usize;
  /** The record of the last fence within; 0: none. */
  fence: usize;
}

@unmanaged
class Fence {
  magic: u32;
  from: usize;
  before: usize;
  check: usize;
}

/** A block that was taken: what is behind its bytes, and what is left of its header, is guarded from now on. */
export function guard(payload: usize, bytes: usize, what: string): void {
  if (!HAS_GUARDS) return;
  const block = changetype<GuardedBlock>(payload - HEADER);
  block.bytes = bytes;
  block.what = lettersFrom(what, 0);
  block.fence = 0;
  memory.fill(payload - HEADER + offsetof<GuardedBlock>(), GUARD, HEADER - offsetof<GuardedBlock>());
  memory.fill(payload, FRESH, bytes);
  memory.fill(payload + bytes, GUARD, block.size - bytes);
}

/** The bytes of a block that its owner asked for. */
export function bytesOfBlock(payload: usize): usize {
  const block = changetype<GuardedBlock>(payload - HEADER);
  return HAS_GUARDS ? block.bytes : block.size;
}

/** A block has other bytes now, `size` with its guards. */
export function guardResized(payload: usize, bytes: usize): void {
  if (!HAS_GUARDS) return;
  const block = changetype<GuardedBlock>(payload - HEADER);
  if (bytes > block.bytes) memory.fill(payload + block.bytes, FRESH, bytes - block.bytes);
  block.bytes = bytes;
  memory.fill(payload + bytes, GUARD, block.size - bytes);
}

/** A block that is given back. */
export function poison(payload: usize): void {
  if (HAS_GUARDS) memory.fill(payload, FREED, changetype<GuardedBlock>(payload - HEADER).size);
}

/** Guards the bytes [from, to) within a block, 16 or more, between two of its buffers. */
export function fence(payload: usize, from: usize, to: usize): void {
  if (!HAS_GUARDS) return;
  const block = changetype<GuardedBlock>(payload - HEADER);
  memory.fill(from, GUARD, to - from);
  const record = changetype<Fence>(to - RECORD);
  record.magic = MAGIC;
  record.from = from;
  record.before = block.fence;
  record.check = checkOf(record);
  block.fence = changetype<usize>(record);
}

/** Looks at the guards of every block, and traps where one was written on. */
export function requireGuards(core: Core): void {
  if (!HAS_GUARDS) return;
  for (let at = core.arenaFirst; at < core.arenaEnd; at += HEADER + changetype<GuardedBlock>(at).size) {
    const block = changetype<GuardedBlock>(at);
    if (!block.used) continue;
    const payload = at + HEADER;
    requireGuard(core, block, at + offsetof<GuardedBlock>(), payload);
    requireGuard(core, block, payload + block.bytes, payload + block.size);
    for (let found = block.fence; found != 0; ) {
      const record = changetype<Fence>(found);
      if (record.magic != MAGIC || record.check != checkOf(record)) damaged(core, block, found);
      requireGuard(core, block, record.from, found);
      found = record.before;
    }
  }
}

@inline
function checkOf(record: Fence): usize {
  return <usize>MAGIC ^ record.from ^ record.before;
}

function requireGuard(core: Core, block: GuardedBlock, from: usize, to: usize): void {
  while (from + 8 <= to && load<u64>(from) == GUARDS) from += 8;
  for (; from < to; from++) if (load<u8>(from) != GUARD) damaged(core, block, from);
}

function damaged(core: Core, block: GuardedBlock, at: usize): void {
  const payload = changetype<usize>(block) + HEADER;
  fail(
    core, ErrorCode.WRONG_STATE, "{w}, a block of {} bytes, was written on outside its buffers, at byte {i}",
    block.what, block.bytes, <u64>(<i64>at - <i64>payload),
  );
  unreachable();
}
