/**
 * What users import has words:  node scripts/documented.mjs
 *
 * Reads the declarations (tsc makes them from src/) of what the entry files export: each function, class, interface,
 * type and constant, and each member of a class or an interface, what it inherits included, has a docstring. Left out is
 * what TypeScript or the language says itself: overloads behind the first, members named by a symbol (`Symbol.dispose`).
 * `npm run check` runs this.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TSC = "node_modules/typescript/bin/tsc";
const DECLARATION = /^export (?:declare )?(?:abstract )?(class|interface|type|function|const) (\w+)/;

/** @returns {string[]} what lacks words */
export function undocumented() {
  const folder = mkdtempSync(join(tmpdir(), "limpet-types-"));
  try {
    const command = [join(ROOT, TSC), "-p", join(ROOT, "tsconfig.build.json"), "--outDir", folder];
    if (spawnSync(process.execPath, command, { stdio: "inherit" }).status !== 0) return ["declarations: failed"];
    const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const entries = Object.values(manifest.exports).flatMap(({ types }) => (types ? [types] : []));
    return new Checker(folder).run(entries.map((types) => types.replace("./build/types/", "")));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

class Checker {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
    this.seen = /** @type {Set<string>} */ (new Set());
    this.problems = /** @type {string[]} */ ([]);
    this.files = /** @type {Map<string, string[]>} */ (new Map());
  }

  /** @param {string[]} entries */
  run(entries) {
    for (const entry of entries) this.entry(entry);
    return [...new Set(this.problems)].sort();
  }

  /** @param {string} file */
  lines(file) {
    let lines = this.files.get(file);
    if (!lines) {
      lines = readFileSync(join(this.folder, file), "utf8").split("\n");
      this.files.set(file, lines);
    }
    return lines;
  }

  /** The declarations of a module that a file names. @param {string} file @param {string} name */
  target(file, name) {
    const path = relative(this.folder, join(this.folder, dirname(file), name)).replace(/(\.d)?\.(ts|js)$/, "");
    return `${path}.d.ts`;
  }

  /** All that a file exports. @param {string} file */
  entry(file) {
    const text = this.lines(file).join("\n");
    for (const [, from] of text.matchAll(/^export \* from "(\.[^"]+)"/gm)) this.entry(this.target(file, from));
    for (const [, names, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)) {
      for (const name of names.split(",")) this.name(this.target(file, from), name.replace(/\btype\b/, "").trim());
    }
    for (const [, , name] of text.matchAll(new RegExp(DECLARATION, "gm"))) this.name(file, name);
  }

  /** One declaration with its members. @param {string} file @param {string} name */
  name(file, name) {
    const own = name.split(" as ")[0].trim();
    if (!own || this.seen.has(`${file} ${own}`) || !existsSync(join(this.folder, file))) return;
    this.seen.add(`${file} ${own}`);
    const lines = this.lines(file);
    const at = lines.findIndex((line) => line.match(DECLARATION)?.[2] === own);
    if (at < 0) return;
    const source = file.replace(/\.d\.ts$/, ".ts");
    if (!hasDocstring(lines, at, source)) this.problems.push(`${source}: ${own} has no docstring`);
    const kind = lines[at].match(DECLARATION)?.[1];
    if (kind !== "class" && kind !== "interface") return;
    for (const parent of lines[at].match(/extends ([^{]*)/)?.[1].split(",") ?? []) this.inherited(file, parent.trim());
    let last = "";
    for (let i = at + 1; i < lines.length && lines[i] !== "}"; i++) {
      const member = lines[i].match(
        /^ {4}(?:(?:static|readonly|get|set|async|abstract|override) )*([A-Za-z_]\w*)\??[<(:;]/,
      )?.[1];
      if (!member || /^ {4}(?:private|protected) /.test(lines[i])) continue;
      if (member !== last && !lines[i - 1].trim().endsWith("*/")) {
        this.problems.push(`${source}: ${own}.${member} has no docstring`);
      }
      last = member;
    }
  }

  /** @param {string} file @param {string} parent */
  inherited(file, parent) {
    const name = parent.match(/^\w+/)?.[0];
    if (!name) return;
    const text = this.lines(file).join("\n");
    for (const [, names, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)) {
      if (new RegExp(`\\b${name}\\b`).test(names)) this.name(this.target(file, from), name);
    }
    this.name(file, name);
  }
}

/** Whether a comment of its own stands above a line. @param {string[]} lines @param {number} at @param {string} source */
function hasDocstring(lines, at, source) {
  if (!lines[at - 1]?.trim().endsWith("*/")) return false;
  let start = at - 1;
  while (start > 0 && !lines[start].trim().startsWith("/**")) start--;
  // tsc leaves imports out, and so the header of a file may come to stand above its first declaration.
  const header = readFileSync(join(ROOT, source), "utf8").match(/^(?:\/\/\/.*\n)*(\/\*\*[\s\S]*?\*\/)/)?.[1];
  return lines.slice(start, at).join("\n") !== header;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = undocumented();
  console.log(problems.length ? problems.join("\n") : "documented: all well");
  process.exitCode = problems.length ? 1 : 0;
}
