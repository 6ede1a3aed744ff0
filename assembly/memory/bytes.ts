/**
 * Bytes: lists of words in memory, comparing and copying text, a hash, and a writer of bytes.
 *
 * The core has no strings of its own. A text is an address and a length. A literal is an address alone: it lies as
 * UTF-8 with a NUL behind it (scripts/literals.mjs), though sources and editors call it a string. It is compared with a
 * text, or written as one, by what stands here. Addresses need no alignment.
 */

/** Word `i` of u32[] at `base`. */
@inline
export function u32At(base: usize, i: u32): u32 {
  return load<u32>(base + ((<usize>i) << 2));
}

@inline
export function setU32(base: usize, i: u32, value: u32): void {
  store<u32>(base + ((<usize>i) << 2), value);
}

/** Word `i` of i32[] at `base`. */
@inline
export function i32At(base: usize, i: u32): i32 {
  return load<i32>(base + ((<usize>i) << 2));
}

@inline
export function setI32(base: usize, i: u32, value: i32): void {
  store<i32>(base + ((<usize>i) << 2), value);
}

/** Number `i` of f32[] at `base`. */
@inline
export function f32At(base: usize, i: u32): f32 {
  return load<f32>(base + ((<usize>i) << 2));
}

@inline
export function setF32(base: usize, i: u32, value: f32): void {
  store<f32>(base + ((<usize>i) << 2), value);
}

/** Number `i` of u64[] at `base`. */
@inline
export function u64At(base: usize, i: u32): u64 {
  return load<u64>(base + ((<usize>i) << 3));
}

@inline
export function setU64(base: usize, i: u32, value: u64): void {
  store<u64>(base + ((<usize>i) << 3), value);
}

/** Where letter `i` of a literal lies. */
@inline
export function lettersFrom(words: string, i: u32): usize {
  if (isReference(words)) ERROR("a build of the core wants --transform ./scripts/literals.mjs");
  return changetype<usize>(words) + i;
}

/** Letter `i` of a literal [one byte of its UTF-8]; behind the last one stands 0. */
@inline
export function letterAt(words: string, i: u32): u32 {
  return load<u8>(lettersFrom(words, i));
}

/** The number of a literal's letters [bytes]. */
export function letterCount(words: string): u32 {
  let count: u32 = 0;
  while (letterAt(words, count) != 0) count++;
  return count;
}

/** Whether the bytes begin with a literal. */
export function startsWithText(bytes: usize, length: usize, words: string): bool {
  for (let i: u32 = 0; letterAt(words, i) != 0; i++) {
    if (i >= <u32>length || <u32>load<u8>(bytes + i) != letterAt(words, i)) return false;
  }
  return true;
}

/** Whether the bytes end with the letters of a literal. */
export function endsWithText(bytes: usize, length: usize, words: string): bool {
  const count = <usize>letterCount(words);
  return length >= count && sameText(bytes + length - count, count, words);
}

/** Whether the bytes are those of a literal. */
export function sameText(bytes: usize, length: usize, words: string): bool {
  let i: u32 = 0;
  for (; i < <u32>length; i++)
    if (letterAt(words, i) == 0 || <u32>load<u8>(bytes + i) != letterAt(words, i)) return false;
  return letterAt(words, i) == 0;
}

/** FNV-1a of 64 bits begins with this. */
export const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;

/** FNV-1a of 64 bits, continued over bytes. */
export function fnv(hash: u64, bytes: usize, length: usize): u64 {
  for (const end = bytes + length; bytes < end; bytes++) hash = (hash ^ load<u8>(bytes)) * 0x0000_0100_0000_01b3;
  return hash;
}

/** FNV-1a of 32 bits begins with this. */
export const FNV32_START: u32 = 0x811c_9dc5;

/** FNV-1a of 32 bits, continued over bytes: for tables, whose slots are u32. */
export function fnv32(hash: u32, bytes: usize, length: usize): u32 {
  for (const end = bytes + length; bytes < end; bytes++) hash = (hash ^ load<u8>(bytes)) * 0x0100_0193;
  return hash;
}

/**
 * Where a text is written. What does not fit below `capacity` is counted, not written: a caller learns how much room it
 * needs from the same call.
 */
@unmanaged
export class Writer {
  target: usize;
  capacity: u32;
  /** Bytes so far, those without room included. */
  count: u32;
}

/** Lets a writer begin anew. */
export function beginWriter(w: Writer, target: usize, capacity: u32): void {
  w.target = target;
  w.capacity = capacity;
  w.count = 0;
}

export function putByte(w: Writer, byte: u32): void {
  if (w.count < w.capacity) store<u8>(w.target + w.count, <u8>byte);
  w.count += 1;
}

export function putBytes(w: Writer, bytes: usize, length: u32): void {
  for (let i: u32 = 0; i < length; i++) putByte(w, load<u8>(bytes + i));
}

/** Writes a literal. */
export function putText(w: Writer, words: string): void {
  for (let i: u32 = 0; letterAt(words, i) != 0; i++) putByte(w, letterAt(words, i));
}

/** Writes a literal to `target`, at most `room` bytes of them; gives their number. */
export function copyText(target: usize, room: u32, words: string): u32 {
  const length = min(letterCount(words), room);
  memory.copy(target, lettersFrom(words, 0), length);
  return length;
}
