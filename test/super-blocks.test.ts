/**
 * What is special to the formats with super-blocks of 256 columns: where each code lies, the skipping of zeros, ternary
 * weights in their common packed form, and values that no encoder likes.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { bothCores, sameBits, type TestCore } from "./support/core.ts";
import { type Format, formatOf, rowBytes } from "./support/formats.ts";
import { generator, normals, randomBytes } from "./support/random.ts";

const cores = bothCores();
const FORMATS = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "TQ1_0", "TQ2_0"].map(formatOf);

/** Where the half scales lie in a block. */
const SCALES: Record<string, readonly number[]> = {
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_XS: [0],
  TQ1_0: [52],
  TQ2_0: [64],
};

/** Random blocks whose half scales are between 2⁻⁸ and 2⁻⁴ in magnitude: every code and every sub-scale occurs. */
function randomBlocks(format: Format, blocks: number, seed: number): Uint8Array {
  const bytes = randomBytes(blocks * format.bytes, seed);
  for (let b = 0; b < blocks; b++) {
    for (const offset of SCALES[format.name]) {
      const high = b * format.bytes + offset + 1;
      bytes[high] = (bytes[high] & 0x83) | (0x1c + (bytes[high] & 0x0c));
    }
  }
  return bytes;
}

function dequantize(core: TestCore, format: Format, bytes: Uint8Array): Float32Array {
  const count = (bytes.length / format.bytes) * 256;
  const target = core.allocate(count * 4);
  core.call("kernel_dequantize", format.type, core.put(bytes), target, count);
  return core.f32(target, count);
}

function quantize(core: TestCore, format: Format, values: Float32Array): Uint8Array {
  const length = rowBytes(format, values.length);
  const target = core.allocate(length);
  core.call("kernel_quantize", format.type, core.put(values), target, values.length);
  return core.u8(target, length);
}

/** [tokens, rows] of a matrix in a file's bytes × activations, `tokens` at a time. */
function multiply(
  core: TestCore,
  format: Format,
  bytes: Uint8Array,
  columns: number,
  x: Float32Array,
  atOnce: number,
): Float32Array {
  const rows = bytes.length / rowBytes(format, columns);
  const tokens = x.length / columns;
  const packed = core.allocate(core.call("kernel_packed_bytes", format.type, rows, columns));
  core.call("kernel_pack", format.type, core.put(bytes), rows, columns, packed);
  const stride = core.call("kernel_activation_bytes", columns);
  const floats = core.put(x);
  const activations = core.allocate(stride * tokens);
  for (let t = 0; t < tokens; t++) {
    core.call("kernel_quantize_activations", floats + t * columns * 4, columns, activations + t * stride);
  }
  const y = core.allocate(tokens * rows * 4);
  const scratch = core.allocate(core.call("kernel_matmul_scratch_bytes", format.type, tokens));
  for (let t = 0; t < tokens; t += atOnce) {
    const count = Math.min(atOnce, tokens - t);
    const [from, to] = [activations + t * stride, y + t * rows * 4];
    // biome-ignore format: the arguments in the order of their groups.
    core.call(
      "kernel_matmul", format.type, packed, rows, columns, 0, rows, from, stride, count, to, rows * 4, scratch,
    );
  }
  return core.f32(y, tokens * rows);
}

test("each code and sub-scale lies where the kernels look for it", () => {
  // One activation of 1 at a time picks one column of the matrix.
  const picks = new Float32Array(256 * 256);
  for (let column = 0; column < 256; column++) picks[column * 257] = 1;
  for (const format of FORMATS) {
    const bytes = randomBlocks(format, 8, format.type);
    const weights = dequantize(cores[0], format, bytes);
    const largest = weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    for (const core of cores) {
      for (const atOnce of [1, 2, 3, 4]) {
        const y = multiply(core, format, bytes, 256, picks, atOnce);
        for (let column = 0; column < 256; column++) {
          for (let row = 0; row < 8; row++) {
            const error = Math.abs(y[column * 8 + row] - weights[row * 256 + column]);
            // Code and minimum are rounded apart, so a small weight has the error of a large one.
            if (!(error <= 1e-6 * largest)) {
              assert.unreachable(`${format.name} row ${row} column ${column}, ${atOnce} at once, ${core.build}`);
            }
          }
        }
      }
    }
  }
});

