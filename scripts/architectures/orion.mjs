/** orion: stablelm, whose whole heads turn. */
import { FEW_TYPES, layerNormKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, outputNormBias } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const orion = {
  models: "Orion 14B",
  shapes: {
    "orion-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    const { hidden } = w.shape;
    groupedAttention(w);
    w.add("attn_norm.bias", [hidden], "F32", 0.5);
    gatedFeedForward(w);
    w.add("ffn_norm.bias", [hidden], "F32", 0.5);
  },
  ends: outputNormBias,
  keys: (shape) => [...layerNormKeys(shape), ["rope.freq_base", "f32", shape.theta]],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
