/** command-r: one LayerNorm without bias before two parallel branches, and logits that are multiplied. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @typedef {import("../architectures.mjs").Shape} Shape */

/** @param {import("../random-models.mjs").Weights} w */
export function commandBlock(w) {
  groupedAttention(w);
  gatedFeedForward(w, { norm: false });
}

/** Keys of command-r and cohere2. @param {Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
export const commandKeys = ({ heads, hidden, kvHeads = heads, ffn, epsilon, theta, vocabulary }) => [
  ["feed_forward_length", "u32", ffn],
  ["attention.head_count", "u32", heads],
  ["attention.head_count_kv", "u32", kvHeads],
  ["attention.layer_norm_epsilon", "f32", epsilon],
  ["rope.freq_base", "f32", theta],
  ["rope.dimension_count", "u32", hidden / heads],
  ["rope.scaling.type", "string", "none"],
  ["logit_scale", "f32", 0.5],
  ["vocab_size", "u32", vocabulary],
];

/** @type {import("../architectures.mjs").Checkpoint["config"]} */
export const commandConfig = (key) => ({
  layer_norm_eps: key("attention.layer_norm_epsilon"),
  logit_scale: key("logit_scale"),
});

/** @type {import("../architectures.mjs").Architecture} */
export const commandR = {
  models: "Command R, Command R+, Aya 23, Aya Expanse",
  // Its peers know no heads of another width than hidden / heads.
  shapes: {
    "command-r-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, ffn: 320 },
      ...{ vocabulary: 512, context: 1024, theta: 8e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
    // Command R+: from 64 layers on each head of q and k is normed, by a weight of its own.
    "command-r-norms": {
      ...{ layers: 64, hidden: 64, heads: 4, kvHeads: 2, ffn: 96 },
      ...{ vocabulary: 512, context: 1024, theta: 8e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  variants: { "command-r-norms": PEERS },
  block(w) {
    commandBlock(w);
    if (w.shape.layers < 64) return;
    w.add("attn_q_norm.weight", [w.headSize, w.shape.heads], "F32", 0.1, 1);
    w.add("attn_k_norm.weight", [w.headSize, w.kvHeads], "F32", 0.1, 1);
  },
  keys: commandKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...commandConfig(key), model_type: "cohere", use_qk_norm: key("block_count") >= 64 }),
  },
};
