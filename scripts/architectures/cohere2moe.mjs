/** cohere2moe: cohere2 with experts and shared ones, whose halves are added. */
import { expertKeys, FEW_TYPES } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";
import { commandKeys } from "./command-r.mjs";

const COHERE2MOE = {
  ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 64 },
  ...{ vocabulary: 512, context: 1024, theta: 5e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const cohere2moe = {
  models: "Command A with experts (30B-A3B)",
  refuses: "heads that predict more tokens (`nextn_predict_layers`)",
  shapes: {
    // The first layer and the fifth see all; the first is dense, and turns.
    "cohere2moe-tiny": { ...COHERE2MOE, layers: 6, hidden: 128, heads: 4, kvHeads: 1, ffn: 160, dense: 1, window: 6 },
    "cohere2moe-roots": {
      ...COHERE2MOE,
      layers: 2,
      hidden: 128,
      heads: 4,
      kvHeads: 2,
      ffn: 160,
      window: 6,
      roots: true,
    },
  },
  block(w) {
    groupedAttention(w);
    if (w.layer < (w.shape.dense ?? 0)) return gatedFeedForward(w, { norm: false });
    gatedExperts(w, { norm: false });
    sharedExpert(w);
  },
  keys: (shape) => [
    ...commandKeys(shape).filter(([name]) => !(shape.roots && name === "attention.layer_norm_epsilon")),
    ...(shape.roots ? [/** @type {const} */ (["attention.layer_norm_rms_epsilon", "f32", shape.epsilon])] : []),
    ...expertKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["expert_shared_count", "u32", 1],
    ["expert_weights_norm", "bool", true],
  ],
  variants: { "cohere2moe-roots": ["llama.cpp"] },
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
