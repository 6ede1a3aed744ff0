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
  write(bytes: Uint8Array): void;
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
  // A pipe that nobody writes to would be waited for within the call, and no signal gets through.
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
  const stat = fs.fstatSync(descriptor);
  if (!stat.isFile()) {
    fs.closeSync(descriptor);
    throw new Error(`this is a ${stat.isDirectory() ? "folder" : "device or pipe"}, not a file`);
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

/** Whether two paths lead to one file. */
export function isSameFile(a: string | URL, b: string | URL): boolean {
  const fs = module<typeof Fs>("fs");
  const [first, second] = [a, b].map((path) => fs.statSync(path, { throwIfNoEntry: false, bigint: true }));
  return !!first && !!second && first.ino === second.ino && first.dev === second.dev;
}

/** A file that appears whole: until it is finished it lies beside its place as `PATH.part`. */
export function createFile(path: string): NewFile {
  const fs = module<typeof Fs>("fs");
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error("this is a folder");
  const part = `${path}.part`;
  const descriptor = fs.openSync(part, "w");
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(descriptor, bytes, at);
    },
    finish() {
      fs.closeSync(descriptor);
      try {
        fs.renameSync(part, path);
      } catch (error) {
        fs.rmSync(part, { force: true });
        throw error;
      }
    },
    discard() {
      fs.closeSync(descriptor);
      fs.rmSync(part, { force: true });
    },
  };
}

/** A whole file, for what is small. */
export function readFile(path: string | URL): Uint8Array<ArrayBuffer> {
  const file = openFile(path);
  try {
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

function module<T>(name: string): T {
  return process.getBuiltinModule(`node:${name}`) as T;
}
