/** Graphs in a worker: the members, values, state and errors of `Graph`; what ends them, and that nothing stays behind. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Graph, type GraphArray, LimpetError } from "../src/graph.ts";
import { WorkerGraph } from "../src/worker.ts";
import { checksum, lcg } from "./support/graph.ts";
import { FOREVER, svdfGraph } from "./support/graph-controls.ts";
import { errorOf } from "./support/models.ts";
import { tfliteFile } from "./support/tflite-writer.ts";

const NETWORK = fileURLToPath(new URL("fixtures/sounds-tiny-transformer.tflite", import.meta.url));
const features = Float32Array.from({ length: 49 * 40 }, (_, i) => (i % 7) / 7);
const endless = await WorkerGraph.load(tfliteFile(FOREVER));
const here = await Graph.load(NETWORK);
const there = await WorkerGraph.load(NETWORK);
const input = there.inputs[0].name;

const first = (values: Record<string, GraphArray>): GraphArray => Object.values(values)[0];
const members = ({ prototype }: { prototype: object }): string[] => Reflect.ownKeys(prototype).map(String).sort();

/** The code and words of what a call is refused with. */
async function why(work: () => unknown): Promise<[string, string]> {
  const error = await errorOf(work);
  assert.instance(error, LimpetError, String(error));
  return [(error as LimpetError).code, error.message];
}

test("it has a graph's members, says the same of itself and gives the same bits", async () => {
  const own = ["inputs", "outputs", "memory", "plan"] as const;
  assert.equal([...members(WorkerGraph), ...own].sort(), members(Graph));
  for (const name of own) assert.equal(there[name], here[name], name);
  assert.is(there.macs, here.macs);
  assert.equal(await there.run({ [input]: features }), await here.run({ [input]: features }));
});

test("state goes on from run to run, patches keep to the budget, two graphs do not meet: tflite-micro's bytes", async () => {
  const file = tfliteFile(svdfGraph("i8", 1));
  const [one, other] = await Promise.all([WorkerGraph.load(file), WorkerGraph.load(new Blob([new Uint8Array(file)]))]);
  const [{ name, shape }] = one.inputs;
  const call = (graph: WorkerGraph, seed: number): Promise<Record<string, GraphArray>> =>
    graph.run({ [name]: new Int8Array(lcg(shape[0] * shape[1], seed).buffer) });
  for (let round = 0; round < 2; round++) {
    const six: Uint8Array[] = [];
    for (let seed = 1; seed <= 6; seed++) {
      const [output] = await Promise.all([call(one, seed), call(other, 7 - seed)]);
      six.push(new Uint8Array(first(output).buffer as ArrayBuffer));
    }
    assert.is(checksum(new Uint8Array(Buffer.concat(six))), "57bba9c2", `round ${round}`);
    await one.reset();
  }
  one.dispose();
  other.dispose();
});

test("inputs are copied, or move with transfer; outputs are the caller's", async () => {
  const wide = new Float32Array(features.length + 8);
  wide.set(features, 8);
  const wanted = first(await here.run({ [input]: features }));
  assert.equal(first(await there.run({ [input]: wide.subarray(8) })), wanted);
  assert.is(wide.length, features.length + 8, "a copy was sent");
  const moved = features.slice();
  const given = first(await there.run({ [input]: moved }, { transfer: true }));
  assert.equal(given, wanted);
  assert.is(moved.length, 0, "it is in the worker now");
  assert.is(given.buffer.byteLength, given.byteLength);
  const shared = new Float32Array(new SharedArrayBuffer(features.byteLength));
  shared.set(features);
  assert.equal(first(await there.run({ [input]: shared })), wanted);
  assert.equal(
    (await why(() => there.run({ [input]: shared }, { transfer: true })))[0],
    "BAD_ARGUMENT",
    "shared memory does not move",
  );
  assert.is((await why(() => there.run({ [input]: moved })))[1].split("not ")[1], "one of 0");
  // What was refused has not moved.
  const short = new Float32Array(5);
  await why(() => there.run({ [input]: short }, { transfer: true }));
  assert.is(short.length, 5);
});

test("pictures become inputs as they do here", async () => {
  const file = tfliteFile({
    tensors: [
      { name: "image", shape: [1, 4, 4, 3], type: 0 },
      { name: "out", shape: [1, 4, 4, 3], type: 0 },
    ],
    operators: [{ code: 19, inputs: [0], outputs: [1], options: [] }],
    inputs: [0],
    outputs: [1],
  });
  const [one, other] = [await Graph.load(file), await WorkerGraph.load(file)];
  const data = new Uint8ClampedArray(lcg(6 * 5 * 4, 1));
  // As an ImageData has them: in its class.
  const picture = Object.create({ data, width: 6, height: 5 });
  const options = { crop: [1, 1, 4, 3], mean: [1, 2, 3] };
  const image = await other.picture(picture, options);
  assert.equal(image, one.picture(picture, options));
  assert.equal(await other.run({ image }), await one.run({ image }));
  for (const wrong of [
    [null, {}],
    [picture, { crop: [9, 9, 9, 9] }],
    [picture, { size: 3 }],
  ] as [never, never][]) {
    assert.equal((await why(() => other.picture(...wrong)))[0], (await why(() => one.picture(...wrong)))[0]);
  }
  one.dispose();
  other.dispose();
});

