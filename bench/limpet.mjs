/** Runs limpet's command line and the numpy oracle, for the benches and the accuracy report. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { fetchSmolLM2 } from "../scripts/fetch-smollm2.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** The Node that jobs run under: the one among the bench's packages, else this one. */
export const NODE = ownNode() ?? process.execPath;
const MODELS = `${ROOT}build/models/`;
const WORK = `${ROOT}build/bench/`;

function ownNode() {
  const path = `${ROOT}bench/node_modules/node-${process.platform}-${process.arch}/bin/node`;
  return existsSync(path) ? path : undefined;
}

/** Standard output of a command; its standard error is shown only when it fails. */
export function run(/** @type {string} */ command, /** @type {string[]} */ args) {
  return execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"] });
}

/** A command of limpet; what it prints. */
export function limpet(/** @type {string[]} */ ...args) {
  return run(process.execPath, [`${ROOT}build/js/cli.js`, ...args]);
}

/** A command of native llama.cpp (native.mjs), in a process of its own; what it prints. */
export function native(/** @type {string[]} */ ...args) {
  return run(process.execPath, [`${ROOT}bench/native.mjs`, ...args]);
}

/** The path of a model by name: "smollm2", or KIND-TYPE of make-model; it is fetched or made when missing. */
export function modelPath(/** @type {string} */ name) {
  if (name.endsWith(".gguf")) return name;
  if (name === "smollm2") return fetchSmolLM2(`${MODELS}smollm2-135m-instruct-q4_1.gguf`);
  const path = `${MODELS}${name}.gguf`;
  const [, kind, type] = name.match(/^(.+)-([^-]+)$/) ?? [];
  if (!existsSync(path)) writeGguf(path, makeModel(kind, type));
  return path;
}

/** A path for a temporary file of the benches. */
export function workFile(/** @type {string} */ name) {
  mkdirSync(WORK, { recursive: true });
  return WORK + name;
}

/** Reads a file of raw logits. */
export function readLogits(/** @type {string} */ path) {
  const bytes = readFileSync(path);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/**
 * The oracle's logits for some sequences, in one file. Python is `PYTHON` or python3, with test/oracle/requirements.txt.
 * @param {string} model @param {number[][]} sequences @param {string} out @param {"f32" | "f64"} [dtype]
 */
export function oracle(model, sequences, out, dtype = "f32", context = 0) {
  const ids = workFile("ids.json");
  writeFileSync(ids, JSON.stringify(sequences));
  const script = `${ROOT}test/oracle/forward.py`;
  const words = ["--tokens-file", ids, "--out", out, "--dtype", dtype, "--context", String(context)];
  run(process.env.PYTHON ?? "python3", [script, model, ...words]);
}

/**
 * How far two sets of logits are apart, row by row: KL(first || second), and whether the top token is the same.
 * @param {Float32Array} first @param {Float32Array} second @param {number} vocabulary
 */
export function compare(first, second, vocabulary) {
  if (first.length !== second.length) throw new Error(`${first.length} logits against ${second.length}`);
  const divergence = [];
  let same = 0;
  for (let at = 0; at < first.length; at += vocabulary) {
    const [p, q] = [first.subarray(at, at + vocabulary), second.subarray(at, at + vocabulary)];
    const [a, b] = [summarise(p), summarise(q)];
    let sum = 0;
    for (let i = 0; i < vocabulary; i++) sum += Math.exp(p[i] - a.logSum) * (p[i] - a.logSum - (q[i] - b.logSum));
    divergence.push(sum);
    if (a.top === b.top) same++;
  }
  const mean = divergence.reduce((sum, value) => sum + value, 0) / divergence.length;
  return { rows: divergence.length, klMean: mean, klMax: Math.max(...divergence), top1: same / divergence.length };
}

/** The logarithm of the sum of exponentials of a row, and where its largest value stands. @param {Float32Array} row */
function summarise(row) {
  let top = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[top]) top = i;
  let sum = 0;
  for (const value of row) sum += Math.exp(value - row[top]);
  return { top, logSum: row[top] + Math.log(sum) };
}
