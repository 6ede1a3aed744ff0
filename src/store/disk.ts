/**
 * Models kept in a folder, in Node and Deno: each a file of its own, that is begun as `NAME.part`, with what it is of beside
 * it. Whoever writes holds `NAME.lock`, of all processes.
 */
import type * as Crypto from "node:crypto";
import type * as Fs from "node:fs";
import type * as Path from "node:path";
import { module } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { pause } from "../host/wait.ts";
import { cacheFolder, fileNameOf, thisSystem } from "./cache-folder.ts";
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
import { nameOf } from "./hub.ts";
import type { Shelf } from "./shelf.ts";

/** A holder of a lock says so often that it lives; one that has not for so long has died. */
const ALIVE_MS = 2000;
const DEAD_MS = 15_000;
const POLL_MS = 150;
/** Bytes that are hashed at once. */
const CHUNK = 1 << 20;

/** What is written beside a model. */
const ENTRY = ".json";
const PART = ".part";
const LOCK = ".lock";

/** What of the file system a store uses: tests give one that is full. */
export type Files = Pick<
  typeof Fs,
  | "closeSync"
  | "existsSync"
  | "fstatSync"
  | "fsyncSync"
  | "ftruncateSync"
  | "linkSync"
  | "mkdirSync"
  | "openSync"
  | "readFileSync"
  | "readSync"
  | "readdirSync"
  | "renameSync"
  | "rmSync"
  | "statSync"
  | "utimesSync"
  | "writeFileSync"
  | "writeSync"
>;

/** The file at a URL as a path: it lies there, or is fetched to it. Of processes that ask at once, one fetches. */
async function fetchedTo(path: string, url: string, options: FetchOptions & { files?: Files }): Promise<string> {
  const files = options.files ?? module<typeof Fs>("fs");
  const store = new DiskStore(files, path);
  if (store.isWhole(url, options.sha256)) return path;
  inWords(path, () => files.mkdirSync(module<typeof Path>("path").dirname(path), { recursive: true }));
  return alone(files, path, options.signal, async () => {
    // Another process may have fetched it since, or have ended before it gave it its name.
    store.finish();
    if (store.isWhole(url, options.sha256)) return path;
    await download(store, url, options);
    store.finish();
    return path;
  });
}

