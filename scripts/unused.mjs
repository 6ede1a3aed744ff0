/**
 * What nobody needs in assembly/: exported functions and classes without a second mention, functions of a file that the
 * file does not call, names imported and not used. asc drops them without a word, and a reader wonders.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Rooms whose exports are for others than assembly/: the ABI, the builds, and the table of commands that src/ reads. */
const PUBLIC = /^assembly\/(exports|builds)\/|^assembly\/wasi\/commands\.ts$/;

/** @returns {string[]} one line a name that is not used */
export function unusedProblems() {
  const files = readdirSync("assembly", { recursive: true })
    .map((file) => join("assembly", String(file)))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => ({ file, text: withoutComments(readFileSync(file, "utf8")) }));
  const all = files.map(({ text }) => text).join("\n");
  return files.flatMap(({ file, text }) =>
    [
      ...(PUBLIC.test(file) ? [] : unused(text, all, /^export (?:function|const|class|namespace) (\w+)/gm)),
      ...unused(text, text, /^function (\w+)/gm),
      ...importsOf(text).filter((name) => count(text, name) < 2),
    ].map((name) => `${file}: nobody uses ${name}`),
  );
}

/** Names that a pattern declares in a text and that stand nowhere else in `where`. */
function unused(text, where, pattern) {
  return [...text.matchAll(pattern)].map(([, name]) => name).filter((name) => count(where, name) < 2);
}

function importsOf(text) {
  return [...text.matchAll(/^import \{([^}]*)\}/gm)]
    .flatMap(([, names]) => names.split(","))
    .map((name) => name.trim().split(" as ").at(-1) ?? "")
    .filter(Boolean);
}

function count(text, name) {
  return text.match(new RegExp(`\\b${name}\\b`, "g"))?.length ?? 0;
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/\/\/.*/g, "");
}
