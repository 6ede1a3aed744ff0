#!/usr/bin/env node
/**
 * Networks of .tflite files: limpet beside onnxruntime-web and LiteRT.js, one thread, a run in turns.
 *
 *   npm run bench:graphs -- [--rounds 9] [--loads 5] [--ms 150] [NETWORK.tflite …]
 *   npm run bench:graphs -- --papers            networks of papers beside each other (graph-papers.mjs)
 *
 * Networks of bytes with one input and one output; without any: MobileNetV2 and those of MLPerf Tiny in ../shared. A
 * network has a process of its own. A round runs each engine for `--ms` milliseconds; a figure is the median of the rounds,
 * a ratio the median of the rounds' own ratios. Loading, from nothing to a network that is ready, is measured in a fresh
 * process each time. How far the answers are from those of tflite-micro (PyPI) is said beside it.
 *
 * Python (PYTHON names it) with onnx, tflite and tflite-micro writes the network as ONNX, and those answers; without it
 * onnxruntime-web is left out.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { ENGINES } from "./engines/graphs.mjs";
import { describeMachine, loadAverage } from "./lib/machine.mjs";
import { median, short } from "./lib/stats.mjs";
import { NODE, ROOT, run, workFile } from "./limpet.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "9" },
    loads: { type: "string", default: "5" },
    ms: { type: "string", default: "150" },
    // What the processes of a network and of an engine that loads it are told.
    network: { type: "string" },
    load: { type: "string" },
    papers: { type: "boolean" },
  },
});
const [rounds, loads, slice] = [options.rounds, options.loads, options.ms].map(Number);
const SELF = `${ROOT}bench/graphs.mjs`;
const FOLDER = `${ROOT}../shared/data/graphs/models/`;
const NETWORKS = ["mobilenet_v2_int8", "ad01_int8", "ic_resnet8_int8", "kws_dscnn_int8", "vww_96_int8"];
/** LiteRT.js's relaxed products of bytes are one instruction where the processor has AVX-VNNI. */
const HAS_VNNI = existsSync("/proc/cpuinfo") && /avx_?vnni/.test(readFileSync("/proc/cpuinfo", "utf8"));
/** What limpet has promised: speed beside both, loading and size beside LiteRT.js. */
const ASKED = { "onnxruntime-web": 1, "LiteRT.js": HAS_VNNI ? 0.5 : 0.9, load: 5, wasm: 15 };

const { Graph } = /** @type {typeof import("../src/graph.ts")} */ (await import(`${ROOT}build/js/graph.js`));

/** Bytes for an input: the generator of data/graphs. @param {number} count */
function bytes(count) {
  let x = 1;
  return Int8Array.from({ length: count }, () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return x >>> 24;
  });
}

/** Channels before rows, where an image is of bytes in rows: what the network as ONNX takes. */
function inPlanes(/** @type {Int8Array} */ values, /** @type {readonly number[]} */ [, height, width, depth]) {
  return Int8Array.from(values, (_, i) => values[(i % (height * width)) * depth + Math.floor(i / (height * width))]);
}

/** A network, its input for each engine, and what tflite-micro answers. @param {string} path */
async function open(path) {
  const graph = await Graph.load(path);
  const { inputs, outputs, memory, macs } = graph;
  graph.dispose();
  if (inputs.length !== 1 || outputs.length !== 1 || inputs[0].type !== "int8" || outputs[0].type !== "int8") {
    throw new Error(`${path} has not one input and one output of bytes`);
  }
  const values = bytes(inputs[0].shape.reduce((product, size) => product * size, 1));
  const out = workFile(basename(path, ".tflite"));
  writeFileSync(`${out}.in`, values);
  const words = [`${ROOT}bench/lib/graphs_peers.py`, path, `${out}.in`, out];
  const made = spawnSync(process.env.PYTHON ?? "python3", words, { encoding: "utf8" });
  if (made.status !== 0) console.log(`no ONNX, no answers: ${String(made.stderr).trim().split("\n").at(-1)}\n`);
  const isMade = made.status === 0 && existsSync(`${out}.onnx`);
  // A network that turns its image itself takes it in planes already.
  const [, first, , last] = inputs[0].shape;
  const isImage = inputs[0].shape.length === 4 && !(first < 4 && last > 4);
  const planes = isImage ? inPlanes(values, inputs[0].shape) : values;
  const shape = isImage ? [1, last, ...inputs[0].shape.slice(1, 3)] : inputs[0].shape;
  const onnx = isMade ? new Uint8Array(readFileSync(`${out}.onnx`)) : null;
  return {
    name: basename(path, ".tflite"),
    network: { tflite: new Uint8Array(readFileSync(path)), onnx, shape },
    input: (/** @type {string} */ engine) => (engine === "onnxruntime-web" ? planes : values),
    answer: isMade ? new Int8Array(readFileSync(`${out}.bin`)) : null,
    memory,
    macs,
  };
}

