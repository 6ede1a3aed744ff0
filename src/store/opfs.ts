/**
 * Models kept in the browser's own file system (OPFS). A download lies there in pieces, each of which appears whole; what
 * was begun goes on by range, in this page or a later one, and counts as a model only when its length (and SHA-256, where
 * given) is right.
 *
 *     const model = await Model.load(await cached(url, { sha256, onProgress }));
 */
import { LimpetError, messageOf } from "../host/errors.ts";
import { Sha256 } from "./sha256.ts";

/** How a model is fetched into the cache. */
export interface CacheOptions {
  /** What the file's SHA-256 has to be, in hex. */
  sha256?: string;
  /** Bytes that are at hand, and of all; called as they come. */
  onProgress?: (bytesLoaded: number, bytesTotal: number) => void;
  /** Ends the download: the signal's reason is thrown, and what was fetched stays for the next call. */
  signal?: AbortSignal;
}

/** A model in the cache. */
export interface CachedModel {
  /** The URL that it was fetched from. */
  readonly url: string;
  /** So many of its bytes are there. */
  readonly bytes: number;
  /** Whether all of it is there. */
  readonly complete: boolean;
}

/** Beside the pieces of a model: what they belong to. */
interface Entry {
  readonly url: string;
  readonly size: number;
  readonly etag: string | null;
  readonly sha256: string | null;
  readonly complete: boolean;
}

const FOLDER = "limpet";
/** Bytes of a piece: what a lost page has to fetch again at most. */
const PIECE = 8 << 20;
const RETRIES = 4;
const RETRY_MS = 100;

/** The file at a URL: from the cache, or fetched into it. Of pages that ask at once, one fetches and the others wait. */
export async function cached(url: string | URL, options: CacheOptions = {}): Promise<File> {
  const href = new URL(url, typeof location === "object" ? location.href : undefined).href;
  const store = await open(href, true);
  const have = await inHand(store!, href, options);
  if (have) return have;
  return alone(store!.key, options.signal, async () => {
    // Another page may have fetched it since.
    return (await inHand(store!, href, options)) ?? download(store!, href, options);
  });
}

/** What the cache holds, whole or begun. */
export async function listCached(): Promise<CachedModel[]> {
  const folder = await models();
  const found: CachedModel[] = [];
  for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) {
    const store = { folder: await folder.getDirectoryHandle(name), key: name };
    const entry = await readEntry(store);
    if (!entry) continue;
    const bytes = (await pieces(store)).reduce((sum, { size }) => sum + size, 0);
    found.push({ url: entry.url, bytes, complete: entry.complete });
  }
  return found;
}

/** Deletes a model from the cache; false: it held none. */
export async function deleteCached(url: string | URL): Promise<boolean> {
  const store = await open(new URL(url, typeof location === "object" ? location.href : undefined).href, false);
  if (!store) return false;
  await alone(store.key, undefined, async () => (await models()).removeEntry(store.key, { recursive: true }));
  return true;
}

/** The folder of one model. */
interface Store {
  readonly folder: FileSystemDirectoryHandle;
  readonly key: string;
}

async function models(): Promise<FileSystemDirectoryHandle> {
  if (typeof navigator !== "object" || !navigator.storage?.getDirectory) {
    throw new LimpetError("HOST", "this host has no origin private file system: load the model without the cache");
  }
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
}

async function open(url: string, create: boolean): Promise<Store | null> {
  const hash = new Sha256();
  hash.add(new TextEncoder().encode(url));
  const key = hash.hex();
  try {
    return { folder: await (await models()).getDirectoryHandle(key, { create }), key };
  } catch (error) {
    if ((error as { name?: string }).name === "NotFoundError") return null;
    throw error;
  }
}

function alone<T>(key: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  return navigator.locks.request(`limpet ${key}`, { signal }, run) as Promise<T>;
}

/** The file where all of it is there, and is what is asked for. */
async function inHand(store: Store, url: string, { sha256 }: CacheOptions): Promise<File | null> {
  const entry = await readEntry(store);
  if (!entry?.complete || (sha256 && entry.sha256 !== sha256.toLowerCase())) return null;
  const parts = await pieces(store);
  if (parts.reduce((sum, { size }) => sum + size, 0) !== entry.size) return null;
  return new File(parts, new URL(url).pathname.split("/").pop() || "model.gguf");
}

