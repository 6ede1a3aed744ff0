/**
 * Files of the host: found through the folders that it has opened beforehand ("preopens"), read at an offset, written
 * from the beginning. Only fd_seek and fd_read: every host has these two.
 *
 *     --dir models   limpet generate models/m.gguf     the folder's name is the beginning of the path
 *     --dir models   limpet generate m.gguf            or the path lies within any of the folders
 */
import { allocateRaw, release, resize } from "../memory/arena";
import { Command, FAILURE, SUCCESS, hostScratch, failure } from "./command";
import {
  Create, Errno, NONBLOCK, Rights, SEEK_END, SEEK_SET, fd_close, fd_prestat_dir_name, fd_prestat_get, fd_read, fd_seek,
  path_open,
} from "./imports";
import { putNumber, putText, putWords } from "./output";
import { Bytes, equals, lengthOf, bytesOf, startOf, startsWith, tail } from "./bytes";

const FIRST_PREOPEN: u32 = 3;
const NAME_LIMIT: u32 = 4096;
/** A read asks for no more than this: some hosts are slow or fail with large ones. */
const READ_LIMIT: u32 = 1 << 24;
const NO_FILE: i32 = -1;
const GGUF: u32 = 0x4655_4747; // "GGUF"
const TFL3: u32 = 0x334c_4654; // "TFL3", the second word of a network

/** What a file is opened for. */
export namespace Use {
  export const READ: u32 = 0;
  /** To look whether it is there, and what it is. */
  export const LOOK: u32 = 1;
  /** To be written anew. */
  export const WRITE: u32 = 2;
}

/** Opens a file: its descriptor, or -1 with the reason printed (of one that was only looked for, none is). */
export function openFile(c: Command, path: Bytes, use: u32): i32 {
  const name = allocateRaw(c.core, NAME_LIMIT, "the name of a folder");
  if (name == 0) {
    failure(c);
    return NO_FILE;
  }
  const wanted = withoutDots(path);
  let best: i32 = -1;
  let bestLength: u32 = 0;
  let folders: u32 = 0;
  for (let fd = FIRST_PREOPEN; ; fd++) {
    const length = preopenName(c, fd, name);
    if (length < 0) break;
    folders += 1;
    const skipped = matchFolder(withoutDots(bytesOf(name, length)), wanted);
    if (skipped >= 0 && (best < 0 || <u32>skipped >= bestLength)) {
      best = <i32>fd;
      bestLength = <u32>skipped;
    }
  }
  release(c.core, name);
  let errno: u32 = Errno.NOENT;
  if (best >= 0) errno = openIn(c, <u32>best, tail(wanted, bestLength), use);
  if (errno == Errno.NOENT && !isAbsolute(wanted)) {
    for (let i: u32 = 0; i < folders && errno == Errno.NOENT; i++) {
      if (<i32>(FIRST_PREOPEN + i) != best || bestLength > 0) errno = openIn(c, FIRST_PREOPEN + i, wanted, use);
    }
  }
  if (errno == 0) return <i32>load<u32>(hostScratch(c));
  if (use == Use.LOOK) return NO_FILE;
  putText(c.err, use == Use.WRITE ? "limpet: cannot write " : "limpet: cannot open ");
  putWords(c.err, path);
  sayErrno(c, errno, folders);
  return NO_FILE;
}

/** The length of the name of a preopened folder, or -1 when there is none of this number. */
function preopenName(c: Command, fd: u32, name: usize): i32 {
  if (fd_prestat_get(fd, hostScratch(c)) != 0) return -1;
  const length = load<u32>(hostScratch(c), 4);
  if (length > NAME_LIMIT || fd_prestat_dir_name(fd, name, length) != 0) return 0;
  // Some hosts count a NUL at the end.
  return <i32>(length > 0 && load<u8>(name + length - 1) == 0 ? length - 1 : length);
}

/** The number of bytes of a path that name the folder, with the bar behind it; -1 when the path lies elsewhere. */
function matchFolder(folder: Bytes, path: Bytes): i32 {
  if (lengthOf(folder) == 0) return isAbsolute(path) ? -1 : 0;
  const length = lengthOf(folder);
  if (length >= lengthOf(path) || memory.compare(startOf(folder), startOf(path), length) != 0) return -1;
  if (load<u8>(startOf(folder) + length - 1) == 0x2f) return <i32>length;
  return load<u8>(startOf(path) + length) == 0x2f ? <i32>length + 1 : -1;
}

/** A path without `./` at its front; "." is nothing. */
function withoutDots(path: Bytes): Bytes {
  while (startsWith(path, "./")) {
    path = tail(path, 2);
    while (isAbsolute(path)) path = tail(path, 1);
  }
  return equals(path, ".") ? bytesOf(startOf(path), 0) : path;
}

function isAbsolute(path: Bytes): bool {
  return lengthOf(path) > 0 && load<u8>(startOf(path)) == 0x2f;
}

