/** What limpet has promised on a processor of this class, checked against the figures of a run: one line a promise. */
import { GEMV, SHAPES } from "../engines/matmul.mjs";
import { ratios } from "../engines/sparse.mjs";
import { contestantId } from "./plan.mjs";
import { median, short } from "./stats.mjs";

/**
 * @typedef {{ text: string, measured: number | null, target: number, stretch?: number, most?: boolean, unit?: string }} Target
 * @typedef {import("./results.mjs").Results} Results
 */

const PORTABLE = contestantId("limpet portable", "chromium");
const IN_BYTES = contestantId("limpet portable, Q8_0 cache", "chromium");
const FAST = contestantId("limpet fast", "chromium");
const NODE_PORTABLE = contestantId("limpet portable", "node");
const NODE_FAST = contestantId("limpet fast", "node");
const WLLAMA = contestantId("wllama 2.3.1", "chromium");
const NATIVE = contestantId("llama.cpp native", "node");
const READ = "file into memory";
const MB = 1e6;

/**
 * @param {Results} results
 * @param {string} processor its class: one with an instruction for the dot product of bytes (quads) gives to native code, and
 *   to the fast build, what the others (pairs) do not
 * @returns {Target[]}
 */
export function targets(results, processor) {
  const quads = processor === "quads";
  return [
    ...decodeTargets(results, quads),
    ...prefillTargets(results, quads),
    ...contextTargets(results),
    ...matmulTargets(results),
    ...kernelTargets(results, quads),
    ...threadTargets(results),
    ...memoryTargets(results),
  ];
}

/** @param {Results} results @param {boolean} quads @returns {Target[]} */
function decodeTargets(results, quads) {
  /** @type {(model: string, first: string, second: string, target: number, stretch?: number) => Target} */
  const line = (model, first, second, target, stretch) => ({
    text: `${model}: decode, ${first} ÷ ${second}`,
    measured: results.ratio(model, first, second, "decode 128"),
    target,
    stretch,
    unit: "×",
  });
  return [
    line("smollm2-q4_0", PORTABLE, WLLAMA, 2.5),
    line("smollm2-q4_0", FAST, WLLAMA, 3.5),
    line("plm-1.8b-q4_0", PORTABLE, WLLAMA, 2.5),
    line("plm-1.8b-q4_0", FAST, WLLAMA, 3.3, 3.8),
    quads ? line("plm-1.8b-q4_0", NODE_FAST, NATIVE, 1.1) : line("plm-1.8b-q4_0", NODE_FAST, NATIVE, 0.9, 1),
    ...(quads ? [line("smollm2-q4_0", NODE_FAST, NATIVE, 1.35)] : []),
    line("plm-1.8b-q8_0", PORTABLE, WLLAMA, 1.7),
    line("plm-1.8b-q8_0", NODE_PORTABLE, NATIVE, 1),
  ];
}

/** @param {Results} results @param {boolean} quads @returns {Target[]} */
function prefillTargets(results, quads) {
  const list = /** @type {Target[]} */ ([]);
  const large = "plm-1.8b-q4_0";
  for (const model of ["smollm2-q4_0", "plm-100m-q4_0", large]) {
    for (const length of [128, 512]) {
      const promises = /** @type {[string, number, number?][]} */ ([
        [PORTABLE, 2.2, 2.5],
        quads && model === large && length === 128 ? [FAST, 7] : [FAST, 4, 6],
      ]);
      for (const [id, target, stretch] of promises) {
        const measured = results.ratio(model, id, WLLAMA, `prefill ${length}`);
        list.push({ text: `${model}: prefill of ${length}, ${id} ÷ ${WLLAMA}`, measured, target, stretch, unit: "×" });
      }
    }
    if (quads) {
      const measured = results.ratio(model, NODE_FAST, NATIVE, "prefill 128");
      const [target, stretch] = model === large ? [0.65, 0.75] : [0.72];
      list.push({ text: `${model}: prefill of 128, ${NODE_FAST} ÷ ${NATIVE}`, measured, target, stretch, unit: "×" });
    }
    const measured = results.ratio(model, PORTABLE, PORTABLE, "prefill 512", "prefill 128");
    list.push({ text: `${model}: prefill of 512 ÷ of 128, ${PORTABLE}`, measured, target: 2 / 3, unit: "×" });
  }
  return list;
}

