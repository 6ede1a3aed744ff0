/** afmoe: norms on both sides of both halves, gates behind attention, windows, experts with a shared one. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, normsBehind, sharedExpert } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const afmoe = {
  models: "Trinity Nano and Mini",
  shapes: {
    // The fourth layer sees all, and turns nothing.
    "afmoe-tiny": {
      ...{ layers: 5, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 160, dense: 1, window: 6 },
      ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 64 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    const { hidden, heads, dense = 0, experts = 0 } = w.shape;
    groupedAttention(w, { norms: true });
    w.matrix("attn_gate.weight", hidden, heads * w.headSize, w.unit);
    normsBehind(w);
    if (w.layer < dense) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
    w.add("exp_probs_b.bias", [experts], "F32", 0.1, 0.3);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["expert_shared_count", "u32", 1],
    ["expert_weights_scale", "f32", 2.75],
    ["expert_weights_norm", "bool", true],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
