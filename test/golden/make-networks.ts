/**
 * Writes what PyTorch's modules make of networks of papers: npm run goldens -- networks [--check]
 *
 * Outputs in float64, a row a case of test/support/networks/cases.ts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { inputOf, NETWORK_CASES } from "../support/networks/cases.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const FILE = new URL("networks.json", import.meta.url);
const ORACLE = new URL("../oracle/networks.py", import.meta.url).pathname;
const ROUNDING = 1e-9;

const [weights, input] = [workFile("network.safetensors"), workFile("network.f32")];
const rows: Record<string, number[]> = {};
for (const { name, shape, make } of NETWORK_CASES) {
  const { network } = make();
  writeFileSync(weights, network.checkpoint());
  writeFileSync(input, new Uint8Array(inputOf(network.input).buffer));
  rows[name] = JSON.parse(run(PYTHON, [ORACLE, name, weights, input, JSON.stringify(shape)]));
}
if (process.argv.includes("--check")) {
  const stored: typeof rows = JSON.parse(readFileSync(FILE, "utf8"));
  for (const [name, values] of Object.entries(rows)) {
    const apart = Math.max(...values.map((value, i) => Math.abs(value - stored[name][i])));
    if (!(apart < ROUNDING)) throw new Error(`${name} is ${apart} off`);
  }
} else writeFileSync(FILE, `${JSON.stringify(rows, null, 1)}\n`);
