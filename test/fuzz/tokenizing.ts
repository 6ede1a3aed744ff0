/**
 * What tokenizing costs:  npm run fuzz:tokenizing -- [--random N] [--seed S] [NAME…]
 *
 * For every vocabulary and every kind of text: how long the text takes for as much plain English with the same
 * vocabulary, and how much longer eight times the text takes. Processor time, the best of several.
 */
import { parseArgs } from "node:util";
import { loadCore } from "../support/core.ts";
import { PARSE_SPECIAL, Tokenizer } from "../support/tokenizer.ts";
import { COSTLY, NESTED, randomVocabularies, realVocabularies, textsFor } from "./costly-texts.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    random: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    tries: { type: "string", default: "5" },
  },
});
const BYTES = 1 << 15;
const GROWN = 8 * BYTES;
const TRIES = Number(values.tries);

const core = loadCore("portable");

/** Milliseconds of the processor for one call, the best of several. */
function cost(tokenizer: Tokenizer, text: Uint8Array): number {
  const at = core.put(text);
  const room = 4 * text.length + 16;
  const target = core.allocate(4 * room);
  let best = Infinity;
  for (let i = 0; i < TRIES; i++) {
    const before = process.cpuUsage();
    const count = core.call(
      "tokenizer_tokenize",
      core.core,
      tokenizer.pointer,
      at,
      text.length,
      PARSE_SPECIAL,
      target,
      room,
    );
    if (count < 0) throw new Error(core.message);
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / 1000);
    if (i > 0 && best > 2000) break;
  }
  core.release(target);
  core.release(at);
  return best;
}

let [worst, steepest] = [0, 0];
for (const vocabulary of [
  ...COSTLY,
  ...realVocabularies(),
  ...randomVocabularies(Number(values.random), Number(values.seed)),
]) {
  if (positionals.length && !positionals.some((name) => vocabulary.name.includes(name))) continue;
  const tokenizer = Tokenizer.load(core, vocabulary.file());
  const long = textsFor(vocabulary, GROWN);
  const short = textsFor(vocabulary, BYTES);
  const english = cost(tokenizer, long[0][1]);
  const rows = long.map(([name, text], i) => {
    const took = cost(tokenizer, text);
    return { name, ratio: took / english, growth: took / cost(tokenizer, short[i][1]) };
  });
  tokenizer.release();
  const nanos = (english * 1e6) / GROWN;
  console.log(`${vocabulary.name}: English ${nanos.toFixed(0)} ns a byte`);
  for (const { name, ratio, growth } of rows) {
    const mark = ratio > 4 || growth > 9 ? " ←" : "";
    console.log(`  ${name.padEnd(30)} ${ratio.toFixed(2).padStart(7)} × ${growth.toFixed(1).padStart(7)} ×${mark}`);
    if (!NESTED.includes(vocabulary)) worst = Math.max(worst, ratio);
    steepest = Math.max(steepest, growth);
  }
}
console.log(
  `at most ${worst.toFixed(2)} times as much English (4), and ${steepest.toFixed(1)} times for 8 times the text (9)`,
);
