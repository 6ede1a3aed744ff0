/** plm: latent attention, and a squared ReLU. */
import { denseKeys, TYPES } from "../architecture-keys.mjs";
import { latentAttention, reluSquaredFeedForward } from "../random-parts.mjs";

const PLM = { theta: 1e5, epsilon: 1e-6, pre: "qwen2", tied: true };

/** @type {import("../architectures.mjs").Architecture} */
export const plm = {
  models: "PLM-1.8B",
  shapes: {
    "plm-1m": {
      ...PLM,
      layers: 4,
      hidden: 256,
      heads: 4,
      nope: 64,
      rope: 32,
      value: 64,
      rank: 256,
      ffn: 512,
      vocabulary: 512,
      context: 1024,
    },
    "plm-100m": {
      ...PLM,
      layers: 12,
      hidden: 768,
      heads: 12,
      nope: 64,
      rope: 32,
      value: 64,
      rank: 256,
      ffn: 3072,
      vocabulary: 49152,
      context: 2048,
    },
    "plm-1.8b": {
      ...PLM,
      layers: 32,
      hidden: 2048,
      heads: 16,
      nope: 128,
      rope: 64,
      value: 128,
      rank: 512,
      ffn: 8192,
      vocabulary: 151936,
      context: 4096,
    },
  },
  block(w) {
    latentAttention(w);
    reluSquaredFeedForward(w);
  },
  keys: (shape) => {
    const { nope = 0, rope = 0, value = 0, rank = 0 } = shape;
    return [...denseKeys(shape, nope + rope, value, rope), ["attention.kv_lora_rank", "u32", rank]];
  },
  types: TYPES,
  peers: ["llama.cpp"],
  latent: true,
  checkpoint: {
    config: (key) => ({
      qk_rope_head_dim: key("rope.dimension_count"),
      qk_nope_head_dim: key("attention.key_length") - key("rope.dimension_count"),
      v_head_dim: key("attention.value_length"),
      kv_lora_rank: key("attention.kv_lora_rank"),
      hidden_act: "relu2",
    }),
  },
};
