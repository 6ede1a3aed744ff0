/**
 * wllama in a page, in the way of engines/limpet.mjs. Version 2 takes token ids and is timed from here; version 3 takes
 * text alone, so it gets a text of about as many tokens and its own times are taken.
 */
import { promptOf, WARM_UP } from "../engines/limpet.mjs";

/** @param {any} job */
export async function measure({ engine, source, threads, context, runs, texts }) {
  const base = `/bench/node_modules/${engine}/esm/`;
  const { Wllama, LoggerWithoutDebug } = await import(`${base}index.js`);
  const blob = await (await fetch(source)).blob();
  const paths = { "single-thread/wllama.wasm": `${base}single-thread/wllama.wasm` };
  if (threads > 1) paths["multi-thread/wllama.wasm"] = `${base}multi-thread/wllama.wasm`;
  const old = engine === "wllama-2.3.1";
  const wllama = new Wllama(old ? paths : { default: `${base}wasm/wllama.wasm` }, {
    logger: LoggerWithoutDebug,
    suppressNativeLog: true,
  });
  const started = performance.now();
  const common = { n_ctx: context, n_batch: 512, n_threads: threads };
  // Without flash_attn: false version 3 aborts on every PLM.
  await wllama.loadModel([blob], old ? common : { ...common, flash_attn: false, n_gpu_layers: 0, warmup: false });
  const loadMs = performance.now() - started;
  const timed = old ? timedIds : timedText;
  await timed(wllama, WARM_UP, texts);
  const results = [];
  for (const run of runs) results.push(await timed(wllama, run, texts));
  await wllama.exit();
  return { loadMs, runs: results };
}

/** @param {any} wllama @param {import("../engines/limpet.mjs").Run} run */
async function timedIds(wllama, { prompt, tokens }) {
  await wllama.kvClear();
  await wllama.samplingInit({ temp: 0 });
  const ids = promptOf(prompt, wllama.getLoadedContextInfo().n_vocab);
  const started = performance.now();
  await wllama.decode(ids, {});
  let { token } = await wllama.samplingSample();
  const first = performance.now();
  for (let done = 0; done < tokens; done++) {
    await wllama.samplingAccept([token]);
    await wllama.decode([token], {});
    token = (await wllama.samplingSample()).token;
  }
  return { prompt, tokens, prefillMs: first - started, decodeMs: performance.now() - first };
}

/** @param {any} wllama @param {import("../engines/limpet.mjs").Run} run @param {Record<number, string>} texts */
async function timedText(wllama, { prompt, tokens }, texts) {
  const { timings } = await wllama.createCompletion({
    prompt: texts[prompt],
    max_tokens: tokens + 1,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: false,
  });
  // Its times of answering begin at the first token, which counts in predicted_n.
  const decodeMs = timings.predicted_n > 1 ? (timings.predicted_ms / (timings.predicted_n - 1)) * tokens : 0;
  return { prompt, tokens, prefillMs: (timings.prompt_ms / timings.prompt_n) * prompt, decodeMs };
}
