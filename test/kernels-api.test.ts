/** `limpet/kernels`: typed arrays in and out, against plain loops in f64, with the same bits from both builds. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TYPES, type TypeName } from "../src/host/types.ts";
import { type Kernels, kernels, LimpetError } from "../src/kernels.ts";
import { loadCore, sameBits } from "./support/core.ts";
import { blocksOf, CODEBOOKS, WRITTEN } from "./support/formats.ts";
import { errorOf } from "./support/models.ts";

const portable = await kernels();
const scalar = await kernels({ build: "scalar" });

/** Values between -1 and 1 that are the same in every run. */
function noise(length: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The result of the portable build, which is that of the scalar one. */
function both<T extends Float32Array | Uint8Array>(work: (k: Kernels) => T): T {
  const result = work(portable);
  assert.ok(sameBits(result, work(scalar)), "both builds give the same bits");
  return result;
}

function close(found: Float32Array, expected: ArrayLike<number>, tolerance: number): void {
  assert.is(found.length, expected.length);
  found.forEach((value, i) => {
    const error = Math.abs(value - expected[i]);
    assert.ok(error <= tolerance * Math.max(1, Math.abs(expected[i])), `[${i}]: ${value}, not ${expected[i]}`);
  });
}

/** a [m, k] × w [n, k] transposed. */
function product(a: ArrayLike<number>, w: ArrayLike<number>, m: number, k: number, n: number): Float64Array {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let l = 0; l < k; l++) result[i * n + j] += a[i * k + l] * w[j * k + l];
    }
  }
  return result;
}

test("matmul of plain matrices, of any shape", () => {
  for (const [m, k, n] of [
    [1, 1, 1],
    [3, 5, 7],
    [2, 64, 9],
    [9, 33, 17],
  ]) {
    const a = noise(m * k, 1);
    const b = noise(k * n, 2);
    const transposed = Float32Array.from({ length: k * n }, (_, i) => b[(i % k) * n + Math.floor(i / k)]);
    close(
      both((kernel) => kernel.matmul(a, b, { m, k, n })),
      product(a, transposed, m, k, n),
      1e-5,
    );
  }
});

/** Error of a round trip of noise between −1 and 1, at most; one bit, and −1, 0 and 1, leave 1/√12 of it. */
const ROUND_TRIP: { readonly [type in TypeName]?: number } = {
  TQ1_0: 0.6,
  TQ2_0: 0.6,
  Q2_K: 0.2,
  Q1_0: 0.292,
  Q2_0: 0.292,
};

test("every block format: quantize, dequantize, matmul, by name and by number", () => {
  const [m, k, n] = [3, 512, 11];
  const a = noise(m * k, 3);
  const values = noise(k * n, 4);
  for (const { name } of WRITTEN) {
    const type = name as TypeName;
    const bytes = both((kernel) => kernel.quantize(type, values));
    const weights = both((kernel) => kernel.dequantize(type, bytes));
    assert.ok(sameBits(weights, portable.dequantize(TYPES[type], bytes)));
    const error = Math.sqrt(weights.reduce((sum, w, i) => sum + (w - values[i]) ** 2, 0) / values.length);
    assert.ok(error < (ROUND_TRIP[type] ?? 0.12), `${type}: error ${error}`);
    const result = both((kernel) => kernel.matmul(a, { type, bytes, rows: n, cols: k }, { m, k, n }));
    close(result, product(a, weights, m, k, n), 3e-3);
  }
});

test("formats that are for reading: dequantize, matmul", () => {
  const [m, k, n] = [3, 512, 11];
  const a = noise(m * k, 3);
  for (const format of CODEBOOKS) {
    const type = format.name as TypeName;
    const bytes = blocksOf(loadCore("portable"), format, noise(k * n, 4));
    const weights = both((kernel) => kernel.dequantize(type, bytes));
    const result = both((kernel) => kernel.matmul(a, { type, bytes, rows: n, cols: k }, { m, k, n }));
    close(result, product(a, weights, m, k, n), 3e-3);
  }
});

