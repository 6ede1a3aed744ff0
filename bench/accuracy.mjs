#!/usr/bin/env node
/**
 * How exact limpet is, against the numpy oracle (float32 over dequantised weights) and native llama.cpp:
 *
 *   node accuracy.mjs [prompts|positions|perplexity|plm|cache …]      all when none is named
 *
 *   prompts      SmolLM2, 10 prompts: KL to the oracle, a token
 *   positions    SmolLM2, 1,000 positions of WikiText-2: top token equal to the oracle's and to llama.cpp's
 *   perplexity   SmolLM2, 8 windows of 512 tokens: limpet's and llama.cpp's
 *   plm          random PLM files: KL to the oracle, llama.cpp's own beside it
 *   cache        SmolLM2 and a random PLM: KL of caches in F16 and Q8_0 to the one in F32
 *
 * Needs ../shared/data/wikitext-2-valid.txt and Python with test/oracle/requirements.txt (PYTHON names the interpreter).
 */
import { readFileSync, writeFileSync } from "node:fs";
import { compare, limpet, modelPath, native, oracle, ROOT, readLogits, workFile } from "./limpet.mjs";

const WIKITEXT = `${ROOT}../shared/data/wikitext-2-valid.txt`;
const SMOLLM2_VOCABULARY = 49152;
const PROMPTS = [
  "What is the capital of France?",
  "Once upon a time, in a village by the sea,",
  "def fibonacci(n):\n    ",
  "The three laws of thermodynamics are",
  "Dear Sir or Madam,\n\nI am writing to",
  "1, 1, 2, 3, 5, 8, 13,",
  "Der schnelle braune Fuchs springt über den",
  "A limpet clings to its rock because",
  "Q: How many legs does a spider have?\nA:",
  '{"name": "Ada", "age": 36, "languages": [',
];

let failures = 0;
/** @param {string} what @param {string} measured @param {boolean} passed */
function report(what, measured, passed) {
  if (!passed) failures++;
  console.log(`| ${what} | ${measured} | ${passed ? "yes" : "NO"} |`);
}

/** Logits of one sequence by limpet or by native llama.cpp. @param {typeof limpet} engine @param {string} model */
function logitsOf(engine, model, /** @type {number[]} */ ids, /** @type {string[]} */ ...flags) {
  const out = workFile("logits.f32");
  engine("logits", model, "--tokens", ids.join(","), "--out", out, ...flags);
  return readLogits(out);
}

/** @param {string} model @param {number[]} ids */
function oracleOf(model, ids) {
  const out = workFile("oracle.f32");
  oracle(model, [ids], out);
  return readLogits(out);
}

/** The first tokens of WikiText-2, ids by limpet. @param {string} model @param {number} count */
function wikitext(model, count) {
  const text = readFileSync(WIKITEXT, "utf8").slice(0, count * 6);
  return JSON.parse(limpet("tokenize", model, text)).slice(0, count);
}

