/** qwen: qwen2 with q, k and v in one matrix; a file says twice the width of the feed-forward network. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { fusedAttention, gatedFeedForward } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen = {
  models: "Qwen 1.8B to 72B (the first)",
  shapes: {
    "qwen-tiny": {
      ...{
        layers: 3,
        hidden: 160,
        heads: 5,
        ffn: 192,
        vocabulary: 512,
        context: 1024,
        theta: 1e4,
        epsilon: 1e-6,
        pre: "qwen2",
      },
    },
  },
  block(w) {
    fusedAttention(w, { biases: true });
    gatedFeedForward(w);
  },
  keys: (shape) => groupedKeys({ ...shape, ffn: 2 * shape.ffn }),
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
