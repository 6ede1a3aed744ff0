#!/usr/bin/env node
/**
 * The down projection of a ReLU² model: neuron by neuron beside packed by rows, one token, in turns.
 *
 *   node bench/kernels-sparse.mjs [--types Q8_0,Q4_0,Q4_K,Q6_K,F16] [--rows 2048] [--columns 8192] [--copies 6]
 *                                 [--rounds 15]
 *
 * A cell is the time by neurons and how many times faster that is than by rows at the same zeros; the last columns are how
 * many times faster nine zeros in ten are than none by rows, and than none in the same layout. Medians of the rounds.
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { measure, ratios, SHARES } from "./engines/sparse.mjs";
import { median } from "./lib/stats.mjs";

const { values } = parseArgs({
  options: {
    types: { type: "string", default: "Q8_0,Q4_0,Q4_K,Q6_K,F16" },
    rows: { type: "string", default: "2048" },
    columns: { type: "string", default: "8192" },
    copies: { type: "string", default: "6" },
    rounds: { type: "string", default: "15" },
  },
});
const [rows, columns, copies, samples] = [values.rows, values.columns, values.copies, values.rounds].map(Number);

console.log(
  `${cpus()[0].model.trim()}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}; ${columns} → ${rows},`,
);
console.log(`${copies} matrices in turn, medians of ${samples} rounds, ms by neurons (times the speed of rows)\n`);
const heads = SHARES.map((zeros) => `${zeros * 100} % zeros`);
console.log(`| type | by rows, 0 % | ${heads.join(" | ")} | 90 % over rows | over 0 % |`);
console.log(`|---|---|${SHARES.map(() => "---").join("|")}|---|---|`);
const { sparse } = await measure({ types: values.types.split(","), samples, rows, columns, copies });
for (const [name, found] of Object.entries(sparse)) {
  const cells = found.map(
    ({ zeros, byNeurons }) => `${median(byNeurons).toFixed(2)} (${median(ratios(found, zeros, zeros)).toFixed(2)})`,
  );
  const nine = /** @type {typeof found[0]} */ (found.find(({ zeros }) => zeros === 0.9));
  cells.push(median(ratios(found, 0, 0.9)).toFixed(2));
  cells.push((median(found[0].byNeurons) / median(nine.byNeurons)).toFixed(1));
  console.log(`| ${name} | ${median(found[0].byRows).toFixed(2)} | ${cells.join(" | ")} |`);
}
