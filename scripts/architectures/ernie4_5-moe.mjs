/** ernie4_5-moe: llama with experts in some layers, and a shared one beside them. */
import { expertKeys, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";

const ERNIE = {
  ...{ hidden: 128, heads: 4, kvHeads: 2, ffn: 160, dense: 1 },
  ...{ experts: 8, used: 3, expertWidth: 96, sharedWidth: 192 },
  ...{ vocabulary: 512, context: 1024, theta: 5e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const ernie45Moe = {
  models: "ERNIE 4.5 21B-A3B and 300B-A47B, text",
  shapes: {
    "ernie4_5-moe-tiny": { ...ERNIE, layers: 3, every: 1 },
    // Experts in the second layer and in the fourth, which llama.cpp wants in the third, too, and passes over.
    "ernie4_5-moe-step": { ...ERNIE, layers: 4, every: 2 },
  },
  block(w) {
    const { dense = 0, every = 1, experts = 0 } = w.shape;
    groupedAttention(w);
    if (w.layer < dense || (w.layer + 1) % every !== 0) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
    w.add("exp_probs_b.bias", [experts], "F32", 0.02, 0.05);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["interleave_moe_layer_step", "u32", shape.every ?? 1],
  ],
  variants: { "ernie4_5-moe-step": ["transformers"] },
  // In less exact formats bytes choose another expert now and then.
  types: ["F32", "Q8_0"],
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "ernie4_5_moe",
      use_bias: false,
      moe_num_experts: key("expert_count"),
      moe_k: key("expert_used_count"),
      moe_intermediate_size: key("expert_feed_forward_length"),
      moe_num_shared_experts: key("expert_shared_feed_forward_length") / key("expert_feed_forward_length"),
      moe_layer_start_index: key("leading_dense_block_count"),
      moe_layer_interval: key("interleave_moe_layer_step"),
    }),
    names: [
      [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.mlp.gate."],
      [/^blk\.(\d+)\.exp_probs_b\.bias/, "model.layers.$1.mlp.moe_statics.e_score_correction_bias"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_exps/, "model.layers.$1.mlp.experts.#.$2_proj"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_shexp/, "model.layers.$1.mlp.shared_experts.$2_proj"],
    ],
    layout: (name, key) =>
      /exp_probs_b/.test(name) ? { shape: [1, key("expert_count")], placeOf: (i) => i } : undefined,
  },
};
