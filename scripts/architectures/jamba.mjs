/** jamba: Mamba with norms, and between its layers some that attend; some have experts. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention } from "../random-parts.mjs";
import { byLayer, layerOf, mambaMixer, stateKeys } from "../recurrent-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const jamba = {
  models: "Jamba 1.5 and 1.7 Mini, AI21-Jamba-Reasoning-3B",
  shapes: {
    "jamba-tiny": {
      ...{ layers: 4, hidden: 128, heads: 4, headSize: 32, ffn: 160, kvHeadsOf: [0, 2, 0, 0] },
      ...{ taps: 4, inner: 256, stateSize: 16, timeRank: 8, experts: 4, used: 2, expertWidth: 160 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2", tied: false },
    },
  },
  block(w) {
    if (w.shape.kvHeadsOf?.[w.layer]) groupedAttention(layerOf(w));
    else mambaMixer(w, { norms: true });
    if (w.layer % 2) gatedExperts(w);
    else gatedFeedForward(w);
  },
  keys: (shape) => [
    ...byLayer(groupedKeys(shape), shape).filter(([name]) => !name.startsWith("rope")),
    ...stateKeys(shape),
    ...expertKeys(shape),
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
