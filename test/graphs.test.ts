/**
 * `limpet/graph` on networks that the test itself writes: against the real arithmetic in f64, with the same bytes from
 * both builds; and files that are broken, hostile, or hold what limpet does not run.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Operator, TensorType } from "../bindings/numbers.ts";
import { Graph, type GraphArray, LimpetError } from "../src/graph.ts";
import { limpet } from "./support/cli.ts";
import { graphCore, lcg, lcgInput, TestGraph } from "./support/graph.ts";
import { CONVS, convGraph, kept, meant, realOf, SINGLES } from "./support/graph-specs.ts";
import { temporaryFile } from "./support/models.ts";
import {
  f32,
  type GraphSpec,
  i8,
  i32,
  type OperatorSpec,
  type TensorSpec,
  tfliteFile,
} from "./support/tflite-writer.ts";

const { F32, I8, I16, I32 } = TensorType;
const { CONV_2D: CONV, MAX_POOL_2D: MAX_POOL, FULLY_CONNECTED, SOFTMAX, ADD } = Operator;

const signed = (count: number, seed: number): Int8Array => new Int8Array(lcg(count, seed).buffer);

/** A small classifier: an image of 7 × 9, a convolution with a RELU, a pool, a layer of 5, a softmax. */
const [HEIGHT, WIDTH, DEPTH, FILTERS, CLASSES] = [7, 9, 3, 11, 5];
const weights = signed(FILTERS * 9 * DEPTH, 2);
const scales = Array.from({ length: FILTERS }, (_, c) => 0.002 + 0.0003 * c);
const biases = Int32Array.from({ length: FILTERS }, (_, c) => 40 * c - 200);
const layer = signed(CLASSES * 4 * 5 * FILTERS, 3);
const layerBiases = Int32Array.from([100, -50, 0, 900, -300]);
const classifier: GraphSpec = {
  tensors: [
    { name: "image", shape: [1, HEIGHT, WIDTH, DEPTH], type: I8, scale: 0.02, zero: -7 },
    { shape: [FILTERS, 3, 3, DEPTH], type: I8, scale: scales, data: weights },
    { shape: [FILTERS], type: I32, scale: scales.map((scale) => scale * 0.02), data: biases },
    { shape: [1, HEIGHT, WIDTH, FILTERS], type: I8, scale: 0.05, zero: -128 },
    { shape: [1, 4, 5, FILTERS], type: I8, scale: 0.05, zero: -128 },
    { shape: [CLASSES, 4 * 5 * FILTERS], type: I8, scale: 0.001, data: layer },
    { shape: [CLASSES], type: I32, scale: 0.00005, data: layerBiases },
    { shape: [1, CLASSES], type: I8, scale: 0.1, zero: 3 },
    { name: "scores", shape: [1, CLASSES], type: I8, scale: 1 / 256, zero: -128 },
  ],
  operators: [
    { code: CONV, inputs: [0, 1, 2], outputs: [3], options: [i8(0), i32(1), i32(1), i8(1)] },
    { code: MAX_POOL, inputs: [3], outputs: [4], options: [i8(0), i32(2), i32(2), i32(2), i32(2)] },
    { code: FULLY_CONNECTED, inputs: [4, 5, 6], outputs: [7], options: [] },
    { code: SOFTMAX, inputs: [7], outputs: [8], options: [f32(1)] },
  ],
  inputs: [0],
  outputs: [8],
};
const image = signed(HEIGHT * WIDTH * DEPTH, 1);

