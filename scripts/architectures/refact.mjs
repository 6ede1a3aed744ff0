/** refact: llama with ALiBi for positions. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const refact = {
  models: "Refact 1.6B",
  shapes: {
    "refact-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  fixed: true,
  distances: true,
  peers: ["llama.cpp"],
};