/** Milliseconds until an engine has a network ready, printed. @param {string} engine @param {string} path */
async function loading(engine, path) {
  const onnx = workFile(`${basename(path, ".tflite")}.onnx`);
  const network = {
    tflite: new Uint8Array(readFileSync(path)),
    onnx: existsSync(onnx) ? new Uint8Array(readFileSync(onnx)) : null,
    shape: [],
  };
  const started = performance.now();
  await ENGINES[engine](network);
  console.log(`\nloaded ${performance.now() - started}`);
}

/** Milliseconds of a run, over a slice of time. @param {() => Promise<unknown>} work */
async function sample(work) {
  const started = performance.now();
  let runs = 0;
  do {
    await work();
    runs += 1;
  } while (performance.now() - started < slice);
  return (performance.now() - started) / runs;
}

/** The largest difference between two answers. @param {Int8Array} a @param {Int8Array | null} b */
function difference(a, b) {
  return b ? Math.max(...a.map((value, i) => Math.abs(value - b[i]))).toString() : "–";
}

/** @param {string} path */
async function measure(path) {
  const { name, network, input, answer, memory, macs } = await open(path);
  const rows = [];
  for (const engine of Object.keys(ENGINES)) {
    const loaded = [];
    try {
      for (let i = 0; i < loads; i++) {
        const text = run(NODE, [SELF, "--network", path, "--load", engine]);
        loaded.push(Number(text.match(/^loaded (\S+)$/m)?.[1]));
      }
      const running = await ENGINES[engine](network);
      const work = () => running.run(input(engine));
      rows.push({ engine, running, work, load: median(loaded), off: difference(await work(), answer), ms: [0] });
    } catch (error) {
      const words = /** @type {Error} */ (error).message.match(/^.*Error: .*$/m)?.[0] ?? String(error);
      console.log(`${name}: ${engine} does not run it: ${words}\n`);
    }
  }
  for (let round = -2; round < rounds; round++) {
    for (const row of rows) row.ms[Math.max(round, 0)] = await sample(row.work);
  }
  const [own] = rows;
  const ratio = (/** @type {number[]} */ ms) => median(ms.map((value, i) => value / own.ms[i]));
  console.log(`### ${name}: ${short(macs / 1e6)} million multiply-adds\n`);
  console.log("| engine | ms a run | limpet is × as fast | load ms | × as soon | wasm bytes | linear MB | bits off |");
  console.log("|---|---|---|---|---|---|---|---|");
  for (const { engine, running, load, off, ms } of rows) {
    const cells = [short(median(ms)), short(ratio(ms)), short(load), short(load / own.load), running.wasm];
    console.log(`| ${engine} | ${[...cells, (running.linear() / 1e6).toFixed(1), off].join(" | ")} |`);
  }
  console.log(`\nlimpet's values between operators: ${memory.values} bytes, scratch ${memory.scratch}\n`);
  for (const { engine, running, load, ms } of rows.slice(1)) {
    const asked = ASKED[/** @type {"LiteRT.js"} */ (engine)];
    const lines = [`speed ${short(ratio(ms))} (at least ${asked})`];
    if (engine === "LiteRT.js") {
      lines.push(`load ${short(load / own.load)} (at least ${ASKED.load})`);
      lines.push(`bytes ÷ ${short(running.wasm / own.running.wasm)} (at least ${ASKED.wasm})`);
    }
    console.log(`${name} ÷ ${engine}: ${lines.join(", ")}`);
  }
}

if (options.papers) {
  const words = ["--import", "tsx", `${ROOT}bench/graph-papers.mjs`, ...process.argv.slice(2)];
  process.exit(spawnSync(NODE, words, { stdio: "inherit" }).status ?? 1);
}
if (options.load && options.network) await loading(options.load, options.network);
else if (options.network) await measure(options.network);
else {
  const paths = positionals.length ? positionals : NETWORKS.map((name) => `${FOLDER}${name}.tflite`);
  const where = `${describeMachine().processor}, load ${loadAverage().toFixed(1)}, Node ${process.version}`;
  console.log(`${where}, ${HAS_VNNI ? "with" : "without"} AVX-VNNI; ${rounds} rounds of ${slice} ms, ${loads} loads\n`);
  for (const path of paths) {
    if (!existsSync(path)) console.log(`${path}: not there (it comes with ../shared)\n`);
    else console.log(run(NODE, [SELF, "--network", path, ...process.argv.slice(2).filter((word) => word !== path)]));
  }
}
// The peers keep the process alive.
process.exit();
