#!/usr/bin/env node
/**
 * How well a model foresees a whole text, in bits per byte of it: the measure in which models with different vocabularies,
 * and compressors, can be compared.
 *
 *     node bench/bits-per-byte.mjs MODEL TEXT [--context 512]
 *
 * The text stands behind one BOS token and every token of it is foretold once, from at least half a context of tokens
 * before it (but for the beginning): windows of `context` tokens, of which the second half counts, each half a window on.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { defaultModel } from "../build/js/default-model.js";
import { Model } from "../build/js/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { context: { type: "string", default: "512" } },
});
if (positionals.length < 1 || positionals.length > 2) {
  console.error("node bench/bits-per-byte.mjs [MODEL] TEXT [--context 512]");
  process.exit(2);
}
const text = readFileSync(/** @type {string} */ (positionals.at(-1)));
const model = await Model.load(positionals.length === 2 ? positionals[0] : defaultModel);
const length = Number(values.context);
const { bos, eos } = model.tokenizer.specials;
const ids = [bos ?? eos ?? 0, ...model.tokenize(text.toString("utf8"))];
const { vocabulary } = model.info;
let nats = 0;
let counted = 1; // the first token is given
for (let begin = 0; counted < ids.length; begin += length >> 1) {
  const part = ids.slice(begin, begin + length);
  let row = begin;
  for await (const chunk of model.logitChunks(part)) {
    for (let at = 0; at < chunk.length; at += vocabulary, row++) {
      if (row + 1 < counted || row + 1 >= ids.length) continue;
      nats += surprise(chunk.subarray(at, at + vocabulary), ids[row + 1]);
      counted = row + 2;
    }
  }
  if (process.stderr.isTTY) process.stderr.write(`\r${counted} of ${ids.length} tokens`);
}
console.log(
  JSON.stringify({
    bits_per_byte: nats / Math.LN2 / text.length,
    bytes: text.length,
    tokens: ids.length - 1,
    perplexity: Math.exp(nats / (ids.length - 1)),
    model_bytes: model.info.bytes,
  }),
);

/** -ln of a token's probability. @param {Float32Array} logits @param {number} token */
function surprise(logits, token) {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of logits) largest = Math.max(largest, value);
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  return largest + Math.log(sum) - logits[token];
}