test("what is refused is refused in the same words", async () => {
  const file = tfliteFile(svdfGraph("i8", 1));
  const loads: [never, never?][] = [
    [file.slice(0, 300) as never],
    [new Uint8Array(0) as never],
    ["no-such.tflite" as never],
    [file as never, { memory: 1 } as never],
    [file as never, { memoryLimit: 1000 } as never],
    [file as never, { build: "fast" } as never],
    [[new Blob([new Uint8Array(file)]), new Blob([new Uint8Array(file)])] as never],
    [5 as never],
  ];
  for (const load of loads) {
    const words = await why(() => Graph.load(...load));
    assert.equal(await why(() => WorkerGraph.load(...load)), words);
  }
  const inputs = [
    {},
    null,
    { [input]: new Int8Array(1960) },
    { [input]: features.subarray(1) },
    { [input]: [...features] },
    { [input]: features, other: features },
  ] as Record<string, GraphArray>[];
  for (const one of inputs) assert.equal(await why(() => there.run(one)), await why(() => here.run(one)));
  const wrong = [{ input: features }, { signal: {} }] as never[];
  assert.equal(await why(() => there.run({}, wrong[1])), await why(() => here.run({}, wrong[1])));
  assert.equal(
    await there.run({ [input]: features }),
    await here.run({ [input]: features }),
    "nothing is the worse for it",
  );
});

test("the page goes on while it runs; a second run waits its turn; a signal ends it there too", async () => {
  const x = Float32Array.of(1);
  const enough = new Error("enough");
  for (let round = 0; round < 2; round++) {
    const end = new AbortController();
    const run = errorOf(() => endless.run({ x }, { signal: end.signal }));
    assert.equal(await why(() => endless.run({ x })), [
      "WRONG_STATE",
      "the graph is running: wait for that run before the next",
    ]);
    assert.is((await why(() => endless.reset()))[0], "WRONG_STATE");
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await new Promise((resolve) => setTimeout(resolve, 60));
    clearInterval(timer);
    assert.ok(turns > 3, `${turns} turns`);
    end.abort(enough);
    // The next round's run begins where this one has ended.
    assert.is(await run, enough);
  }
  assert.is(await errorOf(() => endless.run({ x }, { signal: AbortSignal.abort(enough) })), enough);
  await endless.reset();
});

test("disposed of while it runs, it ends at once; a worker that dies says so; the next one loads", async () => {
  const x = Float32Array.of(1);
  const gone = await WorkerGraph.load(tfliteFile(FOREVER));
  const run = why(() => gone.run({ x }));
  gone.dispose();
  gone.dispose();
  const words = ["WRONG_STATE", "the graph was disposed of: load it anew"];
  for (const said of [await run, await why(() => gone.run({ x })), await why(() => gone.reset())]) {
    assert.equal(said, words);
  }
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const threads = process.getBuiltinModule("node:worker_threads");
  let last: InstanceType<typeof Worker> | null = null;
  threads.Worker = class extends Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      last = this;
    }
  };
  try {
    const doomed = await WorkerGraph.load(tfliteFile(FOREVER));
    const dies = why(() => doomed.run({ x }));
    setTimeout(() => last!.terminate(), 30);
    for (const [code, message] of [await dies, await why(() => doomed.reset())]) {
      assert.is(code, "HOST");
      assert.match(message, /^the graph's worker has ended/);
    }
  } finally {
    threads.Worker = Worker;
  }
  const enough = new Error("enough");
  const loading = WorkerGraph.load(new ReadableStream({}), { signal: AbortSignal.timeout(30) });
  assert.is((await errorOf(() => loading)).name, "TimeoutError");
  assert.is(await errorOf(() => WorkerGraph.load(NETWORK, { signal: AbortSignal.abort(enough) })), enough);
  const next = await WorkerGraph.load(NETWORK, { build: "scalar" });
  assert.equal(await next.run({ [input]: features }), await here.run({ [input]: features }));
  next.dispose();
});

test("a process ends that has a graph in a worker and waits for nothing", () => {
  const at = (file: string): string => JSON.stringify(new URL(`../build/js/${file}`, import.meta.url).href);
  const script = `import { WorkerGraph } from ${at("worker.js")};
    const graph = await WorkerGraph.load(${JSON.stringify(NETWORK)});
    const [name] = Object.keys(await graph.run({ [graph.inputs[0].name]: new Float32Array(1960) }));
    console.log(name === graph.outputs[0].name);`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    encoding: "utf8",
    timeout: 30_000,
  });
  assert.is(stdout, "true\n", stderr);
  assert.is(status, 0);
});

test.after(() => {
  for (const graph of [endless, here, there]) graph.dispose();
});

test.run();
