/**
 * Graphs within a budget of memory: patch by patch, with the bits of the whole run. Trained networks of ../shared against
 * tflite-micro, networks of the test's own against f64 and against the whole run, which other tests hold to oracles.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TensorType } from "../bindings/numbers.ts";
import { Graph, LimpetError } from "../src/graph.ts";
import { Random } from "./fuzz/random.ts";
import { limpet } from "./support/cli.ts";
import { checksum, Goldens, graphCore, lcg, lcgInput, TestGraph } from "./support/graph.ts";
import { ADD, Chain, MAX_POOL, QUANTIZE, randomChain } from "./support/graph-chains.ts";
import { CONVS, convGraph, kept, meant, realOf } from "./support/graph-specs.ts";
import { temporaryFile } from "./support/models.ts";
import { shared } from "./support/shared.ts";
import { type GraphSpec, tfliteFile } from "./support/tflite-writer.ts";

const PORTABLE = "limpet.graph.wasm";
const SCALAR = "limpet.graph.scalar.wasm";

/**
 * Budgets, their figures of specs/graph-runner.md §8 and what of the image is in memory besides: bytes of values and of
 * inputs beside them, patches a side, factor of work at most, bytes of the whole.
 */
const TRAINED = [
  {
    model: "te_vww",
    budget: 31_200,
    whole: 96_000,
    values: 31_200,
    apart: 0,
    side: 4,
    factor: 1.5,
    builds: [PORTABLE, SCALAR],
  },
  {
    model: "te_person_boxes",
    budget: 49_600,
    whole: 307_200,
    values: 47_040,
    apart: 0,
    side: 4,
    factor: 1.2,
    builds: [PORTABLE],
  },
  {
    model: "mobilenet_v2_int8",
    budget: 480_000,
    whole: 1_505_280,
    values: 326_144,
    apart: 150_528,
    side: 3,
    factor: 1.1,
    builds: [PORTABLE],
  },
];

const folder = shared("data/graphs");
if (folder) {
  const goldens = new Goldens(folder);
  for (const { model, budget, whole, values, apart, side, factor, builds } of TRAINED) {
    for (const build of builds) {
      test(`${build}: ${model} in ${budget} bytes: every output of tflite-micro, every tensor behind the stage`, () => {
        const core = graphCore(build);
        const all = new TestGraph(core, goldens.model(model));
        assert.is(all.bytes(2), whole);
        all.release();
        const graph = new TestGraph(core, goldens.model(model), false, budget);
        assert.is(graph.plan.values, values);
        assert.is(graph.bytes(6), apart);
        assert.is(graph.plan.side, side);
        assert.ok(graph.plan.factor <= factor, `${graph.plan.factor}`);
        const cases = goldens.cases().filter((golden) => golden.model === model && golden.outputs[0].crc32);
        assert.ok(cases.length > 0);
        for (const golden of cases) {
          const input = goldens.input(golden, graph.tensor(0, 0));
          graph.write(0, input);
          graph.run();
          golden.outputs.forEach(({ crc32, values, dtype }, i) => {
            if (crc32) assert.is(checksum(graph.output(i)), crc32, `${golden.case}: output ${i}`);
            else if (dtype === "int8") assert.equal([...new Int8Array(graph.output(i).buffer)], values);
          });
          const name = `traces/${model}.${golden.case}.json`;
          if (!goldens.has(name)) continue;
          graph.write(0, input);
          const sums = graph.trace();
          const behind = goldens
            .json<{ rows: readonly (readonly [number, string, number, number[], string])[] }>(name)
            .rows.filter(([operator]) => operator >= graph.plan.stage - 1);
          const compared = behind.filter(([operator]) => runs(graph, operator));
          assert.ok(compared.length > 30);
          for (const [operator, word, , , sum] of compared) assert.is(sums.get(operator), sum, `${word} ${operator}`);
        }
        graph.release();
        assert.throws(
          () => new TestGraph(core, goldens.model(model), false, values + apart - 1),
          new RegExp(`least ${values + apart} `),
        );
        assert.is(core.call("core_used", core.core), 0);
      });
    }
  }
}

const runs = (graph: TestGraph, operator: number): boolean =>
  graph.core.call("graph_operator_runs", graph.pointer, operator) === 1;

const BUILDS = [PORTABLE, SCALAR].map(graphCore);

/** What a graph answers to noise: its outputs, of as many values at −128 as not. */
function answer(graph: TestGraph): Uint8Array[] {
  for (let i = 0; i < graph.count(0); i++) {
    const input = lcgInput(graph.tensor(0, i), i + 1, 32);
    if (graph.tensor(0, i).scale > 0) for (let k = 0; k < input.length; k++) if (input[k] & 4) input[k] = 0x80;
    graph.write(i, input);
  }
  graph.run();
  return Array.from({ length: graph.count(1) }, (_, i) => graph.output(i));
}

