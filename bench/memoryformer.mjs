#!/usr/bin/env node
/**
 * Models with matrices and models with look-up tables in one table: what they foresee of a text, what they hold, what a
 * token costs and how fast they are.
 *
 *   npm run bench:memoryformer -- MODEL… [options]
 *
 *   MODEL            a GGUF file, a checkpoint's folder (what training/ writes as NAME/final), or a folder of these
 *   --type TYPE      that checkpoints are converted to, default Q8_0 (tables: rows of bytes)
 *   --text FILE      default ../shared/data/tales-valid.txt
 *   --windows N      score only that many windows of 512 tokens, twice; default: the whole text
 *   --rounds N       of the timing, default 7
 *   --docs           also write the table into docs/memoryformer.md
 *
 * Each token but the first 256 is scored once, with 256 to 511 tokens before it (two passes over windows, half a window
 * apart), so figures of different tokenizers can be compared: bits of all tokens, a byte of their text. How many tokens a
 * model has been trained with stands in its figures.json, and what it could do on the way in log.csv. Parameters,
 * multiply-adds and bytes are counted from shapes (lib/costs.mjs). Speed: one thread, portable build, in turns; medians.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { NAMES } from "../scripts/architectures.mjs";
import { timed } from "./engines/limpet.mjs";
import { costs } from "./lib/costs.mjs";
import { describeMachine, Watch } from "./lib/machine.mjs";
import { figure, short } from "./lib/stats.mjs";
import { ROOT, workFile } from "./limpet.mjs";

/** Tokens of a window, of the cache in the counts, and what the models were trained for. */
const CONTEXT = 512;
const RUN = { prompt: 256, tokens: 128 };
const DOCS = `${ROOT}docs/memoryformer.md`;
/** Between these stands the table in the docs. */
const MARKS = ["<!-- written by npm run bench:memoryformer -- --docs -->", "<!-- end -->"];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    type: { type: "string", default: "Q8_0" },
    text: { type: "string", default: `${ROOT}../shared/data/tales-valid.txt` },
    windows: { type: "string" },
    rounds: { type: "string", default: "7" },
    docs: { type: "boolean", default: false },
  },
});
const { Model } = /** @type {typeof import("../src/index.ts")} */ (await import(`${ROOT}build/js/index.js`));
const { convert } = /** @type {typeof import("../src/convert.ts")} */ (await import(`${ROOT}build/js/convert.js`));
const say = (/** @type {string} */ text) => console.error(text);

/**
 * @typedef {Map<number, string>} Log
 * @typedef {{ tokens_seen: number, valid_bits_per_byte?: number }} Trained what training says of itself
 * @typedef {{ name: string, path: string, trained?: Trained, log: Log }} Source
 */

/** The models that a path stands for. @param {string} path @returns {Promise<Source[]>} */
async function sources(path) {
  const at = resolve(path);
  if (at.endsWith(".gguf")) return [{ name: basename(at, ".gguf"), path: at, log: new Map() }];
  if (existsSync(join(at, "config.json"))) return [await converted(at)];
  if (existsSync(join(at, "final", "config.json"))) return [await converted(join(at, "final"))];
  if (!statSync(at).isDirectory()) return [];
  const inner = readdirSync(at).map((name) => join(at, name));
  const isModel = (/** @type {string} */ one) =>
    one.endsWith(".gguf") || ["config.json", "final/config.json"].some((file) => existsSync(join(one, file)));
  const found = await Promise.all(inner.filter(isModel).map(sources));
  return found.flat();
}

/** A checkpoint as GGUF. @param {string} folder @returns {Promise<Source>} */
async function converted(folder) {
  const name = basename(folder) === "final" ? basename(dirname(folder)) : basename(folder);
  const path = workFile(`${name}-${values.type.toLowerCase()}.gguf`);
  say(`converting ${name}`);
  await convert(folder, path, { type: /** @type {any} */ (values.type), name });
  const figures = join(folder, "figures.json");
  const log = [folder, dirname(folder)].map((place) => join(place, "log.csv")).find(existsSync);
  return {
    name,
    path,
    trained: existsSync(figures) ? JSON.parse(readFileSync(figures, "utf8")) : undefined,
    log: log ? readLog(log) : new Map(),
  };
}

