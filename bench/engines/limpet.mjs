/**
 * Measures limpet in any JavaScript host through its package, as a user runs it. The page and the Node job both call it.
 *
 * A run is a prompt of `prompt` made-up tokens up to the first token of the answer, then `tokens` more; the same ids for
 * every engine that takes ids.
 *
 * @typedef {{ prompt: number, tokens: number }} Run
 * @typedef {Run & { prefillMs: number, decodeMs: number }} TimedRun
 */

/** Enough for the engine to have compiled the kernels to their best. */
export const WARM_UP = { prompt: 32, tokens: 8 };

/** Ids spread over the vocabulary. @param {number} length @param {number} vocabulary */
export function promptOf(length, vocabulary) {
  const range = Math.max(Math.min(vocabulary, 30000) - 4, 1);
  return Array.from({ length }, (_, i) => 3 + ((i * 7919) % range));
}

/**
 * @param {typeof import("../../src/index.ts").Model} Model
 * @param {{ source: string, wasm?: string, build: import("../../src/index.ts").Build, kv?: import("../../src/index.ts").CacheType,
 *   threads: number, context: number, runs: Run[] }} job
 */
export async function measure(Model, { source, wasm, build, kv, threads, context, runs }) {
  const started = performance.now();
  const options = /** @type {any} */ ({ build, kv, threads, context, wasm });
  const model = await Model.load(source, options);
  const loadMs = performance.now() - started;
  if (model.build !== build) throw new Error(`the ${build} build does not run here`);
  const session = model.session();
  await timed(session, model.info.vocabulary, WARM_UP);
  const results = [];
  for (const run of runs) {
    session.rewind(0);
    results.push(await timed(session, model.info.vocabulary, run));
  }
  const { linear, weights, cacheBytesPerToken, fullCacheBytesPerToken } = model.memory;
  return {
    loadMs,
    runs: results,
    threadsUsed: model.threads, // fewer than asked for where they did not pay
    memoryBytes: linear,
    weightBytes: weights,
    cacheBytesPerToken,
    fullCacheBytesPerToken,
  };
}

/**
 * An end token does not end a run.
 * @param {import("../../src/index.ts").Session} session @param {number} vocabulary @param {Run} run
 * @returns {Promise<TimedRun>}
 */
export async function timed(session, vocabulary, { prompt, tokens }) {
  const first = session.generate(promptOf(prompt, vocabulary), { maxTokens: tokens + 1 });
  await first.text();
  const times = { prompt, tokens, ...timings(first) };
  for (let done = times.decodeTokens; done < tokens; ) {
    const more = session.generate(undefined, { maxTokens: tokens - done });
    await more.text();
    const { prefillMs, decodeMs, decodeTokens } = timings(more);
    times.decodeMs += prefillMs + decodeMs;
    done += decodeTokens + 1;
  }
  return times;
}

/** @param {import("../../src/index.ts").Generation} generation */
function timings({ result }) {
  if (!result) throw new Error("a generation ended before its end");
  const { prefillMs, decodeMs, decodeTokens } = result.timings;
  return { prefillMs, decodeMs, decodeTokens };
}
