/**
 * The host Node (and Deno, which has its modules): files by path. Modules are asked of the process, not imported, so that
 * a bundle for browsers holds no `node:` specifier.
 */
import type * as Fs from "node:fs";
import type * as Url from "node:url";

/** A file that is open for reading at any offset. */
export interface OpenFile {
  readonly size: number;
  /** Fills `target` from `offset`; gives how many bytes there were. */
  read(offset: number, target: Uint8Array): number;
  /** The same beside other reads, while the event loop goes on. */
  readLater(offset: number, target: Uint8Array): Promise<number>;
  /** Whether it was written to since it was opened. */
  changed(): boolean;
  close(): void;
}

/** Whether this host has Node's modules. */
export function isNode(): boolean {
  return typeof process === "object" && typeof process.getBuiltinModule === "function" && !!process.versions?.node;
}

/** A path or a `file:` URL as an open file. Throws as the file system does. */
export function openFile(path: string | URL): OpenFile {
  const fs = module<typeof Fs>("fs");
  // Before it is opened: to open a device may do anything.
  requireFile(fs.statSync(path));
  // A pipe that nobody writes to would be waited for within the call, and no signal gets through.
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  const stat = fs.fstatSync(descriptor);
  try {
    requireFile(stat);
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
  let closed = false;
  let open = true;
  let reads = 0;
  // Not while a read goes on: by then the number may be another file's.
  const end = (): void => {
    if (!closed || reads > 0 || !open) return;
    open = false;
    fs.closeSync(descriptor);
  };
  return {
    size: stat.size,
    read(offset, target) {
      let done = 0;
      while (done < target.length) {
        const count = fs.readSync(descriptor, target, done, target.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    async readLater(offset, target) {
      let done = 0;
      while (done < target.length && !closed) {
        reads++;
        const count = await new Promise<number>((resolve, reject) => {
          fs.read(descriptor, target, done, target.length - done, offset + done, (error, bytes) => {
            reads--;
            end();
            if (error) reject(error);
            else resolve(bytes);
          });
        });
        if (count === 0) break;
        done += count;
      }
      return done;
    },
    changed() {
      const now = fs.fstatSync(descriptor);
      return now.size !== stat.size || now.mtimeMs !== stat.mtimeMs;
    },
    close() {
      closed = true;
      end();
    },
  };
}

function requireFile(stat: Fs.Stats): void {
  if (!stat.isFile()) throw new Error(`this is a ${stat.isDirectory() ? "folder" : "device or pipe"}, not a file`);
}

/** The path of a file with all links followed. */
export function realPath(path: string): string {
  return module<typeof Fs>("fs").realpathSync(path);
}

/** What a path leads to; undefined where it leads to nothing, as a loop of links does: who opens it says why. */
export function statOf(path: string | URL): Fs.BigIntStats | undefined {
  try {
    return module<typeof Fs>("fs").statSync(path, { throwIfNoEntry: false, bigint: true });
  } catch {
    return undefined;
  }
}

/** Whether two paths lead to one file. */
export function isSameFile(a: string | URL, b: string | URL): boolean {
  const [first, second] = [statOf(a), statOf(b)];
  return !!first && !!second && first.ino === second.ino && first.dev === second.dev;
}

/** A whole file, for what is small: of one that is larger than `limit` nothing is read. */
export function readFile(path: string | URL, limit: number = Number.POSITIVE_INFINITY): Uint8Array<ArrayBuffer> {
  const file = openFile(path);
  try {
    if (file.size > limit) throw new Error(`it has ${file.size} bytes, and ${limit} are the most that such a file has`);
    const bytes = new Uint8Array(file.size);
    return bytes.subarray(0, file.read(0, bytes));
  } finally {
    file.close();
  }
}

/** `file:` URLs as paths, others as they are. */
export function pathOf(source: string | URL): string {
  const { fileURLToPath } = module<typeof Url>("url");
  return typeof source === "string" ? source : fileURLToPath(source);
}

/** A module of Node's. */
export function module<T>(name: string): T {
  return process.getBuiltinModule(`node:${name}`) as T;
}

/** Refuses what webpack makes of `new URL("./file", import.meta.url)` for servers: an address on a page, not a place. */
export function requirePlace<Place extends URL>(url: Place): Place {
  if (url.protocol !== "") return url;
  const words = `a bundler has made ${url.href} of a file's place, which only a page can ask for`;
  throw new Error(`${words}: keep limpet out of the server's bundle (Next: serverExternalPackages: ["limpet"])`);
}
