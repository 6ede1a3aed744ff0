/** qwen2moe: qwen2 with experts, and a shared one behind a gate. */
import { expertKeys, FEW_TYPES, groupedKeys, headConfig, PEERS, QWEN } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention, sharedExpert } from "../random-parts.mjs";
import { EXPERT_NAMES } from "./qwen3moe.mjs";

/** What checkpoints call experts, and the shared one. @type {[RegExp, string][]} */
export const SHARED_NAMES = [
  ...EXPERT_NAMES,
  [/^blk\.(\d+)\.ffn_gate_inp_shexp/, "model.layers.$1.mlp.shared_expert_gate"],
  [/^blk\.(\d+)\.ffn_(gate|up|down)_shexp/, "model.layers.$1.mlp.shared_expert.$2_proj"],
];

/** @type {import("../architectures.mjs").Architecture} */
export const qwen2moe = {
  models: "Qwen1.5-MoE-A2.7B, Qwen2-57B-A14B",
  // Experts whose rows are no whole groups of eight. llama.cpp wants a head of its own.
  shapes: {
    "qwen2moe-tiny": {
      ...{
        ...QWEN,
        tied: false,
        layers: 3,
        hidden: 128,
        heads: 4,
        kvHeads: 2,
        ffn: 192,
        experts: 6,
        used: 2,
        expertWidth: 100,
      },
      sharedWidth: 160,
    },
  },
  block(w) {
    groupedAttention(w, { biases: true });
    gatedExperts(w);
    w.add("ffn_gate_inp_shexp.weight", [w.shape.hidden], "F32", w.unit);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "qwen2_moe",
      num_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      moe_intermediate_size: key("expert_feed_forward_length"),
      shared_expert_intermediate_size: key("expert_shared_feed_forward_length"),
      norm_topk_prob: false,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    }),
    // A matrix of one row.
    layout: (name, key) =>
      /ffn_gate_inp_shexp/.test(name) ? { shape: [1, key("embedding_length")], rowOf: (row) => row } : undefined,
    names: SHARED_NAMES,
  },
};
