/** deepseek: llama with experts behind its first layers, and shared ones beside them. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const deepseek = {
  models: "DeepSeekMoE 16B",
  shapes: {
    "deepseek-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, ffn: 160, dense: 1 },
      ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 128 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w);
    if (w.layer < (w.shape.dense ?? 0)) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["expert_shared_count", "u32", 2],
    ["expert_weights_scale", "f32", 1],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
