/** gpt2: learned positions, LayerNorms, biases everywhere, and q, k and v in one matrix. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { biasedAttention, geluFeedForward, layerNorm } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const gpt2 = {
  models: "GPT-2 124M to 1.5B, DistilGPT-2",
  shapes: {
    "gpt2-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, ffn: 384, vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5 },
      ...{ pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    biasedAttention(w);
    layerNorm(w, "ffn_norm");
    geluFeedForward(w);
  },
  ends(w) {
    w.add("position_embd.weight", [w.shape.hidden, w.shape.context], "F32", w.unit);
    w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
  },
  keys: layerNormKeys,
  types: FEW_TYPES,
  peers: PEERS,
  fixed: true,
  checkpoint: {
    config: (key) => ({
      n_layer: key("block_count"),
      n_positions: key("context_length"),
      n_embd: key("embedding_length"),
      n_inner: key("feed_forward_length"),
      n_head: key("attention.head_count"),
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      activation_function: "gelu_new",
    }),
    names: [
      [/^token_embd/, "transformer.wte"],
      [/^position_embd/, "transformer.wpe"],
      [/^output_norm/, "transformer.ln_f"],
      [/^blk\.(\d+)\.attn_norm/, "transformer.h.$1.ln_1"],
      [/^blk\.(\d+)\.attn_qkv/, "transformer.h.$1.attn.c_attn"],
      [/^blk\.(\d+)\.attn_output/, "transformer.h.$1.attn.c_proj"],
      [/^blk\.(\d+)\.ffn_norm/, "transformer.h.$1.ln_2"],
      [/^blk\.(\d+)\.ffn_up/, "transformer.h.$1.mlp.c_fc"],
      [/^blk\.(\d+)\.ffn_down/, "transformer.h.$1.mlp.c_proj"],
    ],
    transposed: /(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/,
  },
};
