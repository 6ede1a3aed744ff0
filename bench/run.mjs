/**
 * What `npm run bench` and `npm run bench:kernels` start: `node bench/run.mjs SCRIPT [options]` installs the bench's packages
 * where they are missing, builds limpet where it is out of date, and runs bench/SCRIPT under the bench's own Node.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** @param {string} command @param {string[]} words */
function run(command, ...words) {
  const { status, error } = spawnSync(command, words, { cwd: ROOT, stdio: "inherit", shell: command === "npm" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const { dependencies } = JSON.parse(readFileSync(`${ROOT}bench/package.json`, "utf8"));
const missing = Object.keys(dependencies).some((name) => !existsSync(`${ROOT}bench/node_modules/${name}/package.json`));
if (missing) run("npm", "--prefix", "bench", "install", "--no-audit", "--no-fund");
run(process.execPath, "scripts/build.mjs", "--if-needed");
const [script, ...options] = process.argv.slice(2);
const { NODE } = await import("./limpet.mjs");
run(NODE, `bench/${script}`, ...options);
