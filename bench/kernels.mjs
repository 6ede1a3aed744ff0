#!/usr/bin/env node
/**
 * Every kernel by itself, as a share of what the machine allows:  npm run bench:kernels -- [options]
 *
 *   --builds A,B    of portable, fast; default: those that are built
 *   --types A,B     block formats; default: all
 *   --samples N     default 9
 *   --update        write the shares into bench/expected.json
 *   --from FILE     check the shares of an earlier run's JSON
 *
 * The gate compares shares, never times, of the best samples: each has to reach `margin` of the one that
 * bench/expected.json has for this class of processors, else the exit status is 1. A share that fails is measured once more before it counts, because a
 * neighbour may have passed by; on a busy machine the gate says that it cannot judge.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { builds, CLASSES, processorClass } from "./lib/core.mjs";
import { describeMachine, Watch, waitForIdle } from "./lib/machine.mjs";
import { kernelTable } from "./lib/tables.mjs";
import { NODE, ROOT } from "./limpet.mjs";

const EXPECTED = `${ROOT}bench/expected.json`;
const OUTPUT = `${ROOT}bench/results/`;
/** Shares move with the machine: how much of a share has to be there. */
const MARGIN = 0.6;
const WAIT_SECONDS = 20;
/** When others take more of a core than this, shares say more about them than about limpet. */
const BUSY = 0.3;

/** @typedef {Record<string, Record<string, import("./engines/kernels.mjs").Measured>>} Kernels */
/** @typedef {{ machine: string, shares: Record<string, Record<string, Record<string, number>>> }} Class */
/** @typedef {{ margin: number, classes: Record<string, Class> }} Expected */

const { values } = parseArgs({
  options: {
    builds: { type: "string" },
    types: { type: "string" },
    samples: { type: "string", default: "9" },
    update: { type: "boolean", default: false },
    from: { type: "string" },
  },
});

let disturbed = 0;

/** @param {string} build @param {string[]} [types] @param {boolean} [others] @returns {Promise<Kernels>} */
async function measure(build, types, others = !types) {
  await waitForIdle(WAIT_SECONDS);
  const job = { engine: "kernels", host: "node", build, types, others, samples: Number(values.samples) };
  const watch = new Watch();
  const { stdout } = await promisify(execFile)(NODE, [`${ROOT}bench/engines/job.mjs`, JSON.stringify(job)], {
    maxBuffer: 1 << 24,
  });
  disturbed = Math.max(disturbed, watch.stop().foreign ?? 0);
  return JSON.parse(stdout.trim().split("\n").pop() ?? "").kernels;
}

/** Kernels and shapes that stay below what is expected. @param {Kernels} kernels @param {string} build */
function slow(kernels, build) {
  return Object.entries(kernels).flatMap(([name, shapes]) =>
    Object.entries(shapes).flatMap(([shape, { peak }]) => {
      const wanted = own.shares[build]?.[name]?.[shape];
      return wanted !== undefined && peak < wanted * expected.margin ? [{ name, shape, peak, wanted }] : [];
    }),
  );
}

const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(1)} %`;
const machine = describeMachine();
const place = `${machine.processor}, ${machine.system}`;
const expected = /** @type {Expected} */ (
  existsSync(EXPECTED) ? JSON.parse(readFileSync(EXPECTED, "utf8")) : { margin: MARGIN, classes: {} }
);
const kind = processorClass();
const known = kind in expected.classes;
const own = (expected.classes[kind] ??= { machine: place, shares: {} });
const all = /** @type {Record<string, Kernels>} */ (values.from ? JSON.parse(readFileSync(values.from, "utf8")) : {});
let failures = 0;
console.log(
  `${place}, Node ${execFileSync(NODE, ["-p", "process.versions.node"], { encoding: "utf8" }).trim()}; ${CLASSES[kind]}.`,
);
if (!known) console.log("Nothing is expected of this class yet: --update writes what is measured.");
console.log("In brackets: the share of the multiply-add loop's rate, or of the sum loop's for `from memory`.\n");
for (const build of values.builds?.split(",") ?? (values.from ? Object.keys(all) : builds())) {
  if (!values.from) all[build] = await measure(build, values.types?.split(","));
  const kernels = all[build];
  let late = values.update ? [] : slow(kernels, build);
  if (late.length && !values.from) {
    const types = [...new Set(late.map(({ name, shape }) => (shape === "values" ? "" : name)))].filter(Boolean);
    const again = await measure(
      build,
      types,
      late.some(({ shape }) => shape === "values"),
    );
    for (const [name, shapes] of Object.entries(again)) {
      for (const [shape, found] of Object.entries(shapes)) {
        if (found.peak > kernels[name][shape].peak) kernels[name][shape] = found;
      }
    }
    late = slow(kernels, build);
  }
  console.log(`${kernelTable(kernels, build)}\n`);
  for (const { name, shape, peak, wanted } of late) {
    console.log(`SLOW: ${build}, ${name}, ${shape}: ${percent(peak)} of the limit, ${percent(wanted)} expected`);
  }
  failures += late.length;
  if (values.update) {
    const shares = (own.shares[build] ??= {});
    for (const [name, shapes] of Object.entries(kernels)) {
      const rounded = Object.entries(shapes).map(([shape, { peak }]) => [shape, Number(peak.toPrecision(3))]);
      shares[name] = Object.fromEntries(rounded);
    }
  }
}
mkdirSync(OUTPUT, { recursive: true });
writeFileSync(`${OUTPUT}kernels.json`, JSON.stringify(all, null, 1));
if (values.update) {
  own.machine = place;
  writeFileSync(EXPECTED, `${JSON.stringify(expected, null, 2)}\n`);
} else if (!failures) console.log("none is slow");
else if (disturbed > BUSY) {
  console.log(
    `not judged: other processes took ${disturbed.toFixed(1)} of a core meanwhile; try again when they are done`,
  );
} else {
  console.log(`${failures} below ${percent(expected.margin)} of what is expected`);
  process.exitCode = 1;
}
