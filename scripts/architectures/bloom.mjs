/** bloom: ALiBi for positions, a LayerNorm behind the embeddings, biases everywhere. */
import { FEW_TYPES, layerNormKeys, PEERS, rowsByKey } from "../architecture-keys.mjs";
import { biasedAttention, geluFeedForward, layerNorm, outputNormBias } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const bloom = {
  models: "BLOOM and BLOOMZ 560M to 176B",
  shapes: {
    // Heads are no power of two: the slopes of the fifth lie between those of the others.
    "bloom-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, ffn: 640, vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5 },
      ...{ pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    biasedAttention(w);
    layerNorm(w, "ffn_norm");
    geluFeedForward(w);
  },
  ends(w) {
    layerNorm(w, "token_embd_norm");
    outputNormBias(w);
  },
  keys: layerNormKeys,
  types: FEW_TYPES,
  fixed: true,
  distances: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      n_layer: key("block_count"),
      n_head: key("attention.head_count"),
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      seq_length: key("context_length"),
    }),
    names: [
      [/^token_embd_norm/, "transformer.word_embeddings_layernorm"],
      [/^token_embd/, "transformer.word_embeddings"],
      [/^output_norm/, "transformer.ln_f"],
      [/^blk\.(\d+)\.attn_norm/, "transformer.h.$1.input_layernorm"],
      [/^blk\.(\d+)\.attn_qkv/, "transformer.h.$1.self_attention.query_key_value"],
      [/^blk\.(\d+)\.attn_output/, "transformer.h.$1.self_attention.dense"],
      [/^blk\.(\d+)\.ffn_norm/, "transformer.h.$1.post_attention_layernorm"],
      [/^blk\.(\d+)\.ffn_up/, "transformer.h.$1.mlp.dense_h_to_4h"],
      [/^blk\.(\d+)\.ffn_down/, "transformer.h.$1.mlp.dense_4h_to_h"],
    ],
    layout: rowsByKey,
  },
};
