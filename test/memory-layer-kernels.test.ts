/**
 * The Memory Layer against its formulas in float64 (support/memory-layer.ts): codes to the bit, weights within a few units in the last
 * place, sums within 1e-6 of Σ|w·T|; at the edges of tiles and groups, on rows at odd addresses, and with equal bits from
 * the scalar and the SIMD build.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { ErrorCode, RowType } from "../bindings/numbers.ts";
import { type Kernels, kernels, LimpetError, type MemoryTable, type TableType } from "../src/kernels.ts";
import { sameBits, type TestCore } from "./support/core.ts";
import { fromHalf, onBoth, put, toHalf, values } from "./support/floats.ts";
import { closeSum, codesOf, weightsOf } from "./support/memory-layer.ts";
import { errorOf } from "./support/models.ts";
import { generator } from "./support/random.ts";

const portable = await kernels();
const scalar = await kernels({ build: "scalar" });

const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/** The result of the portable build, whose bits are those of the scalar one. */
function both<T>(work: (k: Kernels) => T): T {
  const result = work(portable);
  const [found, expected] = [result, work(scalar)].map((value) =>
    (ArrayBuffer.isView(value) ? [value] : Object.values(value as object)).filter(ArrayBuffer.isView),
  );
  assert.is(found.length, expected.length);
  found.forEach((array, i) => {
    assert.ok(sameBits(array, expected[i]), "both builds give the same bits");
  });
  return result;
}

/** A random table, and its values without scales. */
function randomTable(random: () => number, type: TableType, rows: number, columns: number) {
  const made = new Float64Array(rows * columns);
  const bytes = new Uint8Array(rows * columns * { F32: 4, F16: 2, Q8: 1, Q4: 0.5 }[type]);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < made.length; i++) {
    const [row, c] = [Math.floor(i / columns), i % columns];
    const value = random() * 2 - 1;
    if (type === "F32") {
      made[i] = Math.fround(value);
      view.setFloat32(i * 4, made[i], true);
    } else if (type === "F16") {
      view.setUint16(i * 2, toHalf(value), true);
      made[i] = fromHalf(toHalf(value));
    } else if (type === "Q8") {
      made[i] = Math.floor(random() * 256) - 128;
      view.setInt8(i, made[i]);
    } else {
      const half = columns / 2;
      made[i] = Math.floor(random() * 16) - 8;
      bytes[row * half + (c % half)] |= (made[i] + 8) << (c < half ? 0 : 4);
    }
  }
  return { bytes, made };
}

const STRANGE = [0, -0, 1e-45, -1e-45, 1.1e-38, -1.1e-38, 2 ** -149, LARGEST, -LARGEST, 1e30, -1e30, 1, -1, 1e-20];

test("codes are exact: any number of bits, zeros of both signs, denormals, huge values, infinities and NaN", () => {
  const random = generator(1);
  for (let bits = 1; bits <= 24; bits++) {
    const [chunks, rows] = [5, 3];
    const x = values(random, rows * chunks * bits);
    for (let i = 0; i < x.length; i++) {
      if (random() < 0.4) x[i] = STRANGE[Math.floor(random() * STRANGE.length)];
      else if (random() < 0.05) x[i] = [NaN, Infinity, -Infinity][Math.floor(random() * 3)];
    }
    for (const zero of [0, 1] as const) {
      const { codes, weights } = both((k) => k.hash({ x, chunks, bits, rows, zero }));
      assert.equal(Array.from(codes), codesOf(x, bits, zero), `${bits} bits`);
      assert.is(weights, undefined);
    }
  }
  const x = Float32Array.of(0, -0, 1e-45, -1e-45, NaN, 1, -1, LARGEST);
  assert.equal(Array.from(portable.hash({ x, chunks: 1, bits: 8 }).codes), [0b11100101]);
  assert.equal(Array.from(portable.hash({ x, chunks: 1, bits: 8, zero: 0 }).codes), [0b00100101]);
});

