/** seed_oss: qwen2, whose second norm has another name. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const seedOss = {
  models: "Seed-OSS 36B",
  shapes: {
    "seed_oss-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e7, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { biases: true });
    w.norm("post_attention_norm.weight", w.shape.hidden);
    gatedFeedForward(w, { norm: false });
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...headConfig(key), attention_bias: true, attention_out_bias: false }),
    names: [[/^blk\.(\d+)\.post_attention_norm/, "model.layers.$1.post_attention_layernorm"]],
  },
};
