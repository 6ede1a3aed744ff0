/**
 * A build with only what certain models need: what `limpet slim` (src/cli/slim.ts) asks of a checkout. The builds are
 * those of builds.json with parts left out, so the bits are theirs.
 */
import { spawn } from "node:child_process";
import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ALWAYS, ascWords, BUILDS, EXTRAS, OPERATORS_OF, PARTS, TOKENIZER_NAMES } from "./builds.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The builds that a slim one may be like: of language models, and of networks. The first one is meant where none is named. */
export const [NAMES, GRAPH_NAMES] = [false, true].map((ofGraphs) =>
  Object.keys(BUILDS).filter((name) => !!BUILDS[name].families === ofGraphs),
);

/** Operators of every build for graphs. */
const OF_GRAPHS = ["RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SHAPE"];

/** Types of tensors that come with an architecture: the rows of MemoryFormer's tables. */
const OF_ARCHITECTURES = ["I8"];

/**
 * @typedef {object} Needs what a model's file names
 * @property {string} model its name, for messages
 * @property {string} architecture general.architecture
 * @property {string[]} types of its tensors
 * @property {string} tokenizer tokenizer.ggml.model
 * @property {boolean} chat whether it has a chat template
 */

/** The build that some models need; throws words that name the model which asks for what limpet has not.
 * @param {Needs[]} models @param {string} like a build of builds.json
 */
export function slimBuild(models, like) {
  const base = BUILDS[like];
  const parts = { architectures: new Set(), formats: new Set(), tokenizers: new Set() };
  for (const { model, architecture, types, tokenizer } of models) {
    if (!PARTS.architectures.includes(architecture)) refuse(model, "architecture", architecture, PARTS.architectures);
    parts.architectures.add(architecture);
    const kinds = PARTS.tokenizers.filter((name) => TOKENIZER_NAMES[name].includes(tokenizer));
    if (!kinds.length) {
      const names = Object.values(TOKENIZER_NAMES);
      refuse(model, "tokenizer", tokenizer, [...new Set([...names.map(([first]) => first), ...names.flat()])]);
    }
    for (const kind of kinds) parts.tokenizers.add(kind);
    for (const type of types) {
      if (ALWAYS.includes(type) || OF_ARCHITECTURES.includes(type)) continue;
      if (!PARTS.formats.includes(type)) refuse(model, "block format", type, [...ALWAYS, ...PARTS.formats]);
      parts.formats.add(type);
      // In memory it is kept as TQ2_0.
      if (type === "TQ1_0") parts.formats.add("TQ2_0");
    }
  }
  // Kernels by themselves are for other programs than models, and programs as text for who writes architectures.
  const extras = base.extras.filter((name) => name !== "print" && !EXTRAS[name].exports?.startsWith("kernel_"));
  const chat = models.some((model) => model.chat);
  return {
    ...base,
    entry: base.entry === "library" ? "model" : base.entry,
    architectures: PARTS.architectures.filter((name) => parts.architectures.has(name)),
    formats: PARTS.formats.filter((name) => parts.formats.has(name)),
    tokenizers: PARTS.tokenizers.filter((name) => parts.tokenizers.has(name)),
    extras: chat ? extras : extras.filter((name) => name !== "chat-templates"),
  };
}

/** The build that some networks need, by the families of their operators.
 * @param {{ model: string, operators: string[] }[]} networks @param {string} like a build of builds.json
 */
export function slimGraphs(networks, like) {
  /** @type {Set<string>} */
  const families = new Set();
  for (const { model, operators } of networks) {
    for (const operator of operators.filter((name) => !OF_GRAPHS.includes(name))) {
      const family = PARTS.families.find((name) => OPERATORS_OF[name].includes(operator));
      if (!family) refuse(model, "operator", operator, [...OF_GRAPHS, ...Object.values(OPERATORS_OF).flat()]);
      families.add(family);
    }
  }
  return { ...BUILDS[like], families: PARTS.families.filter((name) => families.has(name)) };
}

/** Compiles a build into a file, which appears whole. Gives its bytes, and those of the full build.
 * @param {import("./builds.mjs").Build} build @param {string} out @param {AbortSignal} [signal]
 */
export async function compile(build, out, signal) {
  const whole = resolve(out);
  const part = `${whole}.part.wasm`;
  try {
    await asc(ascWords(build, part), signal);
    renameSync(part, whole);
  } finally {
    rmSync(part, { force: true });
  }
  const full = `${ROOT}build/${build.file}`;
  return { bytes: statSync(whole).size, full: existsSync(full) ? statSync(full).size : build.limit };
}

/** @param {string} model @param {string} what @param {string} name @param {string[]} known @returns {never} */
function refuse(model, what, name, known) {
  throw new Error(`${model}: the ${what} ${name || "(none)"} is not supported; supported are: ${known.join(", ")}`);
}

/** @param {string[]} words @param {AbortSignal} [signal] @returns {Promise<void>} */
function asc(words, signal) {
  const allowed = process.versions.deno ? ["run", "--allow-all"] : [];
  const script = `${ROOT}node_modules/assemblyscript/bin/asc.js`;
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [...allowed, script, ...words], { cwd: ROOT, signal });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (said += data));
    child.on("error", failed);
    child.on("close", (status) => (status === 0 ? done() : failed(new Error(`asc ended with ${status}\n${said}`))));
  });
}
