/** maincoder: llama, each of whose heads of q and k is normed behind RoPE. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const maincoder = {
  models: "Maincoder 1B",
  shapes: {
    "maincoder-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 48, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e6, epsilon: 1e-5, pre: "qwen2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  fixed: true,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