test("weights of both rules lie within a few units in the last place", () => {
  const random = generator(2);
  for (const bits of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24]) {
    for (const size of [1e-30, 1e-3, 0.3, 2, 20, 1e5, 1e30]) {
      const x = values(random, 40 * bits, size);
      for (const weight of ["score", "prob"] as const) {
        for (const temperature of weight === "prob" ? [0.25, 1, 3, 1e-45, 1e30] : [1]) {
          const found = both((k) => k.hash({ x, chunks: 40, bits, weight, temperature })).weights as Float32Array;
          weightsOf(x, bits, weight, Math.fround(temperature)).forEach((want, i) => {
            const error = Math.abs(found[i] - want) / want;
            assert.ok(error <= 4 * 2 ** -23, `${weight}, ${bits} bits, size ${size}: ${found[i]}, not ${want}`);
          });
        }
      }
    }
  }
});

test("weights at the ends: a Σ|z| that overflows is the largest float, NaN stays one, zeros weigh nothing", () => {
  const weigh = (x: number[], weight: "score" | "prob") =>
    Array.from(both((k) => k.hash({ x: Float32Array.from(x), chunks: 1, bits: x.length, weight })).weights ?? []);
  assert.equal(weigh([LARGEST, LARGEST, -LARGEST, 1, LARGEST], "score"), [LARGEST]);
  assert.equal(weigh([Infinity, 1, 2, 3], "score"), [LARGEST]);
  assert.equal(weigh([1, 2, 3, 4, 5, 6, -Infinity], "score"), [LARGEST]);
  assert.equal(weigh([LARGEST, LARGEST, -Infinity], "prob"), [1]);
  assert.equal(weigh([0, -0, 0, 0, 0, 0, 0, -0], "score"), [0]);
  assert.equal(weigh([0, -0, 0, 0, 0, 0, 0, -0], "prob"), [1 / 256]);
  for (const weight of ["score", "prob"] as const) assert.ok(Number.isNaN(weigh([1, NaN, 2, 3, 4], weight)[0]), weight);
});

test("sums of every type of row, at the edges of tiles and groups and at odd addresses", () => {
  const random = generator(3);
  for (const [type, id] of Object.entries(RowType) as [TableType, number][]) {
    for (const columns of [1, 2, 3, 4, 7, 8, 9, 14, 16, 17, 30, 64, 100, 514]) {
      if (type === "Q4" && columns % 2 !== 0) continue;
      for (const count of [0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 17, 40]) {
        const { bytes, made } = randomTable(random, type, count, columns);
        const weights = values(random, count);
        const bias = values(random, columns);
        const rowBytes = bytes.length / Math.max(count, 1);
        for (const withBias of [false, true]) {
          const found = onBoth(`${type} ${columns} × ${count}`, (core) => {
            // The table begins one byte behind an aligned address, and nothing lies behind the result.
            const table = core.allocate(bytes.length + 1) + 1;
            core.memory.write(table, bytes);
            const rows = put(
              core,
              Uint32Array.from({ length: count }, (_, k) => table + k * rowBytes),
            );
            const target = core.allocate(columns * 4 + 4);
            core.memory.write(target + columns * 4, Uint8Array.of(1, 2, 3, 4));
            const [w, b] = [put(core, weights), put(core, bias)];
            const status = core.call("kernel_gather_rows", id, rows, w, count, columns, withBias ? b : 0, target);
            assert.is(status, 0);
            assert.equal(Array.from(core.u8(target + columns * 4, 4)), [1, 2, 3, 4]);
            const result = core.f32(target, columns);
            for (const pointer of [table - 1, rows - 4, target, w - 4, b - 4]) core.release(pointer);
            return result;
          });
          found.forEach((value, c) => {
            const terms = Array.from(weights, (weight, k) => weight * made[k * columns + c]);
            if (withBias) terms.push(bias[c]);
            closeSum(value, terms, `${type}, ${count} rows, column ${c} of ${columns}`);
          });
        }
      }
    }
  }
});

