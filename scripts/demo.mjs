/**
 * The README's first command: builds what it needs where that is out of date, and lets the model that ships speak.
 *
 *     node scripts/demo.mjs            in the terminal
 *     node scripts/demo.mjs --page     in a page, until Ctrl-C
 */
import { spawn, spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const PORT = 8080;
const PROMPT = "Once upon a time";

const isPage = process.argv.includes("--page");
// A browser takes the build that suits it.
const builds = isPage ? ["page", "scalar", "relaxed", "threads", "relaxed-threads"] : [];
run("scripts/build.mjs", "--if-needed", "portable", "js", ...builds);
if (isPage) await servePage();
else {
  const command = ["generate", "-p", PROMPT, "-n", "120", "--build", "portable"];
  console.log(`\n$ npx limpet ${command.map((word) => (word.includes(" ") ? `"${word}"` : word)).join(" ")}\n`);
  run("build/js/cli.js", ...command);
  console.log("\nThe same in a page, to talk with it: npm run demo:page");
}

/** Serves the page with the model in the page itself, at the usual port or, where somebody else has that, at any. */
async function servePage() {
  const port = (await isFree(PORT)) ? PORT : 0;
  const command = ["build/js/cli.js", "serve", "--port", String(port)];
  const server = spawn(process.execPath, command, { stdio: ["ignore", "inherit", "pipe"] });
  server.stderr.setEncoding("utf8").on("data", (text) => {
    const place = /a page to talk in: (\S+)/.exec(text)?.[1];
    if (place) console.log(`The page, with the model in it: ${place}#model=page:shipped (Ctrl-C ends it)`);
    else process.stderr.write(text);
  });
  server.on("close", (status) => process.exit(status ?? 0));
}

/** @param {number} port @returns {Promise<boolean>} */
function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** @param {string[]} command */
function run(...command) {
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
