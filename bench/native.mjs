#!/usr/bin/env node
/**
 * Native llama.cpp (node-llama-cpp's prebuilt CPU binaries) behind the same commands as limpet's own:
 *
 *   node native.mjs tokenize MODEL TEXT
 *   node native.mjs generate MODEL -p TEXT [-n 64]
 *   node native.mjs logits MODEL --tokens 1,2,3 --out FILE     raw little-endian f32, [tokens, vocabulary]
 *   node native.mjs embed MODEL --tokens 1,2,3 --out FILE      the text's vector as the file pools it, or its scores
 *   node native.mjs perplexity MODEL FILE [--ctx 512] [--windows 8]
 *   node native.mjs bench MODEL [-p 128] [-n 64] [--reps 5]
 *
 * All but embed take --lora FILE[=WEIGHT], also more than once.
 * All take --threads (default 1) and --kv f16|f32 (the cache, default f16), and print JSON. Greedy everywhere, flash
 * attention off.
 */
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

/** A loaded model with one context and one sequence. */
export async function openNative(
  /** @type {string} */ modelPath,
  { contextSize = 0, threads = 1, kv = "f16", lora = /** @type {string[]} */ ([]) } = {},
) {
  const adapters = lora.map((one) => {
    const [, filePath, weight] = /** @type {RegExpMatchArray} */ (one.match(/^(.*?)(?:=([-+.\deE]+))?$/));
    return { filePath, scale: Number(weight ?? 1) };
  });
  const started = performance.now();
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: contextSize || Math.min(1024, model.trainContextSize),
    batchSize: 512,
    threads,
    flashAttention: false,
    ...(adapters.length > 0 && { lora: { adapters } }),
    experimentalKvCacheKeyType: kv === "f32" ? "F32" : "F16",
    experimentalKvCacheValueType: kv === "f32" ? "F32" : "F16",
  });
  const sequence = context.getSequence();
  return { llama, model, context, sequence, loadMs: performance.now() - started };
}

/** @typedef {Awaited<ReturnType<typeof openNative>>} Native */

/** Token ids of a text: BOS where the vocabulary asks for it, special tokens not parsed. @param {Native} native */
export function tokenize({ model }, /** @type {string} */ text) {
  const bos = model.tokens.shouldPrependBosToken && model.tokens.bos !== null ? [model.tokens.bos] : [];
  // "trimLeadingSpace" would drop the space that SPM puts before a text.
  return [...bos, ...model.tokenize(text, false)];
}

/** Greedy continuation: ids, without the end token. @param {Native} native @param {number[]} prompt */
export async function generate({ sequence, model }, prompt, /** @type {number} */ count) {
  await sequence.clearHistory();
  const tokens = [];
  const evaluation = sequence.evaluate(/** @type {any} */ (prompt), { temperature: 0, yieldEogToken: true });
  for await (const token of evaluation) {
    if (model.isEogToken(token)) break;
    tokens.push(Number(token));
    if (tokens.length >= count) break;
  }
  return tokens;
}

/**
 * Raw logits after each of the tokens, handed over row by row.
 * @param {Native} native @param {number[]} tokens @param {(row: Float32Array, index: number) => void} take
 */
export async function logits({ sequence, model }, tokens, take) {
  await sequence.clearHistory();
  const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const STEP = 64; // rows asked for at a time: each comes as a map of the whole vocabulary
  for (let at = 0; at < tokens.length; at += STEP) {
    const part = tokens.slice(at, at + STEP);
    const generateNext = { logits: true, options: { temperature: 0 } };
    const input = part.map((token) => [token, { generateNext }]);
    const outputs = await sequence.controlledEvaluate(/** @type {any} */ (input));
    for (let i = 0; i < part.length; i++) {
      const row = new Float32Array(size);
      for (const [token, value] of outputs[i]?.next.logits ?? []) row[token] = value;
      take(row, at + i);
    }
  }
}

/**
 * The vector of a text, not normalised; of a model that ranks its scores. With the pooling none, that of the last token.
 * @param {string} modelPath @param {number[]} tokens
 */
export async function embed(modelPath, tokens, threads = 1) {
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const metadata = model.fileInfo.metadata;
  const { pooling_type, classifier } = metadata[metadata.general.architecture];
  const isRanking = pooling_type === 4;
  const scores = classifier?.output_labels?.length ?? 1;
  const options = { contextSize: tokens.length + 8, batchSize: tokens.length + 8, threads };
  const context = isRanking ? await model.createRankingContext(options) : await model.createEmbeddingContext(options);
  // Neither gives raw values of token ids as they are: these are its own steps without the rest.
  const { _sequence: sequence, _llamaContext: inner } = /** @type {any} */ (context);
  for await (const _ of sequence.evaluate(tokens, { _noSampling: true })) break;
  return { llama, vector: Float32Array.from(inner._ctx.getEmbedding(tokens.length, ...(isRanking ? [scores] : []))) };
}

/**
 * Perplexity over windows of `ctx` tokens, positions ctx / 2 to ctx - 1 of each scored.
 * @param {Native} native @param {number[]} tokens
 */
