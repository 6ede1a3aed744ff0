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

/** A file that is being written from its beginning to its end. */
export interface NewFile {
  /** Its path until it is finished. */
  readonly part: string;
  write(bytes: Uint8Array): void;
  /** Has all that was written stored, for who wants to read it before it gets its name. */
  seal(): void;
  /** Gives the file its name. */
  finish(): void;
  /** Leaves nothing behind. */
  discard(): void;
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

/**
 * A file that appears whole: until it is finished it lies beside its place under a name that nobody else has,
 * `PATH.XXXXXXXX.part`, so that two writers never share one. Only a plain file is replaced: no folder, device or pipe, no
 * link (its target would stay as it was), and none of `read`, which are the files that it is made from.
 */
export function createFile(path: string, read: readonly (string | URL)[] = []): NewFile {
  const fs = module<typeof Fs>("fs");
  requireReplaceable(fs, path, read);
  const [part, descriptor] = openUnnamed(fs, path);
  const leave = () => fs.rmSync(part, { force: true });
  let open = true;
  const close = () => {
    if (open) fs.closeSync(descriptor);
    open = false;
  };
  return {
    part,
    write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const count = fs.writeSync(descriptor, bytes, at);
        if (count === 0) throw new Error("the file takes no more bytes; is the disk full?");
        at += count;
      }
    },
    seal() {
      // What the system has taken but not stored is told of here, or by nobody.
      fs.fsyncSync(descriptor);
      close();
    },
    finish() {
      try {
        if (open) fs.fsyncSync(descriptor);
        close();
        // It may have become something else meanwhile.
        requireReplaceable(fs, path, read);
        fs.renameSync(part, path);
      } catch (error) {
        open = false;
        leave();
        throw error;
      }
    },
    discard() {
      try {
        close();
      } catch {
        // What a file that goes away has lost is no matter.
      }
      leave();
    },
  };
}

function requireReplaceable(fs: typeof Fs, path: string, read: readonly (string | URL)[]): void {
  if (read.some((other) => isSameFile(other, path))) {
    throw new Error("it is the file that is read, or a link to it: choose another name for the output");
  }
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  if (!stat || stat.isFile()) return;
  if (stat.isDirectory()) throw new Error("this is a folder");
  if (stat.isSymbolicLink()) throw new Error("this is a link: name the file that it leads to");
  throw new Error("this is a device or a pipe: name a file");
}

/** Of as many names another program would have to have guessed each. */
const NAME_TRIES = 8;

function openUnnamed(fs: typeof Fs, path: string): [path: string, descriptor: number] {
  for (let tries = 1; ; tries++) {
    const word = crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");
    const part = `${path}.${word}.part`;
    try {
      return [part, fs.openSync(part, "wx")];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || tries === NAME_TRIES) throw error;
    }
  }
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
