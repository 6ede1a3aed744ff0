#!/usr/bin/env node
/**
 * limpet and its peers, in one run and in turns:  npm run bench -- [options]
 *
 *   --quick             two small models, one round, without long contexts
 *   --long              also what takes an hour: 512 and 4,096 tokens of the largest model everywhere
 *   --models A,B        of those in lib/models.mjs, or files
 *   --peers A,B         of limpet, wllama-2.3.1, wllama-newest, native, read, matmul, kernels
 *   --hosts A,B         of node, chromium: what limpet runs in
 *   --rounds N          default 3; quick 1
 *   --max-minutes N     begin no job after that
 *   --wait N            seconds to wait for an idle machine before each job, default 60; quick 10
 *   --resume            go on where the last run stopped: what bench/results/latest.json has is not measured again
 *   --from FILE         measure nothing, report on an earlier run's JSON
 *   --methods           nothing of the above: fewer passes and less memory, method by method (docs/long-contexts.md,
 *                       docs/adapters.md), each by a script of its own that can be run alone
 *   --docs              also write the tables into docs/benchmarks.md and the picture beside it
 *
 * A job is a process of its own (or a fresh browser). A round gives each contestant its turn on a model; figures are
 * medians over rounds. Writes bench/results/latest.json after each job, so that a broken run is not lost.
 */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { together } from "./engines/kernels.mjs";
import { builds, CLASSES, processorClass } from "./lib/core.mjs";
import { describeMachine, Watch, waitForIdle } from "./lib/machine.mjs";
import { ALL, modelFile, QUICK } from "./lib/models.mjs";
import { picture } from "./lib/picture.mjs";
import { casesOf, contestants } from "./lib/plan.mjs";
import { Results, sampleOf } from "./lib/results.mjs";
import { short } from "./lib/stats.mjs";
import { kernelTable, matmulTable, modelTables, sparseTable } from "./lib/tables.mjs";
import { targets, targetTable, verdict } from "./lib/targets.mjs";
import { textsOf } from "./lib/texts.mjs";
import { NODE, ROOT } from "./limpet.mjs";

const OUTPUT = `${ROOT}bench/results/`;
/** Between these stand the tables in docs/benchmarks.md. */
const LATEST = ["<!-- written by npm run bench -- --docs -->", "<!-- end -->"];
/** Scripts beside this one, with the words that they get here. */
const METHODS = [
  ["prefixes"],
  ["cache-policies"],
  ["composed", "--prompts", "3"],
  ["speculation"],
  ["core-neurons"],
  ["adapters"],
];
const KERNEL_TYPES = ["Q4_0", "Q8_0", "Q4_K", "F16", "F32"];

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    models: { type: "string" },
    peers: { type: "string" },
    hosts: { type: "string" },
    rounds: { type: "string" },
    "max-minutes": { type: "string" },
    wait: { type: "string" },
    resume: { type: "boolean", default: false },
    from: { type: "string" },
    docs: { type: "boolean", default: false },
    methods: { type: "boolean", default: false },
  },
});
if (values.methods) {
  for (const name of METHODS) await method(name);
  process.exit(process.exitCode ?? 0);
}
const { quick, long } = values;
const rounds = Number(values.rounds ?? (quick ? 1 : 3));
const wait = Number(values.wait ?? (quick ? 10 : 60));
const wanted = (/** @type {string | undefined} */ list, /** @type {string} */ name) =>
  list === undefined || list.split(",").includes(name);
const started = performance.now();
const lateAfter = Number(values["max-minutes"] ?? Number.POSITIVE_INFINITY) * 60000;
const isLate = () => performance.now() - started > lateAfter;

/** Runs the script of a method to its end. @param {readonly string[]} script */
async function method([name, ...words]) {
  console.log(`\n### ${name}\n`);
  const child = spawn(NODE, ["--import", "tsx", `${ROOT}bench/${name}.mjs`, ...words], { stdio: "inherit" });
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) process.exitCode = 1;
}