/** The same in real numbers: each value that is kept in 8 bits rounded, nothing else. */
function classify(): number[] {
  const kept = (value: number, scale: number, zero: number): number =>
    (Math.min(Math.max(Math.round(value / scale) + zero, -128), 127) - zero) * scale;
  const pixel = (y: number, x: number, c: number): number =>
    y < 0 || x < 0 || y >= HEIGHT || x >= WIDTH ? 0 : (image[(y * WIDTH + x) * DEPTH + c] + 7) * 0.02;
  const maps = Array.from({ length: HEIGHT * WIDTH * FILTERS }, (_, at) => {
    const f = at % FILTERS;
    const x = Math.floor(at / FILTERS) % WIDTH;
    const y = Math.floor(at / FILTERS / WIDTH);
    let sum = biases[f] * scales[f] * 0.02;
    for (let i = 0; i < 9 * DEPTH; i++) {
      const [ky, kx, c] = [Math.floor(i / DEPTH / 3), Math.floor(i / DEPTH) % 3, i % DEPTH];
      sum += pixel(y + ky - 1, x + kx - 1, c) * weights[f * 9 * DEPTH + i] * scales[f];
    }
    return kept(Math.max(sum, 0), 0.05, -128);
  });
  const pooled = Array.from({ length: 4 * 5 * FILTERS }, (_, at) => {
    const [f, x, y] = [at % FILTERS, Math.floor(at / FILTERS) % 5, Math.floor(at / FILTERS / 5)];
    let most = 0;
    for (let i = 2 * y; i < Math.min(2 * y + 2, HEIGHT); i++) {
      for (let j = 2 * x; j < Math.min(2 * x + 2, WIDTH); j++)
        most = Math.max(most, maps[(i * WIDTH + j) * FILTERS + f]);
    }
    return most;
  });
  const logits = Array.from(layerBiases, (bias, k) =>
    kept(
      pooled.reduce((sum, value, i) => sum + value * layer[k * pooled.length + i] * 0.001, bias * 0.00005),
      0.1,
      3,
    ),
  );
  const sum = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  return logits.map((logit) => Math.exp(logit) / sum);
}

test("a classifier in i8 gives what real numbers give, and the same bytes from both builds", async () => {
  const file = tfliteFile(classifier);
  const graph = await Graph.load(file);
  assert.equal(graph.inputs, [
    { name: "image", type: "int8", shape: [1, 7, 9, 3], scale: Math.fround(0.02), zeroPoint: -7 },
  ]);
  assert.is(graph.outputs[0].name, "scores");
  const { scores } = await graph.run({ image });
  classify().forEach((wanted, k) => {
    const found = (scores[k] as number) + 128;
    assert.ok(Math.abs(found - wanted * 256) <= 4, `class ${k}: ${found} of 256, not ${wanted * 256}`);
  });
  const scalar = await Graph.load(new Blob([file as Uint8Array<ArrayBuffer>]), { build: "scalar" });
  assert.equal((await scalar.run({ image })).scores, scores);
  assert.equal((await graph.run({ image })).scores, scores, "a second run");
  // The convolution's output and the pool's; the image dies behind the first.
  assert.is(graph.memory.values, Math.ceil((7 * 9 * 11) / 16) * 16 + Math.ceil((4 * 5 * 11) / 16) * 16);
  assert.is(graph.macs, 7 * 9 * 11 * 27 + 5 * 4 * 5 * 11);
  assert.is(graph.memory.state, 0);
  graph.dispose();
  await refused(() => graph.run({ image }), "WRONG_STATE", /disposed/);
  scalar.dispose();
});

