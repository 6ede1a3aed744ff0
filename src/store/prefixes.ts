/**
 * Prefixes that are kept: saved sessions, each a file under a name of its own, in a folder (Node, Deno) or in the browser's
 * own file system. They take no more than a budget of bytes: those that were used longest ago go. What is lost is read anew,
 * so nothing that fails here is an error.
 */
import type * as Fs from "node:fs";
import type * as Path from "node:path";
import { createFile, isNode, module, readFile } from "../../bindings/node.ts";

/** Bytes that all of them take at most. */
const BUDGET = 512 * 2 ** 20;
const FOLDER = "prefixes";
const ENDING = ".session";

/** Saved sessions by their names. */
export interface PrefixStore {
  read(name: string): Promise<Uint8Array<ArrayBuffer> | null>;
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** The store of this host, or of a folder. */
export async function prefixStore(folder?: string, budget: number = BUDGET): Promise<PrefixStore | null> {
  try {
    if (isNode()) return new DiskStore(folder ?? (await ownFolder()), budget);
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle("limpet", { create: true });
    return new BrowserStore(await models.getDirectoryHandle(folder ?? FOLDER, { create: true }), budget);
  } catch {
    return null;
  }
}

async function ownFolder(): Promise<string> {
  const { cacheFolder, thisSystem } = await import("./cache-folder.ts");
  return module<typeof Path>("path").join(cacheFolder(thisSystem()), FOLDER);
}

/** One that lies there. */
interface Kept {
  readonly name: string;
  readonly bytes: number;
  readonly used: number;
}

/** Those that were used longest ago, until the others are within the budget. */
function surplus(all: readonly Kept[], budget: number): Kept[] {
  const oldest = all.toSorted((a, b) => a.used - b.used);
  let sum = all.reduce((bytes, kept) => bytes + kept.bytes, 0);
  return oldest.filter((kept) => {
    if (sum <= budget) return false;
    sum -= kept.bytes;
    return true;
  });
}

class DiskStore implements PrefixStore {
  readonly #folder: string;
  readonly #budget: number;
  readonly #fs: typeof Fs = module<typeof Fs>("fs");

  constructor(folder: string, budget: number) {
    this.#folder = folder;
    this.#budget = budget;
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const path = this.#path(name);
      const bytes = readFile(path, this.#budget);
      this.#fs.utimesSync(path, new Date(), new Date());
      return bytes;
    } catch {
      return null;
    }
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (bytes.length > this.#budget) return;
    try {
      this.#fs.mkdirSync(this.#folder, { recursive: true });
      const file = createFile(this.#path(name));
      try {
        file.write(bytes);
        file.finish();
      } catch (error) {
        file.discard();
        throw error;
      }
      for (const { name: old } of surplus(this.#all(), this.#budget)) {
        if (old !== name) this.#fs.rmSync(this.#path(old), { force: true });
      }
    } catch {
      // What is not kept is read anew.
    }
  }

  #path(name: string): string {
    return module<typeof Path>("path").join(this.#folder, name + ENDING);
  }

  #all(): Kept[] {
    try {
      const names = this.#fs.readdirSync(this.#folder).filter((name) => name.endsWith(ENDING));
      return names.map((file) => {
        const name = file.slice(0, -ENDING.length);
        const { size, mtimeMs } = this.#fs.statSync(this.#path(name));
        return { name, bytes: size, used: mtimeMs };
      });
    } catch {
      return [];
    }
  }
}

class BrowserStore implements PrefixStore {
  readonly #folder: FileSystemDirectoryHandle;
  readonly #budget: number;

  constructor(folder: FileSystemDirectoryHandle, budget: number) {
    this.#folder = folder;
    this.#budget = budget;
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const file = await (await this.#folder.getFileHandle(name + ENDING)).getFile();
      const bytes = new Uint8Array(await file.arrayBuffer());
      // When it was used is when this was written.
      await this.#put(`${name}.used`, new Uint8Array(1)).catch(() => {});
      return bytes;
    } catch {
      return null;
    }
  }

  async write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (bytes.length > this.#budget) return;
    try {
      await this.#put(name + ENDING, bytes);
      for (const { name: old } of surplus(await this.#all(), this.#budget)) if (old !== name) await this.#remove(old);
    } catch {
      // What is not kept is read anew.
    }
  }

  /** Writes a file, which appears whole when it is closed: of two writers the last one's stays. */
  async #put(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const stream = await (await this.#folder.getFileHandle(file, { create: true })).createWritable();
    try {
      await stream.write(bytes);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {});
      throw error;
    }
  }

  async #remove(name: string): Promise<void> {
    for (const file of [name + ENDING, `${name}.used`]) await this.#folder.removeEntry(file).catch(() => {});
  }

  async #all(): Promise<Kept[]> {
    const all: Kept[] = [];
    const files = (this.#folder as unknown as { keys(): AsyncIterable<string> }).keys();
    const timeOf = async (file: string): Promise<File | null> => {
      const handle = await this.#folder.getFileHandle(file).catch(() => null);
      return handle ? handle.getFile() : null;
    };
    for await (const file of files) {
      if (!file.endsWith(ENDING)) continue;
      const name = file.slice(0, -ENDING.length);
      const [kept, used] = [await timeOf(file), await timeOf(`${name}.used`)];
      if (!kept) continue;
      all.push({ name, bytes: kept.size, used: Math.max(kept.lastModified, used?.lastModified ?? 0) });
    }
    return all;
  }
}
