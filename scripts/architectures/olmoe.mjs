/** olmoe: norms of whole rows of q and k, and experts whose weights do not add up to one. */
import { expertKeys, FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention } from "../random-parts.mjs";
import { EXPERT_NAMES } from "./qwen3moe.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const olmoe = {
  models: "OLMoE 1B-7B",
  // llama.cpp knows as many heads of keys as of queries alone, and experts as wide as the feed-forward length.
  shapes: {
    "olmoe-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, ffn: 100, experts: 8, used: 3, expertWidth: 100 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { rowNorms: true });
    gatedExperts(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...expertKeys(shape)],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      num_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      norm_topk_prob: false,
    }),
    names: EXPERT_NAMES,
  },
};
