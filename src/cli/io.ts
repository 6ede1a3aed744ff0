/** What commands have of the host: answers to stdout, notes and progress to stderr, stdin, and Ctrl-C as a signal. */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { decodeText } from "../../bindings/memory.ts";
import { createFile, type NewFile } from "../../bindings/new-file.ts";
import { readFile, statOf } from "../../bindings/node.ts";
import { LimpetError } from "../host/errors.ts";
import { escapeLine, escapeText } from "../host/escape.ts";
import { LineEditor } from "./line-editor.ts";
import { ProgressBar } from "./progress.ts";

export interface Io {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Whether a person types what stdin gives. */
  readonly interactive: boolean;
  /** Whether stdin is what another program of a pipeline writes. */
  readonly piped: boolean;
  /** Whether a person reads stderr. */
  readonly tellsPerson: boolean;
  /** Text of the answer. On a terminal its control characters are shown, not obeyed. */
  write(text: string): void;
  /** What was asked, dimmed before the answer on a terminal; nothing anywhere else. */
  echo(text: string): void;
  /** A dimmed line of stderr for a person; nothing for anybody else. */
  aside(line: string): void;
  /** Ends a line of stdout that is not ended. */
  endLine(): void;
  /** A line of stderr, without control characters. */
  note(line: string): void;
  /** Words of stderr that stand before input. */
  ask(words: string): void;
  progress(label: string, done: number, total: number): void;
  endProgress(): void;
  readFile(path: string): Uint8Array;
  /** Begins a file that is written in pieces and appears when it is finished; `read` are those that it is made from. */
  createFile(path: string, read: readonly string[]): Omit<NewFile, "part" | "seal">;
  /** Writes a file that appears whole; `read` as for `createFile`. */
  saveFile(path: string, bytes: Uint8Array, read: readonly string[]): void;
  readInput(): Promise<string>;
  /** Lines of stdin as they come, without their ends. */
  inputLines(): AsyncGenerator<string, void, undefined>;
  /** Lines that a person types and edits at a terminal. */
  editor(): LineEditor;
  /** Does something that Ctrl-C ends, and not the command: whether it came to its end. */
  interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<boolean>;
  /** Most bytes that the process held at a time, or null where the host cannot tell. */
  peakMemory(): number | null;
  close(): void;
}

export function nodeIo(): Io {
  const controller = new AbortController();
  const { signal } = controller;
  let lineOpen = false;
  // A second Ctrl-C finds no listener and ends the process at once.
  const interrupt = () => controller.abort(new DOMException("interrupted", "AbortError"));
  process.once("SIGINT", interrupt);
  const dimmed = (text: string) => (colours() ? `\x1b[2m${text}\x1b[22m` : text);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // Who reads has seen enough; every other failure is one of the command.
    if (error.code !== "EPIPE") process.stderr.write(`limpet: the output cannot be written: ${why(error)}\n`);
    process.exit(error.code === "EPIPE" ? 0 : 1);
  });
  // Where nobody can be told, nothing is said.
  process.stderr.on("error", () => {});
  const bar = new ProgressBar(process.stderr);
  return {
    signal,
    interactive: process.stdin.isTTY === true,
    piped: isPipe(),
    tellsPerson: process.stderr.isTTY === true,
    write(text) {
      if (text === "") return;
      lineOpen = !text.endsWith("\n");
      process.stdout.write(process.stdout.isTTY ? escapeText(text) : text);
    },
    endLine() {
      if (lineOpen) process.stdout.write("\n");
      lineOpen = false;
    },
    echo(text) {
      if (process.stdout.isTTY) process.stdout.write(dimmed(escapeText(text)));
    },
    aside(line) {
      if (process.stderr.isTTY) process.stderr.write(`${dimmed(escapeLine(line))}\n`);
    },
    note: (line) => void process.stderr.write(`${escapeLine(line)}\n`),
    ask: (words) => void process.stderr.write(words),
    progress: (label, done, total) => bar.show(label, done, total),
    endProgress: () => bar.end(),
    readFile: (path) => inWords(path, () => readFile(path)),
    createFile(path, read) {
      const file = inWords(path, () => (isStream(path) ? openStream(path) : createFile(path, read)));
      return {
        write: (bytes) => inWords(path, () => file.write(bytes)),
        finish: () => inWords(path, () => file.finish()),
        discard: () => inWords(path, () => file.discard()),
      };
    },
    saveFile(path, bytes, read) {
      const file = this.createFile(path, read);
      try {
        file.write(bytes);
        file.finish();
      } finally {
        file.discard();
      }
    },
    async readInput() {
      const chunks: Buffer[] = [];
      for await (const chunk of abortable(signal)) chunks.push(chunk);
      return decodeText(Buffer.concat(chunks));
    },
    async *inputLines() {
      const decoder = new TextDecoder();
      let rest = "";
      for await (const chunk of abortable(signal)) {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        rest = lines.pop()!;
        for (const line of lines) yield line.replace(/\r$/, "");
      }
      if (rest !== "") yield rest.replace(/\r$/, "");
    },
    editor: () => new LineEditor(process.stdin, process.stderr),
    async interruptible(work) {
      const own = new AbortController();
      const stop = () => own.abort(new DOMException("interrupted", "AbortError"));
      process.removeListener("SIGINT", interrupt);
      process.once("SIGINT", stop);
      try {
        await work(own.signal);
        return true;
      } catch (error) {
        if (!own.signal.aborted) throw error;
        return false;
      } finally {
        process.removeListener("SIGINT", stop);
        process.once("SIGINT", interrupt);
      }
    },
    peakMemory: () => process.resourceUsage().maxRSS * 1024,
    close() {
      process.removeListener("SIGINT", interrupt);
      // A pipe that is still open would keep the process alive.
      process.stdin.destroy();
    },
  };
}

/** A pipe of a shell; other programs' streams may be open without anybody who ever writes to them. */
function isPipe(): boolean {
  try {
    return fstatSync(0).isFIFO();
  } catch {
    return false;
  }
}

function colours(): boolean {
  return !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}

/** Chunks of stdin, until its end or Ctrl-C. */
async function* abortable(signal: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  const stop = () => process.stdin.destroy();
  signal.addEventListener("abort", stop);
  try {
    for await (const chunk of process.stdin) yield chunk as Buffer;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
  signal.throwIfAborted();
}

/** Devices and pipes, /dev/stdout among them, are written to and not replaced. */
function isStream(path: string): boolean {
  const stat = statOf(path);
  return !!stat && !stat.isFile() && !stat.isDirectory();
}

function openStream(path: string): Pick<NewFile, "write" | "finish" | "discard"> {
  const stream = openSync(path, "w");
  let open = true;
  const close = () => {
    if (open) closeSync(stream);
    open = false;
  };
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(stream, bytes, at);
    },
    finish: close,
    discard: close,
  };
}

function inWords<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new LimpetError("HOST", `${path}: ${why(error as NodeJS.ErrnoException)}`, { cause: error });
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EISDIR: "this is a folder",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk's quota is used up",
};

function why({ code, message }: NodeJS.ErrnoException): string {
  return WHY[code ?? ""] ?? message;
}
