/** deci: llama, whose layers have heads, heads of keys and feed-forward widths of their own, or none. */
import { TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const deci = {
  // All there is, nothing but the feed-forward network, nothing at all, W_o alone, fewer heads.
  shapes: {
    "deci-tiny": {
      ...{
        layers: 5,
        hidden: 128,
        heads: 4,
        headSize: 48,
        ffn: 160,
        headsOf: [4, 0, 0, 4, 2],
        kvHeadsOf: [2, 0, 0, 0, 1],
      },
      ...{ ffnOf: [160, 96, 0, 160, 224], context: 1024, theta: 5e5, epsilon: 1e-5, pre: "llama-bpe", vocabulary: 512 },
      ropeFactors: true,
    },
  },
  block(w) {
    const { headsOf = [], kvHeadsOf = [], ffnOf = [], hidden } = w.shape;
    const heads = headsOf[w.layer];
    const layer = w.of({ heads, kvHeads: kvHeadsOf[w.layer], ffn: ffnOf[w.layer] });
    if (kvHeadsOf[w.layer] > 0) groupedAttention(layer);
    else if (heads > 0) {
      w.norm("attn_norm.weight", hidden);
      w.matrix("attn_output.weight", hidden, hidden, 2 * w.added * w.unit);
    }
    if (ffnOf[w.layer] > 0) gatedFeedForward(layer);
  },
  keys: ({ headsOf = [], kvHeadsOf = [], ffnOf = [], headSize = 0, epsilon, theta, vocabulary }) => [
    ["feed_forward_length", "i32[]", ffnOf],
    ["attention.head_count", "i32[]", headsOf],
    ["attention.head_count_kv", "i32[]", kvHeadsOf],
    ["attention.layer_norm_rms_epsilon", "f32", epsilon],
    ["attention.key_length", "u32", headSize],
    ["attention.value_length", "u32", headSize],
    ["rope.freq_base", "f32", theta],
    ["rope.dimension_count", "u32", headSize],
    ["vocab_size", "u32", vocabulary],
  ],
  types: TYPES,
  peers: ["llama.cpp"],
  checkpoint: {
    config: () => ({}),
    halves: true,
  },
};
