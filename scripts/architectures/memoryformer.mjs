/** memoryformer: tables that are looked up where others multiply. */
import { memoryTensors } from "../memory-layers.mjs";

/** A quarter of each head turns, and a code between the two tables of the FFN has two bits more. */
const MEMORYFORMER = { theta: 1e4, epsilon: 1e-8, pre: "gpt-2" };

/** @type {import("../architectures.mjs").Architecture} */
export const memoryformer = {
  models: "MemoryFormer (limpet's own keys: [memoryformer.md](memoryformer.md))",
  shapes: {
    "memoryformer-tiny": {
      ...MEMORYFORMER,
      layers: 4,
      hidden: 128,
      heads: 4,
      rope: 8,
      chunks: 32,
      bits: 4,
      ffn: 32 * 6,
      vocabulary: 512,
      context: 1024,
    },
    // The published code's smallest, memoryformer_tiny.
    "memoryformer-467m": {
      ...MEMORYFORMER,
      layers: 6,
      hidden: 512,
      heads: 8,
      rope: 16,
      chunks: 64,
      bits: 8,
      ffn: 64 * 10,
      vocabulary: 50304,
      context: 2048,
    },
  },
  block(w) {
    w.tensors.push(...memoryTensors(w.shape, w.type, w.seed, w.layer, w.added));
  },
  keys: ({ heads, epsilon, theta, vocabulary, rope = 0, chunks = 0, bits = 0 }) => [
    ["attention.head_count", "u32", heads],
    ["attention.layer_norm_rms_epsilon", "f32", epsilon],
    ["attention.layer_norm_epsilon", "f32", 1e-5],
    ["rope.dimension_count", "u32", rope],
    ["rope.freq_base", "f32", theta],
    ["memory.table_count", "u32", chunks],
    ["memory.code_length", "u32", bits],
    ["memory.ffn_code_length", "u32", bits + 2],
    ["memory.weight_rule", "string", "score"],
    ["vocab_size", "u32", vocabulary],
  ],
  // Tables of each of their kinds of rows.
  types: ["F32", "F16", "Q8_0", "Q4_0"],
  hashes: true,
  checkpoint: {
    config: (key) => ({
      num_tables: key("memory.table_count"),
      code_length: key("memory.code_length"),
      weight_rule: key("memory.weight_rule"),
      rotary_pct: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
    }),
    names: [
      [/^blk\.(\d+)\.attn_q\.(table|bias)/, "model.layers.$1.attention.query.$2"],
      [/^blk\.(\d+)\.attn_k\.(table|bias)/, "model.layers.$1.attention.key.$2"],
      [/^blk\.(\d+)\.attn_v\.(table|bias)/, "model.layers.$1.attention.value.$2"],
      [/^blk\.(\d+)\.ffn_up\.(table|bias)/, "model.layers.$1.mlp.first.$2"],
      [/^blk\.(\d+)\.ffn_down\.(table|bias)/, "model.layers.$1.mlp.second.$2"],
      [/^blk\.(\d+)\.ffn_mid_norm/, "model.layers.$1.mlp.norm"],
    ],
  },
};
