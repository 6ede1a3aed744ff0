#!/usr/bin/env node
/**
 * Networks of papers, at their sizes: how much sooner each is than MobileNetV2-1.4, beside what multiply-adds say of it.
 *
 *   node --import tsx bench/graph-papers.mjs [--rounds 7] [--ms 200]       (npm run bench:graphs -- --papers)
 *
 * Floats, one thread, in turns: a round runs each for `--ms` milliseconds and once at least; a figure is the median of the
 * rounds, a ratio the median of the rounds' own ratios.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { inputOf, NETWORKS } from "../test/support/networks/cases.ts";
import { describeMachine, loadAverage } from "./lib/machine.mjs";
import { median, short } from "./lib/stats.mjs";
import { ROOT } from "./limpet.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "7" },
    ms: { type: "string", default: "200" },
    papers: { type: "boolean" },
  },
});
const [rounds, slice] = [options.rounds, options.ms].map(Number);
const { Graph } = /** @type {typeof import("../src/graph.ts")} */ (await import(`${ROOT}build/js/graph.js`));
const BESIDE = /^MobileNetV2-1\.4/;
const RANDOM = "none available";

/** @param {string} name @param {Uint8Array} file @param {number} parameters @param {string} trained */
async function open(name, file, parameters, trained) {
  const graph = await Graph.load(file);
  const [{ shape }] = graph.inputs;
  const inputs = { [graph.inputs[0].name]: inputOf({ id: 0, shape }) };
  return { name, parameters, trained, macs: graph.macs, run: () => graph.run(inputs), ms: [0] };
}

const rows = [];
for (const { name, make } of NETWORKS) {
  const { network, output } = make();
  rows.push(await open(name, network.file(output), network.parameters, RANDOM));
}
const transformer = new Uint8Array(readFileSync(`${ROOT}test/fixtures/sounds-tiny-transformer.tflite`));
rows.push(await open("Tiny Transformer, 49 × 40", transformer, 5386, "on sounds of our own"));

for (let round = -1; round < rounds; round++) {
  for (const row of rows) {
    const started = performance.now();
    let runs = 0;
    for (; runs === 0 || performance.now() - started < slice; runs++) await row.run();
    row.ms[Math.max(round, 0)] = (performance.now() - started) / runs;
  }
}

const beside = /** @type {(typeof rows)[0]} */ (rows.find(({ name }) => BESIDE.test(name)));
console.log(`${describeMachine().processor}, load ${loadAverage().toFixed(1)}, Node ${process.version}`);
console.log(`${rounds} rounds of ${slice} ms, floats, one thread\n`);
console.log(
  "| network | parameters | multiply-adds | ms a run | × as soon as MobileNetV2-1.4 | by multiply-adds | trained weights |",
);
console.log("|---|---|---|---|---|---|---|");
for (const { name, parameters, trained, macs, ms } of rows) {
  const sooner = median(ms.map((value, i) => beside.ms[i] / value));
  const cells = [
    parameters,
    `${short(macs / 1e6)} M`,
    short(median(ms)),
    short(sooner),
    short(beside.macs / macs),
    trained,
  ];
  console.log(`| ${name} | ${cells.join(" | ")} |`);
}
