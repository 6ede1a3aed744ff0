/**
 * Downloads that are kept: what was begun goes on by range, in this process or a later one, and counts as a model only when
 * its length (and SHA-256, where given) is right. Where the bytes lie is a `Store`'s matter: the browser's own file system
 * (opfs.ts) or a folder (disk.ts).
 */
import { LimpetError } from "../host/errors.ts";
import { pause, within } from "../host/wait.ts";
import { drop, isPassing, reasonOf, refused } from "../load/request.ts";
import { isTagged, pieceLength, restHeaders, type Version, versionOf } from "../load/version.ts";

/** How a model is fetched. */
export interface FetchOptions {
  /** What the file's SHA-256 has to be, in hex. */
  sha256?: string;
  /** Bytes that are at hand, and of all; called as they come. */
  onProgress?: (bytesLoaded: number, bytesTotal: number) => void;
  /** Ends the download: the signal's reason is thrown, and what was fetched stays for the next call. */
  signal?: AbortSignal;
  /** How the server is asked. Default: by `fetch`. */
  ask?: Ask;
}

/** Asks a server for a file or the rest of it. */
export type Ask = (
  url: string,
  options: { signal?: AbortSignal; headers?: Record<string, string> },
) => Promise<Response>;

/** Beside the bytes of a model: what they belong to. */
export interface Entry extends Version {
  readonly url: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly complete: boolean;
}

/** What lies in a store, where it makes sense. */
export interface Kept {
  readonly entry: Entry;
  readonly bytes: number;
}

/** Where the bytes of one model lie. */
export interface Store {
  /** Looks at what is there: null where it is nothing that was put there, or has become so. */
  look(): Promise<Kept | null>;
  /** What was written beside the bytes, whatever they are. */
  readEntry(): Promise<Entry | null>;
  writeEntry(entry: Entry): Promise<void>;
  /** Puts bytes behind those that are there, so that they stay there. */
  put(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** The SHA-256 of all bytes, in hex. */
  digest(signal: AbortSignal | undefined): Promise<string>;
  /** Empties it: first of what says that it holds a model. */
  clear(): Promise<void>;
}

/** Bytes that are put at once: what a lost page or process has to fetch again at most. */
const PIECE = 8 << 20;
const RETRIES = 4;
const RETRY_MS = 100;
/** What every model begins with: a page of an error or of a login does not. */
export const MAGIC = "GGUF";

/** Fetches a file into a store. */
export async function download(store: Store, url: string, options: FetchOptions): Promise<void> {
  const { sha256, signal } = options;
  const before = await store.look();
  const isWhole = before?.entry.complete && before.bytes === before.entry.size;
  // What broke, or is known to be another one than is asked for, is of no use; what nobody has looked at may be the one.
  const isOther = isWhole && before?.entry.sha256 !== null;
  if (!before || before.entry.url !== url || isOther || (before.entry.complete && !isWhole)) await store.clear();
  const way: Way = { byRange: false };
  for (let retries = 0; ; ) {
    const at = (await store.look())?.bytes ?? 0;
    try {
      if (await fetchRest(store, url, options, way)) break;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Lost)) throw error;
      // A server without ranges begins anew each time: what comes then is no progress.
      retries = at > 0 && ((await store.look())?.bytes ?? 0) > at + PIECE ? 0 : retries + 1;
      if (retries >= RETRIES) {
        throw new LimpetError("HOST", `${url} broke off: ${error.message}; what is there is kept`, {
          cause: error.cause,
        });
      }
      await pause(RETRY_MS * 2 ** retries, signal);
    }
  }
  const entry = await store.readEntry();
  const found = sha256 ? await store.digest(signal) : null;
  if (found && found !== sha256) {
    await store.clear();
    throw new LimpetError("BAD_FILE", `${url} has the SHA-256 ${found} and not ${sha256}; it is not kept`);
  }
  // Last: from here on it is a model.
  if (entry) await store.writeEntry({ ...entry, sha256: found, complete: true });
  const now = await store.look();
  if (now?.entry.complete && now.bytes === now.entry.size) return;
  throw new LimpetError("HOST", `${url} was fetched, and what was kept of it is not whole: ask for it again`);
}

/** What the network lost, and may give when it is asked again. */
class Lost extends Error {}

/** How a server is asked: from its beginning by range where it does not say otherwise how long a file is. */
interface Way {
  byRange: boolean;
}

