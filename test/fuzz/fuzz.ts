/**
 * Fuzzers by the clock:  npm run fuzz -- [--minutes N] [--seed S] [--case K] [NAME…]
 *
 * Runs the fuzzers of a name, or all, one after the other in rounds, each by its share of the minutes; a line a fuzzer
 * says how many cases ended in what, and each finding comes with the command that runs its case again. --case runs one
 * case alone. The builds with guard bytes have to be there: npm run build -- --guard.
 */
import { parseArgs } from "node:util";
import { FUZZERS } from "./list.ts";
import { lineOf, linesOf, type Report, runFuzzer } from "./run.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    case: { type: "string" },
    help: { type: "boolean" },
  },
});
const fuzzers = FUZZERS.filter(({ name }) => !positionals.length || positionals.includes(name));
const unknown = positionals.find((name) => !FUZZERS.some((fuzzer) => fuzzer.name === name));
const [minutes, seed, only] = [values.minutes, values.seed, values.case ?? "0"].map(Number);
if (values.help || unknown || !(minutes > 0) || !Number.isInteger(seed) || !Number.isInteger(only)) {
  console.error("npm run fuzz -- [--minutes N] [--seed S] [--case K] [NAME…]");
  for (const { name, about } of FUZZERS) console.error(`  ${name.padEnd(14)} ${about}`);
  process.exit(values.help ? 0 : 2);
}

/** Rounds of a run: an early one of each shows what is broken. */
const ROUNDS = 4;
const shares = fuzzers.reduce((sum, { share }) => sum + share, 0);
const totals = new Map(fuzzers.map(({ name }) => [name, { cases: 0, met: {}, findings: [], seconds: 0 } as Total]));

interface Total extends Report {
  seconds: number;
}

for (let round = 0; round < (values.case === undefined ? ROUNDS : 1); round++) {
  for (const fuzzer of fuzzers) {
    const total = totals.get(fuzzer.name)!;
    const start = performance.now();
    const wish =
      values.case === undefined
        ? { seed, from: total.cases, seconds: (minutes * 60 * fuzzer.share) / shares / ROUNDS }
        : { seed, from: only, to: only + 1 };
    const report = await runFuzzer(fuzzer, wish);
    total.seconds += (performance.now() - start) / 1000;
    total.cases += report.cases;
    for (const [word, count] of Object.entries(report.met)) total.met[word] = (total.met[word] ?? 0) + count;
    total.findings.push(...report.findings);
    console.log(linesOf(fuzzer, report, seed, (performance.now() - start) / 1000));
  }
}
console.log("in all");
for (const fuzzer of fuzzers) {
  const total = totals.get(fuzzer.name)!;
  console.log(lineOf(fuzzer, total, total.seconds));
}
const cases = [...totals.values()].reduce((sum, total) => sum + total.cases, 0);
const findings = [...totals.values()].reduce((sum, total) => sum + total.findings.length, 0);
console.log(`${cases.toLocaleString("en")} cases, ${findings} findings`);
process.exit(findings ? 1 : 0);
