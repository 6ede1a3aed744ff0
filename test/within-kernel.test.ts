/**
 * Attention of neighbouring tokens to the tokens of their own text against a float64 formula written out here, at the
 * edges of tiles and blocks, on unaligned pointers; the scalar build against the SIMD build bit for bit.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sameBits, type TestCore } from "./support/core.ts";
import { near, put, values } from "./support/floats.ts";
import { probeCore } from "./support/probe.ts";
import { generator } from "./support/random.ts";

const [portable, scalar] = [await probeCore("probe_within", "portable"), await probeCore("probe_within", "scalar")];

/** Most queries that the kernel takes at once. */
const QUERIES = 8;

interface Case {
  queries: number;
  /** The row that query 0 is. */
  first: number;
  count: number;
  heads: number;
  kvHeads: number;
  keySize: number;
  valueSize: number;
  /** 0: all rows are seen. */
  window?: number;
  /** Where bits of masks begin, and whether there are some. */
  maskFrom?: number;
  biased?: boolean;
  /** Floats between rows that nobody reads. */
  apart?: number;
}

interface Operands {
  query: Float32Array;
  rows: Float32Array;
  mask: Uint8Array;
  bias: Float32Array;
  /** Largest distance of a bias, from 1. */
  reach: number;
}

const FACTOR = 0.37;
const maskBytes = (c: Case) => ((c.maskFrom ?? 0) + c.count + 7) >> 3;
const queryStride = (c: Case) => c.heads * c.keySize + (c.apart ?? 0);
const rowStride = (c: Case) => c.kvHeads * (c.keySize + c.valueSize) + (c.apart ?? 0);
const targetStride = (c: Case) => c.heads * c.valueSize + (c.apart ?? 0);
const biasStride = ({ reach }: Operands) => 2 * reach - 1;

function operands(c: Case, seed: number): Operands {
  const random = generator(seed);
  const reach = Math.max(c.count + Math.abs(c.first), c.first + c.queries) + 1;
  return {
    query: values(random, c.queries * queryStride(c)),
    rows: values(random, c.count * rowStride(c)),
    // Query 1 sees nothing.
    mask: Uint8Array.from({ length: c.queries * maskBytes(c) }, (_, i) =>
      Math.floor(i / maskBytes(c)) === 1 ? 0 : Math.floor(random() * 256),
    ),
    bias: values(random, c.heads * (2 * reach - 1)),
    reach,
  };
}

/** What the kernel leaves in the target, the floats between its rows included: these it must not touch. */
function attend(core: TestCore, c: Case, given: Operands, from = 0, queries = c.queries): Float32Array {
  const [query, rows, bias, mask] = [given.query, given.rows, given.bias, given.mask].map((one) => put(core, one));
  const scratch = core.allocate(core.call("withinScratchBytes", c.count, c.keySize));
  const target = put(core, new Float32Array(queries * targetStride(c)).fill(77));
  const first = c.first + from;
  core.call(
    "attendWithinText",
    query + 4 * from * queryStride(c),
    queryStride(c),
    queries,
    first,
    rows,
    rowStride(c),
    c.count,
    c.heads,
    c.kvHeads,
    c.keySize,
    c.valueSize,
    FACTOR,
    c.window ?? 0,
    c.maskFrom === undefined ? 0 : mask + from * maskBytes(c),
    c.maskFrom ?? 0,
    maskBytes(c),
    c.biased ? bias + 4 * (given.reach - 1 - first) : 0,
    biasStride(given),
    scratch,
    target,
    targetStride(c),
  );
  const out = core.f32(target, queries * targetStride(c));
  for (const pointer of [query, rows, bias, mask, target]) core.release(pointer - 4);
  core.release(scratch);
  return out;
}

