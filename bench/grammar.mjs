/**
 * What a grammar costs:  node bench/grammar.mjs [MODEL.gguf] [--fast] [--prompts N]
 *
 * A schema of 2 KB: how long compiling it takes (a fresh process's first time, and the median), and how long from an
 * answer that asks for it to its first draw. Then answers to twenty questions with a schema each: how much longer a draw
 * takes than without, as a share of the model's decode time a token. All in milliseconds of the processor, so that others
 * on the machine do not count. Without a model: SmolLM2 (node scripts/fetch-smollm2.mjs).
 */
import { compile } from "../build/js/grammar.js";
import { Model } from "../build/js/index.js";
import { SMOLLM2 } from "../scripts/fetch-smollm2.mjs";
import { EXTRACTIONS, SCHEMA_OF_2_KB } from "./lib/extractions.mjs";

const words = process.argv.slice(2);
const file = words.find((word) => word.endsWith(".gguf")) ?? SMOLLM2;
const build = words.includes("--fast") ? "fast" : "portable";
const prompts = words.includes("--prompts") ? Number(words[words.indexOf("--prompts") + 1]) : EXTRACTIONS.length;
const ROUNDS = 15;
const TOKENS = 160;

const SAMPLINGS = {
  greedy: {},
  "temperature 0.8": { temperature: 0.8 },
  "top-k 40": { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05 },
  "top-p 0.95": { temperature: 0.8, topP: 0.95 },
  "min-p 0.05": { temperature: 0.8, minP: 0.05 },
  "typical-p 0.9": { temperature: 0.8, typicalP: 0.9 },
};

/** Milliseconds that this process has computed. */
function now() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const round = (value) => Number(value.toPrecision(3));

function compiling(schema) {
  const times = Array.from({ length: ROUNDS }, () => {
    const begin = now();
    compile({ schema });
    return now() - begin;
  });
  return { first: round(times[0]), median: round(median(times)) };
}

const compileMs = compiling(SCHEMA_OF_2_KB);
const { table } = compile({ schema: SCHEMA_OF_2_KB });
const model = await Model.load(file, { build });

/** From a draw's logits to its token [ms], for each of an answer's tokens. */
async function draws(prompt, options) {
  const times = [];
  let shown = 0;
  const generation = model.chat([{ role: "user", content: prompt }], {
    ...options,
    maxTokens: TOKENS,
    context: 1024,
    onLogits: () => void (shown = now()),
  });
  for await (const _ of generation) times.push(now() - shown);
  return { times, text: generation.result.text };
}

/** How long an answer's first draw takes with a table, from the options to the token, less the prompt's pass. */
async function firstDraw(options) {
  let begun = 0;
  let passed = 0;
  const generation = model.generate("A", {
    ...options,
    maxTokens: 1,
    onLogits: () => void (passed = now()),
  });
  const began = now();
  await generation.next();
  const ended = now();
  begun = generation.result?.timings.prefillMs ?? 0;
  await generation.return();
  return { all: ended - began, draw: ended - passed, begun };
}

for (let i = 0; i < 3; i++) await firstDraw({});
const plain = [];
const fitted = [];
for (let i = 0; i < ROUNDS; i++) {
  plain.push(await firstDraw({ temperature: 0.8, topK: 40 }));
  fitted.push(await firstDraw({ temperature: 0.8, topK: 40, table }));
}
const firstTokenMs = round(median(fitted) - median(plain));

const warm = model.chat([{ role: "user", content: EXTRACTIONS[0].prompt }], { maxTokens: 33, context: 1024 });
await warm.next();
const begun = now();
await warm.text();
const decode = (now() - begun) / warm.result.timings.decodeTokens;

const rows = [];
for (const [name, options] of Object.entries(SAMPLINGS)) {
  const free = [];
  const held = [];
  for (const { prompt, schema } of EXTRACTIONS.slice(0, prompts)) {
    if (free.length < 400) free.push(...(await draws(prompt, { ...options, seed: 3 })).times.slice(1));
    held.push(...(await draws(prompt, { ...options, seed: 3, schema })).times.slice(1));
  }
  const base = median(free);
  const shares = held.map((time) => (100 * (time - base)) / decode);
  const ordered = [...shares].sort((a, b) => a - b);
  const at = (share) => round(ordered[Math.min(Math.floor(share * ordered.length), ordered.length - 1)]);
  rows.push({ sampling: name, draws: held.length, freeMs: round(base), median: at(0.5), p99: at(0.99), worst: at(1) });
}
console.log(
  JSON.stringify({
    model: file,
    build: model.build,
    schemaBytes: JSON.stringify(SCHEMA_OF_2_KB).length,
    tableBytes: table.length,
    compileMs,
    firstTokenMs,
    decodeMs: round(decode),
  }),
);
console.table(rows);