/** Runs a job in a process of its own. @param {any} job */
async function perform(job) {
  await waitForIdle(wait);
  const watch = new Watch();
  const child = spawn(NODE, [`${ROOT}bench/engines/job.mjs`, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let said = "";
  child.stdout.on("data", (data) => (output += data));
  child.stderr.on("data", (data) => (said += data));
  const status = await new Promise((resolve) => child.on("close", resolve));
  const disturbance = watch.stop();
  if (status !== 0) throw new Error(reason(said) || `ended with ${status}`);
  return { answer: JSON.parse(output.trim().split("\n").pop() ?? ""), disturbance };
}

/** The line that says most of what a process wrote before it failed. @param {string} said */
function reason(said) {
  const lines = said.split("\n").map((line) => line.trim());
  return (lines.find((line) => /\b\w*Error\b.*:/.test(line)) ?? lines.filter(Boolean).pop() ?? "").slice(0, 200);
}

const results = new Results();
if (values.resume) {
  const { results: earlier } = JSON.parse(readFileSync(`${OUTPUT}latest.json`, "utf8"));
  Object.assign(results, earlier, { failures: [] }); // what failed is tried again
}
const report = {
  started: new Date().toISOString(),
  machine: { ...describeMachine(), class: processorClass() },
  versions: versions(),
  options: values,
};

function save() {
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(`${OUTPUT}latest.json`, JSON.stringify({ ...report, results }, null, 1));
}

function versions() {
  const { dependencies } = JSON.parse(readFileSync(`${ROOT}bench/package.json`, "utf8"));
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
  return { limpet: version, ...dependencies };
}

async function measureModels() {
  const names = values.models?.split(",") ?? (quick ? QUICK : ALL);
  const list = contestants().filter(
    ({ peer, host }) => wanted(values.peers, peer) && (peer !== "limpet" || wanted(values.hosts, host)),
  );
  const files = new Map();
  const absent = new Set(); // builds that are not there
  for (const name of names) {
    const source = await modelFile(name);
    results.fileBytes[name] = statSync(source).size;
    const texts = list.some(({ engine }) => engine === "wllama-newest") ? await textsOf(source, [32]) : {};
    files.set(name, { source, texts });
  }
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      for (const contestant of list) {
        for (const { runs, context, depth, rounds: most } of casesOf(name, contestant, { quick, long, rounds })) {
          if (round >= most || isLate() || absent.has(contestant.id)) continue;
          if (results.has(name, contestant.id, round, runs)) continue;
          const { engine, host, build, kv, threads, id } = contestant;
          const label = `${round + 1}/${rounds} ${name}, ${id}${depth === "deep" ? ", long context" : ""}`;
          try {
            const job = { engine, host, build, kv, threads, context, runs, ...files.get(name) };
            const { answer, disturbance } = await perform(job);
            const sample = sampleOf(answer, disturbance, round, context);
            results.add(name, id, sample);
            console.error(`${label}: ${describe(sample)}`);
          } catch (error) {
            const message = error instanceof Error ? error.message : String(error);
            if (message.includes("does not run here")) absent.add(id);
            results.failures.push({ model: name, contestant: id, error: message });
            console.error(`${label}: FAILED: ${message}`);
          }
          save();
        }
      }
    }
    await measureKernels(round + 2);
  }
}

/** @param {import("./lib/results.mjs").Sample} sample */
function describe({ prefill, decode, loadMs, foreign }) {
  const rates = [...Object.entries(prefill).map(([n, rate]) => `prefill ${n} ${short(rate)}`)];
  rates.push(...Object.entries(decode).map(([n, rate]) => `decode at ${n} ${short(rate)}`));
  return `${[...rates, `load ${short(loadMs)} ms`].join(", ")}${foreign === null ? "" : `, others ${foreign.toFixed(2)}`}`;
}

/**
 * What needs no model. Kernels are measured again after each round, in a process of its own: the machine has spells of
 * seconds and of minutes in which code that keeps every unit busy loses a third, and the loops that are its limits nothing.
 * @param {number} times how often kernels shall have been measured then
 */
