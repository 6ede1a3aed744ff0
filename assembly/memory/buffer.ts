/**
 * Bytes that grow in the arena: what is read or written piece by piece, and how much of it there will be is not known.
 */
import { allocate, allocateRaw, resize } from "./arena";
import { Core } from "./core";

@unmanaged
export class Buffer {
  at: usize;
  length: u32;
  capacity: u32;
  /** What the bytes are, for the message when memory runs out (a literal). */
  what: usize;
}

/**
 * An empty buffer. When there is no room for its bytes it has none, and the first append fails; 0 with the error set
 * when there is no room for its record.
 */
export function createBuffer(core: Core, capacity: u32, what: string): Buffer {
  const buffer = changetype<Buffer>(allocate(core, offsetof<Buffer>(), what));
  if (changetype<usize>(buffer) == 0) return buffer;
  buffer.at = allocateRaw(core, capacity, what);
  buffer.capacity = buffer.at != 0 ? capacity : 0;
  buffer.what = changetype<usize>(what);
  return buffer;
}

/** Makes room for more bytes; below zero: an error. */
export function reserveBytes(core: Core, b: Buffer, more: u32): i32 {
  if (changetype<usize>(b) == 0) return core.errorCode;
  if (more <= b.capacity - b.length) return 0;
  const capacity = 2 * <u64>b.capacity + more;
  const what = changetype<string>(b.what);
  const moved = b.at == 0 ? allocateRaw(core, capacity, what) : resize(core, b.at, capacity, what);
  if (moved == 0) return core.errorCode;
  b.at = moved;
  b.capacity = <u32>capacity;
  return 0;
}

/** Appends bytes; below zero: an error. */
export function appendBytes(core: Core, b: Buffer, at: usize, length: u32): i32 {
  const status = reserveBytes(core, b, length);
  if (status < 0) return status;
  memory.copy(b.at + b.length, at, length);
  b.length += length;
  return 0;
}
