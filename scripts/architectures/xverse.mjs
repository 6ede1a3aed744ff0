/** xverse: llama under another name. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const xverse = {
  models: "XVERSE 7B, 13B and 65B",
  shapes: {
    "xverse-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
