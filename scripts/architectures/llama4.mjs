/** llama4: layers that turn, and see a chunk, before one that does not; one expert whose input is weighed, and a shared one. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";

const LLAMA4 = {
  ...{ ffn: 160, dense: 1, used: 1, expertWidth: 64, sharedWidth: 64 },
  ...{ vocabulary: 512, context: 1024, theta: 5e5, epsilon: 1e-5, pre: "gpt-2" },
};

/** @type {import("../architectures.mjs").Architecture} */
export const llama4 = {
  models: "Llama 4 Scout and Maverick, text",
  refuses: "images; several experts a token",
  shapes: {
    // The fourth layer turns nothing; the second and the fourth have experts.
    "llama4-tiny": { ...LLAMA4, layers: 5, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, experts: 4 },
    // As Maverick, whose heads are not normed.
    "llama4-maverick": { ...LLAMA4, layers: 4, hidden: 64, heads: 4, kvHeads: 2, headSize: 16, experts: 128 },
  },
  block(w) {
    groupedAttention(w);
    if (w.layer % 2 === 0) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...expertKeys(shape), ["interleave_moe_layer_step", "u32", 2]],
  variants: { "llama4-maverick": ["llama.cpp"] },
  // A norm stands behind RoPE.
  fixed: true,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
