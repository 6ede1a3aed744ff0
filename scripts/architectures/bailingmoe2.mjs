/** bailingmoe2: bailingmoe with norms of heads, of which a part turns, and experts in groups. */
import { denseKeys, expertKeys, FEW_TYPES } from "../architecture-keys.mjs";
import { fusedAttention, gatedExperts, gatedFeedForward, sharedExpert } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const bailingmoe2 = {
  models: "Ling and Ring 2.0, mini and flash",
  refuses: "heads that predict more tokens (`nextn_predict_layers`)",
  shapes: {
    "bailingmoe2-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 32, rope: 16, ffn: 160, dense: 1 },
      ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 64 },
      ...{ vocabulary: 512, context: 1024, theta: 6e5, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    const { dense = 0, experts = 0 } = w.shape;
    fusedAttention(w);
    for (const name of ["q", "k"]) w.norm(`attn_${name}_norm.weight`, w.headSize);
    if (w.layer < dense) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
    w.add("exp_probs_b.bias", [experts], "F32", 0.1, 0.3);
  },
  keys: (shape) => [
    ...denseKeys(shape, shape.headSize ?? 0, shape.headSize ?? 0, shape.rope ?? 0),
    ...expertKeys(shape),
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["expert_shared_count", "u32", 1],
    ["expert_group_count", "u32", 4],
    ["expert_group_used_count", "u32", 2],
    ["expert_weights_scale", "f32", 2.5],
    ["expert_weights_norm", "bool", true],
    ["expert_gating_func", "u32", 2],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
