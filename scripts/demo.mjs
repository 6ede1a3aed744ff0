/**
 * The README's first command: builds what is out of date, writes the demo's model unless it is there, and lets it speak.
 *
 *     node scripts/demo.mjs
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const MODEL = "build/models/demo-f16.gguf";

run("scripts/build.mjs", "--if-needed");
if (!existsSync(MODEL)) run("scripts/make-model.mjs", "demo", "F16", MODEL);
console.log('\n$ npx limpet generate build/models/demo-f16.gguf -p "A limpet"\n');
run("build/js/cli.js", "generate", MODEL, "-p", "A limpet");

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