/** @param {Results} results @returns {Target[]} */
function contextTargets(results) {
  const list = /** @type {Target[]} */ ([]);
  const large = "plm-1.8b-q4_0";
  const [full, own] = [
    results.figure(large, NODE_PORTABLE, "fullCacheBytesPerToken"),
    results.figure(large, NODE_PORTABLE, "cacheBytesPerToken"),
  ];
  const smaller = full && own ? full.median / own.median : null;
  list.push({ text: `${large}: full keys and values ÷ limpet's cache`, measured: smaller, target: 8.85, unit: "×" });
  for (const model of [large, "plm-100m-q4_0"]) {
    for (const [id, target] of /** @type {const} */ ([
      [PORTABLE, 0.4],
      [IN_BYTES, 0.55],
    ])) {
      const kept = results.figure(model, id, "decode 4096");
      const short = results.figure(model, id, "decode 128");
      const measured = kept && short ? kept.median / short.median : null;
      list.push({ text: `${model}: decode at 4,096 ÷ at 128, ${id}`, measured, target, unit: "×" });
    }
    const ahead = results.ratio(model, PORTABLE, WLLAMA, "decode 4096");
    list.push({ text: `${model}: decode at 4,096, ${PORTABLE} ÷ ${WLLAMA}`, measured: ahead, target: 2, unit: "×" });
  }
  return list;
}

/** @param {Results} results @returns {Target[]} */
function matmulTargets({ matmul }) {
  const list = /** @type {Target[]} */ ([]);
  for (const name of [...Object.keys(SHAPES), GEMV]) {
    const wide = name.includes("128 ×");
    const bounds = name === GEMV ? { portable: 50 } : { portable: wide ? 1.25 : 1.4, fast: wide ? 1.7 : 2 };
    for (const [build, target] of Object.entries(bounds)) {
      const [own, peer] = [matmul?.[name]?.[`limpet ${build}`], matmul?.[name]?.["onnxruntime-web"]];
      const measured = own && peer ? median(own.map((rate, i) => rate / peer[i])) : null;
      list.push({ text: `${name}: limpet ${build} ÷ onnxruntime-web, Node`, measured, target, unit: "×" });
    }
  }
  return list;
}

/** @param {Results} results @param {boolean} quads @returns {Target[]} */
function kernelTargets(results, quads) {
  const share = (/** @type {string} */ build, /** @type {string} */ type) =>
    results.kernels[build]?.[type]?.dram.share ?? null;
  const speed = (/** @type {string} */ model, /** @type {string} */ id) => {
    const decode = results.figure(model, id, "decode 128");
    const bytes = results.figure(model, id, "weightBytes");
    return decode && bytes ? decode.median * bytes.median : null;
  };
  const superBlocks = [NODE_PORTABLE, NODE_FAST].map((id) => {
    const [nibbles, super_] = [speed("plm-1.8b-q4_0", id), speed("plm-1.8b-q4_k", id)];
    const text = `plm-1.8b: decode a weight byte, Q4_K ÷ Q4_0, ${id}`;
    return { text, measured: nibbles && super_ ? super_ / nibbles : null, target: 0.85, unit: "×" };
  });
  return [
    {
      text: "Q8_0 from memory, portable ÷ sum loop, Node",
      measured: share("portable", "Q8_0"),
      target: 0.6,
      unit: "×",
    },
    { text: "Q4_0 from memory, fast ÷ sum loop, Node", measured: share("fast", "Q4_0"), target: 0.65, unit: "×" },
    {
      text: "Q8_0 from memory, fast ÷ sum loop, Node",
      measured: share("fast", "Q8_0"),
      target: quads ? 0.85 : 0.6,
      unit: "×",
    },
    ...superBlocks,
    ...sparseTargets(results),
  ];
}