async function measureKernels(times) {
  const jobs = [];
  if (wanted(values.peers, "matmul")) jobs.push({ engine: "matmul" });
  if (wanted(values.peers, "kernels")) {
    jobs.push(...builds().map((build) => ({ engine: "kernels", build, types: KERNEL_TYPES })));
    jobs.push({ engine: "sparse" });
  }
  for (const job of jobs) {
    const { engine, build } = /** @type {{ engine: "matmul" | "kernels" | "sparse", build?: string }} */ (job);
    const samples = quick ? 5 : build ? 9 : 15;
    const known = build ? results.kernels[build] : undefined;
    if (isLate() || (build ? runsOf(known) >= times : results[engine])) continue;
    try {
      const { answer, disturbance } = await perform({ host: "node", threads: 1, samples, others: false, ...job });
      if (build) results.kernels[build] = together(known ?? {}, answer.kernels);
      else results[engine] = answer[engine];
      console.error(`${engine}: done, others ${disturbance.foreign?.toFixed(2) ?? "?"}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      results.failures.push({ model: job.engine, contestant: "", error: message });
      console.error(`${job.engine}: FAILED: ${message}`);
    }
    save();
  }
}

/** Processes that kernels were measured in. @param {import("./engines/kernels.mjs").Kernels} [kernels] */
function runsOf(kernels = {}) {
  return Math.max(0, ...Object.values(kernels).flatMap((shapes) => Object.values(shapes).map(({ runs }) => runs ?? 1)));
}

if (values.from) {
  const { results: earlier, ...of } = JSON.parse(readFileSync(values.from, "utf8"));
  Object.assign(results, earlier);
  Object.assign(report, of);
} else {
  await measureKernels(1);
  await measureModels();
}

const { machine } = report;
const hosts = new Set(
  Object.values(results.models).flatMap((rows) => Object.values(rows).flatMap((list) => list.map(({ host }) => host))),
);
const place = `${machine.processor}, ${machine.cores} cores, ${machine.memory}, ${machine.system}; ${machine.class ? `${CLASSES[machine.class]}; ` : ""}${[...hosts].join(", ") || `Node ${process.versions.node}`}`;
const list = targets(results, machine.class);
const sections = [
  `${report.started.slice(0, 10)}: ${place}.`,
  Object.entries(report.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ") + ".",
  "Tokens a second, median (smallest–largest, rounds). `others`: share of a core that other processes took; * above 0.2.",
  ...modelTables(results),
  matmulTable(results),
  ...Object.entries(results.kernels).map(([build, kernels]) => kernelTable(kernels, build)),
  sparseTable(results),
  "### Promises",
  targetTable(list),
  results.failures.length
    ? `### Failures\n\n${results.failures.map(({ model, contestant, error }) => `* ${model}, ${contestant}: ${error}`).join("\n")}`
    : "",
];
const text = sections.filter(Boolean).join("\n\n");
console.log(text);
const counts = list.map(verdict);
const count = (/** @type {(verdict: string) => boolean} */ is) => counts.filter(is).length;
console.log(
  `\n${count((v) => v.startsWith("met"))} met, ${count((v) => v === "NOT MET")} not met, ${count((v) => v === "not measured")} not measured`,
);
if (!values.from) save();
mkdirSync(OUTPUT, { recursive: true });
writeFileSync(`${OUTPUT}latest.md`, `${text}\n`);
const drawn = picture(results, place);
writeFileSync(`${OUTPUT}latest.svg`, drawn);
if (values.docs) {
  const page = readFileSync(`${ROOT}docs/benchmarks.md`, "utf8");
  const [head, tail] = [page.split(LATEST[0])[0], page.split(LATEST[1])[1]];
  writeFileSync(`${ROOT}docs/benchmarks.md`, `${head}${LATEST[0]}\n\n${text}\n\n${LATEST[1]}${tail}`);
  writeFileSync(`${ROOT}docs/benchmarks.svg`, drawn);
}
