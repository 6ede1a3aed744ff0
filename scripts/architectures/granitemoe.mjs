/** granitemoe: granite with experts, and one that every token goes to. */
import { expertKeys, FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention, sharedExpert } from "../random-parts.mjs";
import { SCALES, scaleConfig } from "./granite.mjs";

/** What checkpoints call experts, and the shared one. @type {[RegExp, string][]} */
export const GRANITE_NAMES = [
  [/^blk\.(\d+)\.ffn_gate_inp/, "model.layers.$1.block_sparse_moe.router.layer"],
  [/^blk\.(\d+)\.ffn_(gate|up)_exps/, "model.layers.$1.block_sparse_moe.input_linear"],
  [/^blk\.(\d+)\.ffn_down_exps/, "model.layers.$1.block_sparse_moe.output_linear"],
  [/^blk\.(\d+)\.ffn_(gate|up)_shexp/, "model.layers.$1.shared_mlp.input_linear"],
  [/^blk\.(\d+)\.ffn_down_shexp/, "model.layers.$1.shared_mlp.output_linear"],
];

/** @type {import("../architectures.mjs").Architecture} */
export const granitemoe = {
  models: "Granite 3.0 and 3.1, 1B-A400M and 3B-A800M",
  // Transformers knows no heads of another width than hidden / heads, llama.cpp no experts of another than ffn.
  shapes: {
    "granitemoe-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, ffn: 96, vocabulary: 512 },
      ...{ experts: 8, used: 3, expertWidth: 96, sharedWidth: 64 },
      ...{ context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...SCALES,
    ...expertKeys(shape).filter(([name]) => name !== "expert_feed_forward_length"),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      ...scaleConfig(key),
      model_type: "granitemoeshared",
      num_local_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      shared_intermediate_size: key("expert_shared_feed_forward_length"),
    }),
    names: GRANITE_NAMES,
    halves: true,
    // Of each expert first the rows of the gate, then those of `up`.
    layout(name, key) {
      const [, part, kind] = /ffn_(gate|up)_(exps|shexp)/.exec(name) ?? [];
      if (!part) return undefined;
      const experts = kind === "exps" ? key("expert_count") : 0;
      const width = key(experts ? "feed_forward_length" : "expert_shared_feed_forward_length");
      const second = part === "up" ? width : 0;
      return {
        shape: [...(experts ? [experts] : []), 2 * width, key("embedding_length")],
        rowOf: (row) => Math.floor(row / width) * 2 * width + second + (row % width),
      };
    },
  },
};
