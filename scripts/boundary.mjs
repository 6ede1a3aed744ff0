/**
 * The boundary, made from its source:  node scripts/boundary.mjs [--check]
 *
 * Signatures, comments and numbers of the ABI are written once, in assembly/. From there this script writes
 *
 *     bindings/exports.ts           the exports as TypeScript sees them, with their comments on hover
 *     bindings/numbers.ts           statuses, error codes, flags, forms, kinds, block formats
 *     build/limpet-numbers.h, .py   the same numbers in C and in Python
 *     docs/embedding.md             the tables of exports, between its two marks
 *
 * With --check it writes the first three and says whether the page is out of date: the status is 1 then.
 *
 * The first three are outputs of the build (scripts/build.mjs and `npm run check` make them first) and git ignores them:
 * a committed copy would be one more thing to keep in step, and would conflict in every branch that adds an export.
 * JSR publishes sources, so jsr.json takes the two of bindings/ back in. The page is committed, because people read it
 * where nothing is built. Scripts that run without a build take `readNumbers()` from here.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/embedding.md";
const [BEGIN, END] = ["<!-- abi-table: made by scripts/boundary.mjs -->", "<!-- /abi-table -->"];
const WIDTH = 120;

/** The lists of exports: what every library build has, what the builds with threads have besides, and those for graphs. */
const LIBRARY = "assembly/builds/library.ts";
const THREADS = "assembly/exports/thread.ts";
const GRAPHS = ["graph", "front_end"].map((name) => ({ file: `assembly/exports/${name}.ts`, names: null }));

/** Namespaces of assembly/ whose numbers cross the boundary, wherever they stand. */
const NAMESPACES = [
  "Status",
  "ErrorCode",
  "ModelState",
  "Streamed",
  "KvType",
  "Form",
  "Pooling",
  "Visibility",
  "Tap",
  "Merge",
  "Finish",
  "SamplerOption",
  "TokenizeFlag",
  "DetokenizeFlag",
  "TokenizerModel",
  "ChatKind",
  "Role",
  "ValueType",
  "ActivationPrecision",
  "ByteDots",
  "MlaForm",
  "WeightRule",
  "RowType",
  "GraphFlag",
  "TensorType",
  "Resample",
  "Operator",
];
/** Constants beside them. */
const CONSTANTS = ["PRECISION_SHIFT", "IN_QUADS", "MAX_CODE_BITS", "POSITION_LIMIT", "BATCH_LIMIT"];
/** Statuses that stand apart, because only sessions answer them. */
const SESSION_STATUSES = ["TOKEN", "LOGITS"];
/** The block formats: a namespace of ids, and functions from an id to the size of a block, in the same file. */
const FORMATS = "Type";
/** From an id to its name in GGUF files, of types that limpet does not run too. */
const TYPE_NAME = "tensorTypeName";
const MOST_TYPES = 256;

/** @typedef {{ name: string, value: number, comment: string }} Constant */
/** @typedef {{ name: string, comment: string, constants: Constant[] }} Namespace */
/** @typedef {{ name: string, id: number, elements: number, bytes: number }} BlockFormat */
/** @typedef {{ namespaces: Namespace[], constants: Constant[], formats: BlockFormat[], names: Map<number, string> }} Numbers */
/** @typedef {{ name: string, parameters: { name: string, type: string }[], result: string, comment: string }} Export */

const read = (/** @type {string} */ path) => readFileSync(join(ROOT, path), "utf8");

/** A comment as one line. @param {string | undefined} text */
const flatten = (text = "") =>
  text
    .replace(/^\s*\*? ?/gm, "")
    .replace(/\s+/g, " ")
    .trim();

/* The exports. */

/** The files that a list of exports names, and which of their functions (null: all). A list may name another list. */
function exportLists(entry = LIBRARY) {
  const lists = /** @type {{ file: string, names: Set<string> | null }[]} */ ([]);
  for (const [, names, from] of read(entry).matchAll(/^export (\*|\{[^}]*\}) from "([^"]+)";/gm)) {
    const file = join(dirname(entry), `${from}.ts`);
    if (from.endsWith("_list")) lists.push(...exportLists(file));
    else lists.push({ file, names: names === "*" ? null : new Set(names.match(/\w+/g)) });
  }
  return lists;
}

