/**
 * Models kept in the browser's own file system (OPFS). A download lies there in pieces, each of which appears whole; what
 * was begun goes on by range, in this page or a later one, and counts as a model only when its length (and SHA-256, where
 * given) is right.
 *
 *     const model = await Model.load(await cached(url, { sha256, onProgress }));
 */
import { callback, type OptionTable, place, readOptions, signal, text } from "../host/arguments.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { pause, within } from "../host/wait.ts";
import { drop, isPassing, reasonOf, refused } from "../load/request.ts";
import { isTagged, pieceLength, restHeaders, type Version, versionOf } from "../load/version.ts";
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

const OPTIONS: OptionTable<CacheOptions> = { sha256: text, onProgress: callback, signal };

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
interface Entry extends Version {
  readonly url: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly complete: boolean;
}

const FOLDER = "limpet";
/** Bytes of a piece: what a lost page has to fetch again at most. */
const PIECE = 8 << 20;
const RETRIES = 4;
const RETRY_MS = 100;
/** What every model begins with: a page of an error or of a login does not. */
const MAGIC = "GGUF";

/** The file at a URL: from the cache, or fetched into it. Of pages that ask at once, one fetches and the others wait. */
export async function cached(url: string | URL, options: CacheOptions = {}): Promise<File> {
  const given = readOptions(options, OPTIONS);
  const href = hrefOf(url);
  const sha256 = given.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new LimpetError("BAD_ARGUMENT", `sha256 is 64 digits of hex, not "${given.sha256}"`);
  }
  const wanted: CacheOptions = { ...given, sha256 };
  given.signal?.throwIfAborted();
  const have = await inHand((await open(href, true))!, href, wanted);
  if (have) return have;
  return alone(keyOf(href), given.signal, async () => {
    // Another page may have fetched it since, or deleted it with its folder.
    const store = (await open(href, true))!;
    return (await inHand(store, href, wanted)) ?? download(store, href, wanted);
  });
}

/** What the cache holds, whole or begun. What others put there is passed over. */
export async function listCached(): Promise<CachedModel[]> {
  const folder = await models();
  const found: CachedModel[] = [];
  for (const key of await namesIn(folder)) {
    try {
      const kept = await look({ folder: await folder.getDirectoryHandle(key), key });
      if (!kept || keyOf(kept.entry.url) !== key) continue;
      const { entry, bytes } = kept;
      found.push({ url: entry.url, bytes, complete: entry.complete && bytes === entry.size });
    } catch (error) {
      // No folder, or one that was deleted meanwhile.
      if (!isMissing(error)) throw error;
    }
  }
  return found;
}

/** Deletes a model from the cache; false: it held none. */
export async function deleteCached(url: string | URL): Promise<boolean> {
  const href = hrefOf(url);
  return alone(keyOf(href), undefined, async () => {
    if (!(await open(href, false))) return false;
    await (await models()).removeEntry(keyOf(href), { recursive: true });
    return true;
  });
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
  const key = keyOf(url);
  try {
    return { folder: await (await models()).getDirectoryHandle(key, { create }), key };
  } catch (error) {
    if ((error as { name?: string }).name === "NotFoundError") return null;
    throw new LimpetError("HOST", `the browser's file system fails (${messageOf(error)}): load it without the cache`, {
      cause: error,
    });
  }
}

/** A URL without what the server does not see of it. */
function hrefOf(url: string | URL): string {
  const name = place("url", url);
  try {
    const href = new URL(name, typeof location === "object" ? location.href : undefined);
    href.hash = "";
    return href.href;
  } catch (error) {
    throw new LimpetError("BAD_ARGUMENT", `${name} is no URL`, { cause: error });
  }
}

function keyOf(href: string): string {
  const hash = new Sha256();
  hash.add(new TextEncoder().encode(href));
  return hash.hex();
}

/** Whoever writes to a model's folder is alone there, of all pages and workers. */
function alone<T>(key: string, signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
  if (typeof navigator !== "object" || !navigator.locks) {
    throw new LimpetError(
      "HOST",
      "this host has no locks, so two pages could write to one file: load it without the cache",
    );
  }
  return navigator.locks.request(`limpet ${key}`, { signal }, run) as Promise<T>;
}

