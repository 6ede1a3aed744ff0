/** falcon: one LayerNorm, or two, before two parallel branches without biases; GELU by erf. */
import { FEW_TYPES, layerNormKeys, PEERS, rowsByKey } from "../architecture-keys.mjs";
import { fusedAttention, geluFeedForward, layerNorm, outputNormBias } from "../random-parts.mjs";

const FALCON = {
  ...{ layers: 3, hidden: 160, heads: 5, ffn: 384, vocabulary: 512, context: 1024, theta: 2e4, epsilon: 1e-5 },
  ...{ pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const falcon = {
  models: "Falcon 7B, 40B and 180B",
  refuses: "ALiBi (Falcon-RW)",
  shapes: {
    "falcon-tiny": { ...FALCON, kvHeads: 1 },
    // As 40B: heads of keys, and a norm for each branch.
    "falcon-norms": { ...FALCON, layers: 2, hidden: 128, heads: 4, kvHeads: 2, parallel: true, tied: false },
  },
  block(w) {
    layerNorm(w, "attn_norm");
    if (w.shape.parallel) layerNorm(w, "attn_norm_2");
    fusedAttention(w, { norm: false });
    geluFeedForward(w, { biases: false });
  },
  ends: outputNormBias,
  keys: (shape) => [...layerNormKeys(shape), ["rope.freq_base", "f32", shape.theta]],
  variants: { "falcon-norms": PEERS },
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key, { parallel }) => ({
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      ffn_hidden_size: key("feed_forward_length"),
      num_kv_heads: key("attention.head_count_kv"),
      multi_query: true,
      new_decoder_architecture: Boolean(parallel),
      parallel_attn: true,
      bias: false,
      alibi: false,
      activation: "gelu",
    }),
    names: (shape) => [
      [/^token_embd/, "transformer.word_embeddings"],
      [/^output_norm/, "transformer.ln_f"],
      [/^blk\.(\d+)\.attn_norm_2/, "transformer.h.$1.ln_attn"],
      [/^blk\.(\d+)\.attn_norm/, `transformer.h.$1.${shape.parallel ? "ln_mlp" : "input_layernorm"}`],
      [/^blk\.(\d+)\.attn_qkv/, "transformer.h.$1.self_attention.query_key_value"],
      [/^blk\.(\d+)\.attn_output/, "transformer.h.$1.self_attention.dense"],
      [/^blk\.(\d+)\.ffn_up/, "transformer.h.$1.mlp.dense_h_to_4h"],
      [/^blk\.(\d+)\.ffn_down/, "transformer.h.$1.mlp.dense_4h_to_h"],
    ],
    layout: rowsByKey,
  },
};