test("zeros are skipped without a trace", () => {
  const next = generator(5);
  for (const format of FORMATS) {
    const columns = 512;
    const bytes = randomBlocks(format, 18, format.type + 7);
    // As after ReLU²: nine of ten are zero, some blocks of 32 and of 8 whole; the last token is all zero.
    const x = normals(8 * columns, format.type).map((value) => (next() < 0.9 ? 0 : value * value));
    x.fill(0, 32, 96);
    x.fill(0, 7 * columns);
    const alone = multiply(cores[0], format, bytes, columns, x, 1);
    assert.ok(sameBits(multiply(cores[0], format, bytes, columns, x, 8), alone), `${format.name} beside others`);
    assert.ok(sameBits(multiply(cores[1], format, bytes, columns, x, 8), alone), `${format.name}, scalar`);
    assert.ok(sameBits(alone.slice(-9), new Float32Array(9)), `${format.name}: a zero token gives +0`);
  }
});

test("ternary weights have one packed form, and a file's bytes come back from it", () => {
  const [five, four] = [formatOf("TQ1_0"), formatOf("TQ2_0")];
  const values = normals(8 * 512, 3);
  for (const core of cores) {
    const groups = [five, four].map((format) => {
      const bytes = quantize(core, format, values);
      const packed = core.allocate(core.call("kernel_packed_bytes", format.type, 8, 512));
      core.call("kernel_pack", format.type, core.put(bytes), 8, 512, packed);
      const length = rowBytes(format, 512);
      const row = core.allocate(length);
      core.call("kernel_unpack_row", format.type, packed, 5, 512, row);
      assert.equal(core.u8(row, length), bytes.slice(5 * length, 6 * length));
      return core.u8(packed, core.call("kernel_packed_bytes", format.type, 8, 512));
    });
    assert.equal(groups[0], groups[1]);
  }
});

test("encoders take what they cannot keep without a trap, alike in both builds", () => {
  const hostile = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3.4e38, -1e-45, 0, -0, 1];
  const values = new Float32Array(8 * 256);
  for (let i = 0; i < values.length; i++) values[i] = hostile[(i * 5 + (i >> 8)) % hostile.length];
  for (let b = 0; b < 7; b++) values.fill(hostile[b], b * 256, b * 256 + 200);
  for (const format of FORMATS) {
    const [a, b] = cores.map((core) => quantize(core, format, values));
    assert.ok(sameBits(a, b), format.name);
    const decoded = dequantize(cores[0], format, a);
    assert.ok(decoded.every(Number.isFinite), `${format.name} decodes to finite values`);
  }
});

test("encoders keep what they can: a constant, one outlier, a single sign", () => {
  // The largest error over the largest magnitude of a block of 256.
  const budget: Record<string, number> = {
    Q2_K: 0.34,
    Q3_K: 0.2,
    Q4_K: 0.06,
    Q5_K: 0.035,
    Q6_K: 0.025,
    IQ4_XS: 0.11,
    TQ1_0: 0.501,
    TQ2_0: 0.501,
  };
  const noise = normals(256, 9);
  const blocks = {
    constant: noise.map(() => -0.75),
    outlier: noise.map((value, i) => (i === 77 ? 40 : value)),
    positive: noise.map(Math.abs),
    negative: noise.map((value) => -5 - Math.abs(value)),
    zero: noise.map(() => 0),
  };
  for (const format of FORMATS) {
    for (const [name, values] of Object.entries(blocks)) {
      const decoded = dequantize(cores[0], format, quantize(cores[0], format, values));
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      const worst = values.reduce((most, value, i) => Math.max(most, Math.abs(value - decoded[i])), 0);
      if (!(worst <= budget[format.name] * largest)) {
        assert.unreachable(`${format.name}, ${name}: ${worst} of ${largest}`);
      }
    }
  }
});

test.run();
