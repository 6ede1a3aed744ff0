/**
 * Attention over listed cache rows, attention on plain arrays and latent attention in both its forms, against float64
 * formulas written out here; the scalar build against the SIMD build bit for bit.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { KvType } from "../bindings/numbers.ts";
import { sameBits, type TestCore } from "./support/core.ts";
import { fromHalf, near, onBoth, put, toHalf, values } from "./support/floats.ts";
import { generator } from "./support/random.ts";

interface Attention {
  heads: number;
  kvHeads: number;
  keySize: number;
  valueSize: number;
  count: number;
}

/** out and mass of one query over keys and values f64[count][kvHeads][size]. */
function attendReference(q: Float32Array, k: ArrayLike<number>, v: ArrayLike<number>, a: Attention, factor: number) {
  const out = new Float64Array(a.heads * a.valueSize);
  const mass = new Float64Array(a.count);
  for (let h = 0; h < a.heads; h++) {
    const g = Math.floor(h / (a.heads / a.kvHeads));
    const scores = Array.from({ length: a.count }, (_, t) => {
      let sum = 0;
      for (let i = 0; i < a.keySize; i++) {
        sum += (q[h * a.keySize + i] as number) * (k[(t * a.kvHeads + g) * a.keySize + i] as number);
      }
      return sum * factor;
    });
    const top = Math.max(...scores);
    const sum = scores.reduce((s, x) => s + Math.exp(x - top), 0);
    for (let t = 0; t < a.count; t++) {
      const p = Math.exp((scores[t] as number) - top) / sum;
      mass[t] = (mass[t] as number) + p;
      for (let i = 0; i < a.valueSize; i++) {
        const at = h * a.valueSize + i;
        out[at] = (out[at] as number) + p * (v[(t * a.kvHeads + g) * a.valueSize + i] as number);
      }
    }
  }
  return { out, mass };
}

const { F32, F16, Q8_0 } = KvType;

/** Bytes of a vector in the cache: blocks of 32 with a half scale, or plain values. */
function vectorBytes(kvType: number, n: number): number {
  if (kvType !== Q8_0) return n * (kvType === F16 ? 2 : 4);
  return Math.floor(n / 32) * 34 + (n % 32 ? 2 + n - (n >> 5) * 32 + (n % 2) : 0);
}

/** Writes vectors of these lengths one behind the other. */
function encodeVectors(core: TestCore, kvType: number, source: number, lengths: number[], target: number): void {
  let [from, to] = [source, target];
  for (const n of lengths) {
    core.call("kernel_encode_row", kvType, from, n, to);
    from += 4 * n;
    to += vectorBytes(kvType, n);
  }
}

/** What a Q8_0 cache gives back of rows of vectors: written out from the format. */
function asRead(data: Float32Array, lengths: number[]): Float32Array {
  const read = new Float32Array(data.length);
  for (let at = 0, i = 0; at < data.length; i++) {
    const end = at + (lengths[i % lengths.length] as number);
    for (; at < end; ) {
      const block = data.subarray(at, Math.min(at + 32, end));
      const d = fromHalf(toHalf(Math.fround(Math.max(...block.map(Math.abs)) / 127)));
      const inverse = d ? Math.fround(1 / d) : 0;
      read.set(
        block.map((x) => d * nearestEven(Math.fround(x * inverse))),
        at,
      );
      at += block.length;
    }
  }
  return read;
}

function nearestEven(x: number): number {
  const low = Math.floor(x);
  const up = x - low > 0.5 || (x - low === 0.5 && low % 2 !== 0);
  return Math.max(Math.min(up ? low + 1 : low, 127), -128);
}

