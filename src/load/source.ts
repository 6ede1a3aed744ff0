/**
 * Where a model's bytes come from: files, bytes, blobs, responses and streams, all as parts from which the loader's
 * requests are filled. Requests come in the order of the file, so a stream serves as well as a file: what lies between
 * two requests is passed over, and what the header read too much of is kept until it is asked for again.
 */
import { bytesOf } from "../../bindings/memory.ts";
import { isNode, openFile, pathOf } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import type { Part } from "./part.ts";
import { request } from "./request.ts";

/** A path or URL as text, a `URL`, the bytes, a `Blob` or `File`, a `Response`, or a stream of bytes. */
export type ModelSource = string | URL | ArrayBuffer | ArrayBufferView | Blob | Response | ReadableStream<Uint8Array>;

/** Two ranges of a file or Blob that lie no further apart are read as one: that costs less than another read. */
const NEAR_BYTES = 1 << 12;

/** Opens all parts of a model: more than one for a split file, whose name ends in -00001-of-0000N.gguf. */
export async function openSource(source: ModelSource, signal?: AbortSignal): Promise<Part[]> {
  if (typeof source === "string" || source instanceof URL) {
    const opened: Part[] = [];
    try {
      if (isRemote(source)) {
        const names = splitNames(source);
        const responses = await Promise.all(names.map((name) => request(name, signal)));
        responses.forEach((response, i) => {
          opened.push(responsePart(response, (from) => resume(names[i], response, from, signal), signal));
        });
      } else {
        for (const name of splitNames(source)) opened.push(filePart(name));
      }
    } catch (error) {
      for (const part of opened) part.close();
      throw error;
    }
    return opened;
  }
  if (typeof Response !== "undefined" && source instanceof Response) return [responsePart(source)];
  if (typeof Blob !== "undefined" && source instanceof Blob) return [blobPart(source)];
  if (typeof ReadableStream !== "undefined" && source instanceof ReadableStream) return [new StreamPart(source, null)];
  if (ArrayBuffer.isView(source) || source instanceof ArrayBuffer) return [bytesPart(bytesOf(source))];
  throw new LimpetError(
    "BAD_ARGUMENT",
    "a model is loaded from a path, a URL, bytes, a Blob, a Response or a ReadableStream",
  );
}

/**
 * As `openSource`, for who reads again and again, here and there, until all parts are closed. What can be read but once is
 * refused.
 */
export async function openForRanges(source: ModelSource, signal?: AbortSignal): Promise<Part[]> {
  const isName = typeof source === "string" || source instanceof URL;
  if (isName && isRemote(source)) {
    const inMemory = /^(data|blob):/.test(String(source));
    if (inMemory) return [blobPart(await (await request(source, signal)).blob())];
    const { openRanges } = await import("./ranges.ts");
    return Promise.all(splitNames(source).map((name) => openRanges(name, signal)));
  }
  const isResponse = typeof Response !== "undefined" && source instanceof Response;
  if (isResponse || (typeof ReadableStream !== "undefined" && source instanceof ReadableStream)) {
    throw new LimpetError(
      "BAD_ARGUMENT",
      `a ${isResponse ? "Response" : "stream"} can be read but once, so tables cannot stay there: ` +
        "give the model's path or URL, a File or Blob, or its bytes",
    );
  }
  return openSource(source, signal);
}

/** The last part of a source's name, for `info`. */
export function sourceName(source: ModelSource): string | null {
  if (typeof source === "string" || source instanceof URL) return String(source).split(/[\\/]/).pop() || null;
  const { name, url } = source as { name?: unknown; url?: unknown };
  return typeof name === "string" ? name : typeof url === "string" && url ? url : null;
}

function isRemote(source: string | URL): boolean {
  return !isNode() || /^(https?|data|blob):/.test(String(source));
}

/** The names of all parts. */
export function splitNames(source: string | URL): (string | URL)[] {
  const match = String(source).match(/^(.*-)00001(-of-(\d{5})\.gguf)$/);
  if (!match) return [source];
  const [, head, tail, count] = match;
  const names = Array.from({ length: Number(count) }, (_, i) => `${head}${String(i + 1).padStart(5, "0")}${tail}`);
  return source instanceof URL ? names.map((name) => new URL(name)) : names;
}

function filePart(name: string | URL): Part {
  try {
    const file = openFile(pathOf(typeof name === "string" && name.startsWith("file:") ? new URL(name) : name));
    return { ...file, place: String(name), near: NEAR_BYTES };
  } catch (error) {
    const { code } = error as { code?: string };
    const why = code === "ENOENT" ? "there is no such file" : messageOf(error);
    throw new LimpetError("HOST", `${name}: ${why}`, { cause: error });
  }
}

/** The rest of what `first` began to give, from byte `from` on; null where the server does not give it. */
async function resume(
  url: string | URL,
  first: Response,
  from: number,
  signal?: AbortSignal,
): Promise<ReadableStream<Uint8Array> | null> {
  const headers: Record<string, string> = { range: `bytes=${from}-` };
  const etag = first.headers.get("etag");
  // A weak one does not promise the same bytes.
  if (etag && !etag.startsWith("W/")) headers["if-range"] = etag;
  const { status, body, headers: given } = await request(url, signal, headers);
  const range = given.get("content-range");
  if (status === 206 && (range === null || range.startsWith(`bytes ${from}-`))) return body;
  body?.cancel().catch(() => {});
  return null;
}

