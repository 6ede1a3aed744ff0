/** olmo: llama with LayerNorms that have no weights, and q, k and v clamped. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const olmo = {
  models: "OLMo 1B and 7B, AMD-OLMo",
  shapes: {
    "olmo-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, ffn: 320, vocabulary: 512, context: 1024, theta: 1e4 },
      ...{ epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w, { norm: false });
    gatedFeedForward(w, { norm: false });
  },
  plainOutput: true,
  // Some of the queries are above it.
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["rope.freq_base", "f32", shape.theta],
    ["attention.clamp_kqv", "f32", 2.5],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ clip_qkv: key("attention.clamp_kqv"), hidden_act: "silu" }),
    halves: true,
  },
};
