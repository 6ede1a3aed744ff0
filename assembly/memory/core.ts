/**
 * The core record: the one thing an instance owns. It lies at `__heap_base` and holds the arena's state and the last
 * error; every call that can fail gets its pointer. Nothing else in the core is mutable and global.
 *
 *     __heap_base
 *     ├─ Core ──────────────────────────┬─ arena blocks … ──────────────► memory.size
 *     │ arena, error code, message text │ (memory/arena.ts)
 */

import { letterAt, lettersFrom } from "./bytes";

/** Statuses of stepped calls. Failures are below zero. */
export namespace Status {
  export const DONE: i32 = 0;
  /** There is more to do: step again. */
  export const MORE: i32 = 1;
  /** The host must fill the listed file ranges, then step again. */
  export const NEED_DATA: i32 = 2;
}

/** Error codes: what kind of thing is wrong. The message says which, and what to do. */
export namespace ErrorCode {
  /** The memory (4 GiB of wasm32, or the host's limit) does not hold what was asked. */
  export const OUT_OF_MEMORY: i32 = -1;
  /** The file is broken: truncated, contradictory, out of range. */
  export const BAD_FILE: i32 = -2;
  /** A sound file that limpet cannot run: architecture, block format, pre-tokenizer, version. */
  export const UNSUPPORTED: i32 = -3;
  /** The caller asked for something impossible: a shape, a token id, an option. */
  export const BAD_ARGUMENT: i32 = -4;
  /** The context's rows are used up. */
  export const CONTEXT_FULL: i32 = -5;
  /** The call does not fit the state of the object: stepping a model that is not loading, for instance. */
  export const WRONG_STATE: i32 = -6;
}

const MESSAGE_CAPACITY: u32 = 1024;

@unmanaged
export class Core {
  /** First block of the arena. */
  arenaFirst: usize;
  /** End of the arena: the end of the last block. */
  arenaEnd: usize;
  /** The bytes in use now, and the most there ever were. */
  arenaUsed: usize;
  arenaPeak: usize;
  /** No block may end above this address; 0: only the host limits. */
  arenaLimit: usize;
  errorCode: i32;
  errorLength: u32;
  /** Its threads (pass/threads.ts), 0: none. */
  threads: usize;
  /** How the fast build sums products with bytes (kernels/quant/byte_dots.ts). */
  byteDots: u32;

  @inline
  get message(): usize {
    return changetype<usize>(this) + offsetof<Core>();
  }
}

/** The bytes of a core record with its message buffer, a multiple of 64. */
export const CORE_BYTES: usize = 64 + <usize>MESSAGE_CAPACITY;

/**
 * Sets the error: its code, and a sentence in which each mark stands for the next argument. Any other brace is a brace.
 * Returns the code, so `return fail(core, …)` reads well.
 *
 *     {}   an unsigned integer, in decimal        {s}   bytes of a file or of a caller: `bytesOf(pointer, length)`
 *     {i}  a signed integer                       {w}   words of our own: `wordsOf(string)`
 */
export function fail(core: Core, code: i32, sentence: string, a: u64 = 0, b: u64 = 0, c: u64 = 0, d: u64 = 0): i32 {
  core.errorCode = code;
  core.errorLength = 0;
  for (let at: u32 = 0; letterAt(sentence, at) != 0; at++) {
    const letter = letterAt(sentence, at);
    const kind = letter == 0x7b ? letterAt(sentence, at + 1) : 0;
    const isShort = kind == 0x7d;
    if (!isShort && (kind < 0x69 || letterAt(sentence, at + 2) != 0x7d)) {
      put(core, <u8>letter);
      continue;
    }
    at += isShort ? 1 : 2;
    if (kind == 0x73) sayBytes(core, <usize>(a & 0xffff_ffff), <usize>(a >> 32));
    else if (kind == 0x77) say(core, changetype<string>(<usize>a));
    else if (kind == 0x69) sayInteger(core, <i64>a);
    else sayNumber(core, a);
    a = b;
    b = c;
    c = d;
  }
  return code;
}

/** Bytes as an argument of `fail`. */
@inline
export function bytesOf(pointer: usize, length: usize): u64 {
  return <u64>pointer | ((<u64>length) << 32);
}

/** Words as an argument of `fail`. */
@inline
export function wordsOf(words: string): u64 {
  return <u64>lettersFrom(words, 0);
}

/** Appends words of our own to the message. */
export function say(core: Core, words: string): void {
  for (let i: u32 = 0; letterAt(words, i) != 0; i++) put(core, <u8>letterAt(words, i));
}

/** Appends bytes of a file or of a caller; what is not printable ASCII shows as `?`, and at most 96 bytes are shown. */
export function sayBytes(core: Core, bytes: usize, length: usize): void {
  const shown: usize = length < 96 ? length : 96;
  for (let i: usize = 0; i < shown; i++) {
    const c = load<u8>(bytes + i);
    put(core, c >= 32 && c < 127 ? c : 63);
  }
  if (shown < length) say(core, "...");
}

/** Appends an unsigned integer in decimal. */
export function sayNumber(core: Core, value: u64): void {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) put(core, 48 + <u8>((value / divisor) % 10));
}

/** Appends a signed integer in decimal. */
export function sayInteger(core: Core, value: i64): void {
  if (value < 0) put(core, 45);
  sayNumber(core, value < 0 ? -value : value);
}

function put(core: Core, byte: u8): void {
  if (core.errorLength >= MESSAGE_CAPACITY) return;
  store<u8>(core.message + core.errorLength, byte);
  core.errorLength += 1;
}
