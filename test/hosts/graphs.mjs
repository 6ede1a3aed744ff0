/**
 * Networks in any JavaScript host: through the package, and operator by operator through the exports. Imports nothing of the
 * host, unless it is given a job as a file, `node graphs.mjs JOB`: then it prints one line of JSON.
 *
 *     { wasm, graph, worker, endless, more, traced, cases: [{ name, model, input, isTraced, isInWorker }] }
 *
 * (URLs, file: or http:; numbers of the ABI) gives for each case the CRC-32 of its outputs, run after run, and those of what
 * each operator wrote; of some the same in a worker; and as `ended` how runs of a network that does not end were ended there.
 */

const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int16: Int16Array };
/** What graph_tensor is asked for. */
const [INPUT, ANY] = [0, 3];

export async function runGraphs({ wasm, graph, worker, endless, cases, ...numbers }) {
  const { Graph } = await import(graph);
  const { WorkerGraph } = await import(worker);
  const module = await WebAssembly.compile(await read(wasm));
  const given = {};
  for (const { name, model, input, isTraced, isInWorker } of cases) {
    const [file, raw] = await Promise.all([read(model), read(input)]);
    given[name] = { sum: await outputs(Graph, file, raw), sums: isTraced ? trace(module, file, raw, numbers) : [] };
    // The host finds the file itself.
    if (isInWorker) given[name].inWorker = await outputs(WorkerGraph, new URL(model), raw);
  }
  return { given, ended: await ended(WorkerGraph, await read(endless)) };
}

/** What a run in a worker ends with that is aborted, and two that are when their workers are disposed of. */
async function ended(WorkerGraph, file) {
  const input = () => ({ x: Float32Array.of(1) });
  const reason = (promise) => promise.then(String, (error) => error.code ?? error.message);
  const [one, other] = await Promise.all([WorkerGraph.load(file), WorkerGraph.load(new Blob([file]))]);
  const end = new AbortController();
  const aborted = reason(one.run(input(), { signal: end.signal }));
  const disposed = reason(other.run(input()));
  await new Promise((resolve) => setTimeout(resolve, 50));
  end.abort(new Error("enough"));
  other.dispose();
  const first = [await aborted, await disposed];
  const again = reason(one.run(input()));
  one.dispose();
  return [...first, await again];
}

async function read(url) {
  if (!url.startsWith("file:")) return new Uint8Array(await (await fetch(url)).arrayBuffer());
  const { readFileSync } = await import("node:fs");
  return new Uint8Array(readFileSync(new URL(url)));
}

/** The checksum of all outputs, of as many runs as there are inputs for. */
async function outputs(Graph, file, raw) {
  const graph = await Graph.load(file);
  const [{ name, type, shape }] = graph.inputs;
  const { BYTES_PER_ELEMENT } = ARRAYS[type];
  const bytes = shape.reduce((product, n) => product * n, BYTES_PER_ELEMENT);
  let sum = 0;
  for (let at = 0; at < raw.length; at += bytes) {
    const values = await graph.run({ [name]: new ARRAYS[type](raw.slice(at, at + bytes).buffer) });
    for (const { name } of graph.outputs) sum = crc32(new Uint8Array(values[name].buffer), sum);
  }
  graph.dispose();
  return hex(sum);
}

/** The checksum of each operator's first output, in the first run. */
function trace(module, file, raw, { more, traced }) {
  const { exports } = new WebAssembly.Instance(module);
  const core = exports.core_create();
  const graph = exports.graph_create(core, BigInt(file.length), traced);
  const bytes = (at, length) => new Uint8Array(exports.memory.buffer, at >>> 0, length);
  const of = (tensor) => bytes(exports.graph_tensor_data(tensor), exports.graph_tensor_number(tensor, 2));
  bytes(exports.graph_file(graph), file.length).set(file);
  let status = more;
  while (status === more) status = exports.graph_step(core, graph);
  const input = of(exports.graph_tensor(graph, INPUT, 0));
  input.set(raw.subarray(0, input.length));
  const sums = [];
  for (status = status < 0 ? status : more; status === more; ) {
    const operator = exports.graph_next(graph);
    status = exports.graph_run_operator(core, graph);
    const id = exports.graph_operator_output(graph, operator, 0);
    if (id >= 0) sums.push([operator, hex(crc32(of(exports.graph_tensor(graph, ANY, id)), 0))]);
  }
  if (status < 0) throw new Error(`the core's error ${status}`);
  return sums;
}

function crc32(bytes, before) {
  let sum = ~before;
  for (const byte of bytes) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
  return ~sum >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? (i >>> 1) ^ 0xedb88320 : i >>> 1;
  return i;
});

function hex(sum) {
  return sum.toString(16).padStart(8, "0");
}

const job = globalThis.process?.argv?.[2];
if (job) {
  const { readFileSync } = await import("node:fs");
  console.log(JSON.stringify(await runGraphs(JSON.parse(readFileSync(job, "utf8")))));
}