test("a vector of Q8_0 is blocks of 32 and a short one; extremes stay finite, NaN is zero", () => {
  const random = generator(5);
  for (const n of [1, 2, 7, 8, 31, 32, 33, 64, 80, 576]) {
    const vector = values(random, n, 3);
    const got = onBoth(`q8_0 of ${n}`, (core) => {
      const bytes = core.call("kernel_cache_vector_bytes", Q8_0, n) as number;
      assert.is(bytes, vectorBytes(Q8_0, n));
      const row = core.allocate(bytes);
      const back = core.allocate(4 * n);
      core.call("kernel_encode_row", Q8_0, put(core, vector), n, row);
      core.call("kernel_decode_row", Q8_0, row, n, back);
      return core.f32(back, n);
    });
    near(got, asRead(vector, [n]), 1e-7, `q8_0 of ${n}`);
  }
  const odd = Float32Array.of(
    Number.NaN,
    Infinity,
    -3e38,
    1,
    ...new Float32Array(28),
    1e-9,
    -1e-6,
    ...new Float32Array(30),
  );
  const got = onBoth("extremes", (core) => {
    const row = core.allocate(68);
    const back = core.allocate(256);
    core.call("kernel_encode_row", Q8_0, put(core, odd), 64, row);
    core.call("kernel_decode_row", Q8_0, row, 64, back);
    return core.f32(back, 64);
  });
  assert.ok(got.every(Number.isFinite), "all finite");
  assert.equal([...got.subarray(0, 4)], [0, 127 * 65504, -128 * 65504, 0]);
});

test("absorbed attention over latents: all row types, in integers where blocks are whole, against float64", () => {
  const shapes = [
    [1, 32, 8],
    [4, 64, 16],
    [6, 96, 6],
    [16, 512, 64],
    [3, 40, 10],
  ] as const;
  for (const [heads, rank, rope] of shapes) {
    for (const count of [0, 1, 7, 8, 63, 64, 65, 150]) {
      for (const kvType of [F32, F16, Q8_0]) {
        const random = generator(rank + count);
        const ropeType = kvType === Q8_0 ? F16 : kvType;
        const latentBytes = vectorBytes(kvType, rank);
        const rowBytes = latentBytes + vectorBytes(ropeType, rope);
        const poolRows = count + 3;
        // Rows and blocks of very different size, as outliers make them.
        const written = values(random, poolRows * rank).map((x, i) => fromHalf(toHalf(x * (1 + ((i >> 5) % 7)))));
        const latents = kvType === Q8_0 ? asRead(written, [rank]) : written;
        const ropeKeys = values(random, poolRows * rope).map((x) => fromHalf(toHalf(x)));
        const rows = Uint32Array.from({ length: count }, (_, t) => (t * 5 + 2) % poolRows);
        const [q, qRope] = [values(random, heads * rank, 0.2), values(random, heads * rope)];
        const factor = 0.3;
        const what = `${heads} heads, rank ${rank}, ${count} rows, type ${kvType}`;
        const run = (first: number, many: number) =>
          onBoth(what, (core) => {
            const base = core.allocate(poolRows * rowBytes);
            const [latentAt, ropeAt] = [put(core, written), put(core, ropeKeys)];
            for (let r = 0; r < poolRows; r++) {
              core.call("kernel_encode_row", kvType, latentAt + 4 * r * rank, rank, base + r * rowBytes);
              core.call("kernel_encode_row", ropeType, ropeAt + 4 * r * rope, rope, base + r * rowBytes + latentBytes);
            }
            const scratch = core.allocate(core.call("kernel_attend_latent_scratch_bytes", many, count, rank, rope));
            const target = core.allocate(4 * many * rank);
            core.call(
              "kernel_attend_latent",
              put(core, q.slice(first * rank)),
              put(core, qRope.slice(first * rope)),
              put(core, rows),
              count,
              base,
              rowBytes,
              kvType,
              many,
              rank,
              rope,
              factor,
              scratch,
              target,
              0,
            );
            const result = core.f32(target, many * rank).slice();
            for (const block of [base, scratch, target]) core.release(block);
            return result;
          });
        const got = run(0, heads);
        const want = new Float64Array(heads * rank);
        for (let h = 0; h < heads; h++) {
          const scores = Array.from(rows, (row) => {
            let sum = 0;
            for (let i = 0; i < rank; i++) sum += q[h * rank + i] * latents[row * rank + i];
            for (let i = 0; i < rope; i++) sum += qRope[h * rope + i] * ropeKeys[row * rope + i];
            return sum * factor;
          });
          const top = Math.max(...scores);
          const total = scores.reduce((sum, x) => sum + Math.exp(x - top), 0);
          rows.forEach((row, t) => {
            const p = Math.exp((scores[t] as number) - top) / total;
            for (let i = 0; i < rank; i++) want[h * rank + i] += p * latents[row * rank + i];
          });
        }
        // A byte's step of the largest block is 0.1: integers may add a tenth of it.
        near(got, want, kvType === Q8_0 ? 1e-2 : 1e-5, what);
        if (heads > 1) assert.ok(sameBits(run(1, heads - 1), got.slice(rank)), `${what}: heads do not see each other`);
      }
    }
  }
});