/** What a file's header says, up to its first colon or full stop. @param {string} source */
function titleOf(source) {
  const header = flatten(source.match(/^\/\*\*([\s\S]*?)\*\//)?.[1]);
  return header.match(/^[^:.]*/)?.[0] ?? "";
}

/** @param {string} source @returns {Generator<Export>} */
function* functionsOf(source) {
  const pattern = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^export function (\w+)\(([^)]*)\): (\w+)/gm;
  for (const [, comment, name, list, result] of source.matchAll(pattern)) {
    const parameters = [...list.matchAll(/(\w+)\s*:\s*([\w<>| ]+)/g)].map(([, name, type]) => ({
      name,
      type: type.trim(),
    }));
    yield { name, parameters, result, comment: flatten(comment) };
  }
}

/** The exports file by file, in the order of the list. @param {{ file: string, names: Set<string> | null }[]} lists */
function exportGroups(lists = exportLists()) {
  return lists.map(({ file, names }) => {
    const source = read(file);
    const functions = [...functionsOf(source)].filter(({ name }) => !names || names.has(name));
    return { file, title: titleOf(source), functions };
  });
}

/* The numbers. */

/** @type {Numbers | null} */
let numbers = null;

/** The numbers of the ABI as assembly/ has them now. @returns {Numbers} */
export function readNumbers() {
  if (numbers) return numbers;
  const files = readdirSync(join(ROOT, "assembly"), { recursive: true }).map((name) => join("assembly", String(name)));
  const sources = files.filter((name) => name.endsWith(".ts")).map((file) => ({ file, text: read(file) }));
  const namespaces = NAMESPACES.map((name) => namespaceIn(sources, name));
  const status = namespaces[NAMESPACES.indexOf("Status")];
  if (!status.constants.some(({ name }) => name === "TOKEN")) {
    for (const name of SESSION_STATUSES) status.constants.push({ ...constantIn(sources, `STATUS_${name}`), name });
  }
  const constants = CONSTANTS.map((name) => constantIn(sources, name));
  return (numbers = { namespaces, constants, formats: blockFormatsIn(sources), names: typeNamesIn(sources) });
}

/** The numbers of one namespace by name. @param {string} name @returns {Record<string, number>} */
export function numbersOf(name) {
  const found = readNumbers().namespaces.find((namespace) => namespace.name === name);
  if (!found) throw new Error(`no numbers of ${name}: see NAMESPACES in scripts/boundary.mjs`);
  return Object.fromEntries(found.constants.map(({ name, value }) => [name, value]));
}

/** A constant beside the namespaces. @param {string} name @returns {number} */
export function constantOf(name) {
  const found = readNumbers().constants.find((constant) => constant.name === name);
  if (!found) throw new Error(`no constant ${name}: see CONSTANTS in scripts/boundary.mjs`);
  return found.value;
}

/** The block formats by name. @returns {Record<string, BlockFormat>} */
export function blockFormats() {
  return Object.fromEntries(readNumbers().formats.map((format) => [format.name, format]));
}

/** @param {{ file: string, text: string }[]} sources @param {string} name @returns {Namespace} */
function namespaceIn(sources, name) {
  const pattern = new RegExp(
    `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)?^export namespace ${name} \\{\\n([\\s\\S]*?)^\\}`,
    "m",
  );
  const [, comment, body] = onlyMatch(sources, pattern, `namespace ${name}`);
  return { name, comment: flatten(comment), constants: constantsIn(body) };
}

/** @param {{ file: string, text: string }[]} sources @param {string} name @returns {Constant} */
function constantIn(sources, name) {
  const pattern = new RegExp(`(?:/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\s*)?^export const ${name}: \\w+ = [^;]+;`, "m");
  return constantsIn(onlyMatch(sources, pattern, `constant ${name}`)[0])[0];
}

/** @param {{ file: string, text: string }[]} sources @param {RegExp} pattern @param {string} what */
function onlyMatch(sources, pattern, what) {
  const found = sources.filter(({ text }) => pattern.test(text));
  if (found.length !== 1) {
    const where = found.map(({ file }) => file).join(", ") || "nowhere";
    throw new Error(`${what} stands in one file of assembly/, not in ${where}: see the lists in scripts/boundary.mjs`);
  }
  return /** @type {RegExpMatchArray} */ (found[0].text.match(pattern));
}

/** @param {string} text @returns {Constant[]} */
function constantsIn(text) {
  const pattern = /(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?^\s*export const (\w+): \w+ = ([^;]+);/gm;
  return [...text.matchAll(pattern)].map(([, comment, name, value]) => {
    if (!/^[-\d_xa-fA-F|<>() ]+$/.test(value)) throw new Error(`${name} = ${value} is no number`);
    return { name, value: Number(new Function(`return ${value}`)()), comment: flatten(comment) };
  });
}

/**
 * The formats and their blocks. The functions that know the sizes are run as JavaScript, with every format in the build:
 * whatever way they are written, there is no second table. @param {{ file: string, text: string }[]} sources
 * @returns {BlockFormat[]}
 */
function blockFormatsIn(sources) {
  const { constants } = namespaceIn(sources, FORMATS);
  const [text] = onlyMatch(
    sources,
    new RegExp(`^[\\s\\S]*^export namespace ${FORMATS} \\{[\\s\\S]*$`, "m"),
    `namespace ${FORMATS}`,
  );
  const parts = [...text.matchAll(/\b(?:HAS|ASC)_\w+/g)].map(([name]) => name);
  const source = text.replace(/^import [^;]*;$/gm, "").replace(/^\s*@\w+(\([^)]*\))?$/gm, "");
  const { code } = transformSync(source, { loader: "ts", format: "cjs" });
  const module = { exports: /** @type {Record<string, (type: number) => number>} */ ({}) };
  const flags = [...new Set(parts)].map((name) => `const ${name} = true;`).join("");
  new Function("module", `${flags}${code}`)(module);
  const { blockElements, blockBytes } = module.exports;
  return constants
    .map(({ name, value }) => ({ name, id: value, elements: blockElements(value), bytes: blockBytes(value) }))
    .filter(({ elements }) => elements > 0);
}

/** @param {{ file: string, text: string }[]} sources @returns {Map<number, string>} */
function typeNamesIn(sources) {
  const [text] = onlyMatch(sources, new RegExp(`^export function ${TYPE_NAME}\\([\\s\\S]*?^\\}`, "m"), TYPE_NAME);
  const { code } = transformSync(text, { loader: "ts", format: "cjs" });
  const module = { exports: /** @type {Record<string, (type: number) => string>} */ ({}) };
  const { constants } = namespaceIn(sources, FORMATS);
  const ids = Object.fromEntries(constants.map(({ name, value }) => [name, value]));
  new Function("module", FORMATS, code)(module, ids);
  const names = Array.from(
    { length: MOST_TYPES },
    (_, id) => /** @type {const} */ ([id, module.exports[TYPE_NAME](id)]),
  );
  return new Map(names.filter(([, name]) => name));
}

/* What is written. */

const MADE = "Made from assembly/ by scripts/boundary.mjs: change it there.";

/** A comment of a declaration, folded to the line width. @param {string} text @param {string} indent */
function docOf(text, indent) {
  if (!text) return "";
  if (`${indent}/** ${text} */`.length <= WIDTH) return `${indent}/** ${text} */\n`;
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (`${indent} * ${line} ${word}`.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}

/** An AssemblyScript type as the host sees it. @param {string} type @param {string} name */
function hostType(type, name) {
  if (type === "void") return "void";
  if (type === "u64" || type === "i64") return "bigint";
  if (type === "usize") return /(bytes|stride|limit|length|used)$/i.test(name) ? "number" : "Pointer";
  return /^(bool|[iuf]\d+|isize)$/.test(type) ? "number" : "Pointer";
}

/** An i32 that is no number of its own is a status. @param {Export} fn */
function resultType({ name, result, comment }) {
  const isNumber = result !== "i32" || /(code|special|find|layer|ends_generation|trouble)$/.test(name);
  if (isNumber || /^(The id|The token|Whether)/.test(comment)) return hostType(result, name);
  return "Status";
}

/** @param {Export} fn */
function signature(fn) {
  const parameters = fn.parameters.map(({ name, type }) => `${name}: ${hostType(type, name)}`);
  const end = `): ${resultType(fn)};\n`;
  const line = `  ${fn.name}(${parameters.join(", ")}${end}`;
  if (line.length - 1 <= WIDTH) return line;
  return `  ${fn.name}(\n${parameters.map((parameter) => `    ${parameter},\n`).join("")}  ${end}`;
}

/** @param {{ file: string, title: string, functions: Export[] }[]} groups */
function members(groups) {
  return groups
    .map(({ file, title, functions }) => {
      const rows = functions.map((fn) => docOf(fn.comment, "  ") + signature(fn)).join("");
      return `  // ${file}: ${title}\n\n${rows}`;
    })
    .join("\n");
}

function exportsSource() {
  return `/**
 * The exports of the core as TypeScript sees them. ${MADE}
 *
 * Every pointer, length and code is a number (a pointer at or above 2 GiB arrives negative: \`Memory\` and \`address\` put
 * that right), every u64 a bigint. Names and signatures are the same in all builds.
 */
import type { Status } from "./numbers.ts";
import type { WasmMemory } from "./platform.ts";

export type { Status };

/** An offset in the core's memory, as the core returns it: maybe negative. 0 is no object. */
export type Pointer = number;

/** What the library builds export. */
export interface CoreExports {
  readonly memory: WasmMemory;

${members(exportGroups())}}

/** What the builds with threads export besides. */
export interface ThreadExports extends CoreExports {
${members(exportGroups([{ file: THREADS, names: null }]))}}

/** What the builds for graphs export besides the core record and its errors; they have nothing of language. */
export interface GraphExports extends CoreExports {
${members(exportGroups(GRAPHS))}}
`;
}

function numbersSource() {
  const { namespaces, constants, formats, names } = readNumbers();
  const tables = namespaces.map(({ name, comment, constants }) => {
    const rows = constants.map(({ name, value, comment }) => `${docOf(comment, "  ")}  ${name}: ${value},\n`).join("");
    return `${docOf(comment, "")}export const ${name} = {\n${rows}} as const;\n`;
  });
  const single = constants.map(({ name, value, comment }) => `${docOf(comment, "")}export const ${name} = ${value};\n`);
  const ids = formats.map(({ name, id }) => `  ${name}: ${id},\n`).join("");
  const blocks = formats.map(({ name, elements, bytes }) => `  ${name}: { elements: ${elements}, bytes: ${bytes} },\n`);
  return `/**
 * The numbers of the ABI. ${MADE}
 */

/** What a stepped call answers, one of the numbers below; below zero it is one of \`ErrorCode\`. */
export type Status = number;

${[...tables, ...single].join("\n")}
/** Block formats by the number that GGUF gives them. */
export const BlockFormat = {
${ids}} as const;

/** The name of a block format. */
export type BlockFormatName = keyof typeof BlockFormat;

/** Values of a block, and the bytes that it takes in a file. */
export const BLOCKS: Readonly<Record<BlockFormatName, { readonly elements: number; readonly bytes: number }>> = {
${blocks.join("")}};

/** Names of the tensor types that GGUF files may hold, of those too that limpet does not run. */
export const TENSOR_TYPE_NAMES: Readonly<Record<number, string>> = {
${[...names].map(([id, name]) => `  ${id}: "${name}",\n`).join("")}};
`;
}

/** NEED_DATA of Status is LIMPET_STATUS_NEED_DATA in C. @param {string} name */
const upper = (name) => name.replace(/([a-z])([A-Z])/g, "$1_$2").toUpperCase();

function headerSource() {
  const { namespaces, constants, formats } = readNumbers();
  const kinds = [
    ...namespaces,
    {
      name: "BlockFormat",
      comment: "Block formats by the number that GGUF gives them.",
      constants: formats.map(({ name, id }) => ({ name, value: id, comment: "" })),
    },
  ];
  const enums = kinds.map(({ name, comment, constants }) => {
    const rows = constants.map(({ name: member, value, comment }) => {
      const words = comment ? ` /* ${comment} */` : "";
      return `  LIMPET_${upper(name)}_${member} = ${value},${words}\n`;
    });
    return `${comment ? `/* ${comment} */\n` : ""}enum {\n${rows.join("")}};\n`;
  });
  const single = constants.map(({ name, value }) => `#define LIMPET_${name} ${value}\n`).join("");
  return `/* The numbers of the ABI. ${MADE} */\n#ifndef LIMPET_NUMBERS_H\n#define LIMPET_NUMBERS_H\n\n${enums.join("\n")}\n${single}\n#endif\n`;
}

function pythonSource() {
  const { namespaces, constants, formats } = readNumbers();
  const ids = formats.map(({ name, id }) => ({ name, value: id, comment: "" }));
  const classes = [...namespaces, { name: "BlockFormat", comment: "", constants: ids }].map(
    ({ name, comment, constants }) => {
      const rows = constants.map(({ name, value }) => `    ${name} = ${value}\n`).join("");
      return `class ${name}:\n${comment ? `    """${comment}"""\n\n` : ""}${rows}`;
    },
  );
  const single = constants.map(({ name, value }) => `${name} = ${value}\n`).join("");
  return `"""The numbers of the ABI. ${MADE}"""\n\n${single}\n\n${classes.join("\n\n")}`;
}

/** Writes what the build needs; a file that is right already keeps its time, so that nothing is built anew for it. */
export function writeBoundary() {
  put("bindings/exports.ts", exportsSource());
  put("bindings/numbers.ts", numbersSource());
  put("build/limpet-numbers.h", headerSource());
  put("build/limpet_numbers.py", pythonSource());
}

/** @param {string} path @param {string} text */
function put(path, text) {
  mkdirSync(join(ROOT, dirname(path)), { recursive: true });
  try {
    if (read(path) === text) return;
  } catch {
    // It is not there yet.
  }
  writeFileSync(join(ROOT, path), text);
}

/* The page. */

/** The exports as tables in Markdown. */
export function abiTables() {
  const cell = (/** @type {string} */ text) => text.replaceAll("|", "\\|");
  return exportGroups([...exportLists(), ...GRAPHS])
    .map(({ title, functions }) => {
      const rows = functions.map(({ name, parameters, result, comment }) => {
        const list = parameters.map(({ name, type }) => `${name}: ${type}`).join(", ");
        return `| \`${name}(${list})${result === "void" ? "" : `: ${result}`}\` | ${cell(comment)} |`;
      });
      return [`### ${title}`, "", "| function | |", "|---|---|", ...rows].join("\n");
    })
    .join("\n\n");
}

/** The page with its tables as they should be. @param {string} page */
function withTables(page) {
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
  return `${page.slice(0, before)}${BEGIN}\n\n${abiTables()}\n\n${page.slice(after)}`;
}

/** Whether the page is what the source says. @returns {string[]} what is wrong */
export function abiProblems() {
  const page = read(PAGE);
  return page === withTables(page) ? [] : [`${PAGE} is out of date: node scripts/boundary.mjs`];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeBoundary();
  const problems = abiProblems();
  if (!problems.length) console.log(`${PAGE}: up to date`);
  else if (process.argv.includes("--check")) {
    console.error(problems[0]);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, PAGE), withTables(read(PAGE)));
    console.log(`${PAGE}: written`);
  }
}
