/** bailingmoe: llama with experts, and shared ones beside them. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention, sharedExpert } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const bailingmoe = {
  models: "Ling lite and plus, Ring lite",
  shapes: {
    "bailingmoe-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 160 },
      ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 128 },
      ...{ vocabulary: 512, context: 1024, theta: 6e5, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["leading_dense_block_count", "u32", 0],
    ["expert_shared_count", "u32", 2],
    ["expert_weights_scale", "f32", 1.25],
    ["expert_weights_norm", "bool", true],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
