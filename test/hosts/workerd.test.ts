/** Cloudflare's workerd: the package's files as modules of a Worker, the wasm among them. */
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "uvu";
import { javascriptHost, type Outcome } from "./javascript.ts";
import { output, ROOT, withTools, workFolder } from "./tools.ts";
import { listening } from "./workerd.ts";

const WORK = workFolder("workerd");

/** A Worker's folder with its configuration, which names every module. */
function writeWorker(): void {
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(join(WORK, "limpet"), { recursive: true });
  cpSync(join(ROOT, "build/js"), join(WORK, "limpet/js"), { recursive: true });
  for (const name of ["limpet.wasm", "limpet.scalar.wasm"]) {
    copyFileSync(join(ROOT, "build", name), join(WORK, "limpet", name));
  }
  for (const name of ["workerd.mjs", "checks.mjs"]) copyFileSync(join(ROOT, "test/hosts", name), join(WORK, name));
  const scripts = readdirSync(join(WORK, "limpet/js")).map((name) => `limpet/js/${name}`);
  const modules = [
    ...["workerd.mjs", "checks.mjs", ...scripts].map((name) => `(name = "${name}", esModule = embed "${name}")`),
    ...["limpet.wasm", "limpet.scalar.wasm"].map((name) => {
      return `(name = "limpet/${name}", wasm = embed "limpet/${name}")`;
    }),
  ];
  writeFileSync(
    join(WORK, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .checks),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const checks :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  modules = [
    ${modules.join(",\n    ")},
  ],
);
`,
  );
}

withTools(["workerd"], (workerd) => {
  const version = output(workerd, "--version").trim().split(" ")[1];
  javascriptHost(`workerd ${version}`, "", {}, async (job) => {
    writeWorker();
    const child = spawn(workerd, ["serve", "config.capnp", "--control-fd=3"], {
      cwd: WORK,
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    let said = "";
    child.stdout!.on("data", (data) => (said += data));
    child.stderr!.on("data", (data) => (said += data));
    try {
      const port = await listening(child.stdio[3] as Readable);
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: JSON.stringify(job) });
      if (!response.ok) throw new Error(`${await response.text()}\n${said}`);
      return { ...((await response.json()) as Outcome), said };
    } finally {
      child.kill();
    }
  });
});

test.run();
