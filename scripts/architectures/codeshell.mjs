/** codeshell: starcoder2 with q, k and v in one matrix and a head of its own. */
import { FEW_TYPES, layerNormKeys } from "../architecture-keys.mjs";
import { biasedAttention, geluFeedForward, layerNorm, outputNormBias } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const codeshell = {
  models: "CodeShell 7B",
  shapes: {
    "codeshell-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 384, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    biasedAttention(w);
    layerNorm(w, "ffn_norm");
    geluFeedForward(w);
  },
  ends: outputNormBias,
  keys: (shape) => [...layerNormKeys(shape), ["rope.freq_base", "f32", shape.theta]],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
