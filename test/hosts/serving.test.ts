/** The server in every host that it is for: one suite of clients over Deno, Bun and workerd; test/server.test.ts is Node's. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import type { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import { servedFiles } from "../support/served.ts";
import { CONTEXT, KEY, type Served, serverSuite } from "../support/server-suite.ts";
import { ROOT, withTools, workFolder } from "./tools.ts";
import { listening } from "./workerd.ts";

const OPTIONS = { keys: [KEY], context: CONTEXT };
const ENTRY = pathToFileURL(join(ROOT, "build/js/server.js")).href;
const FILES = servedFiles();

/** A process that prints its port. */
function printing(child: ChildProcess): Promise<Served> {
  return new Promise((resolve, reject) => {
    let said = "";
    child.stderr!.on("data", (data) => (said += data));
    child.stdout!.on("data", (data) => {
      resolve({ base: `http://127.0.0.1:${Number(String(data))}`, stop: () => void child.kill() });
    });
    child.on("close", () => reject(new Error(`it ends before it listens: ${said}`)));
  });
}

function started(program: string, ...before: string[]): Promise<Served> {
  const words = [...before, join(ROOT, "test/hosts/serve.mjs"), ENTRY, JSON.stringify(OPTIONS), JSON.stringify(FILES)];
  return printing(spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] }));
}

withTools(["deno"], (deno) => {
  const permissions = ["--allow-net=127.0.0.1", "--allow-read"];
  serverSuite("Deno", () => started(deno, "run", "--no-config", "--no-lock", ...permissions));
});

withTools(["bun"], (bun) => {
  serverSuite("Bun", () => started(bun));
});

withTools(["workerd"], (workerd) => {
  serverSuite("workerd", async () => {
    const files = createServer(({ url }, response) => {
      response.end(readFileSync(FILES[basename(url ?? "", ".gguf")]));
    });
    await new Promise<void>((resolve) => files.listen(0, "127.0.0.1", resolve));
    const { port } = files.address() as AddressInfo;
    const folder = writeWorker(`http://127.0.0.1:${port}`);
    const child = spawn(workerd, ["serve", "config.capnp", "--control-fd=3"], {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    const stop = () => {
      child.kill();
      files.close();
    };
    return { base: `http://127.0.0.1:${await listening(child.stdio[3] as Readable)}`, stop };
  });
});

/** A Worker's folder with its configuration, which names every module. */
function writeWorker(base: string): string {
  const folder = workFolder("serving");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "limpet"), { recursive: true });
  cpSync(join(ROOT, "build/js"), join(folder, "limpet/js"), { recursive: true });
  copyFileSync(join(ROOT, "build/limpet.wasm"), join(folder, "limpet/limpet.wasm"));
  copyFileSync(join(ROOT, "test/hosts/serving-workerd.mjs"), join(folder, "main.mjs"));
  const scripts = ["main.mjs", ...readdirSync(join(folder, "limpet/js")).map((name) => `limpet/js/${name}`)];
  const modules = scripts.map((name) => `(name = "${name}", esModule = embed "${name}")`);
  modules.push(`(name = "limpet/limpet.wasm", wasm = embed "limpet/limpet.wasm")`);
  const models = Object.fromEntries(Object.keys(FILES).map((name) => [name, `${base}/${name}.gguf`]));
  const server = JSON.stringify({ models, options: OPTIONS });
  writeFileSync(
    join(folder, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [(name = "SERVER", json = ${JSON.stringify(server)})],
  modules = [
    ${modules.join(",\n    ")},
  ],
);
`,
  );
  return folder;
}

test.run();
