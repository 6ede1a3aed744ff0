/**
 * The tables of docs/builds.md, what is in which build and how large it may be, out of builds.json:
 *
 *   node scripts/builds-table.mjs [--check]
 *
 * Writes them between the marks of the page; with --check says whether they are up to date, and changes nothing. Sizes
 * are the limits, not those of the moment: test/builds.test.ts holds each build to its own.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  ALWAYS,
  BUILDS,
  constantOf,
  EXTRAS,
  held,
  OPERATORS_OF,
  OPS,
  OPS_OF,
  PARTS,
  RELAXED_SHARE,
  TOKENIZER_NAMES,
} from "./builds.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = "docs/builds.md";
const COMMAND = "node scripts/builds-table.mjs";
const [BEGIN, END] = ["<!-- builds-table: made by scripts/builds-table.mjs -->", "<!-- end of builds-table -->"];

const FEATURES = { simd: "SIMD128", "relaxed-simd": "relaxed SIMD", threads: "threads" };
const KINDS = /** @type {const} */ ({
  architectures: "architectures",
  formats: "block formats",
  tokenizers: "tokenizers",
  families: "families of operators",
  extras: "besides",
});

/** @param {string} file */
const read = (file) => readFileSync(join(ROOT, file), "utf8");
/** @param {number} bytes */
const thousands = (bytes) => bytes.toLocaleString("en");

/** @param {string[][]} rows the first one is the head */
function table(rows) {
  const [head, ...rest] = rows.map((cells) => `| ${cells.join(" | ")} |`);
  return [head, `|${"---|".repeat(rows[0].length)}`, ...rest].join("\n");
}

/** @param {import("./builds.mjs").Build} build */
function importsOf({ entry, memory }) {
  if (entry.endsWith("command")) return "`wasi_snapshot_preview1`";
  return memory?.import ? "a shared memory" : "none";
}

function sizes() {
  const rows = Object.entries(BUILDS).map(([name, build]) => {
    const planned = build.planned
      ? thousands(build.planned)
      : build.twin
        ? `${RELAXED_SHARE} × \`${build.twin}\``
        : "–";
    const features = build.features.map((feature) => FEATURES[/** @type {keyof FEATURES} */ (feature)]).join(", ");
    return [
      `\`${name}\``,
      `\`${build.file}\``,
      build.for,
      features || "none",
      importsOf(build),
      thousands(build.limit),
      planned,
    ];
  });
  return table([
    ["build", "file", "for", "features", "imports", "at most [bytes]", "with all that is planned"],
    ...rows,
  ]);
}

function contents() {
  const builds = Object.values(BUILDS);
  const rows = Object.entries(KINDS).flatMap(([key, word]) => {
    const kind = /** @type {keyof typeof KINDS} */ (key);
    const parts =
      kind === "formats" ? [...ALWAYS, ...PARTS.formats] : kind === "extras" ? Object.keys(EXTRAS) : PARTS[kind];
    /** Parts that the same builds hold share a line. @type {Map<string, string[]>} */
    const lines = new Map();
    for (const part of parts) {
      const marks = builds.map((build) => (ALWAYS.includes(part) || held(build, kind).includes(part) ? "✓" : "–"));
      const text =
        kind === "extras"
          ? EXTRAS[part].is
          : kind === "tokenizers"
            ? `${part} ("${TOKENIZER_NAMES[part].join(`", "`)}")`
            : part.replace(/^graph-/, "");
      const line = marks.join(" | ");
      lines.set(line, [...(lines.get(line) ?? []), text]);
    }
    return [...lines].map(([line, texts]) => [word, texts.join(kind === "extras" ? "; " : ", "), line]);
  });
  return table([["", "", ...Object.keys(BUILDS).map((name) => `\`${name}\``)], ...rows]);
}

/** The page with its tables as they should be. @param {string} page */
function withTables(page) {
  const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || after < before) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
  return `${page.slice(0, before)}${BEGIN}\n\n${sizes()}\n\n${contents()}\n\n${page.slice(after)}`;
}

