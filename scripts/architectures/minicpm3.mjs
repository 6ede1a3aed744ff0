/** minicpm3: latent attention with queries of low rank, and scales that are constants of its code. */
import { denseKeys, TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, latentAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const minicpm3 = {
  shapes: {
    "minicpm3-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, nope: 32, rope: 16, value: 40, rank: 96, queryRank: 64, ffn: 160 },
      ...{ context: 1024, theta: 1e4, epsilon: 1e-5, pre: "llama-bpe", vocabulary: 512, tied: true },
    },
  },
  block(w) {
    latentAttention(w);
    gatedFeedForward(w);
  },
  ends(w) {
    for (const name of ["long", "short"]) {
      w.add(`rope_factors_${name}.weight`, [(w.shape.rope ?? 0) / 2], "F32", 0.2, name === "long" ? 3 : 1.5);
    }
  },
  keys: (shape) => {
    const { nope = 0, rope = 0, value = 0, rank = 0, queryRank = 0 } = shape;
    return [
      ...denseKeys(shape, nope + rope, value, rope),
      ["attention.q_lora_rank", "u32", queryRank],
      ["attention.kv_lora_rank", "u32", rank],
    ];
  },
  types: TYPES,
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
    }),
  },
};
