/**
 * The one formatting of assembly/:  node scripts/format-assembly.mjs [--check] [PATTERN…]
 *
 * biome does the work. It cannot read decorators of functions, so they go to it as comments and come back. A few rules of
 * the house follow, which biome has not:
 *
 *     case X: return y;                   a case with one short statement takes one line
 *     @inline get rows(): u32 { … }       so does a method of one statement that is decorated in its own line
 *     import {⏎  a, b, c,⏎} from "x";     a list that biome writes one a line is filled up to the end of the line
 *     let a: u32 = 0, b: u32 = 0;         declarations stay together
 *
 * With --check it changes nothing, names the files that are not so, and ends with 1. A pattern is part of a path.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LINE_LENGTH = 120;
const MARK = "//@@";
const TABLE = "// biome-ignore format: a table of memory.data stays as it is written";

/** The paths under assembly/, from the root of the checkout, whose formatting is another; with `write` it is mended. */
export function formatAssembly({ write, patterns = [] }) {
  const files = readdirSync(join(ROOT, "assembly"), { recursive: true })
    .map((file) => join("assembly", file))
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => !patterns.length || patterns.some((pattern) => file.includes(pattern)));
  const folder = mkdtempSync(join(tmpdir(), "limpet-format-"));
  try {
    const config = JSON.parse(readFileSync(join(ROOT, "biome.json"), "utf8"));
    writeFileSync(
      join(folder, "biome.json"),
      JSON.stringify({ formatter: config.formatter, javascript: config.javascript }),
    );
    for (const file of files) {
      mkdirSync(dirname(join(folder, file)), { recursive: true });
      writeFileSync(join(folder, file), hideDecorators(readFileSync(join(ROOT, file), "utf8")));
    }
    const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
    const run = spawnSync(process.execPath, [biome, "format", "--write", "."], { cwd: folder, encoding: "utf8" });
    if (run.status !== 0) throw new Error(`biome cannot format assembly/:\n${run.stdout}${run.stderr}`);
    return files.filter((file) => {
      const formatted = houseRules(showDecorators(readFileSync(join(folder, file), "utf8")));
      if (formatted === readFileSync(join(ROOT, file), "utf8")) return false;
      if (write) writeFileSync(join(ROOT, file), formatted);
      return true;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function hideDecorators(text) {
  const hidden = text.replace(/^( *)(@\w+(?:\(.*\))?)$/gm, `$1${MARK}$2`);
  return hidden.replace(/^(?:export )?const .* = memory\.data</gm, `${TABLE}\n$&`);
}

/** asc reads `<T>i++` as `(<T>i)++`: the parentheses, which biome takes away, come back too. */
function showDecorators(text) {
  return text
    .replaceAll(MARK, "")
    .replaceAll(`${TABLE}\n`, "")
    .replace(/(<\w+>)(\w+(?:\+\+|--))/g, "$1($2)");
}

/** What biome does not do, line by line. */
function houseRules(text) {
  const lines = text.split("\n");
  const out = [];
  for (let i = 0; i < lines.length; i++) {
    const filled = fill(lines, i);
    if (filled) {
      out.push(...filled.lines);
      i = filled.end;
    } else out.push(lines[i]);
  }
  return joinMethods(joinCases(joinDeclarations(out))).join("\n");
}

/** A list whose items biome has put on a line each: filled, and the index of its last line. */
function fill(lines, start) {
  const open = /^( *)(.*[({[])$/.exec(lines[start]);
  if (!open || /^\s*(\/\/|\*)|memory\.data</.test(lines[start])) return null;
  const indent = `${open[1]}  `;
  const close = { "(": ")", "{": "}", "[": "]" }[open[2].at(-1)];
  const items = [];
  let end = start + 1;
  for (; end < lines.length && lines[end].startsWith(indent) && lines[end][indent.length] !== " "; end++) {
    let item = lines[end].slice(indent.length);
    // A string that goes on in the next line.
    while (item.endsWith("\\")) item += `\n${lines[++end]}`;
    // Only a list's items end with commas, all of them.
    if (!item.endsWith(",") || item.startsWith("//")) return null;
    items.push(item);
  }
  if (items.length < 2 || !lines[end]?.startsWith(open[1] + close)) return null;
  const filled = [];
  for (const item of items) {
    const line = `${filled.at(-1)} ${item}`;
    if (filled.length && widest(line) <= LINE_LENGTH) filled[filled.length - 1] = line;
    else filled.push(indent + item);
  }
  return { lines: [lines[start], ...filled, lines[end]], end };
}

function widest(text) {
  return Math.max(...text.split("\n").map((line) => [...line].length));
}

/** `let a: f32 = 0, b: f32 = 0;` takes one line where it fits. */
function joinDeclarations(lines) {
  const out = [];
  for (let i = 0; i < lines.length; i++) {
    const indent = /^( *)(?:let|const) .*,$/.exec(lines[i])?.[1];
    let end = i;
    while (indent !== undefined && lines[end].endsWith(",") && /^ {2}\S/.test(lines[end + 1].slice(indent.length)))
      end++;
    const one = [lines[i], ...lines.slice(i + 1, end + 1).map((line) => line.trim())].join(" ");
    const fits = end > i && one.endsWith(";") && widest(one) <= LINE_LENGTH;
    out.push(fits ? one : lines[i]);
    if (fits) i = end;
  }
  return out;
}

/** A decorated method of one statement, `@inline get x(): T {` in its own line, takes one line where it fits. */
function joinMethods(lines) {
  const out = [];
  for (let i = 0; i < lines.length; i++) {
    const head = /^( +)@inline .*\{$/.exec(lines[i]);
    const one = head && `${lines[i]} ${lines[i + 1]?.trim()} }`;
    if (head && lines[i + 1].endsWith(";") && lines[i + 2] === `${head[1]}}` && widest(one) <= LINE_LENGTH) {
      out.push(one);
      i += 2;
    } else out.push(lines[i]);
  }
  return out;
}

/** `case X:` and the one statement behind it on one line, where they fit: a return, or a statement and its break. */
function joinCases(lines) {
  const out = [];
  for (let i = 0; i < lines.length; i++) {
    const label = /^( *)(case .*|default):$/.exec(lines[i]);
    const indent = label && `${label[1]}  `;
    const isOne = (line) => line?.startsWith(indent) && /^[^ /}].*;$/.test(line.slice(indent.length));
    const ends = (line) => line === undefined || /^ *(case .*:|default:|\}|\/\/)/.test(line);
    if (label && isOne(lines[i + 1])) {
      const one = `${lines[i]} ${lines[i + 1].trim()}`;
      const both = `${one} ${lines[i + 2]?.trim()}`;
      if (ends(lines[i + 2]) && one.length <= LINE_LENGTH) {
        out.push(one);
        i += 1;
        continue;
      }
      if (lines[i + 2] === `${indent}break;` && ends(lines[i + 3]) && both.length <= LINE_LENGTH) {
        out.push(both);
        i += 2;
        continue;
      }
    }
    out.push(lines[i]);
  }
  return out;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const check = process.argv.includes("--check");
  const patterns = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
  const changed = formatAssembly({ write: !check, patterns });
  for (const file of changed) console.log(`${check ? "is not formatted" : "formatted"}: ${file}`);
  if (check && changed.length) process.exit(1);
}