/** Fetches what lacks; true: all is there, false: it has to be asked for once more. Throws where the network breaks off. */
async function fetchRest(store: Store, url: string, options: FetchOptions, way: Way): Promise<boolean> {
  const { signal, onProgress, ask = fetch } = options;
  let kept = await store.look();
  if (kept && kept.bytes === kept.entry.size) return true;
  // Of what has no tags nobody knows whether its rest is of the same file.
  if (!kept || kept.bytes === 0 || !isTagged(kept.entry)) {
    await store.clear();
    kept = null;
  }
  let at = kept?.bytes ?? 0;
  const headers = kept ? restHeaders(kept.entry, at) : way.byRange ? { range: "bytes=0-" } : undefined;
  const response = await lost(within(ask(url, { signal, headers }), signal, url), signal);
  if (isPassing(response.status)) throw new Lost(refused(url, response).message);
  if (!response.ok && !(kept && response.status === 416)) throw refused(url, response);
  if (kept && pieceLength(kept.entry, response, at) === null) {
    // The server begins anew, or has another file by now.
    await store.clear();
    kept = null;
    at = 0;
    if (response.status === 206 || response.status === 416) {
      drop(response);
      throw new Lost("the file has changed");
    }
  }
  if (!response.body) throw new Lost("the answer is empty");
  const version = versionOf(response);
  const { size } = version;
  const isPart = response.status === 206 && !kept && pieceLength(version, response, 0) === null;
  if (!size || isPart) {
    drop(response);
    if (!way.byRange) {
      way.byRange = true;
      return false;
    }
    const words = `${url} does not say how long it is, so that a whole file cannot be told from a part`;
    throw new LimpetError("HOST", words);
  }
  if (!kept) {
    const entry: Entry = { ...version, url, size, sha256: null, complete: false };
    await store.writeEntry(entry);
  }

  const reader = response.body.getReader();
  // From another origin it may come packed without our seeing it: then its end is where it ends well.
  const isSure = response.type === "basic" || response.status === 206;
  const nextPiece = () => new Uint8Array(isSure || at < size ? Math.min(PIECE, size - at) : PIECE);
  let piece = nextPiece();
  let filled = 0;
  let isMore = false;
  let hasEnded = false;
  let start = MAGIC;
  const keep = async (): Promise<void> => {
    if (filled > 0) await store.put(at - filled, piece.subarray(0, filled));
    piece = nextPiece();
    filled = 0;
  };
  try {
    while (!isMore && start === MAGIC) {
      const { done, value } = await lost(within(reader.read(), signal, url), signal);
      hasEnded = done;
      if (done) break;
      for (let taken = 0; taken < value.length && !isMore; ) {
        const count = Math.min(piece.length - filled, value.length - taken);
        piece.set(value.subarray(taken, taken + count), filled);
        filled += count;
        taken += count;
        at += count;
        isMore = count === 0;
        if (at === filled && filled >= Math.min(MAGIC.length, size)) start = beginning(piece.subarray(0, filled));
        if (filled === piece.length) await keep();
      }
      onProgress?.(at, Math.max(at, size));
    }
  } finally {
    reader.cancel().catch(() => {});
    // What broke off behind the length that was promised would be taken for whole, or for none.
    if (!isSure && !hasEnded && !isMore && start === MAGIC && at >= size) await store.clear();
    else await keep();
  }
  if (start !== MAGIC) {
    // It would be found here for ever.
    await store.clear();
    const words = `${url} gives no GGUF file (it begins with ${JSON.stringify(start)}); it is not kept`;
    throw new LimpetError("BAD_FILE", words);
  }
  if (at < size) throw new Lost(`${size - at} bytes lack`);
  if (!isMore) {
    const entry = await store.readEntry();
    if (at > size && entry) await store.writeEntry({ ...entry, size: at });
    return true;
  }
  await store.clear();
  throw new LimpetError("HOST", `${url} gives more than the ${size} bytes that it promised`);
}

/** What a wait for the network comes to: what it throws may be well when it is asked again. */
async function lost<T>(wait: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await wait;
  } catch (error) {
    signal?.throwIfAborted();
    // Whoever asked knows that it will not be well.
    if (error instanceof LimpetError) throw error;
    throw new Lost(reasonOf(error), { cause: error });
  }
}

/** What some bytes begin with, as text. */
export function beginning(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, MAGIC.length));
}

/** What was written beside a model, if it is what we write; the date came later than the rest. */
export function entryOf(value: unknown): Entry | null {
  if (typeof value !== "object" || value === null) return null;
  const { url, size, etag = null, modified = null, sha256 = null, complete } = value as Record<string, unknown>;
  const isText = (text: unknown): text is string | null => text === null || typeof text === "string";
  if (typeof url !== "string" || !URL.canParse(url) || !(Number.isSafeInteger(size) && (size as number) > 0))
    return null;
  if (!isText(etag) || !isText(modified) || !isText(sha256) || typeof complete !== "boolean") return null;
  return { url, size: size as number, etag, modified, sha256, complete };
}
