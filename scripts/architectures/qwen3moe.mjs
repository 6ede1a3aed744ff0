/** qwen3moe: qwen3 with experts in place of the feed-forward network. */
import { expertKeys, FEW_TYPES, groupedKeys, headConfig, PEERS, QWEN } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Checkpoint["names"]} */
export const EXPERT_NAMES = [
  [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.mlp.gate."],
  [/^blk\.(\d+)\.ffn_(gate|up|down)_exps/, "model.layers.$1.mlp.experts.#.$2_proj"],
];

/** @type {import("../architectures.mjs").Architecture} */
export const qwen3moe = {
  models: "Qwen3-30B-A3B",
  shapes: {
    // Of three experts two were so near each other that a cache of halves let them change places.
    "qwen3moe-tiny": {
      ...{ ...QWEN, layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 48, ffn: 256 },
      ...{ experts: 8, used: 4, expertWidth: 96 },
    },
    "qwen3moe-1b": {
      ...{ ...QWEN, layers: 12, hidden: 1024, heads: 16, kvHeads: 4, headSize: 64, ffn: 3072, vocabulary: 4096 },
      ...{ experts: 64, used: 8, expertWidth: 384 },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedExperts(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...expertKeys(shape)],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "qwen3_moe",
      num_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      moe_intermediate_size: key("expert_feed_forward_length"),
      norm_topk_prob: true,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    }),
    names: EXPERT_NAMES,
  },
};
