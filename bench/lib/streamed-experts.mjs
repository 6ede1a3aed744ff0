/** What a model whose experts stay in its file comes to, in Node and in a page. */

const PROMPT = Array.from({ length: 64 }, (_, i) => 3 + ((i * 7919) % 3000));

/** @typedef {import("../../src/index.ts").ExpertUse} Use */

/**
 * Loads the model with `cache` MiB for its experts and generates behind a prompt of 64: a row of the table.
 * @param {typeof import("../../src/index.ts").Model} Model @param {import("../../src/index.ts").ModelSource} source
 * @param {{ build: import("../../src/index.ts").BuildChoice, cache: number, tokens: number }} how
 */
export async function generated(Model, source, { build, cache, tokens }) {
  const begun = performance.now();
  const model = await Model.load(source, { build, context: 512, experts: "stream", expertCache: cache * 2 ** 20 });
  const load = (performance.now() - begun) / 1000;
  const answer = model.session().generate(PROMPT, { maxTokens: tokens, temperature: 1, seed: 5 });
  await answer.next();
  const before = /** @type {Use} */ (model.memory.experts);
  await answer.text();
  const { prefillMs, decodeMs, decodeTokens } = /** @type {NonNullable<typeof answer.result>} */ (answer.result)
    .timings;
  const { linear, experts } = model.memory;
  const after = /** @type {Use} */ (experts);
  const each = (/** @type {"slabsWanted" | "slabsRead" | "bytesRead"} */ key) =>
    (after[key] - before[key]) / decodeTokens;
  model.dispose();
  return [
    String(cache),
    (linear / 2 ** 20).toFixed(0),
    load.toFixed(2),
    (PROMPT.length / (prefillMs / 1000)).toFixed(2),
    (decodeTokens / (decodeMs / 1000)).toFixed(2),
    each("slabsWanted").toFixed(0),
    each("slabsRead").toFixed(1),
    `${((1 - each("slabsRead") / each("slabsWanted")) * 100).toFixed(0)} %`,
    (each("bytesRead") / 1e6).toFixed(1),
  ];
}

/** Whether the logits of a small file are the same bits with its experts in memory and not. */
export async function isSameStreamed(
  /** @type {typeof import("../../src/index.ts").Model} */ Model,
  /** @type {string} */ path,
  /** @type {import("../../src/index.ts").BuildChoice} */ build,
) {
  const models = [
    await Model.load(path, { build }),
    await Model.load(path, { build, experts: "stream", expertCache: 0 }),
  ];
  const [want, got] = await Promise.all(models.map((model) => model.logits(PROMPT)));
  for (const model of models) model.dispose();
  return Buffer.compare(Buffer.from(want.buffer), Buffer.from(got.buffer)) === 0;
}
