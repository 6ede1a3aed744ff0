/**
 * Speculation against plain decoding:  node bench/speculation.mjs [MODEL.gguf] [--build fast] [--threads N] [--tokens N]
 *
 * What passes of 1 to 8 tokens cost, with a row of logits each, in passes of one: medians, in turns. Then decoded tokens a
 * second of greedy answers, with and without drafts in turn, the best of the rounds each: to a prompt whose answer copies it,
 * and to one whose answer does not; and whether the texts are the same to the byte. Behind them the ragged batch against a
 * padded one (EMS-SD, arXiv:2405.07542): the same steps of sequences of which half, or a third, have 7 drafts, once with the
 * tokens that there are, once padded to the longest with tokens that are computed and rows that are kept. Without a model:
 * SmolLM2 (node scripts/fetch-smollm2.mjs).
 */
import { Model } from "../build/js/index.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";

const words = process.argv.slice(2);
const value = (/** @type {string} */ name, /** @type {string} */ otherwise) =>
  words.includes(`--${name}`) ? words[words.indexOf(`--${name}`) + 1] : otherwise;
const tokens = Number(value("tokens", "96"));
const threads = Number(value("threads", "1"));
const build = value("build", "portable");
const file = words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2;
const ROUNDS = 4;

const model = await Model.load(file, { build, threads });
const STORY =
  "The old keeper of the lighthouse had a small brown dog called Pepper. Every evening they walked down the stone steps " +
  "to the harbour, where the fishing boats came home with nets full of silver herring. Pepper barked at the gulls, and " +
  "the keeper counted the boats: seven in summer, four in winter, and none at all when the storm flag was up.";
const user = (/** @type {string} */ content) => [{ role: /** @type {const} */ ("user"), content }];
const options = { maxTokens: tokens, context: 512 };
/** A text that stands there three times, the same asked of a chat, and a task without repetitions. */
const TASKS = {
  copying: (/** @type {any} */ more) => model.generate(`${STORY}\n\n`.repeat(3), { ...options, ...more }),
  repeating: (/** @type {any} */ more) =>
    model.chat(user(`Repeat this text word for word, and write nothing else:\n\n${STORY}`), { ...options, ...more }),
  writing: (/** @type {any} */ more) =>
    model.chat(user("Write a short story about a limpet who wanted to see the moon."), { ...options, ...more }),
};

/** @param {(more: any) => import("../build/js/index.js").Generation} task @param {any} speculate */
async function answer(task, speculate) {
  const generation = task({ speculate });
  const text = await generation.text();
  const { timings, drafted = 0, accepted = 0 } = /** @type {any} */ (generation.result);
  return { text, rate: (1000 * timings.decodeTokens) / timings.decodeMs, drafted, accepted };
}

const passes = await measurePasses();
console.error(`passes: ${JSON.stringify(passes)}`);

const results = {};
for (const [name, task] of Object.entries(TASKS)) {
  const best = {};
  let plain = "";
  await answer(task, "prompt");
  for (let round = 0; round < ROUNDS; round++) {
    for (const speculate of [false, "prompt", "auto"]) {
      const { text, rate, drafted, accepted } = await answer(task, speculate);
      if (!speculate) plain = text;
      if (text !== plain) throw new Error(`${speculate} gives another text`);
      if (rate > (best[speculate]?.rate ?? 0)) best[speculate] = { rate, drafted, accepted };
    }
  }
  const times = (/** @type {string} */ of) => Number((best[of].rate / best.false.rate).toFixed(3));
  results[name] = { plain: best.false.rate, prompt: times("prompt"), auto: times("auto"), ...best.prompt };
  console.error(`${name}: ${JSON.stringify(results[name])}`);
}

const ragged = {};
for (const sequences of [8, 16]) {
  ragged[sequences] = { half: await measureRagged(sequences, 2), third: await measureRagged(sequences, 3) };
}
console.log(JSON.stringify({ model: file, build: model.build, threads: model.threads, passes, ...results, ragged }));

/**
 * A context of the model in a core of its own, for so many rows, tokens a pass and sequences, and a pass over tokens in it.
 * @param {number} rows @param {number} most @param {number} sequences
 */
