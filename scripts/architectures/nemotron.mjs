/** nemotron: llama with LayerNorms and a squared ReLU without a gate; half of each head turns. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { groupedAttention, layerNorm, outputNormBias, reluSquaredFeedForward } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const nemotron = {
  models: "Minitron 4B and 8B, Nemotron-Mini 4B, Nemotron-4 340B",
  shapes: {
    "nemotron-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, rope: 16, ffn: 384, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    layerNorm(w, "attn_norm");
    groupedAttention(w, { norm: false });
    reluSquaredFeedForward(w);
    w.add("ffn_norm.bias", [w.shape.hidden], "F32", 0.5);
  },
  ends: outputNormBias,
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["rope.dimension_count", "u32", shape.rope ?? shape.hidden / shape.heads],
    ["rope.freq_base", "f32", shape.theta],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      norm_eps: key("attention.layer_norm_epsilon"),
      partial_rotary_factor: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      hidden_act: "relu2",
      attention_bias: false,
      mlp_bias: false,
    }),
    plusOne: /norm\.weight$/,
  },
};