test("weights of any sizes side by side, zeros, denormals and cancelling ones", () => {
  const random = generator(4);
  const columns = 33;
  for (const type of ["Q8", "F16", "F32"] as const) {
    for (let round = 0; round < 60; round++) {
      const count = 1 + Math.floor(random() * 40);
      const { bytes, made } = randomTable(random, type, count, columns);
      // Columns in which the rows of some weights have zeros, so that small weights are all there is.
      const spread = [2, 12, 40, 120, 250][round % 5];
      const weights = Float32Array.from({ length: count }, () => {
        if (random() < 0.1) return 0;
        return (
          (random() < 0.5 ? -1 : 1) *
          (0.5 + random() / 2) *
          2 ** (round % 5 === 4 ? -spread / 2 : 0) *
          2 ** (-Math.floor(random() * spread) / (round % 2 ? 1 : 2))
        );
      });
      const found = gather(type, bytes, weights, columns);
      found.forEach((value, c) => {
        const terms = Array.from(weights, (weight, k) => weight * made[k * columns + c]);
        // Below the normal numbers of f32 an error is a denormal's.
        const size = terms.reduce((a, b) => a + Math.abs(b), 0);
        if (size > 1e-30) closeSum(value, terms, `${type}, spread ${spread}, column ${c}`);
        else assert.ok(Number.isFinite(value));
      });
    }
  }
});

/** One row each of a table of `weights.length` rows. */
function gather(type: TableType, bytes: Uint8Array, weights: Float32Array, columns: number, bias?: Float32Array) {
  const rowBytes = bytes.length / weights.length;
  return onBoth(type, (core: TestCore) => {
    const pointers = [core.put(bytes), core.put(weights), core.put(bias ?? new Float32Array(columns))];
    const [table, w, b] = pointers;
    const rows = core.put(Uint32Array.from(weights, (_, k) => table + k * rowBytes));
    const target = core.allocate(columns * 4);
    core.call("kernel_gather_rows", RowType[type], rows, w, weights.length, columns, bias ? b : 0, target);
    const result = core.f32(target, columns);
    for (const pointer of [...pointers, rows, target]) core.release(pointer);
    return result;
  });
}

test("weights that overflow on the way give the true sum, or the largest float", () => {
  const table = Float32Array.of(2, -3, 1e-3, 2, -3, -1e-3, -4, 6, 1e-3);
  const found = gather("F32", new Uint8Array(table.buffer), Float32Array.of(LARGEST, LARGEST, LARGEST), 3);
  assert.equal(Array.from(found), [0, 0, Math.fround(LARGEST * Math.fround(1e-3))]);
  const bias = Float32Array.of(1, -1, 0);
  const whole = gather("Q8", Uint8Array.of(1, 255, 2, 1, 255, 254), Float32Array.of(LARGEST, LARGEST), 3, bias);
  assert.equal(Array.from(whole), [LARGEST, -LARGEST, 0]);
  const nibbles = gather("Q4", Uint8Array.of(0x9a, 0x86, 0x9a, 0x8a), Float32Array.of(LARGEST, -LARGEST), 4);
  assert.equal(Array.from(nibbles), [0, -LARGEST, 0, 0]);
  const { codes, weights } = portable.hash({
    x: Float32Array.of(LARGEST, -LARGEST, LARGEST, 1),
    chunks: 2,
    bits: 2,
    weight: "score",
  });
  assert.equal(Array.from(codes), [2, 3]);
  assert.is(weights?.[0], LARGEST);
  const layer = both((k) =>
    k.memoryLayer({ x: Float32Array.of(LARGEST, -LARGEST, LARGEST, 1), tables: tablesOf(), chunks: 2, bits: 2 }),
  );
  assert.ok(layer.every(Number.isFinite), `${layer}`);
});

function tablesOf(): Float32Array {
  return values(generator(9), 2 * 4 * 6, 100);
}

