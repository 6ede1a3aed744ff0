/** phi2: one LayerNorm before two parallel branches, and a bias in every linear. */
import { PEERS, TYPES } from "../architecture-keys.mjs";
import { geluFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const phi2 = {
  models: "Phi-1, Phi-1.5, Phi-2",
  shapes: {
    // Three eighths of each head turn. Its peers know no heads of another width than hidden / heads.
    "phi2-tiny": {
      layers: 4,
      hidden: 256,
      heads: 4,
      kvHeads: 2,
      rope: 24,
      ffn: 768,
      vocabulary: 512,
      context: 1024,
      theta: 5e4,
      epsilon: 1e-5,
      pre: "gpt-2",
    },
  },
  block(w) {
    groupedAttention(w, { biases: true });
    w.add("attn_norm.bias", [w.shape.hidden], "F32", 0.5);
    w.add("attn_output.bias", [w.shape.hidden], "F32", w.added);
    geluFeedForward(w);
  },
  ends(w) {
    w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
    w.add("output.bias", [w.shape.vocabulary], "F32", 0.5);
  },
  keys: ({ heads, kvHeads = heads, ffn, epsilon, theta, rope = 0, vocabulary }) => [
    ["feed_forward_length", "u32", ffn],
    ["attention.head_count", "u32", heads],
    ["attention.head_count_kv", "u32", kvHeads],
    ["attention.layer_norm_epsilon", "f32", epsilon],
    ["rope.dimension_count", "u32", rope],
    ["rope.freq_base", "f32", theta],
    ["vocab_size", "u32", vocabulary],
  ],
  types: TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      model_type: "phi",
      layer_norm_eps: key("attention.layer_norm_epsilon"),
      partial_rotary_factor: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      hidden_act: "gelu_new",
    }),
    names: [
      [/^output_norm/, "model.final_layernorm"],
      [/^blk\.(\d+)\.attn_output/, "model.layers.$1.self_attn.dense"],
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.fc1"],
      [/^blk\.(\d+)\.ffn_down/, "model.layers.$1.mlp.fc2"],
    ],
  },
};
