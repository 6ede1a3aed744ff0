/** What commands have of the host: answers to stdout, notes and progress to stderr, stdin, and Ctrl-C as a signal. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { decodeText } from "../../bindings/memory.ts";
import { LimpetError } from "../host/errors.ts";
import { ProgressBar } from "./progress.ts";

export interface Io {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly interactive: boolean;
  /** Text of the answer. */
  write(text: string): void;
  /** Ends a line of stdout that is not ended. */
  endLine(): void;
  /** A line of stderr. */
  note(line: string): void;
  /** Words of stderr that stand before input. */
  ask(words: string): void;
  progress(label: string, done: number, total: number): void;
  endProgress(): void;
  readFile(path: string): Uint8Array;
  /** Opens a file to be written in pieces. */
  createFile(path: string): { write(bytes: Uint8Array): void; close(): void };
  readInput(): Promise<string>;
  /** Lines of stdin as they come. */
  inputLines(): AsyncGenerator<string, void, undefined>;
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
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // The reader has seen enough.
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  const bar = new ProgressBar(process.stderr);
  return {
    signal,
    interactive: process.stdin.isTTY === true,
    write(text) {
      if (text === "") return;
      lineOpen = !text.endsWith("\n");
      process.stdout.write(text);
    },
    endLine() {
      if (lineOpen) process.stdout.write("\n");
      lineOpen = false;
    },
    note: (line) => void process.stderr.write(`${line}\n`),
    ask: (words) => void process.stderr.write(words),
    progress: (label, done, total) => bar.show(label, done, total),
    endProgress: () => bar.end(),
    readFile: (path) => inWords(path, () => readFileSync(path)),
    createFile(path) {
      const file = inWords(path, () => openSync(path, "w"));
      return {
        write(bytes) {
          for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
        },
        close: () => closeSync(file),
      };
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
        yield* lines;
      }
      if (rest !== "") yield rest;
    },
    peakMemory: () => process.resourceUsage().maxRSS * 1024,
    close() {
      process.removeListener("SIGINT", interrupt);
      // A pipe that is still open would keep the process alive.
      process.stdin.destroy();
    },
  };
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

function inWords<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "this is a folder" : message;
    throw new LimpetError("HOST", `${path}: ${why}`, { cause: error });
  }
}