/** What lies in a model's folder, where it makes sense. */
interface Kept {
  readonly entry: Entry;
  readonly parts: readonly File[];
  readonly bytes: number;
}

/** Looks at what is there: null where it is nothing that was put there, or has become so. */
async function look(store: Store): Promise<Kept | null> {
  const entry = await readEntry(store);
  if (!entry) return null;
  const parts = await pieces(store);
  const bytes = parts.reduce((sum, { size }) => sum + size, 0);
  if (bytes > entry.size) return null;
  if (bytes >= MAGIC.length && beginning(new Uint8Array(await parts[0].slice(0, MAGIC.length).arrayBuffer())) !== MAGIC)
    return null;
  return { entry, parts, bytes };
}

/** The file where all of it is there, and is what is asked for. */
async function inHand(store: Store, url: string, { sha256 }: CacheOptions): Promise<File | null> {
  const kept = await look(store);
  if (!kept?.entry.complete || kept.bytes !== kept.entry.size || kept.entry.url !== url) return null;
  if (sha256 && kept.entry.sha256 !== sha256) return null;
  // Where another page has begun anew meanwhile, the pieces are of two files.
  const now = await readEntry(store);
  if (JSON.stringify(now) !== JSON.stringify(kept.entry)) return null;
  return new File([...kept.parts], new URL(url).pathname.split("/").pop() || "model.gguf");
}

async function download(store: Store, url: string, options: CacheOptions): Promise<File> {
  const { sha256, signal } = options;
  const before = await look(store);
  const isWhole = before?.entry.complete && before.bytes === before.entry.size;
  // What broke, or is known to be another one than is asked for, is of no use; what nobody has looked at may be the one.
  const isOther = isWhole && before?.entry.sha256 !== null;
  if (!before || before.entry.url !== url || isOther || (before.entry.complete && !isWhole)) await clear(store);
  const way: Way = { byRange: false };
  for (let retries = 0; ; ) {
    const at = (await look(store))?.bytes ?? 0;
    try {
      if (await fetchRest(store, url, options, way)) break;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof Lost)) throw error;
      // A server without ranges begins anew each time: what comes then is no progress.
      retries = at > 0 && ((await look(store))?.bytes ?? 0) > at + PIECE ? 0 : retries + 1;
      if (retries >= RETRIES) {
        throw new LimpetError("HOST", `${url} broke off: ${error.message}; what is there is kept`, {
          cause: error.cause,
        });
      }
      await pause(RETRY_MS * 2 ** retries, signal);
    }
  }
  const entry = (await readEntry(store))!;
  const found = sha256 ? await digest(store, signal) : null;
  if (found && found !== sha256) {
    await clear(store);
    throw new LimpetError("BAD_FILE", `${url} has the SHA-256 ${found} and not ${sha256}; it is not kept`);
  }
  // Last: from here on it is a model.
  await write(store, "entry.json", JSON.stringify({ ...entry, sha256: found, complete: true } satisfies Entry));
  const file = await inHand(store, url, options);
  if (file) return file;
  throw new LimpetError("HOST", `${url} was fetched, and what the browser kept of it is not whole: ask for it again`);
}

/** What the network lost, and may give when it is asked again. */
class Lost extends Error {}

/** How a server is asked: from its beginning by range where it does not say otherwise how long a file is. */
interface Way {
  byRange: boolean;
}

