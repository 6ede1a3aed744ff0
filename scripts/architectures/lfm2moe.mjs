/** lfm2moe: lfm2 with experts behind its first layers. */
import { expertKeys, FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward } from "../random-parts.mjs";
import { renameLastNorm } from "../recurrent-parts.mjs";
import { config, keys, LFM2, layout, mixer, NAMES } from "./lfm2.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const lfm2moe = {
  models: "LFM2-8B-A1B",
  shapes: { "lfm2moe-tiny": { ...LFM2, experts: 6, used: 2, expertWidth: 96, dense: 2 } },
  block(w) {
    const { dense = 0, experts = 0 } = w.shape;
    mixer(w);
    if (w.layer < dense) return gatedFeedForward(w);
    gatedExperts(w);
    w.add("exp_probs_b.bias", [experts], "F32", 0.1, 0.3);
  },
  ends: (w) => renameLastNorm(w, "token_embd_norm.weight"),
  keys: (shape) => [
    ...keys(shape),
    ...expertKeys(shape),
    ["leading_dense_block_count", "u32", shape.dense ?? 0],
    ["expert_gating_func", "u32", 2],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...config(key),
      model_type: "lfm2_moe",
      num_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      moe_intermediate_size: key("expert_feed_forward_length"),
      num_dense_layers: key("leading_dense_block_count"),
      use_expert_bias: true,
      norm_topk_prob: true,
    }),
    names: [
      ...NAMES,
      [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.feed_forward.gate."],
      [/^blk\.(\d+)\.exp_probs_b\.bias/, "model.layers.$1.feed_forward.expert_bias"],
      [/^blk\.(\d+)\.ffn_gate_exps/, "model.layers.$1.feed_forward.experts.#.w1"],
      [/^blk\.(\d+)\.ffn_up_exps/, "model.layers.$1.feed_forward.experts.#.w3"],
      [/^blk\.(\d+)\.ffn_down_exps/, "model.layers.$1.feed_forward.experts.#.w2"],
      [/^blk\.(\d+)\.ffn_gate\./, "model.layers.$1.feed_forward.w1."],
      [/^blk\.(\d+)\.ffn_up\./, "model.layers.$1.feed_forward.w3."],
      [/^blk\.(\d+)\.ffn_down\./, "model.layers.$1.feed_forward.w2."],
    ],
    layout,
  },
};
