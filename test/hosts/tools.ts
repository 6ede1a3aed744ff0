/**
 * The programs that tests of hosts drive: found in build/hosts/bin (where .ci/hosts puts them), in build/python/bin, or in
 * the PATH. Where one is missing a test says so and passes, but never in CI.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PLACES = ["build/hosts/bin", "build/python/bin"].map((folder) => join(ROOT, folder));

/**
 * Registers the tests of a host with the paths of the programs that it needs; where one is missing, a test in their place
 * says which. A name as `python3:numpy` is a Python that has the module, one as `npm:vite` a package's folder.
 */
export function withTools(names: readonly string[], register: (...paths: string[]) => void): void {
  const paths = names.map((name) => {
    if (name.startsWith("npm:")) return npmPackage(name.slice(4));
    return name.includes(":") ? pythonWith(name) : find(name);
  });
  const lacking = names.filter((_, i) => paths[i] === null);
  test(`${names.join(", ")}: found`, () => {
    if (lacking.length === 0) return;
    const words = `${lacking.join(", ")} (.ci/hosts installs it)`;
    if (process.env.CI && process.env.CI !== "false") throw new Error(`missing, and CI needs it: ${words}`);
    console.log(`skipped: needs ${words}`);
  });
  if (lacking.length === 0) register(...(paths as string[]));
}

function find(name: string): string | null {
  for (const folder of [...PLACES, ...(process.env.PATH ?? "").split(delimiter)]) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // the next place
    }
  }
  return null;
}

function npmPackage(name: string): string | null {
  const folder = join(ROOT, "build/hosts/npm/node_modules", name);
  return existsSync(folder) ? folder : null;
}

function pythonWith(name: string): string | null {
  const [program, module] = name.split(":");
  const python = find(program);
  return python !== null && spawnSync(python, ["-c", `import ${module}`]).status === 0 ? python : null;
}

/** What a program prints; it has to end well. */
export function output(program: string, ...args: string[]): string {
  return execFileSync(program, args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
}

/** What a program and its exit status say, whatever they are. */
export function outcome(program: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: ROOT, encoding: "utf8", timeout: 60_000 });
  return { status, stdout, stderr };
}

/** A folder under build/ for what a test makes. */
export function workFolder(name: string): string {
  const folder = join(ROOT, "build/hosts/work", name);
  mkdirSync(folder, { recursive: true });
  return folder;
}