/** Fetches what lacks; true: all is there, false: it has to be asked for once more. Throws where the network breaks off. */
async function fetchRest(store: Store, url: string, options: CacheOptions, way: Way): Promise<boolean> {
  const { signal, onProgress } = options;
  let kept = await look(store);
  if (kept && kept.bytes === kept.entry.size) return true;
  // Of what has no tags nobody knows whether its rest is of the same file.
  if (!kept || kept.bytes === 0 || !isTagged(kept.entry)) {
    await clear(store);
    kept = null;
  }
  let at = kept?.bytes ?? 0;
  const headers = kept ? restHeaders(kept.entry, at) : way.byRange ? { range: "bytes=0-" } : undefined;
  const response = await lost(within(fetch(url, { signal, headers }), signal, url), signal);
  if (isPassing(response.status)) throw new Lost(refused(url, response).message);
  if (!response.ok && !(kept && response.status === 416)) throw refused(url, response);
  if (kept && pieceLength(kept.entry, response, at) === null) {
    // The server begins anew, or has another file by now.
    await clear(store);
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
    await write(store, "entry.json", JSON.stringify(entry));
  }

  const reader = response.body.getReader();
  // From another origin it may come packed without our seeing it: then its end is where it ends well.
  const isSure = response.type === "basic" || response.status === 206;
  const nextPiece = () => new Uint8Array(isSure || at < size ? Math.min(PIECE, size - at) : PIECE);
  let piece = nextPiece();
  let filled = 0;
  let isMore = false;
  let start = MAGIC;
  const keep = async (): Promise<void> => {
    if (filled > 0) await write(store, nameOf(at - filled), piece.subarray(0, filled));
    piece = nextPiece();
    filled = 0;
  };
  try {
    while (!isMore && start === MAGIC) {
      const { done, value } = await lost(within(reader.read(), signal, url), signal);
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
    await keep();
  }
  if (start !== MAGIC) {
    // It would be found here for ever.
    await clear(store);
    const words = `${url} gives no GGUF file (it begins with ${JSON.stringify(start)}); it is not kept`;
    throw new LimpetError("BAD_FILE", words);
  }
  if (at < size) throw new Lost(`${size - at} bytes lack`);
  if (!isMore) {
    const entry = await readEntry(store);
    if (at > size && entry) await write(store, "entry.json", JSON.stringify({ ...entry, size: at } satisfies Entry));
    return true;
  }
  await clear(store);
  throw new LimpetError("HOST", `${url} gives more than the ${size} bytes that it promised`);
}

/** What a wait for the network comes to: what it throws may be well when it is asked again. */
async function lost<T>(wait: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await wait;
  } catch (error) {
    signal?.throwIfAborted();
    throw new Lost(reasonOf(error), { cause: error });
  }
}

function beginning(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, MAGIC.length));
}

async function digest(store: Store, signal: AbortSignal | undefined): Promise<string> {
  const hash = new Sha256();
  for (const piece of await pieces(store)) {
    hash.add(new Uint8Array(await piece.arrayBuffer()));
    signal?.throwIfAborted();
  }
  return hash.hex();
}

async function readEntry({ folder }: Store): Promise<Entry | null> {
  try {
    return entryOf(JSON.parse(await (await (await folder.getFileHandle("entry.json")).getFile()).text()));
  } catch {
    return null;
  }
}

/** What was written beside the pieces, if it is what we write; the date came later than the rest. */
function entryOf(value: unknown): Entry | null {
  if (typeof value !== "object" || value === null) return null;
  const { url, size, etag = null, modified = null, sha256 = null, complete } = value as Record<string, unknown>;
  const isText = (text: unknown): text is string | null => text === null || typeof text === "string";
  if (typeof url !== "string" || !URL.canParse(url) || !(Number.isSafeInteger(size) && (size as number) > 0))
    return null;
  if (!isText(etag) || !isText(modified) || !isText(sha256) || typeof complete !== "boolean") return null;
  return { url, size: size as number, etag, modified, sha256, complete };
}

/** The pieces that follow each other from the beginning: their names are their offsets. */
async function pieces({ folder }: Store): Promise<File[]> {
  const found: File[] = [];
  for (let at = 0; ; at += found[found.length - 1].size) {
    try {
      const file = await (await folder.getFileHandle(nameOf(at))).getFile();
      if (file.size === 0) return found;
      found.push(file);
    } catch {
      return found;
    }
  }
}

function nameOf(at: number): string {
  return String(at).padStart(12, "0");
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

/** Empties a folder: first of what says that it holds a model. */
async function clear({ folder }: Store): Promise<void> {
  for (const name of ["entry.json", ...(await namesIn(folder))]) {
    try {
      await folder.removeEntry(name, { recursive: true });
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  return names;
}

function isMissing(error: unknown): boolean {
  const { name } = error as { name?: string };
  return name === "NotFoundError" || name === "TypeMismatchError";
}
