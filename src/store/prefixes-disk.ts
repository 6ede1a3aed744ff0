/** Prefixes in a folder of a disk: where Node and Deno keep them. */
import type * as Fs from "node:fs";
import type * as Path from "node:path";
import { createFile } from "../../bindings/new-file.ts";
import { module, readFile } from "../../bindings/node.ts";
import { cacheFolder, thisSystem } from "./cache-folder.ts";
import { ENDING, FOLDER, type Kept, type PrefixStore, surplus } from "./kept-prefixes.ts";

/** The store in a folder: without one, in that of the models. */
export function diskStore(folder: string | undefined, budget: number): PrefixStore {
  return new DiskStore(folder ?? module<typeof Path>("path").join(cacheFolder(thisSystem()), FOLDER), budget);
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