test("attention over listed rows: grouped heads, all row types, tile edges, mass", () => {
  const shapes = [
    [1, 1, 4, 4],
    [3, 1, 5, 3],
    [4, 4, 16, 16],
    [9, 3, 64, 64],
    [8, 2, 33, 17],
    [6, 2, 19, 36],
    [5, 1, 1, 1],
  ] as const;
  for (const [heads, kvHeads, keySize, valueSize] of shapes) {
    for (const count of [0, 1, 2, 7, 8, 9, 16, 31]) {
      for (const kvType of [F32, F16, Q8_0]) {
        const random = generator(heads * 1000 + count);
        const width = kvHeads * (keySize + valueSize);
        const poolRows = count + 3;
        const vectors = [...Array(kvHeads).fill(keySize), ...Array(kvHeads).fill(valueSize)] as number[];
        const rowBytes = vectors.reduce((sum, n) => sum + vectorBytes(kvType, n), 2);
        const factor = 1 / Math.sqrt(keySize);
        const q = values(random, heads * keySize);
        const written = values(random, poolRows * width).map((x) => fromHalf(toHalf(x)));
        const pool = kvType === Q8_0 ? asRead(written, vectors) : written;
        // A list without order, from the end of the pool.
        const rows = Uint32Array.from({ length: count }, (_, t) => (t * 5 + 2) % poolRows);
        const what = `attend ${heads}/${kvHeads}, ${keySize}, ${valueSize}, ${count} rows, type ${kvType}`;
        const got = onBoth(what, (core) => {
          const base = core.allocate(poolRows * rowBytes);
          const source = put(core, written);
          for (let r = 0; r < poolRows; r++)
            encodeVectors(core, kvType, source + 4 * r * width, vectors, base + r * rowBytes);
          const scratch = core.allocate(core.call("kernel_attend_scratch_bytes", heads, count, keySize, valueSize));
          const target = core.allocate(4 * heads * valueSize);
          const mass = core.allocate(4 * count);
          core.call(
            "kernel_attend",
            put(core, q),
            put(core, rows),
            count,
            base,
            rowBytes,
            kvType,
            heads,
            kvHeads,
            keySize,
            valueSize,
            factor,
            scratch,
            target,
            mass,
          );
          const result = Float32Array.of(...core.f32(target, heads * valueSize), ...core.f32(mass, count));
          for (const block of [base, scratch, target, mass]) core.release(block);
          return result;
        });
        const keys: number[] = [];
        const vals: number[] = [];
        for (const row of rows) {
          keys.push(...pool.subarray(row * width, row * width + kvHeads * keySize));
          vals.push(...pool.subarray(row * width + kvHeads * keySize, (row + 1) * width));
        }
        const want = attendReference(q, keys, vals, { heads, kvHeads, keySize, valueSize, count }, factor);
        near(got, [...want.out, ...want.mass], 3e-6, what);
      }
    }
  }
});

test("attention on plain arrays is causal by position", () => {
  const [heads, kvHeads, keySize, valueSize, count] = [4, 2, 12, 20, 11];
  const random = generator(70);
  const positions = [0, 3, 10, 99, -1];
  const q = values(random, positions.length * heads * keySize);
  const k = values(random, count * kvHeads * keySize);
  const v = values(random, count * kvHeads * valueSize);
  const got = onBoth("attention", (core) => {
    const scratch = core.allocate(
      core.call("kernel_attention_scratch_bytes", count, heads, kvHeads, keySize, valueSize),
    );
    const target = core.allocate(4 * positions.length * heads * valueSize);
    core.call(
      "kernel_attention",
      put(core, q),
      put(core, k),
      put(core, v),
      put(core, Int32Array.from(positions)),
      positions.length,
      count,
      heads,
      kvHeads,
      keySize,
      valueSize,
      0.25,
      scratch,
      target,
    );
    return core.f32(target, positions.length * heads * valueSize);
  });
  const want = positions.flatMap((position, t) => {
    const shape = { heads, kvHeads, keySize, valueSize, count: Math.min(position + 1, count) };
    return [...attendReference(q.subarray(t * heads * keySize), k, v, shape, 0.25).out];
  });
  near(got, want, 3e-6, "attention");
});

