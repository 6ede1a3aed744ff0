/** The built command line in a process of Node. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The built command. */
export const CLI = fileURLToPath(new URL("../../build/js/cli.js", import.meta.url));

export interface Run {
  out: string;
  err: string;
  status: number | null;
}

export interface RunOptions {
  input?: string | Uint8Array;
  /** Called with all of stdout so far. */
  watch?: (out: string, child: ReturnType<typeof spawn>) => void;
}

/** Runs a command line to its end. */
export function limpet(args: string[], { input, watch }: RunOptions = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CLI, ...args]);
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
      watch?.(out, child);
    });
    child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
    child.on("error", reject);
    child.on("close", (status) => resolve({ out, err, status }));
    if (input !== undefined) child.stdin.end(input);
  });
}