/** What was seen on the way: bits a byte by tokens. @param {string} path @returns {Log} */
function readLog(path) {
  const [head, ...lines] = readFileSync(path, "utf8").trim().split(/\r?\n/);
  const at = (/** @type {string[]} */ cells, /** @type {string} */ name) => cells[head.split(",").indexOf(name)];
  const seen = lines.map((text) => text.split(",")).filter((cells) => at(cells, "valid_bpb"));
  return new Map(
    seen.map((cells) => {
      const falling = Number(at(cells, "rate")) < 1 ? " ↓" : "";
      return [Number(at(cells, "tokens")), Number(at(cells, "valid_bpb")).toFixed(3) + falling];
    }),
  );
}

/** @param {Source} source */
async function open({ name, path, trained, log }) {
  const model = await Model.load(path, { context: CONTEXT });
  const { architecture, vocabulary } = model.info;
  const metadata = model.metadata(1);
  const number = (/** @type {string} */ key) => {
    const value = metadata.get(`${architecture}.${key}`)?.value;
    return typeof value === "number" ? value : undefined;
  };
  const counted = costs(String(architecture), number, model.tensors(), CONTEXT);
  const codeLength = number("memory.code_length") ?? 0;
  const place = NAMES.indexOf(String(architecture)) * 100 + codeLength;
  const cacheBytes = model.memory.cacheBytesPerToken * CONTEXT;
  return { name, path, trained, log, model, vocabulary, counted, cacheBytes, place };
}

/** @typedef {Awaited<ReturnType<typeof open>>} Contestant */

/** Bits that the model needs for a byte of the text. @param {Contestant} contestant @param {string} text */
async function bitsPerByte({ name, model }, text) {
  const half = CONTEXT / 2;
  const ids = model.tokenize(text);
  const windows = values.windows === undefined ? undefined : Number(values.windows);
  let [nats, tokens] = [0, 0];
  for (const from of [0, half]) {
    const result = await model.perplexity(ids.slice(from), { context: CONTEXT, windows });
    nats += Math.log(result.perplexity) * result.tokens;
    tokens += result.tokens;
    say(`${name}: perplexity ${result.perplexity.toFixed(3)} a token over ${result.tokens}`);
  }
  // The halves of the two passes lie side by side.
  const bytes = model.detokenizeBytes(ids.slice(half, half + tokens)).length;
  return { bits: nats / Math.LN2 / bytes, tokens };
}

/** @param {Contestant[]} contestants */
async function speeds(contestants) {
  const sessions = contestants.map(({ model }) => model.session());
  const rates = contestants.map(() => ({
    prefill: /** @type {number[]} */ ([]),
    decode: /** @type {number[]} */ ([]),
  }));
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const [i, session] of sessions.entries()) {
      session.rewind(0);
      const { vocabulary } = contestants[i];
      const { prefillMs, decodeMs } = await timed(session, vocabulary, RUN);
      if (round < 0) continue;
      rates[i].prefill.push((1000 * RUN.prompt) / prefillMs);
      rates[i].decode.push((1000 * RUN.tokens) / decodeMs);
    }
  }
  return rates;
}

const found = (await Promise.all(positionals.map(sources))).flat();
if (found.length === 0) throw new Error("no models: npm run bench:memoryformer -- FOLDER, or GGUF files");
const contestants = (await Promise.all(found.map(open))).sort((a, b) => a.place - b.place);
const watch = new Watch();
const rates = await speeds(contestants);
const { foreign, load } = watch.stop();
const text = readFileSync(values.text, "utf8");
/** @type {({ bits: number, tokens: number } | null)[]} */
const foreseen = [];
for (const contestant of contestants) {
  foreseen.push(contestant.trained?.tokens_seen === 0 ? null : await bitsPerByte(contestant, text));
}

