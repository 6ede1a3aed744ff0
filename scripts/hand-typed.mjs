/**
 * Numbers of the ABI that somebody typed by hand:  node scripts/hand-typed.mjs
 *
 * Looks outside assembly/ for what should come from bindings/numbers.ts (scripts: `numbersOf` of boundary.mjs; C and
 * Python: build/limpet-numbers.h and limpet_numbers.py). The rule sees names with their numbers, not meaning:
 *
 *     NEED_DATA = 2 · F16: 1             a name of the ABI with its number; a table of formats counts where all agree
 *     [DONE, NEED_DATA] = [0, 2]         the same in a list, or Python's range
 *     status === 2 · step(…)) === 2      a status that is compared with a bare number
 *     "Q4_0", 2, 32, 18                  a block format with the values and the bytes of its block
 *
 * A bare number in an argument list (`kernel_pack(8, …)`) it does not see. `npm run check` runs this.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readNumbers } from "./boundary.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TREES = ["src", "bindings", "test", "bench", "scripts", "examples", "training"];
const LANGUAGES = /\.(ts|mjs|js|c|h|py)$/;
const SKIPPED =
  /node_modules|golden|results|\.venv|^bindings\/(exports|numbers)\.ts$|^scripts\/(boundary|hand-typed)\.mjs$/;

const ASSIGNED = /\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)\s*[:=]\s*(-?[\d.]+(?:e-?\d+)?)\b/g;
const LISTED = /\[?([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)+)\]?\s*=\s*(?:\[([-\d, ]+)\]|range\()/g;
const COMPARED =
  /(?<!\.)\bstatus\b\s*[!=]==?\s*-?[1-9]\b|_step\b[^=;]*\)\s*[!=]==?\s*-?[1-9]\b|\bcode\s*[!=]==?\s*-[1-9]\b/g;

/** @returns {string[]} what is wrong */
export function handTypedProblems() {
  const { namespaces, constants, formats } = readNumbers();
  const known = /** @type {Map<string, Set<number>>} */ (new Map());
  const add = (/** @type {string} */ name, /** @type {number} */ value) =>
    known.set(name, (known.get(name) ?? new Set()).add(value));
  for (const { name, value } of [...namespaces.flatMap(({ constants }) => constants), ...constants]) add(name, value);
  for (const { name, id } of formats) add(name, id);
  const formatNames = new Set(formats.map(({ name }) => name));
  const blocks = formats
    .filter(({ elements }) => elements > 1)
    .map(({ name, id, elements, bytes }) => ({
      name,
      pattern: new RegExp(`(?:\\b${name}\\b["']?|^\\s*${id}):?.*\\b${elements}\\b[,:\\s]+(?:bytes:\\s*)?${bytes}\\b`),
    }));

  return filesOf(TREES).flatMap((file) => {
    const problems = /** @type {string[]} */ ([]);
    const lines = readFileSync(join(ROOT, file), "utf8").split("\n");
    const say = (/** @type {number} */ line, /** @type {string} */ what) =>
      problems.push(`${file}:${line + 1}: ${what} is typed by hand: it is generated from assembly/`);
    /** Names of formats in neighbouring lines, which are a table of something else unless each has its own number. */
    let table = /** @type {{ line: number, name: string, right: boolean }[]} */ ([]);
    const endTable = () => {
      if (table.length && table.every(({ right }) => right))
        say(table[0].line, table.map(({ name }) => name).join(", "));
      table = [];
    };
    lines.forEach((line, at) => {
      const assigned = [...line.matchAll(ASSIGNED)].filter(([, name]) => known.has(name));
      if (!assigned.some(([, name]) => formatNames.has(name))) endTable();
      for (const [, name, value] of assigned) {
        const right = known.get(name)?.has(Number(value)) ?? false;
        if (formatNames.has(name)) table.push({ line: at, name, right });
        else if (right) say(at, `${name} = ${value}`);
      }
      for (const [, names, values] of line.matchAll(LISTED)) {
        const list = names.split(", ");
        const numbers = values?.split(",").map(Number) ?? list.map((_, i) => i);
        const found = list.find((name, i) => known.get(name)?.has(numbers[i]));
        if (found) say(at, `${found} = ${numbers[list.indexOf(found)]}`);
      }
      for (const [words] of line.matchAll(COMPARED)) say(at, words);
      for (const { name, pattern } of blocks) if (pattern.test(line)) say(at, `the block of ${name}`);
    });
    endTable();
    return problems;
  });
}

/** @param {string[]} trees */
function filesOf(trees) {
  return trees
    .flatMap((tree) => readdirSync(join(ROOT, tree), { recursive: true }).map((name) => join(tree, String(name))))
    .filter((file) => LANGUAGES.test(file) && !SKIPPED.test(file) && statSync(join(ROOT, file)).isFile())
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = handTypedProblems();
  console.log(problems.length ? problems.join("\n") : "hand-typed: all well");
  process.exitCode = problems.length ? 1 : 0;
}
