/** lfm2: gated convolutions over three tokens, and between them layers that attend. */
import { FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";
import { byLayer, layerOf, renameLastNorm, shortConvolution } from "../recurrent-parts.mjs";

/** @typedef {import("../random-models.mjs").Weights} Weights */
/** @typedef {import("../architectures.mjs").Shape} Shape */

export const LFM2 = {
  ...{ layers: 5, hidden: 128, heads: 4, headSize: 32, ffn: 192, taps: 3, kvHeadsOf: [0, 0, 2, 0, 2] },
  ...{ vocabulary: 512, context: 1024, theta: 1e6, epsilon: 1e-5, pre: "qwen2", tied: true },
};

/** A convolution, or attention. @param {Weights} w */
export function mixer(w) {
  if (w.shape.kvHeadsOf?.[w.layer]) groupedAttention(layerOf(w), { norms: true });
  else shortConvolution(w);
}

/** @param {Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
export const keys = (shape) => [...byLayer(groupedKeys(shape), shape), ["shortconv.l_cache", "u32", shape.taps ?? 0]];

/** @type {import("../architectures.mjs").Checkpoint["config"]} */
export const config = (key) => ({
  conv_L_cache: key("shortconv.l_cache"),
  norm_eps: key("attention.layer_norm_rms_epsilon"),
  num_key_value_heads: Math.max(...key("attention.head_count_kv")),
  layer_types: key("attention.head_count_kv").map((/** @type {number} */ heads) => (heads ? "full_attention" : "conv")),
});

/** @type {import("../architectures.mjs").Checkpoint["names"]} */
export const NAMES = [
  [/^token_embd_norm/, "model.embedding_norm"],
  [/^blk\.(\d+)\.attn_norm/, "model.layers.$1.operator_norm"],
  [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.ffn_norm"],
  [/^blk\.(\d+)\.shortconv\.(in_proj|conv|out_proj)/, "model.layers.$1.conv.$2"],
  [/^blk\.(\d+)\.attn_(q|k)_norm/, "model.layers.$1.self_attn.$2_layernorm"],
  [/^blk\.(\d+)\.attn_output/, "model.layers.$1.self_attn.out_proj"],
];

/** A convolution's weights have a dimension of one in the middle. @type {import("../architectures.mjs").Checkpoint["layout"]} */
export const layout = (name, key) =>
  name.includes("shortconv.conv")
    ? { shape: [key("embedding_length"), 1, key("shortconv.l_cache")], placeOf: (value) => value }
    : undefined;

/** @type {import("../architectures.mjs").Architecture} */
export const lfm2 = {
  models: "LFM2 350M, 700M, 1.2B, 2.6B, LFM2.5 1.2B",
  refuses: "convolutions that see what follows (LFM2.5-Embedding, ColBERT)",
  shapes: { "lfm2-tiny": LFM2 },
  block(w) {
    mixer(w);
    gatedFeedForward(w);
  },
  ends: (w) => renameLastNorm(w, "token_embd_norm.weight"),
  keys,
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...config(key), block_ff_dim: key("feed_forward_length"), block_auto_adjust_ff_dim: false }),
    names: [
      ...NAMES,
      [/^blk\.(\d+)\.ffn_gate/, "model.layers.$1.feed_forward.w1"],
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.feed_forward.w3"],
      [/^blk\.(\d+)\.ffn_down/, "model.layers.$1.feed_forward.w2"],
    ],
    layout,
  },
};
