/**
 * Builds limpet into build/:  node scripts/build.mjs [--if-needed] [--guard] [PART…]
 *
 *     PART     from                     into
 *     portable, scalar, relaxed,
 *     threads, relaxed-threads,
 *     wasi, wasi-relaxed,
 *     wasi-scalar, mcu,
 *     graph, graph-scalar,
 *     graph-wasi,
 *     graph-wasi-scalar, graph-mcu
 *              assembly/                build/limpet*.wasm       asc, by builds.json
 *     js       src/, bindings/          build/js/                esbuild: ES modules that need nothing installed; the
 *                                                                portable wasm is in inline.js, so js comes after it
 *     types    src/, bindings/          build/types/             tsc: declarations
 *     page     page/, src/, bindings/   build/page/              esbuild: the page that `limpet serve` opens, static files
 *
 * The boundary between assembly/ and the rest (boundary.mjs) is made first, always. Without parts all of them are built;
 * with --if-needed only those that are older than their sources. With --guard the parts are wasm with guard bytes around
 * every block of memory (assembly/memory/guards.ts), in build/guard/: portable, scalar and graph, unless others are named.
 * Every output appears whole, by a rename, so that a reader never sees half a file. --help prints this.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { writeBoundary } from "./boundary.mjs";
import { ascWords, BUILDS } from "./builds.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
process.chdir(ROOT);

/** Where outputs lie until they are whole. */
const NEXT = `build/next-${process.pid}`;
const HOST_SOURCES = ["src", "bindings", "package.json", "tsconfig.json", "tsconfig.build.json", "scripts/build.mjs"];

/** What package.json exports. */
const ENTRY_FILES = [
  "index",
  "kernels",
  "worker",
  "ai-sdk",
  "cache",
  "convert",
  "default-model",
  "quantize",
  "grammar",
  "graph",
  "langchain",
  "prompt-api",
  "server",
  "inline",
  "workerd",
  "workerd-kernels",
].map((name) => `src/${name}.ts`);

/** esbuild keeps docstrings within classes and objects. The declarations have them; nobody need download them twice. */
const withoutDocstrings = {
  name: "without-docstrings",
  setup(build) {
    build.onLoad({ filter: /[\\/](src|bindings)[\\/].*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, "utf8").replace(/^\s*\/\*\*[\s\S]*?\*\/\n/gm, "");
      return { contents, loader: "ts" };
    });
  },
};

const guards = process.argv.includes("--guard");
const wasmParts = Object.fromEntries(Object.entries(BUILDS).map(([name, build]) => [name, wasmPart(build)]));
const allParts = {
  ...wasmParts,
  js: { sources: [...HOST_SOURCES, "build/limpet.wasm"], output: "build/js/index.js", make: makeJs, after: "portable" },
  types: { sources: HOST_SOURCES, output: "build/types/src/index.d.ts", make: makeTypes },
  page: { sources: ["page", ...HOST_SOURCES], output: "build/page/index.html", make: makePage },
};
const parts = guards ? wasmParts : allParts;

const FLAGS = ["--if-needed", "--guard", "--help"];
const unknown = process.argv.slice(2).find((word) => word.startsWith("-") && !FLAGS.includes(word));
if (unknown) stop(`there is no flag ${unknown}; flags are ${FLAGS.join(", ")}`, 2);
if (process.argv.includes("--help")) {
  const [header] = /(?<=\/\*\*\n)[\s\S]*?(?=\n \*\/)/.exec(readFileSync("scripts/build.mjs", "utf8"));
  console.log(header.replace(/^ \* ?/gm, ""));
  process.exit(0);
}
writeBoundary();
const ifNeeded = process.argv.includes("--if-needed");
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const asked = guards && !named.length ? ["portable", "scalar", "graph"] : named;
for (const name of asked) {
  if (!parts[name]) stop(`there is no part ${name}; parts are ${Object.keys(parts).join(", ")}`, 2);
}

const queue = Object.keys(parts)
  .filter((name) => !asked.length || asked.includes(name))
  .map((name) => ({ name, ...parts[name] }))
  .filter((part) => !ifNeeded || isStale(part) || (part.after && isStale(parts[part.after])));
/** Parts that are being made, or are done. */
const making = new Map();
const failures = [];
mkdirSync(NEXT, { recursive: true });
process.on("exit", () => rmSync(NEXT, { recursive: true, force: true }));
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, buildNext));
if (failures.length) stop(`failed: ${failures.join(", ")}`, 1);

