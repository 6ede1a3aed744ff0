/** deci: llama, whose layers have heads, heads of keys and feed-forward widths of their own, or none. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const deci = {
  models: "DeciLM-7B, Llama-3.1-Nemotron-51B, Llama-3.3-Nemotron-Super-49B, Llama-3.1-Nemotron-Ultra-253B",
  // All there is, nothing but the feed-forward network, nothing at all, W_o alone, fewer heads of keys.
  shapes: {
    "deci-tiny": {
      ...{ layers: 5, hidden: 128, heads: 4, headSize: 32, ffn: 256, vocabulary: 512, context: 1024 },
      ...{ headsOf: [4, 0, 0, 4, 4], kvHeadsOf: [2, 0, 0, 0, 1], ffnOf: [256, 512, 0, 256, 768] },
      ...{ theta: 5e5, epsilon: 1e-5, pre: "qwen2" },
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
  types: FEW_TYPES,
  peers: ["llama.cpp"],
  checkpoint: {
    config(key) {
      const [heads, kvHeads, widths] = ["attention.head_count", "attention.head_count_kv", "feed_forward_length"].map(
        key,
      );
      return {
        model_type: "nemotron-nas",
        num_attention_heads: Math.max(...heads),
        num_key_value_heads: null,
        intermediate_size: null,
        block_configs: heads.map((/** @type {number} */ count, /** @type {number} */ layer) => ({
          attention: {
            n_heads_in_group: kvHeads[layer] ? count / kvHeads[layer] : null,
            no_op: count === 0,
            replace_with_linear: count > 0 && kvHeads[layer] === 0,
          },
          ffn: {
            ffn_mult: widths[layer] ? (1.5 * widths[layer]) / key("embedding_length") : null,
            no_op: widths[layer] === 0,
            replace_with_linear: false,
          },
        })),
      };
    },
    names: [[/^blk\.3\.attn_output/, "model.layers.3.self_attn.linear_attn"]],
    // Values i and i + n/2 of a head turn together, where GGUF has 2i and 2i + 1.
    layout(name, key) {
      const kind = /blk\.(\d+)\.attn_(q|k)\./.exec(name);
      if (!kind) return undefined;
      const size = key("attention.key_length");
      const heads = key(kind[2] === "q" ? "attention.head_count" : "attention.head_count_kv")[Number(kind[1])];
      const rowOf = (/** @type {number} */ row) => {
        const place = row % size;
        return row - place + (place >> 1) + (place & 1) * (size / 2);
      };
      return { shape: [heads * size, key("embedding_length")], rowOf };
    },
  },
};
