/** openelm: qwen3 with q, k and v in one matrix, whose heads and widths each layer has for itself. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { fusedAttention, gatedFeedForward } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const openelm = {
  models: "OpenELM 270M to 3B",
  shapes: {
    "openelm-tiny": {
      ...{ layers: 3, hidden: 128, heads: 8, headSize: 24, ffn: 256, vocabulary: 512, context: 1024 },
      ...{ headsOf: [4, 6, 8], kvHeadsOf: [1, 3, 2], ffnOf: [96, 192, 256] },
      ...{ theta: 1e4, epsilon: 1e-6, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    const { headsOf = [], kvHeadsOf = [], ffnOf = [] } = w.shape;
    const layer = w.of({ heads: headsOf[w.layer], kvHeads: kvHeadsOf[w.layer], ffn: ffnOf[w.layer] });
    fusedAttention(layer);
    for (const name of ["q", "k"]) w.norm(`attn_${name}_norm.weight`, w.headSize);
    gatedFeedForward(layer);
  },
  keys: ({ headsOf = [], kvHeadsOf = [], ffnOf = [], headSize = 0, epsilon, theta, vocabulary }) => [
    ["feed_forward_length", "i32[]", ffnOf],
    ["attention.head_count", "i32[]", headsOf],
    ["attention.head_count_kv", "i32[]", kvHeadsOf],
    ["attention.layer_norm_rms_epsilon", "f32", epsilon],
    ["attention.key_length", "u32", headSize],
    ["attention.value_length", "u32", headSize],
    ["rope.freq_base", "f32", theta],
    ["rope.dimension_count", "u32", headSize],
    ["vocab_size", "u32", vocabulary],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
