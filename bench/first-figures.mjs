#!/usr/bin/env node
/**
 * First speed figures: limpet beside native llama.cpp, one thread, in turns.
 *
 *   node first-figures.mjs [--models smollm2,plm-100m-q4_0,…] [--rounds 5] [-p 128] [-n 64] [--build portable]
 *
 * A round runs limpet and then native on a model, each in a fresh process; the figures are medians over rounds, and a
 * ratio is the median of the rounds' own ratios, so that a disturbance of the machine hits both sides. Missing models
 * are made or fetched. Prints a table in Markdown, and every round to standard error.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { limpet, modelPath, native } from "./limpet.mjs";
import { median } from "./native.mjs";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "smollm2,plm-1m-q4_0,plm-100m-q4_0,plm-100m-q8_0,plm-100m-q4_k,plm-1.8b-q4_0" },
    rounds: { type: "string", default: "5" },
    prompt: { type: "string", short: "p", default: "128" },
    count: { type: "string", short: "n", default: "64" },
    build: { type: "string", default: "portable" },
  },
});
const lengths = ["-p", values.prompt, "-n", values.count, "--threads", "1"];

const version = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).dependencies[
  "node-llama-cpp"
];
console.log(
  `${cpus()[0].model.trim()}, Node ${process.version}, node-llama-cpp ${version}, build ${values.build}, one thread,`,
);
console.log(`prompt ${values.prompt}, ${values.count} tokens decoded, median of ${values.rounds} rounds in turns.\n`);
console.log(
  "| model | prefill tok/s | native | ratio | decode tok/s | native | ratio | load ms | memory MB | cache B/token |",
);
console.log("|---|---|---|---|---|---|---|---|---|---|");
for (const name of values.models.split(",")) {
  const path = modelPath(name);
  const rounds = /** @type {{ ours: any, theirs: any }[]} */ ([]);
  for (let round = 0; round < Number(values.rounds); round++) {
    const ours = JSON.parse(limpet("bench", path, ...lengths, "--build", values.build));
    const theirs = JSON.parse(native("bench", path, ...lengths, "--reps", "1"));
    console.error(name, JSON.stringify({ ours, theirs }));
    rounds.push({ ours, theirs });
  }
  const figure = (/** @type {(round: { ours: any, theirs: any }) => number} */ of) => median(rounds.map(of));
  const cells = ["prefill_tps", "decode_tps"].flatMap((key) => [
    figure(({ ours }) => ours[key]).toPrecision(3),
    figure(({ theirs }) => theirs[key]).toPrecision(3),
    figure(({ ours, theirs }) => ours[key] / theirs[key]).toFixed(2),
  ]);
  cells.push(figure(({ ours }) => ours.load_ms).toFixed(0));
  cells.push((figure(({ ours }) => ours.memory_bytes) / 1e6).toFixed(0));
  cells.push(String(rounds[0].ours.kv_bytes_per_token));
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}
