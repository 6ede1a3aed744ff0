/** Files that are written on a disk (Node, Deno). A page writes none, so that what it downloads leaves this out. */
import type * as Fs from "node:fs";
import { isSameFile, module } from "./node.ts";

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
