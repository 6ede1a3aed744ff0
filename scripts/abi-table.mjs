/**
 * The core's ABI as tables, made from its source:  node scripts/abi-table.mjs [--check]
 *
 * Reads the exports that assembly/builds/library.ts lists, with their signatures and comments, and writes them into
 * docs/embedding.md between its two marks. With --check nothing is written: the status is 1 when the page is out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/embedding.md";
const [BEGIN, END] = ["<!-- abi-table: made by scripts/abi-table.mjs -->", "<!-- /abi-table -->"];

const read = (/** @type {string} */ path) => readFileSync(join(ROOT, path), "utf8");
/** A comment as one line. @param {string} text */
const flatten = (text) =>
  text
    .replace(/^\s*\*? ?/gm, "")
    .replace(/\s+/g, " ")
    .trim();

/** The files that a list of exports names, and which of their functions (null: all). A list may name another list. */
function exportLists(entry = "assembly/builds/library.ts") {
  const lists = /** @type {{ file: string, names: Set<string> | null }[]} */ ([]);
  for (const [, names, from] of read(entry).matchAll(/^export (\*|\{[^}]*\}) from "([^"]+)";/gm)) {
    const file = join(dirname(entry), `${from}.ts`);
    if (from.endsWith("/core_list")) lists.push(...exportLists(file));
    else lists.push({ file, names: names === "*" ? null : new Set(names.match(/\w+/g)) });
  }
  return lists;
}

/** What a file's header says, up to its first colon or full stop. @param {string} source */
function titleOf(source) {
  const header = flatten(source.match(/^\/\*\*([\s\S]*?)\*\//)?.[1] ?? "");
  return header.match(/^[^:.]*/)?.[0] ?? "";
}

/** @param {string} source */
function* functionsOf(source) {
  const pattern = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^export function (\w+)\(([^)]*)\): (\w+)/gm;
  for (const [, comment, name, parameters, result] of source.matchAll(pattern)) {
    yield {
      name,
      parameters: parameters.replace(/\s+/g, " ").replace(/,? $/, "").trim(),
      result,
      comment: flatten(comment ?? ""),
    };
  }
}

/** The tables in Markdown. */
export function abiTables() {
  const cell = (/** @type {string} */ text) => text.replaceAll("|", "\\|");
  return exportLists()
    .map(({ file, names }) => {
      const source = read(file);
      const rows = [...functionsOf(source)]
        .filter(({ name }) => !names || names.has(name))
        .map(({ name, parameters, result, comment }) => {
          const value = result === "void" ? "" : `: ${result}`;
          return `| \`${name}(${parameters})${value}\` | ${cell(comment)} |`;
        });
      return [`### ${titleOf(source)}`, "", "| function | |", "|---|---|", ...rows].join("\n");
    })
    .join("\n\n");
}

/** The page with its tables as they should be. @param {string} page */
function withTables(page) {
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
  return `${page.slice(0, before)}${BEGIN}\n\n${abiTables()}\n\n${page.slice(after)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = read(PAGE);
  const wanted = withTables(page);
  if (page === wanted) console.log(`${PAGE}: up to date`);
  else if (process.argv.includes("--check")) {
    console.error(`${PAGE} is out of date: node scripts/abi-table.mjs`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, PAGE), wanted);
    console.log(`${PAGE}: written`);
  }
}
