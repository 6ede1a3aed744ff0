/**
 * What converters share, against formulas written down a second time: rows of fused, stacked, transposed and paired
 * matrices, a number that is added, ropes, windows, and what an architecture claims.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { expertMatrix, matrix, readDecoder, vector } from "../src/convert/decoder.ts";
import { Config } from "../src/convert/folder.ts";
import { type PlannedTensor, pairedRows, partOfRows } from "../src/convert/plan.ts";
import { localTheta, readRope, ropeObject } from "../src/convert/rope.ts";
import type { Checkpoint, SourceTensor } from "../src/convert/safetensors.ts";
import { copyTensor } from "../src/convert/values.ts";
import { windowKeys } from "../src/convert/windows.ts";
import { Pace } from "../src/host/pace.ts";
import { kernels } from "../src/kernels.ts";
import type { GgufWriter } from "../src/store/gguf-writer.ts";
import { errorOf } from "./support/models.ts";

const core = await kernels();

/** A source of 0, 1, 2, …, and how much of it is read at most at a time. */
function counted(name: string, shape: number[], start = 0): SourceTensor & { longest: number } {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => start + i);
  const bytes = new Uint8Array(values.buffer);
  return {
    name,
    type: "F32",
    shape,
    bytes: bytes.length,
    longest: 0,
    read(offset, target) {
      assert.ok(offset >= 0 && offset + target.length <= bytes.length, `${offset} + ${target.length}`);
      this.longest = Math.max(this.longest, target.length);
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

async function copied(planned: PlannedTensor, sources: SourceTensor[]): Promise<number[]> {
  const parts: number[] = [];
  const write = (bytes: Uint8Array) => {
    for (const value of new Float32Array(bytes.slice().buffer)) parts.push(value);
  };
  let done = 0;
  const to = {
    kernels: core,
    writer: { write } as unknown as GgufWriter,
    pace: new Pace(undefined),
    progress: (bytes: number) => (done += bytes),
  };
  await copyTensor(to, planned, sources, "F32");
  assert.is(done, parts.length * (sources[0].type === "F32" ? 4 : 2));
  return parts;
}

test("rows in pairs: 2i and 2i + 1 of the file are i and i + n/2 of the checkpoint, in matrices and in biases", async () => {
  const [heads, head, columns] = [3, 6, 5];
  const got = await copied({ ...matrix("q", "q", columns, heads * head), rowOf: pairedRows(head) }, [
    counted("q", [heads * head, columns]),
  ]);
  const bias = await copied({ ...vector("q", "q", heads * head), rowOf: pairedRows(head) }, [
    counted("q", [heads * head]),
  ]);
  for (let h = 0; h < heads; h++)
    for (let i = 0; i < head / 2; i++)
      for (const half of [0, 1]) {
        const [to, from] = [h * head + 2 * i + half, h * head + i + (half * head) / 2];
        assert.is(bias[to], from);
        assert.equal(
          got.slice(to * columns, (to + 1) * columns),
          Array.from({ length: columns }, (_, c) => from * columns + c),
        );
      }
  // The first four of a head turn, the others stay.
  assert.equal(
    Array.from({ length: 6 }, (_, i) => pairedRows(6, 4)(i)),
    [0, 2, 1, 3, 4, 5],
  );
});

test("parts of fused rows: a head's query, key and value lie together; gate stands before up; even rows and odd ones", async () => {
  const [heads, head, columns] = [4, 3, 2];
  const source = counted("qkv", [heads * 3 * head, columns]);
  for (const [part, name] of ["q", "k", "v"].entries()) {
    const rowOf = partOfRows(part * head, head, 3 * head);
    const planned = { ...matrix(name, "qkv", columns, heads * head), rowOf, sourceShape: source.shape };
    const got = await copied(planned, [source]);
    for (let h = 0; h < heads; h++)
      for (let i = 0; i < head; i++) {
        const from = ((h * 3 + part) * head + i) * columns;
        assert.equal(got.slice((h * head + i) * columns, (h * head + i + 1) * columns), [from, from + 1]);
      }
  }
  // Experts whose gate and up lie in one tensor.
  const fused = counted("both", [3, 2 * 4, 2]);
  const up = { ...matrix("up", "both", 2, 4), shape: [2, 4, 3], sourceShape: [3, 8, 2], rowOf: partOfRows(4, 4, 8) };
  const got = await copied(up, [fused]);
  assert.equal(
    got.filter((_, i) => i % 8 === 0),
    [8, 24, 40],
  );
  const odd = { ...matrix("odd", "both", 2, 12), sourceShape: [3, 8, 2], rowOf: partOfRows(1, 1, 2) };
  assert.equal((await copied(odd, [fused])).slice(0, 6), [2, 3, 6, 7, 10, 11]);
});

test("experts one behind the other, each from its tensor", async () => {
  const planned = expertMatrix("exps", "mlp.experts.#.up.weight", 3, 2, 4);
  assert.equal(planned.sources[3], "mlp.experts.3.up.weight");
  assert.equal(planned.shape, [3, 2, 4]);
  const sources = planned.sources.map((name, e) => counted(name, [2, 3], 100 * e));
  const got = await copied(planned, sources);
  const expected = sources.flatMap((_, e) => Array.from({ length: 6 }, (_, i) => 100 * e + i));
  assert.equal(got, expected);
});

test("rows that are columns of the source: of a matrix, and of each of several in one tensor", async () => {
  const planned = { ...matrix("w", "w", 3, 5), transposed: true };
  const got = await copied(planned, [counted("w", [3, 5])]);
  assert.equal(
    got,
    Array.from({ length: 15 }, (_, i) => (i % 3) * 5 + Math.floor(i / 3)),
  );
  const slabs: PlannedTensor = { ...matrix("w", "w", 3, 5), shape: [3, 5, 2], transposed: true };
  const both = await copied(slabs, [counted("w", [2, 3, 5])]);
  assert.equal(both, [...got, ...got.map((value) => 15 + value)]);
  // Every second column.
  const even = { ...matrix("w", "w", 3, 3), transposed: true, sourceShape: [3, 6], rowOf: partOfRows(0, 1, 2) };
  assert.equal(await copied(even, [counted("w", [3, 6])]), [0, 6, 12, 2, 8, 14, 4, 10, 16]);
});

test("long tensors come some rows at a time, across the ends of sources and in any order", async () => {
  const [columns, rows] = [700, 1200];
  const sources = [0, 1].map((e) => counted(`e${e}`, [rows, columns], e * rows * columns));
  const planned = { ...expertMatrix("exps", "e#", columns, rows, 2), rowOf: pairedRows(2 * rows) };
  const got = await copied(planned, sources);
  for (const [row, from] of [
    [0, 0],
    [1, rows],
    [2, 1],
    [2 * rows - 1, 2 * rows - 1],
    [777, rows + 388],
  ]) {
    assert.is(got[row * columns], from * columns, `row ${row}`);
    assert.is(got[(row + 1) * columns - 1], (from + 1) * columns - 1, `row ${row}`);
  }
  for (const { longest } of sources) assert.ok(longest <= 2 << 20, `${longest} bytes at a time`);
});

test("a number that is added, to values of any type", async () => {
  const planned = { ...vector("norm", "norm", 4), plus: 1 };
  assert.equal(await copied(planned, [counted("norm", [4], -2)]), [-1, 0, 1, 2]);
  const halves = core.quantize("BF16", Float32Array.of(-0.5, 0.25, 3, 0));
  const source: SourceTensor = {
    ...{ name: "norm", type: "BF16", shape: [4], bytes: 8 },
    read: (offset, target) => target.set(halves.subarray(offset, offset + target.length)),
  };
  assert.equal(await copied(planned, [source]), [0.5, 1.25, 4, 1]);
});

const config = (values: Record<string, unknown>) =>
  new Config("config.json", { num_hidden_layers: 4, max_position_embeddings: 4096, ...values });
const entries = (list: readonly (readonly [string, unknown, unknown, unknown?])[]) =>
  Object.fromEntries(list.map(([key, , value]) => [key, value]));
const rope = (values: Record<string, unknown>, turned = 8) => readRope(config(values), turned);

test("ropes: bases, linear, YaRN with its magnitude, LongRoPE", () => {
  assert.equal(entries(rope({}).keys), { "rope.freq_base": 10000 });
  assert.equal(entries(rope({ rope_parameters: { rope_theta: 5, rope_type: "default" } }).keys), {
    "rope.freq_base": 5,
  });
  // Only beyond the context does it do something.
  assert.equal(entries(rope({ rope_scaling: { type: "dynamic", factor: 2 } }).keys), { "rope.freq_base": 10000 });
  const linear = entries(rope({ rope_theta: 7, rope_scaling: { rope_type: "linear", factor: 8 } }).keys);
  assert.equal(linear, { "rope.scaling.type": "linear", "rope.scaling.factor": 8, "rope.freq_base": 7 });
  const yarn = (more: Record<string, unknown>) =>
    entries(rope({ rope_scaling: { type: "yarn", factor: 4, original_max_position_embeddings: 1024, ...more } }).keys);
  const plain = {
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4,
    "rope.scaling.original_context_length": 1024,
    "rope.freq_base": 10000,
  };
  assert.equal(yarn({}), plain);
  assert.equal(yarn({ beta_fast: 32, beta_slow: 1, mscale: 0.5, truncate: true }), plain);
  const g = (m: number) => 0.1 * m * Math.log(4) + 1;
  const near = (got: unknown, expected: number) => assert.ok(Math.abs((got as number) - expected) < 1e-9, `${got}`);
  // A file's magnitude is times YaRN's own.
  near(yarn({ attention_factor: 1.5 })["rope.scaling.attn_factor"], 1.5 / g(1));
  near(yarn({ mscale: 0.5, mscale_all_dim: 2 })["rope.scaling.attn_factor"], g(0.5) / g(2) / g(1));
  assert.is(yarn({ mscale: 1, mscale_all_dim: 1e-9 })["rope.scaling.attn_factor"], undefined);
  const lists = { long_factor: [1, 2, 3, 4], short_factor: [1, 1, 1, 2] };
  const long = rope({ original_max_position_embeddings: 512, rope_scaling: { type: "longrope", ...lists } });
  assert.equal(
    long.tensors.map(({ name, values, shape }) => [name, [...values!], shape]),
    [
      ["rope_factors_long.weight", lists.long_factor, [4]],
      ["rope_factors_short.weight", lists.short_factor, [4]],
    ],
  );
  assert.is(entries(long.keys)["rope.scaling.original_context_length"], 512);
  near(entries(long.keys)["rope.scaling.attn_factor"], Math.sqrt(1 + Math.log(8) / Math.log(512)));
});

test("ropes of two kinds of layers", () => {
  const both = config({
    rope_parameters: {
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 1e6 },
      sliding_attention: { rope_type: "default", rope_theta: 3 },
    },
  });
  assert.is(localTheta(both), 3);
  assert.is(entries(readRope(both, 8, { given: ropeObject(both, "full_attention") }).keys)["rope.scaling.factor"], 8);
  assert.is(localTheta(config({ rope_local_base_freq: 9 })), 9);
  assert.is(localTheta(config({})), undefined);
});

test("windows: as the architecture has them, as a pattern, as a list", async () => {
  const keys = (values: Record<string, unknown>, pattern = 2) => entries(windowKeys(config(values), 4, pattern));
  const [full, sliding] = ["full_attention", "sliding_attention"];
  assert.equal(keys({}), {});
  assert.equal(keys({ sliding_window: 9 }), { "attention.sliding_window": 9 });
  assert.equal(keys({ sliding_window: 9, layer_types: [sliding, full, sliding, full] }), {
    "attention.sliding_window": 9,
  });
  const list = [sliding, sliding, sliding, full];
  const expected = { "attention.sliding_window": 9, "attention.sliding_window_pattern": [true, true, true, false] };
  assert.equal(keys({ sliding_window: 9, layer_types: list }), expected);
  assert.equal(keys({ sliding_window: 9, sliding_window_pattern: 4 }), expected);
  for (const [words, values] of [
    [/layer_types is no list of 4/, { sliding_window: 9, layer_types: [full] }],
    [
      /layer_types has "chunked_attention"/,
      { sliding_window: 9, layer_types: [full, full, full, "chunked_attention"] },
    ],
    [/sliding_window is missing/, { layer_types: list }],
    [/sliding_window is no size: 0/, { sliding_window: 0, layer_types: list }],
  ] as const) {
    assert.match((await errorOf(() => keys(values))).message, words);
  }
});

test("what an architecture claims is not refused, and what it does not claim is", async () => {
  const checkpoint = {
    tensors: new Map(Array.from({ length: 9 }, (_, i) => [String(i), {}])),
  } as unknown as Checkpoint;
  const sizes = { hidden_size: 8, num_attention_heads: 2, vocab_size: 16 };
  for (const [key, value, claim] of [
    ["final_logit_softcapping", 30, "final_logit_softcapping"],
    ["sliding_window", 16, "sliding_window"],
    ["layer_types", ["sliding_attention"], "sliding_window"],
    ["num_local_experts", 8, "num_experts"],
    ["n_routed_experts", 8, "num_experts"],
  ] as const) {
    const asked = config({ ...sizes, [key]: value });
    assert.match((await errorOf(() => readDecoder(asked, checkpoint))).message, new RegExp(key));
    assert.match((await errorOf(() => readDecoder(asked, checkpoint, ["logit_scale"]))).message, new RegExp(key));
    assert.is(readDecoder(asked, checkpoint, [claim]).layers, 4);
  }
});

test.run();
