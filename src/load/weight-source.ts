/**
 * Reads weights that stay where the model came from, a file, a Blob, a URL with ranges: rows of tables, matrices of
 * experts. A pass says which it wants, in one list; they are read at once, near ones together, and put where the core
 * wants them.
 */

import type { Pointer } from "../../bindings/exports.ts";
import { address } from "../../bindings/memory.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { within } from "../host/wait.ts";
import { changed, type Part, unreadable } from "./part.ts";

/**
 * A file is read at once while a read, and each so many bytes of a long one, takes no longer, but for a while: the
 * system's cache is faster, a disk is not.
 */
const AT_ONCE_MS = 0.02;
const AT_ONCE_BYTES = 1 << 16;
const WHILE_MS = 1;
/** Reads at a time. */
const READS = 32;
/** No read is longer, however near its ranges lie. */
const READ_BYTES = 1 << 20;

interface Range {
  readonly file: number;
  readonly offset: number;
  readonly length: number;
  readonly destination: number;
}

/** Ranges of one file that are read together. */
interface Read {
  readonly file: number;
  readonly from: number;
  to: number;
  readonly ranges: Range[];
}

/** The open files of a model whose tables or experts are streamed. */
export class WeightSource {
  readonly #core: Core;
  readonly #parts: readonly Part[];
  /** What goes on, each with the context that waits for it. */
  readonly #waits: Map<AbortController, Pointer> = new Map();

  constructor(core: Core, parts: readonly Part[]) {
    this.#core = core;
    this.#parts = parts;
  }

  /**
   * Reads what a pass that answered NEED_DATA wants. What can be had at once goes straight to where the core wants it. Of
   * the rest a promise is given of a function that puts the bytes there: to be called if the pass still wants them.
   */
  read(context: Pointer, signal: AbortSignal | undefined): Promise<() => void> | undefined {
    const ranges = this.#requests(context);
    for (const file of new Set(ranges.map((range) => range.file))) {
      const part = this.#parts[file];
      if (part.changed?.()) throw changed(part.place ?? "the model's file");
    }
    const later: Range[] = [];
    let deadline = performance.now() + WHILE_MS;
    for (const range of ranges) {
      const part = this.#parts[range.file];
      const isSlow = !part.readLater || performance.now() > deadline;
      if (part.near !== undefined && isSlow) {
        later.push(range);
        continue;
      }
      deadline += AT_ONCE_MS * Math.ceil(range.length / AT_ONCE_BYTES);
      const target = this.#core.memory.u8(range.destination, range.length);
      const count = readNow(part, range.offset, target);
      if (count < range.length) throw endsEarly(part, range.offset + range.length);
    }
    return later.length ? this.#readLater(context, later, signal) : undefined;
  }

  /** Ends the waits of a context that nobody computes with any more. */
  leave(context: Pointer, why: string): void {
    for (const [wait, waits] of this.#waits) if (waits === context) wait.abort(new LimpetError("WRONG_STATE", why));
  }

  /** Ends all waits, and closes the files. */
  close(): void {
    for (const wait of this.#waits.keys()) wait.abort(new LimpetError("WRONG_STATE", "the model was disposed of"));
    for (const part of this.#parts) part.close();
  }

  #requests(context: Pointer): Range[] {
    const { exports } = this.#core;
    return Array.from({ length: exports.context_request_count(context) }, (_, i) => ({
      file: exports.context_request_file(context, i),
      offset: Number(exports.context_request_offset(context, i)),
      length: exports.context_request_length(context, i) >>> 0,
      destination: address(exports.context_request_destination(context, i)),
    }));
  }

  async #readLater(context: Pointer, ranges: Range[], signal: AbortSignal | undefined): Promise<() => void> {
    const reads = merge(ranges, this.#parts);
    const found: Uint8Array[] = [];
    const wait = new AbortController();
    const abort = (): void => wait.abort(signal!.reason);
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < reads.length) {
        const index = next++;
        const { file, from, to } = reads[index];
        const part = this.#parts[file];
        const bytes = new Uint8Array(to - from);
        const read = async () => part.readLater?.(from, bytes) ?? part.read(from, bytes, wait.signal);
        const count = await inWords(part, read());
        if (count < bytes.length) throw endsEarly(part, to);
        found[index] = bytes;
      }
    };
    this.#waits.set(wait, context);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      // One ear for all of them: hosts warn of a signal with many.
      await within(Promise.all(Array.from({ length: Math.min(READS, reads.length) }, work)), wait.signal);
    } catch (error) {
      next = reads.length;
      // Who asked for it to end is told why, and what else goes on for it ends.
      const why = wait.signal.aborted ? wait.signal.reason : error;
      wait.abort(why);
      throw why;
    } finally {
      this.#waits.delete(wait);
      signal?.removeEventListener("abort", abort);
    }
    return () => {
      reads.forEach(({ from, ranges: wanted }, i) => {
        for (const { offset, length, destination } of wanted) {
          this.#core.memory.write(destination, found[i].subarray(offset - from, offset - from + length));
        }
      });
    };
  }
}

/** Ranges that lie near each other as one read. */
function merge(ranges: Range[], parts: readonly Part[]): Read[] {
  ranges.sort((a, b) => a.file - b.file || a.offset - b.offset);
  const reads: Read[] = [];
  for (const range of ranges) {
    const { file, offset, length } = range;
    const last = reads.at(-1);
    const end = offset + length;
    if (last && last.file === file && offset - last.to <= (parts[file].near ?? 0) && end - last.from <= READ_BYTES) {
      last.to = Math.max(last.to, end);
      last.ranges.push(range);
    } else reads.push({ file, from: offset, to: end, ranges: [range] });
  }
  return reads;
}

/** Reads of a part that gives its bytes at once. */
function readNow(part: Part, offset: number, target: Uint8Array): number {
  try {
    return part.read(offset, target) as number;
  } catch (error) {
    throw unreadable(part, error);
  }
}

/** What a read gives; what it throws, in words. */
async function inWords(part: Part, read: Promise<number>): Promise<number> {
  try {
    return await read;
  } catch (error) {
    throw unreadable(part, error);
  }
}

function endsEarly(part: Part, end: number): LimpetError {
  const words = `${part.place ?? "the model's file"} ends before byte ${end}, where its weights were when it was loaded`;
  return new LimpetError("BAD_FILE", `${words}: load it anew`);
}