/** Dense is by rows and without zeros; half of a random model's activations are zero. @param {Results} results */
function sparseTargets({ sparse }) {
  return Object.entries({ Q8_0: 3, Q4_0: 2 }).flatMap(([type, target]) => {
    const found = sparse?.[type];
    const times = (/** @type {number} */ dense, /** @type {number} */ zeros) =>
      found ? median(ratios(found, dense, zeros)) : null;
    const text = "sparse down projection at";
    return [
      { text: `${text} 90 % zeros ÷ dense, ${type}`, measured: times(0, 0.9), target, unit: "×" },
      { text: `${text} 50 % zeros ÷ by rows, ${type}`, measured: times(0.5, 0.5), target: 1, unit: "×" },
    ];
  });
}

/** @param {Results} results @returns {Target[]} */
function threadTargets(results) {
  const list = /** @type {Target[]} */ ([]);
  for (const host of ["node", "chromium"]) {
    for (const [metric, target] of /** @type {const} */ ([
      ["prefill 128", 1.7],
      ["decode 128", 1.3],
    ])) {
      const [two, one] = [2, 1].map((threads) => contestantId("limpet portable", host, threads));
      const measured = results.ratio("plm-1.8b-q4_0", two, one, metric);
      list.push({ text: `plm-1.8b-q4_0: ${metric}, ${two} ÷ ${one}`, measured, target, unit: "×" });
    }
  }
  return list;
}

/** @param {Results} results @returns {Target[]} */
function memoryTargets(results) {
  const model = "plm-1.8b-q4_0";
  const list = /** @type {Target[]} */ ([]);
  const load = results.ratio(model, NODE_PORTABLE, READ, "loadMs");
  list.push({
    text: `${model}: load ÷ file into memory, ${NODE_PORTABLE}`,
    measured: load,
    target: 2.5,
    most: true,
    unit: "×",
  });
  for (const name of [model, "smollm2-q4_0"]) {
    const file = results.fileBytes[name];
    const sample = results.samples(name, NODE_PORTABLE).find(({ memoryBytes }) => memoryBytes !== null);
    const cache = (sample?.cacheBytesPerToken ?? 0) * (sample?.context ?? 0);
    const linear = sample?.memoryBytes ?? null;
    const share = file && linear ? (linear - cache) / file : null;
    list.push({ text: `${name}: (linear memory − cache) ÷ file`, measured: share, target: 1.1, most: true, unit: "×" });
    const above = linear && sample?.rssPeakBytes ? (sample.rssPeakBytes - linear) / MB : null;
    list.push({
      text: `${name}: resident peak − linear memory, Node`,
      measured: above,
      target: 120,
      most: true,
      unit: " MB",
    });
  }
  return list;
}

/** "met", "NOT MET" or "not measured". @param {Target} target */
export function verdict({ measured, target, stretch, most }) {
  if (measured === null) return "not measured";
  if (most ? measured > target : measured < target) return "NOT MET";
  return stretch !== undefined && measured >= stretch ? "met, and the stretch" : "met";
}

/** The check list in Markdown. @param {Target[]} list */
export function targetTable(list) {
  const rows = list.map((line) => {
    const bound = `${line.most ? "≤" : "≥"} ${short(line.target)}${line.unit ?? ""}`;
    const measured = line.measured === null ? "–" : `${short(line.measured)}${line.unit ?? ""}`;
    return `| ${line.text} | ${bound}${line.stretch ? ` (${line.stretch})` : ""} | ${measured} | ${verdict(line)} |`;
  });
  return ["| promise | target (stretch) | measured | |", "|---|---|---|---|", ...rows].join("\n");
}
