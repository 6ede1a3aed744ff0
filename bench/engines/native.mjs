/** Measures native llama.cpp (node-llama-cpp's prebuilt CPU binaries) in the way of engines/limpet.mjs. */
import { openNative } from "../native.mjs";
import { promptOf, WARM_UP } from "./limpet.mjs";

/** @param {{ source: string, threads: number, context: number, runs: import("./limpet.mjs").Run[] }} job */
export async function measure({ source, threads, context, runs }) {
  const native = await openNative(source, { contextSize: context, threads });
  const vocabulary = native.model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  await timed(native, vocabulary, WARM_UP);
  const results = [];
  for (const run of runs) results.push(await timed(native, vocabulary, run));
  const { loadMs } = native;
  await native.llama.dispose();
  return { loadMs, runs: results };
}

/** @param {import("../native.mjs").Native} native @param {number} vocabulary @param {import("./limpet.mjs").Run} run */
async function timed({ sequence }, vocabulary, { prompt, tokens }) {
  await sequence.clearHistory();
  const ids = /** @type {any} */ (promptOf(prompt, vocabulary));
  const started = performance.now();
  let first = 0;
  let made = 0;
  for await (const _ of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
    if (made++ === 0) first = performance.now();
    if (made > tokens) break;
  }
  return { prompt, tokens, prefillMs: first - started, decodeMs: performance.now() - first };
}
