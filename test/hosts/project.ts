/** Projects as users have them: limpet packed and installed, outside the repository, whose packages would be found inside. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as assert from "uvu/assert";
import stories from "../golden/stories260K-greedy.json" with { type: "json" };
import { finish } from "./javascript.ts";
import { ROOT } from "./tools.ts";

/** Where projects lie until the process ends. */
export const WORK = mkdtempSync(join(tmpdir(), "limpet-package-"));
process.on("exit", () => rmSync(WORK, { recursive: true, force: true }));

/** What each process would make anew: the package's file and a project with it, in a folder named by what is in them. */
const KEPT = join(ROOT, "build/hosts/work/packed");
const PROJECT = "installed";
const MANIFEST = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

let made: Promise<{ file: string; project: string }> | null = null;

/** The package's file. */
export async function pack(): Promise<string> {
  return (await packed()).file;
}

/** An empty project into which it was installed. */
export async function install(): Promise<string> {
  return (await packed()).project;
}

/** Both, in WORK: made where no process has made them of the same files, and copied otherwise. */
function packed(): Promise<{ file: string; project: string }> {
  made ??= (async () => {
    const name = `${MANIFEST.name}-${MANIFEST.version}.tgz`;
    const both = { file: join(WORK, name), project: join(WORK, PROJECT) };
    const kept = join(KEPT, contents());
    if (existsSync(kept)) {
      copy(kept, WORK);
      return both;
    }
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", WORK], ROOT);
    mkdirSync(both.project);
    const manifest = { name: "project", private: true, type: "module" };
    writeFileSync(join(both.project, "package.json"), JSON.stringify(manifest));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", both.file], both.project);
    // It appears whole, and once: another process may be as far.
    const next = `${kept}.${process.pid}`;
    for (const part of [name, PROJECT]) copy(join(WORK, part), join(next, part));
    try {
      renameSync(next, kept);
    } catch {
      rmSync(next, { recursive: true });
    }
    return both;
  })();
  return made;
}

/** A hash of all that package.json names for the package, and of what npm adds. */
function contents(): string {
  const hash = createHash("sha256");
  const add = (path: string): void => {
    const here = join(ROOT, path);
    if (statSync(here).isDirectory()) {
      for (const name of readdirSync(here).sort()) add(`${path}/${name}`);
    } else hash.update(`${path}\n`).update(readFileSync(here));
  };
  for (const path of [...(MANIFEST.files as string[]), "README.md", "LICENSE", "package.json"]) {
    if (!path.includes("*")) add(path);
    else
      for (const name of readdirSync(join(ROOT, dirname(path))).filter((name) => name.endsWith(".wasm")))
        add(join(dirname(path), name));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Copies a file, or a folder with its links as they are. */
function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}

/** A project with limpet installed and these files; its folder. */
export async function project(name: string, files: Record<string, string>): Promise<string> {
  const folder = join(WORK, name);
  copy(await install(), folder);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return folder;
}

/** Runs a tool, which has to end well, in so many milliseconds. */
export async function run(
  program: string,
  args: string[],
  cwd: string,
  ms: number = 60_000,
): Promise<{ stdout: string; stderr: string }> {
  const { status, stdout, stderr } = await finish(program, args, { cwd, ms });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}\n${stderr}${stdout}`);
  return { stdout, stderr };
}

/** Runs a tool, which has to say nothing on stderr; what it prints. */
export async function quietly(program: string, args: string[], cwd: string): Promise<string> {
  const { stdout, stderr } = await run(program, args, cwd);
  assert.is(stderr, "");
  return stdout;
}

/** A text has to be the beginning of what llama.cpp writes with stories260K. */
export function assertStory(text: string): void {
  assert.ok(text.trim().length > 40 && stories.text.startsWith(text.trimEnd()), text);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a server for as long as `work` takes, from when it answers. */
export async function withServer(
  node: string,
  args: (port: number) => string[],
  cwd: string,
  work: (base: string) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", WRANGLER_SEND_METRICS: "false", CI: "true" };
  const child: ChildProcess = spawn(node, args(port), { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let said = "";
  child.stdout!.on("data", (data) => (said += data));
  child.stderr!.on("data", (data) => (said += data));
  const base = `http://127.0.0.1:${port}`;
  try {
    for (let tries = 0; ; tries++) {
      if (await fetch(base).catch(() => null)) break;
      if (tries > 600 || child.exitCode !== null) throw new Error(`the server does not answer\n${said}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await work(base);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${said.slice(-3000)}`);
  } finally {
    process.kill(-child.pid!, "SIGKILL");
  }
}
