/**
 * Graphs against data/graphs of ../shared: 21 trained networks and 92 of one operator, whose answers are those of
 * tflite-micro (integers, to the byte) and LiteRT (floats). Every tensor between is compared too. Both builds run.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  away,
  checksum,
  type GoldenCase,
  type GoldenOutput,
  Goldens,
  graphCore,
  kept,
  lcgInput,
  TestGraph,
} from "./support/graph.ts";
import { shared } from "./support/shared.ts";

const BUILDS = ["limpet.graph.wasm", "limpet.graph.scalar.wasm"];
/** Without SIMD a run of the large ones takes seconds: its operators are all in the small ones. */
const LARGE = /^(mobilenet|basic_pitch|selfie|te_person)/;
const STREAMS = /^(mww|audio_preprocessor)/;
const FLOATS = /^(basic_pitch|blazeface|selfie)/;

const folder = shared("data/graphs");
if (folder) {
  const goldens = new Goldens(folder);
  for (const build of BUILDS) suite(goldens, build);
} else test("the trained networks wait for ../shared", () => {});

function suite(goldens: Goldens, build: string): void {
  const core = graphCore(build);
  const isScalar = build.includes("scalar");
  const load = (model: string, traced = false): TestGraph => new TestGraph(core, goldens.model(model), traced);
  const cases = goldens.cases().filter(({ model }) => !(isScalar && LARGE.test(model)));

  test(`${build}: 92 networks of one operator`, () => {
    const { cases } = goldens.json<{ cases: readonly GoldenCase[] }>("ops/ops.json");
    assert.is(cases.length, 92);
    for (const { model, outputs, skip } of cases) {
      const graph = new TestGraph(core, goldens.read(`ops/${model}.tflite`));
      for (let i = 0; i < graph.count(0); i++) {
        const tensor = graph.tensor(0, i);
        const input = lcgInput(tensor, i + 1, 32);
        // A divisor is never zero.
        if (model.startsWith("div") && i === 1) {
          input.forEach((byte, k) => {
            if ((byte << 24) >> 24 === tensor.zero) input[k] = tensor.zero + 1;
          });
        }
        graph.write(i, input);
      }
      graph.run();
      compare(model, graph.output(0), outputs[0], skip);
      graph.release();
    }
  });

  test(`${build}: integers of trained networks, and every tensor between`, () => {
    for (const golden of cases) {
      const { model } = golden;
      if (STREAMS.test(model) || FLOATS.test(model) || !golden.outputs[0].crc32) continue;
      if (golden.crc32) continue;
      const name = `${model}.${golden.case}`;
      const graph = load(model);
      graph.write(0, goldens.input(golden, graph.tensor(0, 0)));
      graph.run();
      golden.outputs.forEach((output, i) => {
        compare(name, graph.output(i), output);
      });
      graph.release();
      if (!goldens.has(`traces/${name}.json`)) continue;
      const traced = load(model, true);
      traced.write(0, goldens.input(golden, traced.tensor(0, 0)));
      const sums = traced.trace();
      for (const [operator, word, , , sum] of goldens.json<Trace>(`traces/${name}.json`).rows) {
        assert.is(sums.get(operator), sum, `${name}: operator ${operator}, ${word}`);
      }
      traced.release();
    }
  });

  test(`${build}: all windows of a machine's noise, all inputs of a sine`, () => {
    const [noise] = cases.filter((golden) => golden.case === "196 windows");
    const frames = new Float32Array(goldens.read(`inputs/${noise.input}`).buffer);
    const graph = load(noise.model);
    const { scale, zero } = graph.tensor(0, 0);
    const all = new Uint8Array(196 * 640);
    for (let window = 0; window < 196; window++) {
      const values = frames.subarray(window * 128, window * 128 + 640);
      graph.write(
        0,
        Uint8Array.from(values, (value) => kept(away(Math.fround(value / scale)) + zero)),
      );
      graph.run();
      all.set(graph.output(0), window * 640);
    }
    assert.is(checksum(all), noise.crc32);
    const [sine] = cases.filter((golden) => golden.case === "all 256");
    const hello = load(sine.model);
    const found = Array.from({ length: 256 }, (_, i) => {
      hello.write(0, Uint8Array.of(i - 128));
      hello.run();
      return (hello.output(0)[0] << 24) >> 24;
    });
    assert.equal(found, sine.outputs[0].values);
    graph.release();
    hello.release();
  });

  test(`${build}: wake words, call after call, and again after a reset`, () => {
    for (const golden of cases.filter(({ model }) => model.startsWith("mww"))) {
      const graph = load(golden.model);
      const features = new Uint16Array(goldens.read(`inputs/${golden.features}`).buffer);
      const { scale, zero } = graph.tensor(0, 0);
      const scalings = [
        (u: number) => kept(away((u * 0.0390625) / scale) + zero),
        (u: number) => kept(Math.floor((u * 256 + 333) / 666) - 128),
      ];
      scalings.forEach((scaled, which) => {
        core.call("graph_reset", graph.pointer);
        const found = Array.from({ length: Math.floor(features.length / 120) }, (_, call) => {
          graph.write(0, Uint8Array.from(features.subarray(call * 120, call * 120 + 120), scaled));
          graph.run();
          return graph.output(0)[0];
        });
        assert.equal(found, golden.outputs[which].values, `${golden.model}, ${golden.case}`);
      });
      graph.release();
    }
  });

  test(`${build}: floats within 1e-5 of the largest`, () => {
    for (const golden of cases.filter(({ model }) => FLOATS.test(model))) {
      const graph = load(golden.model);
      graph.write(0, goldens.input(golden, graph.tensor(0, 0)));
      graph.run();
      for (const output of golden.outputs) {
        const wanted = new Float32Array(goldens.read(`inputs/${output.file}`).buffer);
        const most = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
        // Names of outputs are not in the file: it is the one that is nearest.
        const errors = Array.from({ length: graph.count(1) }, (_, i) => {
          const found = new Float32Array(graph.output(i).buffer);
          if (found.length < wanted.length) return Number.POSITIVE_INFINITY;
          return wanted.reduce((error, value, k) => Math.max(error, Math.abs(value - found[k])), 0) / most;
        });
        assert.ok(Math.min(...errors) <= 1e-5, `${golden.model}, ${golden.case}: ${errors}`);
      }
      graph.release();
    }
  });

  test(`${build}: a front end as a graph, frame after frame, and again after a reset`, () => {
    const graph = load("audio_preprocessor_int8");
    for (const golden of cases.filter(({ model }) => model === "audio_preprocessor_int8")) {
      const samples = goldens.read(`inputs/${golden.input}`);
      const features = new Uint8Array(49 * 40);
      for (let frame = 0; frame < 49; frame++) {
        graph.write(0, samples.slice(frame * 640, frame * 640 + 960));
        graph.run();
        features.set(graph.output(0), frame * 40);
      }
      assert.is(checksum(features), golden.outputs[0].crc32, golden.case);
      core.call("graph_reset", graph.pointer);
    }
    graph.release();
  });

  test(`${build}: memory is what the plan says, and smaller than tflite-micro's`, () => {
    // specs/graph-runner.md §8, "our plan".
    const planned = { person_detect: 55296, vww_96_int8: 64512, te_vww: 96000, kws_dscnn_int8: 16000 };
    for (const [model, bytes] of Object.entries(planned)) {
      const graph = load(model);
      assert.is(graph.bytes(2), bytes, model);
      graph.release();
    }
    assert.is(core.call("core_used", core.core), 0);
  });
}

interface Trace {
  readonly rows: readonly (readonly [operator: number, name: string, tensor: number, shape: number[], sum: string])[];
}

function compare(
  name: string,
  found: Uint8Array,
  { dtype, values, crc32 }: GoldenOutput,
  skip?: readonly number[],
): void {
  if (!values || dtype === "float32") {
    assert.is(checksum(found), crc32, name);
    return;
  }
  const read = dtype === "int8" ? new Int8Array(found.buffer) : found;
  const wrong = values.findIndex((value, i) => value !== read[i] && !skip?.includes(i));
  assert.is(wrong, -1, `${name}: output [${wrong}] is ${read[wrong]}, not ${values[wrong]}`);
}

test.run();