/** Words of a printed program whose op has another name. */
const OP_NAMES = {
  ...{ swiglu: "silu", geglu: "gelu", clamped_swiglu: "clamped-silu", geglu_erf: "gelu-erf" },
  ...{ hash: "look-up", route: "experts", mix_experts: "experts" },
  ...{ mix_streams: "streams", spread: "streams", level: "streams" },
};

/** Operators of a family, as assembly/graphs/families.ts has them. */
const FAMILY = /((?: +case Operator\.\w+:\s+)+)return Family\.(\w+);/g;
/** Families that no build for graphs leaves out. */
const OF_EVERY_GRAPH = ["graph-view", "graph-shape"];

/** The ops of a printed program. @param {string} program */
function opsOf(program) {
  const steps = [...program.matchAll(/^ {2,3}\d+ +(?:(?:v\d+|x|logits)\S*(?:, v\S+)* +)?([a-z_]+)/gm)];
  return new Set(steps.map(([, word]) => OP_NAMES[word] ?? word.replaceAll("_", "-")));
}

/** What does not agree: the page, builds.json, the constants of assembly/parts.ts and who asks for them. */
export function buildProblems() {
  const problems = [];
  const page = read(PAGE);
  if (page !== withTables(page)) problems.push(`${PAGE} is out of date: ${COMMAND}`);
  const words = `\`${BUILDS.portable.file}\` is less than ${BUILDS.portable.limit / 1000} KB`;
  if (!read("README.md").includes(words)) problems.push(`README.md does not say: ${words}`);
  const source = read("assembly/parts.ts");
  const declared = [...source.matchAll(/^export const (HAS_\w+): bool = (.+);$/gm)];
  const wanted = [...Object.values(PARTS).flat(), ...OPS].map(constantOf);
  for (const name of wanted) {
    const own = declared.find(([, constant]) => constant === `HAS_${name}`);
    if (!own?.[2].includes(`isDefined(WITHOUT_${name})`))
      problems.push(`assembly/parts.ts: no HAS_${name}, which builds.json names`);
  }
  for (const [, name] of source.matchAll(/isDefined\(WITHOUT_(\w+)\)/g)) {
    if (!wanted.includes(name)) problems.push(`assembly/parts.ts: HAS_${name} is no part that builds.json names`);
  }
  for (const name of PARTS.architectures) {
    const program = `test/golden/programs/${name}.txt`;
    if (!existsSync(join(ROOT, program))) continue;
    for (const op of opsOf(read(program))) {
      if (OPS.includes(op) && !OPS_OF[name].includes(op))
        problems.push(`builds.json: ${name} writes ${op}: ${program}`);
    }
  }
  for (const [, cases, family] of read("assembly/graphs/families.ts").matchAll(FAMILY)) {
    const part = `graph-${family.toLowerCase().replaceAll("_", "-")}`;
    if (OF_EVERY_GRAPH.includes(part)) continue;
    for (const [, operator] of cases.matchAll(/Operator\.(\w+)/g)) {
      if (!OPERATORS_OF[part]?.includes(operator))
        problems.push(`builds.json: parts.families has no ${part} with ${operator}`);
    }
  }
  for (const [, custom] of read("assembly/graphs/operators.ts").matchAll(/sameText\(name, length, "(\w+)"\)/g)) {
    if (!Object.values(OPERATORS_OF).flat().includes(custom))
      problems.push(`builds.json: parts.families has no family with ${custom}`);
  }
  const files = readdirSync(join(ROOT, "assembly"), { recursive: true }).map(String);
  const users = files.filter((file) => file.endsWith(".ts") && file !== "parts.ts");
  const used = users.map((file) => read(`assembly/${file}`)).join("\n");
  for (const [, constant] of declared) {
    if (!new RegExp(`\\b${constant}\\b`).test(used)) problems.push(`assembly/parts.ts: nothing asks for ${constant}`);
  }
  return problems;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = read(PAGE);
  const wanted = withTables(page);
  if (page === wanted) console.log(`${PAGE}: up to date`);
  else if (process.argv.includes("--check")) {
    console.error(`${PAGE} is out of date: ${COMMAND}`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, PAGE), wanted);
    console.log(`${PAGE}: written`);
  }
}
