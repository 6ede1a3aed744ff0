/**
 * The command line in its hosts: the JavaScript one in Node, and the WASI command under Node's WASI and under
 * browser_wasi_shim. Each run gets a folder of files, named `data`, and gives what it printed.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WASI as NodeWasi } from "node:wasi";
import { ConsoleStdout, File, OpenFile, PreopenDirectory, WASI, wasi as wasiNumbers } from "@bjorn3/browser_wasi_shim";
import { wasmBytes } from "./core.ts";

export interface Run {
  status: number;
  out: string;
  err: string;
}

export interface Host {
  readonly name: string;
  /** Runs a command line; `input` is what stdin holds. Paths of files begin with `data/`. */
  run(words: readonly string[], input?: string | Uint8Array): Run;
  /** A file that a run has written to `data/`, which is gone after that. */
  take(name: string): Uint8Array;
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A process of Node in the folder above `data`. */
function spawn(args: string[], cwd: string, input?: string | Uint8Array): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    input: input ?? "",
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  return { status: status ?? -1, out: stdout, err: stderr };
}

/** Takes a file from the folder of a host with real files. */
const takeFrom = (parent: string) => (name: string) => {
  const path = join(parent, "data", name);
  const bytes = new Uint8Array(readFileSync(path));
  rmSync(path);
  return bytes;
};

/** The built command line in Node; `parent` holds the folder `data`. */
export function nodeCommand(parent: string): Host {
  const cli = join(ROOT, "build/js/cli.js");
  return { name: "Node", run: (words, input) => spawn([cli, ...words], parent, input), take: takeFrom(parent) };
}

/**
 * The WASI command under node:wasi, in this process: a module is compiled once, where a process a run would compile it anew.
 * Its streams are files. The functions are called through ones of JavaScript: see wasi-node.mjs.
 */
export function nodeWasi(file: string, parent: string): Host {
  const module = new WebAssembly.Module(wasmBytes(file));
  return {
    name: `${file} under node:wasi`,
    run(words, input = "") {
      const folder = mkdtempSync(join(tmpdir(), "limpet-wasi-"));
      const [stdin, stdout, stderr] = ["in", "out", "err"].map((name) => join(folder, name));
      writeFileSync(stdin, input);
      const streams = [openSync(stdin, "r"), openSync(stdout, "w"), openSync(stderr, "w")];
      try {
        const wasi = new NodeWasi({
          version: "preview1",
          args: ["limpet", ...words],
          preopens: { data: join(parent, "data") },
          stdin: streams[0],
          stdout: streams[1],
          stderr: streams[2],
        });
        const functions = Object.entries(wasi.wasiImport as Record<string, (...values: unknown[]) => number>);
        const called = functions.map(([name, call]) => [name, (...values: unknown[]) => call(...values)]);
        const imports = { wasi_snapshot_preview1: Object.fromEntries(called) };
        const status = wasi.start(new WebAssembly.Instance(module, imports)) as unknown as number;
        return { status, out: readFileSync(stdout, "utf8"), err: readFileSync(stderr, "utf8") };
      } finally {
        for (const stream of streams) closeSync(stream);
        rmSync(folder, { recursive: true });
      }
    },
    take: takeFrom(parent),
  };
}

/** Where output goes that is no terminal. */
class Pipe extends ConsoleStdout {
  override fd_fdstat_get(): ReturnType<ConsoleStdout["fd_fdstat_get"]> {
    return { ret: 0, fdstat: new wasiNumbers.Fdstat(wasiNumbers.FILETYPE_UNKNOWN, 0) };
  }
}

/** The WASI command under browser_wasi_shim, with files in memory; its streams are pipes, or those of a terminal. */
export function shimWasi(
  file: string,
  files: ReadonlyMap<string, Uint8Array | File>,
  Stream: typeof ConsoleStdout = Pipe,
): Host {
  const module = new WebAssembly.Module(wasmBytes(file));
  const contents = new Map(
    [...files].map(([name, held]) => [name, held instanceof File ? held : new File(held as Uint8Array<ArrayBuffer>)]),
  );
  const folder = new PreopenDirectory("data", contents);
  return {
    name: `${file} under browser_wasi_shim`,
    run(words, input = "") {
      const out: Uint8Array[] = [];
      const err: Uint8Array[] = [];
      const stdin = new OpenFile(new File(new Uint8Array(Buffer.from(input))));
      const streams = [
        stdin,
        new Stream((data) => out.push(data.slice())),
        new Stream((data) => err.push(data.slice())),
      ];
      const wasi = new WASI(["limpet", ...words], [], [...streams, folder], { debug: false });
      const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
      const status = wasi.start(instance as Parameters<WASI["start"]>[0]);
      return { status, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
    },
    take(name) {
      const written = folder.dir.contents.get(name) as File;
      folder.dir.contents.delete(name);
      return written.data.slice();
    },
  };
}
