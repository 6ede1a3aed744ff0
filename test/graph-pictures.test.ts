/**
 * Pictures as inputs: every value against the formulas in f64, and the networks of ../shared on a photo of another size.
 * Both builds run.
 */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TensorType } from "../bindings/numbers.ts";
import { Graph, type GraphPicture, LimpetError } from "../src/graph.ts";
import { lcg } from "./support/graph.ts";
import { shared } from "./support/shared.ts";
import { type GraphSpec, tfliteFile } from "./support/tflite-writer.ts";

/** A network that gives back its input: a reshape. */
function identity(height: number, width: number, depth: number, type: number): GraphSpec {
  const scaled = type === TensorType.F32 ? {} : { scale: 0.0125, zero: type === TensorType.I8 ? -20 : 100 };
  const tensor = { shape: [1, height, width, depth], type, ...scaled };
  return {
    tensors: [
      { name: "x", ...tensor },
      { name: "y", ...tensor },
    ],
    operators: [{ code: 22, inputs: [0], outputs: [1] }],
    inputs: [0],
    outputs: [1],
  };
}

/** What old pixels of a side make new pixel `i`, and their shares. */
function taps(method: string, i: number, count: number, size: number): (readonly [number, number])[] {
  const scale = size / count;
  if (method === "bilinear") {
    const at = (i + 0.5) * scale - 0.5;
    const first = Math.max(Math.floor(at), 0);
    const last = Math.min(Math.max(Math.ceil(at), 0), size - 1);
    return first === last
      ? [[first, 1]]
      : [
          [first, 1 - (at - first)],
          [last, at - first],
        ];
  }
  const [begin, end] = [i * scale, Math.min((i + 1) * scale, size)];
  return Array.from({ length: size }, (_, k) => [k, Math.min(end, k + 1) - Math.max(begin, k)] as const)
    .filter(([, share]) => share > 0)
    .map(([k, share]) => [k, share / (end - begin)] as const);
}

interface Wanted {
  readonly picture: GraphPicture;
  readonly crop: readonly number[];
  readonly resize: "area" | "bilinear";
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

function* reals({ picture, crop, resize, mean, deviation }: Wanted, height: number, width: number, depth: number) {
  const [left, top, columns, rows] = crop;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < depth; c++) {
        let sum = 0;
        for (const [row, down] of taps(resize, y, height, rows)) {
          for (const [column, across] of taps(resize, x, width, columns)) {
            const at = 4 * ((top + row) * picture.width + left + column);
            const [r, g, b] = picture.data.subarray(at, at + 3);
            sum += down * across * (depth === 1 ? 0.299 * r + 0.587 * g + 0.114 * b : [r, g, b][c]);
          }
        }
        yield (sum - mean[c]) / deviation[c];
      }
    }
  }
}

const [WIDTH, HEIGHT] = [23, 17];
const photo: GraphPicture = { data: lcg(4 * WIDTH * HEIGHT, 3), width: WIDTH, height: HEIGHT };

for (const build of ["portable", "scalar"] as const) {
  test(`${build}: every size, both ways, in colours and grey, as real numbers and in 8 bits`, async () => {
    for (const [height, width, depth] of [
      [5, 7, 3],
      [17, 23, 1],
      [40, 31, 3],
      [1, 1, 3],
      [8, 46, 1],
    ]) {
      for (const type of [TensorType.F32, TensorType.I8, TensorType.U8]) {
        const graph = await Graph.load(tfliteFile(identity(height, width, depth, type)), { build });
        for (const crop of [
          [0, 0, WIDTH, HEIGHT],
          [3, 2, 12, 11],
          [22, 16, 1, 1],
        ]) {
          for (const resize of ["area", "bilinear"] as const) {
            const wanted: Wanted = { picture: photo, crop, resize, mean: [127, 100, 90], deviation: [127.5, 64, 60] };
            const { mean, deviation } = wanted;
            const x = graph.picture(photo, { crop, resize, mean, deviation });
            const { scale, zeroPoint } = graph.inputs[0];
            const [low, high] = type === TensorType.I8 ? [-128, 127] : [0, 255];
            let i = 0;
            for (const real of reals(wanted, height, width, depth)) {
              const found = Number(x[i++]);
              if (type === TensorType.F32) assert.ok(Math.abs(found - real) <= 1e-6, `${found}, not ${real}`);
              else {
                const value = Math.min(Math.max(real / scale + zeroPoint, low), high);
                assert.ok(Math.abs(found - value) <= 0.5001, `${found}, not ${value}`);
              }
            }
            assert.is(i, x.length);
          }
        }
        const { y } = await graph.run({ x: graph.picture(photo) });
        assert.equal(y, graph.picture(photo, { resize: "area", mean: 0, deviation: 255, input: "x" }));
        graph.dispose();
      }
    }
  });
}

test("what is no picture, or no input for one, is refused", async () => {
  const graph = await Graph.load(tfliteFile(identity(2, 2, 3, TensorType.F32)));
  const deep = await Graph.load(tfliteFile(identity(2, 2, 5, TensorType.F32)));
  const cases: (readonly [() => unknown, string, RegExp])[] = [
    [() => graph.picture({ ...photo, width: 22 }), "BAD_ARGUMENT", /four bytes a pixel/],
    [() => graph.picture(photo, { crop: [0, 0, 24, 17] }), "BAD_ARGUMENT", /leads out of the picture of 23 x 17/],
    [() => graph.picture(photo, { crop: [0, 0, 0, 17] }), "BAD_ARGUMENT", /is empty/],
    [() => graph.picture(photo, { crop: [0, 0, 1.5, 1] }), "BAD_ARGUMENT", /whole pixels/],
    [() => graph.picture(photo, { deviation: 0 }), "BAD_ARGUMENT", /deviation is not 0/],
    [() => graph.picture(photo, { input: "z" }), "BAD_ARGUMENT", /input is one of x/],
    [() => deep.picture(photo), "UNSUPPORTED", /1 or 3/],
  ];
  for (const [run, code, words] of cases) {
    try {
      run();
      assert.unreachable(`${words} was not refused`);
    } catch (error) {
      assert.instance(error, LimpetError);
      assert.is((error as LimpetError).code, code);
      assert.match((error as LimpetError).message, words);
    }
  }
  graph.dispose();
  deep.dispose();
});

const folder = shared("data/graphs");
if (folder) {
  test("a photo twice as large is the same to a network: nobody is in the picture of a dog", async () => {
    const { readFileSync } = await import("node:fs");
    const rgb = readFileSync(join(folder, "inputs/vww96_dog96.u8.bin"));
    const large = new Uint8ClampedArray(4 * 192 * 192);
    for (let i = 0; i < 192 * 192; i++) {
      const at = 3 * (96 * ((i / 192) >> 1) + ((i % 192) >> 1));
      large.set([...rgb.subarray(at, at + 3), 255], 4 * i);
    }
    const graph = await Graph.load(join(folder, "models/vww_96_int8.tflite"));
    const x = graph.picture({ data: large, width: 192, height: 192 });
    assert.equal(
      x,
      Int8Array.from(rgb, (value) => value - 128),
    );
    const outputs = await graph.run({ [graph.inputs[0].name]: x });
    assert.equal([...outputs[graph.outputs[0].name]], [113, -113]);
    graph.dispose();
  });
}

test.run();