test("the layer is its formula, one table or several, in every type; a batch is its rows by themselves", () => {
  const random = generator(5);
  for (const [chunks, bits, rows, columns] of [
    [1, 1, 1, 2],
    [3, 4, 5, 12],
    [64, 8, 3, 32],
    [9, 10, 4, 50],
  ]) {
    const x = values(random, rows * chunks * bits, 3);
    x[0] = -0;
    x[x.length - 1] *= 0;
    const count = chunks * 2 ** bits;
    const types = Object.keys(RowType) as TableType[];
    const made = types.map((type) => randomTable(random, type, count, columns));
    const scales = types.map((type) =>
      type.startsWith("Q") ? Float32Array.from({ length: count }, () => random() + 0.01) : undefined,
    );
    const tables = types.map((type, i): MemoryTable | Float32Array =>
      type === "F32" ? Float32Array.from(made[i].made) : { type, bytes: made[i].bytes, columns, scales: scales[i] },
    );
    const bias = types.map((_, i) => (i === 1 ? undefined : values(random, columns)));
    for (const weight of ["score", "prob"] as const) {
      for (const zero of [0, 1] as const) {
        const input = { x, chunks, bits, rows, weight, zero, temperature: 0.8 };
        const all = both((k) => k.memoryLayer({ ...input, tables, bias }));
        const codes = codesOf(x, bits, zero);
        const weights = weightsOf(x, bits, weight, 0.8);
        all.forEach((found, i) => {
          const single = both((k) => k.memoryLayer({ ...input, tables: tables[i], bias: bias[i] }));
          assert.ok(sameBits(single, found), "one table alone");
          for (let row = 0; row < rows; row++) {
            const own = { ...input, x: x.slice(row * chunks * bits, (row + 1) * chunks * bits), rows: 1 };
            const alone = portable.memoryLayer({ ...own, tables: tables[i], bias: bias[i] });
            assert.ok(sameBits(alone, found.slice(row * columns, (row + 1) * columns)), "one row alone");
          }
          found.forEach((value, at) => {
            const [row, c] = [Math.floor(at / columns), at % columns];
            const terms = Array.from({ length: chunks }, (_, k) => {
              const index = k * 2 ** bits + codes[row * chunks + k];
              return weights[row * chunks + k] * (scales[i]?.[index] ?? 1) * made[i].made[index * columns + c];
            });
            if (bias[i]) terms.push(bias[i]?.[c] ?? 0);
            closeSum(value, terms, `${types[i]}, ${weight}, row ${row}, column ${c}`);
          });
        });
      }
    }
  }
});

test("rows and the default rule are what they are said to be", () => {
  const x = values(generator(6), 2 * 3 * 4);
  const tables = values(generator(7), 3 * 16 * 5);
  const input = { x, tables, chunks: 3, bits: 4 };
  const plain = portable.memoryLayer(input);
  assert.is(plain.length, 2 * 5);
  assert.ok(sameBits(plain, portable.memoryLayer({ ...input, rows: 2, weight: "score", zero: 1 })));
});

