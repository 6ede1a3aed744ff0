/** ernie4_5: llama under another name; its checkpoints turn pairs as the file does. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const ernie4_5 = {
  models: "ERNIE 4.5 0.3B",
  // Heads wider than hidden / heads, and one for all keys.
  shapes: {
    "ernie4_5-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320 },
      ...{ vocabulary: 512, context: 1024, theta: 5e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: { config: (key) => ({ ...headConfig(key), use_bias: false }) },
};
