/** gptneox: two LayerNorms before two parallel branches, the first dimensions of a head turn, GELU by erf. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { biasedAttention, geluFeedForward, layerNorm } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const gptneox = {
  models: "Pythia 14M to 12B, GPT-NeoX-20B, Dolly v2, RedPajama-INCITE",
  shapes: {
    // A quarter of each head turns.
    "gptneox-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, rope: 8, ffn: 384, vocabulary: 512, context: 1024, theta: 2e4 },
      ...{ epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    biasedAttention(w);
    layerNorm(w, "ffn_norm");
    geluFeedForward(w);
  },
  ends(w) {
    w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
  },
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["use_parallel_residual", "bool", true],
    ["rope.dimension_count", "u32", shape.rope ?? 0],
    ["rope.freq_base", "f32", shape.theta],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      model_type: "gpt_neox",
      layer_norm_eps: key("attention.layer_norm_epsilon"),
      rotary_pct: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      rotary_emb_base: key("rope.freq_base"),
      use_parallel_residual: key("use_parallel_residual"),
      hidden_act: "gelu",
    }),
    names: [
      [/^token_embd/, "gpt_neox.embed_in"],
      [/^output_norm/, "gpt_neox.final_layer_norm"],
      [/^output/, "embed_out"],
      [/^blk\.(\d+)\.attn_norm/, "gpt_neox.layers.$1.input_layernorm"],
      [/^blk\.(\d+)\.attn_qkv/, "gpt_neox.layers.$1.attention.query_key_value"],
      [/^blk\.(\d+)\.attn_output/, "gpt_neox.layers.$1.attention.dense"],
      [/^blk\.(\d+)\.ffn_norm/, "gpt_neox.layers.$1.post_attention_layernorm"],
      [/^blk\.(\d+)\.ffn_up/, "gpt_neox.layers.$1.mlp.dense_h_to_4h"],
      [/^blk\.(\d+)\.ffn_down/, "gpt_neox.layers.$1.mlp.dense_4h_to_h"],
    ],
    // q, k and v of each head lie one behind the other.
    layout(name, key) {
      if (!/attn_qkv/.test(name)) return undefined;
      const hidden = key("embedding_length");
      const head = hidden / key("attention.head_count");
      const rowOf = (/** @type {number} */ row) => {
        const [part, place] = [Math.floor(row / hidden), row % hidden];
        return (3 * Math.floor(place / head) + part) * head + (place % head);
      };
      return { shape: name.endsWith("weight") ? [3 * hidden, hidden] : [3 * hidden], rowOf };
    },
  },
};
