/** smollm3: llama, but every fourth layer turns nothing. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const smollm3 = {
  models: "SmolLM3 3B",
  // The fourth layer turns nothing, and a fifth turns again.
  shapes: {
    "smollm3-tiny": {
      ...{ layers: 5, hidden: 96, heads: 4, kvHeads: 1, headSize: 32, ffn: 160, vocabulary: 512 },
      ...{ context: 1024, theta: 5e6, epsilon: 1e-6, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: { config: (key) => ({ ...headConfig(key), pad_token_id: 0 }), halves: true },
};
