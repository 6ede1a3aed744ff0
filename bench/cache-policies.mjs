/**
 * What a cache with a policy costs in what the model foresees, and spares in time:  node bench/cache-policies.mjs
 *     [MODEL.gguf] [--text FILE] [--windows 24] [--prompt 512] [--next 128] [--share 0.2] [--build fast]
 *
 * Of windows of a text: `--prompt` tokens are read with a cache that keeps a share of their rows, then the next ones are
 * forced, token by token. A row a policy: nats a token of what comes next, its difference from keeping all (mean, and the
 * standard error over the windows, paired), and milliseconds a token of answering. Without a model: SmolLM2 (node
 * scripts/fetch-smollm2.mjs); without a text: ../shared/data/wikitext-2-valid.txt.
 */
import { readFileSync } from "node:fs";
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
};
const stride = Math.floor(text.length / windows);
const found = Object.fromEntries(Object.keys(POLICIES).map((name) => [name, /** @type {number[]} */ ([])]));
const times = Object.fromEntries(Object.keys(POLICIES).map((name) => [name, /** @type {number[]} */ ([])]));

for (let i = 0; i < windows; i++) {
  const ids = Array.from(model.tokenize(text.slice(i * stride, i * stride + 8 * (prompt + next)), { bos: true }));
  for (const [name, kv] of Object.entries(POLICIES)) {
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
    found[name].push(sum / (at - prompt));
    times[name].push((performance.now() - began) / (at - prompt));
  }
}
const mean = (/** @type {number[]} */ list) => list.reduce((a, b) => a + b, 0) / list.length;
const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1];
console.log(`${source}: ${model.build}, ${windows} windows, ${next} tokens behind ${prompt}, ${rows} rows kept`);
console.log("| kept | nats a token | − all rows | ms a token |\n|---|---|---|---|");
for (const [name, list] of Object.entries(found)) {
  const apart = list.map((value, i) => value - found["all rows"][i]);
  const error = Math.sqrt(mean(apart.map((value) => (value - mean(apart)) ** 2)) / (apart.length - 1));
  console.log(
    `| ${name} | ${mean(list).toFixed(4)} | ${mean(apart).toFixed(4)} ± ${error.toFixed(4)} | ${median(times[name]).toFixed(2)} |`,
  );
}
