/**
 * builds.json, read: what each build holds, and the words for asc that make it. The build script, `limpet slim`, the
 * check, the tests and the table in docs/builds.md all ask here.
 */
import { readFileSync } from "node:fs";

/**
 * @typedef {"architectures" | "formats" | "tokenizers" | "families" | "extras"} PartKind
 * @typedef {object} Build
 * @property {string} file its name in build/
 * @property {string} for
 * @property {string} entry a file of assembly/builds/
 * @property {string[]} features what asc enables
 * @property {{ import?: boolean, shared?: boolean, endsAt?: number, initialPages?: number, maximumPages?: number }} [memory]
 *   `endsAt`: where linear memory ends [bytes]; a page has 64 KiB
 * @property {"all" | string[]} architectures
 * @property {"all" | string[]} formats
 * @property {"all" | string[]} tokenizers
 * @property {"all" | string[]} [families] of operators of graphs; left out: none
 * @property {string[]} extras
 * @property {number} limit most bytes of the wasm
 * @property {number} [planned] most bytes when all that is planned is in it
 * @property {string} [twin] the build without relaxed SIMD that this one is measured against
 */

const { parts, builds } = JSON.parse(readFileSync(new URL("../builds.json", import.meta.url), "utf8"));

/** @type {Record<string, Build>} */
export const BUILDS = builds;

/** What a relaxed build may have of its twin's bytes. */
export const RELAXED_SHARE = 1.35;

/** Block formats that every build holds. @type {string[]} */
export const ALWAYS = parts.always;

/** The names of each tokenizer in a file (tokenizer.ggml.model): gemma4 needs both. @type {Record<string, string[]>} */
export const TOKENIZER_NAMES = parts.tokenizers;

/**
 * What an extra is, how the names of the exports begin that it brings with its entry, and whether there is a constant all
 * the same. @type {Record<string, { is: string, exports?: string, constant?: boolean }>}
 */
export const EXTRAS = parts.extras;

/** The operators of each family of graphs, by their names in a file. @type {Record<string, string[]>} */
export const OPERATORS_OF = parts.families;

/** The ops that each architecture writes, of those that not every build holds. @type {Record<string, string[]>} */
export const OPS_OF = parts.architectures;

/** The parts that a build may leave out by a constant of assembly/parts.ts. @type {Record<PartKind, string[]>} */
export const PARTS = {
  architectures: Object.keys(parts.architectures),
  formats: parts.formats,
  tokenizers: Object.keys(parts.tokenizers),
  families: Object.keys(parts.families),
  extras: Object.keys(parts.extras).filter((name) => !EXTRAS[name].exports || EXTRAS[name].constant),
};

const KINDS = /** @type {PartKind[]} */ (Object.keys(PARTS));

/** asc's -O2 and nothing after it: two ways to optimise would be two programs to test. No runtime, no abort. */
const COMMON = [
  ...["--runtime", "stub", "--use", "abort=", "--noAssert", "--optimizeLevel", "2", "--shrinkLevel", "0"],
  ...["--transform", "./scripts/literals.mjs"],
];

/** The parts of a kind that a build holds. @param {Build} build @param {PartKind} kind */
export function held(build, kind) {
  const list = build[kind] ?? [];
  return list === "all" ? PARTS[kind] : list;
}

/** All ops that not every build holds. */
export const OPS = [...new Set(Object.values(OPS_OF).flat())];

/** The ops that a build holds: those that an architecture of it writes. @param {Build} build */
export function heldOps(build) {
  const written = held(build, "architectures").flatMap((name) => OPS_OF[name]);
  return OPS.filter((op) => written.includes(op));
}

/** The constant that leaves a part out: WITHOUT_CHAT_TEMPLATES. @param {string} part */
export function constantOf(part) {
  return part.toUpperCase().replace(/[-.]/g, "_");
}

/** The command line of asc for a build, or for one with guard bytes. @param {Build} build @param {string} outFile */
export function ascWords(build, outFile, guards = false) {
  checkBuild(build);
  const { import: imported, shared, endsAt, initialPages, maximumPages } = build.memory ?? {};
  const words = [`assembly/builds/${build.entry}.ts`, "--outFile", outFile, ...COMMON];
  for (const feature of build.features) words.push("--enable", feature);
  if (imported) words.push("--importMemory");
  if (shared) words.push("--sharedMemory");
  if (endsAt) words.push("--lowMemoryLimit", String(endsAt));
  if (initialPages) words.push("--initialMemory", String(initialPages));
  if (maximumPages) words.push("--maximumMemory", String(maximumPages));
  if (guards) words.push("--use", "WITH_GUARDS=1");
  for (const kind of KINDS) {
    const has = held(build, kind);
    for (const part of PARTS[kind]) if (!has.includes(part)) words.push("--use", `WITHOUT_${constantOf(part)}=1`);
  }
  const ops = heldOps(build);
  for (const op of OPS) if (!ops.includes(op)) words.push("--use", `WITHOUT_${constantOf(op)}=1`);
  return words;
}

/** A part that does not exist would be left out without a word. @param {Build} build */
function checkBuild(build) {
  for (const kind of KINDS) {
    const known =
      kind === "extras" ? Object.keys(EXTRAS) : kind === "formats" ? [...ALWAYS, ...PARTS[kind]] : PARTS[kind];
    for (const part of held(build, kind)) {
      if (!known.includes(part))
        throw new Error(`builds.json: ${build.file} holds ${part}, which is none of: ${known}`);
    }
  }
}
