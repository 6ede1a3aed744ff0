/**
 * Operators that keep something or run subgraphs, on networks that the test writes. SVDF, the LSTM and the signal
 * operators: six calls one behind the other against tflite-micro (PyPI, 0.dev20261023182759), to the byte; what loops and
 * branches against plain arithmetic. Both builds run.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Status, TensorType } from "../bindings/numbers.ts";
import { Graph } from "../src/graph.ts";
import { checksum, graphCore, lcgInput, TestGraph } from "./support/graph.ts";
import {
  FOREVER,
  IF,
  lstmGraph,
  NESTED,
  SIGNALS,
  SPARSE,
  svdfGraph,
  TOP,
  WHILE,
  WHOLE,
} from "./support/graph-controls.ts";
import { type GraphSpec, i8, i32, tfliteFile } from "./support/tflite-writer.ts";

/** The CRC-32 of what six calls give, whose inputs are bytes of the generator from seed 1, 2, … on. */
const INTEGERS: readonly (readonly [string, GraphSpec, string])[] = [
  ["SVDF of i8, rank 1", svdfGraph("i8", 1), "57bba9c2"],
  ["SVDF of i8, rank 2", svdfGraph("i8", 2), "7a62f905"],
  ["SVDF of i16, rank 1", svdfGraph("i16", 1), "912af1e6"],
  ["SVDF of i16, rank 2", svdfGraph("i16", 2), "76a3561c"],
  ["LSTM, batch first", lstmGraph(false, 0, -11), "ea159878"],
  ["LSTM, its cell clipped", lstmGraph(false, 0.5, -13), "8c4e796e"],
  ["LSTM, time first", lstmGraph(true, 0, -12), "8896dddd"],
  ["LSTM, a cell of small scale", lstmGraph(true, 0, -15), "a63248ca"],
  ["signal operators", SIGNALS, "2ff462da"],
];
/** What the sixth call gives. */
const REALS: readonly (readonly [1 | 2, readonly number[]])[] = [
  [
    1,
    [
      2.153593063354492, 0, 0.49669361114501953, 0, 0.513850212097168, 0.9208002090454102, 0, 0, 0, 0.6536030769348145,
      0, 0.11163568496704102, 0.40232181549072266, 0, 1.271873950958252, 0, 1.024116039276123, 1.4176321029663086,
    ],
  ],
  [2, [2.0301618576049805, 0, 1.7705879211425781, 0, 0, 0, 0.5665559768676758, 0, 2.7776856422424316]],
];

const f32s = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)];
const asBytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

