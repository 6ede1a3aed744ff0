/**
 * Prefixes that are kept: saved sessions, each a file under a name of its own, in a folder (Node, Deno) or in the browser's
 * own file system. They take no more than a budget of bytes: those that were used longest ago go. What is lost is read anew,
 * so nothing that fails here is an error.
 */
import { isNode } from "../../bindings/node.ts";
import { ENDING, FOLDER, type Kept, type PrefixStore, surplus } from "./kept-prefixes.ts";

/** Bytes that all of them take at most. */
const BUDGET = 512 * 2 ** 20;

/** The store of this host, or of a folder. */
export async function prefixStore(folder?: string, budget: number = BUDGET): Promise<PrefixStore | null> {
  try {
    if (isNode()) return (await import("./prefixes-disk.ts")).diskStore(folder, budget);
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle("limpet", { create: true });
    return new BrowserStore(await models.getDirectoryHandle(folder ?? FOLDER, { create: true }), budget);
  } catch {
    return null;
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