export async function perplexity(
  { model, sequence },
  tokens,
  /** @type {number} */ ctx,
  /** @type {number} */ windows,
) {
  let sum = 0;
  let count = 0;
  for (let window = 0; window < windows && (window + 1) * ctx <= tokens.length; window++) {
    const part = tokens.slice(window * ctx, (window + 1) * ctx);
    // As llama.cpp's own tool and limpet do it: each window begins as a text would.
    if (model.tokens.shouldPrependBosToken && model.tokens.bos !== null) part[0] = model.tokens.bos;
    await sequence.clearHistory();
    // What comes after token i scores token i + 1; llama.cpp gives the sum of exp(logit - largest logit), to some 1e-4.
    const input = part.slice(0, -1).map((token, i) => {
      const filter = { tokens: [part[i + 1]], includeTop: 1 };
      const generateNext = { logits: { filter }, totalLogitWeight: true, options: { temperature: 0 } };
      return i + 1 < ctx / 2 ? token : [token, { generateNext }];
    });
    const outputs = await sequence.controlledEvaluate(/** @type {any} */ (input));
    for (const [i, output] of outputs.entries()) {
      if (output === undefined) continue;
      const { logits, totalLogitWeight } = /** @type {{ logits: Map<number, number>, totalLogitWeight: number }} */ (
        /** @type {unknown} */ (output.next)
      );
      const next = logits.get(part[i + 1]) ?? Number.NaN;
      sum += Math.log(totalLogitWeight) + Math.max(...logits.values()) - next;
      count++;
    }
  }
  return { perplexity: Math.exp(sum / count), tokens: count };
}

/** Median of some numbers. */
export function median(/** @type {number[]} */ numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Tokens per second: prefill of `promptLength` tokens in one batch, then `count` greedy decode steps.
 * @param {Native} native
 */
export async function bench({ sequence, model }, promptLength = 128, count = 64, reps = 5) {
  const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const prompt = Array.from({ length: promptLength }, (_, i) => 3 + ((i * 7919) % (Math.min(size, 30000) - 4)));
  const prefill = [];
  const decode = [];
  for (let rep = 0; rep < reps + 1; rep++) {
    await sequence.clearHistory();
    const started = performance.now();
    let first = 0;
    let tokens = 0;
    const evaluation = sequence.evaluate(/** @type {any} */ (prompt), { temperature: 0, yieldEogToken: true });
    for await (const _ of evaluation) {
      if (tokens++ === 0) first = performance.now();
      if (tokens > count) break;
    }
    if (rep === 0) continue; // warm-up: the first touch of mapped weights
    prefill.push(promptLength / ((first - started) / 1000));
    decode.push((tokens - 1) / ((performance.now() - first) / 1000));
  }
  return { prefill_tps: median(prefill), decode_tps: median(decode) };
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      prompt: { type: "string", short: "p" },
      count: { type: "string", short: "n", default: "64" },
      tokens: { type: "string" },
      out: { type: "string" },
      ctx: { type: "string", default: "512" },
      context: { type: "string", default: "0" },
      windows: { type: "string", default: "8" },
      threads: { type: "string", default: "1" },
      reps: { type: "string", default: "5" },
      kv: { type: "string", default: "f16" },
      lora: { type: "string", multiple: true, default: [] },
    },
  });
  const [command, path, argument] = positionals;
  if (command === "embed") {
    const tokens = /** @type {string} */ (values.tokens).split(",").map(Number);
    const { llama, vector } = await embed(path, tokens, Number(values.threads));
    writeFileSync(values.out ?? "vector.f32", new Uint8Array(vector.buffer));
    return llama.dispose();
  }
  const numbers = { count: Number(values.count), ctx: Number(values.ctx), threads: Number(values.threads) };
  const wanted = values.tokens?.split(",").map(Number) ?? [];
  const asked = Number(values.context) || wanted.length + 8;
  const contextSize = command === "logits" ? asked : command === "perplexity" ? numbers.ctx : 0;
  const native = await openNative(path, { contextSize, threads: numbers.threads, kv: values.kv, lora: values.lora });
  if (command === "tokenize") {
    console.log(JSON.stringify(tokenize(native, argument)));
  } else if (command === "generate") {
    const prompt = tokenize(native, values.prompt ?? "");
    const tokens = await generate(native, prompt, numbers.count);
    const text = native.model.detokenize(/** @type {any} */ (tokens), false, /** @type {any} */ (prompt));
    console.log(JSON.stringify({ prompt: values.prompt, promptTokens: prompt, tokens, text }));
  } else if (command === "logits") {
    const file = openSync(values.out ?? "logits.f32", "w");
    await logits(native, wanted, (row) => writeSync(file, new Uint8Array(row.buffer)));
    closeSync(file);
  } else if (command === "perplexity") {
    const tokens = tokenize(native, readFileSync(argument, "utf8"));
    console.log(JSON.stringify(await perplexity(native, tokens, numbers.ctx, Number(values.windows))));
  } else if (command === "bench") {
    const speed = await bench(native, Number(values.prompt ?? 128), numbers.count, Number(values.reps));
    console.log(JSON.stringify({ load_ms: native.loadMs, ...speed }));
  } else {
    console.error("node native.mjs tokenize|generate|logits|embed|perplexity|bench MODEL …");
    process.exitCode = 2;
  }
  await native.llama.dispose();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
