/** The lines of docs/server.md, taken from there and run as they are written in a project that has limpet installed. */
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { servedFiles } from "../support/served.ts";
import { finish } from "./javascript.ts";
import { project, quietly, WORK } from "./project.ts";
import { serve } from "./server.ts";
import { ROOT, withTools } from "./tools.ts";

const DOCS = readFileSync(join(ROOT, "docs/server.md"), "utf8");
const PLACE = "http://127.0.0.1:8080";

/** The lines of a name. */
function lines(name: string): string {
  const block = DOCS.match(new RegExp(`\`\`\`\\w+ ${name}\n([^]*?)\`\`\``));
  assert.ok(block, `docs/server.md has no lines for ${name}`);
  return block![1];
}

/** A free port in place of the one that the page names, so that tests may run side by side. */
const at = (port: number, text: string): string => text.replaceAll("8080", String(port));

/** A project with the lines for a host, and the model beside them. */
async function written(host: string, port: number): Promise<string> {
  const folder = await project(`server-${host}`, { "main.js": at(port, lines(host)) });
  cpSync(servedFiles().talker, join(folder, "model.gguf"));
  return folder;
}

/** Serves from a folder, and asks by the lines of clients. */
async function serving(folder: string, program: string, words: string[], port: number): Promise<void> {
  const child = spawn(program, words, { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  try {
    const place = at(port, PLACE);
    for (let tries = 0; ; tries++) {
      const isThere = await fetch(`${place}/health`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isThere) break;
      assert.ok(tries < 100, "it does not listen");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    cpSync(join(ROOT, "node_modules/openai"), join(folder, "node_modules/openai"), { recursive: true });
    writeFileSync(join(folder, "client.js"), at(port, lines("openai")));
    assert.ok((await quietly(process.execPath, ["client.js"], folder)).length > 0);
    const curl = at(port, lines("curl")).replace("curl ", 'curl -sS -H "x-api-key: any" ');
    const { stdout } = await finish("sh", ["-c", curl]);
    assert.is(JSON.parse(stdout).choices[0].message.role, "assistant");
  } finally {
    child.kill();
  }
}

test("the lines for Node", async () => {
  await serving(await written("node", 18_081), process.execPath, ["main.js"], 18_081);
});

withTools(["deno"], (deno) => {
  const words = ["run", "--allow-net", "--allow-read", "main.js"];
  test("the lines for Deno", async () => serving(await written("deno", 18_082), deno, words, 18_082));
});

withTools(["bun"], (bun) => {
  test("the lines for Bun", async () => serving(await written("bun", 18_083), bun, ["main.js"], 18_083));
});

withTools(["workerd"], (workerd) => {
  test("the lines for Workers", async () => {
    const [folder, files] = [await written("workerd", 18_084), await serve(WORK)];
    const esbuild = join(ROOT, "node_modules/esbuild/bin/esbuild");
    const bundle = ["main.js", "--bundle", "--format=esm", "--outdir=dist", "--conditions=workerd"];
    const more = [
      "--loader:.wasm=copy",
      "--external:@huggingface/jinja",
      "--asset-names=[name]",
      "--log-level=warning",
    ];
    await quietly(esbuild, [...bundle, ...more], folder);
    writeFileSync(join(folder, "config.capnp"), config(`${files.base}/server-workerd/model.gguf`, 18_084));
    try {
      await serving(folder, workerd, ["serve", "config.capnp"], 18_084);
    } finally {
      files.close();
    }
  });
});

function config(model: string, port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .main), (name = "internet", network = (allow = ["public", "private"]))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal"],
  bindings = [(name = "MODEL_URL", text = "${model}"), (name = "KEY", text = "any")],
  modules = [
    (name = "main.js", esModule = embed "dist/main.js"),
    (name = "limpet.wasm", wasm = embed "dist/limpet.wasm"),
  ],
);
`;
}

test.run();