function reference(c: Case, { query, rows, mask, bias, reach }: Operands): Float64Array {
  const out = new Float64Array(c.queries * targetStride(c)).fill(77);
  const factor = Math.fround(FACTOR);
  for (let i = 0; i < c.queries; i++) {
    for (let head = 0; head < c.heads; head++) {
      const kv = Math.floor(head / (c.heads / c.kvHeads));
      const scores = Array.from({ length: c.count }, (_, r) => {
        const distance = r - (c.first + i);
        const bit = (c.maskFrom ?? 0) + r;
        const isMasked = c.maskFrom !== undefined && !((mask[i * maskBytes(c) + (bit >> 3)] >> (bit & 7)) & 1);
        if (isMasked || (c.window && Math.abs(distance) > c.window)) return Number.NEGATIVE_INFINITY;
        let sum = 0;
        for (let k = 0; k < c.keySize; k++) {
          sum += query[i * queryStride(c) + head * c.keySize + k] * rows[r * rowStride(c) + kv * c.keySize + k];
        }
        return factor * sum + (c.biased ? bias[head * (2 * reach - 1) + distance + reach - 1] : 0);
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => (top === Number.NEGATIVE_INFINITY ? 0 : Math.exp(score - top)));
      const all = weights.reduce((sum, weight) => sum + weight, 0) || 1;
      for (let v = 0; v < c.valueSize; v++) {
        let sum = 0;
        for (let r = 0; r < c.count; r++) {
          sum += weights[r] * rows[r * rowStride(c) + c.kvHeads * c.keySize + kv * c.valueSize + v];
        }
        out[i * targetStride(c) + head * c.valueSize + v] = sum / all;
      }
    }
  }
  return out;
}

function check(c: Case, seed = 1): void {
  const what = JSON.stringify(c);
  const given = operands(c, seed);
  const got = attend(portable, c, given);
  assert.ok(sameBits(got, attend(scalar, c, given)), `${what}: the scalar build gives other bits`);
  near(got, reference(c, given), 4e-6, what);
  // A query's answer has nothing to do with those beside it.
  for (const i of [0, c.queries - 1]) {
    const stride = targetStride(c);
    const alone = attend(portable, c, given, i, 1);
    assert.ok(sameBits(alone, got.slice(i * stride, (i + 1) * stride)), `${what}: query ${i} alone`);
  }
}

const SMALL = { heads: 2, kvHeads: 2, keySize: 8, valueSize: 8 };

test("counts of rows around tiles, counts of queries around blocks", () => {
  for (const count of [1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 65]) {
    for (const queries of [1, 2, 3, 7, QUERIES]) check({ ...SMALL, queries, count, first: 0 }, count + queries);
  }
});

test("sizes of keys and values around vectors, and several heads to one of keys", () => {
  for (const size of [1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64]) {
    for (const [heads, kvHeads] of [
      [1, 1],
      [3, 1],
      [4, 2],
    ]) {
      check({ queries: 5, count: 19, first: 3, heads, kvHeads, keySize: size, valueSize: 12, apart: 3 });
      check({ queries: 5, count: 19, first: 3, heads, kvHeads, keySize: 20, valueSize: size, apart: 3 });
    }
  }
});

test("windows whose ends lie before, in and behind the rows", () => {
  for (const window of [1, 2, 3, 7, 8, 9, 40]) {
    for (const first of [-3, 0, 1, 8, 20]) {
      check({ ...SMALL, queries: QUERIES, count: 24, first, window }, window + 50);
    }
  }
});

test("masks that begin at any bit; who sees nothing gives zeros", () => {
  for (const maskFrom of [0, 1, 7, 8, 13]) {
    for (const window of [0, 5]) check({ ...SMALL, queries: 6, count: 27, first: 4, maskFrom, window }, maskFrom);
  }
});

test("biases by distance", () => {
  for (const first of [-2, 0, 9]) {
    check({ ...SMALL, heads: 4, queries: QUERIES, count: 18, first, biased: true }, first + 9);
    check({ ...SMALL, queries: 3, count: 18, first, biased: true, window: 4, maskFrom: 2 }, first + 19);
  }
});

test("scores that are large, and rows of zeros", () => {
  const c: Case = { ...SMALL, queries: 4, count: 17, first: 0 };
  const given = operands(c, 5);
  const large = { ...given, query: given.query.map((value) => value * 300) };
  near(attend(portable, c, large), reference(c, large), 2e-4, "large");
  const zero = { ...given, query: given.query.map(() => 0) };
  near(attend(portable, c, zero), reference(c, zero), 2e-6, "the mean of all values");
});

test.run();
