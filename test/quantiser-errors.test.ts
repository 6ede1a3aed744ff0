/**
 * How well the quantisers keep what they are given: held against llama.cpp's own errors (test/golden/quantisers.json, as
 * bench/quantize.mjs measured them) and against the budgets of llama.cpp's own tests; the same bytes in both builds.
 */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bothCores, sameBits, type TestCore } from "./support/core.ts";
import { type Format, formatOf, rowBytes, WRITTEN } from "./support/formats.ts";
import { madeMatrices, SEARCHED, weightedError } from "./support/quantisers.ts";

/** How much more than llama.cpp a search may err. */
const MARGIN = 1.02;
/** √Σ(x − x̂)² / n of 4096 values 0.1 + 2 cos(i + offset), as llama.cpp's tests have it. */
const ROUND_TRIP = {
  usual: 0.002,
  fourBitFloats: 0.003,
  threeBits: 0.004,
  twoBits: 0.0075,
  ternary: 0.01,
  binary: 0.025,
};

const [portable, scalar] = bothCores();

function quantize(core: TestCore, format: Format, values: Float32Array): Uint8Array {
  const length = rowBytes(format, values.length);
  const [source, target] = [core.put(values), core.allocate(length)];
  assert.is(core.call("kernel_quantize", format.type, source, target, values.length), 0);
  const bytes = core.u8(target, length);
  core.release(source);
  core.release(target);
  return bytes;
}

function dequantize(core: TestCore, format: Format, bytes: Uint8Array): Float32Array {
  const count = (bytes.length / format.bytes) * format.elements;
  const [source, target] = [core.put(bytes), core.allocate(count * 4)];
  assert.is(core.call("kernel_dequantize", format.type, source, target, count), 0);
  const values = core.f32(target, count);
  core.release(source);
  core.release(target);
  return values;
}

test("the searches err at most 2 % more than llama.cpp's, in rows of 256 to 8192", () => {
  const file = new URL("golden/quantisers.json", import.meta.url);
  const golden = JSON.parse(readFileSync(file, "utf8")) as Record<string, Record<string, number>>;
  for (const { name, data } of madeMatrices()) {
    for (const type of SEARCHED) {
      const format = formatOf(type);
      const error = weightedError(type, data, dequantize(portable, format, quantize(portable, format, data)));
      const ratio = error / golden[type][name];
      if (process.env.VERBOSE) console.log(type, name, ratio.toFixed(4));
      assert.ok(ratio <= MARGIN, `${type} of ${name}: ${ratio}`);
    }
  }
});

test("both builds write the same bytes, outliers and scales of all sizes included", () => {
  const [, heavy, outliers] = [...madeMatrices()].map(({ data }) => data.subarray(0, 4096));
  for (const values of [heavy, outliers, outliers.map((x, i) => x * 10 ** (((i >> 5) % 60) - 30))]) {
    for (const format of WRITTEN) {
      assert.ok(sameBits(quantize(portable, format, values), quantize(scalar, format, values)), format.name);
    }
  }
});

test("a round trip stays within the budgets of llama.cpp's own tests", () => {
  const budgets: Record<string, number> = {
    Q3_K: ROUND_TRIP.threeBits,
    Q2_K: ROUND_TRIP.twoBits,
    TQ1_0: ROUND_TRIP.ternary,
    TQ2_0: ROUND_TRIP.ternary,
    Q2_0: ROUND_TRIP.ternary,
    Q1_0: ROUND_TRIP.binary,
    NVFP4: ROUND_TRIP.fourBitFloats,
  };
  for (const offset of [0, 1]) {
    const values = Float32Array.from({ length: 4096 }, (_, i) => 0.1 + 2 * Math.cos(i + offset));
    for (const format of WRITTEN) {
      const back = dequantize(portable, format, quantize(portable, format, values));
      const squares = values.reduce((sum, x, i) => sum + (x - back[i]) ** 2, 0);
      const error = Math.sqrt(squares) / values.length;
      assert.ok(error < (budgets[format.name] ?? ROUND_TRIP.usual), `${format.name}: ${error}`);
    }
  }
});

test.run();
