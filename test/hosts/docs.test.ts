/** The lines of docs/hosts.md, taken from there and run as they are written in a project that has limpet installed. */
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { shownInChromium } from "./browsers.ts";
import { reference } from "./conformance.ts";
import { assertStory, project, quietly } from "./project.ts";
import { serve } from "./server.ts";
import { ROOT, withTools } from "./tools.ts";
import { listening } from "./workerd.ts";

const DOCS = readFileSync(join(ROOT, "docs/hosts.md"), "utf8");

/** The lines for a host. */
function lines(host: string): string {
  const block = DOCS.match(new RegExp(`\`\`\`\\w+ ${host}\n([^]*?)\`\`\``));
  assert.ok(block, `docs/hosts.md has no lines for ${host}`);
  return block![1];
}

/** A project with the lines for a host in a file, and the model beside it; null without the model. */
async function written(host: string, file: string): Promise<string | null> {
  const { path } = reference("stories260K");
  if (path === null) return null;
  const folder = await project(`docs-${host}`, { [file]: lines(host) });
  cpSync(path, join(folder, "model.gguf"));
  return folder;
}

test("the lines for Node", async () => {
  const folder = await written("node", "main.js");
  if (folder) assertStory(await quietly(process.execPath, ["main.js"], folder));
});

test("the lines for a worker of its own", async () => {
  const folder = await written("node-worker", "main.js");
  if (folder) assertStory(await quietly(process.execPath, ["main.js"], folder));
});

withTools(["deno"], (deno) => {
  test("the lines for Deno", async () => {
    const folder = await written("deno", "main.js");
    if (folder) assertStory(await quietly(deno, ["run", "--allow-read", "main.js"], folder));
  });
});

withTools(["chromium", "npm:playwright-core"], (chromium) => {
  for (const host of ["browser", "browser-cache"]) test(`the lines for ${host}`, () => inPage(host));

  async function inPage(host: string): Promise<void> {
    const folder = await written(host, "index.html");
    if (folder) assertStory((await shownInChromium(chromium, folder, 60)).text);
  }
});

withTools(["workerd"], (workerd) => {
  test("the lines for Workers", async () => {
    const folder = await written("workerd", "main.js");
    if (!folder) return;
    const server = await serve(folder);
    const bundle = ["main.js", "--bundle", "--format=esm", "--outdir=dist", "--conditions=workerd"];
    const esbuild = join(ROOT, "node_modules/esbuild/bin/esbuild");
    const args = [
      "--loader:.wasm=copy",
      "--external:@huggingface/jinja",
      "--asset-names=[name]",
      "--log-level=warning",
    ];
    await quietly(esbuild, [...bundle, ...args], folder);
    writeFileSync(join(folder, "config.capnp"), config(`${server.base}/model.gguf`));
    const child = spawn(workerd, ["serve", "config.capnp", "--control-fd=3"], {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    try {
      const port = await listening(child.stdio[3] as Readable);
      assertStory(await (await fetch(`http://127.0.0.1:${port}/`)).text());
    } finally {
      child.kill();
      server.close();
    }
  });
});

withTools(["wasmtime"], (wasmtime) => {
  test("the lines for WASI", async () => {
    const folder = await written("wasmtime", "line.sh");
    if (!folder) return;
    const line = lines("wasmtime").replace("wasmtime", JSON.stringify(wasmtime));
    assertStory(await quietly("sh", ["-c", line], folder));
  });
});

function config(model: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  bindings = [(name = "MODEL_URL", text = "${model}")],
  modules = [
    (name = "main.js", esModule = embed "dist/main.js"),
    (name = "limpet.wasm", wasm = embed "dist/limpet.wasm"),
  ],
);
`;
}

test.run();