const CHECKS = {
  prompts() {
    const model = modelPath("smollm2");
    for (const prompt of PROMPTS) {
      const ids = JSON.parse(limpet("tokenize", model, prompt));
      const exact = oracleOf(model, ids);
      const half = compare(exact, logitsOf(limpet, model, ids), SMOLLM2_VOCABULARY);
      const full = compare(exact, logitsOf(limpet, model, ids, "--kv", "f32"), SMOLLM2_VOCABULARY);
      // The first tokens of some prompts attend with such large keys that the cache's halves alone cost more than the
      // bound; with an f32 cache every single token keeps it.
      report(
        `SmolLM2, KL a token of ${JSON.stringify(prompt.slice(0, 24))} (${half.rows}): mean < 1e-5, each < 1e-5 by --kv f32`,
        `mean ${half.klMean.toExponential(1)} (largest ${half.klMax.toExponential(1)}); by f32 largest ${full.klMax.toExponential(1)}`,
        half.klMean < 1e-5 && full.klMax < 1e-5,
      );
    }
  },
  positions() {
    const model = modelPath("smollm2");
    const ids = wikitext(model, 1000);
    const ours = logitsOf(limpet, model, ids);
    const exact = compare(oracleOf(model, ids), ours, SMOLLM2_VOCABULARY);
    const share = (/** @type {number} */ x) => `${(100 * x).toFixed(1)} %`;
    report("SmolLM2, 1,000 positions: top token equals the oracle's ≥ 99.5 %", share(exact.top1), exact.top1 >= 0.995);
    const peer = compare(logitsOf(native, model, ids), ours, SMOLLM2_VOCABULARY);
    report("SmolLM2, 1,000 positions: top token equals llama.cpp's ≥ 96 %", share(peer.top1), peer.top1 >= 0.96);
  },
  perplexity() {
    const model = modelPath("smollm2");
    // As much of the text as gives 8 windows of 512 tokens and less than a ninth.
    let text = readFileSync(WIKITEXT, "utf8").slice(0, 30000);
    while (JSON.parse(limpet("tokenize", model, text)).length >= 9 * 512) text = text.slice(0, -500);
    const file = workFile("wikitext.txt");
    writeFileSync(file, text);
    const ours = JSON.parse(limpet("perplexity", model, file, "--ctx", "512")).perplexity;
    const theirs = JSON.parse(native("perplexity", model, file, "--ctx", "512", "--windows", "8")).perplexity;
    const apart = Math.abs(ours / theirs - 1);
    const measured = `${ours.toFixed(3)} and ${theirs.toFixed(3)}: ${(100 * apart).toFixed(2)} %`;
    report("SmolLM2, perplexity over 8 × 512 tokens within 0.5 % of llama.cpp's", measured, apart < 0.005);
  },
  plm() {
    for (const name of [
      "plm-1m-q4_0",
      "plm-1m-q8_0",
      "plm-1m-q4_k",
      "plm-100m-q4_0",
      "plm-100m-q8_0",
      "plm-100m-q4_k",
    ]) {
      const model = modelPath(name);
      const vocabulary = name.startsWith("plm-1m") ? 512 : 49152;
      const ids = Array.from({ length: 64 }, (_, i) => (i * 7919 + 13) % vocabulary);
      const exact = oracleOf(model, ids);
      const ours = compare(exact, logitsOf(limpet, model, ids), vocabulary);
      const theirs = compare(exact, logitsOf(native, model, ids), vocabulary);
      const measured = `mean ${ours.klMean.toExponential(1)}, largest ${ours.klMax.toExponential(1)} (llama.cpp ${theirs.klMean.toExponential(1)}, ${theirs.klMax.toExponential(1)})`;
      report(`${name}, KL over 64 tokens < 1e-5`, measured, ours.klMax < 1e-5);
    }
  },
  cache() {
    const smollm2 = modelPath("smollm2");
    const plm = modelPath("plm-100m-q4_0");
    const made = Array.from({ length: 512 }, (_, i) => (i * 7919 + 13) % 30000);
    for (const [name, model, ids, bounds, ...flags] of /** @type {const} */ ([
      ["SmolLM2, 512 tokens", smollm2, wikitext(smollm2, 512), { f16: 1e-5, q8_0: 1e-3 }],
      ["plm-100m Q4_0 absorbed, 512 tokens", plm, made, { f16: 1e-5, q8_0: 1e-4 }, "--form", "absorbed"],
    ])) {
      const full = logitsOf(limpet, model, [...ids], "--kv", "f32", ...flags);
      for (const [kv, bound] of Object.entries(bounds)) {
        const found = compare(full, logitsOf(limpet, model, [...ids], "--kv", kv, ...flags), SMOLLM2_VOCABULARY);
        const measured = `mean ${found.klMean.toExponential(1)} (largest ${found.klMax.toExponential(1)}), top token equal ${(100 * found.top1).toFixed(1)} %`;
        report(`${name}: mean KL of a ${kv} cache to the f32 one < ${bound}`, measured, found.klMean < bound);
      }
    }
  },
};

const names = process.argv.slice(2);
console.log("| check | measured | passed |\n|---|---|---|");
for (const [name, check] of Object.entries(CHECKS)) if (names.length === 0 || names.includes(name)) check();
process.exitCode = failures ? 1 : 0;