test("RMSNorm, softmax and RoPE", () => {
  const x = noise(3 * 40, 5);
  const weight = noise(40, 6);
  const normed = Array.from({ length: x.length }, (_, i) => {
    const row = x.subarray(i - (i % 40), i - (i % 40) + 40);
    return (x[i] * weight[i % 40]) / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / 40 + 1e-6);
  });
  close(
    both((k) => k.rmsNorm(x, weight, { epsilon: 1e-6 })),
    normed,
    1e-5,
  );

  const rows = both((k) => k.softmax(x, { columns: 40 }));
  for (let row = 0; row < 3; row++)
    close(rows.slice(row * 40, row * 40 + 40), softmax(x.slice(row * 40, row * 40 + 40)), 1e-6);
  close(
    both((k) => k.softmax(x)),
    softmax(x),
    1e-6,
  );

  for (const halves of [false, true]) {
    const [heads, size, rotated] = [2, 10, 8];
    const positions = [0, 3, 1000];
    const q = noise(3 * heads * size, 7);
    const factors = Float32Array.from([1, 1, 2, 4]);
    const turned = Float64Array.from(q);
    for (let head = 0; head < 3 * heads; head++) {
      for (let i = 0; i < rotated / 2; i++) {
        const angle = (positions[Math.floor(head / heads)] * 500 ** ((-2 * i) / rotated)) / factors[i];
        const [at, to] = halves ? [i, i + rotated / 2] : [2 * i, 2 * i + 1];
        const [u, v] = [q[head * size + at], q[head * size + to]];
        turned[head * size + at] = u * Math.cos(angle) - v * Math.sin(angle);
        turned[head * size + to] = u * Math.sin(angle) + v * Math.cos(angle);
      }
    }
    close(
      both((k) => k.rope(q, { heads, size, positions, rotated, base: 500, factors, halves })),
      turned,
      1e-5,
    );
  }
});

function softmax(row: Float32Array): number[] {
  const exps = Array.from(row, Math.exp);
  const sum = exps.reduce((total, value) => total + value, 0);
  return exps.map((value) => value / sum);
}

test("attention with grouped heads", () => {
  const [tokens, count, heads, kvHeads, size, valueSize] = [3, 9, 4, 2, 8, 6];
  const [q, k, v] = [
    noise(tokens * heads * size, 8),
    noise(count * kvHeads * size, 9),
    noise(count * kvHeads * valueSize, 10),
  ];
  const positions = [2, 8, 5];
  const expected = new Float64Array(tokens * heads * valueSize);
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < heads; h++) {
      const kv = Math.floor((h * kvHeads) / heads);
      const query = q.slice((t * heads + h) * size, (t * heads + h + 1) * size);
      const scores = Float32Array.from({ length: positions[t] + 1 }, (_, row) => {
        const key = k.slice((row * kvHeads + kv) * size, (row * kvHeads + kv + 1) * size);
        return query.reduce((sum, value, i) => sum + value * key[i], 0) / Math.sqrt(size);
      });
      softmax(scores).forEach((weight, row) => {
        for (let i = 0; i < valueSize; i++) {
          expected[(t * heads + h) * valueSize + i] += weight * v[(row * kvHeads + kv) * valueSize + i];
        }
      });
    }
  }
  close(
    both((kernel) => kernel.attention({ q, k, v, heads, kvHeads, size, valueSize, positions })),
    expected,
    1e-5,
  );
});

test("MLA: absorbed is expanded, and both are attention over expanded keys", () => {
  const [tokens, count, heads, nope, rope, value, rank] = [4, 7, 3, 8, 4, 6, 32];
  const q = noise(tokens * heads * (nope + rope), 11);
  const latent = noise(count * rank, 12);
  const ropeKeys = noise(count * rope, 13);
  const wkvB = noise(heads * (nope + value) * rank, 14);
  const positions = [0, 3, 6, 2];
  const input = { q, latent, ropeKeys, wkvB, heads, nope, rope, value, rank, positions };
  // Keys [count, heads · (nope + rope)] and values [count, heads · value].
  const made = product(latent, wkvB, count, rank, heads * (nope + value));
  const keys = new Float32Array(count * heads * (nope + rope));
  const values = new Float32Array(count * heads * value);
  for (let row = 0; row < count; row++) {
    for (let h = 0; h < heads; h++) {
      const from = (row * heads + h) * (nope + value);
      keys.set(made.subarray(from, from + nope), (row * heads + h) * (nope + rope));
      keys.set(ropeKeys.subarray(row * rope, (row + 1) * rope), (row * heads + h) * (nope + rope) + nope);
      values.set(made.subarray(from + nope, from + nope + value), (row * heads + h) * value);
    }
  }
  const plain = portable.attention({ q, k: keys, v: values, heads, size: nope + rope, valueSize: value, positions });
  for (const form of ["absorbed", "expanded"] as const)
    close(
      both((k) => k.mla({ ...input, form })),
      plain,
      1e-5,
    );

  const bytes = portable.quantize("Q8_0", wkvB);
  const matrix = { type: "Q8_0", bytes, rows: heads * (nope + value), cols: rank } as const;
  close(
    portable.mla({ ...input, wkvB: matrix }),
    portable.mla({ ...input, wkvB: portable.dequantize("Q8_0", bytes) }),
    0,
  );
});

