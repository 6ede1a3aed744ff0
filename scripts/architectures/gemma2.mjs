/** gemma2: norms behind both halves, a window in every other layer, and caps. */
import { FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";
import { GEMMA, gemmaConfig } from "./gemma.mjs";

/** @type {import("../architectures.mjs").Checkpoint["names"]} */
export const GEMMA_NAMES = [
  [/^blk\.(\d+)\.post_attention_norm/, "model.layers.$1.post_attention_layernorm"],
  [/^blk\.(\d+)\.post_ffw_norm/, "model.layers.$1.post_feedforward_layernorm"],
  [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.pre_feedforward_layernorm"],
];

/** @type {import("../architectures.mjs").Architecture} */
export const gemma2 = {
  models: "Gemma 2 2B to 27B",
  // Prompts of tests are longer than the window.
  shapes: {
    "gemma2-tiny": { ...GEMMA, layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 48, ffn: 320, window: 5 },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
    normsBehind(w);
  },
  // Small caps, so that they show.
  keys: (shape) => [
    ...groupedKeys(shape),
    ["attention.sliding_window", "u32", shape.window],
    ["attn_logit_softcapping", "f32", 5],
    ["final_logit_softcapping", "f32", 3],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...gemmaConfig(key),
      query_pre_attn_scalar: key("attention.key_length"),
      sliding_window: key("attention.sliding_window"),
      attn_logit_softcapping: key("attn_logit_softcapping"),
      final_logit_softcapping: key("final_logit_softcapping"),
    }),
    names: GEMMA_NAMES,
    plusOne: /norm\.weight$/,
  },
};
