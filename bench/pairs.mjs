#!/usr/bin/env node
/**
 * What a change costs: two builds of limpet in one process and in turns, A B B A, through their packages.
 *
 *   npm run bench:pairs -- OLD_BUILD [NEW_BUILD] [options]      folders with js/ and the modules; default: build/
 *
 *   --models A,B      of those in lib/models.mjs, or files; default: what `npm run bench -- --quick` takes
 *   --builds A,B      portable, fast: default both
 *   --threads A,B     default 1,2
 *   --kv A,B          f16, q8_0, f32: default f16
 *   --rows N          tokens in the cache before each run, default 0: each build reads them once and saves them
 *   --prompt N        tokens of prefill, default 128
 *   --tokens N        tokens of decode, default 32
 *   --pairs N         default 10
 *
 * A pair is one run of each; a ratio is old time ÷ new time, so above 1 the new build is faster. A disturbance of the
 * machine hits both runs of a pair, so the median over pairs says more than either speed; `best` is the ratio of the
 * shortest times. One thread is timed in its processor time where Node tells it (from 23.9 on): then other processes
 * hardly count. Each case is a JSON line; a table follows. Pairs in which a build found that its threads do not pay are
 * left out.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { promptOf, WARM_UP } from "./engines/limpet.mjs";
import { modelFile, QUICK } from "./lib/models.mjs";
import { median, short } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

/**
 * @typedef {import("../src/index.ts").Model} Model
 * @typedef {import("../src/index.ts").Session} Session
 * @typedef {{ model: Model, session: Session }} Side
 * @typedef {{ name: string, build: import("./lib/core.mjs").BuildName, threads: number, kv: string }} Case
 * @typedef {{ prefill: number, decode: number }} Phases
 */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string", default: QUICK.join() },
    builds: { type: "string", default: "portable,fast" },
    threads: { type: "string", default: "1,2" },
    kv: { type: "string", default: "f16" },
    rows: { type: "string", default: "0" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "32" },
    pairs: { type: "string", default: "10" },
  },
});
const [OLD, NEW = `${ROOT}build`] = positionals;
if (OLD === undefined) throw new Error("npm run bench:pairs -- OLD_BUILD [NEW_BUILD] [options]");
const [rows, prompt, tokens, pairs] = [values.rows, values.prompt, values.tokens, values.pairs].map(Number);
const list = (/** @type {string} */ words) => words.split(",");

/** @param {string} folder @param {Case} of @returns {Promise<Side>} */
async function open(folder, { name, build, threads, kv }) {
  const { Model } = await import(pathToFileURL(`${folder}/js/index.js`).href);
  const context = rows + Math.max(prompt + tokens, WARM_UP.prompt + WARM_UP.tokens) + 2;
  const model = await Model.load(await modelFile(name), { build, threads, kv, context });
  if (model.build !== build) throw new Error(`the ${build} build does not run here`);
  return { model, session: model.session() };
}

/** Milliseconds on a clock that stands still while another process has the processor, if one thread works and Node can. */
function clockOf(/** @type {number} */ threads) {
  const { threadCpuUsage } = /** @type {any} */ (process);
  if (threads > 1 || threadCpuUsage === undefined) return () => performance.now();
  return () => {
    const { user, system } = threadCpuUsage();
    return (user + system) / 1000;
  };
}

/**
 * A prompt up to its first token, and `tokens` more; an end token does not end it.
 * @param {Side} side @param {import("./engines/limpet.mjs").Run} run @param {() => number} clock
 */
async function runOf({ model, session }, { prompt, tokens }, clock) {
  session.rewind(rows);
  const start = clock();
  const first = session.generate(promptOf(prompt, model.info.vocabulary), { maxTokens: tokens + 1 });
  await first.next();
  const middle = clock();
  await first.text();
  for (let left = rows + prompt + tokens - session.tokens.length; left > 0; ) {
    await session.generate(undefined, { maxTokens: left }).text();
    left = rows + prompt + tokens - session.tokens.length;
  }
  return {
    prefill: middle - start,
    decode: clock() - middle,
    threads: model.threads,
    answer: session.tokens.join(),
  };
}