/** Loads a network with a budget that is one byte too small, again and again, until nothing fits: how many plans there were. */
function shrink(core: (typeof BUILDS)[number], spec: GraphSpec, place: string): number {
  const file = tfliteFile(spec);
  const whole = new TestGraph(core, file);
  const wanted = answer(whole);
  let { values } = whole.plan;
  whole.release();
  for (let plans = 0; ; plans++) {
    let graph: TestGraph;
    try {
      graph = new TestGraph(core, file, false, values - 1);
    } catch (error) {
      assert.match(String(error), new RegExp(`at least ${values} bytes`), place);
      return plans;
    }
    const { plan } = graph;
    assert.ok(plan.values < values && plan.side >= 2 && plan.side <= 4, place);
    const words = `${place}, ${JSON.stringify(plan)}`;
    assert.equal(answer(graph), wanted, words);
    assert.equal(answer(graph), wanted, `${words}, again`);
    graph.release();
    values = plan.values + graph.bytes(6);
  }
}

/** A network in a byte less than the whole of it takes, or whole where nothing less would do. */
function inLess(core: (typeof BUILDS)[number], file: Uint8Array): TestGraph {
  const whole = new TestGraph(core, file);
  try {
    const patched = new TestGraph(core, file, false, whole.plan.values - 1);
    whole.release();
    return patched;
  } catch {
    return whole;
  }
}

test("a convolution alone, patch by patch: f64, and the same bytes from both builds", () => {
  let patched = 0;
  for (const given of CONVS) {
    // Two rows and columns at least make patches; strides may be longer than filters.
    const spec = { ...given, height: given.height + 5, width: given.width + 2 };
    const input = new Int8Array(lcg(spec.height * spec.width * spec.depth, 4).buffer);
    const file = tfliteFile(convGraph(spec));
    const wanted = realOf(spec, input);
    const [first, second] = BUILDS.map((core) => {
      const graph = inLess(core, file);
      if (graph.plan.side > 1) patched++;
      graph.write(0, new Uint8Array((spec.real ? meant(input) : input).buffer));
      graph.run();
      const output = graph.output(0);
      graph.release();
      return output;
    });
    assert.equal(first, second, JSON.stringify(spec));
    const found = spec.real ? new Float32Array(first.buffer) : new Int8Array(first.buffer);
    wanted.forEach((value, i) => {
      const error = spec.real ? Math.abs(found[i] - value) / 1e-4 : Math.abs(found[i] - kept(value));
      assert.ok(error <= 1, `[${i}]: ${found[i]}, not ${value} of ${JSON.stringify(spec)}`);
    });
  }
  assert.ok(patched >= 2 * 50, `${patched} were patched`);
});

test("chains of operators at odd shapes: each plan gives the bytes of the whole run", () => {
  let plans = 0;
  for (let seed = 0; seed < 150; seed++) {
    const random = new Random(seed);
    const spec = randomChain(random, 1 + random.below(8));
    for (const core of BUILDS) plans += shrink(core, spec, `seed ${seed}`);
  }
  assert.ok(plans > 300, `${plans} plans`);
});

/** A network whose image comes as f32 and is quantised first; null: it is none of i8. */
function ofReals({ tensors, operators, outputs }: GraphSpec): GraphSpec | null {
  if (tensors[0].type !== TensorType.I8) return null;
  const real = { name: "photo", shape: tensors[0].shape, type: TensorType.F32 };
  const quantise = { code: QUANTIZE, inputs: [tensors.length], outputs: [0] };
  return { tensors: [...tensors, real], operators: [quantise, ...operators], inputs: [tensors.length], outputs };
}

test("what QUANTIZE makes of a part of the image lies on that part: the bytes of the whole run", () => {
  let plans = 0;
  for (let seed = 300; seed < 380; seed++) {
    const spec = ofReals(randomChain(new Random(seed), 1 + (seed % 8)));
    for (const core of spec ? BUILDS : []) plans += shrink(core, spec!, `seed ${seed}`);
  }
  assert.ok(plans > 150, `${plans} plans`);
});

test("strides longer than filters, dilation, maxima at borders, PAD with several readers", () => {
  const chain = new Chain(25, 21, 1);
  const long = chain.convolve(0, 40, { filter: [1, 2], stride: [3, 3] });
  const wide = chain.convolve(0, 40, { filter: [3, 3], stride: [3, 3], dilation: [3, 2] });
  const most = chain.pool(chain.meet(ADD, long, wide), MAX_POOL, { filter: [3, 2] });
  const padded = chain.pad(most, [
    [2, 1],
    [0, 3],
    [1, 2],
  ]);
  // Two read what PAD writes: it stays a step of its own.
  const one = chain.pool(padded, MAX_POOL, { filter: [3, 3], stride: [2, 2] });
  const two = chain.depthwise(padded, 1, { filter: [2, 3], stride: [2, 2] });
  const spec = chain.graph(chain.convolve(chain.meet(ADD, one, two), 5, { filter: [1, 1] }));
  for (const core of BUILDS) assert.ok(shrink(core, spec, "by hand") > 2);
});