test("MLA: absorbed and expanded agree with each other and with float64", () => {
  const shapes = [
    { heads: 1, nope: 4, rope: 2, value: 4, rank: 4 },
    { heads: 4, nope: 32, rope: 16, value: 32, rank: 64 },
    { heads: 3, nope: 7, rope: 6, value: 5, rank: 11 },
    { heads: 2, nope: 12, rope: 8, value: 33, rank: 37 },
  ];
  for (const { heads, nope, rope, value, rank } of shapes) {
    for (const [tokens, count] of [
      [1, 1],
      [1, 9],
      [5, 8],
      [17, 17],
      [33, 40],
    ] as const) {
      const random = generator(heads * 100 + tokens);
      const q = values(random, tokens * heads * (nope + rope));
      const latent = values(random, count * rank);
      const ropeKeys = values(random, count * rope);
      const w = values(random, heads * (nope + value) * rank, 1 / Math.sqrt(rank));
      const positions = Int32Array.from({ length: tokens }, (_, t) => count - tokens + t);
      if (tokens > 1) positions[1] = 0;
      const run = (form: number, first = 0, many = tokens) =>
        onBoth(`mla ${form}`, (core) => {
          const bytes = core.call("kernel_mla_scratch_bytes", many, count, heads, nope, rope, value, rank, form);
          const scratch = core.allocate(bytes);
          const target = core.allocate(4 * many * heads * value);
          core.call(
            "kernel_mla",
            put(core, q.slice(first * heads * (nope + rope))),
            put(core, latent),
            put(core, ropeKeys),
            put(core, w),
            put(core, positions.slice(first)),
            many,
            count,
            heads,
            nope,
            rope,
            value,
            rank,
            form,
            scratch,
            target,
          );
          const result = core.f32(target, many * heads * value);
          core.release(scratch);
          core.release(target);
          return result;
        });
      const absorbed = run(0);
      const expanded = run(1);
      const what = `mla ${heads} heads, ${tokens} tokens, ${count} rows`;
      const want = mlaReference({ q, latent, ropeKeys, w, positions, heads, nope, rope, value, rank });
      near(absorbed, want, 1e-5, `${what}, absorbed`);
      near(expanded, want, 1e-5, `${what}, expanded`);
      near(absorbed, expanded, 1e-4, `${what}, both forms`, 0.1);
      // A token alone gives the bits that it gives among others.
      const last = tokens - 1;
      for (const [form, together] of [absorbed, expanded].entries()) {
        assert.ok(sameBits(run(form, last, 1), together.slice(last * heads * value)), `${what}: the last token alone`);
      }
    }
  }
});

interface Mla {
  q: Float32Array;
  latent: Float32Array;
  ropeKeys: Float32Array;
  w: Float32Array;
  positions: Int32Array;
  heads: number;
  nope: number;
  rope: number;
  value: number;
  rank: number;
}

/** The paper's formula: keys and values of every head from the latent, then ordinary attention. */
function mlaReference({ q, latent, ropeKeys, w, positions, heads, nope, rope, value, rank }: Mla): number[] {
  const count = latent.length / rank;
  const made = nope + value;
  const product = (row: number, t: number) => {
    let sum = 0;
    for (let i = 0; i < rank; i++) sum += (w[row * rank + i] as number) * (latent[t * rank + i] as number);
    return sum;
  };
  const keys: number[] = [];
  const vals: number[] = [];
  for (let t = 0; t < count; t++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < nope; i++) keys.push(product(h * made + i, t));
      keys.push(...ropeKeys.subarray(t * rope, (t + 1) * rope));
      for (let i = 0; i < value; i++) vals.push(product(h * made + nope + i, t));
    }
  }
  return Array.from(positions).flatMap((position, t) => {
    const keySize = nope + rope;
    const shape = { heads, kvHeads: heads, keySize, valueSize: value, count: Math.min(position + 1, count) };
    return [...attendReference(q.subarray(t * heads * keySize), keys, vals, shape, 1 / Math.sqrt(keySize)).out];
  });
}

test.run();
