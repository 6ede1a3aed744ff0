/** A model that comes as a stream, read once from its beginning, as a part from which the loader's requests are filled. */
import { LimpetError, messageOf } from "../host/errors.ts";
import { Pace } from "../host/pace.ts";
import { pause, within } from "../host/wait.ts";
import { bytesIn } from "./kinds.ts";
import type { Part } from "./part.ts";
import { reasonOf } from "./request.ts";

/** Gives the rest of a stream from an offset; null: only all of it, from the beginning. */
export type Reopen = (from: number) => Promise<ReadableStream<unknown> | null>;

/** What is known of a stream. */
export interface StreamFacts {
  /** Bytes of all of it; null where nobody promises them. */
  readonly size?: number | null;
  /** What errors call it. */
  readonly place?: string;
  readonly reopen?: Reopen;
  readonly signal?: AbortSignal;
}

/** How often in a row a stream that gives nothing is opened again, and the first pause before that; each is twice the last. */
const RETRIES = 4;
const RETRY_MS = 100;

/** What a stream of bytes is asked to fill, at most: as much as the core asks for at once. */
const BUFFER_BYTES = 1 << 20;

/** Smaller chunks are put together: a stream may give byte after byte. */
const SMALL_BYTES = 1 << 12;
const TOGETHER_BYTES = 1 << 16;

/** A stream that broke off. Where `anew`, it can be had from its beginning, but not from there: it may be another by now. */
export class BrokenOff extends LimpetError {
  readonly anew: boolean;

  constructor(anew: boolean, message: string, cause: unknown) {
    super("HOST", message, { cause });
    this.anew = anew;
  }
}

/**
 * A stream, read once from its beginning. Where it breaks off and can be opened again, it goes on from there. The
 * weights of what we fetched are read into one buffer again and again where the host can do that: a new one for each
 * piece, and a turn of the event loop, cost a browser half as much time as the transfer.
 */
export class StreamPart implements Part {
  readonly size: number | null;
  readonly #place: string;
  readonly #reopen: Reopen | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #pace: Pace;
  #stream: ReadableStream<unknown>;
  #reader: ReadableStreamDefaultReader<unknown> | null = null;
  #filler: ReadableStreamBYOBReader | null = null;
  /** Where the next piece goes, while none lies there. */
  #buffer: ArrayBuffer | null = null;
  /** From here on pieces lie in buffers of our own. */
  #ownFrom = Number.POSITIVE_INFINITY;
  #retries = 0;
  /** Chunks that were read, the first of which begins at `#start`. */
  #chunks: Uint8Array[] = [];
  /** The room behind the last chunk, where it was put together of small ones. */
  #together: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  #keep = true;

  constructor(stream: ReadableStream<unknown>, { size = null, place = "the stream", reopen, signal }: StreamFacts) {
    this.size = size;
    this.#place = place;
    this.#reopen = reopen;
    this.#signal = signal;
    this.#pace = new Pace(signal);
    this.#stream = stream;
    this.#reader = stream.getReader();
  }

