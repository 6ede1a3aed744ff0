/** jais2: nemotron with biases, whose whole heads turn. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { groupedAttention, layerNorm, reluSquaredFeedForward } from "../random-parts.mjs";
import { nemotron } from "./nemotron.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const jais2 = {
  models: "Jais 2 8B and 70B",
  shapes: {
    "jais2-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 384, vocabulary: 512, context: 1024 },
      ...{ theta: 5e5, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    const { hidden, ffn } = w.shape;
    layerNorm(w, "attn_norm");
    groupedAttention(w, { norm: false, biases: true });
    w.add("attn_output.bias", [hidden], "F32", w.added);
    reluSquaredFeedForward(w);
    w.add("ffn_norm.bias", [hidden], "F32", 0.5);
    w.add("ffn_up.bias", [ffn], "F32", 0.5);
    w.add("ffn_down.bias", [hidden], "F32", w.added);
  },
  ends: nemotron.ends,
  keys: nemotron.keys,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