const chain = new Chain(33, 29, 2);
const wide = chain.convolve(0, 24, { filter: [3, 3] });
const half = chain.pool(wide, MAX_POOL, { filter: [3, 3], stride: [2, 2] });
const last = chain.convolve(half, 3, { filter: [5, 5], stride: [2, 2] });
const file = tfliteFile(chain.graph(last));
const image = new Int8Array(lcg(33 * 29 * 2, 3).buffer);
const WHOLE = 16 * Math.ceil((33 * 29 * 24) / 16) + 16 * Math.ceil((17 * 15 * 24) / 16);

test("Graph.load with memory: the plan says what it takes, and outputs are the same", async () => {
  const whole = await Graph.load(file);
  assert.is(whole.plan.values, WHOLE);
  assert.equal(whole.plan, { values: WHOLE, patches: 1, stageEnd: null, macs: whole.macs, factor: 1 });
  assert.is(whole.memory.inputs, 0);
  const outputs = await whole.run({ image });
  for (const build of ["portable", "scalar"] as const) {
    for (const memory of [16_000, 12_000, 9_000, WHOLE, 1e300]) {
      const graph = await Graph.load(file, { memory, build });
      const { values, patches, stageEnd, macs, factor } = graph.plan;
      assert.ok(values <= memory);
      assert.is(graph.memory.values, values);
      assert.is(graph.macs, macs);
      assert.is(factor, macs / whole.macs);
      if (memory < WHOLE) assert.ok([4, 9, 16].includes(patches) && stageEnd !== null && stageEnd < 3 && factor > 1);
      else assert.is(stageEnd, null);
      assert.is(graph.memory.inputs, 0);
      assert.equal(await graph.run({ image }), outputs);
      assert.equal(await graph.run({ image }), outputs, "a second run");
      // The event loop has its turn behind the first patch, and what has been given is changed then.
      await new Promise((resolve) => setTimeout(resolve, 30));
      const given = image.slice();
      const running = graph.run({ image: given });
      given.fill(0);
      assert.equal(await running, outputs, "an input that is changed meanwhile");
      graph.dispose();
    }
  }
  whole.dispose();
});

test("a budget that nothing meets is refused with the least that would do; one that is none is a BAD_ARGUMENT", async () => {
  const error = await Graph.load(file, { memory: 100 }).catch((error: unknown) => error);
  assert.instance(error, LimpetError);
  assert.is((error as LimpetError).code, "OUT_OF_MEMORY");
  const least = Number(/at least (\d+) bytes/.exec((error as LimpetError).message)?.[1]);
  const graph = await Graph.load(file, { memory: least });
  assert.is(graph.plan.values, least);
  graph.dispose();
  await refused({ memory: least - 1 }, "OUT_OF_MEMORY");
  for (const memory of [0, -1, Number.NaN, 0.5, Number.POSITIVE_INFINITY, "64000", null, 10n, {}]) {
    await refused({ memory: memory as number }, "BAD_ARGUMENT");
  }
});

test("a run that is ended between patches leaves the next one whole", async () => {
  const core = BUILDS[0];
  const graph = new TestGraph(core, file, false, 10_000);
  const input = new Uint8Array(image);
  graph.write(0, input);
  graph.run();
  const wanted = graph.output(0);
  for (let steps = 1; steps < 40; steps += 3) {
    graph.write(0, input);
    for (let i = 0; i < steps; i++) core.call("graph_run_operator", core.core, graph.pointer);
    core.call(steps % 2 ? "graph_stop" : "graph_reset", graph.pointer);
    graph.write(0, input);
    graph.run();
    assert.equal(graph.output(0), wanted, `${steps} steps`);
  }
  graph.release();
  const loaded = await Graph.load(file, { memory: 10_000 });
  const enough = new Error("enough");
  const ended = await loaded.run({ image }, { signal: AbortSignal.abort(enough) }).catch((error: unknown) => error);
  assert.is(ended, enough);
  const [output] = Object.values(await loaded.run({ image }));
  assert.equal(new Uint8Array(output.buffer), wanted);
  loaded.dispose();
});

test("limpet graph --memory: what the plan is, and the same answer", async () => {
  const [path, raw] = [temporaryFile("chain.tflite", file), temporaryFile("chain.raw", new Uint8Array(image))];
  const [tables, json, answered, whole, least] = await Promise.all([
    limpet(["graph", path, "--memory", "10000"]),
    limpet(["graph", path, "--memory", "10000", "--json"]),
    limpet(["graph", path, "--memory", "10000", "--input", raw]),
    limpet(["graph", path, "--input", raw]),
    limpet(["graph", path, "--memory", "10"]),
  ]);
  assert.match(tables.out, /^\d+ multiply-adds a run, x 1\.\d+: operators 0 to \d in \d+ patches$/m);
  const { plan, memory } = JSON.parse(json.out);
  assert.ok(memory.values <= 10_000 && plan.patches > 1 && plan.factor > 1 && plan.stage_end >= 0);
  assert.is(answered.out, whole.out);
  assert.is(least.status, 1);
  assert.match(least.err, /at least \d+ bytes/);
});

async function refused(options: { memory: number }, code: string): Promise<void> {
  const error = await Graph.load(file, options).catch((error: unknown) => error);
  assert.instance(error, LimpetError);
  assert.is((error as LimpetError).code, code, String(error));
}

test.run();