const millions = (/** @type {number} */ n) => `${(n / 1e6).toPrecision(n < 1e7 ? 3 : 4)} M`;
const megabytes = (/** @type {number} */ n) => (n ? `${(n / 1e6).toPrecision(n < 1e7 ? 3 : 4)} MB` : "–");
/** @param {Trained} [trained] */
function tokensSeen(trained) {
  if (!trained) return "not told";
  return trained.tokens_seen === 0 ? "0: random weights" : millions(trained.tokens_seen);
}
const rate = (/** @type {number[]} */ samples) => {
  const { median, min, max } = /** @type {import("./lib/stats.mjs").Figure} */ (figure(samples));
  return `${short(median)} (${short(min)}–${short(max)})`;
};
/** @type {[string, (contestant: Contestant, i: number) => string][]} */
const rows = [
  ["tokens of training", ({ trained }) => tokensSeen(trained)],
  ["bits a byte of the text", (_, i) => (foreseen[i] ? `**${foreseen[i].bits.toFixed(3)}**` : "–")],
  ["… in training's own float32", ({ trained }) => trained?.valid_bits_per_byte?.toFixed(3) ?? "–"],
  ["parameters", ({ counted }) => millions(counted.parameters)],
  ["… outside tables", ({ counted }) => millions(counted.parameters - counted.tableParameters)],
  ["tables", ({ counted }) => megabytes(counted.tableBytes)],
  ["file", ({ path }) => megabytes(statSync(path).size)],
  ["multiply-adds a token", ({ counted: { multiplyAdds: m } }) => `**${millions(m.layers + m.attention + m.head)}**`],
  ["… matrices or tables of the layers", ({ counted }) => millions(counted.multiplyAdds.layers)],
  [`… attention at ${CONTEXT}`, ({ counted }) => millions(counted.multiplyAdds.attention)],
  ["… head", ({ counted }) => millions(counted.multiplyAdds.head)],
  ["weights touched a token", ({ counted }) => `**${megabytes(counted.bytesRead)}**`],
  [`cache at ${CONTEXT}, F16`, ({ cacheBytes }) => megabytes(cacheBytes)],
  [`prefill of ${RUN.prompt}, tok/s`, (_, i) => rate(rates[i].prefill)],
  [`decode of ${RUN.tokens}, tok/s`, (_, i) => rate(rates[i].decode)],
];
const line = (/** @type {string[]} */ cells) => `| ${cells.join(" | ")} |`;
/** @param {string} corner @param {[string, (contestant: Contestant, i: number) => string][]} rows */
const table = (corner, rows) =>
  [
    line([corner, ...contestants.map(({ name }) => name)]),
    `|---${"|---".repeat(contestants.length)}|`,
    ...rows.map(([label, cell]) => line([label, ...contestants.map(cell)])),
  ].join("\n");
/** Where two models at least were looked at. */
const common = [...new Set(contestants.flatMap(({ log }) => [...log.keys()]))]
  .filter((tokens) => contestants.filter(({ log }) => log.has(tokens)).length > 1)
  .sort((a, b) => a - b);
const equal = `At equal training, from the logs: bits a byte on 32 fixed windows; ↓ where the rate was falling already.

${table(
  "tokens",
  common.map((tokens) => [millions(tokens), ({ log }) => log.get(tokens) ?? "–"]),
)}
`;
const { processor, cores } = describeMachine();
const others = foreign === null ? "" : `, others took ${foreign.toFixed(1)} cores while speed was measured`;
const scored = [...new Set(foreseen.flatMap((one) => one?.tokens.toLocaleString("en") ?? []))].join(" or ");
const report = `${new Date().toISOString().slice(0, 10)}: ${processor}, ${cores} cores, load ${load.toFixed(1)}${others};
Node ${process.version}, portable build, one thread, medians of ${values.rounds} (smallest–largest). ${scored} tokens of
${basename(values.text)} were scored.

${table("", rows)}
${common.length ? `\n${equal}` : ""}`;
console.log(report);
if (values.docs) {
  const page = readFileSync(DOCS, "utf8");
  writeFileSync(
    DOCS,
    `${page.split(MARKS[0])[0]}${MARKS[0]}\n\n${report.trimEnd()}\n\n${MARKS[1]}${page.split(MARKS[1])[1]}`,
  );
}
for (const { model } of contestants) model.dispose();
