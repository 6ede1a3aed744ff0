/**
 * What a cache with a policy costs in what the model foresees, and spares in time:  node bench/cache-policies.mjs
 *     [MODEL.gguf] [--text FILE] [--windows 24] [--prompt 512] [--next 128] [--share 0.2] [--build fast]
 *     [--results FILE] [--seconds N]
 *
 * Of windows of a text: `--prompt` tokens are read with a cache that keeps a share of their rows, then the next ones are
 * forced, token by token. A row a policy: nats a token of what comes next, its difference from keeping all and from H2O
 * (mean, and the standard error over the windows, paired), and milliseconds a token of answering. Without a model:
 * SmolLM2 (node scripts/fetch-smollm2.mjs); without a text: ../shared/data/wikitext-2-valid.txt.
 *
 * A line a window says how the sums stand. `--results FILE` (JSON) keeps what was found and goes on from it; no window is
 * begun after `--seconds`, so that a long run can be made in parts.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Model } from "../build/js/index.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    text: { type: "string", default: "../shared/data/wikitext-2-valid.txt" },
    windows: { type: "string", default: "24" },
    prompt: { type: "string", default: "512" },
    next: { type: "string", default: "128" },
    share: { type: "string", default: "0.2" },
    build: { type: "string", default: "fast" },
    results: { type: "string" },
    seconds: { type: "string", default: "Infinity" },
  },
});
const [windows, prompt, next, share] = [values.windows, values.prompt, values.next, values.share].map(Number);
const source = positionals[0] ?? SMOLLM2;
const model = await Model.load(source, { build: /** @type {"fast"} */ (values.build), context: prompt + next + 8 });
const text = readFileSync(values.text, "utf8");
const rows = Math.round(share * prompt);
/** @type {Record<string, object | undefined>} */
const POLICIES = {
  "all rows": undefined,
  "sinks and recent": { policy: "window", rows },
  H2O: { policy: "h2o", rows },
  "D2O, mean": { policy: "d2o", rows, merge: "mean" },
  "D2O, softmax": { policy: "d2o", rows, merge: "softmax" },
  "D2O, layers": { policy: "d2o", rows, layers: "variance" },
  "D2O, layers, softmax": { policy: "d2o", rows, layers: "variance", merge: "softmax" },
};
const stride = Math.floor(text.length / windows);
/** @typedef {{ nats: number, ms: number }} Found what a window gave with a policy */
const asked = { source, build: model.build, text: values.text, windows, prompt, next, rows };
/** @type {Record<string, Found>[]} */
const found = Array.from({ length: windows }, () => ({}));
if (values.results && existsSync(values.results)) {
  const before = JSON.parse(readFileSync(values.results, "utf8"));
  if (JSON.stringify(before.asked) !== JSON.stringify(asked)) throw new Error(`${values.results} is of another run`);
  Object.assign(found, before.found);
}

/** Nats and milliseconds a token of what follows the prompt. @param {number[]} ids @param {object | undefined} kv */
async function forced(ids, kv) {
  let sum = 0;
  let at = prompt;
  let began = 0;
  const force = (/** @type {Float32Array} */ logits) => {
    began ||= performance.now();
    const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    let all = 0;
    for (const logit of logits) all += Math.exp(logit - most);
    sum += most + Math.log(all) - logits[ids[at]];
    logits.fill(Number.NEGATIVE_INFINITY);
    logits[ids[at++]] = 0;
  };
  const generation = model.generate(ids.slice(0, prompt), {
    ...{ maxTokens: next, onLogits: force, repeatPenalty: 1 },
    ...(kv && { kv: /** @type {any} */ (kv) }),
  });
  await generation.text();
  return { nats: sum / (at - prompt), ms: (performance.now() - began) / (at - prompt) };
}

const mean = (/** @type {number[]} */ list) => list.reduce((a, b) => a + b, 0) / list.length;
const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** A policy's nats above another's. @param {Record<string, Found>[]} list @param {string} name @param {string} than */
function above(list, name, than) {
  const apart = list.map((window) => window[name].nats - window[than].nats);
  const error = Math.sqrt(mean(apart.map((value) => (value - mean(apart)) ** 2)) / (apart.length - 1));
  return `${mean(apart).toFixed(3)} ± ${error.toFixed(3)}`;
}

const names = Object.keys(POLICIES);
for (const [i, window] of found.entries()) {
  if (performance.now() > Number(values.seconds) * 1000) break;
  const missing = names.filter((name) => !window[name]);
  if (missing.length === 0) continue;
  const ids = Array.from(model.tokenize(text.slice(i * stride, i * stride + 8 * (prompt + next)), { bos: true }));
  for (const name of missing) window[name] = await forced(ids, POLICIES[name]);
  if (values.results) writeFileSync(values.results, JSON.stringify({ asked, found }));
  const done = found.filter((one) => names.every((name) => one[name]));
  const sums = names.slice(1).map((name) => `${name} ${above(done, name, "all rows")}`);
  console.log(`${done.length} of ${windows}: ${sums.join(", ")}`);
}
const done = found.filter((window) => names.every((name) => window[name]));
console.log(`${source}: ${model.build}, ${done.length} windows, ${next} tokens behind ${prompt}, ${rows} rows kept`);
console.log("| kept | nats a token | − all rows | − H2O | ms a token |\n|---|---|---|---|---|");
for (const name of names) {
  const [nats, ms] = [done.map((window) => window[name].nats), done.map((window) => window[name].ms)];
  const apart = `${above(done, name, "all rows")} | ${above(done, name, "H2O")}`;
  console.log(`| ${name} | ${mean(nats).toFixed(4)} | ${apart} | ${median(ms).toFixed(2)} |`);
}
