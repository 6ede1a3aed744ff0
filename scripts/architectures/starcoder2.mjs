/** starcoder2: as llama, with LayerNorms, biases, and a feed-forward network of two matrices. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { geluFeedForward, groupedAttention, layerNorm } from "../random-parts.mjs";

const STARCODER2 = {
  ...{ hidden: 160, heads: 5, kvHeads: 1, ffn: 384, vocabulary: 512, context: 1024, theta: 1e5, epsilon: 1e-5 },
  ...{ pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const starcoder2 = {
  models: "StarCoder2 3B, 7B and 15B",
  shapes: {
    "starcoder2-tiny": { ...STARCODER2, layers: 3 },
    // All layers have a window, which llama.cpp passes over.
    "starcoder2-window": { ...STARCODER2, layers: 2, window: 7 },
  },
  block(w) {
    groupedAttention(w, { biases: true });
    w.add("attn_norm.bias", [w.shape.hidden], "F32", 0.5);
    w.add("attn_output.bias", [w.shape.hidden], "F32", w.added);
    layerNorm(w, "ffn_norm");
    geluFeedForward(w);
  },
  ends(w) {
    w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
  },
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["rope.freq_base", "f32", shape.theta],
    ...(shape.window ? [/** @type {const} */ (["attention.sliding_window", "u32", shape.window])] : []),
  ],
  variants: { "starcoder2-window": ["transformers"] },
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      norm_epsilon: key("attention.layer_norm_epsilon"),
      hidden_act: "gelu_pytorch_tanh",
      use_bias: true,
      sliding_window: key("attention.sliding_window") ?? null,
    }),
    names: [
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.c_fc"],
      [/^blk\.(\d+)\.ffn_down/, "model.layers.$1.mlp.c_proj"],
    ],
  },
};
