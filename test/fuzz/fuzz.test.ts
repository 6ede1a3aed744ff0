/** Every fuzzer, with a seed and as many cases as a test can afford; `npm run fuzz` runs more. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FUZZERS } from "./list.ts";
import { linesOf, runFuzzer } from "./run.ts";

const SEED = 1;

for (const fuzzer of FUZZERS) {
  test(`${fuzzer.name}: ${fuzzer.about}`, async () => {
    const start = performance.now();
    const report = await runFuzzer(fuzzer, { seed: SEED, to: fuzzer.cases });
    const lines = linesOf(fuzzer, report, SEED, (performance.now() - start) / 1000);
    console.log(lines);
    assert.is(report.findings.length, 0, lines);
    assert.is(report.cases, fuzzer.cases);
  });
}

test.run();