function openIn(c: Command, folder: u32, path: Bytes, use: u32): u32 {
  const rights = use == Use.WRITE ? Rights.WRITE : Rights.READ | Rights.SEEK;
  const create = use == Use.WRITE ? Create.CREATE | Create.TRUNCATE : 0;
  const flags = use == Use.LOOK ? NONBLOCK : 0;
  return path_open(folder, 1, startOf(path), lengthOf(path), create, rights, 0, flags, hostScratch(c));
}

/**
 * Whether a model lies at a path, which is not written over then: the one that is read may have this name too, by a
 * link, and the host does not say so.
 */
export function isModel(c: Command, path: Bytes): bool {
  const fd = openFile(c, path, Use.LOOK);
  if (fd < 0) return false;
  const target = hostScratch(c) + 12;
  let found = fd_seek(<u32>fd, 0, SEEK_SET, hostScratch(c)) == 0 && readSome(c, <u32>fd, target, 4) == 4;
  if (found && load<u32>(target) != GGUF) found = readSome(c, <u32>fd, target, 4) == 4 && load<u32>(target) == TFL3;
  fd_close(<u32>fd);
  return found;
}

function sayErrno(c: Command, errno: u32, folders: u32): void {
  const o = c.err;
  if (folders == 0) putText(o, ": the host has opened no folder for the command (wasmtime run --dir FOLDER ...)\n");
  else if (errno == Errno.NOENT) putText(o, ": no such file in the folders that the host has opened\n");
  else if (errno == Errno.ISDIR) putText(o, ": it is a folder\n");
  else if (errno == Errno.ACCES || errno == Errno.PERM || errno == Errno.NOTCAPABLE) {
    putText(o, ": the host does not allow it; is it a folder?\n");
  } else {
    putText(o, ": the host's error ");
    putNumber(o, errno);
    putText(o, "\n");
  }
}

/** The bytes of a file, or -1 with the reason printed. */
export function fileSize(c: Command, fd: u32, path: Bytes): i64 {
  const errno = fd_seek(fd, 0, SEEK_END, hostScratch(c));
  // A folder can be opened, but has no end.
  const size = load<i64>(hostScratch(c));
  if (errno == 0 && size >= 0 && size < i64.MAX_VALUE) return size;
  putText(c.err, "limpet: cannot read ");
  putWords(c.err, path);
  sayErrno(c, errno == 0 ? Errno.ISDIR : errno, 1);
  return -1;
}

/** Reads a range of a file; a FAILURE is printed. */
export function readAt(c: Command, fd: u32, path: Bytes, offset: u64, target: usize, length: u32): i32 {
  let errno = fd_seek(fd, <i64>offset, SEEK_SET, hostScratch(c));
  while (length > 0 && errno == 0) {
    const count = readSome(c, fd, target, min(length, READ_LIMIT));
    if (count <= 0) {
      errno = <u32>-count;
      break;
    }
    target += <usize>count;
    length -= <u32>count;
  }
  if (length == 0) return SUCCESS;
  putText(c.err, "limpet: cannot read ");
  putWords(c.err, path);
  if (errno != 0) sayErrno(c, errno, 1);
  else putText(c.err, ": it ended before its end; was it changed meanwhile?\n");
  return FAILURE;
}

/** Reads what there is, at most `length` bytes; gives their number, 0 at the end, or an errno below zero. */
export function readSome(c: Command, fd: u32, target: usize, length: u32): i32 {
  store<u32>(hostScratch(c), <u32>target);
  store<u32>(hostScratch(c), length, 4);
  store<u32>(hostScratch(c), 0, 8);
  const errno = fd_read(fd, hostScratch(c), 1, hostScratch(c) + 8);
  return errno != 0 ? -(<i32>errno) : load<i32>(hostScratch(c), 8);
}

/** Reads a stream to its end into a block of the arena, NUL included; an address of 0: the failure is printed. */
export function readToEnd(c: Command, fd: u32): Bytes {
  let capacity: u32 = 65536;
  let length: u32 = 0;
  let text = allocateRaw(c.core, capacity, "a text");
  while (text != 0) {
    const count = readSome(c, fd, text + length, capacity - length);
    if (count < 0) {
      putText(c.err, "limpet: cannot read the input");
      sayErrno(c, <u32>-count, 1);
      return 0;
    }
    if (count == 0) return bytesOf(text, length);
    length += <u32>count;
    if (length < capacity) continue;
    if (capacity >= 1 << 30) break;
    capacity *= 2;
    text = resize(c.core, text, capacity, "a text");
  }
  if (text != 0) putText(c.err, "limpet: a text has at most 1 GiB\n");
  else failure(c);
  return 0;
}

/** A text of the command line, or what stdin holds for `-`; an address of 0: the failure is printed. */
export function readText(c: Command, value: Bytes): Bytes {
  return equals(value, "-") ? readToEnd(c, 0) : value;
}