/** The folder of fetched models as a shelf. */
export function diskShelf(folder: string = cacheFolder(thisSystem()), files?: Files): Shelf {
  const { join } = module<typeof Path>("path");
  const pathOf = (url: string): string => {
    const { origin, pathname } = new URL(url);
    const { owner, repository, revision, file } = nameOf(url)!;
    const before = pathname.slice(0, pathname.indexOf(`/${owner}/`));
    const hub = origin.replace(/^https?:\/\//, "") + before;
    return join(folder, ...[hub, owner, repository, revision, ...file!.split("/")].map(fileNameOf));
  };
  return {
    async list() {
      const models = await modelsIn(folder);
      return models.map(({ path, entry: { url, size }, bytes, complete }) => ({
        ...{ url, size, bytes, complete },
        open: async () => path,
      }));
    },
    fetch: (url, _, options) => fetchedTo(pathOf(url), url, { ...options, files }),
    remove: (url) => removeModel(pathOf(url), folder),
  };
}

/** A model on the disk. */
interface DiskModel {
  readonly path: string;
  readonly entry: Entry;
  /** So many of its bytes are there. */
  readonly bytes: number;
  readonly complete: boolean;
}

/** The models of a folder and those in it, whole or begun. What others put there is passed over. */
async function modelsIn(folder: string): Promise<DiskModel[]> {
  const files = module<typeof Fs>("fs");
  const { join } = module<typeof Path>("path");
  let names: string[];
  try {
    names = files.readdirSync(folder, { recursive: true }) as string[];
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return [];
    throw inWordsOf(folder, error);
  }
  const found: DiskModel[] = [];
  for (const name of names.filter((one) => one.endsWith(ENTRY)).sort()) {
    const path = join(folder, name.slice(0, -ENTRY.length));
    const store = new DiskStore(files, path);
    const kept = await store.look();
    if (kept) found.push({ path, ...kept, complete: store.isWhole(kept.entry.url, undefined) });
  }
  return found;
}

/** Deletes a model, and the folders that are empty then. */
async function removeModel(path: string, folder: string): Promise<void> {
  const files = module<typeof Fs>("fs");
  const { dirname, relative } = module<typeof Path>("path");
  await alone(files, path, undefined, async () => {
    await new DiskStore(files, path).clear();
  });
  for (
    let at = dirname(path);
    relative(folder, at) !== "" && !relative(folder, at).startsWith("..");
    at = dirname(at)
  ) {
    if (files.readdirSync(at).length > 0) return;
    files.rmSync(at, { recursive: true });
  }
}

class DiskStore implements Store {
  readonly #files: Files;
  readonly #path: string;

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
  }

  /** Whether the whole file lies there, and is what is asked for. */
  isWhole(url: string, sha256: string | undefined): boolean {
    const entry = this.#entry();
    const size = this.#sizeOf(this.#path);
    if (!entry?.complete || entry.url !== url || size !== entry.size) return false;
    return sha256 === undefined || entry.sha256 === sha256;
  }

  async look(): Promise<Kept | null> {
    const entry = this.#entry();
    if (!entry) return null;
    const path = this.#data(entry);
    const bytes = this.#sizeOf(path) ?? 0;
    if (bytes > entry.size) return null;
    if (bytes >= MAGIC.length && beginning(this.#head(path)) !== MAGIC) return null;
    return { entry, bytes };
  }

  async readEntry(): Promise<Entry | null> {
    return this.#entry();
  }

  async writeEntry(entry: Entry): Promise<void> {
    const next = `${this.#path}${ENTRY}${PART}`;
    inWords(this.#path, () => {
      this.#files.writeFileSync(next, JSON.stringify(entry));
      this.#files.renameSync(next, this.#path + ENTRY);
    });
  }

  async put(at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const files = this.#files;
    inWords(this.#path, () => {
      const file = files.openSync(this.#path + PART, at === 0 ? "w" : "r+");
      try {
        for (let done = 0; done < bytes.length; ) {
          const count = files.writeSync(file, bytes, done, bytes.length - done, at + done);
          if (count === 0) throw Object.assign(new Error("the file takes no more bytes"), { code: "ENOSPC" });
          done += count;
        }
        // What the system has taken but not stored is told of here, or by nobody.
        files.fsyncSync(file);
      } finally {
        files.closeSync(file);
      }
    });
  }

  async digest(signal: AbortSignal | undefined): Promise<string> {
    const hash = module<typeof Crypto>("crypto").createHash("sha256");
    const file = this.#files.openSync(this.#data(this.#entry()), "r");
    try {
      const chunk = new Uint8Array(CHUNK);
      for (let at = 0, turns = 0; ; turns++) {
        const count = this.#files.readSync(file, chunk, 0, CHUNK, at);
        if (count === 0) return hash.digest("hex");
        hash.update(chunk.subarray(0, count));
        at += count;
        if (turns % 16 === 0) await pause(0, signal);
      }
    } finally {
      this.#files.closeSync(file);
    }
  }

  async clear(): Promise<void> {
    for (const end of [ENTRY, PART, "", `${ENTRY}${PART}`]) this.#files.rmSync(this.#path + end, { force: true });
  }

  /** Gives what is whole its name. */
  finish(): void {
    const entry = this.#entry();
    if (!entry?.complete || this.#sizeOf(this.#path + PART) !== entry.size) return;
    inWords(this.#path, () => this.#files.renameSync(this.#path + PART, this.#path));
  }

  #entry(): Entry | null {
    try {
      return entryOf(JSON.parse(this.#files.readFileSync(this.#path + ENTRY, "utf8")));
    } catch {
      return null;
    }
  }

  /** Where the bytes are: what is begun, or is about to get its name, is no model yet. */
  #data(entry: Entry | null): string {
    const part = this.#path + PART;
    return entry?.complete && this.#sizeOf(part) === null ? this.#path : part;
  }

  #sizeOf(path: string): number | null {
    return this.#files.statSync(path, { throwIfNoEntry: false })?.size ?? null;
  }

  #head(path: string): Uint8Array {
    const head = new Uint8Array(MAGIC.length);
    const file = this.#files.openSync(path, "r");
    try {
      this.#files.readSync(file, head, 0, head.length, 0);
    } finally {
      this.#files.closeSync(file);
    }
    return head;
  }
}

/** Whoever writes to a model's files is alone there, of all processes; one that has died is waited for no longer. */
async function alone<T>(
  files: Files,
  path: string,
  signal: AbortSignal | undefined,
  run: () => Promise<T>,
): Promise<T> {
  const lock = path + LOCK;
  const own = `${process.pid} ${crypto.randomUUID()}`;
  while (!take(files, lock, own)) await pause(POLL_MS, signal);
  const beat = setInterval(() => {
    const now = new Date();
    try {
      files.utimesSync(lock, now, now);
    } catch {
      // Whoever took it for dead has it now, and says so where something is written.
    }
  }, ALIVE_MS);
  beat.unref?.();
  try {
    return await run();
  } finally {
    clearInterval(beat);
    if (readOr(files, lock) === own) files.rmSync(lock, { force: true });
  }
}

/** Takes a lock that nobody holds, or whose holder is dead. */
function take(files: Files, lock: string, own: string): boolean {
  try {
    files.writeFileSync(lock, own, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw inWordsOf(lock, error);
  }
  const before = readOr(files, lock);
  const stat = files.statSync(lock, { throwIfNoEntry: false });
  if (!stat || before === null || Date.now() - stat.mtimeMs < DEAD_MS) return false;
  // Of those who find it, one moves it away.
  const aside = `${lock}.${crypto.randomUUID()}`;
  try {
    files.renameSync(lock, aside);
    // What was moved may be the lock of one that was quicker: it goes back.
    if (readOr(files, aside) !== before) files.linkSync(aside, lock);
    files.rmSync(aside, { force: true });
  } catch {
    files.rmSync(aside, { force: true });
  }
  return false;
}

function readOr(files: Files, path: string): string | null {
  try {
    return files.readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function inWords<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw inWordsOf(path, error);
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full: make room, or name another folder (LIMPET_CACHE); what was fetched is kept",
  EDQUOT: "the disk's quota is used up: make room, or name another folder (LIMPET_CACHE); what was fetched is kept",
  EACCES: "it may not be written: name another folder (LIMPET_CACHE)",
  EROFS: "the disk may only be read: name another folder (LIMPET_CACHE)",
};

function inWordsOf(path: string, error: unknown): LimpetError {
  if (error instanceof LimpetError) return error;
  const why = WHY[(error as { code?: string }).code ?? ""] ?? messageOf(error);
  return new LimpetError("HOST", `${path}: ${why}`, { cause: error });
}
