#!/usr/bin/env node
/**
 * Whole files quantised by limpet and by llama.cpp (llama_model_quantize), read by native llama.cpp: its perplexity of
 * each on the same windows of a text.
 *
 *     node bench/run.mjs quantize-files.mjs --model MODEL.gguf --text TEXT.txt [--mixes Q4_K_M,Q2_K] [--windows 8]
 *
 * The last column is limpet's over llama.cpp's: 1.00 is as good, less is better.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MIXES } from "../test/support/quantisers.ts";
import { native, ROOT, workFile } from "./limpet.mjs";

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    text: { type: "string" },
    mixes: { type: "string", default: "Q4_K_M,Q6_K,Q3_K_M,Q2_K" },
    windows: { type: "string", default: "8" },
    ctx: { type: "string", default: "512" },
  },
});
const { model, text, mixes, windows, ctx } = options;
if (!model || !text) throw new Error("--model MODEL.gguf and --text TEXT.txt are needed");
const { quantizeFile } = await import(`${ROOT}build/js/quantize.js`);
const folder = mkdtempSync(workFile("quantize-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const [ours, theirs] = [join(folder, "limpet.gguf"), join(folder, "llama.gguf")];

console.log(`perplexity of ${model}: ${perplexityOf(model).toFixed(4)}`);
console.log("mix       seconds    limpet MB  llama.cpp MB     limpet  llama.cpp   ratio");
for (const mix of mixes.split(",")) {
  const started = process.cpuUsage();
  await quantizeFile(model, ours, mix);
  const seconds = process.cpuUsage(started).user / 1e6;
  const script = [`${ROOT}bench/lib/native_quantize.py`, "file", model, theirs, String(MIXES[mix])];
  execFileSync(process.env.PYTHON ?? "python3", script, { stdio: ["ignore", "ignore", "pipe"] });
  const [a, b] = [ours, theirs].map(perplexityOf);
  const sizes = [ours, theirs].map((path) => (statSync(path).size / 1e6).toFixed(2));
  const cells = [sizes[0].padStart(11), sizes[1].padStart(13), ...[a, b].map((value) => value.toFixed(4).padStart(10))];
  console.log(`${mix.padEnd(8)} ${seconds.toFixed(1).padStart(8)} ${cells.join(" ")}  ${(a / b).toFixed(4)}`);
}

/** @param {string} path */
function perplexityOf(path) {
  return JSON.parse(native("perplexity", path, String(text), "--windows", windows, "--ctx", ctx)).perplexity;
}
