/**
 * A browser's own file system and its locks, as far as the cache uses them, in memory: for tests in Node. A file that is
 * written appears when it is closed, as in browsers.
 */

type Content = Uint8Array<ArrayBuffer> | Folder;

/** A folder, of whose content tests see and change what they want. */
export class Folder {
  readonly kind = "directory";
  readonly content: Map<string, Content> = new Map();

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<Folder> {
    return this.#get(name, create, () => new Folder(), Folder);
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<object> {
    this.#get(name, create, () => new Uint8Array(0), Uint8Array);
    const { content } = this;
    return {
      kind: "file",
      getFile: async () => {
        const bytes = content.get(name);
        if (!(bytes instanceof Uint8Array)) throw new DOMException(`no ${name}`, "NotFoundError");
        return new File([bytes], name);
      },
      createWritable: async () => {
        const pieces: Uint8Array<ArrayBuffer>[] = [];
        return {
          write: async (data: string | Uint8Array) => {
            pieces.push(typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data));
          },
          close: async () => {
            content.set(name, new Uint8Array(await new Blob(pieces).arrayBuffer()));
          },
          abort: async () => {},
        };
      },
    };
  }

  async removeEntry(name: string): Promise<void> {
    if (!this.content.delete(name)) throw new DOMException(`no ${name}`, "NotFoundError");
  }

  async *keys(): AsyncGenerator<string> {
    yield* [...this.content.keys()];
  }

  #get<T extends Content>(name: string, create: boolean, make: () => T, type: abstract new (...args: never[]) => T): T {
    const found = this.content.get(name);
    if (found === undefined && !create) throw new DOMException(`no ${name}`, "NotFoundError");
    if (found !== undefined && !(found instanceof type)) throw new DOMException(`${name}`, "TypeMismatchError");
    if (found !== undefined) return found as T;
    const made = make();
    this.content.set(name, made);
    return made;
  }
}

/** Makes this process a page with such a file system; gives its root. */
export function installOpfs(): Folder {
  const root = new Folder();
  const held = new Map<string, Promise<unknown>>();
  const navigator = {
    storage: { getDirectory: async () => root },
    locks: {
      async request<T>(name: string, { signal }: { signal?: AbortSignal }, run: () => Promise<T>): Promise<T> {
        const before = held.get(name) ?? Promise.resolve();
        const mine = before.then(() => {
          signal?.throwIfAborted();
          return run();
        });
        held.set(
          name,
          mine.catch(() => {}),
        );
        return mine;
      },
    },
  };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  return root;
}