test("wrong shapes, types and options are named", async () => {
  const x = values(generator(8), 2 * 3 * 4);
  const tables = values(generator(7), 3 * 16 * 6);
  const input = { x, tables, chunks: 3, bits: 4 };
  const q8 = { type: "Q8", bytes: new Uint8Array(48 * 6), columns: 6, scales: new Float32Array(48) } as const;
  const layer = (change: object) => () => portable.memoryLayer({ ...input, ...change } as typeof input);
  const cases: [RegExp, () => unknown][] = [
    [/x has 24 values, no whole rows of 15 \(chunks · bits\)/, layer({ bits: 5 })],
    [/x has 24 values; \[rows 3, chunks 3, bits 4\] takes 36/, layer({ rows: 3 })],
    [/x is no Float32Array/, layer({ x: Array.from(x) })],
    [/chunks is a whole number above 0, not 0/, layer({ chunks: 0 })],
    [/bits is a whole number above 0, not 1.5/, layer({ bits: 1.5 })],
    [/bits is at most 24, not 25/, layer({ bits: 25 })],
    [/zero is the bit of an element that is exactly zero, 0 or 1, not 2/, layer({ zero: 2 })],
    [/weight is "score" or "prob", not "cosine"/, layer({ weight: "cosine" })],
    [/temperature is a number above 0, not 0/, layer({ weight: "prob", temperature: 0 })],
    [/temperature is a number above 0, not NaN/, layer({ temperature: NaN })],
    [/tables has 287 values, which are not 48 rows, 2\^4 for each of 3 chunks/, layer({ tables: tables.slice(1) })],
    [/tables has 0 values/, layer({ tables: new Float32Array(0) })],
    [/tables is a Float32Array or \{ type, bytes, columns \}/, layer({ tables: undefined })],
    [/bias has 5 values; \[columns 6\] takes 6/, layer({ bias: new Float32Array(5) })],
    [/bias is a list as long as tables, of 1/, layer({ tables: [tables], bias: new Float32Array(6) })],
    [/bias is a list, and tables is one table/, layer({ bias: [new Float32Array(6)] })],
    [/tables\[1\] is of type Q5; a table's rows are F32, F16, Q8, Q4/, layer({ tables: [q8, { ...q8, type: "Q5" }] })],
    [/tables has 288 bytes; 48 rows.* of 7 columns in Q8 take 336/, layer({ tables: { ...q8, columns: 7 } })],
    [/tables has 5 columns; in Q4 two share a byte/, layer({ tables: { ...q8, type: "Q4", columns: 5 } })],
    [/tables has no scales: Q8 wants one for each of 48 rows/, layer({ tables: { ...q8, scales: undefined } })],
    [/tables.scales has 47 values/, layer({ tables: { ...q8, scales: new Float32Array(47) } })],
    [/scales, which rows of F16 do not have/, layer({ tables: { ...q8, type: "F16", columns: 3 } })],
    [/tables.columns is a whole number above 0, not 0/, layer({ tables: { ...q8, columns: 0 } })],
    [/x has 24 values/, () => portable.hash({ x, chunks: 5, bits: 5 })],
  ];
  for (const [words, work] of cases) {
    const error = await errorOf(work);
    assert.instance(error, LimpetError, error.message);
    assert.is(error.code, "BAD_ARGUMENT", error.message);
    assert.match(error.message, words);
  }
});

test("the exports refuse what they cannot do", () => {
  const { UNSUPPORTED, BAD_ARGUMENT } = ErrorCode;
  onBoth("statuses", (core) => {
    const at = core.allocate(64);
    assert.is(core.call("kernel_hash_row", at, 1, 0, 1, at), BAD_ARGUMENT);
    assert.is(core.call("kernel_hash_row", at, 1, 25, 1, at), BAD_ARGUMENT);
    assert.is(core.call("kernel_chunk_weights", at, 1, 4, 2, 1, at), UNSUPPORTED);
    assert.is(core.call("kernel_chunk_weights", at, 1, 4, 1, 0, at), BAD_ARGUMENT);
    assert.is(core.call("kernel_find_rows", at, 4, 25, at, 1, at), BAD_ARGUMENT);
    assert.is(core.call("kernel_scale_weights", at, 0, at, 1, at, at), BAD_ARGUMENT);
    assert.is(core.call("kernel_gather_rows", 8, at, at, 0, 32, 0, at), UNSUPPORTED);
    assert.is(core.call("kernel_gather_rows", RowType.Q4, at, at, 0, 5, 0, at), UNSUPPORTED);
    assert.is(core.call("kernel_table_row_bytes", 8, 32), 0);
    assert.is(core.call("kernel_table_row_bytes", RowType.Q4, 32), 16);
    core.release(at);
    return new Float32Array(0);
  });
});

test.run();