async function bareContext(rows, most, sequences) {
  const { register } = await import("tsx/esm/api");
  register();
  const { Core } = /** @type {typeof import("../src/host/instance.ts")} */ (await import("../src/host/instance.ts"));
  const { loadModel } = /** @type {typeof import("../src/load/load.ts")} */ (await import("../src/load/load.ts"));
  const core = await Core.create({ build, threads });
  const { exports, memory } = core;
  const { pointer } = await loadModel(core, file, {});
  const context = core.handle(exports.context_create(core.pointer, pointer, rows, most, most, sequences, 1));
  /** @param {{ sequence: number, position: number, wanted: number }[]} batch */
  const pass = (batch) => {
    memory.write(
      exports.context_ids(context),
      Uint32Array.from(batch, (_, i) => 100 + ((i * 7919) % 20000)),
    );
    memory.write(
      exports.context_sequences(context),
      Uint32Array.from(batch, ({ sequence }) => sequence),
    );
    memory.write(
      exports.context_positions(context),
      Int32Array.from(batch, ({ position }) => position),
    );
    memory.write(
      exports.context_wanted(context),
      Uint8Array.from(batch, ({ wanted }) => wanted),
    );
    core.check(exports.context_begin(context, batch.length, 0, exports.model_layers(pointer)));
    while (core.check(core.step(exports.context_step, context, context)) !== 0);
  };
  return { core, exports, context, pass };
}

/** What passes of so many tokens cost, with a row of logits each, in passes of one. */
async function measurePasses() {
  const [START, ROUNDS_OF_PASSES, SIZES] = [64, 25, [1, 2, 3, 4, 6, 8]];
  const { core, exports, context, pass } = await bareContext(128, 64, 1);
  const tokensFrom = (/** @type {number} */ first, /** @type {number} */ count, /** @type {number} */ wanted) =>
    Array.from({ length: count }, (_, i) => ({ sequence: 0, position: first + i, wanted }));
  pass(tokensFrom(0, START, 0));
  const times = SIZES.map(() => /** @type {number[]} */ ([]));
  for (let round = 0; round < ROUNDS_OF_PASSES; round++) {
    for (const [i, size] of SIZES.entries()) {
      const begin = performance.now();
      pass(tokensFrom(START, size, 1));
      times[i].push(performance.now() - begin);
      exports.sequence_drop(context, 0, START, 1e6, 0, 1000);
    }
  }
  core.dispose();
  const medians = times.map((of) => of.sort((a, b) => a - b)[of.length >> 1]);
  return Object.fromEntries(SIZES.map((size, i) => [size, Number((medians[i] / medians[0]).toFixed(2))]));
}

/**
 * The same steps over so many sequences, of which one in `every` has 7 drafts and the others none, of which as many come true
 * as the place in the round says: ragged, and padded to the longest, where what is padded is computed, and its rows are kept.
 * @param {number} sequences @param {number} every
 */
async function measureRagged(sequences, every) {
  const [STEPS, START, DRAFTS] = [12, 64, 7];
  const rows = sequences * (START + STEPS * (DRAFTS + 1));
  const { core, exports, context, pass } = await bareContext(rows, sequences * (DRAFTS + 1), sequences);
  const all = Array.from({ length: sequences }, (_, i) => i);
  /** @param {boolean} isPadded */
  const run = (isPadded) => {
    exports.context_reset(context);
    const lengths = all.map(() => START);
    for (const sequence of all) {
      for (let at = 0; at < START; at += 32) {
        pass(Array.from({ length: 32 }, (_, i) => ({ sequence, position: at + i, wanted: 0 })));
      }
    }
    const begin = performance.now();
    for (let step = 0; step < STEPS; step++) {
      const fed = all.map((sequence) => ((sequence + step) % every === 0 ? DRAFTS + 1 : 1));
      pass(
        all.flatMap((sequence) =>
          Array.from({ length: isPadded ? DRAFTS + 1 : fed[sequence] }, (_, i) => ({
            sequence,
            position: lengths[sequence] + i,
            wanted: 1,
          })),
        ),
      );
      const kept = all.map((sequence) => (fed[sequence] === 1 ? 1 : 1 + ((sequence + step) % (DRAFTS + 1))));
      const longest = Math.max(...kept);
      for (const sequence of all) {
        // A padded cache grows by what the luckiest has accepted, in all.
        lengths[sequence] += isPadded ? longest : kept[sequence];
        exports.sequence_drop(context, sequence, lengths[sequence], 1e6, 0, 1000);
      }
    }
    return performance.now() - begin;
  };
  let [best, padded] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 3; round++) {
    best = Math.min(best, run(false));
    padded = Math.min(padded, run(true));
  }
  core.dispose();
  return { ms: best, paddedMs: padded, times: Number((padded / best).toFixed(2)) };
}
