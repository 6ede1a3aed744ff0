/** granite: llama with four scales. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @typedef {import("../architectures.mjs").Checkpoint} Checkpoint */

/** The scales of granite and granitemoe. */
export const SCALES = /** @type {import("../vocabulary.mjs").Entry[]} */ ([
  ["attention.scale", "f32", 0.125],
  ["embedding_scale", "f32", 6],
  ["residual_scale", "f32", 0.25],
  ["logit_scale", "f32", 0.75],
]);

/** @type {Checkpoint["config"]} */
export const scaleConfig = (key) => ({
  attention_multiplier: key("attention.scale"),
  embedding_multiplier: key("embedding_scale"),
  residual_multiplier: key("residual_scale"),
  logits_scaling: key("logit_scale"),
});

/** @type {import("../architectures.mjs").Architecture} */
export const granite = {
  models: "Granite 3.0 to 3.3, 2B and 8B",
  refuses: "experts, which `granitemoe` has",
  shapes: {
    "granite-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 160, vocabulary: 512 },
      ...{ context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...SCALES],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: { config: (key) => ({ ...headConfig(key), ...scaleConfig(key) }), halves: true },
};
