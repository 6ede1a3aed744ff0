/** jais: ALiBi for positions, SwiGLU with biases, scores divided by the size of a head. */
import { FEW_TYPES, layerNormKeys } from "../architecture-keys.mjs";
import { biasedAttention, gatedFeedForward, outputNormBias } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const jais = {
  models: "Jais 590M to 30B",
  shapes: {
    "jais-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    const { hidden, ffn } = w.shape;
    biasedAttention(w);
    gatedFeedForward(w);
    w.add("ffn_norm.bias", [hidden], "F32", 0.5);
    w.add("ffn_gate.bias", [ffn], "F32", 0.5);
    w.add("ffn_up.bias", [ffn], "F32", 0.5);
    w.add("ffn_down.bias", [hidden], "F32", w.added);
  },
  ends: outputNormBias,
  keys: (shape) => [...layerNormKeys(shape), ["attention.max_alibi_bias", "f32", 8]],
  types: FEW_TYPES,
  fixed: true,
  distances: true,
  peers: ["llama.cpp"],
};
