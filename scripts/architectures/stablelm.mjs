/** stablelm: as llama with LayerNorms, a quarter of each head turns; 12B: norms of heads, and two parallel branches. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

const STABLELM = { vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" };

/** @type {import("../architectures.mjs").Architecture} */
export const stablelm = {
  models: "StableLM-3B-4E1T, StableLM Zephyr 3B, Stable Code 3B, StableLM 2 1.6B and 12B",
  shapes: {
    "stablelm-tiny": { ...STABLELM, layers: 3, hidden: 160, heads: 5, kvHeads: 1, rope: 8, ffn: 320 },
    // As the 12B model.
    "stablelm-parallel": {
      ...STABLELM,
      layers: 2,
      hidden: 128,
      heads: 4,
      kvHeads: 2,
      rope: 8,
      ffn: 256,
      parallel: true,
    },
  },
  block(w) {
    const { hidden, heads, parallel } = w.shape;
    groupedAttention(w, { biases: !parallel });
    w.add("attn_norm.bias", [hidden], "F32", 0.5);
    gatedFeedForward(w, { norm: !parallel });
    if (parallel) {
      w.add("attn_q_norm.weight", [w.headSize, heads], "F32", 0.1, 1);
      w.add("attn_k_norm.weight", [w.headSize, w.kvHeads], "F32", 0.1, 1);
    } else w.add("ffn_norm.bias", [hidden], "F32", 0.5);
  },
  ends(w) {
    w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
  },
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["use_parallel_residual", "bool", shape.parallel ?? false],
    ["rope.dimension_count", "u32", shape.rope ?? 0],
    ["rope.freq_base", "f32", shape.theta],
  ],
  variants: { "stablelm-parallel": PEERS },
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      layer_norm_eps: key("attention.layer_norm_epsilon"),
      partial_rotary_factor: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      use_qkv_bias: !key("use_parallel_residual"),
      qk_layernorm: key("use_parallel_residual"),
      use_parallel_residual: key("use_parallel_residual"),
      hidden_act: "silu",
    }),
    names: [[/^blk\.(\d+)\.attn_(q|k)_norm/, "model.layers.$1.self_attn.$2_layernorm.norms.#"]],
  },
};
