/**
 * The tables of docs/models.md, out of the lists of architectures (scripts/architectures.mjs, scripts/refused-architectures.mjs)
 * and what the tests hold:
 * node scripts/models-table.mjs
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { entryOf, NAMES } from "./architectures.mjs";
import { ENCODER_NAMES, ENCODERS } from "./encoders.mjs";
import { REFUSED } from "./refused-architectures.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/models.md";
const COMMAND = "node scripts/models-table.mjs";
const [BEGIN, END] = [`<!-- ${COMMAND} writes from here -->`, "<!-- to here -->"];

const read = (/** @type {string} */ path) => readFileSync(join(ROOT, path), "utf8");

/** Logits or vectors of a made model that a file of test/golden/ holds. @param {string} file @param {string} kind */
function types(file, kind) {
  /** @type {{ models: { kind: string, type?: string }[] }} */
  const { models } = JSON.parse(read(`test/golden/${file}.json`));
  return models.filter((model) => model.kind === kind).map(({ type = "" }) => type);
}

/** @param {string} name */
function row(name) {
  const { models, refuses = "", peers = [], shapes } = entryOf(name);
  const [kind] = Object.keys(shapes);
  const of = name in ENCODERS ? "encoders-" : "";
  const held = [
    `numpy (${types(of ? "encoders" : "logits", kind).join(", ")})`,
    ...peers.filter((peer) => types(`${of}${peer}`, kind).length > 0).map((peer) => peer),
  ];
  const isConverted = existsSync(join(ROOT, `src/convert/architectures/${name}.ts`));
  return [`\`${name}\``, models, held.join("; "), isConverted ? "yes" : "no", refuses];
}

function table() {
  const rows = [["architecture", "models known by that name", "held against", "`limpet convert`", "refused"]];
  rows.push(
    rows[0].map(() => "---"),
    ...[...NAMES, ...ENCODER_NAMES].map(row),
  );
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function refusals() {
  const rows = Object.entries(REFUSED).map(([why, names]) => [names.map((name) => `\`${name}\``).join(", "), why]);
  return [["architecture", "refused, for"], ["---", "---"], ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** The page with its tables as they should be. @param {string} page */
function withTables(page) {
  return [table(), refusals()].reduce((made, rows, i) => {
    const before = i === 0 ? made.indexOf(BEGIN) : made.lastIndexOf(BEGIN);
    const after = made.indexOf(END, before);
    if (before < 0 || after < before) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
    return `${made.slice(0, before)}${BEGIN}\n\n${rows}\n\n${made.slice(after)}`;
  }, page);
}

/** Whether the page is out of date. */
export function modelProblems() {
  const page = read(PAGE);
  return page === withTables(page) ? [] : [`${PAGE} is out of date: ${COMMAND}`];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(join(ROOT, PAGE), withTables(read(PAGE)));
