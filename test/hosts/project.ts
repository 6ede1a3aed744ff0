/** Projects as users have them: limpet packed and installed, outside the repository, whose packages would be found inside. */
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
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

let packed: Promise<string> | null = null;
let installed: Promise<string> | null = null;

/** The package's file, made once. */
export function pack(): Promise<string> {
  packed ??= (async () => {
    const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", WORK], ROOT);
    return join(WORK, JSON.parse(stdout)[0].filename);
  })();
  return packed;
}

/** An empty project into which it was installed, once. */
export function install(): Promise<string> {
  installed ??= (async () => {
    const folder = join(WORK, "installed");
    mkdirSync(folder);
    writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
    await run("npm", ["install", "--offline", "--no-audit", "--no-fund", await pack()], folder);
    return folder;
  })();
  return installed;
}

/** A project with limpet installed and these files; its folder. */
export async function project(name: string, files: Record<string, string>): Promise<string> {
  const folder = join(WORK, name);
  cpSync(await install(), folder, { recursive: true });
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
