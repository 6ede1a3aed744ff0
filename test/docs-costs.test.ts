/** The arithmetic of docs/memoryformer.md: what a token costs, counted from shapes, has the paper's ratios. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { costs } from "../bench/lib/costs.mjs";
import { tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { randomModel } from "../scripts/random-models.mjs";

type File = ReturnType<typeof randomModel>;

function costsOf({ metadata, tensors }: File, context: number) {
  const values = new Map(metadata.map(([key, , value]) => [key, value]));
  const architecture = String(values.get("general.architecture"));
  const number = (key: string) => values.get(`${architecture}.${key}`) as number | undefined;
  const sized = tensors.map(({ name, type, shape }) => ({ name, shape, bytes: tensorBytes(type, shape) }));
  return costs(architecture, number, sized, context);
}

/** One layer of the paper's block: K · τ = d, codes of τ + 2 bits within the feed-forward part. */
function memoryBlock(d: number, bits: number): File {
  const chunks = d / bits;
  const shape = { layers: 1, hidden: d, heads: d / 64, rope: 16, chunks, bits, ffn: chunks * (bits + 2) };
  const common = { theta: 1e4, epsilon: 1e-8, pre: "gpt-2", vocabulary: 320, context: 64 };
  return randomModel({ architecture: "memoryformer", ...common, ...shape }, "Q8_0");
}

/** The layers of the block that it is held against: q, k, v and output, and a feed-forward part of four times the width. */
function denseBlock(d: number, layers: number, context: number) {
  const shapes = { attn_q: [d, d], attn_k: [d, d], attn_v: [d, d], attn_output: [d, d], ffn_up: [d, 4 * d] };
  const named = Object.entries({ ...shapes, ffn_down: [4 * d, d] });
  const tensors = Array.from({ length: layers }, (_, n) =>
    named.map(([name, shape]) => ({ name: `blk.${n}.${name}.weight`, shape, bytes: tensorBytes("Q8_0", shape) })),
  ).flat();
  const metadata: Record<string, number> = {
    block_count: layers,
    embedding_length: d,
    "attention.head_count": d / 64,
  };
  return costs("llama", (key) => metadata[key], tensors, context);
}

test("at s = d = 2048 a block of tables takes 19.0 % of the dense block's multiply-adds", () => {
  const d = 2048;
  const memory = costsOf(memoryBlock(d, 8), d).multiplyAdds;
  const dense = denseBlock(d, 1, d).multiplyAdds;
  assert.is(memory.layers, 0.65625 * d * d);
  assert.is(dense.layers, 12 * d * d);
  assert.is(memory.attention, 2 * d * d);
  assert.is(dense.attention, 2 * d * d);
  const share = (memory.layers + memory.attention) / (dense.layers + dense.attention);
  assert.is((100 * share).toFixed(1), "19.0");
});

test("the paper's tiny shape reads 172,032 values a token and layer, 18.3 times fewer, from 22 times the storage", () => {
  const layers = 6;
  const tiny = costsOf(makeModel("memoryformer-467m", "Q8_0"), 2048);
  const dense = denseBlock(512, layers, 2048);
  assert.is(tiny.multiplyAdds.layers / layers, 172_032);
  assert.is((dense.multiplyAdds.layers / tiny.multiplyAdds.layers).toFixed(1), "18.3");
  assert.is(tiny.tableParameters, 415_236_096);
  assert.is(tiny.tableParameters / dense.parameters, 22);
  // Rows of bytes with a scale each, beside blocks of 34 bytes for 32 weights.
  assert.is(tiny.tableBytes, tiny.tableParameters + layers * 64 * (4 * 256 + 1024) * 4);
});

test("codes of four bits count as two values a byte", () => {
  const [bytes, nibbles] = ["Q8_0", "Q4_0"].map((type) => costsOf(makeModel("memoryformer-tiny", type), 64));
  assert.is(nibbles.tableParameters, bytes.tableParameters);
  assert.equal(nibbles.multiplyAdds, bytes.multiplyAdds);
  assert.ok(nibbles.tableBytes < bytes.tableBytes);
});

test("latent attention is counted absorbed, a tied head once", () => {
  const { multiplyAdds } = costsOf(makeModel("plm-1.8b", "Q8_0"), 1000);
  // 16 heads, rank 512, rope 64; 32 layers.
  assert.is(multiplyAdds.attention, 32 * 16 * (512 + 64 + 512) * 1000);
  assert.is(multiplyAdds.head, 2048 * 151936);
});

test.run();
