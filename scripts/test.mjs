/**
 * Runs the tests:  node scripts/test.mjs [--no-build] [PATTERN…]
 *
 * Builds what is out of date, then runs every *.test.ts under test/ whose path holds one of the patterns, each file in a
 * process of its own with a time limit. The last line is `N passed, N failed`; a file that crashes, hangs, or ends before
 * its tests have run counts as one failure. LIMPET_TEST_TIMEOUT is the limit of a file, in seconds. Firefox and the page have
 * the machine to themselves, at the end: on a busy one, Firefox stops now and then in a worker that a worker began, and the
 * page has three seconds to its first word.
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const TIMEOUT_SECONDS = Number(process.env.LIMPET_TEST_TIMEOUT ?? 180);
const ALONE = ["firefox", "page"].map((name) => join("test", "hosts", `${name}.test.ts`));
/** Files that take longest, the longest first: none of them shall run when nothing else is left. */
const LONG = [
  "late-threads",
  "plan",
  "hosts/wamr",
  "hosts/graphs",
  "hosts/package",
  "hosts/wasm2c",
  "wasi",
  "hosts/wasmtime",
  "hosts/chromium",
  "slim",
  "fuzz/fuzz",
  "threads",
  "hosts/mcu",
  "forward-pass",
  "fast-build",
  "bits",
  "tokenizing-costs",
  "oracle-and-peers",
  "hosts/python",
].map((name) => join("test", `${name}.test.ts`));
const patterns = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));

const queue = readdirSync("test", { recursive: true })
  .map((file) => join("test", file))
  .filter((file) => file.endsWith(".test.ts"))
  .filter((file) => !patterns.length || patterns.some((pattern) => file.includes(pattern)))
  .sort();
if (!queue.length) finish(0, 1, [`no test file matches ${patterns.join(" ")}`]);

if (!process.argv.includes("--no-build")) {
  buildWhatIsOld();
  // Fuzzers run on builds with guard bytes, which nobody else needs.
  if (queue.some((file) => file.startsWith(join("test", "fuzz")))) buildWhatIsOld("--guard");
}

let passed = 0;
let failed = 0;
let skipped = 0;
const hosts = queue.some((file) => file.startsWith(join("test", "hosts")));
const broken = [];
const rank = (file) => (LONG.includes(file) ? LONG.indexOf(file) : LONG.length);
const together = queue.filter((file) => !ALONE.includes(file)).sort((one, other) => rank(one) - rank(other));
const alone = queue.filter((file) => ALONE.includes(file));
await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, () => runAll(together)));
await runAll(alone);
if (hosts) spawnSync(process.execPath, ["scripts/hosts-table.mjs"], { stdio: "inherit" });
if (skipped) console.log(`${skipped} skipped, for want of data or of a host`);
finish(passed, failed, broken);

function buildWhatIsOld(...words) {
  const build = spawnSync(process.execPath, ["scripts/build.mjs", "--if-needed", ...words], { stdio: "inherit" });
  if (build.status !== 0) finish(0, 1, ["the build"]);
}

/** Runs what is left of `files`, one after another. */
async function runAll(files) {
  for (let file = files.shift(); file; file = files.shift()) {
    const result = await runFile(file);
    passed += result.passed;
    failed += result.failed;
    skipped += result.skipped;
    if (result.failed) broken.push(file);
  }
}

/** Runs one file and counts by uvu's summary: `Total:`, `Passed:`, `Skipped:`. */
function runFile(file) {
  return new Promise((resolve) => {
    const start = performance.now();
    const child = spawn(process.execPath, ["--import", "tsx", file], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, TIMEOUT_SECONDS * 1000);
    child.on("close", (status) => {
      clearTimeout(timer);
      const total = count(output, "Total");
      const passed = count(output, "Passed") ?? 0;
      const skipped = (count(output, "Skipped") ?? 0) + (output.match(/^.*skipped: needs /gm)?.length ?? 0);
      let failed = (total ?? 0) - passed;
      if (failed === 0 && (status !== 0 || !total)) failed = 1;
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      const why = late ? `, killed after ${TIMEOUT_SECONDS} s` : total ? "" : ", no tests ran";
      console.log(`${failed ? "✘" : "•"} ${file}: ${passed} passed, ${failed} failed${why} (${seconds} s)`);
      const notes = output.match(/^.*skipped: needs .*$/gm) ?? [];
      if (failed) console.log(output);
      else for (const note of notes) console.log(`  ${note}`);
      resolve({ passed, failed, skipped });
    });
  });
}

function count(output, word) {
  const line = output.match(new RegExp(`^\\s*${word}:\\s+(\\d+)`, "m"));
  return line ? Number(line[1]) : undefined;
}

function finish(passed, failed, broken) {
  if (broken.length) console.log(`failed in: ${broken.join(", ")}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