test("convolutions at the edges of tiles: f64, and the same bytes from both builds", () => {
  const builds = ["limpet.graph.wasm", "limpet.graph.scalar.wasm"].map(graphCore);
  for (const spec of CONVS) {
    const input = signed(spec.height * spec.width * spec.depth, 4);
    const file = tfliteFile(convGraph(spec));
    const wanted = realOf(spec, input);
    if (wanted.length === 0) continue;
    const [first, second] = builds.map((core) => {
      const graph = new TestGraph(core, file);
      const given = spec.real ? meant(input) : input;
      graph.write(0, new Uint8Array(given.buffer));
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
});

test("an operator of each family runs, with the same bytes from both builds", () => {
  const builds = ["limpet.graph.wasm", "limpet.graph.scalar.wasm"].map(graphCore);
  for (const spec of SINGLES) {
    const [first, second] = builds.map((core) => {
      const graph = new TestGraph(core, tfliteFile(spec));
      for (let i = 0; i < graph.count(0); i++) graph.write(i, lcgInput(graph.tensor(0, i), i + 1, 32));
      graph.run();
      const outputs = Array.from({ length: graph.count(1) }, (_, i) => graph.output(i));
      graph.release();
      return outputs;
    });
    assert.equal(first, second, `operator ${spec.operators[0].code}`);
  }
});

test("what a value takes over in place is what it is without", async () => {
  const tensor = (name?: string): TensorSpec => ({ name, shape: [1, 50], type: F32 });
  const add = (inputs: number[], output: number): OperatorSpec => ({
    code: ADD,
    inputs,
    outputs: [output],
    options: [],
  });
  const spec: GraphSpec = {
    tensors: [tensor("x"), tensor(), tensor(), tensor("y")],
    operators: [add([0, 0], 1), add([1, 0], 2), add([2, 1], 3)],
    inputs: [0],
    outputs: [3],
  };
  const graph = await Graph.load(tfliteFile(spec));
  const x = Float32Array.from({ length: 50 }, (_, i) => i - 20);
  assert.equal(
    (await graph.run({ x })).y,
    x.map((value) => 5 * value),
  );
  assert.is(graph.memory.values, 2 * 208, "three values, of which two live at a time");
});

test("a product of large matrices is done in slices: a signal ends it", async () => {
  const square = { shape: [1, 4096, 4096], type: F32 };
  const tensors = ["a", "b", "y"].map((name) => ({ ...square, name }));
  const operators = [{ code: Operator.BATCH_MATMUL, inputs: [0, 1], outputs: [2] }];
  const graph = await Graph.load(tfliteFile({ tensors, operators, inputs: [0, 1], outputs: [2] }));
  const a = new Float32Array(4096 * 4096);
  // All of it takes a minute and more.
  const ended = graph.run({ a, b: a }, { signal: AbortSignal.timeout(50) });
  assert.is(await ended.then(String, (error: Error) => error.name), "TimeoutError");
  graph.dispose();
});

test("inputs are checked before anything runs", async () => {
  const graph = await Graph.load(tfliteFile(classifier));
  await refused(() => graph.run({}), "BAD_ARGUMENT", /wants an Int8Array of 189 values, not undefined/);
  await refused(() => graph.run({ image: new Uint8Array(189) }), "BAD_ARGUMENT", /Int8Array .* not a Uint8Array/);
  await refused(() => graph.run({ image: new Int8Array(188) }), "BAD_ARGUMENT", /not one of 188/);
  await refused(
    () => graph.run({ image, picture: image } as Record<string, GraphArray>),
    "BAD_ARGUMENT",
    /no input picture/,
  );
  const enough = new Error("enough");
  const signal = AbortSignal.abort(enough);
  assert.is(await graph.run({ image }, { signal }).catch((error: unknown) => error), enough);
  const wrong = { signal: {} as AbortSignal };
  await refused(() => graph.run({ image }, wrong), "BAD_ARGUMENT", /signal is an AbortSignal/);
  await refused(() => Graph.load(tfliteFile(classifier), wrong), "BAD_ARGUMENT", /signal is an AbortSignal/);
  graph.dispose();
});

test("each output has a name of its own, also where a file's name is another one's number", async () => {
  const tensors = classifier.tensors.map((tensor, i) => ({ ...tensor, ...(i === 7 && { name: "output 0" }) }));
  const nameless = tensors.map((tensor, i) => (i === 8 ? { ...tensor, name: "" } : tensor));
  const graph = await Graph.load(tfliteFile({ ...classifier, tensors: nameless, outputs: [8, 7] }));
  assert.equal(Object.keys(await graph.run({ image })), ["output 0", "output 1"]);
  graph.dispose();
});

test("what is no TFLite file, or not all of one, is a BAD_FILE", async () => {
  await refused(() => Graph.load(new Uint8Array(0)), "BAD_FILE", /at least 8/);
  await refused(() => Graph.load(new Uint8Array(100)), "BAD_FILE", /TFL3/);
  await refused(() => Graph.load(tfliteFile(classifier).slice(0, 400)), "BAD_FILE", /broken/);
  await refused(() => Graph.load("no-such.tflite"), "HOST", /no such file/);
});

test("what limpet does not run is refused by the operator's name and place", async () => {
  const with_ = (operator: Partial<OperatorSpec>, at = 3): Uint8Array => {
    const operators = classifier.operators.map((given, i) => (i === at ? { ...given, ...operator } : given));
    return tfliteFile({ ...classifier, operators });
  };
  await refused(() => Graph.load(with_({ code: 131 })), "UNSUPPORTED", /operator 3 of the graph, RFFT2D/);
  await refused(() => Graph.load(with_({ inputs: [8] })), "BAD_FILE", /operator 3 .* reads what nothing has written/);
  await refused(() => Graph.load(with_({ outputs: [4] })), "BAD_FILE", /writes what is written already/);
  await refused(() => Graph.load(with_({ inputs: [99] })), "BAD_FILE", /names tensor 99/);
  const wide = classifier.tensors.map((tensor) =>
    tensor.type === I8 && !tensor.data ? { ...tensor, type: I16, zero: 0 } : tensor,
  );
  const by8 = tfliteFile({ ...classifier, tensors: wide });
  await refused(
    () => Graph.load(by8),
    "UNSUPPORTED",
    /operator 0 of the graph, CONV_2D, .* not all of i8 or all of f32/,
  );
  const strideless = { options: [i8(0), i32(0), i32(1), i8(1)] };
  await refused(() => Graph.load(with_(strideless, 0)), "BAD_FILE", /operator 0 .* stride/);
  await refused(() => Graph.load(tfliteFile(classifier), { memoryLimit: 20_000 }), "OUT_OF_MEMORY", /bytes/);
});

test("each beginning of a file, and files with wrong bytes, are an error or an answer", () => {
  const core = graphCore("limpet.graph.wasm");
  const file = tfliteFile(classifier);
  const before = core.call("core_used", core.core);
  const attempt = (bytes: Uint8Array): void => {
    try {
      const graph = new TestGraph(core, bytes);
      for (let i = 0; i < graph.count(0); i++) graph.write(i, new Uint8Array(graph.tensor(0, i).bytes));
      graph.run();
      graph.release();
    } catch (error) {
      assert.not(error instanceof WebAssembly.RuntimeError, `a trap: ${error}`);
    }
  };
  core.call("core_set_limit", core.core, 1 << 25);
  for (let length = 0; length < file.length; length += 7) attempt(file.slice(0, length));
  const noise = lcg(8000, 77);
  for (let i = 0; i < 2000; i++) {
    const bytes = file.slice();
    for (let k = 0; k < 1 + (noise[4 * i] & 3); k++) {
      const place = (noise[4 * i + 1] * 256 + noise[4 * i + 2] + 131 * k) % 2600;
      bytes[place] ^= 1 << (noise[4 * i + 3] & 7);
    }
    attempt(bytes);
  }
  assert.is(core.call("core_used", core.core), before, "all memory is given back");
});

test("limpet graph: what a network takes and gives, and its answer to files of raw values", async () => {
  const bytes = tfliteFile(classifier);
  const graph = await Graph.load(bytes);
  const scores = Array.from((await graph.run({ image })).scores as Int8Array);
  const [file, raw] = [temporaryFile("classifier.tflite", bytes), temporaryFile("image.raw", new Uint8Array(image))];
  const out = temporaryFile("scores.raw", new Uint8Array());
  const [tables, json, named, answered, written, short] = await Promise.all([
    limpet(["graph", file]),
    limpet(["graph", file, "--json"]),
    limpet(["graph", file, "-i", `image=${raw}`]),
    limpet(["graph", file, "--input", raw, "--json"]),
    limpet(["graph", file, "--input", raw, "-o", out]),
    limpet(["graph", file, "--input", file]),
  ]);
  assert.match(tables.out, /^input +image +int8 +1 × 7 × 9 × 3 +0\.02 +-7$/m);
  assert.match(tables.out, /^output +scores +int8 +1 × 5 +0\.00390625 +-128$/m);
  assert.match(tables.out, new RegExp(`^values +${graph.memory.values}$`, "m"));
  const described = JSON.parse(json.out);
  assert.equal(described.inputs, [{ name: "image", type: "int8", shape: [1, 7, 9, 3], scale: 0.02, zero_point: -7 }]);
  assert.equal(described.memory, graph.memory);
  assert.is(described.macs, graph.macs);
  assert.is(named.out, `"scores" int8 1 × 5: ${scores.join(" ")}\n`);
  assert.equal(JSON.parse(answered.out)[0].values, scores);
  assert.is(written.out, "");
  assert.equal([...new Int8Array(readFileSync(out))], scores);
  assert.is(short.status, 1);
  assert.is(
    short.err,
    `limpet: ${file} has ${bytes.length} bytes, and input image, int8 [1, 7, 9, 3], has ${image.length}\n`,
  );
  graph.dispose();
});

async function refused(work: () => Promise<unknown>, code: string, words: RegExp): Promise<void> {
  const error = await work().then(
    () => null,
    (error: unknown) => error,
  );
  assert.instance(error, LimpetError);
  assert.is((error as LimpetError).code, code);
  assert.match((error as LimpetError).message, words);
}

test.run();
