/**
 * The README's first command: builds what it needs where that is out of date, and lets the model that ships speak.
 *
 *     node scripts/demo.mjs            in the terminal
 *     node scripts/demo.mjs --page     in a page, until Ctrl-C
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { serveStatic } from "./static-server.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const PORT = 8080;
const PROMPT = "Once upon a time";

const isPage = process.argv.includes("--page");
// The page can be asked for other builds, too.
run(
  "scripts/build.mjs",
  "--if-needed",
  "portable",
  "js",
  ...(isPage ? ["scalar", "relaxed", "threads", "relaxed-threads"] : []),
);
if (isPage) {
  const { base } = await serveStatic(".", { port: PORT }).catch(() => serveStatic("."));
  console.log(`The demo page: ${base}/examples/browser/ (Ctrl-C ends it)`);
} else {
  const command = ["generate", "-p", PROMPT, "-n", "120", "--build", "portable"];
  console.log(`\n$ npx limpet ${command.map((word) => (word.includes(" ") ? `"${word}"` : word)).join(" ")}\n`);
  run("build/js/cli.js", ...command);
  console.log("\nThe same in a page, with plots: npm run demo:page");
}

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