async function buildNext() {
  for (let part = queue.shift(); part; part = queue.shift()) {
    const start = performance.now();
    try {
      const promise = make(part);
      making.set(part.name, promise);
      const made = await promise;
      const size = statSync(made).isFile() ? ` ${(statSync(made).size / 1024).toFixed(1)} KB` : "";
      console.error(`${made}${size} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failures.push(part.name);
      console.error(`${part.name}: ${error.message}`);
    }
  }
}

/** A part stands after what it needs, which is being made by now. */
async function make(part) {
  await making.get(part.after)?.catch(() => {});
  return part.make(part);
}

/** @param {import("./builds.mjs").Build} build */
function wasmPart(build) {
  const output = guards ? `build/guard/${build.file}` : `build/${build.file}`;
  return {
    sources: ["assembly", "builds.json", "scripts/builds.mjs", "scripts/literals.mjs", "scripts/data-segments.mjs"],
    output,
    make: async () => {
      const next = join(NEXT, build.file);
      await node("node_modules/assemblyscript/bin/asc.js", ...ascWords(build, next, guards));
      mkdirSync(dirname(output), { recursive: true });
      renameSync(next, output);
      return output;
    },
  };
}

async function makeJs() {
  const next = join(NEXT, "js");
  mkdirSync(next);
  const common = {
    absWorkingDir: ROOT,
    outdir: next,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    mainFields: ["module", "main"],
    minifySyntax: true,
    define: { LIMPET_BUNDLE: "true" },
    loader: { ".wasm": "binary" },
    logLevel: "warning",
  };
  await esbuild.build({
    ...common,
    entryPoints: Object.fromEntries([...ENTRY_FILES, "src/cli.ts"].map((file) => [basename(file, ".ts"), file])),
    splitting: true,
    external: ["node:*", "@huggingface/jinja", "@langchain/core/*"],
    chunkNames: "[name]-[hash]",
    plugins: [{ name: "workerd", setup: keepForWorkerd }, withoutDocstrings],
  });
  // A model's worker and a thread start from a file each, without dynamic imports, which not every bundler takes in a
  // worker; and with a name that says what they are where a bundler puts them beside another package.json.
  await esbuild.build({
    ...common,
    entryPoints: { "model-worker": "src/api/model-worker.ts", thread: "bindings/thread.ts" },
    outExtension: { ".js": ".mjs" },
    external: ["node:*"],
    plugins: [
      leftOut(/^@huggingface\/jinja$|\/worker-model\.ts$|\/store\/by-name\.ts$|\/graph-wasm\.ts$/),
      withoutDocstrings,
    ],
  });
  // `npx limpet` in the repository runs the file itself.
  if (existsSync(join(next, "cli.js"))) chmodSync(join(next, "cli.js"), 0o755);
  return replace(next, "build/js");
}

/**
 * Modules that a script does without. A model's worker knows the chat templates of the core only, and no names of hubs, which
 * the page has looked up; where a graph's wasm lies the page says too. It begins no worker like itself: a bundler that meets a
 * file which names itself as a worker may follow it for ever (Turbopack does).
 */
function leftOut(filter) {
  const namespace = "left-out";
  const setup = (build) => {
    build.onResolve({ filter }, ({ path }) => ({ path, namespace }));
    build.onLoad({ filter: /.*/, namespace }, () => ({ contents: `throw new Error("left out");` }));
  };
  return { name: namespace, setup };
}

/** Workers compile no bytes, so the one import of the wasm that is for them stays an import. */
function keepForWorkerd(build) {
  build.onResolve({ filter: /\/limpet\.wasm$/ }, ({ importer }) => {
    return importer.includes("workerd") ? { path: "../limpet.wasm", external: true } : undefined;
  });
}

/**
 * The page: its scripts with what they are made of, and its other files as they are. Scripts lie in a folder of their own, so
 * that `../limpet.wasm` is beside index.html. Its worker brings the interpreter of chat templates with it, and no graphs.
 */
async function makePage() {
  const next = join(NEXT, "page");
  const common = {
    absWorkingDir: ROOT,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "browser",
    minify: true,
    define: { LIMPET_BUNDLE: "true" },
    external: ["node:*"],
    logLevel: "warning",
  };
  const workers = { "model-worker": "src/api/model-worker.ts", thread: "bindings/thread.ts" };
  const app = join(next, "app");
  await esbuild.build({
    ...common,
    outdir: app,
    entryPoints: { app: "page/app.ts" },
    plugins: [leftOut(/^@huggingface\/jinja$/)],
  });
  await esbuild.build({
    ...common,
    outdir: app,
    entryPoints: workers,
    outExtension: { ".js": ".mjs" },
    plugins: [leftOut(/\/worker-model\.ts$|\/store\/by-name\.ts$|\/graph\.ts$/)],
  });
  for (const file of readdirSync("page").filter((name) => !name.endsWith(".ts")))
    copyFileSync(`page/${file}`, join(next, file));
  // What the page is made of is one version: another byte, another one.
  const files = readdirSync(next, { recursive: true })
    .map(String)
    .filter((file) => statSync(join(next, file)).isFile())
    .sort();
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(join(next, file)));
  const names = ["./", ...files.map((file) => file.replaceAll("\\", "/")).filter((file) => file !== "index.html")];
  await esbuild.build({
    ...common,
    outdir: next,
    format: "iife",
    entryPoints: { "service-worker": "page/service-worker.ts" },
    define: { PAGE_VERSION: JSON.stringify(hash.digest("hex").slice(0, 16)), PAGE_FILES: JSON.stringify(names) },
  });
  return replace(next, "build/page");
}

async function makeTypes() {
  const next = join(NEXT, "types");
  await node("node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json", "--outDir", next);
  return replace(next, "build/types");
}

/** Puts a finished folder in the place of the old one. */
function replace(next, folder) {
  const old = `${next}-old`;
  if (existsSync(folder)) renameSync(folder, old);
  renameSync(next, folder);
  rmSync(old, { recursive: true, force: true });
  return folder;
}

function isStale({ sources, output }) {
  if (!existsSync(output)) return true;
  const built = statSync(output).mtimeMs;
  return sources.some((source) => existsSync(source) && newest(source) > built);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Runs a script under this Node; its output shows when it fails. */
function node(...command) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command);
    const output = [];
    child.stdout.on("data", (data) => output.push(data));
    child.stderr.on("data", (data) => output.push(data));
    child.on("error", reject);
    child.on("close", (status) => {
      const said = Buffer.concat(output).toString();
      if (status !== 0) reject(new Error(`${command[0]} ended with ${status}\n${said}`));
      else resolve(said.trim() && console.error(said.trimEnd()));
    });
  });
}

function stop(message, status) {
  console.error(message);
  process.exit(status);
}
