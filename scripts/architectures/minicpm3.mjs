/** minicpm3: latent attention with queries of low rank, and scales that are constants of its code. */

import { denseKeys, FEW_TYPES } from "../architecture-keys.mjs";
import { floatTensor } from "../gguf-writer.mjs";
import { gatedFeedForward, latentAttention } from "../random-parts.mjs";

/** What divides the angles of each pair in long contexts, and in short ones. @param {number} pairs */
const factors = (pairs) => ({
  long: Array.from({ length: pairs }, (_, i) => 1 + i / 2),
  short: Array.from({ length: pairs }, (_, i) => 1 + i / 16),
});

/** @type {import("../architectures.mjs").Architecture} */
export const minicpm3 = {
  models: "MiniCPM3-4B",
  shapes: {
    "minicpm3-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, nope: 32, rope: 16, value: 40, rank: 96, queryRank: 64, ffn: 160 },
      ...{ context: 1024, original: 32, theta: 1e4, epsilon: 1e-5, pre: "qwen2", vocabulary: 512, tied: true },
    },
  },
  block(w) {
    latentAttention(w);
    gatedFeedForward(w);
  },
  ends(w) {
    const pairs = (w.shape.rope ?? 0) / 2;
    for (const [name, list] of Object.entries(factors(pairs)))
      w.tensors.push(floatTensor(`rope_factors_${name}.weight`, [pairs], Float32Array.from(list)));
  },
  keys: (shape) => {
    const { nope = 0, rope = 0, value = 0, rank = 0, queryRank = 0, context, original = context } = shape;
    const growth = Math.sqrt(1 + Math.log(context / original) / Math.log(original));
    return [
      ...denseKeys(shape, nope + rope, value, rope),
      ["attention.q_lora_rank", "u32", queryRank],
      ["attention.kv_lora_rank", "u32", rank],
      ["rope.scaling.type", "string", "longrope"],
      ["rope.scaling.original_context_length", "u32", original],
      ["rope.scaling.attn_factor", "f32", growth],
    ];
  },
  types: FEW_TYPES,
  latent: true,
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => ({
      q_lora_rank: key("attention.q_lora_rank"),
      kv_lora_rank: key("attention.kv_lora_rank"),
      qk_rope_head_dim: key("rope.dimension_count"),
      qk_nope_head_dim: key("attention.key_length") - key("rope.dimension_count"),
      v_head_dim: key("attention.value_length"),
      scale_emb: 12,
      scale_depth: 1.4,
      dim_model_base: 256,
      rope_scaling: {
        rope_type: "longrope",
        long_factor: factors(key("rope.dimension_count") / 2).long,
        short_factor: factors(key("rope.dimension_count") / 2).short,
        original_max_position_embeddings: key("rope.scaling.original_context_length"),
      },
    }),
    names: [
      [/^blk\.(\d+)\.attn_(q_a|q_b)\./, "model.layers.$1.self_attn.$2_proj."],
      [/^blk\.(\d+)\.attn_q_a_norm/, "model.layers.$1.self_attn.q_a_layernorm"],
    ],
  },
};