for (const build of ["limpet.graph.wasm", "limpet.graph.scalar.wasm"]) {
  const core = graphCore(build);
  const six = (graph: TestGraph): Uint8Array[] =>
    [1, 2, 3, 4, 5, 6].map((seed) => {
      graph.write(0, lcgInput(graph.tensor(0, 0), seed, 128));
      graph.run();
      return graph.output(0);
    });

  test(`${build}: what keeps something, call after call, and again after a reset`, () => {
    for (const [name, spec, sum] of INTEGERS) {
      for (const traced of [false, true]) {
        const graph = new TestGraph(core, tfliteFile(spec), traced);
        for (const when of ["at first", "after a reset"]) {
          const all = Uint8Array.from(six(graph).flatMap((output) => [...output]));
          assert.is(checksum(all), sum, `${name}, ${when}`);
          core.call("graph_reset", graph.pointer);
        }
        graph.release();
      }
    }
    for (const [rank, wanted] of REALS) {
      const graph = new TestGraph(core, tfliteFile(svdfGraph("f32", rank)));
      const found = f32s(six(graph)[5]);
      wanted.forEach((value, i) => {
        assert.ok(Math.abs(found[i] - value) <= 1e-6, `rank ${rank}: ${found[i]}, not ${value}`);
      });
      graph.release();
    }
    assert.is(core.call("core_used", core.core), 0);
  });

  test(`${build}: IF, WHILE, and one in the other`, () => {
    const branch = new TestGraph(core, tfliteFile(IF));
    branch.write(1, asBytes(1, -2, 3, 0.5));
    for (const [flag, wanted] of [
      [1, [2, -4, 6, 1]],
      [0, [1, 4, 9, 0.25]],
    ] as const) {
      branch.write(0, Uint8Array.of(flag));
      branch.run();
      assert.equal(f32s(branch.output(0)), wanted);
    }
    branch.release();
    for (const traced of [false, true]) {
      const loop = new TestGraph(core, tfliteFile(WHILE), traced);
      for (const [a, b, c, d] of [
        [1, 1, 1597, 987],
        [1000, 7, 1000, 7],
        [999, 999, 1998, 999],
      ]) {
        loop.write(0, asBytes(a));
        loop.write(1, asBytes(b));
        loop.run();
        assert.equal([...f32s(loop.output(0)), ...f32s(loop.output(1))], [c, d]);
      }
      loop.release();
    }
    const nested = new TestGraph(core, tfliteFile(NESTED));
    let values = [1, 2, -3];
    nested.write(0, asBytes(0));
    nested.write(1, asBytes(...values));
    nested.run();
    for (let turn = 0; turn < 20; turn++) {
      const factor = Math.max(...values) > 10 ? 0.5 : 1.5;
      values = values.map((value) => Math.fround(value * factor));
    }
    assert.equal([...f32s(nested.output(0)), ...f32s(nested.output(1))], [20, ...values]);
    nested.release();
    assert.is(core.call("core_used", core.core), 0);
  });

  test(`${build}: TOPK_V2, equal values in their order`, () => {
    const graph = new TestGraph(core, tfliteFile(TOP));
    const rows = [
      [3, 1, 4, 1, 5, 9, 2, 6, 5],
      [0, 0, 0, 0, 0, 0, 0, 0, 0],
      [-1, -2, -3, -4, -5, -6, -7, -8, 9],
    ];
    graph.write(0, asBytes(...rows.flat()));
    graph.run();
    const places = rows.map((row) =>
      row
        .map((_, i) => i)
        .sort((a, b) => row[b] - row[a] || a - b)
        .slice(0, 4),
    );
    assert.equal([...new Int32Array(graph.output(1).slice().buffer)], places.flat());
    assert.equal(
      f32s(graph.output(0)),
      places.flatMap((places, row) => places.map((i) => rows[row][i])),
    );
    graph.release();
  });

  test(`${build}: sparse weights are made whole`, () => {
    SPARSE.forEach((spec, i) => {
      const graph = new TestGraph(core, tfliteFile(spec));
      graph.write(0, new Uint8Array(96));
      graph.run();
      assert.equal(f32s(graph.output(0)), WHOLE[i]);
      graph.release();
      const [, weights] = spec.tensors;
      const { sparsity } = weights;
      if (!sparsity) return;
      const [dense, , ...rest] = sparsity.levels;
      const wounded = {
        ...weights,
        sparsity: { ...sparsity, levels: [dense, [[0, 2, 9, 9, 9], [0]] as const, ...rest] },
      };
      const file = tfliteFile({ ...spec, tensors: spec.tensors.map((tensor, k) => (k === 1 ? wounded : tensor)) });
      assert.throws(() => new TestGraph(core, file), /DENSIFY.*leads out of it/);
      const read = { ...spec, operators: [{ ...spec.operators[1], inputs: [0, 1] }] };
      assert.throws(() => new TestGraph(core, tfliteFile(read)), /ADD.*reads a sparse tensor/);
    });
    assert.is(core.call("core_used", core.core), 0);
  });

  test(`${build}: a WHILE that never ends is stopped, or ends with an error`, () => {
    const graph = new TestGraph(core, tfliteFile(FOREVER));
    graph.write(0, asBytes(0));
    for (let slice = 0; slice < 3; slice++) {
      assert.is(core.call("graph_run", core.core, graph.pointer), Status.MORE);
    }
    core.call("graph_stop", graph.pointer);
    let status: number = Status.MORE;
    while (status === Status.MORE) status = core.call("graph_run", core.core, graph.pointer);
    assert.ok(status < 0);
    assert.match(core.message, /WHILE.*goes round more than 16,777,216 times/);
    graph.release();
    assert.is(core.call("core_used", core.core), 0);
  });
}

test("a signal ends a WHILE that does not end by itself", async () => {
  const graph = await Graph.load(tfliteFile(FOREVER));
  const end = new AbortController();
  setTimeout(() => end.abort(new Error("enough")), 20);
  try {
    await graph.run({ x: Float32Array.of(1) }, { signal: end.signal });
    assert.unreachable("it ran to its end");
  } catch (error) {
    assert.is((error as Error).message, "enough");
  }
  graph.dispose();
});

test("subgraphs that run themselves, twice, or what does not fit are refused", () => {
  const core = graphCore("limpet.graph.wasm");
  const change = (spec: GraphSpec, then: number, otherwise: number): GraphSpec => ({
    ...spec,
    operators: [{ ...spec.operators[0], options: [i32(then), i32(otherwise)] }],
  });
  const cases: (readonly [GraphSpec, RegExp])[] = [
    [change(IF, 0, 1), /runs a subgraph that stands before it/],
    [change(IF, 1, 1), /another step runs/],
    [change(IF, 1, 3), /not there/],
    [change(WHILE, 2, 1), /another number of values/],
    [{ ...IF, tensors: [{ shape: [2], type: TensorType.BOOL }, ...IF.tensors.slice(1)] }, /condition is not one bool/],
    [{ ...IF, others: IF.others?.map((other) => ({ ...other, operators: [] })) }, /output 0 of subgraph 1/],
    [{ ...TOP, operators: [{ ...TOP.operators[0], inputs: [0, 0] }] }, /TOPK_V2.*not known at load/],
    [{ ...lstmGraph(false, 0, -11), ...kept(lstmGraph(false, 0, -11), 14) }, /LSTM.*no variable|written/],
  ];
  for (const [spec, words] of cases) assert.throws(() => new TestGraph(core, tfliteFile(spec)), words);
  const activated = svdfGraph("i8", 1);
  const relu6 = { ...activated, operators: [{ ...activated.operators[0], options: [i32(1), i8(3)] }] };
  assert.throws(() => new TestGraph(core, tfliteFile(relu6)), /SVDF.*its activation is not RELU/);
  assert.is(core.call("core_used", core.core), 0);
});

/** The tensors, with one of them not kept. */
function kept(spec: GraphSpec, index: number): object {
  return { tensors: spec.tensors.map((tensor, i) => (i === index ? { ...tensor, variable: false } : tensor)) };
}

test.run();