async function download(store: Store, url: string, options: CacheOptions): Promise<File> {
  const before = await readEntry(store);
  // What does not fit what is asked for now, or what broke after it was whole, is of no use.
  if (before?.complete) await clear(store);
  for (let retries = 0; ; ) {
    const at = await bytesThere(store);
    try {
      if (await fetchRest(store, url, options)) break;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof LimpetError) throw error;
      // A server without ranges begins anew each time: what comes then is no progress.
      retries = at > 0 && (await bytesThere(store)) > at + PIECE ? 0 : retries + 1;
      if (retries >= RETRIES) {
        throw new LimpetError("HOST", `${url} broke off: ${messageOf(error)}; what is there is kept`, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** retries));
    }
  }
  const entry = (await readEntry(store))!;
  const sha256 = options.sha256 ? await digest(store) : null;
  if (sha256 && sha256 !== options.sha256!.toLowerCase()) {
    await clear(store);
    throw new LimpetError("BAD_FILE", `${url} has the SHA-256 ${sha256} and not ${options.sha256}; it is not kept`);
  }
  // Last: from here on it is a model.
  await write(store, "entry.json", JSON.stringify({ ...entry, sha256, complete: true }));
  return (await inHand(store, url, options))!;
}

/** Fetches what lacks; true: all is there. Throws where the network breaks off, with all pieces kept. */
async function fetchRest(store: Store, url: string, { signal, onProgress }: CacheOptions): Promise<boolean> {
  const entry = await readEntry(store);
  let at = entry ? await bytesThere(store) : 0;
  if (entry && at === entry.size) return true;
  const headers: Record<string, string> = {};
  if (at > 0) headers.range = `bytes=${at}-`;
  if (at > 0 && entry?.etag && !entry.etag.startsWith("W/")) headers["if-range"] = entry.etag;
  const response = await fetch(url, { signal, headers });
  if (!response.ok || !response.body)
    throw new LimpetError("HOST", `${url} answers ${response.status}: check its path`);
  let size = Number(response.headers.get("content-range")?.split("/")[1] ?? response.headers.get("content-length"));
  if (response.status !== 206 || (entry && size !== entry.size)) {
    // The server begins anew, or has another file by now.
    await clear(store);
    if (response.status === 206) throw new Error("the file has changed");
    at = 0;
  }
  if (!size || response.headers.has("content-encoding")) {
    throw new LimpetError(
      "HOST",
      `${url} does not say how long it is, so that a whole file cannot be told from a part`,
    );
  }
  const etag = response.headers.get("etag");
  await write(store, "entry.json", JSON.stringify({ url, size, etag, sha256: null, complete: false } satisfies Entry));

  const reader = response.body.getReader();
  let piece = new Uint8Array(Math.min(PIECE, size - at));
  let filled = 0;
  const keep = async (): Promise<void> => {
    if (filled > 0) await write(store, String(at - filled).padStart(12, "0"), piece.subarray(0, filled));
    piece = new Uint8Array(Math.min(PIECE, size - at));
    filled = 0;
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      for (let taken = 0; taken < value.length; ) {
        const count = Math.min(piece.length - filled, value.length - taken);
        if (count === 0) throw new LimpetError("HOST", `${url} gives more than the ${size} bytes that it promised`);
        piece.set(value.subarray(taken, taken + count), filled);
        filled += count;
        taken += count;
        at += count;
        if (filled === piece.length) await keep();
      }
      onProgress?.(at, size);
    }
  } finally {
    reader.cancel().catch(() => {});
    await keep();
  }
  size -= at;
  if (size > 0) throw new Error(`${size} bytes lack`);
  return true;
}

async function digest(store: Store): Promise<string> {
  const hash = new Sha256();
  for (const piece of await pieces(store)) hash.add(new Uint8Array(await piece.arrayBuffer()));
  return hash.hex();
}

async function readEntry({ folder }: Store): Promise<Entry | null> {
  try {
    return JSON.parse(await (await (await folder.getFileHandle("entry.json")).getFile()).text()) as Entry;
  } catch {
    return null;
  }
}

/** The pieces that follow each other from the beginning: their names are their offsets. */
async function pieces({ folder }: Store): Promise<File[]> {
  const found: File[] = [];
  for (let at = 0; ; at += found[found.length - 1].size) {
    try {
      const file = await (await folder.getFileHandle(String(at).padStart(12, "0"))).getFile();
      if (file.size === 0) return found;
      found.push(file);
    } catch {
      return found;
    }
  }
}

async function bytesThere(store: Store): Promise<number> {
  return (await pieces(store)).reduce((sum, { size }) => sum + size, 0);
}

/** Writes a file, which appears whole when it is closed. */
async function write({ folder }: Store, name: string, data: string | Uint8Array<ArrayBuffer>): Promise<void> {
  let stream: FileSystemWritableFileStream | null = null;
  try {
    stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
    await stream.write(data);
    // A full disk may show here only.
    await stream.close();
  } catch (error) {
    await stream?.abort().catch(() => {});
    const words = `the browser does not keep it (${messageOf(error)}): delete other models, or load it without the cache`;
    throw new LimpetError("HOST", words, { cause: error });
  }
}

async function clear({ folder }: Store): Promise<void> {
  const names: string[] = [];
  for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  for (const name of names) await folder.removeEntry(name);
}
