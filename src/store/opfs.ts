/**
 * Models kept in the browser's own file system (OPFS). A download lies there in pieces, each of which appears whole
 * (download.ts says how it goes on, and when it counts as a model).
 *
 *     const model = await Model.load(await cached(url, { sha256, onProgress }));
 */
import { callback, type OptionTable, place, readOptions, signal, text } from "../host/arguments.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import {
  beginning,
  download,
  type Entry,
  entryOf,
  type FetchOptions,
  type Kept,
  MAGIC,
  type Store,
} from "./download.ts";
import { Sha256 } from "./sha256.ts";
import type { Shelf } from "./shelf.ts";

/** How a model is fetched into the cache. */
export type CacheOptions = Omit<FetchOptions, "ask">;

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

const FOLDER = "limpet";

/** The file at a URL: from the cache, or fetched into it. Of pages that ask at once, one fetches and the others wait. */
export async function cached(url: string | URL, options: CacheOptions = {}): Promise<File> {
  const given = readOptions(options, OPTIONS);
  const href = hrefOf(url);
  const sha256 = given.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new LimpetError("BAD_ARGUMENT", `sha256 is 64 digits of hex, not "${given.sha256}"`);
  }
  return fetched(href, { ...given, sha256 });
}

/** The file at a URL, which is spelt as the cache spells it. */
export async function fetched(href: string, wanted: FetchOptions): Promise<File> {
  wanted.signal?.throwIfAborted();
  const have = await inHand((await open(href, true))!, href, wanted);
  if (have) return have;
  return alone(keyOf(href), wanted.signal, async () => {
    // Another page may have fetched it since, or deleted it with its folder.
    const store = (await open(href, true))!;
    const fetchedSince = await inHand(store, href, wanted);
    if (fetchedSince) return fetchedSince;
    await download(store, href, wanted);
    const file = await inHand(store, href, wanted);
    if (file) return file;
    throw new LimpetError(
      "HOST",
      `${href} was fetched, and what the browser kept of it is not whole: ask for it again`,
    );
  });
}

/** What the cache holds, whole or begun. What others put there is passed over. */
export async function listCached(): Promise<CachedModel[]> {
  return (await keptIn()).map(({ url, bytes, complete }) => ({ url, bytes, complete }));
}

/** The cache as a shelf of models by name. */
export function opfsShelf(): Shelf {
  return {
    list: async () => (await keptIn()).map((kept) => ({ ...kept, open: () => fetched(kept.url, {}) })),
    fetch: (url, _, options) => fetched(url, options),
    remove: async (url) => void (await deleteCached(url)),
  };
}

async function keptIn(): Promise<(CachedModel & { readonly size: number })[]> {
  const folder = await models();
  const found: (CachedModel & { readonly size: number })[] = [];
  for (const key of await namesIn(folder)) {
    try {
      const kept = await new OpfsStore(await folder.getDirectoryHandle(key)).look();
      if (!kept || keyOf(kept.entry.url) !== key) continue;
      const { entry, bytes } = kept;
      found.push({ url: entry.url, bytes, size: entry.size, complete: entry.complete && bytes === entry.size });
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
class OpfsStore implements Store {
  readonly #folder: FileSystemDirectoryHandle;

  constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder;
  }

  async look(): Promise<(Kept & { readonly parts: readonly File[] }) | null> {
    const entry = await this.readEntry();
    if (!entry) return null;
    const parts = await this.#pieces();
    const bytes = parts.reduce((sum, { size }) => sum + size, 0);
    if (bytes > entry.size) return null;
    if (
      bytes >= MAGIC.length &&
      beginning(new Uint8Array(await parts[0].slice(0, MAGIC.length).arrayBuffer())) !== MAGIC
    )
      return null;
    return { entry, parts, bytes };
  }

  writeEntry(entry: Entry): Promise<void> {
    return this.#write("entry.json", JSON.stringify(entry));
  }

  put(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#write(nameOf(at), bytes);
  }

  async digest(signal: AbortSignal | undefined): Promise<string> {
    const hash = new Sha256();
    for (const piece of await this.#pieces()) {
      hash.add(new Uint8Array(await piece.arrayBuffer()));
      signal?.throwIfAborted();
    }
    return hash.hex();
  }

  async clear(): Promise<void> {
    for (const name of ["entry.json", ...(await namesIn(this.#folder))]) {
      try {
        await this.#folder.removeEntry(name, { recursive: true });
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
  }

  async readEntry(): Promise<Entry | null> {
    try {
      return entryOf(JSON.parse(await (await (await this.#folder.getFileHandle("entry.json")).getFile()).text()));
    } catch {
      return null;
    }
  }

  /** The pieces that follow each other from the beginning: their names are their offsets. */
  async #pieces(): Promise<File[]> {
    const found: File[] = [];
    for (let at = 0; ; at += found[found.length - 1].size) {
      try {
        const file = await (await this.#folder.getFileHandle(nameOf(at))).getFile();
        if (file.size === 0) return found;
        found.push(file);
      } catch {
        return found;
      }
    }
  }

  /** Writes a file, which appears whole when it is closed. */
  async #write(name: string, data: string | Uint8Array<ArrayBuffer>): Promise<void> {
    let stream: FileSystemWritableFileStream | null = null;
    try {
      stream = await (await this.#folder.getFileHandle(name, { create: true })).createWritable();
      await stream.write(data);
      // A full disk may show here only.
      await stream.close();
    } catch (error) {
      await stream?.abort().catch(() => {});
      const words = `the browser does not keep it (${messageOf(error)}): delete other models, or load it without the cache`;
      throw new LimpetError("HOST", words, { cause: error });
    }
  }
}

function nameOf(at: number): string {
  return String(at).padStart(12, "0");
}

async function models(): Promise<FileSystemDirectoryHandle> {
  if (typeof navigator !== "object" || !navigator.storage?.getDirectory) {
    throw new LimpetError("HOST", "this host has no origin private file system: load the model without the cache");
  }
  return (await navigator.storage.getDirectory()).getDirectoryHandle(FOLDER, { create: true });
}

async function open(url: string, create: boolean): Promise<OpfsStore | null> {
  const key = keyOf(url);
  try {
    return new OpfsStore(await (await models()).getDirectoryHandle(key, { create }));
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

/** The file where all of it is there, and is what is asked for. */
async function inHand(store: OpfsStore, url: string, { sha256 }: FetchOptions): Promise<File | null> {
  const kept = await store.look();
  if (!kept?.entry.complete || kept.bytes !== kept.entry.size || kept.entry.url !== url) return null;
  if (sha256 && kept.entry.sha256 !== sha256) return null;
  // Where another page has begun anew meanwhile, the pieces are of two files.
  const now = await store.readEntry();
  if (JSON.stringify(now) !== JSON.stringify(kept.entry)) return null;
  return new File([...kept.parts], new URL(url).pathname.split("/").pop() || "model.gguf");
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