function responsePart(response: Response, reopen: Reopen | null = null, signal?: AbortSignal): Part {
  const place = response.url || "the response";
  if (!response.ok) throw new LimpetError("HOST", `${place} answers ${response.status}: check its path`);
  if (!response.body) throw new LimpetError("HOST", `${place} is empty, or was read before`);
  if (response.bodyUsed) throw new LimpetError("HOST", `${place} was read before: fetch it anew`);
  // The length is that of the encoded bytes where a server compresses, so it says nothing then.
  const length = response.headers.has("content-encoding") ? null : response.headers.get("content-length");
  const size = length === null ? null : Number(length);
  return new StreamPart(response.body, size, place, size === null ? null : reopen, signal, reopen !== null);
}

function bytesPart(bytes: Uint8Array): Part {
  return {
    size: bytes.length,
    read(offset, target) {
      const found = bytes.subarray(offset, offset + target.length);
      target.set(found);
      return found.length;
    },
    close() {},
  };
}

function blobPart(blob: Blob): Part {
  return {
    size: blob.size,
    place: blob instanceof File ? blob.name : "the Blob",
    near: NEAR_BYTES,
    async read(offset, target) {
      const found = new Uint8Array(await blob.slice(offset, offset + target.length).arrayBuffer());
      target.set(found);
      return found.length;
    },
    close() {},
  };
}

/** Gives the rest of a stream from an offset, or null. */
type Reopen = (from: number) => Promise<ReadableStream<Uint8Array> | null>;

/** How often in a row a stream that gives nothing is opened again, and the first pause before that; each is twice the last. */
const RETRIES = 4;
const RETRY_MS = 100;

/** What a stream of bytes is asked to fill, at most: as much as the core asks for at once. */
const BUFFER_BYTES = 1 << 20;

/**
 * A stream, read once from its beginning. Where it breaks off and can be opened again, it goes on from there. The
 * weights of what we fetched are read into one buffer again and again where the host can do that: a new one for each
 * piece, and a turn of the event loop, cost a browser half as much time as the transfer.
 */
class StreamPart implements Part {
  readonly size: number | null;
  readonly #place: string;
  readonly #reopen: Reopen | null;
  readonly #signal: AbortSignal | undefined;
  /** A stream of bytes that others made may not know how to end while a buffer waits to be filled. */
  readonly #fetched: boolean;
  #stream: ReadableStream<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #filler: ReadableStreamBYOBReader | null = null;
  /** Where the next piece goes, while none lies there. */
  #buffer: ArrayBuffer | null = null;
  /** From here on pieces lie in buffers of our own. */
  #ownFrom = Number.POSITIVE_INFINITY;
  #retries = 0;
  /** Chunks that were read, the first of which begins at `#start`. */
  #chunks: Uint8Array[] = [];
  #start = 0;
  #end = 0;
  #keep = true;

  constructor(
    stream: ReadableStream<Uint8Array>,
    size: number | null,
    place: string = "the stream",
    reopen: Reopen | null = null,
    signal?: AbortSignal,
    fetched: boolean = false,
  ) {
    this.size = size;
    this.#fetched = fetched;
    this.#place = place;
    this.#reopen = reopen;
    this.#signal = signal;
    this.#stream = stream;
    this.#reader = stream.getReader();
  }

  async read(offset: number, target: Uint8Array): Promise<number> {
    if (!this.#keep) this.#forget(offset);
    const wanted = offset + target.length;
    while (this.#end < wanted) {
      const value = await this.#next(wanted - this.#end);
      if (value === null) break;
      this.#chunks.push(value);
      this.#end += value.length;
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
      let why: unknown = null;
      try {
        const { done, value } = await this.#take(missing);
        if (value?.length) {
          this.#retries = 0;
          return value; // the last piece of a buffer may come with the end
        }
        if (!done) continue;
        if (this.#end >= (this.size ?? 0) || !this.#reopen) return null;
      } catch (error) {
        this.#signal?.throwIfAborted();
        // Whoever made the stream has ended it.
        if ((error as { name?: unknown } | null)?.name === "AbortError") throw error;
        why = error;
      }
      if (!(await this.#again())) {
        const all = this.size === null ? "" : ` of ${this.size}`;
        const said = why === null ? "" : ` (${messageOf(why)})`;
        throw new LimpetError("HOST", `${this.#place} broke off after ${this.#end}${all} bytes${said}: try again`, {
          cause: why,
        });
      }
    }
  }

  #take(missing: number): Promise<{ done: boolean; value?: Uint8Array }> {
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

  /** Opens the stream again where it broke off; false: it cannot be. */
  async #again(): Promise<boolean> {
    while (this.#reopen && this.#retries < RETRIES) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** this.#retries++));
      this.#signal?.throwIfAborted();
      try {
        const stream = await this.#reopen(this.#end);
        if (!stream) return false;
        this.#stream = stream;
        this.#reader = null;
        if (this.#filler) this.#fillBuffers();
        return true;
      } catch {
        // The network may come back.
        this.#signal?.throwIfAborted();
      }
    }
    return false;
  }

  headerDone(): void {
    this.#keep = false;
    if (this.#fetched) this.#fillBuffers();
  }

  close(): void {
    this.#chunks = [];
    (this.#filler ?? this.#reader ?? this.#stream).cancel().catch(() => {});
  }

  #forget(offset: number): void {
    while (this.#chunks.length && this.#start + this.#chunks[0].length <= offset) {
      const { length, buffer } = this.#chunks.shift()!;
      if (this.#filler && this.#start >= this.#ownFrom) this.#buffer = buffer as ArrayBuffer;
      this.#start += length;
    }
  }
}

/** A stream of unknown length that ended within the header: now its length is known, and its bytes are at hand. */
export async function settle(part: Part): Promise<Part> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const piece = new Uint8Array(1 << 16);
    const count = await part.read(offset, piece);
    pieces.push(piece.subarray(0, count));
    offset += count;
    if (count < piece.length) break;
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytesPart(bytes);
}
