/**
 * What a budget of rows spares in time and bytes in a long context:  node bench/cache-speed.mjs [MODEL] [--kv f16,q8_0]
 *     [--tokens 4080] [--share 0.275] [--build portable] [--rounds 3] [--prefill 0]
 *
 * Sessions are not read but made: the rows of a short one, over and over, as a saved session has them. In turns: an
 * answer behind all rows, one behind as many tokens as the budget has rows, and one behind four times as many, each
 * through one eviction (`every` tokens). A row a type of the cache: ms a token of each (medians of the turns), how many
 * times as fast, and the shares of cache and saved session. `--prefill N` reads N tokens instead, plain and with a budget,
 * which is what scores and eviction cost. MODEL as in bench/lib/models.mjs; without one: smollm2.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { sectionsOf, sessionOf } from "../test/support/session.ts";
import { modelFile } from "./lib/models.mjs";
import { ROOT } from "./limpet.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    kv: { type: "string", default: "f16,q8_0" },
    tokens: { type: "string", default: "4080" },
    share: { type: "string", default: "0.275" },
    build: { type: "string", default: "portable" },
    rounds: { type: "string", default: "3" },
    prefill: { type: "string", default: "0" },
  },
});
const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
const build = /** @type {import("../src/index.ts").Build} */ (values.build);
const [tokens, share, rounds, prefill] = [values.tokens, values.share, values.rounds, values.prefill].map(Number);
const name = positionals[0] ?? "smollm2";
const path = await modelFile(name);
const model = await Model.load(path, { build });
const context = Math.max(tokens, prefill) + 256;
const kept = Math.round(share * tokens);
const EVERY = 64;
const NEXT = 5;
const SEED = Array.from({ length: 16 }, (_, i) => 100 + i);
/** @typedef {import("../src/index.ts").Session} Session */
const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1];

/** Milliseconds a token of so many more. @param {Session} session @param {number} count */
async function answer(session, count) {
  /** @type {number[]} */
  const times = [];
  const onLogits = (/** @type {Float32Array} */ logits) => {
    times.push(performance.now());
    logits.fill(Number.NEGATIVE_INFINITY);
    logits[NEXT] = 0;
  };
  await session.generate(undefined, { maxTokens: count + 1, onLogits, repeatPenalty: 1 }).text();
  return (times.at(-1) - times[0]) / (times.length - 1);
}

/**
 * A session of `count` tokens: their rows, or the first and the last ones of a budget. @param {object} options
 * @param {number} count @param {number | null} budget
 */
async function made(options, count, budget) {
  const session = model.session({ context, ...options });
  await session.generate(SEED, { maxTokens: 1 }).text();
  const saved = session.save();
  const last = EVERY / 2;
  const positions =
    budget === null
      ? Array.from({ length: count }, (_, i) => i)
      : Array.from({ length: budget - last }, (_, i) => (i < budget - 2 * last ? i : count - budget + last + i));
  const words = (/** @type {number[]} */ list) => new Uint8Array(Uint32Array.from(list).buffer);
  const sections = sectionsOf(saved).map(({ name, bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (name === "tokens")
      return { name, bytes: words([count, count, ...Array.from({ length: count }, (_, i) => SEED[i % 16])]) };
    if (name === "state") {
      const parts = [bytes.subarray(0, 8)];
      for (let at = 8; at < bytes.length; ) {
        const [size, rows] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
        const first = at + 20 + rows * 4;
        const all = positions.map((_, i) => bytes.subarray(first + (i % rows) * size, first + ((i % rows) + 1) * size));
        parts.push(bytes.subarray(at, at + 16), words([positions.length]), words(positions), ...all);
        at = first + rows * size;
      }
      return { name, bytes: new Uint8Array(Buffer.concat(parts)) };
    }
    if (name !== "policy") return { name, bytes };
    const head = bytes.slice(0, 36);
    const marks = new DataView(head.buffer);
    marks.setUint32(28, count - last, true);
    marks.setUint32(32, count, true);
    const layers = session.cache.rows.length;
    const scores = new Float32Array(2 * positions.length).map((_, i) => (i * 7919) % 1000);
    const ofLayers = Array(layers).fill(new Uint8Array(scores.buffer));
    return { name, bytes: new Uint8Array(Buffer.concat([head, bytes.subarray(36, 36 + 4 * layers), ...ofLayers])) };
  });
  session.restore(sessionOf(sections, saved));
  return session;
}

for (const type of /** @type {("f16" | "q8_0" | "f32")[]} */ (values.kv.split(","))) {
  const policy = { kv: /** @type {const} */ ({ policy: "d2o", rows: kept, every: EVERY, type }) };
  const plain = { kv: type };
  if (prefill) {
    const text = readFileSync("../shared/data/wikitext-2-valid.txt", "utf8");
    const ids = Array.from(model.tokenize(text.slice(0, 8 * prefill), { bos: true })).slice(0, prefill);
    const all = { kv: /** @type {const} */ ({ policy: "d2o", rows: prefill - 1, every: EVERY, type }) };
    for (const [what, options] of Object.entries({ plain, "scores of all rows": all, budget: policy })) {
      const began = performance.now();
      const session = model.session({ context, ...options });
      await session.generate(ids, { maxTokens: 1 }).text();
      console.log(
        `${name} ${type}, ${prefill} tokens read, ${what}: ${((performance.now() - began) / 1000).toFixed(2)} s`,
      );
      session.dispose();
    }
    continue;
  }
  const whole = await made(plain, tokens, null);
  const [once, fourfold] = [
    await made(policy, kept, kept),
    await made(policy, 4 * kept < context - 200 ? 4 * kept : tokens, kept),
  ];
  const bytes = [whole, once].map((session) => [session.cache.bytes, session.save().length]);
  /** @type {number[][]} */
  const times = [[], [], []];
  for (let round = 0; round < rounds; round++) {
    for (const [i, session] of [whole, once, fourfold].entries()) {
      const mark = session.save();
      times[i].push(await answer(session, i === 0 ? 8 : EVERY));
      session.restore(mark);
    }
    console.error(times.map((list) => list.at(-1)?.toFixed(1)).join(" "));
  }
  const [all, at1, at4] = times.map(median);
  console.log(
    `| ${name} ${model.build} ${type}, ${tokens} tokens, ${kept} rows | ${all.toFixed(1)} | ${at1.toFixed(1)} | ${at4.toFixed(1)} | ` +
      `${(all / at4).toFixed(2)} × | ${((100 * bytes[1][0]) / bytes[0][0]).toFixed(1)} % | ${((100 * bytes[1][1]) / bytes[0][1]).toFixed(1)} % |`,
  );
  for (const session of [whole, once, fourfold]) session.dispose();
}
