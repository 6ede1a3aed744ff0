#!/usr/bin/env node
/**
 * Layers with a state: whether a token costs as much behind 16,384 others as behind 128.
 *
 *   npm run bench:recurrent -- [--rounds 15] [--far 16384] [--build portable] [NAME…]
 *
 * NAME: mamba, mamba2, rwkv6, rwkv7; all where none is given. Random weights in Q8_0 of 12 to 15 million parameters, one
 * thread; two sessions of one model, one behind 128 tokens and one behind 16,384, write 16 tokens each in turns. Prints the
 * median of the pairs' ratios, and the bytes of the state as a plan says them, which are the same for both.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { entryOf } from "../scripts/architectures.mjs";
import { writeGguf } from "../scripts/gguf-writer.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { promptOf } from "./engines/limpet.mjs";
import { describeMachine, loadAverage } from "./lib/machine.mjs";
import { figure, short, spread } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "15" },
    far: { type: "string", default: "16384" },
    build: { type: "string", default: "portable" },
  },
});
const [rounds, far] = [values.rounds, values.far].map(Number);
const build = /** @type {import("../src/index.ts").Build} */ (values.build);
const NEAR = 128;
const TOKENS = 16;
/** How far a median may be from 1. */
const APART = 0.03;

/** What differs from the small models of tests. @type {Record<string, object>} */
const SIZES = {
  mamba: { layers: 6, hidden: 512, inner: 1024, timeRank: 32, kvHeadsOf: Array(6).fill(0) },
  mamba2: { layers: 6, hidden: 512, inner: 1024, timeRank: 16, stateSize: 64, groups: 1, kvHeadsOf: Array(6).fill(0) },
  rwkv6: { layers: 6, hidden: 512, ffn: 1792, kvHeadsOf: Array(6).fill(0) },
  rwkv7: { layers: 6, hidden: 512, ffn: 2048, kvHeadsOf: Array(6).fill(0) },
};

const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
console.log(
  `${describeMachine().processor}, load ${loadAverage()}; ${build} build, ${rounds} rounds of ${TOKENS} tokens\n`,
);
let failed = false;
for (const name of positionals.length ? positionals : Object.keys(SIZES)) {
  const [tiny] = Object.values(entryOf(name).shapes);
  const shape = { architecture: name, ...tiny, ...SIZES[name], vocabulary: 4096, context: 2 * far };
  const path = workFile(`${name}-far.gguf`);
  if (!existsSync(path)) writeGguf(path, randomModel(shape, "Q8_0"));
  const model = await Model.load(path, { build, threads: 1 });
  const end = model.tokenizer.specials.eos ?? 0;
  const sessions = [NEAR, far].map((length) => {
    const session = model.session({ context: length + TOKENS * (rounds + 2) });
    session.append(promptOf(length, shape.vocabulary));
    return session;
  });
  /** Milliseconds of some tokens more. @param {import("../src/index.ts").Session} session */
  const more = async (session) => {
    const generation = session.generate(undefined, {
      maxTokens: TOKENS,
      logitBias: { [end]: Number.NEGATIVE_INFINITY },
    });
    await generation.text();
    const { decodeMs, decodeTokens } = /** @type {NonNullable<typeof generation.result>} */ (generation.result).timings;
    return decodeMs / decodeTokens;
  };
  for (const session of sessions) await more(session);
  const [near, late, ratios] = [[], [], []].map((list) => /** @type {number[]} */ (list));
  for (let i = 0; i < rounds; i++) {
    near.push(await more(sessions[0]));
    late.push(await more(sessions[1]));
    ratios.push(late[i] / near[i]);
  }
  const plans = await Promise.all([NEAR, far].map((context) => Model.plan(path, { context })));
  const ratio = figure(ratios)?.median ?? Number.NaN;
  failed ||= Math.abs(ratio - 1) > APART;
  console.log(
    `${name}: a token ${spread(figure(near))} ms behind ${NEAR}, ${spread(figure(late))} ms behind ${far}: ${ratio.toFixed(3)} (within ${APART} of 1); state ${plans.map(({ state }) => short(state / 1024)).join(" and ")} KB`,
  );
  await model.dispose();
}
process.exit(failed ? 1 : 0);