/**
 * Puts `rows` tokens into a session's cache: from the file that an earlier run saved, where this build reads it.
 * @param {Side} side @param {"old" | "new"} which @param {Case} of
 */
async function fill({ model, session }, which, { name, build, kv }) {
  if (rows === 0) return;
  const file = workFile(`pairs-${[name.replaceAll("/", "-"), build, kv, rows, which].join("-")}.session`);
  try {
    session.restore(readFileSync(file));
  } catch {
    await session.generate(promptOf(rows, model.info.vocabulary), { maxTokens: 1 }).text();
    session.rewind(rows);
    writeFileSync(file, session.save());
  }
}

/** @param {Case} of */
async function measure(of) {
  const sides = [];
  for (const which of /** @type {const} */ (["old", "new"])) {
    const side = await open(which === "old" ? OLD : NEW, of);
    await fill(side, which, of);
    sides.push(side);
  }
  const run = { prompt, tokens };
  const clock = clockOf(of.threads);
  for (const side of sides) {
    await runOf(side, WARM_UP, clock);
    await runOf(side, run, clock);
  }
  /** @type {Record<"old" | "new", Phases[]>} */
  const all = { old: [], new: [] };
  let same = true;
  for (let pair = 0; pair < pairs; pair++) {
    const order = pair % 2 === 0 ? [0, 1] : [1, 0];
    const times = [];
    for (const side of order) times[side] = await runOf(sides[side], run, clock);
    const [before, after] = times;
    same &&= before.answer === after.answer;
    if (times.some(({ threads }) => threads < of.threads)) continue;
    all.old.push(before);
    all.new.push(after);
  }
  for (const { model, session } of sides) {
    session.dispose();
    model.dispose();
  }
  const phase = (/** @type {keyof Phases} */ name, /** @type {number} */ count) => {
    if (all.new.length === 0) return null;
    const [before, after] = [all.old, all.new].map((runs) => runs.map((run) => run[name]));
    const ratios = before.map((ms, pair) => ms / after[pair]);
    return {
      ratio: rounded(median(ratios)),
      least: rounded(Math.min(...ratios)),
      most: rounded(Math.max(...ratios)),
      best: rounded(Math.min(...before) / Math.min(...after)),
      tokensPerSecond: rounded((1000 * count) / median(after)),
    };
  };
  const counted = all.new.length;
  const phases = { prefill: phase("prefill", prompt), decode: phase("decode", tokens) };
  return { ...of, rows, pairs: counted, sameAnswers: same, ...phases };
}

function rounded(/** @type {number} */ value) {
  return Number(value.toPrecision(4));
}

const results = [];
for (const name of list(values.models)) {
  for (const build of list(values.builds)) {
    for (const kv of list(values.kv)) {
      for (const threads of list(values.threads).map(Number)) {
        const result = await measure({ name, build, threads, kv });
        console.log(JSON.stringify(result));
        results.push(result);
      }
    }
  }
}

console.log(`\n| model | build | cache | rows | threads | pairs | prefill ${prompt}, new ÷ old | decode, new ÷ old |`);
console.log("|---|---|---|---|---|---|---|---|");
for (const { name, build, kv, threads, pairs, prefill, decode } of results) {
  const cells = [prefill, decode].map((phase) => {
    if (!phase) return "threads do not pay";
    return `${phase.ratio.toFixed(3)} (${phase.least.toFixed(2)}–${phase.most.toFixed(2)}), best ${phase.best.toFixed(3)}, ${short(phase.tokensPerSecond)} tok/s`;
  });
  console.log(`| ${[name, build, kv, rows, threads, pairs, ...cells].join(" | ")} |`);
}
if (results.some(({ sameAnswers }) => !sameAnswers)) console.log("\nThe answers of the two builds differ.");
