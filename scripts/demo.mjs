/**
 * The README's first command: builds what is out of date, writes the demo's model unless it is there, and lets it speak.
 *
 *     node scripts/demo.mjs            in the terminal
 *     node scripts/demo.mjs --page     in a page, until Ctrl-C
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { serveStatic } from "./static-server.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const MODEL = "build/models/demo-f16.gguf";
const PORT = 8080;

run("scripts/build.mjs", "--if-needed");
if (!existsSync(MODEL)) run("scripts/make-model.mjs", "demo", "F16", MODEL);
if (process.argv.includes("--page")) {
  const { base } = await serveStatic(".", { port: PORT }).catch(() => serveStatic("."));
  console.log(`The demo page: ${base}/examples/browser/ (Ctrl-C ends it)`);
} else {
  console.log('\n$ npx limpet generate build/models/demo-f16.gguf -p "A limpet" -n 100\n');
  run("build/js/cli.js", "generate", MODEL, "-p", "A limpet", "-n", "100");
  console.log("\nThe same in a page, with plots: npm run demo:page");
}

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