  async read(offset: number, target: Uint8Array): Promise<number> {
    if (!this.#keep) this.#forget(offset);
    const wanted = offset + target.length;
    while (this.#end < wanted) {
      const value = await this.#next(wanted - this.#end);
      if (value === null) break;
      this.#add(value);
      if (!this.#keep) this.#forget(offset);
    }
    let at = this.#start;
    let count = 0;
    for (const chunk of this.#chunks) {
      const from = Math.max(offset - at, 0);
      const to = Math.min(wanted - at, chunk.length);
      if (from < to) {
        target.set(chunk.subarray(from, to), at + from - offset);
        count += to - from;
      }
      at += chunk.length;
    }
    return count;
  }

  /** The next bytes, of which `missing` are waited for; null at the end. */
  async #next(missing: number): Promise<Uint8Array | null> {
    for (;;) {
      // What comes without end, and at once, would let nothing else have its turn.
      const turn = this.#pace.step();
      if (turn) await turn;
      let why: unknown = null;
      let step: { done: boolean; value?: unknown } | null = null;
      try {
        step = await within(this.#take(missing), this.#signal, this.#place);
      } catch (error) {
        this.#signal?.throwIfAborted();
        // Whoever made the stream has ended it.
        if ((error as { name?: unknown } | null)?.name === "AbortError") throw error;
        why = error;
      }
      if (step) {
        const bytes = step.done && step.value === undefined ? null : this.#bytesOf(step.value);
        if (bytes?.length) {
          this.#retries = 0;
          return bytes; // the last piece of a buffer may come with the end
        }
        if (!step.done) continue;
        if (this.#end >= (this.size ?? 0) || !this.#reopen) return null;
      }
      await this.#again(why);
    }
  }

  #bytesOf(value: unknown): Uint8Array {
    const bytes = bytesIn(value);
    if (bytes) return bytes;
    throw new LimpetError(
      "BAD_ARGUMENT",
      `${this.#place} gives ${value === undefined ? "nothing" : `${typeof value}s`} where bytes (a Uint8Array) are wanted`,
    );
  }

  #take(missing: number): Promise<{ done: boolean; value?: unknown }> {
    if (!this.#filler) return (this.#reader ??= this.#stream.getReader()).read();
    const buffer = this.#buffer ?? new ArrayBuffer(BUFFER_BYTES);
    this.#buffer = null;
    const length = Math.min(missing, BUFFER_BYTES);
    // All of it at once where the host knows `min`: each answer is a turn of its event loop.
    return this.#filler.read(new Uint8Array(buffer, 0, length), { min: length });
  }

  /** From now on pieces go into a buffer that is used again, where the stream can do that. */
  #fillBuffers(): void {
    this.#reader?.releaseLock();
    this.#reader = null;
    try {
      this.#filler = this.#stream.getReader({ mode: "byob" });
      this.#ownFrom = this.#end;
    } catch {
      this.#filler = null; // no stream of bytes
    }
  }

  /** Opens the stream again where it broke off, or throws. */
  async #again(first: unknown): Promise<void> {
    let why = first;
    while (this.#reopen && this.#retries < RETRIES) {
      await pause(RETRY_MS * 2 ** this.#retries++, this.#signal);
      try {
        const stream = await this.#reopen(this.#end);
        if (!stream) throw this.#broken(true, why);
        this.#stream = stream;
        this.#reader = null;
        if (this.#filler) this.#fillBuffers();
        return;
      } catch (error) {
        // The network may come back.
        this.#signal?.throwIfAborted();
        if (error instanceof BrokenOff) throw error;
        why = error;
      }
    }
    throw this.#broken(false, why);
  }

  #broken(anew: boolean, why: unknown): BrokenOff {
    const all = this.size === null ? "" : ` of ${this.size}`;
    const said = why === null ? "" : ` (${why instanceof LimpetError ? messageOf(why) : reasonOf(why)})`;
    return new BrokenOff(anew, `${this.#place} broke off after ${this.#end}${all} bytes${said}: try again`, why);
  }

  headerDone(): void {
    this.#keep = false;
    // A stream of bytes that others made may not know how to end while a buffer waits to be filled.
    if (this.#reopen) this.#fillBuffers();
  }

  close(): void {
    this.#chunks = [];
    // What is no stream of the host's may lack it, throw, or give no promise.
    new Promise((resolve) => resolve((this.#filler ?? this.#reader ?? this.#stream).cancel())).catch(() => {});
  }

  #add(value: Uint8Array): void {
    this.#end += value.length;
    const last = this.#chunks.length - 1;
    if (value.length > SMALL_BYTES || this.#filler) {
      this.#together = null;
      this.#chunks.push(value);
    } else if (this.#together && last >= 0 && this.#together.length >= value.length) {
      this.#together.set(value);
      this.#together = this.#together.subarray(value.length);
      const { buffer, byteOffset, length } = this.#chunks[last];
      this.#chunks[last] = new Uint8Array(buffer, byteOffset, length + value.length);
    } else {
      const room = new Uint8Array(TOGETHER_BYTES);
      room.set(value);
      this.#together = room.subarray(value.length);
      this.#chunks.push(room.subarray(0, value.length));
    }
  }

  #forget(offset: number): void {
    while (this.#chunks.length && this.#start + this.#chunks[0].length <= offset) {
      const { length, buffer } = this.#chunks.shift()!;
      if (this.#filler && this.#start >= this.#ownFrom) this.#buffer = buffer as ArrayBuffer;
      this.#start += length;
    }
  }
}