test("wrong shapes and types are named", async () => {
  const k = portable;
  const x = noise(64, 1);
  const cases: [string, RegExp, () => unknown][] = [
    ["BAD_ARGUMENT", /a has 64 values; \[m 3, k 5\] takes 15/, () => k.matmul(x, x, { m: 3, k: 5, n: 2 })],
    ["BAD_ARGUMENT", /b has 64 values/, () => k.matmul(x, x, { m: 2, k: 32, n: 3 })],
    ["BAD_ARGUMENT", /m is a whole number/, () => k.matmul(x, x, { m: 0, k: 32, n: 3 })],
    ["BAD_ARGUMENT", /want 3 rows of 32/, () => matrixCase({ rows: 2, cols: 32 })],
    ["BAD_ARGUMENT", /has 10 bytes; 3 × 32 in Q4_0 take 54/, () => matrixCase({ rows: 3, cols: 32 })],
    ["UNSUPPORTED", /no block format Q9_Z: there are F32/, () => k.dequantize("Q9_Z" as TypeName, new Uint8Array(18))],
    ["UNSUPPORTED", /IQ2_XXS is for reading: .*; take Q2_K/, () => k.quantize(16, x)],
    ["UNSUPPORTED", /IQ3_S is for reading: .*; take Q3_K/, () => k.quantize("IQ3_S", x)],
    ["UNSUPPORTED", /no block format Q8_K: there are F32/, () => k.quantize(15, x)],
    ["BAD_ARGUMENT", /17 bytes are no whole blocks of Q4_0/, () => k.dequantize("Q4_0", new Uint8Array(17))],
    ["BAD_ARGUMENT", /64 values are no whole blocks of Q6_K, which hold 256/, () => k.quantize("Q6_K", x)],
    ["BAD_ARGUMENT", /no whole rows of 60/, () => k.rmsNorm(x, x.slice(0, 60))],
    ["BAD_ARGUMENT", /no whole rows of 7/, () => k.softmax(x, { columns: 7 })],
    ["BAD_ARGUMENT", /5 rotated values/, () => k.rope(x, { heads: 2, size: 8, positions: [0, 1, 2, 3], rotated: 5 })],
    ["BAD_ARGUMENT", /not -1/, () => k.rope(x, { heads: 2, size: 8, positions: [0, 1, 2, -1] })],
    ["BAD_ARGUMENT", /q has 64 values/, () => k.attention({ q: x, k: x, v: x, heads: 3, size: 8, positions: [0] })],
    [
      "BAD_ARGUMENT",
      /no multiple of 3/,
      () => k.attention({ q: x, k: x, v: x, heads: 8, kvHeads: 3, size: 8, positions: [0] }),
    ],
    ["BAD_ARGUMENT", /no Float32Array/, () => k.softmax([1, 2] as unknown as Float32Array)],
  ];
  function matrixCase(size: { rows: number; cols: number }): unknown {
    return k.matmul(x, { type: "Q4_0", bytes: new Uint8Array(10), ...size }, { m: 2, k: 32, n: 3 });
  }
  for (const [code, words, work] of cases) {
    const error = await errorOf(work);
    assert.instance(error, LimpetError, error.message);
    assert.is(error.code, code);
    assert.match(error.message, words);
  }
  assert.equal(k.quantize("Q4_0", new Float32Array(0)), new Uint8Array(0));
  assert.equal(k.dequantize("Q4_0", new Uint8Array(0)), new Float32Array(0));
  assert.equal(k.softmax(new Float32Array(0)), new Float32Array(0));
});

test("memory is given back after each call", () => {
  const shape = { m: 64, k: 1024, n: 256 };
  const a = noise(shape.m * shape.k, 1);
  const bytes = portable.quantize("Q4_0", noise(shape.k * shape.n, 2));
  const work = () => portable.matmul(a, { type: "Q4_0", bytes, rows: shape.n, cols: shape.k }, shape);
  const first = work();
  for (let i = 0; i < 30; i++) assert.ok(sameBits(first, work()));
  assert.ok(portable.memoryBytes < 8_000_000, `${portable.memoryBytes} bytes`);
});

test.run();
