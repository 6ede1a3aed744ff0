/**
 * Everything but the tests:  node scripts/check.mjs
 *
 * Types (tsc), lint and format (biome), the look of assembly/ (which biome cannot read: decorators on functions), that
 * no two modules export one name (asc takes one of them and says nothing), that imports keep to rooms.json and make no
 * circle, that the pages' tables are those of the source and no number of the ABI is typed by hand, that what users
 * import is documented, that package.json names only files that the build writes, and that builds.json, its constants and
 * its page agree.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { abiProblems, writeBoundary } from "./boundary.mjs";
import { BUILDS } from "./builds.mjs";
import { buildProblems } from "./builds-table.mjs";
import { undocumented } from "./documented.mjs";
import { formatAssembly } from "./format-assembly.mjs";
import { handTypedProblems } from "./hand-typed.mjs";
import { modelProblems } from "./models-table.mjs";
import { roomProblems } from "./rooms.mjs";
import { unusedProblems } from "./unused.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const LINE_LENGTH = 120;
const FILE_LENGTH = 600;

const problems = [];
writeBoundary();
run("types", "node_modules/typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json");
run("lint and format", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings");
for (const file of readdirSync("assembly", { recursive: true })) {
  if (file.endsWith(".ts")) checkAssembly(join("assembly", file));
}
checkExports();
problems.push(...roomProblems(), ...abiProblems(), ...handTypedProblems(), ...undocumented(), ...unusedProblems());
checkPackage();
problems.push(...buildProblems(), ...modelProblems());
checkFormat();
if (problems.length) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log("check: all well");

function run(what, ...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) problems.push(`${what}: failed`);
}

function checkAssembly(file) {
  const text = readFileSync(file, "utf8");
  const lines = text.split("\n");
  const say = (line, what) => problems.push(`${file}:${line + 1}: ${what}`);
  if (!text.startsWith("/**")) say(0, "starts without a header comment");
  if (!text.endsWith("\n") || text.endsWith("\n\n")) say(lines.length - 1, "ends without exactly one line feed");
  if (lines.length > FILE_LENGTH) say(FILE_LENGTH, `is longer than ${FILE_LENGTH} lines`);
  lines.forEach((line, number) => {
    if ([...line].length > LINE_LENGTH) say(number, `is longer than ${LINE_LENGTH} characters`);
    if (/\s$/.test(line)) say(number, "ends with a space");
    if (line.includes("\t")) say(number, "holds a tab");
    if (/^\s*(import|export)\b.*from '/.test(line)) say(number, "has single quotes");
  });
}

/** assembly/ has its own formatter: biome cannot read decorators of functions. */
function checkFormat() {
  for (const file of formatAssembly({ write: false })) {
    problems.push(`${file}: is not formatted; run node scripts/format-assembly.mjs`);
  }
}

/** Each name that the modules behind assembly/builds/library.ts export has one owner. */
function checkExports() {
  const owners = new Map();
  const lists = ["builds/library", "exports/core_list"].map((list) => readFileSync(`assembly/${list}.ts`, "utf8"));
  for (const [, module] of lists.join("").matchAll(/^export \* from "\.\.?\/(?:exports\/)?(.+)";$/gm)) {
    const text = readFileSync(`assembly/exports/${module}.ts`, "utf8");
    for (const [, name] of text.matchAll(/^export (?:function|const|let) (\w+)/gm)) {
      if (owners.has(name))
        problems.push(`assembly/exports/${module}.ts: ${name} is exported by ${owners.get(name)} too`);
      owners.set(name, `assembly/exports/${module}.ts`);
    }
  }
}

/** Each file that package.json names lies in a folder that it publishes, and is written by the build. */
function checkPackage() {
  const manifest = JSON.parse(readFileSync("package.json", "utf8"));
  const named = JSON.stringify([manifest.exports, manifest.bin]).match(/build\/[^"]+/g);
  const wasm = Object.values(BUILDS).map(({ file }) => `build/${file}`);
  for (const path of named) {
    const written = wasm.includes(path) || /^build\/(js|types)\//.test(path);
    if (!written) problems.push(`package.json: ${path} is not written by the build`);
  }
  for (const path of wasm) {
    const name = path.replace("build/", "./");
    if (manifest.exports[name] !== `./${path}`)
      problems.push(`package.json: no export ${name}, which the build writes`);
  }
  if (manifest.dependencies) problems.push("package.json: limpet has no run-time dependencies");
  checkJsr(manifest);
}

/** jsr.json says what package.json says: the version, the licence, and each entry but those that JSR cannot have. */
function checkJsr(manifest) {
  const jsr = JSON.parse(readFileSync("jsr.json", "utf8"));
  for (const key of ["version", "license"]) {
    if (jsr[key] !== manifest[key]) problems.push(`jsr.json: ${key} is ${jsr[key]}, in package.json ${manifest[key]}`);
  }
  // JSR publishes sources, and what limpet/inline holds is made by the build.
  const entries = Object.entries(manifest.exports).filter(([name, { types }]) => types && name !== "./inline");
  const sources = entries.map(([name, { types }]) => [name, types.replace("build/types/", "").replace(".d.ts", ".ts")]);
  if (JSON.stringify(Object.fromEntries(sources)) !== JSON.stringify(jsr.exports)) {
    problems.push(`jsr.json: exports are not those of package.json: ${JSON.stringify(Object.fromEntries(sources))}`);
  }
}
